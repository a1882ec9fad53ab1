// Rows of losses that have a quick statistic, which is right unless numbers are very large or very small; and a careful
// one, that an invocation falls back on. Each takes its own columns, so that nobody waits for the other to decide. No
// `if`, but loops that end at once: a device that computes both sides of an `if` would compute both.

fn gather(row: u32, x: RowContext, first: u32, end: u32, step: u32) -> All {
    var run = quick_none();
    for (var b = first; b < end; b += 16u * QUICK_UNROLL * step) {
        var block = quick_none();
        for (var c = b; c < min(b + 16u * QUICK_UNROLL * step, end); c += QUICK_UNROLL * step) {
            block = quick_run(block, row, x, c, end, step);
        }
        run = quick_join(run, block);
    }
    let fine = quick_fine(run);
    let careful = gather_careful(row, x, select(first, end, fine), end, step);
    if (fine) {
        return quick_all(run);
    }
    return careful;
}

fn write_grads(row: u32, x: RowContext, first: u32, end: u32, step: u32, s: All, s2: All2, y: Common) {
    let fine = quick_row(x, s, y);
    for (var c = select(end, first, fine); c < end; c += QUICK_UNROLL * step) {
        quick_grads_run(row, x, c, end, step, y);
    }
    for (var c = select(first, end, fine); c < end; c += UNROLL * step) {
        grads_run(row, x, c, end, step, s, s2, y);
    }
}
