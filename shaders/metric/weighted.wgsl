// Every sample counts by its weight, an f32: a cell is an exact sum of weights, and sums are of products with weights.

const CELL_SLOTS: u32 = NUMBER_SLOTS;
const SUM_SLOTS: u32 = PRODUCT_SLOTS;
// Products of three: 2^-447 to 2^384, with what is carried.
const PRODUCT_SUM_SLOTS: u32 = 53u;
const SHARE_SLOTS: u32 = 42u;

// The bits of the sample's weight; 0 of a bad one.
var<private> weight: u32;

fn set_weight(i: u32) {
    let b = load_weight(i);
    let good = (b < 0x80000000u && finite_bits(b)) || b == 0x80000000u;
    weight = select(0u, b & 0x7fffffffu, good);
    if (!good) {
        // The first of them, counted down from the largest number.
        atomicMax(&head[7], 0xffffffffu - (params.first + i));
    }
}

fn count_cell(cell: u32, tid: u32) {
    add_number(cell, weight, false, tid);
}

fn count_cell_by(cell: u32, n: u32, tid: u32) {
    let w = parts_of(weight);
    add_shifted(cell, w.at, mul32(w.mantissa, n), false, tid);
}

fn counts_at_all() -> bool {
    return weight != 0u;
}

struct Weighed {
    at: u32,
    v: vec2<u32>,
}

fn weighed(at: u32, mantissa: u32) -> Weighed {
    let w = parts_of(weight);
    return Weighed(at + w.at, mul32(mantissa, w.mantissa));
}

fn add_sum(sum: u32, b: u32, negated: bool, tid: u32) {
    let p = parts_of(b);
    let w = weighed(p.at, p.mantissa);
    add_shifted(sum, w.at, w.v, p.negative != negated, tid);
}

fn hold_cell(h: u32, cell: u32, tid: u32) {
    hold_number(h, cell, weight, false, tid);
}

fn hold_sum(h: u32, sum: u32, b: u32, negated: bool, tid: u32) {
    let p = parts_of(b);
    let w = weighed(p.at, p.mantissa);
    hold_shifted(h, sum, w.at, w.v, p.negative != negated, tid);
}

// 72 bits, and 15 more by which they are shifted: six digits, which nobody holds.
fn hold_product_sum(h: u32, sum: u32, a: u32, b: u32, tid: u32) {
    let p = parts_of(a);
    let q = parts_of(b);
    let w = parts_of(weight);
    let v = mul64(mul32(p.mantissa, q.mantissa), vec2<u32>(w.mantissa, 0u));
    let at = p.at + q.at + w.at;
    let negative = p.negative != q.negative;
    add_shifted(sum, at, vec2<u32>(v.x, v.y & 0xffffu), negative, tid);
    add_shifted(sum, at + 48u, vec2<u32>((v.y >> 16u) | (v.z << 16u), 0u), negative, tid);
}

fn hold_units(h: u32, sum: u32, at: u32, mantissa: u32, tid: u32) {
    let w = weighed(at, mantissa);
    hold_shifted(h, sum, w.at, w.v, false, tid);
}
