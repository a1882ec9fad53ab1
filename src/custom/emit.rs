//! A user's functions as text that stands beside kernels: names that nobody else has, and options that are read from the parameters of
//! a dispatch.

use naga::back::wgsl::{WriterFlags, write_string};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Constant, Expression, Literal, Module, Override, Span};

/// How constants are called that stand for options until the text is there: with a letter behind the number, since naga puts an underscore
/// behind a name that ends with one.
fn placeholder(option: usize) -> String {
    format!("wgloss_option_{option}x")
}

/// The module with a constant in the place of every option, so that derivatives are taken of functions that know no options.
pub(crate) fn settled(module: &Module) -> Module {
    let mut module = module.clone();
    let options: Vec<Override> = module.overrides.iter().map(|(_, o)| o.clone()).collect();
    let mut constants = Vec::new();
    for (k, option) in options.iter().enumerate() {
        // What it is nobody asks: the text does not hold it.
        let zero = Expression::ZeroValue(option.ty);
        let constant = Constant {
            name: Some(placeholder(k)),
            ty: option.ty,
            init: module.global_expressions.append(zero, Span::UNDEFINED),
        };
        constants.push(module.constants.append(constant, Span::UNDEFINED));
    }
    // Outside of functions only options are made of options, and all else has been worked out: what is left are their defaults.
    for (_, e) in module.global_expressions.iter_mut() {
        match e {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::ZeroValue(_)
            | Expression::Compose { .. }
            | Expression::Splat { .. } => {}
            _ => *e = Expression::Literal(Literal::F32(0.0)),
        }
    }
    for (_, function) in module.functions.iter_mut() {
        for (_, e) in function.expressions.iter_mut() {
            if let Expression::Override(h) = *e
                && let Some(constant) = constants.get(h.index())
            {
                *e = Expression::Constant(*constant);
            }
        }
    }
    module.overrides = naga::Arena::new();
    module
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

/// The text of a settled module. Every name of its own begins with `prefix`; option k is read as `option(k)` says.
pub(crate) fn text(
    module: &Module,
    prefix: &str,
    option: impl Fn(usize) -> String,
) -> Result<String, String> {
    let mut module = module.clone();
    let named = |name: &mut Option<String>| {
        if let Some(name) = name
            && !name.starts_with("wgloss_option_")
        {
            *name = format!("{prefix}{name}");
        }
    };
    for (_, function) in module.functions.iter_mut() {
        named(&mut function.name);
        // Inside of functions too: there a name would hide what options are read from.
        let arguments = function.arguments.iter_mut().map(|a| &mut a.name);
        let variables = function
            .local_variables
            .iter_mut()
            .map(|(_, v)| &mut v.name);
        arguments.chain(variables).for_each(named);
        for name in function.named_expressions.values_mut() {
            *name = format!("{prefix}{name}");
        }
    }
    for (_, variable) in module.global_variables.iter_mut() {
        named(&mut variable.name);
    }
    for (_, constant) in module.constants.iter_mut() {
        named(&mut constant.name);
    }
    let given: Vec<_> = module
        .special_types
        .predeclared_types
        .values()
        .copied()
        .collect();
    let types: Vec<_> = module.types.iter().map(|(h, ty)| (h, ty.clone())).collect();
    for (h, mut ty) in types {
        let before = ty.name.clone();
        if !given.contains(&h) {
            named(&mut ty.name);
        }
        if ty.name != before {
            module.types.replace(h, ty);
        }
    }
    let info = checked(&module)?;
    let text = write_string(&module, &info, WriterFlags::empty()).map_err(|e| e.to_string())?;
    let lines = text
        .lines()
        .filter(|l| !l.starts_with("const wgloss_option_"));
    let mut text: String = lines.flat_map(|l| [l, "\n"]).collect();
    for k in (0..module.constants.len()).rev() {
        text = text.replace(&placeholder(k), &option(k));
    }
    Ok(text)
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
        let module = settled(&module);
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
            "fn user_loss_change(",
            "struct user_Pair ",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("wgloss_option"), "{text}");
        let whole = format!(
            "struct P {{ option0: f32, option1: f32 }}\n@group(0) @binding(0) var<uniform> params: P;\n{text}"
        );
        naga::front::wgsl::parse_str(&whole).expect("a whole text");
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
        let module = settled(&parsed.module);
        let info = checked(&module).expect("a module");
        let made = derive(&module, &info, parsed.loss, &[true, false]).expect("its derivative");
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
