use super::{Carried, Clipped, Element, Elementwise, Law, Term};
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
    fn clipped(&self, x: f64) -> Clipped {
        if self.clip > 0.0 {
            return Clipped::new(x, self.clip);
        }
        // Not `max`, which would turn the NaN of a negative input into −100.
        let clamp = |log: f64| if log < -100.0 { -100.0 } else { log };
        Clipped {
            x,
            y: 1.0 - x,
            log_x: clamp(x.ln()),
            log_y: clamp((-x).ln_1p()),
            inside: true,
        }
    }

    fn denominator(&self, c: &Clipped) -> f64 {
        match self.clip > 0.0 {
            true => c.x * c.y,
            false => (c.x * c.y).max(FLOOR),
        }
    }
}

impl Elementwise for Bce {
    fn term(&self, e: &Element) -> Term {
        let c = self.clipped(e.x[0]);
        let slope = match c.inside {
            true => (c.x - e.t) / self.denominator(&c),
            false => 0.0,
        };
        Term::new(-e.t * c.log_x - (1.0 - e.t) * c.log_y, slope)
    }

    fn bound(&self, e: &Element) -> Term {
        // Logarithms 6U, 1 − t and the products U each, one sum. The gradient: the numerator, 1 − x, the
        // product, the division; what is lost of a subnormal numerator is divided too.
        let c = self.clipped(e.x[0]);
        let loss = (e.t * c.log_x).abs() + ((1.0 - e.t) * c.log_y).abs();
        let d = self.denominator(&c).abs();
        let slope = match c.inside {
            true => (c.x - e.t).abs() / d * (4.0 * U + DIV) + TINY / d,
            false => 0.0,
        };
        Term::new(9.0 * U * loss + TINY * (c.log_x.abs() + 1.0), slope)
    }

    fn nan_grad(&self, e: &Element) -> bool {
        e.x[0].is_nan() || self.clipped(e.x[0]).inside
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Probs)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Mirror {
                tensors: &[(0, 0.5), (1, 0.5)],
                options: &[],
            },
            Law::Affine(1),
        ]
    }
}
