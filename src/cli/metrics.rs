//! `wgloss metrics`.

mod json;

pub use json::{binary, multiclass, multilabel, regression};

use super::args::MetricsArgs;
use super::arrays::Source;
use super::device::{Choice, Device};
use super::error::Failure;
use super::files::Outputs;
use super::print;
use super::progress::Spinner;
use crate::batch::Target;
use crate::metric::{
    Binary, BinaryFigures, InputKind, Multiclass, MulticlassFigures, Multilabel, MultilabelFigures,
    Regression, RegressionFigures, Samples, Task,
};
use crate::plot;
use crate::plot::Picture;
use crate::report::{self, Report};
use serde_json::Value;

/// What came out.
enum Figures {
    /// With what was asked.
    Binary(BinaryFigures, Binary),
    Multiclass(MulticlassFigures),
    Multilabel(MultilabelFigures),
    Regression(RegressionFigures),
}

/// The report for people.
fn text(figures: &Figures, names: &[String]) -> Report {
    match figures {
        Figures::Binary(f, asked) => report::binary(f, asked, names),
        Figures::Multiclass(f) => report::multiclass(f, names),
        Figures::Multilabel(f) => report::multilabel(f, names),
        Figures::Regression(f) => report::regression(f),
    }
}

fn pictures(figures: &Figures, names: &[String]) -> Vec<Picture> {
    match figures {
        Figures::Binary(f, asked) => plot::binary(f, asked, names),
        Figures::Multiclass(f) => plot::multiclass(f, names),
        Figures::Multilabel(f) => plot::multilabel(f, names),
        Figures::Regression(_) => Vec::new(),
    }
}

/// Works out the metrics of arrays in files.
pub fn run(args: &MetricsArgs) -> Result<(), Failure> {
    let kind = args.from.unwrap_or_default();
    refuse_what_does_not_fit(args)?;
    if let Some(dir) = &args.plot {
        super::plot::check(dir)?;
    }
    let input = Source::read("--input", &args.input)?;
    let target = Source::read("--target", &args.target)?;
    let weight = args.weight.as_deref().map(|f| Source::read("--weight", f));
    let weight = weight.transpose()?;
    let (input_file, target_file) = (input.file.clone(), target.file.clone());
    let doubles: Vec<_> = [&input, &target]
        .into_iter()
        .chain(&weight)
        .filter(|source| source.is_double())
        .map(|source| source.file.clone())
        .collect();
    let shape = input.array.shape.clone();
    let axes = match args.task {
        Task::Multiclass if kind != InputKind::Labels => "[N, C]",
        Task::Multilabel => "[N, L]",
        _ => "",
    };
    if !axes.is_empty() && shape.len() < 2 {
        return Err(input.refuse(format!("numbers of shape {axes}")));
    }
    if shape.contains(&0) {
        return Err(input.refuse("at least one sample"));
    }
    if let (Some(classes), "[N, C]") = (args.classes, axes)
        && shape.last() != Some(&classes)
    {
        return Err(input.refuse(format!("scores for {classes} classes")));
    }
    let fits = target_shape(args.task, kind, &shape);
    if target.array.shape != fits {
        let what = if args.task == Task::Regression {
            "numbers"
        } else {
            "labels"
        };
        return Err(target.refuse(format!("{what} of shape {fits:?}")));
    }
    let weight_shape = match args.task {
        Task::Multilabel => shape[..shape.len().saturating_sub(1)].to_vec(),
        _ => fits,
    };
    if let Some(weight) = &weight
        && weight.array.shape != weight_shape
    {
        return Err(weight.refuse(format!("numbers of shape {weight_shape:?}, one per sample")));
    }
    let numbers = args.task == Task::Regression;
    let samples = Samples {
        shape,
        input: match kind {
            InputKind::Labels if !numbers => Target::Labels(input.into_labels(None)?),
            _ => Target::Values(input.into_values()),
        },
        target: Some(match numbers {
            true => Target::Values(target.into_values()),
            false => Target::Labels(target.into_labels(args.ignore_index)?),
        }),
        weight: weight.map(Source::into_values),
    };
    let blame = |error: crate::Error| {
        let file = match &error {
            crate::Error::BadSample { what: "target", .. } => &target_file,
            crate::Error::BadWeight { .. } | crate::Error::BadSample { what: "weight", .. } => {
                args.weight.as_ref().unwrap_or(&input_file)
            }
            crate::Error::BadSample { .. } => &input_file,
            _ => return Failure::Library(error),
        };
        Failure::Contents {
            file: file.clone(),
            error,
        }
    };
    let device = match &args.device {
        Choice::Cpu => Device::Reference,
        // A file is read once, and then f64 is as fast as any device, and exact.
        Choice::Auto => Device::Reference,
        Choice::Gpu | Choice::Name(_) => {
            let without = [
                ("--curves", args.curves.is_some()),
                ("--plot", args.plot.is_some()),
            ];
            if let Some((what, _)) = without.iter().find(|(_, given)| *given) {
                let expected =
                    "--device auto or cpu beside it, since a device does not give scores back";
                return Err(Failure::usage(*what, expected, "a GPU"));
            }
            for file in &doubles {
                print::note(&format!(
                    "note: {file}: float64 rounded to float32 for the GPU"
                ));
            }
            Device::open(&args.device)?
        }
    };
    let spinner = Spinner::start("working out");
    let figures = figures(args, kind, &samples, &device).map_err(blame)?;
    drop(spinner);
    let classes = match &figures {
        Figures::Binary(..) => 2,
        Figures::Multiclass(f) => f.per_class.len(),
        Figures::Multilabel(f) => f.per_label.len(),
        Figures::Regression(_) => 0,
    };
    let named = args.class_names.len();
    if named != 0 && named != classes {
        let expected = format!("{classes} names");
        return Err(Failure::usage("--class-names", expected, named.to_string()));
    }
    let pictures = match &args.plot {
        Some(_) => super::plot::metric_files(&pictures(&figures, &args.class_names))?,
        None => Vec::new(),
    };
    // Files are written under other names first, and get theirs when nothing can fail any more, the report included.
    let folder = args.plot.as_deref().map(super::plot::Folder::make);
    let folder = folder.transpose()?;
    let mut outputs = Outputs::new();
    if let Some(folder) = &folder {
        folder.add(&pictures, &mut outputs)?;
    }
    if let (Some(path), Figures::Binary(f, _)) = (&args.curves, &figures) {
        outputs.add_npz(path, &curves(f))?;
    }
    let mut value = match &figures {
        Figures::Binary(f, _) => binary(f),
        Figures::Multiclass(f) => multiclass(f),
        Figures::Multilabel(f) => multilabel(f),
        Figures::Regression(f) => regression(f),
    };
    if let Value::Object(object) = &mut value {
        object.insert("device".into(), device.name().into());
    }
    // Behind everything that may be an error, which is one line.
    if args.device == Choice::Auto {
        print::note("device: cpu reference (--device gpu works metrics out on a GPU)");
    }
    match args.json {
        true => print::json(&value)?,
        false => print::out(&format!(
            "{}\n\n{}",
            super::loss::device_line(&device),
            text(&figures, &args.class_names)
        ))?,
    }
    match folder {
        Some(folder) => Ok(folder.commit(outputs)?),
        None => Ok(outputs.commit()?),
    }
}

fn figures(
    args: &MetricsArgs,
    input: InputKind,
    samples: &Samples<'_>,
    device: &Device,
) -> crate::Result<Figures> {
    let ignore_index = args.ignore_index;
    Ok(match args.task {
        Task::Binary => {
            let asked = Binary {
                input,
                threshold: args.threshold,
                recall: args.recall.unwrap_or(0.95),
                precision: args.precision.unwrap_or(0.95),
                ignore_index,
            };
            let figures = match device {
                Device::Gpu(gpu) => gpu.binary_figures(&asked, samples)?,
                Device::Reference => asked.figures(samples)?,
            };
            Figures::Binary(figures, asked)
        }
        Task::Multiclass => {
            let asked = Multiclass {
                input,
                classes: args.classes,
                top_k: args.top_k.clone(),
                ignore_index,
            };
            Figures::Multiclass(match device {
                Device::Gpu(gpu) => gpu.multiclass_figures(&asked, samples)?,
                Device::Reference => asked.figures(samples)?,
            })
        }
        Task::Multilabel => {
            let asked = Multilabel {
                input,
                threshold: args.threshold,
                ignore_index,
            };
            Figures::Multilabel(match device {
                Device::Gpu(gpu) => gpu.multilabel_figures(&asked, samples)?,
                Device::Reference => asked.figures(samples)?,
            })
        }
        Task::Regression => Figures::Regression(match device {
            Device::Gpu(gpu) => gpu.regression_figures(samples)?,
            Device::Reference => Regression {}.figures(samples)?,
        }),
    })
}

/// Arguments that mean nothing for the task are mistakes.
fn refuse_what_does_not_fit(args: &MetricsArgs) -> Result<(), Failure> {
    use Task::{Binary, Multiclass, Multilabel, Regression};
    let task = args.task;
    let given = [
        (
            "--threshold",
            args.threshold.is_some(),
            task == Binary || task == Multilabel,
        ),
        ("--recall", args.recall.is_some(), task == Binary),
        ("--precision", args.precision.is_some(), task == Binary),
        ("--curves", args.curves.is_some(), task == Binary),
        ("--top-k", !args.top_k.is_empty(), task == Multiclass),
        ("--classes", args.classes.is_some(), task == Multiclass),
        (
            "--ignore-index",
            args.ignore_index.is_some(),
            task != Regression,
        ),
        ("--from", args.from.is_some(), task != Regression),
        ("--plot", args.plot.is_some(), task != Regression),
        (
            "--class-names",
            !args.class_names.is_empty(),
            task != Regression,
        ),
    ];
    let labels = args.from == Some(InputKind::Labels);
    let scored = [
        ("--threshold", args.threshold.is_some()),
        ("--curves", args.curves.is_some()),
        ("--top-k", !args.top_k.is_empty()),
    ];
    if let Some((name, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
        return Err(Failure::usage(
            *name,
            format!("nothing: {} has no such option", task.name()),
            "it",
        ));
    }
    match scored.iter().find(|(_, given)| labels && *given) {
        Some((name, _)) => Err(Failure::usage(*name, "scores", "--from labels")),
        None => Ok(()),
    }
}

/// The shape of the target that goes with an input.
fn target_shape(task: Task, kind: InputKind, input: &[usize]) -> Vec<usize> {
    match task {
        Task::Multiclass if kind != InputKind::Labels => {
            input[..input.len().saturating_sub(1)].to_vec()
        }
        _ => input.to_vec(),
    }
}

fn curves(f: &BinaryFigures) -> Vec<(&'static str, Vec<f64>)> {
    let Some(ranking) = &f.ranking else {
        return Vec::new();
    };
    let (roc, pr) = (ranking.roc_curve(), ranking.precision_recall_curve());
    vec![
        ("fpr", roc.fpr),
        ("tpr", roc.tpr),
        ("roc_thresholds", roc.thresholds),
        ("precision", pr.precision),
        ("recall", pr.recall),
        ("pr_thresholds", pr.thresholds),
    ]
}
