use super::{Law, Row, RowTerm, Rows, flushed, room, rounding, weighed};
use crate::bounds::{TINY, U};

loss! {
    /// Categorical hinge loss: the label's score is to exceed the largest of the others by 1.
    CategoricalHinge: Rows, "categorical_hinge" {}
    formula: "max(0, 1 + max_j (1−t_j)·x_j − Σ_j t_j·x_j), the lowest index on ties",
    agrees: "Keras",
    inputs: ["x"],
    domain: [Real, Probability],
    target: LabelsOrValues,
}

/// What a row is judged by.
struct Parts {
    t: Vec<f64>,
    /// (1−t_j)·x_j.
    wrong: Vec<f64>,
    /// t_j·x_j.
    right: Vec<f64>,
    /// Which of the wrong ones is the largest, the first of them.
    first: usize,
    /// 1 + the largest wrong − the sum of the right ones.
    margin: f64,
}

impl Parts {
    fn new(row: &Row<'_>) -> Self {
        let x = row.x[0];
        let t: Vec<f64> = (0..x.len()).map(|j| row.target_at(j)).collect();
        // A class without weight takes part as 0, whatever its score.
        let wrong: Vec<f64> = x
            .iter()
            .zip(&t)
            .map(|(&x, t)| weighed(1.0 - t, x))
            .collect();
        let right: Vec<f64> = x.iter().zip(&t).map(|(&x, t)| weighed(*t, x)).collect();
        let mut first = 0;
        for (j, w) in wrong.iter().enumerate() {
            if *w > wrong[first] || w.is_nan() {
                first = j;
            }
        }
        let margin = 1.0 + (wrong[first] - right.iter().sum::<f64>());
        Parts {
            t,
            wrong,
            right,
            first,
            margin,
        }
    }

    /// The derivative at column `j` where the margin counts.
    fn slope(&self, j: usize) -> f64 {
        let t = self.t[j];
        if j == self.first { (1.0 - t) - t } else { -t }
    }
}

impl Rows for CategoricalHinge {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let p = Parts::new(row);
        let slope = |j| match p.margin {
            m if m.is_nan() => m,
            m if m <= 0.0 => 0.0,
            _ => p.slope(j),
        };
        RowTerm {
            loss: if p.margin <= 0.0 { 0.0 } else { p.margin },
            grads: vec![(0..p.t.len()).map(slope).collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let p = Parts::new(row);
        let cols = p.t.len();
        // Products with 0 and 1 are exact; others are rounded, and 1 − t before.
        let hard = |t: f64| t == 0.0 || t == 1.0;
        let e_wrong = |j: usize| match hard(p.t[j]) {
            true => 0.0,
            false => 2.0 * U * p.wrong[j].abs() + TINY,
        };
        // Sums are scaled by a power of two: what that flushes.
        let least = TINY / room(cols);
        let lost = |v: f64| flushed(v, least);
        let size: f64 = p.right.iter().map(|r| r.abs()).sum();
        let terms = p.right.iter().filter(|r| **r != 0.0).count() as f64;
        // Where there is one term, it is added to nothing, which is exact.
        let adding = match terms > 1.0 {
            true => size * row.merges * U + terms * least,
            false => 0.0,
        };
        let soft = p.t.iter().any(|t| !hard(*t));
        let product = if soft { size * U } else { 0.0 };
        // A number of the target that counts as 0 takes its logit away.
        let subnormal = |(t, r): (&f64, &f64)| if t.abs() < TINY { r.abs() } else { 0.0 };
        let e_right = adding
            + product
            + p.right.iter().map(|r| lost(*r)).sum::<f64>()
            + p.t.iter().zip(&p.right).map(subnormal).sum::<f64>();
        let largest = p.wrong[p.first];
        let e_max = (0..cols)
            .filter(|&j| p.wrong[j] + e_wrong(j) >= largest - e_wrong(p.first))
            .fold(0.0, |e: f64, j| e.max(e_wrong(j)));
        // Largest and right, their distance, and the margin.
        let gap = largest - p.right.iter().sum::<f64>();
        let e_gap = e_max + e_right + lost(largest) + rounding(gap) + lost(gap);
        let e_margin = match e_gap > 0.0 {
            true => U * p.margin.abs(),
            false => rounding(p.margin),
        };
        // Beyond all numbers there is no doubt.
        let error = match p.margin.is_infinite() {
            true => 0.0,
            false => e_gap + e_margin + lost(p.margin),
        };
        // Within its error of 0 the margin may count or not; within theirs of the largest, others may be taken for it.
        let unsure = error > 0.0 && p.margin.abs() <= error;
        let near = |j: usize| {
            let e = e_wrong(j) + e_wrong(p.first);
            e > 0.0 && largest - p.wrong[j] <= e
        };
        let contested = (0..cols).any(|j| j != p.first && near(j));
        let grad = (0..cols).map(|j| {
            let t = p.t[j];
            let rounded = match hard(t) {
                true => 0.0,
                false => U * (1.0 + 2.0 * t.abs()),
            };
            let jump = match contested && (j == p.first || near(j)) {
                true => (1.0 - t).abs(),
                false => 0.0,
            };
            match (p.margin < -error || (p.margin == 0.0 && !unsure), unsure) {
                (true, _) => 0.0,
                (_, true) => p.slope(j).abs() + jump + rounded,
                (_, false) => jump + rounded,
            }
        });
        RowTerm {
            loss: if p.margin < -error { 0.0 } else { error },
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns]
    }
}
