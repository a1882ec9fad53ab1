// What every pass counts, in the first words of the work buffer.

// 64-bit counters, low word first.
const VALID: u32 = 0u;
const BAD_LABELS: u32 = 2u;
const NON_FINITE: u32 = 4u;
const BAD_WEIGHTS: u32 = 6u;
// One word: the largest complement of a bad row's index, so that 0 says none.
const FIRST_BAD: u32 = 8u;
// One word: which non-finite losses were met.
const SEEN: u32 = 9u;
const SEEN_NAN: u32 = 1u;
const SEEN_INF: u32 = 2u;
const SEEN_NEG_INF: u32 = 4u;

fn count(counter: u32, n: u32) {
    if (n > 0u) {
        let old = atomicAdd(&work.counters[counter], n);
        if (old > 0xffffffffu - n) {
            atomicAdd(&work.counters[counter + 1u], 1u);
        }
    }
}

// The finite part of a loss; of any other the kind is remembered instead, so that partial sums stay finite
// and the kind does not depend on the order of the sum.
fn finite_part(bits: u32) -> f32 {
    if (finite_bits(bits)) {
        return bitcast<f32>(bits);
    }
    let infinite = select(SEEN_INF, SEEN_NEG_INF, bits != INF_BITS);
    atomicOr(&work.counters[SEEN], select(infinite, SEEN_NAN, nan_bits(bits)));
    return 0.0;
}

fn bad_weight(bits: u32) -> bool {
    return bits >= INF_BITS && bits != 0x80000000u;
}

// What every gradient is multiplied by, but for its weight.
fn grad_factor() -> f32 {
    var upstream = params.grad_scale;
    if (params.has_upstream != 0u) {
        upstream *= work.upstream;
    }
    if (nothing_counts()) {
        return 0.0;
    }
    return upstream / divisor();
}

// Whether the weights that a mean divides by sum to 0: then every loss and gradient is 0, of NaN and infinities
// too. A sum that a device could flush counts as 0 on all of them.
fn nothing_counts() -> bool {
    return params.counted != 0u && !(work.divisor >= SMALLEST_NORMAL);
}

fn divisor() -> f32 {
    if (params.counted != 0u) {
        return work.divisor;
    }
    return params.divisor;
}
