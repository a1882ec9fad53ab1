//! WGSL's functions of numbers.

use naga::common::wgsl::TryToWgsl;
use naga::{BinaryOperator, MathFunction};

use super::expression::{Of, Outcome, binary, each};
use super::floats::Floats;
use super::{Value, pack};

/// A builtin function of one to four arguments.
pub(super) fn math<F: Floats>(
    floats: &F,
    fun: MathFunction,
    arguments: &[&Of<F>],
) -> Outcome<Of<F>> {
    let unknown = || format!("`{}` is not supported", fun.to_wgsl_for_diagnostics());
    match *arguments {
        [a] => match whole_of_one(floats, fun, a)? {
            Some(value) => Ok(value),
            None => each([a], &|[a]| of_one(floats, fun, a).ok_or_else(unknown)),
        },
        [a, b] => match whole_of_two(floats, fun, a, b)? {
            Some(value) => Ok(value),
            None => each([a, b], &|[a, b]| {
                of_two(floats, fun, a, b).ok_or_else(unknown)
            }),
        },
        [a, b, c] => match whole_of_three(floats, fun, a, b, c)? {
            Some(value) => Ok(value),
            None => each([a, b, c], &|[a, b, c]| {
                of_three(floats, fun, a, b, c).ok_or_else(unknown)
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
pub(super) fn times<F: Floats>(floats: &F, left: &Of<F>, right: &Of<F>) -> Outcome<Of<F>> {
    match (left, right, rank(left), rank(right)) {
        (Value::Parts(_), Value::Parts(_), 2, 1) => {
            let (columns, by) = (columns(left)?, floats_of(right)?);
            let row = |i: usize| {
                let terms = columns.iter().zip(&by);
                let terms = terms.filter_map(|(c, by)| Some(floats.product(*c.get(i)?, *by)));
                floats.total(&terms.collect::<Vec<_>>())
            };
            let rows = columns.first().map_or(0, Vec::len);
            Ok(vector((0..rows).map(row)))
        }
        (_, Value::Parts(columns), 1, 2) => {
            let all = columns.iter().map(|column| dot(floats, left, column));
            Ok(Value::Parts(all.collect::<Outcome<_>>()?))
        }
        (_, Value::Parts(columns), 2, 2) => {
            let all = columns.iter().map(|column| times(floats, left, column));
            Ok(Value::Parts(all.collect::<Outcome<_>>()?))
        }
        _ => each([left, right], &|[a, b]| {
            binary(floats, BinaryOperator::Multiply, a, b)
        }),
    }
}

/// A value times itself.
pub(super) fn squared<F: Floats>(floats: &F, value: &Of<F>) -> Outcome<Of<F>> {
    match rank(value) {
        2 => times(floats, value, value),
        _ => each([value], &|[v]| match v {
            Value::F32(v) => Ok(Value::F32(floats.square(*v))),
            v => binary(floats, BinaryOperator::Multiply, v, v),
        }),
    }
}

/// 0 for scalars, 1 for vectors, 2 for matrices.
fn rank<N>(value: &Value<N>) -> u32 {
    match value {
        Value::Parts(all) => 1 + all.first().map_or(0, rank),
        _ => 0,
    }
}

fn dot<F: Floats>(floats: &F, a: &Of<F>, b: &Of<F>) -> Outcome<Of<F>> {
    let (Value::Parts(left), Value::Parts(right)) = (a, b) else {
        return Err("`dot` of no vectors".to_owned());
    };
    if let Some(Value::F32(_)) = left.first() {
        let product = inner_product(floats, &floats_of(a)?, &floats_of(b)?);
        return Ok(Value::F32(product));
    }
    let terms = left.iter().zip(right);
    let terms = terms.map(|(a, b)| binary(floats, BinaryOperator::Multiply, a, b));
    terms
        .reduce(|a, b| binary(floats, BinaryOperator::Add, &a?, &b?))
        .unwrap_or_else(|| Err("this has no parts".to_owned()))
}

/// The components of a vector of floats; a scalar is one component.
pub(super) fn floats_of<N: Copy>(value: &Value<N>) -> Outcome<Vec<N>> {
    match value {
        Value::Parts(all) => all.iter().map(float).collect(),
        one => Ok(vec![float(one)?]),
    }
}

fn vector<N>(components: impl IntoIterator<Item = N>) -> Value<N> {
    Value::Parts(components.into_iter().map(Value::F32).collect())
}

fn inner_product<F: Floats>(floats: &F, a: &[F::Number], b: &[F::Number]) -> F::Number {
    let terms = a.iter().zip(b).map(|(a, b)| floats.product(*a, *b));
    floats.total(&terms.collect::<Vec<_>>())
}

fn norm<F: Floats>(floats: &F, of: &[F::Number]) -> F::Number {
    match of {
        [one] => floats.length(*one),
        _ => {
            let squares: Vec<_> = of.iter().map(|v| floats.square(*v)).collect();
            floats.root(floats.total(&squares))
        }
    }
}

fn columns<N: Copy>(matrix: &Value<N>) -> Outcome<Vec<Vec<N>>> {
    match matrix {
        Value::Parts(all) => all.iter().map(floats_of).collect(),
        _ => Err("expected a matrix".to_owned()),
    }
}

/// The determinant by expansion along the first column; without signs the permanent.
pub(super) fn expanded<F: Floats>(
    floats: &F,
    columns: &[Vec<F::Number>],
    signs: bool,
) -> F::Number {
    let Some((first, rest)) = columns.split_first() else {
        return floats.number(1.0);
    };
    if rest.is_empty() {
        return first.first().copied().unwrap_or_default();
    }
    let without = |row: usize| {
        let column = |c: &Vec<F::Number>| {
            let others = c.iter().enumerate().filter(|(i, _)| *i != row);
            others.map(|(_, v)| *v).collect()
        };
        rest.iter().map(column).collect::<Vec<Vec<_>>>()
    };
    let term = |(row, v): (usize, &F::Number)| {
        let product = floats.product(*v, expanded(floats, &without(row), signs));
        match signs && row % 2 == 1 {
            true => floats.negated(product),
            false => product,
        }
    };
    let terms: Vec<_> = first.iter().enumerate().map(term).collect();
    floats.total(&terms)
}

/// Functions of a whole vector or matrix.
fn whole_of_one<F: Floats>(floats: &F, fun: MathFunction, a: &Of<F>) -> Outcome<Option<Of<F>>> {
    Ok(Some(match fun {
        MathFunction::Length => Value::F32(norm(floats, &floats_of(a)?)),
        MathFunction::Normalize => {
            let a = floats_of(a)?;
            let length = norm(floats, &a);
            vector(a.into_iter().map(|v| floats.quotient(v, length)))
        }
        MathFunction::Transpose => {
            let all = columns(a)?;
            let rows = all.first().map_or(0, Vec::len);
            let row = |i: usize| vector(all.iter().filter_map(move |c| c.get(i).copied()));
            Value::Parts((0..rows).map(row).collect())
        }
        MathFunction::Determinant => Value::F32(floats.determinant(&columns(a)?)),
        MathFunction::Modf => {
            let split = pairs(a, |v| {
                let (fraction, whole) = floats.modf(v);
                (Value::F32(fraction), Value::F32(whole))
            });
            split?
        }
        MathFunction::Frexp => {
            let split = pairs(a, |v| {
                let (fraction, exponent) = floats.frexp(v);
                (Value::F32(fraction), Value::I32(exponent))
            });
            split?
        }
        _ => return pack::of_one(floats, fun, a),
    }))
}

/// A structure of two members, of a number or of each component of a vector.
fn pairs<N: Copy>(of: &Value<N>, split: impl Fn(N) -> (Value<N>, Value<N>)) -> Outcome<Value<N>> {
    let (first, second) = match of {
        Value::Parts(_) => {
            let all = floats_of(of)?.into_iter().map(split);
            let (first, second): (Vec<_>, Vec<_>) = all.unzip();
            (Value::Parts(first), Value::Parts(second))
        }
        one => split(float(one)?),
    };
    Ok(Value::Parts(vec![first, second]))
}

fn whole_of_two<F: Floats>(
    floats: &F,
    fun: MathFunction,
    a: &Of<F>,
    b: &Of<F>,
) -> Outcome<Option<Of<F>>> {
    Ok(Some(match fun {
        MathFunction::Dot => dot(floats, a, b)?,
        MathFunction::Cross => match (floats_of(a)?.as_slice(), floats_of(b)?.as_slice()) {
            (&[a, b, c], &[d, e, f]) => {
                let minus =
                    |a, b, c, d| floats.difference(floats.product(a, b), floats.product(c, d));
                vector([minus(b, f, c, e), minus(c, d, a, f), minus(a, e, b, d)])
            }
            _ => return Err("`cross` of vectors that are not of three".to_owned()),
        },
        MathFunction::Distance => {
            let (a, b) = (floats_of(a)?, floats_of(b)?);
            let difference = a.iter().zip(&b).map(|(a, b)| floats.difference(*a, *b));
            Value::F32(norm(floats, &difference.collect::<Vec<_>>()))
        }
        MathFunction::Reflect => {
            let (a, b) = (floats_of(a)?, floats_of(b)?);
            let twice = floats.product(floats.number(2.0), inner_product(floats, &b, &a));
            let one =
                |(a, b): (&F::Number, &F::Number)| floats.difference(*a, floats.product(twice, *b));
            vector(a.iter().zip(&b).map(one))
        }
        _ => return Ok(pack::of_two(fun, a, b)),
    }))
}

fn whole_of_three<F: Floats>(
    floats: &F,
    fun: MathFunction,
    a: &Of<F>,
    b: &Of<F>,
    c: &Of<F>,
) -> Outcome<Option<Of<F>>> {
    let negative = |v| floats.compared(BinaryOperator::Less, v, F::Number::default()) == Some(true);
    Ok(Some(match fun {
        MathFunction::FaceForward => {
            let a = floats_of(a)?;
            let forward = negative(inner_product(floats, &floats_of(b)?, &floats_of(c)?));
            vector(
                a.into_iter()
                    .map(|v| if forward { v } else { floats.negated(v) }),
            )
        }
        MathFunction::Refract => {
            let (a, b, ratio) = (floats_of(a)?, floats_of(b)?, float(c)?);
            let one = floats.number(1.0);
            let cosine = inner_product(floats, &b, &a);
            let rest = floats.difference(one, floats.square(cosine));
            let k = floats.difference(one, floats.product(floats.square(ratio), rest));
            if negative(k) {
                return Ok(Some(vector(a.iter().map(|_| F::Number::default()))));
            }
            let root = floats.root(floats.not_negative(k));
            let bend = floats.sum(floats.product(ratio, cosine), root);
            let bent = |(a, b): (&F::Number, &F::Number)| {
                floats.difference(floats.product(ratio, *a), floats.product(bend, *b))
            };
            vector(a.iter().zip(&b).map(bent))
        }
        _ => return Ok(None),
    }))
}

fn float<N: Copy>(value: &Value<N>) -> Outcome<N> {
    match value {
        Value::F32(v) => Ok(*v),
        _ => Err("expected floats".to_owned()),
    }
}

fn of_one<F: Floats>(floats: &F, fun: MathFunction, a: &Of<F>) -> Option<Of<F>> {
    match *a {
        Value::F32(v) => floats.one(fun, v).map(Value::F32),
        Value::I32(v) => bits_of_one(fun, v as u32, true).map(|v| Value::I32(v as i32)),
        Value::U32(v) => bits_of_one(fun, v, false).map(Value::U32),
        _ => None,
    }
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

fn of_two<F: Floats>(floats: &F, fun: MathFunction, a: &Of<F>, b: &Of<F>) -> Option<Of<F>> {
    Some(match (fun, a, b) {
        (_, Value::F32(a), Value::F32(b)) => Value::F32(floats.two(fun, *a, *b)?),
        (MathFunction::Ldexp, Value::F32(v), Value::I32(by)) => Value::F32(floats.ldexp(*v, *by)),
        (MathFunction::Min, Value::I32(a), Value::I32(b)) => Value::I32(*a.min(b)),
        (MathFunction::Max, Value::I32(a), Value::I32(b)) => Value::I32(*a.max(b)),
        (MathFunction::Min, Value::U32(a), Value::U32(b)) => Value::U32(*a.min(b)),
        (MathFunction::Max, Value::U32(a), Value::U32(b)) => Value::U32(*a.max(b)),
        _ => return None,
    })
}

fn of_three<F: Floats>(
    floats: &F,
    fun: MathFunction,
    a: &Of<F>,
    b: &Of<F>,
    c: &Of<F>,
) -> Option<Of<F>> {
    Some(match (fun, a, b, c) {
        (_, Value::F32(a), Value::F32(b), Value::F32(c)) => {
            Value::F32(floats.three(fun, *a, *b, *c)?)
        }
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
