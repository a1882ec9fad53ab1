// (log v + d²/v)/2 with d = mean - t and v = max(variance, eps). By the mean: d/v. By the variance, through the
// clamp: (1/v - (d/v)²)/2. Neither d nor d² is
// formed, because they overflow before d²/v does.

fn term(e: Elem) -> Term {
    let clamped = larger(e.variance, params.opt_eps);
    let v = divisible(clamped);
    let half = half_gap(e.mean, e.t);
    let r = 2.0 * quotient(half, v);
    var loss = 0.5 * ln(clamped) + half * r;
    if (params.opt_full != 0u) {
        loss += 0.91893853;
    }
    return Term(loss, Grad(r, 0.5 * (quotient(1.0, v) - r * r)));
}
