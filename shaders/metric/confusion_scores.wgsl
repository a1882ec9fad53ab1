// Of scores, a row of them for each sample: the class of the highest was predicted, of equal ones the lowest. Of probabilities
// and logits also what the highest of each row and the losses add up to.

fn tallies() -> u32 {
    return (cells() + params.extent) * CELL_SLOTS;
}

fn count_sample(i: u32, truth: u32, tid: u32) {
    let row = i * params.extent;
    let own = bitcast<f32>(load_score(row + truth));
    var best = 0u;
    var top = bitcast<f32>(load_score(row));
    var rank = 0u;
    var bad = NEITHER;
    for (var c = 0u; c < params.extent; c++) {
        let b = load_score(row + c);
        if (bad == NEITHER && (nan_bits(b) || (KIND == PROBS && b > 0x3f800000u && b != 0x80000000u) || (KIND == LOGITS && b == INF_BITS))) {
            bad = row + c;
        }
        let score = bitcast<f32>(b);
        if (order(score, top) > 0.0) {
            best = c;
            top = score;
        }
        let side = order(score, own);
        rank += u32(side > 0.0 || (side == 0.0 && c < truth));
    }
    if (KIND == LOGITS && bad == NEITHER && !finite_bits(bitcast<u32>(top))) {
        // Every class is impossible.
        bad = row;
    }
    if (bad != NEITHER) {
        bad_input(bad);
        return;
    }
    count_cell((truth * params.extent + best) * CELL_SLOTS, tid);
    count_cell((cells() + rank) * CELL_SLOTS, tid);
    let hit = best == truth;
    if (KIND == PROBS) {
        let p = magnitude(top);
        take_probability(tallies(), p, hit, loss_of_hit(magnitude(own)), select(p, 1.0 - p, hit), tid);
    }
    if (KIND == LOGITS) {
        // Without the highest itself, so that what is nearly certain keeps its digits.
        var others = 0.0;
        var block = 0.0;
        for (var c = 0u; c < params.extent; c++) {
            let b = load_score(row + c);
            if (c != best && finite_bits(b)) {
                block += exp_fine(max(bitcast<f32>(b) - top, -200.0));
            }
            if ((c & 31u) == 31u) {
                others += block;
                block = 0.0;
            }
        }
        others += block;
        take_logits(tallies(), top, own, others, hit, tid);
    }
}
