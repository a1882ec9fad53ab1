// alpha_t·miss^gamma·bce with u = sigma(x), d = sigma(-x), miss = 1 - p_t = t·d + (1 - t)·u and
// bce = max(x, 0)·(1 - t) + max(-x, 0)·t + log(1 + exp(-|x|)). By x:
//   alpha_t·miss^gamma·(gamma·(1 - 2t)·(u·d/miss)·bce + (1 - t)·u - t·d)
// u·d/miss stays between 0 and 1; where miss is 0 everything is.

fn term(e: Elem) -> Term {
    let t = e.t;
    let small = exp_below(-abs(e.x));
    let whole = 1.0 + small;
    let up = select(small, 1.0, e.x >= 0.0) / whole;
    let down = select(1.0, small, e.x >= 0.0) / whole;
    let bce = select((1.0 - t) * e.x, -t * e.x, e.x < 0.0) + ln_1p_unit(small);
    let miss = t * down + (1.0 - t) * up;
    let balance = class_balance(params.opt_alpha, t);
    let scale = power(miss, params.opt_gamma);
    var turn = 0.0;
    // Not `> 0`: a subnormal may compare as positive and divide as 0.
    if (abs(miss) >= SMALLEST_NORMAL) {
        turn = up * (down / miss);
    }
    let slope = params.opt_gamma * (1.0 - 2.0 * t) * turn * bce + ((1.0 - t) * up - t * down);
    // A small weight meets an infinite loss before it meets a small power.
    return Term((balance * bce) * scale, Grad((balance * slope) * scale));
}
