//! The part Evaluate: arrays of scores and labels become a report and curves, by the reference, which has the whole order of scores to draw
//! curves with and needs no device. Where there is one it works the figures out too, and both are compared.

use crate::{Device, numbers, object, thrown};
use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;
use wgloss::files::{self, FileError};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel, Regression, Samples, Task};
use wgloss::report::{self, Block, Graph, Report};
use wgloss::verify::{self, Check};
use wgloss::{Gpu, Target};

/// What labels of classes are.
const INTEGERS: &str = "labels that are integers: 0 and 1, or class indices";

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

    /// Whether these are numbers, and not 0 and 1 that were only saved as such.
    fn are_numbers(&self) -> bool {
        let data = &self.array.data;
        let bits = || {
            data.clone()
                .into_values()
                .to_f64()
                .iter()
                .all(|v| [0.0, 1.0].contains(v))
        };
        data.is_float() && !bits()
    }

    fn into_labels(self, expected: &str) -> Result<Target<'static>, JsValue> {
        let refusal = self.refuse(expected);
        let labels = self.array.data.into_labels(None);
        Ok(Target::Labels(labels.ok_or(refusal)?))
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

/// What is asked of samples, which follows from the files.
enum Asked {
    /// Of labels that are 0 and 1, and one score a sample.
    Binary(Binary),
    /// Of class indices, and a score for each class.
    Multiclass(Multiclass),
    /// Of labels in the shape of the scores.
    Multilabel(Multilabel),
    /// Of numbers.
    Regression,
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
    // One column is one number a sample.
    let plain = |file: &File| match file.array.shape.as_slice() {
        [n, 1] => vec![*n],
        shape => shape.to_vec(),
    };
    let (shape, of_labels) = (plain(&scores), plain(&labels));
    if shape.contains(&0) || !matches!(shape.len(), 1 | 2) {
        return Err(scores.refuse(
            "one score a sample, of shape [n], or one for each class or label, of shape [n, classes]",
        ));
    }
    let wide = shape.len() == 2;
    let multilabel = wide && of_labels == shape;
    if of_labels != shape[..1] && !multilabel {
        return Err(labels.refuse(&format!(
            "one label a sample, of shape {:?} as {} has samples{}",
            &shape[..1],
            scores.name,
            match wide {
                true => format!(", or one for each of its numbers, of shape {shape:?}"),
                false => String::new(),
            }
        )));
    }
    let asked = if !wide && labels.are_numbers() {
        Asked::Regression
    } else if multilabel {
        Asked::Multilabel(Multilabel {
            input,
            threshold,
            ignore_index: None,
        })
    } else if wide {
        Asked::Multiclass(Multiclass {
            input,
            top_k: vec![1, 5],
            ..Default::default()
        })
    } else {
        Asked::Binary(Binary {
            input,
            threshold,
            recall,
            precision,
            ignore_index: None,
        })
    };
    let (input, target) = match (&asked, input) {
        (Asked::Regression, _) => (
            Target::Values(scores.array.data.into_values()),
            Target::Values(labels.array.data.into_values()),
        ),
        (Asked::Multiclass(_), InputKind::Labels) => {
            return Err(scores.refuse("one predicted label a sample, of shape [n]"));
        }
        (_, InputKind::Labels) => (
            scores.into_labels("predicted labels that are integers")?,
            labels.into_labels(INTEGERS)?,
        ),
        _ => (
            Target::Values(scores.array.data.into_values()),
            labels.into_labels(INTEGERS)?,
        ),
    };
    let samples = Samples {
        input,
        shape,
        target: Some(target),
        weight: None,
    };
    Ok((asked, samples))
}

impl Asked {
    /// The task, its report and its curves, by the reference.
    fn by_reference(&self, samples: &Samples<'_>) -> wgloss::Result<(Task, Report, Vec<Graph>)> {
        Ok(match self {
            Asked::Binary(asked) => {
                let figures = asked.figures(samples)?;
                let graphs = report::binary_graphs(&figures, asked);
                (Task::Binary, report::binary(&figures, asked, &[]), graphs)
            }
            Asked::Multiclass(asked) => {
                let figures = asked.figures(samples)?;
                let graphs = report::multiclass_graphs(&figures, &[]);
                (Task::Multiclass, report::multiclass(&figures, &[]), graphs)
            }
            Asked::Multilabel(asked) => {
                let figures = asked.figures(samples)?;
                let graphs = report::multilabel_graphs(&figures, &[]);
                (Task::Multilabel, report::multilabel(&figures, &[]), graphs)
            }
            Asked::Regression => {
                let figures = Regression {}.figures(samples)?;
                (Task::Regression, report::regression(&figures), Vec::new())
            }
        })
    }

    /// The device's figures against the reference's.
    async fn by_both(&self, gpu: &Gpu, samples: &Samples<'_>) -> wgloss::Result<Check> {
        Ok(match self {
            Asked::Binary(asked) => {
                let got = gpu.binary_figures_async(asked, samples).await?;
                verify::check_binary(&asked.figures(samples)?, &got)
            }
            Asked::Multiclass(asked) => {
                let got = gpu.multiclass_figures_async(asked, samples).await?;
                verify::check_multiclass(asked.input, &asked.figures(samples)?, &got)
            }
            Asked::Multilabel(asked) => {
                let got = gpu.multilabel_figures_async(asked, samples).await?;
                verify::check_multilabel(&asked.figures(samples)?, &got)
            }
            Asked::Regression => {
                let got = gpu.regression_figures_async(samples).await?;
                verify::check_regression(&Regression {}.figures(samples)?, &got)
            }
        })
    }
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
    let (task, report, graphs) = asked.by_reference(&samples).map_err(thrown)?;
    let blocks = report
        .blocks
        .iter()
        .map(block)
        .collect::<Result<Array, _>>()?;
    let graphs = graphs.iter().map(graph).collect::<Result<Array, _>>()?;
    object([
        ("task", task.name().into()),
        ("n", (samples.shape[0] as f64).into()),
        ("blocks", blocks.into()),
        ("graphs", graphs.into()),
        ("text", report.to_string().into()),
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
        for part in [Some(&mut samples.input), samples.target.as_mut()]
            .into_iter()
            .flatten()
        {
            if let Target::Values(values) = part {
                let single: Vec<f32> = values.to_f64().iter().map(|v| *v as f32).collect();
                *part = Target::Values(single.into());
            }
        }
        let check = asked.by_both(&self.gpu, &samples).await.map_err(thrown)?;
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
