// Barron's general robust loss (CVPR 2019): one shape parameter goes from squared error (2) by pseudo-Huber (1), Cauchy (0) and
// Geman-McClure (-2) towards Welsch (far below).

override shape: f32 = 1.0;
override scale: f32 = 1.0;

fn loss(x: f32, t: f32) -> f32 {
    let d = (x - t) / scale;
    let square = d * d;
    if (shape == 2.0) {
        return 0.5 * square;
    }
    if (shape == 0.0) {
        return log(0.5 * square + 1.0);
    }
    let b = abs(shape - 2.0);
    return b / shape * (pow(square / b + 1.0, 0.5 * shape) - 1.0);
}
