use super::{Carried, Element, Elementwise, Law, Term};
use crate::bounds::{TINY, U};

loss! {
    /// Logarithm of the hyperbolic cosine of the error: quadratic near zero, linear far away.
    LogCosh: Elementwise, "log_cosh" {}
    formula: "log cosh(x − t)",
    agrees: "Keras",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

impl Elementwise for LogCosh {
    fn term(&self, e: &Element) -> Term {
        // log((eᵈ + e⁻ᵈ)/2) = |d| + log(1 + e⁻²|ᵈ|) − log 2, which does not overflow; near 0 it is
        // ½·log(1 + sinh²d), which does not cancel.
        let d = e.x[0] - e.t;
        let a = d.abs();
        let loss = match a < 1.0 {
            true => 0.5 * (a.sinh() * a.sinh()).ln_1p(),
            false => a + (-2.0 * a).exp().ln_1p() - std::f64::consts::LN_2,
        };
        Term::new(loss, d.tanh())
    }

    fn bound(&self, e: &Element) -> Term {
        // Below 1: d U, sinh of d/2 6U, both doubled by the square, two products, log1p 6U. Above: |d| and two
        // sums of at most |d| + 1, log1p of e⁻²|ᵈ| ≤ 0.14 with the error of exp, (3 + 4|d|)·2U.
        let a = (e.x[0] - e.t).abs();
        let t = a.tanh();
        let loss = match a < 1.0 + 4.0 * U {
            true => 24.0 * U * 0.5 * (a.sinh() * a.sinh()).ln_1p() + TINY,
            false => {
                let small = (-2.0 * a).exp();
                3.0 * U * (a + 1.0) + small * (6.0 + (3.0 + 4.0 * a) * 2.0) * U + U
            }
        };
        // tanh 16U; a relative error of d reaches tanh d at most whole.
        Term::new(
            loss + if a < 1.1 { 4.0 * U * loss } else { 0.0 },
            18.0 * U * t,
        )
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Numbers)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Shift(&[0, 1]), Law::NEGATED, Law::EXCHANGED]
    }
}
