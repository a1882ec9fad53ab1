// Of predicted classes and ranks that a loss has found on its way.

fn count_sample(i: u32, truth: u32, tid: u32) {
    let at = params.off_input + 2u * i;
    let best = inputs[at];
    if (best == NEITHER) {
        bad_place((params.first + i) * params.extent);
    } else {
        count_slot(truth * params.extent + min(best, params.extent - 1u), tid);
        count_slot(cells() + min(inputs[at + 1u], params.extent - 1u), tid);
    }
}
