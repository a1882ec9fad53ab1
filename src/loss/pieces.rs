//! What the references of several losses share. Written from the formula, as the losses are.

use super::{Row, RowTarget, RowTerm};
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

/// Σ a·b.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What the rounding errors of Σ a·b are proportional to.
pub(super) fn dot_size(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum()
}

/// What a cosine of vectors with these norms may lose where sums are plain, which they may be for norms from 2⁻²⁰ on:
/// a product or a number that is not normal counts as 0.
pub(super) fn cosine_lost(a: &[f64], b: &[f64], a_norm: f64, b_norm: f64) -> f64 {
    if a_norm.min(b_norm) < 2f64.powi(-20) {
        return 0.0;
    }
    let sizes: f64 = a.iter().chain(b).map(|v| v.abs()).sum();
    TINY * (a.len() as f64 + sizes) / (a_norm * b_norm)
}

/// w·v, and 0 where w is, whatever v is: a part without weight is no part.
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

/// One minus a ratio of overlap, 1 − (TP + s)/(TP + αFP + βFN + s), with TP = Σ w·p·t, FP = Σ w·p·(1 − t) and
/// FN = Σ w·(1 − p)·t. As (αFP + βFN)/(TP + αFP + βFN + s), in which nothing cancels for p and t in [0, 1].
pub(super) struct Overlap {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) smooth: f64,
}

/// What an input predicts.
pub(super) struct Predicted {
    p: f64,
    /// 1 − p.
    q: f64,
    /// dp/dx.
    slope: f64,
    /// Relative error of p and q in the shader, beside one rounding.
    error: f64,
}

/// The input is the probability.
pub(super) fn probability(x: f64) -> Predicted {
    Predicted {
        p: x,
        q: 1.0 - x,
        slope: 1.0,
        error: 0.0,
    }
}

/// The input is a logit.
pub(super) fn logit(x: f64) -> Predicted {
    let (p, q) = (1.0 / (1.0 + (-x).exp()), 1.0 / (1.0 + x.exp()));
    Predicted {
        p,
        q,
        slope: p * q,
        // As the comment on `sigmoid` says.
        error: exp(x.clamp(-200.0, 200.0)) + 12.0 * U,
    }
}

/// A sum over a set in f64, the sum of its terms' magnitudes, and the error of the shader's.
struct Sum {
    value: f64,
    size: f64,
    error: f64,
}

impl Overlap {
    fn columns(row: &Row<'_>, predict: fn(f64) -> Predicted) -> Vec<(f64, Predicted, f64)> {
        let x = row.x[0].iter().enumerate();
        x.map(|(j, &x)| {
            let w = row.weight.map_or(1.0, |w| w[j]);
            (w, predict(x), row.target_at(j))
        })
        .collect()
    }

    pub(super) fn row(&self, row: &Row<'_>, predict: fn(f64) -> Predicted) -> RowTerm {
        let columns = Self::columns(row, predict);
        let sum = |term: fn(&Predicted, f64) -> f64| -> f64 {
            columns.iter().map(|(w, x, t)| w * term(x, *t)).sum()
        };
        let (alpha, beta) = (self.alpha, self.beta);
        let miss = alpha * sum(|x, t| x.p * (1.0 - t)) + beta * sum(|x, t| x.q * t);
        let hit = sum(|x, t| x.p * t) + self.smooth;
        let whole = hit + miss;
        if miss == 0.0 && whole == 0.0 {
            // Nothing there, nothing predicted, and no smoothing.
            return RowTerm {
                loss: 0.0,
                grads: vec![vec![0.0; columns.len()]],
            };
        }
        let (loss, rest) = (miss / whole, hit / whole);
        let grad = columns.iter().map(|(w, x, t)| {
            // d miss = α(1 − t) − βt and d whole = t + d miss: (d miss − L·d whole)/whole, with 1 − L = rest.
            let turn = (alpha * (1.0 - t) - beta * t) * rest - loss * t;
            w * x.slope * turn / whole
        });
        RowTerm {
            loss,
            grads: vec![grad.collect()],
        }
    }

    pub(super) fn bound(&self, row: &Row<'_>, predict: fn(f64) -> Predicted) -> RowTerm {
        let columns = Self::columns(row, predict);
        let (alpha, beta, smooth) = (self.alpha, self.beta, self.smooth);
        let most = alpha.max(beta).max(1.0);
        // Every term and every merge may lose a subnormal, in units of the largest weight (times the largest p and t
        // where those are above 1).
        let unit = columns.iter().fold(0.0, |m: f64, (w, x, t)| {
            m.max(w * x.p.abs().max(1.0) * t.abs().max(1.0))
        });
        // Plain sums, which may be where they are not small, lose as much in units of 1.
        let total: f64 = columns
            .iter()
            .map(|(w, x, t)| w * (x.p.abs() + 1.0) * (t.abs() + 1.0))
            .sum();
        let unit = if total >= 2f64.powi(-20) {
            unit.max(1.0)
        } else {
            unit
        };
        let lost = 2.0 * (columns.len() + 1) as f64 * TINY * unit * most;
        // A term: 1 − t or 1 − p, two products; and an addition in each merge, which scales by powers of two.
        let rounded = (3.0 + row.merges) * U;
        // A subnormal weight may count as 0.
        let gone = |w: f64| f64::from(u8::from(w < TINY));
        let sum = |term: fn(&Predicted, f64) -> f64| {
            let (mut value, mut size, mut error) = (0.0, 0.0, 0.0);
            for (w, x, t) in &columns {
                let v = w * term(x, *t);
                value += v;
                size += v.abs();
                error += v.abs() * (x.error + rounded + gone(*w));
            }
            error += if size > 0.0 { lost } else { 0.0 };
            Sum { value, size, error }
        };
        let tp = sum(|x, t| x.p * t);
        let fp = sum(|x, t| x.p * (1.0 - t));
        let missed = sum(|x, t| x.q * t);
        // A product each and their sum; a subnormal alpha or beta may be lost.
        let size = alpha * fp.size + beta * missed.size;
        let miss = Sum {
            value: alpha * fp.value + beta * missed.value,
            size,
            error: alpha * fp.error
                + beta * missed.error
                + 2.0 * U * size
                + if size > 0.0 {
                    TINY * (fp.size + missed.size)
                } else {
                    0.0
                },
        };
        let hit = Sum {
            value: tp.value + smooth,
            size: tp.size + smooth,
            error: tp.error + U * (tp.size + smooth) + if smooth > 0.0 { TINY } else { 0.0 },
        };
        let whole = hit.value + miss.value;
        let e_whole = hit.error + miss.error + U * (hit.size + miss.size);
        let everywhere = |loss: f64| RowTerm {
            loss,
            grads: vec![vec![loss; columns.len()]],
        };
        if hit.size + miss.size == 0.0 {
            return everywhere(0.0);
        }
        let room = whole.abs() - e_whole;
        if room <= 0.0 {
            // Nothing is left of the divisor but its error.
            return everywhere(f64::INFINITY);
        }
        let ratio = |s: &Sum| {
            let value = (s.value / whole).abs();
            let error = match s.size > 0.0 {
                true => (s.error + value * e_whole) / room + DIV * value + TINY,
                false => 0.0,
            };
            (value, error)
        };
        let ((loss, e_loss), (rest, e_rest)) = (ratio(&miss), ratio(&hit));
        let grad = columns.iter().map(|(w, x, t)| {
            // α(1 − t) − βt: 1 − t, two products, a difference. Its product, L·t, their difference.
            let (a, b, t) = (alpha * (1.0 - t).abs(), beta * t.abs(), t.abs());
            let side = (alpha * (1.0 - t) - beta * t).abs();
            let size = side * rest + loss * t;
            let e_turn = side * e_rest
                + rest * 3.0 * U * (a + b)
                + t * e_loss
                + 2.0 * U * size
                + 4.0 * TINY * most * t.max(1.0);
            // The division, the product with the weight, the slope (of p and q two errors and a product).
            let relative = DIV + 2.0 * U + 2.0 * x.error + 2.0 * U + gone(*w);
            let slope = w * x.slope;
            slope * ((e_turn + size / whole.abs() * e_whole) / room + relative * size / room)
                + w * 2.0 * TINY * size / room
                + TINY
        });
        RowTerm {
            loss: e_loss,
            grads: vec![grad.collect()],
        }
    }
}

/// What rounding `v` to f32 may be off by: nothing where it is one, which a sum near a kink often is.
pub(super) fn rounding(v: f64) -> f64 {
    match f64::from(v as f32) == v {
        true => 0.0,
        false => U * v.abs(),
    }
}

/// What the shader's `half_gap` may lose of a − b: half of a number may be subnormal where that is not.
pub(super) fn gap_lost(a: f64, b: f64) -> f64 {
    2.0 * (flushed(0.5 * a, TINY) + flushed(0.5 * b, TINY))
}

/// What flushing takes from `v` where everything below `least` may become 0.
pub(super) fn flushed(v: f64, least: f64) -> f64 {
    if v != 0.0 && v.abs() < least {
        least
    } else {
        0.0
    }
}
