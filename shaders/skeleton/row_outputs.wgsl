// What is asked of rows of logits one by one, in one pass over them: log-sum-exp, the log-probability of the target, entropy, and the
// class of the highest. A slice of LANES invocations takes a row.
//
//   m = max z, s = Σ exp(z - m), e = Σ exp(z - m)·(z - m)
//   log-sum-exp = m + log s, log p_y = (z_y - m) - log s, entropy = -Σ p·log p = log s - e/s
//
// Everything is relative to the largest so far, as in softmax cross-entropy. A logit of -inf has probability 0 and adds nothing.

struct Seen {
    m: f32,
    s: f32,
    e: f32,
    // The column of the largest, the lowest of equal ones.
    best: u32,
    // Which numbers that are not finite there were.
    odd: u32,
}
const ODD_NAN: u32 = 1u;
const ODD_INF: u32 = 2u;
const NONE: u32 = 0xffffffffu;
// Below it exp is 0 beside 1. A difference that overflows ends here.
const DEEP: f32 = -200.0;

fn nothing_seen() -> Seen {
    return Seen(LOWEST, 0.0, 0.0, NONE, 0u);
}

// The sums relative to `m`, which is not below their own.
fn lowered(a: Seen, m: f32) -> Seen {
    let d = max(a.m - m, DEEP);
    let f = exp(d);
    return Seen(m, f * a.s, f * (a.e + a.s * d), a.best, a.odd);
}

fn seen_merge(a: Seen, b: Seen) -> Seen {
    // By bits, so that subnormals are told apart, and chosen and not computed, so that they stay; an infinity is above all.
    let infinite = f32(a.odd & ODD_INF) - f32(b.odd & ODD_INF);
    let side = select(infinite, order(a.m, b.m), infinite == 0.0);
    let m = select(b.m, a.m, side >= 0.0);
    let x = lowered(a, m);
    let y = lowered(b, m);
    let first = b.best == NONE || (a.best != NONE && (side > 0.0 || (side == 0.0 && a.best < b.best)));
    return Seen(m, x.s + y.s, x.e + y.e, select(b.best, a.best, first), a.odd | b.odd);
}

// The bits of a logit under softcap and temperature. What is no number stays what it is: arithmetic may make anything of it.
fn logit(bits: u32) -> u32 {
    if (nan_bits(bits)) {
        return bits;
    }
    var z = bitcast<f32>(bits);
    if (params.softcap > 0.0) {
        z = params.softcap * tanh_fine(clamp(z, LOWEST, LARGEST) / params.softcap);
    }
    if (params.temperature != 1.0 && finite_bits(bitcast<u32>(z))) {
        z = clamp(z / params.temperature, LOWEST, LARGEST);
    }
    return bitcast<u32>(z);
}

fn seen_of(row: u32, col: u32) -> Seen {
    let bits = logit(load_logit(element_of(row, col)));
    if (nan_bits(bits)) {
        return Seen(LOWEST, 0.0, 0.0, NONE, ODD_NAN);
    }
    if (bits == 0xff800000u) {
        return nothing_seen();
    }
    if (bits == INF_BITS) {
        // Above every finite one.
        return Seen(LARGEST, 0.0, 0.0, col, ODD_INF);
    }
    return Seen(bitcast<f32>(bits), 1.0, 0.0, col, 0u);
}

fn element_of(row: u32, col: u32) -> u32 {
    return (row / params.inner * params.cols + col) * params.inner + row % params.inner;
}

var<workgroup> slices: array<Seen, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let rows = 64u / LANES;
    let lane = tid % LANES;
    let asked = (wid.y * nwg.x + wid.x) * rows + tid / LANES;
    // Barriers are for everybody: a slice beyond the last row takes that once more and keeps silent.
    let row = min(asked, params.rows - 1u);
    var all = nothing_seen();
    // Runs of 64, so that no number goes through many additions.
    for (var b = lane; b < params.cols; b += 64u * LANES) {
        var run = nothing_seen();
        for (var c = b; c < min(b + 64u * LANES, params.cols); c += LANES) {
            run = seen_merge(run, seen_of(row, c));
        }
        all = seen_merge(all, run);
    }
    if (LANES > 1u) {
        slices[tid] = all;
        workgroupBarrier();
        for (var half = 32u; half > 0u; half = half >> 1u) {
            if (tid < half) {
                slices[tid] = seen_merge(slices[tid], slices[tid + half]);
            }
            workgroupBarrier();
        }
        all = slices[0];
    }
    if (lane != 0u || asked >= params.rows) {
        return;
    }
    let nan = (all.odd & ODD_NAN) != 0u;
    let infinite = (all.odd & ODD_INF) != 0u;
    let log_s = ln(all.s);
    var lse = bitcast<u32>(all.m + log_s);
    var entropy = bitcast<u32>(log_s - all.e / all.s);
    if (all.best == NONE) {
        lse = 0xff800000u;
        entropy = NAN_BITS;
    }
    if (infinite) {
        lse = INF_BITS;
        entropy = NAN_BITS;
    }
    if (nan) {
        lse = NAN_BITS;
        entropy = NAN_BITS;
    }
    put_log_sum_exp(row, lse);
    put_entropy(row, entropy);
    // Where no logit is finite they are all the same.
    put_argmax(row, select(select(all.best, 0u, all.best == NONE), NONE, nan));
    let label = label_of(row);
    var log_prob = 0u;
    if (label < params.cols) {
        let bits = logit(load_logit(element_of(row, label)));
        log_prob = bitcast<u32>((bitcast<f32>(bits) - all.m) - log_s);
        if (bits == 0xff800000u) {
            log_prob = 0xff800000u;
        }
        // Beside an infinite one every finite one has probability 0; what that one has, and rows without, nobody knows.
        if (infinite) {
            log_prob = select(0xff800000u, NAN_BITS, bits == INF_BITS);
        }
        if (nan || all.best == NONE) {
            log_prob = NAN_BITS;
        }
    }
    put_log_prob(row, log_prob);
}
