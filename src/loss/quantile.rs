use super::{Carried, Element, Elementwise, Law, Term, gap_lost, sign};
use crate::bounds::U;

loss! {
    /// Pinball loss: its minimizer is the `q`-quantile.
    Quantile: Elementwise, "quantile" {
        /// Which quantile.
        q: f32 = 0.5, Unit;
    }
    formula: "max(q(t − x), (q − 1)(t − x))",
    agrees: "scikit-learn (mean_pinball_loss)",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for Quantile {
    fn term(&self, e: &Element) -> Term {
        let (d, q) = (e.t - e.x[0], f64::from(self.q));
        let side = if d < 0.0 { q - 1.0 } else { q };
        Term::new(
            side * d,
            if d == 0.0 || d.is_nan() {
                sign(d)
            } else {
                -side
            },
        )
    }

    fn bound(&self, e: &Element) -> Term {
        // d, q - 1, their product; the side is decided on the bits.
        let (d, q) = (e.t - e.x[0], f64::from(self.q));
        let side = if d < 0.0 { 1.0 - q } else { q };
        let lost = gap_lost(e.t, e.x[0]);
        Term::new(side * (3.0 * U * d.abs() + lost), U * side)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &[], 1.0),
            Law::Mirror {
                tensors: &[(0, 0.0), (1, 0.0)],
                options: &["q"],
            },
        ]
    }
}
