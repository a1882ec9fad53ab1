//! Samples with weights on the device.

use crate::support::{self, Rng, stored};
use wgloss::gpu::{Gpu, Predictions, View};
use wgloss::metric::{
    Binary, BinaryFigures, InputKind, Multiclass, Multilabel, Regression, Samples,
};
use wgloss::{DType, Error, LabelType, wgpu};

const N: usize = 3000;

fn submit(gpu: &Gpu, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
}

/// Within 10⁻⁶, relative, or both nothing.
fn near(name: &str, want: Option<f64>, got: Option<f64>) {
    match (want, got) {
        (Some(w), Some(g)) => {
            assert!((w - g).abs() <= 1e-6 * w.abs() + 1e-12, "{name}: {w}, {g}")
        }
        _ => assert_eq!(want, got, "{name}"),
    }
}

fn binary_near(want: &BinaryFigures, got: &BinaryFigures) {
    for (name, of) in [
        ("accuracy", (|f| f.accuracy) as fn(&BinaryFigures) -> _),
        ("n", |f| Some(f.n)),
        ("precision", |f| f.precision),
        ("recall", |f| f.recall),
        ("specificity", |f| f.specificity),
        ("mcc", |f| f.mcc),
        ("cohen_kappa", |f| f.cohen_kappa),
        ("roc_auc", |f| f.roc_auc),
        ("average_precision", |f| f.average_precision),
        ("log_loss", |f| f.log_loss),
        ("brier", |f| f.brier),
        ("ece", |f| f.ece),
        ("max_f1", |f| f.operating_points.max_f1.map(|p| p.f1)),
    ] {
        near(name, of(want), of(got));
    }
}

/// Scores in eighths, so that there are ties, and labels they say something of.
fn some(rng: &mut Rng) -> (Vec<f32>, Vec<i64>) {
    let labels: Vec<i64> = (0..N).map(|_| rng.below(2) as i64).collect();
    let score = |l: &i64| ((8.0 * (rng.range(-3.0, 3.0) + *l as f64)).round() / 8.0) as f32;
    (labels.iter().map(score).collect(), labels)
}

#[test]
fn weights_may_be_of_any_size() {
    let Some(gpu) = support::gpu() else { return };
    let gpu = &gpu;
    let mut rng = Rng::new("weights");
    let (x, y) = some(&mut rng);
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    // All of one size; small ones beside large ones; where f32 begins and where it ends.
    for (low, high) in [(0.0, 1.0), (-12.0, 12.0), (-44.0, -38.0), (32.0, 38.0)] {
        let weight = |_| 10f64.powf(rng.range(low, high)) as f32;
        let weights: Vec<f32> = (0..N).map(weight).collect();
        let samples = Samples::new([N], &x).labels(&y).weight(&weights);
        let want = asked.figures(&samples).expect("figures");
        let got = gpu.binary_figures(&asked, &samples).expect("figures");
        binary_near(&want, &got);
        let truth: Vec<f32> = x.iter().map(|x| x + rng.range(-1.0, 1.0) as f32).collect();
        let samples = Samples::new([N], &x).target(&truth).weight(&weights);
        let want = Regression {}.figures(&samples).expect("figures");
        let got = gpu.regression_figures(&samples).expect("figures");
        near("n", Some(want.n), Some(got.n));
        near("mse", want.mse, got.mse);
        near("mae", want.mae, got.mae);
        near("mape", want.mape, got.mape);
        near("r2", want.r2, got.r2);
        near("max_error", want.max_error, got.max_error);
        near(
            "explained_variance",
            want.explained_variance,
            got.explained_variance,
        );
        near("pearson_r", want.pearson_r, got.pearson_r);
    }
}

/// A class may weigh next to nothing beside the other one.
#[test]
fn classes_may_be_far_apart() {
    let Some(gpu) = support::gpu() else { return };
    let gpu = &gpu;
    let mut rng = Rng::new("apart");
    let (x, y) = some(&mut rng);
    let asked = Binary::default();
    for scale in [1e-3, 1e3, 1e-20, 1e20, 1e-38, 1e38] {
        let weight = |l: &i64| (rng.range(0.5, 2.0) * if *l == 1 { scale } else { 1.0 }) as f32;
        let weights: Vec<f32> = y.iter().map(weight).collect();
        let samples = Samples::new([N], &x).labels(&y).weight(&weights);
        let want = asked.figures(&samples).expect("figures");
        let got = gpu.binary_figures(&asked, &samples).expect("figures");
        near("roc_auc", want.roc_auc, got.roc_auc);
        let (w, g) = (want.average_precision, got.average_precision);
        let (w, g) = (w.expect("precision"), g.expect("precision"));
        assert!(
            (w - g).abs() <= 1e-6 * w,
            "average precision by {scale}: {w}, {g}"
        );
        // In units of negative samples positive ones are nothing: that is said, and no NaN.
        let (want, got) = (want.operating_points, got.operating_points);
        match (scale < 1e-10, want.max_f1, got.max_f1) {
            (true, _, none) => assert_eq!(none, None),
            (false, Some(want), Some(got)) => {
                near("max_f1", Some(want.f1), Some(got.f1));
                near("recall", Some(want.recall), Some(got.recall));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A weight of 3 is the sample three times, and one of 0 is no sample: to the last bit, since all sums are exact.
#[test]
fn whole_weights_are_repetitions() {
    let Some(gpu) = support::gpu() else { return };
    let gpu = &gpu;
    let mut rng = Rng::new("repetitions");
    let (x, y) = some(&mut rng);
    let weights: Vec<u8> = (0..N).map(|_| rng.below(4) as u8).collect();
    let repeated = |i: usize| std::iter::repeat_n(i, weights[i].into());
    let all: Vec<usize> = (0..N).flat_map(repeated).collect();
    let many = |columns: usize| -> (Vec<f32>, Vec<i64>) {
        let at = |i: usize| i / columns * columns..(i / columns + 1) * columns;
        let rows: Vec<usize> = all.iter().filter(|i| *i % columns == 0).copied().collect();
        let x = rows.iter().flat_map(|i| x[at(*i)].iter().copied());
        let y = rows.iter().flat_map(|i| y[at(*i)].iter().copied());
        (x.collect(), y.collect())
    };
    let by = |columns: usize| -> Vec<f32> {
        weights
            .iter()
            .step_by(columns)
            .map(|w| f32::from(*w))
            .collect()
    };
    for input in [InputKind::Scores, InputKind::Logits] {
        let asked = Binary {
            input,
            ..Default::default()
        };
        let weights = by(1);
        let samples = Samples::new([N], &x).labels(&y).weight(&weights);
        let got = gpu.binary_figures(&asked, &samples).expect("figures");
        let (x, y) = many(1);
        let samples = Samples::new([x.len()], x).labels(y);
        let want = gpu.binary_figures(&asked, &samples).expect("figures");
        for (name, of) in [
            ("accuracy", (|f| f.accuracy) as fn(&BinaryFigures) -> _),
            ("mcc", |f| f.mcc),
            ("roc_auc", |f| f.roc_auc),
            ("average_precision", |f| f.average_precision),
            ("log_loss", |f| f.log_loss),
            ("brier", |f| f.brier),
            ("ece", |f| f.ece),
            ("n", |f| Some(f.n)),
        ] {
            assert_eq!(of(&got), of(&want), "{name} of {}", input.name());
        }
        assert_eq!(got.operating_points, want.operating_points);
    }
    let asked = Multilabel::default();
    let of_pairs = by(2);
    let samples = Samples::new([N / 2, 2], &x).labels(&y);
    let samples = samples.weight(&of_pairs);
    let got = gpu.multilabel_figures(&asked, &samples).expect("figures");
    let (rx, ry) = many(2);
    let samples = Samples::new([rx.len() / 2, 2], rx).labels(ry);
    let want = gpu.multilabel_figures(&asked, &samples).expect("figures");
    assert_eq!(got.n, want.n);
    assert_eq!(got.subset_accuracy, want.subset_accuracy);
    assert_eq!(got.hamming_loss, want.hamming_loss);
    assert_eq!(got.roc_auc, want.roc_auc);
    assert_eq!(got.micro, want.micro);
    let asked = Multiclass {
        input: InputKind::Scores,
        top_k: vec![1, 2],
        ..Default::default()
    };
    let classes = 3;
    let truth: Vec<i64> = (0..N / classes).map(|i| (i * i % classes) as i64).collect();
    let samples = Samples::new([N / classes, classes], &x).labels(&truth);
    let of_rows = by(classes);
    let samples = samples.weight(&of_rows);
    let got = gpu.multiclass_figures(&asked, &samples).expect("figures");
    let (rx, _) = many(classes);
    let row = |(i, l): (usize, &i64)| std::iter::repeat_n(*l, weights[i * classes].into());
    let truth: Vec<i64> = truth.iter().enumerate().flat_map(row).collect();
    let samples = Samples::new([truth.len(), classes], rx).labels(truth);
    let want = gpu.multiclass_figures(&asked, &samples).expect("figures");
    assert_eq!(got.accuracy, want.accuracy);
    assert_eq!(got.top_k, want.top_k);
    assert_eq!(got.macro_average, want.macro_average);
    assert_eq!(got.roc_auc_macro, want.roc_auc_macro);
}

/// Sums of weights do not stop where f32 or f64 would: doubled 40 times they are 2⁴⁰ times as much.
#[test]
fn weights_add_up_without_end() {
    let Some(gpu) = support::gpu() else { return };
    let gpu = &gpu;
    let labels = LabelType::U32;
    let state = || {
        gpu.multiclass(
            &Multiclass::default(),
            Predictions::Scores(DType::F32),
            labels,
            Some(DType::F16),
            2,
            0,
        )
        .expect("a state")
    };
    let scores = support::upload(gpu, &stored(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], DType::F32));
    let truth = support::upload(gpu, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    let weights = support::upload(gpu, &stored(&[0.5, 3.0, 6e-8, 0.0], DType::F16));
    let mut pair = [state(), state()];
    let [scores, truth] = [&scores, &truth].map(View::whole);
    let weights = View {
        size: 6,
        ..View::whole(&weights)
    };
    let batch = pair[0].bind_weighted(&scores, &truth, &weights, 3);
    let batch = batch.expect("bound");
    submit(gpu, |e| pair[0].update(e, &batch).expect("its own"));
    for _ in 0..40 {
        let [one, other] = &mut pair;
        submit(gpu, |e| {
            other.reset(e);
            other.merge(e, one).expect("alike");
            one.merge(e, other).expect("alike");
        });
    }
    let figures = pair[0].compute().expect("figures");
    let cell = |t, p| figures.confusion_matrix.get(t, p);
    let times = 2f64.powi(40);
    assert_eq!(cell(0, 0), Some(0.5 * times));
    assert_eq!(cell(0, 1), Some(3.0 * times));
    // The smallest number of f16.
    assert_eq!(cell(1, 0), Some(2f64.powi(-24) * times));
    let saved = pair[0].to_bytes().expect("bytes");
    pair[1].load_bytes(&saved).expect("of such a state");
    assert_eq!(pair[1].compute().expect("figures"), figures);
}

#[test]
fn bad_weights_are_said() {
    let Some(gpu) = support::gpu() else { return };
    let gpu = &gpu;
    let scored = Predictions::Scores(DType::F32);
    let labels = LabelType::U32;
    let asked = Binary::default();
    let by = Some(DType::F32);
    let scores = support::upload(gpu, &stored(&[0.5, 0.25, 0.75, 1.0], DType::F32));
    let truth = support::upload(gpu, &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let [scores, truth] = [&scores, &truth].map(View::whole);
    for bad in [-1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e-45] {
        let weights = support::upload(gpu, &stored(&[1.0, -0.0, bad, bad], DType::F32));
        let weights = View::whole(&weights);
        let mut binary = gpu.binary(&asked, scored, labels, by, 8).expect("a state");
        let batch = binary.bind_weighted(&scores, &truth, &weights, 4);
        let batch = batch.expect("bound");
        submit(gpu, |e| binary.update(e, &batch).expect("its own"));
        let numbers = gpu.regression(DType::F32, DType::F32, by).expect("a state");
        let batch = numbers.bind_weighted(&scores, &scores, &weights, 4);
        let batch = batch.expect("bound");
        submit(gpu, |e| numbers.update(e, &batch).expect("its own"));
        let errors = [binary.compute().err(), numbers.compute().err()];
        for error in errors {
            assert!(
                matches!(
                    error,
                    Some(Error::BadSample {
                        what: "weight",
                        index: 2,
                        ..
                    })
                ),
                "{bad}: {error:?}"
            );
        }
    }
    let weights = support::upload(gpu, &stored(&[1.0; 4], DType::F32));
    let weights = View::whole(&weights);
    let mut with = gpu.binary(&asked, scored, labels, by, 8).expect("a state");
    let without = gpu.binary(&asked, scored, labels, None, 8);
    let without = without.expect("a state");
    assert!(matches!(
        with.bind(&scores, &truth, 4),
        Err(Error::Mismatch { .. })
    ));
    assert!(matches!(
        without.bind_weighted(&scores, &truth, &weights, 4),
        Err(Error::Mismatch { .. })
    ));
    // Fewer weights than samples.
    let few = View {
        size: 12,
        ..weights
    };
    assert!(matches!(
        with.bind_weighted(&scores, &truth, &few, 4),
        Err(Error::Mismatch { .. })
    ));
    submit(gpu, |e| {
        assert!(matches!(
            with.merge(e, &without),
            Err(Error::Mismatch { .. })
        ));
    });
    let saved = without.to_bytes().expect("bytes");
    assert!(matches!(
        with.load_bytes(&saved),
        Err(Error::Mismatch { .. })
    ));
}
