// What every pass counts, and what follows of what was counted.

// The class of a row, or why there is none.
const LABEL_IGNORED: u32 = 0xffffffffu;
const LABEL_BAD: u32 = 0xfffffffeu;

fn head_number(at: u32) -> f32 {
    return bitcast<f32>(atomicLoad(&work.head[at]));
}

fn count(head: u32, counter: u32, n: u32) {
    if (n > 0u) {
        let old = atomicAdd(&work.head[head + counter], n);
        if (old > 0xffffffffu - n) {
            atomicAdd(&work.head[head + counter + 1u], 1u);
        }
    }
}

// Which kind of non-finite number this is; 0 for a finite one.
fn seen_of(bits: u32) -> u32 {
    if (finite_bits(bits)) {
        return 0u;
    }
    let infinite = select(SEEN_INF, SEEN_NEG_INF, bits != INF_BITS);
    return select(infinite, SEEN_NAN, nan_bits(bits));
}

fn finite_of(bits: u32) -> f32 {
    return select(0.0, bitcast<f32>(bits), finite_bits(bits));
}

fn note(head: u32, seen: u32) {
    if (seen != 0u) {
        atomicOr(&work.head[head + SEEN], seen);
    }
}

// The finite part of a loss; of any other the kind is remembered instead, so that partial sums stay finite
// and the kind does not depend on the order of the sum.
fn finite_part(head: u32, bits: u32) -> f32 {
    note(head, seen_of(bits));
    return finite_of(bits);
}

fn put_leaf(head: u32, at: u32, bits: u32) {
    work.leaves[at] = bitcast<u32>(finite_part(head, bits));
}

fn bad_weight(bits: u32) -> bool {
    return bits >= INF_BITS && bits != 0x80000000u;
}

fn divisor_of(head: u32, counted: u32, known: f32) -> f32 {
    if (counted == COUNTED_SUM) {
        return head_number(head + DIVISOR);
    }
    if (counted == COUNTED_VALID) {
        let low = f32(atomicLoad(&work.head[head + VALID]));
        return low + 4294967296.0 * f32(atomicLoad(&work.head[head + VALID + 1u]));
    }
    return known;
}

// Whether the weights that a mean divides by sum to 0: then every loss and gradient is 0, of NaN and infinities
// too. A sum that a device could flush counts as 0 on all of them.
fn nothing_counts(head: u32, counted: u32) -> bool {
    return counted != 0u && !(divisor_of(head, counted, 1.0) >= SMALLEST_NORMAL);
}

// What every gradient is multiplied by, but for its weight.
fn grad_factor(head: u32, counted: u32, known: f32, scale: f32) -> f32 {
    if (nothing_counts(head, counted)) {
        return 0.0;
    }
    var upstream = params.grad_scale;
    if (params.has_upstream != 0u) {
        upstream *= head_number(UPSTREAM);
    }
    return upstream * scale / divisor_of(head, counted, known);
}
