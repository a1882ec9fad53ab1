//! Figures of several classes and of several labels that are collected on the device, against the reference.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{Gpu, Predictions, Tuning, View};
use wgloss::metric::{
    InputKind, Multiclass, MulticlassFigures, Multilabel, MultilabelFigures, Samples,
};
use wgloss::{DType, Error, LabelType, Values};

const KINDS: [InputKind; 3] = [InputKind::Scores, InputKind::Probs, InputKind::Logits];

fn values(of: &[u8], dtype: DType) -> Values<'static> {
    match dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(of).into(),
        DType::F16 => bytemuck::pod_collect_to_vec::<u8, half::f16>(of).into(),
        DType::Bf16 => bytemuck::pod_collect_to_vec::<u8, half::bf16>(of).into(),
    }
}

fn submit(gpu: &Gpu, record: &mut dyn FnMut(&mut wgloss::wgpu::CommandEncoder)) {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
}

/// Whether two figures are the same but for `relative` and `absolute`.
fn near(want: Option<f64>, got: Option<f64>, relative: f64, absolute: f64) -> bool {
    match (want, got) {
        (Some(w), Some(g)) => w == g || (w - g).abs() <= relative * w.abs() + absolute,
        (w, g) => w == g,
    }
}

/// Counts and what follows of them are the same, areas of stored scores too; those of logits against others are of scores that
/// f32 rounds, so that close ones may change places: of pairs at most what lies so close, 1e-4 here. Terms of losses
/// are off by 3u for the exponential, 4u for the logarithm, 32 + classes/32 additions of others, and 4u for the rest.
fn compare_classes(
    at: &str,
    kind: InputKind,
    want: &MulticlassFigures,
    got: &MulticlassFigures,
    lines: &mut Vec<String>,
) {
    let classes = want.per_class.len() as f64;
    let sums = (43.0 + classes / 32.0) * 2f64.powi(-24);
    let said = |f: &MulticlassFigures| {
        let scores: Vec<_> = f.per_class.iter().map(|c| (c.scores, c.support)).collect();
        format!(
            "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {scores:?} {:?}",
            f.n,
            f.confusion_matrix,
            f.accuracy,
            f.top_k,
            f.micro,
            f.macro_average,
            f.weighted,
            f.mcc,
            f.undefined
        )
    };
    if said(want) != said(got) {
        lines.push(format!(
            "{at}: expected {}, found {}",
            said(want),
            said(got)
        ));
    }
    let order = if kind == InputKind::Logits { 1e-4 } else { 0.0 };
    let mut check = |name: &str, want, got, relative, absolute| {
        if !near(want, got, relative, absolute) {
            lines.push(format!("{at}: {name}: expected {want:?}, found {got:?}"));
        }
    };
    for (c, (w, g)) in want.per_class.iter().zip(&got.per_class).enumerate() {
        check(&format!("class {c}"), w.roc_auc, g.roc_auc, 0.0, order);
    }
    let means = [want, got].map(|f| [f.roc_auc_macro, f.roc_auc_weighted]);
    for (w, g) in means[0].into_iter().zip(means[1]) {
        check("mean area", w, g, 1e-15, order);
    }
    check("log_loss", want.log_loss, got.log_loss, sums, 0.0);
    check("ece", want.ece, got.ece, sums, sums);
}

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
            let samples = Samples::new([n, classes], values(&scores, dtype)).labels(&labels);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.multiclass_figures(&asked, &samples).expect("figures");
            let at = format!(
                "{tuning:?}: {n} of {classes} classes by {}, {dtype}",
                kind.name()
            );
            compare_classes(&at, kind, &want, &got, &mut lines);
            let of = Predictions::Scores(dtype);
            let state = || {
                gpu.multiclass(&asked, of, LabelType::I64, classes, n)
                    .expect("a state")
            };
            let mut states = [state(), state()];
            let all = support::upload(&gpu, &scores);
            let truth = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
            let each = 2 * n.div_ceil(7);
            submit(&gpu, &mut |encoder| {
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
                .multiclass(&asked, of, LabelType::I64, classes, 0)
                .expect("a state");
            let batch = counts
                .bind(&View::whole(&all), &View::whole(&truth), n)
                .expect("bound");
            submit(&gpu, &mut |encoder| {
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
            .multiclass(&asked, of, LabelType::I64, classes, 0)
            .expect("a state");
        let all = support::upload(&gpu, &stored(&scores, DType::F32));
        let truth = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
        let batch = state
            .bind(&View::whole(&all), &View::whole(&truth), n)
            .expect("bound");
        submit(&gpu, &mut |encoder| {
            state.update(encoder, &batch).expect("its own")
        });
        let got = state.compute().expect("figures");
        assert_eq!(got.confusion_matrix, want.confusion_matrix);
        assert_eq!(got.top_k, want.top_k);
    }
}

#[test]
fn figures_of_labels_are_those_of_the_reference_in_any_batches() {
    let Some(gpu) = support::gpu() else { return };
    let mut lines = Vec::new();
    let mut rng = Rng::new("labels");
    // Everything but average precision follows of counts and whole numbers.
    let said = |f: &MultilabelFigures| {
        let mut f = f.clone();
        f.average_precision = [None; 2];
        for label in &mut f.per_label {
            label.average_precision = None;
            label.ranking = None;
        }
        format!("{f:?}")
    };
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
            let samples = Samples::new([n, count], values(&scores, dtype)).labels(&truth);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.multilabel_figures(&asked, &samples).expect("figures");
            let at = format!(
                "{tuning:?}: {n} of {count} labels by {}, {dtype}",
                kind.name()
            );
            if said(&want) != said(&got) {
                lines.push(format!(
                    "{at}: expected {}, found {}",
                    said(&want),
                    said(&got)
                ));
            }
            for (w, g) in want.per_label.iter().zip(&got.per_label) {
                let (w, g) = (w.average_precision, g.average_precision);
                if !near(w, g, 0.0, 2f64.powi(-22)) {
                    lines.push(format!("{at}: average precision {w:?}, found {g:?}"));
                }
            }
            let of = Predictions::Scores(dtype);
            let state = || {
                gpu.multilabel(&asked, of, LabelType::I64, count, n)
                    .expect("a state")
            };
            let mut states = [state(), state()];
            let all = support::upload(&gpu, &scores);
            let labels = support::upload(&gpu, &bytes(truth.iter().map(|l| l.to_le_bytes())));
            let each = 2 * n.div_ceil(7);
            submit(&gpu, &mut |encoder| {
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
