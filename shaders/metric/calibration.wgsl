// What probabilities add up to: losses without bound; the sums of other losses, and of squares, exact once a term is rounded
// to f32; of each of 15 bins its samples, those that are what the probability is of, and the sum of how far they are from that:
// of a probability that is nearly 1 this is what keeps its digits.

const LOSS_SUM: u32 = 1u;
const SQUARE_SUM: u32 = LOSS_SUM + SUM_SLOTS;
const BIN_SUMS: u32 = SQUARE_SUM + SUM_SLOTS;
const BIN_SLOTS: u32 = 2u * CELL_SLOTS + SUM_SLOTS;
const BINS: u32 = 15u;
const CALIBRATION_SLOTS: u32 = BIN_SUMS + BINS * BIN_SLOTS;

// min(floor(15·p), 14), in whole numbers: 15·p has more bits than an f32.
fn bin_of(p: f32) -> u32 {
    let b = bitcast<u32>(p);
    let shift = 150u - (b >> 23u);
    let mantissa = (b & 0x007fffffu) | 0x00800000u;
    return select(min((15u * mantissa) >> min(shift, 31u), BINS - 1u), 0u, b < 0x00800000u || shift > 27u);
}

// A sample that is what p is the probability of, or is not; `miss` is how far p is from that.
fn take_probability(base: u32, p: f32, hit: bool, loss: f32, miss: f32, tid: u32) {
    if (finite_bits(bitcast<u32>(loss))) {
        hold_sum(0u, base + LOSS_SUM, bitcast<u32>(loss), false, tid);
    } else if (counts_at_all()) {
        count_slot(base, tid);
    }
    hold_sum(1u, base + SQUARE_SUM, bitcast<u32>(miss * miss), false, tid);
    let bin = base + BIN_SUMS + bin_of(p) * BIN_SLOTS;
    count_cell(bin, tid);
    if (hit) {
        count_cell(bin + CELL_SLOTS, tid);
    }
    add_sum(bin + 2u * CELL_SLOTS, bitcast<u32>(select(p, miss, hit)), !hit, tid);
}

// A row of logits, of which the highest was right or not: the highest, the true one, and the sum of exp(x - top) over all but
// the highest. The loss is (top - own) + log(1 + others), the difference without rounding: it may be beyond f32.
fn take_logits(base: u32, top: f32, own: f32, others: f32, hit: bool, tid: u32) {
    var loss = ln_1p(others);
    if (finite_bits(bitcast<u32>(own))) {
        add_sum(base + LOSS_SUM, bitcast<u32>(top), false, tid);
        add_sum(base + LOSS_SUM, bitcast<u32>(own), true, tid);
    } else {
        loss = bitcast<f32>(INF_BITS | (params.n & 0u));
    }
    let p = 1.0 / (1.0 + others);
    take_probability(base, p, hit, loss, select(p, others * p, hit), tid);
}

// -log of a probability, from how far it is from 1: clipped at f32's epsilon from both ends.
fn loss_of_miss(miss: f32) -> f32 {
    return -ln_1p(-clamp(miss, EPSILON, 1.0 - EPSILON));
}

// The same from the probability.
fn loss_of_hit(p: f32) -> f32 {
    return -ln(clamp(p, EPSILON, 1.0 - EPSILON));
}

const EPSILON: f32 = 1.1920929e-7;
