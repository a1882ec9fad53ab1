//! What the references of several losses share. Written from the formula, as the losses are.

use super::{Row, RowTarget};
use crate::bounds::U;

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

/// What rounding `v` to f32 may be off by: nothing where it is one, which a sum near a kink often is.
pub(super) fn rounding(v: f64) -> f64 {
    match f64::from(v as f32) == v {
        true => 0.0,
        false => U * v.abs(),
    }
}

/// What flushing takes from `v` where everything below `least` may become 0.
pub(super) fn flushed(v: f64, least: f64) -> f64 {
    if v != 0.0 && v.abs() < least {
        least
    } else {
        0.0
    }
}
