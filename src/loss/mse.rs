use super::{Carried, Element, Elementwise, Law, Term};
use crate::bounds::U;

loss! {
    /// Squared error.
    Mse: Elementwise, "mse" {}
    formula: "(x − t)²",
    agrees: "PyTorch, Keras",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for Mse {
    fn term(&self, e: &Element) -> Term {
        let d = e.x[0] - e.t;
        Term::new(d * d, 2.0 * d)
    }

    fn bound(&self, e: &Element) -> Term {
        // d carries one rounding; its square doubles that and adds one. 2d is exact.
        let d = (e.x[0] - e.t).abs();
        Term::new(3.0 * U * d * d, U * 2.0 * d)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &[], 2.0),
            Law::NEGATED,
            Law::EXCHANGED,
        ]
    }
}
