override delta: f32 = 1.0;
fn loss(x: f32, t: f32) -> f32 {
    let d = abs(x - t);
    return select(delta * (d - 0.5 * delta), 0.5 * d * d, d <= delta);
}
