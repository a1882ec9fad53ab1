use super::{Element, Elementwise, Law, Term, sign};

loss! {
    /// Absolute value of the input: a regularizer, used with `sum`.
    L1Penalty: Elementwise, "l1_penalty" {}
    formula: "|x|",
    agrees: "Keras (regularizers.L1)",
    inputs: ["x"],
    domain: [Real],
    target: None,
}

impl Elementwise for L1Penalty {
    fn term(&self, e: &Element) -> Term {
        Term::new(e.x[0].abs(), sign(e.x[0]))
    }

    fn bound(&self, _: &Element) -> Term {
        // Both are exact, the sign being taken from the bits.
        Term::default()
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::scale(&[0], &[], 1.0),
            Law::Mirror {
                tensors: &[(0, 0.0)],
                options: &[],
            },
        ]
    }
}
