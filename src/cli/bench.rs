//! `wgloss bench`.

use super::args::BenchArgs;
use super::device::{Choice, describe, open_gpu};
use super::error::Failure;
use super::print::{self, number};
use super::progress;
use super::verify::select;
use crate::bench::{Bench, Case, Row, sizes};
use crate::loss::all;
use serde_json::{Value, json};
use std::time::Instant;

/// Measures the losses asked for. Never the reference.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let losses = match args.names.is_empty() && args.wgsl.is_empty() {
        true => all().to_vec(),
        false => select(&args.names, &args.wgsl)?,
    };
    if args.device == Choice::Cpu {
        return Err(Failure::usage(
            "--device",
            "auto, gpu or an adapter's name, since the reference is not measured",
            "cpu",
        ));
    }
    let gpu = open_gpu(&args.device, wgpu::Features::TIMESTAMP_QUERY)?;
    let info = gpu.adapter_info();
    let software = info.device_type == wgpu::DeviceType::Cpu;
    let mut cases = Vec::new();
    for loss in losses {
        let asked = args.rows.zip(args.cols).map(|(rows, cols)| [[rows, cols]]);
        let sizes = match &asked {
            Some(size) => size.as_slice(),
            None => sizes(loss, software),
        };
        for &[rows, cols] in sizes {
            for &dtype in &args.dtype {
                cases.extend([false, true].map(|gradient| Case {
                    info: loss,
                    rows,
                    cols,
                    dtype,
                    gradient,
                }));
            }
        }
    }
    let start = Instant::now();
    let bar = progress::bar();
    bar.set_length(cases.len() as u64);
    let measure = || {
        let mut bench = Bench::new(&gpu, args.rounds)?;
        let rows = cases.iter().map(|case| {
            bar.set_message(case.info.name);
            let row = bench.measure(case)?;
            bar.inc(1);
            Ok(row)
        });
        rows.collect::<crate::Result<Vec<_>>>()
    };
    let rows = measure();
    bar.finish_and_clear();
    let rows = rows?;
    if args.json {
        let rows: Vec<_> = rows.iter().map(object).collect();
        return print::json(&json!({ "device": info.name, "rows": rows }));
    }
    print::out(&format!(
        "{}\n{} measurements on {} in {:.1} s",
        table(&rows),
        rows.len(),
        describe(&info),
        start.elapsed().as_secs_f64()
    ))
}

/// Measurements for people: minima, and bytes a second at the minimum.
pub fn table(rows: &[Row]) -> String {
    let heading = [
        "loss",
        "rows",
        "cols",
        "dtype",
        "direction",
        "plan",
        "ms",
        "copy ms",
        "cpu ms",
        "copy cpu ms",
        "GB/s",
        "copy GB/s",
        "ratio",
    ];
    let mut lines = vec![heading.map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let case = &row.case;
        let ms = |v: f64| format!("{v:.3}");
        let speed = |ms: f64| format!("{:.1}", row.bytes as f64 / ms / 1e6);
        vec![
            case.info.name.into(),
            case.rows.to_string(),
            case.cols.to_string(),
            case.dtype.name().into(),
            case.direction().into(),
            row.plan.into(),
            ms(row.loss.ms_min),
            ms(row.copy.ms_min),
            ms(row.loss.cpu_ms_min),
            ms(row.copy.cpu_ms_min),
            speed(row.loss.ms_min),
            speed(row.copy.ms_min),
            format!("{:.2}", row.ratio()),
        ]
    }));
    print::table(&lines)
}

fn object(row: &Row) -> Value {
    let case = &row.case;
    json!({
        "name": case.info.name,
        "rows": case.rows,
        "cols": case.cols,
        "dtype": case.dtype.name(),
        "direction": case.direction(),
        "plan": row.plan,
        "dispatches": row.dispatches,
        "rounds": row.rounds,
        "timer": row.clock.name(),
        "ms_median": number(row.loss.ms_median),
        "ms_min": number(row.loss.ms_min),
        "cpu_ms_min": number(row.loss.cpu_ms_min),
        "bytes": row.bytes,
        "copy": row.copy_kernel,
        "copy_ms_median": number(row.copy.ms_median),
        "copy_ms_min": number(row.copy.ms_min),
        "copy_cpu_ms_min": number(row.copy.cpu_ms_min),
        "ratio": number(row.ratio()),
        "ratio_of": if row.software { "cpu_ms" } else { "ms" },
    })
}
