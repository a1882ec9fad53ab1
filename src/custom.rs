//! Losses that a user writes: a WGSL file with `fn loss(x: f32, t: f32) -> f32`, of which the gradient follows.
//!
//! The parameters may have any names and there may be more of them; the target is the last one, and a loss of one parameter has none. The
//! file may hold helper functions, structures, constants and private variables. Its options are `override name: f32 = default;` at module
//! scope (of i32, u32 or bool too); an override whose default is worked out from others is no option of its own, but follows them.
//!
//! - `parse` is the front door: what passes it is valid, refers to nothing outside the file, and has the right signature. Everything
//!   else is refused with a line and a column of the user's own text.
//! - `interpret` evaluates functions of such a file on the CPU in f64, to hold the GPU's values and derivatives against. It knows no
//!   derivatives.
//! - `derive` makes functions that give the derivatives too, and `emit` their text, to stand beside a kernel.

pub(crate) mod derive;
pub(crate) mod emit;
pub(crate) mod interpret;
pub(crate) mod parse;

pub use parse::SourceError;

use crate::error::{Error, Result};
use crate::loss::{
    Element, Elementwise, Family, Info, Loss, MOST_INPUTS, Maker, Math, OptionInfo, OptionKind,
    OptionValue, Range, Support, TargetKind, Term, check_value, sealed, unknown_option,
};
use interpret::{Machine, Value};
use naga::{Function, Handle, TypeInner};
use parse::{Kind, Parsed, Setting};
use std::collections::HashMap;
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
#[derive(Debug)]
pub struct Custom {
    info: &'static Info,
    source: &'static Source,
    values: Vec<OptionValue>,
    /// The derived function with the options as they are.
    machine: Result<Machine<'static>, SourceError>,
}

/// A file that passed, and its derivative. There is one of each name and text, and it stays: plans and kernels refer to it as to
/// a registered loss.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file with the derivative in its module.
    derived: Parsed,
    /// The derivative: a structure of the loss, and of the derivatives that are not always 0.
    function: Handle<Function>,
    /// Which member of it the derivative by each input is.
    members: Vec<Option<usize>>,
    /// The text of loss and derivative.
    text: String,
    defaults: Vec<OptionValue>,
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
        }
    }

    /// The WGSL of loss and derivative as kernels contain it: `user_loss_change` gives the loss `v`, and the derivatives by the first
    /// input `d_a`, the second `d_b` and so on, as far as it depends on them. Options are read from `params`.
    pub fn derivative(&self) -> &'static str {
        &self.source.text
    }

    /// Loss and derivatives out of what the derived function gives; what is missing there is `none`.
    fn pick(&self, numbers: &[f64], none: f64) -> Term {
        let at = |i: usize| numbers.get(i).copied().unwrap_or(none);
        let mut term = Term {
            loss: at(0),
            grad: [0.0; MOST_INPUTS],
        };
        for (grad, member) in term.grad.iter_mut().zip(&self.source.members) {
            *grad = member.map_or(0.0, at);
        }
        term
    }

    /// The arguments of the loss at an element.
    fn arguments(&self, e: &Element) -> Vec<f64> {
        let mut all = e.x[..self.info.inputs.len().min(MOST_INPUTS)].to_vec();
        if self.info.target == TargetKind::Values {
            all.push(e.t);
        }
        all
    }
}

impl Source {
    fn machine(&self, values: &[OptionValue]) -> Result<Machine<'_>, SourceError> {
        let number = |v: &OptionValue| match v {
            OptionValue::Number(v) => f64::from(*v),
            OptionValue::Flag(v) => f64::from(u8::from(*v)),
            OptionValue::Index(_) | OptionValue::Columns(_) => f64::NAN,
        };
        let numbers: Vec<_> = values.iter().map(number).collect();
        Machine::new(&self.derived, &numbers)
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

    fn derived(&self) -> Vec<u32> {
        let all = match &self.machine {
            Ok(machine) => machine.settings(),
            Err(_) => vec![f64::NAN; self.source.derived.settings.len()],
        };
        let settings = self.source.derived.settings.iter().zip(all);
        let follows = settings.filter(|(s, _)| s.default.is_none());
        let bits = follows.map(|(s, v)| match s.kind {
            Kind::Bool => u32::from(v != 0.0),
            _ => (v as f32).to_bits(),
        });
        bits.collect()
    }

    fn math(&self) -> Math<'_> {
        Math::Elementwise(self)
    }
}

impl Elementwise for Custom {
    fn term(&self, e: &Element) -> Term {
        let values: Vec<_> = self.arguments(e).into_iter().map(Value::F32).collect();
        let found = self
            .machine
            .as_ref()
            .map(|m| m.call(self.source.function, &values));
        let Ok(Ok(Value::Parts(parts))) = found else {
            // Loops that do not end, and the like.
            return self.pick(&[], f64::NAN);
        };
        let number = |v: &Value| match v {
            Value::F32(v) => *v,
            _ => f64::NAN,
        };
        self.pick(&parts.iter().map(number).collect::<Vec<_>>(), f64::NAN)
    }

    /// From what WGSL promises for every operation of loss and derivative, each with its arguments at this element.
    fn bound(&self, e: &Element) -> Term {
        let found = self
            .machine
            .as_ref()
            .map(|m| m.bounded(self.source.function, &self.arguments(e)));
        let Ok(Ok(all)) = found else {
            return self.pick(&[], f64::INFINITY);
        };
        self.pick(
            &all.iter().map(|b| b.bound).collect::<Vec<_>>(),
            f64::INFINITY,
        )
    }
}

/// What kernels are told of a setting: integers as numbers, of which those up to 2²⁴ are exact, and flags as 0 or 1.
fn read(setting: &Setting) -> String {
    let name = &setting.name;
    match setting.kind {
        Kind::F32 => format!("params.opt_{name}"),
        Kind::I32 => format!("i32(params.opt_{name})"),
        Kind::U32 => format!("u32(params.opt_{name})"),
        Kind::Bool => format!("(params.opt_{name} != 0u)"),
    }
}

/// The largest integer below which every one is an f32.
const MOST_WHOLE: f64 = 16_777_216.0;

/// Reads a file, and makes what is known of it.
fn describe(name: &str, wgsl: &str) -> Result<Info, SourceError> {
    let parsed = Parsed::new(wgsl)?;
    let (inputs, target) = match parsed.parameters.len() {
        1 => (1, TargetKind::None),
        n => (n - 1, TargetKind::Values),
    };
    let at_loss = parsed.module.functions.get_span(parsed.loss);
    if inputs > MOST_INPUTS {
        let message =
            format!("expected at most {MOST_INPUTS} inputs and a target, found {inputs} inputs");
        return Err(parsed.error(at_loss, message));
    }
    for setting in &parsed.settings {
        let span = || parsed.module.overrides.get_span(setting.handle);
        if matches!(setting.kind, Kind::I32 | Kind::U32)
            && setting.default.is_some_and(|v| v.abs() > MOST_WHOLE)
        {
            let message = format!(
                "`{}`: expected a whole number of at most {MOST_WHOLE}",
                setting.name
            );
            return Err(parsed.error(span(), message));
        }
    }
    let internal =
        |message: String| parsed.error(at_loss, format!("the derivative is no WGSL: {message}"));
    let info = emit::checked(&parsed.module).map_err(internal)?;
    let by: Vec<bool> = (0..parsed.parameters.len()).map(|i| i < inputs).collect();
    let made = derive::derive(&parsed.module, &info, parsed.loss, &by)
        .map_err(|e| parsed.error(e.span, format!("{} cannot be differentiated", e.what)))?;
    let mut module = made.module;
    let taken: Vec<_> = module
        .functions
        .iter()
        .filter(|(h, _)| *h != made.function)
        .filter_map(|(_, f)| f.name.clone())
        .collect();
    let mut change = "loss_change".to_string();
    while taken.contains(&change) {
        change.push('x');
    }
    let function = &mut module.functions[made.function];
    function.name = Some(change.clone());
    let members = match function.result.as_ref().map(|r| &module.types[r.ty].inner) {
        Some(TypeInner::Struct { members, .. }) => members
            .iter()
            .map(|m| m.name.clone().unwrap_or_default())
            .collect(),
        _ => Vec::new(),
    };
    let members: Vec<Option<usize>> = (0..inputs)
        .map(|k| members.iter().position(|m| *m == derive::change_name(k)))
        .collect();
    let mut settled = emit::settled(&module);
    let mut reset = "reset_private".to_string();
    while taken.contains(&reset) {
        reset.push('x');
    }
    let reset = emit::reset(&mut settled).map(|h| {
        settled.functions[h].name = Some(reset.clone());
        format!("{PREFIX}{reset}();\n    ")
    });
    let text = emit::text(&settled, PREFIX, |k| {
        parsed.settings.get(k).map_or("0.0".into(), read)
    });
    let text = text.map_err(internal)?;
    let mut xs: Vec<_> = (0..inputs).map(|k| format!("e.x{k}")).collect();
    if target == TargetKind::Values {
        xs.push("e.t".into());
    }
    let grads = members.iter().enumerate().map(|(k, m)| match m {
        Some(_) => format!("p.{}", derive::change_name(k)),
        None => "0.0".into(),
    });
    let grads: Vec<String> = grads.collect();
    let glue = format!(
        "\nfn term(e: Elem) -> Term {{\n    {}let p = {PREFIX}{change}({});\n    return Term(p.v, Grad({}));\n}}\n",
        reset.unwrap_or_default(),
        xs.join(", "),
        grads.join(", ")
    );
    stands(&format!("{text}{glue}"), inputs, &parsed.settings).map_err(internal)?;
    // From here on everything is kept for good.
    let kept = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let options: Vec<OptionInfo> = parsed
        .settings
        .iter()
        .filter(|s| s.default.is_some())
        .map(|s| OptionInfo {
            name: kept(s.name.clone()),
            summary: "An override of the file.",
            kind: match s.kind {
                Kind::Bool => OptionKind::Flag,
                _ => OptionKind::Number,
            },
            range: match s.kind {
                Kind::F32 | Kind::Bool => Range::Any,
                Kind::I32 => Range::Whole,
                Kind::U32 => Range::Count,
            },
        })
        .collect();
    let derived = parsed
        .settings
        .iter()
        .filter(|s| s.default.is_none())
        .map(|s| {
            let ty = if s.kind == Kind::Bool { "u32" } else { "f32" };
            (kept(s.name.clone()), ty)
        });
    let derived: Vec<_> = derived.collect();
    let names: Vec<&'static str> = parsed
        .parameters
        .iter()
        .take(inputs)
        .map(|n| kept(n.clone()))
        .collect();
    let formula = kept(format!(
        "loss({}) of the file",
        parsed.parameters.join(", ")
    ));
    let domain = vec![Support::Real; parsed.parameters.len()];
    let wgsl = kept(format!("{text}{glue}"));
    let defaults = parsed.settings.iter().filter_map(|s| {
        Some(match s.kind {
            Kind::Bool => OptionValue::Flag(s.default? != 0.0),
            _ => OptionValue::Number(s.default? as f32),
        })
    });
    let source = Source {
        defaults: defaults.collect(),
        derived: Parsed { module, ..parsed },
        function: made.function,
        members,
        text,
    };
    source.machine(&source.defaults)?;
    Ok(Info {
        name: kept(name.to_string()),
        summary: "A loss of one's own.",
        formula,
        agrees: "",
        family: Family::Elementwise,
        inputs: names.leak(),
        target,
        domain: domain.leak(),
        class_weight: false,
        mean_by_class_weight: false,
        options: options.leak(),
        wgsl,
        maker: Maker::Custom(Box::leak(Box::new(source))),
        derived: derived.leak(),
    })
}

/// What every name of a user's module begins with.
const PREFIX: &str = "user_";

/// Whether the text can be read again, with what a kernel puts beside it.
fn stands(text: &str, inputs: usize, settings: &[Setting]) -> Result<(), String> {
    let options = settings.iter().map(|s| {
        let ty = if s.kind == Kind::Bool { "u32" } else { "f32" };
        format!(" opt_{}: {ty},", s.name)
    });
    let options: String = options.collect();
    let xs: String = (0..inputs).map(|k| format!("x{k}: f32, ")).collect();
    let beside = format!(
        "struct Settings {{ none: u32,{options} }}\nvar<private> params: Settings;\n\
         struct Elem {{ {xs}t: f32 }}\nstruct Grad {{ {xs}}}\nstruct Term {{ loss: f32, grad: Grad }}\n"
    );
    let module = naga::front::wgsl::parse_str(&(beside + text));
    emit::checked(&module.map_err(|e| e.message().to_string())?).map(|_| ())
}

/// STUB
pub(crate) struct Bounded {
    pub value: f64,
    pub bound: f64,
}
impl Machine<'_> {
    pub(crate) fn bounded(
        &self,
        f: Handle<Function>,
        a: &[f64],
    ) -> Result<Vec<Bounded>, SourceError> {
        let values: Vec<_> = a.iter().copied().map(Value::F32).collect();
        match self.call(f, &values)? {
            Value::Parts(p) => Ok(p
                .iter()
                .map(|v| match v {
                    Value::F32(v) => Bounded {
                        value: *v,
                        bound: 1e-5 * (1.0 + v.abs()),
                    },
                    _ => Bounded {
                        value: 0.0,
                        bound: 0.0,
                    },
                })
                .collect()),
            _ => Ok(vec![]),
        }
    }
}
