//! What all cases of one loss, task or of outputs of rows come to.

use super::Row;
use crate::tensor::DType;

/// What all rows of one name in one storage type come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// The rows' name.
    pub name: &'static str,
    /// How they were stored.
    pub dtype: DType,
    /// How many there were.
    pub cases: usize,
    /// How many of them were off.
    pub failed: usize,
    /// The largest absolute error of a loss, or of a figure.
    pub loss_err: f64,
    /// The largest absolute error of a number of a gradient.
    pub grad_err: f64,
    /// The largest error in proportion to its bound: at most 1 where all pass.
    pub worst: f64,
    /// That bound.
    pub bound: f64,
    /// How many numbers were held to nothing.
    pub unbounded: usize,
}

impl Tally {
    /// Counts a row into the tally of its name and storage type, which stands among `tallies` or becomes the last of them; gives it.
    pub fn count<'a>(tallies: &'a mut Vec<Tally>, row: &Row) -> &'a Tally {
        let at = tallies
            .iter()
            .position(|t| (t.name, t.dtype) == (row.name, row.dtype));
        let at = at.unwrap_or_else(|| {
            tallies.push(Tally {
                name: row.name,
                dtype: row.dtype,
                cases: 0,
                failed: 0,
                loss_err: 0.0,
                grad_err: 0.0,
                worst: 0.0,
                bound: 0.0,
                unbounded: 0,
            });
            tallies.len() - 1
        });
        let tally = &mut tallies[at];
        tally.cases += 1;
        tally.failed += usize::from(!row.check.pass);
        tally.unbounded += row.check.unbounded;
        tally.loss_err = tally.loss_err.max(row.check.loss_err);
        tally.grad_err = tally.grad_err.max(row.check.grad_err);
        if row.check.worst > tally.worst {
            (tally.worst, tally.bound) = (row.check.worst, row.check.bound);
        }
        tally
    }
}
