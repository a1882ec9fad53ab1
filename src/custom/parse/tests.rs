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

#[test]
fn what_is_no_loss_is_refused_at_its_place() {
    let table = [
        ("fn loss(x: f32) -> f32 {\n  return x +;\n}", ""),
        ("fn loss(x: f32) -> f32 {\n  return x\n}", ""),
        ("fn loss(x: f32) -> f32 {\n  return x + 1i;\n}", ""),
        ("fn loss(x: f32) -> f32 {\n  return x > 0.0;\n}", ""),
        (
            "fn loss(x: f32) -> f32 {\n  var y = 1i;\n  y = x;\n  return x;\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y: i32 = x;\n  return x;\n}",
            "",
        ),
        (
            "fn help(n: i32) -> f32 { return 1.0; }\nfn loss(x: f32) -> f32 {\n  return help(x);\n}",
            "",
        ),
        (
            "fn help(n: i32) -> f32 { return 1.0; }\nfn loss(x: f32) -> f32 {\n  return help();\n}",
            "",
        ),
        ("fn loss(x: f32) -> f32 {\n  return exp(true);\n}", ""),
        (
            "fn loss(x: f32) -> f32 {\n  if x { return x; }\n  return x;\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y = x;\n  return lg(y);\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  if x > 0.0 { return x; }\n}",
            "",
        ),
        ("fn loss(x: f32) -> f32 { return 1.0 / f32(1 / 0); }", ""),
        ("", ""),
        ("fn other(x: f32) -> f32 { return x; }", ""),
        ("const loss = 1.0;", ""),
        ("fn loss() -> f32 { return 1.0; }", ""),
        ("fn loss(x: f32, n: i32, t: f32) -> f32 { return x; }", ""),
        ("fn loss(x: f32, v: vec2<f32>) -> f32 { return x; }", ""),
        ("fn loss(x: f32) -> bool { return x > 0.0; }", ""),
        ("fn loss(x: f32) { }", ""),
        ("fn loss(x: f32) -> f32 { return loss(x); }", ""),
        (
            "fn a(x: f32) -> f32 { return loss(x); }\nfn loss(x: f32) -> f32 { return a(x); }",
            "",
        ),
        (
            "@group(0) @binding(0) var<storage> data: array<f32>;\nLOSS",
            "",
        ),
        ("LOSS\n@group(0) @binding(0) var<uniform> data: f32;", ""),
        (
            "LOSS\n@group(0) @binding(1) var picture: texture_2d<f32>;",
            "",
        ),
        ("LOSS\nvar<workgroup> tile: array<f32, 4>;", ""),
        ("LOSS\nvar<storage> data: f32;", ""),
        ("LOSS\nvar<uniform> data: f32;", ""),
        (
            "LOSS\n// fn main\n/* fn main() */ @compute @workgroup_size(1)\nfn  main() { }",
            "",
        ),
        ("@fragment fn loss() { }", ""),
        ("enable f16;\nLOSS", ""),
        ("enable subgroups;\nLOSS", ""),
        ("override gamma: f32;\nLOSS", ""),
        ("@id(3) override gamma: f32 = 2.0;\nLOSS", ""),
        (
            "override size = 4u;\nvar<private> all: array<f32, size>;\nLOSS",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  if x > 0.0 { discard; }\n  return x;\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  workgroupBarrier();\n  return x;\n}",
            "",
        ),
        ("fn loss(x: f32) -> f32 {\n  return dpdx(x);\n}", ""),
        (
            "fn loss(x: f32) -> f32 {\n  var all: array<f32, 3000>;\n  return all[0] + x;\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  var a: array<f32, 1500>;\n  var b: array<f32, 1500>;\n  return a[0] + b[0] + x;\n}",
            "",
        ),
        (
            "var<private> a: array<f32, 1500>;\nvar<private> b: array<f32, 600>;\nLOSS",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  return array<f32, 100000000>()[u32(x)];\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y = 1.0lf;\n  return x;\n}",
            "",
        ),
        (
            "fn loss(x: f32) -> f32 {\n  let y = f64(x);\n  return x;\n}",
            "",
        ),
    ];
    let mut wrong = String::new();
    for (text, expected) in table {
        let text = text.replace("LOSS", LOSS);
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
fn comments_hide_functions() {
    assert_eq!(
        without_comments("a /* b /* c */ é */ d // e\nf"),
        "a                     d     \nf"
    );
    let of = |text: &str| function_name(text, "main").to_range();
    assert_eq!(of("// fn main\nfn mains() {} fn\tmain ()"), Some(28..32));
    assert_eq!(of("xfn main"), None);
}
