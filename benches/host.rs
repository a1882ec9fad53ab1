//! What it costs the host to record an evaluation: 100 to a command buffer, with their share of finishing it.
//!
//!     cargo bench --features cli --bench host
//!
//! Tensors are small, since the device's time does not count; every buffer is submitted, outside the measured time, so that
//! nothing piles up.

use std::time::{Duration, Instant};
use wgloss::gpu::{Io, View};
use wgloss::{DType, Gpu, LabelType, Layout, Loss, TargetLayout, loss, wgpu};

/// Evaluations a command buffer, and command buffers, of which the first few only warm up.
const ENCODES: usize = 100;
const BUFFERS: usize = 60;
const WARM_UP: usize = 10;

/// Loss, rows, columns.
const PASSES: [(&str, usize, usize); 4] = [
    ("mse", 64, 16),
    ("bce_with_logits", 64, 16),
    ("cross_entropy", 64, 16),
    ("triplet", 64, 16),
];

fn main() {
    let gpu = Gpu::new().expect("a driver, for example lavapipe");
    println!("{}, microseconds an evaluation", gpu.adapter_info().name);
    println!("loss              dispatches  encode  finish  together: median  least");
    for (name, rows, cols) in PASSES {
        let loss = loss::by_name(name)
            .expect("a registered loss")
            .info()
            .make();
        measure(&gpu, &*loss, [rows, cols]);
    }
}

fn measure(gpu: &Gpu, loss: &dyn Loss, shape: [usize; 2]) {
    let info = loss.info();
    let buffer = || {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: (4 * shape[0] * shape[1]) as u64,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let target = match info.target {
        loss::TargetKind::None => TargetLayout::None,
        loss::TargetKind::Values => TargetLayout::Values(DType::F32),
        _ => TargetLayout::Labels(LabelType::U32),
    };
    let layout = Layout {
        target,
        ..Layout::new(shape)
    };
    let plan = gpu.plan(loss, &layout).expect("planned");
    let inputs: Vec<_> = info.inputs.iter().map(|_| buffer()).collect();
    let grads: Vec<_> = info.inputs.iter().map(|_| buffer()).collect();
    let labels = buffer();
    let bound = plan
        .bind(&Io {
            inputs: inputs.iter().map(View::whole).collect(),
            target: (target != TargetLayout::None).then(|| View::whole(&labels)),
            grads: grads.iter().map(View::whole).collect(),
            ..Default::default()
        })
        .expect("bound");
    let mut laps = Vec::new();
    for _ in 0..BUFFERS {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let start = Instant::now();
        for _ in 0..ENCODES {
            bound.encode(&mut encoder);
        }
        let encoded = start.elapsed();
        let commands = encoder.finish();
        laps.push((start.elapsed(), encoded));
        gpu.queue().submit([commands]);
        gpu.device()
            .poll(wgpu::PollType::wait_indefinitely())
            .expect("the device goes on");
    }
    let mut laps = laps.split_off(WARM_UP);
    laps.sort();
    let each = |d: Duration| d.as_secs_f64() * 1e6 / ENCODES as f64;
    let (all, encoded) = laps[laps.len() / 2];
    println!(
        "{:16}  {:10}  {:6.2}  {:6.2}  {:16.2}  {:5.2}",
        info.name,
        plan.dispatches(),
        each(encoded),
        each(all - encoded),
        each(all),
        each(laps[0].0)
    );
}
