//! The part Evaluate: arrays of scores and labels become a report and curves, by the reference, which has the whole order of scores to draw
//! curves with and needs no device. Where there is one it works the figures out too, and both are compared.

use crate::{Device, numbers, object, thrown};
use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;
use wgloss::Target;
use wgloss::files::{self, FileError};
use wgloss::metric::{Binary, InputKind, Multiclass, Samples};
use wgloss::report::{self, Block, Graph};
use wgloss::verify;

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

/// What is asked of samples: of two classes where each sample has one number, else of several.
enum Asked {
    Binary(Binary),
    Multiclass(Multiclass),
}

/// Scores in one file and labels in another, as samples.
///
/// # Errors
/// What is no array, or is of another shape or type.
fn read(
    scores: (&str, &[u8]),
    labels: (&str, &[u8]),
    from: &str,
    (threshold, recall, precision): (Option<f64>, f64, f64),
) -> Result<(Asked, Samples<'static>), JsValue> {
    let scores = File::read(scores.0, scores.1)?;
    let labels = File::read(labels.0, labels.1)?;
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
    let asked = match wide {
        false => Asked::Binary(Binary {
            input,
            threshold,
            recall,
            precision,
            ignore_index: None,
        }),
        true => Asked::Multiclass(Multiclass {
            input,
            top_k: vec![1, 5],
            ..Default::default()
        }),
    };
    Ok((asked, samples))
}

/// The report of the scores in one file against the labels in another, with its curves, by the reference.
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
    let points = (threshold, recall, precision);
    let (asked, samples) = read((scores_name, scores), (labels_name, labels), from, points)?;
    let n = samples.shape[0] as f64;
    let (task, blocks, graphs, text) = match asked {
        Asked::Binary(asked) => {
            let figures = asked.figures(&samples).map_err(thrown)?;
            (
                "binary",
                report::binary_blocks(&figures, &asked, &[]),
                report::binary_graphs(&figures, &asked),
                report::binary(&figures, &asked, &[]),
            )
        }
        Asked::Multiclass(asked) => {
            let figures = asked.figures(&samples).map_err(thrown)?;
            (
                "multiclass",
                report::multiclass_blocks(&figures, &[]),
                report::multiclass_graphs(&figures, &[]),
                report::multiclass(&figures, &[]),
            )
        }
    };
    let blocks = blocks.iter().map(block).collect::<Result<Array, _>>()?;
    let graphs = graphs.iter().map(graph).collect::<Result<Array, _>>()?;
    object([
        ("task", task.into()),
        ("n", n.into()),
        ("blocks", blocks.into()),
        ("graphs", graphs.into()),
        ("text", text.into()),
    ])
}

#[wasm_bindgen]
impl Device {
    /// Works the same figures out on the device and holds them against the reference: counts are to be equal, figures within their bounds. What
    /// is not, or nothing.
    ///
    /// # Errors
    /// As of [`evaluate`], and what the device refuses.
    #[allow(clippy::too_many_arguments, reason = "it is called from JavaScript")]
    pub async fn agrees(
        &self,
        scores_name: String,
        scores: Vec<u8>,
        labels_name: String,
        labels: Vec<u8>,
        from: String,
        threshold: Option<f64>,
        recall: f64,
        precision: f64,
    ) -> Result<Option<String>, JsValue> {
        let points = (threshold, recall, precision);
        let scores = (scores_name.as_str(), scores.as_slice());
        let labels = (labels_name.as_str(), labels.as_slice());
        let (asked, mut samples) = read(scores, labels, &from, points)?;
        // A device has no f64: it is told f32, and so is the reference.
        if let Target::Values(values) = &samples.input {
            let single: Vec<f32> = values.to_f64().iter().map(|v| *v as f32).collect();
            samples.input = Target::Values(single.into());
        }
        let check = match asked {
            Asked::Binary(asked) => {
                let want = asked.figures(&samples).map_err(thrown)?;
                let got = self.gpu.binary_figures_async(&asked, &samples).await;
                verify::check_binary(&want, &got.map_err(thrown)?)
            }
            Asked::Multiclass(asked) => {
                let want = asked.figures(&samples).map_err(thrown)?;
                let got = self.gpu.multiclass_figures_async(&asked, &samples).await;
                verify::check_multiclass(asked.input, &want, &got.map_err(thrown)?)
            }
        };
        Ok(check.complaint)
    }
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
