// What several losses share.

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
