//! The same bits in a thousand runs, on every adapter there is, while every processor is busy: every loss in every storage type, and the
//! figures of every task; and the figures that are whole numbers, or sums without rounding, from one adapter to the next. Ends with 1 where a bit differs.
//!
//!     cargo bench --features cli --bench determinism [-- RUNS]

#[path = "../tests/library/support.rs"]
#[allow(dead_code, reason = "for tests")]
mod support;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use support::{Recipe, Rng};
use wgloss::cli::metrics;
use wgloss::gpu::Adapter;
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel, Samples};
use wgloss::{DType, Family, Gpu, Reduction, Result, loss};

/// Rows of an odd length, of several workgroups.
const ROWS: usize = 67;
const COLS: usize = 513;

/// Runs `work` so many times; how many of the results were not the first one's.
fn differing<T: PartialEq>(runs: usize, mut work: impl FnMut() -> Result<T>) -> Result<usize> {
    let first = work()?;
    let mut differ = 0;
    for _ in 1..runs {
        differ += usize::from(work()? != first);
    }
    Ok(differ)
}

/// Figures of every task, as text that tells every bit; and those of them that no adapter may round otherwise than another.
fn figures(gpu: &Gpu) -> Result<(String, String)> {
    let mut rng = Rng::new("samples");
    let n = 4099;
    let scores: Vec<f32> = (0..n * 4).map(|_| rng.range(-3.0, 3.0) as f32).collect();
    let labels = |rng: &mut Rng, below: usize| -> Vec<i64> {
        (0..n * 4).map(|_| rng.below(below) as i64).collect()
    };
    let (bits, classes) = (labels(&mut rng, 2), labels(&mut rng, 4));
    let logits = InputKind::Logits;
    let binary = Binary {
        input: logits,
        ..Default::default()
    };
    let binary =
        gpu.binary_figures(&binary, &Samples::new([n], &scores[..n]).labels(&bits[..n]))?;
    let asked = Multiclass {
        input: logits,
        top_k: vec![1, 2],
        ..Default::default()
    };
    let multiclass =
        gpu.multiclass_figures(&asked, &Samples::new([n, 4], &scores).labels(&classes[..n]))?;
    let asked = Multilabel {
        input: logits,
        ..Default::default()
    };
    let multilabel =
        gpu.multilabel_figures(&asked, &Samples::new([n, 4], &scores).labels(&bits))?;
    let numbers = Samples::new([n], &scores[..n]).target(&scores[n..2 * n]);
    let regression = gpu.regression_figures(&numbers)?;
    let mut all = [
        metrics::binary(&binary),
        metrics::multiclass(&multiclass),
        metrics::multilabel(&multilabel),
        metrics::regression(&regression),
    ];
    let whole = format!("{all:?}");
    // Sums of terms that a device rounds.
    const ROUNDED: [&str; 5] = ["log_loss", "brier", "ece", "average_precision", "mape"];
    fn strip(value: &mut serde_json::Value) {
        if let serde_json::Value::Object(members) = value {
            members.retain(|name, _| !ROUNDED.contains(&name.as_str()));
            members.values_mut().for_each(strip);
        } else if let serde_json::Value::Array(items) = value {
            items.iter_mut().for_each(strip);
        }
    }
    all.iter_mut().for_each(strip);
    Ok((whole, format!("{all:?}")))
}

fn run(runs: usize) -> Result<bool> {
    let mut good = true;
    let mut exact: Vec<(String, String)> = Vec::new();
    for adapter in pollster::block_on(Adapter::all()) {
        let gpu = pollster::block_on(adapter.open())?;
        let name = adapter.info.name.clone();
        let (mut evaluations, mut off) = (0, 0);
        for &info in loss::all() {
            for (turn, dtype) in DType::ALL.into_iter().enumerate() {
                let shape = match info.family {
                    Family::Elementwise => [ROWS, COLS + turn],
                    _ => [ROWS - turn, COLS + turn],
                };
                let recipe = Recipe {
                    labels: *support::targets(info).last().unwrap_or(&None),
                    reduction: Reduction::ALL[(turn + info.name.len()) % 5],
                    dtype,
                    ..Recipe::new(shape)
                };
                let loss = info.make();
                let batch = support::batch(&*loss, &recipe, &mut Rng::new(info.name));
                let differ = differing(runs, || Ok(support::bits(&gpu.loss(&*loss, &batch)?)))?;
                if differ > 0 {
                    println!(
                        "{name}: {} of {dtype}: {differ} of {runs} runs differ",
                        info.name
                    );
                }
                evaluations += runs;
                off += differ;
            }
        }
        let of_figures = differing(runs, || figures(&gpu))?;
        println!(
            "{name}: {} losses, {evaluations} evaluations, {off} differ; figures of four tasks, {runs} times, {of_figures} differ",
            loss::all().len()
        );
        good &= off + of_figures == 0;
        exact.push((name, figures(&gpu)?.1));
    }
    for pair in exact.windows(2) {
        let same = pair[0].1 == pair[1].1;
        let word = if same { "the same" } else { "NOT the same" };
        println!(
            "{} and {}: whole numbers and exact sums are {word}",
            pair[0].0, pair[1].0
        );
        good &= same;
    }
    Ok(good && !exact.is_empty())
}

fn main() -> Result<ExitCode> {
    let asked = std::env::args().find_map(|a| a.parse().ok());
    let runs: usize = asked.unwrap_or(1000);
    let stop = AtomicBool::new(false);
    let good = std::thread::scope(|scope| {
        // Something on every processor, that comes between the threads of a software adapter.
        let processors = std::thread::available_parallelism().map_or(2, |n| n.get());
        for _ in 0..processors {
            scope.spawn(|| {
                let mut v = 1u64;
                while !stop.load(Ordering::Relaxed) {
                    v = std::hint::black_box(
                        v.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1),
                    );
                }
            });
        }
        let good = run(runs);
        stop.store(true, Ordering::Relaxed);
        good
    });
    Ok(if good? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
