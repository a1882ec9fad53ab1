// loss = l^gamma, l the Tversky loss; dloss/dx_j = gamma·l^(gamma - 1)·dl/dx_j. Both 0 where l is.

struct Stat {
    tp: f32,
    fp: f32,
    missed: f32,
    // The exponent that the three count in, as in `Overlap`.
    unit: u32,
}

fn ft_overlap(s: Stat) -> Overlap {
    return Overlap(s.tp, s.fp, s.missed, s.unit);
}

fn ft_stat(o: Overlap) -> Stat {
    return Stat(o.tp, o.fp, o.missed, o.unit);
}

fn ft_ratio(s: Stat) -> Ratio {
    return overlap_ratio(ft_overlap(s), params.opt_alpha, params.opt_beta, params.opt_smooth);
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
    return ft_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t, peak.unit));
}

fn stat_add(a: Stat, b: Stat) -> Stat {
    return ft_stat(overlap_add(ft_overlap(a), ft_overlap(b)));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return ft_stat(overlap_merge(ft_overlap(a), ft_overlap(b)));
}

fn row_special(r: Row, s: Stat) -> u32 {
    // A negative l, of numbers beyond [0, 1], has whole powers only.
    let gamma = params.opt_gamma;
    let none = ft_ratio(s).loss < 0.0 && floor(gamma) != gamma;
    return select(SPECIAL_NONE, SPECIAL_NAN, none || s.unit >= OVERLAP_ODD);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    let l = ft_ratio(s).loss;
    if (l == 0.0) {
        return 0.0;
    }
    return power(l, params.opt_gamma);
}

struct Ready {
    ratio: Ratio,
    // l^(gamma - 1)
    steep: f32,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let ratio = ft_ratio(s);
    let gamma = params.opt_gamma;
    // By a power that is not negative.
    if (gamma < 1.0) {
        return Ready(ratio, 1.0 / power(ratio.loss, 1.0 - gamma));
    }
    return Ready(ratio, power(ratio.loss, gamma - 1.0));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    if (y.ratio.loss == 0.0) {
        return Grad(0.0);
    }
    // gamma last, which may be large where the rest is small.
    return Grad(params.opt_gamma * (y.steep * overlap_grad(y.ratio, e.w, e.t)));
}
