// Rows of losses that have a quick statistic, which is right unless numbers are very large or very small; and a careful
// one, that an invocation falls back on. Each takes its own columns, so that nobody waits for the other to decide. No
// `if`, but loops that end at once: a device that computes both sides of an `if` would compute both.

fn gather(row: u32, x: RowContext, first: u32, end: u32) -> All {
    var run = quick_none();
    for (var b = 0u; pack_at(first, b) < end; b += 16u * QUICK_UNROLL) {
        var block = quick_none();
        for (var p = b; p < b + 16u * QUICK_UNROLL && pack_at(first, p) < end; p += QUICK_UNROLL) {
            block = quick_run(block, row, x, pack_at(first, p), end);
        }
        run = quick_join(run, block);
    }
    let fine = quick_fine(run);
    let careful = gather_careful(row, x, select(first, end, fine), end);
    if (fine) {
        return quick_all(run);
    }
    return careful;
}

fn write_grads(row: u32, x: RowContext, first: u32, end: u32, s: All, s2: All2, y: Common) {
    let fine = quick_row(x, s, y);
    let quick = select(end, first, fine);
    for (var p = 0u; pack_at(quick, p) < end; p += QUICK_UNROLL) {
        quick_grads_run(row, x, pack_at(quick, p), end, y);
    }
    let careful = select(first, end, fine);
    for (var p = 0u; pack_at(careful, p) < end; p += UNROLL) {
        grads_run(row, x, pack_at(careful, p), end, s, s2, y);
    }
}
