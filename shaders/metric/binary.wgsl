// What figures of two classes are made of beside the order of scores: cells, true class after true class; then, where there are
// probabilities, what they add up to.

const CELLS: u32 = 0u;
const PROBABILITIES: u32 = 4u * CELL_SLOTS;

fn slots() -> u32 {
    return select(PROBABILITIES + CALIBRATION_SLOTS, PROBABILITIES, KIND == SCORES);
}

fn take_sample(i: u32, tid: u32) {
    let truth = class_among(i, 2u, true);
    if (truth == NEITHER) {
        return;
    }
    let predicted = predict(i, true);
    if (predicted == NEITHER) {
        return;
    }
    let b = load_score(i);
    count_cell(CELLS + (2u * truth + predicted) * CELL_SLOTS, tid);
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
