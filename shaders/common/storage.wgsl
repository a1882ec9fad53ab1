// 16-bit storage in 32-bit words, without the shader-f16 feature. All in bits: a NaN stays one.

fn half_of(word: u32, half: u32) -> u32 {
    return (word >> (16u * half)) & 0xffffu;
}

// The f32 that holds the f16 in the low (half = 0) or high (half = 1) part of a word. A subnormal f16 is a
// normal f32; its value is built from its integer mantissa, since unpack2x16float may flush it.
fn from_f16(word: u32, half: u32) -> u32 {
    let h = half_of(word, half);
    let e = h & 0x7c00u;
    let size = (h & 0x7fffu) << 13u;
    // A subnormal is m·2^-24, exact.
    let small = bitcast<u32>(f32(h & 0x03ffu) * 5.9604644775390625e-8);
    let normal = size + select(0x38000000u, 0x70000000u, e == 0x7c00u);
    return ((h & 0x8000u) << 16u) | select(normal, small, e == 0u);
}

// The f16 nearest to an f32, ties to even.
fn to_f16(b: u32) -> u32 {
    let sign = (b >> 16u) & 0x8000u;
    let a = b & 0x7fffffffu;
    if (a > INF_BITS) {
        return sign | 0x7e00u;
    }
    // From 65520 on the nearest f16 is infinity.
    if (a >= 0x477ff000u) {
        return sign | 0x7c00u;
    }
    if (a < 0x38800000u) {
        // Below 2^-14: count in steps of 2^-24. Below half a step it is 0.
        if (a < 0x33000000u) {
            return sign;
        }
        let m = (a & 0x007fffffu) | 0x00800000u;
        let shift = 126u - (a >> 23u);
        let kept = m >> shift;
        let rest = m & ((1u << shift) - 1u);
        let tie = 1u << (shift - 1u);
        let up = rest > tie || (rest == tie && (kept & 1u) == 1u);
        return sign | (kept + u32(up));
    }
    let r = a + 0x0fffu + ((a >> 13u) & 1u);
    return sign | ((r - 0x38000000u) >> 13u);
}

fn from_bf16(word: u32, half: u32) -> u32 {
    return select(word << 16u, word & 0xffff0000u, half == 1u);
}

// The bfloat16 nearest to an f32 that is no NaN, ties to even.
fn number_to_bf16(b: u32) -> u32 {
    return (b + 0x7fffu + ((b >> 16u) & 1u)) >> 16u;
}

fn to_bf16(b: u32) -> u32 {
    return select(number_to_bf16(b), (b >> 16u) | 0x0040u, nan_bits(b));
}
