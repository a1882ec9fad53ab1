use super::{Element, Elementwise, Law, Term};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Kullback-Leibler divergence between probabilities.
    KlDivProbs: Elementwise, "kl_div_probs" {
        /// The least probability: input and target are clipped to [eps, 1].
        eps: f32 = 1e-7, Unit;
    }
    formula: "t·log(t/x), both clipped to [eps, 1]",
    agrees: "Keras (with batch_mean)",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl Elementwise for KlDivProbs {
    fn term(&self, e: &Element) -> Term {
        let eps = f64::from(self.eps);
        let (x, t) = (e.x[0].clamp(eps, 1.0), e.t.clamp(eps, 1.0));
        let inside = e.x[0] > eps && e.x[0] < 1.0;
        Term::new(
            if t == 0.0 { 0.0 } else { t * (t.ln() - x.ln()) },
            if inside { -t / x } else { 0.0 },
        )
    }

    fn bound(&self, e: &Element) -> Term {
        // Two logarithms 4U each, a difference, a product; the slope is one division.
        let eps = f64::from(self.eps);
        let (x, t) = (e.x[0].clamp(eps, 1.0), e.t.clamp(eps, 1.0));
        let logs = if t == 0.0 {
            0.0
        } else {
            t.ln().abs() + x.ln().abs()
        };
        let inside = e.x[0] > eps && e.x[0] < 1.0;
        let lost = if x < TINY { t / x } else { 0.0 };
        Term::new(
            (t + TINY) * 6.0 * U * logs + TINY * logs,
            if inside {
                t / x * DIV + TINY / x + lost
            } else {
                0.0
            },
        )
    }

    fn nan_grad(&self, e: &Element) -> bool {
        let inside = e.x[0] > f64::from(self.eps) && e.x[0] < 1.0;
        e.x[0].is_nan() || inside
    }

    fn laws(&self) -> Vec<Law> {
        match self.eps <= 1.0 {
            true => vec![Law::scale(&[0, 1], &["eps"], 1.0)],
            false => Vec::new(),
        }
    }
}
