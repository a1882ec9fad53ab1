//! wgloss's metrics as burn's trainer uses them: a batch at a time, read when the epoch is over.

mod common;

use burn::data::dataloader::Progress;
use burn::tensor::{Int, Tensor, TensorData};
use burn::train::metric::{
    AccuracyMetric, Adaptor, ClassReduction, FBetaScoreMetric, Metric, MetricMetadata, Numeric,
};
use burn::train::{ClassificationOutput, MultiLabelClassificationOutput, RegressionOutput};
use common::gpu;
use wgloss::metric::{
    Binary, InputKind, Multiclass, MulticlassFigures, Multilabel, Regression, Samples,
};
use wgloss_burn::{FigureMetric, MetricInput, Seen};

const CLASSES: usize = 4;

fn metadata() -> MetricMetadata {
    MetricMetadata {
        progress: Progress {
            items_processed: 1,
            items_total: 1,
            unit: None,
        },
        iteration: None,
        lr: None,
    }
}

/// Logits and labels of an epoch, cut into batches of unequal sizes.
struct Epoch {
    logits: Vec<f32>,
    labels: Vec<i32>,
}

impl Epoch {
    fn new(samples: usize, seed: u64) -> Epoch {
        let mut state = seed;
        let mut draw = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let logits = (0..samples * CLASSES).map(|_| 4.0 * draw() - 2.0).collect();
        // The last class is rare.
        let labels = (0..samples).map(|_| (draw() * draw() * CLASSES as f32) as i32);
        Epoch {
            logits,
            labels: labels.collect(),
        }
    }

    fn batches(&self) -> Vec<ClassificationOutput> {
        let device = gpu().0.clone().autodiff();
        let mut outputs = Vec::new();
        let mut from = 0;
        for size in [1, 16, 7, 30].into_iter().cycle() {
            let to = (from + size).min(self.labels.len());
            let logits = self.logits[from * CLASSES..to * CLASSES].to_vec();
            let logits = TensorData::new(logits, [to - from, CLASSES]);
            let labels = TensorData::new(self.labels[from..to].to_vec(), [to - from]);
            outputs.push(ClassificationOutput {
                loss: Tensor::zeros([1], &device),
                output: Tensor::from_data(logits, &device),
                targets: Tensor::from_data(labels, &device),
            });
            from = to;
            if from == self.labels.len() {
                break;
            }
        }
        outputs
    }

    fn figures(&self, asked: &Multiclass) -> MulticlassFigures {
        let shape = [self.labels.len(), CLASSES];
        let samples = Samples::new(shape, &self.logits).labels(&self.labels);
        asked.figures(&samples).unwrap()
    }
}

fn logits() -> Multiclass {
    Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    }
}

fn value<A: wgloss_burn::Asked>(metric: &mut FigureMetric<A>) -> f64 {
    metric.compute().unwrap();
    metric.final_value().current()
}

/// What figures share is counted once and read once, when the epoch is over; it is that of all samples together; and the next epoch, of the
/// same metrics or of their clones, begins anew.
#[test]
fn an_epoch_is_counted_once_and_read_once() {
    let gpu = &gpu().1;
    let seen = Seen::with_room(gpu, logits(), 1000);
    let accuracy = seen.figure("Accuracy", |f| f.accuracy);
    let f1 = seen.figure("F1", |f| f.macro_average.f1);
    let auc = seen.figure("ROC-AUC", |f| f.roc_auc_macro);
    let log_loss = seen.loss("Log loss", |f| f.log_loss);
    let train = [accuracy, f1, auc, log_loss];
    let mut turns = [train.clone(), train];
    for turn in 0..3 {
        let metrics = &mut turns[turn % 2];
        let epoch = Epoch::new(300 + turn, turn as u64);
        let before = gpu.gpu().bytes_read();
        for output in epoch.batches() {
            for metric in metrics.iter_mut() {
                let shown = metric.update(&output.adapt(), &metadata()).unwrap();
                assert!(shown.is_not_available());
                assert!(metric.value().is_none() && metric.running_value().is_none());
            }
        }
        assert_eq!(
            gpu.gpu().bytes_read(),
            before,
            "read before the epoch was over"
        );
        let expected = epoch.figures(&logits());
        assert_eq!(expected.n as usize, epoch.labels.len());
        let mut read = Vec::new();
        let mut found = Vec::new();
        for metric in metrics.iter_mut() {
            found.push(value(metric));
            metric.clear();
            read.push(gpu.gpu().bytes_read());
        }
        assert!(read[0] > before);
        assert_eq!(read[0], read[3], "read twice: {read:?}");
        assert_eq!(found[0], expected.accuracy.unwrap());
        assert_eq!(found[1], expected.macro_average.f1.unwrap());
        // Logits are ordered by differences in f32, and log losses are rounded to f32 before they are added up.
        assert!((found[2] - expected.roc_auc_macro.unwrap()).abs() < 1e-6);
        assert!((found[3] - expected.log_loss.unwrap()).abs() < 1e-6);
    }
}

/// burn's own metrics say the same of an epoch.
#[test]
fn figures_are_those_of_burns_metrics() {
    let epoch = Epoch::new(300, 9);
    let mut f1 = FBetaScoreMetric::multiclass(1.0, 1, ClassReduction::Macro);
    let mut accuracy = AccuracyMetric::new();
    let seen = Seen::new(&gpu().1, logits());
    let mut own = [
        seen.figure("F1", |f| f.macro_average.f1),
        seen.figure("Accuracy", |f| f.accuracy),
    ];
    for output in epoch.batches() {
        f1.update(&output.adapt(), &metadata()).unwrap();
        accuracy.update(&output.adapt(), &metadata()).unwrap();
        for metric in &mut own {
            metric.update(&output.adapt(), &metadata()).unwrap();
        }
    }
    f1.compute().unwrap();
    accuracy.compute().unwrap();
    let theirs = [f1.final_value(), accuracy.final_value()];
    for (own, theirs) in own.iter_mut().zip(theirs) {
        // In percent, and their counts go through f32.
        assert!((value(own) - theirs.current() / 100.0).abs() < 1e-6);
    }
}

/// Two classes, several labels, numbers.
#[test]
fn other_kinds_of_samples_are_seen_too() {
    let (device, gpu) = gpu();
    let scores = [0.9f32, 0.2, 0.4, 0.6, 0.1, 0.7];
    let labels = [1i32, 0, 1, 0, 0, 1];
    let tensor = |shape: [usize; 2]| {
        let scores = Tensor::<2>::from_data(TensorData::new(scores.to_vec(), shape), device);
        let labels = Tensor::<2, Int>::from_data(TensorData::new(labels.to_vec(), shape), device);
        (scores, labels)
    };
    let (x, y) = tensor([6, 1]);
    let binary = Seen::with_room(gpu, Binary::default(), 10);
    let mut auc = binary.figure("ROC-AUC", |f| f.roc_auc);
    auc.update(&MetricInput::new(x, y), &metadata()).unwrap();
    let samples = Samples::new([6], &scores).labels(&labels);
    let expected = Binary::default().figures(&samples).unwrap();
    assert_eq!(value(&mut auc), expected.roc_auc.unwrap());

    let (x, y) = tensor([3, 2]);
    let output = MultiLabelClassificationOutput {
        loss: Tensor::zeros([1], device),
        output: x.clone(),
        targets: y,
    };
    let labelled = Seen::new(gpu, Multilabel::default());
    let mut hamming = labelled.loss("Hamming loss", |f| f.hamming_loss);
    hamming.update(&output.adapt(), &metadata()).unwrap();
    let samples = Samples::new([3, 2], &scores).labels(&labels);
    let expected = Multilabel::default().figures(&samples).unwrap();
    assert_eq!(value(&mut hamming), expected.hamming_loss.unwrap());

    let output = RegressionOutput {
        loss: Tensor::zeros([1], device),
        output: x.clone(),
        targets: x.clone() * 2.0,
    };
    let numbers = Seen::new(gpu, Regression::default());
    let mut mae = numbers.loss("MAE", |f| f.mae);
    mae.update(&output.adapt(), &metadata()).unwrap();
    let all: f32 = scores.iter().sum();
    assert!((value(&mut mae) - f64::from(all) / 6.0).abs() < 1e-6);

    // Labels where numbers should be, another type of truth, nothing at all.
    let labels = tensor([3, 2]).1;
    let wrong = mae.update(&MetricInput::new(x.clone(), labels), &metadata());
    assert!(wrong.unwrap_err().to_string().contains("samples"));
    let short = Tensor::<1, Int>::zeros([5], device);
    let wrong = Seen::new(gpu, logits())
        .figure("Accuracy", |f| f.accuracy)
        .update(&MetricInput::new(x, short), &metadata());
    assert!(
        wrong
            .unwrap_err()
            .to_string()
            .contains("expected 3, one for each sample")
    );
    // One-hot truth of classes, one label for several.
    let (x, y) = tensor([3, 2]);
    let wrong = Seen::new(gpu, logits())
        .figure("Accuracy", |f| f.accuracy)
        .update(&MetricInput::new(x.clone(), y), &metadata());
    let said = wrong.unwrap_err().to_string();
    assert!(said.contains("one for each sample"), "{said}");
    let one = MetricInput::new(x, Tensor::<1, Int>::zeros([3], device));
    let said = hamming.update(&one, &metadata()).unwrap_err().to_string();
    assert!(said.contains("in the shape of the predictions"), "{said}");

    // Nothing was seen; and an epoch without batches has not the figures of the one before.
    let fresh = Seen::new(gpu, logits());
    let said = fresh.figures().unwrap_err().to_string();
    assert!(said.contains("at least one batch"), "{said}");
    let nothing = fresh.figure("Accuracy", |f| f.accuracy).compute();
    assert!(nothing.unwrap().is_not_available());
    assert!(value(&mut hamming).is_finite());
    hamming.clear();
    assert!(hamming.compute().unwrap().is_not_available());
    assert!(hamming.final_value().current().is_nan());
}
