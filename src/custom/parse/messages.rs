//! What naga says of a text, in words that help whoever wrote it.

use naga::front::Typifier;
use naga::proc::{ResolveContext, TypeResolution};

use super::*;

/// Where the condition or the call is that validation complains of.
pub(super) fn wrong_statement(module: &Module, error: &ValidationError) -> Option<Span> {
    let ValidationError::Function { handle, source, .. } = error else {
        return None;
    };
    let body = &module.functions.try_get(*handle).ok()?.body;
    match source {
        FunctionError::InvalidIfType(wrong) => first(body, &|s, span| match s {
            Statement::If { condition, .. } => (condition == wrong).then_some(span),
            Statement::Loop { break_if, .. } => (*break_if == Some(*wrong)).then_some(span),
            _ => None,
        }),
        FunctionError::InvalidCall {
            function: called,
            error: CallError::ArgumentType {
                seen_expression, ..
            },
        } => first(body, &|s, span| match s {
            Statement::Call {
                function,
                arguments,
                ..
            } => {
                let wrong = function == called && arguments.contains(seen_expression);
                wrong.then_some(span)
            }
            _ => None,
        }),
        _ => None,
    }
}

/// What validation found, without numbers of naga's own where that is possible.
pub(super) fn complaint(module: &Module, error: &ValidationError) -> String {
    let types: GlobalCtx<'_> = module.to_ctx();
    let name = |inner: &TypeInner| {
        let mut out = String::new();
        match types.write_type_inner(inner, &mut out) {
            Ok(()) if !matches!(inner, TypeInner::Struct { .. }) => out,
            _ => "a structure".to_owned(),
        }
    };
    match error {
        ValidationError::Override {
            name,
            source: OverrideError::TypeNotScalar | OverrideError::NonConstructibleType,
            ..
        } => return format!("`{name}` is no f32, i32, u32 or bool"),
        ValidationError::GlobalVariable {
            name,
            source: GlobalVariableError::MissingTypeFlags { .. },
            ..
        } => return format!("`{name}` is of a type that private variables cannot have"),
        _ => {}
    }
    if let ValidationError::Function { source, handle, .. } = error {
        match source {
            FunctionError::InvalidReturnType {
                expression,
                expected_ty,
            } => {
                return match (expected_ty, expression) {
                    (Some(_), None) => "the function may end without a value".to_owned(),
                    (Some(ty), _) => format!("expected a returned {}", types.type_to_string(*ty)),
                    (None, _) => "a value is returned, but the function has no result".to_owned(),
                };
            }
            FunctionError::InvalidIfType(condition) => {
                let found = type_of(module, *handle, *condition);
                let found = found.map_or(String::new(), |ty| format!(" is {ty}"));
                return format!("the condition{found}: expected bool");
            }
            FunctionError::Expression {
                source: ExpressionError::InvalidUnaryOperandType(op, of),
                ..
            } => {
                let of = type_of(module, *handle, *of);
                return format!("no {op:?} of {}", of.as_deref().unwrap_or("this"));
            }
            FunctionError::Expression {
                source: ExpressionError::InvalidIndexType(index),
                ..
            } => {
                let found = type_of(module, *handle, *index);
                let found = found.as_deref().unwrap_or("something else");
                return format!("an index is {found}: expected i32 or u32");
            }
            FunctionError::InvalidStoreTypes { .. } => {
                return "the value is not of the variable's type".to_owned();
            }
            FunctionError::InvalidCall {
                error:
                    CallError::ArgumentType {
                        index, required, ..
                    },
                ..
            } => {
                let required = types.type_to_string(*required);
                return format!("argument {} of the call: expected {required}", index + 1);
            }
            FunctionError::Expression {
                source:
                    ExpressionError::InvalidBinaryOperandTypes {
                        op,
                        lhs_type,
                        rhs_type,
                        ..
                    },
                ..
            } => {
                let (left, right) = (name(lhs_type), name(rhs_type));
                return format!("no {op:?} of {left} and {right}");
            }
            FunctionError::Expression {
                source: ExpressionError::SelectConditionNotABool { actual },
                ..
            } => {
                let found = name(actual);
                return format!("the condition of `select` is {found}: expected bool");
            }
            FunctionError::Expression {
                source: ExpressionError::SelectValuesTypeMismatch { accept, reject },
                ..
            } => {
                let (reject, accept) = (name(reject), name(accept));
                return format!("`select` of {reject} and {accept}: expected one type");
            }
            FunctionError::Expression {
                handle: cast,
                source: ExpressionError::InvalidCastArgument,
            } => {
                let function = module.functions.try_get(*handle);
                let cast = function.and_then(|f| f.expressions.try_get(*cast));
                return match cast {
                    Ok(Expression::As {
                        convert: Some(8), ..
                    }) => "numbers of 64 bits are not possible in a loss".to_owned(),
                    _ => "there is no such conversion".to_owned(),
                };
            }
            _ => {}
        }
    }
    if let ValidationError::Layouter(_) = error {
        return place::large();
    }
    let message = innermost(error);
    match impossible(&message) {
        Some(ty) => format!("{ty} is not possible in a loss"),
        None => without_handles(&message),
    }
}

/// What validation says of the matter itself.
pub(super) fn innermost(error: &ValidationError) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    one_line(&innermost.to_string())
}

/// The type that naga would have with another capability only.
pub(super) fn impossible(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Using `")?;
    Some(rest.split_once("` values requires")?.0)
}

/// The type of an expression of a function.
fn type_of(
    module: &Module,
    function: Handle<Function>,
    expression: Handle<Expression>,
) -> Option<String> {
    let function = module.functions.try_get(function).ok()?;
    let known = ResolveContext::with_locals(module, &function.local_variables, &function.arguments);
    let mut types = Typifier::new();
    types.grow(expression, &function.expressions, &known).ok()?;
    let mut out = String::new();
    let context: GlobalCtx<'_> = module.to_ctx();
    match &types[expression] {
        TypeResolution::Handle(ty) => return Some(context.type_to_string(*ty)),
        TypeResolution::Value(inner) => context.write_type_inner(inner, &mut out).ok()?,
    }
    Some(out)
}

/// What the parser found, where its own words would lead astray: extensions, which a loss cannot have, and the end of the text.
pub(super) fn told(message: &str) -> String {
    let extension = message
        .strip_prefix("the `")
        .and_then(|m| m.split_once("` "));
    match extension {
        Some((name, "extension is not supported in the current environment"))
        | Some((name, "enable extension is not enabled"))
        | Some((name, "enable-extension is not yet supported")) => {
            let more = if name == "f16" {
                ", which computes in f32"
            } else {
                ""
            };
            format!("the extension `{name}` is not possible in a loss{more}")
        }
        _ => match message.strip_suffix(", found \"\"") {
            Some(expected) => format!("{expected}, found the end of the text"),
            None => message.to_owned(),
        },
    }
}

/// Messages are one line each.
pub(super) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Leaves out naga's numbers of things, ` [3]`.
pub(super) fn without_handles(message: &str) -> String {
    let mut out = String::new();
    for word in message.split(' ') {
        let number = word.strip_prefix('[').and_then(|w| w.strip_suffix(']'));
        if number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
