//! Balanced class weights from labels on the device, for a loss that runs there too.

use super::Gpu;
use super::bind::{View, buffer};
use super::collect::load_label;
use super::kernels::{Access, Kernels, Span, Step, WIDE, declared, parameters};
use crate::error::{Error, Result};
use crate::tensor::LabelType;

const TEXT: &str = include_str!("../../shaders/skeleton/class_weight.wgsl");

/// The WGSL for labels of a type.
pub(super) fn compose(ty: LabelType) -> String {
    declared("ClassParams", CLASS_PARAMS) + TEXT + WIDE + &load_label("load_label", "labels", ty)
}

parameters! {
    /// What balances classes.
    ClassParams, CLASS_PARAMS {
        /// Labels of this dispatch.
        n: u32,
        classes: u32,
        off_labels: u32,
        off_weights: u32,
        has_ignore: u32,
        ignore_lo: u32,
        ignore_hi: u32,
    }
}

/// Labels that one dispatch of 4,096 a workgroup counts.
const LEAF: usize = 4096;

/// The kernels that make balanced class weights of labels: `n / (present·n_c)`, as
/// [`class_weight::balanced`](crate::class_weight::balanced) says, rounded to the nearest f32 on every device.
#[derive(Debug, Clone)]
pub struct ClassWeightPlan {
    gpu: Gpu,
    ty: LabelType,
    rows: usize,
    classes: usize,
    ignore: Option<i64>,
    /// To count, to add up, to weigh.
    kernels: Kernels<3>,
}

/// A [`ClassWeightPlan`] with its buffers, ready to be recorded.
#[derive(Debug)]
pub struct ClassWeightBound {
    steps: Vec<Step>,
    counts: wgpu::Buffer,
}

impl Gpu {
    /// Prepares balanced class weights for `rows` labels of `classes` classes. Labels equal to `ignore_index` or out of
    /// range do not count.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for 2³² labels and more, or more classes than a binding holds; [`Error::Device`] and
    /// [`Error::OutOfMemory`] from the device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_class_weights(
        &self,
        rows: usize,
        classes: usize,
        ty: LabelType,
        ignore_index: Option<i64>,
    ) -> Result<ClassWeightPlan> {
        self.block_on(self.plan_class_weights_async(rows, classes, ty, ignore_index))
    }

    /// As `plan_class_weights`, without blocking.
    ///
    /// # Errors
    /// As `plan_class_weights`.
    pub async fn plan_class_weights_async(
        &self,
        rows: usize,
        classes: usize,
        ty: LabelType,
        ignore_index: Option<i64>,
    ) -> Result<ClassWeightPlan> {
        let limits = [
            ("labels", rows, u64::from(u32::MAX) - 1),
            (
                "classes",
                classes,
                (self.limits.binding / 4).saturating_sub(2),
            ),
        ];
        for (what, found, limit) in limits {
            if found as u64 > limit {
                return Err(Error::TooLarge {
                    what: what.into(),
                    limit,
                    found: found as u64,
                });
            }
        }
        let made = self.scoped(|| {
            Kernels::new(
                self,
                "wgloss class weights",
                compose(ty),
                &[Access::Read, Access::Write, Access::Write],
                ["tally", "total", "weigh"],
            )
        });
        let kernels = made.await?;
        Ok(ClassWeightPlan {
            gpu: self.clone(),
            ty,
            rows,
            classes,
            ignore: ignore_index,
            kernels,
        })
    }
}

impl ClassWeightPlan {
    /// Attaches the labels, and the weights to be written: one f32 a class, which a loss on the same device then takes
    /// as its class weights. Allocates the counts.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is too small, off its alignment or of the wrong usage, and for views of one
    /// buffer; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, labels: &View<'_>, weights: &View<'_>) -> Result<ClassWeightBound> {
        self.gpu.block_on(self.bind_async(labels, weights))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(
        &self,
        labels: &View<'_>,
        weights: &View<'_>,
    ) -> Result<ClassWeightBound> {
        let size = self.ty.size();
        let storage = wgpu::BufferUsages::STORAGE;
        labels.check("labels", self.rows as u64 * size, size, storage)?;
        weights.check("class weights", self.classes as u64 * 4, 4, storage)?;
        if labels.buffer == weights.buffer {
            return Err(Error::mismatch(
                "view of class weights",
                "a buffer other than that of the labels",
                "the same",
            ));
        }
        let gpu = &self.gpu;
        let limits = &gpu.limits;
        let alignment = u64::from(limits.alignment);
        let room = limits.binding.saturating_sub(alignment) / size;
        let most = usize::try_from(room).unwrap_or(usize::MAX) / LEAF * LEAF;
        if most == 0 || self.classes as u64 * 4 + alignment > limits.binding {
            return Err(Error::TooLarge {
                what: "bytes of labels or class weights in one binding".into(),
                limit: limits.binding,
                found: (LEAF as u64 * size).max(self.classes as u64 * 4) + alignment,
            });
        }
        let ignore = self.ignore.unwrap_or(0);
        let (weights, off_weights) = weights.span(gpu, 0, self.classes as u64, 4);
        let stride = gpu.uniform_stride();
        let mut uniforms: Vec<u8> = Vec::new();
        let mut plans = Vec::new();
        let firsts: Vec<usize> = (0..self.rows.max(1)).step_by(most).collect();
        for (i, &first) in firsts.iter().enumerate() {
            let len = most.min(self.rows - first);
            let (labels, off_labels) = labels.span(gpu, first as u64, len as u64, size);
            let params = ClassParams {
                n: len as u32,
                classes: self.classes as u32,
                off_labels,
                off_weights,
                has_ignore: u32::from(self.ignore.is_some()),
                ignore_lo: ignore as u32,
                ignore_hi: (ignore >> 32) as u32,
            };
            uniforms.resize(i * stride as usize, 0);
            uniforms.extend_from_slice(bytemuck::bytes_of(&params));
            plans.push((labels, len));
        }
        let made = gpu.written(|writes| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
            let words = self.classes as u64 + 2;
            let counts = buffer(&gpu.device, "wgloss class counts", 4 * words, usage);
            let params = writes.parameters(gpu, &uniforms);
            let group = |i: usize| {
                let params = Span {
                    buffer: &params,
                    offset: i as u64 * stride,
                    size: size_of::<ClassParams>() as u64,
                };
                let buffers = [plans[i].0, Span::whole(&counts), weights];
                self.kernels.bind(gpu, params, &buffers)
            };
            let step = |kernel: &wgpu::ComputePipeline, i: usize, groups: usize| Step {
                pipeline: kernel.clone(),
                group: group(i),
                grid: gpu.plane(groups),
            };
            let [tally, total, weigh] = &self.kernels.pipelines;
            let mut steps = Vec::new();
            for (i, (_, len)) in plans.iter().enumerate() {
                steps.push(step(tally, i, len.div_ceil(LEAF)));
            }
            steps.push(step(total, 0, self.classes.div_ceil(LEAF)));
            steps.push(step(weigh, 0, self.classes.div_ceil(256)));
            (steps, counts)
        });
        let (steps, counts) = made.await?;
        Ok(ClassWeightBound { steps, counts })
    }
}

impl ClassWeightBound {
    /// Records the counting and weighing. A loss recorded behind it reads the finished weights. Allocates nothing on the
    /// device, compiles nothing, submits nothing and reads nothing back. Into an encoder only: it clears a buffer first.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(&self.counts, 0, None);
        Gpu::record(encoder, "class weights", &self.steps);
    }
}
