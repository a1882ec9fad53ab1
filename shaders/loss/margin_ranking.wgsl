// max(0, -t·(x1 - x2) + margin); the derivatives are -t and t where that is positive. The difference is taken
// of halves, which do not overflow.

fn term(e: Elem) -> Term {
    let half = half_gap(e.x1, e.x2);
    let m = -2.0 * (e.t * half) + params.opt_margin;
    // Without a margin the order of the inputs decides, also where their difference is flushed to 0.
    let side = select(m, -e.t * sign_gap(e.x1, e.x2), params.opt_margin == 0.0 && !nan_bits(bitcast<u32>(m)));
    return Term(positive_part(m), Grad(where_positive(side, -e.t), where_positive(side, e.t)));
}
