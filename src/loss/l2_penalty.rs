use super::{Element, Elementwise, Law, Term};
use crate::bounds::U;

loss! {
    /// Square of the input: a regularizer, used with `sum`.
    L2Penalty: Elementwise, "l2_penalty" {}
    formula: "x²",
    agrees: "Keras (regularizers.L2)",
    inputs: ["x"],
    domain: [Real],
    target: None,
}

impl Elementwise for L2Penalty {
    fn term(&self, e: &Element) -> Term {
        Term::new(e.x[0] * e.x[0], 2.0 * e.x[0])
    }

    fn bound(&self, e: &Element) -> Term {
        // One product; doubling is exact.
        Term::new(U * e.x[0] * e.x[0], 0.0)
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::scale(&[0], &[], 2.0),
            Law::Mirror {
                tensors: &[(0, 0.0)],
                options: &[],
            },
        ]
    }
}
