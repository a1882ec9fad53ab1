// The statistic of rows of losses that have no quick one.

fn gather(row: u32, x: RowContext, first: u32, end: u32) -> All {
    return gather_careful(row, x, first, end);
}
