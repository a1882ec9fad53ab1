//! What can go wrong, and the one line that says so.

use std::fmt::Display;
use std::io;

use crate::error::one_line;

/// Why a file could not be read or written.
///
/// Every message is one line that begins with the file as the user named it; control characters in
/// names and in text taken from a file are escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The name does not end in anything that says how the file is to be read or written.
    #[error("{file}: expected a name ending in {accepted}")]
    Format {
        /// The file as the user named it.
        file: String,
        /// The endings that are accepted.
        accepted: &'static str,
    },
    /// The operating system refused something.
    #[error("{file}: cannot {action}: {reason}")]
    Io {
        /// The file as the user named it.
        file: String,
        /// What was attempted.
        action: &'static str,
        /// What the operating system answered. Not the error's `source`, since the message
        /// contains it already.
        reason: io::Error,
    },
    /// A key was given for a file that holds just one array.
    #[error("{file}: expected no key after .npy, found the key `{key}`")]
    UnexpectedKey {
        /// The file as the user named it.
        file: String,
        /// The key that was given.
        key: String,
    },
    /// No key was given for a file that does not hold exactly one array.
    #[error("{file}: expected `:` and one of its keys, found none; {}", listed(.keys, .total))]
    MissingKey {
        /// The file as the user named it.
        file: String,
        /// The keys that exist, at most 10 of them.
        keys: Vec<String>,
        /// How many keys exist.
        total: u64,
    },
    /// The file has no array by the name that was asked for.
    #[error("{file}: expected one of its keys, found `{key}`; {}", listed(.keys, .total))]
    UnknownKey {
        /// The file as the user named it.
        file: String,
        /// The key that was given.
        key: String,
        /// The keys that exist, at most 10 of them.
        keys: Vec<String>,
        /// How many keys exist.
        total: u64,
    },
    /// The elements are of a type that is not read: complex, structured, object, string, date or
    /// time, or floats narrower than 16 or wider than 64 bits.
    #[error(
        "{file}: expected elements of 16, 32 or 64-bit floats, 8 to 64-bit integers or bool, \
         found {dtype}"
    )]
    Dtype {
        /// The file as the user named it.
        file: String,
        /// The type as the file names it.
        dtype: String,
    },
    /// The file is not what its name says, is damaged, or ends too soon.
    #[error("{file}: expected {expected}, found {found}")]
    Malformed {
        /// The file as the user named it.
        file: String,
        /// What should have been there.
        expected: String,
        /// What was there.
        found: String,
    },
    /// The array is well-formed but there is no memory for it.
    #[error("{file}: expected memory for {bytes} bytes, found less")]
    Memory {
        /// The file as the user named it.
        file: String,
        /// The size of the array.
        bytes: u64,
    },
    /// The same path was given for two outputs.
    #[error("{file}: expected a path of its own for every output, found it given twice")]
    SameOutput {
        /// The file as the user named it.
        file: String,
    },
    /// An output has a shape that does not go with its number of elements.
    #[error("{file}: expected a shape of {len} elements, found {shape:?}")]
    Shape {
        /// The file as the user named it.
        file: String,
        /// The shape that was given.
        shape: Vec<usize>,
        /// The number of elements that were given.
        len: usize,
    },
    /// A finished output could not be put in place.
    #[error("{file}: cannot rename the output into place: {reason}{}", left(.changed))]
    Replace {
        /// The file as the user named it.
        file: String,
        /// What the operating system answered.
        reason: io::Error,
        /// The outputs that were in place by then and could not be undone; normally none.
        changed: Vec<String>,
    },
}

fn listed(keys: &[String], total: &u64) -> String {
    let keys = keys.join("`, `");
    match total {
        0 => "it has no keys".to_owned(),
        1..=10 => format!("its keys are `{keys}`"),
        _ => format!("the first 10 of its {total} keys are `{keys}`"),
    }
}

fn left(changed: &[String]) -> String {
    if changed.is_empty() {
        String::new()
    } else {
        format!("; left in place: {}", changed.join(", "))
    }
}

/// The name of the file being read, to begin every error with.
pub(crate) struct Source<'a>(pub(crate) &'a str);

impl Source<'_> {
    pub(crate) fn io(&self, action: &'static str, reason: io::Error) -> FileError {
        FileError::Io {
            file: one_line(self.0),
            action,
            reason,
        }
    }

    pub(crate) fn malformed(&self, expected: impl Display, found: impl Display) -> FileError {
        FileError::Malformed {
            file: one_line(self.0),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(crate) fn dtype(&self, dtype: impl Display) -> FileError {
        FileError::Dtype {
            file: one_line(self.0),
            dtype: dtype.to_string(),
        }
    }

    /// Decoders report damage as an error of reading; that is the file's fault, not the system's.
    pub(crate) fn reading(&self, reason: io::Error) -> FileError {
        match reason.kind() {
            io::ErrorKind::UnexpectedEof => self.malformed("more bytes", "the end of the file"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => self.malformed(
                "undamaged data",
                format!("a fault: {}", excerpt(&reason.to_string())),
            ),
            _ => self.io("read", reason),
        }
    }
}

/// Like [`one_line`], and cut, for text that comes out of a file and may be of any length.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => one_line(text.get(..end).unwrap_or_default()) + "…",
        None => one_line(text),
    }
}
