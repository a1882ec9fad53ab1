//! `wgloss verify`.

use super::args::VerifyArgs;
use super::device::{Choice, describe, open_gpu};
use super::error::Failure;
use super::print::{self, number};
use super::problem::custom;
use super::progress;
use crate::loss::{Info, Loss, all};
use crate::metric::Task;
use crate::verify::{
    Extent, ROW_OUTPUTS, Row, Summary, Tally, run as verify, run_metrics, run_row_outputs,
};
use serde_json::{Value, json};
use std::time::Instant;

/// How many failures are told in full.
const TOLD: usize = 20;

/// Holds every kernel of the losses, metrics and outputs of rows asked for against the reference. Never runs on the reference itself.
pub fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let everything = args.names.is_empty() && args.wgsl.is_empty();
    let asked = |what: &str| everything || args.names.iter().any(|name| name == what);
    let is_task = |name: &str| Task::ALL.iter().any(|t| t.name() == name);
    let losses = match everything {
        true => all().to_vec(),
        false => {
            let names = args.names.iter().cloned();
            let names = names.filter(|name| !is_task(name) && name != ROW_OUTPUTS);
            select(&names.collect::<Vec<_>>(), &args.wgsl)?
        }
    };
    let tasks: Vec<_> = Task::ALL.into_iter().filter(|t| asked(t.name())).collect();
    if args.device == Choice::Cpu {
        return Err(Failure::usage(
            "--device",
            "auto, gpu or an adapter's name, since the reference is not compared with itself",
            "cpu",
        ));
    }
    let extent = match (args.small, args.quick) {
        (true, _) => Extent::Small,
        (false, true) => Extent::Quick,
        (false, false) => Extent::Full,
    };
    let gpu = open_gpu(&args.device, wgpu::Features::empty())?;
    let start = Instant::now();
    let bar = progress::bar();
    let mut tallies: Vec<Tally> = Vec::new();
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    let mut told = |row: &Row, done: usize, total: usize| {
        bar.set_message(row.name);
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        Tally::count(&mut tallies, row);
        if !row.check.pass && failures.len() < TOLD {
            failures.push(format!("FAIL {row}"));
        }
        if args.json {
            rows.push(object(row));
        }
    };
    let ran = verify(&gpu, &losses, extent, &mut told)
        .and_then(|_| run_metrics(&gpu, &tasks, extent, &mut told))
        .and_then(|_| match asked(ROW_OUTPUTS) {
            true => run_row_outputs(&gpu, extent, &mut told),
            false => Ok(Summary::default()),
        });
    bar.finish_and_clear();
    ran?;
    let cases: usize = tallies.iter().map(|t| t.cases).sum();
    let failed: usize = tallies.iter().map(|t| t.failed).sum();
    let info = gpu.adapter_info();
    if args.json {
        print::json(&json!({
            "device": info.name,
            "cases": cases,
            "failed": failed,
            "rows": rows,
        }))?;
    } else {
        let mut text = print::table(&lines(&tallies));
        for failure in &failures {
            text += &format!("\n{failure}");
        }
        text += &format!(
            "\n{cases} cases, {failed} failed, on {} in {:.1} s",
            describe(&info),
            start.elapsed().as_secs_f64()
        );
        print::out(&text)?;
    }
    match failed {
        0 => Ok(()),
        n => Err(Failure::Check(format!(
            "expected all of {cases} cases within their bounds, found {n} that are not"
        ))),
    }
}

/// The losses called `names`, each once, and those of WGSL files.
pub fn select(names: &[String], files: &[String]) -> Result<Vec<&'static Info>, Failure> {
    let mut losses: Vec<&'static Info> = Vec::new();
    for name in names {
        let info = crate::loss::by_name(name)?.info();
        if !losses.iter().any(|l| l.name == info.name) {
            losses.push(info);
        }
    }
    for file in files {
        let info = custom(file)?.info();
        // Reports tell losses by their names.
        if losses.iter().any(|l| l.name == info.name) {
            let expected = "files of different names, which no other loss asked for has";
            return Err(Failure::usage("--wgsl", expected, info.name));
        }
        losses.push(info);
    }
    Ok(losses)
}

fn lines(tallies: &[Tally]) -> Vec<Vec<String>> {
    let heading = [
        "loss or metrics",
        "dtype",
        "cases",
        "worst error/bound",
        "error",
        "gradient error",
        "bound there",
        "without bound",
        "",
    ];
    let mut lines = vec![heading.map(String::from).to_vec()];
    lines.extend(tallies.iter().map(|t| {
        vec![
            t.name.into(),
            t.dtype.name().into(),
            t.cases.to_string(),
            format!("{:.3}", t.worst),
            format!("{:.1e}", t.loss_err),
            format!("{:.1e}", t.grad_err),
            format!("{:.1e}", t.bound),
            t.unbounded.to_string(),
            match t.failed {
                0 => "pass".into(),
                n => format!("FAIL ({n})"),
            },
        ]
    }));
    lines
}

fn object(row: &Row) -> Value {
    let mut object = json!({
        "name": row.name,
        "shape": row.shape,
        "dtype": row.dtype.name(),
        "reduction": row.reduction.name(),
        "plan": row.plan,
        "loss_err": number(row.check.loss_err),
        "grad_err": number(row.check.grad_err),
        "bound": number(row.check.bound),
        "worst": number(row.check.worst),
        "unbounded": row.check.unbounded,
        "pass": row.check.pass,
    });
    if let Some(complaint) = &row.check.complaint {
        object["complaint"] = complaint.as_str().into();
    }
    object
}
