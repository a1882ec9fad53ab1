//! Figures of a confusion matrix.

use super::exact::Tally;
use super::multiclass::MOST_CLASSES;
use super::notes::Notes;

/// How often each class was predicted for each class: counts, or sums of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix {
    classes: usize,
    cells: Cells,
}

/// What a confusion matrix holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Samples, exactly.
    Counts(Vec<u64>),
    /// Sums of sample weights.
    Weights(Vec<f64>),
}

/// How [`ConfusionMatrix::normalized`] divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalize {
    /// By the row's sum: what became of each true class. scikit-learn's `"true"`.
    Row,
    /// By the column's sum: what each predicted class was. scikit-learn's `"pred"`.
    Column,
    /// By the sum of all cells. scikit-learn's `"all"`.
    All,
}

impl ConfusionMatrix {
    /// Of `classes` classes, of which there are at most 8,192 as everywhere; nothing seen: counts, or, if `weighted`, weights.
    pub fn new(classes: usize, weighted: bool) -> Self {
        let classes = classes.min(MOST_CLASSES);
        let n = classes * classes;
        ConfusionMatrix {
            classes,
            cells: match weighted {
                true => Cells::Weights(vec![0.0; n]),
                false => Cells::Counts(vec![0; n]),
            },
        }
    }

    /// Of what a device counted, row after row, `classes` times `classes` cells.
    pub(crate) fn of_slots(classes: usize, tally: Tally, slots: &[u64]) -> Self {
        ConfusionMatrix {
            classes,
            cells: match tally {
                Tally::Count => Cells::Counts(slots.to_vec()),
                Tally::Weight => Cells::Weights(tally.cells(slots)),
            },
        }
    }

    /// The number of classes: rows are the true class, columns the predicted one.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The cells, row after row.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// One sample more.
    pub(crate) fn add(&mut self, truth: usize, predicted: usize, weight: f64) {
        let at = truth * self.classes + predicted;
        match &mut self.cells {
            Cells::Counts(c) => c[at] += 1,
            Cells::Weights(w) => w[at] += weight,
        }
    }

    /// The cell of samples of class `truth` that were taken for `predicted`; `None` where one of them is no class.
    pub fn get(&self, truth: usize, predicted: usize) -> Option<f64> {
        let there = truth < self.classes && predicted < self.classes;
        there.then(|| self.sum([truth * self.classes + predicted]))
    }

    /// The samples of class `c`: a row's sum, which scikit-learn calls support; 0 where c is no class.
    pub fn support(&self, c: usize) -> f64 {
        self.sum((0..self.classes).map(|p| c * self.classes + p))
    }

    /// The samples that were taken for class `c`: a column's sum; 0 where c is no class.
    pub fn predicted(&self, c: usize) -> f64 {
        let there = if c < self.classes { self.classes } else { 0 };
        self.sum((0..there).map(|t| t * self.classes + c))
    }

    /// All samples.
    pub fn total(&self) -> f64 {
        self.sum(0..self.classes * self.classes)
    }

    /// The samples of class `c` that were taken for it.
    pub(super) fn own(&self, c: usize) -> f64 {
        self.sum([c * (self.classes + 1)])
    }

    /// The sum of cells. Counts are added as whole numbers that hold any sum of them, and rounded once.
    fn sum(&self, at: impl IntoIterator<Item = usize>) -> f64 {
        let at = at.into_iter();
        match &self.cells {
            Cells::Counts(c) => at
                .filter_map(|i| c.get(i))
                .map(|&n| u128::from(n))
                .sum::<u128>() as f64,
            Cells::Weights(w) => at.filter_map(|i| w.get(i)).sum(),
        }
    }

    /// Samples that were taken for what they are.
    pub fn hits(&self) -> f64 {
        self.sum((0..self.classes).map(|c| c * (self.classes + 1)))
    }

    /// The matrix divided by the sums of rows, of columns, or of everything; 0 where those are 0, as scikit-learn has it.
    pub fn normalized(&self, by: Normalize) -> Vec<f64> {
        let n = self.classes;
        let (rows, columns): (Vec<_>, Vec<_>) =
            (0..n).map(|c| (self.support(c), self.predicted(c))).unzip();
        let total = self.total();
        let cell = |at: usize| {
            let (r, c) = (at / n, at % n);
            let whole = match by {
                Normalize::Row => rows[r],
                Normalize::Column => columns[c],
                Normalize::All => total,
            };
            match whole == 0.0 {
                true => 0.0,
                false => self.sum([at]) / whole,
            }
        };
        (0..n * n).map(cell).collect()
    }

    /// `Σ_c matrix[c][c] / n`.
    pub(super) fn accuracy(&self, notes: &mut Notes) -> Option<f64> {
        notes.ratio(
            "accuracy",
            self.hits(),
            self.total(),
            "no sample has a weight",
        )
    }

    /// The mean, over the classes that are there in truth, of the share of each that was found.
    pub(super) fn balanced_accuracy(&self, notes: &mut Notes) -> Option<f64> {
        let there = (0..self.classes).filter(|&c| self.support(c) > 0.0);
        let recalls: Vec<_> = there.map(|c| self.own(c) / self.support(c)).collect();
        let sum: f64 = recalls.iter().sum();
        let n = recalls.len() as f64;
        notes.ratio("balanced_accuracy", sum, n, "no sample has a weight")
    }

    /// Matthews' correlation coefficient (Gorodkin's for more than two classes), with row sums `t`, column sums `p`:
    /// `(hits·n − Σ t·p) / √((n² − Σ p²)·(n² − Σ t²))`.
    pub(super) fn mcc(&self, notes: &mut Notes) -> Option<f64> {
        let v = self.covariances();
        match v.truth == 0.0 || v.predicted == 0.0 {
            true => notes.none("mcc", "truth or prediction is one class only"),
            // Two roots: the product of two squares of many samples may overflow.
            false => Some(v.both / v.truth.sqrt() / v.predicted.sqrt()),
        }
    }

    /// Cohen's kappa, `(p_o − p_e) / (1 − p_e)`: the agreement beyond what independent raters with these sums would have,
    /// as `(hits·n − Σ t·p) / (n² − Σ t·p)`.
    pub(super) fn cohen_kappa(&self, notes: &mut Notes) -> Option<f64> {
        let v = self.covariances();
        let why = "truth and prediction are the same class only";
        notes.ratio("cohen_kappa", v.both, v.chance, why)
    }

    /// Of counts exact before the last rounding, so that little is left where they nearly cancel. Saved states may say of more than 2⁶⁴
    /// samples, whose square a u128 does not hold.
    fn covariances(&self) -> Covariances {
        let n = self.classes;
        let square = |c: &[u128], d: &[u128]| c.iter().zip(d).map(|(c, d)| c * d).sum::<u128>();
        let product = |c: &[f64], d: &[f64]| c.iter().zip(d).map(|(c, d)| c * d).sum::<f64>();
        match &self.cells {
            Cells::Counts(cells) if self.total() < 2f64.powi(64) => {
                let cell = |r: usize, c: usize| u128::from(cells[r * n + c]);
                let t: Vec<u128> = (0..n).map(|r| (0..n).map(|c| cell(r, c)).sum()).collect();
                let p: Vec<u128> = (0..n).map(|c| (0..n).map(|r| cell(r, c)).sum()).collect();
                let all: u128 = t.iter().sum();
                let hits: u128 = (0..n).map(|c| cell(c, c)).sum();
                let both = square(&t, &p);
                let signed = match hits * all >= both {
                    true => (hits * all - both) as f64,
                    false => -((both - hits * all) as f64),
                };
                Covariances {
                    both: signed,
                    truth: (all * all - square(&t, &t)) as f64,
                    predicted: (all * all - square(&p, &p)) as f64,
                    chance: (all * all - both) as f64,
                }
            }
            Cells::Counts(_) | Cells::Weights(_) => {
                let (t, p): (Vec<_>, Vec<_>) =
                    (0..n).map(|c| (self.support(c), self.predicted(c))).unzip();
                let all: f64 = t.iter().sum();
                // What is one class only is so whatever rounding says.
                let constant = |v: &[f64]| v.iter().filter(|v| **v > 0.0).count() < 2;
                let spread = |v: &[f64]| match constant(v) {
                    true => 0.0,
                    false => all * all - product(v, v),
                };
                let both = product(&t, &p);
                let same = constant(&t) && constant(&p) && (both > 0.0 || all == 0.0);
                Covariances {
                    both: self.hits() * all - both,
                    truth: spread(&t),
                    predicted: spread(&p),
                    chance: if same { 0.0 } else { all * all - both },
                }
            }
        }
    }
}

/// n² times the covariance of truth and prediction, their variances, and 1 less the chance of agreeing.
struct Covariances {
    both: f64,
    truth: f64,
    predicted: f64,
    chance: f64,
}

/// What a class was taken for, and what for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hits {
    pub tp: f64,
    pub fp: f64,
    pub missed: f64,
}

/// Precision, recall and F1 of a class, a label, or an average of them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// `tp / (tp + fp)`: the share of what was taken for the class that is of it.
    pub precision: Option<f64>,
    /// `tp / (tp + fn)`: the share of the class that was found.
    pub recall: Option<f64>,
    /// `2·tp / (2·tp + fp + fn)`: the harmonic mean of the two.
    pub f1: Option<f64>,
}

impl Hits {
    pub fn of(m: &ConfusionMatrix, c: usize) -> Hits {
        let tp = m.own(c);
        // Differences of whole numbers are exact; of sums of weights rounding must not make them negative.
        Hits {
            tp,
            fp: (m.predicted(c) - tp).max(0.0),
            missed: (m.support(c) - tp).max(0.0),
        }
    }

    pub fn plus(self, other: Hits) -> Hits {
        Hits {
            tp: self.tp + other.tp,
            fp: self.fp + other.fp,
            missed: self.missed + other.missed,
        }
    }

    /// Neither in truth nor predicted.
    pub fn absent(self) -> bool {
        self.tp + self.fp + self.missed == 0.0
    }

    /// `before` goes before the names of what is undefined.
    pub fn scores(self, before: &str, notes: &mut Notes) -> Scores {
        let Hits { tp, fp, missed } = self;
        let mut ratio =
            |name: &str, a: f64, b: f64, why| notes.ratio(format!("{before}{name}"), a, b, why);
        Scores {
            precision: ratio("precision", tp, tp + fp, "never predicted"),
            recall: ratio("recall", tp, tp + missed, "not in the truth"),
            f1: ratio(
                "f1",
                2.0 * tp,
                2.0 * tp + fp + missed,
                "neither predicted nor in the truth",
            ),
        }
    }
}

impl Scores {
    /// The mean of each with `weights`, what is undefined counting as 0, as scikit-learn has it.
    pub(super) fn mean(of: &[Scores], weights: &[f64], before: &str, notes: &mut Notes) -> Scores {
        let whole: f64 = weights.iter().sum();
        let mut mean = |name: &str, get: fn(&Scores) -> Option<f64>| {
            let sum: f64 = of
                .iter()
                .zip(weights)
                .map(|(s, w)| get(s).unwrap_or(0.0) * w)
                .sum();
            notes.ratio(format!("{before}{name}"), sum, whole, "nothing to average")
        };
        Scores {
            precision: mean("precision", |s| s.precision),
            recall: mean("recall", |s| s.recall),
            f1: mean("f1", |s| s.f1),
        }
    }
}
