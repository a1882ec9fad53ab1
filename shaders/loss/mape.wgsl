// 100·|x - t|/m with m = max(|t|, eps); the derivative is 100·sign(x - t)/m. The difference is taken of
// halves, which do not overflow.

fn term(e: Elem) -> Term {
    let m = divisible(larger(magnitude(e.t), params.opt_eps));
    var half = abs(half_gap(e.x, e.t));
    if (m == 0.0) {
        // Divided by 0, any difference is infinite, also one that a device flushes.
        half = abs(sign_gap(e.x, e.t));
    }
    return Term(200.0 * quotient(half, m), Grad(quotient(100.0 * sign_gap(e.x, e.t), m)));
}
