//! A line through points of which every tenth is an outlier: what mse, mae, huber and smooth_l1 make of it.
//!
//!     cargo run --release --features cli --example outliers
//!     cargo run --release --features cli --example outliers -- --seeds 20
//!
//! The truth is y = 2x + 1 with some noise; outliers are stuck at 12, as a broken sensor is. Gradient descent on w and b, all points a step.
//! The squared error follows the outliers, since its gradient grows with the distance; the gradients of the others are bounded.

mod common;

use clap::Parser;
use common::Result;
use common::gpu::{Kernels, upload, zeros};
use common::network::{Network, Optimizer};
use common::random::Random;
use common::train::{Clock, Objective, Trainer};
use std::path::PathBuf;
use wgloss::gpu::{Io, View};
use wgloss::loss::Loss;
use wgloss::plot::{Chart, Marker, Picture, Series};
use wgloss::{DType, Gpu, Huber, Layout, Mae, Mse, SmoothL1, TargetLayout};

/// The truth: slope and intercept.
const TRUTH: [f32; 2] = [2.0, 1.0];
const POINTS: usize = 200;
const STEPS: usize = 400;

#[derive(Parser)]
#[command(about = "A line through points with outliers, under four losses")]
struct Args {
    /// Of how many seeds the median error is printed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Where the pictures of the first seed go
    #[arg(long, default_value = "target/pictures")]
    out: PathBuf,
}

/// The losses, with what else they are told than their defaults.
pub fn losses() -> [(&'static str, Box<dyn Loss>); 4] {
    [
        ("mse", Box::new(Mse::default())),
        ("mae", Box::new(Mae::default())),
        ("huber", Box::new(Huber { delta: 1.0 })),
        ("smooth_l1", Box::new(SmoothL1 { beta: 0.25 })),
    ]
}

/// Points of one seed.
pub struct Points {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Points {
    /// A tenth of them outliers.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut points = Points {
            x: Vec::new(),
            y: Vec::new(),
        };
        for i in 0..POINTS {
            let x = random.between(-2.0, 2.0) as f32;
            let noise = 0.5 * random.normal() as f32;
            points.x.push(x);
            points.y.push(match i % 10 {
                0 => 12.0 + noise,
                _ => TRUTH[0] * x + TRUTH[1] + noise,
            });
        }
        points
    }
}

/// Fits w and b under `loss`.
pub fn fit(kernels: &mut Kernels, points: &Points, loss: &dyn Loss) -> Result<[f32; 2]> {
    let gpu = kernels.gpu.clone();
    let (x, y) = (upload(&gpu, &points.x), upload(&gpu, &points.y));
    // A line is a network of one layer with one input and one output.
    let line = Network::new(&gpu, &[1, 1], &mut Random::new(0));
    let clock = Clock::new(&gpu);
    let forward = line.forward(kernels, &x, POINTS);
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([POINTS, 1])
    };
    let gradient = zeros(&gpu, POINTS);
    let bound = gpu.plan(loss, &layout)?.bind(&Io {
        inputs: vec![View::whole(forward.output())],
        target: Some(View::whole(&y)),
        grads: vec![View::whole(&gradient)],
        loss: Some(clock.loss()),
        ..Default::default()
    })?;
    let descent = Optimizer::Sgd {
        rate: 0.1,
        momentum: 0.0,
    };
    let mut backward = line.backward(kernels, &forward, &gradient, None);
    backward.extend(line.update(kernels, descent, &clock, STEPS));
    let trainer = Trainer::new(
        kernels,
        forward.dispatches,
        Objective::One(bound),
        backward,
        clock,
    );
    for _ in 0..STEPS {
        trainer.step();
    }
    match line.parameters()?.as_slice() {
        [layer] => Ok([layer[0], layer[1]]),
        _ => Err("a line has one layer".into()),
    }
}

/// How far a fit is from the truth: max(|w − 2|, |b − 1|).
pub fn error([w, b]: [f32; 2]) -> f32 {
    (w - TRUTH[0]).abs().max((b - TRUTH[1]).abs())
}

/// The median error over seeds of each of the [`losses`].
pub fn medians(gpu: &Gpu, seeds: u64) -> Result<Vec<(&'static str, f32)>> {
    let mut kernels = Kernels::new(gpu);
    let mut medians = Vec::new();
    for (name, loss) in losses() {
        let mut errors = Vec::new();
        for seed in 0..seeds {
            errors.push(error(fit(&mut kernels, &Points::new(seed), loss.as_ref())?));
        }
        errors.sort_by(f32::total_cmp);
        let (low, high) = ((errors.len() - 1) / 2, errors.len() / 2);
        medians.push((name, (errors[low] + errors[high]) / 2.0));
    }
    Ok(medians)
}

/// The points with the lines through them; and how far each line is from the truth, which is too little to be seen beside outliers.
fn pictures(points: &Points, fits: &[(&'static str, [f32; 2])]) -> [Picture; 2] {
    let line = |label: String, marker, [w, b]: [f32; 2]| Series {
        label,
        marker,
        points: [-2.0, 2.0].map(|x| (x.into(), (w * x + b).into())).into(),
    };
    let pairs = points.x.iter().zip(&points.y);
    let dots = Series {
        label: "points, a tenth of them outliers".into(),
        marker: Marker::Dots,
        points: pairs.map(|(&x, &y)| (x.into(), y.into())).collect(),
    };
    let fitted = fits.iter().map(|(name, fit)| {
        let label = format!("{name}: {:.2}x + {:.2}", fit[0], fit[1]);
        line(label, Marker::Line, *fit)
    });
    let truth = |label: &str, fit| line(label.into(), Marker::Dashed, fit);
    let lines = [dots, truth("truth: 2x + 1", TRUTH)].into_iter();
    let apart = fits.iter().map(|(name, [w, b])| {
        let fit = [w - TRUTH[0], b - TRUTH[1]];
        line(name.to_string(), Marker::Line, fit)
    });
    [
        Picture::from(Chart {
            name: "outliers".into(),
            title: "A line under four losses".into(),
            across: "x".into(),
            up: "y".into(),
            series: lines.chain(fitted).collect(),
            ..Default::default()
        }),
        Picture::from(Chart {
            name: "outliers_from_truth".into(),
            title: "How far each line is from the truth".into(),
            across: "x".into(),
            up: "fitted y − true y".into(),
            series: apart.chain([truth("truth", [0.0; 2])]).collect(),
            ..Default::default()
        }),
    ]
}

fn main() -> Result<()> {
    let args = Args::parse();
    let gpu = Gpu::new()?;
    println!("device: {}", gpu.adapter_info().name);
    let mut kernels = Kernels::new(&gpu);
    let points = Points::new(0);
    println!("{:<10}  {:>7}  {:>7}  {:>7}", "seed 0", "w", "b", "error");
    println!("{:<10}  {:>7.4}  {:>7.4}", "truth", TRUTH[0], TRUTH[1]);
    let mut fits = Vec::new();
    for (name, loss) in losses() {
        let [w, b] = fit(&mut kernels, &points, loss.as_ref())?;
        println!("{name:<10}  {w:>7.4}  {b:>7.4}  {:>7.4}", error([w, b]));
        fits.push((name, [w, b]));
    }
    for picture in pictures(&points, &fits) {
        picture.save(args.out.join(picture.name()))?;
    }
    println!("pictures: {}/outliers*", args.out.display());
    if args.seeds > 1 {
        println!("median of max(|w - 2|, |b - 1|) over {} seeds", args.seeds);
        for (name, median) in medians(&gpu, args.seeds)? {
            println!("{name:<10}  {median:>7.4}");
        }
    }
    Ok(())
}
