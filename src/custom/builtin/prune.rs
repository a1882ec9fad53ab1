//! Leaves out of a module what comes to nothing, as compilers do.

use crate::custom::emit::checked;
use naga::compact::{KeepUnused, compact};
use naga::{Block, Expression, Function, Handle, LocalVariable, Module, Statement};
use std::collections::HashSet;

/// Drops expressions that nobody uses, calls without a use of the result, and stores to variables that nobody reads. No function here
/// has another effect than its result.
pub(super) fn prune(module: &mut Module, keep: KeepUnused) {
    loop {
        // Else what has a name is kept.
        for (_, f) in module.functions.iter_mut() {
            f.named_expressions.clear();
        }
        for e in &mut module.entry_points {
            e.function.named_expressions.clear();
        }
        compact(module, keep);
        let info = checked(module).expect("a module");
        let mut dropped = false;
        for (h, f) in module.functions.iter_mut() {
            let used = |e: Handle<Expression>| info[h][e].ref_count > 0;
            let read = read(f);
            let body = kept(f, &f.body, &used, &read, &mut dropped);
            f.body = body;
        }
        if !dropped {
            return;
        }
    }
}

/// The variable behind a pointer.
fn root(f: &Function, mut h: Handle<Expression>) -> Option<Handle<LocalVariable>> {
    loop {
        match f.expressions[h] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => h = base,
            Expression::LocalVariable(v) => return Some(v),
            _ => return None,
        }
    }
}

/// The variables that are read, or that a call is given.
fn read(f: &Function) -> HashSet<Handle<LocalVariable>> {
    let mut all = HashSet::new();
    for (_, e) in f.expressions.iter() {
        if let Expression::Load { pointer } = *e {
            all.extend(root(f, pointer));
        }
    }
    given(f, &f.body, &mut all);
    all
}

fn given(f: &Function, block: &Block, all: &mut HashSet<Handle<LocalVariable>>) {
    for statement in block.iter() {
        match statement {
            Statement::Call { arguments, .. } => {
                all.extend(arguments.iter().filter_map(|h| root(f, *h)));
            }
            Statement::If { accept, reject, .. } => {
                given(f, accept, all);
                given(f, reject, all);
            }
            Statement::Block(block) => given(f, block, all),
            Statement::Switch { .. } | Statement::Loop { .. } => panic!("not in a loss"),
            _ => {}
        }
    }
}

fn kept(
    f: &Function,
    block: &Block,
    used: &dyn Fn(Handle<Expression>) -> bool,
    read: &HashSet<Handle<LocalVariable>>,
    dropped: &mut bool,
) -> Block {
    let mut out = Block::new();
    for (statement, span) in block.span_iter() {
        let statement = match statement {
            Statement::If {
                condition,
                accept,
                reject,
            } => Statement::If {
                condition: *condition,
                accept: kept(f, accept, used, read, dropped),
                reject: kept(f, reject, used, read, dropped),
            },
            Statement::Block(block) => Statement::Block(kept(f, block, used, read, dropped)),
            other => other.clone(),
        };
        let dead = match &statement {
            Statement::Call { result, .. } => result.is_none_or(|r| !used(r)),
            Statement::Store { pointer, .. } => {
                root(f, *pointer).is_some_and(|v| !read.contains(&v))
            }
            Statement::If { accept, reject, .. } => accept.is_empty() && reject.is_empty(),
            Statement::Block(block) => block.is_empty(),
            _ => false,
        };
        match dead {
            true => *dropped = true,
            false => out.push(statement, *span),
        }
    }
    out
}
