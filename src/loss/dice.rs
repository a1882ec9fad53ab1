use super::{Law, Overlap, Row, RowTerm, Rows, probability};

loss! {
    /// One minus the Dice coefficient of a predicted set and the true one.
    Dice: Sets, "dice" {
        /// Is added above and below the line: keeps small sets apart from 0/0.
        smooth: f32 = 1e-6, NonNegative;
        /// Whether every row is a set of its own; else everything is one.
        per_row: bool = false, Any;
    }
    formula: "1 − (2Σ wxt + smooth)/(Σ wx + Σ wt + smooth), Σ over everything or over a row",
    agrees: "MONAI; Keras with smooth 0",
    inputs: ["x"],
    domain: [Probability, Probability],
    target: Values,
}

impl Dice {
    fn overlap(&self) -> Overlap {
        // Above and below the line half of what the formula says.
        Overlap {
            alpha: 0.5,
            beta: 0.5,
            smooth: 0.5 * f64::from(self.smooth),
        }
    }
}

impl Rows for Dice {
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
