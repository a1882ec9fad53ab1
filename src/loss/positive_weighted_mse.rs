use super::{Carried, Element, Elementwise, Law, Term, gap_lost};
use crate::bounds::U;

loss! {
    /// Squared error that counts more where the target is positive.
    PositiveWeightedMse: Elementwise, "positive_weighted_mse" {
        /// The weight of elements whose target is above 0.
        positive_weight: f32 = 2.0, Any;
    }
    formula: "(x − t)²·(positive_weight if t > 0 else 1)",
    agrees: "",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for PositiveWeightedMse {
    fn term(&self, e: &Element) -> Term {
        let d = e.x[0] - e.t;
        let w = if e.t > 0.0 {
            f64::from(self.positive_weight)
        } else {
            1.0
        };
        Term::new(w * d * d, 2.0 * w * d)
    }

    fn bound(&self, e: &Element) -> Term {
        // d, twice in the square, and two products.
        let t = self.term(e);
        let lost = gap_lost(e.x[0], e.t);
        let w = if e.t > 0.0 {
            f64::from(self.positive_weight).abs()
        } else {
            1.0
        };
        Term::new(
            4.0 * U * t.loss.abs() + t.grad[0].abs() * lost,
            2.0 * U * t.grad[0].abs() + 2.0 * w * lost,
        )
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::scale(&[0, 1], &[], 2.0)]
    }
}
