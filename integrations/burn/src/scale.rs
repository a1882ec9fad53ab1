//! The kernel that multiplies a gradient by what comes from above.

use crate::{SharedGpu, wgpu};
use wgloss::gpu::{Tuning, View};
use wgloss::{Gpu, Result};

/// The most workgroups: enough to fill the device, few enough that it costs nothing to find a 1. (On lavapipe 1024 cost 1 ms of CPU time, 32 nothing
/// that is seen.)
fn most_groups(tuning: Tuning) -> u64 {
    match tuning {
        Tuning::Narrow => 32,
        Tuning::Wide => 1024,
    }
}

#[derive(Debug)]
pub(crate) struct Scale {
    pipeline: wgpu::ComputePipeline,
}

impl Scale {
    pub fn new(gpu: &SharedGpu) -> Result<Scale> {
        let device = gpu.gpu().device();
        gpu.scoped(|| {
            let module = device.create_shader_module(wgpu::include_wgsl!("scale.wgsl"));
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("wgloss scale"),
                layout: None,
                module: &module,
                entry_point: Some("scale"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            Scale { pipeline }
        })
    }

    /// Multiplies `grad` by the number of `upstream`, both f32 and where bindings may begin.
    pub fn run(&self, gpu: &Gpu, grad: View<'_>, upstream: View<'_>) {
        let device = gpu.device();
        let bytes = grad.size;
        if bytes == 0 {
            return;
        }
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgloss scale"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[entry(0, grad, bytes), entry(1, upstream, 4)],
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(
            (bytes / 4).div_ceil(256).min(most_groups(gpu.tuning())) as u32,
            1,
            1,
        );
        drop(pass);
        gpu.queue().submit([encoder.finish()]);
    }
}

fn entry(binding: u32, view: View<'_>, bytes: u64) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: view.buffer,
            offset: view.offset,
            size: wgpu::BufferSize::new(bytes),
        }),
    }
}
