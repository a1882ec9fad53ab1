// Rows of losses that have no quick statistic.

fn gather(row: u32, x: RowContext, first: u32, end: u32) -> All {
    return gather_careful(row, x, first, end);
}

fn write_grads(row: u32, x: RowContext, first: u32, end: u32, s: All, s2: All2, y: Common) {
    for (var p = 0u; pack_at(first, p) < end; p += UNROLL) {
        grads_run(row, x, pack_at(first, p), end, s, s2, y);
    }
}
