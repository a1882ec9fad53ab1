use super::{Law, Row, RowTarget, RowTerm, Rows, cosine_lost, dot, dot_size};
use crate::bounds::{DIV, SQRT, TINY, U};

loss! {
    /// Turns two vectors towards each other where the target is 1, and apart where it is −1.
    CosineEmbedding: Rows, "cosine_embedding" {
        /// The cosine up to which vectors are apart enough.
        margin: f32 = 0.0, Any;
    }
    formula: "1 − cos if t = 1; max(0, cos − margin) if t = −1; cos = x₁·x₂/√((‖x₁‖² + 1e-12)(‖x₂‖² + 1e-12))",
    agrees: "PyTorch",
    inputs: ["x1", "x2"],
    domain: [Real, Real, Sign],
    target: PerRow,
}

/// What PyTorch adds to a squared norm: 1e-12, which it holds in f32.
const FLOOR: f64 = 1e-12f32 as f64;

/// A squared norm as it counts here.
fn square(v: &[f64]) -> f64 {
    dot(v, v) + FLOOR
}

/// The derivatives of the cosine by `x`, the other vector being `y`.
fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let norms = (square(x) * square(y)).sqrt();
    let turn = dot(x, y) / norms / square(x);
    x.iter().zip(y).map(|(x, y)| y / norms - turn * x).collect()
}

impl CosineEmbedding {
    /// The loss, and its derivative by the cosine.
    fn of(&self, target: RowTarget<'_>, cos: f64) -> (f64, f64) {
        match target {
            RowTarget::Number(1.0) => (1.0 - cos, -1.0),
            RowTarget::Number(-1.0) => match cos - f64::from(self.margin) {
                m if m <= 0.0 => (0.0, 0.0),
                m => (m, 1.0),
            },
            _ => (f64::NAN, f64::NAN),
        }
    }
}

impl Rows for CosineEmbedding {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let (a, b) = (row.x[0], row.x[1]);
        let cos = dot(a, b) / (square(a) * square(b)).sqrt();
        let (loss, slope) = self.of(row.target, cos);
        let grad = |x, y| match slope == 0.0 {
            true => vec![0.0; a.len()],
            false => slopes(x, y).iter().map(|g| slope * g).collect(),
        };
        RowTerm {
            loss,
            grads: vec![grad(a, b), grad(b, a)],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let (a, b) = (row.x[0], row.x[1]);
        // A sum of products: the product, and each merge. Powers of two are taken out exactly.
        let sum = (1.0 + row.merges) * U;
        // Both squares, each with its own addition, their product, the root.
        let e_norms = (sum + U) + 0.5 * U + SQRT;
        let norms = (square(a) * square(b)).sqrt();
        let cos = dot(a, b) / norms;
        let lost = cosine_lost(a, b, square(a).sqrt(), square(b).sqrt());
        let e_cos = dot_size(a, b) / norms * sum + cos.abs() * (e_norms + DIV) + lost;
        let (value, slope) = self.of(row.target, cos);
        let unsure = slope != -1.0 && {
            let m = cos - f64::from(self.margin);
            m.abs() <= e_cos + U * m.abs()
        };
        let grad = |v: &[f64], w: &[f64]| -> Vec<f64> {
            if slope == 0.0 && !unsure {
                return vec![0.0; v.len()];
            }
            let squared = square(v);
            let columns = v.iter().zip(w).zip(slopes(v, w));
            let errors = columns.map(|((x, y), slope)| {
                // The cosine by the square, times x.
                let (aim, turn) = (y.abs() / norms, x.abs() / squared);
                let error = aim * (e_norms + DIV + U)
                    + turn * (e_cos + cos.abs() * (sum + U + DIV + 2.0 * U))
                    + U * (aim + turn * cos.abs())
                    + if lost > 0.0 {
                        TINY * (1.0 / norms + cos.abs() / squared)
                    } else {
                        0.0
                    };
                error + if unsure { slope.abs() } else { 0.0 }
            });
            errors.collect()
        };
        RowTerm {
            loss: match slope == 0.0 && !unsure {
                true => 0.0,
                false => e_cos + U * value.abs(),
            },
            grads: vec![grad(a, b), grad(b, a)],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns, Law::NEGATED, Law::EXCHANGED]
    }
}
