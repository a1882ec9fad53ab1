// Rows of losses that have no quick statistic.

fn gather(row: u32, x: RowContext, first: u32, end: u32, step: u32) -> All {
    return gather_careful(row, x, first, end, step);
}

fn write_grads(row: u32, x: RowContext, first: u32, end: u32, step: u32, s: All, s2: All2, y: Common) {
    for (var c = first; c < end; c += UNROLL * step) {
        grads_run(row, x, c, end, step, s, s2, y);
    }
}
