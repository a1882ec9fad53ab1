// Cross-entropy of softmax(x / temperature) with a bonus for entropy, of rows of logits:
//
//   loss = log Z - Σ_j t_j·z_j - bonus·H,   z = x/temperature,  Z = Σ exp(z),  H = log Z - Σ exp(z)·z / Z
//
// t is 1 at the class of a label and 0 elsewhere, or what a row of targets says, which then has to add up to 1. The logits come relative
// to the largest of their row, and none of this changes when all of them are moved by the same number.

override temperature: f32 = 2.0;
override bonus: f32 = 0.1;

const shift_by_max = true;

struct Sums {
    all: f32,
    weighted: f32,
    hit: f32,
}

fn row_terms(x: f32, t: f32) -> Sums {
    let z = x / temperature;
    let e = exp(z);
    return Sums(e, e * z, t * z);
}

fn row_loss(s: Sums) -> f32 {
    let log_all = log(s.all);
    let entropy = log_all - s.weighted / s.all;
    return log_all - s.hit - bonus * entropy;
}
