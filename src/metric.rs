//! Evaluation metrics: what of predictions is right, as scikit-learn counts it. Nothing here knows a GPU.
//!
//! A task — [`Binary`], [`Multiclass`], [`Multilabel`], [`Regression`] — is a struct of options, and makes [`Samples`] into
//! all figures of its kind at once, in f64. [`all`] says what each figure is.
//!
//! A figure that is undefined is `None`, with its reason in `undefined`: an area under a curve where there is one class
//! only, a ratio of nothing to nothing. Averages count an undefined precision, recall or F1 as 0, and leave out an
//! undefined area. Scores are ordered by their bits: subnormals are distinct, −0 is 0; a NaN among them is an error.

mod area_bounds;
mod binary;
mod calibration;
mod confusion;
mod exact;
mod multiclass;
mod multilabel;
mod notes;
mod ranking;
mod regression;
mod samples;

pub use area_bounds::AreaBounds;
pub(crate) use area_bounds::BinSums;
pub(crate) use binary::share;
pub use binary::{Binary, BinaryFigures};
pub(crate) use calibration::Calibration;
pub use calibration::{CALIBRATION_BINS, CalibrationBin};
pub use confusion::{Cells, ConfusionMatrix, Normalize, Scores};
pub(crate) use exact::Tally;
pub(crate) use multiclass::MOST_CLASSES;
pub use multiclass::{ClassFigures, Multiclass, MulticlassFigures};
pub use multilabel::{LabelFigures, Multilabel, MultilabelFigures};
pub use notes::Undefined;
pub use ranking::{
    Areas, OperatingPoint, OperatingPoints, PrecisionRecallCurve, Ranking, RocCurve,
};
pub(crate) use ranking::{Order, Point, Points};
pub(crate) use regression::RegressionSums;
pub use regression::{Regression, RegressionFigures};
pub use samples::{InputKind, Samples};

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Two classes.
    Binary,
    /// One of several classes.
    Multiclass,
    /// Any of several labels.
    Multilabel,
    /// Numbers.
    Regression,
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 4] = [
        Task::Binary,
        Task::Multiclass,
        Task::Multilabel,
        Task::Regression,
    ];

    /// `binary`, `multiclass`, `multilabel` or `regression`.
    pub const fn name(self) -> &'static str {
        match self {
            Task::Binary => "binary",
            Task::Multiclass => "multiclass",
            Task::Multilabel => "multilabel",
            Task::Regression => "regression",
        }
    }
}

/// What a figure is worked out from, beside the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Predicted labels, or what a threshold or the highest score makes of scores.
    Predictions,
    /// Scores in an order: scores, probabilities or logits.
    Scores,
    /// Probabilities, or logits.
    Probabilities,
    /// Predicted numbers.
    Numbers,
}

impl Needs {
    /// The sentence for people.
    pub const fn name(self) -> &'static str {
        match self {
            Needs::Predictions => "scores, probabilities, logits or labels",
            Needs::Scores => "scores, probabilities or logits",
            Needs::Probabilities => "probabilities or logits",
            Needs::Numbers => "numbers",
        }
    }
}

/// A change of samples whose effect on a figure is known: what a figure declares, and tests hold it to, reference and device alike.
///
/// What holds for all figures is not declared by any: the order of samples does not matter, a sample with a weight of k is as
/// good as k such samples, and states merge to that of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FigureLaw {
    /// All scores may go through one increasing function: the figure stays.
    Monotone,
    /// With all scores negated v becomes 1 − v.
    Reverse,
    /// With truth and predictions exchanged it becomes this figure; of a matrix the transpose.
    Exchange(&'static str),
    /// Classes, or labels, may come in another order: the figure stays, or is in that order too.
    Relabel,
    /// With the two classes exchanged, and probabilities p replaced by 1 − p, it becomes this figure.
    Flip(&'static str),
    /// A number may be added to all numbers, true and predicted: the figure stays.
    Shift,
    /// With all numbers, true and predicted, times a > 0, the figure is multiplied by a to this power.
    Scale(i32),
}

/// What a figure is.
#[derive(Debug)]
pub struct Figure {
    /// Its name, as in JSON.
    pub name: &'static str,
    /// The tasks that have it.
    pub tasks: &'static [Task],
    /// What it is worked out from.
    pub needs: Needs,
    /// What it is.
    pub formula: &'static str,
    /// The function whose figures it reproduces; empty where there is none.
    pub agrees: &'static str,
    /// What is known of it.
    pub laws: &'static [FigureLaw],
}

macro_rules! figures {
    ($($name:literal [$($Task:ident)*] $Needs:ident $formula:literal, $agrees:literal, [$($Law:ident $(($arg:literal))?)*];)*) => {
        const FIGURES: &[Figure] = &[$(Figure {
            name: $name,
            tasks: &[$(Task::$Task),*],
            needs: Needs::$Needs,
            formula: $formula,
            agrees: $agrees,
            laws: &[$(FigureLaw::$Law $(($arg))?),*],
        }),*];
    };
}

figures! {
    "confusion_matrix" [Binary Multiclass Multilabel] Predictions "samples of true class r that were taken for class c; binary [[tn, fp], [fn, tp]]",
        "sklearn.metrics.confusion_matrix", [Exchange("confusion_matrix") Relabel Flip("confusion_matrix")];
    "accuracy" [Binary Multiclass Multilabel] Predictions "Σ_c matrix[c][c] / n", "sklearn.metrics.accuracy_score", [Exchange("accuracy") Relabel Flip("accuracy")];
    "precision" [Binary Multiclass Multilabel] Predictions "tp / (tp + fp)", "sklearn.metrics.precision_score", [Exchange("recall") Relabel];
    "recall" [Binary Multiclass Multilabel] Predictions "tp / (tp + fn)", "sklearn.metrics.recall_score", [Exchange("precision") Relabel Flip("specificity")];
    "specificity" [Binary] Predictions "tn / (tn + fp)", "sklearn.metrics.recall_score(pos_label=0)", [Flip("recall")];
    "f1" [Binary Multiclass Multilabel] Predictions "2·tp / (2·tp + fp + fn)", "sklearn.metrics.f1_score", [Exchange("f1") Relabel];
    "support" [Multiclass Multilabel] Predictions "tp + fn", "sklearn.metrics.precision_recall_fscore_support", [Relabel];
    "balanced_accuracy" [Binary Multiclass] Predictions "mean of recall over the classes in truth", "sklearn.metrics.balanced_accuracy_score", [Relabel Flip("balanced_accuracy")];
    "mcc" [Binary Multiclass] Predictions "(hits·n − Σ t·p) / √((n² − Σ p²)·(n² − Σ t²)), t and p the sums of rows and columns",
        "sklearn.metrics.matthews_corrcoef", [Exchange("mcc") Relabel Flip("mcc")];
    "cohen_kappa" [Binary Multiclass] Predictions "(hits·n − Σ t·p) / (n² − Σ t·p)", "sklearn.metrics.cohen_kappa_score", [Exchange("cohen_kappa") Relabel Flip("cohen_kappa")];
    "top_k" [Multiclass] Scores "share of samples with #(x_j > x_y) + #(x_j = x_y and j < y) < k",
        "sklearn.metrics.top_k_accuracy_score, but for ties", [Monotone Relabel];
    "roc_auc" [Binary Multiclass Multilabel] Scores "share of pairs of a positive and a negative sample with the higher score at the positive one, ties half; of classes one against the rest",
        "sklearn.metrics.roc_auc_score", [Monotone Reverse Relabel Flip("roc_auc")];
    "average_precision" [Binary Multilabel] Scores "Σ_i (R_i − R_{i−1})·P_i over the distinct scores downwards",
        "sklearn.metrics.average_precision_score", [Monotone Relabel];
    "log_loss" [Binary Multiclass] Probabilities "mean of −log p_y; probabilities are clipped at f32's epsilon, logits are not",
        "sklearn.metrics.log_loss", [Relabel Flip("log_loss")];
    "brier" [Binary] Probabilities "mean of (p − y)²", "sklearn.metrics.brier_score_loss", [Flip("brier")];
    "ece" [Binary Multiclass] Probabilities "Σ_b |Σ_{i in b} (hit_i − p_i)| / n over the bins b = min(⌊15p⌋, 14); p of the positive, or of the predicted class", "", [Relabel Flip("ece")];
    "operating_points" [Binary] Scores "the threshold of the highest F1; the highest with recall ≥ r; that of the most recall with precision ≥ p", "", [Monotone];
    "micro" [Multiclass Multilabel] Predictions "precision, recall and F1 of all elements together",
        "sklearn.metrics.precision_recall_fscore_support(average=\"micro\")", [Exchange("micro") Relabel];
    "macro" [Multiclass Multilabel] Predictions "their means over classes that are in truth or prediction, or over all labels",
        "sklearn.metrics.precision_recall_fscore_support(average=\"macro\")", [Exchange("macro") Relabel];
    "weighted" [Multiclass Multilabel] Predictions "their means by support",
        "sklearn.metrics.precision_recall_fscore_support(average=\"weighted\")", [Relabel];
    "subset_accuracy" [Multilabel] Predictions "share of samples all of whose labels were predicted and no other", "sklearn.metrics.accuracy_score", [Exchange("subset_accuracy") Relabel];
    "hamming_loss" [Multilabel] Predictions "share of elements that were predicted wrongly", "sklearn.metrics.hamming_loss", [Exchange("hamming_loss") Relabel];
    "mse" [Regression] Numbers "mean of (y − ŷ)²", "sklearn.metrics.mean_squared_error", [Exchange("mse") Shift Scale(2)];
    "rmse" [Regression] Numbers "√mse", "sklearn.metrics.root_mean_squared_error", [Exchange("rmse") Shift Scale(1)];
    "mae" [Regression] Numbers "mean of |y − ŷ|", "sklearn.metrics.mean_absolute_error", [Exchange("mae") Shift Scale(1)];
    "r2" [Regression] Numbers "1 − Σ (y − ŷ)² / Σ (y − mean y)²", "sklearn.metrics.r2_score", [Shift Scale(0)];
    "mape" [Regression] Numbers "mean of |y − ŷ| / max(|y|, 2⁻⁵²)", "sklearn.metrics.mean_absolute_percentage_error", [Scale(0)];
    "max_error" [Regression] Numbers "max |y − ŷ|", "sklearn.metrics.max_error", [Exchange("max_error") Shift Scale(1)];
    "explained_variance" [Regression] Numbers "1 − Var(y − ŷ) / Var(y)", "sklearn.metrics.explained_variance_score", [Shift Scale(0)];
    "pearson_r" [Regression] Numbers "Cov(y, ŷ) / √(Var(y)·Var(ŷ))", "scipy.stats.pearsonr", [Exchange("pearson_r") Shift Scale(0)];
}

impl Figure {
    /// The options that it depends on, with their defaults.
    pub fn options(&self) -> Vec<(&'static str, &'static str)> {
        let thresholds = [Task::Binary, Task::Multilabel];
        match self.name {
            "operating_points" => vec![("recall", "0.95"), ("precision", "0.95")],
            "top_k" => vec![("top_k", "none")],
            _ if self.needs == Needs::Predictions
                && self.tasks.iter().any(|t| thresholds.contains(t)) =>
            {
                vec![("threshold", "0.5, of logits 0")]
            }
            _ => Vec::new(),
        }
    }
}

/// Every figure, in the order of the tasks.
pub fn all() -> &'static [Figure] {
    FIGURES
}
