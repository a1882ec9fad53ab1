// alpha_t·miss^gamma·bce, where miss = 1 - p_t = t·(1 - x) + (1 - t)·x and bce = -t·log(x) - (1 - t)·log(1 - x),
// x clipped to [clip, 1 - clip] first. By x, inside the clip:
//   alpha_t·miss^gamma·(gamma·(1 - 2t)·bce/miss + (x - t)/(x·(1 - x)))

fn bf_weighed_log(w: f32, l: f32) -> f32 {
    return select(w * l, 0.0, w == 0.0);
}

fn term(e: Elem) -> Term {
    let clip = params.opt_clip;
    let t = e.t;
    var x = e.x;
    var y = 1.0 - e.x;
    var log_x = 0.0;
    var log_y = 0.0;
    var inside = false;
    if (e.x <= clip) {
        x = clip;
        y = 1.0 - clip;
        log_x = ln(clip);
        log_y = ln_1p(-clip);
    } else if (1.0 - e.x <= clip) {
        x = 1.0 - clip;
        y = clip;
        log_x = ln_1p(-clip);
        log_y = ln(clip);
    } else {
        inside = true;
        log_x = ln(x);
        log_y = ln_1p(-x);
    }
    let bce = -bf_weighed_log(t, log_x) - bf_weighed_log(1.0 - t, log_y);
    let miss = t * y + (1.0 - t) * x;
    let scale = class_balance(params.opt_alpha, t) * power(miss, params.opt_gamma);
    var slope = 0.0;
    if (inside) {
        slope = scale * (params.opt_gamma * (1.0 - 2.0 * t) * (bce / miss) + (x - t) / (x * y));
    }
    return Term(scale * bce, Grad(slope));
}
