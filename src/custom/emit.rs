//! A user's functions as text that stands beside kernels: names that nobody else has, and options that are read from the parameters of
//! a dispatch.

use super::derive::{MADE, made_name};
use naga::back::wgsl::{WriterFlags, write_string};
use naga::valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator};
use naga::{
    Block, Expression, Function, Handle, Module, Span, Statement, Type, TypeInner, UniqueArena,
};
use std::collections::HashMap;

/// What every name of a user's file begins with in a text, and so no other name there.
pub(crate) const PREFIX: &str = "user_";

/// How an option is called until the text is there: with a letter behind the number, since naga puts an underscore behind a name that
/// ends with one.
fn placeholder(option: usize) -> String {
    format!("option_{option}x")
}

/// Whether a character is part of a word: what is beyond ASCII is nothing else outside of comments.
fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// A text in which `write` says for each word what stands in its place, behind what is there already.
pub(crate) fn reworded(text: &str, mut write: impl FnMut(&mut String, &str)) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| in_word(c) && !c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from.find(|c| !in_word(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        // The letters of a number, as in `1u`, are no word.
        match before.ends_with(|c: char| c.is_ascii_digit()) {
            true => out.push_str(word),
            false => write(&mut out, word),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a text ends with a word and a dot, and not just with the end of a longer word.
pub(crate) fn ends_with_member_of(text: &str, word: &str) -> bool {
    let before = text.strip_suffix('.').and_then(|t| t.strip_suffix(word));
    before.is_some_and(|before| !before.ends_with(in_word))
}

/// What naga says of a module that was made here.
pub(crate) fn checked(module: &Module) -> Result<ModuleInfo, String> {
    let plain = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let mut validator = Validator::new(ValidationFlags::all(), plain);
    validator.validate(module).map_err(|e| {
        let mut said = e.to_string();
        let mut inner = std::error::Error::source(e.as_inner());
        while let Some(e) = inner {
            said += &format!(": {e}");
            inner = e.source();
        }
        said
    })
}

/// Operations within each other in one expression of a text. naga writes what is used once where it is used, on its own stack; and it
/// reads no more than 200 brackets within each other.
const MOST_DEPTH: u32 = 32;

/// Gives a name to every part of an expression that would make one too deep.
fn name_deep(function: &mut Function, info: &FunctionInfo, types: &UniqueArena<Type>) {
    let mut written = vec![false; function.expressions.len()];
    emitted(&function.body, &mut written);
    let mut depths: Vec<u32> = Vec::with_capacity(written.len());
    for (handle, expression) in function.expressions.iter() {
        let mut depth = 0;
        operands(expression, &mut |h| {
            depth = depths.get(h.index()).map_or(depth, |d| depth.max(d + 1));
        });
        let pointer = info[handle].ty.inner_with(types).pointer_space().is_some();
        if depth > MOST_DEPTH && !pointer && written.get(handle.index()) == Some(&true) {
            function.named_expressions.insert(handle, "part".into());
            depth = 0;
        }
        depths.push(depth);
    }
}

/// Marks the expressions that a statement works out.
fn emitted(block: &Block, written: &mut [bool]) {
    for statement in block.iter() {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    if let Some(here) = written.get_mut(handle.index()) {
                        *here = true;
                    }
                }
            }
            Statement::Block(inner) => emitted(inner, written),
            Statement::If { accept, reject, .. } => {
                emitted(accept, written);
                emitted(reject, written);
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    emitted(&case.body, written);
                }
            }
            Statement::Loop {
                body, continuing, ..
            } => {
                emitted(body, written);
                emitted(continuing, written);
            }
            _ => {}
        }
    }
}

/// The expressions that one is made of.
fn operands(expression: &Expression, each: &mut dyn FnMut(Handle<Expression>)) {
    match *expression {
        Expression::Compose { ref components, .. } => components.iter().for_each(|h| each(*h)),
        Expression::Access { base, index } => [base, index].into_iter().for_each(each),
        Expression::AccessIndex { base, .. } => each(base),
        Expression::Splat { value, .. } => each(value),
        Expression::Swizzle { vector, .. } => each(vector),
        Expression::Load { pointer } => each(pointer),
        Expression::Unary { expr, .. } | Expression::As { expr, .. } => each(expr),
        Expression::Binary { left, right, .. } => [left, right].into_iter().for_each(each),
        Expression::Select {
            condition,
            accept,
            reject,
        } => [condition, accept, reject].into_iter().for_each(each),
        Expression::Relational { argument, .. } => each(argument),
        Expression::Math {
            arg,
            arg1,
            arg2,
            arg3,
            ..
        } => {
            each(arg);
            [arg1, arg2, arg3].into_iter().flatten().for_each(each);
        }
        _ => {}
    }
}

/// The text of a module. Every name of its own begins with `prefix`, but for [`made_name`]s; option k is read as `option(k)` says.
pub(crate) fn text(
    module: &Module,
    prefix: &str,
    option: impl Fn(usize) -> String,
) -> Result<String, String> {
    let mut module = module.clone();
    let named = |name: &mut String| {
        *name = match name.strip_prefix(MADE) {
            Some(made) => made.to_string(),
            None => format!("{prefix}{name}"),
        }
    };
    for (_, function) in module.functions.iter_mut() {
        let arguments = function.arguments.iter_mut().map(|a| &mut a.name);
        let locals = function.local_variables.iter_mut();
        let locals = locals.map(|(_, v)| &mut v.name);
        let all = arguments.chain(locals).chain([&mut function.name]);
        all.flatten().for_each(named);
        function.named_expressions.values_mut().for_each(named);
    }
    let variables = module.global_variables.iter_mut();
    let variables = variables.map(|(_, v)| &mut v.name);
    let constants = module.constants.iter_mut().map(|(_, c)| &mut c.name);
    variables.chain(constants).flatten().for_each(named);
    // An option stands in naga's text as a word, whatever it is by default.
    for (handle, o) in module.overrides.iter_mut() {
        o.name = Some(placeholder(handle.index()));
        o.init = None;
    }
    // Types that WGSL has already are called as they are.
    let given = module.special_types.predeclared_types.values();
    let given: Vec<_> = given.copied().collect();
    let mut types = UniqueArena::new();
    for (handle, ty) in module.types.iter() {
        let mut ty = ty.clone();
        if !given.contains(&handle) {
            ty.name.iter_mut().for_each(named);
            if let TypeInner::Struct { members, .. } = &mut ty.inner {
                members
                    .iter_mut()
                    .filter_map(|m| m.name.as_mut())
                    .for_each(named);
            }
        }
        types.insert(ty, module.types.get_span(handle));
    }
    module.types = types;
    let info = checked(&module)?;
    for (handle, function) in module.functions.iter_mut() {
        name_deep(function, &info[handle], &module.types);
    }
    let text = write_string(&module, &info, WriterFlags::empty()).map_err(|e| e.to_string())?;
    let lines = text.lines().filter(|l| !l.starts_with("override "));
    let text: String = lines.flat_map(|l| [l, "\n"]).collect();
    let options: HashMap<_, _> = (0..module.overrides.len())
        .map(|k| (placeholder(k), option(k)))
        .collect();
    Ok(reworded(&text, |out, word| {
        out.push_str(options.get(word).map_or(word, String::as_str));
    }))
}

/// What the function is called that sets private variables.
pub(crate) const RESET: &str = "reset_private";

/// Appends a function that sets the private variables to what they begin with, which every element has to find; none where there
/// are no such variables.
pub(crate) fn reset(module: &mut Module) -> Option<Handle<Function>> {
    if module.global_variables.is_empty() {
        return None;
    }
    let mut function = Function {
        name: Some(made_name(RESET)),
        ..Function::default()
    };
    for (handle, variable) in module.global_variables.iter() {
        let from = function.expressions.len();
        let value = match variable.init {
            Some(init) => copied(module, init, &mut function),
            None => Expression::ZeroValue(variable.ty),
        };
        let value = function.expressions.append(value, Span::UNDEFINED);
        let pointer = Expression::GlobalVariable(handle);
        let emitted = function.expressions.range_from(from);
        let made = function.expressions.append(pointer, Span::UNDEFINED);
        let composed = emitted.filter(|h| !function.expressions[*h].needs_pre_emit());
        for h in composed {
            let one = naga::Range::new_from_bounds(h, h);
            function.body.push(Statement::Emit(one), Span::UNDEFINED);
        }
        let pointer = made;
        function
            .body
            .push(Statement::Store { pointer, value }, Span::UNDEFINED);
    }
    Some(module.functions.append(function, Span::UNDEFINED))
}

/// A constant expression of the module, with its parts appended to a function.
fn copied(module: &Module, from: Handle<Expression>, function: &mut Function) -> Expression {
    let mut part = |h: Handle<Expression>| {
        let made = copied(module, h, function);
        function.expressions.append(made, Span::UNDEFINED)
    };
    match &module.global_expressions[from] {
        Expression::Compose { ty, components } => Expression::Compose {
            ty: *ty,
            components: components.iter().map(|h| part(*h)).collect(),
        },
        Expression::Splat { size, value } => Expression::Splat {
            size: *size,
            value: part(*value),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custom::derive::derive;

    #[test]
    fn options_are_read_from_parameters_and_names_are_ones_own() {
        let source = "
            override delta: f32 = 1.0;
            override twice1: f32 = 2.0 * delta;
            const HALF = 0.5;
            struct Pair { a: f32 }
            fn near(d: f32) -> Pair { return Pair(HALF * d * d / delta); }
            fn loss(x: f32, t: f32) -> f32 {
                let d = abs(x - t);
                if (d < twice1) { return near(d).a; }
                return d;
            }";
        let module = naga::front::wgsl::parse_str(source).expect("WGSL");
        let info = checked(&module).expect("a module");
        let loss = module
            .functions
            .iter()
            .find(|f| f.1.name.as_deref() == Some("loss"));
        let made = derive(&module, &info, loss.expect("a loss").0, &[true, false])
            .expect("its derivative");
        let text = text(&made.module, "user_", |k| format!("params.option{k}")).expect("its text");
        for part in [
            "params.option0",
            "params.option1",
            "fn user_near(",
            "fn loss_change(",
            "struct user_Pair ",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(
            !text.contains("option_") && !text.contains("override"),
            "{text}"
        );
        let whole = format!(
            "struct P {{ option0: f32, option1: f32 }}\n@group(0) @binding(0) var<uniform> params: P;\n{text}"
        );
        naga::front::wgsl::parse_str(&whole).expect("a whole text");
    }

    #[test]
    fn words_are_whole() {
        let found = |text: &str| reworded(text, |out, word| *out += &format!("<{word}>"));
        let text = "a1=_e5.x+1u*0x1fu/1e-5f;e\u{301}(b_c)";
        assert_eq!(
            found(text),
            "<a1>=<_e5>.<x>+1u*0x1fu/1e-5f;<e\u{301}>(<b_c>)"
        );
        assert_eq!(found("1.5f"), "1.5f");
        assert!(ends_with_member_of("a + params.", "params"));
        assert!(ends_with_member_of("params.", "params"));
        assert!(!ends_with_member_of("my_params.", "params"));
        assert!(!ends_with_member_of("params", "params"));
    }

    /// Whatever names a user likes: a variable, a parameter and values may be called as what stands beside them.
    #[test]
    fn no_name_hides_what_options_are_read_from() {
        let source = "
            override delta: f32 = 1.0;
            var<private> mine: f32;
            fn helper(params: f32) -> f32 { var work = params * delta; work += mine; return work; }
            fn loss(x: f32, params: f32) -> f32 {
                let t = params;
                mine = t;
                var mine = helper(x);
                return mine * delta - params;
            }";
        let parsed = crate::custom::parse::Parsed::new(source).expect("a loss");
        let info = checked(&parsed.module).expect("a module");
        let made =
            derive(&parsed.module, &info, parsed.loss, &[true, false]).expect("its derivative");
        let text = text(&made.module, "user_", |_| "params.option".into()).expect("its text");
        let whole = format!(
            "struct P {{ option: f32 }}\n@group(0) @binding(0) var<uniform> params: P;\n\
             var<private> mine: P;\n@group(0) @binding(1) var<storage> work: P;\n{text}"
        );
        let read = naga::front::wgsl::parse_str(&whole);
        let read = read.unwrap_or_else(|e| panic!("{}", e.emit_to_string(&whole)));
        checked(&read).expect("a whole module");
    }
}
