//! Arrays as files hold them: `.npy`. With the feature `npy`, which takes no further crate; `cli` has it, and reads more formats.
//!
//! ```
//! use wgloss::files::{Data, npy};
//!
//! # fn main() -> Result<(), wgloss::files::FileError> {
//! let mut bytes = b"\x93NUMPY\x01\x00\x37\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}".to_vec();
//! bytes.extend([1.5f32, -2.0].map(f32::to_le_bytes).concat());
//! let array = npy("scores.npy", &bytes)?;
//! assert_eq!((array.shape, array.data), (vec![2], Data::F32(vec![1.5, -2.0])));
//! # Ok(()) }
//! ```
//!
//! # Hostile files
//!
//! Nothing in a file is believed before it is checked, so that no sequence of bytes makes [`npy()`]
//! panic, recurse or allocate more than the file accounts for:
//!
//! * the bytes an array needs by its shape and element type must be exactly the bytes that are
//!   there before any of them is read;
//! * the header of an `.npy` array may have at most 65 536 bytes;
//! * arrays of Python objects are refused by name and their pickles are never looked at.

use crate::tensor::{Labels, Values};
use half::{bf16, f16};

pub(crate) use error::Source;
#[cfg(feature = "cli")]
pub(crate) use error::excerpt;

mod error;
pub(crate) mod layout;
pub(crate) mod npy;

pub use error::FileError;

/// Reads the array in the bytes of an `.npy` file, which errors call `name`.
///
/// # Errors
///
/// A [`FileError`] when the bytes are not exactly what the format calls for, or the elements are of a type that is not read.
pub fn npy(name: &str, bytes: &[u8]) -> Result<Array, FileError> {
    npy::read(&Source(name), bytes, bytes.len() as u64)
}

/// An array read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of every axis, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// The elements in C (row-major) order; their number is the product of `shape`.
    pub data: Data,
}

/// The elements of an array, in the type they have in the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// IEEE 754 half precision.
    F16(Vec<f16>),
    /// The upper half of an IEEE 754 single.
    Bf16(Vec<bf16>),
    /// IEEE 754 single precision.
    F32(Vec<f32>),
    /// IEEE 754 double precision.
    F64(Vec<f64>),
    /// Signed, 8 bits.
    I8(Vec<i8>),
    /// Signed, 16 bits.
    I16(Vec<i16>),
    /// Signed, 32 bits.
    I32(Vec<i32>),
    /// Signed, 64 bits.
    I64(Vec<i64>),
    /// Unsigned, 8 bits.
    U8(Vec<u8>),
    /// Unsigned, 16 bits.
    U16(Vec<u16>),
    /// Unsigned, 32 bits.
    U32(Vec<u32>),
    /// Unsigned, 64 bits.
    U64(Vec<u64>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl Data {
    /// The name numpy has for the element type, such as `float32` or `bfloat16`.
    pub fn dtype_name(&self) -> &'static str {
        match self {
            Data::F16(_) => "float16",
            Data::Bf16(_) => "bfloat16",
            Data::F32(_) => "float32",
            Data::F64(_) => "float64",
            Data::I8(_) => "int8",
            Data::I16(_) => "int16",
            Data::I32(_) => "int32",
            Data::I64(_) => "int64",
            Data::U8(_) => "uint8",
            Data::U16(_) => "uint16",
            Data::U32(_) => "uint32",
            Data::U64(_) => "uint64",
            Data::Bool(_) => "bool",
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F16(items) => items.len(),
            Data::Bf16(items) => items.len(),
            Data::F32(items) => items.len(),
            Data::F64(items) => items.len(),
            Data::I8(items) => items.len(),
            Data::I16(items) => items.len(),
            Data::I32(items) => items.len(),
            Data::I64(items) => items.len(),
            Data::U8(items) => items.len(),
            Data::U16(items) => items.len(),
            Data::U32(items) => items.len(),
            Data::U64(items) => items.len(),
            Data::Bool(items) => items.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(&self) -> bool {
        matches!(
            self,
            Data::F16(_) | Data::Bf16(_) | Data::F32(_) | Data::F64(_)
        )
    }

    /// Whether the elements are integers or truth values.
    pub fn is_integer_or_bool(&self) -> bool {
        !self.is_float()
    }

    /// Numbers of any type. Integers of 32 bits and more become f64.
    pub fn into_values(self) -> Values<'static> {
        fn single<T: Into<f32>>(items: Vec<T>) -> Values<'static> {
            items.into_iter().map(T::into).collect::<Vec<_>>().into()
        }
        fn double<T>(items: Vec<T>, f: fn(T) -> f64) -> Values<'static> {
            items.into_iter().map(f).collect::<Vec<_>>().into()
        }
        match self {
            Data::F16(items) => items.into(),
            Data::Bf16(items) => items.into(),
            Data::F32(items) => items.into(),
            Data::F64(items) => items.into(),
            Data::I8(items) => single(items),
            Data::I16(items) => single(items),
            Data::I32(items) => double(items, f64::from),
            Data::I64(items) => double(items, |v| v as f64),
            Data::U8(items) => single(items),
            Data::U16(items) => single(items),
            Data::U32(items) => double(items, f64::from),
            Data::U64(items) => double(items, |v| v as f64),
            Data::Bool(items) => single(items.into_iter().map(u8::from).collect()),
        }
    }

    /// Class indices, for a loss that passes over `ignored`; `None` where the elements are no integers.
    pub fn into_labels(self, ignored: Option<i64>) -> Option<Labels<'static>> {
        fn narrow<T: Into<i32>>(items: Vec<T>) -> Labels<'static> {
            items.into_iter().map(T::into).collect::<Vec<_>>().into()
        }
        Some(match self {
            Data::I8(items) => narrow(items),
            Data::I16(items) => narrow(items),
            Data::I32(items) => items.into(),
            Data::I64(items) => items.into(),
            Data::U8(items) => narrow(items),
            Data::U16(items) => narrow(items),
            Data::U32(items) => items.into(),
            Data::U64(items) => {
                // What does not fit an i64 is out of range, and has to stay so: no class, and not ignored.
                let outside = match ignored {
                    Some(i64::MAX) => i64::MAX - 1,
                    _ => i64::MAX,
                };
                let fit = |v| i64::try_from(v).unwrap_or(outside);
                items.into_iter().map(fit).collect::<Vec<_>>().into()
            }
            Data::Bool(items) => narrow(items.into_iter().map(u8::from).collect()),
            Data::F16(_) | Data::Bf16(_) | Data::F32(_) | Data::F64(_) => return None,
        })
    }
}
