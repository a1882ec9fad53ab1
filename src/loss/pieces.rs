//! What the references of several losses share. Written from the formula, as the losses are.

use super::{Row, RowTarget};
use crate::bounds::{DIV, TINY, U, exp};

/// A probability clipped to `[clip, 1 − clip]`, its complement and both logarithms; which stay exact where
/// 1 − (1 − clip) would not.
pub(super) struct Clipped {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) log_x: f64,
    pub(super) log_y: f64,
    /// Whether it was between the bounds, so that a gradient passes.
    pub(super) inside: bool,
}

impl Clipped {
    pub(super) fn new(x: f64, clip: f32) -> Self {
        let clip = f64::from(clip);
        let (low, high) = ((clip, clip.ln()), (1.0 - clip, (-clip).ln_1p()));
        let ((x, log_x), (y, log_y), inside) = match (x <= clip, 1.0 - x <= clip) {
            (true, _) => (low, high, false),
            (false, true) => (high, low, false),
            (false, false) => ((x, x.ln()), (1.0 - x, (-x).ln_1p()), true),
        };
        Clipped {
            x,
            y,
            log_x,
            log_y,
            inside,
        }
    }
}

/// The sign of `v`: 0 at 0, NaN at NaN.
pub(super) fn sign(v: f64) -> f64 {
    if v == 0.0 || v.is_nan() {
        v
    } else {
        v.signum()
    }
}

/// What [`class_balance`] is made of, all parts positive: its rounding error is proportional to that.
pub(super) fn class_balance_size(alpha: f32, t: f64) -> f64 {
    let alpha = f64::from(alpha);
    match alpha < 0.0 {
        true => 1.0,
        false => (alpha * t).abs() + ((1.0 - alpha) * (1.0 - t)).abs(),
    }
}

/// A label of ±1, where 0 stands for −1.
pub(super) fn signed_label(t: f64) -> f64 {
    if t == 0.0 { -1.0 } else { t }
}

/// `alpha` for the positive class, `1 − alpha` for the negative one; 1 below 0.
pub(super) fn class_balance(alpha: f32, t: f64) -> f64 {
    let alpha = f64::from(alpha);
    match alpha < 0.0 {
        true => 1.0,
        false => alpha * t + (1.0 - alpha) * (1.0 - t),
    }
}

/// w·v, where what has no weight contributes nothing: 0·∞ is 0. A NaN stays one.
pub(super) fn weighed(w: f64, v: f64) -> f64 {
    if w == 0.0 && !v.is_nan() { 0.0 } else { w * v }
}

/// The class of a row. A loss of labels has no other target.
pub(super) fn label(row: &Row<'_>) -> usize {
    match row.target {
        RowTarget::Class(y) => y,
        _ => 0,
    }
}

/// The power of two that a shader's `room` multiplies the numbers of a row by, so that a few sums of all of them stay
/// in range.
pub(super) fn room(cols: usize) -> f64 {
    0.125 / 2f64.powf(f64::from(cols.max(1).ilog2()))
}
/// Relative error of the built-in `sqrt`: WGSL derives it from `1/inverseSqrt`, 2 ulp and then a division.
pub(super) const SQRT: f64 = 4.0 * U + DIV;

/// Σ a·b.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What the rounding errors of Σ a·b are proportional to.
pub(super) fn dot_size(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum()
}

/// w·v, and 0 where w is: a part without weight is no part.
pub(super) fn part(w: f64, v: f64) -> f64 {
    if w == 0.0 { 0.0 } else { w * v }
}

/// The distribution behind a row of logits x: softmax(x/T).
pub(super) struct Softmax {
    /// x/T as distances from the largest.
    pub(super) below: Vec<f64>,
    /// The logarithm of the sum of their exponentials.
    pub(super) log_s: f64,
    /// The largest magnitude of a finite x/T.
    pub(super) size: f64,
    /// Relative error of x/T.
    tempered: f64,
    merges: f64,
}

impl Softmax {
    pub(super) fn new(x: &[f64], temperature: f32, merges: f64) -> Self {
        let t = f64::from(temperature);
        let z = || x.iter().map(|x| x / t);
        let max = z().fold(f64::NEG_INFINITY, f64::max);
        let below: Vec<f64> = z().map(|z| z - max).collect();
        let sizes = z().map(f64::abs).filter(|z| z.is_finite());
        Softmax {
            log_s: below.iter().map(|b| b.exp()).sum::<f64>().ln(),
            below,
            size: sizes.fold(0.0, f64::max),
            tempered: if t == 1.0 { 0.0 } else { DIV },
            merges,
        }
    }

    pub(super) fn log_p(&self) -> impl Iterator<Item = f64> {
        self.below.iter().map(|b| b - self.log_s)
    }

    /// Error of a difference of two x/T, beside its own rounding.
    pub(super) fn logit_error(&self) -> f64 {
        2.0 * self.size * self.tempered
    }

    /// Relative error of an exponential in the sum: 3 ulp, 2 for each unit of its argument, the rounding of
    /// that; the shifts of all merges add up to one such argument, and each merge adds 8U.
    pub(super) fn exp_error(&self, below: f64) -> f64 {
        let shift = (-below).min(200.0);
        exp(shift) + U * shift + self.logit_error() + self.merges * 8.0 * U
    }

    /// Relative error of the sum: that of each exponential, by its share.
    pub(super) fn sum_error(&self) -> f64 {
        let parts = self.below.iter().zip(self.log_p());
        let finite = parts.filter(|(b, _)| b.is_finite());
        finite.map(|(&b, log)| log.exp() * self.exp_error(b)).sum()
    }

    /// Absolute error of each probability, an exponential divided by the sum.
    pub(super) fn errors(&self) -> Vec<f64> {
        let e_sum = self.sum_error();
        let parts = self.below.iter().zip(self.log_p());
        parts
            .map(|(&b, log)| match b.is_finite() {
                true => log.exp() * (self.exp_error(b) + e_sum + DIV + 3.0 * U) + TINY,
                false => 0.0,
            })
            .collect()
    }
}
