use super::{Carried, Element, Elementwise, Law, Term, sign};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Absolute error in percent of the target.
    Mape: Elementwise, "mape" {
        /// The least that the target's magnitude counts for.
        eps: f32 = 1e-7, NonNegative;
    }
    formula: "100·|x − t| / max(|t|, eps)",
    agrees: "Keras",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for Mape {
    fn term(&self, e: &Element) -> Term {
        let d = e.x[0] - e.t;
        let m = e.t.abs().max(f64::from(self.eps));
        Term::new(100.0 * d.abs() / m, 100.0 * sign(d) / m)
    }

    fn bound(&self, e: &Element) -> Term {
        // d, a division, a product. A subnormal d may be lost; so may a subnormal divisor, which then counts
        // as the smallest normal number.
        let a = (e.x[0] - e.t).abs();
        let m = e.t.abs().max(f64::from(self.eps));
        let lost = if m < TINY { 100.0 / m } else { 0.0 };
        Term::new(
            100.0 * a / m * (3.0 * U + DIV) + 200.0 * TINY / m + lost * a,
            100.0 / m * (U + DIV) + lost,
        )
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::scale(&[0, 1], &["eps"], 0.0), Law::NEGATED]
    }
}
