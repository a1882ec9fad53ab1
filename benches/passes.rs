//! Time of a fused pass over a copy kernel that moves the least bytes the pass has to move, interleaved in one process.
//!
//!     cargo bench --bench passes
//!
//! The ratio is of process CPU time, minimum of all rounds, which is the steady figure on a software adapter; on a GPU it
//! says nothing, and wall time, printed beside it, includes a submission.

use cpu_time::ProcessTime;
use std::time::{Duration, Instant};
use wgloss::gpu::{Bound, Io, View};
use wgloss::{
    BceWithLogits, CrossEntropy, DType, Gpu, LabelType, Layout, Loss, Mse, TargetLayout, wgpu,
};

const ROUNDS: usize = 12;

const COPY: &str = "
@group(0) @binding(0) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4<u32>>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
    let i = id.y * n.x * 256u + id.x;
    if (i < arrayLength(&a)) { b[i] = a[i]; }
}";

struct Case {
    name: &'static str,
    loss: Box<dyn Loss>,
    layout: Layout,
    /// Inputs, floating target and gradient, each once.
    tensors: u64,
}

fn main() {
    let gpu = match Gpu::new() {
        Ok(gpu) => gpu,
        Err(e) => return println!("{e}"),
    };
    println!("{}", gpu.adapter_info().name);
    let elements = [1 << 24];
    let square = [4096, 4096];
    let cases = [
        Case {
            name: "mse 2^24",
            loss: Box::new(Mse::default()),
            layout: Layout {
                target: TargetLayout::Values(DType::F32),
                ..Layout::new(elements)
            },
            tensors: 3,
        },
        Case {
            name: "bce_with_logits 2^24",
            loss: Box::new(BceWithLogits::default()),
            layout: Layout {
                target: TargetLayout::Values(DType::F32),
                ..Layout::new(elements)
            },
            tensors: 3,
        },
        Case {
            name: "cross_entropy 4096x4096",
            loss: Box::new(CrossEntropy::default()),
            layout: Layout {
                target: TargetLayout::Labels(LabelType::I32),
                ..Layout::new(square)
            },
            tensors: 2,
        },
    ];
    println!(
        "{:26} {:>10} {:>10} {:>10} {:>10} {:>6}",
        "", "cpu ms", "wall ms", "copy cpu", "copy wall", "ratio"
    );
    for case in cases {
        let bytes = case.tensors * 4 * (1 << 24);
        let pass = bind(&gpu, &case);
        let copy = Copy::new(&gpu, bytes / 2);
        let (mut ours, mut theirs) = (Best::default(), Best::default());
        for _ in 0..ROUNDS {
            ours.time(&gpu, |encoder| pass.encode(encoder));
            theirs.time(&gpu, |encoder| copy.encode(encoder));
        }
        println!(
            "{:26} {:10.1} {:10.1} {:10.1} {:10.1} {:6.2}",
            case.name,
            ours.cpu.as_secs_f64() * 1e3,
            ours.wall.as_secs_f64() * 1e3,
            theirs.cpu.as_secs_f64() * 1e3,
            theirs.wall.as_secs_f64() * 1e3,
            ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64()
        );
    }
}

struct Best {
    cpu: Duration,
    wall: Duration,
}

impl Default for Best {
    fn default() -> Self {
        Best {
            cpu: Duration::MAX,
            wall: Duration::MAX,
        }
    }
}

impl Best {
    fn time(&mut self, gpu: &Gpu, record: impl Fn(&mut wgpu::CommandEncoder)) {
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        record(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
        gpu.device()
            .poll(wgpu::PollType::wait_indefinitely())
            .expect("the device answers");
        self.cpu = self.cpu.min(cpu.elapsed());
        self.wall = self.wall.min(wall.elapsed());
    }
}

fn tensor(gpu: &Gpu, bytes: u64) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

fn bind(gpu: &Gpu, case: &Case) -> Bound {
    let plan = gpu.plan(&*case.loss, &case.layout).expect("a plan");
    let n: usize = case.layout.shape.iter().product();
    let fill = |buffer: &wgpu::Buffer| {
        let words: Vec<f32> = (0..n).map(|i| (i % 1013) as f32 / 1013.0).collect();
        gpu.queue()
            .write_buffer(buffer, 0, bytemuck::cast_slice(&words));
    };
    let [x, t, dx] = [0; 3].map(|_| tensor(gpu, 4 * n as u64));
    fill(&x);
    if case.tensors == 3 {
        fill(&t);
    }
    plan.bind(&Io {
        inputs: vec![View::whole(&x)],
        target: Some(View::whole(&t)),
        grads: vec![View::whole(&dx)],
        ..Default::default()
    })
    .expect("buffers that fit")
}

/// Reads and writes `bytes` each.
struct Copy {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: u32,
}

impl Copy {
    fn new(gpu: &Gpu, bytes: u64) -> Self {
        let device = gpu.device();
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(COPY.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let [a, b] = [0; 2].map(|_| tensor(gpu, bytes));
        let entries: Vec<_> = [&a, &b]
            .into_iter()
            .zip(0..)
            .map(|(buffer, binding)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Copy {
            pipeline,
            group,
            groups: (bytes / 16 / 256) as u32,
        }
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(self.groups.min(4096), self.groups.div_ceil(4096), 1);
    }
}
