// Elementary functions whose error WGSL does not promise, or whose argument it may assume finite.
// Each states its largest error, in units u = 2^-24, over the range it is used in.

const NAN_BITS: u32 = 0x7fc00000u;
const INF_BITS: u32 = 0x7f800000u;
// The largest finite f32, and the most negative one: a maximum starts there.
const LARGEST: f32 = 3.4028234e38;
const LOWEST: f32 = -3.4028234e38;
const LN2: f32 = 0.69314718;
const SMALLEST_NORMAL: f32 = 1.17549435e-38;

fn finite_bits(b: u32) -> bool {
    return (b & INF_BITS) != INF_BITS;
}

fn nan_bits(b: u32) -> bool {
    return (b & 0x7fffffffu) > INF_BITS;
}

// |v|, on the bits: `abs` may flush.
fn magnitude(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) & 0x7fffffffu);
}

// A NaN. From bits that are not known before: compilers may refuse a constant one, and fold x - x to 0.
fn not_a_number(bits: u32) -> f32 {
    return bitcast<f32>(NAN_BITS | (bits & 1u));
}

// +1, 0 or -1 as a is above, equal to or below b. On the bits, because a device that flushes subnormals
// takes the difference of two close numbers for 0.
fn order(a: f32, b: f32) -> f32 {
    let ba = bitcast<i32>(a);
    let bb = bitcast<i32>(b);
    let ka = select(ba, -(ba & 0x7fffffff), ba < 0);
    let kb = select(bb, -(bb & 0x7fffffff), bb < 0);
    return f32(ka > kb) - f32(ka < kb);
}

// The sign of a, 0 at both zeros.
fn sign_of(a: f32) -> f32 {
    return order(a, 0.0);
}

// log(1 + f) + k·log 2 for 1 + f in [sqrt(1/2), sqrt(2)]: with s = f/(2+f) it is
// 2·atanh(s) = f - (f²/2 - s·(f²/2 + R(s²))), R being fdlibm's minimax polynomial. The division's error
// only meets the small correction. Error 4u relative.
fn ln_reduced(f: f32, k: f32) -> f32 {
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let r = z * (0.66666662693 + w * 0.28498786688) + w * (0.40000972152 + w * 0.24279078841);
    let h = 0.5 * f * f;
    // log 2 in two parts, the first with so few bits that k times it is exact.
    return k * 0.69313812256 + (f - (h - (s * (h + r) + k * 9.0580006145e-6)));
}

// Natural logarithm, 4u relative: WGSL's own is only good to 2^-21 absolute in [0.5, 2]. By bits, so that
// subnormals have one too. -inf at 0, NaN below 0, inf and NaN as they come.
fn ln(x: f32) -> f32 {
    var b = bitcast<u32>(x);
    if ((b & 0x7fffffffu) == 0u) {
        return bitcast<f32>(0xff800000u | (b & 0x80000000u));
    }
    if (b >= INF_BITS) {
        return select(not_a_number(b), x, b == INF_BITS);
    }
    var k = 0;
    if (b < 0x00800000u) {
        // Subnormal: shift the leading one to where the smallest normal number has it.
        let shift = countLeadingZeros(b) - 8u;
        b = b << shift;
        k = -i32(shift);
    }
    // Split at sqrt(1/2) = 0x3f3504f3, so that the mantissa lies on both sides of 1.
    let c = b + (0x3f800000u - 0x3f3504f3u);
    k += i32(c >> 23u) - 127;
    let m = bitcast<f32>((c & 0x007fffffu) + 0x3f3504f3u);
    return ln_reduced(m - 1.0, f32(k));
}

// log(1 + x) for x > -1, 6u relative. Near 0 without forming 1 + x, which would lose x; beyond, the
// rounding of 1 + x costs u/log(sqrt 2) at most.
fn ln_1p(x: f32) -> f32 {
    if (x > -0.29289 && x < 0.41421) {
        return ln_reduced(x, 0.0);
    }
    return ln(1.0 + x);
}

// log(1 + e) for e in [0, 1] as e + e²·Q(e), Q of degree 8 with an error of 3e-8 (Chebyshev), in pairs so that little waits
// for the step before. 3u relative: 2.33u fused, 2.9988u not.
fn ln_1p_unit(e: f32) -> f32 {
    let z = e * e;
    let w = z * z;
    let low = fma(fma(0.19854106, e, -0.24986526), z, fma(0.33332843, e, -0.49999997));
    let high = fma(-0.0044662114, w, fma(fma(0.025224054, e, -0.066757724), z, fma(0.11561845, e, -0.15847565)));
    return fma(z, fma(high, w, low), e);
}

// e^x, 0 where it is too small to matter; the clamp keeps infinities out of exp's argument. Overflows to inf.
fn exp_below(x: f32) -> f32 {
    return exp(max(x, -200.0));
}

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). Absolute error 3u·|max(x,0)| + (3+2|x|)·2u·e^-|x|.
fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + ln_1p_unit(exp_below(-abs(x)));
}

// 1/(1 + e^-x), from e^-|x| so that nothing overflows. Relative error (3+2|x|)·2u + 12u.
fn sigmoid(x: f32) -> f32 {
    let e = exp_below(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// Hyperbolic tangent, 16u relative: an odd polynomial (Cephes) below 0.625, 1 - 2/(e^2x + 1) above.
fn tanh_fine(x: f32) -> f32 {
    let a = abs(x);
    if (a < 0.625) {
        let z = x * x;
        let p = (((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z
            + 1.33314422036e-1) * z - 3.33332819422e-1;
        return x + x * z * p;
    }
    let t = 1.0 - 2.0 / (exp(2.0 * min(a, 20.0)) + 1.0);
    return select(t, -t, x < 0.0);
}

// x^y for y >= 0, with 0^0 = 1; of a negative x only where y is whole, else NaN. Relative error
// (|y·log x|·(5 + 4) + 6 + 4)u; but for y = 1 never below the smallest normal number for x other than 0, so that an infinity it
// meets stays one.
fn power(x: f32, y: f32) -> f32 {
    if (y == 0.0) {
        return 1.0;
    }
    if (y == 1.0) {
        return x;
    }
    let bits = bitcast<u32>(x);
    let none = (bits & 0x7fffffffu) == 0u;
    if (y == 2.0) {
        let square = x * x;
        return select(square, SMALLEST_NORMAL, square < SMALLEST_NORMAL && !none);
    }
    if (nan_bits(bits)) {
        return x;
    }
    if (none) {
        return 0.0;
    }
    let size = max(exp_below(y * ln(magnitude(x))), SMALLEST_NORMAL);
    if (bits < 0x80000000u) {
        return size;
    }
    if (floor(y) != y) {
        return not_a_number(bits);
    }
    // Odd, for a whole y; above 2^24 all are even.
    let odd = y < 16777216.0 && floor(0.5 * y) * 2.0 != y;
    return select(size, -size, odd);
}
