use super::{Law, Overlap, Row, RowTerm, Rows, logit};

loss! {
    /// One minus the Dice coefficient, on logits.
    DiceWithLogits: Sets, "dice_with_logits" {
        /// Is added above and below the line: keeps small sets apart from 0/0.
        smooth: f32 = 1e-6, NonNegative;
        /// Whether every row is a set of its own; else everything is one.
        per_row: bool = false, Any;
    }
    formula: "1 − (2Σ wpt + smooth)/(Σ wp + Σ wt + smooth), p = σ(x), Σ over everything or over a row",
    agrees: "MONAI",
    inputs: ["x"],
    domain: [Logit, Probability],
    target: Values,
}

impl DiceWithLogits {
    fn overlap(&self) -> Overlap {
        // Above and below the line half of what the formula says.
        Overlap {
            alpha: 0.5,
            beta: 0.5,
            smooth: 0.5 * f64::from(self.smooth),
        }
    }
}

impl Rows for DiceWithLogits {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        self.overlap().row(row, logit)
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        self.overlap().bound(row, logit)
    }

    fn laws(&self) -> Vec<Law> {
        vec![Law::Columns]
    }
}
