// Of predicted classes and ranks that a loss has found on its way; of logits also what its sums say of probabilities.

fn count_sample(i: u32, truth: u32, tid: u32) {
    let at = params.off_input + RANK_WORDS * i;
    let best = inputs[at];
    let top = bitcast<f32>(inputs[at + 2u]);
    let own = bitcast<f32>(inputs[at + 3u]);
    let sum = bitcast<f32>(inputs[at + 4u]);
    // No distribution exists where a logit is +inf, or none is finite.
    let none = KIND == LOGITS && (bitcast<u32>(top) == INF_BITS || sum == 0.0);
    if (best == NEITHER || none) {
        bad_place((params.first + i) * params.extent);
        return;
    }
    count_slot(truth * params.extent + min(best, params.extent - 1u), tid);
    count_slot(cells() + min(inputs[at + 1u], params.extent - 1u), tid);
    if (KIND == LOGITS) {
        // The highest itself adds 1 to the sum.
        take_logits(cells() + params.extent, top, own, max(sum - 1.0, 0.0), best == truth, tid);
    }
}
