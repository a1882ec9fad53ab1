//! Expressions of a function, and what they change by.

use super::body::{Body, Shape};
use super::depends::is_whole;
use super::functions::Called;
use super::{Change, Result, Rule};
use naga::{
    BinaryOperator as Op, Expression, Handle, Literal, LocalVariable, MathFunction as Fun,
    ScalarKind, Statement, UnaryOperator,
};

impl Body<'_, '_> {
    /// Writes an expression of the source, and what it changes by.
    pub(super) fn expression(&mut self, h: Handle<Expression>) -> Result<()> {
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
        let own = match self.unit_exponential(&expression) {
            Some(e) => {
                let e = self.value(e)?;
                let function = self.all.unit_log();
                let result = self.put(Expression::CallResult(function));
                self.say(Statement::Call {
                    function,
                    arguments: vec![e],
                    result: Some(result),
                });
                result
            }
            None => self.put(made),
        };
        self.values.insert(h, own);
        // A whole number in a struct that changes does not.
        if is_whole(self.inner(h)) {
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
        let change = self.changed(h, own)?;
        if change.iter().any(Option::is_some) {
            self.changes.insert(h, change);
        }
        Ok(())
    }

    /// What an expression of the source, which is `own` in what is written, changes by.
    fn changed(&mut self, h: Handle<Expression>, own: Handle<Expression>) -> Result<Change> {
        let source = self.source;
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
        Ok(match source.expressions[h] {
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
                let numbers = [left, right]
                    .iter()
                    .all(|h| self.shape(*h) == Shape::Scalar);
                each(self, &[left, right], &mut |body, changes| {
                    let changes = [changes[0], changes[1]];
                    Ok(match op {
                        Op::Divide if numbers => {
                            let right = changes[1].map(|dr| body.times(own, dr));
                            let up = body.minus(changes[0], right);
                            body.over_number(up, r)
                        }
                        Op::Subtract => body.minus_like(right, changes[0], changes[1]),
                        _ => body.operated(op, [l, r], changes, own),
                    })
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
            // A number of a number stays what it is, whether it is converted or its bits are taken; what is made of an integer or a
            // bool changes by nothing, as they do.
            Expression::As {
                expr,
                kind: ScalarKind::Float,
                ..
            } => self.change(expr),
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
                    source: h,
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

    /// The e of `log(1 + e)`, where that is known to lie between 0 and 1: `exp(-abs(…))`.
    fn unit_exponential(&self, expression: &Expression) -> Option<Handle<Expression>> {
        let there = |h: Handle<Expression>| &self.source.expressions[h];
        let Expression::Math {
            fun: Fun::Log, arg, ..
        } = *expression
        else {
            return None;
        };
        let Expression::Binary {
            op: Op::Add,
            left,
            right,
        } = *there(arg)
        else {
            return None;
        };
        let one = |h| *there(h) == Expression::Literal(Literal::F32(1.0));
        let e = match (one(left), one(right)) {
            (true, _) => right,
            (_, true) => left,
            _ => return None,
        };
        let Expression::Math {
            fun: Fun::Exp, arg, ..
        } = *there(e)
        else {
            return None;
        };
        let Expression::Unary {
            op: UnaryOperator::Negate,
            expr,
        } = *there(arg)
        else {
            return None;
        };
        let size = matches!(there(expr), Expression::Math { fun: Fun::Abs, .. });
        size.then_some(e)
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
