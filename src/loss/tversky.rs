use super::{Law, Overlap, Row, RowTerm, Rows, probability};

loss! {
    /// One minus the Tversky index: a Dice coefficient that tells false positives from false negatives.
    Tversky: Sets, "tversky" {
        /// What false positives count.
        alpha: f32 = 0.5, NonNegative;
        /// What false negatives count.
        beta: f32 = 0.5, NonNegative;
        /// Is added above and below the line: keeps small sets apart from 0/0.
        smooth: f32 = 1e-6, NonNegative;
        /// Whether every row is a set of its own; else everything is one.
        per_row: bool = false, Any;
    }
    formula: "1 − (TP + smooth)/(TP + alpha·FP + beta·FN + smooth), TP = Σ wxt, FP = Σ wx(1 − t), FN = Σ w(1 − x)t",
    agrees: "MONAI; Keras with smooth 0, where alpha and beta change places",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl Tversky {
    fn overlap(&self) -> Overlap {
        Overlap {
            alpha: f64::from(self.alpha),
            beta: f64::from(self.beta),
            smooth: f64::from(self.smooth),
        }
    }
}

impl Rows for Tversky {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        self.overlap().row(row, probability)
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        self.overlap().bound(row, probability)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Swap {
                tensors: [0, 1],
                options: &[["alpha", "beta"]],
            },
        ]
    }
}
