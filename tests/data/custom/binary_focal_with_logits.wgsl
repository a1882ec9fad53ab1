override gamma: f32 = 2.0;
override alpha: f32 = 0.25;
fn loss(x: f32, t: f32) -> f32 {
    let small = exp(-abs(x));
    let bce = max(x, 0.0) - x * t + log(1.0 + small);
    let p = select(small, 1.0, x >= 0.0) / (1.0 + small);
    let miss = t * (1.0 - p) + (1.0 - t) * p;
    let balance = t * alpha + (1.0 - t) * (1.0 - alpha);
    return balance * pow(miss, gamma) * bce;
}
