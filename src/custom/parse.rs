//! The front door of custom losses: from a text to a module that naga has validated and that means something as a loss.

use std::error::Error;
use std::fmt;

use naga::common::wgsl::TypeContext;
use naga::front::wgsl::{Frontend, Options, ParseError};
use naga::proc::GlobalCtx;
use naga::valid::{
    CallError, Capabilities, ExpressionError, FunctionError, GlobalVariableError, OverrideError,
    ValidationError, ValidationFlags, Validator,
};
use naga::{
    AddressSpace, Arena, ArraySize, Block, Expression, Function, GlobalVariable, Handle, Literal,
    MathFunction, Module, Override, Scalar, Span, Statement, TypeInner,
};

mod limits;
mod messages;
mod place;
mod signature;
#[cfg(test)]
mod tests;

use limits::{
    bracket_too_many, stack_for, too_deep, too_large, too_long, too_nested, type_too_deep,
};
use messages::{complaint, impossible, innermost, one_line, told, wrong_statement};
use signature::functions;

/// Longer texts are refused: naga follows the nesting of a text on the stack.
const MOST_BYTES: usize = 65_536;

/// A stack on which no text of [`MOST_BYTES`] is too deep; of most texts, next to nothing is touched.
const STACK: usize = 512 << 20;

/// What may be taken of the stack of whoever calls, where there are no threads: half of what wasm32 has unless its linker is told otherwise.
const CALLERS: usize = 512 << 10;

/// Blocks within each other in a function, for all who go through them later on stacks of the usual size.
const MOST_LEVELS: u32 = 100;

/// Blocks and calls within each other, of all functions together: the interpreter follows them on its own stack, and a GPU's compiler
/// puts one into the other.
pub(super) const MOST_NESTED: u32 = 200;

/// Expressions and statements of a function with those of all functions in the place of their calls, which is how a GPU's compiler
/// has them: about as many as the longest text holds without calls, where an operator and what it is for take two bytes.
const MOST_LENGTH: usize = MOST_BYTES / 2;

/// Brackets within each other. naga itself stops at 200 of its own steps, some of which are brackets, and does not say where.
const MOST_BRACKETS: usize = 90;

/// Bytes that the variables of a function may take together, and the private ones of a file: WGSL's limit for each.
const MOST_VARIABLES: u64 = 8192;

/// A place in a user's file, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceError {
    /// What is wrong, in one line.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The character of the line where it starts, from 1.
    pub column: u32,
    /// How many characters it spans, 0 where that is unknown.
    pub length: u32,
    /// The text of the line.
    pub excerpt: String,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Error for SourceError {}

impl SourceError {
    /// At a span of a text; at its start if the span is unknown.
    pub(crate) fn new(text: &str, span: Span, message: impl Into<String>) -> Self {
        let range = span.to_range().unwrap_or_default();
        let before = text.get(..range.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let count = |part: Option<&str>| part.unwrap_or_default().chars().count() as u32;
        let rest = text.get(line_start..).unwrap_or_default();
        SourceError {
            message: message.into(),
            line: before.matches('\n').count() as u32 + 1,
            column: count(before.get(line_start..)) + 1,
            length: count(text.get(range)),
            excerpt: rest
                .lines()
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned(),
        }
    }
}

/// The type of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    I32,
    U32,
    Bool,
}

impl Kind {
    fn of(scalar: Scalar) -> Option<Kind> {
        match scalar {
            Scalar::F32 => Some(Kind::F32),
            Scalar::I32 => Some(Kind::I32),
            Scalar::U32 => Some(Kind::U32),
            Scalar::BOOL => Some(Kind::Bool),
            _ => None,
        }
    }
}

/// An override of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub handle: Handle<Override>,
    pub name: String,
    pub kind: Kind,
    /// What it is unless it is given: a bool is 0 or 1. None if it is worked out from other overrides, and so is never given.
    pub default: Option<f64>,
}

/// A loss of rows: `row_terms` says what an element adds to the sums of its row, and `row_loss` what the loss of these sums is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowParts {
    /// The function `row_terms`.
    pub terms: Handle<Function>,
    /// What it gives: an f32, or a structure of f32s.
    pub sums: Handle<naga::Type>,
    /// How many they are.
    pub count: usize,
    /// Whether inputs are given relative to their maxima of the row: `const shift_by_max = true;`.
    pub shift: bool,
}

/// A user's file that passed.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub text: String,
    pub module: Module,
    /// The function `loss`; of a loss of rows `row_loss`.
    pub loss: Handle<Function>,
    /// Its parameters in order, or those of `row_terms`; the target is the last.
    pub parameters: Vec<String>,
    /// What makes it a loss of rows.
    pub rows: Option<RowParts>,
    /// The overrides in the order of the text.
    pub settings: Vec<Setting>,
}

impl Parsed {
    /// Parses and validates a file, and refuses what a loss cannot have: resources, variables that invocations share, entry points,
    /// extensions, statements about other invocations, overrides by number or without default; and a missing `loss`, or one of
    /// another signature.
    pub fn new(text: &str) -> Result<Parsed, SourceError> {
        // Before anything is done with it that takes as long as it is.
        if text.len() > MOST_BYTES {
            let message = format!("at most {MOST_BYTES} bytes possible, found {}", text.len());
            let start = text.get(..text.floor_char_boundary(MOST_BYTES));
            return Err(SourceError::new(
                start.unwrap_or_default(),
                Span::UNDEFINED,
                message,
            ));
        }
        let (least, _) = stack_for(text);
        Parsed::on(text, &[STACK, least])
    }

    /// Reads on the first of these stacks that there is, or else on the caller's, if that is enough.
    fn on(text: &str, stacks: &[usize]) -> Result<Parsed, SourceError> {
        for stack in stacks {
            let read = std::thread::scope(|scope| {
                let reader = std::thread::Builder::new().stack_size(*stack);
                let reading = reader.spawn_scoped(scope, || Parsed::read(text)).ok()?;
                Some(reading.join().unwrap_or_else(|_| {
                    let message = "naga fails on this text";
                    Err(SourceError::new(text, Span::UNDEFINED, message))
                }))
            });
            if let Some(read) = read {
                return read;
            }
        }
        match stack_for(text) {
            (least, span) if least > CALLERS => {
                let message = "too much within each other for the stack that there is";
                Err(SourceError::new(text, span, message))
            }
            _ => Parsed::read(text),
        }
    }

    fn read(text: &str) -> Result<Parsed, SourceError> {
        let at = |span, message: String| SourceError::new(text, span, message);
        if let Some(span) = bracket_too_many(text) {
            let message = format!("more than {MOST_BRACKETS} brackets within each other");
            return Err(at(span, message));
        }
        let module = module(text).map_err(|e| {
            let (span, message) = place::mistake(text, &e);
            at(span, message)
        })?;
        // Before validation, which knows nothing of losses: these messages say more.
        foreign(&module, text).map_or(Ok(()), |(span, message)| Err(at(span, message)))?;
        // The conversions to f16 and back are WGSL without extensions.
        let plain = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        let valid = Validator::new(ValidationFlags::all(), plain).validate(&module);
        valid.map_err(|e| {
            // Of the constructs around each other, the innermost; naga does not tell of all statements.
            let spans = e.spans().map(|(span, _)| *span);
            let span = spans.min_by_key(|span| span.to_range().map_or(usize::MAX, |r| r.len()));
            let statement = wrong_statement(&module, e.as_inner());
            let span = statement.or(span).filter(Span::is_defined);
            let span = span.or_else(|| place::complained(text, e.as_inner()));
            let span = span.unwrap_or_default();
            at(span, complaint(&module, e.as_inner()))
        })?;
        too_large(&module).map_or(Ok(()), |(span, message)| Err(at(span, message)))?;
        let deep = module
            .functions
            .iter()
            .find_map(|(_, f)| too_deep(&f.body, 0));
        if let Some(span) = deep {
            let message = format!("more than {MOST_LEVELS} statements within each other");
            return Err(at(span, message));
        }
        unsettled(&module)
            .or_else(|| part_passed(&module))
            .or_else(|| type_too_deep(&module))
            .or_else(|| wrong_clamp(&module))
            .map_or(Ok(()), |(span, message)| Err(at(span, message)))?;
        if let Some(span) = too_nested(&module) {
            let message = format!("more than {MOST_NESTED} blocks and calls within each other");
            return Err(at(span, message));
        }
        if let Some(span) = too_long(&module) {
            let message = format!(
                "more than {MOST_LENGTH} expressions and statements, with functions in the place of their calls"
            );
            return Err(at(span, message));
        }
        let settings = settings(&module).map_err(|(span, message)| at(span, message))?;
        let (loss, parameters, rows) =
            functions(&module, text).map_err(|(span, message)| at(span, message))?;
        Ok(Parsed {
            text: text.to_owned(),
            module,
            loss,
            parameters,
            rows,
            settings,
        })
    }

    /// An error about a span of this file.
    pub fn error(&self, span: Span, message: impl Into<String>) -> SourceError {
        SourceError::new(&self.text, span, message)
    }
}

/// What naga reads in a text. Without capabilities no extension can be enabled.
fn module(text: &str) -> Result<Module, ParseError> {
    let options = Options {
        parse_doc_comments: false,
        capabilities: Capabilities::empty(),
    };
    Frontend::new_with_options(options).parse(text)
}

/// Where, and why not.
type Refusal = (Span, String);

/// The first thing in a module that reaches outside of one invocation, or of the file.
fn foreign(module: &Module, text: &str) -> Option<Refusal> {
    let variable = |(handle, v): (Handle<GlobalVariable>, &GlobalVariable)| {
        let what = match v.space {
            AddressSpace::Private if v.binding.is_none() => return None,
            AddressSpace::WorkGroup => "a workgroup variable",
            AddressSpace::Storage { .. } => "a storage variable",
            AddressSpace::Uniform => "a uniform variable",
            _ => "a resource",
        };
        let name = v.name.as_deref().unwrap_or_default();
        let message = format!(
            "`{name}` is {what}: a loss has only its parameters, options, constants and private variables"
        );
        Some((module.global_variables.get_span(handle), message))
    };
    let entry = |e: &naga::EntryPoint| {
        let message = format!("`{}` is an entry point: a loss has functions only", e.name);
        (declared(text, "fn", &e.name), message)
    };
    let functions = || module.functions.iter().map(|(_, f)| f);
    let word = |span: Span| {
        let from = span
            .to_range()
            .and_then(|r| text.get(r))
            .unwrap_or_default();
        let end = from.find(|c: char| !c.is_alphanumeric() && c != '_');
        let word = from.get(..end.unwrap_or(from.len())).unwrap_or_default();
        (span, format!("`{word}` means nothing in a loss"))
    };
    let pending = || {
        module.types.iter().find_map(|(handle, ty)| {
            let TypeInner::Array { size, .. } = ty.inner else {
                return None;
            };
            let message = "the size of an array must be a constant, not an option".to_owned();
            matches!(size, ArraySize::Pending(_)).then(|| (user_span(module, handle), message))
        })
    };
    (module.global_variables.iter().find_map(variable))
        .or_else(|| module.entry_points.first().map(entry))
        .or_else(|| {
            functions()
                .find_map(|f| shared_statement(&f.body))
                .map(word)
        })
        .or_else(|| functions().find_map(shared_expression).map(word))
        .or_else(pending)
}

/// The first private variable that begins with what an option says, which is not known when kernels are made.
fn unsettled(module: &Module) -> Option<Refusal> {
    fn plain(module: &Module, h: Handle<Expression>) -> bool {
        match module.global_expressions.try_get(h) {
            Ok(Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_)) => true,
            Ok(Expression::Compose { components, .. }) => {
                components.iter().all(|c| plain(module, *c))
            }
            Ok(Expression::Splat { value, .. }) => plain(module, *value),
            _ => false,
        }
    }
    let mut variables = module.global_variables.iter();
    let (handle, variable) = variables.find(|(_, v)| v.init.is_some_and(|h| !plain(module, h)))?;
    let name = variable.name.as_deref().unwrap_or_default();
    let message = format!("`{name}` begins with the value of an option: set it in `loss`");
    Some((module.global_variables.get_span(handle), message))
}

/// The first statement that concerns other invocations, or the fragment.
fn shared_statement(block: &Block) -> Option<Span> {
    first(block, &|statement, span| {
        let own = matches!(
            statement,
            Statement::Block(_)
                | Statement::If { .. }
                | Statement::Switch { .. }
                | Statement::Loop { .. }
                | Statement::Emit(_)
                | Statement::Break
                | Statement::Continue
                | Statement::Return { .. }
                | Statement::Store { .. }
                | Statement::Call { .. }
        );
        (!own).then_some(span)
    })
}

/// What is found first in statements, in the order of the text.
fn first<T>(block: &Block, find: &dyn Fn(&Statement, Span) -> Option<T>) -> Option<T> {
    block.span_iter().find_map(|(statement, span)| {
        let within = || match statement {
            Statement::Block(inner) => first(inner, find),
            Statement::If { accept, reject, .. } => {
                first(accept, find).or_else(|| first(reject, find))
            }
            Statement::Switch { cases, .. } => cases.iter().find_map(|c| first(&c.body, find)),
            Statement::Loop {
                body, continuing, ..
            } => first(body, find).or_else(|| first(continuing, find)),
            _ => None,
        };
        find(statement, *span).or_else(within)
    })
}

/// The first pointer to a part of a variable that is passed to a function, which takes an extension of WGSL that naga does not ask for.
fn part_passed(module: &Module) -> Option<Refusal> {
    module.functions.iter().find_map(|(_, f)| {
        first(&f.body, &|statement, _| {
            let Statement::Call {
                function,
                arguments,
                ..
            } = statement
            else {
                return None;
            };
            let taken = &module.functions[*function].arguments;
            let part = |(h, taken): (&Handle<Expression>, &naga::FunctionArgument)| {
                let pointer = module.types[taken.ty].inner.pointer_space().is_some();
                let part = matches!(
                    f.expressions[*h],
                    Expression::Access { .. } | Expression::AccessIndex { .. }
                );
                (pointer && part).then(|| f.expressions.get_span(*h))
            };
            let span = arguments.iter().zip(taken).find_map(part)?;
            let message = "a pointer to a part of a variable cannot be passed: pass one to the whole, or to a copy";
            Some((span, message.into()))
        })
    })
}

/// The first `clamp` between constants of which the lower is the higher: WGSL makes that an error, which naga does not look for.
fn wrong_clamp(module: &Module) -> Option<Refusal> {
    fn numbers(module: &Module, all: &Arena<Expression>, of: Handle<Expression>) -> Vec<f64> {
        let global = &module.global_expressions;
        match &all[of] {
            Expression::Literal(Literal::F32(v)) => vec![f64::from(*v)],
            Expression::Literal(Literal::I32(v)) => vec![f64::from(*v)],
            Expression::Literal(Literal::U32(v)) => vec![f64::from(*v)],
            Expression::Constant(c) => numbers(module, global, module.constants[*c].init),
            Expression::Compose { components, .. } => {
                let parts = components.iter();
                parts.flat_map(|c| numbers(module, all, *c)).collect()
            }
            Expression::Splat { size, value } => {
                numbers(module, all, *value).repeat(*size as usize)
            }
            // Whether it is a constant or not, it has no number here.
            _ => vec![f64::NAN],
        }
    }
    module.functions.iter().find_map(|(_, f)| {
        f.expressions.iter().find_map(|(h, e)| {
            let Expression::Math {
                fun: MathFunction::Clamp,
                arg1: Some(low),
                arg2: Some(high),
                ..
            } = *e
            else {
                return None;
            };
            let [low, high] = [low, high].map(|of| numbers(module, &f.expressions, of));
            let (low, high) = low.iter().zip(&high).find(|(low, high)| low > high)?;
            let message = format!("`clamp` from {low} to {high}: expected the lower bound first");
            Some((f.expressions.get_span(h), message))
        })
    })
}

/// The first derivative between invocations of a fragment shader.
fn shared_expression(function: &Function) -> Option<Span> {
    let found = function
        .expressions
        .iter()
        .find(|(_, e)| matches!(e, Expression::Derivative { .. }))?;
    Some(function.expressions.get_span(found.0))
}

/// The span of a variable or a value of the type, or of one that it is a part of, as types that are written without a name have none.
fn user_span(module: &Module, ty: Handle<naga::Type>) -> Span {
    let own = module.types.get_span(ty);
    if own.is_defined() {
        return own;
    }
    let found = user(module, ty);
    if found.is_defined() {
        return found;
    }
    let part = |t: &naga::Type| match &t.inner {
        TypeInner::Array { base, .. } | TypeInner::Pointer { base, .. } => *base == ty,
        TypeInner::Struct { members, .. } => members.iter().any(|m| m.ty == ty),
        _ => false,
    };
    // Types stand behind their parts.
    let whole = module.types.iter().find(|(_, t)| part(t));
    whole.map_or(Span::UNDEFINED, |(whole, _)| user_span(module, whole))
}

/// The span of a variable or a value of the type.
fn user(module: &Module, ty: Handle<naga::Type>) -> Span {
    let private = module.global_variables.iter();
    let private = private.map(|(h, v)| (v.ty, module.global_variables.get_span(h)));
    let locals = module.functions.iter().flat_map(|(_, f)| {
        let all = f.local_variables.iter();
        all.map(|(h, v)| (v.ty, f.local_variables.get_span(h)))
    });
    let values = module.functions.iter().flat_map(|(_, f)| {
        f.expressions.iter().filter_map(|(h, e)| match *e {
            Expression::ZeroValue(ty) | Expression::Compose { ty, .. } => {
                Some((ty, f.expressions.get_span(h)))
            }
            Expression::FunctionArgument(n) => {
                let argument = f.arguments.get(n as usize)?;
                Some((argument.ty, f.expressions.get_span(h)))
            }
            _ => None,
        })
    });
    let mut all = private.chain(locals).chain(values);
    let found = all.find(|(t, _)| *t == ty);
    found.map_or(Span::UNDEFINED, |(_, span)| span)
}

/// The overrides as options, in the order of the text.
fn settings(module: &Module) -> Result<Vec<Setting>, Refusal> {
    let one = |(handle, o): (Handle<Override>, &Override)| {
        let span = module.overrides.get_span(handle);
        let name = o.name.clone().unwrap_or_default();
        if o.id.is_some() {
            let message = format!("`{name}` has an @id: options go by their names");
            return Err((span, message));
        }
        let Some(init) = o.init else {
            return Err((span, format!("`{name}` has no default")));
        };
        let kind = match module.types[o.ty].inner {
            TypeInner::Scalar(scalar) => Kind::of(scalar),
            _ => None,
        };
        let Some(kind) = kind else {
            let message = format!("`{name}` is no f32, i32, u32 or bool");
            return Err((span, message));
        };
        let default = constant(module, init);
        let setting = Setting {
            handle,
            name,
            kind,
            default,
        };
        Ok((span.to_range().map_or(0, |r| r.start), setting))
    };
    let mut all: Vec<_> = module.overrides.iter().map(one).collect::<Result<_, _>>()?;
    all.sort_by_key(|(start, _)| *start);
    Ok(all.into_iter().map(|(_, setting)| setting).collect())
}

/// The number of a scalar global expression; naga has evaluated all that depends on no override.
fn constant(module: &Module, of: Handle<Expression>) -> Option<f64> {
    match module.global_expressions[of] {
        Expression::Literal(Literal::F32(v)) => Some(f64::from(v)),
        Expression::Literal(Literal::I32(v)) => Some(f64::from(v)),
        Expression::Literal(Literal::U32(v)) => Some(f64::from(v)),
        Expression::Literal(Literal::Bool(v)) => Some(f64::from(u8::from(v))),
        Expression::ZeroValue(_) => Some(0.0),
        Expression::Constant(c) => constant(module, module.constants[c].init),
        _ => None,
    }
}

/// Where a name stands in its declaration outside of functions, behind `fn` or `const`.
fn declared(text: &str, keyword: &str, name: &str) -> Span {
    let plain = without_comments(text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = plain.match_indices(keyword).find_map(|(i, _)| {
        let end = i + keyword.len();
        let (before, after) = (plain.get(..i)?, plain.get(end..)?);
        let rest = after.trim_start();
        let start = plain.len() - rest.len();
        let ends = !rest.strip_prefix(name)?.starts_with(is_word);
        let outside = before.matches('{').count() == before.matches('}').count();
        (!before.ends_with(is_word) && start > end && ends && outside).then_some(start)
    });
    found.map_or(Span::UNDEFINED, |start| {
        Span::from(start..start + name.len())
    })
}

/// The text with spaces in place of comments, byte for byte.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut line) = (0u32, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        line = line && c != '\n';
        let pair = match (c, next) {
            ('/', Some('*')) if !line => {
                depth += 1;
                true
            }
            ('*', Some('/')) if !line && depth > 0 => {
                depth -= 1;
                true
            }
            ('/', Some('/')) if depth == 0 => {
                line = true;
                false
            }
            _ => false,
        };
        if pair {
            rest.next();
            out.push_str("  ");
        } else if (depth > 0 || line) && c != '\n' {
            out.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}
