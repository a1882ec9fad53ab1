//! A loss along a line through its inputs: what there is to draw of it. It follows from what the registry says of a loss, so that
//! a new one, or a custom one, is drawn like the others.
//!
//! ```
//! use wgloss::{loss, reference, sweep};
//!
//! # fn main() -> wgloss::Result<()> {
//! let huber = loss::by_name("huber")?;
//! let sweep = sweep::sweep(huber.as_ref(), &[])?; // x from -3 to 3, t at its default of 1
//! let places = sweep.places(7);
//! let out = reference::loss(huber.as_ref(), &sweep.batch(huber.as_ref(), &places))?;
//! let curves = sweep.curves(huber.as_ref(), &places, &out);
//! assert_eq!(curves.loss, [3.5, 2.5, 1.5, 0.5, 0.0, 0.5, 1.5]);
//! # Ok(()) }
//! ```

use crate::batch::{Batch, Outcome};
use crate::error::Result;
use crate::layout::Reduction;
use crate::loss::{Family, Info, Loss, OptionValue, Support, TargetKind};
use crate::reference;
use std::f64::consts::PI;
use std::fmt;

/// The classes, or the axes, of a row where nobody says how many.
pub(crate) const CLASSES: usize = 4;
/// The elements of a set.
const ELEMENTS: usize = 8;

/// A number that a line leaves open, with a value to begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct Dial {
    /// A word for it.
    pub name: &'static str,
    /// What it is.
    pub summary: &'static str,
    /// The least value.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// How far values are apart.
    pub step: f64,
    /// The default.
    pub value: f64,
}

/// A line through the inputs of a loss, with what the inputs are compared with.
pub struct Sweep {
    /// What runs along the line, in words.
    pub axis: String,
    /// The letter for it.
    pub by: &'static str,
    /// From where to where.
    pub range: (f64, f64),
    /// Whether curves stop short of the ends, where logarithms and norms have no derivative.
    pub open: bool,
    /// The inputs of a row at a place of the line.
    pub(crate) row: Box<dyn Fn(f64) -> Vec<Vec<f64>>>,
    pub(crate) goal: Goal,
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Sweep");
        out.field("axis", &self.axis).field("range", &self.range);
        out.field("goal", &self.goal).finish_non_exhaustive()
    }
}

/// What a row is compared with.
#[derive(Debug, Clone)]
pub(crate) enum Goal {
    None,
    Values(Vec<f64>),
    Label(usize),
    Number(f64),
}

/// A loss and its derivatives at places of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// The loss at each place.
    pub loss: Vec<f64>,
    /// By what the derivatives are, and their values: first along the line; then, of a loss of elements, by each other input.
    pub slopes: Vec<(&'static str, Vec<f64>)>,
}

/// What a loss compares, which decides what it is drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Regression,
    NonNegative,
    Probabilities,
    LogProbabilities,
    Logits,
    Margin,
    Penalties,
    Classification,
    Distributions,
    Embeddings,
    Sets,
}

impl Kind {
    pub fn of(info: &Info) -> Kind {
        let target = match info.target {
            TargetKind::None => None,
            _ => info.domain.last().copied(),
        };
        match (info.family, info.target, support(info), target) {
            (Family::Sets, ..) => Kind::Sets,
            (Family::Elementwise, TargetKind::None, ..) => Kind::Penalties,
            (Family::Elementwise, _, _, Some(Support::Sign)) => Kind::Margin,
            (Family::Elementwise, _, input, _) => match input {
                Support::Logit => Kind::Logits,
                Support::Probability => Kind::Probabilities,
                Support::LogProbability => Kind::LogProbabilities,
                Support::NonNegative => Kind::NonNegative,
                _ => Kind::Regression,
            },
            (Family::Rows, TargetKind::Labels | TargetKind::LabelsOrValues, ..) => {
                Kind::Classification
            }
            (Family::Rows, TargetKind::Values, _, Some(Support::Probability)) => {
                Kind::Classification
            }
            (Family::Rows, TargetKind::Values, Support::Logit, _) => Kind::Distributions,
            (Family::Rows, ..) => Kind::Embeddings,
        }
    }
}

pub(crate) fn support(info: &Info) -> Support {
    info.domain.first().copied().unwrap_or(Support::Real)
}

/// A loss with default options, but every row of a set ratio by itself: a row is a place of a line.
pub fn drawable(info: &'static Info) -> Box<dyn Loss> {
    let mut loss = info.make();
    if info.family == Family::Sets {
        // Sets have it; another loss would stay as it is.
        let _ = loss.set("per_row", OptionValue::Flag(true));
    }
    loss
}

/// What the line of a loss leaves open.
pub fn dials(info: &'static Info) -> Vec<Dial> {
    let dial = |name, summary, [low, high, step, value]: [f64; 4]| Dial {
        name,
        summary,
        low,
        high,
        step,
        value,
    };
    let classes = dial(
        "classes",
        "The number of classes.",
        [2.0, 10.0, 1.0, CLASSES as f64],
    );
    let target = |numbers| dial("t", "The target.", numbers);
    match Kind::of(info) {
        Kind::Classification => {
            let summary = "The true class; class 0 is the one that varies.";
            let label = dial("label", summary, [0.0, 9.0, 1.0, 0.0]);
            vec![classes, label]
        }
        Kind::Distributions => {
            let summary = "The teacher's logit of class 0, the others are 0.";
            vec![classes, dial("teacher", summary, [-6.0, 6.0, 0.1, 2.0])]
        }
        Kind::Sets => {
            let summary = "How many of 8 elements are in the target.";
            vec![dial("inside", summary, [1.0, 7.0, 1.0, 4.0])]
        }
        Kind::Embeddings => match (info.target, info.domain.last()) {
            (TargetKind::PerRow, Some(Support::Sign)) => vec![target([-1.0, 1.0, 2.0, 1.0])],
            (TargetKind::PerRow, _) => vec![target([0.0, 1.0, 1.0, 1.0])],
            _ => Vec::new(),
        },
        kind => {
            let mut all = Vec::new();
            if kind != Kind::Penalties {
                all.push(target(match info.domain.last() {
                    Some(Support::Sign) => [-1.0, 1.0, 2.0, 1.0],
                    Some(Support::Probability) => [0.0, 1.0, 0.01, 1.0],
                    Some(Support::LogProbability) => [-5.0, 0.0, 0.05, 0.0],
                    Some(Support::NonNegative) => [0.0, 3.0, 0.05, 1.0],
                    _ => [-3.0, 3.0, 0.05, 1.0],
                }));
            }
            let inputs = info.inputs.iter().enumerate().skip(1);
            all.extend(inputs.zip(others(info)).map(|((k, name), value)| {
                let (low, high) = match info.domain.get(k) {
                    Some(Support::NonNegative) => (0.05, 4.0),
                    Some(Support::Probability) => (0.0, 1.0),
                    _ => (-3.0, 3.0),
                };
                dial(name, "The other input.", [low, high, 0.05, value])
            }));
            all
        }
    }
}

/// The line that a loss is drawn along, with values of its [`dials`]; those that are missing are at their defaults.
///
/// # Errors
/// What the reference refuses of the loss.
pub fn sweep(loss: &dyn Loss, values: &[f64]) -> Result<Sweep> {
    let info = loss.info();
    let dials = dials(info).into_iter().enumerate();
    let values: Vec<f64> = dials
        .map(|(k, d)| values.get(k).map_or(d.value, |v| v.clamp(d.low, d.high)))
        .collect();
    let first = values.first().copied();
    // Where there are classes they come first.
    let classes = first.map_or(CLASSES, |v| v as usize);
    let second = values.get(1).copied().unwrap_or_default();
    Ok(match Kind::of(info) {
        Kind::Classification => over_class(info, classes, second as usize),
        Kind::Distributions => over_student(classes, second),
        Kind::Sets => over_overlap(info, classes),
        Kind::Embeddings => over_vectors(info, row_target(info, first))?,
        Kind::Penalties => over_element(info, None, values),
        _ => over_element(info, first, values.get(1..).unwrap_or_default().to_vec()),
    })
}

impl Sweep {
    /// So many places, evenly from one end to the other.
    pub fn places(&self, n: usize) -> Vec<f64> {
        let (low, high) = self.range;
        let short = if self.open { 2e-3 * (high - low) } else { 0.0 };
        let step = (high - low - 2.0 * short) / n.saturating_sub(1).max(1) as f64;
        (0..n).map(|i| low + short + step * i as f64).collect()
    }

    /// What to evaluate: a row, or an element, for each place.
    pub fn batch(&self, loss: &dyn Loss, places: &[f64]) -> Batch<'static> {
        let n = places.len();
        let rows: Vec<_> = places.iter().map(|&at| (self.row)(at)).collect();
        let input = |k: usize| -> Vec<f64> {
            let vectors = rows.iter().filter_map(|row| row.get(k));
            vectors.flatten().copied().collect()
        };
        let cols = input(0).len().checked_div(n).unwrap_or(0);
        let mut batch = Batch::new([n, cols], input(0)).reduction(Reduction::None);
        for k in 1..loss.info().inputs.len() {
            batch = batch.input(input(k));
        }
        match &self.goal {
            Goal::None => batch,
            Goal::Values(t) => batch.target(t.repeat(n)),
            Goal::Number(t) => batch.target(vec![*t; n]),
            Goal::Label(y) => batch.labels(vec![*y as i64; n]),
        }
    }

    /// What came of that batch, as curves.
    pub fn curves<T: Copy + Into<f64>>(
        &self,
        loss: &dyn Loss,
        places: &[f64],
        out: &Outcome<T>,
    ) -> Curves {
        let step = match places {
            [first, second, ..] => second - first,
            _ => 1.0,
        };
        let along = places.iter().enumerate().map(|(i, &at)| {
            // By the chain rule: the gradient along the direction in which the line runs.
            let h = 1e-3 * step;
            let (before, after) = ((self.row)(at - h), (self.row)(at + h));
            let mut slope = 0.0;
            for ((grad, before), after) in out.grads.iter().zip(&before).zip(&after) {
                let ways = before.iter().zip(after);
                for (&g, (a, b)) in grad.iter().skip(i * before.len()).zip(ways) {
                    // A number that stays where it is does not count, even where its derivative is infinite.
                    if a != b {
                        slope += g.into() * (b - a) / (2.0 * h);
                    }
                }
            }
            slope
        });
        let info = loss.info();
        let mut slopes = vec![(self.by, along.collect())];
        if info.family == Family::Elementwise {
            let others = info.inputs.iter().zip(&out.grads).skip(1);
            let numbers = |grad: &Vec<T>| grad.iter().map(|&g| g.into()).collect();
            slopes.extend(others.map(|(name, grad)| (*name, numbers(grad))));
        }
        Curves {
            loss: out.losses.iter().map(|&l| l.into()).collect(),
            slopes,
        }
    }
}

/// What the inputs behind the first are: a scale of 1, a score of 0.
pub(crate) fn others(info: &Info) -> Vec<f64> {
    (1..info.inputs.len())
        .map(|k| match info.domain.get(k) {
            Some(Support::NonNegative | Support::Probability) => 1.0,
            // It may be a scale as well as a score.
            _ if info.is_custom() => 1.0,
            _ => 0.0,
        })
        .collect()
}

/// Over the first input of an element.
pub(crate) fn over_element(info: &Info, t: Option<f64>, others: Vec<f64>) -> Sweep {
    let kind = Kind::of(info);
    let range = match kind {
        _ if info.is_custom() => (-3.0, 3.0),
        Kind::NonNegative => (0.0, 3.0),
        Kind::Probabilities => (0.0, 1.0),
        Kind::LogProbabilities => (-5.0, 0.0),
        Kind::Logits => (-6.0, 6.0),
        _ => (-3.0, 3.0),
    };
    let first = info.inputs.first().copied().unwrap_or("x");
    Sweep {
        axis: match kind {
            _ if info.is_custom() => first.into(),
            Kind::Probabilities => format!("probability {first}"),
            Kind::LogProbabilities => format!("log-probability {first}"),
            Kind::Logits => format!("logit {first}"),
            _ => first.into(),
        },
        by: first,
        range,
        open: matches!(kind, Kind::Probabilities | Kind::NonNegative),
        row: Box::new(move |at| {
            let rest = others.iter().map(|&v| vec![v]);
            std::iter::once(vec![at]).chain(rest).collect()
        }),
        goal: t.map_or(Goal::None, |t| Goal::Values(vec![t])),
    }
}

/// The true class, as an index where the loss takes one.
fn true_class(info: &Info, classes: usize, label: usize) -> Goal {
    match info.target {
        TargetKind::Labels | TargetKind::LabelsOrValues => Goal::Label(label),
        _ => Goal::Values(axis(label, classes)),
    }
}

/// A row of one number for class 0 and another for the rest.
fn one_and_rest(one: f64, rest: f64, classes: usize) -> Vec<f64> {
    let mut row = vec![rest; classes.max(1)];
    row[0] = one;
    row
}

/// What class 0 is.
fn class_zero(label: usize) -> String {
    match label {
        0 => "the true class".into(),
        _ => format!("class 0, where class {label} is the true one"),
    }
}

/// Over what the input is, for one of several classes.
pub(crate) fn over_class(info: &Info, classes: usize, label: usize) -> Sweep {
    let label = label.min(classes.saturating_sub(1));
    let rest = classes.saturating_sub(1) as f64;
    let goal = true_class(info, classes, label);
    let zero = class_zero(label);
    match support(info) {
        Support::Probability => over_probability(info, classes, label),
        Support::LogProbability => Sweep {
            axis: format!("log-probability of {zero}, the others share the rest"),
            by: "x",
            range: (-5.0, 0.0),
            open: true,
            row: Box::new(move |at| vec![one_and_rest(at, (-at.exp_m1() / rest).ln(), classes)]),
            goal,
        },
        what => Sweep {
            axis: match what {
                Support::Logit => format!("logit of {zero}, {rest} others at 0"),
                _ => format!("score of {zero}, {rest} others at 0"),
            },
            by: "x",
            range: (-6.0, 6.0),
            open: false,
            row: Box::new(move |at| vec![one_and_rest(at, 0.0, classes)]),
            goal,
        },
    }
}

/// Over the probability of a class, whatever the input is: a logarithm of probabilities is as good a logit as any.
pub(crate) fn over_probability(info: &Info, classes: usize, label: usize) -> Sweep {
    let rest = classes.saturating_sub(1) as f64;
    let logs = support(info) != Support::Probability;
    Sweep {
        axis: format!(
            "probability of {}, the others share the rest",
            class_zero(label)
        ),
        by: "p",
        range: (0.0, 1.0),
        open: true,
        row: Box::new(move |at| {
            let row = one_and_rest(at, (1.0 - at) / rest, classes);
            match logs {
                true => vec![row.into_iter().map(f64::ln).collect()],
                false => vec![row],
            }
        }),
        goal: true_class(info, classes, label),
    }
}

/// Over the student's logit of the class that the teacher has an opinion of.
pub(crate) fn over_student(classes: usize, teacher: f64) -> Sweep {
    let zeros = ", 0".repeat(classes.saturating_sub(1));
    Sweep {
        axis: format!(
            "student's logit of one class, its others 0; teacher's logits {teacher}{zeros}"
        ),
        by: "x",
        range: (-6.0, 6.0),
        open: false,
        row: Box::new(move |at| vec![one_and_rest(at, 0.0, classes)]),
        goal: Goal::Values(one_and_rest(teacher, 0.0, classes)),
    }
}

/// What a loss of vectors compares them with: a number for the row, or another vector.
pub(crate) fn row_target(info: &Info, t: Option<f64>) -> Goal {
    match (info.target, t) {
        (TargetKind::PerRow, t) => Goal::Number(t.unwrap_or(1.0)),
        (TargetKind::None, _) => Goal::None,
        _ => Goal::Values(axis(0, CLASSES)),
    }
}

/// A vector of length 1 along an axis.
fn axis(k: usize, axes: usize) -> Vec<f64> {
    (0..axes).map(|c| f64::from(u8::from(c == k))).collect()
}

/// Over an angle where vectors count by their direction only, else over a distance.
pub(crate) fn over_vectors(info: &'static Info, goal: Goal) -> Result<Sweep> {
    Ok(match scale_free(info)? {
        true => over_angle(info, goal),
        false => over_distance(info, goal),
    })
}

/// Whether vectors count by their direction only.
fn scale_free(info: &'static Info) -> Result<bool> {
    let loss = drawable(info);
    let at = |scale: f64| {
        let mut sweep = over_angle(info, row_target(info, None));
        let row = sweep.row;
        sweep.row = Box::new(move |at| {
            let vectors = row(at).into_iter();
            vectors
                .map(|v| v.into_iter().map(|x| scale * x).collect())
                .collect()
        });
        let batch = sweep.batch(loss.as_ref(), &sweep.places(7));
        Ok(reference::loss(loss.as_ref(), &batch)?.losses)
    };
    let (once, twice): (Vec<f64>, Vec<f64>) = (at(1.0)?, at(2.0)?);
    Ok(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-6))
}

/// One vector turns away from another; a third stands still at right angles to both.
pub(crate) fn over_angle(info: &Info, goal: Goal) -> Sweep {
    let inputs = info.inputs.len();
    Sweep {
        axis: match inputs {
            3 => "angle of the positive to the anchor, the negative at right angles".into(),
            _ => "angle between the vectors, in radians".into(),
        },
        by: "angle",
        range: (0.0, PI),
        open: false,
        row: Box::new(move |at| {
            let turned = vec![at.cos(), at.sin(), 0.0, 0.0];
            match inputs {
                1 => vec![turned],
                _ => {
                    let still = (2..inputs).map(|k| axis(k, CLASSES));
                    let both = [axis(0, CLASSES), turned];
                    both.into_iter().chain(still).collect()
                }
            }
        }),
        goal,
    }
}

/// The last vector moves away from the first; one between stays at distance 1.
fn over_distance(info: &Info, goal: Goal) -> Sweep {
    let inputs = info.inputs.len();
    Sweep {
        axis: match inputs {
            3 => "distance of the negative to the anchor, the positive at 1".into(),
            _ => "distance between the vectors".into(),
        },
        by: "distance",
        range: (0.0, 3.0),
        open: true,
        row: Box::new(move |at| {
            let moved = vec![0.0, at, 0.0, 0.0];
            match inputs {
                // The target is one along the first axis.
                1 => vec![vec![1.0, at, 0.0, 0.0]],
                _ => {
                    let between = (1..inputs - 1).map(|_| axis(0, CLASSES));
                    let first = std::iter::once(vec![0.0; CLASSES]);
                    first.chain(between).chain([moved]).collect()
                }
            }
        }),
        goal,
    }
}

pub(crate) const OVERLAP: &str = "overlap: probability inside of the target, 1 − that outside";

/// Two sets of eight elements, so many of which are in the target: their share in common, or the logit of it.
pub(crate) fn over_overlap(info: &Info, inside: usize) -> Sweep {
    let logits = support(info) == Support::Logit;
    let set = move |there: f64, not: f64| {
        let outside = ELEMENTS.saturating_sub(inside);
        [vec![there; inside], vec![not; outside]].concat()
    };
    Sweep {
        axis: match logits {
            true => "logit inside of the target, its negative outside".into(),
            false => OVERLAP.into(),
        },
        by: if logits { "x" } else { "p" },
        range: if logits { (-6.0, 6.0) } else { (0.0, 1.0) },
        open: !logits,
        row: Box::new(move |at| vec![set(at, if logits { -at } else { 1.0 - at })]),
        goal: Goal::Values(set(1.0, 0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::all;

    const N: usize = 601;

    fn curves(loss: &dyn Loss, values: &[f64]) -> (Vec<f64>, Curves) {
        let sweep = sweep(loss, values).expect("a line");
        let places = sweep.places(N);
        let out = reference::loss(loss, &sweep.batch(loss, &places)).expect("numbers");
        let curves = sweep.curves(loss, &places, &out);
        (places, curves)
    }

    /// Also at the ends of what a line leaves open there are numbers, and the derivative along it is that of the loss, but for kinks.
    #[test]
    fn the_slope_is_that_of_the_loss() {
        for info in all() {
            let loss = drawable(info);
            let dials = dials(info);
            let ways: [fn(&Dial) -> f64; 3] = [|d| d.value, |d| d.low, |d| d.high];
            for way in ways {
                let values: Vec<_> = dials.iter().map(way).collect();
                let (places, curves) = curves(loss.as_ref(), &values);
                let along = &curves.slopes[0].1;
                assert_eq!((curves.loss.len(), along.len()), (N, N), "{}", info.name);
                let most = along.iter().map(|s| s.abs()).fold(0.0, f64::max);
                let off = (1..N - 1).filter(|&i| {
                    let rise = curves.loss[i + 1] - curves.loss[i - 1];
                    let slope = rise / (places[i + 1] - places[i - 1]);
                    let far = (slope - along[i]).abs();
                    // A NaN is off too.
                    far.is_nan() || far > 1e-2 * along[i].abs().max(1e-2 * most) + 1e-9
                });
                let off = off.count();
                assert!(off <= N / 20, "{} {values:?}: {off} places", info.name);
            }
        }
    }

    #[test]
    fn dials_are_held_in_their_range() {
        let loss = crate::loss::by_name("cross_entropy").expect("a loss");
        let sweep = sweep(loss.as_ref(), &[1e9, 7.0]).expect("a line");
        assert_eq!(sweep.batch(loss.as_ref(), &[0.0]).shape, [1, 10]);
        assert!(matches!(sweep.goal, Goal::Label(7)));
    }
}
