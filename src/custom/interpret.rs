//! Functions of a user's file, evaluated on the CPU.
//!
//! Every f32 of the source is an f64 here, apart from constants: naga has rounded these to f32 when it read the file, as a GPU's
//! compiler does. Integers wrap as in WGSL. Where WGSL leaves a choice:
//!
//! - an index out of bounds means the last element, as in kernels with naga's runtime checks (a negative index is a large one);
//! - `min`, `max` and `clamp` of a NaN and a number give the number, `sign` of NaN is NaN;
//! - `pow` of a negative base is NaN, as exp2(y·log2(x)) is;
//! - a number becomes an integer by truncation and saturation at what both types can hold, as in naga's kernels; NaN becomes 0.
//!
//! What cannot be evaluated is an error at its place in the text, and so is a run of more than [`MOST_STEPS`].

use naga::{
    BinaryOperator, Block, Expression, Function, Handle, Module, Span, Statement, SwitchValue,
};

use self::expression::{Of, Scope, zero};
use self::floats::{Floats, Plain};
use self::near::{Near, Ways};
use super::parse::{Kind, MOST_NESTED, Parsed, SourceError};

#[cfg(test)]
mod bounds_tests;
mod expression;
mod floats;
#[cfg(test)]
mod gpu_tests;
mod math;
mod near;
mod pack;
#[cfg(test)]
mod tests;

/// What stops an evaluation, and where in the user's file.
pub(crate) type Fault = SourceError;

/// Statements and expressions, and parts of values, after which a loop is taken for endless.
const MOST_STEPS: u64 = 1_000_000;

/// Blocks and calls within each other: the interpreter follows them on its own stack. The front door lets no more in.
const MOST_LEVELS: u32 = MOST_NESTED;

/// Ways that a call may go within rounding, after which its bounds are infinite.
const MOST_WAYS: usize = 64;

/// A number, and how far f32 arithmetic on a GPU may be from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounded {
    pub value: f64,
    /// Infinite where anything may come out.
    pub bound: f64,
}

/// A value of WGSL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<N = f64> {
    F32(N),
    I32(i32),
    U32(u32),
    Bool(bool),
    /// Components of a vector, columns of a matrix, elements of an array, members of a structure.
    Parts(Vec<Value<N>>),
    Pointer(Pointer),
}

impl<N> Value<N> {
    /// How many values it is made of, besides itself: whoever copies it copies all of them.
    fn inner(&self) -> u64 {
        match self {
            Value::Parts(all) => all.iter().map(|part| 1 + part.inner()).sum(),
            _ => 0,
        }
    }
}

/// A variable, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pointer {
    /// Its place among all variables that are alive.
    slot: usize,
    /// Which part of which part.
    path: Vec<u32>,
}

impl Pointer {
    fn follow<'a, N>(&self, memory: &'a [Value<N>]) -> Option<&'a Value<N>> {
        let parts = |value: &'a Value<N>, i: &u32| match value {
            Value::Parts(all) => all.get(*i as usize),
            _ => None,
        };
        self.path.iter().try_fold(memory.get(self.slot)?, parts)
    }

    fn follow_mut<'a, N>(&self, memory: &'a mut [Value<N>]) -> Option<&'a mut Value<N>> {
        let parts = |value: &'a mut Value<N>, i: &u32| match value {
            Value::Parts(all) => all.get_mut(*i as usize),
            _ => None,
        };
        self.path.iter().try_fold(memory.get_mut(self.slot)?, parts)
    }
}

/// What stands outside of the functions.
#[derive(Debug)]
struct Globals<N> {
    /// The global expressions, by their handles.
    expressions: Vec<Option<Value<N>>>,
    /// The overrides that are options, by their handles.
    options: Vec<Option<Value<N>>>,
    /// The private variables as a call finds them.
    private: Vec<Value<N>>,
}

/// A user's file with its options set.
#[derive(Debug)]
pub(crate) struct Machine<'p> {
    parsed: &'p Parsed,
    globals: Globals<f64>,
    /// The same numbers as a GPU gets them: rounded to f32.
    rounded: Globals<Near>,
}

impl<'p> Machine<'p> {
    /// Sets the options: one number for each of [`Parsed::settings`] that has a default, in their order. A bool is 0 or 1.
    pub fn new(parsed: &'p Parsed, options: &[f64]) -> Result<Self, Fault> {
        let module = &parsed.module;
        let asked: Vec<_> = (parsed.settings.iter().filter(|s| s.default.is_some())).collect();
        if asked.len() != options.len() {
            let message = format!("expected {} options, found {}", asked.len(), options.len());
            return Err(parsed.error(Span::UNDEFINED, message));
        }
        let mut given = vec![None; module.overrides.len()];
        for (setting, number) in asked.into_iter().zip(options) {
            let value = option(setting.kind, *number).ok_or_else(|| {
                let message = format!("`{}` cannot be {number}", setting.name);
                parsed.error(module.overrides.get_span(setting.handle), message)
            })?;
            if let Some(slot) = given.get_mut(setting.handle.index()) {
                *slot = Some(value);
            }
        }
        let mut globals = Globals {
            expressions: Vec::with_capacity(module.global_expressions.len()),
            options: given,
            private: Vec::new(),
        };
        for (handle, _) in module.global_expressions.iter() {
            let scope = outside(&Plain, module, &globals);
            let fault = |message| parsed.error(module.global_expressions.get_span(handle), message);
            if by_zero(module, handle, &globals.expressions) {
                return Err(fault("division of a whole number by zero".to_owned()));
            }
            let value = scope.evaluate(handle).map_err(fault)?;
            globals.expressions.push(Some(value));
        }
        for (handle, variable) in module.global_variables.iter() {
            let set = variable
                .init
                .and_then(|init| globals.expressions.get(init.index()));
            let value = match set {
                Some(Some(value)) => value.clone(),
                _ => zero(module, variable.ty).map_err(|message| {
                    parsed.error(module.global_variables.get_span(handle), message)
                })?,
            };
            globals.private.push(value);
        }
        let all = |values: &[Option<Value>]| values.iter().map(|v| v.as_ref().map(near)).collect();
        let rounded = Globals {
            expressions: all(&globals.expressions),
            options: all(&globals.options),
            private: globals.private.iter().map(near).collect(),
        };
        Ok(Machine {
            parsed,
            globals,
            rounded,
        })
    }

    /// What each of [`Parsed::settings`] is now, those that follow from others included. A bool is 0 or 1.
    pub fn settings(&self) -> Vec<f64> {
        let number = |handle: Handle<naga::Override>| {
            let scope = outside(&Plain, &self.parsed.module, &self.globals);
            match scope.setting(handle) {
                Some(Value::F32(v)) => *v,
                Some(Value::I32(v)) => f64::from(*v),
                Some(Value::U32(v)) => f64::from(*v),
                Some(Value::Bool(v)) => f64::from(u8::from(*v)),
                _ => f64::NAN,
            }
        };
        self.parsed
            .settings
            .iter()
            .map(|s| number(s.handle))
            .collect()
    }

    /// Calls a function of the file, with private variables as they start. One without a result gives no parts.
    pub fn call(&self, function: Handle<Function>, arguments: &[Value]) -> Result<Value, Fault> {
        let mut run = Run::new(self, &Plain, &self.globals);
        let result = run.call(function, arguments.to_vec(), Span::UNDEFINED)?;
        Ok(result.unwrap_or(Value::Parts(Vec::new())))
    }

    /// As `call`, of f32 arguments, every f32 of the result (of a structure member by member, of a vector component by component)
    /// with its bound: over all ways that comparisons may go which rounding leaves open, at most [`MOST_WAYS`].
    ///
    /// The values are those of `call`. A bound is infinite where f32 may overflow, where arithmetic may be undefined, and where there
    /// are too many ways. An infinite value has a bound of 0 where f32 surely comes to the same infinity.
    #[cfg(test)]
    pub fn bounded(
        &self,
        function: Handle<Function>,
        arguments: &[f64],
    ) -> Result<Vec<Bounded>, Fault> {
        let exact = arguments.iter().map(|value| Bounded {
            value: *value,
            bound: 0.0,
        });
        self.bounded_near(function, &exact.collect::<Vec<_>>())
    }

    /// As `bounded`, of arguments that f32 arithmetic has made: each with its own bound.
    pub fn bounded_near(
        &self,
        function: Handle<Function>,
        arguments: &[Bounded],
    ) -> Result<Vec<Bounded>, Fault> {
        let ways = Ways::default();
        let near = |a: &Bounded| Value::F32(Near::around(a.value, a.bound));
        let arguments: Vec<_> = arguments.iter().map(near).collect();
        let mut run = Run::new(self, &ways, &self.rounded);
        let first = run.call(function, arguments.clone(), Span::UNDEFINED)?;
        let mut all = Vec::new();
        numbers(first.as_ref(), &mut all);
        let (mut count, mut steps) = (1, run.steps);
        while !ways.lost() && !all.iter().all(Near::is_wild) && ways.another() {
            if count == MOST_WAYS {
                ways.lose();
                break;
            }
            count += 1;
            let mut run = Run::new(self, &ways, &self.rounded);
            // All ways together take no more steps than one alone may.
            run.steps = steps;
            let Ok(other) = run.call(function, arguments.clone(), Span::UNDEFINED) else {
                ways.lose();
                break;
            };
            steps = run.steps;
            let mut here = Vec::new();
            numbers(other.as_ref(), &mut here);
            for (known, new) in all.iter_mut().zip(here) {
                *known = known.or(new);
            }
        }
        let bounded = |n: &Near| Bounded {
            value: n.v,
            bound: if ways.lost() {
                f64::INFINITY
            } else {
                n.bound()
            },
        };
        Ok(all.iter().map(bounded).collect())
    }

    /// The loss of one element: the inputs, then the target.
    #[cfg(test)]
    pub fn loss(&self, arguments: &[f64]) -> Result<f64, Fault> {
        let values: Vec<_> = arguments.iter().map(|v| Value::F32(*v)).collect();
        match self.call(self.parsed.loss, &values)? {
            Value::F32(v) => Ok(v),
            _ => Err(self.parsed.error(Span::UNDEFINED, "`loss` gave no number")),
        }
    }
}

/// Whether an expression outside of functions divides a whole number by zero. In a function that gives a number; here, where options
/// have theirs before a kernel is made, WGSL makes it an error.
fn by_zero(module: &Module, of: Handle<Expression>, known: &[Option<Value>]) -> bool {
    match module.global_expressions[of] {
        Expression::Binary {
            op: BinaryOperator::Divide | BinaryOperator::Modulo,
            right,
            ..
        } => matches!(
            known.get(right.index()),
            Some(Some(Value::I32(0) | Value::U32(0)))
        ),
        _ => false,
    }
}

/// The scope of the global expressions.
fn outside<'a, F: Floats>(
    floats: &'a F,
    module: &'a Module,
    globals: &'a Globals<F::Number>,
) -> Scope<'a, F> {
    Scope {
        floats,
        module,
        expressions: &module.global_expressions,
        values: &globals.expressions,
        arguments: &[],
        globals: &globals.expressions,
        options: &globals.options,
        memory: &[],
        base: 0,
    }
}

/// A value as it reaches a GPU.
fn near(value: &Value) -> Value<Near> {
    match value {
        Value::F32(v) => Value::F32(Near::of(*v)),
        Value::I32(v) => Value::I32(*v),
        Value::U32(v) => Value::U32(*v),
        Value::Bool(v) => Value::Bool(*v),
        Value::Parts(all) => Value::Parts(all.iter().map(near).collect()),
        Value::Pointer(p) => Value::Pointer(p.clone()),
    }
}

/// Every f32 of a value, in order.
fn numbers(value: Option<&Value<Near>>, out: &mut Vec<Near>) {
    match value {
        Some(Value::F32(v)) => out.push(*v),
        Some(Value::Parts(all)) => all.iter().for_each(|part| numbers(Some(part), out)),
        _ => {}
    }
}

/// A number as a value of an option; none if the type does not have it.
fn option(kind: Kind, number: f64) -> Option<Value> {
    let whole = number == number.trunc();
    match kind {
        Kind::F32 => Some(Value::F32(number)),
        Kind::I32 if whole && number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX) => {
            Some(Value::I32(number as i32))
        }
        Kind::U32 if whole && number >= 0.0 && number <= f64::from(u32::MAX) => {
            Some(Value::U32(number as u32))
        }
        Kind::Bool if number == 0.0 || number == 1.0 => Some(Value::Bool(number == 1.0)),
        _ => None,
    }
}

/// Where control goes after a statement.
enum Flow<N> {
    Next,
    Break,
    Continue,
    Return(Option<Value<N>>),
}

/// One call from outside.
struct Run<'m, 'p, F: Floats> {
    parsed: &'p Parsed,
    floats: &'m F,
    globals: &'m Globals<F::Number>,
    /// The private variables, then the variables of the functions that run, the innermost last.
    memory: Vec<Of<F>>,
    steps: u64,
    levels: u32,
}

/// One running function.
struct Frame<'f, N> {
    function: &'f Function,
    arguments: Vec<Value<N>>,
    /// What its expressions were when they were last evaluated.
    values: Vec<Option<Value<N>>>,
    /// The slot of its first variable.
    base: usize,
}

impl<'m, 'p, F: Floats> Run<'m, 'p, F> {
    fn new(machine: &Machine<'p>, floats: &'m F, globals: &'m Globals<F::Number>) -> Self {
        Run {
            parsed: machine.parsed,
            floats,
            globals,
            memory: globals.private.clone(),
            steps: 0,
            levels: 0,
        }
    }

    fn fault(&self, span: Span, message: impl Into<String>) -> Fault {
        self.parsed.error(span, message)
    }

    fn scope<'a>(&'a self, frame: &'a Frame<'_, F::Number>) -> Scope<'a, F> {
        Scope {
            expressions: &frame.function.expressions,
            values: &frame.values,
            arguments: &frame.arguments,
            memory: &self.memory,
            base: frame.base,
            ..outside(self.floats, &self.parsed.module, self.globals)
        }
    }

    fn call(
        &mut self,
        function: Handle<Function>,
        arguments: Vec<Of<F>>,
        from: Span,
    ) -> Result<Option<Of<F>>, Fault> {
        let module = &self.parsed.module;
        let function =
            (module.functions.try_get(function)).map_err(|e| self.fault(from, e.to_string()))?;
        if function.arguments.len() != arguments.len() {
            let message = format!(
                "expected {} arguments, found {}",
                function.arguments.len(),
                arguments.len()
            );
            return Err(self.fault(from, message));
        }
        self.enter(from)?;
        // There is room for every expression, whether it is come to or not.
        self.steps += function.expressions.len() as u64 / 256;
        let mut frame = Frame {
            function,
            arguments,
            values: vec![None; function.expressions.len()],
            base: self.memory.len(),
        };
        for (handle, variable) in function.local_variables.iter() {
            let value = match variable.init {
                Some(init) => self.scope(&frame).operand(init).map(|v| v.into_owned()),
                None => zero(module, variable.ty),
            };
            let span = function.local_variables.get_span(handle);
            let value = value.map_err(|message| self.fault(span, message))?;
            self.steps += value.inner();
            self.memory.push(value);
        }
        let flow = self.block(&mut frame, &function.body, from)?;
        self.memory.truncate(frame.base);
        self.levels -= 1;
        match flow {
            Flow::Return(value) => Ok(value),
            _ => Ok(None),
        }
    }

    /// One level down; the way up is `levels -= 1`.
    fn enter(&mut self, span: Span) -> Result<(), Fault> {
        self.levels += 1;
        match self.levels > MOST_LEVELS {
            true => Err(self.fault(
                span,
                format!("more than {MOST_LEVELS} blocks and calls within each other"),
            )),
            false => Ok(()),
        }
    }

    /// Only loops and repeated calls can take many steps.
    fn not_endless(&self, span: Span, what: &str) -> Result<(), Fault> {
        match self.steps > MOST_STEPS {
            true => Err(self.fault(
                span,
                format!("this {what} takes more than {MOST_STEPS} steps"),
            )),
            false => Ok(()),
        }
    }

    /// Runs the statements; `around` is the span of what they stand in.
    fn block(
        &mut self,
        frame: &mut Frame<'p, F::Number>,
        block: &'p Block,
        around: Span,
    ) -> Result<Flow<F::Number>, Fault> {
        if block.is_empty() {
            return Ok(Flow::Next);
        }
        self.enter(around)?;
        for (statement, span) in block.span_iter() {
            let span = if span.is_defined() { *span } else { around };
            self.steps += 1;
            match self.statement(frame, statement, span)? {
                Flow::Next => {}
                flow => {
                    self.levels -= 1;
                    return Ok(flow);
                }
            }
        }
        self.levels -= 1;
        Ok(Flow::Next)
    }

    fn statement(
        &mut self,
        frame: &mut Frame<'p, F::Number>,
        statement: &'p Statement,
        span: Span,
    ) -> Result<Flow<F::Number>, Fault> {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    let value = self.scope(frame).evaluate(handle).map_err(|message| {
                        let own = frame.function.expressions.get_span(handle);
                        self.fault(if own.is_defined() { own } else { span }, message)
                    })?;
                    self.steps += 1 + value.inner();
                    set(frame, handle, value);
                }
                Ok(Flow::Next)
            }
            Statement::Block(inner) => self.block(frame, inner, span),
            Statement::If {
                condition,
                accept,
                reject,
            } => match self.operand(frame, *condition, span)? {
                Value::Bool(true) => self.block(frame, accept, span),
                Value::Bool(false) => self.block(frame, reject, span),
                _ => Err(self.fault(span, "the condition is no bool")),
            },
            Statement::Switch { selector, cases } => {
                let value = match self.operand(frame, *selector, span)? {
                    Value::I32(v) => SwitchValue::I32(v),
                    Value::U32(v) => SwitchValue::U32(v),
                    _ => return Err(self.fault(span, "the selector is no integer")),
                };
                let at = |wanted| cases.iter().position(|c| c.value == wanted);
                let first = at(value).or_else(|| at(SwitchValue::Default));
                for case in cases.iter().skip(first.unwrap_or(cases.len())) {
                    match self.block(frame, &case.body, span)? {
                        Flow::Next if case.fall_through => {}
                        Flow::Next | Flow::Break => break,
                        flow => return Ok(flow),
                    }
                }
                Ok(Flow::Next)
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => loop {
                self.steps += 1;
                self.not_endless(span, "loop")?;
                match self.block(frame, body, span)? {
                    Flow::Next | Flow::Continue => {}
                    Flow::Break => return Ok(Flow::Next),
                    flow => return Ok(flow),
                }
                self.block(frame, continuing, span)?;
                if let Some(condition) = break_if
                    && self.operand(frame, *condition, span)? == Value::Bool(true)
                {
                    return Ok(Flow::Next);
                }
            },
            Statement::Break => Ok(Flow::Break),
            Statement::Continue => Ok(Flow::Continue),
            Statement::Return { value } => {
                let value = value.map(|v| self.operand(frame, v, span)).transpose()?;
                Ok(Flow::Return(value))
            }
            Statement::Store { pointer, value } => {
                let value = self.operand(frame, *value, span)?;
                self.steps += value.inner();
                let stored = match self.operand(frame, *pointer, span)? {
                    Value::Pointer(p) => p.follow_mut(&mut self.memory).map(|slot| *slot = value),
                    _ => None,
                };
                stored.ok_or_else(|| self.fault(span, "there is no such variable"))?;
                Ok(Flow::Next)
            }
            Statement::Call {
                function,
                arguments,
                result,
            } => {
                self.not_endless(span, "call")?;
                let arguments = arguments.iter().map(|a| self.operand(frame, *a, span));
                let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
                self.steps += arguments.iter().map(Value::inner).sum::<u64>();
                let value = self.call(*function, arguments, span)?;
                if let (Some(handle), Some(value)) = (result, value) {
                    set(frame, *handle, value);
                }
                Ok(Flow::Next)
            }
            _ => Err(self.fault(span, "this statement means nothing in a loss")),
        }
    }

    fn operand(
        &self,
        frame: &Frame<'_, F::Number>,
        of: Handle<Expression>,
        span: Span,
    ) -> Result<Of<F>, Fault> {
        match self.scope(frame).operand(of) {
            Ok(value) => Ok(value.into_owned()),
            Err(message) => {
                let own = frame.function.expressions.get_span(of);
                Err(self.fault(if own.is_defined() { own } else { span }, message))
            }
        }
    }
}

fn set<N>(frame: &mut Frame<'_, N>, handle: Handle<Expression>, value: Value<N>) {
    if let Some(slot) = frame.values.get_mut(handle.index()) {
        *slot = Some(value);
    }
}
