//! Figures of regression that are collected on the device, against the reference.

use crate::support::{self, Rng, stored};
use half::{bf16, f16};
use wgloss::gpu::{Gpu, RegressionState, Tuning, View};
use wgloss::metric::{Regression, RegressionFigures, Samples};
use wgloss::{DType, Error, Values};

fn values(of: &[f32], dtype: DType) -> Values<'static> {
    match dtype {
        DType::F32 => of.to_vec().into(),
        DType::F16 => {
            let all: Vec<_> = of.iter().map(|&v| f16::from_f32(v)).collect();
            all.into()
        }
        DType::Bf16 => {
            let all: Vec<_> = of.iter().map(|&v| bf16::from_f32(v)).collect();
            all.into()
        }
    }
}

/// On the device everything but what is rounded to f32 follows of exact sums. The reference's sums of n numbers are n·2⁻⁵³
/// off at most, relative; of a quotient of two, which 1 is taken from, that is twice as much of 1 and of the result.
fn compare(at: &str, want: &RegressionFigures, got: &RegressionFigures, lines: &mut Vec<String>) {
    let sums = (want.n + 4.0) * 2f64.powi(-52);
    let pairs = [
        ("n", Some(want.n), Some(got.n), 0.0),
        ("mse", want.mse, got.mse, sums),
        ("rmse", want.rmse, got.rmse, sums),
        ("mae", want.mae, got.mae, sums),
        ("r2", want.r2, got.r2, sums),
        // A difference in f32, a quotient, whose error WGSL bounds by 2.5 units in the last place of 2⁻²³.
        ("mape", want.mape, got.mape, 3.6e-7 + sums),
        ("max_error", want.max_error, got.max_error, 6e-8),
        (
            "explained_variance",
            want.explained_variance,
            got.explained_variance,
            sums,
        ),
        ("pearson_r", want.pearson_r, got.pearson_r, sums),
    ];
    for (name, want, got, bound) in pairs {
        let near = match (want, got) {
            (Some(w), Some(g)) => {
                w == g || {
                    let about_1 = ["r2", "explained_variance", "pearson_r"].contains(&name);
                    (g - w).abs() <= bound * (w.abs() + f64::from(u8::from(about_1)))
                }
            }
            (w, g) => w == g,
        };
        if !near {
            lines.push(format!("{at}: {name}: expected {want:?}, found {got:?}"));
        }
    }
    if want.undefined != got.undefined {
        lines.push(format!(
            "{at}: {:?} and {:?}",
            want.undefined, got.undefined
        ));
    }
}

fn submit(gpu: &Gpu, record: &mut dyn FnMut(&mut wgloss::wgpu::CommandEncoder)) {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
}

/// Truth and predictions of kinds that take sums to their limits.
fn kinds(rng: &mut Rng, n: usize) -> Vec<(&'static str, Vec<f32>, Vec<f32>)> {
    let mut of = |f: &dyn Fn(&mut Rng) -> f32| (0..n).map(|_| f(rng)).collect::<Vec<f32>>();
    let noise = |rng: &mut Rng| rng.range(-1.0, 1.0) as f32;
    let plain = of(&noise);
    let near: Vec<f32> = plain
        .iter()
        .zip(of(&noise))
        .map(|(y, e)| y + 0.1 * e)
        .collect();
    let far = of(&|rng| 1e6 + rng.range(-1.0, 1.0) as f32);
    let beside: Vec<f32> = far
        .iter()
        .zip(of(&noise))
        .map(|(y, e)| y + 0.5 * e)
        .collect();
    let huge = of(&|rng| rng.range(-3.4e38, 3.4e38) as f32);
    let other = of(&|rng| rng.range(-3.4e38, 3.4e38) as f32);
    let tiny = of(&|rng| rng.range(-1e-30, 1e-30) as f32);
    let small = of(&|rng| rng.range(-1e-30, 1e-30) as f32);
    let wild = |rng: &mut Rng| {
        let size = 10f64.powf(rng.range(-30.0, 30.0));
        (rng.range(-1.0, 1.0) * size) as f32
    };
    let (wide, wider) = (of(&wild), of(&wild));
    vec![
        ("noise", plain.clone(), near),
        ("a large mean", far, beside),
        ("the largest numbers", huge, other),
        ("small numbers", tiny, small),
        ("sixty decades", wide, wider),
        ("the truth itself", plain.clone(), plain.clone()),
        ("a constant truth", vec![2.5; n], plain.clone()),
        ("a constant prediction", plain, vec![-0.0; n]),
    ]
}

#[test]
fn figures_are_those_of_the_reference_in_any_batches() {
    let Some(gpu) = support::gpu() else { return };
    let mut lines = Vec::new();
    let mut rng = Rng::new("regression");
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for (turn, n) in [1, 2, 37, 5000, 40_000].into_iter().enumerate() {
            for (k, (name, y, x)) in kinds(&mut rng, n).into_iter().enumerate() {
                let of = match name {
                    "a large mean" | "the largest numbers" | "small numbers" | "sixty decades" => {
                        [DType::F32; 2]
                    }
                    _ => [DType::ALL[(k + turn) % 3], DType::ALL[k % 3]],
                };
                let bytes = [stored(&x, of[0]), stored(&y, of[1])];
                let (x, y) = (values(&x, of[0]), values(&y, of[1]));
                let samples = Samples::new([n], x.borrowed()).target(y.borrowed());
                let want = Regression {}.figures(&samples).expect("figures");
                let at = format!("{tuning:?}, {n} of {name}, {of:?}");
                let got = gpu.regression_figures(&samples).expect("figures");
                compare(&at, &want, &got, &mut lines);
                // In batches, half of them in another state: the same to the last bit.
                let state = || gpu.regression(of[0], of[1]).expect("a state");
                let states = [state(), state()];
                let x = support::upload(&gpu, &bytes[0]);
                let y = support::upload(&gpu, &bytes[1]);
                let each = 2 * n.div_ceil(13);
                submit(&gpu, &mut |encoder| {
                    for (b, first) in (0..n).step_by(each).enumerate() {
                        let len = each.min(n - first);
                        let view = |buffer, dtype: DType| View {
                            buffer,
                            offset: first as u64 * dtype.size(),
                            size: len as u64 * dtype.size(),
                        };
                        let to = &states[b % 2];
                        let batch = to.bind(&view(&x, of[0]), &view(&y, of[1]), len);
                        to.update(encoder, &batch.expect("bound")).expect("its own");
                    }
                    states[0].merge(encoder, &states[1]).expect("the same kind");
                });
                assert_eq!(states[0].compute().expect("figures"), got, "{at}");
                let bytes = states[0].to_bytes().expect("bytes");
                states[1].load_bytes(&bytes).expect("a saved state");
                assert_eq!(states[1].compute().expect("figures"), got, "{at}");
            }
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Doubled 40 times: 3·2^40 samples, whose figures stay as they are.
#[test]
fn sums_go_on_past_32_bits() {
    let Some(gpu) = support::gpu() else { return };
    let of = |v: &[f32]| support::upload(&gpu, &stored(v, DType::F32));
    let (x, y) = (of(&[1.5, -2.0, 0.25]), of(&[1.0, -3.0, 1e3]));
    let state = || gpu.regression(DType::F32, DType::F32).expect("a state");
    let (a, b): (RegressionState, RegressionState) = (state(), state());
    let batch = a
        .bind(&View::whole(&x), &View::whole(&y), 3)
        .expect("bound");
    submit(&gpu, &mut |e| a.update(e, &batch).expect("its own"));
    let once = a.compute().expect("figures");
    for _ in 0..40 {
        submit(&gpu, &mut |e| {
            b.reset(e);
            b.merge(e, &a).expect("the same kind");
            a.merge(e, &b).expect("the same kind");
        });
    }
    let many = a.compute().expect("figures");
    assert_eq!(many.n, 3.0 * 2f64.powi(40));
    assert_eq!(many.mse, once.mse);
    assert_eq!(many.mae, once.mae);
    assert_eq!(many.max_error, Some(999.75));
    assert_eq!((many.r2, many.pearson_r), (once.r2, once.pearson_r));
}

#[test]
fn what_is_no_number_is_named() {
    let Some(gpu) = support::gpu() else { return };
    let good = [1.0f32, 2.0, 3.0, 4.0];
    let bad = [1.0, f32::INFINITY, f32::NAN, 4.0];
    for (x, y, what) in [(&good, &bad, "target"), (&bad, &good, "input")] {
        let samples = Samples::new([4], x).target(y);
        let error = gpu.regression_figures(&samples).expect_err("no number");
        assert!(
            matches!(&error, Error::BadSample { what: w, index: 1, .. } if *w == what),
            "{error}"
        );
    }
    let samples = Samples::new([4], &good).target(&good);
    let weighted = samples.clone().weight(&good);
    assert!(matches!(
        gpu.regression_figures(&weighted),
        Err(Error::Mismatch { .. })
    ));
    let shorter = Samples::new([4], &good).target(&good[..3]);
    assert!(matches!(
        gpu.regression_figures(&shorter),
        Err(Error::Mismatch { .. })
    ));
    // Nothing was seen.
    let state = gpu.regression(DType::F32, DType::F32).expect("a state");
    assert!(matches!(state.compute(), Err(Error::Mismatch { .. })));
}
