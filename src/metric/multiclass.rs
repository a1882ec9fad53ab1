//! Several classes, of which each sample has one.

use super::binary::NO_PROBABILITIES;
use super::calibration::{Calibration, CalibrationBin, clipped, log_sum_exp};
use super::confusion::{ConfusionMatrix, Hits, Scores};
use super::notes::{Notes, Undefined};
use super::ranking::{Order, Ranking};
use super::samples::{InputKind, Samples};
use crate::batch::Target;
use crate::error::{Error, Result};

/// What is asked about several classes. The input is `[…, C]`, or labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Multiclass {
    /// What the input is.
    pub input: InputKind,
    /// The number of classes: the length of the last axis, or of labels what is said here, else the largest one and 1.
    pub classes: Option<usize>,
    /// For which k the share of samples is asked whose class is among the k highest scores.
    pub top_k: Vec<usize>,
    /// Samples with this label are passed over.
    pub ignore_index: Option<i64>,
}

/// Figures of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassFigures {
    /// Precision, recall and F1.
    pub scores: Scores,
    /// The samples of the class, or the sum of their weights.
    pub support: f64,
    /// The area under the ROC curve of this class against all others.
    pub roc_auc: Option<f64>,
    /// The distinct scores of this class, from which its curves are made; `None` for labels.
    pub ranking: Option<Ranking>,
}

/// Figures of several classes. What is undefined is `None`, and `undefined` says why.
#[derive(Debug, Clone, PartialEq)]
pub struct MulticlassFigures {
    /// Samples, or the sum of their weights.
    pub n: f64,
    /// True classes by predicted ones; of equal scores the lowest class is predicted.
    pub confusion_matrix: ConfusionMatrix,
    /// The share of samples whose class was predicted.
    pub accuracy: Option<f64>,
    /// For each k asked, the share of samples for which `#(x_j > x_y) + #(x_j = x_y and j < y) < k`.
    pub top_k: Vec<(usize, Option<f64>)>,
    /// Each class.
    pub per_class: Vec<ClassFigures>,
    /// Of all samples together: all three are the accuracy.
    pub micro: Scores,
    /// The mean over the classes that are in truth or prediction.
    pub macro_average: Scores,
    /// The mean over classes, by their support.
    pub weighted: Scores,
    /// The mean recall of the classes in truth.
    pub balanced_accuracy: Option<f64>,
    /// Gorodkin's generalization of Matthews' correlation coefficient.
    pub mcc: Option<f64>,
    /// Cohen's kappa.
    pub cohen_kappa: Option<f64>,
    /// The mean one-vs-rest area under the ROC curve, of those there are.
    pub roc_auc_macro: Option<f64>,
    /// The same by support.
    pub roc_auc_weighted: Option<f64>,
    /// The mean of −log of the probability of the true class.
    pub log_loss: Option<f64>,
    /// The calibration error over 15 equal bins of the highest probability.
    pub ece: Option<f64>,
    /// The bins of the calibration error; `None` where there are no probabilities.
    pub calibration: Option<Vec<CalibrationBin>>,
    /// What is `None`, and why.
    pub undefined: Vec<Undefined>,
}

/// A confusion matrix of so many classes takes 512 MiB, and as JSON some four times that.
pub(crate) const MOST_CLASSES: usize = 8192;

/// The class of the highest score, of equal ones the lowest.
fn highest(x: &[f64]) -> usize {
    let mut best = 0;
    for (j, v) in x.iter().enumerate() {
        if *v > x[best] {
            best = j;
        }
    }
    best
}

/// How many classes go before class `y`.
fn rank(x: &[f64], y: usize) -> usize {
    let before = |(j, v): &(usize, &f64)| **v > x[y] || (**v == x[y] && *j < y);
    x.iter().enumerate().filter(before).count()
}

/// What each class of a row of logits has the others against it by.
#[derive(Debug, Clone, Copy, Default)]
struct Shared {
    /// The class of the highest logit.
    top: usize,
    /// The highest of the others.
    second: f64,
    /// The log-sum-exp of the others, less that.
    rest: f64,
    /// The sum of the others' exponentials, in units of the highest's.
    others: f64,
}

impl Shared {
    /// Of a row whose highest logit is finite.
    fn of(x: &[f64]) -> Shared {
        let top = highest(x);
        let others = x.iter().enumerate().filter(|(j, _)| *j != top);
        let mut others: Vec<f64> = others.map(|(_, v)| *v).collect();
        // Summed from the least on, so that the order of classes does not matter.
        others.sort_unstable_by(f64::total_cmp);
        let second = others.last().copied().unwrap_or(f64::NEG_INFINITY);
        let sum = |from: f64| others.iter().map(|v| (v - from).exp()).sum::<f64>();
        Shared {
            top,
            second,
            rest: match second.is_finite() {
                true => sum(second).ln(),
                false => 0.0,
            },
            others: sum(x[top]),
        }
    }
}

impl Multiclass {
    /// Works the figures out, in f64.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for arrays of different length, none at all, or options that do not fit;
    /// [`Error::TooLarge`] for more than 8,192 classes; [`Error::BadSample`] for a label out of range, a NaN, a logit of +inf, or a probability outside of [0, 1];
    /// [`Error::BadWeight`].
    pub fn figures(&self, samples: &Samples<'_>) -> Result<MulticlassFigures> {
        let classes = self.class_count(samples)?;
        if classes > MOST_CLASSES {
            return Err(Error::TooLarge {
                what: "classes of a confusion matrix".into(),
                limit: MOST_CLASSES as u64,
                found: classes as u64,
            });
        }
        let labels = self.input == InputKind::Labels;
        let columns = if labels { 1 } else { classes };
        let n = samples.count(columns)?;
        let target = samples.target.as_ref();
        let truth = Samples::indices("target", target, n, classes, self.ignore_index)?;
        let scores = match labels {
            true => Vec::new(),
            false => samples.scores(self.input, classes, |i| truth[i].is_some())?,
        };
        let row = |i: usize| &scores[i * classes..(i + 1) * classes];
        let predicted: Vec<usize> = match labels {
            true => samples.predicted_labels(classes, &truth)?,
            false => (0..n).map(|i| highest(row(i))).collect(),
        };
        let weights = samples.weights();
        let weight = |i: usize| weights.as_ref().map_or(1.0, |w| w[i]);
        let kept: Vec<(usize, usize)> = truth
            .iter()
            .enumerate()
            .filter_map(|(i, t)| Some((i, (*t)?)))
            .collect();
        let mut matrix = ConfusionMatrix::new(classes, weights.is_some());
        for &(i, y) in &kept {
            matrix.add(y, predicted[i], weight(i));
        }
        // Samples by how many classes go before theirs.
        let mut ranks = vec![0.0; if labels { 0 } else { classes }];
        let mut calibration = None;
        let mut orders = vec![Order::None; classes];
        if !labels {
            for &(i, y) in &kept {
                ranks[rank(row(i), y)] += weight(i);
            }
            calibration = self.calibration(&kept, row, weight)?;
            let shared = |&(i, _): &(usize, usize)| Shared::of(row(i));
            let shared: Vec<Shared> = match self.input {
                InputKind::Logits => kept.iter().map(shared).collect(),
                _ => vec![Shared::default(); kept.len()],
            };
            let of = |c: usize| {
                let one = |(&(i, y), shared): (&(usize, usize), &Shared)| {
                    (self.against(row(i), shared, c), y == c, weight(i))
                };
                Order::Ranking(Ranking::new(kept.iter().zip(&shared).map(one)))
            };
            orders = (0..classes).map(of).collect();
        }
        Ok(self.finish(matrix, &ranks, orders, calibration))
    }

    /// How many classes there are.
    pub(crate) fn class_count<'s>(&self, samples: &'s Samples<'s>) -> Result<usize> {
        let fits = |c: usize, what: &str, found: String| match self.classes {
            Some(asked) if asked != c => {
                Err(Error::mismatch(what, format!("{asked} classes"), found))
            }
            _ => Ok(c),
        };
        if self.input != InputKind::Labels {
            return match samples.shape.as_slice() {
                [_, .., c] if *c > 0 => fits(*c, "input", format!("the shape {:?}", samples.shape)),
                _ => Err(Error::mismatch(
                    "input",
                    "the shape [N, C]",
                    format!("{:?}", samples.shape),
                )),
            };
        }
        if let Some(classes) = self.classes {
            return match classes {
                0 => Err(Error::mismatch("classes", "at least 1", "0")),
                c => Ok(c),
            };
        }
        let labels = |of: Option<&'s Target<'s>>| match of {
            Some(Target::Labels(l)) => Some(l),
            _ => None,
        };
        let target = labels(samples.target.as_ref());
        let ignored = |i: usize| match (self.ignore_index, target) {
            (Some(ignored), Some(target)) => target.get(i) == Some(ignored),
            _ => false,
        };
        let mut classes = 1;
        for (what, labels) in [("input", labels(Some(&samples.input))), ("target", target)] {
            let all = labels
                .into_iter()
                .flat_map(|l| (0..l.len()).map(move |i| (i, l.get(i))));
            for (index, label) in all.filter(|(i, _)| !ignored(*i)) {
                let label = label.unwrap_or(-1);
                match usize::try_from(label) {
                    Ok(c) if c < MOST_CLASSES => classes = classes.max(c + 1),
                    _ => {
                        return Err(Error::BadSample {
                            what,
                            expected: format!("labels below {MOST_CLASSES}"),
                            index,
                            found: label.to_string(),
                        });
                    }
                }
            }
        }
        Ok(classes)
    }

    /// What orders samples by the probability of class `c`: that, or of logits `x_c` less the log-sum-exp of the others,
    /// which orders the same and does not saturate. Of a row `x` and what all its classes have in common. Everything is made of differences
    /// of logits, so that rows which differ by a number have the same.
    fn against(&self, x: &[f64], shared: &Shared, c: usize) -> f64 {
        match self.input {
            InputKind::Logits => {
                let gap = x[c] - x[shared.top];
                match c == shared.top {
                    true => (x[c] - shared.second) - shared.rest,
                    // What is left besides the highest is taken from 1 and more.
                    false => gap - (shared.others - gap.exp()).max(0.0).ln_1p(),
                }
            }
            _ => x[c],
        }
    }

    fn calibration<'a>(
        &self,
        kept: &[(usize, usize)],
        row: impl Fn(usize) -> &'a [f64],
        weight: impl Fn(usize) -> f64,
    ) -> Result<Option<Calibration>> {
        if !matches!(self.input, InputKind::Probs | InputKind::Logits) {
            return Ok(None);
        }
        let mut sums = Calibration::new();
        for &(i, y) in kept {
            let x = row(i);
            let top = highest(x);
            let (p, log_loss) = match self.input {
                InputKind::Probs => (x[top], clipped(x[y])),
                _ => {
                    let whole = log_sum_exp(x.iter().copied());
                    if whole.is_infinite() {
                        let bad = x.iter().position(|v| *v == f64::INFINITY);
                        return Err(Error::BadSample {
                            what: "input",
                            expected: "logits below +inf, one of them finite in each row".into(),
                            index: i * x.len() + bad.unwrap_or(0),
                            found: whole.to_string(),
                        });
                    }
                    ((x[top] - whole).exp(), whole - x[y])
                }
            };
            let hit = f64::from(u8::from(top == y));
            sums.add(p, top == y, p - hit, log_loss, weight(i));
        }
        Ok(Some(sums))
    }

    /// The figures of what was counted and ordered: `ranks` are samples by how many classes go before theirs.
    pub(crate) fn finish(
        &self,
        matrix: ConfusionMatrix,
        ranks: &[f64],
        orders: Vec<Order>,
        calibration: Option<Calibration>,
    ) -> MulticlassFigures {
        let mut notes = Notes::default();
        let notes = &mut notes;
        let classes = matrix.classes();
        let n = matrix.total();
        let accuracy = matrix.accuracy(notes);
        let asked = self.top_k.iter().map(|&k| {
            let name = format!("top_k.{k}");
            let hits: f64 = ranks.iter().take(k).sum();
            let share = match ranks.is_empty() {
                true => notes.none(name, Order::why_not(&[], "")),
                false => notes.ratio(name, hits, n, "no sample has a weight"),
            };
            (k, share)
        });
        let top_k = asked.collect();
        let hits: Vec<_> = (0..classes).map(|c| Hits::of(&matrix, c)).collect();
        let support: Vec<_> = (0..classes).map(|c| matrix.support(c)).collect();
        let why = Order::why_not(&orders, "no class has one");
        let mut per_class = Vec::new();
        for (c, order) in orders.into_iter().enumerate() {
            let scores = hits[c].scores(&format!("per_class.{c}."), notes);
            let figure = format!("roc_auc_ovr.per_class.{c}");
            per_class.push(ClassFigures {
                scores,
                support: support[c],
                roc_auc: order.roc_auc(&figure, notes),
                ranking: order.ranking(),
            });
        }
        let scores: Vec<_> = per_class.iter().map(|c| c.scores).collect();
        let whole = hits.iter().fold(
            Hits {
                tp: 0.0,
                fp: 0.0,
                missed: 0.0,
            },
            |a, b| a.plus(*b),
        );
        let micro = whole.scores("micro.", notes);
        // A class that is nowhere says nothing.
        let seen: Vec<_> = hits
            .iter()
            .map(|h| f64::from(u8::from(!h.absent())))
            .collect();
        let macro_average = Scores::mean(&scores, &seen, "macro.", notes);
        let weighted = Scores::mean(&scores, &support, "weighted.", notes);
        let balanced_accuracy = matrix.balanced_accuracy(notes);
        let (mcc, cohen_kappa) = (matrix.mcc(notes), matrix.cohen_kappa(notes));
        let aucs: Vec<_> = per_class.iter().map(|c| c.roc_auc).collect();
        let ones = vec![1.0; classes];
        let roc_auc_macro = mean_of_defined(&aucs, &ones, "roc_auc_ovr.macro", why, notes);
        let roc_auc_weighted = mean_of_defined(&aucs, &support, "roc_auc_ovr.weighted", why, notes);
        let (log_loss, ece) = match &calibration {
            Some(c) => (c.log_loss(notes), c.ece(notes)),
            None => (
                notes.none("log_loss", NO_PROBABILITIES),
                notes.none("ece", NO_PROBABILITIES),
            ),
        };
        MulticlassFigures {
            n,
            accuracy,
            top_k,
            per_class,
            micro,
            macro_average,
            weighted,
            balanced_accuracy,
            mcc,
            cohen_kappa,
            roc_auc_macro,
            roc_auc_weighted,
            log_loss,
            ece,
            calibration: calibration.map(|c| c.bins.to_vec()),
            confusion_matrix: matrix,
            undefined: std::mem::take(&mut notes.0),
        }
    }
}

/// The mean of the figures there are.
pub(super) fn mean_of_defined(
    of: &[Option<f64>],
    weights: &[f64],
    figure: &str,
    why: &'static str,
    notes: &mut Notes,
) -> Option<f64> {
    let there = of
        .iter()
        .zip(weights)
        .filter_map(|(v, w)| Some(((*v)?, *w)));
    let (sum, whole) = there.fold((0.0, 0.0), |(s, n), (v, w)| (s + v * w, n + w));
    notes.ratio(figure, sum, whole, why)
}
