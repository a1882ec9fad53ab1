//! How long it takes to count a confusion matrix of 10⁷ labels on the device, milliseconds from submitting to the end of
//! waiting, least of 7: the fewer classes, the fewer words everybody adds to.
//!
//!     cargo bench --bench confusion

use std::time::Instant;
use wgloss::gpu::{Gpu, Predictions, View};
use wgloss::wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgloss::{LabelType, Result, wgpu};

const N: usize = 10_000_000;

/// Knuth's linear congruential generator.
fn labels(classes: u32, mut state: u64) -> Vec<u32> {
    let one = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % classes
    };
    (0..N).map(one).collect()
}

fn main() -> Result<()> {
    let gpu = Gpu::new()?;
    println!(
        "{}\nclasses  spread ms  one class ms",
        gpu.adapter_info().name
    );
    let upload = |labels: &[u32]| {
        gpu.device().create_buffer_init(&BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(labels),
            usage: wgpu::BufferUsages::STORAGE,
        })
    };
    for classes in [2, 10, 1000] {
        let measure = |truth: &[u32], predicted: &[u32]| -> Result<f64> {
            let of = Predictions::Labels(LabelType::U32);
            let state = gpu.confusion(of, LabelType::U32, classes as usize)?;
            let (t, p) = (upload(truth), upload(predicted));
            let batch = state.bind(&View::whole(&p), &View::whole(&t), N, None)?;
            let mut least = f64::INFINITY;
            for _ in 0..7 {
                let mut encoder = gpu.device().create_command_encoder(&Default::default());
                state.reset(&mut encoder);
                state.update(&mut encoder, &batch)?;
                let start = Instant::now();
                gpu.queue().submit([encoder.finish()]);
                let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
                least = least.min(start.elapsed().as_secs_f64() * 1e3);
            }
            let counted = state.compute()?.matrix;
            assert_eq!(counted.total(), N as f64);
            let hits = truth.iter().zip(predicted).filter(|(a, b)| a == b).count();
            assert_eq!(counted.hits(), hits as f64);
            Ok(least)
        };
        let spread = measure(&labels(classes, 1), &labels(classes, 2))?;
        let same = vec![0; N];
        println!(
            "{classes:>7}  {spread:>9.1}  {:>12.1}",
            measure(&same, &same)?
        );
    }
    Ok(())
}
