//! What metrics cost on the way of a loss with its gradient, and what another look costs: accuracy, top-k for every k and the confusion
//! matrix of `cross_entropy`, then log loss and calibration besides; all figures but those of an order of scores of `bce_with_logits`;
//! those of regression of `mse`. Process CPU milliseconds and wall milliseconds of each, minimum of 12, interleaved.
//!
//!     cargo bench --features cli --bench carried [cross_entropy|elementwise]

use cpu_time::ProcessTime;
use std::time::Instant;
use wgloss::gpu::{CarriedState, Gpu, Io, Predictions, View};
use wgloss::metric::{Binary, InputKind, Multiclass};
use wgloss::{
    BceWithLogits, CrossEntropy, DType, LabelType, Layout, Loss, Mse, Result, TargetLayout, wgpu,
};

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

/// Numbers from -2 to 2.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let all = words(n, seed);
    all.map(|w| (w >> 8) as f32 / 2_097_152.0 - 2.0).collect()
}

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

/// Records what one way of several does.
type Way<'a> = &'a mut dyn FnMut(&mut wgpu::CommandEncoder) -> Result<()>;

/// The least time of each way, and the line that says so.
fn time(gpu: &Gpu, what: &str, ways: &mut [Way<'_>]) -> Result<()> {
    let mut least = vec![[f64::INFINITY; 2]; ways.len()];
    for _ in 0..ROUNDS {
        for (way, least) in ways.iter_mut().zip(&mut least) {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            way(&mut encoder)?;
            let (cpu, wall) = (ProcessTime::now(), Instant::now());
            gpu.queue().submit([encoder.finish()]);
            let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
            let lap = [cpu.elapsed(), wall.elapsed()].map(|t| t.as_secs_f64() * 1e3);
            for (least, lap) in least.iter_mut().zip(lap) {
                *least = least.min(lap);
            }
        }
    }
    let cells = least
        .iter()
        .map(|[cpu, wall]| format!("{cpu:>7.2} / {wall:>7.2}"));
    let cells: Vec<_> = cells.collect();
    let ratio = least[1][0] / least[0][0];
    println!("{what:<28}  {}  {ratio:.3}", cells.join("  "));
    Ok(())
}

fn rows(gpu: &Gpu, rows: usize, cols: usize) -> Result<()> {
    let logits = numbers(rows * cols, 1);
    let labels: Vec<u32> = words(rows, 2).map(|w| w % cols as u32).collect();
    let input = buffer(gpu, bytemuck::cast_slice(&logits));
    let target = buffer(gpu, bytemuck::cast_slice(&labels));
    let grad = buffer(gpu, bytemuck::cast_slice(&logits));
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
    let mut plain = |encoder: &mut wgpu::CommandEncoder| {
        alone.encode(encoder);
        Ok(())
    };
    let ways: &mut [Way<'_>] = &mut [
        &mut plain,
        &mut |encoder| {
            ranked.encode(encoder);
            state.update(encoder, &carried)
        },
        &mut |encoder| state.update(encoder, &apart),
    ];
    let what = format!("cross_entropy {rows}x{cols}");
    time(gpu, &what, ways)?;
    // Both ways counted the same rows.
    let counted = state.compute()?.matrix;
    assert_eq!(counted.total(), (2 * ROUNDS * rows) as f64);
    let asked = Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    };
    let all = || gpu.multiclass(&asked, of, LabelType::U32, None, cols, 0);
    let (mut all, mut other) = (all()?, all()?);
    let carried = all.bind_ranked(&ranked, &view)?;
    let apart = other.bind(&View::whole(&input), &view, rows)?;
    let ways: &mut [Way<'_>] = &mut [
        &mut plain,
        &mut |encoder| {
            ranked.encode(encoder);
            all.update(encoder, &carried)
        },
        &mut |encoder| other.update(encoder, &apart),
    ];
    time(gpu, &format!("{what}, ECE"), ways)?;
    let [one, two] = [all.compute()?, other.compute()?].map(|f| f.confusion_matrix);
    assert_eq!(one, two);
    Ok(())
}

/// `apart` records another look at the input and the truth, which is `truth` where the state takes labels.
fn elements(
    gpu: &Gpu,
    what: &str,
    (loss, n): (&dyn Loss, usize),
    (input, target): (&wgpu::Buffer, &wgpu::Buffer),
    state: &dyn CarriedState,
    apart: Way<'_>,
) -> Result<()> {
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([n])
    };
    let grad = buffer(gpu, &vec![0; 4 * n]);
    let io = Io {
        inputs: vec![View::whole(input)],
        target: Some(View::whole(target)),
        grads: vec![View::whole(&grad)],
        ..Default::default()
    };
    let alone = gpu.plan(loss, &layout)?.bind(&io)?;
    let counted = gpu.plan_counted(loss, &layout, state)?.bind(&io)?;
    let ways: &mut [Way<'_>] = &mut [
        &mut |encoder| {
            alone.encode(encoder);
            Ok(())
        },
        &mut |encoder| {
            counted.encode(encoder);
            Ok(())
        },
        apart,
    ];
    time(gpu, what, ways)
}

fn main() -> Result<()> {
    let gpu = Gpu::new()?;
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| {
        let mut names = asked.iter().filter(|a| !a.starts_with('-')).peekable();
        names.peek().is_none() || names.any(|a| a == name)
    };
    println!("{}", gpu.adapter_info().name);
    println!(
        "loss                          alone              with metrics       metrics apart      with/alone, CPU"
    );
    if wanted("cross_entropy") {
        for [r, c] in [[4096, 4096], [65_536, 100], [65_536, 10]] {
            rows(&gpu, r, c)?;
        }
    }
    if wanted("elementwise") {
        let n = 1 << 22;
        let x = buffer(&gpu, bytemuck::cast_slice(&numbers(n, 1)));
        let y = buffer(&gpu, bytemuck::cast_slice(&numbers(n, 2)));
        let labels: Vec<u32> = words(n, 3).map(|w| w & 1).collect();
        let hard: Vec<f32> = labels.iter().map(|&l| l as f32).collect();
        let t = buffer(&gpu, bytemuck::cast_slice(&hard));
        let labels = buffer(&gpu, bytemuck::cast_slice(&labels));
        let (view, of) = (View::whole(&x), Predictions::Scores(DType::F32));
        let bce = BceWithLogits::default();
        for input in [InputKind::Logits, InputKind::Scores] {
            let asked = Binary {
                input,
                threshold: Some(0.0),
                ..Default::default()
            };
            let state = gpu.binary(&asked, of, LabelType::U32, None, 0)?;
            let mut other = gpu.binary(&asked, of, LabelType::U32, None, 0)?;
            let batch = other.bind(&view, &View::whole(&labels), n)?;
            let look: Way<'_> = &mut |encoder| other.update(encoder, &batch);
            let what = format!("bce_with_logits, {}", input.name());
            elements(&gpu, &what, (&bce, n), (&x, &t), &state, look)?;
            assert_eq!(state.compute()?, other.compute()?);
        }
        let state = gpu.regression(DType::F32, DType::F32, None)?;
        let other = gpu.regression(DType::F32, DType::F32, None)?;
        let batch = other.bind(&view, &View::whole(&y), n)?;
        let look: Way<'_> = &mut |encoder| other.update(encoder, &batch);
        elements(&gpu, "mse", (&Mse::default(), n), (&x, &y), &state, look)?;
        assert_eq!(state.compute()?, other.compute()?);
    }
    Ok(())
}
