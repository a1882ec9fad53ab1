//! Buffers, and dispatches that are ready to be recorded.

use super::Result;
use std::collections::HashMap;
use std::sync::mpsc;
use wgloss::Gpu;
use wgloss::wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgloss::wgpu::{self, Buffer, BufferUsages};

/// Invocations of a workgroup, as in `kernels.wgsl`.
const WORKGROUP: usize = 64;

/// A kernel with its buffers.
pub struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: u32,
}

/// Records dispatches into a pass, one after the other: each sees what those before it wrote.
pub fn record(pass: &mut wgpu::ComputePass<'_>, dispatches: &[Dispatch]) {
    for dispatch in dispatches {
        pass.set_pipeline(&dispatch.pipeline);
        pass.set_bind_group(0, &dispatch.bindings, &[]);
        pass.dispatch_workgroups(dispatch.workgroups, 1, 1);
    }
}

/// As `record`, as a pass of their own.
pub fn encode(encoder: &mut wgpu::CommandEncoder, dispatches: &[Dispatch]) {
    record(
        &mut encoder.begin_compute_pass(&Default::default()),
        dispatches,
    );
}

/// The compiled kernels of `kernels.wgsl`.
pub struct Kernels {
    pub gpu: Gpu,
    module: wgpu::ShaderModule,
    /// By entry point and constants, so that networks of one shape share them.
    pipelines: HashMap<String, wgpu::ComputePipeline>,
}

impl Kernels {
    pub fn new(gpu: &Gpu) -> Self {
        Kernels {
            gpu: gpu.clone(),
            module: gpu
                .device()
                .create_shader_module(wgpu::include_wgsl!("kernels.wgsl")),
            pipelines: HashMap::new(),
        }
    }

    /// Binds `buffers` to the kernel `entry`, in the order of their numbers, for `invocations` of it. `constants` are the
    /// `override`s that it uses.
    pub fn dispatch(
        &mut self,
        entry: &'static str,
        constants: &[(&'static str, f64)],
        buffers: &[(u32, &Buffer)],
        invocations: usize,
    ) -> Dispatch {
        let device = self.gpu.device();
        let key = format!("{entry} {constants:?}");
        let pipeline = self.pipelines.entry(key).or_insert_with(|| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry),
                // The layout is what the shader says.
                layout: None,
                module: &self.module,
                entry_point: Some(entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    ..Default::default()
                },
                cache: None,
            })
        });
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        Dispatch {
            pipeline: pipeline.clone(),
            bindings: device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(entry),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            }),
            workgroups: invocations.div_ceil(WORKGROUP) as u32,
        }
    }
}

const USAGE: BufferUsages = BufferUsages::STORAGE
    .union(BufferUsages::COPY_SRC)
    .union(BufferUsages::COPY_DST);

/// A buffer of `words` zeros, f32 or u32.
pub fn zeros(gpu: &Gpu, words: usize) -> Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * words as u64,
        usage: USAGE,
        mapped_at_creation: false,
    })
}

/// A buffer that holds `words`, f32 or u32.
pub fn upload<T: bytemuck::Pod>(gpu: &Gpu, words: &[T]) -> Buffer {
    gpu.device().create_buffer_init(&BufferInitDescriptor {
        label: None,
        contents: bytemuck::cast_slice(words),
        usage: USAGE,
    })
}

/// Reads a buffer back: waits for everything that was submitted. For what is reported, not for what is trained.
pub fn download<T: bytemuck::Pod>(gpu: &Gpu, buffer: &Buffer) -> Result<Vec<T>> {
    let device = gpu.device();
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, None);
    gpu.queue().submit([encoder.finish()]);
    let (sender, receiver) = mpsc::channel();
    staging.map_async(wgpu::MapMode::Read, .., move |result| {
        // Nobody waits any more where this fails.
        let _ = sender.send(result);
    });
    device.poll(wgpu::PollType::wait_indefinitely())?;
    receiver.recv()??;
    let view = staging.get_mapped_range(..)?;
    Ok(bytemuck::pod_collect_to_vec(&view))
}
