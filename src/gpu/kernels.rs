//! Kernels as such: entry points of one text over one list of buffers, and what is recorded of them.

use super::Gpu;
use crate::error::Result;
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whole numbers of more than 32 bits.
pub(super) const WIDE: &str = include_str!("../../shaders/common/wide.wgsl");

/// Declares parameters, a struct of words, on this side, and the text of their fields for [`declared`].
macro_rules! parameters {
    ($(#[$doc:meta])* $Name:ident, $FIELDS:ident { $( $(#[$field_doc:meta])* $field:ident: $ty:ident, )* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable, Default)]
        pub(crate) struct $Name {
            $( $(#[$field_doc])* pub $field: $ty, )*
        }

        /// Name and type of every field, in order.
        const $FIELDS: &[(&str, &str)] = &[ $( (stringify!($field), stringify!($ty)) ),* ];
    };
}

pub(crate) use parameters;

/// The text of parameters with these fields, as binding 0.
pub(super) fn declared(name: &str, fields: &[(&str, &str)]) -> String {
    let mut text = format!("struct {name} {{\n");
    for (field, ty) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {field}: {ty},");
    }
    text + &format!("}}\n@group(0) @binding(0) var<uniform> params: {name};\n")
}

/// A module's pipelines, and how their buffers are bound: parameters at 0, then storage.
#[derive(Debug, Clone)]
pub(super) struct Kernels<const N: usize> {
    pub pipelines: [wgpu::ComputePipeline; N],
    layout: wgpu::BindGroupLayout,
}

/// What was compiled, by what tells its texts apart. Clones share it.
pub(super) struct Cache<K, V>(Arc<Mutex<HashMap<K, V>>>);

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Cache(self.0.clone())
    }
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Cache(Arc::default())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// What is there for `key`, or else what `compile` makes.
    pub async fn get(&self, gpu: &Gpu, key: &K, compile: impl FnOnce() -> V) -> Result<V> {
        let cached = self.lock().get(key).cloned();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let made = gpu.scoped(compile).await?;
        Ok(self.lock().entry(key.clone()).or_insert(made).clone())
    }
}

/// A storage buffer of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A part of a buffer to be bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    pub buffer: &'a wgpu::Buffer,
    pub offset: u64,
    pub size: u64,
}

impl<'a> Span<'a> {
    pub fn whole(buffer: &'a wgpu::Buffer) -> Self {
        Span {
            buffer,
            offset: 0,
            size: buffer.size(),
        }
    }
}

impl<const N: usize> Kernels<N> {
    /// Compiles. To be called inside [`Gpu::scoped`].
    pub fn new(
        gpu: &Gpu,
        label: &str,
        text: String,
        buffers: &[Access],
        entry_points: [&str; N],
    ) -> Self {
        let device = &gpu.device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
        for (i, access) in buffers.iter().enumerate() {
            let read_only = *access == Access::Read;
            let ty = wgpu::BufferBindingType::Storage { read_only };
            entries.push(entry(i as u32 + 1, ty));
        }
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipelines = entry_points.map(|entry_point| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(entry_point),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Every word of workgroup memory is written before it is read.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        });
        Kernels { pipelines, layout }
    }

    /// Binds parameters and buffers. To be called inside [`Gpu::scoped`].
    pub fn bind(&self, gpu: &Gpu, params: Span<'_>, buffers: &[Span<'_>]) -> wgpu::BindGroup {
        let all = std::iter::once(&params).chain(buffers);
        let entries: Vec<_> = all
            .enumerate()
            .map(|(binding, span)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: span.buffer,
                    offset: span.offset,
                    size: std::num::NonZeroU64::new(span.size),
                }),
            })
            .collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("wgloss"),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// A dispatch to be recorded.
#[derive(Debug)]
pub(super) struct Step {
    pub pipeline: wgpu::ComputePipeline,
    pub group: wgpu::BindGroup,
    pub grid: [u32; 2],
}

impl Step {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y] = self.grid;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

impl Gpu {
    /// Records `steps`, one after the other.
    pub(super) fn record(encoder: &mut wgpu::CommandEncoder, label: &str, steps: &[Step]) {
        if steps.is_empty() {
            return;
        }
        Self::in_pass(encoder, label, |pass| {
            for step in steps {
                step.record(pass);
            }
        });
    }

    /// Records into a compute pass of its own.
    pub(super) fn in_pass<T>(
        encoder: &mut wgpu::CommandEncoder,
        label: &str,
        record: impl FnOnce(&mut wgpu::ComputePass<'_>) -> T,
    ) -> T {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(label),
            timestamp_writes: None,
        });
        record(&mut pass)
    }

    /// So many workgroups in a plane.
    pub(super) fn plane(&self, groups: usize) -> [u32; 2] {
        let x = groups.clamp(1, self.limits.groups as usize);
        [x as u32, groups.div_ceil(x).max(1) as u32]
    }

    /// What lies between the parameters of two dispatches in one buffer.
    pub(super) fn uniform_stride(&self) -> u64 {
        256u64.max(u64::from(self.limits.uniform_alignment))
    }
}
