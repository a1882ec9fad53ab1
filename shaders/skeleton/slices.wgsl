// A slice of LANES invocations takes a row together: the whole workgroup, several rows side by side, or one invocation.

fn element_of(row: u32, col: u32) -> u32 {
    return row * mine.cols + col;
}

// The first invocation of a slice; a constant, where there is one slice.
fn slice_begin(tid: u32) -> u32 {
    if (WIDTH == LANES) {
        return 0u;
    }
    return tid - tid % LANES;
}

// Where the share of a slice's invocation begins: SIDE packs side by side, and on with those a slice further.
fn share_begin(lane: u32) -> u32 {
    return lane * SIDE * PACK;
}
