// -t·log(x) - (1 - t)·log(1 - x). By x: (x - t)/(x·(1 - x)).
// clip = 0: the logarithms are clamped at -100 and the denominator at 1e-12, as PyTorch does.
// clip > 0: x is clipped to [clip, 1 - clip], the gradient is 0 outside.

// By bits, -100 having 0xc2c80000: NVIDIA's compiler makes a comparison a maximum, and that of a NaN is -100.
fn bce_clamped(log: f32) -> f32 {
    let b = bitcast<u32>(log);
    return select(log, -100.0, b > 0xc2c80000u && !nan_bits(b));
}

fn term(e: Elem) -> Term {
    let t = e.t;
    if (params.opt_clip > 0.0) {
        let c = clip_probability(e.x, params.opt_clip);
        let slope = select(0.0, (c.x - t) / (c.x * c.y), c.inside);
        return Term(-t * c.log_x - (1.0 - t) * c.log_y, Grad(slope));
    }
    let loss = -t * bce_clamped(ln(e.x)) - (1.0 - t) * bce_clamped(ln_1p(-e.x));
    return Term(loss, Grad((e.x - t) / max((1.0 - e.x) * e.x, 1e-12)));
}

// Outside of the clip the derivative is 0, whatever t is.
fn nan_grad(e: Elem) -> bool {
    let clip = params.opt_clip;
    return clip == 0.0 || nan_bits(bitcast<u32>(e.x)) || clip_probability(e.x, clip).inside;
}
