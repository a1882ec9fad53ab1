//! Losses that are one another's special cases, over random input: of the reference to rounding, and of the GPU within
//! the bounds of both sides.

use crate::support;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wgloss::loss::{Loss, OptionValue};
use wgloss::{Batch, Gpu, Outcome, Reduction, loss, reference};

/// A loss by its name with some options.
fn make(name: &str, options: &[(&str, f32)]) -> Box<dyn Loss> {
    let mut loss = loss::by_name(name).expect("registered");
    for &(option, value) in options {
        loss.set(option, OptionValue::Number(value))
            .expect("in its range");
    }
    loss
}

fn evaluate(loss: &dyn Loss, batch: &Batch<'_>) -> Outcome<f64> {
    reference::loss(loss, batch).expect("good")
}

/// |a − b| within 1e-12 of the larger, or of `size` where they cancel.
fn near(a: f64, b: f64, size: f64) -> Result<(), TestCaseError> {
    let room = 1e-12 * (a.abs().max(b.abs()) + size);
    prop_assert!((a - b).abs() <= room, "{a:e} and {b:e}");
    Ok(())
}

fn near_all(a: &[f64], b: &[f64], size: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    a.iter().zip(b).try_for_each(|(&a, &b)| near(a, b, size))
}

/// One side of an identity: a loss, its batch, and what its loss and gradients are multiplied by to be the other's.
type Side<'a> = (&'a dyn Loss, &'a Batch<'a>, f64);

/// Both sides by the reference to rounding; on the GPU no further apart than both bounds together.
fn same(gpu: Option<&Gpu>, a: Side<'_>, b: Side<'_>) -> Result<(), TestCaseError> {
    let (x, y) = (evaluate(a.0, a.1), evaluate(b.0, b.1));
    let loss = |o: &Outcome<f64>, scale: f64| scale * o.loss.expect("reduced");
    near(loss(&x, a.2), loss(&y, b.2), 1.0)?;
    for (x, y) in x.grads.iter().zip(&y.grads) {
        let [x, y] = [(x, a.2), (y, b.2)].map(|(g, s)| g.iter().map(|g| g * s).collect::<Vec<_>>());
        near_all(&x, &y, 1.0)?;
    }
    let Some(gpu) = gpu else { return Ok(()) };
    let on = |side: Side<'_>| {
        let out = gpu.loss(side.0, side.1).expect("an evaluation");
        let bounds = reference::evaluate_with_bounds(side.0, &side.1.rounded());
        (out, bounds.expect("good").1, side.2)
    };
    let (x, y) = (on(a), on(b));
    let numbers = |(out, bounds, scale): &(Outcome<f32>, Outcome<f64>, f64)| -> Vec<(f64, f64)> {
        let all = out.loss.iter().chain(out.grads.iter().flatten());
        let bound = bounds.loss.iter().chain(bounds.grads.iter().flatten());
        let scaled = all.zip(bound);
        scaled
            .map(|(v, b)| (scale * f64::from(*v), scale.abs() * b))
            .collect()
    };
    for ((x, bx), (y, by)) in numbers(&x).into_iter().zip(numbers(&y)) {
        // The inputs are f32 already, so rounding them is nothing.
        prop_assert!(
            (x - y).abs() <= bx + by,
            "{x:e} and {y:e}, bounds {bx:e} {by:e}"
        );
    }
    Ok(())
}

/// A matrix of so many columns, with numbers up to `most`, and a label for each row.
fn rows(most: f32) -> impl Strategy<Value = (usize, Vec<f32>, Vec<i64>)> {
    (1usize..9, 1usize..40).prop_flat_map(move |(rows, cols)| {
        (
            Just(cols),
            prop::collection::vec(-most..most, rows * cols),
            prop::collection::vec(0..cols as i64, rows),
        )
    })
}

fn log_softmax(x: &[f32], cols: usize) -> Vec<f64> {
    let row = |row: &[f32]| {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let below = |x: &f32| f64::from(*x) - f64::from(max);
        let sum: f64 = row.iter().map(|x| below(x).exp()).sum();
        row.iter().map(|x| below(x) - sum.ln()).collect::<Vec<_>>()
    };
    x.chunks(cols).flat_map(row).collect()
}

/// 200 cases by the reference, and the first 8 of them on the GPU too.
fn run<S: Strategy>(
    strategy: S,
    test: impl Fn(Option<&Gpu>, S::Value) -> Result<(), TestCaseError>,
) {
    let gpu = support::gpu();
    let left = std::cell::Cell::new(8);
    let config = Config {
        cases: 200,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(17),
        ..Config::default()
    };
    let done = TestRunner::new(config).run(&strategy, |value| {
        let on = gpu.as_ref().filter(|_| left.get() > 0);
        left.set(left.get() - i32::from(left.get() > 0));
        test(on, value)
    });
    if let Err(e) = done {
        panic!("{e}");
    }
}

#[test]
fn cross_entropy_is_nll_of_log_softmax() {
    run(rows(12.0), |_, (cols, x, y)| {
        let shape = [y.len(), cols];
        let logs = log_softmax(&x, cols);
        let ce = evaluate(
            &*make("cross_entropy", &[]),
            &Batch::new(shape, &x).labels(&y),
        );
        let nll = evaluate(&*make("nll", &[]), &Batch::new(shape, &logs).labels(&y));
        near(ce.loss.unwrap(), nll.loss.unwrap(), 1.0)?;
        // Through the softmax: g_j − p_j·Σg.
        for (r, log) in logs.chunks(cols).enumerate() {
            let at = r * cols..(r + 1) * cols;
            let g = &nll.grads[0][at.clone()];
            let sum: f64 = g.iter().sum();
            let through: Vec<f64> = g.iter().zip(log).map(|(g, l)| g - l.exp() * sum).collect();
            near_all(&ce.grads[0][at], &through, 1.0)?;
        }
        Ok(())
    });
}

#[test]
fn cross_entropy_is_focal_cross_entropy_without_focus() {
    run(rows(12.0), |gpu, (cols, x, y)| {
        let batch = Batch::new([y.len(), cols], &x).labels(&y);
        let (ce, focal) = (
            make("cross_entropy", &[]),
            make("focal_cross_entropy", &[("gamma", 0.0)]),
        );
        same(gpu, (&*ce, &batch, 1.0), (&*focal, &batch, 1.0))
    });
}

#[test]
fn cross_entropy_is_the_divergence_from_one_hot() {
    run(rows(12.0), |gpu, (cols, x, y)| {
        let shape = [y.len(), cols];
        let hot: Vec<f32> = y
            .iter()
            .flat_map(|&y| (0..cols as i64).map(move |c| f32::from(u8::from(c == y))))
            .collect();
        let ce = make("cross_entropy", &[]);
        let labels = Batch::new(shape, &x).labels(&y);
        let soft = Batch::new(shape, &x).target(&hot);
        same(gpu, (&*ce, &labels, 1.0), (&*ce, &soft, 1.0))?;
        // The element-wise divergence of log-probabilities, added up over each row.
        let logs = log_softmax(&x, cols);
        let kl = Batch::new(shape, &logs)
            .target(&hot)
            .reduction(Reduction::BatchMean);
        let kl = evaluate(&*make("kl_div", &[]), &kl);
        let ce = evaluate(&*ce, &labels);
        near(ce.loss.unwrap(), kl.loss.unwrap(), 1.0)
    });
}

#[test]
fn distillation_is_cross_entropy_but_for_the_teachers_entropy() {
    let both = rows(8.0).prop_flat_map(|(cols, x, y)| {
        let n = x.len();
        (Just((cols, x, y)), prop::collection::vec(-8f32..8.0, n))
    });
    run(both, |_, ((cols, x, y), t)| {
        let shape = [y.len(), cols];
        let logs = log_softmax(&t, cols);
        let p: Vec<f64> = logs.iter().map(|l| l.exp()).collect();
        let entropy: f64 = -p.iter().zip(&logs).map(|(p, l)| p * l).sum::<f64>();
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let t: Vec<f64> = t.iter().map(|&t| f64::from(t)).collect();
        let batch = Batch::new(shape, &x);
        let kl = evaluate(&*make("kl_div_with_logits", &[]), &batch.clone().target(&t));
        let ce = evaluate(&*make("cross_entropy", &[]), &batch.target(&p));
        let rows = y.len() as f64;
        near(kl.loss.unwrap() + entropy / rows, ce.loss.unwrap(), 1.0)?;
        near_all(&kl.grads[0], &ce.grads[0], 1.0)
    });
}

/// Numbers in [0, 1] of one shape, for input and target.
fn overlaps() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, f32)> {
    (1usize..200).prop_flat_map(|n| {
        (
            prop::collection::vec(0f32..1.0, n),
            prop::collection::vec(prop_oneof![Just(0f32), Just(1f32), 0f32..1.0], n),
            0.125f32..2.0,
        )
    })
}

#[test]
fn ratios_of_sets_are_tversky() {
    run(overlaps(), |gpu, (x, t, smooth)| {
        let batch = Batch::new([x.len()], &x).target(&t);
        let tversky = |alpha, beta, smooth| {
            make(
                "tversky",
                &[("alpha", alpha), ("beta", beta), ("smooth", smooth)],
            )
        };
        // Dice counts what both have twice, and so its smoothing half.
        let dice = make("dice", &[("smooth", smooth)]);
        let half = tversky(0.5, 0.5, 0.5 * smooth);
        same(gpu, (&*dice, &batch, 1.0), (&*half, &batch, 1.0))?;
        let jaccard = make("jaccard", &[("smooth", smooth)]);
        let one = tversky(1.0, 1.0, smooth);
        same(gpu, (&*jaccard, &batch, 1.0), (&*one, &batch, 1.0))?;
        let focal = make("focal_tversky", &[("gamma", 1.0), ("smooth", smooth)]);
        let plain = tversky(0.5, 0.5, smooth);
        same(gpu, (&*focal, &batch, 1.0), (&*plain, &batch, 1.0))
    });
}

#[test]
fn dice_with_logits_is_dice_of_the_sigmoid() {
    run(overlaps(), |_, (x, t, smooth)| {
        let logits: Vec<f64> = x.iter().map(|&x| 12.0 * f64::from(x) - 6.0).collect();
        let p: Vec<f64> = logits.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        let on = |name: &str, x: &[f64]| {
            let batch = Batch::new([x.len()], x).target(&t);
            evaluate(&*make(name, &[("smooth", smooth)]), &batch)
        };
        let (a, b) = (on("dice_with_logits", &logits), on("dice", &p));
        near(a.loss.unwrap(), b.loss.unwrap(), 1.0)?;
        let through: Vec<f64> = b.grads[0]
            .iter()
            .zip(&p)
            .map(|(g, p)| g * p * (1.0 - p))
            .collect();
        near_all(&a.grads[0], &through, 1.0)
    });
}

#[test]
fn huber_smooth_l1_and_mae_meet() {
    let pairs = (1usize..100).prop_flat_map(|n| {
        (
            prop::collection::vec(-4f32..4.0, n),
            prop::collection::vec(-4f32..4.0, n),
            prop_oneof![Just(0.5f32), Just(1.0f32), Just(2.0f32)],
        )
    });
    run(pairs, |gpu, (x, t, delta)| {
        let batch = Batch::new([x.len()], &x)
            .target(&t)
            .reduction(Reduction::Sum);
        let huber = make("huber", &[("delta", delta)]);
        let smooth = make("smooth_l1", &[("beta", delta)]);
        let (mse, mae) = (make("mse", &[]), make("mae", &[]));
        let scale = 1.0 / f64::from(delta);
        same(gpu, (&*huber, &batch, scale), (&*smooth, &batch, 1.0))?;
        let sharp = make("smooth_l1", &[("beta", 0.0)]);
        same(gpu, (&*sharp, &batch, 1.0), (&*mae, &batch, 1.0))?;
        // No error is beyond 8: a parabola everywhere.
        let wide = make("huber", &[("delta", 8.0)]);
        same(gpu, (&*wide, &batch, 1.0), (&*mse, &batch, 0.5))?;
        // Element by element: the parabola within delta, beyond it the line that continues it.
        let each = batch.clone().reduction(Reduction::None);
        let (h, a) = (evaluate(&*huber, &each), evaluate(&*mae, &each));
        let delta = f64::from(delta);
        for (i, (&h, &a)) in h.losses.iter().zip(&a.losses).enumerate() {
            let expected = match a <= delta {
                true => 0.5 * a * a,
                false => delta * (a - 0.5 * delta),
            };
            near(h, expected, 1.0).map_err(|e| TestCaseError::fail(format!("{i}: {e}")))?;
        }
        Ok(())
    });
}

#[test]
fn an_identity_that_does_not_hold_is_found() {
    let found = std::panic::catch_unwind(|| {
        run(rows(12.0), |gpu, (cols, x, y)| {
            let batch = Batch::new([y.len(), cols], &x).labels(&y);
            let ce = make("cross_entropy", &[]);
            let other = make("cross_entropy", &[("label_smoothing", 1e-4)]);
            same(gpu, (&*ce, &batch, 1.0), (&*other, &batch, 1.0))
        });
    });
    assert!(found.is_err());
}
