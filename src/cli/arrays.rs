//! Arrays from files as what the library takes.

use super::error::Failure;
use super::files::{Array, Data, read};
use crate::tensor::{Labels, Values};

/// An array, and what the user called it.
#[derive(Debug)]
pub struct Source {
    /// The file as the user named it.
    pub file: String,
    /// What it was given as.
    pub role: &'static str,
    /// What it holds.
    pub array: Array,
}

impl Source {
    /// Reads the file that was given as `role`.
    pub fn read(role: &'static str, file: &str) -> Result<Self, Failure> {
        Ok(Source {
            file: file.into(),
            role,
            array: read(file)?,
        })
    }

    /// The failure to be what was `expected`.
    pub fn refuse(&self, expected: impl Into<String>) -> Failure {
        Failure::Array {
            file: self.file.clone(),
            role: self.role,
            expected: expected.into(),
            found: format!(
                "{} of shape {:?}",
                self.array.data.dtype_name(),
                self.array.shape
            ),
        }
    }

    /// Whether a GPU gets less of it than the file holds.
    pub fn is_double(&self) -> bool {
        matches!(self.array.data, Data::F64(_))
    }

    /// Numbers of any type. Integers of 32 bits and more become f64.
    pub fn into_values(self) -> Values<'static> {
        fn single<T: Into<f32>>(items: Vec<T>) -> Values<'static> {
            items.into_iter().map(T::into).collect::<Vec<_>>().into()
        }
        fn double<T>(items: Vec<T>, f: fn(T) -> f64) -> Values<'static> {
            items.into_iter().map(f).collect::<Vec<_>>().into()
        }
        match self.array.data {
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

    /// Class indices, for a loss that passes over `ignored`.
    ///
    /// # Errors
    /// The failure to be integers.
    pub fn into_labels(self, ignored: Option<i64>) -> Result<Labels<'static>, Failure> {
        fn narrow<T: Into<i32>>(items: Vec<T>) -> Labels<'static> {
            items.into_iter().map(T::into).collect::<Vec<_>>().into()
        }
        let refusal = self.refuse("integer class indices");
        Ok(match self.array.data {
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
            Data::F16(_) | Data::Bf16(_) | Data::F32(_) | Data::F64(_) => return Err(refusal),
        })
    }
}
