// alpha_t·miss^gamma·bce with u = sigma(x), d = sigma(-x), miss = 1 - p_t = t·d + (1 - t)·u and
// bce = max(x, 0)·(1 - t) + max(-x, 0)·t + log(1 + exp(-|x|)). By x:
//   alpha_t·miss^gamma·(gamma·(1 - 2t)·(u·d/miss)·bce + (1 - t)·u - t·d)
// u·d/miss stays between 0 and 1; where miss is 0 everything is.

// miss^gamma·u·d/miss for both = u·d: without a division where a power does.
fn bf_turn(miss: f32, scale: f32, both: f32) -> f32 {
    if (params.opt_gamma >= 1.0) {
        return both * power(miss, params.opt_gamma - 1.0);
    }
    // Not `> 0`: a subnormal may compare as positive and divide as 0.
    if (abs(miss) >= SMALLEST_NORMAL) {
        return scale * (both / miss);
    }
    return 0.0;
}

fn term(e: Elem) -> Term {
    let t = e.t;
    let rest = 1.0 - t;
    let below = e.x < 0.0;
    let small = exp_below(-abs(e.x));
    let far = 1.0 / (1.0 + small);
    let near = small * far;
    let bce = fma(select(rest, -t, below), e.x, ln_1p_unit(small));
    let up = rest * select(far, near, below);
    let down = t * select(near, far, below);
    let miss = down + up;
    let balance = class_balance(params.opt_alpha, t);
    let scale = power(miss, params.opt_gamma);
    let turn = params.opt_gamma * (rest - t) * bf_turn(miss, scale, far * near);
    // A small weight meets an infinite loss before it meets a small power.
    let slope = fma(balance * (up - down), scale, balance * (turn * bce));
    return Term((balance * bce) * scale, Grad(slope));
}
