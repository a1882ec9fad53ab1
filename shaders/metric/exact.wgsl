// Sums of f32 numbers, and of products of two, without any rounding: numbers of hundreds of bits, in slots that count units of
// 2^16 each. What is added lands in three slots, or four; a slot takes in 2^15 samples before it leaves 31 bits, and is
// carried on by the host, after everything was added. Sums do not depend on the order, and states add up.

// Slots of a sum: 2^-149 to 2^128, and 2^-298 to 2^256, with what is carried.
const NUMBER_SLOTS: u32 = 19u;
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

// What v·2^at adds to four slots from `at / 16` on, v of 48 bits.
fn digits_of(at: u32, v: vec2<u32>, negative: bool) -> vec4<u32> {
    let by = at & 15u;
    let low = v.x << by;
    let high = (v.y << by) | ((v.x >> 1u) >> (31u - by));
    let digits = vec4<u32>(low & 0xffffu, low >> 16u, high & 0xffffu, high >> 16u);
    return select(digits, vec4<u32>(0u) - digits, negative);
}

fn count_digits(slot: u32, digits: vec4<u32>, tid: u32) {
    if (digits.x != 0u) {
        count_by(slot, digits.x, tid);
    }
    if (digits.y != 0u) {
        count_by(slot + 1u, digits.y, tid);
    }
    if (digits.z != 0u) {
        count_by(slot + 2u, digits.z, tid);
    }
    if (digits.w != 0u) {
        count_by(slot + 3u, digits.w, tid);
    }
}

fn add_shifted(sum: u32, at: u32, v: vec2<u32>, negative: bool, tid: u32) {
    count_digits(sum + at / 16u, digits_of(at, v, negative), tid);
}

// What an invocation has added to a sum and nobody else knows yet: mostly the next number is of the same size, and lands in the
// same slots. Which of them a sum has is known when a kernel is compiled, so that they are registers.
const HELD: u32 = 8u;
var<private> held_slot: array<u32, HELD>;
var<private> held_digits: array<vec4<u32>, HELD>;

fn hold_shifted(h: u32, sum: u32, at: u32, v: vec2<u32>, negative: bool, tid: u32) {
    let slot = sum + at / 16u;
    if (slot != held_slot[h]) {
        count_digits(held_slot[h], held_digits[h], tid);
        held_slot[h] = slot;
        held_digits[h] = vec4<u32>(0u);
    }
    held_digits[h] += digits_of(at, v, negative);
}

// Counts what is held.
fn settle(tid: u32) {
    count_digits(held_slot[0], held_digits[0], tid);
    count_digits(held_slot[1], held_digits[1], tid);
    count_digits(held_slot[2], held_digits[2], tid);
    count_digits(held_slot[3], held_digits[3], tid);
    count_digits(held_slot[4], held_digits[4], tid);
    count_digits(held_slot[5], held_digits[5], tid);
    count_digits(held_slot[6], held_digits[6], tid);
    count_digits(held_slot[7], held_digits[7], tid);
}

fn add_number(sum: u32, b: u32, negated: bool, tid: u32) {
    let p = parts_of(b);
    add_shifted(sum, p.at, vec2<u32>(p.mantissa, 0u), p.negative != negated, tid);
}

fn hold_number(h: u32, sum: u32, b: u32, negated: bool, tid: u32) {
    let p = parts_of(b);
    hold_shifted(h, sum, p.at, vec2<u32>(p.mantissa, 0u), p.negative != negated, tid);
}

fn hold_product(h: u32, sum: u32, a: u32, b: u32, tid: u32) {
    let p = parts_of(a);
    let q = parts_of(b);
    hold_shifted(h, sum, p.at + q.at, mul32(p.mantissa, q.mantissa), p.negative != q.negative, tid);
}
