// q·d where d = t - x is positive, (q - 1)·d where it is negative; the derivative by x is -q or 1 - q,
// 0 at d = 0. On d/2, which does not overflow.

fn term(e: Elem) -> Term {
    let side = sign_gap(e.t, e.x);
    let slope = select(params.opt_q, params.opt_q - 1.0, side < 0.0);
    let half = half_gap(e.t, e.x);
    return Term(2.0 * slope * half, Grad(-side * abs(slope)));
}
