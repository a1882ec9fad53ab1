use super::{Element, Elementwise, Term, class_balance};
use crate::bounds::{DIV, U};

loss! {
    /// Binary cross-entropy on probabilities, with well-classified elements weighed down.
    BinaryFocal: Elementwise, "binary_focal" {
        /// Weight of the positive class, 1 − alpha that of the negative one; below 0 there is none.
        alpha: f32 = 0.25, Any;
        /// How strongly well-classified elements are weighed down.
        gamma: f32 = 2.0, NonNegative;
        /// The input is clipped to [clip, 1 − clip] first.
        clip: f32 = 1e-7, Half;
    }
    formula: "−α_t·(1 − p_t)^γ·log p_t, p_t = x where t = 1, 1 − x where t = 0; soft targets: bce for −log p_t",
    agrees: "Keras (class balancing)",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl BinaryFocal {
    /// The clipped input, its complement, and whether a gradient passes.
    fn clipped(&self, x: f64) -> (f64, f64, bool) {
        let clip = f64::from(self.clip);
        match (x <= clip, 1.0 - x <= clip) {
            (true, _) => (clip, 1.0 - clip, false),
            (_, true) => (1.0 - clip, clip, false),
            _ => (x, 1.0 - x, true),
        }
    }
}

/// 0·log 0 is 0: a class that the target does not have costs nothing.
fn weighed_log(w: f64, v: f64) -> f64 {
    if w == 0.0 { 0.0 } else { w * v.ln() }
}

impl Elementwise for BinaryFocal {
    fn term(&self, e: &Element) -> Term {
        let (t, gamma) = (e.t, f64::from(self.gamma));
        let (x, y, passes) = self.clipped(e.x[0]);
        let alpha = class_balance(self.alpha, t);
        let bce = -weighed_log(t, x) - weighed_log(1.0 - t, y);
        let miss = t * y + (1.0 - t) * x;
        // d miss/dx = 1 − 2t, d bce/dx = (x − t)/(x·y).
        let slope = match passes {
            true => miss.powf(gamma) * (gamma * (1.0 - 2.0 * t) * bce / miss + (x - t) / (x * y)),
            false => 0.0,
        };
        Term::new(alpha * miss.powf(gamma) * bce, alpha * slope)
    }

    fn bound(&self, e: &Element) -> Term {
        let (t, gamma) = (e.t, f64::from(self.gamma));
        let (x, y, passes) = self.clipped(e.x[0]);
        let alpha = class_balance(self.alpha, t).abs();
        let bce = (weighed_log(t, x)).abs() + (weighed_log(1.0 - t, y)).abs();
        let miss = t * y + (1.0 - t) * x;
        // miss: three roundings of parts of one sign, and 1 − x; raised to γ that is γ-fold, and the power itself
        // 10U + 9|γ·log miss|U. bce 10U. alpha: three. Then products.
        let power = gamma * 5.0 * U + (9.0 * gamma * miss.ln().abs() + 10.0) * U;
        let relative = power + 20.0 * U;
        let scale = alpha * miss.powf(gamma);
        let slope = match passes {
            true => {
                let parts = gamma * bce / miss + (x - t).abs() / (x * y);
                scale * parts * (relative + 2.0 * DIV + 10.0 * U)
            }
            false => 0.0,
        };
        Term::new(scale * bce * relative + scale * U, slope)
    }
}
