// rate - t·log(rate): with log_input x is the logarithm, else the rate, and eps keeps it from 0. full adds
// t·log t - t + log(2 pi t)/2 above t = 1; then t is factored out of three terms, each of which may
// overflow where their sum does not. The derivative is rate - t, or 1 - t/(x + eps).
// Above x = 80 all is done in units of 2^24, since exp(x) and t·x may overflow where their difference does not;
// from 104 on exp(x) is larger than any t·x, which then need not grow further. Units are put in and taken out in bits:
// NVIDIA's compiler takes factors whose product is 1 for none.

fn pn_down(v: f32, far: bool) -> f32 {
    return select(v, scaled(v, -24), far);
}

fn term(e: Elem) -> Term {
    let t = e.t;
    let far = params.opt_log_input != 0u && e.x > 80.0;
    var rate = e.x;
    var log_rate = e.x;
    var grad = 0.0;
    if (params.opt_log_input != 0u) {
        rate = exp_below(e.x);
        grad = rate - t;
        if (far) {
            log_rate = select(min(e.x, 104.0), e.x, !finite_bits(bitcast<u32>(e.x)));
            let root = exp(0.5 * log_rate);
            rate = select(pn_down(root, far) * root, exp(e.x), e.x > 104.0);
        }
    } else {
        // Without eps the sum may be flushed where x has a logarithm.
        let shifted = larger(e.x + params.opt_eps, e.x);
        log_rate = ln(shifted);
        grad = 1.0 - quotient(t, select(divisible(shifted), shifted, shifted < 0.0));
    }
    var loss = rate;
    if (params.opt_full != 0u && t > 1.0) {
        let log_t = ln(t);
        loss += pn_down(t, far) * ((log_t - log_rate) - 1.0) + pn_down(0.5 * log_t + 0.91893853, far);
        if (!finite_bits(bitcast<u32>(t))) {
            // t·log t - t is inf - inf.
            loss = not_a_number(bitcast<u32>(t));
        }
    } else {
        loss -= times(t, pn_down(log_rate, far));
    }
    return Term(select(loss, scaled(loss, 24), far), Grad(grad));
}
