//! Why a command failed, and what the process exits with.

use super::files::FileError;
use crate::Error;
use crate::custom::SourceError;
use std::io;

/// A check failed.
pub const CHECK: u8 = 1;
/// Wrong usage or bad input.
pub const USAGE: u8 = 2;
/// No device, or the device was lost.
pub const DEVICE: u8 = 3;

/// A failure, whose message is one line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments that do not fit each other or the loss.
    #[error("{what}: expected {expected}, found {found}")]
    Usage {
        /// The argument.
        what: String,
        /// What would fit.
        expected: String,
        /// What was given.
        found: String,
    },
    /// An array that does not fit its place.
    #[error("{file}: {role}: expected {expected}, found {found}")]
    Array {
        /// The file as the user named it.
        file: String,
        /// What it was given as.
        role: &'static str,
        /// What would fit.
        expected: String,
        /// Its element type and shape.
        found: String,
    },
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A WGSL file that is no loss, and where it is none.
    #[error("{file}:{error}")]
    Source {
        /// The file as the user named it.
        file: String,
        /// What is wrong, and where.
        error: Box<SourceError>,
    },
    /// What the library reports about the contents of a file.
    #[error("{file}: {error}")]
    Contents {
        /// The file as the user named it.
        file: String,
        /// The report.
        error: Error,
    },
    /// What the library reports otherwise.
    #[error(transparent)]
    Library(#[from] Error),
    /// A device that is not within the bounds of the reference.
    #[error("check failed: {0}")]
    Check(String),
    /// Standard output is closed for good: not merely a reader that has seen enough.
    #[error("standard output: cannot write: {0}")]
    Stdout(io::Error),
}

impl Failure {
    /// Arguments that do not fit.
    pub fn usage(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Failure::Usage {
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// What the process exits with.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Check(_) => CHECK,
            Failure::Library(error) | Failure::Contents { error, .. } => match error {
                Error::NoAdapter(_)
                | Error::Device(_)
                | Error::OutOfMemory(_)
                | Error::DeviceLost(_) => DEVICE,
                _ => USAGE,
            },
            _ => USAGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that no test can bring about from outside.
    #[test]
    fn exit_codes() {
        let lost = Error::DeviceLost("gone".into());
        let blamed = Failure::Contents {
            file: "x.npy".into(),
            error: lost.clone(),
        };
        assert_eq!(blamed.code(), DEVICE);
        assert_eq!(Failure::from(lost).code(), DEVICE);
        assert_eq!(Failure::from(Error::Device("no".into())).code(), DEVICE);
        let memory = Error::OutOfMemory("1 GiB".into());
        assert_eq!(Failure::from(memory).code(), DEVICE);
        let large = Error::TooLarge {
            what: "bytes".into(),
            limit: 1,
            found: 2,
        };
        assert_eq!(Failure::from(large).code(), USAGE);
        assert_eq!(Failure::Check("loss".into()).code(), CHECK);
    }
}
