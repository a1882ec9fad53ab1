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

fn stat_identity() -> Stat {
    return Stat(0.0, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    return dice_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t));
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

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    return Grad(overlap_grad(dice_ratio(s), e.w, e.t));
}
