// t·(log t - x), 0 where t = 0; with log_target exp(t)·(t - x). The derivative is -t, or -exp(t).

fn term(e: Elem) -> Term {
    if (params.opt_log_target != 0u) {
        // exp(t) in two factors, each of them normal where their product with the gap counts; e^-745 is 0 in f64.
        let gap = e.t - e.x;
        let root = exp_below(0.5 * e.t);
        var loss = root * (root * gap);
        if (!finite_bits(bitcast<u32>(gap)) && e.t < 0.0) {
            loss = select(0.0, gap, e.t > -745.0);
        }
        return Term(loss, Grad(-exp_below(e.t)));
    }
    return Term(select(times(e.t, ln(e.t) - e.x), 0.0, sign_of(e.t) == 0.0), Grad(-e.t));
}

// The derivative is that of the target alone.
fn nan_grad(e: Elem) -> bool {
    return nan_bits(bitcast<u32>(e.t));
}
