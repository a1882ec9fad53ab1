use super::{Law, Row, RowTerm, Rows, label};
use crate::bounds::{TINY, U};

loss! {
    /// Negative log-likelihood of the label, on log-probabilities.
    Nll: Rows, "nll" {
        /// Rows with this label count for nothing.
        ignore_index: i64 = -100, Any;
    }
    formula: "−c_y·x_y, x log-probabilities",
    agrees: "PyTorch",
    inputs: ["x"],
    domain: [LogProbability, Probability],
    target: Labels,
    class_weight: true,
    mean_by_class_weight: true,
}

/// `v` at the label, 0 elsewhere.
fn at_label(row: &Row<'_>, v: f64) -> Vec<f64> {
    let mut grad = vec![0.0; row.x[0].len()];
    grad[label(row)] = v;
    grad
}

impl Rows for Nll {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let y = label(row);
        let c = row.weight_of(y);
        RowTerm {
            loss: -c * row.x[0][y],
            grads: vec![at_label(row, -c)],
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        // One product, either factor of which may be flushed.
        let y = label(row);
        let (c, x) = (row.weight_of(y), row.x[0][y].abs());
        RowTerm {
            loss: c * x * U + (c + x) * TINY,
            grads: vec![at_label(row, TINY)],
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns, Law::Affine(0), Law::scale(&[0], &[], 1.0)]
    }
}
