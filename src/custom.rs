#![doc = include_str!("custom/guide.md")]

// - `parse` is the front door: what passes it is valid, refers to nothing outside the file, and has the right signature. Everything
//   else is refused with a line and a column of the user's own text.
// - `interpret` evaluates functions of such a file on the CPU in f64, to hold the GPU's values and derivatives against, with bounds on
//   what f32 may come to. It knows no derivatives.
// - `derive` makes functions that give the derivatives too, and `emit` their text, to stand beside a kernel.
// - `source` puts these together to the description of a loss, and `reference` is its f64 reference.
#[cfg(test)]
mod builtin;
pub(crate) mod derive;
pub(crate) mod emit;
pub(crate) mod interpret;
pub(crate) mod parse;
#[cfg(test)]
mod random;
mod reference;
mod source;

pub use parse::SourceError;
pub(crate) use source::Source;

use crate::error::{Error, Result};
use crate::loss::{Info, Loss, Maker, Math, OptionValue, check_value, sealed, unknown_option};
use interpret::Machine;
use parse::Kind;
use source::{Shape, describe};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A loss that a user wrote.
///
/// ```
/// use wgloss::{Batch, Custom, Loss, OptionValue, reference};
///
/// # fn main() -> wgloss::Result<()> {
/// let mut pinball = Custom::new(
///     "pinball",
///     "override over: f32 = 0.25;
///      fn loss(x: f32, t: f32) -> f32 {
///          let d = t - x;
///          return max((1.0 - over) * d, -over * d);
///      }",
/// )?;
/// pinball.set("over", OptionValue::Number(0.125))?;
/// let batch = Batch::new([2], &[3.0f32, 0.0]).target(&[1.0f32, 2.0]);
/// let out = reference::loss(&pinball, &batch)?;
/// assert_eq!(out.loss, Some(1.0));
/// assert_eq!(out.grads[0], [0.0625, -0.4375]);
/// # Ok(()) }
/// ```
pub struct Custom {
    info: &'static Info,
    source: &'static Source,
    values: Vec<OptionValue>,
    /// The derived function with the options as they are.
    machine: Result<Machine<'static>, SourceError>,
    /// The first thing that could not be evaluated, as a loop that does not end: nothing is tried after it.
    fault: OnceLock<SourceError>,
}

impl Custom {
    /// Reads, checks and differentiates the WGSL text of a loss. `name` is for messages and reports. A text is kept for good, so that one
    /// that comes again costs nothing.
    ///
    /// # Errors
    /// [`Error::Source`] with the place in the text: what is no WGSL, has no function `loss` of numbers, reaches for resources or other
    /// invocations, or cannot be differentiated.
    pub fn new(name: &str, wgsl: &str) -> Result<Custom> {
        static ALL: Mutex<Option<HashMap<(String, String), &'static Info>>> = Mutex::new(None);
        let key = (name.to_string(), wgsl.to_string());
        let found = |all: &Option<HashMap<_, &'static Info>>| Some(*all.as_ref()?.get(&key)?);
        let known = found(&ALL.lock().unwrap_or_else(PoisonError::into_inner));
        let info = match known {
            Some(info) => info,
            None => {
                let failed = |error: SourceError| Error::Source {
                    name: name.into(),
                    error: Box::new(error),
                };
                let made = describe(name, wgsl).map_err(failed)?;
                let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = all.get_or_insert_with(HashMap::new).entry(key);
                let kept: &&'static Info = kept.or_insert_with(|| Box::leak(Box::new(made)));
                *kept
            }
        };
        match info.maker {
            Maker::Custom(source) => Ok(Custom::of(info, source)),
            // Nobody puts anything else there.
            Maker::Registered(_) => Err(Error::UnknownLoss {
                name: name.into(),
                known: String::new(),
            }),
        }
    }

    /// With default options.
    pub(crate) fn of(info: &'static Info, source: &'static Source) -> Custom {
        Custom {
            info,
            source,
            machine: source.machine(&source.defaults),
            values: source.defaults.clone(),
            fault: OnceLock::new(),
        }
    }

    /// What the reference could not evaluate, if it came to that with these options.
    pub(crate) fn check_fault(&self) -> Result<()> {
        match (self.fault.get(), &self.machine) {
            (Some(error), _) | (None, Err(error)) => Err(Error::Source {
                name: self.info.name.into(),
                error: Box::new(error.clone()),
            }),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// The WGSL of loss and derivative as kernels contain it: `loss_change` gives the loss `v`, and the derivatives by the first input
    /// `d_a`, the second `d_b` and so on; of a loss of rows `row_terms_change` does so by the inputs, and `row_loss_change` by
    /// the sums. The file's own names begin with `user_`, and options are read from `params`.
    pub fn derivative(&self) -> &'static str {
        &self.source.text
    }
}

/// Name and options: the rest follows.
impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(self.info.name);
        for (option, value) in self.info.options.iter().zip(&self.values) {
            out.field(option.name, &format_args!("{value}"));
        }
        out.finish()
    }
}

impl sealed::Sealed for Custom {}

impl Loss for Custom {
    fn info(&self) -> &'static Info {
        self.info
    }

    fn options(&self) -> Vec<OptionValue> {
        self.values.clone()
    }

    fn set(&mut self, name: &str, value: OptionValue) -> Result<()> {
        let place = self.info.options.iter().position(|o| o.name == name);
        let option = place.and_then(|i| Some((self.info.options.get(i)?, self.values.get_mut(i)?)));
        let Some((option, slot)) = option else {
            return Err(unknown_option(self.info, name));
        };
        check_value(self.info.name, option, &value)?;
        let before = std::mem::replace(slot, value);
        match self.source.finite_machine(&self.values) {
            Ok(machine) => {
                self.machine = Ok(machine);
                self.fault = OnceLock::new();
                Ok(())
            }
            // What follows from this option cannot be worked out.
            Err(error) => {
                let slot = place.and_then(|i| self.values.get_mut(i));
                let found = slot.map(|slot| std::mem::replace(slot, before).to_string());
                Err(Error::OptionValue {
                    loss: self.info.name,
                    option: option.name,
                    expected: "a value that the file can work with".into(),
                    found: format!("{} ({error})", found.unwrap_or_default()),
                })
            }
        }
    }

    fn derived(&self) -> Vec<u32> {
        let settings = &self.source.parsed.settings;
        let all = match &self.machine {
            Ok(machine) => machine.settings(),
            Err(_) => vec![f64::NAN; settings.len()],
        };
        let settings = settings.iter().zip(all);
        let follows = settings.filter(|(s, _)| s.default.is_none());
        let bits = follows.map(|(s, v)| match s.kind {
            Kind::Bool => u32::from(v != 0.0),
            _ => (v as f32).to_bits(),
        });
        bits.collect()
    }

    fn custom(&self) -> Option<&Custom> {
        Some(self)
    }

    fn math(&self) -> Math<'_> {
        match self.source.shape {
            Shape::Elements(_) => Math::Elementwise(self),
            Shape::Rows { .. } => Math::Rows(self),
        }
    }
}
