//! Notes on the mistakes that everybody makes once. They look at the numbers, and change nothing.

use crate::loss::{Info, Support, TargetKind};
use crate::{Batch, Geometry, Target, Values};

/// How far the sum of a row may be from 1 for its numbers to look like probabilities: 16-bit ones of a thousand classes.
const SLACK: f64 = 1e-2;

/// What looks like a mistake in `batch`, one sentence each.
pub fn notes(info: &Info, batch: &Batch<'_>, geometry: &Geometry) -> Vec<String> {
    let mut notes = Vec::new();
    for ((name, support), values) in info.inputs.iter().zip(info.domain).zip(&batch.inputs) {
        notes.extend(input(info, name, *support, values, geometry));
    }
    if let (Some(Target::Values(values)), TargetKind::Values, Some(Support::Logit)) =
        (&batch.target, info.target, info.domain.last())
    {
        notes.extend(input(info, "the target", Support::Logit, values, geometry));
    }
    notes.extend(one_hot(info, batch, geometry));
    notes
}

fn input(
    info: &Info,
    name: &str,
    support: Support,
    values: &Values<'_>,
    geometry: &Geometry,
) -> Option<String> {
    let values = values.to_f64();
    let loss = info.name;
    match support {
        Support::Logit if sums_to_one(&values, geometry) => Some(format!(
            "note: every row of {name} sums to 1 and looks like probabilities, but {loss} takes logits"
        )),
        Support::Logit if probabilities(&values) => Some(format!(
            "note: {name} lies within 0 and 1 and looks like probabilities, but {loss} takes logits"
        )),
        Support::Probability => {
            let outside = values
                .iter()
                .find(|v| v.is_finite() && !support.contains(**v))?;
            Some(format!(
                "note: {name} holds {outside} and looks like logits, but {loss} takes probabilities"
            ))
        }
        Support::LogProbability => {
            let above = values.iter().find(|v| v.is_finite() && **v > 0.0)?;
            Some(format!(
                "note: {name} holds {above}, which is the logarithm of no probability; {loss} takes log-probabilities"
            ))
        }
        _ => None,
    }
}

/// Whether all numbers lie within 0 and 1, and not all at the ends.
fn probabilities(values: &[f64]) -> bool {
    values.len() > 1
        && values.iter().all(|v| (0.0..=1.0).contains(v))
        && values.iter().any(|&v| v != 0.0 && v != 1.0)
}

fn sums_to_one(values: &[f64], g: &Geometry) -> bool {
    let sums = |row: usize| -> f64 { (0..g.cols).map(|c| values[g.index(row, c)]).sum() };
    g.cols > 1
        && g.rows > 0
        && probabilities(values)
        && (0..g.rows).all(|row| (sums(row) - 1.0).abs() <= SLACK)
}

/// One-hot rows where class indices would do.
fn one_hot(info: &Info, batch: &Batch<'_>, g: &Geometry) -> Option<String> {
    let Some(Target::Values(values)) = &batch.target else {
        return None;
    };
    if info.target != TargetKind::LabelsOrValues || !info.class_weight {
        return None;
    }
    let values = values.to_f64();
    let hot = |row: usize| {
        let mut ones = 0;
        for c in 0..g.cols {
            match values[g.index(row, c)] {
                1.0 => ones += 1,
                0.0 => {}
                _ => return false,
            }
        }
        ones == 1
    };
    (g.rows > 0 && g.cols > 1 && (0..g.rows).all(hot)).then(|| {
        format!(
            "note: every row of the target is one-hot; class indices say the same with one number a row, and only with \
             them does {} know ignored rows and divide by class weights",
            info.name
        )
    })
}
