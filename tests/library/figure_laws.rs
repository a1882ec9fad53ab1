//! What leaves a figure as it is: the laws that each figure of the registry declares, and those that all have, by the reference and on a
//! device.

use crate::support::{self, Rng};
use std::collections::BTreeMap;
use wgloss::metric::{
    self, Binary, FigureLaw, InputKind, Multiclass, Multilabel, Regression, Samples, Task,
};
use wgloss::{Gpu, Labels, Target, Values, cli::metrics};

const N: usize = 61;
const CLASSES: usize = 4;
/// Column c of the other side is column `ORDER[c]` of this.
const ORDER: [usize; CLASSES] = [2, 0, 3, 1];

/// All numbers of a task's figures, by where they stand in its JSON.
type Numbers = BTreeMap<Vec<String>, f64>;

fn flatten(value: &serde_json::Value, at: &mut Vec<String>, all: &mut Numbers) {
    let mut below = |name: String, value: &serde_json::Value| {
        at.push(name);
        flatten(value, at, all);
        at.pop();
    };
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(k, v)| below(k.clone(), v));
        }
        serde_json::Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, v)| below(i.to_string(), v));
        }
        value => {
            if let Some(number) = value.as_f64() {
                all.insert(at.clone(), number);
            }
        }
    }
}

fn figures(gpu: Option<&Gpu>, task: Task, input: InputKind, samples: &Samples<'_>) -> Numbers {
    let json = match task {
        Task::Binary => {
            let asked = Binary {
                input,
                ..Default::default()
            };
            let figures = match gpu {
                None => asked.figures(samples),
                Some(gpu) => gpu.binary_figures(&asked, samples),
            };
            metrics::binary(&figures.expect("figures"))
        }
        Task::Multiclass => {
            let top_k = if input == InputKind::Labels {
                vec![]
            } else {
                vec![1, 2]
            };
            let classes = (input == InputKind::Labels).then_some(CLASSES);
            let asked = Multiclass {
                input,
                top_k,
                classes,
                ..Default::default()
            };
            let figures = match gpu {
                None => asked.figures(samples),
                Some(gpu) => gpu.multiclass_figures(&asked, samples),
            };
            metrics::multiclass(&figures.expect("figures"))
        }
        Task::Multilabel => {
            let asked = Multilabel {
                input,
                ..Default::default()
            };
            let figures = match gpu {
                None => asked.figures(samples),
                Some(gpu) => gpu.multilabel_figures(&asked, samples),
            };
            metrics::multilabel(&figures.expect("figures"))
        }
        Task::Regression => {
            let figures = match gpu {
                None => Regression {}.figures(samples),
                Some(gpu) => gpu.regression_figures(samples),
            };
            metrics::regression(&figures.expect("figures"))
        }
    };
    let mut all = Numbers::new();
    flatten(&json, &mut Vec::new(), &mut all);
    all
}

/// The figure that a number belongs to, by the registry's name.
fn owner(path: &[String]) -> &str {
    const WHOLE: [&str; 6] = [
        "micro",
        "macro",
        "weighted",
        "operating_points",
        "top_k",
        "confusion_matrix",
    ];
    let first = path[0].as_str();
    if WHOLE.contains(&first) {
        return first;
    }
    if first == "roc_auc_ovr" {
        return "roc_auc";
    }
    let mut names = path.iter().filter(|s| s.parse::<usize>().is_err());
    names.next_back().map_or("", String::as_str)
}

/// Few digits, so that what is done to numbers is exact.
fn coarse(rng: &mut Rng, low: f64, high: f64) -> f64 {
    (rng.range(low, high) * 1024.0).round() / 1024.0
}

/// Samples of a task whose figures are all defined; of each class some, and some predictions right.
fn samples(task: Task, input: InputKind, rng: &mut Rng) -> Samples<'static> {
    let labels = |rng: &mut Rng, n: usize, below: usize| {
        let drawn = (0..n).map(|i| ((i + rng.below(2)) % below) as i64);
        drawn.collect::<Vec<i64>>()
    };
    let score = |rng: &mut Rng, right: bool| match input {
        InputKind::Probs => {
            let p = coarse(rng, 0.02, 0.8);
            // Not on the threshold.
            let p = if p == 0.5 { 0.625 } else { p };
            if right { p + 0.125 } else { p }
        }
        _ => coarse(rng, -2.0, 2.0) + f64::from(u8::from(right)),
    };
    match task {
        Task::Binary | Task::Multilabel => {
            let columns = if task == Task::Binary { 1 } else { CLASSES };
            let truth = labels(rng, N * columns, 2);
            let shape = if columns == 1 {
                vec![N]
            } else {
                vec![N, columns]
            };
            if input == InputKind::Labels {
                let predicted = labels(rng, N * columns, 2);
                return Samples::predicted(shape, predicted).labels(truth);
            }
            let scores: Vec<f64> = truth.iter().map(|&t| score(rng, t == 1)).collect();
            Samples::new(shape, scores).labels(truth)
        }
        Task::Multiclass => {
            let truth = labels(rng, N, CLASSES);
            if input == InputKind::Labels {
                let predicted = labels(rng, N, CLASSES);
                return Samples::predicted([N], predicted).labels(truth);
            }
            let mut scores = Vec::new();
            for &t in &truth {
                let row: Vec<f64> = (0..CLASSES as i64).map(|c| score(rng, c == t)).collect();
                let sum: f64 = row.iter().sum();
                let divide = if input == InputKind::Probs { sum } else { 1.0 };
                // As a device stores them.
                scores.extend(row.iter().map(|v| f64::from((v / divide) as f32)));
            }
            Samples::new([N, CLASSES], scores).labels(truth)
        }
        Task::Regression => {
            let truth: Vec<f64> = (0..N).map(|_| coarse(rng, -4.0, 4.0) + 0.125).collect();
            let predicted = truth.iter().map(|t| t + coarse(rng, -1.0, 1.0));
            Samples::new([N], predicted.collect::<Vec<f64>>()).target(truth)
        }
    }
}

fn wide(of: &Target<'_>) -> Vec<f64> {
    match of {
        Target::Values(v) => v.to_f64().into_owned(),
        Target::Labels(l) => (0..l.len()).map(|i| l.get(i).unwrap_or(0) as f64).collect(),
    }
}

/// The same kind of array with other numbers.
fn again(of: &Target<'_>, numbers: Vec<f64>) -> Target<'static> {
    match of {
        Target::Values(_) => Target::Values(Values::from(numbers)),
        Target::Labels(_) => {
            let labels: Vec<i64> = numbers.iter().map(|v| *v as i64).collect();
            Target::Labels(Labels::from(labels))
        }
    }
}

fn mapped(of: &Target<'_>, f: impl Fn(f64) -> f64) -> Target<'static> {
    again(of, wide(of).into_iter().map(f).collect())
}

/// Every so many numbers by themselves, in this order.
fn columns(of: &Target<'_>, order: &[usize]) -> Target<'static> {
    let numbers = wide(of);
    let rows = numbers.chunks(order.len());
    again(
        of,
        rows.flat_map(|row| order.iter().map(|&c| row[c])).collect(),
    )
}

/// What a law makes of samples, of a task and an input that it can be seen with; nothing where it says nothing of the task.
fn changed(
    law: FigureLaw,
    task: Task,
    rng: &mut Rng,
) -> Option<(InputKind, Samples<'static>, Samples<'static>)> {
    let input = match (law, task) {
        (
            FigureLaw::Monotone | FigureLaw::Reverse,
            Task::Binary | Task::Multiclass | Task::Multilabel,
        ) => InputKind::Scores,
        (FigureLaw::Exchange(_), Task::Regression) => InputKind::Scores,
        (FigureLaw::Exchange(_), _) => InputKind::Labels,
        (FigureLaw::Relabel, Task::Multiclass | Task::Multilabel) => InputKind::Probs,
        (FigureLaw::Flip(_), Task::Binary) => InputKind::Probs,
        (FigureLaw::Shift | FigureLaw::Scale(_), Task::Regression) => InputKind::Scores,
        _ => return None,
    };
    let before = samples(task, input, rng);
    let mut after = before.clone();
    let truth = before.target.clone().expect("a truth");
    match law {
        FigureLaw::Monotone => {
            let bend = |v: f64| if v < 0.25 { 4.0 * v - 3.0 } else { 0.5 * v };
            after.input = mapped(&before.input, bend);
        }
        FigureLaw::Reverse => after.input = mapped(&before.input, |v| -v),
        FigureLaw::Exchange(_) => {
            after.input = truth;
            after.target = Some(before.input.clone());
        }
        FigureLaw::Relabel => {
            after.input = columns(&before.input, &ORDER);
            after.target = Some(match task {
                Task::Multilabel => columns(&truth, &ORDER),
                _ => mapped(&truth, |v| {
                    ORDER
                        .iter()
                        .position(|&o| o as f64 == v)
                        .map_or(v, |c| c as f64)
                }),
            });
        }
        FigureLaw::Flip(_) => {
            after.input = mapped(&before.input, |p| 1.0 - p);
            after.target = Some(mapped(&truth, |t| 1.0 - t));
        }
        FigureLaw::Shift => {
            after.input = mapped(&before.input, |v| v + 16.0);
            after.target = Some(mapped(&truth, |v| v + 16.0));
        }
        FigureLaw::Scale(_) => {
            after.input = mapped(&before.input, |v| 0.25 * v);
            after.target = Some(mapped(&truth, |v| 0.25 * v));
        }
        other => panic!("{other:?} is a law that is not looked at"),
    }
    Some((input, before, after))
}

/// Where a number of `path` is found on the other side, and what it is there.
fn other_side(law: FigureLaw, path: &[String], v: f64) -> (Vec<String>, f64) {
    let mut path = path.to_vec();
    let name = owner(&path).to_string();
    let matrix = path
        .iter()
        .position(|s| s == "confusion_matrix")
        .map(|at| (at + 1, at + 2));
    let mut rename = |to: &str| {
        for segment in &mut path {
            if *segment == name {
                *segment = to.to_string();
            }
        }
    };
    match law {
        FigureLaw::Reverse => return (path, 1.0 - v),
        FigureLaw::Exchange(to) => {
            rename(to);
            match (matrix, ["micro", "macro"].contains(&to)) {
                (Some((r, c)), _) => path.swap(r, c),
                (_, true) => {
                    // Inside an average too.
                    let last = path.pop().unwrap_or_default();
                    path.push(match last.as_str() {
                        "precision" => "recall".into(),
                        "recall" => "precision".into(),
                        _ => last,
                    });
                }
                _ => {}
            }
        }
        FigureLaw::Flip(to) => {
            rename(to);
            if let Some((r, c)) = matrix {
                for at in [r, c] {
                    path[at] = if path[at] == "0" {
                        "1".into()
                    } else {
                        "0".into()
                    };
                }
            }
        }
        FigureLaw::Relabel => {
            // Of labels every matrix has two classes, which stay.
            let of_label = path[0] == "per_label";
            let numbered = path.clone();
            for (at, segment) in path.iter_mut().enumerate() {
                let inside = of_label && at > 1;
                if !inside
                    && numbered[0] != "top_k"
                    && let Ok(k) = segment.parse::<usize>()
                {
                    let c = ORDER.iter().position(|&o| o == k).expect("a class");
                    *segment = c.to_string();
                }
            }
        }
        FigureLaw::Scale(degree) => return (path, 0.25f64.powi(degree) * v),
        _ => {}
    }
    (path, v)
}

/// Figures of which a device rounds the terms.
const ROUNDED: [&str; 6] = [
    "log_loss",
    "brier",
    "ece",
    "average_precision",
    "mape",
    "max_error",
];

/// The reference's rounding, and that of a device too; or of sums of terms that it rounds what it states of them, on both sides: 1e-6 each.
fn near(gpu: Option<&Gpu>, figure: &str, a: f64, b: f64) -> bool {
    let rounded = gpu.is_some() && ROUNDED.contains(&figure);
    let room = if rounded { 2e-6 } else { 1e-12 };
    (a - b).abs() <= room * a.abs().max(b.abs())
}

/// Holds a figure to a law; how many numbers were looked at.
fn hold(
    gpu: Option<&Gpu>,
    figure: &str,
    law: FigureLaw,
    task: Task,
    rng: &mut Rng,
) -> Result<usize, String> {
    let Some((input, before, after)) = changed(law, task, rng) else {
        return Ok(0);
    };
    let [before, after] = [before, after].map(|s| figures(gpu, task, input, &s));
    let mut looks = 0;
    for (path, &v) in before.iter().filter(|(path, _)| owner(path) == figure) {
        // A threshold is a score, and goes where scores go.
        if path.last().is_some_and(|s| s == "threshold") {
            continue;
        }
        let (there, wanted) = other_side(law, path, v);
        let Some(&found) = after.get(&there) else {
            return Err(format!("{path:?} is {v}, and nothing at {there:?}"));
        };
        looks += 1;
        if !near(gpu, figure, wanted, found) {
            return Err(format!(
                "{path:?}: expected {wanted} at {there:?}, found {found}"
            ));
        }
    }
    Ok(looks)
}

#[test]
fn every_figure_declares_something_and_keeps_it() {
    let gpu = support::gpu();
    for figure in metric::all() {
        assert!(!figure.laws.is_empty(), "{} declares no law", figure.name);
        for &law in figure.laws {
            for gpu in [None, gpu.as_ref()] {
                let mut rng = Rng::new(figure.name);
                let looks = figure.tasks.iter().map(|&task| {
                    hold(gpu, figure.name, law, task, &mut rng)
                        .unwrap_or_else(|e| panic!("{} of {task:?}: {law:?}: {e}", figure.name))
                });
                let looks: usize = looks.sum();
                assert!(looks > 0, "{}: {law:?} was not looked at", figure.name);
            }
        }
    }
}

#[test]
fn a_law_that_a_figure_does_not_keep_is_found() {
    let broken = [
        ("accuracy", FigureLaw::Monotone, Task::Binary),
        ("average_precision", FigureLaw::Reverse, Task::Binary),
        ("precision", FigureLaw::Exchange("precision"), Task::Binary),
        ("recall", FigureLaw::Flip("recall"), Task::Binary),
        ("mape", FigureLaw::Shift, Task::Regression),
        ("mse", FigureLaw::Scale(1), Task::Regression),
    ];
    for (name, law, task) in broken {
        for gpu in [None, support::gpu().as_ref()] {
            let found = hold(gpu, name, law, task, &mut Rng::new(name));
            assert!(found.is_err(), "{name}: {law:?}: {found:?}");
        }
    }
}

/// These samples, each as often as it stands there.
fn picked(of: &Samples<'static>, order: &[usize]) -> Samples<'static> {
    let pick = |array: &Target<'_>| {
        let numbers = wide(array);
        let each = numbers.len() / N;
        again(
            array,
            order
                .iter()
                .flat_map(|&r| numbers[r * each..(r + 1) * each].to_vec())
                .collect(),
        )
    };
    let mut picked = of.clone();
    picked.shape[0] = order.len();
    picked.input = pick(&of.input);
    picked.target = of.target.as_ref().map(pick);
    picked
}

/// The order of samples changes nothing, on a device not a bit; a sample that counts k times is k samples.
#[test]
fn order_does_not_matter_and_weights_are_copies() {
    let gpu = support::gpu();
    for task in Task::ALL {
        for input in [InputKind::Probs, InputKind::Labels] {
            let of = samples(task, input, &mut Rng::new(task.name()));
            let input = if task == Task::Regression {
                InputKind::Scores
            } else {
                input
            };
            let turned: Vec<usize> = (0..N).map(|i| (7 * i + 5) % N).collect();
            let copies: Vec<usize> = (0..N).map(|i| (i * 5 + 1) % 4).collect();
            let repeated: Vec<usize> = (0..N).flat_map(|i| vec![i; copies[i]]).collect();
            for gpu in [None, gpu.as_ref()] {
                let [one, other] =
                    [&of, &picked(&of, &turned)].map(|s| figures(gpu, task, input, s));
                assert_eq!(one.len(), other.len());
                for ((path, a), b) in one.iter().zip(other.values()) {
                    let same = if gpu.is_some() {
                        a == b
                    } else {
                        near(None, owner(path), *a, *b)
                    };
                    assert!(same, "{task:?} {path:?}: {a} and {b}");
                }
                let weights = copies.iter().map(|&k| k as f64).collect::<Vec<f64>>();
                let [one, other] = [of.clone().weight(weights), picked(&of, &repeated)]
                    .map(|s| figures(gpu, task, input, &s));
                assert_eq!(one.len(), other.len());
                for ((path, a), b) in one.iter().zip(other.values()) {
                    assert!(
                        near(gpu, owner(path), *a, *b),
                        "{task:?} {path:?}: {a} and {b}"
                    );
                }
            }
        }
    }
}
