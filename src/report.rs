//! Metrics as text for people: one block for all samples, then tables.
//!
//! ```
//! use wgloss::metric::{Binary, InputKind, Samples};
//!
//! # fn main() -> wgloss::Result<()> {
//! let samples = Samples::new([5], &[2.1f32, -0.3, 0.4, 1.7, -2.2]).labels(&[1i64, 0, 0, 1, 1]);
//! let asked = Binary { input: InputKind::Logits, ..Default::default() };
//! let text = wgloss::report::binary(&asked.figures(&samples)?, &asked, &[]);
//! assert!(text.contains("\nrecall             0.6667\n"));
//! # Ok(()) }
//! ```

use crate::metric::{
    Binary, BinaryFigures, Cells, ConfusionMatrix, MulticlassFigures, MultilabelFigures,
    OperatingPoint, RegressionFigures, Scores, Undefined,
};

/// Up to so many classes the confusion matrix is printed; a wider one is no longer read.
const MATRIX: usize = 20;

fn join(mut blocks: Vec<String>) -> String {
    blocks.retain(|b| !b.is_empty());
    blocks.join("\n\n")
}

/// The report of two classes, with the operating points that were asked for. `names` are of the two classes; their numbers where
/// there are none.
pub fn binary(figures: &BinaryFigures, asked: &Binary, names: &[String]) -> String {
    join(two_classes(figures, asked, &|i| name(names, i)))
}

/// The report of several classes: precision, recall, F1, support and, where scores are in order, ROC AUC of each, their averages, and the
/// confusion matrix of up to 20. `names` are of the classes; their numbers where there are none.
pub fn multiclass(figures: &MulticlassFigures, names: &[String]) -> String {
    join(classes(figures, &|i| name(names, i)))
}

/// The report of several labels. `names` are of the labels; their numbers where there are none.
pub fn multilabel(figures: &MultilabelFigures, names: &[String]) -> String {
    join(labels(figures, &|i| name(names, i)))
}

/// The report of predicted numbers.
pub fn regression(figures: &RegressionFigures) -> String {
    join(numbers(figures))
}

fn name(names: &[String], i: usize) -> String {
    names.get(i).cloned().unwrap_or_else(|| i.to_string())
}

/// What a class is called.
type Named<'a> = dyn Fn(usize) -> String + 'a;

/// A figure with four digits after the point; or, where those would be lost, as many as it has.
fn figure(v: Option<f64>) -> String {
    match v {
        None => "-".into(),
        Some(v) if v == 0.0 || (1e-3..1e6).contains(&v.abs()) => format!("{v:.4}"),
        Some(v) => format!("{v:.4e}"),
    }
}

/// A count, or a sum of weights.
fn mass(v: f64) -> String {
    match v.fract() == 0.0 {
        true => format!("{v}"),
        false => figure(Some(v)),
    }
}

/// Rows of cells: names to the left, numbers to the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|row| row.get(c));
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
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn list(rows: &[(&str, String)]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|(k, v)| vec![k.to_string(), v.clone()])
        .collect();
    table(&rows)
}

fn words(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| c.to_string()).collect()
}

fn matrix(m: &ConfusionMatrix, named: &Named<'_>) -> String {
    let n = m.classes();
    if n > MATRIX {
        return format!("confusion matrix: {n} classes, see --json");
    }
    let mut head = vec!["truth \\ predicted".to_string()];
    head.extend((0..n).map(named));
    let cell = |r: usize, c: usize| match m.cells() {
        Cells::Counts(cells) => cells[r * n + c].to_string(),
        Cells::Weights(cells) => mass(cells[r * n + c]),
    };
    let mut rows = vec![head];
    rows.extend((0..n).map(|r| {
        let mut row = vec![named(r)];
        row.extend((0..n).map(|c| cell(r, c)));
        row
    }));
    table(&rows)
}

/// Why figures have no value: those with one reason together.
fn undefined(of: &[Undefined]) -> String {
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
    reasons.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn scores(name: &str, s: &Scores) -> Vec<String> {
    vec![
        name.to_string(),
        figure(s.precision),
        figure(s.recall),
        figure(s.f1),
    ]
}

fn two_classes(f: &BinaryFigures, asked: &Binary, named: &Named<'_>) -> Vec<String> {
    let mut about = vec![("samples", mass(f.n)), ("positive", mass(f.positives))];
    if let Some(threshold) = f.threshold {
        about.push(("threshold", threshold.to_string()));
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
    let all: Vec<_> = all.into_iter().map(|(k, v)| (k, figure(v))).collect();
    let points = &f.operating_points;
    let point = |name: &str, p: Option<OperatingPoint>| {
        p.map(|p| {
            let mut row = vec![name.to_string(), p.threshold.to_string()];
            row.extend([p.precision, p.recall, p.f1].map(|v| figure(Some(v))));
            row
        })
    };
    let mut rows = vec![words(&[
        "operating point",
        "threshold",
        "precision",
        "recall",
        "F1",
    ])];
    rows.extend(point("highest F1", points.max_f1));
    let (recall, precision) = (asked.recall, asked.precision);
    rows.extend(point(&format!("recall ≥ {recall}"), points.recall_at));
    rows.extend(point(
        &format!("precision ≥ {precision}"),
        points.precision_at,
    ));
    let points = if rows.len() > 1 {
        table(&rows)
    } else {
        String::new()
    };
    vec![
        list(&about),
        matrix(&f.confusion_matrix, named),
        list(&all),
        points,
        undefined(&f.undefined),
    ]
}

fn classes(f: &MulticlassFigures, named: &Named<'_>) -> Vec<String> {
    let ranked = f.per_class.iter().any(|c| c.roc_auc.is_some());
    let mut rows = vec![words(&["class", "precision", "recall", "F1", "support"])];
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
    if ranked {
        rows[0].push("ROC AUC".into());
    }
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
    let all: Vec<_> = all.iter().map(|(k, v)| (k.as_str(), figure(*v))).collect();
    vec![
        table(&rows),
        list(&all),
        matrix(&f.confusion_matrix, named),
        undefined(&f.undefined),
    ]
}

fn labels(f: &MultilabelFigures, named: &Named<'_>) -> Vec<String> {
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
    let mut rows = vec![words(&head)];
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
        table(&rows),
        list(&[
            ("samples", mass(f.n)),
            ("subset accuracy", figure(f.subset_accuracy)),
            ("Hamming loss", figure(f.hamming_loss)),
        ]),
        undefined(&f.undefined),
    ]
}

fn numbers(f: &RegressionFigures) -> Vec<String> {
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
    vec![list(&rows), undefined(&f.undefined)]
}
