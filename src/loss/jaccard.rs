use super::{Law, Overlap, Row, RowTerm, Rows, probability};

loss! {
    /// One minus the Jaccard index: intersection over union.
    Jaccard: Sets, "jaccard" {
        /// Is added above and below the line: keeps small sets apart from 0/0.
        smooth: f32 = 1e-6, NonNegative;
        /// Whether every row is a set of its own; else everything is one.
        per_row: bool = false, Any;
    }
    formula: "1 − (Σ wxt + smooth)/(Σ wx + Σ wt − Σ wxt + smooth), Σ over everything or over a row",
    agrees: "MONAI",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl Jaccard {
    fn overlap(&self) -> Overlap {
        Overlap {
            alpha: 1.0,
            beta: 1.0,
            smooth: f64::from(self.smooth),
        }
    }
}

impl Rows for Jaccard {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        self.overlap().row(row, probability)
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        self.overlap().bound(row, probability)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns, Law::EXCHANGED]
    }
}
