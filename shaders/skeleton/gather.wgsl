// What the skeletons of row losses share.

// A NaN among the elements that the loss of a row depends on.
const ROW_NAN: u32 = 1u;

// What a statistic may say of a loss before arithmetic does.
const SPECIAL_NONE: u32 = 0u;
const SPECIAL_NAN: u32 = 1u;
const SPECIAL_INF: u32 = 2u;
const SPECIAL_NEG_INF: u32 = 3u;

fn loss_bits(special: u32, w: u32, loss: f32) -> u32 {
    if (special == SPECIAL_NAN) {
        return NAN_BITS;
    }
    let wf = bitcast<f32>(w);
    if (special != SPECIAL_NONE) {
        let bits = select(INF_BITS | 0x80000000u, INF_BITS, special == SPECIAL_INF);
        return select(bits, NAN_BITS, wf == 0.0);
    }
    return bitcast<u32>(wf * loss);
}

// The statistic of every step-th column from `first` to `end`, in runs of 16, so that a long row does not mean many
// merges one after the other.
fn gather(row: u32, x: RowContext, first: u32, end: u32, step: u32) -> All {
    var s = all_identity();
    for (var c0 = first; c0 < end; c0 += 16u * step) {
        var run = all_identity();
        for (var c = c0; c < min(c0 + 16u * step, end); c += step) {
            run = all_add(run, element_of(row, c), row, c, x);
        }
        s = all_merge(s, run);
    }
    return s;
}

fn gather2(row: u32, x: RowContext, s: All, first: u32, end: u32, step: u32) -> All2 {
    var t = all2_identity();
    for (var c0 = first; c0 < end; c0 += 16u * step) {
        var run = all2_identity();
        for (var c = c0; c < min(c0 + 16u * step, end); c += step) {
            run = all2_add(run, element_of(row, c), row, c, x, s);
        }
        t = all2_merge(t, run);
    }
    return t;
}
