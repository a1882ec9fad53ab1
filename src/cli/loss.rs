//! `wgloss loss`.

use super::args::LossArgs;
use super::device::Device;
use super::error::Failure;
use super::files::Outputs;
use super::print::{json, note, number, out};
use super::problem::Problem;
use super::progress::Spinner;
use crate::batch::{Outcome, Status};
use crate::loss::Family;
use crate::verify::{self, Check};
use crate::{Reduction, reference};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Evaluates one loss of arrays in files.
///
/// Files are written under other names first, and get theirs when nothing can fail any more, the report
/// included.
pub fn run(args: &LossArgs) -> Result<(), Failure> {
    if let Some(file) = &args.combined {
        return super::combined::run(args, file);
    }
    let problem = Problem::read(args)?;
    let device = Device::open(&args.device)?;
    let result = match &device {
        Device::Gpu(gpu) => on_gpu(gpu, &problem, args.check)?,
        Device::Reference => on_cpu(&problem, args.check)?,
    };
    let failed = result.check.as_ref().and_then(complaint);
    let mut outputs = Outputs::new();
    if failed.is_none() {
        if let Some(path) = &args.out_loss {
            result
                .numbers
                .write_loss(&mut outputs, path, problem.loss_shape())?;
        }
        for (i, path) in args.out_grad.iter().enumerate() {
            result
                .numbers
                .write_grad(&mut outputs, path, &problem.batch.shape, i)?;
        }
    }
    match args.json {
        true => json(&result.json(&problem, &device))?,
        false => out(&result.text(&problem, &device))?,
    }
    if let Some(complaint) = failed {
        return Err(Failure::Check(complaint));
    }
    Ok(outputs.commit()?)
}

struct Evaluation {
    numbers: Numbers,
    elapsed: Duration,
    check: Option<Check>,
}

/// What came out: f32 from a GPU, f64 from the reference.
enum Numbers {
    Single(Outcome<f32>),
    Double(Outcome<f64>),
}

fn on_gpu(gpu: &crate::Gpu, problem: &Problem, check: bool) -> Result<Evaluation, Failure> {
    let Problem { loss, batch, .. } = problem;
    for file in &problem.doubles {
        note(&format!(
            "note: {file}: float64 rounded to float32 for the GPU"
        ));
    }
    let spinner = Spinner::start("evaluating");
    // Compiles the kernels, so that they do not count as time of the evaluation.
    gpu.plan(&**loss, &problem.layout)
        .map_err(|e| problem.blame(e))?;
    let start = Instant::now();
    let outcome = gpu.loss(&**loss, batch).map_err(|e| problem.blame(e))?;
    let elapsed = start.elapsed();
    drop(spinner);
    let check = match check {
        true => {
            let _spinner = Spinner::start("comparing with the reference");
            Some(verify::check(&**loss, batch, &outcome).map_err(|e| problem.blame(e))?)
        }
        false => None,
    };
    Ok(Evaluation {
        numbers: Numbers::Single(outcome),
        elapsed,
        check,
    })
}

fn on_cpu(problem: &Problem, check: bool) -> Result<Evaluation, Failure> {
    if check {
        note("note: --check: this is the reference, and there is nothing to check it against");
    }
    let spinner = Spinner::start("evaluating on the CPU");
    let start = Instant::now();
    let outcome = reference::loss(&*problem.loss, &problem.batch).map_err(|e| problem.blame(e))?;
    let elapsed = start.elapsed();
    drop(spinner);
    Ok(Evaluation {
        numbers: Numbers::Double(outcome),
        elapsed,
        check: None,
    })
}

pub fn complaint(check: &Check) -> Option<String> {
    let unknown = || "out of bounds".to_string();
    (!check.pass).then(|| check.complaint.clone().unwrap_or_else(unknown))
}

impl Numbers {
    fn loss(&self) -> Option<f64> {
        match self {
            Numbers::Single(out) => out.loss.map(f64::from),
            Numbers::Double(out) => out.loss,
        }
    }

    /// The loss with as many digits as it has.
    fn loss_text(&self) -> Option<String> {
        match self {
            Numbers::Single(out) => out.loss.map(|l| l.to_string()),
            Numbers::Double(out) => out.loss.map(|l| l.to_string()),
        }
    }

    fn status(&self) -> &Status {
        match self {
            Numbers::Single(out) => &out.status,
            Numbers::Double(out) => &out.status,
        }
    }

    fn write_loss(
        &self,
        outputs: &mut Outputs,
        path: &Path,
        shape: &[usize],
    ) -> Result<(), Failure> {
        match self {
            Numbers::Single(out) => outputs.add_f32(path, shape, either(&out.loss, &out.losses)),
            Numbers::Double(out) => outputs.add_f64(path, shape, either(&out.loss, &out.losses)),
        }?;
        Ok(())
    }

    fn write_grad(
        &self,
        outputs: &mut Outputs,
        path: &Path,
        shape: &[usize],
        input: usize,
    ) -> Result<(), Failure> {
        match self {
            Numbers::Single(out) => outputs.add_f32(path, shape, nth(&out.grads, input)),
            Numbers::Double(out) => outputs.add_f64(path, shape, nth(&out.grads, input)),
        }?;
        Ok(())
    }
}

/// The one loss, or all of them.
fn either<'a, T>(one: &'a Option<T>, all: &'a [T]) -> &'a [T] {
    one.as_ref().map_or(all, std::slice::from_ref)
}

/// An input without a gradient shows itself when the shape does not fit what is written.
fn nth<T>(grads: &[Vec<T>], input: usize) -> &[T] {
    grads.get(input).map_or(&[], Vec::as_slice)
}

/// A comparison with the reference, as JSON.
pub fn check_json(check: &Check) -> Value {
    json!({
        "loss_err": number(check.loss_err),
        "grad_err": number(check.grad_err),
        "bound": number(check.bound),
        "unbounded": check.unbounded,
        "pass": check.pass,
    })
}

/// The same as a line.
pub fn check_text(check: &Check) -> String {
    let verdict = if check.pass { "pass" } else { "FAIL" };
    let unbounded = match check.unbounded {
        0 => String::new(),
        n => format!(
            "; {n} numbers have none, since f32 may overflow there or WGSL promises nothing"
        ),
    };
    format!(
        "check: {verdict}  loss error {:.1e}, gradient error {:.1e}; every number has its own bound, the worst is at \
         {:.0} % of it{unbounded}",
        check.loss_err,
        check.grad_err,
        100.0 * check.worst
    )
}

/// Where it was evaluated, as a line.
pub fn device_line(device: &Device) -> String {
    match device {
        Device::Gpu(gpu) => format!("device: {}", super::device::describe(&gpu.adapter_info())),
        Device::Reference => "device: cpu reference, in f64".into(),
    }
}

impl Evaluation {
    fn json(&self, problem: &Problem, device: &Device) -> Value {
        let status = self.numbers.status();
        json!({
            "name": problem.loss.info().name,
            "loss": self.numbers.loss().map(number),
            "reduction": problem.batch.reduction.name(),
            "device": device.name(),
            "valid": status.valid,
            "non_finite": status.non_finite,
            "elapsed_ms": self.milliseconds(),
            "check": self.check.as_ref().map(check_json),
        })
    }

    fn text(&self, problem: &Problem, device: &Device) -> String {
        let status = self.numbers.status();
        let units = match problem.loss.info().family {
            Family::Elementwise => "elements",
            Family::Sets if problem.loss.whole() => "elements",
            Family::Rows | Family::Sets => "rows",
        };
        let loss = self.numbers.loss_text();
        let mut lines = vec![
            format!("name: {}", problem.loss.info().name),
            match problem.batch.reduction {
                Reduction::None if !problem.loss.whole() => {
                    format!("loss: one for each of the {units}")
                }
                _ => format!("loss: {}", loss.unwrap_or_default()),
            },
            format!("reduction: {}", problem.batch.reduction),
            device_line(device),
            format!("valid: {} {units}", status.valid),
            format!("non-finite: {}", status.non_finite),
            format!("elapsed: {:.3} ms", self.milliseconds()),
        ];
        lines.extend(self.check.as_ref().map(check_text));
        lines.join("\n")
    }

    fn milliseconds(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e3
    }
}
