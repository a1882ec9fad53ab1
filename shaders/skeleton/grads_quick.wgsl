// The gradient of rows of losses that have a quick one, for ordinary rows. Loops that end at once, as for the statistic.

fn write_grads(row: u32, x: RowContext, first: u32, end: u32, s: All, s2: All2, y: Common) {
    let fine = quick_row(x, s, y);
    let quick = select(end, first, fine);
    for (var p = 0u; pack_at(quick, p) < end; p += QUICK_PACKS) {
        quick_grads_run(row, x, pack_at(quick, p), end, y);
    }
    let careful = select(first, end, fine);
    for (var p = 0u; pack_at(careful, p) < end; p += GRADS_UNROLL) {
        grads_run(row, x, pack_at(careful, p), end, s, s2, y);
    }
}
