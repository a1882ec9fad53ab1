use super::{Carried, Element, Elementwise, Law, Term};
use crate::bounds::U;

loss! {
    /// Squared error with a penalty for inputs away from one half.
    ConfidencePenalizedMse: Elementwise, "confidence_penalized_mse" {
        /// How much the penalty counts.
        factor: f32 = 0.1, Any;
    }
    formula: "(x − t)² + factor·(0.5 − x)²",
    agrees: "",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for ConfidencePenalizedMse {
    fn term(&self, e: &Element) -> Term {
        let (d, c) = (e.x[0] - e.t, 0.5 - e.x[0]);
        let factor = f64::from(self.factor);
        Term::new(d * d + factor * c * c, 2.0 * d - 2.0 * factor * c)
    }

    fn bound(&self, e: &Element) -> Term {
        // Each difference one rounding, twice in its square; the products; the sum of the two parts.
        let (d, c) = (e.x[0] - e.t, 0.5 - e.x[0]);
        let factor = f64::from(self.factor).abs();
        Term::new(
            4.0 * U * d * d + 5.0 * U * factor * c * c,
            2.0 * (2.0 * U * d.abs() + 3.0 * U * factor * c.abs()),
        )
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Mirror {
            tensors: &[(0, 0.5), (1, 0.5)],
            options: &[],
        }]
    }
}
