use super::{Element, Elementwise, Law, Term};
use crate::bounds::U;

loss! {
    /// One of two inputs is to be larger than the other, by a margin.
    MarginRanking: Elementwise, "margin_ranking" {
        /// By how much.
        margin: f32 = 0.0, Any;
    }
    formula: "max(0, −t(x₁ − x₂) + margin), t = ±1",
    agrees: "PyTorch",
    inputs: ["x1", "x2"],
    domain: [Real, Real, Sign],
    target: Values,
}

impl Elementwise for MarginRanking {
    fn term(&self, e: &Element) -> Term {
        let m = -e.t * (e.x[0] - e.x[1]) + f64::from(self.margin);
        let t = if m.is_nan() { m } else { e.t };
        match m <= 0.0 {
            true => Term::default(),
            false => Term {
                loss: m,
                grad: [-t, t, 0.0],
            },
        }
    }

    fn bound(&self, e: &Element) -> Term {
        // Difference, product, sum. Without a margin the sign is taken from the bits; with one, an m within its
        // own error may lie on either side of the kink.
        let (d, margin) = ((e.x[0] - e.x[1]).abs(), f64::from(self.margin));
        let m = -e.t * (e.x[0] - e.x[1]) + margin;
        let em = 3.0 * U * (e.t.abs() * d + margin.abs());
        // Nothing is left, and no doubt.
        if m < -em || m == f64::NEG_INFINITY {
            return Term::default();
        }
        let unsure = margin != 0.0 && m.is_finite() && m.abs() <= em;
        let t = if unsure { e.t.abs() } else { 0.0 };
        Term {
            loss: em,
            grad: [t, t, 0.0],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &["margin"], 1.0),
            Law::Mirror {
                tensors: &[(0, 0.0), (1, 0.0), (2, 0.0)],
                options: &[],
            },
        ]
    }
}
