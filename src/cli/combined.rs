//! `wgloss loss --combined FILE.json`: a weighted sum of losses of arrays in files.

use super::args::LossArgs;
use super::device::Device;
use super::error::Failure;
use super::files::{FileError, Outputs, excerpt};
use super::loss::{check_json, check_text, complaint, device_line};
use super::print::{json, note, number, out};
use super::problem::{Problem, check_outputs};
use super::progress::Spinner;
use crate::combined::{Combined, CombinedOutcome, CombinedTerm};
use crate::tensor::Values;
use crate::verify::{self, Check};
use crate::{ClassWeight, Error, Gpu, Target, reference};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One term as the file has it: its weight, and its problem with the inputs taken out.
struct Term {
    weight: f32,
    inputs: Vec<usize>,
    problem: Problem,
}

/// The terms, and the distinct inputs in the order in which they come up.
struct Sum {
    terms: Vec<Term>,
    inputs: Vec<Input>,
}

struct Input {
    file: String,
    shape: Vec<usize>,
    values: Values<'static>,
}

/// Evaluates a sum of losses; files are written as for a single loss.
pub fn run(args: &LossArgs, file: &str) -> Result<(), Failure> {
    check_outputs(args)?;
    let sum = Sum::read(args, file)?;
    let wanted = args.out_grad.len();
    if wanted != 0 && wanted != sum.inputs.len() {
        let files: Vec<_> = sum.inputs.iter().map(|i| i.file.as_str()).collect();
        return Err(Failure::usage(
            "--out-grad with --combined",
            format!(
                "none, or one for each of {} inputs ({})",
                sum.inputs.len(),
                files.join(", ")
            ),
            wanted.to_string(),
        ));
    }
    let device = Device::open(&args.device)?;
    let combined = sum.combined(args);
    let result = match &device {
        Device::Gpu(gpu) => on_gpu(gpu, &sum, &combined, args.check)?,
        Device::Reference => {
            if args.check {
                note(
                    "note: --check: this is the reference, and there is nothing to check it against",
                );
            }
            let _spinner = Spinner::start("evaluating on the CPU");
            let start = Instant::now();
            let outcome = reference::combined(&combined).map_err(|e| sum.blame(e))?;
            Evaluation {
                numbers: Numbers::Double(outcome),
                elapsed: start.elapsed(),
                check: None,
            }
        }
    };
    let failed = result.check.as_ref().and_then(complaint);
    let mut outputs = Outputs::new();
    if failed.is_none() {
        result.write(&mut outputs, args, &sum)?;
    }
    match args.json {
        true => json(&result.json(&sum, &device))?,
        false => out(&result.text(&sum, &device))?,
    }
    match failed {
        Some(complaint) => Err(Failure::Check(complaint)),
        None => Ok(outputs.commit()?),
    }
}

fn on_gpu(
    gpu: &Gpu,
    sum: &Sum,
    combined: &Combined<'_>,
    check: bool,
) -> Result<Evaluation, Failure> {
    let mut doubles: Vec<&String> = Vec::new();
    for file in sum.terms.iter().flat_map(|t| &t.problem.doubles) {
        if !doubles.contains(&file) {
            note(&format!(
                "note: {file}: float64 rounded to float32 for the GPU"
            ));
            doubles.push(file);
        }
    }
    let spinner = Spinner::start("evaluating");
    // Once before, so that compiling the kernels does not count as time of the evaluation.
    gpu.combined(combined).map_err(|e| sum.blame(e))?;
    let start = Instant::now();
    let outcome = gpu.combined(combined).map_err(|e| sum.blame(e))?;
    let elapsed = start.elapsed();
    drop(spinner);
    let check = match check {
        true => {
            let _spinner = Spinner::start("comparing with the reference");
            Some(verify::check_combined(combined, &outcome).map_err(|e| sum.blame(e))?)
        }
        false => None,
    };
    Ok(Evaluation {
        numbers: Numbers::Single(outcome),
        elapsed,
        check,
    })
}

/// The most bytes of a file of terms: each takes some hundred of them, and many times their number of memory.
const MOST_BYTES: u64 = 1 << 20;

impl Sum {
    fn read(args: &LossArgs, file: &str) -> Result<Self, Failure> {
        let unread = |reason| FileError::Io {
            file: file.into(),
            action: "read",
            reason,
        };
        let fail = |expected: &str, found: String| Failure::usage(file, expected, found);
        let mut bytes = Vec::new();
        let mut some = File::open(file).map_err(unread)?.take(MOST_BYTES + 1);
        some.read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() as u64 > MOST_BYTES {
            let expected = format!("JSON of at most {MOST_BYTES} bytes");
            return Err(fail(&expected, "more".into()));
        }
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|e| fail("JSON with a list of `terms`", e.to_string()))?;
        let object = value
            .as_object()
            .ok_or_else(|| fail("an object with a list of `terms`", kind(&value).into()))?;
        known_keys(file, "", object, &["terms"])?;
        let terms = object.get("terms").and_then(Value::as_array);
        let terms = terms.filter(|t| !t.is_empty()).ok_or_else(|| {
            let found = object.get("terms").map_or("none", kind);
            fail("a list of `terms` with at least one", found.into())
        })?;
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let mut sum = Sum {
            terms: Vec::new(),
            inputs: Vec::new(),
        };
        for (k, term) in terms.iter().enumerate() {
            sum.add(args, &Entry::new(file, k, folder, term)?)?;
        }
        Ok(sum)
    }

    fn add(&mut self, args: &LossArgs, entry: &Entry<'_>) -> Result<(), Failure> {
        let weight = match entry.get("weight") {
            None => 1.0,
            Some(v) => v
                .as_f64()
                .map(|w| w as f32)
                .filter(|w| w.is_finite())
                .ok_or_else(|| entry.fail("weight", "a finite 32-bit number", v))?,
        };
        let mut own = args.clone();
        own.combined = None;
        own.out_loss = None;
        own.out_grad = Vec::new();
        own.name = Some(entry.need("loss")?);
        own.inputs = entry.files("input")?;
        own.target = entry.file("target")?;
        own.weight = entry.file("weights")?;
        own.class_weight = match entry.get("class_weight") {
            Some(Value::String(s)) if s == "balanced" => Some(s.clone()),
            _ => entry.file("class_weight")?,
        };
        if let Some(reduction) = entry.get("reduction") {
            let text = reduction.as_str().unwrap_or_default();
            own.reduction = text.parse().map_err(|_| {
                entry.fail(
                    "reduction",
                    "sum, mean, weighted_mean or batch_mean",
                    reduction,
                )
            })?;
        }
        if own.reduction == crate::Reduction::None {
            let found = Value::from("none");
            return Err(entry.fail(
                "reduction",
                "sum, mean, weighted_mean or batch_mean",
                &found,
            ));
        }
        own.class_axis = match entry.get("class_axis") {
            None => args.class_axis,
            Some(v) if v.as_u64() == Some(1) => Some(()),
            Some(v) => return Err(entry.fail("class_axis", "1, or nothing for the last axis", v)),
        };
        own.set = entry.settings()?;
        let mut problem = Problem::read(&own).map_err(|e| entry.place(e))?;
        problem.batch.gradient = !args.out_grad.is_empty() || args.check;
        let mut inputs = Vec::new();
        let values = std::mem::take(&mut problem.batch.inputs);
        for (file, values) in own.inputs.into_iter().zip(values) {
            let known = self.inputs.iter().position(|i| i.file == file);
            inputs.push(known.unwrap_or(self.inputs.len()));
            if known.is_none() {
                self.inputs.push(Input {
                    file,
                    shape: problem.batch.shape.clone(),
                    values,
                });
            }
        }
        self.terms.push(Term {
            weight,
            inputs,
            problem,
        });
        Ok(())
    }

    fn combined(&self, args: &LossArgs) -> Combined<'_> {
        let mut terms = Vec::new();
        for Term {
            weight,
            inputs,
            problem,
        } in &self.terms
        {
            let batch = &problem.batch;
            terms.push(CombinedTerm {
                loss: &*problem.loss,
                weight: *weight,
                inputs: inputs.clone(),
                target: batch.target.as_ref().map(Target::borrowed),
                weights: batch.weight.as_ref().map(Values::borrowed),
                class_weight: batch.class_weight.as_ref().map(ClassWeight::borrowed),
                class_axis: batch.class_axis,
                reduction: batch.reduction,
            });
        }
        let inputs = self.inputs.iter();
        Combined {
            inputs: inputs
                .map(|i| (i.shape.clone(), i.values.borrowed()))
                .collect(),
            terms,
            dtype: args.dtype,
            gradient: !args.out_grad.is_empty() || args.check,
            grad_scale: args.grad_scale,
        }
    }

    /// The failure that `error` is, with the file that is to blame, where one term alone fails like that.
    fn blame(&self, error: Error) -> Failure {
        let mut terms = self.terms.iter().map(|t| t.problem.blame(error.clone()));
        let blamed = terms.find(|f| matches!(f, Failure::Contents { .. }));
        match self.terms.len() {
            1 => blamed.unwrap_or_else(|| error.into()),
            _ => error.into(),
        }
    }
}

/// One entry of the list of terms.
struct Entry<'a> {
    file: &'a str,
    k: usize,
    folder: &'a Path,
    object: &'a Map<String, Value>,
}

const KEYS: [&str; 9] = [
    "loss",
    "weight",
    "input",
    "target",
    "weights",
    "class_weight",
    "class_axis",
    "reduction",
    "set",
];

impl<'a> Entry<'a> {
    fn new(file: &'a str, k: usize, folder: &'a Path, value: &'a Value) -> Result<Self, Failure> {
        let object = value
            .as_object()
            .ok_or_else(|| Failure::usage(format!("{file}: term {k}"), "an object", kind(value)))?;
        known_keys(file, &format!("term {k}: "), object, &KEYS)?;
        Ok(Entry {
            file,
            k,
            folder,
            object,
        })
    }

    /// What is at `key`, if anything but null.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|v| !v.is_null())
    }

    fn fail(&self, key: &str, expected: &str, found: &Value) -> Failure {
        let what = format!("{}: term {}: {key}", self.file, self.k);
        Failure::usage(what, expected, excerpt(&found.to_string()))
    }

    /// The failure of this term, where it does not name a file already.
    fn place(&self, failure: Failure) -> Failure {
        let place = format!("{}: term {}", self.file, self.k);
        match failure {
            Failure::Usage {
                what,
                expected,
                found,
            } => Failure::usage(format!("{place}: {what}"), expected, found),
            Failure::Library(error) => Failure::Contents { file: place, error },
            other => other,
        }
    }

    fn need(&self, key: &str) -> Result<String, Failure> {
        match self.get(key) {
            // Who knows no such name says it in full.
            Some(Value::String(s)) if s.len() <= 100 => Ok(s.clone()),
            Some(v) => Err(self.fail(key, "a short string", v)),
            None => Err(self.fail(key, "a short string", &Value::Null)),
        }
    }

    /// A path, which is relative to the file of the terms.
    fn path(&self, path: &str) -> String {
        // Without `.` in it, so that two ways to write one file are one input.
        let whole = self.folder.join(path);
        whole
            .components()
            .collect::<PathBuf>()
            .display()
            .to_string()
    }

    fn file(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(self.path(s))),
            Some(v) => Err(self.fail(key, "a path", v)),
        }
    }

    fn files(&self, key: &str) -> Result<Vec<String>, Failure> {
        let expected = "a path or a list of paths";
        match self.get(key) {
            Some(Value::String(s)) => Ok(vec![self.path(s)]),
            Some(v @ Value::Array(list)) => list
                .iter()
                .map(|p| p.as_str().map(|p| self.path(p)))
                .collect::<Option<_>>()
                .ok_or_else(|| self.fail(key, expected, v)),
            other => Err(self.fail(key, expected, other.unwrap_or(&Value::Null))),
        }
    }

    /// The options as `--set` takes them.
    fn settings(&self) -> Result<Vec<String>, Failure> {
        let options = match self.get("set") {
            None => return Ok(Vec::new()),
            Some(Value::Object(options)) => options,
            Some(v) => return Err(self.fail("set", "an object of options", v)),
        };
        let setting = |(name, value): (&String, &Value)| match value {
            Value::Number(n) => Ok(format!("{name}={n}")),
            Value::Bool(b) => Ok(format!("{name}={b}")),
            Value::String(s) => match s.strip_prefix('@') {
                Some(file) => Ok(format!("{name}=@{}", self.path(file))),
                None => Ok(format!("{name}={s}")),
            },
            v => Err(self.fail(
                &format!("set: {name}"),
                "a number, true, false or \"@FILE\"",
                v,
            )),
        };
        options.iter().map(setting).collect()
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(list) if list.is_empty() => "an empty list",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Refuses what would otherwise be passed over in silence.
fn known_keys(
    file: &str,
    place: &str,
    object: &Map<String, Value>,
    keys: &[&str],
) -> Result<(), Failure> {
    match object.keys().find(|k| !keys.contains(&k.as_str())) {
        None => Ok(()),
        Some(key) => Err(Failure::usage(
            format!("{file}: {place}key"),
            keys.join(", "),
            format!("`{}`", excerpt(key)),
        )),
    }
}

struct Evaluation {
    numbers: Numbers,
    elapsed: Duration,
    check: Option<Check>,
}

/// What came out: f32 from a GPU, f64 from the reference.
enum Numbers {
    Single(CombinedOutcome<f32>),
    Double(CombinedOutcome<f64>),
}

/// A loss with as many digits as it has, and as a number.
type Figure = (String, f64);

impl Numbers {
    fn total(&self) -> Figure {
        match self {
            Numbers::Single(out) => (out.loss.to_string(), f64::from(out.loss)),
            Numbers::Double(out) => (out.loss.to_string(), out.loss),
        }
    }

    /// Every loss with its status.
    fn terms(&self) -> Vec<(Figure, crate::Status)> {
        match self {
            Numbers::Single(out) => {
                let terms = out.terms.iter();
                terms
                    .map(|t| ((t.loss.to_string(), f64::from(t.loss)), t.status))
                    .collect()
            }
            Numbers::Double(out) => {
                let terms = out.terms.iter();
                terms
                    .map(|t| ((t.loss.to_string(), t.loss), t.status))
                    .collect()
            }
        }
    }
}

impl Evaluation {
    fn write(&self, outputs: &mut Outputs, args: &LossArgs, sum: &Sum) -> Result<(), Failure> {
        if let Some(path) = &args.out_loss {
            match &self.numbers {
                Numbers::Single(out) => outputs.add_f32(path, &[], &[out.loss])?,
                Numbers::Double(out) => outputs.add_f64(path, &[], &[out.loss])?,
            }
        }
        for (k, (path, input)) in args.out_grad.iter().zip(&sum.inputs).enumerate() {
            match &self.numbers {
                Numbers::Single(out) => outputs.add_f32(path, &input.shape, &out.grads[k])?,
                Numbers::Double(out) => outputs.add_f64(path, &input.shape, &out.grads[k])?,
            }
        }
        Ok(())
    }

    fn json(&self, sum: &Sum, device: &Device) -> Value {
        let terms = self.numbers.terms();
        let add = |f: fn(&crate::Status) -> u64| terms.iter().map(|(_, s)| f(s)).sum::<u64>();
        let listed = sum.terms.iter().zip(&terms);
        let listed: Vec<_> = listed
            .map(|(term, ((_, value), status))| {
                json!({
                    "loss": term.problem.loss.info().name,
                    // The shortest number that is this f32, not its f64.
                    "weight": term.weight.to_string().parse::<f64>().unwrap_or_default(),
                    "value": number(*value),
                    "reduction": term.problem.batch.reduction.name(),
                    "valid": status.valid,
                })
            })
            .collect();
        json!({
            "name": "combined",
            "loss": number(self.numbers.total().1),
            "reduction": "sum",
            "device": device.name(),
            "valid": add(|s| s.valid),
            "non_finite": add(|s| s.non_finite),
            "elapsed_ms": self.elapsed.as_secs_f64() * 1e3,
            "check": self.check.as_ref().map(check_json),
            "terms": listed,
        })
    }

    fn text(&self, sum: &Sum, device: &Device) -> String {
        let mut lines = vec![
            "name: combined".to_string(),
            format!("loss: {}", self.numbers.total().0),
        ];
        for (term, ((value, _), status)) in sum.terms.iter().zip(self.numbers.terms()) {
            lines.push(format!(
                "term: {} * {} ({}): {value}, valid {}",
                term.weight,
                term.problem.loss.info().name,
                term.problem.batch.reduction,
                status.valid
            ));
        }
        lines.push(device_line(device));
        lines.push(format!(
            "elapsed: {:.3} ms",
            self.elapsed.as_secs_f64() * 1e3
        ));
        lines.extend(self.check.as_ref().map(check_text));
        lines.join("\n")
    }
}
