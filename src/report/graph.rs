//! Curves of an order of scores, ready to be drawn.

use super::{name, number};
use crate::metric::{
    Binary, BinaryFigures, MulticlassFigures, MultilabelFigures, OperatingPoint, Ranking,
};

/// More curves than that in one picture cannot be told apart.
const CURVES: usize = 10;

/// Curves over one pair of axes, both of which go from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// What it shows, in letters that suit a file's name: `roc` or `precision_recall`.
    pub name: &'static str,
    /// The same for people.
    pub title: String,
    /// The horizontal axis.
    pub across: &'static str,
    /// The vertical axis.
    pub up: &'static str,
    /// The curves.
    pub curves: Vec<Curve>,
    /// What chance, or no model at all, would give.
    pub chance: Option<[(f64, f64); 2]>,
    /// Operating points.
    pub marks: Vec<Mark>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it is of, and the area under it.
    pub label: String,
    /// Its points in order.
    pub points: Vec<(f64, f64)>,
}

/// A point of a curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is, and the threshold there.
    pub label: String,
    /// Where it is.
    pub at: (f64, f64),
}

/// The ROC and the precision-recall curve of two classes, with the operating points that were asked for. None where there is one class
/// only, or no order.
pub fn binary_graphs(f: &BinaryFigures, asked: &Binary) -> Vec<Graph> {
    let Some(ranking) = &f.ranking else {
        return Vec::new();
    };
    let one = [(String::new(), ranking, f.roc_auc, f.average_precision)];
    let points = &f.operating_points;
    let marks = [
        ("highest F1".to_string(), points.max_f1),
        (format!("recall ≥ {}", asked.recall), points.recall_at),
        (
            format!("precision ≥ {}", asked.precision),
            points.precision_at,
        ),
    ];
    curves(&one, &marks)
}

/// The same of each of several classes against the rest. `names` are of the classes; their numbers where there are none.
pub fn multiclass_graphs(f: &MulticlassFigures, names: &[String]) -> Vec<Graph> {
    let classes = f.per_class.iter().enumerate();
    let ranked = classes
        .filter_map(|(c, of)| Some((name(names, c), of.ranking.as_ref()?, of.roc_auc)))
        .map(|(name, ranking, auc)| (name, ranking, auc, ranking.average_precision()));
    curves(&ranked.collect::<Vec<_>>(), &[])
}

/// The same of each of several labels. `names` are of the labels; their numbers where there are none.
pub fn multilabel_graphs(f: &MultilabelFigures, names: &[String]) -> Vec<Graph> {
    let labels = f.per_label.iter().enumerate();
    let ranked = labels.filter_map(|(l, of)| {
        let ranking = of.ranking.as_ref()?;
        Some((name(names, l), ranking, of.roc_auc, of.average_precision))
    });
    curves(&ranked.collect::<Vec<_>>(), &[])
}

type Ranked<'a> = (String, &'a Ranking, Option<f64>, Option<f64>);

/// The ROC and the precision-recall curves of those that have both kinds of samples; operating points where there is one.
fn curves(of: &[Ranked<'_>], marks: &[(String, Option<OperatingPoint>)]) -> Vec<Graph> {
    let defined: Vec<_> = of.iter().filter(|r| r.2.is_some()).take(CURVES).collect();
    if defined.is_empty() {
        return Vec::new();
    }
    let more = of.iter().filter(|r| r.2.is_some()).count() - defined.len();
    let more = match more {
        0 => String::new(),
        _ => format!(", the first {CURVES} of {}", CURVES + more),
    };
    let label = |name: &str, figure: &str, v: Option<f64>| {
        let v = v.map_or(String::new(), |v| format!("{figure} {v:.4}"));
        format!("{name}  {v}").trim().to_string()
    };
    let roc = defined.iter().map(|(name, ranking, auc, _)| {
        let curve = ranking.roc_curve();
        Curve {
            label: label(name, "AUC", *auc),
            points: curve.fpr.into_iter().zip(curve.tpr).collect(),
        }
    });
    let pr = defined.iter().map(|(name, ranking, _, ap)| {
        let curve = ranking.precision_recall_curve();
        // Steps, as average precision sums them: between two points the precision of the one with more recall.
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (recall, precision) in curve.recall.into_iter().zip(curve.precision) {
            if let Some(&(_, before)) = points.last() {
                points.push((recall, before));
            }
            points.push((recall, precision));
        }
        Curve {
            label: label(name, "AP", *ap),
            points,
        }
    });
    let one = match defined.as_slice() {
        [(_, ranking, ..)] => Some(*ranking),
        _ => None,
    };
    let mark = |at: fn(&OperatingPoint, &Ranking) -> (f64, f64)| -> Vec<Mark> {
        let there = marks.iter().filter_map(|(label, point)| {
            let (point, ranking) = (point.as_ref()?, one?);
            Some(Mark {
                label: format!("{label}: {}", number(point.threshold)),
                at: at(point, ranking),
            })
        });
        there.collect()
    };
    vec![
        Graph {
            name: "roc",
            title: format!("ROC{more}"),
            across: "false positive rate",
            up: "true positive rate",
            curves: roc.collect(),
            chance: Some([(0.0, 0.0), (1.0, 1.0)]),
            marks: mark(|p, r| (r.false_positive_rate(p), p.recall)),
        },
        Graph {
            name: "precision_recall",
            title: format!("Precision and recall{more}"),
            across: "recall",
            up: "precision",
            curves: pr.collect(),
            chance: one.map(|r| {
                let share = r.prevalence();
                [(0.0, share), (1.0, share)]
            }),
            marks: mark(|p, _| (p.recall, p.precision)),
        },
    ]
}
