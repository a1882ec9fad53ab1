//! What it costs to add gradients to what is there, which reads them besides: elementwise losses with `Layout::accumulate` over the same
//! plan without. Process CPU milliseconds and wall milliseconds of each, minimum of 40, interleaved.
//!
//!     cargo bench --features cli --bench accumulate [mse|huber|...]

use cpu_time::ProcessTime;
use std::time::Instant;
use wgloss::gpu::{Bound, Io, View};
use wgloss::loss::Loss;
use wgloss::{DType, Gpu, Layout, TargetLayout, loss, wgpu};

const ROUNDS: usize = 40;
const ELEMENTS: usize = 1 << 22;

/// The least CPU and wall milliseconds of each, in turn.
fn time(gpu: &Gpu, ways: &[Bound]) -> Vec<[f64; 2]> {
    let mut least = vec![[f64::INFINITY; 2]; ways.len()];
    for _ in 0..ROUNDS {
        for (way, least) in ways.iter().zip(&mut least) {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            way.encode(&mut encoder);
            let (cpu, wall) = (ProcessTime::now(), Instant::now());
            gpu.queue().submit([encoder.finish()]);
            let _ = gpu.device().poll(wgpu::PollType::wait_indefinitely());
            let lap = [cpu.elapsed(), wall.elapsed()].map(|t| t.as_secs_f64() * 1e3);
            for (least, lap) in least.iter_mut().zip(lap) {
                *least = least.min(lap);
            }
        }
    }
    least
}

fn measure(gpu: &Gpu, loss: &dyn Loss, dtype: DType) {
    let size = ELEMENTS as u64 * dtype.size();
    let buffer = || {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    };
    let buffers = [buffer(), buffer(), buffer(), buffer()];
    let [input, target, written, added] = &buffers;
    for (buffer, of) in [(input, 0.75), (target, 0.25)] {
        let word = match dtype {
            DType::F32 => f32::to_bits(of),
            DType::F16 => 0x3800_3800,
            // Of bfloat16 what an f32 has in front.
            DType::Bf16 => f32::to_bits(of) >> 16 | f32::to_bits(of),
        };
        let words = vec![word; size as usize / 4];
        gpu.queue()
            .write_buffer(buffer, 0, bytemuck::cast_slice(&words));
    }
    let bound: Vec<_> = [(false, written), (true, added)]
        .into_iter()
        .map(|(accumulate, grad)| {
            let layout = Layout {
                dtype,
                target: TargetLayout::Values(dtype),
                accumulate,
                ..Layout::new([ELEMENTS])
            };
            let io = Io {
                inputs: vec![View::whole(input)],
                target: Some(View::whole(target)),
                grads: vec![View::whole(grad)],
                ..Default::default()
            };
            let plan = gpu.plan(loss, &layout).expect("planned");
            plan.bind(&io).expect("bound")
        })
        .collect();
    let [plain, added] = time(gpu, &bound)[..] else {
        return;
    };
    println!(
        "{:24} {dtype:5} {:6.2} ({:6.2})  {:6.2} ({:6.2})  {:.2} ({:.2})",
        loss.info().name,
        plain[0],
        plain[1],
        added[0],
        added[1],
        added[0] / plain[0],
        added[1] / plain[1],
    );
}

fn main() {
    // Cargo adds a flag.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let gpu = Gpu::new().expect("a driver, for example lavapipe");
    println!(
        "{}, CPU ms (wall ms) written, added, and added over written",
        gpu.adapter_info().name
    );
    for name in ["mse", "huber", "bce_with_logits"] {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            let loss = loss::by_name(name).expect("a registered loss");
            for dtype in [DType::F32, DType::Bf16] {
                measure(&gpu, &*loss, dtype);
            }
        }
    }
}
