//! From a file that passed to the description of a loss: its derivatives, and the text that kernels have of it.

use super::derive::{self, change_name, made_name};
use super::emit::{self, PREFIX};
use super::interpret::Machine;
use super::parse::{Kind, Parsed, RowParts, Setting, SourceError};
use crate::loss::{
    Family, Info, MOST_INPUTS, Maker, OptionInfo, OptionKind, OptionValue, Range, Support,
    TargetKind,
};
use naga::{
    Expression, Function, FunctionArgument, FunctionResult, Handle, MathFunction, Module, Span,
    Statement, TypeInner,
};

/// A file with its derivatives. There is one of each name and text, and it stays: plans and kernels refer to it as to a registered
/// loss.
#[derive(Debug)]
pub(crate) struct Source {
    /// The file, with the derivatives in its module.
    pub parsed: Parsed,
    pub shape: Shape,
    /// The text of functions and derivatives.
    pub text: String,
    /// The options as they begin; the first of a loss of rows with a target is `ignore_index`.
    pub defaults: Vec<OptionValue>,
}

/// The functions that are called.
#[derive(Debug)]
pub(crate) enum Shape {
    /// The derivative of `loss`.
    Elements(Change),
    /// The derivatives of `row_terms` by the inputs, and of `row_loss` by the sums.
    Rows {
        parts: RowParts,
        terms: Change,
        loss: Change,
        /// `row_loss` of its sums, one by one.
        of_sums: Handle<Function>,
    },
}

/// A derived function: it gives a structure of the value, and of the derivatives that are not always 0.
#[derive(Debug)]
pub(crate) struct Change {
    pub function: Handle<Function>,
    /// Which member of what it gives the derivative by each input is.
    pub members: Vec<Option<usize>>,
}

impl Source {
    /// The functions with options of these values, if all that follows from these is finite too.
    pub fn machine(&self, values: &[OptionValue]) -> Result<Machine<'_>, SourceError> {
        let number = |v: &OptionValue| match v {
            OptionValue::Number(v) => Some(f64::from(*v)),
            OptionValue::Flag(v) => Some(f64::from(u8::from(*v))),
            // Not one of the file's.
            OptionValue::Index(_) | OptionValue::Columns(_) => None,
        };
        let numbers: Vec<_> = values.iter().filter_map(number).collect();
        finite_machine(&self.parsed, &numbers)
    }
}

fn finite_machine<'p>(parsed: &'p Parsed, options: &[f64]) -> Result<Machine<'p>, SourceError> {
    let machine = Machine::new(parsed, options)?;
    for (setting, v) in parsed.settings.iter().zip(machine.settings()) {
        if !v.is_finite() {
            let span = parsed.module.overrides.get_span(setting.handle);
            let message = format!("`{}` comes to {v}: expected a finite number", setting.name);
            return Err(parsed.error(span, message));
        }
    }
    Ok(machine)
}

/// The type that kernels are told a setting in: a flag is 0 or 1; an option is a number, as those of all losses are, of which f32 has
/// every integer up to 2²⁴; but an integer that follows from options may be any.
fn told(setting: &Setting) -> &'static str {
    match (setting.kind, setting.default) {
        (Kind::Bool, _) | (Kind::U32, None) => "u32",
        (Kind::I32, None) => "i32",
        (Kind::F32 | Kind::I32 | Kind::U32, _) => "f32",
    }
}

/// How functions in a kernel read a setting.
fn read(setting: &Setting) -> String {
    let name = &setting.name;
    match (setting.kind, setting.default) {
        (Kind::I32, Some(_)) => format!("i32(params.opt_{name})"),
        (Kind::U32, Some(_)) => format!("u32(params.opt_{name})"),
        (Kind::Bool, _) => format!("(params.opt_{name} != 0u)"),
        _ => format!("params.opt_{name}"),
    }
}

/// The largest of the integers of which f32 has every one.
const MOST_WHOLE: f64 = 16_777_216.0;

/// The most sums of a row: each is a word of every invocation's statistic.
const MOST_SUMS: usize = 16;

/// The option of a loss of rows that marks the rows to pass over, with PyTorch's name and default.
const IGNORE_INDEX: &str = "ignore_index";

/// The function that gives the sums.
const TERMS: &str = "row_terms";

/// A file that is a loss, of which nothing is kept yet.
pub(crate) struct Described {
    parsed: Parsed,
    shape: Shape,
    text: String,
    glue: String,
    inputs: usize,
    has_target: bool,
}

/// Reads a file, and makes what is known of it.
pub(crate) fn describe(wgsl: &str) -> Result<Described, SourceError> {
    let mut parsed = Parsed::new(wgsl)?;
    let (inputs, has_target) = match parsed.parameters.len() {
        1 => (1, false),
        n => (n - 1, true),
    };
    check(&parsed, inputs)?;
    let defaults: Vec<_> = parsed.settings.iter().filter_map(|s| s.default).collect();
    finite_machine(&parsed, &defaults)?;
    let by: Vec<bool> = (0..parsed.parameters.len()).map(|i| i < inputs).collect();
    let mut made = Differentiated {
        module: parsed.module.clone(),
        parsed: &parsed,
    };
    let shape = match parsed.rows {
        None => Shape::Elements(made.change(parsed.loss, &by)?),
        Some(parts) => {
            made.name_sums(&parts);
            let terms = made.change(parts.terms, &by)?;
            let of_sums = made.of_sums(parsed.loss, &parts);
            let all = vec![true; parts.count];
            let loss = made.change(of_sums, &all)?;
            Shape::Rows {
                parts,
                terms,
                loss,
                of_sums,
            }
        }
    };
    let module = made.module;
    let at_loss = parsed.module.functions.get_span(parsed.loss);
    let mut written = module.clone();
    if let Some(parts) = &parsed.rows {
        // Kernels call it too.
        written.functions[parts.terms].name = Some(made_name(TERMS));
    }
    let reset = emit::reset(&mut written).map(|_| format!("{}();\n    ", emit::RESET));
    let text = emit::text(&written, PREFIX, |k| {
        let setting = parsed.settings.iter().find(|s| s.handle.index() == k);
        setting.map_or("0.0".into(), read)
    });
    let internal = |m: String| {
        let message = format!("WGSL cannot be written of the derivative: {m}");
        SourceError::new(&parsed.text, at_loss, message)
    };
    let text = own_numerics(&written, &text.map_err(internal)?).map_err(internal)?;
    let glue = Glue {
        inputs,
        has_target,
        reset: reset.unwrap_or_default(),
        module: &written,
    };
    let glue = match &shape {
        Shape::Elements(change) => glue.elements(change, straight(&written, change)),
        Shape::Rows {
            parts, terms, loss, ..
        } => glue.rows(parts, terms, loss),
    };
    stands(&format!("{text}{glue}"), inputs, &parsed.settings).map_err(internal)?;

    parsed.module = module;
    Ok(Described {
        parsed,
        shape,
        text,
        glue,
        inputs,
        has_target,
    })
}

impl Described {
    /// The loss under a name. It stays for good.
    pub fn keep(self, name: &str) -> (&'static Info, &'static Source) {
        let Described {
            parsed,
            shape,
            text,
            glue,
            inputs,
            has_target,
        } = self;
        let rows = parsed.rows.is_some();
        let (mut options, mut defaults) = (Vec::new(), Vec::new());
        if rows && has_target {
            options.push(OptionInfo {
                name: IGNORE_INDEX,
                summary: "The class index of rows to pass over.",
                kind: OptionKind::Index,
                range: Range::Any,
            });
            defaults.push(OptionValue::Index(-100));
        }
        for setting in &parsed.settings {
            let Some(default) = setting.default else {
                continue;
            };
            let (kind, range, value) = match setting.kind {
                Kind::F32 => (OptionKind::Number, Range::Any, None),
                Kind::I32 => (OptionKind::Number, Range::Whole, None),
                Kind::U32 => (OptionKind::Number, Range::Count, None),
                Kind::Bool => (
                    OptionKind::Flag,
                    Range::Any,
                    Some(OptionValue::Flag(default != 0.0)),
                ),
            };
            options.push(OptionInfo {
                name: kept(&setting.name),
                summary: "An override of the file.",
                kind,
                range,
            });
            defaults.push(value.unwrap_or(OptionValue::Number(default as f32)));
        }
        let derived = parsed.settings.iter().filter(|s| s.default.is_none());
        let derived: Vec<_> = derived.map(|s| (kept(&s.name), told(s))).collect();
        let names = parsed.parameters.iter().take(inputs);
        let names: Vec<&'static str> = names.map(|n| kept(n)).collect();
        let all = parsed.parameters.join(", ");
        let formula = match rows {
            false => format!("loss({all}) of the file"),
            true => format!("row_loss(Σ row_terms({all})) of the file"),
        };
        let mut domain = vec![Support::Real; parsed.parameters.len()];
        if let (true, true, Some(target)) = (rows, has_target, domain.last_mut()) {
            // 1 at the class of a label and 0 elsewhere.
            *target = Support::Probability;
        }
        let wgsl = kept(&format!("{text}{glue}"));
        let source: &'static Source = Box::leak(Box::new(Source {
            parsed,
            shape,
            text,
            defaults,
        }));
        let info = Info {
            name: kept(name),
            summary: "A loss of one's own.",
            formula: kept(&formula),
            agrees: "",
            family: if rows {
                Family::Rows
            } else {
                Family::Elementwise
            },
            inputs: names.leak(),
            target: match (has_target, rows) {
                (false, _) => TargetKind::None,
                (true, false) => TargetKind::Values,
                (true, true) => TargetKind::LabelsOrValues,
            },
            domain: domain.leak(),
            class_weight: false,
            mean_by_class_weight: false,
            options: options.leak(),
            wgsl,
            maker: Maker::Custom(source),
            derived: derived.leak(),
        };
        (Box::leak(Box::new(info)), source)
    }
}

fn kept(text: &str) -> &'static str {
    Box::leak(text.to_string().into_boxed_str())
}

/// What the front door does not know of: how much kernels can carry.
fn check(parsed: &Parsed, inputs: usize) -> Result<(), SourceError> {
    // Kernels bind eight buffers: inputs and gradients, target, weights, losses (which those of rows can do without) and their own.
    let target = usize::from(parsed.parameters.len() > inputs);
    let most = match parsed.rows {
        Some(_) => MOST_INPUTS - target,
        None => MOST_INPUTS - 1,
    };
    if inputs > most {
        let beside = if target == 1 { " and a target" } else { "" };
        let function = parsed.rows.map_or(parsed.loss, |rows| rows.terms);
        let span = parsed.module.functions.get_span(function);
        let message = format!("expected at most {most} inputs{beside}, found {inputs} inputs");
        return Err(parsed.error(span, message));
    }
    if let Some(rows) = parsed.rows.filter(|rows| rows.count > MOST_SUMS) {
        let span = parsed.module.functions.get_span(rows.terms);
        let message = format!(
            "expected at most {MOST_SUMS} sums of a row, found {}",
            rows.count
        );
        return Err(parsed.error(span, message));
    }
    for setting in &parsed.settings {
        let span = parsed.module.overrides.get_span(setting.handle);
        let whole = matches!(setting.kind, Kind::I32 | Kind::U32);
        if whole && setting.default.is_some_and(|v| v.abs() > MOST_WHOLE) {
            let message = format!("`{}`: expected at most {MOST_WHOLE} in size", setting.name);
            return Err(parsed.error(span, message));
        }
        if parsed.rows.is_some() && setting.name == IGNORE_INDEX {
            let message = format!("every loss of rows has an option `{IGNORE_INDEX}` already");
            return Err(parsed.error(span, message));
        }
    }
    Ok(())
}

/// A module that derivatives are added to.
struct Differentiated<'a> {
    parsed: &'a Parsed,
    module: Module,
}

impl Differentiated<'_> {
    /// Adds the derivative of a function.
    fn change(&mut self, of: Handle<Function>, by: &[bool]) -> Result<Change, SourceError> {
        let at = self.parsed.module.functions.get_span(self.parsed.loss);
        let info = emit::checked(&self.module).map_err(|m| self.parsed.error(at, m))?;
        let made = derive::derive(&self.module, &info, of, by).map_err(|e| {
            self.parsed
                .error(e.span, format!("{} cannot be differentiated", e.what))
        })?;
        self.module = made.module;
        let function = &self.module.functions[made.function];
        let result = function
            .result
            .as_ref()
            .map(|r| &self.module.types[r.ty].inner);
        let names: Vec<_> = match result {
            Some(TypeInner::Struct { members, .. }) => {
                members.iter().map(|m| m.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let count = by.iter().filter(|by| **by).count();
        let member = |k: usize| {
            names
                .iter()
                .position(|n| n.as_ref() == Some(&made_name(&change_name(k))))
        };
        Ok(Change {
            function: made.function,
            members: (0..count).map(member).collect(),
        })
    }

    /// Calls the sums by names that stay as they are in the text.
    fn name_sums(&mut self, parts: &RowParts) {
        let mut ty = self.module.types[parts.sums].clone();
        if let TypeInner::Struct { members, .. } = &mut ty.inner {
            for (k, member) in members.iter_mut().enumerate() {
                member.name = Some(made_name(&sum_name(k)));
            }
            self.module.types.replace(parts.sums, ty);
        }
    }

    /// `row_loss` as a function of its sums, one by one.
    fn of_sums(&mut self, row_loss: Handle<Function>, parts: &RowParts) -> Handle<Function> {
        let (ty, components) = match &self.module.types[parts.sums].inner {
            TypeInner::Struct { members, .. } => {
                (parts.sums, members.iter().map(|m| m.ty).collect::<Vec<_>>())
            }
            _ => return row_loss,
        };
        let f32 = self.module.functions[row_loss]
            .result
            .as_ref()
            .map(|r| r.ty);
        let mut made = Function {
            name: Some("row_loss".into()),
            arguments: components
                .iter()
                .enumerate()
                .map(|(k, ty)| FunctionArgument {
                    name: Some(sum_name(k)),
                    ty: *ty,
                    binding: None,
                })
                .collect(),
            result: f32.map(|ty| FunctionResult { ty, binding: None }),
            ..Function::default()
        };
        let at = self.module.functions.get_span(row_loss);
        let mut put = |e: Expression| made.expressions.append(e, at);
        let components: Vec<_> = (0..parts.count as u32)
            .map(|k| put(Expression::FunctionArgument(k)))
            .collect();
        let sums = put(Expression::Compose { ty, components });
        let result = put(Expression::CallResult(row_loss));
        let emitted = naga::Range::new_from_bounds(sums, sums);
        made.body.push(Statement::Emit(emitted), at);
        let call = Statement::Call {
            function: row_loss,
            arguments: vec![sums],
            result: Some(result),
        };
        made.body.push(call, at);
        let value = Some(result);
        made.body.push(Statement::Return { value }, at);
        self.module.functions.append(made, Span::UNDEFINED)
    }
}

/// What sum `k` is called.
fn sum_name(k: usize) -> String {
    format!("s_{}", derive::letters(k))
}

/// The text of a module without the function that kernels have themselves, and with our powers of numbers, where there are none of
/// vectors.
fn own_numerics(module: &Module, text: &str) -> Result<String, String> {
    let head = format!("fn {}(", derive::UNIT_LOG);
    let text = match text.split_once(&head) {
        Some((before, rest)) => {
            let after = rest.split_once("\n}\n").map_or("", |(_, after)| after);
            format!("{before}{after}")
        }
        None => text.into(),
    };
    let info = emit::checked(module)?;
    let of_vector = module.functions.iter().any(|(handle, function)| {
        function.expressions.iter().any(|(h, e)| {
            let power = matches!(
                e,
                Expression::Math {
                    fun: MathFunction::Pow,
                    ..
                }
            );
            let ty = info[handle][h].ty.inner_with(&module.types);
            power && matches!(ty, TypeInner::Vector { .. })
        })
    });
    // Names of a file begin with a prefix: this word is the function of WGSL.
    let mut powers = false;
    let text = emit::reworded(&text, |out, word| {
        let power = word == "pow" && !of_vector;
        powers |= power;
        *out += if power { "pow_or_product" } else { word };
    });
    Ok(match powers {
        true => text + "\n" + include_str!("../../shaders/common/power.wgsl"),
        false => text,
    })
}

/// Whether a loss is much arithmetic without a branch, as kernels take it: two functions at least that cost as much as all
/// the rest of most losses.
fn straight(module: &Module, change: &Change) -> bool {
    let function = &module.functions[change.function];
    let branches = function.body.iter().any(|s| {
        let none = matches!(
            s,
            Statement::Emit(_) | Statement::Return { .. } | Statement::Store { .. }
        );
        let own =
            |f: &Handle<Function>| module.functions[*f].name == Some(made_name(derive::UNIT_LOG));
        !none && !matches!(s, Statement::Call { function, .. } if own(function))
    });
    let long = function.expressions.iter().filter(|(_, e)| match e {
        Expression::Math { fun, .. } => matches!(
            fun,
            MathFunction::Exp
                | MathFunction::Exp2
                | MathFunction::Log
                | MathFunction::Log2
                | MathFunction::Pow
        ),
        Expression::CallResult(_) => true,
        _ => false,
    });
    !branches && long.count() >= 2
}

/// What stands between a skeleton and a user's functions.
struct Glue<'a> {
    inputs: usize,
    has_target: bool,
    /// The call that sets private variables, if there are any.
    reset: String,
    module: &'a Module,
}

impl Glue<'_> {
    fn name(&self, change: &Change) -> String {
        let name = self.module.functions[change.function].name.as_deref();
        name.unwrap_or_default()
            .trim_start_matches(derive::MADE)
            .into()
    }

    /// The arguments at an element `e`, of which input `k` is `x(k)`.
    fn arguments(&self, x: impl Fn(usize) -> String) -> String {
        let mut all: Vec<_> = (0..self.inputs).map(x).collect();
        if self.has_target {
            all.push("e.t".into());
        }
        all.join(", ")
    }

    fn elements(&self, change: &Change, straight: bool) -> String {
        let grads = change.members.iter().enumerate().map(|(k, m)| match m {
            Some(_) => format!("p.{}", change_name(k)),
            None => "0.0".into(),
        });
        let grads: Vec<_> = grads.collect();
        let straight = match straight {
            true => "\nconst STRAIGHT: bool = true;\n",
            false => "",
        };
        format!(
            "{straight}\nfn term(e: Elem) -> Term {{\n    {}let p = {}({});\n    return Term(p.v, Grad({}));\n}}\n",
            self.reset,
            self.name(change),
            self.arguments(|k| format!("e.x{k}")),
            grads.join(", ")
        )
    }

    /// The sums, relative to the maxima of the row where the file says so: then the maxima come first, and the sums are the second
    /// statistic.
    fn rows(&self, parts: &RowParts, terms: &Change, loss: &Change) -> String {
        let shift = parts.shift;
        let list = |f: &dyn Fn(usize) -> String, n: usize| (0..n).map(f).collect::<Vec<_>>();
        let sums = |f: &dyn Fn(&str) -> String| -> Vec<String> {
            (0..parts.count).map(|k| f(&sum_name(k))).collect()
        };
        let scalar = !matches!(
            self.module.types[parts.sums].inner,
            TypeInner::Struct { .. }
        );
        // A sum out of what `row_terms` gives, and out of its change.
        let of = |whole: &str, sum: &str| match scalar {
            true => whole.to_string(),
            false => format!("{whole}.{sum}"),
        };
        let zero = vec!["0.0".to_string(); parts.count].join(", ");
        let (stats, at, stat) = match shift {
            true => ("s: Stat, s2: Stat2", "s2", "Stat2"),
            false => ("s: Stat", "s", "Stat"),
        };
        let x = |from: &str| -> Box<dyn Fn(usize) -> String> {
            let from = from.to_string();
            match shift {
                true => Box::new(move |k| format!("below(e.x{k}, {from}.m{k}m)")),
                false => Box::new(|k| format!("e.x{k}")),
            }
        };
        let fields: String = sums(&|s| format!("    {s}: f32,\n")).concat();
        let mut text = String::new();
        if shift {
            let maxima: String = list(&|k| format!("    m{k}m: f32,\n"), self.inputs).concat();
            let lowest = list(&|_| "LOWEST".into(), self.inputs).join(", ");
            let held = list(&|k| format!("held(e.x{k})"), self.inputs).join(", ");
            let max = list(&|k| format!("max(a.m{k}m, b.m{k}m)"), self.inputs).join(", ");
            text += &format!(
                "\nstruct Stat {{\n{maxima}}}\n\
                 fn stat_identity() -> Stat {{ return Stat({lowest}); }}\n\
                 fn stat_of(e: Elem, r: Row) -> Stat {{ return Stat({held}); }}\n\
                 fn stat_merge(a: Stat, b: Stat) -> Stat {{ return Stat({max}); }}\n"
            );
        }
        let (kind, from) = match shift {
            true => ("stat2", "e: Elem, r: Row, s: Stat"),
            false => ("stat", "e: Elem, r: Row"),
        };
        // Not inside of the structure's call: what `row_terms` gives may be a number.
        let terms_of = sums(&|s| of("p", s)).join(", ");
        let added = sums(&|s| format!("a.{s} + b.{s}")).join(", ");
        text += &format!(
            "\nstruct {stat} {{\n{fields}}}\n\
             fn {kind}_identity() -> {stat} {{ return {stat}({zero}); }}\n\
             fn {kind}_of({from}) -> {stat} {{\n    {}let p = {TERMS}({});\n    return {stat}({terms_of});\n}}\n\
             fn {kind}_merge(a: {stat}, b: {stat}) -> {stat} {{ return {stat}({added}); }}\n",
            self.reset,
            self.arguments(x("s")),
        );
        let all = sums(&|s| format!("{at}.{s}")).join(", ");
        let loss_name = self.name(loss);
        text += &format!(
            "\nfn row_loss(r: Row, {stats}) -> f32 {{\n    {}return {loss_name}({all}).v;\n}}\n",
            self.reset
        );
        // What the loss changes by with each sum, once a row.
        let maxima: String = match shift {
            true => list(&|k| format!("    m{k}m: f32,\n"), self.inputs).concat(),
            false => String::new(),
        };
        let mut ready: Vec<String> = match shift {
            true => list(&|k| format!("s.m{k}m"), self.inputs),
            false => Vec::new(),
        };
        ready.extend(loss.members.iter().enumerate().map(|(k, m)| match m {
            Some(_) => format!("p.{}", change_name(k)),
            None => "0.0".into(),
        }));
        text += &format!(
            "\nstruct Ready {{\n{maxima}{fields}}}\n\
             fn row_ready(r: Row, {stats}) -> Ready {{\n    {}let p = {loss_name}({all});\n    return Ready({});\n}}\n",
            self.reset,
            ready.join(", ")
        );
        let grads = terms.members.iter().enumerate().map(|(k, m)| match m {
            Some(_) => {
                let change = format!("p.{}", change_name(k));
                let products =
                    (0..parts.count).filter(|j| loss.members.get(*j).is_some_and(Option::is_some));
                let products: Vec<_> = products
                    .map(|j| {
                        let s = sum_name(j);
                        format!("y.{s} * {}", of(&change, &s))
                    })
                    .collect();
                match products.is_empty() {
                    true => "0.0".into(),
                    false => products.join(" + "),
                }
            }
            None => "0.0".to_string(),
        });
        let grads: Vec<_> = grads.collect();
        text + &format!(
            "\nfn row_grad(e: Elem, r: Row, y: Ready) -> Grad {{\n    {}let p = {}({});\n    return Grad({});\n}}\n",
            self.reset,
            self.name(terms),
            self.arguments(x("y")),
            grads.join(", ")
        )
    }
}

/// Whether the text can be read again, with what a kernel puts beside it.
fn stands(text: &str, inputs: usize, settings: &[Setting]) -> Result<(), String> {
    let options = settings
        .iter()
        .map(|s| format!(" opt_{}: {},", s.name, told(s)));
    let options: String = options.collect();
    let xs: String = (0..inputs).map(|k| format!("x{k}: f32, ")).collect();
    let beside = format!(
        "struct Settings {{ none: u32,{options} }}\nvar<private> params: Settings;\n\
         struct Elem {{ {xs}t: f32 }}\nstruct Grad {{ {xs}}}\nstruct Term {{ loss: f32, grad: Grad }}\n\
         struct Row {{ none: u32 }}\nconst LOWEST: f32 = -3.4028234e38;\n\
         fn ln_1p_unit(e: f32) -> f32 {{ return e; }}\n\
         fn held(x: f32) -> f32 {{ return x; }}\nfn below(x: f32, m: f32) -> f32 {{ return x - m; }}\n"
    );
    let module = naga::front::wgsl::parse_str(&(beside + text));
    emit::checked(&module.map_err(|e| e.message().to_string())?).map(|_| ())
}
