// What regression figures are made of: y the truth, x the prediction. Their sums, and those of their squares and product, are
// exact, and so is everything that follows of them; so is the sum of |y - x|, as y less x or x less y.

const COUNT: u32 = 0u;
const SUM_Y: u32 = CELL_SLOTS;
const SUM_X: u32 = SUM_Y + SUM_SLOTS;
const SUM_GAP: u32 = SUM_X + SUM_SLOTS;
const SUM_YY: u32 = SUM_GAP + SUM_SLOTS;
const SUM_XX: u32 = SUM_YY + PRODUCT_SUM_SLOTS;
const SUM_XY: u32 = SUM_XX + PRODUCT_SUM_SLOTS;
// |y - x|/max(|y|, 2^-52), each rounded to f32; up to 2^181.
const SUM_SHARE: u32 = SUM_XY + PRODUCT_SUM_SLOTS;
// The most |y - x|.
const LARGEST_GAP: u32 = 6u;
// The most that this invocation has met.
var<private> largest_gap: u32;

fn slots() -> u32 {
    return SUM_SHARE + SHARE_SLOTS;
}

// b less 2^4, in bits: 0 where that is not normal.
fn sixteenth(b: u32) -> u32 {
    let small = (b & 0x7f800000u) <= 0x02000000u;
    return select(b - 0x02000000u, b & 0x80000000u, small);
}

fn take_sample(i: u32, tid: u32) {
    let y = load_truth(i);
    let x = load_score(i);
    if (!finite_bits(y)) {
        bad_label(i);
    }
    if (!finite_bits(x)) {
        bad_input(i);
    }
    if (!finite_bits(y) || !finite_bits(x)) {
        return;
    }
    hold_cell(0u, COUNT, tid);
    hold_sum(1u, SUM_Y, y, false, tid);
    hold_sum(2u, SUM_X, x, false, tid);
    hold_product_sum(3u, SUM_YY, y, y, tid);
    hold_product_sum(4u, SUM_XX, x, x, tid);
    hold_product_sum(5u, SUM_XY, x, y, tid);
    let side = order(bitcast<f32>(y), bitcast<f32>(x));
    if (side == 0.0) {
        return;
    }
    hold_sum(6u, SUM_GAP, y, side < 0.0, tid);
    hold_sum(6u, SUM_GAP, x, side > 0.0, tid);
    // Of large numbers sixteenths, so that no difference overflows; where they are not normal the other number is all.
    let large = max(y & 0x7fffffffu, x & 0x7fffffffu) >= 0x7d000000u;
    let gap = magnitude(bitcast<f32>(select(y, sixteenth(y), large)) - bitcast<f32>(select(x, sixteenth(x), large)));
    let size = bitcast<u32>(gap) + select(0u, 0x02000000u, large);
    // With an exponent of nine bits.
    if (size > largest_gap) {
        largest_gap = size;
        atomicMax(&head[LARGEST_GAP], size);
    }
    // 2^-52 has the exponent 75.
    let whole = max(y & 0x7fffffffu, 75u << 23u);
    if (size < 0x00800000u) {
        return;
    }
    // Mantissas from 1 to 2 apart from exponents.
    let share = bitcast<f32>((size & 0x007fffffu) | 0x3f800000u) / bitcast<f32>((whole & 0x007fffffu) | 0x3f800000u);
    let p = parts_of(bitcast<u32>(share));
    // Below 2^-149 there is nothing.
    let at = p.at + (size >> 23u);
    if (at >= whole >> 23u) {
        hold_units(7u, SUM_SHARE, at - (whole >> 23u), p.mantissa, tid);
    }
}
