// max(0, -t·(x1 - x2) + margin); the derivatives are -t and t where that is positive. Where the difference
// overflows it is taken of halves, which do not.

fn term(e: Elem) -> Term {
    let gap = e.x1 - e.x2;
    let far = -2.0 * (e.t * half_gap(e.x1, e.x2));
    let m = select(far, -(e.t * gap), finite_bits(bitcast<u32>(gap))) + params.opt_margin;
    // Without a margin the order of the inputs decides, also where their difference is flushed to 0.
    let side = select(m, -e.t * sign_gap(e.x1, e.x2), params.opt_margin == 0.0 && !nan_bits(bitcast<u32>(m)));
    return Term(positive_part(m), Grad(where_positive(side, -e.t), where_positive(side, e.t)));
}
