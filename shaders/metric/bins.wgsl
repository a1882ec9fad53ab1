// Counts scores by the upper bits of the word that orders as they do: bins of negative samples, then of positive ones.

fn slots() -> u32 {
    return 2u << params.extent;
}

fn take_sample(i: u32, tid: u32) {
    let truth = class_among(i, 2u, true);
    if (truth == NEITHER) {
        return;
    }
    let b = load_score(i);
    if (is_nan(b)) {
        bad_input(i);
        return;
    }
    count_slot((truth << params.extent) + (order_of(b) >> (SCORE_BITS - params.extent)), tid);
}
