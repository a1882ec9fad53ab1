//! What metrics are worked out from: arrays in host memory, checked once.

use crate::batch::Target;
use crate::error::{Error, Result, shown};
use crate::tensor::{DType, Labels, Values};

/// What the numbers of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InputKind {
    /// Numbers whose order says something, and nothing else.
    #[default]
    Scores,
    /// Probabilities.
    Probs,
    /// Logits: a sigmoid or a softmax makes probabilities of them.
    Logits,
    /// What was predicted: class indices, or 0 and 1.
    Labels,
}

impl InputKind {
    /// All of them.
    pub const ALL: [InputKind; 4] = [
        InputKind::Scores,
        InputKind::Probs,
        InputKind::Logits,
        InputKind::Labels,
    ];

    /// `scores`, `probs`, `logits` or `labels`.
    pub const fn name(self) -> &'static str {
        match self {
            InputKind::Scores => "scores",
            InputKind::Probs => "probs",
            InputKind::Logits => "logits",
            InputKind::Labels => "labels",
        }
    }

    /// What inputs of this kind have to be, where labels have to be what is said.
    pub(crate) fn expected(self, labels: &str) -> &str {
        match self {
            InputKind::Labels => labels,
            InputKind::Probs => "probabilities in [0, 1]",
            InputKind::Scores | InputKind::Logits => "scores that are numbers",
        }
    }

    /// From where on a score is taken for positive where nobody says: 0.5, of logits 0.
    pub const fn threshold(self) -> f64 {
        match self {
            InputKind::Logits => 0.0,
            _ => 0.5,
        }
    }
}

/// Predictions, truth and weights.
///
/// ```
/// # use wgloss::metric::{Binary, Samples};
/// # fn main() -> wgloss::Result<()> {
/// let samples = Samples::new([4], &[0.9f32, 0.2, 0.4, 0.6]).labels(&[1i64, 0, 1, 0]);
/// let figures = Binary::default().figures(&samples)?;
/// assert_eq!(figures.roc_auc, Some(0.75));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Samples<'a> {
    /// The shape of the input. Classes, or labels, are its last axis, where the task has several.
    pub shape: Vec<usize>,
    /// Scores, or predicted labels.
    pub input: Target<'a>,
    /// The truth: labels, or, for regression, numbers.
    pub target: Option<Target<'a>>,
    /// One weight per sample.
    pub weight: Option<Values<'a>>,
}

impl<'a> Samples<'a> {
    /// Scores of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, scores: impl Into<Values<'a>>) -> Self {
        Samples {
            shape: shape.into(),
            input: Target::Values(scores.into()),
            target: None,
            weight: None,
        }
    }

    /// Predicted labels of `shape`.
    pub fn predicted(shape: impl Into<Vec<usize>>, labels: impl Into<Labels<'a>>) -> Self {
        Samples {
            shape: shape.into(),
            input: Target::Labels(labels.into()),
            target: None,
            weight: None,
        }
    }

    /// The true labels.
    pub fn labels(mut self, labels: impl Into<Labels<'a>>) -> Self {
        self.target = Some(Target::Labels(labels.into()));
        self
    }

    /// The true numbers.
    pub fn target(mut self, target: impl Into<Values<'a>>) -> Self {
        self.target = Some(Target::Values(target.into()));
        self
    }

    /// One weight per sample.
    pub fn weight(mut self, weight: impl Into<Values<'a>>) -> Self {
        self.weight = Some(weight.into());
        self
    }

    /// The samples there are, where each has `columns` numbers of the input.
    pub(crate) fn count(&self, columns: usize) -> Result<usize> {
        let elements = self.elements()?;
        let found = match &self.input {
            Target::Values(v) => v.len(),
            Target::Labels(l) => l.len(),
        };
        if found != elements {
            return Err(Error::mismatch(
                "input",
                format!("{elements} numbers for the shape {:?}", self.shape),
                found.to_string(),
            ));
        }
        let n = elements.checked_div(columns).unwrap_or(0);
        if n == 0 {
            return Err(Error::mismatch(
                "input",
                "at least one sample",
                format!("the shape {:?}", self.shape),
            ));
        }
        if let Some(weight) = &self.weight {
            if weight.len() != n {
                return Err(Error::mismatch(
                    "weight",
                    format!("{n} numbers, one per sample"),
                    weight.len().to_string(),
                ));
            }
            let bad = |w: &f64| !(w.is_finite() && *w >= 0.0);
            let weights = weight.to_f64();
            if let Some(index) = weights.iter().position(bad) {
                return Err(Error::BadWeight {
                    what: "weight",
                    index,
                    value: weights[index],
                });
            }
        }
        Ok(n)
    }

    fn elements(&self) -> Result<usize> {
        let product = |n: usize, &d: &usize| n.checked_mul(d);
        self.shape.iter().try_fold(1, product).ok_or_else(|| {
            Error::mismatch("shape", "a product in range", format!("{:?}", self.shape))
        })
    }

    /// One weight per sample.
    pub(super) fn weights(&self) -> Option<Vec<f64>> {
        self.weight.as_ref().map(|w| w.to_f64().into_owned())
    }

    /// The scores, `columns` a sample. Those of samples that `counts` have to be what `kind` says; nobody looks at others.
    pub(super) fn scores(
        &self,
        kind: InputKind,
        columns: usize,
        counts: impl Fn(usize) -> bool,
    ) -> Result<Vec<f64>> {
        let (expected, accepts): (_, fn(f64) -> bool) = match kind {
            InputKind::Probs => ("probabilities in [0, 1]", |v| (0.0..=1.0).contains(&v)),
            _ => ("scores that are numbers", |v| !v.is_nan()),
        };
        let Target::Values(values) = &self.input else {
            return Err(Error::mismatch("input", expected, "integer labels"));
        };
        let values = values.to_f64().into_owned();
        let bad = |(i, v): &(usize, &f64)| counts(i / columns) && !accepts(**v);
        match values.iter().enumerate().find(bad) {
            Some((index, v)) => Err(Error::BadSample {
                what: "input",
                expected: expected.into(),
                index,
                found: shown(*v),
            }),
            None => Ok(values),
        }
    }

    /// The threshold as the scores are stored, so that 0.7 is reached by the score nearest to 0.7, as in numpy.
    pub(super) fn threshold(&self, kind: InputKind, asked: Option<f64>) -> Result<f64> {
        let threshold = asked.unwrap_or(kind.threshold());
        if threshold.is_nan() {
            return Err(Error::mismatch("threshold", "a number", "NaN"));
        }
        Ok(match &self.input {
            Target::Values(Values::F32(_)) => DType::F32.round(threshold),
            Target::Values(Values::F16(_)) => DType::F16.round(threshold),
            Target::Values(Values::Bf16(_)) => DType::Bf16.round(threshold),
            Target::Values(Values::F64(_)) | Target::Labels(_) => threshold,
        })
    }

    /// The labels of `what`, of which there have to be `n`, each below `classes` or the ignored one, which is `None`.
    pub(super) fn indices(
        what: &'static str,
        labels: Option<&Target<'_>>,
        n: usize,
        classes: usize,
        ignored: Option<i64>,
    ) -> Result<Vec<Option<usize>>> {
        let labels = Samples::integers(what, labels, n)?;
        let one = |i: usize| {
            let label = labels.get(i).unwrap_or(-1);
            match usize::try_from(label) {
                _ if Some(label) == ignored => Ok(None),
                Ok(c) if c < classes => Ok(Some(c)),
                _ => Err(Error::BadSample {
                    what,
                    expected: match ignored {
                        Some(i) => format!("labels below {classes} or the ignored {i}"),
                        None => format!("labels below {classes}"),
                    },
                    index: i,
                    found: label.to_string(),
                }),
            }
        };
        (0..n).map(one).collect()
    }

    /// The predicted labels, each below `classes`; nobody looks at those of samples that do not count.
    pub(super) fn predicted_labels(
        &self,
        classes: usize,
        truth: &[Option<usize>],
    ) -> Result<Vec<usize>> {
        let labels = Samples::integers("input", Some(&self.input), truth.len())?;
        let one = |(i, truth): (usize, &Option<usize>)| {
            let label = labels.get(i).unwrap_or(-1);
            match (truth, usize::try_from(label)) {
                (None, _) => Ok(0),
                (_, Ok(c)) if c < classes => Ok(c),
                _ => Err(Error::BadSample {
                    what: "input",
                    expected: format!("labels below {classes}"),
                    index: i,
                    found: label.to_string(),
                }),
            }
        };
        truth.iter().enumerate().map(one).collect()
    }

    /// Labels of which there have to be `n`.
    fn integers<'l>(
        what: &'static str,
        labels: Option<&'l Target<'_>>,
        n: usize,
    ) -> Result<&'l Labels<'l>> {
        let found = match labels {
            Some(Target::Labels(l)) if l.len() == n => return Ok(l),
            Some(Target::Labels(l)) => l.len().to_string(),
            Some(Target::Values(_)) => "floating-point numbers".into(),
            None => "none".into(),
        };
        Err(Error::mismatch(what, format!("{n} integer labels"), found))
    }

    /// The true numbers, as many as the input has.
    pub(super) fn truth(&self, n: usize) -> Result<Vec<f64>> {
        let expected = || format!("{n} numbers");
        match &self.target {
            Some(Target::Values(v)) if v.len() == n => finite("target", v.to_f64().into_owned()),
            Some(Target::Values(v)) => {
                Err(Error::mismatch("target", expected(), v.len().to_string()))
            }
            // Counts, ages and the like.
            Some(Target::Labels(l)) if l.len() == n => {
                Ok((0..n).filter_map(|i| l.get(i)).map(|l| l as f64).collect())
            }
            Some(Target::Labels(l)) => {
                Err(Error::mismatch("target", expected(), l.len().to_string()))
            }
            None => Err(Error::mismatch("target", expected(), "none")),
        }
    }

    /// The numbers of the input, all finite.
    pub(super) fn finite(&self) -> Result<Vec<f64>> {
        match &self.input {
            Target::Values(v) => finite("input", v.to_f64().into_owned()),
            Target::Labels(l) => Ok((0..l.len())
                .filter_map(|i| l.get(i))
                .map(|l| l as f64)
                .collect()),
        }
    }
}

fn finite(what: &'static str, values: Vec<f64>) -> Result<Vec<f64>> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::BadSample {
            what,
            expected: "finite numbers".into(),
            index,
            found: shown(values[index]),
        }),
        None => Ok(values),
    }
}
