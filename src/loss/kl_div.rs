use super::{Element, Elementwise, Law, Term};
use crate::bounds::{TINY, U, exp};

loss! {
    /// Kullback-Leibler divergence of a target distribution from log-probabilities.
    KlDiv: Elementwise, "kl_div" {
        /// Whether the target holds log-probabilities too.
        log_target: bool = false, Any;
    }
    formula: "t(log t − x), with log_target eᵗ(t − x); 0 where t, or eᵗ, is 0",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [LogProbability, Probability],
    target: Values,
}

impl KlDiv {
    /// The target's probability and its logarithm.
    fn target(&self, t: f64) -> (f64, f64) {
        if self.log_target {
            (t.exp(), t)
        } else {
            (t, t.ln())
        }
    }
}

impl Elementwise for KlDiv {
    fn term(&self, e: &Element) -> Term {
        let (p, log) = self.target(e.t);
        Term::new(if p == 0.0 { 0.0 } else { p * (log - e.x[0]) }, -p)
    }

    fn bound(&self, e: &Element) -> Term {
        // The logarithm 4U, or the exponential; a difference, a product. A probability that is subnormal may be
        // lost, whatever it is multiplied by.
        let (p, log) = self.target(e.t);
        if p == 0.0 {
            return Term::new(TINY * e.x[0].abs(), TINY);
        }
        let (ep, e_log) = match self.log_target {
            // Squared from exp(t/2): the same but for three roundings more on either side.
            true => ((exp(e.t.max(-200.0)) + 10.0 * U) * p, 0.0),
            false => (0.0, 4.0 * U * log.abs()),
        };
        let gap = (log - e.x[0]).abs();
        Term::new(
            p.abs() * (e_log + 2.0 * U * gap) + (ep + TINY) * gap,
            ep + TINY,
        )
    }

    fn nan_grad(&self, e: &Element) -> bool {
        e.t.is_nan()
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Affine(0)]
    }
}
