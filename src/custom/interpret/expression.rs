//! One expression: nothing here changes anything.

use std::borrow::Cow;

use naga::{
    Arena, ArraySize, BinaryOperator, Expression, Handle, Literal, Module, Override,
    RelationalFunction, Scalar, ScalarKind, SwizzleComponent, Type, TypeInner, UnaryOperator,
};

use super::floats::Floats;
use super::math::{math, squared, times};
use super::{Pointer, Value};

/// A value, or what went wrong, without its place.
pub(super) type Outcome<T> = Result<T, String>;

/// A value of some floats.
pub(super) type Of<F> = Value<<F as Floats>::Number>;

/// All that expressions can refer to.
pub(super) struct Scope<'a, F: Floats> {
    pub floats: &'a F,
    pub module: &'a Module,
    pub expressions: &'a Arena<Expression>,
    /// Those of them that have been evaluated, by their handles.
    pub values: &'a [Option<Of<F>>],
    pub arguments: &'a [Of<F>],
    pub globals: &'a [Option<Of<F>>],
    pub options: &'a [Option<Of<F>>],
    pub memory: &'a [Of<F>],
    /// The slot of the first variable of the function.
    pub base: usize,
}

impl<'a, F: Floats> Scope<'a, F> {
    /// The value of an override: as given, or as it follows from others.
    pub fn setting(&self, handle: Handle<Override>) -> Option<&'a Of<F>> {
        match self.options.get(handle.index())? {
            Some(given) => Some(given),
            None => self.global(self.module.overrides.try_get(handle).ok()?.init?),
        }
    }

    fn global(&self, handle: Handle<Expression>) -> Option<&'a Of<F>> {
        self.globals.get(handle.index())?.as_ref()
    }

    /// The value of an expression for its use in another, or in a statement.
    pub fn operand(&self, handle: Handle<Expression>) -> Outcome<Cow<'a, Of<F>>> {
        if let Some(Some(value)) = self.values.get(handle.index()) {
            return Ok(Cow::Borrowed(value));
        }
        let expression = self
            .expressions
            .try_get(handle)
            .map_err(|e| e.to_string())?;
        let found = match *expression {
            Expression::FunctionArgument(i) => self.arguments.get(i as usize),
            Expression::Constant(c) => {
                let constant = self.module.constants.try_get(c);
                constant.ok().and_then(|c| self.global(c.init))
            }
            Expression::Override(o) => self.setting(o),
            // All others are evaluated before they are used, apart from those that only hold constants.
            Expression::CallResult(_) => None,
            _ => return self.evaluate(handle).map(Cow::Owned),
        };
        found
            .map(Cow::Borrowed)
            .ok_or_else(|| "this has no value here".to_owned())
    }

    /// Evaluates an expression whose operands have been.
    pub fn evaluate(&self, handle: Handle<Expression>) -> Outcome<Of<F>> {
        let floats = self.floats;
        let expression = self
            .expressions
            .try_get(handle)
            .map_err(|e| e.to_string())?;
        match *expression {
            Expression::Literal(literal) => match literal {
                Literal::F32(v) => Ok(Value::F32(floats.number(f64::from(v)))),
                Literal::I32(v) => Ok(Value::I32(v)),
                Literal::U32(v) => Ok(Value::U32(v)),
                Literal::Bool(v) => Ok(Value::Bool(v)),
                _ => Err("numbers of this type are not supported".to_owned()),
            },
            Expression::ZeroValue(ty) => zero(self.module, ty),
            Expression::Compose { ty, ref components } => {
                let parts = components.iter().map(|c| self.operand(*c));
                let vector = matches!(inner(self.module, ty)?, TypeInner::Vector { .. });
                let mut out = Vec::with_capacity(components.len());
                for part in parts {
                    match part?.into_owned() {
                        // A vector may be made of shorter ones.
                        Value::Parts(all) if vector => out.extend(all),
                        other => out.push(other),
                    }
                }
                Ok(Value::Parts(out))
            }
            Expression::Access { base, index } => {
                let index = match *self.operand(index)? {
                    Value::U32(i) => i,
                    Value::I32(i) => i as u32,
                    _ => return Err("the index is no integer".to_owned()),
                };
                self.part(base, index)
            }
            Expression::AccessIndex { base, index } => self.part(base, index),
            Expression::Splat { size, value } => {
                let value = self.operand(value)?.into_owned();
                Ok(Value::Parts(vec![value; size as usize]))
            }
            Expression::Swizzle {
                size,
                vector,
                pattern,
            } => {
                let vector = self.operand(vector)?;
                let one = |c: &SwizzleComponent| element(&vector, *c as u32).cloned();
                let parts = pattern.iter().take(size as usize).map(one);
                Ok(Value::Parts(parts.collect::<Outcome<_>>()?))
            }
            Expression::FunctionArgument(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::CallResult(_) => self.operand(handle).map(Cow::into_owned),
            Expression::GlobalVariable(variable) => Ok(whole(variable.index())),
            Expression::LocalVariable(variable) => Ok(whole(self.base + variable.index())),
            Expression::Load { pointer } => match &*self.operand(pointer)? {
                Value::Pointer(p) => p.follow(self.memory).cloned(),
                _ => None,
            }
            .ok_or_else(|| "there is no such variable".to_owned()),
            Expression::Unary { op, expr } => {
                let value = self.operand(expr)?;
                each([&value], &|[v]| unary(floats, op, v))
            }
            Expression::Binary { op, left, right } => {
                let same = left == right;
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                match op {
                    BinaryOperator::Multiply if same => squared(floats, &left),
                    BinaryOperator::Multiply => times(floats, &left, &right),
                    _ => each([&left, &right], &|[a, b]| binary(floats, op, a, b)),
                }
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => {
                let (accept, reject) = (self.operand(accept)?, self.operand(reject)?);
                match &*self.operand(condition)? {
                    Value::Bool(true) => Ok(accept.into_owned()),
                    Value::Bool(false) => Ok(reject.into_owned()),
                    each_condition => each([each_condition, &accept, &reject], &|[c, a, r]| {
                        Ok(if *c == Value::Bool(true) {
                            a.clone()
                        } else {
                            r.clone()
                        })
                    }),
                }
            }
            Expression::Relational { fun, argument } => {
                let argument = self.operand(argument)?;
                let all = match &*argument {
                    Value::Parts(all) => all.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let mut holds = all.iter().map(|v| *v == Value::Bool(true));
                match fun {
                    RelationalFunction::All => Ok(Value::Bool(holds.all(|v| v))),
                    RelationalFunction::Any => Ok(Value::Bool(holds.any(|v| v))),
                    _ => Err(format!("{fun:?} is not supported")),
                }
            }
            Expression::Math {
                fun,
                arg,
                arg1,
                arg2,
                arg3,
            } => {
                let first = self.operand(arg)?;
                let Some(second) = arg1 else {
                    return math(floats, fun, &[&first]);
                };
                let second = self.operand(second)?;
                let Some(third) = arg2 else {
                    return math(floats, fun, &[&first, &second]);
                };
                let third = self.operand(third)?;
                let Some(fourth) = arg3 else {
                    return math(floats, fun, &[&first, &second, &third]);
                };
                math(
                    floats,
                    fun,
                    &[&first, &second, &third, &*self.operand(fourth)?],
                )
            }
            Expression::As {
                expr,
                kind,
                convert,
            } => {
                let value = self.operand(expr)?;
                match convert {
                    Some(width) => each([&value], &|[v]| converted(floats, v, kind, width)),
                    None => each([&value], &|[v]| same_bits(floats, v, kind)),
                }
            }
            _ => Err("this means nothing in a loss".to_owned()),
        }
    }

    /// A part of a value, or a pointer to a part of a variable.
    fn part(&self, base: Handle<Expression>, index: u32) -> Outcome<Of<F>> {
        let base = self.operand(base)?;
        let Value::Pointer(pointer) = &*base else {
            return element(&base, index).cloned();
        };
        let parts = match pointer.follow(self.memory) {
            Some(Value::Parts(all)) if !all.is_empty() => all.len(),
            _ => return Err("there is no such variable".to_owned()),
        };
        let mut path = pointer.path.clone();
        path.push(index.min(parts as u32 - 1));
        let slot = pointer.slot;
        Ok(Value::Pointer(Pointer { slot, path }))
    }
}

fn whole<N>(slot: usize) -> Value<N> {
    let path = Vec::new();
    Value::Pointer(Pointer { slot, path })
}

fn inner(module: &Module, ty: Handle<Type>) -> Outcome<&TypeInner> {
    let found = module.types.get_handle(ty).map_err(|e| e.to_string())?;
    Ok(&found.inner)
}

/// The zero value of a type.
pub(super) fn zero<N: Clone + Default>(module: &Module, ty: Handle<Type>) -> Outcome<Value<N>> {
    let scalar = |scalar: Scalar| match scalar {
        Scalar::F32 => Ok(Value::F32(N::default())),
        Scalar::I32 => Ok(Value::I32(0)),
        Scalar::U32 => Ok(Value::U32(0)),
        Scalar::BOOL => Ok(Value::Bool(false)),
        _ => Err("numbers of this type are not supported".to_owned()),
    };
    let parts = |value: Value<N>, n: usize| Value::Parts(vec![value; n]);
    match *inner(module, ty)? {
        TypeInner::Scalar(s) => scalar(s),
        TypeInner::Vector { size, scalar: s } => Ok(parts(scalar(s)?, size as usize)),
        TypeInner::Matrix {
            columns,
            rows,
            scalar: s,
        } => Ok(parts(parts(scalar(s)?, rows as usize), columns as usize)),
        TypeInner::Array {
            base,
            size: ArraySize::Constant(n),
            ..
        } => Ok(parts(zero(module, base)?, n.get() as usize)),
        TypeInner::Struct { ref members, .. } => {
            let all = members.iter().map(|m| zero(module, m.ty));
            Ok(Value::Parts(all.collect::<Outcome<_>>()?))
        }
        _ => Err("variables of this type are not supported".to_owned()),
    }
}

/// The part at an index, or the last one.
fn element<N>(value: &Value<N>, index: u32) -> Outcome<&Value<N>> {
    let Value::Parts(all) = value else {
        return Err("this has no parts".to_owned());
    };
    let found = all.get(index as usize).or(all.last());
    found.ok_or_else(|| "this has no parts".to_owned())
}

/// A function of some scalars.
type OfScalars<'a, T, const N: usize> = dyn Fn([&Value<T>; N]) -> Outcome<Value<T>> + 'a;

/// A function of scalars over all components of its operands; a scalar operand goes with each of the others' components.
pub(super) fn each<T, const N: usize>(
    operands: [&Value<T>; N],
    function: &OfScalars<'_, T, N>,
) -> Outcome<Value<T>> {
    let parts = operands.iter().find_map(|o| match o {
        Value::Parts(all) => Some(all.len()),
        _ => None,
    });
    let Some(parts) = parts else {
        return function(operands);
    };
    let one = |i: usize| {
        let mut part = operands;
        for p in &mut part {
            if matches!(p, Value::Parts(_)) {
                *p = element(p, i as u32)?;
            }
        }
        each(part, function)
    };
    Ok(Value::Parts((0..parts).map(one).collect::<Outcome<_>>()?))
}

fn unary<F: Floats>(floats: &F, op: UnaryOperator, value: &Of<F>) -> Outcome<Of<F>> {
    Ok(match (op, value) {
        (UnaryOperator::Negate, Value::F32(v)) => Value::F32(floats.negated(*v)),
        (UnaryOperator::Negate, Value::I32(v)) => Value::I32(v.wrapping_neg()),
        (UnaryOperator::LogicalNot, Value::Bool(v)) => Value::Bool(!v),
        (UnaryOperator::BitwiseNot, Value::I32(v)) => Value::I32(!v),
        (UnaryOperator::BitwiseNot, Value::U32(v)) => Value::U32(!v),
        _ => return Err(format!("no {op:?} of this type")),
    })
}

/// An operation on two integers of one type. Division by 0 gives the dividend, a remainder by 0 gives 0, shifts go by the low bits.
macro_rules! of_integers {
    ($op:expr, $a:expr, $b:expr, $of:path) => {
        match $op {
            BinaryOperator::Add => $of($a.wrapping_add($b)),
            BinaryOperator::Subtract => $of($a.wrapping_sub($b)),
            BinaryOperator::Multiply => $of($a.wrapping_mul($b)),
            BinaryOperator::Divide if $b == 0 => $of($a),
            BinaryOperator::Divide => $of($a.wrapping_div($b)),
            BinaryOperator::Modulo if $b == 0 => $of(0),
            BinaryOperator::Modulo => $of($a.wrapping_rem($b)),
            BinaryOperator::And => $of($a & $b),
            BinaryOperator::ExclusiveOr => $of($a ^ $b),
            BinaryOperator::InclusiveOr => $of($a | $b),
            _ => return compared($op, &$a, &$b),
        }
    };
}

/// Operators on scalars.
pub(super) fn binary<F: Floats>(
    floats: &F,
    op: BinaryOperator,
    left: &Of<F>,
    right: &Of<F>,
) -> Outcome<Of<F>> {
    Ok(match (left, right) {
        (Value::F32(a), Value::F32(b)) => match op {
            BinaryOperator::Add => Value::F32(floats.sum(*a, *b)),
            BinaryOperator::Subtract => Value::F32(floats.difference(*a, *b)),
            BinaryOperator::Multiply => Value::F32(floats.product(*a, *b)),
            BinaryOperator::Divide => Value::F32(floats.quotient(*a, *b)),
            BinaryOperator::Modulo => Value::F32(floats.remainder(*a, *b)),
            _ => match floats.compared(op, *a, *b) {
                Some(holds) => Value::Bool(holds),
                None => return Err(format!("no {op:?} of these types")),
            },
        },
        (Value::I32(a), Value::U32(by)) if op == BinaryOperator::ShiftLeft => {
            Value::I32(a.wrapping_shl(*by))
        }
        (Value::I32(a), Value::U32(by)) if op == BinaryOperator::ShiftRight => {
            Value::I32(a.wrapping_shr(*by))
        }
        (Value::U32(a), Value::U32(by)) if op == BinaryOperator::ShiftLeft => {
            Value::U32(a.wrapping_shl(*by))
        }
        (Value::U32(a), Value::U32(by)) if op == BinaryOperator::ShiftRight => {
            Value::U32(a.wrapping_shr(*by))
        }
        (Value::I32(a), Value::I32(b)) => of_integers!(op, *a, *b, Value::I32),
        (Value::U32(a), Value::U32(b)) => of_integers!(op, *a, *b, Value::U32),
        (Value::Bool(a), Value::Bool(b)) => match op {
            BinaryOperator::And | BinaryOperator::LogicalAnd => Value::Bool(a & b),
            BinaryOperator::InclusiveOr | BinaryOperator::LogicalOr => Value::Bool(a | b),
            _ => return compared(op, a, b),
        },
        _ => return Err(format!("no {op:?} of these types")),
    })
}

/// A comparison; none for other operators.
pub(super) fn holds<T: PartialOrd>(op: BinaryOperator, a: &T, b: &T) -> Option<bool> {
    Some(match op {
        BinaryOperator::Equal => a == b,
        BinaryOperator::NotEqual => a != b,
        BinaryOperator::Less => a < b,
        BinaryOperator::LessEqual => a <= b,
        BinaryOperator::Greater => a > b,
        BinaryOperator::GreaterEqual => a >= b,
        _ => return None,
    })
}

fn compared<T: PartialOrd, N>(op: BinaryOperator, a: &T, b: &T) -> Outcome<Value<N>> {
    let holds = holds(op, a, b).ok_or_else(|| format!("no {op:?} of these types"))?;
    Ok(Value::Bool(holds))
}

/// A conversion of a scalar by its value.
fn converted<F: Floats>(floats: &F, value: &Of<F>, kind: ScalarKind, width: u8) -> Outcome<Of<F>> {
    let unknown = || Err("this conversion is not supported".to_owned());
    if width != 4 && kind != ScalarKind::Bool {
        return unknown();
    }
    Ok(match (value, kind) {
        (Value::F32(v), ScalarKind::Float) => Value::F32(*v),
        (Value::F32(v), ScalarKind::Sint) => Value::I32(floats.signed(*v)),
        (Value::F32(v), ScalarKind::Uint) => Value::U32(floats.unsigned(*v)),
        (Value::F32(v), ScalarKind::Bool) => Value::Bool(floats.truth(*v)),
        (Value::I32(v), ScalarKind::Float) => Value::F32(floats.number(f64::from(*v))),
        (Value::I32(v), ScalarKind::Sint) => Value::I32(*v),
        (Value::I32(v), ScalarKind::Uint) => Value::U32(*v as u32),
        (Value::I32(v), ScalarKind::Bool) => Value::Bool(*v != 0),
        (Value::U32(v), ScalarKind::Float) => Value::F32(floats.number(f64::from(*v))),
        (Value::U32(v), ScalarKind::Sint) => Value::I32(*v as i32),
        (Value::U32(v), ScalarKind::Uint) => Value::U32(*v),
        (Value::U32(v), ScalarKind::Bool) => Value::Bool(*v != 0),
        (Value::Bool(v), ScalarKind::Float) => Value::F32(floats.number(f64::from(u8::from(*v)))),
        (Value::Bool(v), ScalarKind::Sint) => Value::I32(i32::from(*v)),
        (Value::Bool(v), ScalarKind::Uint) => Value::U32(u32::from(*v)),
        (Value::Bool(v), ScalarKind::Bool) => Value::Bool(*v),
        _ => return unknown(),
    })
}

/// The same 32 bits as another type: a number is rounded to f32 for that.
fn same_bits<F: Floats>(floats: &F, value: &Of<F>, kind: ScalarKind) -> Outcome<Of<F>> {
    let bits = match (value, kind) {
        // Not through f32, where nothing changes.
        (Value::F32(v), ScalarKind::Float) => return Ok(Value::F32(*v)),
        (Value::F32(v), _) => floats.bits(*v),
        (Value::I32(v), _) => *v as u32,
        (Value::U32(v), _) => *v,
        _ => return Err("this conversion is not supported".to_owned()),
    };
    match kind {
        ScalarKind::Float => Ok(Value::F32(floats.number(f64::from(f32::from_bits(bits))))),
        ScalarKind::Sint => Ok(Value::I32(bits as i32)),
        ScalarKind::Uint => Ok(Value::U32(bits)),
        _ => Err("this conversion is not supported".to_owned()),
    }
}
