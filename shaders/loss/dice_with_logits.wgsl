// Dice on p = sigma(x): (FP + FN)/(2·TP + FP + FN + s), and dloss/dx = dloss/dp·sigma(x)·sigma(-x). An infinite logit
// is a probability of 0 or 1.

fn set_ratio(o: Overlap) -> Ratio {
    return overlap_ratio(o, 0.5, 0.5, 0.5 * params.opt_smooth);
}

// sigma(x) and sigma(-x), from e^-|x|; held to finite x.
fn set_of(e: Elem) -> vec2<f32> {
    let z = clamp(e.x, LOWEST, LARGEST);
    let small = exp_below(-abs(z));
    return select(vec2<f32>(small, 1.0), vec2<f32>(1.0, small), z >= 0.0) / (1.0 + small);
}

fn set_slope(e: Elem) -> f32 {
    let p = set_of(e);
    return p.x * p.y;
}
