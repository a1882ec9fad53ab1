// d²/(2 beta) below beta, then |d| - beta/2; the derivative is d/beta, then sign(d). With beta = 0 there is
// no first part.

fn term(e: Elem) -> Term {
    let beta = params.opt_beta;
    let d = e.x - e.t;
    if (abs(d) < beta) {
        let slope = d / beta;
        return Term(0.5 * d * slope, Grad(slope));
    }
    return Term(abs(d) - 0.5 * beta, Grad(sign_gap(e.x, e.t)));
}
