//! How long exact areas under the ROC and the precision-recall curve take on the device: `update` of a batch, and
//! `compute`, milliseconds from submitting to the end of waiting; every result is that of the reference. Then the same of bounds in constant
//! memory, and how wide they are. `benches/scores.py` holds scikit-learn against it.

use std::time::Instant;
use wgloss::gpu::{Gpu, View};
use wgloss::metric::{Binary, Samples};
use wgloss::{DType, LabelType, Result, Values, wgpu};

/// SplitMix64.
fn bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn upload(gpu: &Gpu, bytes: &[u8]) -> wgpu::Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, bytes);
    buffer
}

/// Records what `record` does, submits it and waits.
fn submit(gpu: &Gpu, record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>) -> Result<()> {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder)?;
    gpu.queue().submit([encoder.finish()]);
    let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
    Ok(())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Prints the least of times: of an update with what follows, and of the update alone.
fn print_least(dtype: DType, n: usize, mut all: Vec<(f64, f64)>, more: &str) {
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (together, update) = all[0];
    let compute = together - update;
    println!(
        "{:<5} {n:>10}  {update:>9.1}  {compute:>10.1}  {together:>15.1}{more}",
        dtype.name()
    );
}

fn main() -> Result<()> {
    // `cargo bench` passes arguments of its own.
    let rounds = 7;
    let gpu = Gpu::new()?;
    println!("{}", gpu.adapter_info().name);
    println!("dtype        n  update ms  compute ms  together: least");
    for power in [20, 22, 24] {
        let n = 1usize << power;
        let mut state = 1;
        // Positive samples score higher by half of what scores spread.
        let (mut singles, mut halves, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            let word = bits(&mut state);
            let label = (word & 1) as u32;
            let noise = (word >> 40) as f32 / 16_777_216.0;
            let score = (noise + 0.5 * label as f32) / 1.5;
            singles.extend_from_slice(&score.to_le_bytes());
            halves.extend_from_slice(&half::bf16::from_f32(score).to_le_bytes());
            labels.extend_from_slice(&label.to_le_bytes());
        }
        let truth: Vec<u32> = bytemuck::pod_collect_to_vec(&labels);
        let labels = upload(&gpu, &labels);
        for (dtype, bytes) in [(DType::F32, &singles), (DType::Bf16, &halves)] {
            let scores = upload(&gpu, bytes);
            let values: Values = match dtype {
                DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(bytes).into(),
                _ => bytemuck::pod_collect_to_vec::<u8, half::bf16>(bytes).into(),
            };
            let samples = Samples::new([n], values).labels(&truth);
            let expected = Binary::default().figures(&samples)?;
            let mut kept = gpu.scores(dtype, LabelType::U32, n)?;
            let batch = kept.bind(&View::whole(&scores), &View::whole(&labels), n, None)?;
            let mut all = Vec::new();
            for _ in 0..rounds {
                submit(&gpu, |encoder| {
                    kept.reset(encoder);
                    Ok(())
                })?;
                let start = Instant::now();
                submit(&gpu, |encoder| kept.update(encoder, &batch))?;
                let update = ms(start);
                let areas = kept.compute()?;
                let together = ms(start);
                assert_eq!(areas.roc_auc(), expected.roc_auc, "{dtype} {n}");
                all.push((together, update));
            }
            print_least(dtype, n, all, "");
            if (dtype, power) != (DType::F32, 22) {
                continue;
            }
            let counted = gpu.bounded_scores(dtype, LabelType::U32, 16)?;
            let batch = counted.bind(&View::whole(&scores), &View::whole(&labels), n, None)?;
            let (mut all, mut said) = (Vec::new(), String::new());
            for _ in 0..rounds {
                submit(&gpu, |encoder| {
                    counted.reset(encoder);
                    Ok(())
                })?;
                let start = Instant::now();
                submit(&gpu, |encoder| counted.update(encoder, &batch))?;
                let update = ms(start);
                let bounds = counted.compute()?;
                all.push((ms(start), update));
                let wide = |figure: Option<f64>, ends: Option<[f64; 2]>| {
                    let (figure, [low, high]) =
                        (figure.unwrap_or(f64::NAN), ends.unwrap_or_default());
                    assert!(low <= figure && figure <= high, "{figure} in {low}..{high}");
                    high - low
                };
                let roc_auc = wide(expected.roc_auc, bounds.roc_auc);
                let precision = wide(expected.average_precision, bounds.average_precision);
                said = format!("  by 16 bits: ROC AUC to {roc_auc:.1e}, AP to {precision:.1e}");
            }
            print_least(dtype, n, all, &said);
        }
    }
    Ok(())
}
