//! Host arrays in, host arrays out.

use super::bind::buffer;
use super::{Gpu, Io, View};
use crate::batch::{Batch, Outcome, Target};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::tensor::DType;
use half::{bf16, f16};

impl Gpu {
    /// The loss and its gradients: uploads `batch`, evaluates it, waits, and reads everything back. For one-off
    /// evaluations; a training loop makes a [`Plan`](super::Plan) once.
    ///
    /// # Errors
    /// Whatever [`Batch::layout`] and [`Gpu::plan`] refuse; bad labels by
    /// [`Status::check`](crate::Status::check); [`Error::TooLarge`] for a tensor over the device's buffer size.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn loss(&self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<Outcome<f32>> {
        self.block_on(self.loss_async(loss, batch))
    }

    /// As `loss`, without blocking.
    ///
    /// # Errors
    /// As `loss`.
    pub async fn loss_async(&self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<Outcome<f32>> {
        let out = self.evaluate_async(loss, batch).await?;
        let geometry = batch.layout(loss)?.check(loss)?;
        out.status.check(loss, geometry.cols)?;
        Ok(out)
    }

    /// As `loss_async`, but bad labels stay in the status.
    ///
    /// # Errors
    /// As `loss`, without bad labels.
    pub async fn evaluate_async(&self, loss: &dyn Loss, batch: &Batch<'_>) -> Result<Outcome<f32>> {
        let layout = batch.layout(loss)?;
        let plan = self.plan_async(loss, &layout).await?;
        let geometry = layout.check(loss)?;
        let each = layout.each(loss);
        let units = plan.parts[0].losses();
        let room = |bytes: usize| match bytes as u64 <= self.limits.buffer {
            true => Ok(bytes as u64),
            false => Err(Error::TooLarge {
                what: "bytes of one tensor on this device".into(),
                limit: self.limits.buffer,
                found: bytes as u64,
            }),
        };
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_DST
            | wgpu::BufferUsages::COPY_SRC;
        let upload = async |bytes: &[u8]| -> Result<wgpu::Buffer> {
            let size = room(bytes.len())?;
            let made = self.scoped(|| {
                let made = self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("wgloss upload"),
                    size: size.next_multiple_of(4).max(4),
                    usage,
                    mapped_at_creation: true,
                });
                // After a failed creation there is nothing to write to; the scope has the reason.
                if let Ok(mut view) = made.slice(..).get_mapped_range_mut() {
                    view.slice(..bytes.len()).copy_from_slice(bytes);
                }
                made.unmap();
                made
            });
            made.await
        };
        let mut inputs = Vec::new();
        for input in &batch.inputs {
            inputs.push(upload(&input.bytes(batch.dtype)).await?);
        }
        let target = match &batch.target {
            None => None,
            Some(Target::Values(v)) => Some(upload(&v.bytes(batch.dtype)).await?),
            Some(Target::Labels(l)) => Some(upload(l.bytes()).await?),
        };
        let mut weights = [None, None];
        for (slot, values) in weights.iter_mut().zip([&batch.weight, &batch.class_weight]) {
            if let Some(values) = values {
                *slot = Some(upload(&values.bytes(DType::F32)).await?);
            }
        }
        let grad_bytes = room(
            geometry
                .elements
                .saturating_mul(batch.dtype.size() as usize),
        )?;
        let loss_bytes = room(units.saturating_mul(4))?;
        let made = self.scoped(|| {
            let grads: Vec<_> = (0..if layout.gradient { inputs.len() } else { 0 })
                .map(|_| buffer(&self.device, "wgloss gradient", grad_bytes, usage))
                .collect();
            (
                grads,
                each.then(|| buffer(&self.device, "wgloss losses", loss_bytes, usage)),
            )
        });
        let (grads, losses) = made.await?;
        let [weight, class_weight] = &weights;
        let io = Io {
            inputs: inputs.iter().map(View::whole).collect(),
            target: target.as_ref().map(View::whole),
            weight: weight.as_ref().map(View::whole),
            class_weight: class_weight.as_ref().map(View::whole),
            grads: grads.iter().map(View::whole).collect(),
            loss: losses.as_ref().map(View::whole),
            upstream: None,
        };
        let bound = plan.bind_async(&io).await?;
        let submitted = self.scoped(|| {
            let mut encoder = self.device.create_command_encoder(&Default::default());
            bound.encode(&mut encoder);
            self.queue.submit([encoder.finish()]);
        });
        submitted.await?;
        let (loss, status) = bound.report_async().await?;
        let mut out = Outcome {
            loss,
            losses: Vec::new(),
            grads: Vec::new(),
            status,
        };
        if let Some(losses) = &losses {
            out.losses = decode(&self.download(losses).await?, DType::F32, units);
        }
        for grad in &grads {
            let bytes = self.download(grad).await?;
            out.grads
                .push(decode(&bytes, batch.dtype, geometry.elements));
        }
        Ok(out)
    }

    /// The bytes of a buffer that can be copied from.
    pub(crate) async fn download(&self, source: &wgpu::Buffer) -> Result<Vec<u8>> {
        let staging = self.scoped(|| {
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let staging = buffer(&self.device, "wgloss readback", source.size(), usage);
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(source, 0, &staging, 0, Some(source.size()));
            self.queue.submit([encoder.finish()]);
            staging
        });
        self.read(&staging.await?).await
    }
}

/// The first `n` numbers in `bytes`, in f32.
fn decode(bytes: &[u8], dtype: DType, n: usize) -> Vec<f32> {
    let half = |f: fn(u16) -> f32| -> Vec<f32> {
        let pairs = bytes.chunks_exact(2).take(n);
        pairs.map(|b| f(u16::from_le_bytes([b[0], b[1]]))).collect()
    };
    match dtype {
        DType::F32 => {
            let words = bytes.chunks_exact(4).take(n);
            words
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect()
        }
        DType::F16 => half(|b| f16::from_bits(b).to_f32()),
        DType::Bf16 => half(|b| bf16::from_bits(b).to_f32()),
    }
}
