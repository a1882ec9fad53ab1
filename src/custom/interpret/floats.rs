//! Arithmetic of floats: what the interpreter needs of it, and that of f64.

use std::fmt::Debug;

use naga::{BinaryOperator, MathFunction};

use super::expression::holds;
use super::math::expanded;

/// Arithmetic that functions are evaluated in.
pub(super) trait Floats {
    /// Its default is 0.
    type Number: Copy + Debug + PartialEq + Default;

    /// A number of the text, or a whole one.
    fn number(&self, v: f64) -> Self::Number;

    fn negated(&self, v: Self::Number) -> Self::Number;

    fn sum(&self, a: Self::Number, b: Self::Number) -> Self::Number;

    fn difference(&self, a: Self::Number, b: Self::Number) -> Self::Number;

    fn product(&self, a: Self::Number, b: Self::Number) -> Self::Number;

    /// A product of a number with itself.
    fn square(&self, v: Self::Number) -> Self::Number;

    fn quotient(&self, a: Self::Number, b: Self::Number) -> Self::Number;

    fn remainder(&self, a: Self::Number, b: Self::Number) -> Self::Number;

    fn root(&self, v: Self::Number) -> Self::Number;

    /// A sum whose order is left open.
    fn total(&self, terms: &[Self::Number]) -> Self::Number;

    /// Whether a comparison holds; none for other operators.
    fn compared(&self, op: BinaryOperator, a: Self::Number, b: Self::Number) -> Option<bool>;

    /// A function of one number; none if it is no such function.
    fn one(&self, fun: MathFunction, v: Self::Number) -> Option<Self::Number>;

    fn two(&self, fun: MathFunction, a: Self::Number, b: Self::Number) -> Option<Self::Number>;

    fn three(
        &self,
        fun: MathFunction,
        a: Self::Number,
        b: Self::Number,
        c: Self::Number,
    ) -> Option<Self::Number>;

    /// The length of a vector of one component.
    fn length(&self, v: Self::Number) -> Self::Number;

    /// By expansion along a row or a column.
    fn determinant(&self, columns: &[Vec<Self::Number>]) -> Self::Number;

    /// A number that has been found not to be negative.
    fn not_negative(&self, v: Self::Number) -> Self::Number;

    /// The fraction and the whole number before it.
    fn modf(&self, v: Self::Number) -> (Self::Number, Self::Number);

    fn frexp(&self, v: Self::Number) -> (Self::Number, i32);

    /// 2 to the power of `by`, times `v`.
    fn ldexp(&self, v: Self::Number, by: i32) -> Self::Number;

    fn signed(&self, v: Self::Number) -> i32;

    fn unsigned(&self, v: Self::Number) -> u32;

    /// Whether a number is not 0.
    fn truth(&self, v: Self::Number) -> bool;

    /// The bits of a number as an f32.
    fn bits(&self, v: Self::Number) -> u32;

    /// The nearest whole number; of two that are equally near the larger one, or either.
    fn nearest(&self, v: Self::Number) -> i32;

    /// The bits of a number as an f16.
    fn half_bits(&self, v: Self::Number) -> u16;

    /// The number that has these bits as an f16.
    fn of_half(&self, bits: u16) -> Self::Number;

    /// A number that is unpacked from an integer.
    fn unpacked(&self, v: f64) -> Self::Number;
}

/// f64.
pub(super) struct Plain;

impl Floats for Plain {
    type Number = f64;

    fn number(&self, v: f64) -> f64 {
        v
    }

    fn negated(&self, v: f64) -> f64 {
        -v
    }

    fn sum(&self, a: f64, b: f64) -> f64 {
        a + b
    }

    fn difference(&self, a: f64, b: f64) -> f64 {
        a - b
    }

    fn product(&self, a: f64, b: f64) -> f64 {
        a * b
    }

    fn square(&self, v: f64) -> f64 {
        v * v
    }

    fn quotient(&self, a: f64, b: f64) -> f64 {
        a / b
    }

    fn remainder(&self, a: f64, b: f64) -> f64 {
        a - b * (a / b).trunc()
    }

    fn root(&self, v: f64) -> f64 {
        v.sqrt()
    }

    fn total(&self, terms: &[f64]) -> f64 {
        terms.iter().sum()
    }

    fn compared(&self, op: BinaryOperator, a: f64, b: f64) -> Option<bool> {
        holds(op, &a, &b)
    }

    fn one(&self, fun: MathFunction, v: f64) -> Option<f64> {
        Some(match fun {
            MathFunction::Abs => v.abs(),
            MathFunction::Saturate => within(v, 0.0, 1.0),
            MathFunction::Cos => v.cos(),
            MathFunction::Cosh => v.cosh(),
            MathFunction::Sin => v.sin(),
            MathFunction::Sinh => v.sinh(),
            MathFunction::Tan => v.tan(),
            MathFunction::Tanh => v.tanh(),
            MathFunction::Acos => v.acos(),
            MathFunction::Asin => v.asin(),
            MathFunction::Atan => v.atan(),
            MathFunction::Asinh => v.asinh(),
            MathFunction::Acosh => v.acosh(),
            MathFunction::Atanh => v.atanh(),
            MathFunction::Radians => v.to_radians(),
            MathFunction::Degrees => v.to_degrees(),
            MathFunction::Ceil => v.ceil(),
            MathFunction::Floor => v.floor(),
            MathFunction::Round => v.round_ties_even(),
            MathFunction::Fract => v - v.floor(),
            MathFunction::Trunc => v.trunc(),
            MathFunction::Exp => v.exp(),
            MathFunction::Exp2 => v.exp2(),
            MathFunction::Log => v.ln(),
            MathFunction::Log2 => v.log2(),
            // Zero of its own sign, and NaN, are what they were.
            MathFunction::Sign if v > 0.0 => 1.0,
            MathFunction::Sign if v < 0.0 => -1.0,
            MathFunction::Sign => v,
            MathFunction::Sqrt => v.sqrt(),
            MathFunction::InverseSqrt => 1.0 / v.sqrt(),
            MathFunction::QuantizeToF16 => half::f16::from_f64(v).to_f64(),
            _ => return None,
        })
    }

    fn two(&self, fun: MathFunction, a: f64, b: f64) -> Option<f64> {
        Some(match fun {
            MathFunction::Min => a.min(b),
            MathFunction::Max => a.max(b),
            MathFunction::Atan2 => a.atan2(b),
            MathFunction::Pow if a < 0.0 => f64::NAN,
            MathFunction::Pow => a.powf(b),
            MathFunction::Step => f64::from(u8::from(b >= a)),
            _ => return None,
        })
    }

    fn three(&self, fun: MathFunction, a: f64, b: f64, c: f64) -> Option<f64> {
        Some(match fun {
            MathFunction::Clamp => within(a, b, c),
            MathFunction::Fma => a.mul_add(b, c),
            MathFunction::Mix => a * (1.0 - c) + b * c,
            MathFunction::SmoothStep => {
                let t = within((c - a) / (b - a), 0.0, 1.0);
                t * t * (3.0 - 2.0 * t)
            }
            _ => return None,
        })
    }

    fn length(&self, v: f64) -> f64 {
        v.abs()
    }

    fn determinant(&self, columns: &[Vec<f64>]) -> f64 {
        expanded(self, columns, true)
    }

    fn not_negative(&self, v: f64) -> f64 {
        v
    }

    fn modf(&self, v: f64) -> (f64, f64) {
        (v - v.trunc(), v.trunc())
    }

    fn frexp(&self, v: f64) -> (f64, i32) {
        frexp(v)
    }

    fn ldexp(&self, v: f64, by: i32) -> f64 {
        ldexp(v, by)
    }

    fn signed(&self, v: f64) -> i32 {
        at_most(v, MOST_I32) as i32
    }

    fn unsigned(&self, v: f64) -> u32 {
        at_most(v, MOST_U32) as u32
    }

    fn truth(&self, v: f64) -> bool {
        v != 0.0
    }

    fn bits(&self, v: f64) -> u32 {
        (v as f32).to_bits()
    }

    fn nearest(&self, v: f64) -> i32 {
        (0.5 + v).floor() as i32
    }

    fn half_bits(&self, v: f64) -> u16 {
        half::f16::from_f64(v).to_bits()
    }

    fn of_half(&self, bits: u16) -> f64 {
        half::f16::from_bits(bits).to_f64()
    }

    fn unpacked(&self, v: f64) -> f64 {
        v
    }
}

/// The largest f32 below 2³¹.
pub(super) const MOST_I32: f64 = 2_147_483_520.0;

/// The largest f32 below 2³².
pub(super) const MOST_U32: f64 = 4_294_967_040.0;

/// Leaves NaN as it is.
fn at_most(v: f64, most: f64) -> f64 {
    if v > most { most } else { v }
}

/// Rust's own `clamp` keeps NaN, and panics where the bounds cross.
fn within(v: f64, low: f64, high: f64) -> f64 {
    v.max(low).min(high)
}

/// 2 to the power of `by`, times `v`: in steps, as the power itself may leave f64 where the product does not.
pub(super) fn ldexp(mut v: f64, by: i32) -> f64 {
    // More steps would change nothing: any number is 0 or infinite by then.
    let mut left = by.clamp(-2200, 2200);
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        v *= 2f64.powi(step);
        left -= step;
    }
    v
}

/// `v` as a number in [0.5, 1), or as it is if it is 0 or not finite, and the power of two that it is in units of.
pub(super) fn frexp(v: f64) -> (f64, i32) {
    const EXPONENT: u64 = 0x7ff << 52;
    let exponent = |v: f64| ((v.to_bits() & EXPONENT) >> 52) as i32;
    let fraction = |v: f64| f64::from_bits((v.to_bits() & !EXPONENT) | (1022 << 52));
    if v == 0.0 || !v.is_finite() {
        return (v, 0);
    }
    if v.is_normal() {
        return (fraction(v), exponent(v) - 1022);
    }
    let larger = v * 2f64.powi(64);
    (fraction(larger), exponent(larger) - 1022 - 64)
}
