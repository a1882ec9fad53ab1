// The statistic of rows of losses that have a quick one, which is right unless numbers are very large or very small; and a
// careful one, that an invocation falls back on. Each takes its own columns, so that nobody waits for the other to decide.
// No `if`, but a loop that ends at once: a device that computes both sides of an `if` would compute both.

fn gather(row: u32, x: RowContext, first: u32, end: u32) -> All {
    var run = quick_none();
    for (var b = 0u; pack_at(first, b) < end; b += 16u * QUICK_PACKS) {
        var block = quick_none();
        for (var p = b; p < b + 16u * QUICK_PACKS && pack_at(first, p) < end; p += QUICK_PACKS) {
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
