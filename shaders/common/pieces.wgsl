// What several losses share.

// Half of x - t, which is finite where the difference of two finite numbers may not be. One half is unknown to compilers:
// NVIDIA's takes the difference of two halves for half of the difference.
fn half_gap(x: f32, t: f32) -> f32 {
    return unknown(0.5, mine.n) * x - 0.5 * t;
}

// a/b. WGSL promises a quotient for divisors between 2^-126 and 2^126 only, and beyond NVIDIA finds 0, or a quarter of it:
// then both are divided by 16 first, b in its bits, where no compiler puts the two together.
fn quotient(a: f32, b: f32) -> f32 {
    let size = bitcast<u32>(b) & INF_BITS;
    let far = size >= 0x7e000000u && size != INF_BITS;
    let near = bitcast<f32>(bitcast<u32>(b) - 0x02000000u);
    return select(a, 0.0625 * a, far) / select(b, near, far);
}

// Whether x - t has no value: the same infinity twice.
fn undefined_gap(x: f32, t: f32) -> bool {
    let b = bitcast<u32>(x);
    return b == bitcast<u32>(t) && !finite_bits(b);
}

// The sign of x - t, 0 where they are equal, NaN where the difference is.
fn sign_gap(x: f32, t: f32) -> f32 {
    return select(order(x, t), x - t, undefined_gap(x, t));
}

// The larger of two numbers, on the bits: a device that takes subnormals for 0 may find them equal to it.
fn larger(a: f32, b: f32) -> f32 {
    return select(b, a, order(a, b) > 0.0);
}

// The smaller of two numbers, on the bits too.
fn smaller(a: f32, b: f32) -> f32 {
    return select(a, b, order(a, b) > 0.0);
}

// w·v, infinite where v is and w is not 0: a subnormal w may be taken for 0.
fn times(w: f32, v: f32) -> f32 {
    let side = sign_of(w);
    return select(w * v, side * v, side != 0.0 && !finite_bits(bitcast<u32>(v)));
}

// A divisor of at least 0: 0 stays 0, but a subnormal becomes the smallest normal number, since a device may
// take it for 0 and turn a quotient that exists into NaN.
fn divisible(v: f32) -> f32 {
    return select(max(v, SMALLEST_NORMAL), v, (bitcast<u32>(v) & 0x7fffffffu) == 0u);
}

// max(0, m), and NaN where m is.
fn positive_part(m: f32) -> f32 {
    return select(0.0, m, m > 0.0 || nan_bits(bitcast<u32>(m)));
}

// v where m is above 0, else 0; NaN where m is.
fn where_positive(m: f32, v: f32) -> f32 {
    return select(select(0.0, v, m > 0.0), m, nan_bits(bitcast<u32>(m)));
}

// A divisor that is not 0 but may be flushed: at least the smallest normal number away from 0.
fn nonzero(v: f32) -> f32 {
    return select(max(v, SMALLEST_NORMAL), min(v, -SMALLEST_NORMAL), v < 0.0);
}

// x/d, and x itself for d = 1: division is not exact in WGSL, not even by 1.
fn divide(x: f32, d: f32) -> f32 {
    return select(x / d, x, d == 1.0);
}

// exp(from - to) for a maximum that moves up, exactly 1 where it does not move.
fn exp_shift(from_m: f32, to_m: f32) -> f32 {
    return select(exp_below(from_m - to_m), 1.0, from_m == to_m);
}

// A probability clipped to [clip, 1 - clip], its complement and both logarithms. The complement of a clipped x
// is exact: 1 - (1 - clip) is clip. Which side it is on, 1 - x decides, which is exact from 0.5 up.
struct Clipped {
    x: f32,
    y: f32,
    log_x: f32,
    log_y: f32,
    // Between the bounds: a gradient passes.
    inside: bool,
}

fn clip_probability(x: f32, clip: f32) -> Clipped {
    let y = 1.0 - x;
    if (order(x, clip) <= 0.0) {
        return Clipped(clip, 1.0 - clip, ln(clip), ln_1p(-clip), false);
    }
    if (y <= clip) {
        return Clipped(1.0 - clip, clip, ln_1p(-clip), ln(clip), false);
    }
    return Clipped(x, y, ln(x), ln_1p(-x), true);
}

// A label of ±1, where 0 stands for -1.
fn signed_label(t: f32) -> f32 {
    return select(t, -1.0, (bitcast<u32>(t) & 0x7fffffffu) == 0u);
}

// alpha for the positive class, 1 - alpha for the negative one, between them for a soft target; 1 if off.
fn class_balance(alpha: f32, t: f32) -> f32 {
    return select(alpha * t + (1.0 - alpha) * (1.0 - t), 1.0, alpha < 0.0);
}

// v, of which compilers do not know what it is: n is below 2^31. Mesa's driver brings constants together first, and then
// margin + (x - y) is (margin + x) - y, whose rounding is as large as a small difference; NVIDIA's takes common factors out.
fn unknown(v: f32, n: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) + (n >> 31u));
}

// w·v as IEEE 754 defines it, by bits where a factor is not finite.
fn product(w: f32, v: f32) -> f32 {
    let bw = bitcast<u32>(w);
    let bv = bitcast<u32>(v);
    if (finite_bits(bw) && finite_bits(bv)) {
        return w * v;
    }
    if (nan_bits(bw) || nan_bits(bv) || is_zero(w) || is_zero(v)) {
        return not_a_number(bw ^ bv);
    }
    return bitcast<f32>(INF_BITS | ((bw ^ bv) & 0x80000000u));
}

fn is_zero(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) == 0u;
}

// w·v, where what has no weight contributes nothing: 0·∞ is 0.
fn weighed(w: f32, v: f32) -> f32 {
    if (is_zero(w)) {
        return 0.0;
    }
    return product(w, v);
}

// What a number that is not finite does to a sum, as bits to be OR-ed: both for NaN, as for both infinities.
const ADDS_INF: u32 = 1u;
const ADDS_NEG_INF: u32 = 2u;
const ADDS_NAN: u32 = 3u;

fn adds(v: f32) -> u32 {
    let b = bitcast<u32>(v);
    if (finite_bits(b)) {
        return 0u;
    }
    return select(select(ADDS_INF, ADDS_NEG_INF, b >= 0x80000000u), ADDS_NAN, nan_bits(b));
}

// v where it is finite, else 0: what a sum keeps of it beside `adds`.
fn finite_or_0(v: f32) -> f32 {
    return select(0.0, v, finite_bits(bitcast<u32>(v)));
}

// Two powers of two whose product is 1: times `down`, the numbers of a row of n columns add up, and a few such sums do,
// without overflow.
struct Room {
    down: f32,
    up: f32,
}

fn room(n: u32) -> Room {
    let k = firstLeadingBit(n) + 3u;
    return Room(bitcast<f32>((127u - k) << 23u), bitcast<f32>((127u + k) << 23u));
}

// x, an infinity held at the largest number: on the bits, because `clamp` may flush.
fn held(x: f32) -> f32 {
    let b = bitcast<u32>(x);
    return select(select(LARGEST, LOWEST, b >= 0x80000000u), x, finite_bits(b));
}

// x - m for a maximum m, down to -2e30: of halves, so that it does not overflow.
fn below(x: f32, m: f32) -> f32 {
    return 2.0 * max(half_gap(x, m), -1e30);
}

// v·2^k with a whole k: a number on the way to a result, where f32 might not have it. Operations on it round as those
// of f32 do, but none overflows or is flushed: powers of two are made and taken out in bits.
struct Wide {
    v: f32,
    k: f32,
}
// The k of 0, below that of any product of a few numbers.
const WIDE_ZERO: f32 = -1e5;

// With 1 <= |v| < 2. From the bits, so that subnormals count. x is finite.
fn wide(x: f32) -> Wide {
    let bits = bitcast<u32>(x);
    var size = bits & 0x7fffffffu;
    if (size == 0u) {
        return Wide(0.0, WIDE_ZERO);
    }
    var k = -127.0;
    if (size < 0x00800000u) {
        // Shift the leading one to where the smallest normal number has it.
        let shift = countLeadingZeros(size) - 8u;
        size = size << shift;
        k -= f32(shift);
    }
    let v = (bits & 0x80000000u) | 0x3f800000u | (size & 0x007fffffu);
    return Wide(bitcast<f32>(v), k + f32(size >> 23u));
}

// As an f32: infinite or 0 where it is too large or too small.
fn narrow(a: Wide) -> f32 {
    return scaled(a.v, i32(a.k));
}

// 2^d for a whole d of at most 0; 0 from -127 down, which nothing beside 1 notices.
fn power_of_two(d: f32) -> f32 {
    return bitcast<f32>(u32(max(d + 127.0, 0.0)) << 23u);
}

fn wide_times(a: Wide, b: Wide) -> Wide {
    return Wide(a.v * b.v, a.k + b.k);
}

// b is not 0.
fn wide_over(a: Wide, b: Wide) -> Wide {
    return Wide(a.v / b.v, a.k - b.k);
}

fn wide_plus(a: Wide, b: Wide) -> Wide {
    let k = max(a.k, b.k);
    return Wide(a.v * power_of_two(a.k - k) + b.v * power_of_two(b.k - k), k);
}

// With 1 <= |v| < 2 again, or 0: a difference of large numbers may be small.
fn wide_minus(a: Wide, b: Wide) -> Wide {
    let d = wide_plus(a, Wide(-b.v, b.k));
    let v = wide(d.v);
    return Wide(v.v, v.k + d.k);
}

fn wide_root(a: Wide) -> Wide {
    if (a.v == 0.0) {
        return a;
    }
    let k = floor(0.5 * a.k);
    return Wide(sqrt(select(2.0 * a.v, a.v, a.k == 2.0 * k)), k);
}

// The exponent field of an f32.
fn exponent(v: f32) -> u32 {
    return (bitcast<u32>(v) >> 23u) & 255u;
}

// v·2^k, exactly; 0 where that is below the smallest normal number, infinite where it is above the largest.
fn scaled(v: f32, k: i32) -> f32 {
    let b = bitcast<u32>(v);
    let e = i32(exponent(v));
    if (e == 255) {
        return v;
    }
    if (e == 0 || e + k <= 0) {
        return 0.0;
    }
    return bitcast<f32>(select(b + (bitcast<u32>(k) << 23u), (b & 0x80000000u) | INF_BITS, e + k >= 255));
}

// Sums over a set of w·p·t, w·p·(1 - t) and w·(1 - p)·t. They count in units of 2^(unit - 127), so that they stay
// inside f32 whatever the weights are, and where p and t lie far beyond [0, 1]: the unit of an element is the exponent
// of its weight, plus those of p and t where these are large.
struct Overlap {
    tp: f32,
    fp: f32,
    missed: f32,
    unit: u32,
}
// The unit of a set that holds an infinity.
const OVERLAP_ODD: u32 = 1024u;
// The bits of 2^40. Sums of 2^32 products of two smaller numbers and a mantissa stay below 2^114.
const OVERLAP_LARGE: u32 = 0x53800000u;

fn overlap_large(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > OVERLAP_LARGE;
}

// A weight without its exponent: 0, or 1 to 2.
fn overlap_mantissa(w: f32) -> f32 {
    return select(bitcast<f32>((bitcast<u32>(w) & 0x007fffffu) | 0x3f800000u), 0.0, exponent(w) == 0u);
}

// 2^-k, and 0 where that is no longer normal.
fn overlap_step(k: u32) -> f32 {
    return bitcast<f32>((127u - min(k, 127u)) << 23u);
}

// How far an element's numbers, of which one is large, go beyond 1: their exponents, 0 for the others.
struct OverlapFar {
    p: u32,
    t: u32,
}

fn overlap_far(p: f32, t: f32) -> OverlapFar {
    let large = overlap_large(p) || overlap_large(t);
    return OverlapFar(
        select(0u, max(exponent(p), 127u) - 127u, large),
        select(0u, max(exponent(t), 127u) - 127u, large),
    );
}

// The unit that one element needs.
fn overlap_unit(w: f32, p: f32, t: f32) -> u32 {
    let far = overlap_far(p, t);
    return select(exponent(w) + far.p + far.t, OVERLAP_ODD, exponent(p) == 255u || exponent(t) == 255u);
}

// One element in a unit that is at least its own; q is 1 - p.
fn overlap_of(w: f32, p: f32, q: f32, t: f32, unit: u32) -> Overlap {
    let far = overlap_far(p, t);
    if (unit >= OVERLAP_ODD) {
        return Overlap(0.0, 0.0, 0.0, unit);
    }
    let m = overlap_mantissa(w) * overlap_step(unit - (exponent(w) + far.p + far.t));
    let down = overlap_step(far.p);
    let side = overlap_step(far.t);
    let hit = m * (t * side);
    return Overlap((p * down) * hit, m * ((p * down) * ((1.0 - t) * side)), (q * down) * hit, unit);
}

fn overlap_merge(a: Overlap, b: Overlap) -> Overlap {
    let unit = max(a.unit, b.unit);
    let f = overlap_step(unit - a.unit);
    let g = overlap_step(unit - b.unit);
    return Overlap(a.tp * f + b.tp * g, a.fp * f + b.fp * g, a.missed * f + b.missed * g, unit);
}

// loss = (alpha·FP + beta·FN)/whole and rest = 1 - loss = (TP + s)/whole, whole = TP + alpha·FP + beta·FN + s: of
// one sign and without cancellation, for numbers in [0, 1].
struct Ratio {
    loss: f32,
    rest: f32,
    // In units of 2^(unit - 127).
    whole: f32,
    unit: i32,
    // alpha and beta in units of 2^up.
    alpha: f32,
    beta: f32,
    up: i32,
}

// v/whole: 0 of nothing, also where the whole is nothing.
fn overlap_share(v: f32, whole: f32) -> f32 {
    if (v == 0.0) {
        return 0.0;
    }
    if (whole == 0.0) {
        return bitcast<f32>((bitcast<u32>(v) & 0x80000000u) | INF_BITS);
    }
    return v / nonzero(whole);
}

fn overlap_ratio(o: Overlap, alpha: f32, beta: f32, s: f32) -> Ratio {
    // All parts in the unit of the largest, so that what is lost below it does not matter.
    let up = i32(max(exponent(max(alpha, beta)), 127u)) - 127;
    let a = scaled(alpha, -up);
    let b = scaled(beta, -up);
    let top = i32(exponent(max(max(abs(o.tp), abs(o.fp)), abs(o.missed)))) - 127;
    let own = i32(o.unit) + top;
    let unit = max(own + up, i32(exponent(s)));
    let miss = scaled(a * scaled(o.fp, -top) + b * scaled(o.missed, -top), own + up - unit);
    let hit = scaled(o.tp, i32(o.unit) - unit) + scaled(s, 127 - unit);
    let whole = hit + miss;
    return Ratio(overlap_share(miss, whole), overlap_share(hit, whole), whole, unit, a, b, up);
}

// By p, of an element of weight w: w·((alpha·(1 - t) - beta·t)·rest - loss·t)/whole.
fn overlap_grad(r: Ratio, w: f32, t: f32) -> f32 {
    if (r.whole == 0.0) {
        return select(not_a_number(bitcast<u32>(t)), 0.0, r.loss == 0.0);
    }
    var hit = t;
    var gap = 1.0 - t;
    var far = 0;
    if (overlap_large(t)) {
        far = i32(exponent(t)) - 127;
        hit = scaled(t, -far);
        gap = scaled(gap, -far);
    }
    let turn = (r.alpha * gap - r.beta * hit) * r.rest - r.loss * scaled(hit, -r.up);
    return scaled(overlap_mantissa(w) * turn / nonzero(r.whole), i32(exponent(w)) + far + r.up - r.unit);
}
