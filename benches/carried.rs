//! What accuracy, top-k for every k and the confusion matrix cost on the way of `cross_entropy`, loss and gradient, what log loss and
//! calibration besides, and what another look at the logits costs for both: process CPU milliseconds and wall milliseconds of each, minimum of 12, interleaved.
//!
//!     cargo bench --features cli --bench carried

use cpu_time::ProcessTime;
use std::time::Instant;
use wgloss::gpu::{Bound, Gpu, Io, MetricBatch, Predictions, SampleBatch, View};
use wgloss::metric::{InputKind, Multiclass};
use wgloss::{CrossEntropy, DType, LabelType, Layout, Result, TargetLayout, wgpu};

const ROUNDS: usize = 12;

/// Knuth's linear congruential generator.
fn words(n: usize, mut state: u64) -> impl Iterator<Item = u32> {
    (0..n).map(move |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    })
}

fn main() -> Result<()> {
    let gpu = Gpu::new()?;
    println!("{}", gpu.adapter_info().name);
    println!(
        " rows   cols  loss alone        with metrics      and calibration   metrics apart     and calibration   \
         with/alone, CPU"
    );
    for (rows, cols) in [(4096, 4096), (65_536, 100), (65_536, 10)] {
        let buffer = |bytes: &[u8]| {
            let made = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes.len() as u64,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            gpu.queue().write_buffer(&made, 0, bytes);
            made
        };
        let logits: Vec<f32> = words(rows * cols, 1)
            .map(|w| (w >> 8) as f32 / 2_097_152.0 - 2.0)
            .collect();
        let labels: Vec<u32> = words(rows, 2).map(|w| w % cols as u32).collect();
        let input = buffer(bytemuck::cast_slice(&logits));
        let target = buffer(bytemuck::cast_slice(&labels));
        let grad = buffer(bytemuck::cast_slice(&logits));
        let layout = Layout {
            target: TargetLayout::Labels(LabelType::U32),
            ..Layout::new([rows, cols])
        };
        let io = Io {
            inputs: vec![View::whole(&input)],
            target: Some(View::whole(&target)),
            grads: vec![View::whole(&grad)],
            ..Default::default()
        };
        let loss = CrossEntropy::default();
        let alone = gpu.plan(&loss, &layout)?.bind(&io)?;
        let ranked = gpu.plan_ranked(&loss, &layout)?.bind(&io)?;
        let of = Predictions::Scores(DType::F32);
        let state = gpu.confusion(of, LabelType::U32, cols)?;
        let view = View::whole(&target);
        let carried = state.bind_ranked(&ranked, &view, None)?;
        let apart = state.bind(&View::whole(&input), &view, rows, None)?;
        let asked = Multiclass {
            input: InputKind::Logits,
            ..Default::default()
        };
        let mut all = gpu.multiclass(&asked, of, LabelType::U32, None, cols, 0)?;
        let all_carried = all.bind_ranked(&ranked, &view)?;
        let all_apart = all.bind(&View::whole(&input), &view, rows)?;
        type Way<'a> = (
            Option<&'a Bound>,
            Option<&'a SampleBatch>,
            Option<&'a MetricBatch>,
        );
        let ways: [Way<'_>; 5] = [
            (Some(&alone), None, None),
            (Some(&ranked), Some(&carried), None),
            (Some(&ranked), None, Some(&all_carried)),
            (None, Some(&apart), None),
            (None, None, Some(&all_apart)),
        ];
        let mut least = [[f64::INFINITY; 2]; 5];
        for _ in 0..ROUNDS {
            for ((loss, batch, figures), least) in ways.iter().zip(&mut least) {
                let mut encoder = gpu.device().create_command_encoder(&Default::default());
                if let Some(loss) = loss {
                    loss.encode(&mut encoder);
                }
                if let Some(batch) = batch {
                    state.update(&mut encoder, batch)?;
                }
                if let Some(batch) = figures {
                    all.update(&mut encoder, batch)?;
                }
                let (cpu, wall) = (ProcessTime::now(), Instant::now());
                gpu.queue().submit([encoder.finish()]);
                let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
                let lap = [cpu.elapsed(), wall.elapsed()].map(|t| t.as_secs_f64() * 1e3);
                for (least, lap) in least.iter_mut().zip(lap) {
                    *least = least.min(lap);
                }
            }
        }
        // Both ways counted the same rows.
        let counted = state.compute()?;
        assert_eq!(counted.matrix.total(), (2 * ROUNDS * rows) as f64);
        assert_eq!(all.compute()?.confusion_matrix, counted.matrix);
        let cell = |[cpu, wall]: [f64; 2]| format!("{cpu:>7.2} / {wall:>7.2}");
        let cells: Vec<_> = least.iter().map(|&l| cell(l)).collect();
        let [with, with_all] = [1, 2].map(|way: usize| least[way][0] / least[0][0]);
        println!(
            "{rows:>6} {cols:>5}  {}  {with:.3} {with_all:.3}",
            cells.join("  ")
        );
    }
    Ok(())
}
