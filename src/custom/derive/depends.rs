//! What depends on the arguments of a function, before anything is written: so a body is written once, however long the way is
//! from variable to variable, and loops are nothing special.

use super::Inputs;
use naga::valid::ModuleInfo;
use naga::{
    BinaryOperator as Op, Block, Expression, Function, Handle, MathFunction as Fun, Module,
    ScalarKind, Statement, TypeInner, UnaryOperator,
};

/// What of a function hands its changes to what. There is a place for each expression, each variable, what is behind or in each
/// argument, and the result.
pub(super) struct Flow {
    next: Vec<Vec<usize>>,
    expressions: usize,
    variables: usize,
    arguments: usize,
    /// Which arguments the result depends on.
    pub result: Vec<bool>,
    /// Pairs of arguments, of which what is behind the second depends on the first.
    pub behind: Vec<(usize, usize)>,
}

/// What depends on some arguments.
pub(super) struct Reached {
    pub variables: Inputs,
    pub arguments: Inputs,
    pub result: bool,
}

/// Of all functions of a module, which stand behind those that they call.
pub(super) fn flows(module: &Module, info: &ModuleInfo) -> Vec<Flow> {
    let mut all: Vec<Flow> = Vec::new();
    for (handle, function) in module.functions.iter() {
        let flow = Flow::new(function, &all, &|h| {
            info[handle][h].ty.inner_with(&module.types)
        });
        all.push(flow);
    }
    all
}

impl Flow {
    fn new<'a>(
        function: &Function,
        called: &[Flow],
        inner: &dyn Fn(Handle<Expression>) -> &'a TypeInner,
    ) -> Flow {
        let (expressions, variables, arguments) = (
            function.expressions.len(),
            function.local_variables.len(),
            function.arguments.len(),
        );
        let mut flow = Flow {
            next: vec![Vec::new(); expressions + variables + arguments + 1],
            expressions,
            variables,
            arguments,
            result: Vec::new(),
            behind: Vec::new(),
        };
        for (h, expression) in function.expressions.iter() {
            if is_whole(inner(h)) {
                continue;
            }
            match *expression {
                Expression::FunctionArgument(place) => {
                    flow.lead(flow.argument(place as usize), h.index());
                }
                Expression::LocalVariable(v) => flow.lead(expressions + v.index(), h.index()),
                _ => movers(expression, &mut |from| flow.lead(from.index(), h.index())),
            }
        }
        flow.block(&function.body, function, called);
        for i in 0..arguments {
            let reached = flow.reached(|k| k == i);
            flow.result.push(reached.result);
            let behind = (0..arguments).filter(|j| *j != i && reached.arguments[*j]);
            flow.behind.extend(behind.map(|j| (i, j)));
        }
        flow
    }

    fn argument(&self, i: usize) -> usize {
        self.expressions + self.variables + i
    }

    fn lead(&mut self, from: usize, to: usize) {
        if let Some(next) = self.next.get_mut(from) {
            next.push(to);
        }
    }

    /// The place of the variable or argument behind a pointer; those of the module have none.
    fn root(&self, function: &Function, pointer: Handle<Expression>) -> Option<usize> {
        match *super::root(function, pointer) {
            Expression::LocalVariable(v) => Some(self.expressions + v.index()),
            Expression::FunctionArgument(place) => Some(self.argument(place as usize)),
            _ => None,
        }
    }

    fn block(&mut self, block: &Block, function: &Function, called: &[Flow]) {
        for statement in block.iter() {
            match statement {
                Statement::Block(inner) => self.block(inner, function, called),
                Statement::If { accept, reject, .. } => {
                    self.block(accept, function, called);
                    self.block(reject, function, called);
                }
                Statement::Switch { cases, .. } => {
                    for case in cases {
                        self.block(&case.body, function, called);
                    }
                }
                Statement::Loop {
                    body, continuing, ..
                } => {
                    self.block(body, function, called);
                    self.block(continuing, function, called);
                }
                Statement::Return { value: Some(value) } => {
                    self.lead(value.index(), self.argument(self.arguments));
                }
                Statement::Store { pointer, value } => {
                    if let Some(to) = self.root(function, *pointer) {
                        self.lead(value.index(), to);
                    }
                }
                Statement::Call {
                    function: callee,
                    arguments,
                    result,
                } => {
                    let Some(callee) = called.get(callee.index()) else {
                        continue;
                    };
                    for (from, moves) in arguments.iter().zip(&callee.result) {
                        if let (Some(result), true) = (result, moves) {
                            self.lead(from.index(), result.index());
                        }
                    }
                    for (from, to) in &callee.behind {
                        if let Some(from) = arguments.get(*from)
                            && let Some(to) = arguments.get(*to)
                            && let Some(to) = self.root(function, *to)
                        {
                            self.lead(from.index(), to);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// What depends on these arguments.
    pub fn reached(&self, from: impl Fn(usize) -> bool) -> Reached {
        let mut seen = vec![false; self.next.len()];
        let mut open: Vec<usize> = (0..self.arguments)
            .filter(|i| from(*i))
            .map(|i| self.argument(i))
            .collect();
        while let Some(place) = open.pop() {
            if !std::mem::replace(&mut seen[place], true) {
                open.extend(self.next[place].iter().filter(|next| !seen[**next]));
            }
        }
        let (variables, arguments) = (self.expressions, self.argument(0));
        Reached {
            variables: seen[variables..arguments].to_vec(),
            arguments: seen[arguments..arguments + self.arguments].to_vec(),
            result: seen[arguments + self.arguments],
        }
    }
}

/// Whole numbers and truths change by nothing.
pub(super) fn is_whole(inner: &TypeInner) -> bool {
    matches!(
        *inner,
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } if scalar.kind != ScalarKind::Float
    )
}

/// The parts of an expression whose changes it may have.
fn movers(expression: &Expression, each: &mut dyn FnMut(Handle<Expression>)) {
    match *expression {
        Expression::Compose { ref components, .. } => components.iter().for_each(|h| each(*h)),
        Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => each(base),
        Expression::Splat { value, .. } => each(value),
        Expression::Swizzle { vector, .. } => each(vector),
        Expression::Load { pointer } => each(pointer),
        Expression::Unary {
            op: UnaryOperator::Negate,
            expr,
        }
        | Expression::As {
            expr,
            kind: ScalarKind::Float,
            ..
        } => each(expr),
        Expression::Binary {
            op: Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo,
            left,
            right,
        } => [left, right].into_iter().for_each(each),
        Expression::Select { accept, reject, .. } => [accept, reject].into_iter().for_each(each),
        // Steps, which are constant where they have a derivative at all.
        Expression::Math {
            fun: Fun::Ceil | Fun::Floor | Fun::Round | Fun::Trunc | Fun::Sign | Fun::Step,
            ..
        } => {}
        Expression::Math {
            fun: Fun::FaceForward,
            arg,
            ..
        } => each(arg),
        Expression::Math {
            arg,
            arg1,
            arg2,
            arg3,
            ..
        } => [Some(arg), arg1, arg2, arg3]
            .into_iter()
            .flatten()
            .for_each(each),
        _ => {}
    }
}
