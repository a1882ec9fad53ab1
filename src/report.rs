//! Metrics for people: tables of words and numbers, as such or as text, and curves to be drawn.
//!
//! ```
//! use wgloss::metric::{Binary, InputKind, Samples};
//!
//! # fn main() -> wgloss::Result<()> {
//! let samples = Samples::new([5], &[2.1f32, -0.3, 0.4, 1.7, -2.2]).labels(&[1i64, 0, 0, 1, 1]);
//! let asked = Binary { input: InputKind::Logits, ..Default::default() };
//! let report = wgloss::report::binary(&asked.figures(&samples)?, &asked, &[]);
//! assert!(report.to_string().contains("\nrecall             0.6667\n"));
//! # Ok(()) }
//! ```

mod graph;

pub use graph::{Curve, Graph, Mark, binary_graphs, multiclass_graphs, multilabel_graphs};

use crate::metric::{
    Binary, BinaryFigures, Cells, ConfusionMatrix, MulticlassFigures, MultilabelFigures,
    OperatingPoint, RegressionFigures, Scores, Undefined,
};
use std::fmt;

/// Up to so many classes the confusion matrix is printed; a wider one is no longer read.
const MATRIX: usize = 20;

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Names to the left, numbers to the right.
    Table {
        /// What the columns are; nothing where they need no words.
        head: Vec<String>,
        /// The rows, each of a name and numbers.
        rows: Vec<Vec<String>>,
    },
    /// A sentence.
    Note(String),
}

impl Block {
    /// A table of one number a row.
    fn list(rows: Vec<(&str, String)>) -> Block {
        let rows = rows.into_iter().map(|(k, v)| vec![k.to_string(), v]);
        Block::Table {
            head: Vec::new(),
            rows: rows.collect(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Block::Table { rows, .. } => rows.is_empty(),
            Block::Note(text) => text.is_empty(),
        }
    }

    /// Columns of one width.
    fn text(&self) -> String {
        let (head, rows) = match self {
            Block::Table { head, rows } => (head, rows),
            Block::Note(text) => return text.clone(),
        };
        let all = || std::iter::once(head).filter(|h| !h.is_empty()).chain(rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            let cells = all().filter_map(|row| row.get(c));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(c, (cell, &w))| match c {
                0 => format!("{cell:<w$}"),
                _ => format!("  {cell:>w$}"),
            });
            cells.collect::<String>().trim_end().to_string()
        };
        all().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A report: as text, its parts one below the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The parts.
    pub blocks: Vec<Block>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.blocks.iter().map(Block::text).collect();
        f.write_str(&texts.join("\n\n"))
    }
}

/// Empty parts are left out.
impl From<Vec<Block>> for Report {
    fn from(mut blocks: Vec<Block>) -> Self {
        blocks.retain(|b| !b.is_empty());
        Report { blocks }
    }
}

/// The report of two classes, with the operating points that were asked for. `names` are of the two classes; their numbers where
/// there are none.
pub fn binary(figures: &BinaryFigures, asked: &Binary, names: &[String]) -> Report {
    two_classes(figures, asked, &|i| name(names, i)).into()
}

/// The report of several classes: precision, recall, F1, support and, where scores are in order, ROC AUC of each, their averages, and the
/// confusion matrix of up to 20. `names` are of the classes; their numbers where there are none.
pub fn multiclass(figures: &MulticlassFigures, names: &[String]) -> Report {
    classes(figures, &|i| name(names, i)).into()
}

/// The report of several labels. `names` are of the labels; their numbers where there are none.
pub fn multilabel(figures: &MultilabelFigures, names: &[String]) -> Report {
    labels(figures, &|i| name(names, i)).into()
}

/// The report of predicted numbers.
pub fn regression(figures: &RegressionFigures) -> Report {
    numbers(figures).into()
}

/// What a class or label is called.
pub(crate) fn name(names: &[String], i: usize) -> String {
    names.get(i).cloned().unwrap_or_else(|| i.to_string())
}

/// What each is called.
type Named<'a> = dyn Fn(usize) -> String + 'a;

/// A figure with four digits after the point; or, where those would be lost, as many as it has.
fn figure(v: Option<f64>) -> String {
    match v {
        None => "-".into(),
        Some(v) if v == 0.0 || (1e-3..1e6).contains(&v.abs()) => format!("{v:.4}"),
        Some(v) => format!("{v:.4e}"),
    }
}

/// A number with no more digits than it needs.
pub(crate) fn number(v: f64) -> String {
    // The nearest of few digits: 0.30000000000000004 is 0.3; and no −0.
    let v = (v * 1e6).round() / 1e6 + 0.0;
    v.to_string().replace('-', "−")
}

/// A threshold is one of the scores: an f32 in as few digits as it takes, 0.4 and not 0.4000000059604645.
fn score(v: f64) -> String {
    let single = v as f32;
    match f64::from(single) == v {
        true => single.to_string(),
        false => v.to_string(),
    }
}

/// A count, or a sum of weights.
fn mass(v: f64) -> String {
    match v.fract() == 0.0 {
        true => format!("{v}"),
        false => figure(Some(v)),
    }
}

fn words(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| c.to_string()).collect()
}

fn matrix(m: &ConfusionMatrix, named: &Named<'_>) -> Block {
    let n = m.classes();
    if n > MATRIX {
        return Block::Note(format!("confusion matrix: {n} classes, see --json"));
    }
    let mut head = vec!["truth \\ predicted".to_string()];
    head.extend((0..n).map(named));
    let cell = |r: usize, c: usize| match m.cells() {
        Cells::Counts(cells) => cells[r * n + c].to_string(),
        Cells::Weights(cells) => mass(cells[r * n + c]),
    };
    let row = |r: usize| {
        let cells = (0..n).map(|c| cell(r, c));
        std::iter::once(named(r)).chain(cells).collect()
    };
    Block::Table {
        head,
        rows: (0..n).map(row).collect(),
    }
}

/// Why figures have no value: those with one reason together.
fn undefined(of: &[Undefined]) -> Block {
    let mut reasons: Vec<&str> = Vec::new();
    for u in of {
        if !reasons.contains(&u.reason) {
            reasons.push(u.reason);
        }
    }
    let line = |reason: &&str| {
        let all: Vec<_> = of
            .iter()
            .filter(|u| u.reason == *reason)
            .map(|u| u.figure.as_str())
            .collect();
        let some = all.iter().take(6).copied().collect::<Vec<_>>().join(", ");
        let more = match all.len().saturating_sub(6) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("undefined, {reason}: {some}{more}")
    };
    Block::Note(reasons.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn scores(name: &str, s: &Scores) -> Vec<String> {
    vec![
        name.to_string(),
        figure(s.precision),
        figure(s.recall),
        figure(s.f1),
    ]
}

fn two_classes(f: &BinaryFigures, asked: &Binary, named: &Named<'_>) -> Vec<Block> {
    let mut about = vec![("samples", mass(f.n)), ("positive", mass(f.positives))];
    if let Some(threshold) = f.threshold {
        about.push(("threshold", score(threshold)));
    }
    let all = [
        ("accuracy", f.accuracy),
        ("balanced accuracy", f.balanced_accuracy),
        ("precision", f.precision),
        ("recall", f.recall),
        ("specificity", f.specificity),
        ("F1", f.f1),
        ("MCC", f.mcc),
        ("Cohen's kappa", f.cohen_kappa),
        ("ROC AUC", f.roc_auc),
        ("average precision", f.average_precision),
        ("log loss", f.log_loss),
        ("Brier score", f.brier),
        ("ECE", f.ece),
    ];
    let all = all.into_iter().map(|(k, v)| (k, figure(v))).collect();
    let points = &f.operating_points;
    let point = |name: &str, p: Option<OperatingPoint>| {
        p.map(|p| {
            let mut row = vec![name.to_string(), score(p.threshold)];
            row.extend([p.precision, p.recall, p.f1].map(|v| figure(Some(v))));
            row
        })
    };
    let head = ["operating point", "threshold", "precision", "recall", "F1"];
    let (recall, precision) = (asked.recall, asked.precision);
    let rows = [
        point("highest F1", points.max_f1),
        point(&format!("recall ≥ {recall}"), points.recall_at),
        point(&format!("precision ≥ {precision}"), points.precision_at),
    ];
    vec![
        Block::list(about),
        matrix(&f.confusion_matrix, named),
        Block::list(all),
        Block::Table {
            head: words(&head),
            rows: rows.into_iter().flatten().collect(),
        },
        undefined(&f.undefined),
    ]
}

fn classes(f: &MulticlassFigures, named: &Named<'_>) -> Vec<Block> {
    let ranked = f.per_class.iter().any(|c| c.roc_auc.is_some());
    let mut head = words(&["class", "precision", "recall", "F1", "support"]);
    if ranked {
        head.push("ROC AUC".into());
    }
    let mut rows = Vec::new();
    for (c, of) in f.per_class.iter().enumerate() {
        let mut row = scores(&named(c), &of.scores);
        row.push(mass(of.support));
        if ranked {
            row.push(figure(of.roc_auc));
        }
        rows.push(row);
    }
    let averages = [
        ("micro average", &f.micro, String::new()),
        ("macro average", &f.macro_average, figure(f.roc_auc_macro)),
        ("weighted average", &f.weighted, figure(f.roc_auc_weighted)),
    ];
    rows.extend(averages.map(|(name, s, auc)| {
        let mut row = scores(name, s);
        row.push(mass(f.n));
        if ranked {
            row.push(auc);
        }
        row
    }));
    let mut all = vec![
        ("accuracy".to_string(), f.accuracy),
        ("balanced accuracy".into(), f.balanced_accuracy),
        ("MCC".into(), f.mcc),
        ("Cohen's kappa".into(), f.cohen_kappa),
        ("log loss".into(), f.log_loss),
        ("ECE".into(), f.ece),
    ];
    let top = f
        .top_k
        .iter()
        .map(|(k, v)| (format!("top-{k} accuracy"), *v));
    all.splice(1..1, top);
    let all = all.iter().map(|(k, v)| (k.as_str(), figure(*v))).collect();
    vec![
        Block::Table { head, rows },
        Block::list(all),
        matrix(&f.confusion_matrix, named),
        undefined(&f.undefined),
    ]
}

fn labels(f: &MultilabelFigures, named: &Named<'_>) -> Vec<Block> {
    let head = [
        "label",
        "precision",
        "recall",
        "F1",
        "support",
        "accuracy",
        "ROC AUC",
        "AP",
    ];
    let mut rows = Vec::new();
    for (l, of) in f.per_label.iter().enumerate() {
        let mut row = scores(&named(l), &of.scores);
        row.push(mass(of.support));
        row.extend([of.accuracy, of.roc_auc, of.average_precision].map(figure));
        rows.push(row);
    }
    let support = mass(f.per_label.iter().map(|l| l.support).sum());
    let mut average = |name: &str, s: &Scores, areas: Option<usize>| {
        let mut row = scores(name, s);
        row.extend([support.clone(), String::new()]);
        if let Some(k) = areas {
            row.extend([f.roc_auc[k], f.average_precision[k]].map(figure));
        }
        rows.push(row);
    };
    average("micro average", &f.micro, None);
    average("macro average", &f.macro_average, Some(0));
    average("weighted average", &f.weighted, Some(1));
    vec![
        Block::Table {
            head: words(&head),
            rows,
        },
        Block::list(vec![
            ("samples", mass(f.n)),
            ("subset accuracy", figure(f.subset_accuracy)),
            ("Hamming loss", figure(f.hamming_loss)),
        ]),
        undefined(&f.undefined),
    ]
}

fn numbers(f: &RegressionFigures) -> Vec<Block> {
    let all = [
        ("MSE", f.mse),
        ("RMSE", f.rmse),
        ("MAE", f.mae),
        ("R²", f.r2),
        ("MAPE", f.mape),
        ("maximum error", f.max_error),
        ("explained variance", f.explained_variance),
        ("Pearson r", f.pearson_r),
    ];
    let mut rows = vec![("samples", mass(f.n))];
    rows.extend(all.map(|(k, v)| (k, figure(v))));
    vec![Block::list(rows), undefined(&f.undefined)]
}
