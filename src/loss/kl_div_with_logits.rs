use super::{Row, RowTarget, RowTerm, Rows};
use crate::bounds::{DIV, TINY, U, exp};
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

/// Logits as distances from the largest, and the logarithm of the sum of their exponentials.
struct Scaled {
    below: Vec<f64>,
    log_s: f64,
    /// The largest magnitude of a finite logit.
    size: f64,
}

impl Scaled {
    fn new(x: &[f64], temperature: f64) -> Self {
        let z = || x.iter().map(|x| x / temperature);
        let max = z().fold(f64::NEG_INFINITY, f64::max);
        let below: Vec<f64> = z().map(|z| z - max).collect();
        Scaled {
            log_s: below.iter().map(|b| b.exp()).sum::<f64>().ln(),
            below,
            size: z()
                .map(f64::abs)
                .filter(|z| z.is_finite())
                .fold(0.0, f64::max),
        }
    }

    fn log_p(&self) -> impl Iterator<Item = f64> {
        self.below.iter().map(|b| b - self.log_s)
    }
}

impl KlDivWithLogits {
    fn both(&self, row: &Row<'_>) -> (Scaled, Scaled) {
        let t = match row.target {
            RowTarget::Values(t) => t,
            _ => &[],
        };
        let temperature = f64::from(self.temperature);
        (
            Scaled::new(row.x[0], temperature),
            Scaled::new(t, temperature),
        )
    }
}

impl Rows for KlDivWithLogits {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let temperature = f64::from(self.temperature);
        let (student, teacher) = self.both(row);
        let logs = || teacher.log_p().zip(student.log_p());
        let divergence: f64 = logs()
            .map(|(p, q)| match p == f64::NEG_INFINITY {
                true => 0.0,
                false => p.exp() * (p - q),
            })
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
        // A logit: /T. A difference of two: U of itself. An exponential: 3 ulp and 2 for each unit of its
        // argument; the shifts of all merges add up to one such argument, and each merge adds 8U.
        let tempered = if temperature != 1.0 { DIV } else { 0.0 };
        let exps = |s: &Scaled, below: f64| {
            let shift = (-below).min(200.0);
            exp(shift) + U * shift + 2.0 * s.size * tempered + row.merges * 8.0 * U
        };
        // Of the sum of exponentials: each by its share.
        let sum = |s: &Scaled| -> f64 {
            let parts = s.below.iter().zip(s.log_p()).filter(|(b, _)| b.is_finite());
            parts.map(|(&b, log)| log.exp() * exps(s, b)).sum()
        };
        let (e_student, e_teacher) = (sum(&student), sum(&teacher));
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
            e_d += log.exp() * gap * (exps(&teacher, b) + e_teacher + DIV + 4.0 * row.merges * U);
        }
        e_d += 2.0 * (student.size + teacher.size) * tempered;
        let logs = student.log_s.abs() + teacher.log_s.abs();
        let loss = e_d + e_student + e_teacher + 4.0 * U * logs + 6.0 * U * (d + logs);
        let share = |s: &Scaled, e_sum: f64, below: f64, log: f64| match below.is_finite() {
            true => log.exp() * (exps(s, below) + e_sum + DIV + 3.0 * U) + TINY,
            false => 0.0,
        };
        let columns = student.below.iter().zip(student.log_p());
        let columns = columns.zip(teacher.below.iter().zip(teacher.log_p()));
        let grad = columns.map(|((&a, log_q), (&b, log_p))| {
            let parts = share(&student, e_student, a, log_q) + share(&teacher, e_teacher, b, log_p);
            temperature * parts
        });
        RowTerm {
            loss: temperature * temperature * (loss + TINY),
            grads: vec![grad.collect()],
        }
    }
}
