use super::{
    Carried, Clipped, Element, Elementwise, Law, Term, class_balance, class_balance_size, weighed,
};
use crate::bounds::{DIV, TINY, U};

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

/// The cross-entropy and 1 − p_t.
fn parts(c: &Clipped, t: f64) -> (f64, f64) {
    (
        -weighed(t, c.log_x) - weighed(1.0 - t, c.log_y),
        t * c.y + (1.0 - t) * c.x,
    )
}

impl Elementwise for BinaryFocal {
    fn term(&self, e: &Element) -> Term {
        let (t, gamma) = (e.t, f64::from(self.gamma));
        let c = Clipped::new(e.x[0], self.clip);
        let (bce, miss) = parts(&c, t);
        let scale = class_balance(self.alpha, t) * miss.powf(gamma);
        // d miss/dx = 1 − 2t, d bce/dx = (x − t)/(x·y).
        let slope = match c.inside {
            true => gamma * (1.0 - 2.0 * t) * bce / miss + (c.x - t) / (c.x * c.y),
            false => 0.0,
        };
        Term::new(scale * bce, scale * slope)
    }

    fn bound(&self, e: &Element) -> Term {
        let (t, gamma) = (e.t, f64::from(self.gamma));
        let c = Clipped::new(e.x[0], self.clip);
        let (_, miss) = parts(&c, t);
        // For t in [0, 1] parts of one sign; else what the rounding errors are proportional to is larger.
        let bce = weighed(t, c.log_x).abs() + weighed(1.0 - t, c.log_y).abs();
        let spread = ((t * c.y).abs() + ((1.0 - t) * c.x).abs()) / miss.abs().max(1e-300);
        // miss: three roundings of parts of one sign, and 1 − x; raised to γ that is γ-fold, and the power
        // itself 10U + 9|γ·log miss|U. bce 10U. alpha: three of its parts. Then products.
        let log = miss.abs().max(1e-300).ln().abs();
        let relative = gamma * 5.0 * U * spread + (9.0 * gamma * log + 10.0) * U + 20.0 * U;
        let size = class_balance_size(self.alpha, t);
        let scale = size * miss.abs().powf(gamma);
        // A subnormal divisor counts as the smallest normal number.
        let lost = match c.x * c.y < TINY {
            true => scale * (c.x - t).abs() / (c.x * c.y),
            false => 0.0,
        };
        let slope = match c.inside {
            true => {
                let parts = gamma * (1.0 - 2.0 * t).abs() * bce / miss.abs()
                    + (c.x - t).abs() / (c.x * c.y);
                // A subnormal numerator may be lost before it is divided.
                scale
                    * (parts * (relative + 5.0 * U * spread + 2.0 * DIV + 10.0 * U)
                        + TINY / (c.x * c.y))
                    + size * TINY * parts
                    + lost
            }
            false => 0.0,
        };
        Term::new(scale * bce * relative + size * TINY * (bce + 1.0), slope)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Probs)
    }

    fn laws(&self) -> Vec<Law> {
        match self.alpha {
            // Without balance there is nothing to exchange; above 1 the other side would be without.
            a if a < 0.0 => vec![Law::Mirror {
                tensors: &[(0, 0.5), (1, 0.5)],
                options: &[],
            }],
            a if a <= 1.0 => vec![Law::Mirror {
                tensors: &[(0, 0.5), (1, 0.5)],
                options: &["alpha"],
            }],
            _ => Vec::new(),
        }
    }
}
