//! What the front door lets in, and what it says to all else.

use super::*;

/// The message of a refusal.
fn refused(text: &str) -> String {
    Parsed::new(text).map_or_else(|e| e.to_string(), |_| "let in".to_owned())
}

#[test]
fn a_loss_is_read() {
    let text = "
        // More inputs than one.
        override late: f32 = early * 2.0;
        override early: f32 = 0.1;
        override n = 3;
        override flag = false;
        override some = 7u;
        override none = f32();
        const HALF = 0.5;
        override half: f32 = HALF;
        fn help(v: f32) -> f32 { return v * late; }
        fn loss(a: f32, b: f32, t: f32) -> f32 { return help(a) + b - t; }";
    let parsed = Parsed::new(text).unwrap();
    assert_eq!(parsed.parameters, ["a", "b", "t"]);
    let found: Vec<_> = (parsed
        .settings
        .iter()
        .map(|s| (s.name.as_str(), s.kind, s.default)))
    .collect();
    let expected = [
        ("late", Kind::F32, None),
        ("early", Kind::F32, Some(f64::from(0.1f32))),
        ("n", Kind::I32, Some(3.0)),
        ("flag", Kind::Bool, Some(0.0)),
        ("some", Kind::U32, Some(7.0)),
        ("none", Kind::F32, Some(0.0)),
        ("half", Kind::F32, Some(0.5)),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        parsed.module.functions[parsed.loss].name.as_deref(),
        Some("loss")
    );
}

#[test]
fn an_error_holds_the_line() {
    let text = "fn loss(x: f32) -> f32 {\r\n    /* é */ return y + x;\r\n}";
    let error = Parsed::new(text).unwrap_err();
    let expected = SourceError {
        message: "no definition in scope for identifier: `y`".to_owned(),
        line: 2,
        column: 20,
        length: 1,
        excerpt: "    /* é */ return y + x;".to_owned(),
    };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "2:20: no definition in scope for identifier: `y`"
    );
}

const LOSS: &str = "fn loss(x: f32, t: f32) -> f32 { return x - t; }";

const ROWS: &str =
    "fn row_terms(x: f32) -> f32 { return x; } fn row_loss(s: f32) -> f32 { return s; }";

#[test]
fn what_is_no_loss_is_refused_at_its_place() {
    let table = [
        (
            "fn loss(x: f32) -> f32 {\n  return x +;\n}",
            "2:13: expected expression, found \";\"",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return x\n}",
            "3:1: expected `;`, found \"}\"",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return x + 1i;\n}",
            "2:10: no Add of f32 and i32",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return x > 0.0;\n}",
            "2:10: expected a returned f32",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  var y = 1i;\n  y = x;\n  return x;\n}",
            "3:3: automatic conversions cannot convert elements of `f32` to `i32`",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y: i32 = x;\n  return x;\n}",
            "2:7: the type of `y` is expected to be `i32`, but got `f32`",
        ),
        (
            "fn help(n: i32) -> f32 { return 1.0; }\nfn loss(x: f32) -> f32 {\n  return help(x);\n}",
            "3:10: argument 1 of the call: expected i32",
        ),
        (
            "fn help(n: i32) -> f32 { return 1.0; }\nfn loss(x: f32) -> f32 {\n  return help();\n}",
            "3:10: Requires 1 arguments, but 0 are provided",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return exp(true);\n}",
            "2:10: wrong type passed as argument #1 to `exp`",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  if x { return x; }\n  return x;\n}",
            "2:3: the condition is f32: expected bool",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y = x;\n  return lg(y);\n}",
            "3:10: no definition in scope for identifier: `lg`",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  if x > 0.0 { return x; }\n}",
            "1:1: the function may end without a value",
        ),
        (
            "fn loss(x: f32) -> f32 { return 1.0 / f32(1 / 0); }",
            "1:43: Division by zero",
        ),
        (
            "",
            "1:1: there is no function `loss`: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
        ),
        (
            "fn other(x: f32) -> f32 { return x; }",
            "1:1: there is no function `loss`: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
        ),
        (
            "const loss = 1.0;",
            "1:1: there is no function `loss`: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
        ),
        (
            "fn loss() -> f32 { return 1.0; }",
            "1:1: `loss` has no parameters: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
        ),
        (
            "fn loss(x: f32, n: i32, t: f32) -> f32 { return x; }",
            "1:17: the parameter `n` of `loss` is i32: expected f32",
        ),
        (
            "fn loss(x: f32, v: vec2<f32>) -> f32 { return x; }",
            "1:17: the parameter `v` of `loss` is vec2<f32>: expected f32",
        ),
        (
            "fn loss(x: f32) -> bool { return x > 0.0; }",
            "1:1: the result of `loss` is bool: expected f32",
        ),
        (
            "fn loss(x: f32) { }",
            "1:1: `loss` has no result: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
        ),
        (
            "fn loss(x: f32) -> f32 { return loss(x); }",
            "1:4: declaration of `loss` is recursive",
        ),
        (
            "fn a(x: f32) -> f32 { return loss(x); }\nfn loss(x: f32) -> f32 { return a(x); }",
            "2:4: declaration of `a` is cyclic",
        ),
        (
            "@group(0) @binding(0) var<storage> data: array<f32>;\nLOSS",
            "1:23: `data` is a storage variable: a loss has only its parameters, options, constants and private variables",
        ),
        (
            "LOSS\n@group(0) @binding(0) var<uniform> data: f32;",
            "2:23: `data` is a uniform variable: a loss has only its parameters, options, constants and private variables",
        ),
        (
            "LOSS\n@group(0) @binding(1) var picture: texture_2d<f32>;",
            "2:23: `picture` is a resource: a loss has only its parameters, options, constants and private variables",
        ),
        (
            "LOSS\nvar<workgroup> tile: array<f32, 4>;",
            "2:1: `tile` is a workgroup variable: a loss has only its parameters, options, constants and private variables",
        ),
        (
            "LOSS\nvar<storage> data: f32;",
            "2:1: `data` is a storage variable: a loss has only its parameters, options, constants and private variables",
        ),
        (
            "LOSS\nvar<uniform> data: f32;",
            "2:1: `data` is a uniform variable: a loss has only its parameters, options, constants and private variables",
        ),
        (
            "LOSS\n// fn main\n/* fn main() */ @compute @workgroup_size(1)\nfn  main() { }",
            "4:5: `main` is an entry point: a loss has functions only",
        ),
        (
            "@fragment fn loss() { }",
            "1:14: `loss` is an entry point: a loss has functions only",
        ),
        (
            "enable f16;\nLOSS",
            "1:8: the extension `f16` is not possible in a loss, which computes in f32",
        ),
        (
            "enable subgroups;\nLOSS",
            "1:8: the extension `subgroups` is not possible in a loss",
        ),
        (
            "fn loss(x: f32) -> f32 { return f32(f16(x)); }",
            "1:37: the extension `f16` is not possible in a loss, which computes in f32",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return x;\n",
            "3:1: expected statement, found the end of the text",
        ),
        ("override gamma: f32;\nLOSS", "1:1: `gamma` has no default"),
        (
            "@id(3) override gamma: f32 = 2.0;\nLOSS",
            "1:8: `gamma` has an @id: options go by their names",
        ),
        (
            "override size = 4u;\nvar<private> all: array<f32, size>;\nLOSS",
            "2:1: the size of an array must be a constant, not an option",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  if x > 0.0 { discard; }\n  return x;\n}",
            "2:16: `discard` means nothing in a loss",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  workgroupBarrier();\n  return x;\n}",
            "2:3: `workgroupBarrier` means nothing in a loss",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return dpdx(x);\n}",
            "2:10: `dpdx` means nothing in a loss",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  var all: array<f32, 3000>;\n  return all[0] + x;\n}",
            "2:3: a value of more than 8192 bytes",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  var a: array<f32, 1500>;\n  var b: array<f32, 1500>;\n  return a[0] + b[0] + x;\n}",
            "3:3: the variables of the function take more than 8192 bytes",
        ),
        (
            "var<private> a: array<f32, 1500>;\nvar<private> b: array<f32, 600>;\nLOSS",
            "2:1: the variables of the file take more than 8192 bytes",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return array<f32, 100000000>()[u32(x)];\n}",
            "2:10: a value of more than 8192 bytes",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y = 1.0lf;\n  return x;\n}",
            "2:11: f64 is not possible in a loss",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y = f64(x);\n  return x;\n}",
            "2:11: numbers of 64 bits are not possible in a loss",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return select(x, 1.0, 2.0);\n}",
            "2:10: the condition of `select` is f32: expected bool",
        ),
        (
            "LOSS\noverride two: vec2<f32> = vec2(1.0);",
            "2:1: `two` is no f32, i32, u32 or bool",
        ),
        (
            "LOSS\nvar<private> count: atomic<u32>;",
            "2:1: `count` is of a type that private variables cannot have",
        ),
        (
            "LOSS\nconst shift_by_max = true;",
            "2:7: `shift_by_max` is for losses of rows: expected `row_terms` and `row_loss`",
        ),
        (
            "/* const shift_by_max */ const shift_by_max = 1;\nROWS",
            "1:32: `shift_by_max` is no bool: expected `const shift_by_max = true;`",
        ),
        (
            "const shift_by_max: i32 = 1;\nROWS",
            "1:1: `shift_by_max` is no bool: expected `const shift_by_max = true;`",
        ),
        (
            "override shift_by_max = true;\nROWS",
            "1:1: `shift_by_max` is no option: expected `const shift_by_max = true;`",
        ),
        (
            "var<private> shift_by_max = true;\nROWS",
            "1:1: `shift_by_max` is no variable: expected `const shift_by_max = true;`",
        ),
    ];
    let mut wrong = String::new();
    for (text, expected) in table {
        let text = text.replace("LOSS", LOSS).replace("ROWS", ROWS);
        let found = refused(&text);
        if found != expected {
            wrong += &format!("{text}\n    found    {found}\n    expected {expected}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_text_has_a_limit() {
    let text = format!("{LOSS}{}", " ".repeat(MOST_BYTES));
    assert_eq!(
        refused(&text),
        format!("1:1: at most 65536 bytes possible, found {}", text.len())
    );
}

#[test]
fn depth_is_refused_and_not_followed() {
    let body = |body: String| format!("fn loss(x: f32) -> f32 {{\n{body}\nreturn x; }}");
    let chain = |n: usize| {
        format!(
            "let b = x > 0.0; if b {{ }} {}",
            "else if b { }\n".repeat(n)
        )
    };
    assert_eq!(refused(&body(chain(99))), "let in");
    let found = refused(&body(chain(4000)));
    assert!(
        found.ends_with("more than 100 statements within each other"),
        "{found}"
    );
    let brackets = format!("let y = {}x{};", "(".repeat(999), ")".repeat(999));
    let limit = "2:99: more than 90 brackets within each other";
    assert_eq!(refused(&body(brackets)), limit);
    // On the stack of a test these would end the process.
    assert_eq!(
        refused(&body(format!("let y = {}x;", "- ".repeat(30_000)))),
        "let in"
    );
    assert_eq!(
        refused(&body(format!("let y = x{};", " + x".repeat(16_000)))),
        "let in"
    );
}

/// On the stack that is said to be enough nothing overflows, which would end the process.
#[test]
fn a_stack_is_enough_for_what_is_read_on_it() {
    let body = |body: String| format!("fn loss(x: f32, t: f32) -> f32 {{ {body} return x; }}");
    let chain = |n: usize, one: &dyn Fn(usize) -> String| -> String { (0..n).map(one).collect() };
    let within =
        |n: usize, open: &str, close: &str| body(format!("{}{}", open.repeat(n), close.repeat(n)));
    let texts = [
        LOSS.into(),
        body(format!("let y = {}x;", "- ".repeat(30_000))),
        body(format!("let y = {}0i;", "~".repeat(60_000))),
        body(format!("let y = x{};", "+x".repeat(30_000))),
        body(format!("let y = vec2(x){};", ".xy".repeat(20_000))),
        body(format!("var y = x; let z = {}y;", "*&".repeat(30_000))),
        body(format!(
            "let b = x>t; if b {{}} {}",
            "else if b {}".repeat(5_000)
        )),
        body(format!("let y = {}x{};", "sin(".repeat(89), ")".repeat(89))),
        body(format!(
            "var y: {}f32{};",
            "array<".repeat(50),
            ",1>".repeat(50)
        )),
        within(120, "{", "}"),
        within(60, "for (;;) { if x>t {break;}", "}"),
        within(60, "switch 1 { default {", "}}"),
        "alias A0=f32;".to_string()
            + &chain(2_000, &|i| format!("alias A{}=array<A{i},1>;\n", i + 1))
            + LOSS,
        chain(2_500, &|i| format!("const c{i} = c{};\n", i + 1)) + "const c2500 = 1.0;\n" + LOSS,
        chain(1_200, &|i| {
            format!("fn go{i}(x:f32)->f32{{return go{}(x);}}\n", i + 1)
        }) + "fn go1200(x:f32)->f32{return x;}\n"
            + LOSS,
    ];
    for text in texts {
        assert!(text.len() < MOST_BYTES);
        let (stack, _) = stack_for(&text);
        assert!(
            stack <= STACK,
            "{stack}: {}",
            text.get(..60).unwrap_or(&text)
        );
        // Some pass, and some have too much within each other for those who come later.
        let _ = Parsed::on(&text, &[stack]);
    }
}

/// Without threads there is the caller's stack, and what it does not carry is refused where it takes the most.
#[test]
fn the_callers_stack_is_not_overflowed() {
    let here = |text: &str| Parsed::on(text, &[]).map_err(|e| e.to_string());
    assert!(here(LOSS).is_ok());
    let message = "too much within each other for the stack that there is";
    for (text, place) in [
        (
            format!(
                "fn loss(x: f32) -> f32 {{\n  return {}x;\n}}",
                "- ".repeat(30_000)
            ),
            "2:60008",
        ),
        (
            format!(
                "fn loss(x: f32) -> f32 {{\n  return x{};\n}}",
                "+x".repeat(20_000)
            ),
            "2:40009",
        ),
    ] {
        assert_eq!(here(&text).err(), Some(format!("{place}: {message}")));
    }
}

#[test]
fn comments_hide_functions() {
    assert_eq!(
        without_comments("a /* b /* c */ é */ d // e\nf"),
        "a                    d     \nf"
    );
    let of = |text: &str| declared(text, "fn", "main").to_range();
    assert_eq!(of("// fn main\nfn mains() {} fn\tmain ()"), Some(28..32));
    assert_eq!(of("xfn main"), None);
    let of = |text: &str| declared(text, "const", "a").to_range();
    assert_eq!(
        of("fn f() { const a = 1; } const ab = 1; const a=1;"),
        Some(44..45)
    );
}

/// What is long or deep either passes everything or is refused at its place.
#[test]
fn long_texts_pass_and_deep_ones_are_refused() {
    use crate::custom::derive::derive;
    use crate::custom::emit::{checked, text};
    use crate::custom::interpret::Machine;
    // As threads have it that somebody else made.
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let all = || {
        let body = |e: &str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
        let chain = |n: usize, last: &str, call: &dyn Fn(usize) -> String| {
            let one = |i: usize| format!("fn go{i}(x: f32) -> f32 {{ return {}; }}\n", call(i + 1));
            let all: String = (0..n).map(one).collect();
            format!(
                "{all}fn go{n}(x: f32) -> f32 {{ return {last}; }}\n{}",
                body("go0(x)")
            )
        };
        let ones = |n: usize| ["x"].repeat(n).join("+");
        let twice = |n: usize| chain(n, "x", &|i| format!("go{i}(x)+sin(go{i}(x))"));
        // Each function calls the next in two ways, of which either depends on other arguments.
        let turned = |count: usize, n: usize| {
            let names = || (0..count).map(|i| format!("a{i}"));
            let list = |all: Vec<String>| all.join(", ");
            let taken = list(names().map(|a| format!("{a}: f32")).collect());
            let mut turned: Vec<_> = names().collect();
            turned.rotate_left(1);
            let mut swapped: Vec<_> = names().collect();
            swapped.swap(0, 1);
            let (turned, swapped) = (list(turned), list(swapped));
            let one = |i: usize| {
                let next = i + 1;
                format!(
                    "fn go{i}({taken}) -> f32 {{ return go{next}({turned}) + go{next}({swapped}); }}\n"
                )
            };
            let all: String = (0..n).map(one).collect();
            let given = list(
                (0..count)
                    .map(|i| ["x", "t", "1.0"][i % 3].into())
                    .collect(),
            );
            format!(
                "{all}fn go{n}({taken}) -> f32 {{ return a0 * a1; }}\n{}",
                body(&format!("go0({given})"))
            )
        };
        let texts = [
            body(&ones(30_000)),
            body(&["x"].repeat(30_000).join("*")),
            body(&format!("{}x{}", "sin(".repeat(80), ")".repeat(80))),
            body(&format!("{}x{}", "(".repeat(90), ")".repeat(90))),
            body(&format!("{}x", "- ".repeat(30_000))),
            body(&(0..44).fold("x".to_owned(), |e, _| format!("tanh(x*({e}+t))"))),
            // From each variable to the next it takes one more time around the loop, until the last depends on an input.
            {
                let all: String = (0..1500).map(|i| format!("var v{i}=0.;\n")).collect();
                let moved: String = (0..1499).map(|i| format!("v{i}=v{};\n", i + 1)).collect();
                format!(
                    "fn loss(x: f32, t: f32) -> f32 {{ {all} for (var i = 0; i < 9; i++) {{ {moved} v1499 = x; }} return v1491; }}"
                )
            },
            chain(90, "x", &|i| format!("go{i}(x)")),
            twice(10),
            turned(20, 9),
        ];
        for source in &texts {
            let start = source.get(..60).unwrap_or(source);
            let parsed = Parsed::new(source).unwrap_or_else(|e| panic!("{e}: {start}"));
            let info = checked(&parsed.module).unwrap_or_else(|e| panic!("{e}: {start}"));
            let made = derive(&parsed.module, &info, parsed.loss, &[true, true]);
            let made = made.unwrap_or_else(|e| panic!("{e:?}: {start}"));
            let text = text(&made.module, "user_", |k| format!("option{k}"));
            let text = text.unwrap_or_else(|e| panic!("{e}: {start}"));
            if let Err(e) = naga::front::wgsl::parse_str(&text) {
                panic!("{}: {start}", e.message());
            }
            let machine = Machine::new(&parsed, &[]).expect("a machine");
            let found = machine.loss(&[0.5, 0.25]);
            found.unwrap_or_else(|e| panic!("{e}: {start}"));
        }
        for (source, message) in [
            (
                body(&format!("{}x{}", "(".repeat(30_000), ")".repeat(30_000))),
                "1:131: more than 90 brackets within each other",
            ),
            (
                body(&format!("{}x{}", "sin(".repeat(5_000), ")".repeat(5_000))),
                "1:404: more than 90 brackets within each other",
            ),
            (
                chain(1_000, "x", &|i| format!("go{i}(x)")),
                "901:34: more than 200 blocks and calls within each other",
            ),
            (
                twice(90),
                "79:45: more than 32768 expressions and statements, with functions in the place of their calls",
            ),
            (
                turned(20, 60),
                "51:312: more than 32768 expressions and statements, with functions in the place of their calls",
            ),
        ] {
            let found = refused(&source);
            assert_eq!(found, message, "{}", source.get(..60).unwrap_or(&source));
        }
    };
    std::thread::scope(|scope| {
        let thread = small.spawn_scoped(scope, all).expect("a thread");
        thread.join().expect("no overflow");
    });
}
