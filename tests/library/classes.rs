//! Figures of several classes and of several labels that are collected on the device, against the reference.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{Gpu, Predictions, Tuning, View};
use wgloss::metric::{Binary, InputKind, Multiclass, MulticlassFigures, Multilabel, Samples};
use wgloss::verify::{check_binary, check_multiclass, check_multilabel};
use wgloss::{DType, Error, LabelType, wgpu};

const KINDS: [InputKind; 3] = [InputKind::Scores, InputKind::Probs, InputKind::Logits];

fn data(rng: &mut Rng, kind: InputKind, n: usize, classes: usize) -> (Vec<f32>, Vec<i64>) {
    let labels: Vec<i64> = (0..n)
        .map(|_| {
            if rng.once_in(9) {
                -1
            } else {
                rng.below(classes) as i64
            }
        })
        .collect();
    let mut scores = Vec::new();
    for &label in &labels {
        let row: Vec<f64> = (0..classes)
            .map(|c| {
                let x = rng.range(-4.0, 4.0) + if c as i64 == label { 1.0 } else { 0.0 };
                if rng.once_in(4) { x.round() } else { x }
            })
            .collect();
        let whole: f64 = row.iter().map(|x| x.exp()).sum();
        scores.extend(row.iter().map(|x| match kind {
            InputKind::Probs => (x.exp() / whole) as f32,
            _ => *x as f32,
        }));
    }
    (scores, labels)
}

#[test]
fn figures_of_classes_are_those_of_the_reference_in_any_batches() {
    let Some(gpu) = support::gpu() else { return };
    let mut lines = Vec::new();
    let mut rng = Rng::new("classes");
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for (turn, (n, classes)) in [
            (1, 1),
            (7, 2),
            (900, 3),
            (400, 10),
            (130, 65),
            (60, 3),
            (800, 4),
            (33, 7),
            (300, 5),
        ]
        .into_iter()
        .enumerate()
        {
            let kind = KINDS[turn % 3];
            let dtype = DType::ALL[turn / 3 % 3];
            let (scores, labels) = data(&mut rng, kind, n, classes);
            let scores = stored(&scores, dtype);
            let asked = Multiclass {
                input: kind,
                top_k: vec![1, 2, 5],
                ignore_index: Some(-1),
                ..Default::default()
            };
            let samples =
                Samples::new([n, classes], support::loaded(&scores, dtype)).labels(&labels);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.multiclass_figures(&asked, &samples).expect("figures");
            let at = format!(
                "{tuning:?}: {n} of {classes} classes by {}, {dtype}",
                kind.name()
            );
            lines.extend(
                check_multiclass(kind, &want, &got)
                    .complaint
                    .map(|c| format!("{at}: {c}")),
            );
            let of = Predictions::Scores(dtype);
            let state = || {
                gpu.multiclass(&asked, of, LabelType::I64, None, classes, n)
                    .expect("a state")
            };
            let mut states = [state(), state()];
            let all = support::upload(&gpu, &scores);
            let truth = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
            let each = 2 * n.div_ceil(7);
            support::submit(&gpu, &mut |encoder| {
                for (b, first) in (0..n).step_by(each).enumerate() {
                    let len = each.min(n - first);
                    let view = |buffer, size: u64| View {
                        buffer,
                        offset: first as u64 * size,
                        size: len as u64 * size,
                    };
                    let to = &mut states[b % 2];
                    let input = view(&all, classes as u64 * dtype.size());
                    let batch = to.bind(&input, &view(&truth, 8), len).expect("bound");
                    to.update(encoder, &batch).expect("room");
                }
                let [a, b] = &mut states;
                a.merge(encoder, b).expect("the same kind");
            });
            assert_eq!(states[0].compute().expect("figures"), got, "{at}");
            let bytes = states[0].to_bytes().expect("bytes");
            states[1].load_bytes(&bytes).expect("a saved state");
            assert_eq!(states[1].compute().expect("figures"), got, "{at}");
            let error = states[1]
                .load_bytes(&bytes[..bytes.len() - 4])
                .expect_err("cut off");
            assert!(matches!(error, Error::Mismatch { .. }), "{error}");
            // Without room for scores there are counts.
            let mut counts = gpu
                .multiclass(&asked, of, LabelType::I64, None, classes, 0)
                .expect("a state");
            let batch = counts
                .bind(&View::whole(&all), &View::whole(&truth), n)
                .expect("bound");
            support::submit(&gpu, &mut |encoder| {
                counts.update(encoder, &batch).expect("its own")
            });
            let only = counts.compute().expect("figures");
            assert_eq!(only.confusion_matrix, got.confusion_matrix, "{at}");
            assert_eq!(
                (only.roc_auc_macro, only.log_loss),
                (None, got.log_loss),
                "{at}"
            );
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// So many classes that an invocation which took 128 rows of them would go round its loops more often than Mesa's software
/// driver lets it.
#[test]
fn many_classes_are_all_looked_at() {
    let Some(gpu) = support::gpu() else { return };
    let (n, classes) = (200, 3000);
    let mut rng = Rng::new("many classes");
    let (scores, labels) = data(&mut rng, InputKind::Scores, n, classes);
    let asked = Multiclass {
        top_k: vec![1, 100, 2999],
        ignore_index: Some(-1),
        ..Default::default()
    };
    let samples = Samples::new([n, classes], &scores).labels(&labels);
    let want = asked.figures(&samples).expect("figures");
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        let of = Predictions::Scores(DType::F32);
        let mut state = gpu
            .multiclass(&asked, of, LabelType::I64, None, classes, 0)
            .expect("a state");
        let all = support::upload(&gpu, &stored(&scores, DType::F32));
        let truth = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
        let batch = state
            .bind(&View::whole(&all), &View::whole(&truth), n)
            .expect("bound");
        support::submit(&gpu, &mut |encoder| {
            state.update(encoder, &batch).expect("its own")
        });
        let got = state.compute().expect("figures");
        assert_eq!(got.confusion_matrix, want.confusion_matrix);
        assert_eq!(got.top_k, want.top_k);
    }
}

/// What the logits of a row have in common takes 16 bytes, which two halves do not: a batch is cut so that a binding holds that, too, and is
/// refused where a buffer does not.
#[test]
fn rows_of_few_halves_over_the_limit_of_a_binding() {
    if support::gpu().is_none() {
        return;
    }
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = pollster::block_on(instance.request_adapter(&options)).expect("an adapter");
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 1 << 16,
        max_buffer_size: 1 << 17,
        ..wgloss::gpu::required_limits(&adapter.limits())
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_limits: limits,
        ..Default::default()
    }))
    .expect("a device with lower limits");
    let small = Gpu::from_device(device, queue);
    let classes = 2;
    for (n, fits) in [(8192, true), (8193, false)] {
        let mut rng = Rng::new("halves");
        let (scores, labels) = data(&mut rng, InputKind::Logits, n, classes);
        let labels: Vec<u32> = labels.iter().map(|&l| l as u32).collect();
        let asked = Multiclass {
            input: InputKind::Logits,
            ignore_index: Some(u32::MAX.into()),
            ..Default::default()
        };
        let scores = support::loaded(&stored(&scores, DType::F16), DType::F16);
        let samples = Samples::new([n, classes], scores).labels(&labels);
        let want = asked.figures(&samples).expect("figures");
        match small.multiclass_figures(&asked, &samples) {
            Ok(got) if fits => {
                let check = check_multiclass(InputKind::Logits, &want, &got);
                assert_eq!(check.complaint, None);
            }
            Err(Error::TooLarge { what, .. }) if !fits => {
                assert_eq!(what, "words for logits of a batch");
            }
            other => panic!("{n} rows: {other:?}"),
        }
    }
}

#[test]
fn figures_of_labels_are_those_of_the_reference_in_any_batches() {
    let Some(gpu) = support::gpu() else { return };
    let mut lines = Vec::new();
    let mut rng = Rng::new("labels");
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for (turn, (n, count)) in [
            (1, 1),
            (9, 3),
            (700, 5),
            (300, 20),
            (50, 2),
            (500, 4),
            (31, 6),
        ]
        .into_iter()
        .enumerate()
        {
            let kind = KINDS[turn % 3];
            let dtype = DType::ALL[turn / 2 % 3];
            let truth: Vec<i64> = (0..n * count)
                .map(|_| {
                    if rng.once_in(40) {
                        -1
                    } else {
                        i64::from(rng.once_in(3))
                    }
                })
                .collect();
            let scores: Vec<f32> = truth
                .iter()
                .map(|&t| {
                    let x = (rng.range(-3.0, 3.0) + t as f64).round() / 2.0;
                    match kind {
                        InputKind::Probs => (1.0 / (1.0 + (-x).exp())) as f32,
                        _ => x as f32,
                    }
                })
                .collect();
            let scores = stored(&scores, dtype);
            let asked = Multilabel {
                input: kind,
                ignore_index: Some(-1),
                ..Default::default()
            };
            let samples = Samples::new([n, count], support::loaded(&scores, dtype)).labels(&truth);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.multilabel_figures(&asked, &samples).expect("figures");
            let at = format!(
                "{tuning:?}: {n} of {count} labels by {}, {dtype}",
                kind.name()
            );
            lines.extend(
                check_multilabel(&want, &got)
                    .complaint
                    .map(|c| format!("{at}: {c}")),
            );
            let of = Predictions::Scores(dtype);
            let state = || {
                gpu.multilabel(&asked, of, LabelType::I64, None, count, n)
                    .expect("a state")
            };
            let mut states = [state(), state()];
            let all = support::upload(&gpu, &scores);
            let labels = support::upload(&gpu, &bytes(truth.iter().map(|l| l.to_le_bytes())));
            let each = 2 * n.div_ceil(7);
            support::submit(&gpu, &mut |encoder| {
                for (b, first) in (0..n).step_by(each).enumerate() {
                    let len = each.min(n - first);
                    let view = |buffer, size: u64| View {
                        buffer,
                        offset: (first * count) as u64 * size,
                        size: (len * count) as u64 * size,
                    };
                    let to = &mut states[b % 2];
                    let batch = to.bind(&view(&all, dtype.size()), &view(&labels, 8), len);
                    to.update(encoder, &batch.expect("bound")).expect("room");
                }
                let [a, b] = &mut states;
                a.merge(encoder, b).expect("the same kind");
            });
            assert_eq!(states[0].compute().expect("figures"), got, "{at}");
            let predicted: Vec<i64> = (0..n * count).map(|_| i64::from(rng.once_in(2))).collect();
            let asked = Multilabel {
                input: InputKind::Labels,
                ..asked
            };
            let samples = Samples::predicted([n, count], &predicted).labels(&truth);
            let want = asked.figures(&samples).expect("figures");
            assert_eq!(
                gpu.multilabel_figures(&asked, &samples).expect("figures"),
                want,
                "{at}"
            );
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// A label that is passed over may be one of the classes; one that only its lower half is like is another.
#[test]
fn an_ignored_label_may_be_a_class() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("ignored classes");
    let (n, classes) = (300, 3);
    let labels: Vec<i64> = (0..n).map(|_| rng.below(classes) as i64).collect();
    let bits: Vec<i64> = labels.iter().map(|l| l % 2).collect();
    let predicted: Vec<i64> = (0..n).map(|_| rng.below(classes) as i64).collect();
    for ignored in [0, 1, 2, 1 << 32, 1 << 32 | 1, -1 << 32 | 1] {
        let ignore_index = Some(ignored);
        for (kind, dtype) in KINDS.into_iter().zip(DType::ALL) {
            let (scores, _) = data(&mut rng, kind, n, classes);
            let scores = support::loaded(&stored(&scores, dtype), dtype);
            let at = format!("{ignored} of {}, {dtype}", kind.name());
            let asked = Multiclass {
                input: kind,
                top_k: vec![2],
                ignore_index,
                ..Default::default()
            };
            let samples = Samples::new([n, classes], scores.borrowed()).labels(&labels);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.multiclass_figures(&asked, &samples).expect("figures");
            assert_eq!(check_multiclass(kind, &want, &got).complaint, None, "{at}");
            let asked = Multilabel {
                input: kind,
                ignore_index,
                ..Default::default()
            };
            let sets = bits.repeat(classes);
            let samples = Samples::new([n, classes], scores.borrowed()).labels(&sets);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.multilabel_figures(&asked, &samples).expect("figures");
            assert_eq!(check_multilabel(&want, &got).complaint, None, "{at}");
            let asked = Binary {
                input: kind,
                ignore_index,
                ..Default::default()
            };
            let samples = Samples::new([n * classes], scores).labels(&sets);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.binary_figures(&asked, &samples).expect("figures");
            assert_eq!(check_binary(&want, &got).complaint, None, "{at}");
        }
        let asked = Multiclass {
            input: InputKind::Labels,
            classes: Some(classes),
            ignore_index,
            ..Default::default()
        };
        let samples = Samples::predicted([n], &predicted).labels(&labels);
        let want = asked.figures(&samples).expect("figures");
        let got = gpu.multiclass_figures(&asked, &samples).expect("figures");
        assert_eq!(got, want, "{ignored} of predicted labels");
        let counted = labels.iter().filter(|l| **l != ignored).count();
        assert_eq!(got.n, counted as f64, "{ignored}");
    }
}

#[test]
fn states_without_room_for_scores_say_so() {
    let Some(gpu) = support::gpu() else { return };
    let of = Predictions::Scores(DType::F32);
    let asked = Multiclass::default();
    let state = |room| {
        gpu.multiclass(&asked, of, LabelType::I64, None, 3, room)
            .expect("a state")
    };
    let (mut kept, mut counted) = (state(8), state(0));
    let scores = support::upload(&gpu, &stored(&[0.5, 0.25, 1.0, 0.0, 2.0, 1.0], DType::F32));
    let truth = support::upload(&gpu, &bytes([2i64, 1].iter().map(|l| l.to_le_bytes())));
    for state in [&mut kept, &mut counted] {
        let batch = state
            .bind(&View::whole(&scores), &View::whole(&truth), 2)
            .expect("bound");
        support::submit(&gpu, &mut |e| state.update(e, &batch).expect("its own"));
    }
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    for error in [
        kept.merge(&mut encoder, &counted).expect_err("no scores"),
        counted.merge(&mut encoder, &kept).expect_err("no room"),
    ] {
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }
    let figures = counted.compute().expect("figures");
    let reason = |name: &str| {
        let all = figures.undefined.iter();
        all.filter(|u| u.figure == name).map(|u| u.reason).next()
    };
    assert_eq!(reason("roc_auc_ovr.macro"), Some("no scores were kept"));
    assert_eq!(figures.accuracy, Some(1.0));
    // Three labels are not four, though both take as much room.
    let sets = |input, of, count| {
        let asked = Multilabel {
            input,
            ..Default::default()
        };
        let state = gpu.multilabel(&asked, of, LabelType::I64, None, count, 0);
        state.expect("a state")
    };
    let predicted = Predictions::Labels(LabelType::I64);
    for (input, of) in [(InputKind::Labels, predicted), (InputKind::Scores, of)] {
        let (mut three, four) = (sets(input, of, 3), sets(input, of, 4));
        let error = three.merge(&mut encoder, &four).expect_err("other labels");
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        let saved = four.to_bytes().expect("bytes");
        let error = three.load_bytes(&saved).expect_err("other labels");
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }
    // Nothing is made for more than there can be.
    let many = gpu.multiclass(&asked, of, LabelType::I64, None, usize::MAX / 2, 1);
    assert!(matches!(many, Err(Error::TooLarge { .. })));
    let many = gpu.multilabel(&Multilabel::default(), of, LabelType::I64, None, 70_000, 0);
    assert!(matches!(many, Err(Error::TooLarge { .. })));
}

/// How many classes there are is said once or twice, but then the same.
#[test]
fn classes_are_as_many_as_columns() {
    let scores = [0.2f32, 0.5, 0.3, 0.1, 0.1, 0.8];
    let samples = Samples::new([2, 3], &scores).labels(&[1i64, 2]);
    for (classes, fits) in [
        (None, true),
        (Some(3), true),
        (Some(2), false),
        (Some(4), false),
    ] {
        let asked = Multiclass {
            classes,
            ..Default::default()
        };
        match asked.figures(&samples) {
            Ok(found) => assert!(fits && found.per_class.len() == 3, "{classes:?}"),
            Err(e) => assert!(
                !fits && matches!(e, Error::Mismatch { .. }),
                "{classes:?}: {e}"
            ),
        }
    }
}

/// A loss between f32's largest number and twice that is a number.
#[test]
fn losses_of_logits_far_apart_are_finite() {
    let Some(gpu) = support::gpu() else { return };
    let asked = Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    };
    let samples = Samples::new([2, 3], &[3e38f32, -3e38, 0.0, 1.0, 2.0, -3e38]).labels(&[1i64, 0]);
    let want = asked.figures(&samples).expect("figures");
    let got = gpu.multiclass_figures(&asked, &samples).expect("figures");
    assert_eq!(
        check_multiclass(InputKind::Logits, &want, &got).complaint,
        None
    );
}

#[test]
fn the_first_bad_place_is_named() {
    let Some(gpu) = support::gpu() else { return };
    let place = |error: Error, what: &str| match error {
        Error::BadSample { what: w, index, .. } if w == what => index,
        other => panic!("{other}"),
    };
    let asked = |input| Multiclass {
        input,
        ..Default::default()
    };
    let scores = [
        0.0f32,
        1.0,
        0.5,
        0.25,
        f32::INFINITY,
        0.0,
        f32::NAN,
        0.0,
        0.0,
    ];
    let samples = Samples::new([3, 3], &scores).labels(&[0i64, 1, 2]);
    for (kind, first) in [
        (InputKind::Scores, 6),
        (InputKind::Logits, 4),
        (InputKind::Probs, 4),
    ] {
        let error = gpu
            .multiclass_figures(&asked(kind), &samples)
            .expect_err("bad scores");
        assert_eq!(place(error, "input"), first, "{}", kind.name());
    }
    let impossible = [0.0f32, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let samples = Samples::new([2, 2], &impossible).labels(&[0i64, 1]);
    let error = gpu.multiclass_figures(&asked(InputKind::Logits), &samples);
    assert_eq!(place(error.expect_err("no class can be"), "input"), 2);
    let samples = Samples::new([2, 2], &[0.0f32, 1.0, 1.0, 0.0]).labels(&[0i64, 2]);
    let error = gpu.multiclass_figures(&asked(InputKind::Scores), &samples);
    assert_eq!(place(error.expect_err("no class"), "target"), 1);
    let sets = Multilabel {
        input: InputKind::Probs,
        ..Default::default()
    };
    let samples = Samples::new([2, 2], &[0.0f32, 1.0, 1.0, 0.0]).labels(&[0i64, 1, 1, 3]);
    let error = gpu
        .multilabel_figures(&sets, &samples)
        .expect_err("no label");
    assert_eq!(place(error, "target"), 3);
    let samples = Samples::new([2, 2], &[0.0f32, 1.0, 1.5, 0.0]).labels(&[0i64, 1, 1, 0]);
    let error = gpu
        .multilabel_figures(&sets, &samples)
        .expect_err("no share");
    assert_eq!(place(error, "input"), 2);
}

/// Rows of logits that differ by a number have the same probabilities: they tie, by the reference and on a device.
#[test]
fn shifted_rows_tie() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("shifts");
    let n = 400;
    let rows: Vec<f32> = (0..n)
        .flat_map(|_| {
            let shift = rng.below(7) as f32;
            [(); 3].map(|()| shift + rng.below(3) as f32)
        })
        .collect();
    let labels: Vec<i64> = (0..n).map(|_| rng.below(3) as i64).collect();
    let plain: Vec<f32> = rows
        .chunks(3)
        .flat_map(|row| {
            let least = row.iter().copied().fold(f32::INFINITY, f32::min);
            row.iter().map(move |x| x - least).collect::<Vec<_>>()
        })
        .collect();
    let asked = Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    };
    let figures = |rows: &[f32]| {
        let samples = Samples::new([n, 3], rows).labels(&labels);
        let reference = asked.figures(&samples).expect("figures");
        let device = gpu.multiclass_figures(&asked, &samples).expect("figures");
        let areas =
            |f: MulticlassFigures| f.per_class.iter().map(|c| c.roc_auc).collect::<Vec<_>>();
        [areas(reference), areas(device)]
    };
    let [reference, device] = figures(&rows);
    assert_eq!(reference, device);
    assert_eq!([reference, device], figures(&plain));
}
