use super::{Law, Overlap, Row, RowTerm, Rows, probability};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// A power of the Tversky loss, which below 1 leaves more weight to sets that are nearly right.
    FocalTversky: Sets, "focal_tversky" {
        /// What false positives count.
        alpha: f32 = 0.5, NonNegative;
        /// What false negatives count.
        beta: f32 = 0.5, NonNegative;
        /// Is added above and below the line: keeps small sets apart from 0/0.
        smooth: f32 = 1e-6, NonNegative;
        /// The power.
        gamma: f32 = 0.75, NonNegative;
        /// Whether every row is a set of its own; else everything is one.
        per_row: bool = false, Any;
    }
    formula: "(1 − (TP + smooth)/(TP + alpha·FP + beta·FN + smooth))^gamma, sums as in tversky; 0 where that is 0",
    agrees: "segmentation-models-pytorch",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl FocalTversky {
    fn overlap(&self) -> Overlap {
        Overlap {
            alpha: f64::from(self.alpha),
            beta: f64::from(self.beta),
            smooth: f64::from(self.smooth),
        }
    }
}

impl Rows for FocalTversky {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let gamma = f64::from(self.gamma);
        let tversky = self.overlap().row(row, probability);
        let power = |y: f64| match tversky.loss {
            0.0 => 0.0,
            // NaN to the power of 0 is 1.
            l if l.is_nan() => l,
            l => l.powf(y),
        };
        let (loss, steep) = (power(gamma), gamma * power(gamma - 1.0));
        RowTerm {
            loss,
            grads: tversky
                .grads
                .into_iter()
                .map(|g| g.into_iter().map(|g| steep * g).collect())
                .collect(),
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let gamma = f64::from(self.gamma);
        let tversky = self.overlap().row(row, probability);
        let bound = self.overlap().bound(row, probability);
        let (l, e) = (tversky.loss.abs(), bound.loss);
        // The base anywhere within its error. Where that reaches 0, so do loss and gradient.
        let range = |y: f64| {
            let (low, high) = ((l - e).max(0.0).powf(y), (l + e).powf(y));
            let (low, high) = (low.min(high), low.max(high));
            let low = if l > e { low } else { 0.0 };
            // The power's own error, as its comment says; y itself is rounded once.
            let power = (10.0 * (y * l.max(TINY).ln()).abs() + 10.0) * U;
            (high, high - low + high * power + TINY)
        };
        if l == 0.0 && e == 0.0 {
            return bound;
        }
        let (_, e_loss) = range(gamma);
        let (steep, e_steep) = range(gamma - 1.0);
        let grads = tversky.grads.iter().zip(&bound.grads);
        RowTerm {
            loss: e_loss,
            grads: grads
                .map(|(grad, bound)| {
                    let each = grad.iter().zip(bound);
                    each.map(|(g, e)| match gamma > 0.0 {
                        // A division for a power below 0, and two products.
                        true => {
                            gamma
                                * (steep * e + (g.abs() + e) * (e_steep + steep * (DIV + 2.0 * U)))
                        }
                        false => 0.0,
                    })
                    .collect()
                })
                .collect(),
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Swap {
                tensors: [0, 1],
                options: &[["alpha", "beta"]],
            },
        ]
    }
}
