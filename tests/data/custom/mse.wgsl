fn loss(x: f32, t: f32) -> f32 {
    let d = x - t;
    return d * d;
}
