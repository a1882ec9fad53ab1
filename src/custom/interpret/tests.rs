//! The interpreter against plain Rust: the same functions written twice.

use super::*;

/// The loss of a text with its options at their defaults.
fn loss(text: &str, arguments: &[f64]) -> f64 {
    let parsed = Parsed::new(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let options: Vec<_> = parsed.settings.iter().filter_map(|s| s.default).collect();
    let machine = Machine::new(&parsed, &options).unwrap_or_else(|e| panic!("{e}\n{text}"));
    machine
        .loss(arguments)
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn fault(text: &str, arguments: &[f64]) -> String {
    let parsed = Parsed::new(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let machine = Machine::new(&parsed, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"));
    machine
        .loss(arguments)
        .map_or_else(|e| e.to_string(), |v| format!("no fault: {v}"))
}

/// Equal, apart from the last bits; NaN is NaN.
fn same(found: f64, expected: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= 1e-13 * expected.abs().max(1e-300)
}

/// What is written in WGSL, and the same in Rust.
type OfOne = (&'static str, fn(f64) -> f64);
type OfTwo = (&'static str, fn(f64, f64) -> f64);

/// Holds expressions in x and t against functions of the two at all pairs of points.
fn hold(table: &[OfTwo], points: &[f64]) {
    for (expression, expected) in table {
        let text = format!("fn loss(x: f32, t: f32) -> f32 {{ return {expression}; }}");
        let parsed = Parsed::new(&text).unwrap_or_else(|e| panic!("{expression}: {e}"));
        let machine = Machine::new(&parsed, &[]).unwrap_or_else(|e| panic!("{expression}: {e}"));
        for &x in points {
            for &t in points {
                let found = machine
                    .loss(&[x, t])
                    .unwrap_or_else(|e| panic!("{expression}: {e}"));
                let expected = expected(x, t);
                assert!(
                    same(found, expected),
                    "{expression} at {x}, {t}: {found}, expected {expected}"
                );
            }
        }
    }
}

fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

const REAL: [f64; 11] = [-1e20, -2.5, -1.5, -1.0, -0.3, 0.0, 0.5, 1.0, 1.25, 2.5, 3e7];

#[test]
fn float_functions_are_those_of_f64() {
    hold(
        &[
            ("abs(x)", |x, _| if x < 0.0 { -x } else { x }),
            ("min(x, t)", |x, t| if t < x { t } else { x }),
            ("max(x, t)", |x, t| if t > x { t } else { x }),
            ("clamp(x, -0.5, 1.25)", |x, _| x.clamp(-0.5, 1.25)),
            ("saturate(x)", |x, _| x.clamp(0.0, 1.0)),
            ("cos(x)", |x, _| x.cos()),
            ("cosh(x)", |x, _| x.cosh()),
            ("sin(x)", |x, _| x.sin()),
            ("sinh(x)", |x, _| x.sinh()),
            ("tan(x)", |x, _| x.tan()),
            ("tanh(x)", |x, _| x.tanh()),
            ("acos(x)", |x, _| x.acos()),
            ("asin(x)", |x, _| x.asin()),
            ("atan(x)", |x, _| x.atan()),
            ("atan2(x, t)", |x, t| x.atan2(t)),
            ("asinh(x)", |x, _| x.asinh()),
            ("acosh(x)", |x, _| x.acosh()),
            ("atanh(x)", |x, _| x.atanh()),
            ("radians(x)", |x, _| x * (std::f64::consts::PI / 180.0)),
            ("degrees(x)", |x, _| x * (180.0 / std::f64::consts::PI)),
            ("ceil(x)", |x, _| -(-x).floor()),
            ("floor(x)", |x, _| -(-x).ceil()),
            (
                "trunc(x)",
                |x, _| if x < 0.0 { x.ceil() } else { x.floor() },
            ),
            ("fract(x)", |x, _| x - x.floor()),
            ("exp(x)", |x, _| x.exp()),
            ("exp2(x)", |x, _| x.exp2()),
            ("log(x)", |x, _| x.ln()),
            ("log2(x)", |x, _| x.log2()),
            (
                "pow(x, t)",
                |x, t| if x < 0.0 { f64::NAN } else { x.powf(t) },
            ),
            ("sqrt(x)", |x, _| x.sqrt()),
            ("inverseSqrt(x)", |x, _| 1.0 / x.sqrt()),
            ("sign(x)", |x, _| flag(x > 0.0) - flag(x < 0.0)),
            ("fma(x, t, 0.5)", |x, t| x.mul_add(t, 0.5)),
            ("mix(x, t, 0.25)", |x, t| x * 0.75 + t * 0.25),
            ("step(x, t)", |x, t| flag(t >= x)),
            ("smoothstep(x, t, 0.75)", |x, t| {
                let s = ((0.75 - x) / (t - x)).clamp(0.0, 1.0);
                s * s * (3.0 - 2.0 * s)
            }),
            ("length(x)", |x, _| x.abs()),
            ("distance(x, t)", |x, t| (x - t).abs()),
            ("quantizeToF16(clamp(x, -4.0, 4.0))", |x, _| {
                f64::from(half::f16::from_f64(x.clamp(-4.0, 4.0)))
            }),
            ("modf(x).fract", |x, _| x % 1.0),
            ("modf(x).whole", |x, _| x - x % 1.0),
            ("f32(frexp(x).exp)", |x, _| match x == 0.0 {
                true => 0.0,
                false => x.abs().log2().floor() + 1.0,
            }),
            ("frexp(x).fract", |x, _| match x == 0.0 {
                true => 0.0,
                false => x / 2f64.powf(x.abs().log2().floor() + 1.0),
            }),
            ("ldexp(x, i32(clamp(t, -99.0, 99.0)))", |x, t| {
                x * 2f64.powi(t.clamp(-99.0, 99.0).trunc() as i32)
            }),
        ],
        &REAL,
    );
}

#[test]
fn halves_round_to_even() {
    let points = [
        -2.5,
        -1.5,
        -0.5,
        0.5,
        1.5,
        2.5,
        0.49999999999999994,
        4503599627370497.0,
        -0.3,
        7.7,
    ];
    let even: fn(f64, f64) -> f64 = |x, _| {
        let down = x.floor();
        match x - down {
            d if d < 0.5 => down,
            d if d > 0.5 => down + 1.0,
            _ if down % 2.0 == 0.0 => down,
            _ => down + 1.0,
        }
    };
    hold(&[("round(x)", even)], &points);
}

#[test]
fn operators_on_floats_are_those_of_f64() {
    hold(
        &[
            ("x + t", |x, t| x + t),
            ("x - t", |x, t| x - t),
            ("-x * t", |x, t| -x * t),
            ("x / t", |x, t| x / t),
            ("f32(x == t)", |x, t| flag(x == t)),
            ("f32(x != t)", |x, t| flag(x != t)),
            ("f32(x < t)", |x, t| flag(x < t)),
            ("f32(x <= t)", |x, t| flag(x <= t)),
            ("f32(x > t)", |x, t| flag(x > t)),
            ("f32(x >= t)", |x, t| flag(x >= t)),
            ("f32(x > 0.0 && t > 0.0)", |x, t| flag(x > 0.0 && t > 0.0)),
            ("f32(x > 0.0 || t > 0.0)", |x, t| flag(x > 0.0 || t > 0.0)),
            ("f32((x > 0.0) & (t > 0.0))", |x, t| {
                flag((x > 0.0) & (t > 0.0))
            }),
            ("f32((x > 0.0) | !(t > 0.0))", |x, t| {
                flag((x > 0.0) | (t <= 0.0))
            }),
            ("select(x, t, x > t)", |x, t| if x > t { t } else { x }),
            ("f32(bool(x))", |x, _| flag(x != 0.0)),
            ("f32(i32(x))", |x, _| {
                x.trunc().clamp(-2147483648.0, 2147483520.0)
            }),
            ("f32(u32(x))", |x, _| x.trunc().clamp(0.0, 4294967040.0)),
            ("f32(bitcast<u32>(x))", |x, _| {
                f64::from((x as f32).to_bits())
            }),
            ("f32(bitcast<i32>(x))", |x, _| {
                f64::from((x as f32).to_bits() as i32)
            }),
            ("bitcast<f32>(bitcast<u32>(x))", |x, _| f64::from(x as f32)),
            ("bitcast<f32>(bitcast<i32>(x) & 0x7fffffff)", |x, _| {
                f64::from((x as f32).abs())
            }),
        ],
        &REAL,
    );
    // The remainder has the sign of the dividend.
    hold(
        &[("x % t", |x, t| x % t)],
        &[-7.5, -2.0, -0.75, 0.0, 0.25, 1.0, 3.5],
    );
}

const WHOLE: [f64; 12] = [
    -2147483648.0,
    -40.0,
    -3.0,
    -1.0,
    0.0,
    1.0,
    2.0,
    5.0,
    31.0,
    33.0,
    1431655765.0,
    2147483520.0,
];

#[test]
fn signed_integers_wrap_as_in_wgsl() {
    hold(
        &[
            ("f32(i32(x) + i32(t))", |x, t| {
                f64::from((x as i32).wrapping_add(t as i32))
            }),
            ("f32(i32(x) - i32(t))", |x, t| {
                f64::from((x as i32).wrapping_sub(t as i32))
            }),
            ("f32(i32(x) * i32(t))", |x, t| {
                f64::from((x as i32).wrapping_mul(t as i32))
            }),
            ("f32(i32(x) / i32(t))", |x, t| match t as i32 {
                0 => x,
                t => f64::from((x as i32).wrapping_div(t)),
            }),
            ("f32(i32(x) % i32(t))", |x, t| match t as i32 {
                0 => 0.0,
                t => f64::from((x as i32).wrapping_rem(t)),
            }),
            ("f32(-i32(x))", |x, _| f64::from((x as i32).wrapping_neg())),
            ("f32(~i32(x))", |x, _| -x - 1.0),
            ("f32(i32(x) & i32(t))", |x, t| {
                f64::from(x as i32 & t as i32)
            }),
            ("f32(i32(x) | i32(t))", |x, t| {
                f64::from(x as i32 | t as i32)
            }),
            ("f32(i32(x) ^ i32(t))", |x, t| {
                f64::from(x as i32 ^ t as i32)
            }),
            ("f32(i32(x) << u32(i32(t)))", |x, t| {
                f64::from((x as i32) << ((t as i32) & 31))
            }),
            ("f32(i32(x) >> u32(i32(t)))", |x, t| {
                f64::from((x as i32) >> ((t as i32) & 31))
            }),
            ("f32(i32(x) < i32(t))", |x, t| flag(x < t)),
            ("f32(i32(x) >= i32(t))", |x, t| flag(x >= t)),
            ("f32(u32(i32(x)))", |x, _| {
                if x < 0.0 { x + 4294967296.0 } else { x }
            }),
            ("f32(bool(i32(x)))", |x, _| flag(x != 0.0)),
            ("f32(i32(x > t))", |x, t| flag(x > t)),
            ("f32(abs(i32(x)))", |x, _| {
                if x == -2147483648.0 { x } else { x.abs() }
            }),
            ("f32(sign(i32(x)))", |x, _| flag(x > 0.0) - flag(x < 0.0)),
            ("f32(min(i32(x), i32(t)))", |x, t| x.min(t)),
            ("f32(max(i32(x), i32(t)))", |x, t| x.max(t)),
            ("f32(clamp(i32(x), -2, 9))", |x, _| x.clamp(-2.0, 9.0)),
            ("f32(countOneBits(i32(x)))", |x, _| {
                f64::from((x as i32).count_ones())
            }),
            ("f32(reverseBits(i32(x)))", |x, _| {
                f64::from((x as i32).reverse_bits())
            }),
            ("f32(firstLeadingBit(i32(x)))", |x, _| match x as i32 {
                0 | -1 => -1.0,
                v => (0..31)
                    .rev()
                    .find(|i| (v >> i) & 1 != (v >> 31) & 1)
                    .map_or(-1.0, f64::from),
            }),
            ("f32(firstTrailingBit(i32(x)))", |x, _| {
                (0..32)
                    .find(|i| ((x as i32) >> i) & 1 == 1)
                    .map_or(-1.0, f64::from)
            }),
            ("f32(extractBits(i32(x), 3u, 5u))", |x, _| {
                f64::from(((x as i32) << 24) >> 27)
            }),
            (
                "f32(extractBits(i32(x), u32(abs(i32(t))), 40u))",
                |x, t| match (t as i32).unsigned_abs() {
                    from if from >= 32 => 0.0,
                    from => f64::from((x as i32) >> from),
                },
            ),
            ("f32(insertBits(i32(x), i32(t), 4u, 7u))", |x, t| {
                let mask = 0x7f << 4;
                f64::from((x as i32 & !mask) | (((t as i32) << 4) & mask))
            }),
        ],
        &WHOLE,
    );
}

#[test]
fn unsigned_integers_wrap_as_in_wgsl() {
    let points = [
        0.0,
        1.0,
        2.0,
        3.0,
        7.0,
        31.0,
        32.0,
        40.0,
        65535.0,
        2147483648.0,
        4294967040.0,
    ];
    hold(
        &[
            ("f32(u32(x) + u32(t))", |x, t| {
                f64::from((x as u32).wrapping_add(t as u32))
            }),
            ("f32(u32(x) - u32(t))", |x, t| {
                f64::from((x as u32).wrapping_sub(t as u32))
            }),
            ("f32(u32(x) * u32(t))", |x, t| {
                f64::from((x as u32).wrapping_mul(t as u32))
            }),
            ("f32(u32(x) / u32(t))", |x, t| {
                if t == 0.0 { x } else { (x / t).floor() }
            }),
            (
                "f32(u32(x) % u32(t))",
                |x, t| if t == 0.0 { 0.0 } else { x % t },
            ),
            ("f32(~u32(x))", |x, _| 4294967295.0 - x),
            ("f32(u32(x) & u32(t))", |x, t| {
                f64::from(x as u32 & t as u32)
            }),
            ("f32(u32(x) | u32(t))", |x, t| {
                f64::from(x as u32 | t as u32)
            }),
            ("f32(u32(x) ^ u32(t))", |x, t| {
                f64::from(x as u32 ^ t as u32)
            }),
            ("f32(u32(x) << u32(t))", |x, t| {
                f64::from((x as u32) << (t as u32 & 31))
            }),
            ("f32(u32(x) >> u32(t))", |x, t| {
                f64::from((x as u32) >> (t as u32 & 31))
            }),
            ("f32(u32(x) <= u32(t))", |x, t| flag(x <= t)),
            ("f32(i32(u32(x)))", |x, _| {
                if x < 2147483648.0 {
                    x
                } else {
                    x - 4294967296.0
                }
            }),
            ("f32(abs(u32(x)))", |x, _| x),
            ("f32(min(u32(x), u32(t)))", |x, t| x.min(t)),
            ("f32(max(u32(x), u32(t)))", |x, t| x.max(t)),
            ("f32(clamp(u32(x), 2u, 9u))", |x, _| x.clamp(2.0, 9.0)),
            ("f32(countOneBits(u32(x)))", |x, _| {
                f64::from((x as u32).count_ones())
            }),
            ("f32(countLeadingZeros(u32(x)))", |x, _| {
                f64::from((x as u32).leading_zeros())
            }),
            ("f32(countTrailingZeros(u32(x)))", |x, _| {
                f64::from((x as u32).trailing_zeros())
            }),
            ("f32(firstLeadingBit(u32(x)) & 255u)", |x, _| {
                if x == 0.0 { 255.0 } else { x.log2().floor() }
            }),
            ("f32(firstTrailingBit(u32(x)) & 255u)", |x, _| {
                if x == 0.0 {
                    255.0
                } else {
                    f64::from((x as u32).trailing_zeros())
                }
            }),
            ("f32(reverseBits(u32(x)))", |x, _| {
                f64::from((x as u32).reverse_bits())
            }),
            ("f32(extractBits(u32(x), 3u, 5u))", |x, _| {
                f64::from((x as u32 >> 3) & 31)
            }),
            ("f32(extractBits(u32(x), 3u, 0u))", |_, _| 0.0),
            ("f32(insertBits(u32(x), u32(t), 28u, 9u))", |x, t| {
                f64::from((x as u32 & 0x0fff_ffff) | ((t as u32) << 28))
            }),
            ("f32(insertBits(u32(x), u32(t), 32u, 1u))", |x, _| x),
            ("bitcast<f32>(u32(x) & 0x3fffffffu)", |x, _| {
                f64::from(f32::from_bits(x as u32 & 0x3fff_ffff))
            }),
        ],
        &points,
    );
}

const SMALL: [f64; 6] = [-2.5, -1.0, 0.0, 0.5, 1.25, 3.0];

#[test]
fn vectors_are_componentwise() {
    hold(
        &[
            ("(vec2(x, t) + vec2(t, 2.0)).y", |_, t| t + 2.0),
            ("(vec3(x, t, 1.0) * vec3(t, t, x)).x", |x, t| x * t),
            ("(vec2(x, t) * 3.0).y", |_, t| t * 3.0),
            ("(2.0 / vec2(x, t)).x", |x, _| 2.0 / x),
            ("vec4(vec2(x, t), x + t, 1.0).z", |x, t| x + t),
            ("vec4(x, t, 2.0, 3.0).wzyx.w", |x, _| x),
            ("vec3(x).z", |x, _| x),
            ("dot(vec3(x, t, 1.0), vec3(t, t, x))", |x, t| {
                x * t + t * t + x
            }),
            (
                "f32(dot(vec2<i32>(i32(x), 3), vec2<i32>(2, i32(t))))",
                |x, t| 2.0 * x.trunc() + 3.0 * t.trunc(),
            ),
            ("cross(vec3(x, t, 1.0), vec3(2.0, x, t)).x", |x, t| {
                t * t - x
            }),
            ("cross(vec3(x, t, 1.0), vec3(2.0, x, t)).y", |x, t| {
                2.0 - x * t
            }),
            ("cross(vec3(x, t, 1.0), vec3(2.0, x, t)).z", |x, t| {
                x * x - 2.0 * t
            }),
            ("length(vec2(x, t))", |x, t| (x * x + t * t).sqrt()),
            ("distance(vec2(x, t), vec2(t, 1.0))", |x, t| {
                ((x - t) * (x - t) + (t - 1.0) * (t - 1.0)).sqrt()
            }),
            ("normalize(vec3(x, t, 1.0)).y", |x, t| {
                t / (x * x + t * t + 1.0).sqrt()
            }),
            (
                "faceForward(vec2(x, 1.0), vec2(t, 0.0), vec2(1.0, x)).x",
                |x, t| if t < 0.0 { x } else { -x },
            ),
            ("reflect(vec2(x, t), vec2(0.0, 1.0)).y", |_, t| -t),
            ("refract(vec2(x, t), vec2(0.0, 1.0), 0.5).y", |_, t| {
                let k = 1.0 - 0.25 * (1.0 - t * t);
                if k < 0.0 {
                    0.0
                } else {
                    0.5 * t - (0.5 * t + k.sqrt())
                }
            }),
            ("refract(vec2(x, t), vec2(0.0, 1.0), 4.0).x", |x, t| {
                if 1.0 - 16.0 * (1.0 - t * t) < 0.0 {
                    0.0
                } else {
                    4.0 * x
                }
            }),
            ("mix(vec2(x, t), vec2(t, 1.0), 0.25).x", |x, t| {
                x * 0.75 + t * 0.25
            }),
            ("mix(vec2(x, t), vec2(t, 1.0), vec2(x, 0.5)).y", |_, t| {
                t * 0.5 + 0.5
            }),
            ("max(vec2(x, t), vec2(0.0)).y", |_, t| t.max(0.0)),
            ("modf(vec2(x, t)).whole.y", |_, t| t.trunc()),
            ("f32(frexp(vec2(x, t)).exp.x)", |x, _| {
                if x == 0.0 {
                    0.0
                } else {
                    x.abs().log2().floor() + 1.0
                }
            }),
            ("f32(all(vec2(x, t) > vec2(0.0)))", |x, t| {
                flag(x > 0.0 && t > 0.0)
            }),
            ("f32(any(vec2(x, t) > vec2(0.0)))", |x, t| {
                flag(x > 0.0 || t > 0.0)
            }),
            ("f32(all(x > t))", |x, t| flag(x > t)),
            (
                "select(vec2(x, t), vec2(1.0, 2.0), vec2(x > t, t > x)).y",
                |x, t| if t > x { 2.0 } else { t },
            ),
            ("select(vec2(x, t), vec2(1.0, 2.0), x > t).x", |x, t| {
                if x > t { 1.0 } else { x }
            }),
            ("vec3(x, t, 7.0)[u32(t)]", |x, t| match t.trunc() as i32 {
                i if i <= 0 => x,
                1 => t,
                _ => 7.0,
            }),
            ("f32(vec2<i32>(vec2(x, t)).y)", |_, t| t.trunc()),
            ("vec2<f32>(vec2<bool>(vec2(x, t))).x", |x, _| flag(x != 0.0)),
            ("(-vec2(x, t)).x", |x, _| -x),
            (
                "f32((vec2<u32>(1u, 2u) << vec2<u32>(u32(x), 3u)).x)",
                |x, _| f64::from(1u32 << (x as u32)),
            ),
        ],
        &SMALL,
    );
}

#[test]
fn matrices_multiply_as_in_linear_algebra() {
    hold(
        &[
            // Columns are (x, 2) and (t, 1).
            ("(mat2x2(x, 2.0, t, 1.0) * vec2(3.0, x)).x", |x, t| {
                3.0 * x + t * x
            }),
            ("(mat2x2(x, 2.0, t, 1.0) * vec2(3.0, x)).y", |x, _| 6.0 + x),
            ("(vec2(3.0, x) * mat2x2(x, 2.0, t, 1.0)).y", |x, t| {
                3.0 * t + x
            }),
            (
                "(mat2x2(x, 2.0, t, 1.0) * mat2x2(1.0, t, x, 0.5))[1].x",
                |x, t| x * x + t * 0.5,
            ),
            (
                "(mat3x2(x, 2.0, t, 1.0, 5.0, 6.0) * vec3(1.0, x, t)).y",
                |x, t| 2.0 + x + 6.0 * t,
            ),
            ("(mat2x2(x, 2.0, t, 1.0) * t)[0].x", |x, t| x * t),
            ("(x * mat2x2(x, 2.0, t, 1.0))[1].y", |x, _| x),
            (
                "(mat2x2(x, 2.0, t, 1.0) + mat2x2(t, 2.0, t, 1.0))[0].x",
                |x, t| x + t,
            ),
            (
                "(mat2x2(x, 2.0, t, 1.0) - mat2x2(t, 2.0, t, 1.0))[1].y",
                |_, _| 0.0,
            ),
            ("transpose(mat3x2(x, 2.0, t, 1.0, 5.0, 6.0))[0].y", |_, t| t),
            (
                "transpose(mat3x2(x, 2.0, t, 1.0, 5.0, 6.0))[1].z",
                |_, _| 6.0,
            ),
            ("determinant(mat2x2(x, 2.0, t, 1.0))", |x, t| x - 2.0 * t),
            (
                "determinant(mat3x3(x, 1.0, 0.0, t, x, 1.0, 2.0, t, 1.0))",
                |x, t| x * (x - t) - t * (1.0 - 0.0) + 2.0,
            ),
            (
                "determinant(mat4x4(x, 0.0, 0.0, 0.0, 9.0, t, 0.0, 0.0, 8.0, 7.0, 2.0, 0.0, 6.0, 5.0, 4.0, x))",
                |x, t| 2.0 * x * x * t,
            ),
        ],
        &SMALL,
    );
}

/// Statements and declarations: a whole text, and what it computes.
#[test]
fn statements_do_what_they_say() {
    let table: &[OfTwo] = &[
        ("fn loss(a: f32, b: f32) -> f32 { if a > b { return a; } return b; }", f64::max),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var y = 0.0;
                if a > 1.0 { y = 1.0; } else if a > 0.0 { y = 2.0; } else { y = 3.0; }
                return y * b;
            }",
            |a, b| b * if a > 1.0 { 1.0 } else if a > 0.0 { 2.0 } else { 3.0 },
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var sum = 0.0;
                for (var i = 0; i < 5; i++) { if i == 1 { continue; } if i == 4 { break; } sum += a * f32(i); }
                return sum + b;
            }",
            |a, b| 5.0 * a + b,
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var n = 0.0;
                var y = abs(a) + 100.0;
                while y > 1.0 { y *= 0.5; n += 1.0; }
                return n + b;
            }",
            |a, b| {
                let (mut n, mut y) = (0.0, a.abs() + 100.0);
                while y > 1.0 {
                    y *= 0.5;
                    n += 1.0;
                }
                n + b
            },
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var i = 0u;
                var y = a;
                loop {
                    if i == 2u { i = 5u; continue; }
                    y += b;
                    continuing { i += 1u; y *= 2.0; break if i >= 8u; }
                }
                return y;
            }",
            |a, b| {
                let (mut i, mut y) = (0, a);
                loop {
                    if i == 2 {
                        i = 5;
                    } else {
                        y += b;
                    }
                    i += 1;
                    y *= 2.0;
                    if i >= 8 {
                        return y;
                    }
                }
            },
        ),
        (
            // A variable of a loop's body starts anew in each round.
            "fn loss(a: f32, b: f32) -> f32 {
                var sum = 0.0;
                for (var i = 0; i < 3; i++) { var y: f32; y += a; var z = 1.0; z += b; sum += y * z; }
                return sum;
            }",
            |a, b| 3.0 * a * (1.0 + b),
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                for (var i = 0; i < 10; i++) { for (var j = 0; j < 10; j++) { if f32(i * j) > abs(a) { return f32(i * 10 + j); } } }
                return b;
            }",
            |a, b| {
                let mut all = (0..10).flat_map(|i| (0..10).map(move |j| (i, j)));
                let found = all.find(|(i, j)| f64::from(i * j) > a.abs());
                found.map_or(b, |(i, j)| f64::from(i * 10 + j))
            },
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var y = b;
                switch i32(a) {
                    case 0: { y = 10.0; }
                    case 1, 3: { y = 20.0; if b > 1.0 { break; } y = 30.0; }
                    case -1 { return -7.0; }
                    default: { y = 40.0; }
                }
                return y;
            }",
            |a, b| match a.trunc() as i32 {
                0 => 10.0,
                1 | 3 if b > 1.0 => 20.0,
                1 | 3 => 30.0,
                -1 => -7.0,
                _ => 40.0,
            },
        ),
        (
            // The default stands first, and is with another value.
            "fn loss(a: f32, b: f32) -> f32 {
                switch u32(abs(a)) { case default, 1u: { return b; } case 2u: { return 2.0; } case 3u: { } }
                return 3.0;
            }",
            |a, b| match a.abs() as u32 {
                2 => 2.0,
                3 => 3.0,
                _ => b,
            },
        ),
        (
            // `continue` within a switch belongs to the loop.
            "fn loss(a: f32, b: f32) -> f32 {
                var sum = a;
                for (var i = 0; i < 4; i++) { switch i { case 1: { continue; } case 2: { break; } default: { sum += 1.0; } } sum += b; }
                return sum;
            }",
            |a, b| a + 2.0 + 3.0 * b,
        ),
        (
            "struct Pair { left: f32, right: vec2<f32> }
             fn pair(a: f32, b: f32) -> Pair { return Pair(a, vec2(b, 1.0)); }
             fn loss(a: f32, b: f32) -> f32 {
                var p = pair(a, b); p.right.y = a; let q = p; p.left = 99.0;
                return q.left * q.right.x + q.right.y;
             }",
            |a, b| a * b + a,
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var all: array<f32, 4>;
                for (var i = 0u; i < 4u; i++) { all[i] = a * f32(i); }
                all[1] += b;
                let copy = all;
                all[1] = 0.0;
                return copy[1] + all[3] + all[1];
            }",
            |a, b| a + b + 3.0 * a,
        ),
        (
            // Out of bounds is the last element, in reading and writing, and a negative index too.
            "fn loss(a: f32, b: f32) -> f32 {
                var all = array(1.0, 2.0, 4.0);
                let i = i32(a);
                all[i] = b;
                return all[0] * 1.0 + all[1] * 10.0 + all[2] * 100.0;
            }",
            |a, b| match a.trunc() as i32 {
                0 => b + 420.0,
                1 => 401.0 + 10.0 * b,
                _ => 21.0 + 100.0 * b,
            },
        ),
        (
            "const TABLE = array(0.5, 1.5, 2.5);
             fn loss(a: f32, b: f32) -> f32 { return TABLE[u32(max(a, 0.0))] * b; }",
            |a, b| b * [0.5, 1.5, 2.5][(a.max(0.0) as usize).min(2)],
        ),
        (
            "fn loss(a: f32, b: f32) -> f32 {
                var m = mat2x2(a, b, 1.0, 2.0); m[u32(b > 0.0)][0] = 7.0; m[1] += vec2(a, 1.0);
                return m[0][0] + m[1].x * 10.0 + m[1].y;
             }",
            |a, b| match b > 0.0 {
                true => a + (7.0 + a) * 10.0 + 3.0,
                false => 7.0 + (1.0 + a) * 10.0 + 3.0,
            },
        ),
        (
            "fn grow(at: ptr<function, f32>, by: f32) { *at = *at * 2.0 + by; }
             fn loss(a: f32, b: f32) -> f32 { var y = a; grow(&y, b); grow(&y, 1.0); return y; }",
            |a, b| (a * 2.0 + b) * 2.0 + 1.0,
        ),
        (
            "fn bump(at: ptr<function, array<f32, 2>>) -> f32 { (*at)[1] += 1.0; return (*at)[0]; }
             fn loss(a: f32, b: f32) -> f32 { var all = array(a, b); let p = &all; let first = bump(p); return first + (*p)[1]; }",
            |a, b| a + b + 1.0,
        ),
        (
            "var<private> count: f32;
             var<private> scale: vec2<f32> = vec2(2.0, 3.0);
             fn next() -> f32 { count += 1.0; return count; }
             fn loss(a: f32, b: f32) -> f32 { let one = next(); let two = next(); scale.x += a; return one + 10.0 * two + scale.x * b; }",
            |a, b| 21.0 + (2.0 + a) * b,
        ),
        (
            "fn square(v: f32) -> f32 { return v * v; }
             fn twice(v: f32) -> f32 { return square(v) + square(v + 1.0); }
             fn nothing() { }
             fn loss(a: f32, b: f32) -> f32 { nothing(); _ = square(a); return twice(a) - square(b); }",
            |a, b| a * a + (a + 1.0) * (a + 1.0) - b * b,
        ),
        (
            // The right side of `&&` is not evaluated where the left is false.
            "var<private> calls = 0.0;
             fn yes() -> bool { calls += 1.0; return true; }
             fn loss(a: f32, b: f32) -> f32 {
                let both = a > 0.0 && yes(); let one = b > 0.0 || yes();
                return calls + f32(both) * 10.0 + f32(one) * 100.0;
             }",
            |a, b| flag(a > 0.0) + flag(b <= 0.0) + 10.0 * flag(a > 0.0) + 100.0,
        ),
        (
            // What was read before a variable changed stays what it was.
            "fn loss(a: f32, b: f32) -> f32 { var y = a; let before = y; y = b; { let y = 5.0; _ = y; } return before - y; }",
            |a, b| a - b,
        ),
    ];
    for (text, expected) in table {
        for a in SMALL {
            for b in SMALL {
                let (found, expected) = (loss(text, &[a, b]), expected(a, b));
                assert!(
                    same(found, expected),
                    "at {a}, {b}: {found}, expected {expected}\n{text}"
                );
            }
        }
    }
}

#[test]
fn options_are_f64_and_others_follow() {
    let text = "
        override gamma: f32 = 2.0;
        override twice = gamma * 2.0 + 1.0;
        override rounds: i32 = 3;
        override more = rounds + 1;
        override steep: bool = true;
        override mask: u32 = 5;
        override side = select(-1.0, twice, steep);
        fn loss(x: f32, t: f32) -> f32 {
            var y = x * gamma;
            for (var i = 0; i < more; i++) { y += twice; }
            return y + side * t + f32(mask);
        }";
    let parsed = Parsed::new(text).unwrap();
    let value = |options: &[f64]| {
        let machine = Machine::new(&parsed, options).unwrap();
        (machine.loss(&[0.5, 10.0]).unwrap(), machine.settings())
    };
    // In the order of the text, and what is given is not rounded to f32.
    assert_eq!(
        value(&[2.0, 3.0, 1.0, 5.0]),
        (
            1.0 + 20.0 + 50.0 + 5.0,
            vec![2.0, 5.0, 3.0, 4.0, 1.0, 5.0, 5.0]
        )
    );
    let twice = 0.1 * 2.0 + 1.0;
    let (found, settings) = value(&[0.1, -1.0, 0.0, 7.0]);
    assert!(same(found, 0.5 * 0.1 - 10.0 + 7.0));
    assert_eq!(settings, [0.1, twice, -1.0, 0.0, 0.0, 7.0, -1.0]);
    let refused = |options: &[f64]| Machine::new(&parsed, options).unwrap_err().to_string();
    assert_eq!(refused(&[1.0]), "1:1: expected 4 options, found 1");
    assert_eq!(
        refused(&[1.0, 0.5, 1.0, 1.0]),
        "4:9: `rounds` cannot be 0.5"
    );
    assert_eq!(
        refused(&[1.0, 3e9, 1.0, 1.0]),
        "4:9: `rounds` cannot be 3000000000"
    );
    assert_eq!(refused(&[1.0, 1.0, 2.0, 1.0]), "6:9: `steep` cannot be 2");
    assert_eq!(refused(&[1.0, 1.0, 0.0, -1.0]), "7:9: `mask` cannot be -1");
}

/// What is packed is put beside each other, the first number lowest; and comes back.
#[test]
fn packed_numbers_are_those_of_wgsl() {
    hold(
        &[
            ("f32(pack4x8snorm(vec4(x, t, 0.0, 0.0)) & 255u)", |x, _| {
                f64::from((0.5 + 127.0 * x.clamp(-1.0, 1.0)).floor() as i8 as u8)
            }),
            ("f32(pack4x8unorm(vec4(0.0, x, 0.0, 0.0)))", |x, _| {
                256.0 * (0.5 + 255.0 * x.clamp(0.0, 1.0)).floor()
            }),
            ("f32(pack2x16snorm(vec2(t, x)) >> 16u)", |x, _| {
                f64::from((0.5 + 32767.0 * x.clamp(-1.0, 1.0)).floor() as i16 as u16)
            }),
            ("f32(pack2x16unorm(vec2(x, 0.0)))", |x, _| {
                (0.5 + 65535.0 * x.clamp(0.0, 1.0)).floor()
            }),
            (
                "unpack2x16float(pack2x16float(vec2(t, x * 0.001))).y",
                |x, _| f64::from(half::f16::from_f64(x * f64::from(0.001f32))),
            ),
            ("f32(pack4xI8(vec4(i32(x), 0, 0, 0)))", |x, _| {
                f64::from(x.trunc().clamp(-2147483648.0, 2147483520.0) as i32 as u8)
            }),
            ("f32(pack4xI8Clamp(vec4(i32(x), 0, 0, 0)))", |x, _| {
                f64::from(x.trunc().clamp(-128.0, 127.0) as i8 as u8)
            }),
            ("f32(pack4xU8Clamp(vec4(0u, u32(x), 0u, 0u)))", |x, _| {
                256.0 * x.trunc().clamp(0.0, 255.0)
            }),
        ],
        &REAL,
    );
    hold(
        &[
            ("unpack4x8snorm(u32(x)).y", |x, _| {
                (f64::from((x as u32).to_le_bytes()[1] as i8) / 127.0).max(-1.0)
            }),
            ("unpack4x8unorm(u32(x)).w", |x, _| {
                f64::from((x as u32).to_le_bytes()[3]) / 255.0
            }),
            ("unpack2x16snorm(u32(x)).y", |x, _| {
                (f64::from((x as u32 >> 16) as i16) / 32767.0).max(-1.0)
            }),
            ("unpack2x16unorm(u32(x)).x", |x, _| {
                f64::from(x as u32 as u16) / 65535.0
            }),
            ("unpack2x16float(u32(x)).x", |x, _| {
                f64::from(half::f16::from_bits(x as u32 as u16))
            }),
            ("f32(unpack4xI8(u32(x)).x)", |x, _| {
                f64::from((x as u32).to_le_bytes()[0] as i8)
            }),
            ("f32(unpack4xU8(u32(x)).z)", |x, _| {
                f64::from((x as u32).to_le_bytes()[2])
            }),
            ("f32(dot4I8Packed(u32(x), u32(t)))", |x, t| {
                let of = |v: f64| (v as u32).to_le_bytes().map(|v| f64::from(v as i8));
                of(x).iter().zip(of(t)).map(|(a, b)| a * b).sum()
            }),
            ("f32(dot4U8Packed(u32(x), u32(t)))", |x, t| {
                let of = |v: f64| (v as u32).to_le_bytes().map(f64::from);
                of(x).iter().zip(of(t)).map(|(a, b)| a * b).sum()
            }),
        ],
        &[
            0.0,
            1.0,
            255.0,
            4294967040.0,
            2147483648.0,
            1234567.0,
            65535.0,
            3000000000.0,
        ],
    );
}

#[test]
fn constants_are_the_numbers_a_gpu_sees() {
    let text =
        "const K = 0.1; const V = vec2(K, 3.0); fn loss(x: f32) -> f32 { return x * 0.3 + V.x; }";
    assert_eq!(loss(text, &[1.0]), f64::from(0.3f32) + f64::from(0.1f32));
    // Numbers of the call are not rounded.
    assert_eq!(loss("fn loss(x: f32) -> f32 { return x; }", &[0.1]), 0.1);
}

#[test]
fn faults_name_the_construct_and_its_place() {
    let endless = "fn loss(x: f32) -> f32 {\n  var y = x;\n  loop { y += 1.0; if y < 0.0 { break; } }\n  return y;\n}";
    assert_eq!(
        fault(endless, &[1.0]),
        "3:3: this loop takes more than 1000000 steps"
    );
    assert_eq!(loss(endless, &[-5.0]), -4.0);
    // A short loop, and no end for all that.
    let mut calls = "fn g0(x: f32) -> f32 { return x; }\n".to_owned();
    for i in 1..10 {
        calls += &format!(
            "fn g{i}(x: f32) -> f32 {{ return g{0}(x) + g{0}(x + 1.0); }}\n",
            i - 1
        );
    }
    calls += "fn loss(x: f32) -> f32 { var y = x; for (var i = 0; i < 2000; i++) { y = g9(y); } return y; }";
    assert!(
        fault(&calls, &[1.0]).ends_with("this call takes more than 1000000 steps"),
        "{}",
        fault(&calls, &[1.0])
    );
    let mut deep = "fn g0(x: f32) -> f32 { return x; }\n".to_owned();
    for i in 1..150 {
        deep += &format!("fn g{i}(x: f32) -> f32 {{ return g{}(x); }}\n", i - 1);
    }
    deep += "fn loss(x: f32) -> f32 { return g149(x); }";
    let refused = Parsed::new(&deep).unwrap_err().message;
    assert_eq!(refused, "more than 200 blocks and calls within each other");
}

/// A step that copies much is as many steps: few rounds may take as long as very many.
#[test]
fn large_values_take_many_steps() {
    let part = "struct S { a: array<vec4<f32>, 120>, b: array<vec4<f32>, 120> }\n";
    for (body, limited) in [
        // By way of a function, a variable, an argument, and a variable of a function.
        ("s = g(s);", true),
        ("r = s; s = r;", true),
        ("y += h(s);", true),
        ("y += k(y);", true),
        ("y += x;", false),
    ] {
        let text = format!(
            "{part}fn g(s: S) -> S {{ return s; }}
            fn h(s: S) -> f32 {{ return 1.0; }}
            fn k(x: f32) -> f32 {{ var s: S; return s.a[1].x + x; }}
            fn loss(x: f32) -> f32 {{
                var s: S; var r: S; var y = x;
                for (var i = 0; i < 3000; i++) {{ {body} }}
                return y;
            }}"
        );
        let text = match body.contains("r = s") {
            true => text,
            // Together they would be more than the variables of a function may be.
            false => text.replace(" var r: S;", ""),
        };
        let parsed = Parsed::new(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let machine = Machine::new(&parsed, &[]).unwrap();
        let refused = machine.loss(&[1.0]).map_err(|e| e.message);
        assert_eq!(refused.is_err(), limited, "{body}: {refused:?}");
    }
    // And a function with very many expressions, which are not come to.
    let long = format!(
        "fn g(x: f32) -> f32 {{ if x < 0.0 {{ return x{}; }} return x; }}
        fn loss(x: f32) -> f32 {{ var y = x; for (var i = 0; i < 30000; i++) {{ y = g(y); }} return y; }}",
        "*x".repeat(10_000)
    );
    let refused = fault(&long, &[1.0]);
    assert!(
        refused.ends_with("takes more than 1000000 steps"),
        "{refused}"
    );
}

#[test]
fn a_call_is_checked() {
    let parsed =
        Parsed::new("fn loss(x: f32, t: f32) -> f32 { return x - t; } fn side() { }").unwrap();
    let machine = Machine::new(&parsed, &[]).unwrap();
    assert_eq!(
        machine.loss(&[1.0]).unwrap_err().message,
        "expected 2 arguments, found 1"
    );
    let wrong = machine.call(parsed.loss, &[Value::F32(1.0), Value::Bool(true)]);
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "1:41: no Subtract of these types"
    );
    let other = Parsed::new("fn a() {} fn b() {} fn loss(x: f32) -> f32 { return x; }").unwrap();
    assert!(machine.call(other.loss, &[Value::F32(1.0)]).is_err());
    let side = parsed
        .module
        .functions
        .iter()
        .map(|(handle, _)| handle)
        .find(|h| *h != parsed.loss);
    assert_eq!(
        machine.call(side.unwrap(), &[]).unwrap(),
        Value::Parts(Vec::new())
    );
}

/// A random expression, that knows itself both as WGSL and as Rust.
enum Tree {
    X,
    T,
    Number(f32),
    One(usize, Box<Tree>),
    Two(usize, Box<Tree>, Box<Tree>),
    Choice(Box<Tree>, Box<Tree>, Box<Tree>),
}

const ONES: [OfOne; 12] = [
    ("-", |v| -v),
    ("abs", f64::abs),
    ("exp", f64::exp),
    ("log", f64::ln),
    ("tanh", f64::tanh),
    ("sin", f64::sin),
    ("atan", f64::atan),
    ("sqrt", f64::sqrt),
    ("floor", f64::floor),
    ("fract", |v| v - v.floor()),
    ("round", f64::round_ties_even),
    ("asinh", f64::asinh),
];

const TWOS: [OfTwo; 9] = [
    ("+", |a, b| a + b),
    ("-", |a, b| a - b),
    ("*", |a, b| a * b),
    ("/", |a, b| a / b),
    ("%", |a, b| a - b * (a / b).trunc()),
    ("min", f64::min),
    ("max", f64::max),
    ("pow", |a, b| if a < 0.0 { f64::NAN } else { a.powf(b) }),
    ("atan2", f64::atan2),
];

impl Tree {
    fn random(draw: &mut impl FnMut(usize) -> usize, depth: usize) -> Tree {
        if depth == 0 || draw(6) == 0 {
            return if draw(2) == 0 { Tree::X } else { Tree::T };
        }
        match draw(8) {
            0..=2 => Tree::One(draw(ONES.len()), Box::new(Tree::random(draw, depth - 1))),
            3 => {
                // A constant is never alone: naga would evaluate what only holds constants.
                let number = Tree::Number(draw(33) as f32 / 8.0 - 2.0);
                let other = Tree::random(draw, depth - 1);
                Tree::Two(draw(TWOS.len()), Box::new(other), Box::new(number))
            }
            7 => {
                let mut one = || Box::new(Tree::random(draw, depth - 1));
                Tree::Choice(one(), one(), one())
            }
            _ => {
                let one = Box::new(Tree::random(draw, depth - 1));
                Tree::Two(
                    draw(TWOS.len()),
                    one,
                    Box::new(Tree::random(draw, depth - 1)),
                )
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Tree::X => "x".to_owned(),
            Tree::T => "t".to_owned(),
            Tree::Number(v) => format!("({v:?})"),
            Tree::One(i, a) => format!("({}({}))", ONES[*i].0, a.text()),
            Tree::Two(i, a, b) => match TWOS[*i].0 {
                name if name.len() > 1 => format!("{name}({}, {})", a.text(), b.text()),
                sign => format!("({} {sign} {})", a.text(), b.text()),
            },
            Tree::Choice(a, b, c) => {
                format!("select({}, {}, {} > 0.5)", a.text(), b.text(), c.text())
            }
        }
    }

    fn value(&self, x: f64, t: f64) -> f64 {
        match self {
            Tree::X => x,
            Tree::T => t,
            Tree::Number(v) => f64::from(*v),
            Tree::One(i, a) => ONES[*i].1(a.value(x, t)),
            Tree::Two(i, a, b) => TWOS[*i].1(a.value(x, t), b.value(x, t)),
            Tree::Choice(_, b, c) if c.value(x, t) > 0.5 => b.value(x, t),
            Tree::Choice(a, ..) => a.value(x, t),
        }
    }
}

#[test]
fn random_expressions_are_what_rust_says() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut finite = 0;
    for _ in 0..2000 {
        let tree = Tree::random(&mut draw, 5);
        let text = format!(
            "fn loss(x: f32, t: f32) -> f32 {{ return {}; }}",
            tree.text()
        );
        let parsed = Parsed::new(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let machine = Machine::new(&parsed, &[]).unwrap();
        for (x, t) in [(0.75, -1.5), (-0.5, 2.0), (3.25, 0.125), (0.0, 1.0)] {
            let (found, expected) = (machine.loss(&[x, t]).unwrap(), tree.value(x, t));
            // The same operations in the same order: to the bit.
            assert!(
                found == expected || found.is_nan() && expected.is_nan(),
                "{found}, expected {expected}: {text}"
            );
            finite += usize::from(expected.is_finite());
        }
    }
    assert!(finite > 4000, "only {finite} of 8000 values say much");
}
