// Of predicted labels.

fn count_sample(i: u32, truth: u32, tid: u32) {
    let p = load_prediction(params.off_input + i);
    if (p.y != 0u || p.x >= params.extent) {
        bad_input(i);
    } else {
        count_cell((truth * params.extent + p.x) * CELL_SLOTS, tid);
    }
}
