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

struct Peak {
    unit: u32,
}

fn peak_identity() -> Peak {
    return Peak(0u);
}

fn peak_of(e: Elem, r: Row) -> Peak {
    return Peak(overlap_unit(e.w, e.x, e.t));
}

fn peak_merge(a: Peak, b: Peak) -> Peak {
    return Peak(max(a.unit, b.unit));
}

fn stat_at(p: Peak) -> Stat {
    return Stat(0.0, 0.0, 0.0, p.unit);
}

fn stat_of(e: Elem, r: Row, peak: Peak) -> Stat {
    return tv_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t, peak.unit));
}

fn stat_add(a: Stat, b: Stat) -> Stat {
    return tv_stat(overlap_add(tv_overlap(a), tv_overlap(b)));
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

struct Ready {
    ratio: Ratio,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    return Ready(tv_ratio(s));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad(overlap_grad(y.ratio, e.w, e.t));
}
