// Rows that are read again: for the statistic, for a second one, for the gradient. An invocation takes its packs from
// `first` to `end`, in runs of UNROLL and blocks of 16 runs, so that a long row does not mean many merges one after the
// other.

// The column of pack `p` of an invocation, SIDE of which lie side by side.
fn pack_at(first: u32, p: u32) -> u32 {
    if (SIDE == 1u) {
        return first + p * STEP;
    }
    return first + p / SIDE * (SIDE * STEP) + p % SIDE * PACK;
}

fn gather_careful(row: u32, x: RowContext, first: u32, end: u32) -> All {
    var all = all_identity();
    for (var b = 0u; pack_at(first, b) < end; b += 16u * UNROLL) {
        var s = all_identity();
        for (var p = b; p < b + 16u * UNROLL && pack_at(first, p) < end; p += UNROLL) {
            s = gather_run(s, row, x, pack_at(first, p), end);
        }
        all = all_merge(all, s);
    }
    recount(row, x, first, end, all);
    return all;
}

fn gather2(row: u32, x: RowContext, s: All, first: u32, end: u32) -> All2 {
    var all = all2_identity();
    for (var b = 0u; pack_at(first, b) < end; b += 16u * UNROLL) {
        var t = all2_identity();
        for (var p = b; p < b + 16u * UNROLL && pack_at(first, p) < end; p += UNROLL) {
            t = gather2_run(t, row, x, pack_at(first, p), end, s);
        }
        all = all2_merge(all, t);
    }
    return all;
}
