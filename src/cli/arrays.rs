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
        self.array.data.into_values()
    }

    /// Class indices, for a loss that passes over `ignored`.
    ///
    /// # Errors
    /// The failure to be integers.
    pub fn into_labels(self, ignored: Option<i64>) -> Result<Labels<'static>, Failure> {
        let refusal = self.refuse("integer class indices");
        self.array.data.into_labels(ignored).ok_or(refusal)
    }
}
