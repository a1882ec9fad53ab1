//! Statements of a function, with what they do to changes.

use super::body::Body;
use super::{Change, Inputs, Made, Result, change_name, made_name};
use naga::{Block, Expression, Function, Handle, Statement, TypeInner};

impl Body<'_, '_> {
    pub(super) fn block(&mut self, block: &Block) -> Result<Block> {
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
        let Some(ty) = self.struct_ty else {
            self.say(Statement::Return { value: Some(own) });
            return Ok(());
        };
        let said = match &self.all.module.types[ty].inner {
            TypeInner::Struct { members, .. } => members.clone(),
            _ => Vec::new(),
        };
        let mut components = vec![own];
        for (k, change) in change.into_iter().enumerate() {
            let name = made_name(&change_name(k));
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
        for (shadow, change) in shadows.into_iter().zip(change) {
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
                (None, Some(_)) => return self.unknown(),
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
        let behind = &self.all.flows[function.index()].behind;
        let more =
            |(from, to): &(usize, usize)| by[*from].iter().zip(&by[*to]).any(|(a, b)| *a && !b);
        if behind.iter().any(more) {
            return self.unknown();
        }
        let made = match none {
            true => Made {
                function,
                result: vec![false; self.all.count],
            },
            false => self.all.function(function, &by, false)?,
        };
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
