//! Derivatives of functions in naga's IR, in forward mode: every value that depends on an input carries what it changes by, one
//! number for each input that is asked for. What does not depend on one carries nothing, and costs nothing.
//!
//! A function is differentiated once for each way in which its arguments depend on the inputs. What its variables and its result depend
//! on is not known before its body was gone through, because of loops: it begins with "on nothing", and a body is gone through again
//! until nothing is found that depends on more than was assumed.
//!
//! Where a function has no derivative one rule decides: of `min`, `max` and `clamp` equal arguments have equal shares, `abs`, `sign`,
//! `length` and `distance` have the derivative 0 at 0, and what makes whole numbers (`floor`, `step`, conversions to integers, comparisons)
//! is constant. So the stable form of binary cross-entropy, `max(x, 0) - x*t + log(1 + exp(-abs(x)))`, has the right slope at 0.

#[cfg(test)]
mod tests;

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{
    BinaryOperator as Op, Block, Expression, Function, FunctionArgument, FunctionResult, Handle,
    Literal, LocalVariable, MathFunction as Fun, Module, Range, ScalarKind, Span, Statement,
    StructMember, Type, TypeInner, UnaryOperator, VectorSize,
};
use std::collections::HashMap;

/// What cannot be differentiated, and where it stands in the source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Undefined {
    pub what: String,
    pub span: Span,
}

type Result<T> = std::result::Result<T, Undefined>;
/// What comes of the changes of some values by one input.
type Rule<'r, Body> =
    dyn FnMut(&mut Body, &[Option<Handle<Expression>>]) -> Result<Option<Handle<Expression>>> + 'r;
/// What a value changes by, for each input; nothing where it does not depend on it.
type Change = Vec<Option<Handle<Expression>>>;
/// The inputs that a value depends on.
type Inputs = Vec<bool>;

/// A module with the derivative of one of its functions.
#[derive(Debug)]
pub(crate) struct Derived {
    pub module: Module,
    /// Takes what the function took, and gives a struct: its value `v`, then `d0`, `d1`, … by each input that was asked for.
    pub function: Handle<Function>,
}

/// Differentiates `function` by those of its arguments that are `inputs`, each an f32.
pub(crate) fn derive(
    module: &Module,
    info: &ModuleInfo,
    function: Handle<Function>,
    inputs: &[bool],
) -> Result<Derived> {
    let count = inputs.iter().filter(|i| **i).count();
    let mut all = Deriver {
        source: module,
        info,
        module: module.clone(),
        count,
        done: HashMap::new(),
    };
    // Each input changes with itself alone, by 1.
    let mut next = 0;
    let seeds = inputs.iter().map(|input| {
        let mut own = vec![false; count];
        if *input {
            own[next] = true;
            next += 1;
        }
        own
    });
    let seeds: Vec<Inputs> = seeds.collect();
    let made = all.function(function, &seeds, true)?;
    Ok(Derived {
        module: all.module,
        function: made.function,
    })
}

struct Deriver<'a> {
    source: &'a Module,
    info: &'a ModuleInfo,
    /// What is made: the source, and behind it the derivatives.
    module: Module,
    /// Inputs that derivatives are taken by.
    count: usize,
    done: HashMap<(Handle<Function>, Vec<Inputs>, bool), Made>,
}

/// A function with its derivative.
#[derive(Debug, Clone)]
struct Made {
    function: Handle<Function>,
    /// What its result depends on.
    result: Inputs,
    /// What is behind its arguments afterwards, where those are pointers, besides what was said before: an argument and an input.
    more: Vec<(usize, usize)>,
}

/// What is assumed of a function's body until more is found.
#[derive(Debug, Clone, PartialEq, Default)]
struct Assumed {
    variables: HashMap<Handle<LocalVariable>, Inputs>,
    result: Inputs,
    more: Vec<(usize, usize)>,
}

impl Deriver<'_> {
    /// The derivative of `function` where its arguments depend on the inputs like this. Of the first one every input has the
    /// derivative 1, which is no argument.
    fn function(
        &mut self,
        function: Handle<Function>,
        arguments: &[Inputs],
        seeded: bool,
    ) -> Result<Made> {
        let key = (function, arguments.to_vec(), seeded);
        if let Some(made) = self.done.get(&key) {
            return Ok(made.clone());
        }
        let mut assumed = Assumed {
            result: vec![false; self.count],
            ..Assumed::default()
        };
        let body = loop {
            let before = assumed.clone();
            // What was made under assumptions that turn out too small is forgotten.
            let saved = (self.module.clone(), self.done.clone());
            let mut body = Body::new(self, function, arguments, seeded, assumed)?;
            body.all()?;
            let out = body.out;
            assumed = body.assumed;
            if assumed == before {
                break out;
            }
            (self.module, self.done) = saved;
        };
        let made = Made {
            function: self.module.functions.append(body, Span::UNDEFINED),
            result: assumed.result,
            more: assumed.more,
        };
        self.done.insert(key, made.clone());
        Ok(made)
    }

    /// The type of what a value of a type changes by: the same, but that nobody can make a struct that a function of WGSL gives.
    fn mirror(&mut self, ty: Handle<Type>) -> Handle<Type> {
        let mut given = self.source.special_types.predeclared_types.values();
        if !given.any(|given| *given == ty) {
            return ty;
        }
        let name = Some("Parts".into());
        let inner = self.module.types[ty].inner.clone();
        self.module
            .types
            .insert(Type { name, inner }, Span::UNDEFINED)
    }

    fn ty(&mut self, inner: TypeInner) -> Handle<Type> {
        let ty = Type { name: None, inner };
        self.module.types.insert(ty, Span::UNDEFINED)
    }

    /// A value of a type with what it changes by.
    fn pair(&mut self, value: Handle<Type>, by: &[bool]) -> Handle<Type> {
        let size = self.module.types[value].inner.size(self.module.to_ctx());
        // Offsets of structs that are no buffer matter to nobody, but have to be in order and aligned.
        let step = size.next_multiple_of(16);
        let changes = by.iter().enumerate().filter(|(_, by)| **by);
        let names = std::iter::once("v".to_string()).chain(changes.map(|(k, _)| format!("d{k}")));
        let members: Vec<_> = names
            .enumerate()
            .map(|(i, name)| StructMember {
                name: Some(name),
                ty: value,
                binding: None,
                offset: step * i as u32,
            })
            .collect();
        let span = step * members.len() as u32;
        let inner = TypeInner::Struct { members, span };
        let ty = Type {
            name: Some("Pair".into()),
            inner,
        };
        self.module.types.insert(ty, Span::UNDEFINED)
    }
}

/// How many numbers a float value has.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Scalar,
    Vector(VectorSize),
}

/// A function's body while its derivative is written.
struct Body<'d, 'a> {
    all: &'d mut Deriver<'a>,
    source: &'a Function,
    info: &'a FunctionInfo,
    out: Function,
    /// What is being written, block in block.
    blocks: Vec<Block>,
    /// A value of the source in what is written, and what it changes by; of pointers, where their shadows are.
    values: HashMap<Handle<Expression>, Handle<Expression>>,
    changes: HashMap<Handle<Expression>, Change>,
    /// The changes of arguments, and the shadows of variables.
    arguments: Vec<Change>,
    shadows: HashMap<Handle<LocalVariable>, Vec<Option<Handle<LocalVariable>>>>,
    variables: HashMap<Handle<LocalVariable>, Handle<LocalVariable>>,
    assumed: Assumed,
    /// What is returned: a value, or one with what it changes by.
    struct_ty: Option<Handle<Type>>,
    /// Where in the source we are.
    span: Span,
}

impl<'d, 'a> Body<'d, 'a> {
    fn new(
        all: &'d mut Deriver<'a>,
        function: Handle<Function>,
        arguments: &[Inputs],
        seeded: bool,
        assumed: Assumed,
    ) -> Result<Self> {
        let source: &'a Function = &all.source.functions[function];
        let info: &'a FunctionInfo = &all.info[function];
        let mut out = Function {
            name: source.name.as_ref().map(|name| format!("{name}_change")),
            arguments: source.arguments.clone(),
            result: source.result.clone(),
            ..Function::default()
        };
        let struct_ty = match &source.result {
            Some(result) if assumed.result.contains(&true) => {
                let ty = all.pair(result.ty, &assumed.result);
                out.result = Some(FunctionResult { ty, binding: None });
                Some(ty)
            }
            // The first one always says a struct, so that whoever calls it knows what to take.
            Some(result) if seeded => {
                let ty = all.pair(result.ty, &vec![true; all.count]);
                out.result = Some(FunctionResult { ty, binding: None });
                Some(ty)
            }
            _ => None,
        };
        let mut body = Body {
            all,
            source,
            info,
            out,
            blocks: vec![Block::new()],
            values: HashMap::new(),
            changes: HashMap::new(),
            arguments: Vec::new(),
            shadows: HashMap::new(),
            variables: HashMap::new(),
            assumed,
            struct_ty,
            span: Span::UNDEFINED,
        };
        let mut seeds = Vec::new();
        for (argument, by) in source.arguments.iter().zip(arguments) {
            let mut change = vec![None; body.all.count];
            for (k, _) in by.iter().enumerate().filter(|(_, by)| **by) {
                if seeded {
                    seeds.push((seeds.len(), k));
                    change[k] = Some(body.number(1.0));
                    continue;
                }
                let place = body.out.arguments.len() as u32;
                body.out.arguments.push(FunctionArgument {
                    name: argument.name.as_ref().map(|name| format!("{name}_d{k}")),
                    ty: argument.ty,
                    binding: None,
                });
                change[k] = Some(body.put(Expression::FunctionArgument(place)));
            }
            body.arguments.push(change);
        }
        for (handle, variable) in source.local_variables.iter() {
            // WGSL has no name for such a type, so that no variable can be written.
            if body.all.mirror(variable.ty) != variable.ty {
                body.span = source.local_variables.get_span(handle);
                return body
                    .refuse("a variable of what `modf` or `frexp` gives: name it with `let`");
            }
            let init = match variable.init {
                Some(init) => Some(body.value(init)?),
                None => None,
            };
            let own = LocalVariable {
                name: variable.name.clone(),
                ty: variable.ty,
                init,
            };
            let own = body.out.local_variables.append(own, Span::UNDEFINED);
            body.variables.insert(handle, own);
            let by = body.assumed.variables.get(&handle).cloned();
            let shadows = by.unwrap_or_else(|| vec![false; body.all.count]);
            let shadow = |(k, by): (usize, bool)| {
                by.then(|| {
                    let name = variable.name.as_ref().map(|name| format!("{name}_d{k}"));
                    let shadow = LocalVariable {
                        name,
                        ty: variable.ty,
                        init: None,
                    };
                    body.out.local_variables.append(shadow, Span::UNDEFINED)
                })
            };
            let shadows = shadows.into_iter().enumerate().map(shadow).collect();
            body.shadows.insert(handle, shadows);
        }
        Ok(body)
    }

    fn all(&mut self) -> Result<()> {
        let source = self.source;
        let block = self.block(&source.body)?;
        self.out.body = block;
        Ok(())
    }

    // ---- What is written

    fn put(&mut self, expression: Expression) -> Handle<Expression> {
        let emitted =
            !expression.needs_pre_emit() && !matches!(expression, Expression::CallResult(_));
        let handle = self.out.expressions.append(expression, self.span);
        if emitted && let Some(block) = self.blocks.last_mut() {
            let range = Range::new_from_bounds(handle, handle);
            block.push(Statement::Emit(range), self.span);
        }
        handle
    }

    fn say(&mut self, statement: Statement) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(statement, self.span);
        }
    }

    fn number(&mut self, v: f32) -> Handle<Expression> {
        self.put(Expression::Literal(Literal::F32(v)))
    }

    /// A number as often as a shape has some.
    fn splat(&mut self, shape: Shape, v: f32) -> Handle<Expression> {
        let value = self.number(v);
        match shape {
            Shape::Scalar => value,
            Shape::Vector(size) => self.put(Expression::Splat { size, value }),
        }
    }

    fn binary(
        &mut self,
        op: Op,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Handle<Expression> {
        self.put(Expression::Binary { op, left, right })
    }

    fn math(&mut self, fun: Fun, args: &[Handle<Expression>]) -> Handle<Expression> {
        let at = |i: usize| args.get(i).copied();
        let Some(arg) = at(0) else {
            return self.number(0.0);
        };
        self.put(Expression::Math {
            fun,
            arg,
            arg1: at(1),
            arg2: at(2),
            arg3: at(3),
        })
    }

    fn choose(
        &mut self,
        condition: Handle<Expression>,
        accept: Handle<Expression>,
        reject: Handle<Expression>,
    ) -> Handle<Expression> {
        self.put(Expression::Select {
            condition,
            accept,
            reject,
        })
    }

    fn negated(&mut self, expr: Handle<Expression>) -> Handle<Expression> {
        let op = UnaryOperator::Negate;
        self.put(Expression::Unary { op, expr })
    }

    /// Whether it is the number 1, so that nothing has to be multiplied by it.
    fn is_one(&self, h: Handle<Expression>) -> bool {
        self.out.expressions[h] == Expression::Literal(Literal::F32(1.0))
    }

    fn times(&mut self, a: Handle<Expression>, b: Handle<Expression>) -> Handle<Expression> {
        match (self.is_one(a), self.is_one(b)) {
            (true, _) => b,
            (_, true) => a,
            _ => self.binary(Op::Multiply, a, b),
        }
    }

    fn plus(
        &mut self,
        a: Option<Handle<Expression>>,
        b: Option<Handle<Expression>>,
    ) -> Option<Handle<Expression>> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.binary(Op::Add, a, b)),
            (a, b) => a.or(b),
        }
    }

    fn minus(
        &mut self,
        a: Option<Handle<Expression>>,
        b: Option<Handle<Expression>>,
    ) -> Option<Handle<Expression>> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.binary(Op::Subtract, a, b)),
            (None, Some(b)) => Some(self.negated(b)),
            (a, None) => a,
        }
    }

    // ---- What there is

    fn inner(&self, h: Handle<Expression>) -> &TypeInner {
        self.info[h].ty.inner_with(&self.all.source.types)
    }

    /// The type of a value of the source.
    fn type_of(&mut self, h: Handle<Expression>) -> Handle<Type> {
        match &self.info[h].ty {
            naga::proc::TypeResolution::Handle(ty) => *ty,
            naga::proc::TypeResolution::Value(inner) => self.all.ty(inner.clone()),
        }
    }

    fn zero_of(&mut self, h: Handle<Expression>) -> Handle<Expression> {
        let ty = self.type_of(h);
        let ty = self.all.mirror(ty);
        self.put(Expression::ZeroValue(ty))
    }

    fn shape(&self, h: Handle<Expression>) -> Shape {
        match self.inner(h) {
            TypeInner::Vector { size, .. } => Shape::Vector(*size),
            _ => Shape::Scalar,
        }
    }

    fn refuse<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(Undefined {
            what: what.into(),
            span: self.span,
        })
    }

    /// A value of the source in what is written.
    fn value(&mut self, h: Handle<Expression>) -> Result<Handle<Expression>> {
        if let Some(&there) = self.values.get(&h) {
            return Ok(there);
        }
        // What needs no statement is written where it is first met.
        if self.source.expressions[h].needs_pre_emit() {
            self.expression(h)?;
            if let Some(&there) = self.values.get(&h) {
                return Ok(there);
            }
        }
        // An initial value is made of constants.
        self.expression(h)?;
        match self.values.get(&h) {
            Some(&there) => Ok(there),
            None => self.refuse("a value before it is there"),
        }
    }

    fn change(&self, h: Handle<Expression>) -> Change {
        let none = || vec![None; self.all.count];
        self.changes.get(&h).cloned().unwrap_or_else(none)
    }

    fn depends(&self, h: Handle<Expression>) -> bool {
        self.change(h).iter().any(Option::is_some)
    }

    /// The variable or argument behind a pointer.
    fn root(&self, mut h: Handle<Expression>) -> Expression {
        loop {
            match &self.source.expressions[h] {
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => h = *base,
                other => return other.clone(),
            }
        }
    }

    /// Says that what is behind a pointer depends on an input, which was not assumed.
    fn found(&mut self, pointer: Handle<Expression>, k: usize) -> Result<()> {
        match self.root(pointer) {
            Expression::LocalVariable(variable) => {
                let none = vec![false; self.all.count];
                let by = self.assumed.variables.entry(variable).or_insert(none);
                by[k] = true;
                Ok(())
            }
            Expression::FunctionArgument(place) => {
                let more = (place as usize, k);
                if !self.assumed.more.contains(&more) {
                    self.assumed.more.push(more);
                }
                Ok(())
            }
            _ => self.refuse("a variable of the module that depends on an input"),
        }
    }
}

/// Statements.
impl Body<'_, '_> {
    fn block(&mut self, block: &Block) -> Result<Block> {
        self.blocks.push(Block::new());
        for (statement, span) in block.span_iter() {
            self.span = *span;
            self.statement(statement)?;
        }
        Ok(self.blocks.pop().unwrap_or_default())
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Emit(range) => {
                for h in range.clone() {
                    self.span = self.source.expressions.get_span(h);
                    self.expression(h)?;
                }
            }
            Statement::Block(block) => {
                let block = self.block(block)?;
                self.say(Statement::Block(block));
            }
            Statement::If {
                condition,
                accept,
                reject,
            } => {
                let condition = self.value(*condition)?;
                let accept = self.block(accept)?;
                let reject = self.block(reject)?;
                self.say(Statement::If {
                    condition,
                    accept,
                    reject,
                });
            }
            Statement::Switch { selector, cases } => {
                let selector = self.value(*selector)?;
                let mut made = Vec::new();
                for case in cases {
                    made.push(naga::SwitchCase {
                        value: case.value,
                        body: self.block(&case.body)?,
                        fall_through: case.fall_through,
                    });
                }
                self.say(Statement::Switch {
                    selector,
                    cases: made,
                });
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => {
                let body = self.block(body)?;
                let continuing = self.block(continuing)?;
                let break_if = match break_if {
                    Some(h) => Some(self.value(*h)?),
                    None => None,
                };
                self.say(Statement::Loop {
                    body,
                    continuing,
                    break_if,
                });
            }
            Statement::Break => self.say(Statement::Break),
            Statement::Continue => self.say(Statement::Continue),
            Statement::Return { value } => self.returned(*value)?,
            Statement::Store { pointer, value } => self.store(*pointer, *value)?,
            Statement::Call {
                function,
                arguments,
                result,
            } => self.call(*function, arguments, *result)?,
            _ => return self.refuse("a statement that is none of arithmetic"),
        }
        Ok(())
    }

    fn returned(&mut self, value: Option<Handle<Expression>>) -> Result<()> {
        let Some(h) = value else {
            self.say(Statement::Return { value: None });
            return Ok(());
        };
        let own = self.value(h)?;
        let change = self.change(h);
        for (k, change) in change.iter().enumerate() {
            self.assumed.result[k] |= change.is_some();
        }
        let Some(ty) = self.struct_ty else {
            self.say(Statement::Return { value: Some(own) });
            return Ok(());
        };
        // As many as were known of when this body was begun.
        let said = match &self.all.module.types[ty].inner {
            TypeInner::Struct { members, .. } => members.clone(),
            _ => Vec::new(),
        };
        let mut components = vec![own];
        for (k, change) in change.into_iter().enumerate() {
            let name = format!("d{k}");
            if said.iter().any(|m| m.name.as_ref() == Some(&name)) {
                components.push(match change {
                    Some(change) => change,
                    None => self.zero_of(h),
                });
            }
        }
        let value = self.put(Expression::Compose { ty, components });
        self.say(Statement::Return { value: Some(value) });
        Ok(())
    }

    fn store(&mut self, pointer: Handle<Expression>, value: Handle<Expression>) -> Result<()> {
        let (to, own) = (self.value(pointer)?, self.value(value)?);
        self.say(Statement::Store {
            pointer: to,
            value: own,
        });
        let (shadows, change) = (self.change(pointer), self.change(value));
        for (k, (shadow, change)) in shadows.into_iter().zip(change).enumerate() {
            match (shadow, change) {
                (Some(shadow), change) => {
                    let value = match change {
                        Some(change) => change,
                        None => self.zero_of(value),
                    };
                    self.say(Statement::Store {
                        pointer: shadow,
                        value,
                    });
                }
                (None, Some(_)) => self.found(pointer, k)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        function: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
    ) -> Result<()> {
        let mut values = Vec::new();
        for &h in arguments {
            values.push(self.value(h)?);
        }
        let changes: Vec<Change> = arguments.iter().map(|h| self.change(*h)).collect();
        let by: Vec<Inputs> = changes
            .iter()
            .map(|change| change.iter().map(Option::is_some).collect())
            .collect();
        let none = by.iter().flatten().all(|by| !by);
        let made = match none {
            true => Made {
                function,
                result: vec![false; self.all.count],
                more: Vec::new(),
            },
            false => self.all.function(function, &by, false)?,
        };
        for &(place, k) in &made.more {
            if let Some(&pointer) = arguments.get(place) {
                self.found(pointer, k)?;
            }
        }
        values.extend(changes.into_iter().flatten().flatten());
        let own = result.map(|_| self.put(Expression::CallResult(made.function)));
        self.say(Statement::Call {
            function: made.function,
            arguments: values,
            result: own,
        });
        let (Some(result), Some(own)) = (result, own) else {
            return Ok(());
        };
        if made.result.iter().all(|by| !by) {
            self.values.insert(result, own);
            return Ok(());
        }
        let base = own;
        let value = self.put(Expression::AccessIndex { base, index: 0 });
        self.values.insert(result, value);
        let mut index = 0;
        let change = made.result.iter().map(|by| {
            by.then(|| {
                index += 1;
                self.put(Expression::AccessIndex { base, index })
            })
        });
        let change = change.collect();
        self.changes.insert(result, change);
        Ok(())
    }
}

/// Expressions.
impl Body<'_, '_> {
    /// Writes an expression of the source, and what it changes by.
    fn expression(&mut self, h: Handle<Expression>) -> Result<()> {
        let expression = self.source.expressions[h].clone();
        let one = |body: &mut Self, h: Handle<Expression>| body.value(h);
        let made = match expression.clone() {
            same @ (Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::FunctionArgument(_)
            | Expression::GlobalVariable(_)) => same,
            Expression::LocalVariable(variable) => match self.variables.get(&variable) {
                Some(own) => Expression::LocalVariable(*own),
                None => return self.refuse("a variable before it is there"),
            },
            Expression::Compose { ty, components } => {
                let mut own = Vec::new();
                for h in components {
                    own.push(self.value(h)?);
                }
                Expression::Compose {
                    ty,
                    components: own,
                }
            }
            Expression::Access { base, index } => Expression::Access {
                base: one(self, base)?,
                index: one(self, index)?,
            },
            Expression::AccessIndex { base, index } => Expression::AccessIndex {
                base: one(self, base)?,
                index,
            },
            Expression::Splat { size, value } => Expression::Splat {
                size,
                value: one(self, value)?,
            },
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => Expression::Swizzle {
                size,
                vector: one(self, vector)?,
                pattern,
            },
            Expression::Load { pointer } => Expression::Load {
                pointer: one(self, pointer)?,
            },
            Expression::Unary { op, expr } => Expression::Unary {
                op,
                expr: one(self, expr)?,
            },
            Expression::Binary { op, left, right } => Expression::Binary {
                op,
                left: one(self, left)?,
                right: one(self, right)?,
            },
            Expression::Select {
                condition,
                accept,
                reject,
            } => Expression::Select {
                condition: one(self, condition)?,
                accept: one(self, accept)?,
                reject: one(self, reject)?,
            },
            Expression::Relational { fun, argument } => Expression::Relational {
                fun,
                argument: one(self, argument)?,
            },
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                arg3,
            } => {
                let mut own = |h: Option<Handle<Expression>>| h.map(|h| self.value(h)).transpose();
                let (arg1, arg2, arg3) = (own(arg1)?, own(arg2)?, own(arg3)?);
                Expression::Math {
                    fun,
                    arg: one(self, arg)?,
                    arg1,
                    arg2,
                    arg3,
                }
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => Expression::As {
                expr: one(self, expr)?,
                kind,
                convert,
            },
            _ => return self.refuse("an expression that is none of arithmetic"),
        };
        let own = self.put(made);
        self.values.insert(h, own);
        // A whole number in a struct that changes does not.
        if let TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } = *self.inner(h)
            && scalar.kind != ScalarKind::Float
        {
            // Nor do steps; but bits of a number that changes may become a number again.
            let bits = match expression {
                Expression::As {
                    expr,
                    convert: None,
                    ..
                } => self.depends(expr),
                Expression::Math { fun, arg, .. } => {
                    let packs = matches!(
                        fun,
                        Fun::Pack4x8snorm
                            | Fun::Pack4x8unorm
                            | Fun::Pack2x16snorm
                            | Fun::Pack2x16unorm
                            | Fun::Pack2x16float
                    );
                    packs && self.depends(arg)
                }
                _ => false,
            };
            return match bits {
                true => self.refuse("the bits of what depends on an input"),
                false => Ok(()),
            };
        }
        let change = self.changed(&expression, own)?;
        if change.iter().any(Option::is_some) {
            self.changes.insert(h, change);
        }
        Ok(())
    }

    /// What an expression of the source, which is `own` in what is written, changes by.
    fn changed(&mut self, expression: &Expression, own: Handle<Expression>) -> Result<Change> {
        let none: Change = vec![None; self.all.count];
        // What is the same for each input.
        let each = |body: &mut Self,
                    of: &[Handle<Expression>],
                    f: &mut Rule<'_, Self>|
         -> Result<Change> {
            let changes: Vec<Change> = of.iter().map(|h| body.change(*h)).collect();
            let mut out = Vec::new();
            for k in 0..body.all.count {
                let here: Vec<_> = changes.iter().map(|c| c[k]).collect();
                out.push(match here.iter().all(Option::is_none) {
                    true => None,
                    false => f(body, &here)?,
                });
            }
            Ok(out)
        };
        Ok(match *expression {
            Expression::FunctionArgument(place) => {
                self.arguments.get(place as usize).cloned().unwrap_or(none)
            }
            Expression::LocalVariable(variable) => {
                let shadows = self.shadows.get(&variable).cloned().unwrap_or_default();
                let pointer = |s: Option<Handle<LocalVariable>>| {
                    s.map(|s| self.put(Expression::LocalVariable(s)))
                };
                shadows.into_iter().map(pointer).collect()
            }
            Expression::Compose { ty, ref components } => {
                each(self, components, &mut |body, changes| {
                    let mut all = Vec::new();
                    for (h, change) in components.iter().zip(changes) {
                        all.push(match change {
                            Some(change) => *change,
                            None => body.zero_of(*h),
                        });
                    }
                    Ok(Some(body.put(Expression::Compose {
                        ty,
                        components: all,
                    })))
                })?
            }
            Expression::Access { base, index } => {
                let index = self.value(index)?;
                each(self, &[base], &mut |body, changes| {
                    Ok(changes[0].map(|base| body.put(Expression::Access { base, index })))
                })?
            }
            Expression::AccessIndex { base, index } => {
                each(self, &[base], &mut |body, changes| {
                    Ok(changes[0].map(|base| body.put(Expression::AccessIndex { base, index })))
                })?
            }
            Expression::Splat { size, value } => each(self, &[value], &mut |body, changes| {
                Ok(changes[0].map(|value| body.put(Expression::Splat { size, value })))
            })?,
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => each(self, &[vector], &mut |body, changes| {
                Ok(changes[0].map(|vector| {
                    body.put(Expression::Swizzle {
                        size,
                        vector,
                        pattern,
                    })
                }))
            })?,
            Expression::Load { pointer } => each(self, &[pointer], &mut |body, changes| {
                Ok(changes[0].map(|pointer| body.put(Expression::Load { pointer })))
            })?,
            Expression::Unary {
                op: UnaryOperator::Negate,
                expr,
            } => each(self, &[expr], &mut |body, changes| {
                Ok(changes[0].map(|c| body.negated(c)))
            })?,
            Expression::Binary { op, left, right } => {
                let [l, r] = [self.value(left)?, self.value(right)?];
                each(self, &[left, right], &mut |body, changes| {
                    Ok(body.operated(op, [l, r], [changes[0], changes[1]], own))
                })?
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => {
                let condition = self.value(condition)?;
                each(self, &[accept, reject], &mut |body, changes| {
                    let [a, b] =
                        [(accept, changes[0]), (reject, changes[1])].map(|(h, c)| match c {
                            Some(c) => c,
                            None => body.zero_of(h),
                        });
                    Ok(Some(body.choose(condition, a, b)))
                })?
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => match (kind, convert) {
                (ScalarKind::Float, Some(_)) => self.change(expr),
                // Steps.
                _ => none,
            },
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                arg3,
            } => {
                let args: Vec<_> = [Some(arg), arg1, arg2, arg3]
                    .into_iter()
                    .flatten()
                    .collect();
                if !args.iter().any(|h| self.depends(*h)) {
                    return Ok(none);
                }
                let mut values = Vec::new();
                for &h in &args {
                    values.push(self.value(h)?);
                }
                let call = Called {
                    fun,
                    args: &args,
                    values: &values,
                    own,
                };
                each(self, &args, &mut |body, changes| {
                    body.called(&call, changes)
                })?
            }
            _ => none,
        })
    }

    /// Of an operator.
    fn operated(
        &mut self,
        op: Op,
        [l, r]: [Handle<Expression>; 2],
        [dl, dr]: [Option<Handle<Expression>>; 2],
        own: Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        match op {
            Op::Add => self.plus(dl, dr),
            Op::Subtract => self.minus(dl, dr),
            Op::Multiply => {
                let left = dl.map(|dl| self.times(dl, r));
                let right = dr.map(|dr| self.times(l, dr));
                self.plus(left, right)
            }
            // (dl - q·dr)/r
            Op::Divide => {
                let right = dr.map(|dr| self.times(own, dr));
                let up = self.minus(dl, right)?;
                Some(self.binary(Op::Divide, up, r))
            }
            // l - r·trunc(l/r), where the number of times is constant.
            Op::Modulo => {
                let right = dr.map(|dr| {
                    let ratio = self.binary(Op::Divide, l, r);
                    let whole = self.math(Fun::Trunc, &[ratio]);
                    self.times(whole, dr)
                });
                self.minus(dl, right)
            }
            _ => None,
        }
    }
}

/// A call of a function of WGSL.
struct Called<'a> {
    fun: Fun,
    /// The arguments in the source, and as they are written.
    args: &'a [Handle<Expression>],
    values: &'a [Handle<Expression>],
    own: Handle<Expression>,
}

/// Functions of WGSL.
impl Body<'_, '_> {
    /// What a call changes by, where its arguments change by `d`. In the derivations a, b, c are the arguments, r the result, and a
    /// dash says what a value changes by.
    fn called(
        &mut self,
        call: &Called<'_>,
        d: &[Option<Handle<Expression>>],
    ) -> Result<Option<Handle<Expression>>> {
        let Called {
            fun,
            args,
            values,
            own: r,
        } = *call;
        let at = |i: usize| values.get(i).copied();
        let of = |i: usize| d.get(i).copied().flatten();
        let (Some(a), da) = (at(0), of(0)) else {
            return Ok(None);
        };
        let (b, c) = (at(1).unwrap_or(a), at(2).unwrap_or(a));
        let (db, dc) = (of(1), of(2));
        let shape = self.shape(args[0]);
        let this = self;
        let change = match fun {
            // sign(a)·a'
            Fun::Abs => this.by(da, |this| this.math(Fun::Sign, &[a])),
            Fun::Min => return Ok(this.picked(Op::Less, shape, [a, b], [da, db])),
            Fun::Max => return Ok(this.picked(Op::Greater, shape, [a, b], [da, db])),
            Fun::Clamp => {
                let above = this.math(Fun::Max, &[a, b]);
                let changed = this.picked(Op::Greater, shape, [a, b], [da, db]);
                return Ok(this.picked(Op::Less, shape, [above, c], [changed, dc]));
            }
            Fun::Saturate => {
                let [zero, one] = [0.0, 1.0].map(|v| this.splat(shape, v));
                let above = this.math(Fun::Max, &[a, zero]);
                let changed = this.picked(Op::Greater, shape, [a, zero], [da, None]);
                return Ok(this.picked(Op::Less, shape, [above, one], [changed, None]));
            }
            Fun::Sin => this.by(da, |this| this.math(Fun::Cos, &[a])),
            Fun::Cos => {
                let sine = this.math(Fun::Sin, &[a]);
                this.by(da, |this| this.negated(sine))
            }
            Fun::Sinh => this.by(da, |this| this.math(Fun::Cosh, &[a])),
            Fun::Cosh => this.by(da, |this| this.math(Fun::Sinh, &[a])),
            // 1 + r²
            Fun::Tan => this.by(da, |this| {
                let one = this.splat(shape, 1.0);
                let square = this.times(r, r);
                this.binary(Op::Add, one, square)
            }),
            // 1/cosh(a)², which keeps its digits where r is nearly 1.
            Fun::Tanh => {
                let cosh = this.math(Fun::Cosh, &[a]);
                let once = this.over(da, cosh);
                this.over(once, cosh)
            }
            // 1/√((1 - a)(1 + a)), and less that.
            Fun::Asin => {
                let root = this.circle(shape, a);
                this.over(da, root)
            }
            Fun::Acos => {
                let root = this.circle(shape, a);
                let down = da.map(|da| this.negated(da));
                this.over(down, root)
            }
            Fun::Atan => {
                let one = this.splat(shape, 1.0);
                let square = this.times(a, a);
                let whole = this.binary(Op::Add, one, square);
                this.over(da, whole)
            }
            // (b·a' - a·b')/(a² + b²)
            Fun::Atan2 => {
                let left = da.map(|da| this.times(b, da));
                let right = db.map(|db| this.times(a, db));
                let up = this.minus(left, right);
                let squares = [this.times(a, a), this.times(b, b)];
                let whole = this.binary(Op::Add, squares[0], squares[1]);
                this.over(up, whole)
            }
            Fun::Asinh => {
                let one = this.splat(shape, 1.0);
                let square = this.times(a, a);
                let whole = this.binary(Op::Add, square, one);
                let root = this.math(Fun::Sqrt, &[whole]);
                this.over(da, root)
            }
            Fun::Acosh => {
                let one = this.splat(shape, 1.0);
                let sides = [Op::Subtract, Op::Add].map(|op| this.binary(op, a, one));
                let product = this.times(sides[0], sides[1]);
                let root = this.math(Fun::Sqrt, &[product]);
                this.over(da, root)
            }
            Fun::Atanh => {
                let one = this.splat(shape, 1.0);
                let sides = [Op::Subtract, Op::Add].map(|op| this.binary(op, one, a));
                let product = this.times(sides[0], sides[1]);
                this.over(da, product)
            }
            Fun::Radians | Fun::Degrees | Fun::Transpose => da.map(|da| this.math(fun, &[da])),
            // Steps, which are constant where they have a derivative at all.
            Fun::Ceil | Fun::Floor | Fun::Round | Fun::Trunc | Fun::Sign | Fun::Step => None,
            Fun::Fract => da,
            // A struct of the fraction, which changes, and a whole number, which does not.
            Fun::Modf => return this.fraction(call, da, None),
            // a = f·2^e: f' = a'·2^-e.
            Fun::Frexp => return this.fraction(call, da, Some(r)),
            Fun::Ldexp => da.map(|da| this.math(Fun::Ldexp, &[da, b])),
            Fun::Exp => this.by(da, |_| r),
            Fun::Exp2 => this.by(da, |this| {
                let log = this.splat(shape, std::f32::consts::LN_2);
                this.times(r, log)
            }),
            Fun::Log => this.over(da, a),
            Fun::Log2 => {
                let log = this.splat(shape, std::f32::consts::LN_2);
                let whole = this.times(a, log);
                this.over(da, whole)
            }
            Fun::Pow => return Ok(this.power(args, shape, [a, b, r], [da, db])),
            // r·r·r·a'/-2
            Fun::InverseSqrt => this.by(da, |this| {
                let half = this.splat(shape, -0.5);
                let square = this.times(r, r);
                let cube = this.times(square, r);
                this.times(half, cube)
            }),
            Fun::Sqrt => {
                let half = this.splat(shape, 0.5);
                let up = da.map(|da| this.times(half, da));
                this.over(up, r)
            }
            // Linear in each.
            Fun::Dot | Fun::Cross | Fun::Outer => {
                let left = da.map(|da| this.math(fun, &[da, b]));
                let right = db.map(|db| this.math(fun, &[a, db]));
                this.plus(left, right)
            }
            Fun::Length => this.length(shape, a, da, r),
            Fun::Distance => {
                let gap = this.binary(Op::Subtract, a, b);
                let changed = this.minus(da, db);
                this.length(shape, gap, changed, r)
            }
            // (a' - r·(r·a'))/|a|
            Fun::Normalize => {
                let Some(da) = da else { return Ok(None) };
                let along = this.math(Fun::Dot, &[r, da]);
                let part = this.times(r, along);
                let across = this.binary(Op::Subtract, da, part);
                let length = this.math(Fun::Length, &[a]);
                let Shape::Vector(size) = shape else {
                    return Ok(None);
                };
                let value = length;
                let length = this.put(Expression::Splat { size, value });
                Some(this.binary(Op::Divide, across, length))
            }
            // a or -a, as dot(c, b) < 0 says.
            Fun::FaceForward => {
                let Some(da) = da else { return Ok(None) };
                let side = this.math(Fun::Dot, &[c, b]);
                let zero = this.number(0.0);
                let front = this.binary(Op::Less, side, zero);
                let back = this.negated(da);
                Some(this.choose(front, da, back))
            }
            // a - 2·(b·a)·b
            Fun::Reflect => {
                let left = da.map(|da| this.math(Fun::Dot, &[b, da]));
                let right = db.map(|db| this.math(Fun::Dot, &[db, a]));
                let dot = this.plus(left, right);
                let one = dot.map(|dot| this.times(b, dot));
                let other = db.map(|db| {
                    let dot = this.math(Fun::Dot, &[b, a]);
                    this.times(db, dot)
                });
                let sum = this.plus(one, other);
                let two = this.number(2.0);
                let twice = sum.map(|sum| this.times(sum, two));
                this.minus(da, twice)
            }
            Fun::Refract => return Ok(this.refracted(shape, [a, b, c], [da, db, dc])),
            // a·b + c
            Fun::Fma => {
                let left = da.map(|da| this.times(da, b));
                let right = db.map(|db| this.times(a, db));
                let product = this.plus(left, right);
                this.plus(product, dc)
            }
            // a·(1 - c) + b·c, where c may be a number among vectors.
            Fun::Mix => {
                let left = da.map(|da| {
                    let one = this.number(1.0);
                    let one = match this.shape(args[2]) {
                        Shape::Scalar => one,
                        Shape::Vector(size) => this.put(Expression::Splat { size, value: one }),
                    };
                    let rest = this.binary(Op::Subtract, one, c);
                    this.times(da, rest)
                });
                let right = db.map(|db| this.times(db, c));
                let blend = dc.map(|dc| {
                    let gap = this.binary(Op::Subtract, b, a);
                    this.times(gap, dc)
                });
                let ends = this.plus(left, right);
                this.plus(ends, blend)
            }
            // t = (c - a)/(b - a) between 0 and 1, r = t²(3 - 2t): r' = 6t(1 - t)·(c' - a'(1 - t) - b't)/(b - a)
            Fun::SmoothStep => {
                let width = this.binary(Op::Subtract, b, a);
                let way = this.binary(Op::Subtract, c, a);
                let ratio = this.binary(Op::Divide, way, width);
                let t = this.math(Fun::Saturate, &[ratio]);
                let one = this.splat(shape, 1.0);
                let rest = this.binary(Op::Subtract, one, t);
                let near = da.map(|da| this.times(da, rest));
                let far = db.map(|db| this.times(db, t));
                let ends = this.plus(near, far);
                let up = this.minus(dc, ends);
                let up = this.over(up, width);
                this.by(up, |this| {
                    let six = this.splat(shape, 6.0);
                    let product = this.times(t, rest);
                    this.times(six, product)
                })
            }
            Fun::Determinant => return this.determinant(args[0], a, da),
            _ => {
                let name = format!("{fun:?}").to_lowercase();
                return this.refuse(format!("`{name}` of what depends on an input"));
            }
        };
        Ok(change)
    }

    /// A factor times a change.
    fn by(
        &mut self,
        d: Option<Handle<Expression>>,
        factor: impl FnOnce(&mut Self) -> Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        d.map(|d| {
            let factor = factor(self);
            self.times(factor, d)
        })
    }

    fn over(
        &mut self,
        d: Option<Handle<Expression>>,
        by: Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        d.map(|d| self.binary(Op::Divide, d, by))
    }

    /// The change of the one of two that is less or greater than the other; of equal ones the mean.
    fn picked(
        &mut self,
        op: Op,
        shape: Shape,
        [a, b]: [Handle<Expression>; 2],
        d: [Option<Handle<Expression>>; 2],
    ) -> Option<Handle<Expression>> {
        if d == [None, None] {
            return None;
        }
        let zero = self.splat(shape, 0.0);
        let half = self.splat(shape, 0.5);
        let sum = self.plus(d[0], d[1]).unwrap_or(zero);
        let mean = self.times(half, sum);
        let [da, db] = d.map(|d| d.unwrap_or(zero));
        let same = self.binary(Op::Equal, a, b);
        let first = self.binary(op, a, b);
        let otherwise = self.choose(same, mean, db);
        Some(self.choose(first, da, otherwise))
    }

    /// √((1 - a)(1 + a))
    fn circle(&mut self, shape: Shape, a: Handle<Expression>) -> Handle<Expression> {
        let one = self.splat(shape, 1.0);
        let sides = [Op::Subtract, Op::Add].map(|op| self.binary(op, one, a));
        let product = self.times(sides[0], sides[1]);
        self.math(Fun::Sqrt, &[product])
    }

    /// v·v'/|v|, and 0 where v is 0.
    fn length(
        &mut self,
        shape: Shape,
        v: Handle<Expression>,
        d: Option<Handle<Expression>>,
        r: Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        let d = d?;
        if shape == Shape::Scalar {
            return self.by(Some(d), |this| this.math(Fun::Sign, &[v]));
        }
        let along = self.math(Fun::Dot, &[v, d]);
        let ratio = self.binary(Op::Divide, along, r);
        let zero = self.number(0.0);
        let there = self.binary(Op::Equal, r, zero);
        Some(self.choose(there, zero, ratio))
    }

    /// b·a^(b - 1)·a' + r·log(a)·b'. With b = 1 the first power is 1, also of 0; where r is 0 the logarithm may be -inf.
    fn power(
        &mut self,
        args: &[Handle<Expression>],
        shape: Shape,
        [a, b, r]: [Handle<Expression>; 3],
        [da, db]: [Option<Handle<Expression>>; 2],
    ) -> Option<Handle<Expression>> {
        let constant = args.get(1).and_then(|b| self.constant(*b));
        let left = match (da, constant) {
            (None, _) => None,
            (Some(da), Some(b)) => {
                let factor = match b - 1.0 {
                    0.0 => self.splat(shape, 1.0),
                    rest => {
                        let times = self.splat(shape, b);
                        let power = match rest == 1.0 {
                            true => a,
                            false => {
                                let rest = self.splat(shape, rest);
                                self.math(Fun::Pow, &[a, rest])
                            }
                        };
                        self.times(times, power)
                    }
                };
                Some(self.times(factor, da))
            }
            (Some(da), None) => {
                let one = self.splat(shape, 1.0);
                let rest = self.binary(Op::Subtract, b, one);
                let power = self.math(Fun::Pow, &[a, rest]);
                let linear = self.binary(Op::Equal, b, one);
                let power = self.choose(linear, one, power);
                let factor = self.times(b, power);
                Some(self.times(factor, da))
            }
        };
        let right = db.map(|db| {
            let zero = self.splat(shape, 0.0);
            let log = self.math(Fun::Log, &[a]);
            let product = self.times(r, log);
            let nothing = self.binary(Op::Equal, r, zero);
            let factor = self.choose(nothing, zero, product);
            self.times(factor, db)
        });
        self.plus(left, right)
    }

    /// The number that a value of the source is, if that is written there; of a vector, if all are the same.
    fn constant(&self, h: Handle<Expression>) -> Option<f32> {
        match self.source.expressions[h] {
            Expression::Literal(Literal::F32(v)) => Some(v),
            Expression::Splat { value, .. } => self.constant(value),
            _ => None,
        }
    }

    /// Of a struct whose first member is a fraction: times 2^-exponent, where there is one.
    fn fraction(
        &mut self,
        call: &Called<'_>,
        d: Option<Handle<Expression>>,
        scaled: Option<Handle<Expression>>,
    ) -> Result<Option<Handle<Expression>>> {
        let Some(d) = d else { return Ok(None) };
        let found = self
            .source
            .expressions
            .iter()
            .find(|(h, _)| self.values.get(h) == Some(&call.own));
        let Some(ty) = found.map(|(h, _)| h).map(|h| self.type_of(h)) else {
            return self.refuse("a struct without a type");
        };
        let ty = self.all.mirror(ty);
        let second = match &self.all.module.types[ty].inner {
            TypeInner::Struct { members, .. } => members.get(1).map(|m| m.ty),
            _ => None,
        };
        let Some(second) = second else {
            return self.refuse("a struct without members");
        };
        let part = match scaled {
            None => d,
            Some(base) => {
                let exponent = self.put(Expression::AccessIndex { base, index: 1 });
                let back = self.negated(exponent);
                self.math(Fun::Ldexp, &[d, back])
            }
        };
        let rest = self.put(Expression::ZeroValue(second));
        let components = vec![part, rest];
        Ok(Some(self.put(Expression::Compose { ty, components })))
    }

    /// With c = b·a and k = 1 - e²(1 - c²): e·a - (e·c + √k)·b, or 0 where k is below 0. Then c' = b'·a + b·a',
    /// k'/2 = e(e·c·c' - (1 - c²)·e'), and the rest by its products.
    fn refracted(
        &mut self,
        shape: Shape,
        [a, b, e]: [Handle<Expression>; 3],
        [da, db, de]: [Option<Handle<Expression>>; 3],
    ) -> Option<Handle<Expression>> {
        let c = self.math(Fun::Dot, &[b, a]);
        let left = db.map(|db| self.math(Fun::Dot, &[db, a]));
        let right = da.map(|da| self.math(Fun::Dot, &[b, da]));
        let dc = self.plus(left, right);
        let (one, zero) = (self.number(1.0), self.number(0.0));
        let square = self.times(c, c);
        let rest = self.binary(Op::Subtract, one, square);
        let scaled = self.times(e, e);
        let taken = self.times(scaled, rest);
        let k = self.binary(Op::Subtract, one, taken);
        let root = self.math(Fun::Sqrt, &[k]);
        let product = self.times(e, c);
        let ecc = dc.map(|dc| self.times(product, dc));
        let ee = de.map(|de| self.times(rest, de));
        let half = self.minus(ecc, ee);
        // k'/(2√k)
        let droot = half.map(|half| {
            let up = self.times(e, half);
            self.binary(Op::Divide, up, root)
        });
        let first = de.map(|de| self.times(a, de));
        let second = da.map(|da| self.times(da, e));
        let straight = self.plus(first, second);
        let first = de.map(|de| self.times(de, c));
        let second = dc.map(|dc| self.times(e, dc));
        let bent = self.plus(first, second);
        let bent = self.plus(bent, droot);
        let along = bent.map(|bent| self.times(b, bent));
        let whole = self.binary(Op::Add, product, root);
        let across = db.map(|db| self.times(db, whole));
        let out = self.minus(straight, along);
        let out = self.minus(out, across)?;
        let none = self.splat(shape, 0.0);
        let back = self.binary(Op::Less, k, zero);
        Some(self.choose(back, none, out))
    }

    /// The sum over columns of the determinant with that column's change in its place.
    fn determinant(
        &mut self,
        source: Handle<Expression>,
        a: Handle<Expression>,
        d: Option<Handle<Expression>>,
    ) -> Result<Option<Handle<Expression>>> {
        let Some(d) = d else { return Ok(None) };
        let &TypeInner::Matrix { columns, .. } = self.inner(source) else {
            return self.refuse("the determinant of what is no matrix");
        };
        let ty = self.type_of(source);
        let mut sum = None;
        for own in 0..columns as u32 {
            let column = |this: &mut Self, index: u32| {
                let base = if index == own { d } else { a };
                this.put(Expression::AccessIndex { base, index })
            };
            let components = (0..columns as u32).map(|i| column(self, i)).collect();
            let changed = self.put(Expression::Compose { ty, components });
            let part = self.math(Fun::Determinant, &[changed]);
            sum = self.plus(sum, Some(part));
        }
        Ok(sum)
    }
}
