// Bounds of the areas under the ROC and the precision-recall curve, of counts of positive and negative samples in bins of scores,
// whatever the order inside a bin. Everything that is summed is a whole number, so that no order of sums changes a bit.
//
// Let a bin hold p positive and n negative samples, and the bins of higher scores a positive and b negative ones.
//
// Pairs in order: a negative sample here is below the a positive ones, in any order. The p·n pairs inside count 0 where all
// negative samples come first, p·n where all positive ones do; between that everything is possible.
//
// Precisions: average precision is the mean over positive samples of the precision at their score. Take the positive samples here
// downwards, equal ones in any order. At the score of the k-th there are j >= k of them, and m <= n negative ones, so that
//     (a + k)/(a + k + b + n) <= (a + j)/(a + j + b + m) <= (a + p)/(a + p + b).
// The p-fold of the right is reached where all positive samples have one score, and negative ones a lower one; the sum of the left
// over k where all negative samples come first, then positive ones one by one.
//
// That sum, with c = b + n and s = a + c: f(k) = 1 - c/(s + k) for the first DIRECT samples one by one. For the other q, and s with
// those DIRECT more, it is q - c·(1/(s + 1) + .. + 1/(s + q)); 1/x is convex, so that 1/x is at most its integral from x - 1/2
// to x + 1/2, and with y = s + 1/2 and x = q/y the sum is at least
//     q - c·log((y + q)/y) = q·(1 - (c/y)·(log(1 + x)/x)).
// What this leaves away is below c/(24·y²) <= 1/(96·DIRECT) positive samples, of more than DIRECT.
//
// Quotients are f32, and rounded outwards by more than their error, which in units of 2^-23 of the result is: 2 for a count as f32
// (each half to a neighbour, and their sum), 2.5 for a division. So a share is off by 6.5 and moved by 8, which is 2^-20; c/y and x, of which
// y has one addition more, are off by 7.5 each, log(1 + x)/x changes by no larger a part than x does and adds 3 for the logarithm
// and 2.5 for the division, and with the product it is 21.5: moved by 40, less than 2^-17. A share that is 1 is 1.

// Low words of negative samples' bins, and of positive ones'; then the high words of both.
@group(0) @binding(1) var<storage, read> counts: array<u32>;
// Sums, positive and negative samples of everything; then of each workgroup positive and negative samples, and its sums.
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

const TOTALS: u32 = 16u;
const GROUPS: u32 = 20u;
const EACH: u32 = 20u;
// Bins of an invocation.
const RUN: u32 = TILE / WIDTH;
const DIRECT: u32 = 64u;
const ONE: u32 = 0x80000000u;

// Samples of two classes.
struct Pair {
    positive: vec2<u32>,
    negative: vec2<u32>,
}

// Pairs that are in order, and those inside bins; the least and the most precisions, in units of 2^-31.
struct Sums {
    pairs: vec4<u32>,
    inside: vec4<u32>,
    low: vec4<u32>,
    high: vec4<u32>,
}

var<workgroup> shared_pairs: array<Pair, WIDTH>;
var<workgroup> shared_sums: array<Sums, WIDTH>;

fn pair_add(a: Pair, b: Pair) -> Pair {
    return Pair(add64(a.positive, b.positive), add64(a.negative, b.negative));
}

fn none() -> Pair {
    return Pair(vec2<u32>(0u), vec2<u32>(0u));
}

fn sums_add(a: Sums, b: Sums) -> Sums {
    return Sums(add128(a.pairs, b.pairs), add128(a.inside, b.inside), add128(a.low, b.low), add128(a.high, b.high));
}

fn put_pair(at: u32, p: Pair) {
    result[at] = p.positive.x;
    result[at + 1u] = p.positive.y;
    result[at + 2u] = p.negative.x;
    result[at + 3u] = p.negative.y;
}

fn pair_at(at: u32) -> Pair {
    return Pair(vec2<u32>(result[at], result[at + 1u]), vec2<u32>(result[at + 2u], result[at + 3u]));
}

fn put_sums(at: u32, s: Sums) {
    for (var k = 0u; k < 4u; k++) {
        result[at + k] = s.pairs[k];
        result[at + 4u + k] = s.inside[k];
        result[at + 8u + k] = s.low[k];
        result[at + 12u + k] = s.high[k];
    }
}

fn long_at(at: u32) -> vec4<u32> {
    return vec4<u32>(result[at], result[at + 1u], result[at + 2u], result[at + 3u]);
}

fn sums_at(at: u32) -> Sums {
    return Sums(long_at(at), long_at(at + 4u), long_at(at + 8u), long_at(at + 12u));
}

// What the workgroup's invocations have together.
fn summed(tid: u32, own: Sums) -> Sums {
    shared_sums[tid] = own;
    workgroupBarrier();
    for (var k = WIDTH / 2u; k > 0u; k = k / 2u) {
        if (tid < k) {
            shared_sums[tid] = sums_add(shared_sums[tid], shared_sums[tid + k]);
        }
        workgroupBarrier();
    }
    return shared_sums[0];
}

// The same of samples of the first `count` invocations.
fn samples_of(tid: u32, own: Pair, count: u32) -> Pair {
    shared_pairs[tid] = own;
    workgroupBarrier();
    var sum = none();
    for (var t = 0u; t < count; t++) {
        sum = pair_add(sum, shared_pairs[t]);
    }
    workgroupBarrier();
    return sum;
}

// A bin, from the highest down; none beyond the lowest.
fn bin(i: u32) -> Pair {
    if (i >= params.bins) {
        return none();
    }
    let negative = params.bins - 1u - i;
    let positive = params.bins + negative;
    let high = 2u * params.bins;
    return Pair(
        vec2<u32>(counts[positive], counts[high + positive]),
        vec2<u32>(counts[negative], counts[high + negative]),
    );
}

fn run_of(group: u32, tid: u32) -> Pair {
    var own = none();
    let first = group * TILE + tid * RUN;
    for (var i = first; i < first + RUN; i++) {
        own = pair_add(own, bin(i));
    }
    return own;
}

// First of all, what every workgroup's bins hold.
@compute @workgroup_size(WIDTH)
fn totals(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let group = wid.y * nwg.x + wid.x;
    let all = samples_of(tid, run_of(group, tid), WIDTH);
    if (tid == 0u && group < params.groups) {
        put_pair(GROUPS + group * EACH, all);
    }
}

fn equal(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x == b.x && a.y == b.y;
}

// part/whole <= 1 in units of 2^-31: no less than it is, or, with `least`, no more.
fn share_beyond(part: vec2<u32>, whole: vec2<u32>, least: bool) -> u32 {
    if (equal(part, whole)) {
        return ONE;
    }
    let near = share(number(part), number(whole));
    // 2^-20 of it, and what `share` and the shift have cut off.
    let more = (near >> 20u) + 3u;
    return select(min(near + more, ONE), near - min(near, more), least);
}

// The least sum of precisions of p positive samples below a others, and below c negative ones or, in the same bin, beside them.
fn least_sum(p: vec2<u32>, a: vec2<u32>, c: vec2<u32>) -> vec4<u32> {
    if (equal(c, vec2<u32>(0u))) {
        return mul64(p, vec2<u32>(ONE, 0u));
    }
    let direct = select(DIRECT, min(p.x, DIRECT), p.y == 0u);
    var part = a;
    var sum = vec2<u32>(0u);
    for (var k = 0u; k < direct; k++) {
        part = add64(part, vec2<u32>(1u, 0u));
        sum = add64(sum, vec2<u32>(share_beyond(part, add64(part, c), true), 0u));
    }
    let q = vec2<u32>(p.x - direct, p.y - u32(p.x < direct));
    if (equal(q, vec2<u32>(0u))) {
        return vec4<u32>(sum, 0u, 0u);
    }
    let y = number(add64(part, c)) + 0.5;
    let x = number(q) / y;
    let missed = (number(c) / y) * (ln_1p(x) / x) * 1.0000048;
    let mean = ONE - min(u32(min(missed, 1.0) * 2147483648.0) + 1u, ONE);
    return add128(vec4<u32>(sum, 0u, 0u), mul64(q, vec2<u32>(mean, 0u)));
}

// Then the sums of every workgroup, of which those before it have higher scores.
@compute @workgroup_size(WIDTH)
fn sums(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let group = wid.y * nwg.x + wid.x;
    var above = none();
    for (var g = tid; g < min(group, params.groups); g += WIDTH) {
        above = pair_add(above, pair_at(GROUPS + g * EACH));
    }
    above = samples_of(tid, above, WIDTH);
    above = pair_add(above, samples_of(tid, run_of(group, tid), tid));
    let nothing = vec4<u32>(0u);
    var own = Sums(nothing, nothing, nothing, nothing);
    let first = group * TILE + tid * RUN;
    for (var i = first; i < first + RUN; i++) {
        let here = bin(i);
        let p = here.positive;
        let n = here.negative;
        if ((n.x | n.y) != 0u) {
            own.pairs = add128(own.pairs, mul64(n, above.positive));
            own.inside = add128(own.inside, mul64(n, p));
        }
        if ((p.x | p.y) != 0u) {
            let hits = add64(above.positive, p);
            var most = add64(hits, above.negative);
            if (params.tied != 0u) {
                // All of a bin have one score.
                most = add64(most, n);
                let least = share_beyond(hits, most, true);
                own.low = add128(own.low, mul64(p, vec2<u32>(least, 0u)));
            } else {
                own.low = add128(own.low, least_sum(p, above.positive, add64(above.negative, n)));
            }
            own.high = add128(own.high, mul64(p, vec2<u32>(share_beyond(hits, most, false), 0u)));
        }
        above = pair_add(above, here);
    }
    let all = summed(tid, own);
    if (tid == 0u && group < params.groups) {
        put_sums(GROUPS + group * EACH + 4u, all);
    }
}

// One workgroup: everything together.
@compute @workgroup_size(WIDTH)
fn finish(@builtin(local_invocation_index) tid: u32) {
    let nothing = vec4<u32>(0u);
    var own = Sums(nothing, nothing, nothing, nothing);
    var samples = none();
    for (var g = tid; g < params.groups; g += WIDTH) {
        samples = pair_add(samples, pair_at(GROUPS + g * EACH));
        own = sums_add(own, sums_at(GROUPS + g * EACH + 4u));
    }
    samples = samples_of(tid, samples, WIDTH);
    let all = summed(tid, own);
    if (tid == 0u) {
        put_sums(0u, all);
        put_pair(TOTALS, samples);
    }
}
