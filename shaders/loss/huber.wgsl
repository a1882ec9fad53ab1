// d²/2 up to delta, then delta·(|d| - delta/2); the derivative is d, then delta·sign(d). The linear part
// works on d/2, which does not overflow where d would. Without a branch, since both parts are short.

fn term(e: Elem) -> Term {
    let delta = params.opt_delta;
    let d = e.x - e.t;
    let near = abs(d) <= delta;
    let half = abs(half_gap(e.x, e.t));
    let loss = select(2.0 * delta * (half - 0.25 * delta), 0.5 * d * d, near);
    let side = select(-delta, delta, d > 0.0);
    return Term(loss, Grad(select(side, d, near || undefined_gap(e.x, e.t))));
}
