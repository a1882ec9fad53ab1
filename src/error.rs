//! What can go wrong, as one type.

/// Every failure that a call of this crate reports.
///
/// A message is one line and says what was expected and what was found. The
/// library never panics on bad input and never prints.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No loss of this name is registered.
    #[error("unknown loss `{name}`: expected one of {known}")]
    UnknownLoss {
        /// The name asked for.
        name: String,
        /// The registered names, comma separated.
        known: String,
    },
    /// The loss has no option of this name.
    #[error("{loss} has no option `{option}`: expected {known}")]
    UnknownOption {
        /// The loss.
        loss: &'static str,
        /// The option asked for.
        option: String,
        /// The options it has, comma separated, or `none`.
        known: String,
    },
    /// An option was given a value of another type, or one outside its range.
    #[error("option `{option}` of {loss}: expected {expected}, found {found}")]
    OptionValue {
        /// The loss.
        loss: &'static str,
        /// The option.
        option: &'static str,
        /// What the option takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The text of a custom loss is no WGSL or means nothing as a loss, cannot be differentiated, or cannot be evaluated, as a loop that
    /// does not end.
    #[error("{name}:{error}")]
    Source {
        /// The name that was given to the loss.
        name: String,
        /// What is wrong with its text, and where.
        error: Box<crate::custom::SourceError>,
    },
    /// A tensor, a target, a weight or a setting does not fit the loss or the shape.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// Which argument.
        what: String,
        /// What would fit.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A weight is negative or not finite.
    #[error("{what}: expected finite weights of at least 0, found {} at index {index}", shown(*.value))]
    BadWeight {
        /// `weight` or `class_weight`.
        what: &'static str,
        /// 0-based index of the first such weight.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A number among the samples of a metric that means nothing there.
    #[error("{what}: expected {expected}, found {found} at index {index}")]
    BadSample {
        /// `input` or `target`.
        what: &'static str,
        /// What would mean something.
        expected: String,
        /// 0-based index of the first such number.
        index: usize,
        /// The number.
        found: String,
    },
    /// Class indices outside `0..classes` that are not `ignore_index`.
    #[error(
        "target: expected class indices below {classes}{ignored}, found {count} outside, the first in row {first_row}"
    )]
    BadLabels {
        /// How many rows have one.
        count: u64,
        /// 0-based index of the first such row.
        first_row: u64,
        /// The number of classes.
        classes: usize,
        /// ` or the ignore_index …`, or nothing for a loss without one.
        ignored: String,
    },
    /// Targets of one number per row that say nothing of the row.
    #[error("target: expected {expected}, found {count} others, the first in row {first_row}")]
    BadTargets {
        /// What they have to be.
        expected: &'static str,
        /// How many rows have another one.
        count: u64,
        /// 0-based index of the first such row.
        first_row: u64,
    },
    /// Weights on the GPU that are negative or not finite.
    #[error("weights: expected finite weights of at least 0, found {count} others on the device")]
    BadWeights {
        /// How many there are.
        count: u64,
    },
    /// A tensor is larger than the device, or the index arithmetic, can take.
    #[error("{what}: at most {limit} possible here, found {found}")]
    TooLarge {
        /// What is too large, with its unit.
        what: String,
        /// The largest possible.
        limit: u64,
        /// What was asked for.
        found: u64,
    },
    /// No adapter answers to the request.
    #[error("no GPU adapter: {0}")]
    NoAdapter(String),
    /// The adapter or the device refused what the crate needs.
    #[error("the device refused: {0}")]
    Device(String),
    /// The device has no memory for a buffer. Nothing has changed, and the device goes on.
    #[error("out of device memory: {0}")]
    OutOfMemory(String),
    /// The device was lost, or destroyed by its owner: so says every call that needs it from then on. Where a driver has no memory
    /// for anything but a buffer, wgpu loses the device too.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
}

/// Shorthand for results with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn mismatch(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Error::Mismatch {
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// Escapes what would break a message into several lines or move the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// A number in a few digits: 1e300, not 1 and 300 zeros.
pub(crate) fn shown(v: f64) -> String {
    match v.abs() {
        size if size >= 1e16 && size.is_finite() || size > 0.0 && size < 1e-5 => format!("{v:e}"),
        _ => v.to_string(),
    }
}
