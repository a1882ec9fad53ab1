// Sums of f32 numbers, and of products of two, without any rounding: numbers of hundreds of bits, in slots that count units of
// 2^16 each. What is added lands in three slots, or four; a slot takes in 2^15 samples before it leaves 31 bits, and is
// carried on by the host, after everything was added. Sums do not depend on the order, and states add up.

// Slots of a sum: 2^-149 to 2^128, and 2^-298 to 2^256, with what is carried.
const NUMBER_SLOTS: u32 = 18u;
const PRODUCT_SLOTS: u32 = 35u;

struct Parts {
    mantissa: u32,
    // In units of 2^-149.
    at: u32,
    negative: bool,
}

// A finite f32.
fn parts_of(b: u32) -> Parts {
    let e = (b >> 23u) & 255u;
    return Parts((b & 0x007fffffu) | select(0x00800000u, 0u, e == 0u), max(e, 1u) - 1u, b >= 0x80000000u);
}

// v·2^at, v of 48 bits.
fn add_shifted(sum: u32, at: u32, v: vec2<u32>, negative: bool, tid: u32) {
    let by = at & 15u;
    let low = v.x << by;
    let high = (v.y << by) | ((v.x >> 1u) >> (31u - by));
    let digits = vec4<u32>(low & 0xffffu, low >> 16u, high & 0xffffu, high >> 16u);
    for (var k = 0u; k < 4u; k++) {
        let d = digits[k];
        if (d != 0u) {
            count_by(sum + at / 16u + k, select(d, 0u - d, negative), tid);
        }
    }
}

fn add_number(sum: u32, b: u32, negated: bool, tid: u32) {
    let p = parts_of(b);
    add_shifted(sum, p.at, vec2<u32>(p.mantissa, 0u), p.negative != negated, tid);
}

fn add_product(sum: u32, a: u32, b: u32, tid: u32) {
    let p = parts_of(a);
    let q = parts_of(b);
    add_shifted(sum, p.at + q.at, mul32(p.mantissa, q.mantissa), p.negative != q.negative, tid);
}
