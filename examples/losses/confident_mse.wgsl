// Squared error of a probability with a penalty for being sure: `strength` times what the entropy of the forecast is short of log(2),
// the entropy of a coin.

override strength: f32 = 0.1;

// p · log(p), which is 0 at 0.
fn plogp(p: f32) -> f32 {
    return select(0.0, p * log(p), p > 0.0);
}

fn loss(x: f32, t: f32) -> f32 {
    let d = x - t;
    let entropy = -plogp(x) - plogp(1.0 - x);
    return d * d + strength * (log(2.0) - entropy);
}
