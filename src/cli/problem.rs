//! From arguments to a batch: which array fits where, and whose fault it is when one does not.

use super::args::LossArgs;
use super::arrays::Source;
use super::error::Failure;
use super::files::{FileError, Outputs, one_line};
use super::{mistakes, options};
use crate::loss::{Family, Info, Loss, TargetKind};
use crate::{
    Batch, ClassAxis, Custom, Error, Geometry, Labels, Layout, Reduction, Status, Target,
    TargetLayout, Values,
};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What `--class-weight` takes in place of a file.
const BALANCED: &str = "balanced";

/// A loss with its options, its batch, and the files they came from.
pub struct Problem {
    pub loss: Box<dyn Loss>,
    pub batch: Batch<'static>,
    pub layout: Layout,
    /// The input's shape without the axis of the classes.
    pub leading: Vec<usize>,
    /// Files of float64.
    pub doubles: Vec<String>,
    origin: Origin,
}

/// The files that arguments came from.
#[derive(Default)]
struct Origin {
    input: String,
    target: Option<String>,
    weight: Option<String>,
    class_weight: Option<String>,
    options: options::Files,
    wgsl: Option<String>,
}

impl Problem {
    /// Reads and checks everything that `args` name.
    pub fn read(args: &LossArgs) -> Result<Self, Failure> {
        let mut loss: Box<dyn Loss> = match &args.wgsl {
            Some(file) => Box::new(custom(file)?),
            None => crate::loss::by_name(args.name.as_deref().unwrap_or_default())?,
        };
        let info = loss.info();
        check_counts(args, info)?;
        check_outputs(args)?;
        let mut origin = Origin {
            options: options::set(&mut *loss, &args.set)?,
            wgsl: args.wgsl.as_deref().map(one_line),
            target: args.target.clone(),
            weight: args.weight.clone(),
            class_weight: args.class_weight.clone().filter(|f| f != BALANCED),
            ..Default::default()
        };

        let mut inputs = read_inputs(args)?.into_iter();
        let first = inputs
            .next()
            .ok_or_else(|| Failure::usage("--input", format!("{}", info.inputs.len()), "0"))?;
        origin.input = first.file.clone();
        let class_axis = match args.class_axis {
            Some(()) => ClassAxis::One,
            None => ClassAxis::Last,
        };
        let shape = first.array.shape.clone();
        let geometry = Geometry::new(&shape, class_axis).map_err(|e| origin.blame(e))?;
        let leading = leading(&shape, class_axis);

        let mut doubles = Vec::new();
        let mut note = |source: &Source| {
            if source.is_double() && !doubles.contains(&source.file) {
                doubles.push(source.file.clone());
            }
        };
        note(&first);
        let mut batch = Batch::new(shape.clone(), first.into_values())
            .class_axis(class_axis)
            .reduction(args.reduction)
            .grad_scale(args.grad_scale)
            .dtype(args.dtype)
            .gradient(!args.out_grad.is_empty() || args.check);
        for input in inputs {
            if input.array.shape != shape {
                return Err(input.refuse(format!("the shape {shape:?} of {}", origin.input)));
            }
            note(&input);
            batch = batch.input(input.into_values());
        }
        if let Some(file) = &args.target {
            let source = Source::read("target", file)?;
            note(&source);
            batch.target = Some(target(source, &*loss, &shape, &leading)?);
        }
        if let Some(file) = &args.weight {
            let source = Source::read("weight", file)?;
            let per_row = source.array.shape == leading;
            let by_element = info.family != Family::Rows;
            let per_element = by_element && source.array.shape == shape;
            if !(per_row || per_element) {
                return Err(source.refuse(match by_element && leading != shape {
                    true => format!("the shape {shape:?}, or {leading:?} for one per row"),
                    false => format!("the shape {leading:?}, one per row"),
                }));
            }
            note(&source);
            batch = batch.weight(source.into_values());
        }
        if args.class_weight.as_deref() == Some(BALANCED) {
            batch = batch.balanced();
        } else if let Some(file) = &args.class_weight {
            let source = Source::read("class_weight", file)?;
            if source.array.shape != [geometry.cols] {
                return Err(source.refuse(format!("the shape [{}], one per class", geometry.cols)));
            }
            note(&source);
            batch = batch.class_weight(source.into_values());
        }
        let layout = batch.layout(&*loss).map_err(|e| origin.blame(e))?;
        // The device would find them too, but there is no need to wait for it.
        match (&batch.target, layout.target) {
            (Some(Target::Labels(labels)), _) => check_labels(&*loss, labels, geometry.cols),
            (Some(Target::Values(values)), TargetLayout::PerRow(_)) => {
                check_numbers(&*loss, values)
            }
            _ => Ok(()),
        }
        .map_err(|e| origin.blame(e))?;
        for text in mistakes::notes(info, &batch, &geometry) {
            super::print::note(&text);
        }
        Ok(Problem {
            loss,
            batch,
            layout,
            leading,
            doubles,
            origin,
        })
    }

    /// The failure that `error` is, with the file that is to blame.
    pub fn blame(&self, error: Error) -> Failure {
        self.origin.blame(error)
    }

    /// The shape that the loss is written in.
    pub fn loss_shape(&self) -> &[usize] {
        match (self.batch.reduction, self.loss.info().family) {
            _ if self.loss.whole() => &[],
            (Reduction::None, Family::Elementwise) => &self.batch.shape,
            (Reduction::None, Family::Rows | Family::Sets) => &self.leading,
            _ => &[],
        }
    }
}

impl Origin {
    fn blame(&self, error: Error) -> Failure {
        if let (Error::Source { error, .. }, Some(file)) = (&error, &self.wgsl) {
            return Failure::Source {
                file: file.clone(),
                error: error.clone(),
            };
        }
        let file = match &error {
            Error::BadLabels { .. } | Error::BadTargets { .. } => self.target.as_ref(),
            Error::BadWeight { what: "weight", .. } => self.weight.as_ref(),
            Error::BadWeight { .. } => self.class_weight.as_ref(),
            Error::OptionValue { option, .. } => {
                let from = self.options.iter().find(|(name, _)| name == option);
                from.map(|(_, file)| file)
            }
            Error::TooLarge { .. } => Some(&self.input),
            Error::Mismatch { what, .. } if what.starts_with("shape") => Some(&self.input),
            Error::Mismatch { what, .. } if what.starts_with("class_weight") => {
                self.class_weight.as_ref().or(self.target.as_ref())
            }
            _ => None,
        };
        match file {
            Some(file) => Failure::Contents {
                file: file.clone(),
                error,
            },
            None => error.into(),
        }
    }
}

/// The most bytes of a WGSL file that are read.
const MOST_BYTES: u64 = 1 << 20;

/// The loss that a WGSL file holds, named after the file.
pub fn custom(file: &str) -> Result<Custom, Failure> {
    let path = Path::new(file);
    let shown = one_line(file);
    let unread = |reason| FileError::Io {
        file: shown.clone(),
        action: "read",
        reason,
    };
    let handle = File::open(path).map_err(unread)?;
    let mut bytes = Vec::new();
    let mut some = handle.take(MOST_BYTES + 1);
    some.read_to_end(&mut bytes).map_err(unread)?;
    let refused = |expected: &str, found: String| Failure::usage(shown.clone(), expected, found);
    // Not all of it was read, so that its length is unknown.
    if bytes.len() as u64 > MOST_BYTES {
        let found = format!("more than {MOST_BYTES}");
        return Err(refused("WGSL of at most 65536 bytes", found));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let byte = e.as_bytes().get(at).copied().unwrap_or_default();
        refused(
            "WGSL in UTF-8",
            format!("the byte {byte:#04x} at index {at}"),
        )
    })?;
    // Which some editors put in front.
    let text = text.trim_start_matches('\u{feff}');
    let stem = path.file_stem().map(|s| s.to_string_lossy());
    let name = one_line(&stem.unwrap_or_default());
    Custom::new(&name, text).map_err(|error| match error {
        // By the file's name, as compilers do it.
        Error::Source { error, .. } => Failure::Source {
            file: shown.clone(),
            error,
        },
        other => other.into(),
    })
}

/// What can be said before a file is opened.
fn check_counts(args: &LossArgs, info: &Info) -> Result<(), Failure> {
    let n = info.inputs.len();
    if args.inputs.len() != n {
        return Err(Failure::usage(
            format!("--input of {}", info.name),
            format!("{n} ({})", info.inputs.join(", ")),
            args.inputs.len().to_string(),
        ));
    }
    if !args.out_grad.is_empty() && args.out_grad.len() != n {
        return Err(Failure::usage(
            format!("--out-grad of {}", info.name),
            format!("none, or one for each of {n} inputs"),
            args.out_grad.len().to_string(),
        ));
    }
    match (info.target, &args.target) {
        (TargetKind::None, Some(file)) => Err(Failure::usage(
            format!("--target of {}", info.name),
            info.target.name(),
            file,
        )),
        (target, None) if target != TargetKind::None => Err(Failure::usage(
            format!("--target of {}", info.name),
            info.target.name(),
            "none",
        )),
        _ => match &args.class_weight {
            Some(file) if !info.class_weight => Err(Failure::usage(
                format!("--class-weight of {}", info.name),
                "none: this loss takes no class weights",
                file,
            )),
            _ => Ok(()),
        },
    }
}

/// Tries out whether the outputs can be written, so that this does not turn out after long work.
pub fn check_outputs(args: &LossArgs) -> Result<(), Failure> {
    let mut outputs = Outputs::new();
    for path in args.out_loss.iter().chain(&args.out_grad) {
        // Never committed: what was written goes away again.
        outputs.add_f32(path, &[0], &[])?;
    }
    Ok(())
}

fn check_labels(loss: &dyn Loss, labels: &Labels<'_>, classes: usize) -> Result<(), Error> {
    let ignored = loss.ignore_index();
    let outside = |label: i64| {
        Some(label) != ignored && !usize::try_from(label).is_ok_and(|class| class < classes)
    };
    let mut status = Status::default();
    for row in 0..labels.len() {
        if labels.get(row).is_some_and(outside) {
            status.bad_labels += 1;
            status.first_bad_row.get_or_insert(row as u64);
        }
    }
    status.check(loss, classes)
}

/// The same for one number per row.
fn check_numbers(loss: &dyn Loss, values: &Values<'_>) -> Result<(), Error> {
    let support = loss.info().domain.last();
    let mut status = Status::default();
    for (row, &t) in values.to_f64().iter().enumerate() {
        if t.is_finite() && support.is_some_and(|s| !s.contains(t)) {
            status.bad_labels += 1;
            status.first_bad_row.get_or_insert(row as u64);
        }
    }
    status.check(loss, 0)
}

fn read_inputs(args: &LossArgs) -> Result<Vec<Source>, Failure> {
    let read = |file: &String| {
        let source = Source::read("input", file)?;
        match source.array.data.is_float() {
            true => Ok(source),
            false => Err(source.refuse("float16, bfloat16, float32 or float64")),
        }
    };
    args.inputs.iter().map(read).collect()
}

fn leading(shape: &[usize], axis: ClassAxis) -> Vec<usize> {
    match (axis, shape) {
        (ClassAxis::Last, [lead @ .., _]) if !lead.is_empty() => lead.to_vec(),
        (ClassAxis::One, [n, _, rest @ ..]) => [&[*n], rest].concat(),
        // One axis is a column of rows.
        _ => shape.to_vec(),
    }
}

fn target(
    source: Source,
    loss: &dyn Loss,
    shape: &[usize],
    leading: &[usize],
) -> Result<Target<'static>, Failure> {
    let found = &source.array.shape;
    let whole = source.array.data.is_integer_or_bool();
    match loss.info().target {
        TargetKind::Labels | TargetKind::LabelsOrValues if whole && found == leading => {
            Ok(Target::Labels(source.into_labels(loss.ignore_index())?))
        }
        TargetKind::Labels => {
            Err(source.refuse(format!("integer class indices of shape {leading:?}")))
        }
        TargetKind::PerRow if found == leading => Ok(Target::Values(source.into_values())),
        TargetKind::PerRow => {
            Err(source.refuse(format!("one number per row, of shape {leading:?}")))
        }
        _ if found == shape => Ok(Target::Values(source.into_values())),
        TargetKind::LabelsOrValues => Err(source.refuse(format!(
            "integer class indices of shape {leading:?}, or numbers of shape {shape:?}"
        ))),
        _ => Err(source.refuse(format!("numbers of shape {shape:?}"))),
    }
}
