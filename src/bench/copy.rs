//! What a loss is held against: kernels that copy.

use super::data::{fill, tensor};
use super::timer::{Record, Stopwatch};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::verify::Random;
use std::collections::HashMap;

/// Invocations of a workgroup.
const WIDTH: u64 = 256;

/// How often each kernel is tried.
const TRIES: usize = 5;

/// What all kernels have in common. Buffers are of whole `vec4`s, dispatches may be larger than they.
const HEAD: &str = "
@group(0) @binding(0) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4<u32>>;
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>,
        @builtin(num_workgroups) all: vec3<u32>) {
    let group = id.y * all.x + id.x;
    let n = arrayLength(&a);
";

/// Name, 16 bytes of each invocation, and text of a kernel.
struct Text(&'static str, u64, &'static str);

const TEXTS: [Text; 4] = [
    Text(
        "one",
        1,
        "let i = group * 256u + lane;
        if (i < n) { b[i] = a[i]; }
        }",
    ),
    Text(
        "four apart",
        4,
        "let i = group * 1024u + lane;
        if (i + 768u < n) {
            let v0 = a[i]; let v1 = a[i + 256u]; let v2 = a[i + 512u]; let v3 = a[i + 768u];
            b[i] = v0; b[i + 256u] = v1; b[i + 512u] = v2; b[i + 768u] = v3;
        } else {
            for (var k = i; k < n; k += 256u) { b[k] = a[k]; }
        }
        }",
    ),
    Text(
        "four together",
        4,
        "let i = 4u * (group * 256u + lane);
        if (i + 3u < n) {
            let v0 = a[i]; let v1 = a[i + 1u]; let v2 = a[i + 2u]; let v3 = a[i + 3u];
            b[i] = v0; b[i + 1u] = v1; b[i + 2u] = v2; b[i + 3u] = v3;
        } else {
            for (var k = i; k < n; k += 1u) { b[k] = a[k]; }
        }
        }",
    ),
    Text(
        "sixteen apart",
        16,
        "let i = group * 4096u + lane;
        let end = min(n, (group + 1u) * 4096u);
        for (var k = i; k < end; k += 256u) { b[k] = a[k]; }
        }",
    ),
];

#[derive(Debug)]
struct Kernel {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    /// `vec4`s of a workgroup.
    run: u64,
}

/// Copies any number of bytes by the kernel that does so fastest.
#[derive(Debug)]
pub(super) struct Copier {
    gpu: Gpu,
    layout: wgpu::BindGroupLayout,
    kernels: Vec<Kernel>,
    /// The kernel that was fastest, by the number of `vec4`s.
    found: HashMap<u64, usize>,
    pattern: Vec<u8>,
}

/// A copy of so many bytes, ready to be recorded.
#[derive(Debug)]
pub(super) struct Copy {
    pub name: &'static str,
    pipeline: wgpu::ComputePipeline,
    /// One dispatch for what fits into a binding.
    steps: Vec<(wgpu::BindGroup, [u32; 2])>,
}

impl Copy {
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("wgloss copy"),
            timestamp_writes: None,
        });
        pass.set_pipeline(&self.pipeline);
        for (group, [x, y]) in &self.steps {
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
    }
}

impl Copier {
    pub async fn new(gpu: &Gpu) -> Result<Self> {
        let device = gpu.device();
        let made = gpu.scoped(|| {
            let entry = |binding, read_only| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            };
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("wgloss copy"),
                entries: &[entry(0, true), entry(1, false)],
            });
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some("wgloss copy"),
                bind_group_layouts: &[Some(&layout)],
                ..Default::default()
            });
            let kernels = TEXTS.iter().map(|Text(name, each, body)| {
                let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: Some(name),
                    source: wgpu::ShaderSource::Wgsl(format!("{HEAD}{body}").into()),
                });
                let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(name),
                    layout: Some(&pipeline_layout),
                    module: &module,
                    entry_point: Some("main"),
                    compilation_options: Default::default(),
                    cache: None,
                });
                Kernel {
                    name,
                    pipeline,
                    run: each * WIDTH,
                }
            });
            (kernels.collect(), layout)
        });
        let (kernels, layout) = made.await?;
        let mut random = Random::new(3);
        Ok(Copier {
            gpu: gpu.clone(),
            layout,
            kernels,
            found: HashMap::new(),
            pattern: (0..1 << 17)
                .flat_map(|_| random.bits().to_le_bytes())
                .collect(),
        })
    }

    /// Makes a copy that reads `bytes` and writes as many, in whole `vec4`s.
    pub async fn fastest(&mut self, watch: &Stopwatch, bytes: u64) -> Result<Copy> {
        let vecs = bytes.div_ceil(16).max(1);
        let pieces = self.pieces(vecs).await?;
        let mut copies = Vec::new();
        for kernel in &self.kernels {
            copies.push(self.copy(kernel, &pieces).await?);
        }
        let best = match self.found.get(&vecs) {
            Some(best) => *best,
            None => {
                let best = self.race(watch, &copies).await?;
                self.found.insert(vecs, best);
                best
            }
        };
        Ok(copies.swap_remove(best))
    }

    /// Which of the copies is the fastest.
    async fn race(&self, watch: &Stopwatch, copies: &[Copy]) -> Result<usize> {
        let mut least = vec![f64::INFINITY; copies.len()];
        let mut encodes = 1;
        for copy in copies {
            let record: Record<'_> = &|encoder| copy.encode(encoder);
            encodes = watch.encodes(record).await?.max(encodes);
        }
        for _ in 0..TRIES {
            for (least, copy) in least.iter_mut().zip(copies) {
                let record: Record<'_> = &|encoder| copy.encode(encoder);
                let lap = watch.time(encodes, record).await?;
                *least = least.min(watch.figure(&lap));
            }
        }
        let order = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
        Ok(least.iter().enumerate().min_by(order).map_or(0, |(i, _)| i))
    }

    /// Pairs of buffers, from and to, each of which fits into a binding.
    async fn pieces(&self, vecs: u64) -> Result<Vec<[wgpu::Buffer; 2]>> {
        let limits = self.gpu.limits();
        let most = (limits.binding.min(limits.buffer) / 16).max(1);
        let mut pieces = Vec::new();
        let mut left = vecs;
        while left > 0 {
            let n = left.min(most);
            let piece = [
                tensor(&self.gpu, n, 16).await?,
                tensor(&self.gpu, n, 16).await?,
            ];
            // Zeros that nobody wrote may be cheaper to read than data.
            fill(&self.gpu, &piece[0], &self.pattern).await?;
            pieces.push(piece);
            left -= n;
        }
        Ok(pieces)
    }

    async fn copy(&self, kernel: &Kernel, pieces: &[[wgpu::Buffer; 2]]) -> Result<Copy> {
        let most = u64::from(self.gpu.limits().groups);
        let step = |[from, to]: &[wgpu::Buffer; 2]| {
            let groups = (from.size() / 16).div_ceil(kernel.run);
            let y = groups.div_ceil(most).max(1);
            let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
            let group = self
                .gpu
                .device()
                .create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("wgloss copy"),
                    layout: &self.layout,
                    entries: &[
                        entry(0, from.as_entire_binding()),
                        entry(1, to.as_entire_binding()),
                    ],
                });
            (group, [groups.div_ceil(y) as u32, y as u32])
        };
        let steps = self.gpu.scoped(|| pieces.iter().map(step).collect());
        Ok(Copy {
            name: kernel.name,
            pipeline: kernel.pipeline.clone(),
            steps: steps.await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gpu;

    /// Every kernel copies every byte, also in pieces and where there are more workgroups than a dimension takes.
    #[test]
    fn copies_are_copies() {
        let Some(whole) = gpu() else { return };
        let limited = whole.with_limits(1 << 16, 3);
        for (gpu, vecs, pieces) in [(&whole, 1, 1), (&whole, 70_001, 1), (&limited, 5003, 2)] {
            let copier = pollster::block_on(Copier::new(gpu)).expect("kernels");
            let made = pollster::block_on(copier.pieces(vecs)).expect("buffers");
            assert_eq!(made.len(), pieces);
            assert_eq!(
                made.iter().map(|[from, _]| from.size()).sum::<u64>(),
                16 * vecs
            );
            for kernel in &copier.kernels {
                let mut encoder = gpu.device().create_command_encoder(&Default::default());
                for [_, to] in &made {
                    encoder.clear_buffer(to, 0, None);
                }
                let copy = pollster::block_on(copier.copy(kernel, &made)).expect("a copy");
                copy.encode(&mut encoder);
                gpu.queue().submit([encoder.finish()]);
                for [from, to] in &made {
                    let read = |buffer| gpu.block_on(gpu.download(buffer)).expect("bytes");
                    let (from, to) = (read(from), read(to));
                    assert!(from.iter().any(|b| *b != 0));
                    assert!(from == to, "{} {vecs}", kernel.name);
                }
            }
        }
    }
}
