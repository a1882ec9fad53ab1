use super::{Element, Elementwise, Law, Term, signed_label};
use crate::bounds::U;

loss! {
    /// Square of the hinge loss: smooth where the margin is met.
    SquaredHinge: Elementwise, "squared_hinge" {}
    formula: "max(0, 1 − t·x)², t = ±1; 0 counts as −1",
    agrees: "Keras on ±1 labels",
    inputs: ["x"],
    domain: [Real, Sign],
    target: Values,
}

impl Elementwise for SquaredHinge {
    fn term(&self, e: &Element) -> Term {
        let t = signed_label(e.t);
        let m = 1.0 - t * e.x[0];
        match m <= 0.0 {
            true => Term::new(0.0, 0.0),
            false => Term::new(m * m, -2.0 * t * m),
        }
    }

    fn bound(&self, e: &Element) -> Term {
        // The margin as in the hinge loss, doubled by the square; both derivatives are continuous at 0.
        let t = signed_label(e.t);
        let m = 1.0 - t * e.x[0];
        let em = U * (t * e.x[0]).abs() + U * m.abs();
        // Nothing is left, and no doubt.
        if m < -em || m == f64::NEG_INFINITY {
            return Term::default();
        }
        let m = m.max(0.0);
        Term::new(
            2.0 * m * em + em * em + U * m * m,
            2.0 * t.abs() * (em + U * m),
        )
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::NEGATED]
    }
}
