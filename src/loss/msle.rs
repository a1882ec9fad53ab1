use super::{Carried, Element, Elementwise, Law, Term};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Squared difference of the logarithms of one plus input and target.
    Msle: Elementwise, "msle" {
        /// The least that input and target count for.
        eps: f32 = 1e-7, NonNegative;
    }
    formula: "(log(1 + max(x, eps)) − log(1 + max(t, eps)))²",
    agrees: "Keras",
    inputs: ["x"],
    domain: [NonNegative, NonNegative],
    target: Values,
}

impl Elementwise for Msle {
    fn term(&self, e: &Element) -> Term {
        let eps = f64::from(self.eps);
        let x = e.x[0].max(eps);
        let d = x.ln_1p() - e.t.max(eps).ln_1p();
        let slope = if e.x[0] > eps {
            2.0 * d / (1.0 + x)
        } else {
            0.0
        };
        Term::new(d * d, slope)
    }

    fn bound(&self, e: &Element) -> Term {
        // Each logarithm 6U of itself, their difference U; the square doubles that. 1 + x, a division.
        let eps = f64::from(self.eps);
        let x = e.x[0].max(eps);
        let (lx, lt) = (x.ln_1p(), e.t.max(eps).ln_1p());
        let d = (lx - lt).abs();
        let ed = 6.0 * U * (lx + lt) + U * d + 2.0 * TINY;
        let slope = 2.0 * d / (1.0 + x);
        Term::new(
            2.0 * d * ed + ed * ed + U * d * d,
            2.0 * ed / (1.0 + x) + slope * (U + DIV),
        )
    }

    fn nan_grad(&self, e: &Element) -> bool {
        e.x[0].is_nan() || e.x[0] > f64::from(self.eps)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::EXCHANGED]
    }
}
