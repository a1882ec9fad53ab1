// t·(log t - x), 0 where t = 0; with log_target exp(t)·(t - x). The derivative is -t, or -exp(t).

fn term(e: Elem) -> Term {
    if (params.opt_log_target != 0u) {
        let p = exp_below(e.t);
        return Term(select(p * (e.t - e.x), 0.0, p == 0.0), Grad(-p));
    }
    return Term(select(times(e.t, ln(e.t) - e.x), 0.0, sign_of(e.t) == 0.0), Grad(-e.t));
}
