// -t·log(x) - (1 - t)·log(1 - x). By x: (x - t)/(x·(1 - x)).
// clip = 0: the logarithms are clamped at -100 and the denominator at 1e-12, as PyTorch does.
// clip > 0: x is clipped to [clip, 1 - clip], the gradient is 0 outside. The complement of a clipped x is
// exact: 1 - (1 - clip) is clip. Which side, 1 - x decides, which is exact from 0.5 up.

fn bce_log(l: f32) -> f32 {
    return select(l, -100.0, params.opt_clip == 0.0 && l < -100.0);
}

fn term(e: Elem) -> Term {
    let clip = params.opt_clip;
    let t = e.t;
    if (clip > 0.0 && e.x <= clip) {
        return Term(-t * ln(clip) - (1.0 - t) * ln_1p(-clip), Grad(0.0));
    }
    if (clip > 0.0 && 1.0 - e.x <= clip) {
        return Term(-t * ln_1p(-clip) - (1.0 - t) * ln(clip), Grad(0.0));
    }
    let loss = -t * bce_log(ln(e.x)) - (1.0 - t) * bce_log(ln_1p(-e.x));
    let d = (1.0 - e.x) * e.x;
    return Term(loss, Grad((e.x - t) / select(max(d, 1e-12), d, clip > 0.0)));
}
