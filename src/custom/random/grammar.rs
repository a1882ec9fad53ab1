//! What random functions are made of: texts with slots for texts of other kinds.

use std::sync::OnceLock;

/// Kinds of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// f32, and vectors of two, three and four.
    F,
    V2,
    V3,
    V4,
    /// mat2x2, mat3x3 and mat2x3.
    M2,
    M3,
    N,
    /// bool, and vectors of two and three.
    B,
    B2,
    B3,
    /// i32 and u32.
    I,
    U,
    /// Statements.
    S,
    /// A variable of a function: the name is that of [`LOCALS`], and the text its declaration.
    D,
    /// Numbers: any, above 0, and whole ones from 1 to 3.
    C,
    P,
    K,
}

pub(super) const KINDS: [Kind; 14] = {
    use Kind::*;
    [F, V2, V3, V4, M2, M3, N, B, B2, B3, I, U, S, D]
};

/// What may stand in a place, one bit for each of these letters:
/// x the loss's own parameters, y its third, k an option; u the parameters of `h0`, c that of `h1`, d those of `h2`;
/// s variables; i the counter of a loop, o leaving it; l and g names for values; r, b and e returns of a number, a vector and nothing;
/// h, j and z calls of `h0`, `h1` and `h2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope(u32);

impl Scope {
    pub fn of(letters: &str) -> Scope {
        let bit = |letter: u8| 1 << (letter - b'a');
        Scope(letters.bytes().fold(0, |all, letter| all | bit(letter)))
    }

    pub fn with(self, other: Scope) -> Scope {
        Scope(self.0 | other.0)
    }

    pub fn has(self, other: Scope) -> bool {
        other.0 & !self.0 == 0
    }

    /// Two numbers that are there in any function.
    pub fn numbers(self) -> [&'static str; 2] {
        let all = [("x", ["x", "t"]), ("u", ["u", "w"]), ("c", ["c.x", "c.y"])];
        let found = all.into_iter().find(|(l, _)| self.has(Scope::of(l)));
        found.map_or(["w", "(*d)"], |(_, names)| names)
    }
}

#[derive(Debug)]
pub(super) enum Part {
    Text(&'static str),
    /// One of [`Scope::numbers`].
    Number(usize),
    /// A text of a kind, in a place that has this too.
    Slot(Kind, Scope),
    /// The text of an earlier slot again.
    Again(usize),
}

#[derive(Debug)]
pub(super) struct Rule {
    pub text: &'static str,
    pub parts: Vec<Part>,
    /// What it needs of the place.
    pub needs: Scope,
    /// How often it is taken.
    pub weight: u32,
}

impl Rule {
    pub fn slots(&self) -> impl Iterator<Item = (Kind, Scope)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(kind, scope) => Some((*kind, *scope)),
            _ => None,
        })
    }

    pub fn is_leaf(&self) -> bool {
        self.slots().next().is_none()
    }
}

/// The rules of a kind. The first is a leaf that may stand anywhere.
pub(super) fn rules(kind: Kind) -> &'static [Rule] {
    static ALL: OnceLock<Vec<Vec<Rule>>> = OnceLock::new();
    let all = ALL.get_or_init(|| KINDS.iter().map(|kind| read(*kind)).collect());
    let place = KINDS.iter().position(|k| *k == kind);
    place.map_or(&[], |i| &all[i])
}

/// A text as parts: `$F` is a slot of that kind, `$F+i` one where a counter is, `$0` the first slot's text again, and `@0` a number
/// that is there.
fn parts(text: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '@']) {
        parts.push(Part::Text(&rest[..at]));
        let number = rest[at..].starts_with('@');
        rest = &rest[at + 1..];
        let digit = |text: &str| text.chars().next().and_then(|c| c.to_digit(10));
        if let Some(n) = digit(rest) {
            rest = &rest[1..];
            parts.push(match number {
                true => Part::Number(n as usize),
                false => Part::Again(n as usize),
            });
            continue;
        }
        let length = 1 + usize::from(digit(&rest[1..]).is_some());
        let name = &rest[..length];
        let others = [Kind::C, Kind::P, Kind::K];
        let mut kinds = KINDS.into_iter().chain(others);
        let kind = kinds.find(|kind| format!("{kind:?}") == name);
        let kind = kind.unwrap_or_else(|| panic!("no kind {name} in {text}"));
        rest = &rest[length..];
        let letters = match rest.strip_prefix('+') {
            Some(after) => {
                let end = after.find(|c: char| !c.is_ascii_lowercase());
                let (letters, after) = after.split_at(end.unwrap_or(after.len()));
                rest = after;
                letters
            }
            None => "",
        };
        parts.push(Part::Slot(kind, Scope::of(letters)));
    }
    parts.push(Part::Text(rest));
    parts
}

fn read(kind: Kind) -> Vec<Rule> {
    let rule = |text: &'static str, needs: &str, weight| Rule {
        text,
        parts: parts(text),
        needs: Scope::of(needs),
        weight,
    };
    let mut all = Vec::new();
    for (weight, needs, texts) in match kind {
        Kind::F => NUMBERS,
        Kind::V2 => PAIRS,
        Kind::V3 => TRIPLES,
        Kind::V4 => QUADRUPLES,
        Kind::M2 | Kind::M3 | Kind::N => match kind {
            Kind::M2 => SQUARES,
            Kind::M3 => LARGE,
            _ => LONG,
        },
        Kind::B => CONDITIONS,
        Kind::B2 => TWO_CONDITIONS,
        Kind::B3 => THREE_CONDITIONS,
        Kind::I => INTEGERS,
        Kind::U => NATURALS,
        Kind::S => STATEMENTS,
        _ => &[],
    } {
        all.extend(texts.iter().map(|text| rule(text, needs, *weight)));
    }
    let size = match kind {
        Kind::V2 => "2",
        Kind::V3 => "3",
        Kind::V4 => "4",
        Kind::D => {
            all.extend(LOCALS.iter().map(|(_, text)| rule(text, "", 1)));
            return all;
        }
        _ => return all,
    };
    for (weight, texts) in VECTORS {
        // The few texts live as long as the process.
        let made = texts.iter().map(|text| &*text.replace('#', size).leak());
        all.extend(made.map(|text| rule(text, "", *weight)));
    }
    all
}

/// Variables, and how they are declared.
pub(super) const LOCALS: [(&str, &str); 8] = [
    ("a", "var a = $F;"),
    ("b", "var b: f32;"),
    ("v", "var v = $V3;"),
    ("e", "var e = vec2<f32>($F, $F);"),
    ("q", "var q = array<f32, 4>($F, $F, 0.5, $F);"),
    ("p", "var p = P($F, $V2, $I);"),
    ("m", "var m = mat2x2<f32>($F, 0.5, $F, $F);"),
    ("n", "var n = $I;"),
];

/// How often, where, and what.
type Table = &'static [(u32, &'static str, &'static [&'static str])];

const NUMBERS: Table = &[
    (4, "", &["@0"]),
    (2, "", &["@1"]),
    (4, "y", &["y"]),
    (1, "k", &["k"]),
    (3, "l", &["l"]),
    (2, "g", &["g.y"]),
    (2, "s", &["a", "b", "p.a", "q[1]"]),
    (
        1,
        "s",
        &["v.y", "e.x", "p.v.y", "m[1].x", "f32(n)", "q[n]", "v[n]"],
    ),
    (2, "si", &["q[i]", "v[i]", "m[i].y"]),
    (2, "i", &["f32(i)", "f32(u32(i) % 2u)"]),
    (2, "c", &["c.z"]),
    (
        4,
        "",
        &[
            "($F + $F)",
            "($F - $F)",
            "($F * $F)",
            "($F / (abs($F) + $P))",
        ],
    ),
    (
        2,
        "",
        &[
            "(-$F)",
            "($F + $C)",
            "($C - $F)",
            "($C * $F)",
            "($F / $P)",
            "($P / (abs($F) + $P))",
        ],
    ),
    (
        2,
        "",
        &[
            "abs($F)",
            "min($F, $F)",
            "max($F, $F)",
            "max($F, $C)",
            "clamp($F, -$P, $P)",
            "clamp($F, -1.5, $F)",
            "saturate($F)",
            "cos($F)",
            "sin($F)",
            "tan(clamp($F, -1.25, 1.25))",
            "tanh($F)",
            "atan($F)",
            "atan2($F, $F)",
            "sinh(clamp($F, -3.0, 2.0))",
            "cosh(clamp($F, -2.5, 3.0))",
            "acos(clamp($F, -0.875, 0.9375))",
            "asin(clamp($F, -0.875, 0.9375))",
            "asinh($F)",
            "acosh(abs($F) + 1.25)",
            "atanh(clamp($F, -0.9375, 0.875))",
            "exp(min($F, 2.5))",
            "exp(-abs($F))",
            "exp2(min($F, 3.5))",
            "log(abs($F) + $P)",
            "log2(abs($F) + $P)",
            "sqrt(abs($F) + $P)",
            "sqrt($F * $0 + $P)",
            "inverseSqrt(abs($F) + $P)",
            "pow(abs($F) + $P, $C)",
            "pow(abs($F) + $P, clamp($F, -2.0, 3.0))",
            "pow($P, min($F, 3.0))",
            "fma($F, $F, $F)",
            "mix($F, $F, $F)",
            "smoothstep(-$P, $P, $F)",
            "smoothstep(-abs($F) - $P, abs($F) + $P, $F)",
            "select($F, $F, $B)",
        ],
    ),
    (
        1,
        "",
        &[
            "($F / $F)",
            "($F % $P)",
            "($F % (abs($F) + $P))",
            "($F % $F)",
            "ceil($F)",
            "floor($F)",
            "round($F)",
            "fract($F)",
            "trunc($F)",
            "sign($F)",
            "step($F, $F)",
            "modf($F).fract",
            "modf($F).whole",
            "frexp($F).fract",
            "f32(frexp($F).exp)",
            "radians($F)",
            "degrees($F)",
            "exp($F)",
            "exp2($F)",
            "log($F)",
            "log2($F)",
            "sqrt($F)",
            "inverseSqrt($F)",
            "pow($F, 2.0)",
            "pow($F, $F)",
            "tan($F)",
            "sinh($F)",
            "cosh($F)",
            "acos($F)",
            "asin($F)",
            "acosh($F)",
            "atanh($F)",
            "smoothstep($F, $F, $F)",
            "bitcast<f32>(f32($F))",
            "length($F)",
            "distance($F, $F)",
        ],
    ),
    (
        2,
        "",
        &[
            "dot($V2, $V2)",
            "dot($V3, $V3)",
            "length($V2)",
            "length($V3)",
            "distance($V3, $V3)",
            "$V2.y",
            "$V3.z",
            "$V3[1]",
            "$V2.r",
        ],
    ),
    (
        4,
        "",
        &[
            "dot($V4, $V4)",
            "length($V4)",
            "distance($V4, $V4)",
            "$V4.w",
            "$V4[2]",
        ],
    ),
    (
        2,
        "",
        &[
            "determinant($M2)",
            "determinant($M3)",
            "$M2[1].x",
            "$M3[2].y",
            "$N[1][2]",
            "transpose($N)[2].x",
            "array<f32, 3>($F, $F, $F)[1]",
        ],
    ),
    (
        3,
        "",
        &[
            "ldexp($F, clamp($I, -3, 4))",
            "f32($I)",
            "f32($U)",
            "f32($B)",
        ],
    ),
    (3, "h", &["h0($F, $F)"]),
    (2, "j", &["h1($V3).y"]),
];

const VECTORS: &[(u32, &[&str])] = &[
    (
        2,
        &[
            "vec#($F)",
            "($V# + $V#)",
            "($V# - $V#)",
            "($V# * $V#)",
            "($V# * $F)",
            "($F * $V#)",
        ],
    ),
    (
        1,
        &[
            "($V# + $F)",
            "($F - $V#)",
            "($C * $V#)",
            "($V# / (abs($V#) + $P))",
            "($V# / (abs($F) + $P))",
            "($F / (abs($V#) + $P))",
            "(-$V#)",
            "($V# % $P)",
            "abs($V#)",
            "sin($V#)",
            "cos($V#)",
            "tan(clamp($V#, vec#(-1.25), vec#(1.25)))",
            "tanh($V#)",
            "atan($V#)",
            "atan2($V#, $V#)",
            "saturate($V#)",
            "floor($V#)",
            "ceil($V#)",
            "round($V#)",
            "trunc($V#)",
            "bitcast<vec#<f32>>(fract($V#))",
            "sign($V#)",
            "sqrt(abs($V#) + $P)",
            "inverseSqrt(abs($V#) + $P)",
            "exp(min($V#, vec#(2.5)))",
            "exp2(-abs($V#))",
            "log(abs($V#) + $P)",
            "log2(abs($V#) + $P)",
            "sinh(clamp($V#, vec#(-3.0), vec#(2.0)))",
            "cosh(clamp($V#, vec#(-2.0), vec#(3.0)))",
            "acos(clamp($V#, vec#(-0.875), vec#(0.9375)))",
            "asin(clamp($V#, vec#(-0.875), vec#(0.9375)))",
            "asinh($V#)",
            "acosh(abs($V#) + 1.25)",
            "atanh(clamp($V#, vec#(-0.9375), vec#(0.875)))",
            "radians($V#)",
            "degrees($V#)",
            "min($V#, $V#)",
            "max($V#, $V#)",
            "clamp($V#, vec#(-1.0), vec#(1.5))",
            "mix($V#, $V#, $F)",
            "mix($V#, $V#, $V#)",
            "smoothstep(vec#(-1.5), vec#(2.0), $V#)",
            "step($V#, $V#)",
            "fma($V#, $V#, $V#)",
            "pow(abs($V#) + $P, clamp($V#, vec#(-2.0), vec#(3.0)))",
            "pow(abs($V#) + $P, vec#($C))",
            "select($V#, $V#, $B)",
            "select($V#, $V#, ($V# < $V#))",
            "normalize($V#)",
            "reflect($V#, normalize($V#))",
            "reflect($V#, $V#)",
            "refract(normalize($V#), normalize($V#), $P)",
            "refract($V#, $V#, $F)",
            "faceForward($V#, $V#, $V#)",
            "modf($V#).fract",
            "modf($V#).whole",
            "frexp($V#).fract",
            "ldexp($V#, vec#<i32>(clamp($I, -3, 4)))",
            "vec#<f32>(vec#<i32>($V#))",
        ],
    ),
];

const PAIRS: Table = &[
    (2, "", &["vec2(@0, @1)"]),
    (1, "", &["vec2(@1, 0.5)"]),
    (2, "s", &["e", "p.v", "v.zx", "m[1]"]),
    (30, "g", &["g.yz"]),
    (2, "c", &["c.yz"]),
    (4, "", &["vec2($F, $F)"]),
    (
        1,
        "",
        &[
            "$V2.yx",
            "$V3.zx",
            "$V4.wy",
            "($M2 * $V2)",
            "($V2 * $M2)",
            "$M2[0]",
            "($V3 * $N)",
            "(transpose($N) * $V3)",
        ],
    ),
];

const TRIPLES: Table = &[
    (2, "", &["vec3(@0, @1, 0.5)"]),
    (1, "", &["vec3(@1, @0, @0)"]),
    (2, "s", &["v", "p.v.yxx"]),
    (30, "g", &["g"]),
    (3, "c", &["c"]),
    (4, "", &["vec3($F, $F, $F)"]),
    (
        1,
        "",
        &[
            "vec3($V2, $F)",
            "vec3($F, $V2)",
            "$V2.xyx",
            "$V3.zxy",
            "$V4.wzx",
            "($M3 * $V3)",
            "($V3 * $M3)",
            "$M3[1]",
            "cross($V3, $V3)",
            "$N[1]",
            "($N * $V2)",
            "($V2 * transpose($N))",
        ],
    ),
    (2, "j", &["h1($V3)"]),
];

const QUADRUPLES: Table = &[
    (2, "", &["vec4(@0, @1, 0.5, @0)"]),
    (1, "", &["vec4(@1, @0, @0, 1.5)"]),
    (2, "s", &["v.zyxx", "p.v.xyxy"]),
    (4, "", &["vec4($F, $F, $F, $F)"]),
    (
        1,
        "",
        &[
            "vec4($V2, $V2)",
            "vec4($V3, $F)",
            "vec4($F, $V2, $F)",
            "$V4.wzyx",
            "$V3.zyxx",
        ],
    ),
];

const SQUARES: Table = &[
    (2, "", &["mat2x2<f32>(@0, @1, 0.5, @0)"]),
    (2, "s", &["m"]),
    (3, "", &["mat2x2<f32>($F, $F, $F, $F)"]),
    (
        1,
        "",
        &[
            "mat2x2<f32>($V2, $V2)",
            "($M2 + $M2)",
            "($M2 - $M2)",
            "($M2 * $M2)",
            "($M2 * $F)",
            "($F * $M2)",
            "transpose($M2)",
            "(transpose($N) * $N)",
        ],
    ),
];

const LARGE: Table = &[
    (
        2,
        "",
        &["mat3x3<f32>(@0, @1, 0.5, @0, 1.0, @1, @1, 2.0, @0)"],
    ),
    (
        2,
        "",
        &[
            "mat3x3<f32>($V3, $V3, $V3)",
            "mat3x3<f32>($F, 0.5, $F, 1.0, $F, @0, @1, $F, 2.0)",
        ],
    ),
    (
        1,
        "",
        &[
            "($M3 + $M3)",
            "($M3 * $M3)",
            "($M3 * $F)",
            "transpose($M3)",
            "($N * transpose($N))",
        ],
    ),
];

const LONG: Table = &[
    (2, "", &["mat2x3<f32>(@0, @1, 0.5, @0, 1.0, @1)"]),
    (2, "", &["mat2x3<f32>($F, $F, $F, $F, $F, $F)"]),
    (
        1,
        "",
        &[
            "mat2x3<f32>($V3, $V3)",
            "($N - $N)",
            "($F * $N)",
            "($N * $M2)",
            "($M3 * $N)",
        ],
    ),
];

const CONDITIONS: Table = &[
    (2, "", &["(@0 < @1)", "(@1 > 0.25)"]),
    (2, "i", &["(i > 1)"]),
    (
        3,
        "",
        &["($F < $F)", "($F > $F)", "($F >= $C)", "($F <= $F)"],
    ),
    (
        1,
        "",
        &[
            "($F == $F)",
            "($F != $F)",
            "($I == $I)",
            "($I != $I)",
            "($I < $I)",
            "($U >= $U)",
            "(!$B)",
            "($B && $B)",
            "($B || $B)",
            "($B & $B)",
            "($B | $B)",
            "($B == $B)",
        ],
    ),
    (2, "", &["any($B2)", "all($B2)", "any($B3)", "all($B3)"]),
    (
        1,
        "",
        &["bool($F)", "bool($I)", "select($B, $B, $B)", "$B3.y"],
    ),
];

const TWO_CONDITIONS: Table = &[
    (1, "", &["(vec2(@0, @1) < vec2(0.5))"]),
    (
        1,
        "",
        &[
            "($V2 < $V2)",
            "($V2 >= $V2)",
            "vec2($B, $B)",
            "(!$B2)",
            "($B2 & $B2)",
            "$B3.zx",
        ],
    ),
];

const THREE_CONDITIONS: Table = &[
    (1, "", &["(vec3(@0, @1, @0) > vec3(0.25))"]),
    (
        1,
        "",
        &[
            "($V3 > $V3)",
            "($V3 <= $V3)",
            "vec3($B, $B, $B)",
            "(!$B3)",
            "($B3 | $B3)",
            "select($B3, $B3, $B)",
        ],
    ),
];

const INTEGERS: Table = &[
    (2, "", &["i32(@0)", "i32(@1 * 2.0)"]),
    (4, "i", &["i"]),
    (2, "s", &["n", "p.n"]),
    (3, "", &["i32($F)", "i32(floor($F))", "i32($F * 3.0)"]),
    (
        1,
        "",
        &[
            "($I + $I)",
            "($I - $I)",
            "($I * $I)",
            "($I / $I)",
            "($I % $I)",
            "($I % 3)",
            "(-$I)",
            "abs($I)",
            "min($I, $I)",
            "max($I, 1)",
            "clamp($I, -2, 3)",
            "sign($I)",
            "select($I, $I, $B)",
            "frexp($F).exp",
            "countOneBits($I)",
            "($I << 1u)",
            "($I >> 1u)",
            "($I & $I)",
            "($I | $I)",
            "($I ^ 5)",
            "(~$I)",
            "firstLeadingBit($I)",
            "extractBits($I, 1u, 4u)",
            "insertBits($I, $I, 2u, 3u)",
            "bitcast<i32>($U)",
            "i32($U)",
            "i32($B)",
            "vec2<i32>($V2).y",
            "dot(vec2<i32>($I, $I), vec2<i32>($I, 2))",
        ],
    ),
];

const NATURALS: Table = &[
    (2, "", &["u32(@0)", "u32(@1 * 2.0)"]),
    (3, "", &["u32($F)", "u32(abs($F) * 2.0)"]),
    (
        1,
        "",
        &[
            "($U + $U)",
            "($U * $U)",
            "($U / $U)",
            "($U % $U)",
            "($U % 5u)",
            "min($U, $U)",
            "max($U, $U)",
            "clamp($U, 1u, 4u)",
            "select($U, $U, $B)",
            "countTrailingZeros($U)",
            "countLeadingZeros($U)",
            "reverseBits($U)",
            "firstTrailingBit($U)",
            "($U << 2u)",
            "($U >> 1u)",
            "($U & 6u)",
            "(~$U)",
            "bitcast<u32>($I)",
            "u32(abs($I))",
            "u32($B)",
        ],
    ),
];

const STATEMENTS: Table = &[
    (1, "", &[""]),
    (1, "s", &["n++;", "a = @0;", "b += @1;"]),
    (8, "s", &["$S $S"]),
    (
        4,
        "s",
        &[
            "a = $F;",
            "b = $F;",
            "a += $F;",
            "a *= $F;",
            "v = $V3;",
            "q[1] = $F;",
            "p.a = $F;",
        ],
    ),
    (
        1,
        "s",
        &[
            "b -= $F;",
            "b /= abs($F) + $P;",
            "v.y = $F;",
            "v[2] += $F;",
            "v[$I] = $F;",
            "v += $V3;",
            "v *= $F;",
            "e = $V2;",
            "e.x = $F;",
            "q[$I] = $F;",
            "q = array<f32, 4>($F, $F, $F, $F);",
            "p = P($F, $V2, $I);",
            "p.v = $V2;",
            "p.v.x = $F;",
            "p.n = $I;",
            "m[0] = $V2;",
            "m[1].y = $F;",
            "m[$I].x = $F;",
            "m = $M2;",
            "n = $I;",
            "n += $I;",
            "_ = $F;",
            "v = $N * $V2;",
            "{ let r = &a; *r = *r + $F; }",
            "{ var l = $F; l = l * $F+l; a = l; }",
            "{ let f = modf($F); a = f.fract * f.whole; }",
            "{ let f = frexp($F); b = f.fract + f32(f.exp); }",
        ],
    ),
    (
        4,
        "s",
        &[
            "{ let l = $F; $S+l }",
            "if $B { $S }",
            "if $B { $S } else { $S }",
        ],
    ),
    (
        2,
        "s",
        &[
            "{ let g = $V3; $S+g }",
            "if $B { $S } else if $B { $S } else { $S }",
        ],
    ),
    (3, "s", &["for (var i = 0; i < $K; i++) { $S+io }"]),
    (
        1,
        "s",
        &[
            "switch $I { case 0: { $S } case 1, 2: { $S } default: { $S } }",
            "switch $U { case 1u: { $S } default: { $S if $B { break; } $S } case 3u: { } }",
            "{ var i = 0; while (i < $K) { i++; $S+io } }",
            "{ var i = 0; loop { if (i >= $K || $B) { break; } $S+io continuing { i++; a = a * 0.75; } } }",
            "{ var i = 0; loop { $S+io continuing { i++; break if i > $K || $B; } } }",
            "{ var l = $F; for (var i = 0; i < 3; i++) { l = $F+li; } b = l; }",
        ],
    ),
    (9, "o", &["if $B { break; }", "if $B { continue; }"]),
    (3, "r", &["if $B { return $F; }"]),
    (2, "b", &["if $B { return $V3; }"]),
    (2, "e", &["if $B { return; }"]),
    (4, "d", &["*d = $F;", "*d *= $F;"]),
    (
        2,
        "sz",
        &["h2(&a, $F);", "{ var l = $F; h2(&l, $F); a = l; }"],
    ),
    (1, "sz", &["h2(&b, a);"]),
];
