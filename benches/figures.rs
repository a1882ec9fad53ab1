//! How long figures take on the device: `update` of 2²⁰ samples in one batch, of rows 2²⁰ numbers, milliseconds from submitting to
//! the end of waiting, and `compute`; least of 5. Beside it the same figures by the reference in f64.
//!
//!     cargo bench --bench figures

use std::time::Instant;
use wgloss::gpu::{Gpu, Predictions, View};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel, Regression, Samples};
use wgloss::wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgloss::{DType, LabelType, Result, wgpu};

const N: usize = 1 << 20;
const CLASSES: usize = 16;
const ROUNDS: usize = 5;

/// SplitMix64.
fn bits(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Least milliseconds of an update and of what follows, and of the reference.
macro_rules! measure {
    ($gpu:ident, $name:literal, $state:expr, $bind:expr, $reference:expr) => {{
        #[allow(unused_mut)]
        let mut state = $state;
        let batch = $bind(&state)?;
        let least = |a: [f64; 2], b: [f64; 2]| if a[0] + a[1] < b[0] + b[1] { a } else { b };
        let mut best = [f64::INFINITY; 2];
        for _ in 0..ROUNDS {
            let mut encoder = $gpu.device().create_command_encoder(&Default::default());
            state.reset(&mut encoder);
            state.update(&mut encoder, &batch)?;
            let start = Instant::now();
            $gpu.queue().submit([encoder.finish()]);
            let _ = $gpu.device().poll(wgpu::PollType::wait_indefinitely());
            let update = start.elapsed().as_secs_f64() * 1e3;
            state.compute()?;
            let together = start.elapsed().as_secs_f64() * 1e3;
            best = least(best, [update, together - update]);
        }
        let start = Instant::now();
        $reference?;
        let reference = start.elapsed().as_secs_f64() * 1e3;
        let [update, compute] = best;
        println!(
            "{:<22} {update:>9.1}  {compute:>10.1}  {reference:>12.1}",
            $name
        );
    }};
}

fn main() -> Result<()> {
    let gpu = Gpu::new()?;
    println!("{}", gpu.adapter_info().name);
    println!("figures of              update ms  compute ms  reference ms");
    let upload = |contents: &[u8]| {
        gpu.device().create_buffer_init(&BufferInitDescriptor {
            label: None,
            contents,
            usage: wgpu::BufferUsages::STORAGE,
        })
    };
    let mut state = 1;
    let scores: Vec<f32> = (0..N)
        .map(|_| (bits(&mut state) >> 40) as f32 / 2_097_152.0 - 4.0)
        .collect();
    let labels = |state: &mut u64, n: usize, below: u64| -> Vec<u32> {
        (0..n).map(|_| (bits(state) % below) as u32).collect()
    };
    let rows = N / CLASSES;
    let ones = labels(&mut state, N, 2);
    let classes = labels(&mut state, rows, CLASSES as u64);
    let truth: Vec<f32> = scores
        .iter()
        .map(|s| s + (bits(&mut state) >> 40) as f32 / 16_777_216.0)
        .collect();
    let x = upload(bytemuck::cast_slice(&scores));
    let [y, t, c] = [
        upload(bytemuck::cast_slice(&truth)),
        upload(bytemuck::cast_slice(&ones)),
        upload(bytemuck::cast_slice(&classes)),
    ];
    let (of, ty) = (Predictions::Scores(DType::F32), LabelType::U32);
    measure!(
        gpu,
        "numbers",
        gpu.regression(DType::F32, DType::F32, None)?,
        |s: &wgloss::gpu::RegressionState| s.bind(&View::whole(&x), &View::whole(&y), N),
        Regression {}.figures(&Samples::new([N], &scores).target(&truth))
    );
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    measure!(
        gpu,
        "two classes by logits",
        gpu.binary(&asked, of, ty, None, N)?,
        |s: &wgloss::gpu::BinaryState| s.bind(&View::whole(&x), &View::whole(&t), N),
        asked.figures(&Samples::new([N], &scores).labels(&ones))
    );
    let asked = Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    };
    let samples = Samples::new([rows, CLASSES], &scores).labels(&classes);
    measure!(
        gpu,
        "16 classes by logits",
        gpu.multiclass(&asked, of, ty, None, CLASSES, rows)?,
        |s: &wgloss::gpu::MulticlassState| s.bind(&View::whole(&x), &View::whole(&c), rows),
        asked.figures(&samples)
    );
    measure!(
        gpu,
        "the same without areas",
        gpu.multiclass(&asked, of, ty, None, CLASSES, 0)?,
        |s: &wgloss::gpu::MulticlassState| s.bind(&View::whole(&x), &View::whole(&c), rows),
        asked.figures(&samples)
    );
    let asked = Multilabel::default();
    measure!(
        gpu,
        "16 labels by scores",
        gpu.multilabel(&asked, of, ty, None, CLASSES, rows)?,
        |s: &wgloss::gpu::MultilabelState| s.bind(&View::whole(&x), &View::whole(&t), rows),
        asked.figures(&Samples::new([rows, CLASSES], &scores).labels(&ones))
    );
    Ok(())
}
