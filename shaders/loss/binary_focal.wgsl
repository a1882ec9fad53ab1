// alpha_t·miss^gamma·bce, where miss = 1 - p_t = t·(1 - x) + (1 - t)·x and bce = -t·log(x) - (1 - t)·log(1 - x),
// x clipped to [clip, 1 - clip] first. By x, inside the clip:
//   alpha_t·miss^gamma·(gamma·(1 - 2t)·bce/miss + (x - t)/(x·(1 - x)))

// 0·log 0 is 0: a class that the target does not have costs nothing.
fn bf_weighed(w: f32, log: f32) -> f32 {
    return select(times(w, log), 0.0, sign_of(w) == 0.0);
}

fn term(e: Elem) -> Term {
    let t = e.t;
    let c = clip_probability(e.x, params.opt_clip);
    let bce = -bf_weighed(t, c.log_x) - bf_weighed(1.0 - t, c.log_y);
    let miss = t * c.y + (1.0 - t) * c.x;
    let balance = class_balance(params.opt_alpha, t);
    let scale = power(miss, params.opt_gamma);
    var slope = 0.0;
    if (c.inside) {
        // Neither divisor is 0 here, but one may be flushed.
        slope = params.opt_gamma * (1.0 - 2.0 * t) * (bce / nonzero(miss))
            + (c.x - t) / nonzero(c.x * c.y);
    }
    return Term((balance * bce) * scale, Grad((balance * slope) * scale));
}
