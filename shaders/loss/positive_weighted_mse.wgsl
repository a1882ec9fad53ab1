// w·d² with d = x - t, w = positive_weight where t > 0, else 1; the derivative is 2·w·d. On d/2, and w first,
// so that a small w is not met by an overflow.

fn term(e: Elem) -> Term {
    let w = select(1.0, params.opt_positive_weight, sign_of(e.t) > 0.0);
    let half = half_gap(e.x, e.t);
    let slope = 4.0 * w * half;
    return Term(slope * half, Grad(slope));
}
