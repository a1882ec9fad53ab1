use super::{Law, Row, RowTarget, RowTerm, Rows, dot, part};
use crate::bounds::{DIV, SQRT, TINY, U};

loss! {
    /// Pulls two vectors together where the target is 1, and pushes them a margin apart where it is 0.
    Contrastive: Rows, "contrastive" {
        /// The distance from which on vectors are apart enough.
        margin: f32 = 1.0, Any;
    }
    formula: "t·d² + (1−t)·max(0, margin − d)², d = ‖x₁ − x₂‖",
    agrees: "",
    inputs: ["x1", "x2"],
    domain: [Real, Real, Probability],
    target: PerRow,
}

/// What the loss is made of.
struct Parts {
    gaps: Vec<f64>,
    /// Their length.
    d: f64,
    /// By how much that falls short of the margin, at least 0.
    short: f64,
    /// How similar the vectors are to be.
    t: f64,
}

impl Contrastive {
    fn parts(&self, row: &Row<'_>) -> Parts {
        let pairs = row.x[0].iter().zip(row.x[1]);
        let gaps: Vec<f64> = pairs.map(|(a, b)| a - b).collect();
        let d = dot(&gaps, &gaps).sqrt();
        let margin = f64::from(self.margin);
        Parts {
            gaps,
            d,
            // Not `max`, which drops a NaN.
            short: if margin <= d { 0.0 } else { margin - d },
            t: match row.target {
                RowTarget::Number(t) => t,
                _ => f64::NAN,
            },
        }
    }
}

impl Rows for Contrastive {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let Parts { gaps, d, short, t } = self.parts(row);
        let push = if d == 0.0 || short == 0.0 {
            0.0
        } else {
            short / d
        };
        let pull = t - part(1.0 - t, push);
        let grad: Vec<f64> = gaps.iter().map(|&gap| part(2.0 * pull, gap)).collect();
        RowTerm {
            loss: part(t, d * d) + part(1.0 - t, short * short),
            grads: vec![grad.clone(), grad.iter().map(|g| -g).collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let Parts { gaps, d, short, t } = self.parts(row);
        let margin = f64::from(self.margin);
        // A gap U, its square, each merge; then the root. Powers of two are taken out exactly.
        let e_square = (3.0 + row.merges) * U;
        let e_d = 0.5 * e_square + SQRT;
        let e_short = match margin - d {
            // Too far apart to be mistaken.
            far if far < -d * 2.0 * e_d || d == f64::INFINITY => 0.0,
            far => d * e_d + U * far.abs(),
        };
        // 1-t, a square and a product.
        let push = 2.0 * short * e_short + e_short * e_short + 3.0 * U * short * short;
        let loss = part(t, d * d) * (e_square + 2.0 * U) + part(1.0 - t, push + U * short * short);
        // Not where d is 0: there the shader says so.
        let grad = |gap: f64| {
            if d == 0.0 {
                return 0.0;
            }
            let push = short / d;
            let e_push = part(1.0 - t, e_short / d + push * (e_d + DIV + 2.0 * U));
            let size = t + part(1.0 - t, push);
            // Numbers that are not normal may count as 0, two a gap.
            2.0 * gap.abs() * (e_push + 3.0 * U * size) + 4.0 * TINY * size
        };
        let grads: Vec<f64> = gaps.into_iter().map(grad).collect();
        RowTerm {
            loss,
            grads: vec![grads.clone(), grads],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Shift(&[0, 1]),
            Law::scale(&[0, 1], &["margin"], 2.0),
            Law::NEGATED,
            Law::EXCHANGED,
        ]
    }
}
