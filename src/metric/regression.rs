//! Numbers.

use super::exact::{NUMBER_UNIT, PRODUCT_UNIT, Tally, parts, value, whole};
use super::notes::{Notes, Undefined};
use super::samples::Samples;
use crate::error::{Error, Result};
use num_bigint::BigInt;

/// What is asked about numbers: nothing but what it always is. Every element is a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Regression {}

/// Figures of numbers: y the truth, ŷ the prediction, all means by weight. What is undefined is `None`, and `undefined`
/// says why.
#[derive(Debug, Clone, PartialEq)]
pub struct RegressionFigures {
    /// Samples, or the sum of their weights.
    pub n: f64,
    /// Whether there are weights.
    pub weighted: bool,
    /// `mean (y − ŷ)²`.
    pub mse: Option<f64>,
    /// `√mse`.
    pub rmse: Option<f64>,
    /// `mean |y − ŷ|`.
    pub mae: Option<f64>,
    /// `1 − Σ (y − ŷ)² / Σ (y − mean y)²`.
    pub r2: Option<f64>,
    /// `mean |y − ŷ| / max(|y|, ε)`, a share and no percentage; ε is f64's, as in scikit-learn.
    pub mape: Option<f64>,
    /// `max |y − ŷ|`, whatever the weights are.
    pub max_error: Option<f64>,
    /// `1 − Var(y − ŷ) / Var(y)`.
    pub explained_variance: Option<f64>,
    /// Pearson's correlation of y and ŷ.
    pub pearson_r: Option<f64>,
    /// What is `None`, and why.
    pub undefined: Vec<Undefined>,
}

impl Regression {
    /// Works the figures out, in f64.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) for arrays of different length or none at all,
    /// [`Error::BadSample`](crate::Error::BadSample) for a number that is not finite,
    /// [`Error::BadWeight`](crate::Error::BadWeight).
    pub fn figures(&self, samples: &Samples<'_>) -> Result<RegressionFigures> {
        let n = samples.count(1)?;
        let x = samples.finite()?;
        let y = samples.truth(n)?;
        let weights = samples.weights().unwrap_or_else(|| vec![1.0; n]);
        let total: f64 = weights.iter().sum();
        let mut notes = Notes::default();
        let notes = &mut notes;
        let why = "no sample has a weight";
        let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(|i| weights[i] * f(i)).sum::<f64>();
        let mut mean =
            |name: &'static str, f: &dyn Fn(usize) -> f64| notes.ratio(name, sum(f), total, why);
        let mse = mean("mse", &|i| (y[i] - x[i]).powi(2));
        let rmse = mean("rmse", &|i| (y[i] - x[i]).powi(2)).map(f64::sqrt);
        let mae = mean("mae", &|i| (y[i] - x[i]).abs());
        let mape = mean("mape", &|i| {
            (y[i] - x[i]).abs() / y[i].abs().max(f64::EPSILON)
        });
        let largest = (0..n).map(|i| (y[i] - x[i]).abs()).fold(0.0, f64::max);
        // Means first, then squares of what is left, so that a large mean takes no digits.
        let center = |f: &dyn Fn(usize) -> f64| if total == 0.0 { 0.0 } else { sum(f) / total };
        let (mx, my) = (center(&|i| x[i]), center(&|i| y[i]));
        let me = center(&|i| y[i] - x[i]);
        let constant = |v: &[f64]| {
            let mut there = v.iter().zip(&weights).filter(|(_, w)| **w > 0.0);
            let first = there.next();
            there.all(|(v, _)| Some(v) == first.map(|f| f.0))
        };
        // What is constant is so whatever its mean was rounded to.
        let spread = |v: &[f64], m: f64| match constant(v) {
            true => 0.0,
            false => sum(&|i| (v[i] - m).powi(2)),
        };
        let (xx, yy) = (spread(&x, mx), spread(&y, my));
        let errors = sum(&|i| (y[i] - x[i]).powi(2));
        let unexplained = sum(&|i| (y[i] - x[i] - me).powi(2));
        let constant = "the truth is constant";
        let both = sum(&|i| (x[i] - mx) * (y[i] - my));
        let r2 = notes.ratio("r2", errors, yy, constant).map(|v| 1.0 - v);
        let explained_variance = notes
            .ratio("explained_variance", unexplained, yy, constant)
            .map(|v| 1.0 - v);
        let pearson_r = notes
            .ratio(
                "pearson_r",
                both,
                xx.sqrt() * yy.sqrt(),
                "truth or prediction is constant",
            )
            .map(|r| r.clamp(-1.0, 1.0));
        Ok(RegressionFigures {
            n: total,
            weighted: samples.weight.is_some(),
            mse,
            rmse,
            mae,
            r2,
            mape,
            max_error: Some(largest),
            explained_variance,
            pearson_r,
            undefined: std::mem::take(&mut notes.0),
        })
    }
}

/// Exact sums that all figures follow of: y the truth, x the prediction, all by weight where samples have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegressionSums {
    tally: Tally,
    n: BigInt,
    y: BigInt,
    x: BigInt,
    gap: BigInt,
    yy: BigInt,
    xx: BigInt,
    xy: BigInt,
    share: BigInt,
    /// An f32 whose exponent has nine bits.
    largest: u32,
}

impl RegressionSums {
    /// Slots of what a device counts: samples; Σ y, Σ x, Σ |y − x|; Σ y², Σ x², Σ x·y; Σ |y − x|/max(|y|, ε).
    pub const fn slots(tally: Tally) -> usize {
        tally.cell() + 3 * tally.sum() + 3 * tally.products() + tally.shares()
    }

    /// Of so many slots, and the largest |y − x|.
    pub fn of_slots(tally: Tally, slots: &[u64], largest: u32) -> RegressionSums {
        let mut rest = slots;
        let mut next = |n: usize| {
            let (some, others) = rest.split_at(n.min(rest.len()));
            rest = others;
            whole(some)
        };
        RegressionSums {
            tally,
            n: next(tally.cell()),
            y: next(tally.sum()),
            x: next(tally.sum()),
            gap: next(tally.sum()),
            yy: next(tally.products()),
            xx: next(tally.products()),
            xy: next(tally.products()),
            share: next(tally.shares()),
            largest,
        }
    }

    /// The figures. Differences are taken before anything is rounded.
    pub fn figures(&self) -> Result<RegressionFigures> {
        if self.tally == Tally::Count && self.n == BigInt::ZERO {
            return Err(Error::mismatch("input", "at least one sample", "none"));
        }
        let mut notes = Notes::default();
        let notes = &mut notes;
        let unit = self.tally.unit();
        let n = value(&self.n, unit);
        let errors = &self.yy - (&self.xy << 1u32) + &self.xx;
        // n² times variances and covariance.
        let truth = &self.n * &self.yy - &self.y * &self.y;
        let predicted = &self.n * &self.xx - &self.x * &self.x;
        let both = &self.n * &self.xy - &self.x * &self.y;
        let bias = &self.y - &self.x;
        let explained = &truth - (&self.n * &errors - &bias * &bias);
        let found = &truth - &self.n * &errors;
        let mut mean = |name: &'static str, sum: &BigInt, of: i32| {
            let why = "no sample has a weight";
            notes.ratio(name, value(sum, of + unit), n, why)
        };
        let mse = mean("mse", &errors, PRODUCT_UNIT);
        let rmse = mean("rmse", &errors, PRODUCT_UNIT).map(f64::sqrt);
        let mae = mean("mae", &self.gap, NUMBER_UNIT);
        let mape = mean("mape", &self.share, NUMBER_UNIT);
        let mut share = |name: &'static str, a: &BigInt, b: &BigInt, why: &'static str| {
            let (a, b) = parts(a, b);
            notes.ratio(name, a, b, why)
        };
        let constant = "the truth is constant";
        let r2 = share("r2", &found, &truth, constant);
        let explained_variance = share("explained_variance", &explained, &truth, constant);
        // Its square as a quotient of whole numbers, its sign from the covariance.
        let why = "truth or prediction is constant";
        let square = share("pearson_r", &(&both * &both), &(&predicted * &truth), why);
        let sign = if both < BigInt::ZERO { -1.0 } else { 1.0 };
        let pearson_r = square.map(|square| sign * square.sqrt());
        let exponent = (self.largest >> 23) as i32;
        let mantissa = f64::from(self.largest & 0x007f_ffff);
        let largest = match exponent {
            0 => mantissa * 2f64.powi(NUMBER_UNIT),
            e => (mantissa + 2f64.powi(23)) * 2f64.powi(e - 150),
        };
        Ok(RegressionFigures {
            n,
            weighted: self.tally == Tally::Weight,
            mse,
            rmse,
            mae,
            r2,
            mape,
            max_error: Some(largest),
            explained_variance,
            pearson_r: pearson_r.map(|r| r.clamp(-1.0, 1.0)),
            undefined: std::mem::take(&mut notes.0),
        })
    }
}
