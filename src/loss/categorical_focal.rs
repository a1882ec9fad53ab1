use super::{Clipped, Law, Row, RowTerm, Rows, weighed};
use crate::bounds::{DIV, TINY, U};

loss! {
    /// Categorical cross-entropy on probabilities, with well-classified rows weighed down and penalties on the probabilities.
    CategoricalFocal: Rows, "categorical_focal" {
        /// Multiplies the cross-entropy.
        alpha: f32 = 0.25, NonNegative;
        /// How strongly well-classified rows are weighed down.
        gamma: f32 = 2.0, NonNegative;
        /// Adds this times the sum of the probabilities.
        l1: f32 = 0.0, NonNegative;
        /// Adds this times the sum of the squared probabilities.
        l2: f32 = 0.0, NonNegative;
        /// The input is clipped to [eps, 1 − eps] first.
        eps: f32 = 1e-7, Half;
    }
    formula: "Σ_j −alpha·t_j·(1 − p_j)^γ·log p_j + l1·|p_j| + l2·p_j², p = x clipped to [eps, 1 − eps]",
    agrees: "",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl CategoricalFocal {
    /// Each column's probability, and what its logarithm is weighed with.
    fn columns(&self, row: &Row<'_>) -> impl Iterator<Item = (Clipped, f64)> {
        let (alpha, gamma) = (f64::from(self.alpha), f64::from(self.gamma));
        row.x[0].iter().enumerate().map(move |(j, &x)| {
            let p = Clipped::new(x, self.eps);
            let weight = alpha * row.target_at(j) * p.y.powf(gamma);
            (p, weight)
        })
    }

    fn penalties(&self) -> (f64, f64) {
        (f64::from(self.l1), f64::from(self.l2))
    }
}

impl Rows for CategoricalFocal {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let gamma = f64::from(self.gamma);
        let (l1, l2) = self.penalties();
        let terms = self
            .columns(row)
            .map(|(p, w)| -weighed(w, p.log_x) + l1 * p.x + l2 * p.x * p.x);
        // d(1 − p)^γ/dp = −γ·(1 − p)^γ/(1 − p)
        let slope = |(p, w): (Clipped, f64)| match p.inside {
            true => w * (gamma * p.log_x / p.y - 1.0 / p.x) + l1 + 2.0 * l2 * p.x,
            false => 0.0,
        };
        RowTerm {
            loss: terms.sum(),
            grads: vec![self.columns(row).map(slope).collect()],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let gamma = f64::from(self.gamma);
        let (l1, l2) = self.penalties();
        // Where x is clipped is decided without error. 1 − p is rounded once, which its power multiplies by γ; the
        // power 10U + 9|γ·log(1 − p)|U. A logarithm 6U, and products. A power never falls below TINY, and
        // products with it may be flushed.
        let power = |p: &Clipped| (gamma + 9.0 * gamma * p.y.max(TINY).ln().abs() + 10.0) * U;
        let least = |j: usize| (f64::from(self.alpha) * row.target_at(j).abs() + 2.0) * TINY;
        let mut loss = 0.0;
        let mut grad = Vec::new();
        for (j, (p, w)) in self.columns(row).enumerate() {
            let lost = match row.target_at(j) == 0.0 {
                true => 0.0,
                false => least(j) * p.log_x.abs(),
            };
            let (focal, penalty) = (weighed(w, p.log_x).abs(), l1 * p.x + l2 * p.x * p.x);
            loss += focal * (power(&p) + 9.0 * U)
                + penalty * 4.0 * U
                + (focal + penalty) * row.merges * U
                + lost
                + (l1 + l2 + 1.0) * TINY;
            grad.push(match p.inside {
                true => {
                    let parts = gamma * p.log_x.abs() / p.y + 1.0 / p.x;
                    let lost = if p.x < TINY { w.abs() / p.x } else { 0.0 };
                    w.abs() * parts * (power(&p) + 12.0 * U + DIV)
                        + (l1 + 2.0 * l2 * p.x) * 4.0 * U
                        + least(j) * parts
                        + l2 * TINY
                        + lost
                }
                false => 0.0,
            });
        }
        RowTerm {
            loss,
            grads: vec![grad],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns, Law::Affine(1)]
    }
}
