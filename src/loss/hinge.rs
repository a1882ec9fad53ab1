use super::{Element, Elementwise, Law, Term, signed_label};
use crate::bounds::U;

loss! {
    /// Margin loss of support vector machines.
    Hinge: Elementwise, "hinge" {}
    formula: "max(0, 1 − t·x), t = ±1; 0 counts as −1",
    agrees: "Keras on ±1 labels",
    inputs: ["x"],
    domain: [Real, Sign],
    target: Values,
}

impl Elementwise for Hinge {
    fn term(&self, e: &Element) -> Term {
        let t = signed_label(e.t);
        let m = 1.0 - t * e.x[0];
        match m <= 0.0 {
            true => Term::new(0.0, 0.0),
            false => Term::new(m, if m.is_nan() { m } else { -t }),
        }
    }

    fn bound(&self, e: &Element) -> Term {
        // Product and difference. With t = ±1 the product is exact and so is the margin's sign; else a margin
        // within its own error may lie on either side of the kink.
        let t = signed_label(e.t);
        let m = 1.0 - t * e.x[0];
        let em = U * (t * e.x[0]).abs() + U * m.abs();
        // Nothing is left, and no doubt.
        if m < -em || m == f64::NEG_INFINITY {
            return Term::default();
        }
        let unsure = t.abs() != 1.0 && m.abs() <= em;
        Term::new(em, if unsure { t.abs() } else { 0.0 })
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::NEGATED]
    }
}
