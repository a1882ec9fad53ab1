//! Several labels, of which each sample has any number.

use super::confusion::{ConfusionMatrix, Hits, Scores};
use super::multiclass::mean_of_defined;
use super::notes::{Notes, Undefined};
use super::ranking::{Order, Ranking};
use super::samples::{InputKind, Samples};
use crate::error::{Error, Result};

/// What is asked about labels. Input and target are `[…, L]`; the target is 1 where a sample has the label and 0 where not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Multilabel {
    /// What the input is.
    pub input: InputKind,
    /// From where on a score says that a sample has the label; [`InputKind::threshold`] where there is none.
    pub threshold: Option<f64>,
    /// An element with this target is passed over; a sample with one is no part of subset accuracy and Hamming loss.
    pub ignore_index: Option<i64>,
}

/// Figures of one label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelFigures {
    /// `[[tn, fp], [fn, tp]]`.
    pub confusion_matrix: ConfusionMatrix,
    /// `(tp + tn) / n`.
    pub accuracy: Option<f64>,
    /// Precision, recall and F1.
    pub scores: Scores,
    /// The area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Average precision.
    pub average_precision: Option<f64>,
    /// The distinct scores, from which the curves are made; `None` for labels.
    pub ranking: Option<Ranking>,
    /// The samples that have the label, or the sum of their weights.
    pub support: f64,
}

/// Figures of several labels. What is undefined is `None`, and `undefined` says why.
#[derive(Debug, Clone, PartialEq)]
pub struct MultilabelFigures {
    /// Samples, or the sum of their weights.
    pub n: f64,
    /// Each label.
    pub per_label: Vec<LabelFigures>,
    /// Of all elements together.
    pub micro: Scores,
    /// The mean over labels.
    pub macro_average: Scores,
    /// The mean over labels, by their support.
    pub weighted: Scores,
    /// The mean area under the ROC curve, of the labels that have one; and the mean by support.
    pub roc_auc: [Option<f64>; 2],
    /// The mean average precision, of the labels that have one; and the mean by support.
    pub average_precision: [Option<f64>; 2],
    /// The share of samples all of whose labels were predicted and no other.
    pub subset_accuracy: Option<f64>,
    /// The share of elements that were predicted wrongly.
    pub hamming_loss: Option<f64>,
    /// What is `None`, and why.
    pub undefined: Vec<Undefined>,
}

impl Multilabel {
    /// How many labels there are.
    pub(crate) fn label_count(samples: &Samples<'_>) -> Result<usize> {
        match samples.shape.as_slice() {
            [_, .., l] if *l > 0 => Ok(*l),
            shape => Err(Error::mismatch(
                "input",
                "the shape [N, L]",
                format!("{shape:?}"),
            )),
        }
    }

    /// Refuses options out of range.
    pub(crate) fn check(&self) -> Result<()> {
        match self.threshold {
            Some(t) if t.is_nan() => Err(Error::mismatch("threshold", "a number", "NaN")),
            _ => Ok(()),
        }
    }

    /// Works the figures out, in f64.
    ///
    /// # Errors
    /// As [`Binary::figures`](super::Binary::figures).
    pub fn figures(&self, samples: &Samples<'_>) -> Result<MultilabelFigures> {
        let threshold = samples.threshold(self.input, self.threshold)?;
        let labels = Multilabel::label_count(samples)?;
        let n = samples.count(labels)?;
        let target = samples.target.as_ref();
        let truth = Samples::indices("target", target, n * labels, 2, self.ignore_index)?;
        let ordered = self.input != InputKind::Labels;
        let (scores, predicted) = match ordered {
            false => (Vec::new(), samples.predicted_labels(2, &truth)?),
            true => {
                let counts = |i: usize| truth[i].is_some();
                let scores = samples.scores(self.input, 1, counts)?;
                let above = scores.iter().map(|&s| usize::from(s >= threshold));
                let above: Vec<usize> = above.collect();
                (scores, above)
            }
        };
        let weights = samples.weights();
        let weight = |i: usize| weights.as_ref().map_or(1.0, |w| w[i]);
        let (mut matrices, mut orders) = (Vec::new(), Vec::new());
        for l in 0..labels {
            let column = (0..n).map(|i| (i, i * labels + l));
            let there: Vec<_> = column
                .filter_map(|(i, at)| Some((i, at, truth[at]?)))
                .collect();
            let mut matrix = ConfusionMatrix::new(2, weights.is_some());
            for &(i, at, t) in &there {
                matrix.add(t, predicted[at], weight(i));
            }
            matrices.push(matrix);
            let one = |&(i, at, t): &(usize, usize, usize)| (scores[at], t == 1, weight(i));
            orders.push(match ordered {
                true => Order::Ranking(Ranking::new(there.iter().map(one))),
                false => Order::None,
            });
        }
        // Samples all of whose labels are known: how many there are, were met, and elements that were not.
        let (mut whole, mut met, mut wrong) = (0.0, 0.0, 0.0);
        for i in 0..n {
            let at = i * labels..(i + 1) * labels;
            let pairs = truth[at.clone()].iter().zip(&predicted[at]);
            if pairs.clone().any(|(t, _)| t.is_none()) {
                continue;
            }
            let misses = pairs.filter(|(t, p)| **t != Some(**p)).count();
            whole += weight(i);
            met += if misses == 0 { weight(i) } else { 0.0 };
            wrong += weight(i) * misses as f64;
        }
        let n = match weights.is_some() {
            true => (0..n).map(weight).sum(),
            false => n as f64,
        };
        Ok(MultilabelFigures::new(
            n,
            matrices,
            orders,
            [whole, met, wrong],
        ))
    }
}

impl MultilabelFigures {
    /// The figures of what was counted and ordered of each label, and of samples all of whose labels are known: how many there
    /// are, how many were met, and how many of their elements were not.
    pub(crate) fn new(
        n: f64,
        matrices: Vec<ConfusionMatrix>,
        orders: Vec<Order>,
        [whole, met, wrong]: [f64; 3],
    ) -> MultilabelFigures {
        let mut notes = Notes::default();
        let notes = &mut notes;
        let labels = matrices.len();
        let why_not = Order::why_not(&orders, "no label has one");
        let mut per_label = Vec::new();
        let mut hits = Vec::new();
        for (l, (matrix, order)) in matrices.into_iter().zip(orders).enumerate() {
            let before = format!("per_label.{l}.");
            let [auc, ap] = ["roc_auc", "average_precision"].map(|f| format!("{before}{f}"));
            let roc_auc = order.roc_auc(&auc, notes);
            let average_precision = order.average_precision(&ap, notes);
            let of = Hits::of(&matrix, 1);
            hits.push(of);
            let why = "no sample has a weight";
            let n = matrix.total();
            per_label.push(LabelFigures {
                accuracy: notes.ratio(format!("{before}accuracy"), matrix.hits(), n, why),
                scores: of.scores(&before, notes),
                roc_auc,
                average_precision,
                ranking: order.ranking(),
                support: matrix.support(1),
                confusion_matrix: matrix,
            });
        }
        let scores: Vec<_> = per_label.iter().map(|l| l.scores).collect();
        let support: Vec<_> = per_label.iter().map(|l| l.support).collect();
        let ones = vec![1.0; labels];
        let none = Hits {
            tp: 0.0,
            fp: 0.0,
            missed: 0.0,
        };
        let micro = hits
            .into_iter()
            .fold(none, Hits::plus)
            .scores("micro.", notes);
        let macro_average = Scores::mean(&scores, &ones, "macro.", notes);
        let weighted = Scores::mean(&scores, &support, "weighted.", notes);
        let mut means = |name: &str, of: fn(&LabelFigures) -> Option<f64>| {
            let of: Vec<_> = per_label.iter().map(of).collect();
            [("macro", &ones), ("weighted", &support)]
                .map(|(m, w)| mean_of_defined(&of, w, &format!("{m}.{name}"), why_not, notes))
        };
        let roc_auc = means("roc_auc", |l| l.roc_auc);
        let average_precision = means("average_precision", |l| l.average_precision);
        let why = "no sample has a weight and all its labels";
        MultilabelFigures {
            n,
            micro,
            macro_average,
            weighted,
            roc_auc,
            average_precision,
            subset_accuracy: notes.ratio("subset_accuracy", met, whole, why),
            hamming_loss: notes.ratio("hamming_loss", wrong, whole * labels as f64, why),
            per_label,
            undefined: std::mem::take(&mut notes.0),
        }
    }
}
