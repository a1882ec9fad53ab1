use super::{Law, Row, RowTarget, RowTerm, Rows, Softmax, sign};
use crate::bounds::{TINY, U};

loss! {
    /// Half of what a student's distribution and a teacher's, both given as logits, differ by.
    TvDistWithLogits: Rows, "tv_dist_with_logits" {}
    formula: "½·Σ_j |P_j − Q_j|, P = softmax(t), Q = softmax(x)",
    agrees: "Liger (TVD)",
    inputs: ["x"],
    domain: [Logit, Logit],
    target: Values,
}

/// The student's distribution and the teacher's.
fn both(row: &Row<'_>) -> (Softmax, Softmax) {
    let t = match row.target {
        RowTarget::Values(t) => t,
        _ => &[],
    };
    let of = |x| Softmax::new(x, 1.0, row.merges);
    (of(row.x[0]), of(t))
}

impl Rows for TvDistWithLogits {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let (student, teacher) = both(row);
        let p = teacher.log_p().map(f64::exp);
        let columns: Vec<(f64, f64)> = p.zip(student.log_p().map(f64::exp)).collect();
        let distance: f64 = columns.iter().map(|(p, q)| (p - q).abs()).sum();
        let pull: f64 = columns.iter().map(|(p, q)| q * sign(q - p)).sum();
        let grad = columns.iter().map(|(p, q)| 0.5 * q * (sign(q - p) - pull));
        RowTerm {
            loss: 0.5 * distance,
            grads: vec![grad.collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let (student, teacher) = both(row);
        // Per class P, Q and their errors.
        let p = teacher.log_p().map(f64::exp).zip(teacher.errors());
        let q = student.log_p().map(f64::exp).zip(student.errors());
        let columns: Vec<_> = p.zip(q).collect();
        // The sign of q - p, and what it jumps by where rounding decides it.
        let side = |p: f64, q: f64, error: f64| {
            let sign = sign(q - p);
            let unsure = (q - p).abs() <= error;
            (sign, if unsure { 1.0 + sign.abs() } else { 0.0 })
        };
        let (mut distance, mut pull, mut e_distance, mut e_pull) = (0.0, 0.0, 0.0, 0.0);
        for &((p, ep), (q, eq)) in &columns {
            let (sign, jump) = side(p, q, ep + eq);
            distance += (p - q).abs();
            pull += q * sign;
            // A difference, and a rounding in each merge.
            e_distance += ep + eq + (1.0 + row.merges) * U * (p - q).abs();
            e_pull += eq + q * jump + row.merges * U * q;
        }
        let grad = columns.iter().map(|&((p, ep), (q, eq))| {
            let (sign, jump) = side(p, q, ep + eq);
            let gap = (sign - pull).abs();
            // Half of a probability may be subnormal where that is not.
            let half = if 0.5 * q < TINY { q } else { 0.0 };
            // The difference and the product.
            0.5 * (eq * gap + half * gap + q * (e_pull + jump + 2.0 * U * gap))
        });
        RowTerm {
            loss: 0.5 * e_distance + U * distance,
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Shift(&[0]),
            Law::Shift(&[1]),
            Law::EXCHANGED,
        ]
    }
}
