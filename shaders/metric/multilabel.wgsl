// Any number of labels a sample: the cells of each label, as of two classes; then all samples, those all of whose labels are
// known, those of which each was predicted as it is, and the elements of such samples that were not.

fn known() -> u32 {
    return 4u * params.each * CELL_SLOTS;
}

fn slots() -> u32 {
    return known() + 4u * CELL_SLOTS;
}

fn take_sample(i: u32, tid: u32) {
    var wrong = 0u;
    var whole = true;
    for (var c = 0u; c < params.each; c++) {
        let at = i * params.each + c;
        let truth = class_among(at, 2u, true);
        let predicted = predict(at, truth != NEITHER);
        if (truth == NEITHER || predicted == NEITHER) {
            whole = false;
        } else {
            count_cell((4u * c + 2u * truth + predicted) * CELL_SLOTS, tid);
            wrong += u32(truth != predicted);
        }
    }
    count_cell(known(), tid);
    if (whole) {
        count_cell(known() + CELL_SLOTS, tid);
        if (wrong == 0u) {
            count_cell(known() + 2u * CELL_SLOTS, tid);
        } else {
            count_cell_by(known() + 3u * CELL_SLOTS, wrong, tid);
        }
    }
}
