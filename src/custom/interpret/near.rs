//! Arithmetic of f32 on a GPU, as far as WGSL promises it: every number with the range that it may lie in.
//!
//! The f64 value goes along unchanged. The range holds what f32 arithmetic may come to with the precision of
//! [`bounds`](crate::bounds), and what exact arithmetic on the same operands would: a GPU may fuse an operation with the next one.
//! So an exact result that is an f32 has no error of its own, and equal numbers differ by exactly 0.
//!
//! - `+ − ×` are off by [`U`] where the result is no f32, up or down. That the error of rounding to nearest is known would be of no
//!   use: drivers make (x + x)·x of x·x + x·x. So a sum of three numbers or more, or of two products, may be off by `U` of all its terms
//!   even if it is exact. Products whose factors are reordered until they overflow go beyond what is said here.
//! - What may be subnormal may be 0.
//! - Beyond the largest f32 lies infinity, and infinities follow IEEE 754, as on every GPU; WGSL itself promises nothing there. So the
//!   smaller of an overflow and 1 is 1, and the exponential of -∞ is 0.
//! - Where the result is undefined (∞ - ∞, 0·∞, a division by what may be 0, a root of what may be negative, and whatever WGSL gives no
//!   accuracy for, such as `sin` beyond π) the number is wild: it may be anything, NaN included, and so is all that is made of it.
//! - A comparison that the ranges leave open, and a step (`floor`, `sign`, a conversion to an integer, ...) between them, is taken both
//!   ways, one after the other: see [`Ways`].

use std::cell::Cell;
use std::num::FpCategory;

use half::f16;
use naga::{BinaryOperator, MathFunction};

use super::MOST_WAYS;
use super::expression::holds;
use super::floats::{Floats, MOST_I32, MOST_U32, Plain, frexp, ldexp};
use super::math::expanded;
use crate::bounds::{
    ACOS, ASIN, ATAN, DIV, INVERSE_SQRT, LOG, LOG_NEAR_1, SIN, SQRT, TANH, TINY, U, UNPACK, exp,
};

/// The largest f32.
const MOST: f64 = f32::MAX as f64;

/// What products of up to ten errors add to their sum.
const SECOND: f64 = 1.0 + 8.0 * U;

/// Divisors of more than 2¹²⁶ have no accuracy: their reciprocals are subnormal.
const MOST_DIVISOR: f64 = 1.0 / TINY;

/// Whole numbers between two ends that are taken one by one as floats; more of them are a range.
const MOST_STEPS: f64 = 2.0;

/// A number, and the range of what it may be in f32.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Near {
    /// As f64 has it.
    pub v: f64,
    /// NaN, as `hi`, if it may be anything.
    lo: f64,
    hi: f64,
    /// What it is a sum of, that a driver may reorder: none of a number that stands for itself.
    terms: Option<Terms>,
}

/// The terms of a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Terms {
    /// A number counts as 2, a product as 3.
    weight: u32,
    /// The magnitudes of all, together.
    size: f64,
    /// Their exact sum, each term with the range that it has.
    lo: f64,
    hi: f64,
}

/// Sums of this weight may be reordered: three numbers, or two products, whose common factor may be taken out.
const REORDERED: u32 = 6;

impl Near {
    /// A number that is given to a GPU as an f32.
    pub fn of(v: f64) -> Near {
        rounded(v, v, v)
    }

    /// A number that f32 arithmetic made, this near to what it should be; infinitely far is anything.
    pub fn around(v: f64, bound: f64) -> Near {
        match bound {
            0.0 => Near::of(v),
            _ if !bound.is_finite() => Near::wild(v),
            _ => within(v, v - bound, v + bound),
        }
    }

    fn wild(v: f64) -> Near {
        let (lo, hi, terms) = (f64::NAN, f64::NAN, None);
        Near { v, lo, hi, terms }
    }

    pub fn is_wild(&self) -> bool {
        self.lo.is_nan()
    }

    /// What either may be.
    pub fn or(self, other: Near) -> Near {
        match other.is_wild() {
            true => Near::wild(self.v),
            false if self.is_wild() => self,
            false => Near {
                v: self.v,
                lo: self.lo.min(other.lo),
                hi: self.hi.max(other.hi),
                terms: None,
            },
        }
    }

    fn or_zero(self) -> Near {
        self.or(Near::default())
    }

    /// How far f32 may be from the value.
    pub fn bound(&self) -> f64 {
        if self.is_wild() {
            return f64::INFINITY;
        }
        if self.lo == self.v && self.hi == self.v {
            return 0.0;
        }
        // The ends are f64 themselves, 2⁻⁵³ off by each operation where f32 is 2⁻²⁴.
        (self.hi - self.v).max(self.v - self.lo) * (1.0 + 1e-6)
    }

    /// The same range around another value.
    fn with(self, v: f64) -> Near {
        within(v, self.lo, self.hi)
    }

    fn terms(&self) -> Terms {
        self.terms.unwrap_or(Terms {
            weight: 2,
            size: self.most(),
            lo: self.lo,
            hi: self.hi,
        })
    }

    /// The largest magnitude.
    fn most(&self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    fn holds_infinity(&self) -> bool {
        self.lo == f64::NEG_INFINITY || self.hi == f64::INFINITY
    }

    /// Whether it may be 0, or become it where subnormals do.
    fn holds_zero(&self) -> bool {
        self.lo < TINY && self.hi > -TINY
    }

    fn is_zero(&self) -> bool {
        self.lo == 0.0 && self.hi == 0.0
    }

    fn is_point(&self) -> bool {
        self.lo == self.hi
    }
}

/// A range with what f32 makes of its ends. Nothing else is done to them: they are what an operation may come to.
fn within(v: f64, lo: f64, hi: f64) -> Near {
    if v.is_nan() || lo.is_nan() || hi.is_nan() {
        return Near::wild(v);
    }
    let out = |end: f64, up: f64| match end.abs() > MOST && end.is_finite() {
        // An overflow is infinite, or the largest number where it is fused with what brings it back.
        true if end.signum() == up => f64::INFINITY.copysign(end),
        true => MOST.copysign(end),
        false => end,
    };
    let (lo, hi) = (out(lo, -1.0), out(hi, 1.0));
    Near {
        v,
        lo: if lo > 0.0 && lo < TINY { 0.0 } else { lo },
        hi: if hi < 0.0 && hi > -TINY { 0.0 } else { hi },
        terms: None,
    }
}

/// Off by a rounding at either end, unless it is an f32.
fn rounded(v: f64, lo: f64, hi: f64) -> Near {
    let error = |end: f64| match f64::from(end as f32) == end {
        true => 0.0,
        false => off(end, U),
    };
    within(v, lo - error(lo), hi + error(hi))
}

/// The error at `y` that comes with a relative one. The ulp of subnormals is that of the smallest normal number.
fn off(y: f64, relative: f64) -> f64 {
    match y == 0.0 || y.is_infinite() {
        true => 0.0,
        false => relative * y.abs().max(TINY),
    }
}

/// A range with a relative error at both ends.
fn loose(v: f64, lo: f64, hi: f64, relative: f64) -> Near {
    within(v, lo - off(lo, relative), hi + off(hi, relative))
}

/// Least and largest of the corners of a function over two ranges.
fn corners(a: Near, b: Near, of: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    if a.is_point() && b.is_point() {
        let one = of(a.lo, b.lo);
        return (one, one);
    }
    let all = [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)].map(|(a, b)| of(a, b));
    all.into_iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            match v.is_nan() {
                true => (v, v),
                // Once NaN, both stay so.
                false if lo.is_nan() => (lo, hi),
                false => (lo.min(v), hi.max(v)),
            }
        })
}

/// One choice of a run.
#[derive(Debug, Clone, Copy)]
struct Choice {
    /// How many steps from what f64 chooses.
    way: usize,
    count: usize,
}

/// f32 arithmetic, and the ways that it may go.
///
/// A run takes the choices of `taken` in their order, and behind them those that f64 takes, which it appends. [`another`](Ways::another)
/// then leads into the next way, depth first, until all have been gone.
#[derive(Default)]
pub(super) struct Ways {
    taken: Cell<Vec<Choice>>,
    next: Cell<usize>,
    lost: Cell<bool>,
}

impl Ways {
    /// Goes back to the start, with other choices; false if there are no others.
    pub fn another(&self) -> bool {
        let mut taken = self.taken.take();
        while let Some(last) = taken.last_mut() {
            last.way += 1;
            if last.way < last.count {
                break;
            }
            taken.pop();
        }
        let more = !taken.is_empty();
        self.taken.set(taken);
        self.next.set(0);
        more
    }

    /// There are too many ways: nothing is known of the results.
    pub fn lose(&self) {
        self.lost.set(true);
    }

    pub fn lost(&self) -> bool {
        self.lost.get()
    }

    /// One of `count` ways, by the one that f64 goes.
    fn pick(&self, count: usize, own: usize) -> usize {
        let mut taken = self.taken.take();
        let at = self.next.get();
        let way = match taken.get(at) {
            Some(choice) => choice.way,
            None => {
                // Each choice leads into one more way at least.
                match taken.len() + 1 < MOST_WAYS {
                    true => taken.push(Choice { way: 0, count }),
                    false => self.lose(),
                }
                0
            }
        };
        self.next.set(at + 1);
        self.taken.set(taken);
        (own + way) % count.max(1)
    }

    /// The whole numbers from `lo` to `hi`, one after the other; those of f64 first. Too many are a range.
    fn stepped(&self, own: f64, lo: f64, hi: f64) -> Near {
        let steps = hi - lo;
        if !(steps > 0.0 && steps <= MOST_STEPS) {
            return within(own, lo, hi);
        }
        let first = (own - lo).clamp(0.0, steps) as usize;
        let picked = self.pick(steps as usize + 1, first);
        let whole = lo + picked as f64;
        let v = if picked == first { own } else { whole };
        within(v, whole, whole)
    }

    /// A whole number from a range of them; if there are too many, all is lost.
    fn whole(&self, v: Near, low: f64, high: f64) -> f64 {
        let bring = |v: f64| v.trunc().clamp(low, high);
        let (own, lo, hi) = (bring(v.v), bring(v.lo), bring(v.hi));
        let steps = hi - lo;
        if steps == 0.0 {
            return own;
        }
        if steps.is_nan() || steps >= MOST_WAYS as f64 {
            self.lose();
            return own;
        }
        let first = (own - lo).clamp(0.0, steps) as usize;
        lo + self.pick(steps as usize + 1, first) as f64
    }

    /// A number without the whole number of `step` before it, and that one; the fraction lies between `least` and 1.
    fn parted(&self, v: Near, step: fn(f64) -> f64, least: f64) -> (Near, Near) {
        let whole = self.stepped(step(v.v), step(v.lo), step(v.hi));
        let k = whole.lo;
        if v.is_wild() || v.holds_infinity() {
            return (Near::wild(v.v - step(v.v)), whole);
        }
        if !whole.is_point() {
            return (within(v.v - step(v.v), least, 1.0), whole);
        }
        // What has this whole number before it.
        let (low, high) = match k {
            k if k > 0.0 || least == 0.0 => (k, k + 1.0),
            k if k < 0.0 => (k - 1.0, k),
            _ => (-1.0, 1.0),
        };
        let here = Near {
            v: if step(v.v) == k {
                v.v
            } else {
                v.v.max(low).min(high)
            },
            lo: v.lo.max(low),
            hi: v.hi.min(high),
            terms: None,
        };
        let fraction = self.difference(here, within(k, k, k));
        (fraction.with(fraction.v), whole)
    }

    /// The least and the greatest angle, with the error of an arc tangent.
    fn angle(&self, v: f64, y: Near, x: Near) -> Near {
        if y.is_wild() || x.is_wild() || y.holds_zero() && x.holds_zero() {
            return Near::wild(v);
        }
        // Over the cut, a zero of either sign.
        let cut = x.lo < 0.0 && y.lo <= 0.0 && y.hi >= 0.0;
        let (lo, hi) = match cut {
            true => (-std::f64::consts::PI, std::f64::consts::PI),
            false => corners(y, x, f64::atan2),
        };
        loose(v, lo, hi, ATAN)
    }

    fn exp(&self, x: Near, power: fn(f64) -> f64) -> Near {
        let (lo, hi) = (power(x.lo), power(x.hi));
        let low = (lo - off(lo, exp(x.lo))).max(0.0);
        // `max` forgets a NaN.
        let low = if lo.is_nan() { lo } else { low };
        // Among subnormals, the error grows where the number falls; but no more comes than a subnormal.
        let small = match x.lo < x.hi && lo < TINY {
            true => TINY * exp(x.lo).min(1.0),
            false => 0.0,
        };
        within(power(x.v), low, hi + off(hi, exp(x.hi)).max(small))
    }

    fn log(&self, x: Near, log: fn(f64) -> f64) -> Near {
        let (v, lo, hi) = (log(x.v), log(x.lo), log(x.hi));
        if x.lo < 0.0 {
            return Near::wild(v);
        }
        let near_1 = if x.lo <= 2.0 && x.hi >= 0.5 {
            LOG_NEAR_1
        } else {
            0.0
        };
        let error = near_1.max(off(lo, LOG)).max(off(hi, LOG));
        // That of 0 is -∞, or as if 0 were subnormal.
        let hi = if x.hi < TINY { log(TINY) } else { hi };
        within(v, lo - error, hi + error)
    }

    /// Of `sin` and `cos`, which change by no more than their argument does.
    fn wave(&self, x: Near, wave: fn(f64) -> f64) -> Near {
        let v = wave(x.v);
        // As an f32, π is a little more.
        if x.is_wild() || x.most() > f64::from(std::f32::consts::PI) {
            return Near::wild(v);
        }
        let (middle, radius) = (0.5 * (x.lo + x.hi), 0.5 * (x.hi - x.lo));
        let (at, error) = (wave(middle), radius + SIN);
        within(v, at - error, at + error)
    }

    /// (eˣ ± e⁻ˣ)/2.
    fn hyperbolic(&self, x: Near, with: fn(&Self, Near, Near) -> Near) -> Near {
        let [up, down] = [x, self.negated(x)].map(|x| self.exp(x, f64::exp));
        self.product(with(self, up, down), self.number(0.5))
    }

    /// √(1 - x²)
    fn circle(&self, x: Near) -> Near {
        self.root(self.difference(self.number(1.0), self.square(x)))
    }

    /// log(x + √(x² ± 1))
    fn area(&self, x: Near, with: fn(&Self, Near, Near) -> Near) -> Near {
        let square = with(self, self.square(x), self.number(1.0));
        self.log(self.sum(x, self.root(square)), f64::ln)
    }

    fn saturated(&self, v: Near) -> Near {
        self.between(v, self.number(0.0), self.number(1.0))
    }

    fn between(&self, v: Near, low: Near, high: Near) -> Near {
        if [v, low, high].iter().any(Near::is_wild) {
            return Near::wild(v.v);
        }
        let (lo, hi) = (v.lo.max(low.lo).min(high.lo), v.hi.max(low.hi).min(high.hi));
        // With limits that cross, the middle of the three may be meant.
        match low.hi <= high.lo {
            true => within(v.v, lo, hi),
            false => within(v.v, lo.min(low.lo), hi.max(low.hi)),
        }
    }
}

impl Floats for Ways {
    type Number = Near;

    fn number(&self, v: f64) -> Near {
        Near::of(v)
    }

    fn negated(&self, a: Near) -> Near {
        let (v, lo, hi) = (-a.v, -a.hi, -a.lo);
        let turned = |t: Terms| Terms {
            lo: -t.hi,
            hi: -t.lo,
            ..t
        };
        let terms = a.terms.map(turned);
        Near { v, lo, hi, terms }
    }

    fn sum(&self, a: Near, b: Near) -> Near {
        let v = a.v + b.v;
        let opposite = |a: Near, b: Near| a.hi == f64::INFINITY && b.lo == f64::NEG_INFINITY;
        if opposite(a, b) || opposite(b, a) {
            return Near::wild(v);
        }
        let sum = rounded(v, a.lo + b.lo, a.hi + b.hi);
        // Nothing is reordered around a 0.
        if a.is_zero() || b.is_zero() {
            let terms = if a.is_zero() { b.terms } else { a.terms };
            return Near { terms, ..sum };
        }
        let (a, b) = (a.terms(), b.terms());
        let weight = a.weight.saturating_add(b.weight);
        let size = a.size + b.size;
        let (lo, hi) = (a.lo + b.lo, a.hi + b.hi);
        let reordered = weight >= REORDERED && size.is_finite() && !sum.is_wild();
        let sum = match reordered {
            true => {
                // In any order every addition, one fewer than there are terms, is off by U of no more than all terms together.
                let error = f64::from(weight.div_ceil(2) - 1) * U * size;
                within(v, sum.lo.min(lo - error), sum.hi.max(hi + error))
            }
            false => sum,
        };
        let terms = Some(Terms {
            weight,
            size,
            lo,
            hi,
        });
        Near { terms, ..sum }
    }

    fn difference(&self, a: Near, b: Near) -> Near {
        self.sum(a, self.negated(b))
    }

    fn product(&self, a: Near, b: Near) -> Near {
        let v = a.v * b.v;
        let undefined = |a: Near, b: Near| a.holds_infinity() && b.lo <= 0.0 && b.hi >= 0.0;
        if undefined(a, b) || undefined(b, a) {
            return Near::wild(v);
        }
        let (lo, hi) = corners(a, b, |a, b| a * b);
        let terms = Some(Terms {
            weight: 3,
            size: a.terms().size * b.terms().size,
            lo,
            hi,
        });
        Near {
            terms,
            ..rounded(v, lo, hi)
        }
    }

    fn square(&self, a: Near) -> Near {
        let product = self.product(a, a);
        match a.lo < 0.0 && a.hi > 0.0 && !product.is_wild() {
            true => Near { lo: 0.0, ..product },
            false => product,
        }
    }

    fn quotient(&self, a: Near, b: Near) -> Near {
        let v = a.v / b.v;
        if b.holds_zero() || a.holds_infinity() && b.holds_infinity() {
            return Near::wild(v);
        }
        let (lo, hi) = corners(a, b, |a, b| a / b);
        let quotient = loose(v, lo, hi, DIV);
        // The reciprocal may have become 0.
        match b.most() > MOST_DIVISOR {
            true => quotient.or_zero(),
            false => quotient,
        }
    }

    fn remainder(&self, a: Near, b: Near) -> Near {
        let ratio = self.quotient(a, b);
        let [own, lo, hi] = [ratio.v, ratio.lo, ratio.hi].map(f64::trunc);
        let times = self.stepped(own, lo, hi);
        let rest = self.difference(a, self.product(b, times));
        rest.with(rest.v)
    }

    fn root(&self, a: Near) -> Near {
        // Of what may be negative NaN, and so wild.
        loose(a.v.sqrt(), a.lo.sqrt(), a.hi.sqrt(), SQRT * SECOND)
    }

    fn total(&self, terms: &[Near]) -> Near {
        let v = terms.iter().map(|t| t.v).sum();
        let mut some = terms.iter().filter(|t| !t.is_zero());
        let count = some.clone().count();
        if count <= 2 {
            let [a, b] = [some.next(), some.next()].map(|t| t.copied().unwrap_or_default());
            let sum = self.sum(a, b);
            return Near { v, ..sum };
        }
        let (mut lo, mut hi, mut size) = (0.0, 0.0, 0.0);
        for term in some {
            lo += term.lo;
            hi += term.hi;
            size += term.most();
        }
        // A part of the sum may overflow.
        if size.is_nan() || size > MOST {
            return match (
                terms.iter().all(|t| t.lo >= 0.0),
                terms.iter().all(|t| t.hi <= 0.0),
            ) {
                (true, _) => within(v, lo, f64::INFINITY),
                (_, true) => within(v, f64::NEG_INFINITY, hi),
                _ => Near::wild(v),
            };
        }
        // In any order each addition is off by U of no more than all terms together, or a subnormal.
        let error = (count - 1) as f64 * SECOND * (U * size + TINY);
        let weight = 3 * count as u32;
        Near {
            terms: Some(Terms {
                weight,
                size,
                lo,
                hi,
            }),
            ..within(v, lo - error, hi + error)
        }
    }

    fn compared(&self, op: BinaryOperator, a: Near, b: Near) -> Option<bool> {
        use BinaryOperator as Op;
        let own = holds(op, &a.v, &b.v)?;
        let (less, at_most) = (a.hi < b.lo, a.hi <= b.lo);
        let (greater, at_least) = (a.lo > b.hi, a.lo >= b.hi);
        let same = at_most && at_least;
        let (always, never) = match op {
            Op::Less => (less, at_least),
            Op::LessEqual => (at_most, greater),
            Op::Greater => (greater, at_most),
            Op::GreaterEqual => (at_least, less),
            Op::Equal => (same, less || greater),
            _ => (less || greater, same),
        };
        Some(match (always, never) {
            (true, _) => true,
            (_, true) => false,
            _ => self.pick(2, usize::from(own)) == 1,
        })
    }

    fn one(&self, fun: MathFunction, x: Near) -> Option<Near> {
        let v = Plain.one(fun, x.v)?;
        // Functions that only grow, or fall.
        let grows = |f: fn(f64) -> f64| (f(x.lo), f(x.hi));
        let steps = |f: fn(f64) -> f64| self.stepped(v, f(x.lo), f(x.hi));
        let result = match fun {
            MathFunction::Abs if x.lo >= 0.0 => x,
            MathFunction::Abs if x.hi <= 0.0 => self.negated(x),
            MathFunction::Abs => within(v, if x.is_wild() { x.lo } else { 0.0 }, x.most()),
            MathFunction::Saturate => self.saturated(x),
            MathFunction::Cos => self.wave(x, f64::cos),
            MathFunction::Sin => self.wave(x, f64::sin),
            MathFunction::Tan => self.quotient(self.wave(x, f64::sin), self.wave(x, f64::cos)),
            MathFunction::Cosh => self.hyperbolic(x, Self::sum),
            MathFunction::Sinh => self.hyperbolic(x, Self::difference),
            MathFunction::Tanh => {
                let [up, down] = [Self::difference, Self::sum].map(|with| self.hyperbolic(x, with));
                let (lo, hi) = grows(f64::tanh);
                within(v, lo - TANH, hi + TANH).or(self.quotient(up, down))
            }
            MathFunction::Acos => {
                let inherited = self.angle(v, self.circle(x), x);
                within(v, x.hi.acos() - ACOS, x.lo.acos() + ACOS).or(inherited)
            }
            MathFunction::Asin => {
                let inherited = self.angle(v, x, self.circle(x));
                let (lo, hi) = grows(f64::asin);
                within(v, lo - ASIN, hi + ASIN).or(inherited)
            }
            MathFunction::Atan => {
                let (lo, hi) = grows(f64::atan);
                loose(v, lo, hi, ATAN)
            }
            MathFunction::Asinh => self.area(x, Self::sum),
            MathFunction::Acosh => self.area(x, Self::difference),
            MathFunction::Atanh => {
                let one = self.number(1.0);
                let ratio = self.quotient(self.sum(one, x), self.difference(one, x));
                self.product(self.log(ratio, f64::ln), self.number(0.5))
            }
            MathFunction::Radians => self.product(x, self.number(std::f64::consts::PI / 180.0)),
            MathFunction::Degrees => self.product(x, self.number(180.0 / std::f64::consts::PI)),
            MathFunction::Ceil => return Some(steps(f64::ceil)),
            MathFunction::Floor => return Some(steps(f64::floor)),
            MathFunction::Round => return Some(steps(f64::round_ties_even)),
            MathFunction::Trunc => return Some(steps(f64::trunc)),
            MathFunction::Sign => {
                return Some(steps(|v| match v == 0.0 {
                    true => 0.0,
                    // NaN stays what it is.
                    false => v.signum(),
                }));
            }
            MathFunction::Fract => {
                let (fraction, _) = self.parted(x, f64::floor, 0.0);
                // What rounds to 1 may become the number before it.
                let low = if fraction.hi >= 1.0 - U {
                    1.0 - U
                } else {
                    fraction.lo
                };
                return Some(within(fraction.v, fraction.lo.min(low), fraction.hi));
            }
            MathFunction::Exp => self.exp(x, f64::exp),
            MathFunction::Exp2 => self.exp(x, f64::exp2),
            MathFunction::Log => self.log(x, f64::ln),
            MathFunction::Log2 => self.log(x, f64::log2),
            MathFunction::Sqrt => self.root(x),
            MathFunction::InverseSqrt => {
                // Of -0 as of 0.
                let (lo, hi) = (1.0 / x.hi.sqrt(), 1.0 / (x.lo + 0.0).sqrt());
                loose(v, lo, hi, INVERSE_SQRT)
            }
            MathFunction::QuantizeToF16 => halved(v, x),
            _ => return None,
        };
        Some(result.with(v))
    }

    fn two(&self, fun: MathFunction, a: Near, b: Near) -> Option<Near> {
        let v = Plain.two(fun, a.v, b.v)?;
        let wild = a.is_wild() || b.is_wild();
        Some(match fun {
            // Of a NaN and a number either may come.
            MathFunction::Min | MathFunction::Max | MathFunction::Atan2 if wild => Near::wild(v),
            MathFunction::Min => within(v, a.lo.min(b.lo), a.hi.min(b.hi)),
            MathFunction::Max => within(v, a.lo.max(b.lo), a.hi.max(b.hi)),
            MathFunction::Atan2 => {
                // Of what is not normal WGSL promises nothing, and of a 0 that it finds itself Mesa makes a NaN now and then.
                let normal = !(a.holds_zero() || a.holds_infinity());
                match normal && !b.holds_zero() && b.most() <= MOST_DIVISOR {
                    true => self.angle(v, a, b),
                    false => Near::wild(v),
                }
            }
            // Some find 0 for all powers of 0.
            MathFunction::Pow if a.holds_zero() && b.lo <= 0.0 => Near::wild(v),
            MathFunction::Pow => {
                let power = self.product(b, self.log(a, f64::log2));
                self.exp(power, f64::exp2).with(v)
            }
            MathFunction::Step => {
                let over = self.compared(BinaryOperator::LessEqual, a, b)?;
                self.number(f64::from(u8::from(over)))
            }
            _ => return None,
        })
    }

    fn three(&self, fun: MathFunction, a: Near, b: Near, c: Near) -> Option<Near> {
        let v = Plain.three(fun, a.v, b.v, c.v)?;
        let result = match fun {
            MathFunction::Clamp => self.between(a, b, c),
            MathFunction::Fma => self.sum(self.product(a, b), c),
            MathFunction::Mix => {
                let rest = self.difference(self.number(1.0), c);
                let ends = self.sum(self.product(a, rest), self.product(b, c));
                // Which is as common.
                let way = self.product(self.difference(b, a), c);
                ends.or(self.sum(a, way))
            }
            MathFunction::SmoothStep => {
                let ratio = self.quotient(self.difference(c, a), self.difference(b, a));
                let t = self.saturated(ratio);
                let twice = self.product(self.number(2.0), t);
                let rest = self.difference(self.number(3.0), twice);
                self.product(self.square(t), rest)
            }
            _ => return None,
        };
        Some(result.with(v))
    }

    fn length(&self, a: Near) -> Near {
        self.root(self.square(a)).with(a.v.abs())
    }

    fn determinant(&self, columns: &[Vec<Near>]) -> Near {
        let found = expanded(self, columns, true);
        // Along another row or column the sums have another order. A product of n numbers is off by n - 1 roundings, and goes
        // through sums of n, n - 1, ... terms: WGSL itself promises nothing.
        let roundings = match columns.len() {
            3 => 2.0 + 3.0,
            4 => 3.0 + 6.0,
            _ => return found,
        };
        let sizes = |c: &Vec<Near>| c.iter().map(Near::most).collect();
        let sizes: Vec<Vec<f64>> = columns.iter().map(sizes).collect();
        let size = expanded(&Plain, &sizes, false);
        // Products that zeros take out may overflow before that.
        let most = sizes.iter().flatten().fold(0.0, |a: f64, b| a.max(*b));
        let size = match most.powi(columns.len() as i32) <= MOST {
            true => size,
            false => f64::INFINITY,
        };
        let error = match size {
            0.0 => 0.0,
            size if size <= MOST => roundings * SECOND * (U * size + TINY),
            _ => f64::NAN,
        };
        within(found.v, found.lo - error, found.hi + error)
    }

    fn not_negative(&self, a: Near) -> Near {
        match a.is_wild() {
            true => a,
            false => within(a.v.max(0.0), a.lo.max(0.0), a.hi.max(0.0)),
        }
    }

    fn modf(&self, a: Near) -> (Near, Near) {
        self.parted(a, f64::trunc, -1.0)
    }

    fn frexp(&self, a: Near) -> (Near, i32) {
        if a.is_zero() {
            return (a, 0);
        }
        let own = frexp(a.v);
        if a.is_wild() || a.holds_zero() || a.holds_infinity() {
            self.lose();
            return (Near::wild(own.0), own.1);
        }
        let ends = [frexp(a.lo).1, frexp(a.hi).1].map(f64::from);
        let (lo, hi) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let range = Near {
            v: f64::from(own.1),
            lo,
            hi,
            terms: None,
        };
        let exponent = self.whole(range, lo, hi) as i32;
        // What has this exponent.
        let (low, high) = (ldexp(0.5, exponent), ldexp(1.0, exponent));
        let (low, high) = if a.lo < 0.0 {
            (-high, -low)
        } else {
            (low, high)
        };
        let part = |v: f64| ldexp(v.max(low).min(high), -exponent);
        let v = if exponent == own.1 { own.0 } else { part(a.v) };
        (within(v, part(a.lo), part(a.hi)), exponent)
    }

    fn ldexp(&self, a: Near, by: i32) -> Near {
        let v = ldexp(a.v, by);
        // WGSL leaves open what comes of larger exponents, and whether 0 comes of those of subnormals.
        let scaled = rounded(v, ldexp(a.lo, by), ldexp(a.hi, by));
        match by {
            129.. => Near::wild(v),
            ..=-127 => scaled.or_zero(),
            _ => scaled,
        }
    }

    fn signed(&self, a: Near) -> i32 {
        self.whole(a, f64::from(i32::MIN), MOST_I32) as i32
    }

    fn unsigned(&self, a: Near) -> u32 {
        self.whole(a, 0.0, MOST_U32) as u32
    }

    fn truth(&self, a: Near) -> bool {
        self.compared(BinaryOperator::NotEqual, a, Near::default()) == Some(true)
    }

    fn bits(&self, a: Near) -> u32 {
        // All f32 in their order, 0 behind -0.
        let place = |v: f32| match v.to_bits() as i32 {
            bits if bits < 0 => -f64::from(bits & i32::MAX) - 1.0,
            bits => f64::from(bits),
        };
        let own = a.v as f32;
        if a.is_wild() {
            self.lose();
            return own.to_bits();
        }
        // Zeros have either sign.
        let lo = if a.lo == 0.0 { -0.0 } else { a.lo as f32 };
        let hi = if a.hi == 0.0 { 0.0 } else { a.hi as f32 };
        let (lo, hi) = (place(lo), place(hi));
        let at = self.whole(
            Near {
                v: place(own),
                lo,
                hi,
                terms: None,
            },
            lo,
            hi,
        ) as i64;
        match at < 0 {
            true => (-1 - at) as u32 | (1 << 31),
            false => at as u32,
        }
    }

    fn nearest(&self, a: Near) -> i32 {
        // Which of two WGSL says, but functions that drivers have for it say something else.
        let (down, up) = (|v: f64| (v - 0.5).ceil(), |v: f64| (v + 0.5).floor());
        let range = Near {
            v: up(a.v),
            lo: down(a.lo),
            hi: up(a.hi),
            terms: None,
        };
        self.whole(range, f64::from(i32::MIN), f64::from(i32::MAX)) as i32
    }

    fn half_bits(&self, a: Near) -> u16 {
        let own = f16::from_f64(a.v);
        let range = halved(own.to_f64(), a);
        // Beyond the largest f16 nothing is said.
        if a.is_wild() || range.most() > f16::MAX.to_f64() {
            self.lose();
            return own.to_bits();
        }
        // All f16 in their order, 0 behind -0.
        let place = |v: f16| match v.to_bits() as i16 {
            bits if bits < 0 => -f64::from(bits & i16::MAX) - 1.0,
            bits => f64::from(bits),
        };
        // Zeros have either sign.
        let lo = if range.lo == 0.0 { -0.0 } else { range.lo };
        let hi = if range.hi == 0.0 { 0.0 } else { range.hi };
        let (lo, hi) = (place(f16::from_f64(lo)), place(f16::from_f64(hi)));
        let v = place(own);
        let terms = None;
        match self.whole(Near { v, lo, hi, terms }, lo, hi) as i32 {
            at if at < 0 => (-1 - at) as u16 | (1 << 15),
            at => at as u16,
        }
    }

    fn of_half(&self, bits: u16) -> Near {
        let half = f16::from_bits(bits);
        let v = half.to_f64();
        match half.classify() {
            FpCategory::Nan | FpCategory::Infinite => Near::wild(v),
            FpCategory::Subnormal => Near::of(v).or_zero(),
            FpCategory::Zero | FpCategory::Normal => Near::of(v),
        }
    }

    fn unpacked(&self, v: f64) -> Near {
        loose(v, v, v, UNPACK)
    }
}

/// Rounded up and down to f16, whose subnormals may be 0.
fn halved(v: f64, x: Near) -> Near {
    const LEAST_HALF: f64 = 1.0 / 16384.0;
    if x.is_wild() {
        return Near::wild(v);
    }
    let down = |x: f64| {
        let half = f16::from_f64(x);
        let below = match half.to_bits() {
            0 | 0x8000 => f16::from_bits(0x8001),
            bits if bits < 0x8000 => f16::from_bits(bits - 1),
            bits => f16::from_bits(bits + 1),
        };
        let near = half.to_f64();
        if near > x { below.to_f64() } else { near }
    };
    let (lo, hi) = (down(x.lo), -down(-x.hi));
    let lo = if lo > 0.0 && lo < LEAST_HALF { 0.0 } else { lo };
    let hi = if hi < 0.0 && hi > -LEAST_HALF {
        0.0
    } else {
        hi
    };
    within(v, lo, hi)
}
