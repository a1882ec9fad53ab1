use super::{Element, Elementwise, Law, Term};
use crate::bounds::{TINY, U, exp};

loss! {
    /// Logistic loss of a signed label.
    SoftMargin: Elementwise, "soft_margin" {}
    formula: "log(1 + e^(−t·x)), t = ±1",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [Real, Sign],
    target: Values,
}

impl Elementwise for SoftMargin {
    fn term(&self, e: &Element) -> Term {
        let z = -e.t * e.x[0];
        let loss = z.max(0.0) + (-z.abs()).exp().ln_1p();
        Term::new(if z.is_nan() { z } else { loss }, -e.t / (1.0 + (-z).exp()))
    }

    fn bound(&self, e: &Element) -> Term {
        // z one rounding, which reaches the loss times σ(z); then softplus and sigmoid as their comments say.
        let z = -e.t * e.x[0];
        let a = z.abs().min(200.0);
        let (sigma, small) = (1.0 / (1.0 + (-z).exp()), (-z.abs()).exp());
        let loss =
            U * z.abs() * sigma + 3.0 * U * z.max(0.0) + small * (6.0 * U + exp(a)) + U * small;
        let grad = e.t.abs() * sigma * (exp(a) + 12.0 * U + U * z.abs() * (1.0 - sigma) + U);
        Term::new(loss, grad + e.t.abs() * TINY)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::NEGATED]
    }
}
