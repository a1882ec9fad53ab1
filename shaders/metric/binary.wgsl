// What figures of two classes are made of beside the order of scores: cells, true class after true class; then, where there are
// probabilities, what they add up to.

const CELLS: u32 = 0u;
const PROBABILITIES: u32 = 4u;

// What scores are.
const SCORES: u32 = 0u;
const PROBS: u32 = 1u;
const LOGITS: u32 = 2u;

fn slots() -> u32 {
    return select(PROBABILITIES + CALIBRATION_SLOTS, PROBABILITIES, KIND == SCORES);
}

fn take_sample(i: u32, tid: u32) {
    let truth = class_among(i, 2u, true);
    if (truth == NEITHER) {
        return;
    }
    let b = load_score(i);
    // -0 is a probability.
    if (nan_bits(b) || (KIND == PROBS && b > 0x3f800000u && b != 0x80000000u)) {
        bad_input(params.first + i);
        return;
    }
    // By bits, as scores are ordered.
    let predicted = u32(order(bitcast<f32>(b), bitcast<f32>(params.extent)) >= 0.0);
    count_slot(CELLS + 2u * truth + predicted, tid);
    let hit = truth == 1u;
    if (KIND == PROBS) {
        let p = magnitude(bitcast<f32>(b));
        // The same loss of a hit and of a miss, each without the rounding of 1 - p.
        var loss = loss_of_miss(p);
        if (hit) {
            loss = loss_of_hit(p);
        }
        take_probability(PROBABILITIES, p, hit, loss, select(p, 1.0 - p, hit), tid);
    }
    if (KIND == LOGITS) {
        // Towards what is true. Infinities in bits.
        let own = b ^ select(0x80000000u, 0u, hit);
        let x = clamp(bitcast<f32>(own), LOWEST, LARGEST);
        var loss = softplus_fine(-x);
        if (own == 0xff800000u) {
            loss = bitcast<f32>(INF_BITS | (params.n & 0u));
        }
        let miss = sigmoid_fine(-x);
        take_probability(PROBABILITIES, select(miss, sigmoid_fine(x), hit), hit, loss, miss, tid);
    }
}
