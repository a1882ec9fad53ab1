use super::{Law, Row, RowTerm, Rows, flushed};
use crate::bounds::{DIV, TINY, U, exp};
use crate::tensor::DType;

loss! {
    /// Softmax cross-entropy on logits, with class indices or probabilities as target.
    CrossEntropy: Rows, "cross_entropy" {
        /// How much of the target is spread evenly over all classes.
        label_smoothing: f32 = 0.0, Unit;
        /// Rows with this label count for nothing.
        ignore_index: i64 = -100, Any;
        /// Adds this times the squared log-sum-exp of the logits.
        z_loss: f32 = 0.0, NonNegative;
        /// Maps each logit to cap·tanh(x/cap) first; 0 is off.
        softcap: f32 = 0.0, NonNegative;
        /// Divides each logit, after the softcap.
        temperature: f32 = 1.0, Positive;
    }
    formula: "−Σ_j c_j·((1−ε)t_j + ε/C)·log softmax(z)_j + z_loss·lse(z)², z = softcap·tanh(x/softcap)/temperature",
    agrees: "PyTorch; Liger for z_loss and softcap",
    inputs: ["x"],
    domain: [Logit, Probability],
    target: LabelsOrValues,
    class_weight: true,
    mean_by_class_weight: true,
}

/// A row's logits after softcap and temperature, what each class weighs, and the derivative of z by x.
struct Parts {
    z: Vec<f64>,
    wanted: Vec<f64>,
    /// What the rounding errors of `wanted` are proportional to: the same for targets of at least 0.
    size: Vec<f64>,
    /// What `wanted` loses where it, or what it is made of, is subnormal.
    lost: Vec<f64>,
    slope: Vec<f64>,
    max: f64,
    /// log Σ exp(z − max): what stands between max and the log-sum-exp.
    log_s: f64,
    /// log Σ exp z.
    lse: f64,
    proper_target: bool,
}

impl CrossEntropy {
    fn parts(&self, row: &Row<'_>) -> Parts {
        let (cap, temperature) = (f64::from(self.softcap), f64::from(self.temperature));
        let smoothing = f64::from(self.label_smoothing);
        let x = row.x[0];
        let tanh = |x: f64| (x / cap).tanh();
        let z: Vec<f64> = match cap > 0.0 {
            true => x.iter().map(|&x| cap * tanh(x) / temperature).collect(),
            false => x.iter().map(|&x| x / temperature).collect(),
        };
        let slope = match cap > 0.0 {
            true => x
                .iter()
                .map(|&x| (1.0 - tanh(x).powi(2)) / temperature)
                .collect(),
            false => vec![1.0 / temperature; x.len()],
        };
        let target = |j: usize| row.target_at(j);
        let spread = smoothing / x.len() as f64;
        let size = (0..x.len())
            .map(|j| row.weight_of(j) * ((1.0 - smoothing) * target(j).abs() + spread))
            .collect();
        let lost = (0..x.len())
            .map(|j| {
                let parts = flushed((1.0 - smoothing) * target(j), TINY) + flushed(spread, TINY);
                let whole = (1.0 - smoothing) * target(j) + spread;
                row.weight_of(j) * parts + flushed(row.weight_of(j) * whole, TINY)
            })
            .collect();
        let wanted = (0..x.len())
            .map(|j| row.weight_of(j) * ((1.0 - smoothing) * target(j) + spread))
            .collect();
        let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_s = z.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
        Parts {
            z,
            wanted,
            size,
            lost,
            slope,
            max,
            log_s,
            lse: max + log_s,
            proper_target: (0..x.len()).all(|j| target(j).is_finite()),
        }
    }
}

impl Rows for CrossEntropy {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let p = self.parts(row);
        let zl = f64::from(self.z_loss) * row.unweighted;
        // A target that is not finite leaves no distribution to compare with: all NaN.
        let (log_s, lse) = match p.proper_target {
            true => (p.log_s, p.lse),
            false => (f64::NAN, f64::NAN),
        };
        // From the largest logit, so that large logits keep their differences.
        let log_p = |z: f64| (z - p.max) - log_s;
        let total: f64 = p.wanted.iter().sum();
        let columns = || p.z.iter().zip(&p.wanted);
        let cross: f64 = columns()
            // A class that is not wanted contributes nothing, also where its logit is -inf.
            .map(|(&z, &q)| if q == 0.0 { 0.0 * log_s } else { -q * log_p(z) })
            .sum();
        let (extra, pull) = match zl > 0.0 {
            true => (zl * lse * lse, total + 2.0 * zl * lse),
            false => (0.0, total),
        };
        let grad = columns()
            .zip(&p.slope)
            .map(|((&z, q), slope)| (pull * log_p(z).exp() - q) * slope);
        RowTerm {
            loss: cross + extra,
            grads: vec![grad.collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let p = self.parts(row);
        if p.z
            .iter()
            .any(|z| z.is_finite() && z.abs() >= DType::F32.overflow())
        {
            // A small temperature took a logit beyond f32: the shader holds it at the largest number.
            return RowTerm {
                loss: f64::INFINITY,
                grads: vec![vec![f64::INFINITY; p.z.len()]],
            };
        }
        let zl = f64::from(self.z_loss) * row.unweighted;
        let merges = row.merges;
        // Relative error of a logit: x/cap, tanh, two products, /T; nothing where neither is in use.
        let capped = if self.softcap > 0.0 {
            DIV + 16.0 * U + DIV + 2.0 * U
        } else {
            0.0
        };
        let tempered = if self.temperature != 1.0 { DIV } else { 0.0 };
        let ez = |z: f64| {
            if z.is_finite() {
                z.abs() * (capped + tempered)
            } else {
                0.0
            }
        };
        let ez_max = p.z.iter().map(|&z| ez(z)).fold(0.0, f64::max);
        // Each addend of s is an exp of a difference that is itself rounded; a merge scales by an exp
        // (3 ulp beside the part proportional to the shift, and all shifts add up to max - z), multiplies, adds.
        let share: Vec<f64> = p.z.iter().map(|z| (z - p.max - p.log_s).exp()).collect();
        let exps = |z: f64| {
            let shift = (p.max - z).min(200.0);
            exp(shift) + U * shift
        };
        let finite = |(z, s): (&f64, &f64)| if z.is_finite() { exps(*z) * s } else { 0.0 };
        let es = p.z.iter().zip(&share).map(finite).sum::<f64>() + merges * 8.0 * U + 2.0 * ez_max;
        let log_s = p.log_s.abs();
        let e_log_s = es + 4.0 * U * log_s;
        let e_lse = e_log_s + ez_max + U * (p.max.abs() + log_s);
        // Roundings of q_j: 1-ε, product, ε/C, sum, product with c_j. Their sum, and what it multiplies: by size.
        let eq = 4.0 * U + DIV;
        let total: f64 = p.size.iter().sum();
        let e_total = eq + merges * U;
        let lost: f64 = p.lost.iter().sum();
        // d = Σ q·(max - z): all terms of one sign, three roundings a merge.
        let from_max = |q: &[f64]| -> f64 {
            let columns = p.z.iter().zip(q).filter(|(z, _)| z.is_finite());
            columns.map(|(z, q)| q * (p.max - z)).sum()
        };
        let far = from_max(&p.size);
        // What is subnormal: q, and its product with half of the distance, as it is added and as it moves with its part.
        let many = p.size.iter().filter(|q| **q != 0.0).count() as f64;
        let tiny = lost * log_s + from_max(&p.lost) + TINY * (total + 4.0 * many + 1.0);
        let e_far = far * (eq + 3.0 * merges * U) + total * 2.0 * ez_max;
        let lse2 = zl * p.lse * p.lse;
        let loss = total * e_log_s
            + e_total * total * log_s
            + e_far
            + 3.0 * U * (total * log_s + far)
            + 2.0 * zl * p.lse.abs() * e_lse
            + 6.0 * U * lse2;
        let pull = total + 2.0 * zl * p.lse.abs();
        let e_pull = total * e_total + lost + 2.0 * zl * e_lse + 4.0 * U * pull;
        let grad = (0..p.z.len()).map(|j| {
            let (z, q, share) = (p.z[j], p.size[j], share[j]);
            let ep = if z.is_finite() {
                // 1/s and a product.
                exps(z) + 2.0 * ez_max + es + DIV + U
            } else {
                0.0
            };
            // The two parts of pull·p - q, their difference, and the slope 1 - tanh², /T.
            let size = pull * share + q;
            let error = pull * share * ep + e_pull * share + q * eq + p.lost[j] + 2.0 * U * size;
            let slope = p.slope[j].abs();
            let e_slope = match self.softcap > 0.0 {
                true => (2.0 * (16.0 * U + DIV) + 3.0 * U) / f64::from(self.temperature),
                false => 0.0,
            };
            error * slope
                + size * (e_slope + slope * (DIV + U))
                + (pull + 2.0) * TINY * (1.0 / f64::from(self.temperature)).max(1.0)
        });
        RowTerm {
            loss: loss + tiny,
            grads: vec![grad.collect()],
        }
    }

    fn admits(&self, x: f64) -> bool {
        x.is_finite() || (x == f64::NEG_INFINITY && self.softcap == 0.0)
    }

    fn ranks(&self) -> bool {
        self.temperature == 1.0 && self.softcap == 0.0
    }

    fn laws(&self) -> Vec<Law> {
        let mut laws = vec![
            Law::Columns,
            Law::Affine(1),
            Law::scale(&[0], &["softcap", "temperature"], 0.0),
        ];
        if self.z_loss == 0.0 && self.softcap == 0.0 {
            laws.extend([Law::Shift(&[0])]);
        }
        laws
    }
}
