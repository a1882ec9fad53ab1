//! The arguments.

use super::device::Choice;
use crate::layout::Reduction;
use crate::metric::{InputKind, Task};
use crate::tensor::DType;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Losses and their gradients on the GPU, checked against an f64 reference.
#[derive(Debug, Parser)]
// Without a subcommand there is to be an error, not help and a bare exit code.
#[command(name = "wgloss", version, arg_required_else_help = false)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every loss: inputs, options with defaults, formula
    List(Plain),
    /// The devices found, and what each supports
    Adapters(Plain),
    /// One loss of arrays in files, with its gradients
    Loss(Box<LossArgs>),
    /// Evaluation metrics of predictions in files, as scikit-learn defines them
    Metrics(MetricsArgs),
    /// Every kernel against the CPU reference, on this device
    Verify(VerifyArgs),
    /// How long losses take, over a copy of the least bytes that have to move
    Bench(BenchArgs),
    /// Losses and their gradients as pictures
    Plot(PlotArgs),
}

#[derive(Debug, Args)]
pub struct Plain {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "wgloss loss [OPTIONS] <NAME> --input <FILE> [--input <FILE>]...\n       \
                      wgloss loss [OPTIONS] --wgsl <FILE> --input <FILE> [--input <FILE>]...\n       \
                      wgloss loss [OPTIONS] --combined <FILE>",
    after_help = "FILE is a .npy, .npz:key or .safetensors:key; outputs are .npy.\n\
                  `wgloss list` has the losses with their inputs, targets and options."
)]
pub struct LossArgs {
    /// The loss, by its name in `wgloss list`
    #[arg(required_unless_present_any = ["wgsl", "combined"])]
    pub name: Option<String>,

    /// An input: floats; once for each input of the loss, in its order
    #[arg(long = "input", value_name = "FILE", required_unless_present_any = ["wgsl", "combined"])]
    pub inputs: Vec<String>,

    /// The target: numbers in the input's shape, or class indices
    #[arg(long, value_name = "FILE")]
    pub target: Option<String>,

    /// Weights: one per element or one per row
    #[arg(long, value_name = "FILE")]
    pub weight: Option<String>,

    /// One weight per class, or what balances the classes of the labels
    #[arg(long, value_name = "FILE|balanced")]
    pub class_weight: Option<String>,

    /// Read the classes at axis 1 of [N, C, d1, …], not at the last
    #[arg(long, value_name = "1", value_parser = class_axis)]
    pub class_axis: Option<()>,

    /// Set an option of the loss, from a file where it takes one number per column
    #[arg(long, value_name = "OPTION=VALUE|OPTION=@FILE")]
    pub set: Vec<String>,

    /// How the losses become one number
    #[arg(long, value_name = "REDUCTION", default_value = Reduction::Mean.name(),
          value_parser = PossibleValuesParser::new(Reduction::ALL.map(Reduction::name))
              .try_map(|s| s.parse::<Reduction>()))]
    pub reduction: Reduction,

    /// The upstream gradient, which multiplies the gradients
    #[arg(long, value_name = "X", default_value = "1", value_parser = finite,
          allow_hyphen_values = true)]
    pub grad_scale: f32,

    /// How numbers are stored on the GPU
    #[arg(long, default_value = DType::F32.name(), value_parser = dtype())]
    pub dtype: DType,

    /// auto, gpu, cpu (the f64 reference) or a part of an adapter's name
    #[arg(long, default_value = "auto", value_parser = NonEmptyStringValueParser::new().map(Choice::from))]
    pub device: Choice,

    /// Where to write the loss, as .npy
    #[arg(long, value_name = "FILE")]
    pub out_loss: Option<PathBuf>,

    /// Where to write a gradient, as .npy; once for each input, in the same order
    #[arg(long, value_name = "FILE")]
    pub out_grad: Vec<PathBuf>,

    /// Compare with the f64 reference
    #[arg(long)]
    pub check: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// A weighted sum of losses: {"terms": [{"loss", "weight", "input", "target", "weights", "class_weight",
    /// "reduction", "set"}]}, paths relative to the file; --out-grad once per distinct input
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["name", "inputs", "target", "weight", "class_weight", "set", "reduction", "wgsl"])]
    pub combined: Option<String>,

    /// A loss of one's own, by name of a file with `fn loss(x: f32, t: f32) -> f32` in WGSL; the gradient follows from it
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub wgsl: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "FILE is a .npy, .npz:key or .safetensors:key.\n\
                  binary       input and target [N]; labels are 0 and 1\n\
                  multiclass   input [N, C], or [N] with --from labels; target [N]\n\
                  multilabel   input and target [N, L]; the target is 0 or 1\n\
                  regression   input and target of the same shape\n\
                  `wgloss list` has the figures.")]
pub struct MetricsArgs {
    /// What is predicted
    #[arg(value_name = "TASK", value_parser = PossibleValuesParser::new(Task::ALL.map(Task::name)).map(task))]
    pub task: Task,

    /// What was predicted: scores, or labels
    #[arg(long, value_name = "FILE")]
    pub input: String,

    /// What is true
    #[arg(long, value_name = "FILE")]
    pub target: String,

    /// One weight per sample
    #[arg(long, value_name = "FILE")]
    pub weight: Option<String>,

    /// What the input is: scores have an order and nothing else [default: scores]
    #[arg(long, value_name = "KIND",
          value_parser = PossibleValuesParser::new(InputKind::ALL.map(InputKind::name)).map(input_kind))]
    pub from: Option<InputKind>,

    /// From where on a score is taken for positive [default: 0.5, of logits 0]
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = number)]
    pub threshold: Option<f64>,

    /// The recall that an operating point is asked for [default: 0.95]
    #[arg(long, value_name = "R", value_parser = share)]
    pub recall: Option<f64>,

    /// The precision that an operating point is asked for [default: 0.95]
    #[arg(long, value_name = "P", value_parser = share)]
    pub precision: Option<f64>,

    /// For which k the share of samples is wanted whose class is among the k highest; several with commas between
    #[arg(long, value_name = "K", value_delimiter = ',', value_parser = count)]
    pub top_k: Vec<usize>,

    /// The number of classes, where labels do not say it
    #[arg(long, value_name = "C", value_parser = count)]
    pub classes: Option<usize>,

    /// The label of samples to pass over
    #[arg(long, value_name = "I", allow_hyphen_values = true)]
    pub ignore_index: Option<i64>,

    /// auto, gpu, cpu (the f64 reference) or a part of an adapter's name
    #[arg(long, default_value = "auto", value_parser = NonEmptyStringValueParser::new().map(Choice::from))]
    pub device: Choice,

    /// Where to write the ROC and precision-recall curves, as .npz
    #[arg(long, value_name = "FILE")]
    pub curves: Option<PathBuf>,

    /// The folder for pictures, as SVG and as PNG: confusion matrix, ROC, precision and recall, reliability
    #[arg(long, value_name = "DIR")]
    pub plot: Option<PathBuf>,

    /// Names of the classes, or labels, in the report and the pictures, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub class_names: Vec<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Losses by name; binary, multiclass, multilabel or regression for metrics; row_outputs for log-sum-exp, log-probability, entropy and
    /// argmax of rows; all of them where none is given
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// auto, gpu or a part of an adapter's name
    #[arg(long, default_value = "auto", value_parser = NonEmptyStringValueParser::new().map(Choice::from))]
    pub device: Choice,

    /// A loss of one's own, in WGSL; several times for several
    #[arg(long, value_name = "FILE")]
    pub wgsl: Vec<String>,

    /// Fewer and smaller cases
    #[arg(long)]
    pub quick: bool,

    /// A few of the quick cases of everything
    #[arg(long, conflicts_with = "quick")]
    pub small: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Every loss is measured with default options, mean, without weights, forward and forward+backward; class \
                  indices are i32.\n\
                  Without --rows and --cols: 4096x4096, for losses of rows also 512x32768, 32x131072 and 65536x10 (on a \
                  software adapter\nonly 65536x10), for losses of vectors 131072x128 instead.\n\n\
                  bytes     each input and target read once, each gradient written once; a set ratio reads its inputs twice \
                  for a gradient\n\
                  copy      reads half of those bytes and writes half, by the fastest of four kernels that move 16 bytes at \
                  a time; loss and\n          copy take turns\n\
                  ms        of one evaluation: by timestamps on a GPU that has them, else from submitting to the end of \
                  waiting; what is\n          small is recorded often enough that a submission takes 10 ms\n\
                  cpu ms    of this process, all threads together\n\
                  ratio     minimum of the loss over minimum of the copy: of ms on a GPU, of cpu ms on a software adapter"
)]
pub struct BenchArgs {
    /// Losses by name; all of them where none is given
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// A loss of one's own, in WGSL; several times for several
    #[arg(long, value_name = "FILE")]
    pub wgsl: Vec<String>,

    /// Rows of each input
    #[arg(long, value_name = "R", requires = "cols", value_parser = count)]
    pub rows: Option<usize>,

    /// Columns of each input
    #[arg(long, value_name = "C", requires = "rows", value_parser = count)]
    pub cols: Option<usize>,

    /// How numbers are stored; several with commas between
    #[arg(long, default_value = DType::F32.name(), value_delimiter = ',', value_parser = dtype())]
    pub dtype: Vec<DType>,

    /// auto, gpu or a part of an adapter's name
    #[arg(long, default_value = "auto", value_parser = NonEmptyStringValueParser::new().map(Choice::from))]
    pub device: Choice,

    /// How often each is measured; else at least 7 times, and as often as fits into a second
    #[arg(long, value_name = "N", value_parser = count)]
    pub rounds: Option<usize>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PlotArgs {
    /// `losses`: every loss with its derivative, and the losses of a family beside each other
    #[arg(value_name = "WHAT", value_parser = PossibleValuesParser::new(["losses"]), required_unless_present = "wgsl")]
    pub what: Option<String>,

    /// A loss of one's own, in WGSL, with its derivative; several times for several
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    pub wgsl: Vec<String>,

    /// The folder for the pictures, as SVG and as PNG; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

fn dtype() -> impl TypedValueParser<Value = DType> {
    PossibleValuesParser::new(DType::ALL.map(DType::name)).map(|s| {
        DType::ALL
            .into_iter()
            .find(|d| d.name() == s)
            .unwrap_or_default()
    })
}

fn count(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number of at least 1"),
    }
}

fn task(name: String) -> Task {
    let named = Task::ALL.into_iter().find(|t| t.name() == name);
    named.unwrap_or(Task::Binary)
}

fn input_kind(name: String) -> InputKind {
    let named = InputKind::ALL.into_iter().find(|k| k.name() == name);
    named.unwrap_or_default()
}

fn number(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(v) if !v.is_nan() => Ok(v),
        _ => Err("expected a number"),
    }
}

fn share(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err("expected a number in [0, 1]"),
    }
}

fn class_axis(text: &str) -> Result<(), &'static str> {
    match text {
        "1" => Ok(()),
        _ => Err("expected 1; the last axis is taken without it"),
    }
}

fn finite(text: &str) -> Result<f32, &'static str> {
    match text.parse::<f64>() {
        Ok(v) if (v as f32).is_finite() => Ok(v as f32),
        _ => Err("expected a finite 32-bit number"),
    }
}
