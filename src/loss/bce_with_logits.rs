use super::{Carried, Element, Elementwise, Law, PerColumn, Term};
use crate::bounds::{TINY, U, exp};

loss! {
    /// Binary cross-entropy on logits; on an input `[N, L]` it is multi-label classification.
    BceWithLogits: Elementwise, "bce_with_logits" {
        /// Weight of the positive part: a number, or one per column.
        pos_weight: PerColumn = PerColumn::All(1.0), Any;
        /// How far targets are pulled to one half: t becomes t(1 − ε) + ε/2.
        label_smoothing: f32 = 0.0, Unit;
    }
    formula: "−pos_weight·t·log σ(x) − (1 − t)·log(1 − σ(x))",
    agrees: "PyTorch; Keras for label_smoothing",
    inputs: ["x"],
    domain: [Logit, Probability],
    target: Values,
}

impl BceWithLogits {
    fn target(&self, t: f64) -> f64 {
        let smoothing = f64::from(self.label_smoothing);
        t * (1.0 - smoothing) + 0.5 * smoothing
    }
}

impl Elementwise for BceWithLogits {
    fn term(&self, e: &Element) -> Term {
        let (x, t, p) = (e.x[0], self.target(e.t), self.pos_weight.at(e.column));
        // log(1 + e⁻|ˣ|): −log σ(x) is that plus max(−x, 0), −log(1 − σ(x)) that plus max(x, 0).
        let l = (-x.abs()).exp().ln_1p();
        let linear = if x < 0.0 { -p * t * x } else { (1.0 - t) * x };
        let up = 1.0 / (1.0 + (-x).exp());
        let down = 1.0 / (1.0 + x.exp());
        Term::new(
            linear + (p * t + 1.0 - t) * l,
            (1.0 - t) * up - p * t * down,
        )
    }

    fn bound(&self, e: &Element) -> Term {
        let (x, t, p) = (e.x[0], self.target(e.t), self.pos_weight.at(e.column).abs());
        let smoothing = f64::from(self.label_smoothing);
        // The target after smoothing, its complement, and what both weigh together.
        let et = if smoothing > 0.0 {
            4.0 * U * (e.t.abs() + smoothing)
        } else {
            0.0
        };
        let (neg, e_neg) = ((1.0 - t).abs(), et + U * (1.0 - t).abs());
        let (pos, e_pos) = (p * t.abs(), p * et + U * p * t.abs());
        let small = (-x.abs()).exp();
        let l = small.ln_1p();
        let el = 6.0 * U * l + exp(x.clamp(-200.0, 200.0)) * small;
        // A subnormal target may be lost, whatever it is multiplied by.
        let (e_pos, e_neg) = (e_pos + TINY * p, e_neg + TINY);
        let (linear, e_linear) = match x < 0.0 {
            true => (pos * x.abs(), e_pos * x.abs()),
            false => (neg * x.abs(), e_neg * x.abs()),
        };
        let both = pos + neg;
        let e_both = e_pos + e_neg + U * both;
        let loss =
            e_linear + U * linear + e_both * l + both * el + U * both * l + U * (linear + both * l);
        // Each sigmoid as its comment in the shader says.
        let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
        let es = exp(x.clamp(-200.0, 200.0)) + 12.0 * U;
        let (up, down) = (neg * sigma(x), pos * sigma(-x));
        let grad =
            up * es + down * es + e_neg * sigma(x) + e_pos * sigma(-x) + 2.0 * U * (up + down);
        Term::new(loss + both * TINY, grad + both * TINY)
    }

    fn carries(&self) -> Option<Carried> {
        Some(Carried::Logits)
    }

    fn laws(&self) -> Vec<Law> {
        let mut laws = vec![Law::Affine(1)];
        if self.pos_weight == PerColumn::All(1.0) {
            laws.extend([Law::Mirror {
                tensors: &[(0, 0.0), (1, 0.5)],
                options: &[],
            }]);
        }
        laws
    }
}
