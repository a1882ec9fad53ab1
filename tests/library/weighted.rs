//! Samples with weights on the device.

use crate::support::{self, Rng, stored};
use wgloss::gpu::{BinaryState, Gpu, MulticlassState, Predictions, Tuning, View};
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

/// 4,096 samples of the largest mantissa weigh as much as 63 bits say, and twice that 64: nothing is lost at the top. One sample of a class
/// is above or below all of the other.
#[test]
fn masses_have_room() {
    let Some(gpu) = support::gpu() else { return };
    let n = 4096;
    let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let weights = vec![f32::from_bits(0x3f7f_ffff); n];
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for (alone, label) in [(0, 1), (n - 1, 1), (0, 0), (n - 1, 0)] {
            let of = |i: usize| if i == alone { label } else { 1 - label };
            let y: Vec<i64> = (0..n).map(of).collect();
            let samples = Samples::new([n], &x).labels(&y).weight(&weights);
            let asked = Binary::default();
            let want = asked.figures(&samples).expect("figures");
            let got = gpu.binary_figures(&asked, &samples).expect("figures");
            binary_near(&want, &got);
        }
    }
}

/// One positive sample that weighs little, under a negative one: its precision is a number of 2⁻⁶⁰, and an f32 before.
#[test]
fn precisions_of_light_samples_keep_their_digits() {
    let Some(gpu) = support::gpu() else { return };
    for k in [1, 20, 36, 37, 38, 45, 55, 59] {
        let weights = [2f32.powi(-k), 1.0];
        let samples = Samples::new([2], &[0.0f32, 1.0]).labels(&[1i64, 0]);
        let figures = gpu.binary_figures(&Binary::default(), &samples.weight(&weights));
        let found = figures.expect("figures").average_precision.expect("one");
        let want = 1.0 / (1.0 + 2f64.powi(k));
        // The quotient is within 2.5 ulp by the specification, and its sum within half of one: 3·2⁻²³ at most.
        let most = 3.0 * 2f64.powi(-23) * want + 2f64.powi(-60);
        assert!((found - want).abs() <= most, "2^-{k}: {found} for {want}");
    }
}

/// Each class is counted in units of its largest weight: states that have met others of them become one, travel, and begin anew with
/// small ones, and find what one batch does.
#[test]
fn largest_weights_merge_travel_and_are_forgotten() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("largest");
    let (x, y) = some(&mut rng);
    // Later samples weigh more, and those of class 1 less than others; the last part next to nothing.
    let weight = |(i, l): (usize, &i64)| {
        let size = [1e-6, 1.0, 1e6, 1e-20][4 * i / N];
        (rng.range(0.5, 2.0) * if *l == 1 { 1e-4 * size } else { size }) as f32
    };
    let weights: Vec<f32> = y.iter().enumerate().map(weight).collect();
    let labels = support::bytes(y.iter().map(|l| l.to_le_bytes()));
    let asked = Binary::default();
    for dtype in [DType::F32, DType::Bf16] {
        let of = Predictions::Scores(dtype);
        let by = Some(DType::F32);
        let state = || {
            let state = gpu.binary(&asked, of, LabelType::I64, by, N);
            state.expect("a state")
        };
        let input = support::upload(&gpu, &stored(&x, dtype));
        let truth = support::upload(&gpu, &labels);
        let weights = support::upload(&gpu, &stored(&weights, DType::F32));
        let take = |state: &mut BinaryState, range: std::ops::Range<usize>| {
            let view = |buffer, size: u64| View {
                buffer,
                offset: range.start as u64 * size,
                size: range.len() as u64 * size,
            };
            let [p, t, w] = [
                view(&input, dtype.size()),
                view(&truth, 8),
                view(&weights, 4),
            ];
            let batch = state.bind_weighted(&p, &t, &w, range.len());
            let batch = batch.expect("bound");
            submit(&gpu, |e| state.update(e, &batch).expect("room"));
        };
        let figures = |state: &BinaryState| state.compute().expect("figures");
        let (mut whole, mut light) = (state(), state());
        take(&mut whole, 0..N);
        take(&mut light, 3 * N / 4..N);
        let [want, want_light] = [&whole, &light].map(figures);
        assert_ne!(want.average_precision, want_light.average_precision);
        // In either order.
        for order in [[0, 1, 2], [2, 0, 1]] {
            let mut all = state();
            for part in order {
                let mut one = state();
                take(&mut one, [0..N / 4, N / 4..N / 2, N / 2..N][part].clone());
                submit(&gpu, |e| all.merge(e, &one).expect("room"));
            }
            assert_eq!(figures(&all), want, "{dtype} {order:?}");
            let mut loaded = state();
            let saved = all.to_bytes().expect("bytes");
            loaded.load_bytes(&saved).expect("of such a state");
            assert_eq!(figures(&loaded), want, "{dtype} {order:?}");
            submit(&gpu, |e| loaded.reset(e));
            take(&mut loaded, 3 * N / 4..N);
            assert_eq!(figures(&loaded), want_light, "{dtype}");
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

/// As many of the largest mantissa at one place as a workgroup takes, all in one cell: no slot may overflow before it is carried on,
/// be that in one batch, in several, or in states that are merged. Of few classes, whose slots a workgroup adds up first, and of many.
#[test]
fn cells_hold_what_a_workgroup_adds() {
    let Some(gpu) = support::gpu() else { return };
    // A workgroup takes 32,768 predicted labels at most. So many times 0xffff is above 2³², so that a low word is carried on, too.
    let (n, part) = (70_000, 32_768);
    let ty = LabelType::U32;
    let all = |of: [u8; 4]| support::upload(&gpu, &of.repeat(n));
    let [predicted, truth] = [2u32, 1].map(|class| all(class.to_le_bytes()));
    // 0x3f7f_ffff, and the same mantissa from each of the 16 bits of a slot on: one of its digits is always 0xffff.
    for exponent in 111..127u32 {
        let weight = f32::from_bits(exponent << 23 | 0x007f_ffff);
        let weights = all(weight.to_le_bytes());
        for (tuning, classes) in Tuning::ALL.into_iter().flat_map(|t| [(t, 3), (t, 60)]) {
            let gpu = gpu.with_tuning(tuning);
            let asked = Multiclass {
                input: InputKind::Labels,
                classes: Some(classes),
                ..Default::default()
            };
            let of = Predictions::Labels(ty);
            let state = || {
                gpu.multiclass(&asked, of, ty, Some(DType::F32), classes, 0)
                    .expect("a state")
            };
            let [mut one, mut other] = [state(), state()];
            let bound = |state: &MulticlassState, n: usize| {
                let [p, t, w] = [&predicted, &truth, &weights].map(|buffer| View {
                    size: 4 * n as u64,
                    ..View::whole(buffer)
                });
                state.bind_weighted(&p, &t, &w, n).expect("bound")
            };
            let batches = [n, part, 1].map(|n| bound(&one, n));
            let another = bound(&other, part);
            // Not rounded: a whole number of 24 and 18 bits, times a power of two.
            let holds = |state: &MulticlassState, samples: usize| {
                let figures = state.compute().expect("figures");
                let total = samples as f64 * f64::from(weight);
                let at = format!("{tuning:?}: {samples} of {weight:e} in one of {classes} classes");
                assert_eq!(figures.confusion_matrix.get(1, 2), Some(total), "{at}");
                assert_eq!((figures.n, figures.accuracy), (total, Some(0.0)), "{at}");
            };
            submit(&gpu, |e| one.update(e, &batches[0]).expect("its own"));
            holds(&one, n);
            submit(&gpu, |e| {
                for batch in [&batches[1], &batches[2], &batches[1]] {
                    one.update(e, batch).expect("its own");
                }
                other.update(e, &another).expect("its own");
            });
            holds(&one, n + 2 * part + 1);
            holds(&other, part);
            submit(&gpu, |e| {
                for _ in 0..3 {
                    one.merge(e, &other).expect("alike");
                }
            });
            holds(&one, n + 5 * part + 1);
            other
                .load_bytes(&one.to_bytes().expect("bytes"))
                .expect("alike");
            submit(&gpu, |e| other.update(e, &another).expect("its own"));
            holds(&other, n + 6 * part + 1);
        }
    }
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
        // What was wrong with one state is so with one that takes it in, and with one that is loaded.
        let mut merged = gpu.binary(&asked, scored, labels, by, 8).expect("a state");
        let sums = gpu.regression(DType::F32, DType::F32, by).expect("a state");
        submit(gpu, |e| {
            merged.merge(e, &binary).expect("alike");
            sums.merge(e, &numbers).expect("alike");
        });
        let loaded = gpu.regression(DType::F32, DType::F32, by).expect("a state");
        let saved = numbers.to_bytes().expect("bytes");
        loaded.load_bytes(&saved).expect("alike");
        let errors = [
            binary.compute().err(),
            numbers.compute().err(),
            merged.compute().err(),
            sums.compute().err(),
            loaded.compute().err(),
        ];
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
    // Nor where nothing is kept but sums.
    let sums = |by| gpu.regression(DType::F32, DType::F32, by).expect("a state");
    let (with, without) = (sums(by), sums(None));
    submit(gpu, |e| {
        for (a, b) in [(&with, &without), (&without, &with)] {
            assert!(matches!(a.merge(e, b), Err(Error::Mismatch { .. })));
        }
    });
    let saved = without.to_bytes().expect("bytes");
    assert!(matches!(
        with.load_bytes(&saved),
        Err(Error::Mismatch { .. })
    ));
}
