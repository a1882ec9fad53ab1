use super::{Law, Row, RowTarget, RowTerm, Rows, Softmax, flushed};
use crate::bounds::{DIV, TINY, U};
use crate::tensor::DType;

loss! {
    /// Divergence of a student's distribution from a teacher's, both given as logits: distillation.
    KlDivWithLogits: Rows, "kl_div_with_logits" {
        /// Divides both; the loss is multiplied by its square, so that gradients keep their size.
        temperature: f32 = 1.0, Positive;
    }
    formula: "T²·Σ_j P_j·log(P_j/Q_j), P = softmax(t/T), Q = softmax(x/T), T = temperature",
    agrees: "PyTorch (kl_div of log_softmax)",
    inputs: ["x"],
    domain: [Logit, Logit],
    target: Values,
}

impl KlDivWithLogits {
    /// The student's distribution and the teacher's.
    fn both(&self, row: &Row<'_>) -> (Softmax, Softmax) {
        let t = match row.target {
            RowTarget::Values(t) => t,
            _ => &[],
        };
        let of = |x| Softmax::new(x, self.temperature, row.merges);
        (of(row.x[0]), of(t))
    }
}

impl Rows for KlDivWithLogits {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let temperature = f64::from(self.temperature);
        let (student, teacher) = self.both(row);
        let logs = || teacher.log_p().zip(student.log_p());
        let divergence: f64 = logs()
            .map(
                |(p, q)| match (p == f64::NEG_INFINITY, q == f64::NEG_INFINITY) {
                    (true, _) => 0.0,
                    // However small P_j is: it may be 0 in f64.
                    (false, true) => f64::INFINITY,
                    (false, false) => p.exp() * (p - q),
                },
            )
            .sum();
        RowTerm {
            loss: temperature * temperature * divergence,
            grads: vec![
                logs()
                    .map(|(p, q)| temperature * (q.exp() - p.exp()))
                    .collect(),
            ],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let temperature = f64::from(self.temperature);
        let (student, teacher) = self.both(row);
        if student.size.max(teacher.size) >= DType::F32.overflow() {
            // A small temperature took a logit beyond f32: the shader holds it at the largest number.
            return RowTerm {
                loss: f64::INFINITY,
                grads: vec![vec![f64::INFINITY; row.x[0].len()]],
            };
        }
        let (e_student, e_teacher) = (student.sum_error(), teacher.sum_error());
        // d/s_b: every term by the error of its weight; its two distances in each merge; the division.
        let mut d = 0.0;
        let mut e_d = 0.0;
        for ((&a, &b), log) in student
            .below
            .iter()
            .zip(&teacher.below)
            .zip(teacher.log_p())
        {
            if !(a.is_finite() && b.is_finite()) {
                continue;
            }
            let gap = a.abs() + b.abs();
            d += log.exp() * gap;
            e_d +=
                log.exp() * gap * (teacher.exp_error(b) + e_teacher + DIV + 4.0 * row.merges * U);
            // A weight that comes out subnormal may be 0, and its distance as large as the largest number.
            e_d += flushed(b.exp(), 1.001 * TINY) * gap;
        }
        e_d += student.logit_error() + teacher.logit_error();
        let logs = student.log_s.abs() + teacher.log_s.abs();
        let loss = e_d + e_student + e_teacher + 4.0 * U * logs + 6.0 * U * (d + logs);
        let columns = student.errors().into_iter().zip(teacher.errors());
        let grad = columns.map(|(a, b)| temperature * (a + b));
        RowTerm {
            loss: temperature * temperature * (loss + TINY),
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Shift(&[0]),
            Law::Shift(&[1]),
            Law::scale(&[0, 1], &["temperature"], 2.0),
        ]
    }
}
