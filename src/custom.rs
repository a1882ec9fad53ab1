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
pub(crate) use reference::{Evaluation, evaluated};
pub(crate) use source::Source;

use crate::error::{Error, Result, one_line};
use crate::loss::{Info, Loss, Math, OptionValue, check_value, sealed, unknown_option};
use interpret::Machine;
use parse::Kind;
use source::{Shape, describe};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

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
}

impl Custom {
    /// Reads, checks and differentiates the WGSL text of a loss. `name` is for messages and reports. A text is kept for good, so that one
    /// that comes again costs nothing.
    ///
    /// # Errors
    /// [`Error::Source`] with the place in the text: what is no WGSL, has no function `loss` of numbers, reaches for resources or other
    /// invocations, or cannot be differentiated; and what follows from the defaults of its options without being finite.
    pub fn new(name: &str, wgsl: &str) -> Result<Custom> {
        type Known = (&'static Info, &'static Source);
        static ALL: Mutex<Option<HashMap<(String, String), Known>>> = Mutex::new(None);
        let all = || ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let name = one_line(name);
        let key = (name.clone(), wgsl.to_string());
        let known = all().as_ref().and_then(|all| all.get(&key).copied());
        let (info, source) = match known {
            Some(known) => known,
            None => {
                let made = describe(wgsl).map_err(|error| Error::Source {
                    name: name.clone(),
                    error: Box::new(error),
                })?;
                let mut all = all();
                let all = all.get_or_insert_with(HashMap::new);
                *all.entry(key).or_insert_with(|| made.keep(&name))
            }
        };
        Ok(Custom::of(info, source))
    }

    /// With default options.
    pub(crate) fn of(info: &'static Info, source: &'static Source) -> Custom {
        Custom {
            info,
            source,
            machine: source.machine(&source.defaults),
            values: source.defaults.clone(),
        }
    }

    /// What kernels read behind the options: what follows from them, each in the bits of its own type.
    pub(crate) fn derived(&self) -> Vec<u32> {
        let settings = &self.source.parsed.settings;
        let all = match &self.machine {
            Ok(machine) => machine.settings(),
            Err(_) => vec![f64::NAN; settings.len()],
        };
        let settings = settings.iter().zip(all);
        let follows = settings.filter(|(s, _)| s.default.is_none());
        // f64 has every integer of 32 bits.
        let bits = follows.map(|(s, v)| match s.kind {
            Kind::F32 => (v as f32).to_bits(),
            Kind::I32 => (v as i32) as u32,
            Kind::U32 => v as u32,
            Kind::Bool => u32::from(v != 0.0),
        });
        bits.collect()
    }

    /// The WGSL of loss and derivative as kernels contain it: the functions of the file, whose names begin with `user_`, and behind
    /// them those that give a value `v` with its derivatives, by the first argument `d_a`, by the second `d_b` and so on, as far as it
    /// depends on them. Of a loss of elements that is `loss_change`; of one of rows `row_terms_change` with the sums that an element
    /// adds, by its inputs, and `row_loss_change` with the loss, by the sums. Options are read from `params`.
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
        match self.source.machine(&self.values) {
            Ok(machine) => {
                self.machine = Ok(machine);
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
