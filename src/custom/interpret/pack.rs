//! WGSL's functions that pack several numbers into 32 bits, and those that unpack them.

use naga::MathFunction;

use super::Value;
use super::expression::{Of, Outcome};
use super::floats::Floats;
use super::math::floats_of;

/// A function of one value; none if it is another one.
pub(super) fn of_one<F: Floats>(
    floats: &F,
    fun: MathFunction,
    a: &Of<F>,
) -> Outcome<Option<Of<F>>> {
    if let Value::U32(bits) = *a {
        return Ok(unpacked(floats, fun, bits));
    }
    // A number of this range in units of 1/most, to the nearest one.
    let normal = |least: f64, most: f64| -> Outcome<Vec<u32>> {
        let one = |v: F::Number| {
            let (least, one) = (floats.number(least), floats.number(1.0));
            let held = floats.three(MathFunction::Clamp, v, least, one)?;
            Some(floats.nearest(floats.product(floats.number(most), held)) as u32)
        };
        let all = floats_of(a)?.into_iter().map(one);
        all.collect::<Option<_>>()
            .ok_or_else(|| "numbers cannot be clamped".to_owned())
    };
    let parts = match fun {
        MathFunction::Pack4x8snorm => normal(-1.0, 127.0)?,
        MathFunction::Pack4x8unorm => normal(0.0, 255.0)?,
        MathFunction::Pack2x16snorm => normal(-1.0, 32767.0)?,
        MathFunction::Pack2x16unorm => normal(0.0, 65535.0)?,
        MathFunction::Pack2x16float => {
            let halves = floats_of(a)?.into_iter().map(|v| floats.half_bits(v));
            halves.map(u32::from).collect()
        }
        MathFunction::Pack4xI8 | MathFunction::Pack4xU8 => integers(a, |v| v, |v| v)?,
        MathFunction::Pack4xI8Clamp | MathFunction::Pack4xU8Clamp => {
            integers(a, |v| v.clamp(-128, 127), |v| v.min(255))?
        }
        _ => return Ok(None),
    };
    Ok(Some(Value::U32(joined(&parts))))
}

/// A function of two packed vectors of integers; none if it is another one.
pub(super) fn of_two<N>(fun: MathFunction, a: &Value<N>, b: &Value<N>) -> Option<Value<N>> {
    let (Value::U32(a), Value::U32(b)) = (a, b) else {
        return None;
    };
    // No sum of four products leaves 32 bits.
    match fun {
        MathFunction::Dot4I8Packed => {
            let signed = |v: u32| v.to_le_bytes().map(|byte| i32::from(byte as i8));
            let products = signed(*a).into_iter().zip(signed(*b)).map(|(a, b)| a * b);
            Some(Value::I32(products.sum()))
        }
        MathFunction::Dot4U8Packed => {
            let products = a.to_le_bytes().into_iter().zip(b.to_le_bytes());
            let products = products.map(|(a, b)| u32::from(a) * u32::from(b));
            Some(Value::U32(products.sum()))
        }
        _ => None,
    }
}

fn unpacked<F: Floats>(floats: &F, fun: MathFunction, bits: u32) -> Option<Of<F>> {
    let bytes = bits.to_le_bytes();
    let halves = [bits as u16, (bits >> 16) as u16];
    let number = |v: f64, most: f64| Value::F32(floats.unpacked((v / most).max(-1.0)));
    let parts: Vec<Of<F>> = match fun {
        MathFunction::Unpack4x8snorm => bytes.map(|v| number(f64::from(v as i8), 127.0)).into(),
        MathFunction::Unpack4x8unorm => bytes.map(|v| number(f64::from(v), 255.0)).into(),
        MathFunction::Unpack2x16snorm => {
            let signed = halves.map(|v| f64::from(v as i16));
            signed.map(|v| number(v, 32767.0)).into()
        }
        MathFunction::Unpack2x16unorm => halves.map(|v| number(f64::from(v), 65535.0)).into(),
        MathFunction::Unpack2x16float => halves.map(|v| Value::F32(floats.of_half(v))).into(),
        MathFunction::Unpack4xI8 => bytes.map(|v| Value::I32(i32::from(v as i8))).into(),
        MathFunction::Unpack4xU8 => bytes.map(|v| Value::U32(u32::from(v))).into(),
        _ => return None,
    };
    Some(Value::Parts(parts))
}

/// The components of a vector of integers, brought into a range.
fn integers<N>(
    of: &Value<N>,
    signed: fn(i32) -> i32,
    unsigned: fn(u32) -> u32,
) -> Outcome<Vec<u32>> {
    let one = |v: &Value<N>| match v {
        Value::I32(v) => Ok(signed(*v) as u32),
        Value::U32(v) => Ok(unsigned(*v)),
        _ => Err("expected integers".to_owned()),
    };
    match of {
        Value::Parts(all) => all.iter().map(one).collect(),
        _ => Err("expected a vector".to_owned()),
    }
}

/// The low bits of two or four numbers beside each other, the first ones lowest.
fn joined(parts: &[u32]) -> u32 {
    let width = if parts.len() == 2 { 16 } else { 8 };
    let low = u32::MAX >> (32 - width);
    let all = parts.iter().rev();
    all.fold(0, |bits, part| bits << width | part & low)
}
