//! Accuracy, ranks and confusion counts that a loss finds on its way.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{Io, Predictions, Tuning, View};
use wgloss::metric::{Multiclass, Samples};
use wgloss::verify;
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Error, LabelType, Layout, Mse, Outcome, Reduction,
    TargetLayout, wgpu,
};

/// Logits of which many are equal, some -inf, and one row all of that.
fn logits(rng: &mut Rng, rows: usize, cols: usize) -> Vec<f32> {
    let mut x: Vec<f32> = (0..rows * cols)
        .map(|_| {
            let x = rng.range(-4.0, 4.0) as f32;
            match rng.below(12) {
                0 => f32::NEG_INFINITY,
                1..5 => x.round(),
                5 => -0.0,
                _ => x,
            }
        })
        .collect();
    // A finite one in each row, or else its loss is none.
    for row in x.chunks_mut(cols) {
        row[cols / 2] = 4.0 * (cols % 2) as f32;
    }
    x
}

#[test]
fn ranks_on_the_way_are_those_of_another_look() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("ranked");
    let ignore = -100;
    let loss = CrossEntropy::default();
    let shapes = [[1, 1], [50, 7], [64, 64], [33, 100], [17, 301], [60, 512]];
    for tuning in Tuning::ALL {
        for (turn, [rows, cols]) in shapes.into_iter().enumerate() {
            for dtype in [DType::F32, DType::ALL[1 + turn % 2]] {
                let gpu = gpu.with_tuning(tuning);
                // Chunks too.
                let cut = match turn % 3 {
                    1 => gpu.with_limits(1 << 16, 40),
                    _ => gpu.clone(),
                };
                let at = format!("{tuning:?} {rows}x{cols} {dtype}");
                let x = stored(&logits(&mut rng, rows, cols), dtype);
                let labels: Vec<i64> = (0..rows)
                    .map(|_| match rng.below(9) {
                        0 => ignore,
                        _ => rng.below(cols) as i64,
                    })
                    .collect();
                let layout = Layout {
                    dtype,
                    target: TargetLayout::Labels(LabelType::I64),
                    reduction: Reduction::Sum,
                    ..Layout::new([rows, cols])
                };
                let plan = cut.plan_ranked(&loss, &layout).expect("a plan");
                let input = support::upload(&gpu, &x);
                let target = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
                let grad = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size: input.size(),
                    usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                    mapped_at_creation: false,
                });
                let bound = plan
                    .bind(&Io {
                        inputs: vec![View::whole(&input)],
                        target: Some(View::whole(&target)),
                        grads: vec![View::whole(&grad)],
                        ..Default::default()
                    })
                    .expect("bound");
                let scored = Predictions::Scores(dtype);
                let state = gpu
                    .confusion(scored, LabelType::I64, cols)
                    .expect("a state");
                let view = View::whole(&target);
                let batch = state
                    .bind_ranked(&bound, &view, Some(ignore))
                    .expect("bound");
                // Twice, as in two steps of training.
                support::submit(&gpu, &mut |encoder| {
                    for _ in 0..2 {
                        bound.encode(encoder);
                        state.update(encoder, &batch).expect("its own");
                    }
                });
                let values = support::loaded(&x, dtype);
                let asked = Multiclass {
                    top_k: (1..=cols.min(40)).collect(),
                    ignore_index: Some(ignore),
                    ..Default::default()
                };
                let samples = Samples::new([rows, cols], values.borrowed()).labels(&labels);
                let want = asked.figures(&samples).expect("figures");
                let got = state.compute().expect("counts");
                for truth in 0..cols {
                    for predicted in 0..cols {
                        let (w, g) = (
                            want.confusion_matrix.get(truth, predicted),
                            got.matrix.get(truth, predicted),
                        );
                        assert_eq!(w.map(|n| 2.0 * n), g, "{at}: {truth} for {predicted}");
                    }
                }
                let mut hits = 0;
                for (rank, (k, share)) in got.ranks.iter().zip(&want.top_k) {
                    hits += rank;
                    let share = share.unwrap_or(0.0) * want.n;
                    assert!((hits as f64 - 2.0 * share).abs() < 1e-6, "{at}: top-{k}");
                }
                // The loss is what it is without.
                let report = bound.report().expect("a report");
                let batch = Batch::new([rows, cols], values)
                    .labels(&labels)
                    .dtype(dtype)
                    .reduction(Reduction::Sum);
                let whole = gpu.loss(&loss, &batch).expect("an evaluation");
                let read = support::download(&gpu, &grad);
                let read = support::loaded(&read[..x.len()], dtype);
                let grads = read.to_f64().iter().map(|v| *v as f32).collect();
                let outcome = Outcome {
                    loss: report.0,
                    status: report.1,
                    grads: vec![grads],
                    ..whole
                };
                let check = verify::check(&loss, &batch, &outcome).expect("a comparison");
                assert_eq!(check.complaint, None, "{at}");
            }
        }
    }
}

#[test]
fn rows_without_a_prediction_are_named() {
    let Some(gpu) = support::gpu() else { return };
    let loss = CrossEntropy::default();
    let layout = Layout {
        target: TargetLayout::Labels(LabelType::I32),
        gradient: false,
        ..Layout::new([3, 2])
    };
    let plan = gpu.plan_ranked(&loss, &layout).expect("a plan");
    let run = |x: [f32; 6], labels: [i32; 3]| {
        let input = support::upload(&gpu, &stored(&x, DType::F32));
        let target = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
        let bound = plan
            .bind(&Io {
                inputs: vec![View::whole(&input)],
                target: Some(View::whole(&target)),
                ..Default::default()
            })
            .expect("bound");
        let of = Predictions::Scores(DType::F32);
        let state = gpu.confusion(of, LabelType::I32, 2).expect("a state");
        let batch = state.bind_ranked(&bound, &View::whole(&target), None);
        let batch = batch.expect("bound");
        support::submit(&gpu, &mut |encoder| {
            bound.encode(encoder);
            state.update(encoder, &batch).expect("its own");
        });
        state.compute()
    };
    let good = run([0.0, 1.0, 2.0, 1.0, 0.5, 0.5], [1, 1, 0]).expect("counts");
    assert_eq!(good.ranks, [2, 1]);
    let error = run([0.0, 1.0, f32::NAN, 1.0, 0.5, 0.5], [1, 1, 0]).expect_err("a NaN");
    assert!(
        matches!(
            error,
            Error::BadSample {
                what: "input",
                index: 2,
                ..
            }
        ),
        "{error}"
    );
    let error = run([0.0, 1.0, 2.0, 1.0, 0.5, 0.5], [1, 1, 2]).expect_err("no class");
    assert!(
        matches!(
            error,
            Error::BadSample {
                what: "target",
                index: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_has_no_ranks_is_refused() {
    let Some(gpu) = support::gpu() else { return };
    let labels = Layout {
        target: TargetLayout::Labels(LabelType::I64),
        ..Layout::new([4, 3])
    };
    let values = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([4, 3])
    };
    let across = Layout {
        class_axis: ClassAxis::One,
        shape: vec![2, 3, 5],
        ..labels.clone()
    };
    let warm = CrossEntropy {
        temperature: 2.0,
        ..Default::default()
    };
    let plain = CrossEntropy::default();
    for plan in [
        gpu.plan_ranked(&Mse::default(), &values),
        gpu.plan_ranked(&plain, &values),
        gpu.plan_ranked(&plain, &across),
        gpu.plan_ranked(&warm, &labels),
    ] {
        assert!(matches!(plan, Err(Error::Mismatch { .. })), "{plan:?}");
    }
    let buffer = support::upload(&gpu, &[0; 96]);
    let io = Io {
        inputs: vec![View::whole(&buffer)],
        target: Some(View::whole(&buffer)),
        ..Default::default()
    };
    let layout = Layout {
        gradient: false,
        ..labels
    };
    let without = gpu
        .plan(&plain, &layout)
        .expect("a plan")
        .bind(&io)
        .expect("bound");
    let with = gpu
        .plan_ranked(&plain, &layout)
        .expect("a plan")
        .bind(&io)
        .expect("bound");
    let of = Predictions::Scores(DType::F32);
    let state = |of, classes| gpu.confusion(of, LabelType::I64, classes).expect("a state");
    let view = View::whole(&buffer);
    let wrong = [
        state(of, 3).bind_ranked(&without, &view, None),
        state(of, 4).bind_ranked(&with, &view, None),
        state(Predictions::Labels(LabelType::I64), 3).bind_ranked(&with, &view, None),
    ];
    for bound in wrong {
        assert!(matches!(bound, Err(Error::Mismatch { .. })));
    }
    assert!(state(of, 3).bind_ranked(&with, &view, None).is_ok());
}
