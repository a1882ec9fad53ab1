//! Plain arithmetic in the place of bits: as a user would write it, who does not care about subnormals, infinities and the last digit.

/// What the texts below refer to.
pub(super) const HELPERS: &str = "\
fn is_nan(v: f32) -> bool { return v != v; }
fn is_finite(v: f32) -> bool { return abs(v) <= LARGEST; }
";

/// Functions of the texts, and what then stands for them.
pub(super) const FUNCTIONS: &[&str] = &[
    "fn magnitude(v: f32) -> f32 { return abs(v); }",
    "fn order(a: f32, b: f32) -> f32 { return f32(a > b) - f32(a < b); }",
    "fn ln(x: f32) -> f32 { return log(x); }",
    "fn power(x: f32, y: f32) -> f32 {
        if (y == 0.0) { return 1.0; }
        if (y == 1.0) { return x; }
        if (y == 2.0) { return x * x; }
        return pow(x, y);
    }",
    "fn quotient(a: f32, b: f32) -> f32 { return a / b; }",
    "fn undefined_gap(x: f32, t: f32) -> bool { return x == t && !is_finite(x); }",
    "fn times(w: f32, v: f32) -> f32 { return w * v; }",
    "fn divisible(v: f32) -> f32 { return select(max(v, SMALLEST_NORMAL), v, v == 0.0); }",
    "fn scaled(v: f32, k: i32) -> f32 { return ldexp(v, k); }",
    "fn bce_clamped(log: f32) -> f32 { return select(log, -100.0, log < -100.0); }",
];

/// A text with these functions, and with numbers asked instead of their bits.
pub(super) fn plain(text: &str) -> String {
    let mut text = text.to_string();
    for function in FUNCTIONS {
        let head = &function[..=function.find('(').expect("parameters")];
        if let Some(at) = text.find(&format!("\n{head}")) {
            let end = at + text[at..].find("\n}\n").expect("the end of a function");
            text.replace_range(at + 1..end + 2, function);
        }
    }
    for (bits, number) in [
        ("nan_bits(bitcast<u32>(", "is_nan("),
        ("finite_bits(bitcast<u32>(", "is_finite("),
    ] {
        while let Some(at) = text.find(bits) {
            let start = at + bits.len();
            let mut depth = 0;
            let end = text[start..].find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth < 0
            });
            let end = start + end.expect("as many brackets");
            let asked = format!("{number}{})", &text[start..end]);
            text.replace_range(at..end + 2, &asked);
        }
    }
    text
}
