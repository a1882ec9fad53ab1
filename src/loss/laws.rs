//! What leaves a loss as it is, or changes it in a way that is known.

/// A change of the numbers of a loss whose effect is known: what a loss [declares](super::Loss::laws), and tests hold it to, reference and
/// device alike.
///
/// Tensors are counted with the inputs first and then the target, so that of a loss of one input 1 is the target.
/// An option that takes part is changed too.
///
/// What holds for all losses is not declared by any: the order of rows does not matter, a row with a weight of k is as good as k
/// such rows, sums over parts add up to that over the whole, and neither storage type nor layout nor plan nor chunking
/// matter but for rounding (chunking not even there).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Law {
    /// In every row one and the same number may be added to all of these tensors: losses and gradients stay.
    Shift(&'static [usize]),
    /// With these tensors and options times a, 0 < a ≤ 1, the loss is multiplied by aᵈ, the gradient by one of these tensors by
    /// aᵈ⁻¹.
    Scale {
        /// The tensors.
        tensors: &'static [usize],
        /// The options.
        options: &'static [&'static str],
        /// d.
        degree: f64,
    },
    /// With every v of these tensors replaced by 2c − v, and every v of these options by 1 − v, the loss stays, and the gradient
    /// changes its sign.
    Mirror {
        /// The tensors, each with its c.
        tensors: &'static [(usize, f64)],
        /// The options.
        options: &'static [&'static str],
    },
    /// Two tensors may change places, and with them two options (one and the same: v becomes 1 − v): the loss stays, and gradients
    /// change places too.
    Swap {
        /// The tensors.
        tensors: [usize; 2],
        /// The options.
        options: &'static [[&'static str; 2]],
    },
    /// At the mean of two values of this tensor, the loss is the mean of both losses, and every gradient that of both gradients.
    Affine(usize),
    /// The order of columns does not matter, where all tensors and weights have the same.
    Columns,
}

impl Law {
    /// The first input and the next tensor may both change their sign.
    pub(super) const NEGATED: Law = Law::Mirror {
        tensors: &[(0, 0.0), (1, 0.0)],
        options: &[],
    };
    /// The first input and the next tensor may change places.
    pub(super) const EXCHANGED: Law = Law::Swap {
        tensors: [0, 1],
        options: &[],
    };

    /// [`Law::Scale`], in one line.
    pub(super) const fn scale(
        tensors: &'static [usize],
        options: &'static [&'static str],
        degree: f64,
    ) -> Law {
        Law::Scale {
            tensors,
            options,
            degree,
        }
    }
}
