//! WGSL's functions of numbers.

use naga::common::wgsl::TryToWgsl;
use naga::{BinaryOperator, MathFunction};

use super::Value;
use super::expression::{Outcome, binary, each};

/// A builtin function of one to four arguments.
pub(super) fn math(fun: MathFunction, arguments: &[&Value]) -> Outcome {
    let unknown = || format!("`{}` is not supported", fun.to_wgsl_for_diagnostics());
    match *arguments {
        [a] => match whole_of_one(fun, a)? {
            Some(value) => Ok(value),
            None => each([a], &|[a]| of_one(fun, a).ok_or_else(unknown)),
        },
        [a, b] => match whole_of_two(fun, a, b)? {
            Some(value) => Ok(value),
            None => each([a, b], &|[a, b]| of_two(fun, a, b).ok_or_else(unknown)),
        },
        [a, b, c] => match whole_of_three(fun, a, b, c)? {
            Some(value) => Ok(value),
            None => each([a, b, c], &|[a, b, c]| {
                of_three(fun, a, b, c).ok_or_else(unknown)
            }),
        },
        [a, b, c, d] => each([a, b, c, d], &|[a, b, c, d]| match (fun, a, b, c, d) {
            (
                MathFunction::InsertBits,
                Value::I32(v),
                Value::I32(new),
                Value::U32(from),
                Value::U32(count),
            ) => Ok(Value::I32(
                insert_bits(*v as u32, *new as u32, *from, *count) as i32,
            )),
            (
                MathFunction::InsertBits,
                Value::U32(v),
                Value::U32(new),
                Value::U32(from),
                Value::U32(count),
            ) => Ok(Value::U32(insert_bits(*v, *new, *from, *count))),
            _ => Err(unknown()),
        }),
        _ => Err(unknown()),
    }
}

/// A product: of components, or where matrices take part that of linear algebra.
pub(super) fn times(left: &Value, right: &Value) -> Outcome {
    let multiply =
        |a: &Value, b: &Value| each([a, b], &|[a, b]| binary(BinaryOperator::Multiply, a, b));
    match (left, right, rank(left), rank(right)) {
        (Value::Parts(columns), Value::Parts(by), 2, 1) => {
            let terms = columns
                .iter()
                .zip(by)
                .map(|(column, by)| multiply(column, by));
            terms
                .reduce(|a, b| each([&a?, &b?], &|[a, b]| binary(BinaryOperator::Add, a, b)))
                .unwrap_or_else(|| Err("this has no parts".to_owned()))
        }
        (_, Value::Parts(columns), 1, 2) => {
            let all = columns.iter().map(|column| dot(left, column));
            Ok(Value::Parts(all.collect::<Outcome<_>>()?))
        }
        (_, Value::Parts(columns), 2, 2) => {
            let all = columns.iter().map(|column| times(left, column));
            Ok(Value::Parts(all.collect::<Outcome<_>>()?))
        }
        _ => multiply(left, right),
    }
}

/// 0 for scalars, 1 for vectors, 2 for matrices.
fn rank(value: &Value) -> u32 {
    match value {
        Value::Parts(all) => 1 + all.first().map_or(0, rank),
        _ => 0,
    }
}

fn dot(a: &Value, b: &Value) -> Outcome {
    let (Value::Parts(a), Value::Parts(b)) = (a, b) else {
        return Err("`dot` of no vectors".to_owned());
    };
    let terms = a
        .iter()
        .zip(b)
        .map(|(a, b)| binary(BinaryOperator::Multiply, a, b));
    terms
        .reduce(|a, b| binary(BinaryOperator::Add, &a?, &b?))
        .unwrap_or_else(|| Err("this has no parts".to_owned()))
}

/// The components of a vector of floats; a scalar is one component.
fn floats(value: &Value) -> Outcome<Vec<f64>> {
    match value {
        Value::F32(v) => Ok(vec![*v]),
        Value::Parts(all) => {
            let one = |v: &Value| match v {
                Value::F32(v) => Ok(*v),
                _ => Err("expected floats".to_owned()),
            };
            all.iter().map(one).collect()
        }
        _ => Err("expected floats".to_owned()),
    }
}

fn vector(components: impl IntoIterator<Item = f64>) -> Value {
    Value::Parts(components.into_iter().map(Value::F32).collect())
}

fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(of: &[f64]) -> f64 {
    match of {
        [one] => one.abs(),
        _ => inner_product(of, of).sqrt(),
    }
}

fn columns(matrix: &Value) -> Outcome<Vec<Vec<f64>>> {
    match matrix {
        Value::Parts(all) => all.iter().map(floats).collect(),
        _ => Err("expected a matrix".to_owned()),
    }
}

/// By expansion along the first column.
fn determinant(columns: &[Vec<f64>]) -> f64 {
    let Some((first, rest)) = columns.split_first() else {
        return 1.0;
    };
    let without = |row: usize| {
        let column = |c: &Vec<f64>| {
            let others = c.iter().enumerate().filter(|(i, _)| *i != row);
            others.map(|(_, v)| *v).collect()
        };
        rest.iter().map(column).collect::<Vec<Vec<f64>>>()
    };
    let term = |(row, v): (usize, &f64)| {
        let sign = if row % 2 == 0 { 1.0 } else { -1.0 };
        sign * v * determinant(&without(row))
    };
    first.iter().enumerate().map(term).sum()
}

/// Functions of a whole vector or matrix.
fn whole_of_one(fun: MathFunction, a: &Value) -> Outcome<Option<Value>> {
    Ok(Some(match fun {
        MathFunction::Length => Value::F32(norm(&floats(a)?)),
        MathFunction::Normalize => {
            let a = floats(a)?;
            let length = norm(&a);
            vector(a.into_iter().map(|v| v / length))
        }
        MathFunction::Transpose => {
            let all = columns(a)?;
            let rows = all.first().map_or(0, Vec::len);
            let row = |i: usize| vector(all.iter().filter_map(move |c| c.get(i).copied()));
            Value::Parts((0..rows).map(row).collect())
        }
        MathFunction::Determinant => Value::F32(determinant(&columns(a)?)),
        MathFunction::Modf => {
            let part = |f: fn(f64) -> f64| each([a], &|[v]| float(v).map(|v| Value::F32(f(v))));
            Value::Parts(vec![part(|v| v - v.trunc())?, part(f64::trunc)?])
        }
        MathFunction::Frexp => {
            let fraction = each([a], &|[v]| float(v).map(|v| Value::F32(frexp(v).0)))?;
            let exponent = each([a], &|[v]| float(v).map(|v| Value::I32(frexp(v).1)))?;
            Value::Parts(vec![fraction, exponent])
        }
        _ => return Ok(None),
    }))
}

fn whole_of_two(fun: MathFunction, a: &Value, b: &Value) -> Outcome<Option<Value>> {
    Ok(Some(match fun {
        MathFunction::Dot => dot(a, b)?,
        MathFunction::Cross => match (floats(a)?.as_slice(), floats(b)?.as_slice()) {
            (&[a, b, c], &[d, e, f]) => vector([b * f - c * e, c * d - a * f, a * e - b * d]),
            _ => return Err("`cross` of vectors that are not of three".to_owned()),
        },
        MathFunction::Distance => {
            let (a, b) = (floats(a)?, floats(b)?);
            let difference: Vec<_> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            Value::F32(norm(&difference))
        }
        MathFunction::Reflect => {
            let (a, b) = (floats(a)?, floats(b)?);
            let twice = 2.0 * inner_product(&b, &a);
            vector(a.iter().zip(&b).map(|(a, b)| a - twice * b))
        }
        _ => return Ok(None),
    }))
}

fn whole_of_three(fun: MathFunction, a: &Value, b: &Value, c: &Value) -> Outcome<Option<Value>> {
    Ok(Some(match fun {
        MathFunction::FaceForward => {
            let a = floats(a)?;
            let forward = inner_product(&floats(b)?, &floats(c)?) < 0.0;
            vector(a.into_iter().map(|v| if forward { v } else { -v }))
        }
        MathFunction::Refract => {
            let (a, b, ratio) = (floats(a)?, floats(b)?, float(c)?);
            let cosine = inner_product(&b, &a);
            let k = 1.0 - ratio * ratio * (1.0 - cosine * cosine);
            let bend = ratio * cosine + k.sqrt();
            let one = |(a, b): (&f64, &f64)| if k < 0.0 { 0.0 } else { ratio * a - bend * b };
            vector(a.iter().zip(&b).map(one))
        }
        _ => return Ok(None),
    }))
}

fn float(value: &Value) -> Outcome<f64> {
    match value {
        Value::F32(v) => Ok(*v),
        _ => Err("expected a float".to_owned()),
    }
}

fn of_one(fun: MathFunction, a: &Value) -> Option<Value> {
    match *a {
        Value::F32(v) => float_of_one(fun, v).map(Value::F32),
        Value::I32(v) => bits_of_one(fun, v as u32, true).map(|v| Value::I32(v as i32)),
        Value::U32(v) => bits_of_one(fun, v, false).map(Value::U32),
        _ => None,
    }
}

fn float_of_one(fun: MathFunction, v: f64) -> Option<f64> {
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

/// Rust's own `clamp` keeps NaN, and panics where the bounds cross.
fn within(v: f64, low: f64, high: f64) -> f64 {
    v.max(low).min(high)
}

fn bits_of_one(fun: MathFunction, v: u32, signed: bool) -> Option<u32> {
    let number = v as i32;
    Some(match fun {
        MathFunction::Abs if signed => number.wrapping_abs() as u32,
        MathFunction::Abs => v,
        MathFunction::Sign if signed => number.signum() as u32,
        MathFunction::CountOneBits => v.count_ones(),
        MathFunction::CountLeadingZeros => v.leading_zeros(),
        MathFunction::CountTrailingZeros => v.trailing_zeros(),
        MathFunction::ReverseBits => v.reverse_bits(),
        MathFunction::FirstTrailingBit if v == 0 => u32::MAX,
        MathFunction::FirstTrailingBit => v.trailing_zeros(),
        // Of a signed number, the first bit that differs from the sign.
        MathFunction::FirstLeadingBit => {
            let differs = if signed && number < 0 { !v } else { v };
            31u32.wrapping_sub(differs.leading_zeros())
        }
        _ => return None,
    })
}

fn of_two(fun: MathFunction, a: &Value, b: &Value) -> Option<Value> {
    Some(match (fun, a, b) {
        (_, Value::F32(a), Value::F32(b)) => Value::F32(match fun {
            MathFunction::Min => a.min(*b),
            MathFunction::Max => a.max(*b),
            MathFunction::Atan2 => a.atan2(*b),
            MathFunction::Pow if *a < 0.0 => f64::NAN,
            MathFunction::Pow => a.powf(*b),
            MathFunction::Step => f64::from(u8::from(b >= a)),
            _ => return None,
        }),
        (MathFunction::Ldexp, Value::F32(v), Value::I32(by)) => Value::F32(ldexp(*v, *by)),
        (MathFunction::Min, Value::I32(a), Value::I32(b)) => Value::I32(*a.min(b)),
        (MathFunction::Max, Value::I32(a), Value::I32(b)) => Value::I32(*a.max(b)),
        (MathFunction::Min, Value::U32(a), Value::U32(b)) => Value::U32(*a.min(b)),
        (MathFunction::Max, Value::U32(a), Value::U32(b)) => Value::U32(*a.max(b)),
        _ => return None,
    })
}

fn of_three(fun: MathFunction, a: &Value, b: &Value, c: &Value) -> Option<Value> {
    Some(match (fun, a, b, c) {
        (_, Value::F32(a), Value::F32(b), Value::F32(c)) => Value::F32(match fun {
            MathFunction::Clamp => within(*a, *b, *c),
            MathFunction::Fma => a.mul_add(*b, *c),
            MathFunction::Mix => a * (1.0 - c) + b * c,
            MathFunction::SmoothStep => {
                let t = within((c - a) / (b - a), 0.0, 1.0);
                t * t * (3.0 - 2.0 * t)
            }
            _ => return None,
        }),
        (MathFunction::Clamp, Value::I32(a), Value::I32(b), Value::I32(c)) => {
            Value::I32(*a.max(b).min(c))
        }
        (MathFunction::Clamp, Value::U32(a), Value::U32(b), Value::U32(c)) => {
            Value::U32(*a.max(b).min(c))
        }
        (MathFunction::ExtractBits, Value::I32(v), Value::U32(from), Value::U32(count)) => {
            Value::I32(around_bits(*from, *count).map_or(0, |(left, right)| (v << left) >> right))
        }
        (MathFunction::ExtractBits, Value::U32(v), Value::U32(from), Value::U32(count)) => {
            Value::U32(around_bits(*from, *count).map_or(0, |(left, right)| (v << left) >> right))
        }
        _ => return None,
    })
}

/// 2 to the power of `by`, times `v`: in steps, as the power itself may leave f64 where the product does not.
fn ldexp(mut v: f64, by: i32) -> f64 {
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
fn frexp(v: f64) -> (f64, i32) {
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

/// How far to shift left and then right to leave some bits; none for no bits.
fn around_bits(from: u32, count: u32) -> Option<(u32, u32)> {
    let from = from.min(32);
    let count = count.min(32 - from);
    (count > 0).then_some((32 - from - count, 32 - count))
}

fn insert_bits(v: u32, new: u32, from: u32, count: u32) -> u32 {
    let from = from.min(32);
    let count = count.min(32 - from);
    if count == 0 {
        return v;
    }
    let mask = (u32::MAX >> (32 - count)) << from;
    (v & !mask) | ((new << from) & mask)
}
