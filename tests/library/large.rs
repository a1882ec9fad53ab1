//! Tensors past every limit of a device: many rows, long rows, more than one binding holds.

use crate::support::{self, Recipe, Rng};
use wgloss::gpu::{PlanKind, Tuning};
use wgloss::verify::Random;
use wgloss::{
    Batch, ClassAxis, CosineSimilarity, CrossEntropy, DType, Family, Geometry, Gpu, Labels, Loss,
    Mse, Nll, Outcome, Reduction, TargetKind, Triplet, WeightLayout, reference, verify,
};

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..n).map(|_| (8.0 * random.unit() - 4.0) as f32).collect()
}

fn labels(rows: usize, classes: usize, seed: u64) -> Vec<i64> {
    let mut random = Random::new(seed);
    (0..rows)
        .map(|_| match random.below(10) {
            0 => -100,
            _ => random.below(classes) as i64,
        })
        .collect()
}

fn ce() -> CrossEntropy {
    CrossEntropy {
        label_smoothing: 0.1,
        z_loss: 0.01,
        ..Default::default()
    }
}

/// Evaluates, holds every number against the reference, and returns what the device made.
fn right(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'_>) -> Outcome<f32> {
    let out = gpu.loss(loss, batch).expect("an evaluation");
    let check = verify::check(loss, batch, &out).expect("a comparison");
    assert!(check.pass, "{:?}: {:?}", batch.shape, check.complaint);
    out
}

#[test]
fn cross_entropy_of_large_tensors() {
    let Some(gpu) = support::gpu() else { return };
    for (rows, cols, name) in [
        (70_000, 7, "chunked short"),
        (3, 200_003, "chunked split"),
        (4_097, 8_200, "chunked workgroup"),
    ] {
        let x = numbers(rows * cols, rows as u64);
        let y = labels(rows, cols, 5);
        let batch = Batch::new([rows, cols], &x).labels(&y);
        let first = right(&gpu, &ce(), &batch);
        let again = gpu.loss(&ce(), &batch).expect("an evaluation");
        assert_eq!(
            support::bits(&first),
            support::bits(&again),
            "a rerun of {rows}×{cols}"
        );
        // The same with bindings an eighth as large, in which a row and the partial sums still have to fit, and a
        // grid of two dimensions.
        let least = 4 * rows.max(cols) as u64 + 1024;
        let cut = gpu.with_limits((rows as u64 * cols as u64 / 2).max(least), 300);
        let layout = batch.layout(&ce()).expect("a layout");
        let plan = cut.plan(&ce(), &layout).expect("a plan");
        assert_eq!(plan.name(), name);
        let pieces = cut.loss(&ce(), &batch).expect("an evaluation");
        assert_eq!(
            support::bits(&first),
            support::bits(&pieces),
            "{rows}×{cols} in chunks"
        );
    }
}

#[test]
fn more_than_one_binding_really_is_chunked() {
    let Some(gpu) = support::gpu() else { return };
    let x = numbers(4_097 * 8_200, 3);
    let y = labels(4_097, 8_200, 4);
    let batch = Batch::new([4_097, 8_200], &x).labels(&y);
    let layout = batch.layout(&ce()).expect("a layout");
    let limit = 128 << 20;
    let plan = gpu
        .with_limits(limit, 65_535)
        .plan(&ce(), &layout)
        .expect("a plan");
    assert_eq!(plan.name(), "chunked workgroup");
}

#[test]
fn elements_over_the_limits() {
    let Some(gpu) = support::gpu() else { return };
    let n = 300_001;
    let (x, t) = (numbers(n, 1), numbers(n, 2));
    for dtype in DType::ALL {
        let batch = Batch::new([n], &x).target(&t).dtype(dtype);
        let whole = right(&gpu, &Mse::default(), &batch);
        for binding in [20_000, 100_000, 1 << 20] {
            let cut = gpu.with_limits(binding, 20);
            let pieces = cut.loss(&Mse::default(), &batch).expect("an evaluation");
            assert_eq!(
                support::bits(&whole),
                support::bits(&pieces),
                "{dtype}, bindings of {binding} bytes"
            );
        }
    }
}

#[test]
fn class_axis_one_over_the_limits() {
    let Some(gpu) = support::gpu() else { return };
    let shape = [37, 19, 13, 7];
    let x = numbers(shape.iter().product(), 1);
    let y = labels(37 * 13 * 7, 19, 2);
    for dtype in DType::ALL {
        let batch = Batch::new(shape, &x)
            .labels(&y)
            .class_axis(ClassAxis::One)
            .dtype(dtype);
        let whole = right(&gpu, &ce(), &batch);
        let pieces = gpu
            .with_limits(40_000, 50)
            .loss(&ce(), &batch)
            .expect("an evaluation");
        assert_eq!(support::bits(&whole), support::bits(&pieces), "{dtype}");
    }
}

/// Labels of every type on both axes, some of them out of range: counted, named, and not trained on.
#[test]
fn bad_labels_are_counted_and_not_trained_on() {
    let Some(gpu) = support::gpu() else { return };
    let (rows, cols) = (5000, 3);
    let x = numbers(rows * cols, 9);
    let mut y: Vec<i64> = labels(rows, cols, 9);
    (y[4998], y[4123], y[4999]) = (3, -7, 1 << 20);
    let narrow = |y: &[i64]| -> Vec<i32> { y.iter().map(|&l| l as i32).collect() };
    let mut unsigned: Vec<u32> = y.iter().map(|&l| l.max(0) as u32).collect();
    unsigned[4123] = u32::MAX;
    let mut wide = y.clone();
    wide[4999] = 1 << 40;
    for labels in [
        Labels::from(narrow(&y)),
        Labels::from(unsigned),
        Labels::from(wide),
    ] {
        for axis in [ClassAxis::Last, ClassAxis::One] {
            let shape = match axis {
                ClassAxis::Last => vec![rows, cols],
                ClassAxis::One => vec![rows / 50, cols, 50],
            };
            let mut batch = Batch::new(shape.clone(), &x)
                .labels(labels.clone())
                .class_axis(axis);
            let what = format!("{:?} at {axis:?}", labels.label_type());
            let error = gpu.loss(&ce(), &batch).expect_err("labels out of range");
            let expected = wgloss::Error::BadLabels {
                count: 3,
                first_row: 4123,
                classes: 3,
                ignored: " or the ignore_index -100".into(),
            };
            assert_eq!(error, expected, "{what}");
            assert_eq!(
                reference::loss(&ce(), &batch).expect_err("the same"),
                expected
            );
            let out = pollster::block_on(gpu.evaluate_async(&ce(), &batch)).expect("an evaluation");
            let geometry = Geometry::new(&shape, axis).expect("a shape");
            let mut bad = (0..cols).map(|c| out.grads[0][geometry.index(4123, c)]);
            assert!(bad.all(|g| g == 0.0), "{what}");
            // Every number is the reference's, for which such a row does not exist.
            let check = verify::check(&ce(), &batch, &out).expect("a comparison");
            assert!(check.pass, "{what}: {:?}", check.complaint);
            batch.reduction = Reduction::None;
            let out = pollster::block_on(gpu.evaluate_async(&ce(), &batch)).expect("an evaluation");
            assert_eq!(out.losses[4123], 0.0, "{what}");
        }
    }
}

/// Where the weights of a mean sum to 0 nothing counts, not even what is not finite.
#[test]
fn weights_of_zero_silence_everything() {
    let Some(gpu) = support::gpu() else { return };
    let x = [f32::NAN, f32::INFINITY, 1.0, f32::MAX];
    let mse = Batch::new([4], &x)
        .target(&[0.0f32; 4])
        .weight(&[0.0f32; 4])
        .reduction(Reduction::WeightedMean);
    let classes = Batch::new([2, 2], &x)
        .labels(&[0i64, 0])
        .class_weight(&[0.0f32, 1.0]);
    for (loss, batch) in [(&Mse::default() as &dyn Loss, mse), (&ce(), classes)] {
        let out = right(&gpu, loss, &batch);
        assert_eq!(out.loss, Some(0.0));
        assert_eq!(out.grads[0], [0.0; 4]);
        assert_eq!(out.status.valid, 0);
        assert!(out.status.non_finite > 0);
    }
}

/// A sum is infinite with the sign of the loss that is, over any finite ones; with both signs it is none.
#[test]
fn infinite_losses_have_their_sign_in_a_sum() {
    let Some(gpu) = support::gpu() else { return };
    const INF: f32 = f32::INFINITY;
    for (x, wanted) in [
        ([-INF, 0.0, -1.0, -2.0], INF),
        ([INF, 0.0, -1.0, -2.0], -INF),
        ([INF, 0.0, -INF, -2.0], f32::NAN),
    ] {
        let batch = Batch::new([2, 2], &x).labels(&[0i64, 0]);
        for reduction in [Reduction::Sum, Reduction::Mean] {
            let out = right(&gpu, &Nll::default(), &batch.clone().reduction(reduction));
            let found = out.loss.expect("a sum");
            let same = found == wanted || found.is_nan() && wanted.is_nan();
            assert!(same, "{x:?} {reduction}: {found}, expected {wanted}");
        }
    }
}

/// Losses of rows that a kernel has no binding left for: more rows than a workgroup takes.
#[test]
fn losses_without_a_binding_have_their_rows() {
    let Some(gpu) = support::gpu() else { return };
    // No row is far enough from what it should be far from: every loss is above 0.
    let loss = Triplet {
        margin: 50.0,
        ..Default::default()
    };
    let recipe = Recipe {
        weight: WeightLayout::Row,
        reduction: Reduction::None,
        ..Recipe::new([3001, 3])
    };
    let batch = support::batch(&loss, &recipe, &mut Rng::new("losses without a binding"));
    right(&gpu, &loss, &batch);
}

/// Rows of which an invocation takes more packs than one block of a sum holds, for either kind of device.
#[test]
fn a_row_may_have_many_blocks() {
    let Some(gpu) = support::gpu() else { return };
    let loss = CosineSimilarity::default();
    let shape = [3, 40_003];
    let (x, t) = (numbers(120_009, 1), numbers(120_009, 2));
    let batch = Batch::new(shape, &x).target(&t);
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning).with_plan(PlanKind::Workgroup);
        right(&gpu, &loss, &batch);
    }
}

/// Two rows of an odd number of 16-bit columns share a word, and are taken together by all workgroups that a row has; the last
/// of five is alone.
#[test]
fn rows_that_share_a_word_are_split_together() {
    let Some(gpu) = support::gpu() else { return };
    let (x, y) = (numbers(5 * 9001, 1), labels(5, 9001, 3));
    for (dtype, tuning) in [(DType::F16, Tuning::Narrow), (DType::Bf16, Tuning::Wide)] {
        let gpu = gpu.with_tuning(tuning).with_plan(PlanKind::Split);
        let batch = Batch::new([5, 9001], &x).labels(&y).dtype(dtype);
        right(&gpu, &ce(), &batch);
    }
}

/// A weight per row at class axis 1 is bound by whole samples, of which a chunk may hold little.
#[test]
fn weights_per_row_at_class_axis_one_over_the_limits() {
    let Some(gpu) = support::gpu() else { return };
    let shape = [3, 2, 6000];
    let (x, t, w) = (numbers(36_000, 1), numbers(36_000, 2), vec![0.5f32; 18_000]);
    let batch = Batch::new(shape, &x)
        .target(&t)
        .weight(&w)
        .class_axis(ClassAxis::One);
    let whole = right(&gpu, &Mse::default(), &batch);
    let cut = gpu.with_limits(80_000, 50);
    let pieces = cut.loss(&Mse::default(), &batch).expect("an evaluation");
    assert_eq!(support::bits(&whole), support::bits(&pieces));
    // Where not even that fits, the plan says so.
    let layout = batch.layout(&Mse::default()).expect("a layout");
    let error = gpu.with_limits(40_000, 50).plan(&Mse::default(), &layout);
    assert!(
        matches!(error, Err(wgloss::Error::TooLarge { .. })),
        "{error:?}"
    );
}

/// Targets outside of a loss's domain: the formula as it stands, or what it makes of them.
#[test]
fn targets_outside_the_domain_follow_the_formula() {
    let Some(gpu) = support::gpu() else { return };
    let n = 3000;
    let x: Vec<f32> = numbers(n, 5).iter().map(|v| v.abs() / 4.5 + 0.01).collect();
    let t: Vec<f32> = numbers(n, 6).iter().map(|v| (v * 0.75).round()).collect();
    for info in wgloss::loss::all() {
        if info.family != Family::Elementwise || info.inputs.len() != 1 {
            continue;
        }
        if info.target == TargetKind::None {
            continue;
        }
        let loss = info.make();
        let batch = Batch::new([n], &x).target(&t).reduction(Reduction::None);
        right(&gpu, loss.as_ref(), &batch);
    }
}

/// Mesa's software driver ends loops once an invocation has been round 65,535 times in all: 16.8 million leaves for one
/// workgroup, or 65,535 columns for the one invocation that a row has at class axis 1, would be too many.
#[test]
fn no_invocation_goes_round_too_often() {
    let Some(gpu) = support::gpu() else { return };
    let rows = 17_500_000;
    let x = vec![half::f16::from_f32(-1.0); rows];
    let y = vec![0u32; rows];
    let batch = Batch::new([rows, 1], &x)
        .labels(&y)
        .dtype(DType::F16)
        .gradient(false);
    for (reduction, expected) in [(Reduction::Sum, 1.75e7), (Reduction::Mean, 1.0)] {
        let out = gpu.loss(&wgloss::Nll::default(), &batch.clone().reduction(reduction));
        assert_eq!(out.expect("an evaluation").loss, Some(expected));
    }
    let shape = [1, 200_003, 2];
    let n = shape.iter().product();
    let (x, t) = (numbers(n, 7), numbers(n, 8));
    let y = [3i64, 200_002];
    for dtype in [DType::F32, DType::Bf16] {
        let batch = Batch::new(shape, &x)
            .class_axis(wgloss::ClassAxis::One)
            .dtype(dtype);
        right(&gpu, &ce(), &batch.clone().labels(&y));
        right(
            &gpu,
            &wgloss::CosineSimilarity::default(),
            &batch.clone().target(&t),
        );
        // With a second statistic, and without a gradient.
        let js = wgloss::JsDivWithLogits::default();
        right(&gpu, &js, &batch.clone().target(&t));
        right(&gpu, &js, &batch.target(&t).gradient(false));
    }
}
