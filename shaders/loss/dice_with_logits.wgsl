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

struct Peak {
    unit: u32,
}

fn peak_identity() -> Peak {
    return Peak(0u);
}

fn peak_of(e: Elem, r: Row) -> Peak {
    let p = dwl_predict(e.x);
    return Peak(overlap_unit(e.w, p.x, e.t));
}

fn peak_merge(a: Peak, b: Peak) -> Peak {
    return Peak(max(a.unit, b.unit));
}

fn stat_at(p: Peak) -> Stat {
    return Stat(0.0, 0.0, 0.0, p.unit);
}

fn stat_of(e: Elem, r: Row, peak: Peak) -> Stat {
    let p = dwl_predict(e.x);
    return dwl_stat(overlap_of(e.w, p.x, p.y, e.t, peak.unit));
}

fn stat_add(a: Stat, b: Stat) -> Stat {
    return dwl_stat(overlap_add(dwl_overlap(a), dwl_overlap(b)));
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

struct Ready {
    ratio: Ratio,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    return Ready(dwl_ratio(s));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    let p = dwl_predict(e.x);
    return Grad(overlap_grad(y.ratio, e.w, e.t) * (p.x * p.y));
}
