// loss = 1 - (TP + s)/whole = (alpha·FP + beta·FN)/whole, whole = TP + alpha·FP + beta·FN + s, with the sums of
// `Overlap`. By x_j: d(alpha·FP + beta·FN) = w·(alpha·(1 - t) - beta·t) =: w·side and d whole = w·(side + t), so
// dloss = w·(side - loss·(side + t))/whole = w·(side·(1 - loss) - loss·t)/whole, as `overlap_grad` has it.

struct Stat {
    tp: f32,
    fp: f32,
    missed: f32,
    // The exponent that the three count in, as in `Overlap`.
    unit: u32,
}

fn tv_overlap(s: Stat) -> Overlap {
    return Overlap(s.tp, s.fp, s.missed, s.unit);
}

fn tv_stat(o: Overlap) -> Stat {
    return Stat(o.tp, o.fp, o.missed, o.unit);
}

fn tv_ratio(s: Stat) -> Ratio {
    return overlap_ratio(tv_overlap(s), params.opt_alpha, params.opt_beta, params.opt_smooth);
}

fn stat_identity() -> Stat {
    return Stat(0.0, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    return tv_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return tv_stat(overlap_merge(tv_overlap(a), tv_overlap(b)));
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(SPECIAL_NONE, SPECIAL_NAN, s.unit >= OVERLAP_ODD);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    return tv_ratio(s).loss;
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    return Grad(overlap_grad(tv_ratio(s), e.w, e.t));
}
