//! Figures of a device held against the f64 reference.

use super::{Check, Extent, Random, Row, Summary};
use crate::bounds::U;
use crate::error::Result;
use crate::gpu::{Gpu, Tuning};
use crate::layout::Reduction;
use crate::metric::{
    Binary, BinaryFigures, Cells, ClassFigures, ConfusionMatrix, InputKind, Multiclass,
    MulticlassFigures, Multilabel, MultilabelFigures, OperatingPoint, Regression,
    RegressionFigures, Samples, Scores, Task, Undefined,
};
use crate::tensor::{DType, Values};

/// How one figure compares.
struct Figure {
    name: String,
    want: Option<f64>,
    got: Option<f64>,
    /// What `got` may be off by, and by how much of `want` besides.
    absolute: f64,
    relative: f64,
}

/// Figures that are compared.
#[derive(Default)]
struct Figures(Vec<Figure>, Vec<String>);

impl Figures {
    /// A figure that has to be the same.
    fn same(
        &mut self,
        name: impl Into<String>,
        want: impl Into<Option<f64>>,
        got: impl Into<Option<f64>>,
    ) {
        self.near(name, want, got, 0.0, 0.0);
    }

    fn near(
        &mut self,
        name: impl Into<String>,
        want: impl Into<Option<f64>>,
        got: impl Into<Option<f64>>,
        relative: f64,
        absolute: f64,
    ) {
        self.0.push(Figure {
            name: name.into(),
            want: want.into(),
            got: got.into(),
            absolute,
            relative,
        });
    }

    fn matrix(&mut self, before: &str, want: &ConfusionMatrix, got: &ConfusionMatrix) {
        let counts = |m: &ConfusionMatrix| match m.cells() {
            Cells::Counts(c) => c.iter().map(|n| *n as f64).collect(),
            Cells::Weights(w) => w.clone(),
        };
        let (want, got): (Vec<f64>, Vec<f64>) = (counts(want), counts(got));
        self.same(
            format!("{before}cells"),
            want.len() as f64,
            got.len() as f64,
        );
        for (i, (w, g)) in want.into_iter().zip(got).enumerate() {
            self.same(format!("{before}cell {i}"), w, g);
        }
    }

    fn scores(&mut self, before: &str, want: Scores, got: Scores) {
        self.same(format!("{before}precision"), want.precision, got.precision);
        self.same(format!("{before}recall"), want.recall, got.recall);
        self.same(format!("{before}f1"), want.f1, got.f1);
    }

    fn point(&mut self, name: &str, want: Option<OperatingPoint>, got: Option<OperatingPoint>) {
        let of = |f: fn(OperatingPoint) -> f64| (want.map(f), got.map(f));
        for (what, (w, g)) in [
            ("threshold", of(|p| p.threshold)),
            ("precision", of(|p| p.precision)),
            ("recall", of(|p| p.recall)),
            ("f1", of(|p| p.f1)),
        ] {
            self.same(format!("{name}.{what}"), w, g);
        }
    }

    fn undefined(&mut self, want: &[Undefined], got: &[Undefined]) {
        if want != got {
            self.1
                .push(format!("undefined: expected {want:?}, found {got:?}"));
        }
    }

    fn check(self) -> Check {
        let mut check = Check {
            complaint: self.1.into_iter().next(),
            ..Check::good()
        };
        for f in self.0 {
            let (error, bound) = match (f.want, f.got) {
                (Some(w), Some(g)) if w == g || (w.is_nan() && g.is_nan()) => (0.0, 0.0),
                (Some(w), Some(g)) if w.is_finite() && g.is_finite() => {
                    ((w - g).abs(), (f.relative * w.abs() + f.absolute).max(0.0))
                }
                (None, None) => (0.0, 0.0),
                _ => (f64::INFINITY, 0.0),
            };
            check.loss_err = check.loss_err.max(error);
            let part = if error == 0.0 { 0.0 } else { error / bound };
            if part > check.worst {
                (check.worst, check.bound) = (part, bound);
            }
            if part > 1.0 && check.complaint.is_none() {
                let Figure {
                    name, want, got, ..
                } = f;
                check.complaint = Some(format!(
                    "{name}: expected {want:?} ± {bound:.1e}, found {got:?}"
                ));
            }
        }
        check.pass = check.complaint.is_none();
        check
    }
}

/// Compares a device's figures of two classes with the reference's. Counts, areas under ROC curves and operating points have
/// to be the same. Average precision may be off by 8u of itself, since each precision is a quotient in f32; losses by 10u, u = 2⁻²⁴: 3u for
/// the exponential, 3u for the logarithm, 4u for arithmetic; squares by twice as much; and a calibration error, a difference
/// of sums, by that of each probability.
pub fn check_binary(want: &BinaryFigures, got: &BinaryFigures) -> Check {
    let mut f = Figures::default();
    f.same("n", want.n, got.n);
    f.same("positives", want.positives, got.positives);
    f.same("threshold", want.threshold, got.threshold);
    f.matrix("", &want.confusion_matrix, &got.confusion_matrix);
    for (name, of) in [
        (
            "accuracy",
            (|f| f.accuracy) as fn(&BinaryFigures) -> Option<f64>,
        ),
        ("precision", |f| f.precision),
        ("recall", |f| f.recall),
        ("specificity", |f| f.specificity),
        ("f1", |f| f.f1),
        ("balanced_accuracy", |f| f.balanced_accuracy),
        ("mcc", |f| f.mcc),
        ("cohen_kappa", |f| f.cohen_kappa),
        ("roc_auc", |f| f.roc_auc),
    ] {
        f.same(name, of(want), of(got));
    }
    let (w, g) = (&want.operating_points, &got.operating_points);
    f.point("max_f1", w.max_f1, g.max_f1);
    f.point("recall_at", w.recall_at, g.recall_at);
    f.point("precision_at", w.precision_at, g.precision_at);
    let (w, g) = (want.average_precision, got.average_precision);
    f.near("average_precision", w, g, 8.0 * U, 0.0);
    f.near("log_loss", want.log_loss, got.log_loss, 10.0 * U, 0.0);
    f.near("brier", want.brier, got.brier, 20.0 * U, 0.0);
    f.near("ece", want.ece, got.ece, 10.0 * U, 10.0 * U);
    f.undefined(&want.undefined, &got.undefined);
    f.check()
}

/// Compares a device's figures of several classes with the reference's. Counts and what follows of them have to be the same, areas of
/// scores and probabilities too (by weights that are no sums of halves, quarters and so on the reference itself may be off by 10⁻¹⁵). Losses may be off by what [`check_binary`] allows, and by (33 + C/32)u for the sum over C classes.
///
/// By logits a class is ordered by s = x_c − log Σ exp of the others, so that close samples may change places, and an area is off by
/// their pairs. With m the highest logit and g = x_c − m ≤ 0, s is g − log(1 + r), and r the sum of the others' exponentials less eᵍ: each
/// exponential is off by 3u of itself, and goes through 32 additions and C/32 more, and the difference is rounded once: r by
/// (36 + C/32)u·(1 + r + eᵍ), which leaves no more than twice (36 + C/32)u of the logarithm. That itself is off by 6u, g and s are rounded, and
/// no part is larger than s: 8u·|s|. What the rounding of each x_j − m does to its exponential is in the twice. Of the highest logit g is its distance from the second, and up to log C larger than s: 6u·log C.
pub fn check_multiclass(
    input: InputKind,
    want: &MulticlassFigures,
    got: &MulticlassFigures,
) -> Check {
    let mut f = Figures::default();
    let classes = want.per_class.len() as f64;
    let sums = (43.0 + classes / 32.0) * U;
    f.same("n", want.n, got.n);
    f.matrix("", &want.confusion_matrix, &got.confusion_matrix);
    for (name, of) in [
        (
            "accuracy",
            (|f| f.accuracy) as fn(&MulticlassFigures) -> Option<f64>,
        ),
        ("balanced_accuracy", |f| f.balanced_accuracy),
        ("mcc", |f| f.mcc),
        ("cohen_kappa", |f| f.cohen_kappa),
    ] {
        f.same(name, of(want), of(got));
    }
    f.same("top_k", want.top_k.len() as f64, got.top_k.len() as f64);
    for ((k, w), (of, g)) in want.top_k.iter().zip(&got.top_k) {
        f.same(format!("top_k.{k}"), *k as f64, *of as f64);
        f.same(format!("top_k.{k}"), *w, *g);
    }
    f.scores("micro.", want.micro, got.micro);
    f.scores("macro.", want.macro_average, got.macro_average);
    f.scores("weighted.", want.weighted, got.weighted);
    let order = |f: &ClassFigures| match (&f.ranking, input) {
        (Some(ranking), InputKind::Logits) => {
            let sum = 2.0 * (36.0 + classes / 32.0) + 6.0 * classes.ln();
            ranking.open_pairs(|score| (sum + 8.0 * score.abs()) * U)
        }
        _ => 0.0,
    };
    let orders = want.per_class.iter().map(order);
    let most = orders.fold(0.0, f64::max);
    f.same("classes", classes, got.per_class.len() as f64);
    for (c, (w, g)) in want.per_class.iter().zip(&got.per_class).enumerate() {
        f.scores(&format!("per_class.{c}."), w.scores, g.scores);
        f.same(format!("per_class.{c}.support"), w.support, g.support);
        f.near(
            format!("per_class.{c}.roc_auc"),
            w.roc_auc,
            g.roc_auc,
            1e-15,
            order(w),
        );
    }
    f.near(
        "roc_auc.macro",
        want.roc_auc_macro,
        got.roc_auc_macro,
        1e-15,
        most,
    );
    let (w, g) = (want.roc_auc_weighted, got.roc_auc_weighted);
    f.near("roc_auc.weighted", w, g, 1e-15, most);
    f.near("log_loss", want.log_loss, got.log_loss, sums, 0.0);
    f.near("ece", want.ece, got.ece, sums, sums);
    f.undefined(&want.undefined, &got.undefined);
    f.check()
}

/// Compares a device's figures of several labels with the reference's. All have to be the same, but for average precision, which may
/// be off by 8u, u = 2⁻²⁴.
pub fn check_multilabel(want: &MultilabelFigures, got: &MultilabelFigures) -> Check {
    let mut f = Figures::default();
    f.same("n", want.n, got.n);
    f.same(
        "labels",
        want.per_label.len() as f64,
        got.per_label.len() as f64,
    );
    for (l, (w, g)) in want.per_label.iter().zip(&got.per_label).enumerate() {
        let before = format!("per_label.{l}.");
        f.matrix(&before, &w.confusion_matrix, &g.confusion_matrix);
        f.scores(&before, w.scores, g.scores);
        f.same(format!("{before}accuracy"), w.accuracy, g.accuracy);
        f.same(format!("{before}roc_auc"), w.roc_auc, g.roc_auc);
        let (w, g) = (w.average_precision, g.average_precision);
        f.near(format!("{before}average_precision"), w, g, 8.0 * U, 0.0);
    }
    f.scores("micro.", want.micro, got.micro);
    f.scores("macro.", want.macro_average, got.macro_average);
    f.scores("weighted.", want.weighted, got.weighted);
    for k in 0..2 {
        f.near("roc_auc", want.roc_auc[k], got.roc_auc[k], 1e-15, 0.0);
        let (w, g) = (want.average_precision[k], got.average_precision[k]);
        f.near("average_precision", w, g, 8.0 * U, 0.0);
    }
    f.same("subset_accuracy", want.subset_accuracy, got.subset_accuracy);
    f.same("hamming_loss", want.hamming_loss, got.hamming_loss);
    f.undefined(&want.undefined, &got.undefined);
    f.check()
}

/// Compares a device's figures of numbers with the reference's. The device's follow of exact sums; the reference's sums of n numbers in
/// f64 may be off by n·2⁻⁵², relative, and of quotients of two, which 1 is taken from, by as much of 1 besides. `mape` may be off by
/// a difference in f32 and a quotient, 2.5 units in the last place by WGSL; `max_error` by a difference.
pub fn check_regression(want: &RegressionFigures, got: &RegressionFigures) -> Check {
    let mut f = Figures::default();
    let sums = (want.n + 4.0) * 2f64.powi(-52);
    f.same("n", want.n, got.n);
    f.near("mse", want.mse, got.mse, sums, 0.0);
    f.near("rmse", want.rmse, got.rmse, sums, 0.0);
    f.near("mae", want.mae, got.mae, sums, 0.0);
    f.near("mape", want.mape, got.mape, 6.0 * U + sums, 0.0);
    f.near("max_error", want.max_error, got.max_error, U, 0.0);
    f.near("r2", want.r2, got.r2, sums, sums);
    let (w, g) = (want.explained_variance, got.explained_variance);
    f.near("explained_variance", w, g, sums, sums);
    f.near("pearson_r", want.pearson_r, got.pearson_r, sums, sums);
    f.undefined(&want.undefined, &got.undefined);
    f.check()
}

/// Works out figures of `tasks` on `gpu` over sizes, kinds of input, storage types and both tunings, and compares each with the
/// reference. `each` is told every result, how many there are so far and how many there will be.
///
/// # Errors
/// Only what keeps the device from evaluating at all; a wrong figure is a row that does not pass.
#[cfg(not(target_arch = "wasm32"))]
pub fn run_metrics(
    gpu: &Gpu,
    tasks: &[Task],
    extent: Extent,
    each: &mut dyn FnMut(&Row, usize, usize),
) -> Result<Summary> {
    gpu.block_on(run_metrics_async(gpu, tasks, extent, each))
}

/// As `run_metrics`, without blocking.
///
/// # Errors
/// As `run_metrics`.
pub async fn run_metrics_async(
    gpu: &Gpu,
    tasks: &[Task],
    extent: Extent,
    each: &mut dyn FnMut(&Row, usize, usize),
) -> Result<Summary> {
    let quick = extent.quick();
    let mut work = Vec::new();
    for &task in tasks {
        let mut all = Vec::new();
        for tuning in Tuning::ALL {
            for (turn, n) in sizes(quick).iter().enumerate() {
                for (k, kind) in InputKind::ALL.into_iter().enumerate() {
                    if task == Task::Regression && k > 0 {
                        continue;
                    }
                    let dtypes = if quick { 1 } else { 3 };
                    let some = (0..dtypes).map(|d| DType::ALL[(turn + k + d) % 3]);
                    // One and the other tuning with another number each, and most samples with several.
                    let columns = [1, 2, 5, 10, 3][(turn + 2 * (tuning as usize) + k) % 5];
                    all.extend(some.map(|dtype| (task, tuning, (*n, columns), kind, dtype)));
                }
            }
        }
        work.extend(extent.some(all, task.name()));
    }
    let total = work.len();
    let mut summary = Summary::default();
    for (task, tuning, size, input, dtype) in work {
        let device = gpu.with_tuning(tuning);
        let mut random = Random::new(summary.cases as u64);
        let (shape, mut check) = case(&device, task, input, dtype, size, &mut random).await?;
        if let Some(complaint) = &mut check.complaint {
            *complaint = format!("by {}: {complaint}", input.name());
        }
        let row = Row {
            name: task.name(),
            shape,
            dtype,
            reduction: Reduction::None,
            plan: tuning.name(),
            check,
        };
        summary.cases += 1;
        summary.failed += usize::from(!row.check.pass);
        each(&row, summary.cases, total);
    }
    Ok(summary)
}

fn sizes(quick: bool) -> &'static [usize] {
    match quick {
        true => &[1, 2, 37, 900],
        false => &[1, 2, 37, 900, 40_000],
    }
}

/// Numbers as `dtype` holds them.
fn stored(of: Vec<f32>, dtype: DType) -> Values<'static> {
    Values::from(of).rounded(dtype)
}

/// Scores of a kind which say something of what is true, now and then one of few, so that there are ties.
fn score(random: &mut Random, input: InputKind, own: bool) -> f64 {
    let x = 8.0 * random.unit() - 4.0 + f64::from(u8::from(own));
    let x = if random.below(4) == 0 { x.round() } else { x };
    match input {
        InputKind::Probs => 1.0 / (1.0 + (-x).exp()),
        _ => x,
    }
}

/// A label below `classes`, now and then the ignored one.
fn label(random: &mut Random, classes: usize) -> i64 {
    match random.below(12) {
        0 => -1,
        _ => random.below(classes) as i64,
    }
}

async fn case(
    gpu: &Gpu,
    task: Task,
    input: InputKind,
    dtype: DType,
    (n, columns): (usize, usize),
    random: &mut Random,
) -> Result<(Vec<usize>, Check)> {
    let labelled = input == InputKind::Labels;
    let ignore_index = Some(-1);
    // Columns of a row, so that there are as many numbers.
    let columns = match task {
        Task::Binary | Task::Regression => 1,
        Task::Multiclass | Task::Multilabel => columns,
    };
    let n = n.div_ceil(columns);
    // Quarters, whose sums have no rounding in f64 either; every fourth of them 0.
    let weights = (random.below(2) == 0).then(|| {
        let quarters = (0..n).map(|_| random.below(4) as f32 * (1 + random.below(4)) as f32 / 4.0);
        stored(quarters.collect(), DType::ALL[random.below(3)])
    });
    let weighed = |samples: Samples<'static>| Samples {
        weight: weights.clone(),
        ..samples
    };
    let shape = match (task, labelled) {
        (Task::Multilabel, _) | (Task::Multiclass, false) => vec![n, columns],
        _ => vec![n],
    };
    let all = shape.iter().product::<usize>();
    if task == Task::Regression {
        // Around a mean that would take digits from f32.
        let mean = [0.0, 1000.0][n % 2];
        let mut some = |spread: f64| -> Vec<f32> {
            (0..n)
                .map(|_| (mean + spread * (random.unit() - 0.5)) as f32)
                .collect()
        };
        let (x, y) = (stored(some(8.0), dtype), stored(some(8.0), dtype));
        let samples = weighed(Samples::new(shape.clone(), x).target(y));
        let want = Regression {}.figures(&samples)?;
        let got = gpu.regression_figures_async(&samples).await?;
        return Ok((shape, check_regression(&want, &got)));
    }
    let classes = if task == Task::Multiclass { columns } else { 2 };
    let truths = if task == Task::Multiclass { n } else { all };
    let truth: Vec<i64> = (0..truths).map(|_| label(random, classes)).collect();
    let samples = match labelled {
        true => {
            let predicted: Vec<i64> = (0..all).map(|_| random.below(classes) as i64).collect();
            Samples::predicted(shape.clone(), predicted)
        }
        false => {
            let own = |i: usize| match task {
                Task::Multiclass => truth[i / columns] == (i % columns) as i64,
                _ => truth[i] == 1,
            };
            let scores = (0..all)
                .map(|i| score(random, input, own(i)) as f32)
                .collect();
            Samples::new(shape.clone(), stored(scores, dtype))
        }
    };
    let samples = weighed(samples.labels(truth.clone()));
    let check = match task {
        Task::Binary => {
            let asked = Binary {
                input,
                ignore_index,
                ..Default::default()
            };
            let want = asked.figures(&samples)?;
            check_binary(&want, &gpu.binary_figures_async(&asked, &samples).await?)
        }
        Task::Multiclass => {
            let asked = Multiclass {
                input,
                classes: Some(columns),
                top_k: if labelled { Vec::new() } else { vec![1, 3] },
                ignore_index,
            };
            let want = asked.figures(&samples)?;
            let got = gpu.multiclass_figures_async(&asked, &samples).await?;
            check_multiclass(input, &want, &got)
        }
        Task::Multilabel | Task::Regression => {
            let asked = Multilabel {
                input,
                ignore_index,
                ..Default::default()
            };
            let want = asked.figures(&samples)?;
            let got = gpu.multilabel_figures_async(&asked, &samples).await?;
            check_multilabel(&want, &got)
        }
    };
    Ok((shape, check))
}
