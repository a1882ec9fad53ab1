use super::{Clipped, Law, Row, RowTerm, Rows, flushed, room, weighed};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Cross-entropy on probabilities, with class indices or probabilities as target.
    CategoricalCrossEntropy: Rows, "categorical_cross_entropy" {
        /// The probabilities are clipped to [eps, 1 − eps].
        eps: f32 = 1e-7, Half;
        /// How much of the target is spread evenly over all classes.
        label_smoothing: f32 = 0.0, Unit;
        /// Divides each row by its sum first, unless that is 0.
        normalize: bool = true, Any;
    }
    formula: "−Σ_j ((1−ε)t_j + ε/C)·log p_j, p = x/Σx clipped to [eps, 1 − eps]",
    agrees: "Keras (categorical_crossentropy, sparse_categorical_crossentropy)",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: LabelsOrValues,
}

/// A row's targets after smoothing, and its clipped probabilities.
struct Parts {
    t: Vec<f64>,
    /// What the row is divided by, if it is.
    sum: Option<f64>,
    p: Vec<Clipped>,
}

impl CategoricalCrossEntropy {
    fn parts(&self, row: &Row<'_>) -> Parts {
        let x = row.x[0];
        let smoothing = f64::from(self.label_smoothing);
        let spread = smoothing / x.len() as f64;
        let sum: f64 = x.iter().sum();
        let sum = (self.normalize && sum != 0.0).then_some(sum);
        let p = |x: &f64| Clipped::new(x / sum.unwrap_or(1.0), self.eps);
        Parts {
            t: (0..x.len())
                .map(|j| (1.0 - smoothing) * row.target_at(j) + spread)
                .collect(),
            sum,
            p: x.iter().map(p).collect(),
        }
    }

    /// What stands for certain about a row's sum on a device: its relative error, or nothing where even whether it is 0
    /// is open.
    fn sum_error(&self, row: &Row<'_>) -> Option<f64> {
        let x = row.x[0];
        let size: f64 = x.iter().map(|x| x.abs()).sum();
        if !self.normalize || size == 0.0 {
            return Some(0.0);
        }
        let most = x.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        // An addition is off by U of the result at most, and never by more than the smaller number: where
        // one holds nearly all, the error is no larger than what the others hold.
        let rounding = (row.merges * U * size).min(2.0 * (size - most));
        // The shader scales by a power of two; every number but the largest, and every sum, may be flushed.
        let least = TINY / room(x.len());
        let some = x.iter().filter(|x| **x != 0.0).count() as f64 - 1.0;
        let lost = 2.0 * some * least + flushed(most, least);
        let error = rounding + lost;
        let sum = x.iter().sum::<f64>().abs();
        (sum > error).then(|| error / (sum - error))
    }
}

impl Rows for CategoricalCrossEntropy {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let Parts { t, sum, p } = self.parts(row);
        let columns = || t.iter().zip(&p);
        // By p; 0 where p is clipped.
        let slope = |(t, p): (&f64, &Clipped)| if p.inside { -t / p.x } else { 0.0 };
        // p_k = x_k/S, hence dp_k/dx_j = (1 if j = k − p_k)/S.
        let common: f64 = match sum {
            Some(_) => columns().map(|c| weighed(slope(c), c.1.x)).sum(),
            None => 0.0,
        };
        RowTerm {
            loss: columns().map(|(t, p)| -weighed(*t, p.log_x)).sum(),
            grads: vec![
                columns()
                    .map(|c| (slope(c) - common) / sum.unwrap_or(1.0))
                    .collect(),
            ],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let x = row.x[0];
        let Parts { t, sum, p } = self.parts(row);
        let eps = f64::from(self.eps);
        let Some(e_sum) = self.sum_error(row) else {
            // The sum cancels: the probabilities may be anything, and are held by the clip alone.
            let range = (-eps).ln_1p() - eps.ln();
            let size: f64 = t.iter().map(|t| weighed(t.abs(), range)).sum();
            return RowTerm {
                loss: size * (1.0 + row.merges * U),
                grads: vec![vec![f64::INFINITY; x.len()]],
            };
        };
        let smoothing = f64::from(self.label_smoothing);
        let e_t = if smoothing > 0.0 { 3.0 * U + DIV } else { 0.0 };
        let whole = sum.map_or(1.0, f64::abs);
        // Undivided, everything about the clip is exact.
        let (divided, least) = match sum {
            Some(_) => (1.0, TINY / room(x.len())),
            None => (0.0, TINY),
        };
        // Whether a column may be taken for clipped where it is not, or the other way round. Compared are x with eps·S,
        // and S − x with eps·S.
        let unsure = |x: f64| {
            let Some(s) = sum else { return false };
            let bound = eps * whole * (e_sum + 2.0 * U);
            let low = (x - eps * s).abs() <= bound + least && eps > 0.0 && x != 0.0;
            let rest = match s - x {
                0.0 if e_sum == 0.0 => bound,
                rest => bound + whole * e_sum + U * rest.abs() + least,
            };
            low || (rest > 0.0 && (s - x - eps * s).abs() <= rest)
        };
        let (mut loss, mut pull, mut e_pull) = (0.0, 0.0, 0.0);
        for ((&v, &t), p) in x.iter().zip(&t).zip(&p) {
            if t == 0.0 {
                continue;
            }
            let log = p.log_x.abs();
            let open = unsure(v);
            let e_log = match p.inside || open {
                // Near 1 from (S − x)/S, which errs in proportion to itself; else the quotient's error is that
                // of the logarithm. Small quotients: the difference of logarithms.
                true if p.x >= 0.5 => e_sum + divided * (U + DIV) * p.y / p.x,
                true if p.x > 1e-29 => e_sum + divided * (U + DIV),
                true => {
                    let unit = room(x.len());
                    let logs = [v.abs().max(TINY), unit, whole * unit].map(|v| v.ln().abs());
                    e_sum + divided * 6.0 * U * logs.iter().sum::<f64>()
                }
                false => 0.0,
            };
            // Nothing is left of a subnormal number that is taken for 0, unless the clip holds it.
            let lost = match v != 0.0 && v.abs() < TINY && eps < TINY {
                true => f64::INFINITY,
                false => 0.0,
            };
            let (e, size) = (e_log + 6.0 * U * log + lost, t.abs());
            loss += size * e + size * log * (e_t + (row.merges + 1.0) * U) + (log + 1.0) * TINY;
            let jump = if open { size } else { 0.0 };
            let inside = if p.inside { size } else { 0.0 };
            pull += inside;
            e_pull += jump + inside * (e_t + row.merges * U) + TINY;
        }
        let grad = x.iter().zip(&t).zip(&p).map(|((&x, &t), p)| {
            let (size, open) = (t.abs() / x.abs(), unsure(x));
            let own = match (t == 0.0, open, p.inside) {
                (true, _, _) | (_, false, false) => 0.0,
                (_, true, _) => size,
                // A subnormal divisor counts as the smallest normal number.
                (_, _, true) if x.abs() < TINY => size,
                (_, _, true) => size * (e_t + DIV + 2.0 * U) + TINY / x.abs(),
            };
            own + divided * (e_pull + pull * (e_sum + DIV + 3.0 * U) + least) / whole
        });
        RowTerm {
            loss,
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        let mut laws = vec![Law::Columns, Law::Affine(1)];
        if self.normalize {
            laws.extend([Law::scale(&[0], &[], 0.0)]);
        }
        laws
    }
}
