//! Tensors past every limit of a device: many rows, long rows, more than one binding holds.

mod support;

use wgloss::verify::Random;
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Gpu, Labels, Loss, Mse, Outcome, reference, verify,
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

fn bits(out: &Outcome<f32>) -> (Option<u32>, Vec<Vec<u32>>) {
    let words = |v: &Vec<f32>| v.iter().map(|x| x.to_bits()).collect();
    (
        out.loss.map(f32::to_bits),
        out.grads.iter().map(words).collect(),
    )
}

#[test]
fn cross_entropy_of_large_tensors() {
    let Some(gpu) = support::gpu() else { return };
    for (rows, cols) in [(70_000, 7), (3, 200_003), (4_097, 8_200)] {
        let x = numbers(rows * cols, rows as u64);
        let y = labels(rows, cols, 5);
        let batch = Batch::new([rows, cols], &x).labels(&y);
        let first = right(&gpu, &ce(), &batch);
        let again = gpu.loss(&ce(), &batch).expect("an evaluation");
        assert_eq!(bits(&first), bits(&again), "a rerun of {rows}×{cols}");
        // The same with bindings an eighth as large, in which a row and the partial sums still have to fit, and a
        // grid of two dimensions.
        let least = 4 * rows.max(cols) as u64 + 1024;
        let cut = gpu.with_limits((rows as u64 * cols as u64 / 2).max(least), 300);
        let layout = batch.layout(&ce()).expect("a layout");
        let plan = cut.plan(&ce(), &layout).expect("a plan");
        assert_eq!(plan.name(), "chunked workgroup");
        let pieces = cut.loss(&ce(), &batch).expect("an evaluation");
        assert_eq!(bits(&first), bits(&pieces), "{rows}×{cols} in chunks");
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
                bits(&whole),
                bits(&pieces),
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
        assert_eq!(bits(&whole), bits(&pieces), "{dtype}");
    }
}

/// Labels of every type, one of them out of range: counted, named, and not trained on.
#[test]
fn a_bad_label_is_counted_and_not_trained_on() {
    let Some(gpu) = support::gpu() else { return };
    let x = numbers(70_000 * 3, 9);
    let mut y: Vec<i64> = labels(70_000, 3, 9);
    y[69_998] = 3;
    y[69_123] = -7;
    y[69_999] = 1 << 40;
    let batch = Batch::new([70_000, 3], &x).labels(Labels::from(&y));
    let error = gpu.loss(&ce(), &batch).expect_err("labels out of range");
    let expected = wgloss::Error::BadLabels {
        count: 3,
        first_row: 69_123,
        classes: 3,
        ignored: " or the ignore_index -100".into(),
    };
    assert_eq!(error, expected);
    assert_eq!(
        reference::loss(&ce(), &batch).expect_err("the same"),
        expected
    );
    let out = pollster::block_on(gpu.evaluate_async(&ce(), &batch)).expect("an evaluation");
    assert!(out.grads[0][69_123 * 3..][..3].iter().all(|&g| g == 0.0));
    let check = verify::check(&ce(), &batch, &out).expect("a comparison");
    assert!(check.pass, "{:?}", check.complaint);
}
