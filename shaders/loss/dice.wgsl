// loss = 1 - (2·TP + s)/(Σ wx + Σ wt + s). With TP, FP and FN of `Overlap` that is (FP + FN)/(2·TP + FP + FN + s),
// so a Tversky loss with a half for alpha, beta and each s; the gradient is that of `overlap_grad`.

struct Stat {
    tp: f32,
    fp: f32,
    missed: f32,
    // The exponent that the three count in, as in `Overlap`.
    unit: u32,
}

fn dice_overlap(s: Stat) -> Overlap {
    return Overlap(s.tp, s.fp, s.missed, s.unit);
}

fn dice_stat(o: Overlap) -> Stat {
    return Stat(o.tp, o.fp, o.missed, o.unit);
}

fn dice_ratio(s: Stat) -> Ratio {
    return overlap_ratio(dice_overlap(s), 0.5, 0.5, 0.5 * params.opt_smooth);
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
    return dice_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t, peak.unit));
}

fn stat_add(a: Stat, b: Stat) -> Stat {
    return dice_stat(overlap_add(dice_overlap(a), dice_overlap(b)));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return dice_stat(overlap_merge(dice_overlap(a), dice_overlap(b)));
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(SPECIAL_NONE, SPECIAL_NAN, s.unit >= OVERLAP_ODD);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    return dice_ratio(s).loss;
}

struct Ready {
    ratio: Ratio,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    return Ready(dice_ratio(s));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad(overlap_grad(y.ratio, e.w, e.t));
}
