// (log v + d²/v)/2 with d = mean - t and v = max(variance, eps). By the mean: d/v. By the variance, through the
// clamp: (1/v - (d/v)²)/2. d² is never formed, because it overflows before d²/v does.

fn term(e: Elem) -> Term {
    let clamped = max(e.variance, params.opt_eps);
    let v = divisible(clamped);
    let d = e.mean - e.t;
    let r = d / v;
    var loss = 0.5 * (ln(clamped) + d * r);
    if (params.opt_full != 0u) {
        loss += 0.91893853;
    }
    return Term(loss, Grad(r, 0.5 * (1.0 / v - r * r)));
}
