//! Host arrays in, host arrays out.

use super::bind::{TermIo, Views, buffer};
use super::class_weight::ClassWeightPlan;
use super::plan::Part;
use super::{Gpu, Plan, View};
use crate::batch::{Batch, ClassWeight, Outcome, Status, Target};
use crate::combined::{Combined, CombinedOutcome, TermOutcome};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::tensor::{DType, Labels, Values};
use half::{bf16, f16};

impl Gpu {
    /// The loss and its gradients: uploads `batch`, evaluates it, waits, and reads everything back. For one-off
    /// evaluations; a training loop makes a [`Plan`] once.
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
        let batch = batch.borrowed();
        let inputs = batch.inputs.clone();
        let results = self.evaluate(&plan, &inputs, &[(loss, batch)]).await?;
        let (loss, status) = results.terms.first().copied().unwrap_or_default();
        let each = plan.parts[0].each;
        Ok(Outcome {
            loss: (!each).then_some(loss),
            losses: results.losses,
            grads: results.grads,
            status,
        })
    }

    /// The weighted sum of losses and its gradients, as [`Gpu::loss`]: one submission for all of them.
    ///
    /// # Errors
    /// Whatever [`Combined::layouts`] and [`Gpu::plan_combined`] refuse, and what [`Gpu::loss`] does.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn combined(&self, sum: &Combined<'_>) -> Result<CombinedOutcome<f32>> {
        self.block_on(self.combined_async(sum))
    }

    /// As `combined`, without blocking.
    ///
    /// # Errors
    /// As `combined`.
    pub async fn combined_async(&self, sum: &Combined<'_>) -> Result<CombinedOutcome<f32>> {
        let out = self.evaluate_combined_async(sum).await?;
        for (k, (term, out)) in sum.terms.iter().zip(&out.terms).enumerate() {
            let batch = sum.batch(k)?;
            let geometry = batch.layout(term.loss)?.check(term.loss)?;
            out.status.check(term.loss, geometry.cols)?;
        }
        Ok(out)
    }

    /// As `combined_async`, but bad labels stay in the status.
    ///
    /// # Errors
    /// As `combined`, without bad labels.
    pub async fn evaluate_combined_async(
        &self,
        sum: &Combined<'_>,
    ) -> Result<CombinedOutcome<f32>> {
        let mut parts = Vec::new();
        let mut terms = Vec::new();
        for (k, (term, mut layout)) in sum.terms.iter().zip(sum.layouts()?).enumerate() {
            // The weight is the term's, and multiplied on the device.
            layout.grad_scale = sum.grad_scale;
            parts.push(Part::new(
                term.loss,
                &layout,
                term.inputs.clone(),
                term.weight,
            )?);
            terms.push((term.loss, sum.batch(k)?));
        }
        let slots = sum.inputs.iter().map(|(_, v)| v.len()).collect();
        let plan = self.plan_parts(parts, slots).await?;
        let inputs: Vec<_> = sum.inputs.iter().map(|(_, v)| v.borrowed()).collect();
        let results = self.evaluate(&plan, &inputs, &terms).await?;
        let terms = results.terms.into_iter();
        Ok(CombinedOutcome {
            loss: results.total,
            terms: terms
                .map(|(loss, status)| TermOutcome { loss, status })
                .collect(),
            grads: results.grads,
        })
    }

    /// Uploads what a plan reads, runs it, and reads everything back.
    async fn evaluate(
        &self,
        plan: &Plan,
        inputs: &[Values<'_>],
        terms: &[(&dyn Loss, Batch<'_>)],
    ) -> Result<Results> {
        let dtype = plan.layout().dtype;
        let mut buffers = Vec::new();
        for input in inputs {
            buffers.push(self.upload(&input.bytes(dtype)).await?);
        }
        let mut own = Vec::new();
        let mut balancing = Vec::new();
        for (part, (loss, term)) in plan.parts.iter().zip(terms) {
            let mut held = TermBuffers::default();
            match &term.target {
                None => {}
                Some(Target::Values(v)) => held.target = Some(self.upload(&v.bytes(dtype)).await?),
                Some(Target::Labels(l)) => held.target = Some(self.upload(l.bytes()).await?),
            }
            if let Some(weight) = &term.weight {
                held.weight = Some(self.upload(&weight.bytes(DType::F32)).await?);
            }
            match (&term.class_weight, &term.target, &held.target) {
                (Some(ClassWeight::Values(v)), ..) => {
                    held.class_weight = Some(self.upload(&v.bytes(DType::F32)).await?);
                }
                (Some(ClassWeight::Balanced), Some(Target::Labels(labels)), Some(buffer)) => {
                    let made = self.room(part.geometry.cols.saturating_mul(4))?;
                    let made = self
                        .scoped(|| self.tensor("wgloss class weights", made))
                        .await?;
                    let plan = self.balanced(labels, part.geometry.cols, *loss).await?;
                    let (labels, weights) = (View::whole(buffer), View::whole(&made));
                    balancing.push(plan.bind_async(&labels, &weights).await?);
                    held.class_weight = Some(made);
                }
                _ => {}
            }
            own.push(held);
        }
        let gradient = plan.layout().gradient;
        let mut grads = Vec::new();
        for input in inputs.iter().filter(|_| gradient) {
            let bytes = self.room(input.len().saturating_mul(dtype.size() as usize))?;
            grads.push(
                self.scoped(|| self.tensor("wgloss gradient", bytes))
                    .await?,
            );
        }
        let losses = match plan.parts.as_slice() {
            [part] if part.each => {
                let bytes = self.room(part.losses().saturating_mul(4))?;
                Some(self.scoped(|| self.tensor("wgloss losses", bytes)).await?)
            }
            _ => None,
        };
        let views = Views {
            inputs: buffers.iter().map(View::whole).collect(),
            grads: grads.iter().map(View::whole).collect(),
            terms: own
                .iter()
                .map(|held| TermIo {
                    target: held.target.as_ref().map(View::whole),
                    weight: held.weight.as_ref().map(View::whole),
                    class_weight: held.class_weight.as_ref().map(View::whole),
                })
                .collect(),
            loss: None,
            losses: losses.as_ref().map(View::whole),
            upstream: None,
            normalizer: None,
        };
        let bound = plan.bind_views(&views).await?;
        let submitted = self.scoped(|| {
            let mut encoder = self.device.create_command_encoder(&Default::default());
            for step in &balancing {
                step.encode(&mut encoder);
            }
            bound.encode(&mut encoder);
            self.queue.submit([encoder.finish()]);
        });
        submitted.await?;
        let report = bound.reports().await?;
        let mut results = Results {
            total: report.total,
            terms: report.terms,
            losses: Vec::new(),
            grads: Vec::new(),
        };
        if let Some(losses) = &losses {
            let units = plan.parts[0].losses();
            results.losses = decode(&self.download(losses).await?, DType::F32, units);
        }
        for (grad, input) in grads.iter().zip(inputs) {
            let bytes = self.download(grad).await?;
            results.grads.push(decode(&bytes, dtype, input.len()));
        }
        Ok(results)
    }

    /// Balanced class weights for the labels of `loss`.
    async fn balanced(
        &self,
        labels: &Labels<'_>,
        classes: usize,
        loss: &dyn Loss,
    ) -> Result<ClassWeightPlan> {
        let ty = labels.label_type();
        self.plan_class_weights_async(labels.len(), classes, ty, loss.ignore_index())
            .await
    }

    fn room(&self, bytes: usize) -> Result<u64> {
        match bytes as u64 <= self.limits.buffer {
            true => Ok(bytes as u64),
            false => Err(Error::TooLarge {
                what: "bytes of one tensor on this device".into(),
                limit: self.limits.buffer,
                found: bytes as u64,
            }),
        }
    }

    fn tensor(&self, label: &str, bytes: u64) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_DST
            | wgpu::BufferUsages::COPY_SRC;
        buffer(&self.device, label, bytes, usage)
    }

    pub(crate) async fn upload(&self, bytes: &[u8]) -> Result<wgpu::Buffer> {
        let size = self.room(bytes.len())?;
        let made = self.written(|writes| {
            let made = self.tensor("wgloss tensor", size);
            writes.put(&made, 0, bytes);
            made
        });
        made.await
    }

    /// The bytes of a buffer that can be copied from.
    pub(crate) async fn download(&self, source: &wgpu::Buffer) -> Result<Vec<u8>> {
        self.download_of(source, source.size()).await
    }

    /// The first bytes of a buffer that can be copied from: whole words.
    pub(crate) async fn download_of(&self, source: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        let staging = self.scoped(|| {
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let staging = buffer(&self.device, "wgloss readback", bytes, usage);
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(source, 0, &staging, 0, Some(bytes));
            self.queue.submit([encoder.finish()]);
            staging
        });
        self.read(&staging.await?).await
    }
}

#[derive(Default)]
struct TermBuffers {
    target: Option<wgpu::Buffer>,
    weight: Option<wgpu::Buffer>,
    class_weight: Option<wgpu::Buffer>,
}

struct Results {
    total: f32,
    terms: Vec<(f32, Status)>,
    losses: Vec<f32>,
    grads: Vec<Vec<f32>>,
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
