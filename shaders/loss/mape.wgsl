// 100·|x - t|/m with m = max(|t|, eps); the derivative is 100·sign(x - t)/m. The difference is taken of
// halves, which do not overflow.

fn term(e: Elem) -> Term {
    let m = divisible(max(abs(e.t), params.opt_eps));
    let half = abs(0.5 * e.x - 0.5 * e.t);
    return Term(200.0 * (half / m), Grad(100.0 * sign_gap(e.x, e.t) / m));
}
