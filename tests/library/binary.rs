//! Figures of two classes that are collected on the device, against the reference.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{BinaryState, Gpu, Predictions, Tuning, View};
use wgloss::metric::{Binary, BinaryFigures, InputKind, Samples};
use wgloss::{DType, Error, LabelType, Values};

const KINDS: [InputKind; 3] = [InputKind::Scores, InputKind::Probs, InputKind::Logits];

/// Counts, areas and operating points are the same; average precision is off by 2⁻²² at most; and so are, relative, what terms
/// that were rounded to f32 add up to: those of log loss by 3u for the exponential, 3u for the logarithm and 4u for arithmetic,
/// of the others by less.
fn compare(at: &str, want: &BinaryFigures, got: &BinaryFigures, lines: &mut Vec<String>) {
    let mut off = |name: &str, want: String, got: String| {
        if want != got {
            lines.push(format!("{at}: {name}: expected {want}, found {got}"));
        }
    };
    let said = |f: &BinaryFigures| {
        let BinaryFigures {
            n,
            positives,
            threshold,
            confusion_matrix,
            accuracy,
            f1,
            mcc,
            cohen_kappa,
            roc_auc,
            undefined,
            ..
        } = f;
        format!(
            "{n} {positives} {threshold:?} {confusion_matrix:?} {accuracy:?} {f1:?} {mcc:?} {cohen_kappa:?} {roc_auc:?} {undefined:?}"
        )
    };
    off("counts", said(want), said(got));
    let points = |f: &BinaryFigures| format!("{:?}", f.operating_points);
    off("operating points", points(want), points(got));
    let near = 10.0 * 2f64.powi(-24);
    // Of a bin's samples each probability is off by 7u, absolute.
    let gap = 7.0 * 2f64.powi(-24);
    for (name, want, got, relative, absolute) in [
        (
            "average_precision",
            want.average_precision,
            got.average_precision,
            0.0,
            2f64.powi(-22),
        ),
        ("log_loss", want.log_loss, got.log_loss, near, 0.0),
        ("brier", want.brier, got.brier, 2.0 * near, 0.0),
        ("ece", want.ece, got.ece, near, gap),
    ] {
        let fine = match (want, got) {
            (Some(w), Some(g)) => w == g || (w - g).abs() <= relative * w.abs() + absolute,
            (w, g) => w == g,
        };
        if !fine {
            lines.push(format!("{at}: {name}: expected {want:?}, found {got:?}"));
        }
    }
}

fn submit(gpu: &Gpu, record: &mut dyn FnMut(&mut wgloss::wgpu::CommandEncoder)) {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
}

fn values(of: &[u8], dtype: DType) -> Values<'static> {
    match dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(of).into(),
        DType::F16 => bytemuck::pod_collect_to_vec::<u8, half::f16>(of).into(),
        DType::Bf16 => bytemuck::pod_collect_to_vec::<u8, half::bf16>(of).into(),
    }
}

/// Scores of a kind, and labels that they say something about.
fn data(rng: &mut Rng, kind: InputKind, turn: usize, n: usize) -> (Vec<f32>, Vec<i64>) {
    let spread = [3.0, 40.0, 0.0, 8.0][turn % 4];
    let label = |rng: &mut Rng| match turn % 7 {
        5 => 1,
        6 => 0,
        _ if rng.once_in(11) => -1,
        _ => i64::from(rng.once_in(3)),
    };
    let labels: Vec<i64> = (0..n).map(|_| label(rng)).collect();
    let score = |rng: &mut Rng, label: i64| {
        let x = rng.range(-spread, spread) + label as f64;
        // Now and then one of few, so that there are ties.
        let x = if rng.once_in(3) { x.round() } else { x };
        match kind {
            InputKind::Probs => 1.0 / (1.0 + (-x).exp()),
            _ => x,
        }
    };
    let scores = labels.iter().map(|&l| score(rng, l) as f32).collect();
    (scores, labels)
}

#[test]
fn figures_are_those_of_the_reference_in_any_batches() {
    let Some(gpu) = support::gpu() else { return };
    let mut lines = Vec::new();
    let mut rng = Rng::new("binary");
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for turn in 0..21 {
            let kind = KINDS[turn % 3];
            let dtype = DType::ALL[turn / 3 % 3];
            let n = [1, 3, 40, 700, 20_000][turn % 5];
            let (scores, labels) = data(&mut rng, kind, turn, n);
            let scores = stored(&scores, dtype);
            let asked = Binary {
                input: kind,
                threshold: [None, Some(0.7), Some(0.0)][turn / 2 % 3],
                recall: [0.95, 0.5, 0.0, 1.0][turn % 4],
                precision: [0.95, 0.0, 0.3, 1.0][turn / 2 % 4],
                ignore_index: Some(-1),
            };
            let input = values(&scores, dtype);
            let samples = Samples::new([n], input).labels(&labels);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.binary_figures(&asked, &samples).expect("figures");
            let at = format!("{tuning:?}, turn {turn}: {n} of {}, {dtype}", kind.name());
            compare(&at, &want, &got, &mut lines);
            // In batches, half of them in another state: the same to the last bit.
            let of = Predictions::Scores(dtype);
            let state = || gpu.binary(&asked, of, LabelType::I64, n).expect("a state");
            let mut states: [BinaryState; 2] = [state(), state()];
            let all = support::upload(&gpu, &scores);
            let truth = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
            let each = 2 * n.div_ceil(13);
            submit(&gpu, &mut |encoder| {
                for (b, first) in (0..n).step_by(each).enumerate() {
                    let len = each.min(n - first);
                    let view = |buffer, size: u64| View {
                        buffer,
                        offset: first as u64 * size,
                        size: len as u64 * size,
                    };
                    let to = &mut states[b % 2];
                    let batch = to.bind(&view(&all, dtype.size()), &view(&truth, 8), len);
                    to.update(encoder, &batch.expect("bound")).expect("room");
                }
                let [a, b] = &mut states;
                a.merge(encoder, b).expect("the same kind");
            });
            assert_eq!(states[0].compute().expect("figures"), got, "{at}");
            let bytes = states[0].to_bytes().expect("bytes");
            states[1].load_bytes(&bytes).expect("a saved state");
            assert_eq!(states[1].compute().expect("figures"), got, "{at}");
            for cut in [3, bytes.len() - 4] {
                let error = states[1].load_bytes(&bytes[..cut]).expect_err("cut off");
                assert!(matches!(error, Error::Mismatch { .. }), "{error}");
            }
            submit(&gpu, &mut |encoder| states[1].reset(encoder));
            assert_eq!(states[1].compute().expect("figures").n, 0.0);
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn predicted_labels_have_no_order() {
    let Some(gpu) = support::gpu() else { return };
    let (predicted, labels) = ([0i64, 1, 1, 0, 1], [0i64, 1, 0, 7, 1]);
    let asked = Binary {
        input: InputKind::Labels,
        ignore_index: Some(7),
        ..Default::default()
    };
    let samples = Samples::predicted([5], &predicted).labels(&labels);
    let want = asked.figures(&samples).expect("figures");
    assert_eq!(gpu.binary_figures(&asked, &samples).expect("figures"), want);
}

/// Logits without bound: the loss of a wrong one is infinite, that of a right one none.
#[test]
fn infinite_logits_are_certain() {
    let Some(gpu) = support::gpu() else { return };
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    let scores = [f32::INFINITY, f32::NEG_INFINITY, 3.4e38, -3.4e38];
    for labels in [[1i64, 0, 1, 0], [0, 0, 1, 0], [1, 0, 1, 1]] {
        let samples = Samples::new([4], &scores).labels(&labels);
        let want = asked.figures(&samples).expect("figures");
        let got = gpu.binary_figures(&asked, &samples).expect("figures");
        let mut lines = Vec::new();
        compare("certain", &want, &got, &mut lines);
        assert!(lines.is_empty(), "{labels:?}: {}", lines.join("\n"));
    }
}

#[test]
fn what_does_not_fit_is_a_typed_error() {
    let Some(gpu) = support::gpu() else { return };
    let probs = Binary {
        input: InputKind::Probs,
        ..Default::default()
    };
    let samples = Samples::new([3], &[0.5f32, 1.5, -0.5]).labels(&[0i64, 1, 1]);
    let error = gpu.binary_figures(&probs, &samples).expect_err("no share");
    assert!(
        matches!(
            error,
            Error::BadSample {
                what: "input",
                index: 1,
                ..
            }
        ),
        "{error}"
    );
    let samples = Samples::new([3], &[0.5f32, 0.25, 1.0]).labels(&[0i64, 1, 2]);
    let error = gpu.binary_figures(&probs, &samples).expect_err("no label");
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
    let far = Binary {
        recall: 1.5,
        ..probs
    };
    let scores = Predictions::Scores(DType::F32);
    let state = |asked: &Binary, of| gpu.binary(asked, of, LabelType::I64, 8);
    assert!(matches!(state(&far, scores), Err(Error::Mismatch { .. })));
    let labels = Predictions::Labels(LabelType::I64);
    assert!(matches!(state(&probs, labels), Err(Error::Mismatch { .. })));
    let predicted = Binary {
        input: InputKind::Labels,
        ..probs
    };
    assert!(matches!(
        state(&predicted, scores),
        Err(Error::Mismatch { .. })
    ));
    // Another threshold counts something else.
    let mut a = state(&probs, scores).expect("a state");
    let b = state(
        &Binary {
            threshold: Some(0.25),
            ..probs
        },
        scores,
    )
    .expect("a state");
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    assert!(matches!(
        a.merge(&mut encoder, &b),
        Err(Error::Mismatch { .. })
    ));
}
