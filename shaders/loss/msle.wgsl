// (log(1 + u) - log(1 + v))², u = max(x, eps), v = max(t, eps). The derivative is
// 2·(log(1 + u) - log(1 + v))/(1 + u) where x is above eps, else 0.

fn term(e: Elem) -> Term {
    let eps = params.opt_eps;
    let u = larger(e.x, eps);
    let d = ln_1p(u) - ln_1p(larger(e.t, eps));
    return Term(d * d, Grad(select(0.0, quotient(2.0 * d, 1.0 + u), order(e.x, eps) > 0.0)));
}

// Up to eps the derivative is 0, whatever t is.
fn nan_grad(e: Elem) -> bool {
    return nan_bits(bitcast<u32>(e.x)) || order(e.x, params.opt_eps) > 0.0;
}
