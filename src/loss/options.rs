//! The options of losses: their types, ranges and values.

use super::Info;
use crate::error::{Error, Result, one_line, shown};
use std::fmt;

/// The values an option takes. Everything is finite; numbers are f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Any finite number.
    Any,
    /// Above 0.
    Positive,
    /// 0 and above.
    NonNegative,
    /// 0 to 1.
    Unit,
    /// 0 to ½: a distance from both ends of [0, 1].
    Half,
    /// Between 0 and 1, without the ends.
    Inside,
    /// 1 and above.
    AtLeastOne,
    /// 1 or 2.
    OneOrTwo,
    /// A whole number that f32 has, with all between it and 0.
    Whole,
    /// The same, 0 and above.
    Count,
}

/// The largest of the whole numbers of which f32 has every one.
const MOST_WHOLE: f32 = 16_777_216.0;

impl Range {
    fn holds(self, v: f32) -> bool {
        v.is_finite()
            && match self {
                Range::Any => true,
                Range::Positive => v > 0.0,
                Range::NonNegative => v >= 0.0,
                Range::Unit => (0.0..=1.0).contains(&v),
                Range::Half => (0.0..=0.5).contains(&v),
                Range::Inside => v > 0.0 && v < 1.0,
                Range::AtLeastOne => v >= 1.0,
                Range::OneOrTwo => v == 1.0 || v == 2.0,
                Range::Whole => v.fract() == 0.0 && v.abs() <= MOST_WHOLE,
                Range::Count => v.fract() == 0.0 && (0.0..=MOST_WHOLE).contains(&v),
            }
    }

    /// Whether it has whole numbers alone.
    pub const fn is_whole(self) -> bool {
        matches!(self, Range::Whole | Range::Count)
    }

    /// The sentence for people.
    pub const fn name(self) -> &'static str {
        match self {
            Range::Any => "a finite number",
            Range::Positive => "a finite number above 0",
            Range::NonNegative => "a finite number of at least 0",
            Range::Unit => "a number in [0, 1]",
            Range::Half => "a number in [0, 0.5]",
            Range::Inside => "a number above 0 and below 1",
            Range::AtLeastOne => "a finite number of at least 1",
            Range::OneOrTwo => "1 or 2",
            Range::Whole => "a whole number of at most 16777216 in size",
            Range::Count => "a whole number from 0 to 16777216",
        }
    }
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A number. Rounded to f32 before anything uses it, the reference included.
    Number(f32),
    /// On or off.
    Flag(bool),
    /// A class index.
    Index(i64),
    /// One number per column.
    Columns(Vec<f32>),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // 1e-7, not 0.0000001.
            OptionValue::Number(v) if *v != 0.0 && v.abs() < 1e-3 => write!(f, "{v:e}"),
            OptionValue::Number(v) => write!(f, "{v}"),
            OptionValue::Flag(v) => write!(f, "{v}"),
            OptionValue::Index(v) => write!(f, "{v}"),
            OptionValue::Columns(v) => write!(f, "{} numbers", v.len()),
        }
    }
}

/// What type an option has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptionKind {
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A class index.
    Index,
    /// A number, or one per column.
    NumberOrColumns,
}

/// An option that is one number for all columns, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum PerColumn {
    /// The same for every column.
    All(f32),
    /// One for each column, in order.
    Each(Vec<f32>),
}

impl PerColumn {
    /// The value at `column`. A list is as long as there are columns once [`Loss::check`](super::Loss::check) has passed.
    pub fn at(&self, column: usize) -> f64 {
        match self {
            PerColumn::All(v) => f64::from(*v),
            PerColumn::Each(v) => v.get(column).copied().map_or(f64::NAN, f64::from),
        }
    }
}

/// A type that an option's field can have.
pub(super) trait Field: Sized {
    const KIND: OptionKind;
    fn value(&self) -> OptionValue;
    fn from_value(value: OptionValue) -> Option<Self>;
}

impl Field for f32 {
    const KIND: OptionKind = OptionKind::Number;
    fn value(&self) -> OptionValue {
        OptionValue::Number(*self)
    }
    fn from_value(value: OptionValue) -> Option<Self> {
        match value {
            OptionValue::Number(v) => Some(v),
            _ => None,
        }
    }
}

impl Field for bool {
    const KIND: OptionKind = OptionKind::Flag;
    fn value(&self) -> OptionValue {
        OptionValue::Flag(*self)
    }
    fn from_value(value: OptionValue) -> Option<Self> {
        match value {
            OptionValue::Flag(v) => Some(v),
            _ => None,
        }
    }
}

impl Field for i64 {
    const KIND: OptionKind = OptionKind::Index;
    fn value(&self) -> OptionValue {
        OptionValue::Index(*self)
    }
    fn from_value(value: OptionValue) -> Option<Self> {
        match value {
            OptionValue::Index(v) => Some(v),
            _ => None,
        }
    }
}

impl Field for PerColumn {
    const KIND: OptionKind = OptionKind::NumberOrColumns;
    fn value(&self) -> OptionValue {
        match self {
            PerColumn::All(v) => OptionValue::Number(*v),
            PerColumn::Each(v) => OptionValue::Columns(v.clone()),
        }
    }
    fn from_value(value: OptionValue) -> Option<Self> {
        match value {
            OptionValue::Number(v) => Some(PerColumn::All(v)),
            OptionValue::Columns(v) => Some(PerColumn::Each(v)),
            _ => None,
        }
    }
}

/// What is known of an option before it has a value.
#[derive(Debug)]
pub struct OptionInfo {
    /// Its name, as in PyTorch where PyTorch has it.
    pub name: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Its type.
    pub kind: OptionKind,
    /// The numbers it takes.
    pub range: Range,
}

pub(super) fn check_range(
    loss: &'static str,
    option: &OptionInfo,
    value: &OptionValue,
) -> Result<()> {
    let bad = match value {
        OptionValue::Number(v) if !option.range.holds(*v) => shown(f64::from(*v)),
        OptionValue::Columns(v) => match v.iter().position(|&v| !option.range.holds(v)) {
            Some(i) => format!("{} at index {i}", shown(f64::from(v[i]))),
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    Err(Error::OptionValue {
        loss,
        option: option.name,
        expected: option.range.name().into(),
        found: bad,
    })
}

/// Whether an option takes a value: its type, and its range.
pub(crate) fn check_value(
    loss: &'static str,
    option: &'static OptionInfo,
    value: &OptionValue,
) -> Result<()> {
    let fits = matches!(
        (option.kind, value),
        (
            OptionKind::Number | OptionKind::NumberOrColumns,
            OptionValue::Number(_)
        ) | (OptionKind::NumberOrColumns, OptionValue::Columns(_))
            | (OptionKind::Flag, OptionValue::Flag(_))
            | (OptionKind::Index, OptionValue::Index(_))
    );
    if fits {
        return check_range(loss, option, value);
    }
    Err(Error::OptionValue {
        loss,
        option: option.name,
        expected: match option.kind {
            OptionKind::Number => option.range.name(),
            OptionKind::Flag => "true or false",
            OptionKind::Index => "a class index",
            OptionKind::NumberOrColumns => "a number, or one per column",
        }
        .into(),
        found: value.to_string(),
    })
}

/// Sets `slot` from `value`, or says what the option takes. Called by the code of [`loss!`].
pub(super) fn set_field<F: Field>(
    slot: &mut F,
    loss: &'static str,
    option: &'static OptionInfo,
    value: OptionValue,
) -> Result<()> {
    check_value(loss, option, &value)?;
    if let Some(value) = F::from_value(value) {
        *slot = value;
    }
    Ok(())
}

pub(crate) fn unknown_option(info: &Info, option: &str) -> Error {
    let known: Vec<_> = info.options.iter().map(|o| o.name).collect();
    Error::UnknownOption {
        loss: info.name,
        option: one_line(option),
        known: if known.is_empty() {
            "none".into()
        } else {
            known.join(", ")
        },
    }
}
