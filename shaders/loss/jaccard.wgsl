// loss = 1 - (TP + s)/(Σ wx + Σ wt - TP + s), which is (FP + FN)/(TP + FP + FN + s) with TP, FP and FN of `Overlap`: a
// Tversky loss with 1 for alpha and beta. The gradient is that of `overlap_grad`.

struct Stat {
    tp: f32,
    fp: f32,
    missed: f32,
    // The exponent that the three count in, as in `Overlap`.
    unit: u32,
}

fn jac_overlap(s: Stat) -> Overlap {
    return Overlap(s.tp, s.fp, s.missed, s.unit);
}

fn jac_stat(o: Overlap) -> Stat {
    return Stat(o.tp, o.fp, o.missed, o.unit);
}

fn jac_ratio(s: Stat) -> Ratio {
    return overlap_ratio(jac_overlap(s), 1.0, 1.0, params.opt_smooth);
}

fn stat_identity() -> Stat {
    return Stat(0.0, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    return jac_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return jac_stat(overlap_merge(jac_overlap(a), jac_overlap(b)));
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(SPECIAL_NONE, SPECIAL_NAN, s.unit >= OVERLAP_ODD);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    return jac_ratio(s).loss;
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    return Grad(overlap_grad(jac_ratio(s), e.w, e.t));
}
