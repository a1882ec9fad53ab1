// Counts what was predicted for what is true, and, from scores, how many classes go before the true one: cells, true class
// after true class, then ranks.

fn cells() -> u32 {
    return params.extent * params.extent;
}

fn slots() -> u32 {
    return (cells() + params.extent) * CELL_SLOTS + select(CALIBRATION_SLOTS, 0u, KIND == SCORES);
}

fn take_sample(i: u32, tid: u32) {
    let truth = class_among(i, params.extent, true);
    if (truth != NEITHER) {
        count_sample(i, truth, tid);
    }
}
