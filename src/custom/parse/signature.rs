//! Which functions of a file make its loss, and whether their types fit.

use super::*;

/// A function of the file.
pub(super) fn named(module: &Module, name: &str) -> Option<Handle<Function>> {
    let mut functions = module.functions.iter();
    let found = functions.find(|(_, f)| f.name.as_deref() == Some(name));
    found.map(|(handle, _)| handle)
}

/// What a file is read for: its loss, the names of its parameters, and what makes it one of rows.
pub(super) type Functions = (Handle<Function>, Vec<String>, Option<RowParts>);

/// The functions that make a loss, of elements or of rows.
pub(super) fn functions(module: &Module, text: &str) -> Result<Functions, Refusal> {
    const ELEMENT: &str = "expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters";
    let [loss, terms, row_loss] = ["loss", "row_terms", "row_loss"].map(|n| named(module, n));
    let (terms, row_loss) = match (loss, terms, row_loss) {
        (Some(loss), None, None) => {
            let names = numbers(module, loss, "loss", ELEMENT)?;
            if shift(module, text)? {
                let message =
                    format!("`{SHIFT}` is for losses of rows: expected `row_terms` and `row_loss`");
                return Err((declared(text, "const", SHIFT), message));
            }
            let span = module.functions.get_span(loss);
            return match result(module, loss) {
                Some(ty) if is_f32(module, ty) => Ok((loss, names, None)),
                Some(ty) => Err((span, wrong_type(module, "the result of `loss`", ty))),
                None => Err((span, format!("`loss` has no result: {ELEMENT}"))),
            };
        }
        (Some(_), Some(other), _) | (Some(_), _, Some(other)) => {
            let message =
                "a loss is `loss` of elements, or `row_terms` and `row_loss` of rows, not both";
            return Err((module.functions.get_span(other), message.into()));
        }
        (None, Some(terms), Some(row_loss)) => (terms, row_loss),
        (None, Some(one), None) => {
            let message = "`row_terms` without `row_loss`: expected `fn row_loss(sums: S) -> f32` of what it gives";
            return Err((module.functions.get_span(one), message.into()));
        }
        (None, None, Some(one)) => {
            let message = "`row_loss` without `row_terms`: expected `fn row_terms(x: f32, t: f32) -> S` of what it takes";
            return Err((module.functions.get_span(one), message.into()));
        }
        (None, None, None) => {
            let message = format!("there is no function `loss`: {ELEMENT}");
            return Err((Span::UNDEFINED, message));
        }
    };
    const TERMS: &str =
        "expected `fn row_terms(x: f32, t: f32) -> S`, with S a structure of f32s or f32";
    let names = numbers(module, terms, "row_terms", TERMS)?;
    let span = module.functions.get_span(terms);
    let Some(sums) = result(module, terms) else {
        return Err((span, format!("`row_terms` has no result: {TERMS}")));
    };
    let count = match &module.types[sums].inner {
        TypeInner::Scalar(Scalar::F32) => 1,
        TypeInner::Struct { members, .. } if members.iter().all(|m| is_f32(module, m.ty)) => {
            members.len()
        }
        _ => {
            let ty = module.to_ctx().type_to_string(sums);
            return Err((span, format!("`row_terms` gives {ty}: {TERMS}")));
        }
    };
    let span = module.functions.get_span(row_loss);
    let taken: Vec<_> = module.functions[row_loss]
        .arguments
        .iter()
        .map(|a| a.ty)
        .collect();
    if taken != [sums] {
        let ty = module.to_ctx().type_to_string(sums);
        let message =
            format!("expected `fn row_loss(sums: {ty}) -> f32`, of what `row_terms` gives");
        return Err((span, message));
    }
    match result(module, row_loss) {
        Some(ty) if is_f32(module, ty) => {}
        Some(ty) => return Err((span, wrong_type(module, "the result of `row_loss`", ty))),
        None => return Err((span, "`row_loss` has no result: expected f32".into())),
    }
    let parts = RowParts {
        terms,
        sums,
        count,
        shift: shift(module, text)?,
    };
    Ok((row_loss, names, Some(parts)))
}

/// The constant by which a file asks for inputs relative to their maxima.
pub(super) const SHIFT: &str = "shift_by_max";

/// What `shift_by_max` says, if the file has it.
pub(super) fn shift(module: &Module, text: &str) -> Result<bool, Refusal> {
    let is_it = |name: &Option<String>| name.as_deref() == Some(SHIFT);
    if let Some((handle, _)) = module.overrides.iter().find(|(_, o)| is_it(&o.name)) {
        let message = format!("`{SHIFT}` is no option: expected `const {SHIFT} = true;`");
        return Err((module.overrides.get_span(handle), message));
    }
    let mut variables = module.global_variables.iter();
    if let Some((handle, _)) = variables.find(|(_, v)| is_it(&v.name)) {
        let message = format!("`{SHIFT}` is no variable: expected `const {SHIFT} = true;`");
        return Err((module.global_variables.get_span(handle), message));
    }
    let found = module.constants.iter().find(|(_, c)| is_it(&c.name));
    let (value, span) = match found {
        Some((handle, found)) => (
            module.global_expressions.try_get(found.init).ok(),
            module.constants.get_span(handle),
        ),
        // A number without a type is no constant of the module.
        None => match declared(text, "const", SHIFT) {
            span if span.is_defined() => (None, span),
            _ => return Ok(false),
        },
    };
    match value {
        Some(Expression::Literal(Literal::Bool(v))) => Ok(*v),
        _ => Err((
            span,
            format!("`{SHIFT}` is no bool: expected `const {SHIFT} = true;`"),
        )),
    }
}

pub(super) fn is_f32(module: &Module, ty: Handle<naga::Type>) -> bool {
    module.types[ty].inner == TypeInner::Scalar(Scalar::F32)
}

pub(super) fn result(module: &Module, function: Handle<Function>) -> Option<Handle<naga::Type>> {
    module.functions[function].result.as_ref().map(|r| r.ty)
}

pub(super) fn wrong_type(module: &Module, what: &str, ty: Handle<naga::Type>) -> String {
    format!(
        "{what} is {}: expected f32",
        module.to_ctx().type_to_string(ty)
    )
}

/// The names of a function's parameters, at least one, all of which are f32.
pub(super) fn numbers(
    module: &Module,
    handle: Handle<Function>,
    called: &str,
    expected: &str,
) -> Result<Vec<String>, Refusal> {
    let function = &module.functions[handle];
    let mut names = Vec::new();
    for (i, argument) in function.arguments.iter().enumerate() {
        let name = argument.name.clone().unwrap_or_default();
        if !is_f32(module, argument.ty) {
            let this =
                |e: &Expression| matches!(e, Expression::FunctionArgument(n) if *n as usize == i);
            let at = function.expressions.iter().find(|(_, e)| this(e));
            let span = at.map_or(Span::UNDEFINED, |(h, _)| function.expressions.get_span(h));
            let what = format!("the parameter `{name}` of `{called}`");
            return Err((span, wrong_type(module, &what, argument.ty)));
        }
        names.push(name);
    }
    if names.is_empty() {
        let span = module.functions.get_span(handle);
        return Err((span, format!("`{called}` has no parameters: {expected}")));
    }
    Ok(names)
}
