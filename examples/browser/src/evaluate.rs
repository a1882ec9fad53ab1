//! The part Evaluate: arrays of scores and labels become a report and curves. By the reference: a file is read once, and then f64 is
//! as fast as any device, and has the whole order of scores.

use crate::{numbers, object, thrown};
use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;
use wgloss::Target;
use wgloss::files::{self, FileError};
use wgloss::metric::{Binary, InputKind, Multiclass, Samples};
use wgloss::report::{self, Block, Graph};

/// An array and the name of its file.
struct File {
    name: String,
    array: files::Array,
}

impl File {
    fn read(name: &str, bytes: &[u8]) -> Result<File, JsValue> {
        let array = files::npy(name, bytes).map_err(|e| {
            let advice = match e {
                FileError::Dtype { .. } => "Convert it with astype, for example to float32",
                _ => "Save an array with numpy.save, and choose that file",
            };
            JsValue::from(JsError::new(&format!("{e}. {advice}.")))
        })?;
        Ok(File {
            name: name.into(),
            array,
        })
    }

    fn refuse(&self, expected: &str) -> JsValue {
        let (dtype, shape) = (self.array.data.dtype_name(), &self.array.shape);
        let name = &self.name;
        JsError::new(&format!(
            "{name}: expected {expected}, found {dtype} of shape {shape:?}."
        ))
        .into()
    }
}

/// The report of the scores in one file against the labels in another: of two classes where each sample has one number, else of several.
///
/// # Errors
/// What is no array, is of another shape or type, or holds numbers that mean nothing.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments, reason = "it is called from JavaScript")]
pub fn evaluate(
    scores_name: &str,
    scores: &[u8],
    labels_name: &str,
    labels: &[u8],
    from: &str,
    threshold: Option<f64>,
    recall: f64,
    precision: f64,
) -> Result<Object, JsValue> {
    let scores = File::read(scores_name, scores)?;
    let labels = File::read(labels_name, labels)?;
    let input = InputKind::ALL.into_iter().find(|k| k.name() == from);
    let input = input.unwrap_or_default();
    let mut shape = scores.array.shape.clone();
    if shape.contains(&0) || !matches!(shape.len(), 1 | 2) {
        return Err(scores.refuse(
            "one score a sample, of shape [n], or one for each class, of shape [n, classes]",
        ));
    }
    // One column is one number a sample.
    if shape.len() == 2 && shape[1] == 1 {
        shape.pop();
    }
    let n = shape[0];
    if labels.array.shape != [n] && labels.array.shape != [n, 1] {
        return Err(labels.refuse(&format!(
            "one label a sample, of shape [{n}] as {} has samples",
            scores.name
        )));
    }
    let refusal = labels.refuse("labels that are integers: 0 and 1, or class indices");
    let target = labels.array.data.into_labels(None).ok_or(refusal)?;
    let wide = shape.len() == 2;
    let samples = Samples {
        input: match input {
            InputKind::Labels => {
                let refusal = scores.refuse("predicted labels that are integers");
                if wide {
                    return Err(scores.refuse("one predicted label a sample, of shape [n]"));
                }
                let predicted = scores.array.data.into_labels(None);
                Target::Labels(predicted.ok_or(refusal)?)
            }
            _ => Target::Values(scores.array.data.into_values()),
        },
        shape,
        target: Some(Target::Labels(target)),
        weight: None,
    };
    let (task, blocks, graphs, text) = match wide {
        false => {
            let asked = Binary {
                input,
                threshold,
                recall,
                precision,
                ignore_index: None,
            };
            let figures = asked.figures(&samples).map_err(thrown)?;
            (
                "binary",
                report::binary_blocks(&figures, &asked, &[]),
                report::binary_graphs(&figures, &asked),
                report::binary(&figures, &asked, &[]),
            )
        }
        true => {
            let asked = Multiclass {
                input,
                top_k: vec![1, 5],
                ..Default::default()
            };
            let figures = asked.figures(&samples).map_err(thrown)?;
            (
                "multiclass",
                report::multiclass_blocks(&figures, &[]),
                report::multiclass_graphs(&figures, &[]),
                report::multiclass(&figures, &[]),
            )
        }
    };
    object([
        ("task", task.into()),
        ("n", (n as f64).into()),
        (
            "blocks",
            blocks
                .iter()
                .map(block)
                .collect::<Result<Array, _>>()?
                .into(),
        ),
        (
            "graphs",
            graphs
                .iter()
                .map(graph)
                .collect::<Result<Array, _>>()?
                .into(),
        ),
        ("text", text.into()),
    ])
}

fn words(all: &[String]) -> JsValue {
    all.iter().map(JsValue::from).collect::<Array>().into()
}

fn block(block: &Block) -> Result<Object, JsValue> {
    match block {
        Block::Note(text) => object([("note", text.into())]),
        Block::Table { head, rows } => {
            let rows = rows.iter().map(|row| words(row)).collect::<Array>();
            object([("head", words(head)), ("rows", rows.into())])
        }
    }
}

fn graph(graph: &Graph) -> Result<Object, JsValue> {
    let curve = |label: &str, points: &[(f64, f64)]| {
        let (x, y): (Vec<_>, Vec<_>) = points.iter().copied().unzip();
        object([
            ("label", label.into()),
            ("x", numbers(&x)),
            ("y", numbers(&y)),
        ])
    };
    let curves = graph.curves.iter().map(|c| curve(&c.label, &c.points));
    let marks = graph.marks.iter().map(|m| curve(&m.label, &[m.at]));
    object([
        ("name", graph.name.into()),
        ("title", graph.title.as_str().into()),
        ("across", graph.across.into()),
        ("up", graph.up.into()),
        ("curves", curves.collect::<Result<Array, _>>()?.into()),
        ("marks", marks.collect::<Result<Array, _>>()?.into()),
        (
            "chance",
            match &graph.chance {
                Some(ends) => curve("", ends)?.into(),
                None => JsValue::NULL,
            },
        ),
    ])
}
