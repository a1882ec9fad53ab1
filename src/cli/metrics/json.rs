//! Metrics as JSON, by the names that scikit-learn has for them.

use crate::cli::print::number;
use crate::metric::{
    BinaryFigures, Cells, ConfusionMatrix, MulticlassFigures, MultilabelFigures, OperatingPoint,
    RegressionFigures, Scores, Undefined,
};
use serde_json::{Map, Value, json};

fn some(v: Option<f64>) -> Value {
    v.map_or(Value::Null, number)
}

/// A count as a whole number; a sum of weights as it is.
fn mass(v: f64, weighted: bool) -> Value {
    match weighted {
        true => number(v),
        false => (v as u64).into(),
    }
}

fn weighted(m: &ConfusionMatrix) -> bool {
    matches!(m.cells(), Cells::Weights(_))
}

fn matrix(m: &ConfusionMatrix) -> Value {
    let n = m.classes().max(1);
    match m.cells() {
        Cells::Counts(cells) => cells.chunks(n).map(Value::from).collect(),
        Cells::Weights(cells) => cells
            .chunks(n)
            .map(|row| row.iter().map(|&v| number(v)).collect::<Value>())
            .collect(),
    }
}

fn undefined(of: &[Undefined]) -> Value {
    let pairs = of.iter().map(|u| (u.figure.clone(), u.reason.into()));
    Value::Object(pairs.collect())
}

fn scores(s: &Scores) -> Map<String, Value> {
    let all = [
        ("precision", s.precision),
        ("recall", s.recall),
        ("f1", s.f1),
    ];
    all.into_iter()
        .map(|(k, v)| (k.to_string(), some(v)))
        .collect()
}

fn point(p: Option<OperatingPoint>) -> Value {
    p.map_or(Value::Null, |p| {
        json!({
            "threshold": number(p.threshold),
            "precision": number(p.precision),
            "recall": number(p.recall),
            "f1": number(p.f1),
        })
    })
}

/// Figures of two classes.
pub fn binary(f: &BinaryFigures) -> Value {
    let weighted = weighted(&f.confusion_matrix);
    let points = &f.operating_points;
    json!({
        "n": mass(f.n, weighted),
        "positives": mass(f.positives, weighted),
        "threshold": some(f.threshold),
        "confusion_matrix": matrix(&f.confusion_matrix),
        "accuracy": some(f.accuracy),
        "precision": some(f.precision),
        "recall": some(f.recall),
        "specificity": some(f.specificity),
        "f1": some(f.f1),
        "balanced_accuracy": some(f.balanced_accuracy),
        "mcc": some(f.mcc),
        "cohen_kappa": some(f.cohen_kappa),
        "roc_auc": some(f.roc_auc),
        "average_precision": some(f.average_precision),
        "log_loss": some(f.log_loss),
        "brier": some(f.brier),
        "ece": some(f.ece),
        "operating_points": {
            "max_f1": point(points.max_f1),
            "recall_at": point(points.recall_at),
            "precision_at": point(points.precision_at),
        },
        "undefined": undefined(&f.undefined),
    })
}

/// Figures of several classes.
pub fn multiclass(f: &MulticlassFigures) -> Value {
    let weighted = weighted(&f.confusion_matrix);
    let classes = f.per_class.iter().enumerate();
    let per_class = classes.map(|(c, of)| {
        let mut object = Map::from_iter([("class".to_string(), c.into())]);
        object.extend(scores(&of.scores));
        object.insert("support".into(), mass(of.support, weighted));
        Value::Object(object)
    });
    let per_class: Value = per_class.collect();
    let top_k = f.top_k.iter().map(|(k, v)| (k.to_string(), some(*v)));
    let top_k = Value::Object(top_k.collect());
    let aucs: Value = f.per_class.iter().map(|c| some(c.roc_auc)).collect();
    json!({
        "n": mass(f.n, weighted),
        "confusion_matrix": matrix(&f.confusion_matrix),
        "accuracy": some(f.accuracy),
        "top_k": top_k,
        "per_class": per_class,
        "micro": scores(&f.micro),
        "macro": scores(&f.macro_average),
        "weighted": scores(&f.weighted),
        "balanced_accuracy": some(f.balanced_accuracy),
        "mcc": some(f.mcc),
        "cohen_kappa": some(f.cohen_kappa),
        "roc_auc_ovr": {
            "macro": some(f.roc_auc_macro),
            "weighted": some(f.roc_auc_weighted),
            "per_class": aucs,
        },
        "log_loss": some(f.log_loss),
        "ece": some(f.ece),
        "undefined": undefined(&f.undefined),
    })
}

/// Figures of several labels.
pub fn multilabel(f: &MultilabelFigures) -> Value {
    let weights = f.per_label.iter().any(|l| weighted(&l.confusion_matrix));
    let labels = f.per_label.iter().enumerate();
    let per_label = labels.map(|(l, of)| {
        let mut object = Map::from_iter([
            ("label".to_string(), l.into()),
            ("confusion_matrix".into(), matrix(&of.confusion_matrix)),
            ("accuracy".into(), some(of.accuracy)),
        ]);
        object.extend(scores(&of.scores));
        object.insert("roc_auc".into(), some(of.roc_auc));
        object.insert("average_precision".into(), some(of.average_precision));
        object.insert("support".into(), mass(of.support, weights));
        Value::Object(object)
    });
    let per_label: Value = per_label.collect();
    let with_areas = |s: &Scores, k: usize| {
        let mut object = scores(s);
        object.insert("roc_auc".into(), some(f.roc_auc[k]));
        object.insert("average_precision".into(), some(f.average_precision[k]));
        object
    };
    json!({
        "n": mass(f.n, weights),
        "per_label": per_label,
        "micro": scores(&f.micro),
        "macro": with_areas(&f.macro_average, 0),
        "weighted": with_areas(&f.weighted, 1),
        "subset_accuracy": some(f.subset_accuracy),
        "hamming_loss": some(f.hamming_loss),
        "undefined": undefined(&f.undefined),
    })
}

/// Figures of numbers.
pub fn regression(f: &RegressionFigures) -> Value {
    json!({
        "n": mass(f.n, f.weighted),
        "mse": some(f.mse),
        "rmse": some(f.rmse),
        "mae": some(f.mae),
        "r2": some(f.r2),
        "mape": some(f.mape),
        "max_error": some(f.max_error),
        "explained_variance": some(f.explained_variance),
        "pearson_r": some(f.pearson_r),
        "undefined": undefined(&f.undefined),
    })
}
