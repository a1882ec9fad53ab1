// Dice on p = sigma(x): (FP + FN)/(2·TP + FP + FN + s), and dloss/dx = dloss/dp·sigma(x)·sigma(-x). An infinite logit
// is a probability of 0 or 1.

struct Stat {
    tp: f32,
    fp: f32,
    missed: f32,
    // The exponent that the three count in, as in `Overlap`.
    unit: u32,
}

fn dwl_overlap(s: Stat) -> Overlap {
    return Overlap(s.tp, s.fp, s.missed, s.unit);
}

fn dwl_stat(o: Overlap) -> Stat {
    return Stat(o.tp, o.fp, o.missed, o.unit);
}

fn dwl_ratio(s: Stat) -> Ratio {
    return overlap_ratio(dwl_overlap(s), 0.5, 0.5, 0.5 * params.opt_smooth);
}

// sigma(x) and sigma(-x), from e^-|x|; held to finite x.
fn dwl_predict(x: f32) -> vec2<f32> {
    let z = clamp(x, LOWEST, LARGEST);
    let small = exp_below(-abs(z));
    return select(vec2<f32>(small, 1.0), vec2<f32>(1.0, small), z >= 0.0) / (1.0 + small);
}

fn stat_identity() -> Stat {
    return Stat(0.0, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let p = dwl_predict(e.x);
    return dwl_stat(overlap_of(e.w, p.x, p.y, e.t));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return dwl_stat(overlap_merge(dwl_overlap(a), dwl_overlap(b)));
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(SPECIAL_NONE, SPECIAL_NAN, s.unit >= OVERLAP_ODD);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    return dwl_ratio(s).loss;
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    let p = dwl_predict(e.x);
    return Grad(overlap_grad(dwl_ratio(s), e.w, e.t) * (p.x * p.y));
}
