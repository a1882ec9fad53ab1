//! A function's body while its derivative is written: what is there, and what writes it.

use super::{Change, Depending, Deriver, Inputs, Result, Undefined, change_name};
use naga::valid::FunctionInfo;
use naga::{
    BinaryOperator as Op, Block, Expression, Function, FunctionArgument, FunctionResult, Handle,
    Literal, LocalVariable, MathFunction as Fun, Range, Scalar, Span, Statement, Type, TypeInner,
    UnaryOperator, VectorSize,
};
use std::collections::HashMap;

/// How many numbers a float value has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Scalar,
    Vector(VectorSize),
}

/// A function's body while its derivative is written.
pub(super) struct Body<'d, 'a> {
    pub(super) all: &'d mut Deriver<'a>,
    pub(super) source: &'a Function,
    pub(super) info: &'a FunctionInfo,
    pub(super) out: Function,
    /// What is being written, block in block.
    pub(super) blocks: Vec<Block>,
    /// A value of the source in what is written, and what it changes by; of pointers, where their shadows are.
    pub(super) values: HashMap<Handle<Expression>, Handle<Expression>>,
    pub(super) changes: HashMap<Handle<Expression>, Change>,
    /// The changes of arguments, and the shadows of variables.
    pub(super) arguments: Vec<Change>,
    pub(super) shadows: HashMap<Handle<LocalVariable>, Vec<Option<Handle<LocalVariable>>>>,
    pub(super) variables: HashMap<Handle<LocalVariable>, Handle<LocalVariable>>,
    /// What is returned: a value, or one with what it changes by.
    pub(super) struct_ty: Option<Handle<Type>>,
    /// Where in the source we are.
    pub(super) span: Span,
}

impl<'d, 'a> Body<'d, 'a> {
    pub(super) fn new(
        all: &'d mut Deriver<'a>,
        function: Handle<Function>,
        arguments: &[Inputs],
        seeded: bool,
        depending: Depending,
    ) -> Result<Self> {
        let source: &'a Function = &all.source.functions[function];
        let info: &'a FunctionInfo = &all.info[function];
        let mut out = Function {
            name: source.name.as_ref().map(|name| format!("{name}_change")),
            arguments: source.arguments.clone(),
            result: source.result.clone(),
            ..Function::default()
        };
        // The first one says every input, also those that nothing depends on, so that whoever calls it knows what to take.
        let by = match seeded {
            true => vec![true; all.count],
            false => depending.result,
        };
        let struct_ty = match &source.result {
            Some(result) if by.contains(&true) => {
                let ty = all.pair(result.ty, &by);
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
                    name: argument
                        .name
                        .as_ref()
                        .map(|name| format!("{name}_{}", change_name(k))),
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
            let shadows = depending.variables[handle.index()].iter();
            let shadow = |(k, by): (usize, &bool)| {
                by.then(|| {
                    let name = variable
                        .name
                        .as_ref()
                        .map(|name| format!("{name}_{}", change_name(k)));
                    let shadow = LocalVariable {
                        name,
                        ty: variable.ty,
                        init: None,
                    };
                    body.out.local_variables.append(shadow, Span::UNDEFINED)
                })
            };
            let shadows = shadows.enumerate().map(shadow).collect();
            body.shadows.insert(handle, shadows);
        }
        Ok(body)
    }

    pub(super) fn all(&mut self) -> Result<()> {
        let source = self.source;
        let block = self.block(&source.body)?;
        self.out.body = block;
        Ok(())
    }

    // ---- What is written

    pub(super) fn put(&mut self, expression: Expression) -> Handle<Expression> {
        let emitted =
            !expression.needs_pre_emit() && !matches!(expression, Expression::CallResult(_));
        let handle = self.out.expressions.append(expression, self.span);
        if emitted && let Some(block) = self.blocks.last_mut() {
            let range = Range::new_from_bounds(handle, handle);
            block.push(Statement::Emit(range), self.span);
        }
        handle
    }

    pub(super) fn say(&mut self, statement: Statement) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(statement, self.span);
        }
    }

    pub(super) fn number(&mut self, v: f32) -> Handle<Expression> {
        self.put(Expression::Literal(Literal::F32(v)))
    }

    /// A number as often as a shape has some.
    pub(super) fn splat(&mut self, shape: Shape, v: f32) -> Handle<Expression> {
        let value = self.number(v);
        match shape {
            Shape::Scalar => value,
            Shape::Vector(size) => self.put(Expression::Splat { size, value }),
        }
    }

    pub(super) fn binary(
        &mut self,
        op: Op,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Handle<Expression> {
        self.put(Expression::Binary { op, left, right })
    }

    pub(super) fn math(&mut self, fun: Fun, args: &[Handle<Expression>]) -> Handle<Expression> {
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

    pub(super) fn choose(
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

    pub(super) fn negated(&mut self, expr: Handle<Expression>) -> Handle<Expression> {
        let op = UnaryOperator::Negate;
        self.put(Expression::Unary { op, expr })
    }

    /// Whether it is the number 1, so that nothing has to be multiplied by it.
    pub(super) fn is_one(&self, h: Handle<Expression>) -> bool {
        self.out.expressions[h] == Expression::Literal(Literal::F32(1.0))
    }

    pub(super) fn times(
        &mut self,
        a: Handle<Expression>,
        b: Handle<Expression>,
    ) -> Handle<Expression> {
        match (self.is_one(a), self.is_one(b)) {
            (true, _) => b,
            (_, true) => a,
            _ => self.binary(Op::Multiply, a, b),
        }
    }

    pub(super) fn plus(
        &mut self,
        a: Option<Handle<Expression>>,
        b: Option<Handle<Expression>>,
    ) -> Option<Handle<Expression>> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.binary(Op::Add, a, b)),
            (a, b) => a.or(b),
        }
    }

    pub(super) fn minus(
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

    /// The difference of two values of the source like `h`, which may be matrices: those have no sign in front.
    pub(super) fn minus_like(
        &mut self,
        h: Handle<Expression>,
        a: Option<Handle<Expression>>,
        b: Option<Handle<Expression>>,
    ) -> Option<Handle<Expression>> {
        match (a, b) {
            (None, Some(b)) if matches!(self.inner(h), TypeInner::Matrix { .. }) => {
                let down = self.number(-1.0);
                Some(self.times(down, b))
            }
            (a, b) => self.minus(a, b),
        }
    }

    // ---- What there is

    pub(super) fn inner(&self, h: Handle<Expression>) -> &TypeInner {
        self.info[h].ty.inner_with(&self.all.source.types)
    }

    /// The type of a value of the source.
    pub(super) fn type_of(&mut self, h: Handle<Expression>) -> Handle<Type> {
        match &self.info[h].ty {
            naga::proc::TypeResolution::Handle(ty) => *ty,
            naga::proc::TypeResolution::Value(inner) => self.all.ty(inner.clone()),
        }
    }

    pub(super) fn zero_of(&mut self, h: Handle<Expression>) -> Handle<Expression> {
        // Not a zero value where it may become a part of a vector: naga does not count the components of one there.
        match *self.inner(h) {
            TypeInner::Scalar(Scalar::F32) => return self.number(0.0),
            TypeInner::Vector {
                size,
                scalar: Scalar::F32,
            } => return self.splat(Shape::Vector(size), 0.0),
            _ => {}
        }
        let ty = self.type_of(h);
        let ty = self.all.mirror(ty);
        self.put(Expression::ZeroValue(ty))
    }

    pub(super) fn shape(&self, h: Handle<Expression>) -> Shape {
        match self.inner(h) {
            TypeInner::Vector { size, .. } => Shape::Vector(*size),
            _ => Shape::Scalar,
        }
    }

    pub(super) fn refuse<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(Undefined {
            what: what.into(),
            span: self.span,
        })
    }

    /// A value of the source in what is written.
    pub(super) fn value(&mut self, h: Handle<Expression>) -> Result<Handle<Expression>> {
        if let Some(&there) = self.values.get(&h) {
            return Ok(there);
        }
        // What needs no statement is written where it is first met, and so are the constants that an initial value is made of.
        self.expression(h)?;
        match self.values.get(&h) {
            Some(&there) => Ok(there),
            None => self.refuse("a value before it is there"),
        }
    }

    pub(super) fn change(&self, h: Handle<Expression>) -> Change {
        let none = || vec![None; self.all.count];
        self.changes.get(&h).cloned().unwrap_or_else(none)
    }

    pub(super) fn depends(&self, h: Handle<Expression>) -> bool {
        self.change(h).iter().any(Option::is_some)
    }

    /// What is not behind a variable of a function or a pointer to one has no place for what it changes by.
    pub(super) fn unknown<T>(&self) -> Result<T> {
        self.refuse("a variable of the module that depends on an input")
    }
}
