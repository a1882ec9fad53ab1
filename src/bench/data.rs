//! Numbers that losses are measured on.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Io, View};
use crate::layout::{Layout, TargetLayout};
use crate::loss::{Loss, Support};
use crate::tensor::{DType, LabelType, Values};
use crate::verify::Random;

/// How class indices are stored.
pub(super) const LABELS: LabelType = LabelType::I32;

/// Numbers of a tensor repeat themselves after so many.
const PERIOD: usize = 1 << 20;

/// The tensors of a loss, filled with numbers of its domain.
#[derive(Debug)]
pub(super) struct Tensors {
    inputs: Vec<wgpu::Buffer>,
    target: Option<wgpu::Buffer>,
    grads: Vec<wgpu::Buffer>,
}

impl Tensors {
    pub async fn new(gpu: &Gpu, loss: &dyn Loss, layout: &Layout) -> Result<Self> {
        let geometry = layout.check(loss)?;
        let info = loss.info();
        let (mut random, mut labels) = (Random::new(1), Random::new(2));
        let mut numbers = |support: Option<&Support>, count: usize, dtype: DType| {
            let support = support.copied().unwrap_or(Support::Real);
            let n = count.min(PERIOD);
            let pattern: Vec<f32> = (0..n).map(|_| random.number(support)).collect();
            let bytes = Values::from(pattern).bytes(dtype).into_owned();
            filled(gpu, count, dtype.size(), bytes)
        };
        let mut inputs = Vec::new();
        for k in 0..info.inputs.len() {
            let made = numbers(info.domain.get(k), geometry.elements, layout.dtype);
            inputs.push(made.await?);
        }
        let domain = info.domain.last();
        let target = match layout.target {
            TargetLayout::None => None,
            TargetLayout::Values(dtype) => Some(numbers(domain, geometry.elements, dtype).await?),
            TargetLayout::PerRow(dtype) => Some(numbers(domain, geometry.rows, dtype).await?),
            TargetLayout::Labels(_) => {
                let pattern: Vec<i32> = (0..geometry.rows.min(PERIOD))
                    .map(|_| labels.below(geometry.cols) as i32)
                    .collect();
                let bytes = bytemuck::cast_slice(&pattern).to_vec();
                Some(filled(gpu, geometry.rows, LABELS.size(), bytes).await?)
            }
        };
        let mut grads = Vec::new();
        for _ in inputs.iter().filter(|_| layout.gradient) {
            grads.push(tensor(gpu, geometry.elements as u64, layout.dtype.size()).await?);
        }
        Ok(Tensors {
            inputs,
            target,
            grads,
        })
    }

    pub fn io(&self) -> Io<'_> {
        Io {
            inputs: self.inputs.iter().map(View::whole).collect(),
            target: self.target.as_ref().map(View::whole),
            grads: self.grads.iter().map(View::whole).collect(),
            ..Default::default()
        }
    }
}

/// A buffer of `count` numbers of `size` bytes, filled with a pattern.
async fn filled(gpu: &Gpu, count: usize, size: u64, pattern: Vec<u8>) -> Result<wgpu::Buffer> {
    let buffer = tensor(gpu, count as u64, size).await?;
    fill(gpu, &buffer, &pattern).await?;
    Ok(buffer)
}

/// A buffer for `count` numbers of `size` bytes.
pub(super) async fn tensor(gpu: &Gpu, count: u64, size: u64) -> Result<wgpu::Buffer> {
    let bytes = count.saturating_mul(size);
    let limit = gpu.limits().buffer;
    if bytes > limit {
        return Err(Error::TooLarge {
            what: "bytes of one tensor on this device".into(),
            limit,
            found: bytes,
        });
    }
    let made = gpu.scoped(|| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgloss tensor"),
            size: bytes.next_multiple_of(4),
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    });
    made.await
}

/// Fills a buffer with `pattern`, over and over.
pub(super) async fn fill(gpu: &Gpu, buffer: &wgpu::Buffer, pattern: &[u8]) -> Result<()> {
    let mut pattern = pattern.to_vec();
    pattern.resize(pattern.len().next_multiple_of(4), 0);
    let device = gpu.device();
    let source = gpu.written(|writes| {
        let source = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgloss pattern"),
            size: pattern.len() as u64,
            usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        writes.put(&source, 0, pattern);
        source
    });
    let source = source.await?;
    let filled = gpu.scoped(|| {
        let mut encoder = device.create_command_encoder(&Default::default());
        let (mut at, step) = (0, source.size());
        while at < buffer.size() && step > 0 {
            let size = step.min(buffer.size() - at);
            encoder.copy_buffer_to_buffer(&source, 0, buffer, at, Some(size));
            at += size;
        }
        gpu.queue().submit([encoder.finish()]);
    });
    filled.await
}
