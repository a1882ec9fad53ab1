//! Numbers on their way into a shader, through its elementary functions, and out again: every 16-bit pattern,
//! every boundary of rounding, and the error that `shaders/common/numerics.wgsl` states for each function.

use crate::support::{self, Rng};
use half::{bf16, f16};
use wgloss::bounds::{TINY, U};
use wgloss::wgpu;
use wgloss::{Batch, DType, Gpu, Mse, Reduction, Values};

const NUMERICS: &str = include_str!("../../shaders/common/numerics.wgsl");
const PACK: &str = include_str!("../../shaders/common/storage.wgsl");

/// Evaluates a WGSL expression of the words `a` and `b` for every pair of them.
fn evaluate(gpu: &Gpu, expression: &str, a: &[u32], b: &[u32]) -> Vec<u32> {
    let n = a.len();
    let device = gpu.device();
    let text = format!(
        "{NUMERICS}{PACK}
        @group(0) @binding(0) var<storage, read> first: array<u32>;
        @group(0) @binding(1) var<storage, read> second: array<u32>;
        @group(0) @binding(2) var<storage, read_write> result: array<u32>;
        fn apply(a: u32, b: u32) -> u32 {{ return {expression}; }}
        @compute @workgroup_size(256)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            if (id.x < arrayLength(&result)) {{
                result[id.x] = apply(first[id.x], second[id.x % arrayLength(&second)]);
            }}
        }}"
    );
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let size = 4 * n as u64;
    let first = support::upload(gpu, bytemuck::cast_slice(a));
    let second = support::upload(
        gpu,
        bytemuck::cast_slice(if b.is_empty() { &[0] } else { b }),
    );
    let result = support::upload(gpu, &vec![0xaa; size as usize]);
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[&first, &second, &result]
            .iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect::<Vec<_>>(),
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(n.div_ceil(256) as u32, 1, 1);
    }
    gpu.queue().submit([encoder.finish()]);
    bytemuck::pod_collect_to_vec(&support::download(gpu, &result))
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

/// A function of numerics.wgsl, what it ought to be, and the error that is stated for it: absolute, but for
/// subnormals, which a device may take for 0.
struct Stated {
    name: &'static str,
    expression: &'static str,
    exact: fn(f64, f64) -> f64,
    bound: fn(f64, f64, f64) -> f64,
}

/// The largest error in proportion to what is stated, and where.
fn worst(stated: &Stated, a: &[f32], b: &[f32], found: &[f32]) -> (f64, String) {
    assert_eq!(a.len(), found.len());
    let mut worst = (0.0, String::new());
    for (i, (&a, &found)) in a.iter().zip(found).enumerate() {
        let b = b.get(i % b.len().max(1)).copied().unwrap_or(0.0);
        let (x, y) = (f64::from(a), f64::from(b));
        let exact = (stated.exact)(x, y);
        let error = (f64::from(found) - exact).abs();
        let allowed = (stated.bound)(x, y, exact) + TINY;
        // A result that is subnormal may be 0, and one beyond the largest number infinite.
        let lost = exact.abs() < TINY && error <= TINY;
        let infinite = f64::from(found) == f64::INFINITY.copysign(exact);
        let over = exact.abs() >= DType::F32.overflow() && infinite;
        let ratio = match error / allowed {
            _ if lost || over => 0.0,
            r if r.is_nan() => f64::INFINITY,
            r => r,
        };
        if ratio > worst.0 {
            worst = (
                ratio,
                format!(
                    "{}({a:e}, {b:e}): expected {exact:e}, found {found:e}",
                    stated.name
                ),
            );
        }
    }
    worst
}

/// 2²⁰ patterns in equal steps from `low` to `high`, as f32.
fn sweep(low: f32, high: f32) -> Vec<f32> {
    let (low, high) = (u64::from(low.to_bits()), u64::from(high.to_bits()));
    let n = 1u64 << 20;
    (0..n)
        .map(|i| f32::from_bits((low + (high - low) * i / (n - 1)) as u32))
        .collect()
}

/// 2²⁰ random numbers from `low` to `high`.
fn random(rng: &mut Rng, low: f64, high: f64) -> Vec<f32> {
    (0..1 << 20).map(|_| rng.range(low, high) as f32).collect()
}

/// All patterns within 2¹⁵ of each of these, where a formula changes over or a result is close to 0.
fn around(places: &[f32]) -> Vec<f32> {
    let near = |x: &f32| {
        let bits = x.to_bits();
        (-(1i32 << 15)..1 << 15).map(move |d| f32::from_bits(bits.wrapping_add_signed(d)))
    };
    places.iter().flat_map(near).collect()
}

fn negated(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| -v).collect()
}

fn check(gpu: &Gpu, stated: &Stated, a: &[f32], b: &[f32]) {
    assert!(a.len() >= 1 << 20, "{}: {} points", stated.name, a.len());
    let words = evaluate(
        gpu,
        stated.expression,
        bytemuck::cast_slice(a),
        bytemuck::cast_slice(b),
    );
    let mut found: Vec<f32> = bytemuck::cast_slice(&words).to_vec();
    let (ratio, place) = worst(stated, a, b, &found);
    println!(
        "{}: at most {ratio:.3} of the error that is stated: {place}",
        stated.name
    );
    assert!(
        ratio <= 1.0,
        "{ratio:.3} times the error that is stated: {place}"
    );
    // One wrong number among all of them is seen.
    let at = a.len() / 3;
    found[at] += 1e-3 * (1.0 + found[at].abs());
    assert!(worst(stated, a, b, &found).0 > 1.0);
}

#[test]
fn ln_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let stated = Stated {
        name: "ln",
        expression: "bitcast<u32>(ln(bitcast<f32>(a)))",
        exact: |x, _| x.ln(),
        bound: |_, _, exact| 4.0 * U * exact.abs(),
    };
    let mut points = sweep(f32::from_bits(1), f32::MAX);
    points.extend(sweep(0.25, 4.0));
    points.extend(around(&[
        1.0,
        0.5,
        2.0,
        std::f32::consts::FRAC_1_SQRT_2,
        f32::MIN_POSITIVE,
    ]));
    points.extend(
        random(&mut Rng::new("ln"), 0.0, 1e6)
            .iter()
            .filter(|&&x| x > 0.0),
    );
    check(&gpu, &stated, &points, &[]);
    // What the formula does not give.
    let special = [
        0.0f32,
        -0.0,
        -1.0,
        -1e-40,
        f32::NEG_INFINITY,
        f32::INFINITY,
        f32::NAN,
    ];
    let words = evaluate(&gpu, stated.expression, bytemuck::cast_slice(&special), &[]);
    let found: &[f32] = bytemuck::cast_slice(&words);
    assert_eq!(found[..2], [f32::NEG_INFINITY; 2]);
    assert!(found[2..5].iter().all(|v| v.is_nan()), "{found:?}");
    assert_eq!(found[5], f32::INFINITY);
    assert!(found[6].is_nan());
}

#[test]
fn ln_1p_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let stated = Stated {
        name: "ln_1p",
        expression: "bitcast<u32>(ln_1p(bitcast<f32>(a)))",
        exact: |x, _| x.ln_1p(),
        bound: |_, _, exact| 6.0 * U * exact.abs(),
    };
    let mut points = sweep(f32::from_bits(1), f32::MAX);
    let last = f32::from_bits(1f32.to_bits() - 1);
    points.extend(negated(&sweep(f32::from_bits(1), last)));
    points.extend(around(&[-0.29289, 0.41421, -0.75]));
    points.extend(random(&mut Rng::new("ln_1p"), -0.9999, 4.0));
    check(&gpu, &stated, &points, &[]);
}

#[test]
fn softplus_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let stated = Stated {
        name: "softplus",
        expression: "bitcast<u32>(softplus(bitcast<f32>(a)))",
        exact: |x, _| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        bound: |x, _, _| {
            let tail = (3.0 + 2.0 * x.abs()) * 2.0 * U * (-x.abs()).exp();
            3.0 * U * x.max(0.0) + tail
        },
    };
    let mut points = sweep(f32::from_bits(1), f32::MAX);
    points.extend(negated(&points));
    points.extend(random(&mut Rng::new("softplus"), -110.0, 110.0));
    check(&gpu, &stated, &points, &[]);
}

#[test]
fn sigmoid_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let stated = Stated {
        name: "sigmoid",
        expression: "bitcast<u32>(sigmoid(bitcast<f32>(a)))",
        exact: |x, _| {
            let e = (-x.abs()).exp();
            (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e)
        },
        bound: |x, _, exact| ((3.0 + 2.0 * x.abs()) * 2.0 * U + 12.0 * U) * exact,
    };
    let mut points = sweep(f32::from_bits(1), f32::MAX);
    points.extend(negated(&points));
    points.extend(random(&mut Rng::new("sigmoid"), -110.0, 110.0));
    check(&gpu, &stated, &points, &[]);
}

#[test]
fn tanh_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let stated = Stated {
        name: "tanh_fine",
        expression: "bitcast<u32>(tanh_fine(bitcast<f32>(a)))",
        exact: |x, _| x.tanh(),
        bound: |_, _, exact| 16.0 * U * exact.abs(),
    };
    let mut points = sweep(f32::from_bits(1), f32::MAX);
    points.extend(negated(&points));
    points.extend(around(&[0.625, -0.625]));
    points.extend(random(&mut Rng::new("tanh"), -12.0, 12.0));
    check(&gpu, &stated, &points, &[]);
}

#[test]
fn power_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let stated = Stated {
        name: "power",
        expression: "bitcast<u32>(power(bitcast<f32>(a), bitcast<f32>(b)))",
        exact: f64::powf,
        bound: |x, y, exact| {
            let log = if x > 0.0 { (y * x.ln()).abs() } else { 0.0 };
            (log * 9.0 + 10.0) * U * exact
        },
    };
    let mut rng = Rng::new("power");
    let mut points = sweep(0.0, 1.0);
    points.extend(sweep(0.5, 1.0));
    points.extend(random(&mut rng, 0.0, 1.0));
    // A prime number of exponents, so that each meets all sorts of bases.
    let mut exponents = vec![0.0f32, 1e-3, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 80.0];
    exponents.extend((0..1010).map(|_| rng.range(0.0, 8.0) as f32));
    check(&gpu, &stated, &points, &exponents);
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
