//! Derivatives of functions in naga's IR, in forward mode: every value that depends on an input carries what it changes by, one
//! number for each input that is asked for. What does not depend on one carries nothing, and costs nothing.
//!
//! A function is differentiated once for each way in which its arguments depend on the inputs. What its variables and its result then
//! depend on is found first, from what hands its changes to what.
//!
//! Where a function has no derivative one rule decides: of `min`, `max` and `clamp` equal arguments have equal shares, `abs`, `sign`,
//! `length` and `distance` have the derivative 0 at 0, and what makes whole numbers (`floor`, `step`, conversions to integers, comparisons)
//! is constant. So the stable form of binary cross-entropy, `max(x, 0) - x*t + log(1 + exp(-abs(x)))`, has the right slope at 0.
//! But `select` and `if` take one side: with `select((1 - t)*x, -t*x, x < 0)` in the place of the first two terms, the slope at 0 is that
//! side's, 1 - t, and not 1/2 - t. What overflows or divides by 0 on the way makes a derivative NaN as in other differentiators: that
//! of `1/(1 + exp(-x))` is 0·inf where exp(-x) overflows.

mod body;
mod depends;
mod expressions;
mod functions;
mod statements;
#[cfg(test)]
pub(super) mod tests;

use body::Body;
use depends::{Flow, flows};
use naga::valid::ModuleInfo;
use naga::{
    BinaryOperator, Expression, Function, FunctionArgument, FunctionResult, Handle, Literal,
    MathFunction, Module, Scalar, Span, Statement, StructMember, Type, TypeInner,
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

/// `a`, `b`, … for numbers from 0 on: naga changes names that end with a number.
pub(crate) fn letters(k: usize) -> String {
    let letter = char::from(b'a' + (k % 26) as u8);
    letter.to_string().repeat(k / 26 + 1)
}

/// What the derivative by input `k` is called: `d_a`, `d_b`, …
pub(crate) fn change_name(k: usize) -> String {
    format!("d_{}", letters(k))
}

/// The sign before the names of what is made here and read by others. No name of a file has it, so that nothing in a file is one of them.
pub(crate) const MADE: char = ':';

/// log(1 + e) for e between 0 and 1, as the kernels' own numerics have it: the logarithm in the stable form of every binary
/// cross-entropy, `log(1 + exp(-abs(x)))`. WGSL's own may be off by 2⁻²¹ there, however small the
/// result is, and on Mesa's software driver and on SwiftShader takes as long as all the rest of such a loss.
pub(crate) const UNIT_LOG: &str = "ln_1p_unit";

/// A name that is nobody else's: in a text it stands as it is.
pub(crate) fn made_name(name: &str) -> String {
    format!("{MADE}{name}")
}

/// A module with the derivative of one of its functions.
#[derive(Debug)]
pub(crate) struct Derived {
    pub module: Module,
    /// Takes what the function took, and gives a struct: its value `v`, then `d_a`, `d_b`, … by each input that was asked for. It is
    /// called as the function was, with `_change` behind: these names are made here.
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
    let mut all = Deriver {
        source: module,
        info,
        flows: flows(module, info),
        module: module.clone(),
        count,
        done: HashMap::new(),
    };
    let function = all.function(function, &seeds, true)?.function;
    let mut module = all.module;
    let name = &mut module.functions[function].name;
    *name = Some(made_name(name.as_deref().unwrap_or("change")));
    Ok(Derived { module, function })
}

/// A function, the inputs that each of its arguments depends on, and whether these are the inputs themselves.
type Key = (Handle<Function>, Vec<Inputs>, bool);

struct Deriver<'a> {
    source: &'a Module,
    info: &'a ModuleInfo,
    /// Of each function of the source.
    flows: Vec<Flow>,
    /// What is made: the source, and behind it the derivatives.
    module: Module,
    /// Inputs that derivatives are taken by.
    count: usize,
    done: HashMap<Key, Made>,
}

/// A function with its derivative.
#[derive(Debug, Clone)]
struct Made {
    function: Handle<Function>,
    /// What its result depends on.
    result: Inputs,
}

/// What in a function depends on the inputs.
#[derive(Debug, Default)]
struct Depending {
    /// By the number of the variable.
    variables: Vec<Inputs>,
    result: Inputs,
}

/// The variable or argument behind a pointer.
fn root(function: &Function, mut pointer: Handle<Expression>) -> &Expression {
    loop {
        match &function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                pointer = *base;
            }
            other => return other,
        }
    }
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
        let depending = self.depending(function, arguments);
        let result = depending.result.clone();
        let mut body = Body::new(self, function, arguments, seeded, depending)?;
        body.all()?;
        let body = body.out;
        let made = Made {
            function: self.module.functions.append(body, Span::UNDEFINED),
            result,
        };
        self.done.insert(key, made.clone());
        Ok(made)
    }

    /// A function that says what [`UNIT_LOG`] is; kernels call their own.
    fn unit_log(&mut self) -> Handle<Function> {
        let name = Some(made_name(UNIT_LOG));
        let there = self.module.functions.iter().find(|f| f.1.name == name);
        if let Some((there, _)) = there {
            return there;
        }
        let f32 = self.ty(TypeInner::Scalar(Scalar::F32));
        let mut made = Function {
            name,
            arguments: vec![FunctionArgument {
                name: Some("e".into()),
                ty: f32,
                binding: None,
            }],
            result: Some(FunctionResult {
                ty: f32,
                binding: None,
            }),
            ..Function::default()
        };
        let mut put = |e: Expression| made.expressions.append(e, Span::UNDEFINED);
        let right = put(Expression::FunctionArgument(0));
        let left = put(Expression::Literal(Literal::F32(1.0)));
        let op = BinaryOperator::Add;
        let arg = put(Expression::Binary { op, left, right });
        let log = put(Expression::Math {
            fun: MathFunction::Log,
            arg,
            arg1: None,
            arg2: None,
            arg3: None,
        });
        let emitted = Statement::Emit(naga::Range::new_from_bounds(arg, log));
        made.body.push(emitted, Span::UNDEFINED);
        let value = Some(log);
        made.body.push(Statement::Return { value }, Span::UNDEFINED);
        self.module.functions.append(made, Span::UNDEFINED)
    }

    fn depending(&self, function: Handle<Function>, arguments: &[Inputs]) -> Depending {
        let mut out = Depending {
            variables: vec![Vec::new(); self.source.functions[function].local_variables.len()],
            result: Vec::new(),
        };
        for k in 0..self.count {
            let by = |i: usize| arguments.get(i).is_some_and(|by| by.get(k) == Some(&true));
            let reached = self.flows[function.index()].reached(by);
            for (all, by) in out.variables.iter_mut().zip(&reached.variables) {
                all.push(*by);
            }
            out.result.push(reached.result);
        }
        out
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
        let names = std::iter::once("v".to_string()).chain(changes.map(|(k, _)| change_name(k)));
        let names = names.map(|name| made_name(&name));
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
