//! What is asked of rows of logits one by one, in f64.

use crate::batch::{Batch, Target};
use crate::bounds::{DIV, TINY, U, exp};
use crate::error::{Error, Result};
use crate::layout::{Layout, TargetLayout};
use crate::loss::CrossEntropy;
use crate::tensor::LabelType;

/// What [`RowOutputsPlan`](crate::gpu::RowOutputsPlan) says of each row; or how far a device may be from it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowOutputs {
    /// log Σ exp z.
    pub log_sum_exp: Vec<f64>,
    /// log p of the target's class; 0 where there is none, or no target.
    pub log_prob: Vec<f64>,
    /// −Σ p·log p.
    pub entropy: Vec<f64>,
    /// The lowest class with the highest logit; 2³² − 1 in a row with a NaN. Among bounds 1 where another class may be taken for it, because
    /// softcap or temperature may round both to one number, else 0.
    pub argmax: Vec<u32>,
}

/// Log-sum-exp, log-probability of the target, entropy and argmax of each row of logits.
///
/// # Errors
/// Whatever [`Layout::check`](crate::Layout::check) refuses of shape and options, where the target is class indices or none.
pub fn row_outputs(loss: &CrossEntropy, batch: &Batch<'_>) -> Result<RowOutputs> {
    Ok(row_outputs_with_bounds(loss, batch)?.0)
}

/// As [`row_outputs`], and beside it how far a device may be from each number, for a batch that is already
/// [rounded](Batch::rounded) to its dtype.
///
/// # Errors
/// As `row_outputs`.
pub fn row_outputs_with_bounds(
    loss: &CrossEntropy,
    batch: &Batch<'_>,
) -> Result<(RowOutputs, RowOutputs)> {
    let layout = match &batch.target {
        Some(_) => batch.layout(loss)?,
        // It is checked as if there were one.
        None => Layout {
            class_axis: batch.class_axis,
            target: TargetLayout::Labels(LabelType::U32),
            ..Layout::new(batch.shape.clone())
        },
    };
    let geometry = layout.check(loss)?;
    let found: Vec<usize> = batch.inputs.iter().map(|v| v.len()).collect();
    if found != [geometry.elements] {
        let expected = format!("one of {} numbers", geometry.elements);
        return Err(Error::mismatch("logits", expected, format!("{found:?}")));
    }
    let (cap, temperature) = (f64::from(loss.softcap), f64::from(loss.temperature));
    let inputs: Vec<_> = batch.inputs.iter().map(|v| v.to_f64()).collect();
    let z = |row: usize, col: usize| {
        let x = inputs[0][geometry.index(row, col)];
        let capped = match cap > 0.0 {
            true => cap * (x / cap).tanh(),
            false => x,
        };
        capped / temperature
    };
    // Relative error of a logit: x/cap, tanh and two products, /T; nothing where neither is in use.
    let capped = if cap > 0.0 { 2.0 * DIV + 18.0 * U } else { 0.0 };
    let tempered = if temperature != 1.0 { DIV } else { 0.0 };
    let mut all = (RowOutputs::default(), RowOutputs::default());
    for row in 0..geometry.rows {
        let zs: Vec<f64> = (0..geometry.cols).map(|col| z(row, col)).collect();
        let label = match &batch.target {
            Some(Target::Labels(labels)) => labels.get(row),
            _ => None,
        };
        let label = label.filter(|l| *l != loss.ignore_index);
        let label = label.and_then(|l| usize::try_from(l).ok());
        let off = capped + tempered;
        let (said, bound) = of_row(&zs, label.filter(|l| *l < zs.len()), off);
        all.0.log_sum_exp.push(said[0]);
        all.0.log_prob.push(said[1]);
        all.0.entropy.push(said[2]);
        all.1.log_sum_exp.push(bound[0]);
        all.1.log_prob.push(bound[1]);
        all.1.entropy.push(bound[2]);
        let nan = zs.iter().any(|z| z.is_nan());
        let best = (0..zs.len()).fold(0, |best, j| if zs[j] > zs[best] { j } else { best });
        all.0.argmax.push(if nan { u32::MAX } else { best as u32 });
        let near = 2.0 * off * zs.get(best).map_or(0.0, |z| z.abs()) + TINY;
        let rival = |j: usize| off > 0.0 && j != best && zs[best] - zs[j] <= near;
        all.1.argmax.push(u32::from((0..zs.len()).any(rival)));
    }
    Ok(all)
}

/// Log-sum-exp, log-probability and entropy of a row, and the largest errors in them. `off` is the relative error of a logit.
///
/// A term exp(z − m) is an exp of a rounded difference: relative error `exp(d) + u·d` for d = m − z. On the way it is scaled
/// wherever the maximum moves, by an exp that is off by 3 ulp beside what is proportional to the shift, and all shifts add up to d; so each
/// merge costs 6u, and 2u for product and sum. With `k` merges the sum s is off by no more than `E = Σ p·(exp(d) + u·d) + 8ku`, relative, and
/// so is log s absolute; e is a sum of terms of one sign, each off by as much as its share of s and 2u more, so e/s is off by no more than
/// `2·(Σ p·d·(exp(d) + u·d) + (8k + 2)·u·Σ p·d)` and what the division adds. Where logits are off by ε, log-sum-exp is by no more
/// than ε, a log-probability by 2ε, and the entropy by 2ε·(H + 1).
fn of_row(z: &[f64], label: Option<usize>, off: f64) -> ([f64; 3], [f64; 3]) {
    let m = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let nan = z.iter().any(|z| z.is_nan());
    if nan || !m.is_finite() {
        let lse = if nan { f64::NAN } else { m };
        let log_prob = label.map_or(0.0, |y| match m == f64::INFINITY && !nan {
            true if z[y] != f64::INFINITY => f64::NEG_INFINITY,
            _ => f64::NAN,
        });
        return ([lse, log_prob, f64::NAN], [0.0; 3]);
    }
    let finite: Vec<f64> = z.iter().copied().filter(|z| z.is_finite()).collect();
    let s: f64 = finite.iter().map(|z| (z - m).exp()).sum();
    let terms = finite.iter().map(|z| {
        let d = m - z;
        let p = (-d).exp() / s;
        (p, d, exp(d.min(200.0)) + U * d.min(200.0))
    });
    let terms: Vec<(f64, f64, f64)> = terms.collect();
    let spread: f64 = terms.iter().map(|(p, d, _)| p * d).sum();
    let log_s = s.ln();
    let entropy = log_s + spread;
    // 64 in a run, the runs of an invocation, 6 of the slice.
    let merges = 70.0 + (z.len() as f64 / 64.0).ceil();
    let each = 8.0 * U * merges;
    let of_sum = terms.iter().map(|(p, _, e)| p * e).sum::<f64>() + each;
    let of_spread = 2.0
        * (terms.iter().map(|(p, d, e)| p * d * e).sum::<f64>() + (each + 2.0 * U) * spread)
        + spread * (DIV + of_sum);
    let largest = finite.iter().map(|z| z.abs()).fold(0.0, f64::max);
    let moved = off * largest;
    let of_log = of_sum + 4.0 * U * log_s;
    let lse = m + log_s;
    let log_prob = label.map_or(0.0, |y| (z[y] - m) - log_s);
    // The second order of all of this, and what is flushed.
    let more = |bound: f64| 1.01 * bound + TINY;
    let of_prob = match log_prob.is_finite() {
        true => more(of_log + 2.0 * moved + U * (log_prob.abs() + (log_prob + log_s).abs())),
        false => 0.0,
    };
    (
        [lse, log_prob, entropy],
        [
            more(of_log + moved + U * lse.abs()),
            if label.is_some() { of_prob } else { 0.0 },
            more(of_log + of_spread + 2.0 * moved * (entropy + 1.0) + U * entropy),
        ],
    )
}
