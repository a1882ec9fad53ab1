use super::{Law, Row, RowTarget, RowTerm, Rows, Softmax, part, weighed};
use crate::bounds::{TINY, U, exp};

loss! {
    /// How far a student's distribution and a teacher's, both given as logits, are from their mixture.
    JsDivWithLogits: Rows, "js_div_with_logits" {
        /// The teacher's share of the mixture, and the weight of its divergence.
        beta: f32 = 0.5, Inside;
    }
    formula: "β·Σ_j P_j·log(P_j/M_j) + (1−β)·Σ_j Q_j·log(Q_j/M_j), P = softmax(t), Q = softmax(x), M = βP + (1−β)Q",
    agrees: "Liger (JSD)",
    inputs: ["x"],
    domain: [Logit, Logit],
    target: Values,
}

/// log(P/M) and log(Q/M) of one class, or how far off they are.
struct Logs {
    teacher: f64,
    student: f64,
}

impl JsDivWithLogits {
    /// The student's distribution and the teacher's.
    fn both(&self, row: &Row<'_>) -> (Softmax, Softmax) {
        let t = match row.target {
            RowTarget::Values(t) => t,
            _ => &[],
        };
        let of = |x| Softmax::new(x, 1.0, row.merges);
        (of(row.x[0]), of(t))
    }

    /// Of d = log(P/Q) the weights of what is larger and of what is smaller, in units of the larger.
    fn shares(&self, d: f64) -> (f64, f64) {
        let beta = f64::from(self.beta);
        let small = (-d.abs()).exp();
        match d > 0.0 {
            true => (beta, (1.0 - beta) * small),
            false => (1.0 - beta, beta * small),
        }
    }

    /// From log P and log Q, so that neither has to be divided by what may be 0.
    fn logs(&self, log_p: f64, log_q: f64) -> Logs {
        if log_p == f64::NEG_INFINITY && log_q == f64::NEG_INFINITY {
            // In neither, nor in the mixture.
            return Logs {
                teacher: 0.0,
                student: 0.0,
            };
        }
        let d = log_p - log_q;
        let (large, small) = self.shares(d);
        let log_m = (large + small).ln();
        match d > 0.0 {
            true => Logs {
                teacher: -log_m,
                student: -d - log_m,
            },
            false => Logs {
                teacher: d - log_m,
                student: -log_m,
            },
        }
    }

    /// The error of [`logs`](Self::logs), where d is off by `e_d`.
    fn logs_error(&self, d: f64, e_d: f64) -> Logs {
        let (large, small) = self.shares(d);
        let m = large + small;
        // 1-β, its product, the exponential, the sum; a logarithm of 4U. What is flushed counts as TINY.
        let e_m = large * U + small * (exp(d.abs().min(200.0)) + 2.0 * U) + m * U + TINY;
        let e_log = e_m / m + 4.0 * U * m.ln().abs();
        // The logarithm of the larger one hardly depends on d where the smaller one is far below.
        let closer = self.shares((d.abs() - e_d).max(0.0).copysign(d)).1;
        let damped = e_log + (closer / m).min(1.0) * e_d;
        let full = e_log + e_d + U * (d.abs() + m.ln().abs());
        let (teacher, student) = match d > 0.0 {
            true => (damped, full),
            false => (full, damped),
        };
        Logs { teacher, student }
    }
}

impl Rows for JsDivWithLogits {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let beta = f64::from(self.beta);
        let (student, teacher) = self.both(row);
        let (mut kl_p, mut kl_q) = (0.0, 0.0);
        for (log_p, log_q) in teacher.log_p().zip(student.log_p()) {
            let logs = self.logs(log_p, log_q);
            kl_p += weighed(log_p.exp(), logs.teacher);
            kl_q += weighed(log_q.exp(), logs.student);
        }
        let grad = teacher.log_p().zip(student.log_p()).map(|(log_p, log_q)| {
            let surprise = self.logs(log_p, log_q).student - kl_q;
            (1.0 - beta) * weighed(log_q.exp(), surprise)
        });
        RowTerm {
            loss: beta * kl_p + (1.0 - beta) * kl_q,
            grads: vec![grad.collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let beta = f64::from(self.beta);
        let (student, teacher) = self.both(row);
        // Of log P: the distance from the maximum, the logarithm of the sum, their difference.
        let log_error = |s: &Softmax, e_sum: f64, below: f64| match below.is_finite() {
            true => U * (2.0 * below.abs() + 2.0 * s.log_s) + e_sum + 4.0 * U * s.log_s,
            false => 0.0,
        };
        let (e_student, e_teacher) = (student.sum_error(), teacher.sum_error());
        // Below -104 an exponential is 0 in the shader.
        let off = |below: f64, p: f64, e: f64| if below < -105.0 { p } else { e };
        let (errors_p, errors_q) = (teacher.errors(), student.errors());
        // Per class Q, its error, log(Q/M) and its error; and the errors of both sums: those of a term, and a rounding
        // of it in each merge.
        let mut columns = Vec::new();
        let (mut kl_p, mut kl_q, mut e_p, mut e_q) = (0.0, 0.0, 0.0, 0.0);
        for (j, (log_p, log_q)) in teacher.log_p().zip(student.log_p()).enumerate() {
            let (below_p, below_q) = (teacher.below[j], student.below[j]);
            let d = log_p - log_q;
            let e_d = match d.is_finite() {
                true => {
                    log_error(&teacher, e_teacher, below_p)
                        + log_error(&student, e_student, below_q)
                        + U * d.abs()
                }
                false => 0.0,
            };
            let logs = self.logs(log_p, log_q);
            let errors = self.logs_error(d, e_d);
            let (p, q) = (log_p.exp(), log_q.exp());
            let off_p = off(below_p, p, errors_p[j]);
            let off_q = off(below_q, q, errors_q[j]);
            let sized = (1.0 + row.merges) * U;
            e_p += part(p, errors.teacher + sized * logs.teacher.abs())
                + part(off_p, logs.teacher.abs());
            e_q += part(q, errors.student + sized * logs.student.abs())
                + part(off_q, logs.student.abs());
            kl_p += part(p, logs.teacher);
            kl_q += part(q, logs.student);
            columns.push((q, off_q, logs.student, errors.student));
        }
        let sizes = beta * kl_p.abs() + (1.0 - beta) * kl_q.abs();
        let grad = columns.iter().map(|&(q, off_q, log, e_log)| {
            let surprise = (log - kl_q).abs();
            // The difference, 1-β, two products.
            let error = part(q, e_log + e_q + 4.0 * U * surprise) + part(off_q, surprise);
            (1.0 - beta) * error + TINY
        });
        RowTerm {
            loss: beta * e_p + (1.0 - beta) * e_q + 3.0 * U * sizes + TINY,
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Shift(&[0]),
            Law::Shift(&[1]),
            Law::Swap {
                tensors: [0, 1],
                options: &[["beta", "beta"]],
            },
        ]
    }
}
