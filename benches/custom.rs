//! Losses that a user could have written against the same ones of the library: loss and derived gradient of mse, huber and
//! binary_focal_with_logits, element by element. Bytes that move, process CPU milliseconds (minimum of all rounds), and the median of
//! the ratio in each round.
//!
//!     cargo bench --features cli --bench custom [-- ELEMENTS]

use cpu_time::ProcessTime;
use wgloss::gpu::{Bound, Gpu, Io, View};
use wgloss::{Custom, DType, Layout, Loss, Result, TargetLayout, loss, wgpu};

const ROUNDS: usize = 41;

const CASES: [(&str, &str); 3] = [
    ("mse", include_str!("../tests/data/custom/mse.wgsl")),
    ("huber", include_str!("../tests/data/custom/huber.wgsl")),
    (
        "binary_focal_with_logits",
        include_str!("../tests/data/custom/binary_focal_with_logits.wgsl"),
    ),
];

fn buffer(gpu: &Gpu, bytes: &[u8]) -> wgpu::Buffer {
    let made = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&made, 0, bytes);
    made
}

/// CPU milliseconds of one evaluation.
fn lap(gpu: &Gpu, bound: &Bound) -> f64 {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    bound.encode(&mut encoder);
    let start = ProcessTime::now();
    gpu.queue().submit([encoder.finish()]);
    let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
    start.elapsed().as_secs_f64() * 1e3
}

fn main() -> Result<()> {
    let asked = std::env::args().find_map(|a| a.parse().ok());
    let n: usize = asked.unwrap_or(1 << 23);
    let gpu = Gpu::new()?;
    println!("{}", gpu.adapter_info().name);
    println!(
        "{:<26} {:>7} {:>12} {:>12} {:>10} {:>10} {:>7}",
        "loss", "dtype", "bytes", "of custom", "CPU ms", "of custom", "ratio"
    );
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 4_194_304.0 - 2.0
    };
    let x: Vec<f32> = (0..n).map(|_| next()).collect();
    let t: Vec<f32> = (0..n).map(|_| f32::from(u8::from(next() > 0.0))).collect();
    for (name, wgsl) in CASES {
        for dtype in [DType::F32, DType::Bf16] {
            let bytes = |v: &[f32]| -> Vec<u8> {
                match dtype {
                    DType::F32 => bytemuck::cast_slice(v).to_vec(),
                    _ => v
                        .iter()
                        .flat_map(|v| ((v.to_bits() >> 16) as u16).to_le_bytes())
                        .collect(),
                }
            };
            let [input, target, grad] = [&x, &t, &x].map(|v| buffer(&gpu, &bytes(v)));
            let io = Io {
                inputs: vec![View::whole(&input)],
                target: Some(View::whole(&target)),
                grads: vec![View::whole(&grad)],
                ..Default::default()
            };
            let layout = Layout {
                dtype,
                target: TargetLayout::Values(dtype),
                ..Layout::new([n])
            };
            let custom: Box<dyn Loss> = Box::new(Custom::new(name, wgsl)?);
            let plans = [loss::by_name(name)?, custom].map(|loss| gpu.plan(&*loss, &layout));
            let [own, other] = plans;
            let (own, other) = (own?, other?);
            let moved = [own.data_bytes(), other.data_bytes()];
            let (own, other) = (own.bind(&io)?, other.bind(&io)?);
            let mut laps = Vec::new();
            for round in 0..ROUNDS {
                // Each begins as often as the other.
                let (a, b) = match round % 2 {
                    0 => {
                        let a = lap(&gpu, &own);
                        (a, lap(&gpu, &other))
                    }
                    _ => {
                        let b = lap(&gpu, &other);
                        (lap(&gpu, &own), b)
                    }
                };
                laps.push((a, b));
            }
            let least =
                |of: fn(&(f64, f64)) -> f64| laps.iter().map(of).fold(f64::INFINITY, f64::min);
            let mut ratios: Vec<f64> = laps.iter().map(|(a, b)| b / a).collect();
            ratios.sort_by(f64::total_cmp);
            println!(
                "{name:<26} {:>7} {:>12} {:>12} {:>10.2} {:>10.2} {:>7.3}",
                dtype.name(),
                moved[0],
                moved[1],
                least(|l| l.0),
                least(|l| l.1),
                ratios[ROUNDS / 2]
            );
        }
    }
    Ok(())
}
