// What the skeletons of row losses share.

// What stands between a row and its loss.
const ROW_OK: u32 = 0u;
const ROW_SKIPPED: u32 = 1u;
// Bits that the elements of a row set: a NaN among them.
const ROW_NAN: u32 = 2u;

fn row_of(label: u32) -> Row {
    var unweighted = 1.0;
    if (params.counted != 0u) {
        unweighted = work.unweighted;
    }
    return Row(label, params.cols, unweighted);
}

// The loss of a row as it is stored: what the statistic or a NaN makes of it comes before arithmetic.
fn row_loss_bits(r: Row, s: Stat, flags: u32, w: u32) -> u32 {
    let special = row_special(r, s);
    if ((flags & ROW_NAN) != 0u || special == SPECIAL_NAN) {
        return NAN_BITS;
    }
    let wf = bitcast<f32>(w);
    if (special == SPECIAL_INF) {
        return select(INF_BITS, NAN_BITS, wf == 0.0);
    }
    return bitcast<u32>(wf * row_loss(r, s));
}

fn row_grad_bits(e: Elem, r: Row, s: Stat, flags: u32, w: u32, factor: f32) -> GradBits {
    let nan = (flags & ROW_NAN) != 0u || row_special(r, s) == SPECIAL_NAN;
    return seal(row_grad(e, r, s), bitcast<f32>(w) * factor, nan);
}

// The loss of a chunk's row goes to its leaf, or to the caller.
fn put_loss(row: u32, bits: u32) {
    if (EACH) {
        store_loss(row, bits);
    } else {
        work.leaves[params.leaf0 + row] = finite_part(bits);
    }
}
