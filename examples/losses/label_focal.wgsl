// Focal loss on logits, with a focus for each label: rare positives keep more of their easy examples than negatives do.
// Of a label of 0 or 1, weight · miss^gamma · bce with miss the probability of the other label.

override gamma_positive: f32 = 1.0;
override gamma_negative: f32 = 4.0;
override alpha: f32 = 0.5;

// log(1 + exp(z)), for z of any size.
fn softplus(z: f32) -> f32 {
    return max(z, 0.0) + log(1.0 + exp(-abs(z)));
}

fn loss(x: f32, t: f32) -> f32 {
    let positive = t > 0.5;
    // How far the logit is on the wrong side.
    let z = select(x, -x, positive);
    let gamma = select(gamma_negative, gamma_positive, positive);
    let weight = select(1.0 - alpha, alpha, positive);
    // miss = sigmoid(z), so log(miss) = -softplus(-z) and bce = softplus(z): nothing here is 0 to a power.
    return weight * exp(-gamma * softplus(-z)) * softplus(z);
}
