// t·(log t - log x), both clipped to [eps, 1]; the derivative is -t/x between the bounds, 0 on and outside them.

fn term(e: Elem) -> Term {
    let eps = params.opt_eps;
    let x = smaller(larger(e.x, eps), 1.0);
    let t = smaller(larger(e.t, eps), 1.0);
    let loss = select(times(t, ln(t) - ln(x)), 0.0, sign_of(t) == 0.0);
    let inside = order(e.x, eps) > 0.0 && e.x < 1.0;
    return Term(loss, Grad(select(0.0, -t / divisible(x), inside)));
}

// Outside of the clip the derivative is 0, whatever t is.
fn nan_grad(e: Elem) -> bool {
    return nan_bits(bitcast<u32>(e.x)) || (order(e.x, params.opt_eps) > 0.0 && e.x < 1.0);
}
