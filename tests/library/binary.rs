//! Figures of two classes that are collected on the device, against the reference.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{BinaryState, Predictions, Tuning, View};
use wgloss::metric::{Binary, InputKind, Samples};
use wgloss::verify::check_binary;
use wgloss::{DType, Error, LabelType};

const KINDS: [InputKind; 3] = [InputKind::Scores, InputKind::Probs, InputKind::Logits];

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
            let input = support::loaded(&scores, dtype);
            let samples = Samples::new([n], input).labels(&labels);
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.binary_figures(&asked, &samples).expect("figures");
            let at = format!("{tuning:?}, turn {turn}: {n} of {}, {dtype}", kind.name());
            lines.extend(
                check_binary(&want, &got)
                    .complaint
                    .map(|c| format!("{at}: {c}")),
            );
            // In batches, half of them in another state: the same to the last bit.
            let of = Predictions::Scores(dtype);
            let state = || {
                gpu.binary(&asked, of, LabelType::I64, None, n)
                    .expect("a state")
            };
            let mut states: [BinaryState; 2] = [state(), state()];
            let all = support::upload(&gpu, &scores);
            let truth = support::upload(&gpu, &bytes(labels.iter().map(|l| l.to_le_bytes())));
            let each = 2 * n.div_ceil(13);
            support::submit(&gpu, &mut |encoder| {
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
            support::submit(&gpu, &mut |encoder| states[1].reset(encoder));
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
        assert_eq!(check_binary(&want, &got).complaint, None, "{labels:?}");
    }
}

/// Shares so small that few samples are as many: points are those of the reference.
#[test]
fn small_shares_are_asked_for_exactly() {
    let Some(gpu) = support::gpu() else { return };
    let n = 10_001;
    // One positive sample above all others, and one negative one above those.
    let labels: Vec<i64> = (0..n).map(|i| i64::from(i != 1)).collect();
    let scores: Vec<f32> = (0..n)
        .map(|i| if i < 2 { 3.0 - i as f32 } else { -(i as f32) })
        .collect();
    let turned: Vec<i64> = labels.iter().map(|l| 1 - l).collect();
    for share in [
        1e-4,
        1.0 / 10_001.0,
        2.0 / 10_000.0,
        1e-30,
        f64::MIN_POSITIVE,
        0.0,
    ] {
        for labels in [&labels, &turned] {
            for dtype in [DType::F32, DType::F16] {
                let asked = Binary {
                    recall: share,
                    precision: share,
                    ..Default::default()
                };
                let input = support::loaded(&stored(&scores, dtype), dtype);
                let samples = Samples::new([n], input).labels(labels);
                let want = asked.figures(&samples).expect("figures");
                let got = gpu.binary_figures(&asked, &samples).expect("figures");
                assert_eq!(
                    got.operating_points, want.operating_points,
                    "{share} {dtype}"
                );
            }
        }
    }
}

/// A positive sample, and three times four negative ones and a positive one below it: every one of the four has F1 0.4.
#[test]
fn of_equal_points_the_highest_threshold_wins() {
    let Some(gpu) = support::gpu() else { return };
    let labels: Vec<i64> = (0..16).map(|i| i64::from(i % 5 == 0)).collect();
    let scores: Vec<f32> = (0..16).map(|i| 16.0 - i as f32).collect();
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for dtype in DType::ALL {
            let input = support::loaded(&stored(&scores, dtype), dtype);
            let samples = Samples::new([16], input).labels(&labels);
            let got = gpu.binary_figures(&Binary::default(), &samples);
            let best = got.expect("figures").operating_points.max_f1;
            let best = best.map(|p| (p.threshold, p.f1));
            assert_eq!(best, Some((16.0, 0.4)), "{tuning:?} {dtype}");
        }
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
    let state = |asked: &Binary, of| gpu.binary(asked, of, LabelType::I64, None, 8);
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
