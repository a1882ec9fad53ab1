//! How the ratio to a copy varies with size: `mse` from 2²⁰ to 2²⁷ elements, `cross_entropy` of 2²⁴ elements from 1,024 to
//! 262,144 classes, with gradients, f32. Prints the ratios and draws them into `benches/sweep.svg`.
//!
//!     cargo bench --features cli --bench sweep

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::ops::RangeInclusive;
use wgloss::bench::{Bench, Case};
use wgloss::gpu::Adapter;
use wgloss::{DType, loss, wgpu};

const ROUNDS: usize = 12;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/sweep.svg");

/// Name, axis, powers of two, and rows and columns for one of them.
type Sweep = (
    &'static str,
    &'static str,
    RangeInclusive<u32>,
    fn(u32) -> [usize; 2],
);

const SWEEPS: [Sweep; 2] = [
    ("mse", "elements, 2^n", 20..=27, |n| {
        [1 << (n - 12), 1 << 12]
    }),
    (
        "cross_entropy",
        "classes of 2^24 logits, 2^n",
        10..=18,
        |n| [1 << (24 - n), 1 << n],
    ),
];

/// Name, axis, and the ratio at each power of two.
type Line = (&'static str, &'static str, Vec<(u32, f64)>);

fn main() {
    let adapters = pollster::block_on(Adapter::all());
    let adapter = adapters.first().expect("a driver, for example lavapipe");
    let gpu =
        pollster::block_on(adapter.open_with(wgpu::Features::TIMESTAMP_QUERY)).expect("a device");
    let mut bench = Bench::new(&gpu, Some(ROUNDS)).expect("kernels that copy");
    let mut all = Vec::new();
    for (name, axis, powers, shape) in SWEEPS {
        let mut points = Vec::new();
        for n in powers {
            let [rows, cols] = shape(n);
            let case = Case {
                info: loss::by_name(name).expect("a registered loss").info(),
                rows,
                cols,
                dtype: DType::F32,
                gradient: true,
            };
            let row = bench.measure(&case).expect("a measurement");
            println!("{name} {rows}x{cols} {}: {:.2}", row.plan, row.ratio());
            points.push((n, row.ratio()));
        }
        let ratios = points.iter().map(|p| p.1);
        let least = ratios.clone().fold(f64::INFINITY, f64::min);
        println!(
            "{name}: varies by {:.2}",
            ratios.fold(0.0, f64::max) / least
        );
        all.push((name, axis, points));
    }
    draw(&adapter.info.name, &all).expect("benches/sweep.svg");
}

fn draw(device: &str, all: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let font = include_bytes!("../src/plot/OpenSans.ttf");
    register_font("sans-serif", FontStyle::Normal, font).map_err(|_| "the font")?;
    let root = SVGBackend::new(FILE, (960, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(
        &format!("time over a copy of the same bytes, with gradient, f32: {device}"),
        ("sans-serif", 18),
    )?;
    for ((name, axis, points), area) in all.iter().zip(root.split_evenly((1, all.len()))) {
        let (first, last) = (points[0].0, points[points.len() - 1].0);
        let top = points.iter().map(|p| p.1).fold(1.5, f64::max).ceil();
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .caption(*name, ("sans-serif", 16))
            .x_label_area_size(40)
            .y_label_area_size(40)
            .build_cartesian_2d(f64::from(first)..f64::from(last), 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(*axis)
            .x_labels(points.len())
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.1}"))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let line = points.iter().map(|&(n, r)| (f64::from(n), r));
        chart.draw_series(LineSeries::new(line.clone(), BLUE.stroke_width(2)))?;
        chart.draw_series(line.map(|p| Circle::new(p, 3, BLUE.filled())))?;
    }
    root.present()?;
    Ok(())
}
