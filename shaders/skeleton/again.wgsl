// Rows that are read again: for the statistic, for a second one, for the gradient. An invocation takes what lies `step`
// columns apart from `first` to `end`, in runs of UNROLL and blocks of 16 runs, so that a long row does not mean many
// merges one after the other.

fn gather_careful(row: u32, x: RowContext, first: u32, end: u32, step: u32) -> All {
    var all = all_identity();
    for (var b = first; b < end; b += 16u * UNROLL * step) {
        var s = all_identity();
        for (var c = b; c < min(b + 16u * UNROLL * step, end); c += UNROLL * step) {
            s = gather_run(s, row, x, c, end, step);
        }
        all = all_merge(all, s);
    }
    recount(row, x, first, end, step, all);
    return all;
}

fn gather2(row: u32, x: RowContext, s: All, first: u32, end: u32, step: u32) -> All2 {
    var all = all2_identity();
    for (var b = first; b < end; b += 16u * UNROLL * step) {
        var t = all2_identity();
        for (var c = b; c < min(b + 16u * UNROLL * step, end); c += UNROLL * step) {
            t = gather2_run(t, row, x, c, end, step, s);
        }
        all = all2_merge(all, t);
    }
    return all;
}
