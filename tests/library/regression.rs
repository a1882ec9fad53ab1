//! Figures of regression that are collected on the device, against the reference.

use crate::support::{self, Rng, stored};
use wgloss::gpu::{RegressionState, Tuning, View};
use wgloss::metric::{Regression, Samples};
use wgloss::verify::check_regression;
use wgloss::{DType, Error};

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
                let (x, y) = (
                    support::loaded(&bytes[0], of[0]),
                    support::loaded(&bytes[1], of[1]),
                );
                let samples = Samples::new([n], x.borrowed()).target(y.borrowed());
                let want = Regression {}.figures(&samples).expect("figures");
                let at = format!("{tuning:?}, {n} of {name}, {of:?}");
                let got = gpu.regression_figures(&samples).expect("figures");
                lines.extend(
                    check_regression(&want, &got)
                        .complaint
                        .map(|c| format!("{at}: {c}")),
                );
                // In batches, half of them in another state: the same to the last bit.
                let state = || gpu.regression(of[0], of[1], None).expect("a state");
                let states = [state(), state()];
                let x = support::upload(&gpu, &bytes[0]);
                let y = support::upload(&gpu, &bytes[1]);
                let each = 2 * n.div_ceil(13);
                support::submit(&gpu, &mut |encoder| {
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
    let state = || {
        gpu.regression(DType::F32, DType::F32, None)
            .expect("a state")
    };
    let (a, b): (RegressionState, RegressionState) = (state(), state());
    let batch = a
        .bind(&View::whole(&x), &View::whole(&y), 3)
        .expect("bound");
    support::submit(&gpu, &mut |e| a.update(e, &batch).expect("its own"));
    let once = a.compute().expect("figures");
    // A state that has seen nothing takes in everything.
    let all: RegressionState = state();
    support::submit(&gpu, &mut |e| all.merge(e, &a).expect("the same kind"));
    assert_eq!(all.compute().expect("figures"), once);
    for _ in 0..40 {
        support::submit(&gpu, &mut |e| {
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

/// As many of the largest mantissa at one place as a workgroup takes: no slot may overflow before it is carried on.
#[test]
fn slots_hold_what_a_workgroup_adds() {
    let Some(gpu) = support::gpu() else { return };
    for exponent in [1u32, 17, 113, 129, 241] {
        let v = f32::from_bits(exponent << 23 | 0x007f_ffff);
        let n = 70_000;
        let (y, x) = (vec![v; n], vec![-v; n]);
        for tuning in Tuning::ALL {
            let gpu = gpu.with_tuning(tuning);
            let got = gpu.regression_figures(&Samples::new([n], &x).target(&y));
            let got = got.expect("figures");
            let gap = 2.0 * f64::from(v);
            let at = format!("{tuning:?} {v:e}");
            assert_eq!((got.mae, got.mse), (Some(gap), Some(gap * gap)), "{at}");
        }
    }
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
    let shorter = Samples::new([4], &good).target(&good[..3]);
    assert!(matches!(
        gpu.regression_figures(&shorter),
        Err(Error::Mismatch { .. })
    ));
    // Nothing was seen.
    let state = gpu
        .regression(DType::F32, DType::F32, None)
        .expect("a state");
    assert!(matches!(state.compute(), Err(Error::Mismatch { .. })));
}
