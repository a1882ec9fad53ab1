use super::{Carried, Element, Elementwise, Law, Term, class_balance, class_balance_size};
use crate::bounds::{DIV, TINY, U, exp};

loss! {
    /// Binary cross-entropy on logits, with well-classified elements weighed down.
    BinaryFocalWithLogits: Elementwise, "binary_focal_with_logits" {
        /// Weight of the positive class, 1 − alpha that of the negative one; below 0 there is none.
        alpha: f32 = 0.25, Any;
        /// How strongly well-classified elements are weighed down.
        gamma: f32 = 2.0, NonNegative;
    }
    formula: "−α_t·(1 − p_t)^γ·log p_t, p_t = σ(x) where t = 1, 1 − σ(x) where t = 0; soft targets: bce for −log p_t",
    agrees: "torchvision (sigmoid_focal_loss)",
    inputs: ["x"],
    domain: [Logit, Probability],
    target: Values,
}

/// σ(x), σ(−x), bce and 1 − p_t.
fn parts(x: f64, t: f64) -> (f64, f64, f64, f64) {
    let up = 1.0 / (1.0 + (-x).exp());
    let down = 1.0 / (1.0 + x.exp());
    let linear = if x < 0.0 { -t * x } else { (1.0 - t) * x };
    (
        up,
        down,
        linear + (-x.abs()).exp().ln_1p(),
        t * down + (1.0 - t) * up,
    )
}

impl Elementwise for BinaryFocalWithLogits {
    fn term(&self, e: &Element) -> Term {
        let (x, t, gamma) = (e.x[0], e.t, f64::from(self.gamma));
        let (up, down, bce, miss) = parts(x, t);
        let scale = class_balance(self.alpha, t) * miss.powf(gamma);
        // d miss/dx = (1 − 2t)·σ(x)·σ(−x), which is no larger than miss; d bce/dx = σ(x) − t.
        let turn = if miss != 0.0 { up * down / miss } else { 0.0 };
        let slope = scale * (gamma * (1.0 - 2.0 * t) * turn * bce + (1.0 - t) * up - t * down);
        Term::new(scale * bce, slope)
    }

    fn bound(&self, e: &Element) -> Term {
        let (x, t, gamma) = (e.x[0], e.t, f64::from(self.gamma));
        let (up, down, bce, miss) = parts(x, t);
        // For t in [0, 1] parts of one sign; else what the rounding errors are proportional to is larger.
        let l = (-x.abs()).exp().ln_1p();
        let bce = (bce - l).abs() + l;
        let spread = (t.abs() * down + (1.0 - t).abs() * up) / miss.abs().max(1e-300);
        let miss = miss.abs();
        let size = class_balance_size(self.alpha, t);
        let scale = size * miss.powf(gamma);
        // A sigmoid, as its comment in the shader says; miss adds three roundings of parts of one sign; raised to γ
        // that is γ-fold, and the power itself 10U + 9|γ·log miss|U. bce: log1p of the exponential, 8U.
        let es = exp(x.clamp(-200.0, 200.0)) + 12.0 * U;
        let log = miss.max(1e-300).ln().abs();
        let power = gamma * (es + 4.0 * U) * spread + (9.0 * gamma * log + 10.0) * U;
        let relative = power + es + 16.0 * U;
        let turn = if miss > 0.0 { up * down / miss } else { 0.0 };
        let parts =
            gamma * (1.0 - 2.0 * t).abs() * turn * bce + (1.0 - t).abs() * up + t.abs() * down;
        Term::new(
            scale * bce * relative + size * TINY * (bce + x.abs() + 1.0),
            scale * parts * (relative + 4.0 * es * spread + DIV + 10.0 * U)
                + size * (1.0 + gamma) * (bce + x.abs() + 1.0) * TINY,
        )
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Logits)
    }

    fn laws(&self) -> Vec<Law> {
        match self.alpha {
            // Without balance there is nothing to exchange; above 1 the other side would be without.
            a if a < 0.0 => vec![Law::Mirror {
                tensors: &[(0, 0.0), (1, 0.5)],
                options: &[],
            }],
            a if a <= 1.0 => vec![Law::Mirror {
                tensors: &[(0, 0.0), (1, 0.5)],
                options: &["alpha"],
            }],
            _ => Vec::new(),
        }
    }
}
