use super::{Carried, Element, Elementwise, Law, Term};
use crate::bounds::{DIV, TINY, U, exp};

loss! {
    /// Negative log-likelihood of counts under a Poisson distribution.
    PoissonNll: Elementwise, "poisson_nll" {
        /// Whether the input is the logarithm of the rate, or the rate.
        log_input: bool = true, Any;
        /// Adds Stirling's approximation of log t! for targets above 1.
        full: bool = false, Any;
        /// Added to the rate before its logarithm is taken.
        eps: f32 = 1e-8, NonNegative;
    }
    formula: "eˣ − t·x, or x − t·log(x + eps) without log_input; full adds t·log t − t + ½·log(2πt) where t > 1",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [NonNegative, NonNegative],
    target: Values,
}

impl Elementwise for PoissonNll {
    fn term(&self, e: &Element) -> Term {
        let (x, t, eps) = (e.x[0], e.t, f64::from(self.eps));
        let stirling = match self.full && t > 1.0 {
            true => t * t.ln() - t + 0.5 * (2.0 * std::f64::consts::PI * t).ln(),
            false => 0.0,
        };
        match self.log_input {
            true => Term::new(x.exp() - t * x + stirling, x.exp() - t),
            false => Term::new(x - t * (x + eps).ln() + stirling, 1.0 - t / (x + eps)),
        }
    }

    fn bound(&self, e: &Element) -> Term {
        let (x, t, eps) = (e.x[0], e.t, f64::from(self.eps));
        // The rate, its error, its logarithm and that one's error.
        let (rate, e_rate, log, e_log) = match self.log_input {
            // Above 80 the square of exp(x/2), and a product.
            true => (x.exp(), x.exp() * (exp(x) + 12.0 * U) + TINY, x, 0.0),
            false => {
                let log = (x + eps).ln();
                (x, 0.0, log, 4.0 * U * log.abs() + U + TINY / (x + eps))
            }
        };
        let full = self.full && t > 1.0;
        // t·(log t − log − 1): the logarithms, two differences, the product; then the small half logarithm.
        let (inner, e_inner, rest) = match full {
            true => {
                let lt = t.ln();
                let inner = lt.abs() + log.abs() + 1.0;
                (
                    inner,
                    e_log + 4.0 * U * lt + 2.0 * U * inner,
                    0.5 * lt + 1.0,
                )
            }
            false => (log.abs(), e_log, 0.0),
        };
        let loss = e_rate
            + t.abs() * (e_inner + U * inner + TINY)
            + 8.0 * U * rest
            + 2.0 * U * (rate.abs() + t.abs() * inner + rest);
        let grad = match self.log_input {
            true => e_rate + U * (rate + t.abs()),
            false => {
                let ratio = (t / (x + eps)).abs();
                // A subnormal divisor counts as the smallest normal number.
                let lost = if x + eps < TINY { ratio } else { 0.0 };
                ratio * (U + DIV) + U * (1.0 + ratio) + TINY / (x + eps) + lost
            }
        };
        Term::new(loss, grad)
    }

    fn carries(&self) -> Option<Carried> {
        // Else the input is a logarithm of what is compared.
        (!self.log_input).then_some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        match self.full {
            true => Vec::new(),
            false => vec![Law::Affine(1)],
        }
    }
}
