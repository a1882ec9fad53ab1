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
    return jac_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t, peak.unit));
}

fn stat_add(a: Stat, b: Stat) -> Stat {
    return jac_stat(overlap_add(jac_overlap(a), jac_overlap(b)));
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

struct Ready {
    ratio: Ratio,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    return Ready(jac_ratio(s));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad(overlap_grad(y.ratio, e.w, e.t));
}
