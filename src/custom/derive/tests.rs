//! Derived functions against central differences of the source, both by the interpreter.

use super::*;
use crate::custom::emit::{checked, text};
use crate::custom::interpret::{Machine, Value};
use crate::custom::parse::Parsed;
use crate::verify::Random;

/// A source with its derivative by the first `inputs` parameters.
struct Both {
    source: Parsed,
    derived: Parsed,
    function: Handle<Function>,
}

fn both(source: &str, inputs: usize) -> Both {
    let parsed = Parsed::new(source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let info = checked(&parsed.module).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let by: Vec<bool> = (0..parsed.parameters.len()).map(|i| i < inputs).collect();
    let made = derive(&parsed.module, &info, parsed.loss, &by);
    let made = made.unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    checked(&made.module).unwrap_or_else(|e| panic!("{e}\n{source}"));
    Both {
        derived: Parsed {
            text: parsed.text.clone(),
            module: made.module,
            loss: parsed.loss,
            parameters: parsed.parameters.clone(),
            rows: None,
            settings: parsed.settings.clone(),
        },
        function: made.function,
        source: parsed,
    }
}

impl Both {
    /// The value, and the derivatives.
    fn at(&self, arguments: &[f64]) -> Vec<f64> {
        let options: Vec<_> = self
            .source
            .settings
            .iter()
            .filter_map(|s| s.default)
            .collect();
        let machine = Machine::new(&self.derived, &options).expect("a machine");
        let values: Vec<_> = arguments.iter().map(|v| Value::F32(*v)).collect();
        let found = machine.call(self.function, &values);
        let Value::Parts(parts) = found.unwrap_or_else(|e| panic!("{e}\n{}", self.source.text))
        else {
            panic!("no parts of {}", self.source.text);
        };
        let number = |v: Value| match v {
            Value::F32(v) => v,
            other => panic!("{other:?}"),
        };
        parts.into_iter().map(number).collect()
    }

    /// Holds value and derivatives against the source, wherever differences of two widths say the same; in how many places that is.
    fn hold(&self, points: &[f64]) -> usize {
        let options: Vec<_> = self
            .source
            .settings
            .iter()
            .filter_map(|s| s.default)
            .collect();
        let machine = Machine::new(&self.source, &options).expect("a machine");
        let mut looked = 0;
        let count = self.source.parameters.len();
        for k in 0..points.len().pow(count as u32) {
            let place = |i: usize| points[k / points.len().pow(i as u32) % points.len()];
            let here: Vec<f64> = (0..count).map(place).collect();
            let want = machine.loss(&here).expect("a loss");
            let found = self.at(&here);
            let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
            assert!(
                same(found[0], want),
                "{} at {here:?}: {} for {want}",
                self.source.text,
                found[0]
            );
            for (i, got) in found[1..].iter().enumerate() {
                let slope = |h: f64| {
                    let moved = |by: f64| {
                        let mut there = here.clone();
                        there[i] += by;
                        machine.loss(&there).expect("a loss")
                    };
                    (moved(h) - moved(-h)) / (2.0 * h)
                };
                let (fine, coarse) = (slope(1e-5), slope(3e-5));
                // Kinks, steps and poles, where differences say nothing.
                let beside = |h: f64| {
                    let mut there = here.clone();
                    there[i] += h;
                    (machine.loss(&there).expect("a loss") - want) / h
                };
                let smooth = (beside(1e-5) - beside(-1e-5)).abs() <= 1e-3 * (1.0 + fine.abs());
                let settled = (fine - coarse).abs() <= 1e-6 * (1.0 + fine.abs());
                if !(smooth && settled) {
                    continue;
                }
                looked += 1;
                assert!(
                    (got - fine).abs() <= 1e-5 * (1.0 + fine.abs()),
                    "{} at {here:?}: derivative {i} is {got}, the difference {fine}",
                    self.source.text
                );
            }
        }
        looked
    }
}

const POINTS: [f64; 9] = [-2.3, -1.1, -0.7, -0.2, 0.3, 0.6, 0.9, 1.7, 3.1];

/// Expressions in x and t.
pub(in crate::custom) const EXPRESSIONS: &[&str] = &[
    "x + t",
    "x - t",
    "t - x",
    "x * t",
    "x / t",
    "t / x",
    "-x * x",
    "x % 0.7",
    "2.5 % x",
    "x * x * x - t",
    "abs(x - t)",
    "min(x, t)",
    "max(x, t)",
    "max(x, 0.0) - x * t + log(1.0 + exp(-abs(x)))",
    "clamp(x, -1.0, t)",
    "saturate(x)",
    "cos(x * t)",
    "cosh(x)",
    "sin(x)",
    "sinh(x)",
    "tan(x)",
    "tanh(x)",
    "acos(x / 4.0)",
    "asin(x / 4.0)",
    "atan(x)",
    "atan2(x, t)",
    "atan2(t, x)",
    "asinh(x)",
    "acosh(x * x + 1.5)",
    "atanh(x / 4.0)",
    "radians(x)",
    "degrees(x)",
    "ceil(x) * x",
    "floor(x) * x",
    "round(x) * x",
    "fract(x)",
    "trunc(x) * x",
    "sign(x) * x",
    "step(t, x) * x",
    "modf(x).fract * x + modf(x).whole",
    "frexp(x).fract",
    "ldexp(x, 3)",
    "exp(x)",
    "exp2(x)",
    "log(x * x + 0.5)",
    "log2(x * x + 0.5)",
    "pow(x * x, 1.5)",
    "pow(abs(x), t)",
    "pow(2.0, x)",
    "pow(x * x + 0.1, t)",
    "sqrt(x * x + 1.0)",
    "inverseSqrt(x * x + 1.0)",
    "fma(x, t, x)",
    "mix(x, t, 0.3)",
    "mix(1.0, 2.0, x)",
    "smoothstep(-1.0, 2.0, x)",
    "smoothstep(x, 4.0, t)",
    "select(x, t * x, x > t)",
    "f32(i32(x * 3.0)) * x",
    "f32(x) * t",
    "bitcast<f32>(x) * x",
    "dot(bitcast<vec2<f32>>(vec2(x, t)), vec2(t, x))",
    "bitcast<f32>(0x3fc00000u) * x",
    "dot(vec3(x, t, 1.0), vec3(1.0, x, x * x))",
    "cross(vec3(x, t, 1.0), vec3(1.0, x, x * x)).y",
    "length(vec2(x, t))",
    "length(x)",
    "distance(vec2(x, 1.0), vec2(t, x))",
    "distance(x, t)",
    "normalize(vec3(x, t, 2.0)).x",
    "faceForward(vec2(x, t), vec2(1.0, 0.5), vec2(t, 1.0)).x",
    "reflect(vec2(x, t), normalize(vec2(1.0, x))).y",
    "refract(normalize(vec2(x, 2.0)), normalize(vec2(0.3, t)), 0.7).x",
    "determinant(mat2x2(x, t, 1.0, x * x))",
    "determinant(mat3x3(x, t, 1.0, 2.0, x, t, 0.5, 1.0, x * x))",
    "transpose(mat2x3(x, t, 1.0, 2.0, x * x, 3.0))[1].y",
    "(mat2x2(x, 1.0, t, x) * vec2(x, 2.0)).y",
    "(vec2(x, 2.0) * mat2x2(x, 1.0, t, x)).x",
    "(mat2x2(x, 1.0, t, x) * mat2x2(t, x, x, 1.0))[1].x",
    "(mat2x2(x, 1.0, t, x) * x)[1].y",
    "(mat2x2(x, 1.0, t, 2.0) - mat2x2(1.0, x, x, x))[0].y",
    "(mat2x2(t, 1.0, t, 2.0) - mat2x2(1.0, x, x, x))[1].y",
    "(vec4(x, t, 1.0, x * t).wzyx * 2.0).x",
    "vec3(x).z * vec3(x, t, 1.0)[1]",
    "dot(abs(vec2(x, t)), max(vec2(x), vec2(t, 0.5)))",
    "dot(clamp(vec2(x, t), vec2(-1.0), vec2(1.0)), vec2(x, 1.0))",
    "dot(mix(vec2(x, t), vec2(1.0), x), vec2(1.0, 2.0))",
    "dot(pow(abs(vec2(x, 2.0)), vec2(2.0, t)), vec2(1.0))",
];

/// Whole functions.
pub(in crate::custom) const FUNCTIONS: &[&str] = &[
    "fn loss(x: f32, t: f32) -> f32 { var s = 0.0; for (var i = 1; i <= 5; i++) { s += pow(x, f32(i)) / f32(i); } return s * t; }",
    "fn loss(x: f32, t: f32) -> f32 { if (x > t) { return x * x; } return t * x; }",
    "fn loss(x: f32, t: f32) -> f32 { var y: f32; if (x > t) { y = x * x; } else { y = 3.0; } return y * t; }",
    "fn loss(x: f32, t: f32) -> f32 { var y = x; switch i32(floor(t)) { case 0: { y = x * x; } case 1, 2: { y = exp(x); } default: { y = 1.0; } } return y; }",
    "fn loss(x: f32, t: f32) -> f32 { var y = x; loop { if (abs(y) > 10.0) { break; } y = y * 2.0 + 0.1; continuing { y += t * 0.01; } } return y; }",
    "fn loss(x: f32, t: f32) -> f32 { var y = x; var i = 0; while (i < 4) { i++; if (i == 2) { continue; } y = y * y * 0.5; } return y + t; }",
    "fn loss(x: f32, t: f32) -> f32 { var a = array<f32, 3>(x, t, x * t); a[1] = a[0] * a[2]; var s = 0.0; for (var i = 0; i < 3; i++) { s += a[i] * a[i]; } return s; }",
    "struct P { a: f32, b: vec2<f32>, n: i32 } fn loss(x: f32, t: f32) -> f32 { var p = P(x, vec2(t, x), 2); p.b.y = p.b.x * p.a; return p.a * p.b.y * f32(p.n); }",
    "fn square(v: f32) -> f32 { return v * v; } fn loss(x: f32, t: f32) -> f32 { return square(x - t) + square(t) * square(square(x)); }",
    "fn add(p: ptr<function, f32>, v: f32) { *p = *p + v * v; } fn loss(x: f32, t: f32) -> f32 { var s = t; add(&s, x); add(&s, s); return s; }",
    "fn swap(a: ptr<function, vec2<f32>>) { let v = *a; *a = vec2(v.y, v.x); } fn loss(x: f32, t: f32) -> f32 { var v = vec2(x * x, t); swap(&v); return v.x * 3.0 + v.y; }",
    "fn first(p: ptr<function, f32>) -> f32 { let v = *p; *p = 2.0; return v; } fn loss(x: f32, t: f32) -> f32 { var s = x * t; let a = first(&s); return a * s; }",
    "override k: f32 = 1.5; override n: i32 = 3; override both: f32 = 2.0 * k; fn loss(x: f32, t: f32) -> f32 { return pow(abs(x), k) + both * x * f32(n); }",
    "const K = 0.5; fn loss(x: f32, t: f32) -> f32 { let d = abs(x - t); return select(K * d * d, d - K, d > 1.0); }",
    "fn loss(x: f32, t: f32) -> f32 { var m = mat2x2<f32>(); m[0].x = x; m[1] = vec2(t, x * x); return m[0].x * m[1].y + m[1].x; }",
    "fn loss(x: f32, t: f32) -> f32 { var last = 0.0; var now = x; for (var i = 0; i < 3; i++) { let next = now * t + last; last = now; now = next; } return now; }",
    "fn inner(v: f32) -> f32 { return v * 2.0; } fn outer(v: f32, w: f32) -> f32 { return inner(v) * inner(w); } fn loss(x: f32, t: f32) -> f32 { return outer(x, t) + outer(t, x) + outer(t, t); }",
    "fn loss(x: f32, t: f32) -> f32 { for (var i = 0; i < 3; i++) { var y = x; if (i == 2) { y = y * y; return y; } y = 1.0; } return t; }",
    "fn loss(x: f32, t: f32) -> f32 { var v = vec3(x, t, 1.0); v.y *= x; v[2] += v.y; let i = i32(t > 0.0) + 1; return v[i]; }",
    "fn sigmoid(v: f32) -> f32 { return 1.0 / (1.0 + exp(-v)); } fn loss(x: f32, t: f32) -> f32 { let p = sigmoid(x); return -t * log(p) - (1.0 - t) * log(1.0 - p); }",
];

#[test]
fn derivatives_are_those_of_differences() {
    let whole = |e: &&str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
    let expressions = EXPRESSIONS.iter().map(whole);
    let functions = FUNCTIONS.iter().map(|f| f.to_string());
    for source in expressions.chain(functions) {
        // By the first, and by both in one pass.
        for inputs in [1, 2] {
            let looked = both(&source, inputs).hold(&POINTS);
            assert!(looked > 0, "nothing to see of {source}");
        }
    }
}

/// An expression of such numbers, seeded, as deep as that.
fn drawn(random: &mut Random, depth: usize, of: &[&str]) -> String {
    if depth == 0 {
        return of[random.below(of.len())].into();
    }
    let choice = random.below(26);
    let mut next = || {
        let less = 1 + random.below(depth);
        drawn(random, depth - less, of)
    };
    let (a, b, c) = (next(), next(), next());
    match choice {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 | 3 => format!("({a} * {b})"),
        4 => format!("({a} / (1.3 + {b} * {b}))"),
        5 => format!("sin({a})"),
        6 => format!("tanh({a})"),
        7 => format!("exp(-abs({a}))"),
        8 => format!("log(0.4 + abs({a}))"),
        9 => format!("sqrt(0.3 + {a} * {a})"),
        10 => format!("pow(0.2 + abs({a}), {b})"),
        11 => format!("atan2({a}, 1.1 + {b})"),
        12 => format!("max({a}, {b})"),
        13 => format!("clamp({a}, -0.8, 0.3 + abs({b}))"),
        14 => format!("mix({a}, {b}, {c})"),
        15 => format!("fma({a}, {b}, {c})"),
        16 => format!("smoothstep(-1.0, 2.1 + abs({b}), {a})"),
        17 => format!("select({a}, {b}, {c} > 0.4)"),
        18 => format!("length(vec3({a}, {b}, 0.6))"),
        19 => format!("dot(vec2({a}, {b}), vec2({b}, {c}))"),
        20 => format!("normalize(vec3({a}, 1.2, {b})).x"),
        21 => format!("cross(vec3({a}, {b}, 1.0), vec3({c}, 0.4, {a})).z"),
        22 => format!("(vec3({a}, {b}, {c}).zxy * {a}).y"),
        23 => format!("(mat2x2({a}, {b}, 1.0, {c}) * vec2({b}, {a})).x"),
        24 => format!("distance(vec2({a}, {b}), vec2(2.6, {c}))"),
        _ => format!("reflect(vec2({a}, {b}), vec2(0.6, 0.8)).y"),
    }
}

/// How the rules work together, in expressions that nobody thought of.
#[test]
fn drawn_expressions_have_the_derivatives_of_differences() {
    let mut random = Random::new(29);
    let mut looked = 0;
    for k in 0..200 {
        let expression = drawn(&mut random, 2 + k % 4, &["x", "t", "x", "0.7f", "2f"]);
        let source = format!("fn loss(x: f32, t: f32) -> f32 {{ return {expression}; }}");
        looked += both(&source, 2).hold(&[-1.37, 0.23, 0.81, 1.9]);
    }
    // Two derivatives at 16 places: most of them, since few expressions step or overflow.
    assert!(looked > 200 * 16, "{looked}");
}

/// Statements, seeded, block in block as deep as that.
fn statements(random: &mut Random, depth: usize) -> String {
    let mut out = String::new();
    for _ in 0..1 + random.below(3) {
        let mut next = || drawn(random, 1, &["x", "t", "u", "w.x", "w.y", "0.7f", "x"]);
        let (a, b, c) = (next(), next(), next());
        let mut inner = || match depth {
            0 => format!("u = {a};"),
            _ => statements(random, depth - 1),
        };
        let (first, second) = (inner(), inner());
        out += &match random.below(11) {
            0 => format!("u = {a};"),
            1 => format!("w.y = {a};"),
            2 => format!("w[i32({a} > {b})] = {c};"),
            3 => format!("u += own({a}, {b}) * 0.5;"),
            4 => format!("add(&u, {a});"),
            5 => format!("turn(&w, {a});"),
            6 => format!("if ({a} > {b}) {{ {first} }} else {{ {second} }}"),
            7 => format!(
                "for (var i = 0; i < 3; i++) {{ {first} if ({a} > 1.0 + {b}) {{ break; }} {second} }}"
            ),
            8 => format!("if ({a} > 1.5 + {b}) {{ return {c}; }}"),
            9 => format!(
                "switch i32(floor({a})) {{ case 0: {{ {first} }} case 1, 2: {{ {second} }} default: {{ w = vec2({b}, u); }} }}"
            ),
            _ => format!("{{ let k = {a}; var v = vec2(k, {b}); v.x *= k; w = v.yx; }}"),
        };
    }
    out
}

/// The same of variables, pointers, branches, loops and calls.
#[test]
fn drawn_functions_have_the_derivatives_of_differences() {
    let mut random = Random::new(31);
    let mut looked = 0;
    for k in 0..150 {
        let own = drawn(&mut random, 2, &["a", "b", "0.7f"]);
        let added = drawn(&mut random, 1, &["a", "*p"]);
        let body = statements(&mut random, k % 3);
        let result = drawn(&mut random, 2, &["u", "w.x", "w.y", "x", "t"]);
        let source = format!(
            "fn own(a: f32, b: f32) -> f32 {{ return {own}; }}\n\
             fn add(p: ptr<function, f32>, a: f32) {{ *p = 0.5 * *p + {added}; }}\n\
             fn turn(p: ptr<function, vec2<f32>>, a: f32) {{ let v = *p; *p = vec2(v.y, a); }}\n\
             fn loss(x: f32, t: f32) -> f32 {{ var u = x; var w = vec2(0.3, t); {body} return {result}; }}"
        );
        looked += both(&source, 2).hold(&[-1.37, 0.23, 0.81, 1.9]);
    }
    assert!(looked > 150 * 16, "{looked}");
}

#[test]
fn what_is_derived_is_wgsl() {
    let whole = |e: &&str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
    let expressions = EXPRESSIONS.iter().map(whole);
    let functions = FUNCTIONS.iter().map(|f| f.to_string());
    for source in expressions.chain(functions) {
        let parsed = Parsed::new(&source).expect("a loss");
        let info = checked(&parsed.module).unwrap_or_else(|e| panic!("{e}\n{source}"));
        let made = derive(&parsed.module, &info, parsed.loss, &[true, true]).expect("a derivative");
        let text = text(&made.module, "user_", |k| format!("option{k}"));
        let text = text.unwrap_or_else(|e| panic!("{e}\n{source}"));
        let options =
            "var<private> option0: f32; var<private> option1: i32; var<private> option2: f32;";
        let whole = format!("{options}\n{text}");
        if let Err(e) = naga::front::wgsl::parse_str(&whole) {
            panic!("{}\n{source}", e.emit_to_string(&whole));
        }
    }
}

/// Of inputs that only some of matter, all have a derivative.
#[test]
fn an_input_without_influence_has_the_derivative_0() {
    for (expression, want) in [
        ("x * x", [9.0, 6.0, 0.0]),
        ("t * t", [9.0, 0.0, 6.0]),
        ("1.0", [1.0, 0.0, 0.0]),
    ] {
        let source = format!("fn loss(x: f32, t: f32) -> f32 {{ return {expression}; }}");
        assert_eq!(both(&source, 2).at(&[3.0, 3.0]), want, "{expression}");
    }
}

/// Naga takes a vector of zeros inside a vector for one component when it works out constants, and the derivative of this is one.
#[test]
fn zeros_are_as_many_components_as_they_stand_for() {
    let source =
        "fn loss(x: f32, t: f32) -> f32 { return vec3(vec2(x, x), t).y * vec3(vec2(x, x), t).z; }";
    let parsed = Parsed::new(source).expect("a loss");
    let info = checked(&parsed.module).expect("a module");
    let made = derive(&parsed.module, &info, parsed.loss, &[false, true]).expect("a derivative");
    let text = text(&made.module, "", |_| String::new()).expect("its text");
    if let Err(e) = naga::front::wgsl::parse_str(&text) {
        panic!("{}\n{text}", e.emit_to_string(&text));
    }
    assert!(!text.contains("vec2<f32>()"), "{text}");
}

/// Where there is no derivative one rule decides.
#[test]
fn kinks_have_the_derivatives_that_are_said() {
    for (expression, x, t, want) in [
        ("abs(x)", 0.0, 0.0, 0.0),
        ("sign(x)", 0.0, 0.0, 0.0),
        ("min(x, t)", 1.0, 1.0, 0.5),
        ("max(x, t)", 1.0, 1.0, 0.5),
        ("max(x, 0.0)", 0.0, 0.0, 0.5),
        ("clamp(x, 0.0, 1.0)", 0.0, 0.0, 0.5),
        ("clamp(x, 0.0, 1.0)", 1.0, 0.0, 0.5),
        ("saturate(x)", 1.0, 0.0, 0.5),
        ("length(vec2(x, t))", 0.0, 0.0, 0.0),
        ("distance(x, t)", 2.0, 2.0, 0.0),
        ("pow(x, 1.0)", 0.0, 0.0, 1.0),
        ("pow(x, t)", 0.0, 1.0, 1.0),
        ("pow(x, 2.0)", 0.0, 0.0, 0.0),
        ("pow(x, 0.0)", 0.0, 0.0, 0.0),
        ("pow(x, t)", 0.0, 0.0, 0.0),
        ("floor(x)", 1.0, 0.0, 0.0),
        ("step(0.0, x)", 0.0, 0.0, 0.0),
        // Binary cross-entropy at 0: sigmoid(0) - t.
        (
            "max(x, 0.0) - x * t + log(1.0 + exp(-abs(x)))",
            0.0,
            1.0,
            -0.5,
        ),
        (
            "max(x, 0.0) - x * t + log(1.0 + exp(-abs(x)))",
            0.0,
            0.25,
            0.25,
        ),
    ] {
        let source = format!("fn loss(x: f32, t: f32) -> f32 {{ return {expression}; }}");
        let found = both(&source, 1).at(&[x, t]);
        assert_eq!(found[1], want, "{expression} at {x}, {t}");
    }
}

#[test]
fn what_has_no_derivative_is_refused_at_its_place() {
    for (source, line, message) in [
        (
            "fn loss(x: f32, t: f32) -> f32 {\n    let bits = bitcast<u32>(x);\n    return bitcast<f32>(bits);\n}",
            2,
            "the bits of what depends on an input",
        ),
        (
            "fn loss(x: f32, t: f32) -> f32 {\n    return\n        quantizeToF16(x);\n}",
            3,
            "`quantizeToF16` of what depends on an input",
        ),
        (
            "fn loss(x: f32, t: f32) -> f32 {\n    var m = modf(x);\n    return m.fract;\n}",
            2,
            "a variable of what `modf` or `frexp` gives: name it with `let`",
        ),
        (
            "fn loss(x: f32, t: f32) -> f32 {\n    return unpack2x16float(pack2x16float(vec2(x, t))).x;\n}",
            2,
            "the bits of what depends on an input",
        ),
    ] {
        let parsed = Parsed::new(source).expect("a loss");
        let info = checked(&parsed.module).expect("a module");
        let error =
            derive(&parsed.module, &info, parsed.loss, &[true, false]).expect_err("no derivative");
        assert_eq!(error.what, message);
        assert_eq!(error.span.location(source).line_number, line, "{message}");
    }
    // What does not depend on an input may be anything.
    let bits = "fn loss(x: f32, t: f32) -> f32 { return x * bitcast<f32>(bitcast<u32>(t)); }";
    assert!(both(bits, 1).hold(&POINTS) > 0);
}

/// Which of the two it is that has the value is decided as for numbers, in whatever order they stand.
#[test]
fn a_nan_beside_a_constant_changes_nothing() {
    for (expression, value) in [
        ("max(-100.0, log(x))", -100.0),
        ("max(log(x), -100.0)", -100.0),
        ("min(log(x), t)", 3.0),
        ("min(t, log(x))", 3.0),
        ("clamp(log(x), -100.0, 0.0)", -100.0),
        (
            "dot(max(vec2(-2.0), log(vec2(x, t))), vec2(1.0, 0.0))",
            -2.0,
        ),
    ] {
        let source = format!("fn loss(x: f32, t: f32) -> f32 {{ return {expression}; }}");
        assert_eq!(both(&source, 1).at(&[-1.0, 3.0]), [value, 0.0], "{source}");
    }
}

/// What does not depend on the input costs nothing: no word of a derivative is written for it.
#[test]
fn constants_have_no_derivatives() {
    let source = "fn weight(t: f32) -> f32 { return exp(t) * pow(t, 3.0); } fn loss(x: f32, t: f32) -> f32 { return weight(t) * x; }";
    let parsed = Parsed::new(source).expect("a loss");
    let info = checked(&parsed.module).expect("a module");
    let made = derive(&parsed.module, &info, parsed.loss, &[true, false]).expect("a derivative");
    let text = text(&made.module, "", |_| String::new()).expect("its text");
    let change = text.split("fn loss_change").nth(1).expect("the derivative");
    // One call, one product, and the other factor as the derivative.
    assert!(change.contains("let _e2 = weight(t_2);"), "{change}");
    assert!(
        change.contains("return Pair((_e2 * x_1), _e2);"),
        "{change}"
    );
    assert!(!text.contains("weight_change"), "{text}");
}

/// A user may have a function of the name that a derivative would have.
#[test]
fn the_derivative_has_a_name_of_its_own() {
    let source = "struct loss_change_own { a: f32 } fn loss_change(x: f32) -> loss_change_own { return loss_change_own(x * x); } fn loss(x: f32, t: f32) -> f32 { return loss_change(x).a * t; }";
    let parsed = Parsed::new(source).expect("a loss");
    let info = checked(&parsed.module).expect("a module");
    let made = derive(&parsed.module, &info, parsed.loss, &[true, false]).expect("a derivative");
    let text = text(&made.module, "user_", |_| String::new()).expect("its text");
    let parameters = text
        .split("fn loss_change(")
        .nth(1)
        .and_then(|rest| rest.split(')').next());
    let both = parameters.is_some_and(|p| p.matches(": f32").count() == 2);
    assert!(both && text.contains("fn user_loss_change("), "{text}");
}

/// Also of inputs that the loss does not depend on.
#[test]
fn there_is_a_derivative_by_every_input() {
    for (source, want) in [
        ("return t * t;", [9.0, 0.0, 6.0]),
        ("return x * x;", [4.0, 4.0, 0.0]),
        ("return 5.0;", [5.0, 0.0, 0.0]),
        (
            "var y = 1.0; if (x > t) { y = x; } else { y = t; } return y;",
            [3.0, 0.0, 1.0],
        ),
    ] {
        let source = format!("fn loss(x: f32, t: f32) -> f32 {{ {source} }}");
        assert_eq!(both(&source, 2).at(&[2.0, 3.0]), want, "{source}");
    }
}
