//! How long it takes to count a confusion matrix of 10⁷ labels on the device: process CPU milliseconds and wall milliseconds from submitting
//! to the end of waiting, least of 24, all sizes in turns; and how much CPU the sizes take against 10 classes, each round by itself, the
//! median of all: a machine's clock may change from round to round. The fewer classes, the fewer words everybody adds to.
//!
//!     cargo bench --features cli --bench confusion

use cpu_time::ProcessTime;
use std::time::Instant;
use wgloss::gpu::{Gpu, Predictions, View};
use wgloss::wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgloss::{LabelType, Result, wgpu};

const N: usize = 10_000_000;
const ROUNDS: usize = 24;

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
    println!("{}", gpu.adapter_info().name);
    let upload = |labels: &[u32]| {
        gpu.device().create_buffer_init(&BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(labels),
            usage: wgpu::BufferUsages::STORAGE,
        })
    };
    let mut cases = Vec::new();
    for classes in [2, 10, 1000] {
        let spread = [labels(classes, 1), labels(classes, 2)];
        let same = [vec![0; N], vec![0; N]];
        for (how, [truth, predicted]) in [("spread", spread), ("one class", same)] {
            let of = Predictions::Labels(LabelType::U32);
            let state = gpu.confusion(of, LabelType::U32, classes as usize)?;
            let (t, p) = (upload(&truth), upload(&predicted));
            let batch = state.bind(&View::whole(&p), &View::whole(&t), N, None)?;
            let hits = truth.iter().zip(&predicted).filter(|(a, b)| a == b).count();
            let laps: Vec<[f64; 2]> = Vec::new();
            cases.push((format!("{classes:>7}  {how}"), state, batch, hits, laps));
        }
    }
    for _ in 0..ROUNDS {
        for (_, state, batch, _, laps) in &mut cases {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            state.reset(&mut encoder);
            state.update(&mut encoder, batch)?;
            let (cpu, wall) = (ProcessTime::now(), Instant::now());
            gpu.queue().submit([encoder.finish()]);
            let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
            laps.push([cpu.elapsed(), wall.elapsed()].map(|t| t.as_secs_f64() * 1e3));
        }
    }
    println!("classes  labels       CPU ms  wall ms  against 10");
    let all: Vec<_> = cases.iter().map(|case| case.4.clone()).collect();
    for (k, (what, state, _, hits, laps)) in cases.into_iter().enumerate() {
        let least = |which: usize| laps.iter().map(|l| l[which]).fold(f64::INFINITY, f64::min);
        let (cpu, wall) = (least(0), least(1));
        // The same labels among 10 classes, the second of the three sizes.
        let beside = laps.iter().zip(&all[2 + k % 2]);
        let mut ratios: Vec<f64> = beside.map(|(own, ten)| own[0] / ten[0]).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios[ratios.len() / 2];
        println!("{what:<20}  {cpu:>6.1}  {wall:>7.1}  {ratio:>10.3}");
        let counted = state.compute()?.matrix;
        assert_eq!(counted.total(), N as f64);
        assert_eq!(counted.hits(), hits as f64);
    }
    Ok(())
}
