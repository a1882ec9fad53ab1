// The gradient of rows of losses that have no quick one.

fn write_grads(row: u32, x: RowContext, first: u32, end: u32, s: All, s2: All2, y: Common) {
    for (var p = 0u; pack_at(first, p) < end; p += GRADS_UNROLL) {
        grads_run(row, x, pack_at(first, p), end, s, s2, y);
    }
}
