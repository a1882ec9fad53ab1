use super::{Law, Row, RowTarget, RowTerm, Rows, cosine_lost, dot, dot_size};
use crate::bounds::{DIV, SQRT, TINY, U};

loss! {
    /// The negated cosine of the angle between a row and its target.
    CosineSimilarity: Rows, "cosine_similarity" {
        /// The least that a norm counts as; up to there it is a constant, without a gradient.
        eps: f32 = 1e-8, NonNegative;
    }
    formula: "−x·t/(max(‖x‖, eps)·max(‖t‖, eps))",
    agrees: "Keras (eps 1e-7); PyTorch's cosine_similarity, negated",
    inputs: ["x"],
    domain: [Real, Real],
    target: Values,
}

/// What the loss is made of.
struct Parts<'a> {
    x: &'a [f64],
    t: &'a [f64],
    /// The norms, at least eps.
    x_norm: f64,
    t_norm: f64,
    /// By how much x is longer than eps.
    above: f64,
}

impl CosineSimilarity {
    fn parts<'a>(&self, row: &Row<'a>) -> Parts<'a> {
        let eps = f64::from(self.eps);
        let x = row.x[0];
        let t = match row.target {
            RowTarget::Values(t) => t,
            _ => &[],
        };
        let norm = |v: &[f64]| dot(v, v).sqrt();
        // Not `max`, which drops a NaN.
        let least = |norm: f64| if norm <= eps { eps } else { norm };
        Parts {
            x,
            t,
            x_norm: least(norm(x)),
            t_norm: least(norm(t)),
            above: norm(x) - eps,
        }
    }
}

impl Rows for CosineSimilarity {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let p = self.parts(row);
        let norms = p.x_norm * p.t_norm;
        if norms == 0.0 {
            // Without eps a zero vector has no direction: the cosine counts as 0.
            return RowTerm {
                loss: 0.0,
                grads: vec![vec![0.0; p.x.len()]],
            };
        }
        let cos = dot(p.x, p.t) / norms;
        let grad = p.x.iter().zip(p.t).map(|(x, t)| match p.above <= 0.0 {
            true => -t / norms,
            false => cos * x / (p.x_norm * p.x_norm) - t / norms,
        });
        RowTerm {
            loss: -cos,
            grads: vec![grad.collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let p = self.parts(row);
        let norms = p.x_norm * p.t_norm;
        if norms == 0.0 {
            return RowTerm {
                loss: 0.0,
                grads: vec![vec![0.0; p.x.len()]],
            };
        }
        // A sum of products: the product, and each merge. Powers of two are taken out exactly.
        let sum = (1.0 + row.merges) * U;
        let norm = 0.5 * sum + SQRT;
        let denominator = 2.0 * norm + U + DIV;
        let cos = (dot(p.x, p.t) / norms).abs();
        let lost = cosine_lost(p.x, p.t, p.x_norm, p.t_norm);
        let e_cos = dot_size(p.x, p.t) / norms * sum + cos * denominator + lost;
        let unsure = p.above.abs() <= norm * p.x_norm;
        let grad = p.x.iter().zip(p.t).map(|(x, t)| {
            let aim = t.abs() / norms;
            let turn = match p.above > 0.0 || unsure {
                true => x.abs() / (p.x_norm * p.x_norm),
                false => 0.0,
            };
            // By one over the norms, and one over the square.
            let error = aim * (denominator + U)
                + turn * (e_cos + cos * (sum + DIV + 2.0 * U))
                + if lost > 0.0 {
                    TINY * (1.0 / norms + cos / (p.x_norm * p.x_norm))
                } else {
                    0.0
                };
            let jump = if unsure { cos * turn } else { 0.0 };
            error + jump + U * (aim + cos * turn)
        });
        RowTerm {
            loss: e_cos,
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::scale(&[0, 1], &["eps"], 0.0),
            Law::NEGATED,
            Law::EXCHANGED,
        ]
    }
}
