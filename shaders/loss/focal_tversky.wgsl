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

fn stat_identity() -> Stat {
    return Stat(0.0, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    return ft_stat(overlap_of(e.w, e.x, 1.0 - e.x, e.t));
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

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    let ratio = ft_ratio(s);
    let gamma = params.opt_gamma;
    if (ratio.loss == 0.0) {
        return Grad(0.0);
    }
    // l^(gamma - 1) by a power that is not negative.
    var steep = 0.0;
    if (gamma < 1.0) {
        steep = 1.0 / power(ratio.loss, 1.0 - gamma);
    } else {
        steep = power(ratio.loss, gamma - 1.0);
    }
    // gamma last, which may be large where the rest is small.
    return Grad(gamma * (steep * overlap_grad(ratio, e.w, e.t)));
}
