use super::{Carried, Element, Elementwise, Law, Term, sign};
use crate::bounds::U;

loss! {
    /// Quadratic near zero, linear beyond `delta`.
    Huber: Elementwise, "huber" {
        /// Where the quadratic part ends.
        delta: f32 = 1.0, Positive;
    }
    formula: "½d² if |d| ≤ δ, else δ(|d| − ½δ); d = x − t, δ = delta",
    agrees: "PyTorch, Keras",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for Huber {
    fn term(&self, e: &Element) -> Term {
        let (d, delta) = (e.x[0] - e.t, f64::from(self.delta));
        match d.abs() <= delta {
            true => Term::new(0.5 * d * d, d),
            false => Term::new(delta * (d.abs() - 0.5 * delta), delta * sign(d)),
        }
    }

    fn bound(&self, e: &Element) -> Term {
        // Quadratic: d twice, the product. Linear: d, the difference, two products, none beyond δ|d|.
        // Both parts meet in value and slope, so the branch taken at the seam does not matter.
        let a = (e.x[0] - e.t).abs();
        let near = a.min(f64::from(self.delta));
        Term::new(4.0 * U * near * a, U * near)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &["delta"], 2.0),
            Law::NEGATED,
            Law::EXCHANGED,
        ]
    }
}
