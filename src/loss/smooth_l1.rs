use super::{Carried, Element, Elementwise, Law, Term, sign};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Huber's loss divided by its threshold, so that the slope of the tails is 1.
    SmoothL1: Elementwise, "smooth_l1" {
        /// Where the quadratic part ends; 0 makes it `mae`.
        beta: f32 = 1.0, NonNegative;
    }
    formula: "½d²/β if |d| < β, else |d| − ½β; d = x − t, β = beta",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for SmoothL1 {
    fn term(&self, e: &Element) -> Term {
        let (d, beta) = (e.x[0] - e.t, f64::from(self.beta));
        match d.abs() < beta {
            true => Term::new(0.5 * d * d / beta, d / beta),
            false => Term::new(d.abs() - 0.5 * beta, sign(d)),
        }
    }

    fn bound(&self, e: &Element) -> Term {
        // Quadratic: d twice, a division, a product; linear: d and a difference. The parts meet in value and
        // slope. A subnormal d may be lost before the division.
        let (a, beta) = ((e.x[0] - e.t).abs(), f64::from(self.beta));
        match a < beta * (1.0 + 4.0 * U) {
            true => {
                let slope = a / beta;
                let relative = 4.0 * U + DIV;
                Term::new(
                    a * slope * relative + 2.0 * U * a,
                    slope * relative + TINY / beta,
                )
            }
            false => Term::new(2.0 * U * a, 0.0),
        }
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &["beta"], 1.0),
            Law::NEGATED,
            Law::EXCHANGED,
        ]
    }
}
