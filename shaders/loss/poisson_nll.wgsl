// rate - t·log(rate): with log_input x is the logarithm, else the rate, and eps keeps it from 0. full adds
// t·log t - t + log(2 pi t)/2 above t = 1; then t is factored out of three terms, each of which may
// overflow where their sum does not. The derivative is rate - t, or 1 - t/(x + eps).

fn term(e: Elem) -> Term {
    var rate = e.x;
    var log_rate = e.x;
    var grad = 0.0;
    if (params.opt_log_input != 0u) {
        rate = exp_below(e.x);
        grad = rate - e.t;
    } else {
        let shifted = e.x + params.opt_eps;
        log_rate = ln(shifted);
        grad = 1.0 - e.t / shifted;
    }
    if (params.opt_full != 0u && e.t > 1.0) {
        let log_t = ln(e.t);
        let stirling = 0.5 * log_t + 0.91893853;
        return Term(rate + e.t * ((log_t - log_rate) - 1.0) + stirling, Grad(grad));
    }
    return Term(rate - e.t * log_rate, Grad(grad));
}
