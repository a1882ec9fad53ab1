// d²/2 up to delta, then delta·(|d| - delta/2); the derivative is d, then delta·sign(d). The linear part
// works on d/2, which does not overflow where d would.

fn term(e: Elem) -> Term {
    let delta = params.opt_delta;
    let d = e.x - e.t;
    if (abs(d) <= delta) {
        return Term(0.5 * d * d, Grad(d));
    }
    let half = abs(0.5 * e.x - 0.5 * e.t);
    return Term(2.0 * delta * (half - 0.25 * delta), Grad(delta * sign_gap(e.x, e.t)));
}
