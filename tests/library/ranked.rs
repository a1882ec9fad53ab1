//! Accuracy, ranks and confusion counts that a loss finds on its way.

use crate::support::{self, Rng, bytes, stored};
use wgloss::bounds::{DIV, U};
use wgloss::gpu::{Io, Predictions, Tuning, View};
use wgloss::metric::{CALIBRATION_BINS, InputKind, Multiclass, MulticlassFigures, Samples};
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Error, LabelType, Layout, Mse, Outcome, Reduction,
    TargetLayout, Values, wgpu,
};
use wgloss::{reference, verify};

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

/// Holds probabilities of the rows that count, which were made of a loss's sums, against the reference's.
///
/// A row's loss for its best class is log s, of a sum s; let b bound the loss's error there, so that the sum is off by b·s at most. The device
/// takes 1 from it, to one rounding of s, and the logarithm of 1 and that is good to 6 U: log loss is off by b + U + 6 U·log s. The
/// confidence 1/s, or what it lacks of 1, adds a sum, a division and a product: b + 4 U + DIV. The mean of a bin is off by no more; and a row
/// that near to an edge may be counted in the next bin: where it leaves and where it comes to, ECE changes by 1/n at most.
fn near(
    (values, dtype): (&Values<'_>, DType),
    [rows, cols]: [usize; 2],
    counts: impl Fn(usize) -> bool,
    want: &MulticlassFigures,
    got: &MulticlassFigures,
    at: &str,
) {
    let x = values.to_f64();
    let best: Vec<i64> = x
        .chunks(cols)
        .map(|row| {
            let highest = (0..cols).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            highest.unwrap_or(0) as i64
        })
        .collect();
    let batch = Batch::new([rows, cols], values.borrowed())
        .labels(&best)
        .dtype(dtype)
        .reduction(Reduction::None);
    let loss = CrossEntropy::default();
    let (exact, bounds) = reference::evaluate_with_bounds(&loss, &batch).expect("bounds");
    let (mut log_loss, mut ece, mut n) = (0.0, 0.0, 0.0);
    for i in (0..rows).filter(|&i| counts(i)) {
        let (log_s, b) = (exact.losses[i], bounds.losses[i]);
        log_loss += b + U + 6.0 * U * log_s;
        let by = b + 4.0 * U + DIV;
        let bins = CALIBRATION_BINS as f64 / log_s.exp();
        // There is nothing behind the last bin.
        let inner = bins.round() < CALIBRATION_BINS as f64;
        let edge = inner && (bins - bins.round()).abs() <= by * CALIBRATION_BINS as f64;
        ece += by + if edge { 2.0 } else { 0.0 };
        n += 1.0;
    }
    let pairs = [
        ("log loss", want.log_loss, got.log_loss, log_loss / n),
        ("ECE", want.ece, got.ece, ece / n),
    ];
    for (what, want, got, bound) in pairs {
        let close = match (want, got) {
            (Some(want), Some(got)) => want == got || (want - got).abs() <= bound,
            (want, got) => want == got,
        };
        assert!(close, "{at}: {what} {got:?}, not {want:?}, by {bound:e}");
    }
}

#[test]
fn ranks_on_the_way_are_those_of_another_look() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("ranked");
    let ignore = -100;
    let mut finite = 0;
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
                let mut x = logits(&mut rng, rows, cols);
                if turn % 2 == 1 {
                    // Some rows are nearly certain.
                    x.iter_mut().for_each(|x| *x *= 4.0);
                }
                let labels: Vec<i64> = (0..rows)
                    .map(|i| match (rng.below(9), rng.below(cols)) {
                        (0, _) => ignore,
                        // Every other time no loss is infinite.
                        (_, c) if turn % 2 == 1 && x[i * cols + c] == f32::NEG_INFINITY => {
                            cols as i64 / 2
                        }
                        (_, c) => c as i64,
                    })
                    .collect();
                let x = stored(&x, dtype);
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
                let asked = Multiclass {
                    input: InputKind::Logits,
                    top_k: (1..=cols.min(40)).collect(),
                    ignore_index: Some(ignore),
                    ..Default::default()
                };
                let all = gpu.multiclass(&asked, scored, LabelType::I64, None, cols, 0);
                let mut all = all.expect("a state");
                let of_all = all.bind_ranked(&bound, &view).expect("bound");
                assert_eq!(of_all.samples(), rows);
                // Twice, as in two steps of training: into passes of their own, and into one.
                support::submit(&gpu, &mut |encoder| {
                    bound.encode(encoder);
                    state.update(encoder, &batch).expect("its own");
                    all.update(encoder, &of_all).expect("its own");
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    bound.record(&mut pass);
                    state.record_update(&mut pass, &batch).expect("its own");
                    all.record_update(&mut pass, &of_all).expect("its own");
                });
                let values = support::loaded(&x, dtype);
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
                // The same with what follows of probabilities.
                let figures = all.compute().expect("figures");
                assert_eq!(figures.confusion_matrix, got.matrix, "{at}");
                assert_eq!(figures.top_k, want.top_k, "{at}");
                let counts = |i: usize| labels[i] != ignore;
                near((&values, dtype), [rows, cols], counts, &want, &figures, &at);
                finite += u32::from(want.log_loss.is_some_and(f64::is_finite));
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
    assert!(finite > 10, "{finite} log losses were numbers");
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
        let asked = Multiclass {
            input: InputKind::Logits,
            ..Default::default()
        };
        let all = gpu.multiclass(&asked, of, LabelType::I32, None, 2, 0);
        let mut all = all.expect("a state");
        let of_all = all.bind_ranked(&bound, &View::whole(&target));
        let of_all = of_all.expect("bound");
        support::submit(&gpu, &mut |encoder| {
            bound.encode(encoder);
            state.update(encoder, &batch).expect("its own");
            all.update(encoder, &of_all).expect("its own");
        });
        // Of scores, and of logits.
        (state.compute(), all.compute())
    };
    let (good, all) = run([0.0, 1.0, 2.0, 1.0, 0.5, 0.5], [1, 1, 0]);
    assert_eq!(good.expect("counts").ranks, [2, 1]);
    // log(1 + e^-1) twice, once with 1 more, and log 2.
    let log_loss = all.expect("figures").log_loss.expect("rows");
    assert!((3.0 * log_loss - 2.319_67).abs() < 1e-5, "{log_loss}");
    let inf = f32::INFINITY;
    // What cannot be is a loss without end where it is true; what no distribution can be made with is bad.
    let (good, all) = run([0.0, 1.0, -inf, 1.0, 0.5, 0.5], [1, 0, 0]);
    assert_eq!(good.expect("counts").ranks, [2, 1]);
    assert_eq!(all.expect("figures").log_loss, Some(f64::INFINITY));
    for row in [[inf, 0.0], [-inf, -inf], [0.0, inf]] {
        let (good, all) = run([0.0, 1.0, row[0], row[1], 0.5, 0.5], [1, 1, 0]);
        assert!(good.is_ok(), "{good:?}");
        let index = match all {
            Err(Error::BadSample {
                what: "input",
                index,
                ..
            }) => index,
            other => panic!("{row:?}: {other:?}"),
        };
        assert_eq!(index, 2, "{row:?}");
    }
    let run = |x, labels| match run(x, labels) {
        (scores, Err(_)) => scores,
        (_, Ok(figures)) => panic!("{figures:?}"),
    };
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

/// What a loss makes of probabilities is its own: figures are those of the logits.
#[test]
fn ranks_on_the_way_do_not_depend_on_options() {
    let Some(gpu) = support::gpu() else { return };
    let loss = CrossEntropy {
        label_smoothing: 0.25,
        z_loss: 0.5,
        ..Default::default()
    };
    let [rows, cols] = [50, 7];
    let mut rng = Rng::new("options");
    let x: Vec<f32> = (0..rows * cols)
        .map(|_| rng.range(-6.0, 6.0) as f32)
        .collect();
    let labels: Vec<i64> = (0..rows).map(|_| rng.below(cols) as i64).collect();
    let layout = Layout {
        target: TargetLayout::Labels(LabelType::I64),
        class_weight: true,
        gradient: false,
        ..Layout::new([rows, cols])
    };
    let plan = gpu.plan_ranked(&loss, &layout).expect("a plan");
    let input = support::upload(&gpu, &stored(&x, DType::F32));
    let target = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
    let weights: Vec<f32> = (0..cols).map(|c| c as f32 / 2.0).collect();
    let weights = support::upload(&gpu, &stored(&weights, DType::F32));
    let bound = plan
        .bind(&Io {
            inputs: vec![View::whole(&input)],
            target: Some(View::whole(&target)),
            class_weight: Some(View {
                buffer: &weights,
                offset: 0,
                size: 4 * cols as u64,
            }),
            ..Default::default()
        })
        .expect("bound");
    let asked = Multiclass {
        input: InputKind::Logits,
        top_k: vec![1, 3],
        ..Default::default()
    };
    let of = Predictions::Scores(DType::F32);
    let mut state = gpu
        .multiclass(&asked, of, LabelType::I64, None, cols, 0)
        .expect("a state");
    let batch = state.bind_ranked(&bound, &View::whole(&target));
    let batch = batch.expect("bound");
    support::submit(&gpu, &mut |encoder| {
        bound.encode(encoder);
        state.update(encoder, &batch).expect("its own");
    });
    let samples = Samples::new([rows, cols], &x).labels(&labels);
    let want = asked.figures(&samples).expect("figures");
    let got = state.compute().expect("figures");
    assert_eq!(got.confusion_matrix, want.confusion_matrix);
    assert_eq!(got.top_k, want.top_k);
    let values = Values::from(x);
    near(
        (&values, DType::F32),
        [rows, cols],
        |_| true,
        &want,
        &got,
        "options",
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
    // Figures of logits, with nothing in order.
    let asked = |input, ignore_index| Multiclass {
        input,
        ignore_index,
        ..Default::default()
    };
    let all = |asked: &Multiclass, classes, room| {
        let state = gpu.multiclass(asked, of, LabelType::I64, None, classes, room);
        state.expect("a state")
    };
    let logits = asked(InputKind::Logits, None);
    let wrong = [
        all(&logits, 3, 0).bind_ranked(&without, &view),
        all(&logits, 4, 0).bind_ranked(&with, &view),
        all(&logits, 3, 9).bind_ranked(&with, &view),
        all(&asked(InputKind::Scores, None), 3, 0).bind_ranked(&with, &view),
    ];
    for bound in wrong {
        assert!(matches!(bound, Err(Error::Mismatch { .. })));
    }
    let weighted = gpu.multiclass(&logits, of, LabelType::I64, Some(DType::F32), 3, 0);
    let bound = weighted.expect("a state").bind_ranked(&with, &view);
    assert!(matches!(bound, Err(Error::Mismatch { .. })));
    assert!(all(&logits, 3, 0).bind_ranked(&with, &view).is_ok());
    // A class that only the loss passes over.
    let passing = CrossEntropy {
        ignore_index: 1,
        ..Default::default()
    };
    let passing = gpu
        .plan_ranked(&passing, &layout)
        .expect("a plan")
        .bind(&io)
        .expect("bound");
    for (ignore, good) in [(None, false), (Some(0), false), (Some(1), true)] {
        let asked = asked(InputKind::Logits, ignore);
        let bound = all(&asked, 3, 0).bind_ranked(&passing, &view);
        assert_eq!(bound.is_ok(), good, "{ignore:?}");
        let bound = state(of, 3).bind_ranked(&passing, &view, ignore);
        assert_eq!(bound.is_ok(), good, "{ignore:?}");
    }
}
