use super::{Element, Elementwise, Term};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Binary cross-entropy on probabilities.
    Bce: Elementwise, "bce" {
        /// 0: logarithms are clamped at −100, as in PyTorch. Above: the input is clipped to [clip, 1 − clip], as in Keras with 1e-7.
        clip: f32 = 0.0, Half;
    }
    formula: "−t·log x − (1 − t)·log(1 − x)",
    agrees: "PyTorch (clip 0), Keras (clip 1e-7)",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

/// The least denominator of the gradient: PyTorch's 1e-12, which it holds in f32.
const FLOOR: f64 = 1e-12f32 as f64;

impl Bce {
    /// The input and its complement as the logarithms see them, and whether a gradient passes.
    fn clipped(&self, x: f64) -> (f64, f64, bool) {
        let clip = f64::from(self.clip);
        match (clip > 0.0, x <= clip, 1.0 - x <= clip) {
            (false, ..) => (x, 1.0 - x, true),
            (true, true, _) => (clip, 1.0 - clip, false),
            (true, false, true) => (1.0 - clip, clip, false),
            (true, false, false) => (x, 1.0 - x, true),
        }
    }

    fn log(&self, v: f64) -> f64 {
        match v.ln() {
            l if self.clip == 0.0 && l < -100.0 => -100.0,
            l => l,
        }
    }

    fn denominator(&self, x: f64, y: f64) -> f64 {
        if self.clip > 0.0 {
            x * y
        } else {
            (x * y).max(FLOOR)
        }
    }
}

impl Elementwise for Bce {
    fn term(&self, e: &Element) -> Term {
        let (x, y, passes) = self.clipped(e.x[0]);
        let loss = -e.t * self.log(x) - (1.0 - e.t) * self.log(y);
        let slope = match passes {
            true => (x - e.t) / self.denominator(x, y),
            false => 0.0,
        };
        Term::new(loss, slope)
    }

    fn bound(&self, e: &Element) -> Term {
        // Logarithms 6U, 1 − x and 1 − t U each, products, one sum. The gradient: the numerator, 1 − x, the
        // product, the division; what is lost of a subnormal numerator is divided too.
        let (x, y, passes) = self.clipped(e.x[0]);
        let loss = (e.t * self.log(x)).abs() + ((1.0 - e.t) * self.log(y)).abs();
        let d = self.denominator(x, y).abs();
        let slope = match passes {
            true => (x - e.t).abs() / d * (4.0 * U + DIV) + TINY / d,
            false => 0.0,
        };
        // 1 − x is rounded before its logarithm is taken: an absolute error of U, as x is far from 1 then.
        Term::new(10.0 * U * loss + (1.0 - e.t).abs() * U * x.abs(), slope)
    }
}
