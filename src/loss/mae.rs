use super::{Carried, Element, Elementwise, Law, Term, sign};
use crate::bounds::U;

loss! {
    /// Absolute error.
    Mae: Elementwise, "mae" {}
    formula: "|x − t|",
    agrees: "PyTorch (l1_loss), Keras",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for Mae {
    fn term(&self, e: &Element) -> Term {
        let d = e.x[0] - e.t;
        Term::new(d.abs(), sign(d))
    }

    fn bound(&self, e: &Element) -> Term {
        // One rounding; the sign is taken from the bits and exact.
        Term::new(U * (e.x[0] - e.t).abs(), 0.0)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &[], 1.0),
            Law::NEGATED,
            Law::EXCHANGED,
        ]
    }
}
