use super::{Law, Row, RowTerm, Rows, flushed, label, room, rounding};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Multi-class margin loss: the label's score is to exceed every other by a margin.
    MultiMargin: Rows, "multi_margin" {
        /// The power that each violation is raised to.
        p: f32 = 1.0, OneOrTwo;
        /// By how much the label's score is to exceed the others.
        margin: f32 = 1.0, Any;
    }
    formula: "c_y·Σ_{j≠y} max(0, margin − x_y + x_j)^p / C",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [Real, Probability],
    target: Labels,
    class_weight: true,
    mean_by_class_weight: false,
}

impl MultiMargin {
    fn violation(&self, x: f64, own: f64) -> f64 {
        // The difference first: a large score does not swallow the margin.
        let z = f64::from(self.margin) + (x - own);
        if z <= 0.0 { 0.0 } else { z }
    }

    /// z^p and its derivative.
    fn cost(&self, z: f64) -> (f64, f64) {
        match (z == 0.0, self.p == 2.0) {
            (true, _) => (0.0, 0.0),
            (_, true) => (z * z, 2.0 * z),
            (_, false) => (z, if z.is_nan() { z } else { 1.0 }),
        }
    }
}

/// A row's columns but the label's: each is given its score and the label's.
fn others<T>(row: &Row<'_>, of: impl Fn(f64, f64) -> T) -> Vec<Option<T>> {
    let (x, y) = (row.x[0], label(row));
    let other = |(j, &v): (usize, &f64)| (j != y).then(|| of(v, x[y]));
    x.iter().enumerate().map(other).collect()
}

impl Rows for MultiMargin {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let cols = row.x[0].len() as f64;
        let c = row.weight_of(label(row));
        let costs = others(row, |x, own| self.cost(self.violation(x, own)));
        let sum: f64 = costs.iter().flatten().map(|(loss, _)| loss).sum();
        let slope = |v: &(f64, f64)| c * v.1 / cols;
        let pull: f64 = costs.iter().flatten().map(slope).sum();
        let grad = costs.iter().map(|v| v.as_ref().map_or(-pull, slope));
        RowTerm {
            loss: c * sum / cols,
            grads: vec![grad.collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let (margin, cols) = (f64::from(self.margin), row.x[0].len() as f64);
        let share = row.weight_of(label(row)) / cols;
        // The shader scales everything by a power of two: what that flushes.
        let least = TINY / room(row.x[0].len());
        // A violation z: a difference d, and the margin to it. Where z is within its error of 0 it may lie on either side.
        let error = |x: f64, own: f64| {
            let (d, z) = (x - own, margin + (x - own));
            let lost: f64 = [x, own, margin, d, z]
                .map(|v| flushed(v, least))
                .iter()
                .sum();
            let e_d = rounding(d);
            let e = lost + e_d + if e_d > 0.0 { U * z.abs() } else { rounding(z) };
            if z < -e || (z == 0.0 && e == 0.0) {
                return (0.0, 0.0);
            }
            let (jump, z) = (if z <= e { 1.0 } else { 0.0 }, z.max(0.0));
            match self.p == 2.0 {
                // Two products of two rounded numbers; 2·(z + e) is what the slope may be at most.
                true => (
                    2.0 * z * e + e * e + 2.0 * U * z * z + least * (z + e),
                    2.0 * e + 4.0 * U * z,
                ),
                false => (e + U * z, jump),
            }
        };
        let costs = others(row, |x, own| {
            let (loss, slope) = self.cost(self.violation(x, own));
            let (e_loss, e_slope) = error(x, own);
            // Every sum: merges; the division by C.
            let sum = row.merges * U + DIV + 2.0 * U;
            (e_loss + loss * sum, e_slope, slope)
        });
        let all = || costs.iter().flatten();
        let loss: f64 = all().map(|v| v.0).sum();
        let e_pull: f64 = all().map(|v| v.1).sum();
        let pull: f64 = all().map(|v| v.2).sum();
        let e_share = DIV + 3.0 * U;
        // Of slopes 1 the shader adds the count.
        let adding = if self.p == 2.0 { row.merges * U } else { 0.0 };
        let tiny = (share * cols + 1.0) * least;
        let grad = costs.iter().map(|v| match v {
            Some((_, e, slope)) => share * (e + slope * e_share) + tiny,
            None => share * (e_pull + pull * (e_share + adding)) + tiny,
        });
        RowTerm {
            loss: share * loss + 2.0 * tiny,
            grads: vec![grad.collect()],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Shift(&[0]),
            Law::scale(&[0], &["margin"], f64::from(self.p)),
        ]
    }
}
