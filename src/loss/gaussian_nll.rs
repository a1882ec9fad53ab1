use super::{Carried, Element, Elementwise, Law, Term, gap_lost};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Negative log-likelihood under a Gaussian whose mean and variance are both inputs.
    GaussianNll: Elementwise, "gaussian_nll" {
        /// Adds the constant ½·log 2π.
        full: bool = false, Any;
        /// The least that the variance counts for; its gradient passes through this clamp.
        eps: f32 = 1e-6, NonNegative;
    }
    formula: "½(log v + (mean − t)²/v), v = max(var, eps); full adds ½·log 2π",
    agrees: "PyTorch",
    inputs: ["mean", "variance"],
    domain: [Real, NonNegative, Real],
    target: Values,
}

impl GaussianNll {
    fn clamped(&self, variance: f64) -> f64 {
        let eps = f64::from(self.eps);
        // Not `max`, which may take -0 for 0.
        if variance > eps { variance } else { eps }
    }
}

impl Elementwise for GaussianNll {
    fn term(&self, e: &Element) -> Term {
        let d = e.x[0] - e.t;
        let v = self.clamped(e.x[1]);
        let constant = match self.full {
            true => 0.5 * (2.0 * std::f64::consts::PI).ln(),
            false => 0.0,
        };
        Term {
            loss: 0.5 * (v.ln() + d * d / v) + constant,
            // The clamp does not stop the variance's gradient: PyTorch clamps outside of the graph.
            grad: [d / v, 0.5 * (1.0 / v - (d / v) * (d / v)), 0.0],
        }
    }

    fn bound(&self, e: &Element) -> Term {
        let d = (e.x[0] - e.t).abs();
        let v = self.clamped(e.x[1]);
        // r = d/v carries d and a division; d·r one more; the logarithm 4U; then two sums. A subnormal d may
        // be lost; a subnormal v may count as the smallest normal number instead.
        let r = d / v;
        let er = r * (U + DIV) + (TINY + gap_lost(e.x[0], e.t)) / v;
        let log = v.ln().abs();
        let lost = if v < TINY { 1.0 } else { 0.0 };
        let loss =
            0.5 * (4.0 * U * log + d * er + r * U * d + U * d * r) + 2.0 * U * (log + d * r + 1.0);
        let slope = 0.5 * (DIV / v + 2.0 * r * er + er * er + U * r * r + U * (1.0 / v + r * r));
        Term {
            loss: loss + lost * d * r,
            grad: [er + lost * r, slope + lost * (1.0 / v + r * r), 0.0],
        }
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Shift(&[0, 2]),
            Law::Mirror {
                tensors: &[(0, 0.0), (2, 0.0)],
                options: &[],
            },
            Law::Swap {
                tensors: [0, 2],
                options: &[],
            },
        ]
    }
}
