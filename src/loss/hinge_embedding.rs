use super::{Element, Elementwise, Law, Term};
use crate::bounds::U;

loss! {
    /// Distances of similar pairs are to be small, those of others beyond a margin.
    HingeEmbedding: Elementwise, "hinge_embedding" {
        /// How far pairs that are not similar should be apart.
        margin: f32 = 1.0, Any;
    }
    formula: "x if t = 1, else max(0, margin − x)",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [Real, Sign],
    target: Values,
}

impl Elementwise for HingeEmbedding {
    fn term(&self, e: &Element) -> Term {
        let x = e.x[0];
        let m = f64::from(self.margin) - x;
        match (e.t == 1.0, m > 0.0) {
            (true, _) => Term::new(x, 1.0),
            (false, true) => Term::new(m, -1.0),
            (false, false) => Term::new(0.0, 0.0),
        }
    }

    fn bound(&self, e: &Element) -> Term {
        // One difference, whose sign is taken from the bits.
        Term::new(U * (f64::from(self.margin) - e.x[0]).abs(), 0.0)
    }

    fn nan_grad(&self, e: &Element) -> bool {
        e.t != 1.0
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::scale(&[0], &["margin"], 1.0)]
    }
}
