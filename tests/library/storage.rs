//! Numbers on their way into a shader and out again: every 16-bit pattern and every boundary of rounding.

use crate::stated::Evaluator;
use crate::support::{self, Rng};
use half::{bf16, f16};
use wgloss::bounds::TINY;
use wgloss::{Batch, DType, Gpu, Mse, Reduction, Values};

/// Evaluates a WGSL expression of the words `a` and `b` for every pair of them.
fn evaluate(gpu: &Gpu, expression: &str, a: &[u32], b: &[u32]) -> Vec<u32> {
    Evaluator::new(gpu, expression, "u32").run(a, b)
}

/// What goes wrong when f32 patterns become 16-bit ones; `round` and `nan` are the half crate's.
fn first_wrong(
    inputs: &[u32],
    found: &[u32],
    round: impl Fn(f32) -> u16,
    nan: impl Fn(u16) -> bool,
) -> Option<String> {
    assert_eq!(inputs.len(), found.len());
    let wrong = |(&input, &found): (&u32, &u32)| {
        let x = f32::from_bits(input);
        let expected = round(x);
        let good = match u16::try_from(found) {
            Ok(f) if x.is_nan() => nan(f),
            Ok(f) => f == expected,
            Err(_) => false,
        };
        (!good)
            .then(|| format!("{input:#010x} ({x:e}): expected {expected:#06x}, found {found:#06x}"))
    };
    inputs.iter().zip(found).find_map(wrong)
}

/// f32 patterns of both signs: more than 2²² in equal steps, and all within two steps of a number that `wide`
/// makes of a 16-bit pattern or of a tie between two.
fn patterns(wide: impl Fn(u16) -> f32) -> Vec<u32> {
    // An odd step visits every residue of the bits that are rounded away.
    let mut out: Vec<u32> = (0..1u32 << 22).map(|i| i.wrapping_mul(1025)).collect();
    let mut near = |x: f32| {
        let around = -2i32..=2;
        out.extend(around.map(|d| x.to_bits().wrapping_add_signed(d)));
    };
    for h in 0..=u16::MAX {
        let (x, next) = (wide(h), wide(h.wrapping_add(1)));
        near(x);
        if x.is_finite() && next.is_finite() && x.signum() == next.signum() {
            // Exact: there is a bit more room than that.
            near(((f64::from(x) + f64::from(next)) / 2.0) as f32);
        }
    }
    // Ties with infinity, which no average gives.
    for x in [65520f32, f32::from_bits(0x7f7f_8000)] {
        near(x);
        near(-x);
    }
    out
}

#[test]
fn f32_becomes_f16_by_rounding_to_nearest_even() {
    let Some(gpu) = support::gpu() else { return };
    let inputs = patterns(|h| f16::from_bits(h).to_f32());
    let mut found = evaluate(&gpu, "to_f16(a)", &inputs, &[]);
    let round = |x: f32| f16::from_f32(x).to_bits();
    let nan = |h| f16::from_bits(h).is_nan();
    assert_eq!(first_wrong(&inputs, &found, round, nan), None);
    let at = inputs.len() - 3;
    found[at] ^= 1;
    assert!(first_wrong(&inputs, &found, round, nan).is_some());
}

#[test]
fn f32_becomes_bf16_by_rounding_to_nearest_even() {
    let Some(gpu) = support::gpu() else { return };
    let inputs = patterns(|h| bf16::from_bits(h).to_f32());
    let mut found = evaluate(&gpu, "to_bf16(a)", &inputs, &[]);
    let round = |x: f32| bf16::from_f32(x).to_bits();
    let nan = |h| bf16::from_bits(h).is_nan();
    assert_eq!(first_wrong(&inputs, &found, round, nan), None);
    let at = inputs.len() - 3;
    found[at] ^= 1;
    assert!(first_wrong(&inputs, &found, round, nan).is_some());
}

#[test]
fn every_16_bit_pattern_becomes_its_f32() {
    let Some(gpu) = support::gpu() else { return };
    // Beside every pattern its complement, so that the wrong half shows.
    let all: Vec<u32> = (0..=u32::from(u16::MAX)).collect();
    let low: Vec<u32> = all.iter().map(|h| h | !h << 16).collect();
    let high: Vec<u32> = all.iter().map(|h| h << 16 | (!h & 0xffff)).collect();
    for (function, wide) in [
        (
            "from_f16",
            (|h| f16::from_bits(h).to_f32()) as fn(u16) -> f32,
        ),
        ("from_bf16", |h| bf16::from_bits(h).to_f32()),
    ] {
        for (words, half) in [(&low, 0u32), (&high, 1)] {
            let found = evaluate(&gpu, &format!("{function}(a, b)"), words, &[half]);
            for (&h, &found) in all.iter().zip(&found) {
                let expected = wide(h as u16);
                let found = f32::from_bits(found);
                let same = match expected.is_nan() {
                    true => found.is_nan() && found.is_sign_negative() == (h >= 0x8000),
                    false => found.to_bits() == expected.to_bits(),
                };
                assert!(
                    same,
                    "{function}({h:#06x}, {half}): expected {expected:e}, found {found:e}"
                );
            }
        }
    }
}

/// Every pattern through a whole evaluation: the squared error from 0 has loss x² and gradient 2x, and the upstream
/// gradient is a power of two, so that nothing rounds but the store.
#[test]
fn every_16_bit_pattern_goes_through_a_loss() {
    let Some(gpu) = support::gpu() else { return };
    let zeros = vec![0f32; 1 << 16];
    for dtype in [DType::F16, DType::Bf16] {
        let inputs: Values<'static> = match dtype {
            DType::F16 => (0..=u16::MAX)
                .map(f16::from_bits)
                .collect::<Vec<_>>()
                .into(),
            _ => (0..=u16::MAX)
                .map(bf16::from_bits)
                .collect::<Vec<_>>()
                .into(),
        };
        let wide = inputs.to_f64().into_owned();
        // As it came; into f16's subnormals, where the lost bits make ties; and beyond the largest number.
        for scale in [0.5, 0.001953125, 4.0] {
            let batch = Batch::new([1 << 16], inputs.clone())
                .target(&zeros)
                .dtype(dtype)
                .reduction(Reduction::None)
                .grad_scale(scale);
            let out = gpu.loss(&Mse::default(), &batch).expect("evaluated");
            let odd = wide.iter().filter(|x| !x.is_finite()).count();
            assert_eq!(out.status.non_finite, odd as u64);
            for (h, &x) in wide.iter().enumerate() {
                let exact = 2.0 * x * f64::from(scale);
                let expected = dtype.round(exact);
                let found = f64::from(out.grads[0][h]);
                let same = if x.is_finite() {
                    // A device may take subnormal f32, which bf16 has, for 0 at any point.
                    let tiny = x.abs() < TINY || exact.abs() < TINY;
                    found == expected || (tiny && found == 0.0)
                } else if x.is_nan() {
                    found.is_nan()
                } else {
                    !found.is_finite()
                };
                // 2x comes before the upstream gradient.
                let same = same || (found.is_infinite() && 2.0 * x.abs() >= DType::F32.overflow());
                assert!(
                    same,
                    "{dtype} {h:#06x} · {scale}: expected {expected:e}, found {found:e}"
                );
                let (expected, found) = ((x * x) as f32, out.losses[h]);
                let same = if x.is_nan() {
                    found.is_nan()
                } else {
                    // 11 bits squared fit in 24.
                    let tiny = x.abs() < TINY || f64::from(expected) < TINY;
                    found == expected || (tiny && found == 0.0)
                };
                assert!(
                    same,
                    "{dtype} {h:#06x}: expected a loss of {expected:e}, found {found:e}"
                );
            }
        }
    }
}

#[test]
fn order_is_exact() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("order");
    let special = [
        0.0f32,
        -0.0,
        f32::from_bits(1),
        -f32::from_bits(1),
        f32::from_bits(2),
        f32::MIN_POSITIVE,
        1.0,
        -1.0,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for a in special {
        pairs.extend(special.map(|b| (a.to_bits(), b.to_bits())));
    }
    while pairs.len() < 1 << 20 {
        let (a, b) = (rng.bits() as u32, rng.bits() as u32);
        // Any two; neighbours; the same; opposites; a subnormal and its like.
        pairs.push(match rng.below(5) {
            0 => (a, b),
            1 => (a, a.wrapping_add(1)),
            2 => (a, a),
            3 => (a, a ^ 0x8000_0000),
            _ => (a & 0x807f_ffff, b & 0x807f_ffff),
        });
    }
    let nan = |&(a, b): &(u32, u32)| f32::from_bits(a).is_nan() || f32::from_bits(b).is_nan();
    pairs.retain(|pair| !nan(pair));
    let (a, b): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
    let found = evaluate(
        &gpu,
        "bitcast<u32>(order(bitcast<f32>(a), bitcast<f32>(b)))",
        &a,
        &b,
    );
    for (&(a, b), &found) in pairs.iter().zip(&found) {
        let (a, b) = (f32::from_bits(a), f32::from_bits(b));
        let expected = f32::from(i8::from(a > b) - i8::from(a < b));
        let found = f32::from_bits(found);
        assert!(
            found == expected,
            "order({a:e}, {b:e}): expected {expected}, found {found}"
        );
    }
}
