//! Two classes, of which one is called positive.

use super::calibration::{Calibration, CalibrationBin, clipped, sigmoid, softplus};
use super::confusion::{ConfusionMatrix, Hits, Scores};
use super::notes::{Notes, Undefined};
use super::ranking::{OperatingPoints, Order, Ranking};
use super::samples::{InputKind, Samples};
use crate::error::{Error, Result};

/// What is asked about two classes. Labels are 1 for the positive one and 0 for the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binary {
    /// What the input is.
    pub input: InputKind,
    /// From where on a score is taken for positive; [`InputKind::threshold`] where there is none.
    pub threshold: Option<f64>,
    /// The recall that the operating point `recall_at` has to have.
    pub recall: f64,
    /// The precision that the operating point `precision_at` has to have.
    pub precision: f64,
    /// Samples with this label are passed over.
    pub ignore_index: Option<i64>,
}

impl Default for Binary {
    /// Scores, thresholds as the input has them, 0.95 for recall and precision.
    fn default() -> Self {
        Binary {
            input: InputKind::Scores,
            threshold: None,
            recall: 0.95,
            precision: 0.95,
            ignore_index: None,
        }
    }
}

/// Figures of two classes. What is undefined is `None`, and `undefined` says why.
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryFigures {
    /// Samples, or the sum of their weights.
    pub n: f64,
    /// Those whose label is 1.
    pub positives: f64,
    /// From where on a score was taken for positive; `None` for labels.
    pub threshold: Option<f64>,
    /// `[[tn, fp], [fn, tp]]`.
    pub confusion_matrix: ConfusionMatrix,
    /// `(tp + tn) / n`.
    pub accuracy: Option<f64>,
    /// `tp / (tp + fp)`.
    pub precision: Option<f64>,
    /// `tp / (tp + fn)`.
    pub recall: Option<f64>,
    /// `tn / (tn + fp)`.
    pub specificity: Option<f64>,
    /// `2·tp / (2·tp + fp + fn)`.
    pub f1: Option<f64>,
    /// The mean of recall and specificity, of those there are.
    pub balanced_accuracy: Option<f64>,
    /// Matthews' correlation coefficient.
    pub mcc: Option<f64>,
    /// Cohen's kappa.
    pub cohen_kappa: Option<f64>,
    /// The area under the ROC curve, ties counting half.
    pub roc_auc: Option<f64>,
    /// `Σ (R_i − R_{i−1})·P_i`.
    pub average_precision: Option<f64>,
    /// The mean of −log of the probability of what is true.
    pub log_loss: Option<f64>,
    /// The mean of `(p − y)²`.
    pub brier: Option<f64>,
    /// The calibration error over 15 equal bins of the probability of the positive class.
    pub ece: Option<f64>,
    /// Thresholds worth a look.
    pub operating_points: OperatingPoints,
    /// The distinct scores, from which the curves are made; `None` for labels, and where a device worked the figures out.
    pub ranking: Option<Ranking>,
    /// The bins of the calibration error; `None` where there are no probabilities.
    pub calibration: Option<Vec<CalibrationBin>>,
    /// What is `None`, and why.
    pub undefined: Vec<Undefined>,
}

pub(super) const NO_PROBABILITIES: &str = "scores and labels are no probabilities";

/// Checks a share that was asked for.
pub(crate) fn share(what: &str, v: f64) -> Result<()> {
    match (0.0..=1.0).contains(&v) {
        true => Ok(()),
        false => Err(Error::mismatch(what, "a number in [0, 1]", v.to_string())),
    }
}

impl Binary {
    /// Refuses options out of range.
    pub(crate) fn check(&self) -> Result<()> {
        share("recall", self.recall)?;
        share("precision", self.precision)?;
        match self.threshold {
            Some(t) if t.is_nan() => Err(Error::mismatch("threshold", "a number", "NaN")),
            _ => Ok(()),
        }
    }

    /// Works the figures out, in f64.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for arrays of different length, none at all, or options out of range; [`Error::BadSample`] for a
    /// label other than 0 and 1, a NaN, or a probability outside of [0, 1]; [`Error::BadWeight`].
    pub fn figures(&self, samples: &Samples<'_>) -> Result<BinaryFigures> {
        self.check()?;
        let threshold = samples.threshold(self.input, self.threshold)?;
        let n = samples.count(1)?;
        let truth = Samples::indices("target", samples.target.as_ref(), n, 2, self.ignore_index)?;
        let counts = |i: usize| truth[i].is_some();
        let labels = self.input == InputKind::Labels;
        let (scores, predicted) = match labels {
            true => (Vec::new(), samples.predicted_labels(2, &truth)?),
            false => {
                let scores = samples.scores(self.input, 1, counts)?;
                let above = scores.iter().map(|&s| usize::from(s >= threshold));
                let above = above.collect();
                (scores, above)
            }
        };
        let weights = samples.weights();
        let weight = |i: usize| weights.as_ref().map_or(1.0, |w| w[i]);
        let kept: Vec<(usize, usize)> = truth
            .iter()
            .enumerate()
            .filter_map(|(i, t)| Some((i, (*t)?)))
            .collect();
        let mut matrix = ConfusionMatrix::new(2, weights.is_some());
        for &(i, t) in &kept {
            matrix.add(t, predicted[i], weight(i));
        }
        let order = match labels {
            true => Order::None,
            false => {
                let samples = kept.iter().map(|&(i, t)| (scores[i], t == 1, weight(i)));
                Order::Ranking(Ranking::new(samples))
            }
        };
        let calibration = self.calibration(&kept, &scores, weight);
        let threshold = (!labels).then_some(threshold);
        Ok(self.finish(matrix, threshold, order, calibration))
    }

    fn calibration(
        &self,
        kept: &[(usize, usize)],
        scores: &[f64],
        weight: impl Fn(usize) -> f64,
    ) -> Option<Calibration> {
        // The probability of the positive class, that of the other than the true one, and the loss.
        let of = |s: f64, positive: bool| match (self.input, positive) {
            (InputKind::Probs, true) => (s, 1.0 - s, clipped(s)),
            (InputKind::Probs, false) => (s, s, clipped(1.0 - s)),
            (_, true) => (sigmoid(s), sigmoid(-s), softplus(-s)),
            (_, false) => (sigmoid(s), sigmoid(s), softplus(s)),
        };
        let probabilities = matches!(self.input, InputKind::Probs | InputKind::Logits);
        probabilities.then(|| {
            let mut sums = Calibration::new();
            for &(i, t) in kept {
                let (p, miss, log_loss) = of(scores[i], t == 1);
                sums.add(p, t == 1, miss, log_loss, weight(i));
            }
            sums
        })
    }

    /// The figures of what was counted and ordered.
    pub(crate) fn finish(
        &self,
        matrix: ConfusionMatrix,
        threshold: Option<f64>,
        order: Order,
        calibration: Option<Calibration>,
    ) -> BinaryFigures {
        let mut notes = Notes::default();
        let notes = &mut notes;
        let accuracy = matrix.accuracy(notes);
        let Scores {
            precision,
            recall,
            f1,
        } = Hits::of(&matrix, 1).scores("", notes);
        let negatives = matrix.support(0);
        let specificity = notes.ratio(
            "specificity",
            matrix.own(0),
            negatives,
            "no negative sample",
        );
        let balanced_accuracy = matrix.balanced_accuracy(notes);
        let (mcc, cohen_kappa) = (matrix.mcc(notes), matrix.cohen_kappa(notes));
        let roc_auc = order.roc_auc("roc_auc", notes);
        let average_precision = order.average_precision("average_precision", notes);
        let operating_points = order.operating_points(self.recall, self.precision, notes);
        let (log_loss, brier, ece) = match &calibration {
            Some(c) => (c.log_loss(notes), c.brier(notes), c.ece(notes)),
            None => (
                notes.none("log_loss", NO_PROBABILITIES),
                notes.none("brier", NO_PROBABILITIES),
                notes.none("ece", NO_PROBABILITIES),
            ),
        };
        BinaryFigures {
            n: matrix.total(),
            positives: matrix.support(1),
            threshold,
            accuracy,
            precision,
            recall,
            specificity,
            f1,
            balanced_accuracy,
            mcc,
            cohen_kappa,
            roc_auc,
            average_precision,
            log_loss,
            brier,
            ece,
            operating_points,
            ranking: order.ranking(),
            calibration: calibration.map(|c| c.bins.to_vec()),
            confusion_matrix: matrix,
            undefined: std::mem::take(&mut notes.0),
        }
    }
}
