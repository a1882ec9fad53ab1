use super::{Law, Row, RowTerm, Rows, rounding, sign};
use crate::bounds::{DIV, SQRT, TINY, U};
use std::f64::consts::LN_2;

loss! {
    /// An anchor is to be nearer to a positive than to a negative, by a margin.
    Triplet: Rows, "triplet" {
        /// By how much.
        margin: f32 = 1.0, Any;
        /// The norm that distances are measured with: (Σ|v|^p)^(1/p).
        p: f32 = 2.0, AtLeastOne;
        /// Added to each difference, as PyTorch does.
        eps: f32 = 1e-6, NonNegative;
        /// Measures the negative's distance from the positive instead where that is the shorter one.
        swap: bool = false, Any;
    }
    formula: "max(0, margin + d(anchor, positive) − d(anchor, negative)), d(a, b) = ‖a − b + eps‖_p",
    agrees: "PyTorch",
    inputs: ["anchor", "positive", "negative"],
    domain: [Real, Real, Real],
    target: None,
}

/// A distance and its derivatives.
struct Distance {
    v: Vec<f64>,
    /// The largest |v|, and Σ (|v|/top)^p.
    top: f64,
    s: f64,
    d: f64,
    /// ∂d/∂v.
    slopes: Vec<f64>,
}

impl Distance {
    /// Of the vector `v`, in units of its largest number: so that the powers neither overflow nor vanish, and those that
    /// are equally large share the gradient, for any p.
    fn new(v: Vec<f64>, p: f64) -> Self {
        let larger = |top: f64, v: &f64| match v.abs() <= top || top.is_nan() {
            true => top,
            false => v.abs(),
        };
        let top = v.iter().fold(0.0, larger);
        let s: f64 = v.iter().map(|v| (v.abs() / top).powf(p)).sum();
        let slope = |v: &f64| sign(*v) * (v.abs() / top).powf(p - 1.0) * s.powf((1.0 - p) / p);
        let (d, slopes) = match top {
            0.0 => (0.0, vec![0.0; v.len()]),
            // Only what is infinite too has a part in it; with p = 1 every number has the same.
            f64::INFINITY => {
                let share = |v: &f64| match (p == 1.0, v.is_infinite()) {
                    (true, _) => sign(*v),
                    (_, true) => f64::NAN,
                    (_, false) => 0.0,
                };
                (top, v.iter().map(share).collect())
            }
            _ => (top * s.powf(1.0 / p), v.iter().map(slope).collect()),
        };
        Distance {
            v,
            top,
            s,
            d,
            slopes,
        }
    }
}

/// The errors of a distance and of its derivatives.
struct Errors {
    d: f64,
    slopes: Vec<f64>,
}

/// What is subtracted: the negative's distance from the anchor, or from the positive.
struct Choice {
    distance: f64,
    swapped: bool,
}

impl Triplet {
    fn distance(&self, a: &[f64], b: &[f64]) -> Distance {
        let eps = f64::from(self.eps);
        let v = a.iter().zip(b).map(|(a, b)| a - b + eps).collect();
        Distance::new(v, f64::from(self.p))
    }

    /// How far the shader's `distance` of `a` and `b` may be from `of`.
    fn errors(&self, of: &Distance, a: &[f64], b: &[f64], merges: f64) -> Errors {
        let p = f64::from(self.p);
        if of.top == 0.0 || !of.top.is_finite() {
            return Errors {
                d: 0.0,
                slopes: vec![0.0; of.v.len()],
            };
        }
        // The difference, then eps: each a rounding.
        let pairs = a.iter().zip(b).zip(&of.v);
        let moved: Vec<f64> = pairs
            .map(|((a, b), v)| rounding(a - b) + if self.eps == 0.0 { 0.0 } else { rounding(*v) })
            .collect();
        // A norm moves by no more than the norm of what its vector moves by.
        let e_vector = Distance::new(moved.clone(), p).d;
        // Up to p = 32 the shader counts in a power of two, exactly; beyond, in the largest number.
        let (plain, small) = (p == 1.0 || p == 2.0, p <= 32.0);
        let log = |v: f64| (v.abs() / of.top).ln();
        // An addend of s: its own power and those that merges scale it by, whose logarithms add up to its own
        // and two binary orders. Each 10U and its product, and what a rounded ratio makes of it.
        let addend = |v: f64| {
            let log = log(v).abs();
            match (plain, small) {
                (true, _) => U,
                (_, true) => {
                    (9.0 * p * (log + 2.0 * LN_2) + 11.0 * (2.0 + (log / LN_2)).min(2.0 + merges))
                        * U
                }
                (_, false) if log == 0.0 => 0.0,
                (_, false) => 9.0 * p * log * U + merges * (11.0 * U + p * DIV),
            }
        };
        let shares = of.v.iter().map(|&v| ((p * log(v)).exp() / of.s, v));
        let e_sum: f64 = shares
            .filter(|&(share, _)| share > 0.0)
            .map(|(share, v)| share * addend(v))
            .sum();
        let e_s = e_sum + merges * U;
        // The shader's s is up to 2^p times as large.
        let log_s = of.s.ln() + if small { p * LN_2 } else { 0.0 };
        let e_root = match p {
            1.0 => 0.0,
            2.0 => SQRT,
            _ => (9.0 * U + DIV) * log_s / p + 10.0 * U,
        };
        let e_d = e_s / p + e_root + U;
        let slopes = of.v.iter().zip(&of.slopes).zip(&moved);
        let slopes = slopes.map(|((v, slope), moved)| {
            let slope = slope.abs();
            if *moved > 0.0 && *moved >= v.abs() {
                // The sign may be any.
                let most = ((v.abs() + moved) / of.d).min(1.0);
                return slope + most.powf(p - 1.0);
            }
            if p == 1.0 || *v == 0.0 {
                return 0.0;
            }
            // The logarithm of the slope (|v|/top)^(p-1) / s^((p-1)/p): what v and d are off by, times p - 1; the
            // ratio; both powers, the second's exponent, their quotient.
            let log_slope = (p - 1.0) * (log(*v) - of.s.ln() / p);
            let ratio = match small || (v.abs() == of.top && e_vector == 0.0) {
                true => 0.0,
                false => DIV,
            };
            let log_r = log(*v).abs() + if small { LN_2 } else { 0.0 };
            let (own, powers) = match p {
                // By one over the distance, where that is not small; and numbers that are not normal may count as 0.
                2.0 => (2.0 * TINY / v.abs().max(TINY), SQRT + DIV + U),
                _ => (
                    9.0 * (p - 1.0) * log_r * U,
                    20.0 * U + (9.0 * U + DIV) * log_s + DIV,
                ),
            };
            let given = moved / v.abs() + e_vector / of.d;
            let error = (p - 1.0) * (given + ratio + e_s / p) + own + powers;
            // Neither side can be above 1, but by what the powers are off; a power does not go below TINY.
            let up = (log_slope + error).min(powers).exp();
            let down = (log_slope - error).exp();
            (up - slope).max(slope - down).max(0.0) + TINY
        });
        Errors {
            d: of.d * e_d + e_vector,
            slopes: slopes.collect(),
        }
    }

    fn choose(&self, from_anchor: f64, from_positive: f64) -> Choice {
        // A NaN is the shorter one, whichever it is.
        let swapped = self.swap
            && !from_anchor.is_nan()
            && (from_positive < from_anchor || from_positive.is_nan());
        Choice {
            distance: if swapped { from_positive } else { from_anchor },
            swapped,
        }
    }
}

/// The gradient by anchor, positive and negative, from the slopes of the positive's distance and of the other one,
/// which is subtracted: `minus` is -1. With 1 it is what errors of the slopes add up to.
fn gradient(near: &[f64], far: &[f64], swapped: bool, minus: f64) -> Vec<Vec<f64>> {
    let pairs = || near.iter().zip(far);
    match swapped {
        false => vec![
            pairs().map(|(n, f)| n + minus * f).collect(),
            near.iter().map(|n| minus * n).collect(),
            far.to_vec(),
        ],
        true => vec![
            near.to_vec(),
            pairs().map(|(n, f)| minus * (n + f)).collect(),
            far.to_vec(),
        ],
    }
}

impl Rows for Triplet {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        let (anchor, positive, negative) = (row.x[0], row.x[1], row.x[2]);
        let near = self.distance(anchor, positive);
        let far = self.distance(anchor, negative);
        let other = self.distance(positive, negative);
        let choice = self.choose(far.d, other.d);
        // The difference first: beside large distances the margin would be lost.
        let loss = f64::from(self.margin) + (near.d - choice.distance);
        let all = |v: f64| vec![vec![v; anchor.len()]; 3];
        RowTerm {
            loss: if loss <= 0.0 { 0.0 } else { loss },
            grads: match loss {
                l if l.is_nan() => all(f64::NAN),
                l if l <= 0.0 => all(0.0),
                _ if choice.swapped => gradient(&near.slopes, &other.slopes, true, -1.0),
                _ => gradient(&near.slopes, &far.slopes, false, -1.0),
            },
        }
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        let (anchor, positive, negative) = (row.x[0], row.x[1], row.x[2]);
        let of = |a, b| {
            let distance = self.distance(a, b);
            let errors = self.errors(&distance, a, b, row.merges);
            (distance, errors)
        };
        let (near, e_near) = of(anchor, positive);
        let (far, e_far) = of(anchor, negative);
        let (other, e_other) = of(positive, negative);
        let choice = self.choose(far.d, other.d);
        let either = self.swap && (far.d - other.d).abs() <= e_far.d + e_other.d;
        let e_chosen = match (either, choice.swapped) {
            (true, _) => e_far.d.max(e_other.d),
            (_, true) => e_other.d,
            (_, false) => e_far.d,
        };
        let gap = near.d - choice.distance;
        let loss = f64::from(self.margin) + gap;
        let error = match loss.is_finite() {
            true => e_near.d + e_chosen + U * (gap.abs() + loss.abs()),
            false => 0.0,
        };
        if loss < -error {
            return RowTerm {
                loss: 0.0,
                grads: vec![vec![0.0; anchor.len()]; 3],
            };
        }
        let variant = |swapped: bool| match swapped {
            true => (
                gradient(&near.slopes, &other.slopes, true, -1.0),
                gradient(&e_near.slopes, &e_other.slopes, true, 1.0),
            ),
            false => (
                gradient(&near.slopes, &far.slopes, false, -1.0),
                gradient(&e_near.slopes, &e_far.slopes, false, 1.0),
            ),
        };
        let (values, mut errors) = variant(choice.swapped);
        let (second, e_second) = variant(!choice.swapped);
        let kink = loss.abs() <= error;
        for (k, errors) in errors.iter_mut().enumerate() {
            for (c, error) in errors.iter_mut().enumerate() {
                let value = values[k][c];
                *error += U * value.abs();
                // On the other side of a tie, or of the kink.
                if either {
                    *error += (second[k][c] - value).abs() + e_second[k][c];
                }
                if kink {
                    *error += value.abs();
                }
            }
        }
        RowTerm {
            loss: error,
            grads: errors,
        }
    }

    fn laws(&self) -> Vec<Law> {
        vec![
            Law::Columns,
            Law::Shift(&[0, 1, 2]),
            Law::scale(&[0, 1, 2], &["margin", "eps"], 1.0),
        ]
    }
}
