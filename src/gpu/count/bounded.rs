//! Areas under curves in constant memory: scores are counted by their upper bits, and the areas bounded.

use super::text::NUMERICS;
use super::{Counts, What, state_of_counts};
use crate::error::{Error, Result};
use crate::gpu::bind::{View, buffer};
use crate::gpu::collect::{HEAD, SampleBatch, check_head, read};
use crate::gpu::kernels::{Access, Kernels, Span, Step, WIDE, declared, parameters};
use crate::gpu::{Gpu, Tuning};
use crate::metric::{AreaBounds, BinSums};
use crate::tensor::{DType, LabelType};

const BOUNDS: &str = include_str!("../../../shaders/metric/bounds.wgsl");

/// The bits by which scores can be counted.
const LEAST_BITS: u32 = 8;
const MOST_BITS: u32 = 22;
/// Bins that a workgroup takes.
const TILE: usize = 2048;
/// Words of a result, and of what each workgroup leaves behind it.
const RESULT: usize = 20;
const EACH: usize = 20;

parameters! {
    /// How areas are bounded.
    BoundParams, BOUND_PARAMS {
        /// Bins, and the workgroups that share them.
        bins: u32,
        groups: u32,
        /// Whether samples of a bin have one score.
        tied: u32,
    }
}

/// The kernels that bound areas: samples of workgroups, their sums, and the sums of all.
pub(in crate::gpu) type BoundKernels = Kernels<3>;

/// The WGSL that bounds areas.
pub(in crate::gpu) fn bounds_text(tuning: Tuning) -> String {
    let width = match tuning {
        Tuning::Wide => 64,
        Tuning::Narrow => 8,
    };
    let constants = format!("const WIDTH: u32 = {width}u;\nconst TILE: u32 = {TILE}u;\n");
    declared("BoundParams", BOUND_PARAMS) + BOUNDS + WIDE + NUMERICS + &constants
}

/// Scores and labels that are collected batch by batch in constant memory, for bounds of the areas under the ROC and the
/// precision-recall curve.
///
/// Of a score the upper bits are looked at, of the word that orders as it does: sign, exponent, and what is left of the mantissa. How many
/// samples of either class have the same bits is counted, in 64 bits, and so does not depend on how samples are split into batches
/// or merged. In what order the samples of such a bin come, nobody knows any more: [`AreaBounds`] holds every order.
/// With all bits of a 16-bit type they are equal, and the bounds those of a rounding.
///
/// An f32 has a sign and 8 bits of exponent, so that of 16 bits 7 are left for the mantissa, and bins are as fine as bf16; probabilities from 0.5
/// to 1 lie in 2^(bits − 9) bins. Logits spread better.
#[derive(Debug)]
pub struct BoundedScores {
    counts: Counts,
    kernels: BoundKernels,
    bits: u32,
    tied: bool,
}

impl Gpu {
    /// Makes a state for scores stored as `dtype` with labels of 1 and 0 stored as `labels`, of which the upper `bits` bits of scores are
    /// looked at: 8 to 22, of 16-bit types to 16. It keeps 2^(bits + 4) bytes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for other numbers of bits, [`Error::TooLarge`] for more than a binding holds; [`Error::OutOfMemory`] and
    /// [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bounded_scores(
        &self,
        dtype: DType,
        labels: LabelType,
        bits: u32,
    ) -> Result<BoundedScores> {
        self.block_on(self.bounded_scores_async(dtype, labels, bits))
    }

    /// As `bounded_scores`, without blocking.
    ///
    /// # Errors
    /// As `bounded_scores`.
    pub async fn bounded_scores_async(
        &self,
        dtype: DType,
        labels: LabelType,
        bits: u32,
    ) -> Result<BoundedScores> {
        let whole = 8 * dtype.size() as u32;
        let most = MOST_BITS.min(whole);
        if !(LEAST_BITS..=most).contains(&bits) {
            let expected = format!("{LEAST_BITS} to {most} of {dtype}");
            return Err(Error::mismatch("bits", expected, bits.to_string()));
        }
        let said = format!("{dtype} scores by {bits} bits");
        let what = What::Bins(dtype, labels);
        Ok(BoundedScores {
            counts: Counts::new(self, what, None, (bits, 1, said), 2 << bits).await?,
            kernels: self.bound_kernels().await?,
            bits,
            tied: bits == whole,
        })
    }

    /// The kernels that bound areas, compiled on first use.
    async fn bound_kernels(&self) -> Result<BoundKernels> {
        let compile = || {
            let text = bounds_text(self.tuning);
            let buffers = [Access::Read, Access::Write];
            let entry_points = ["totals", "sums", "finish"];
            Kernels::new(self, "wgloss bounds", text, &buffers, entry_points)
        };
        self.compiled.bounds.get(self, &self.tuning, compile).await
    }
}

impl BoundedScores {
    /// Attaches `n` scores with their labels; those with the label `ignore_index` are passed over.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is too small, off its alignment or of the wrong usage; [`Error::TooLarge`] for 2³² samples;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(
        &self,
        scores: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let bound = self.bind_async(scores, labels, n, ignore_index);
        self.counts.gpu().block_on(bound)
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(
        &self,
        scores: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        self.counts
            .bind(scores, labels, None, n, ignore_index)
            .await
    }

    /// Works the bounds out on the device, waits, and reads 112 bytes back. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// [`Error::BadSample`] for a label other than 0 and 1 or a NaN, with the first place in its batch;
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<AreaBounds> {
        self.counts.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<AreaBounds> {
        let store = &self.counts.store;
        let gpu = &store.gpu;
        let bins = 1usize << self.bits;
        let groups = bins.div_ceil(TILE);
        let made = gpu.written(|writes| {
            let params = writes.parameters(
                gpu,
                bytemuck::bytes_of(&BoundParams {
                    bins: bins as u32,
                    groups: groups as u32,
                    tied: u32::from(self.tied),
                }),
            );
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            let words = RESULT + EACH * groups;
            let result = buffer(&gpu.device, "wgloss bounds", 4 * words as u64, usage);
            let buffers = [&store.kept, &result].map(Span::whole);
            let group = self.kernels.bind(gpu, Span::whole(&params), &buffers);
            let [totals, sums, finish] = &self.kernels.pipelines;
            let steps = [(totals, groups), (sums, groups), (finish, 1)];
            let steps = steps.map(|(pipeline, groups)| Step {
                pipeline: pipeline.clone(),
                group: group.clone(),
                grid: gpu.plane(groups),
            });
            (steps, result)
        });
        let (steps, result) = made.await?;
        let wanted = [(&store.head, 4 * HEAD as u64), (&result, 4 * RESULT as u64)];
        let words = read(gpu, &steps, &wanted).await?;
        let (head, words) = words.split_at(HEAD);
        check_head(head, ["labels below 2", "scores that are numbers"])?;
        let number = |at: usize, len: usize| {
            let word = |k: usize| u128::from(words[at + k]) << (32 * k);
            (0..len).map(word).sum::<u128>()
        };
        let sums = BinSums {
            pairs: number(0, 4),
            inside: number(4, 4),
            precisions: [number(8, 4), number(12, 4)],
            positives: number(16, 2) as u64,
            negatives: number(18, 2) as u64,
            tied: self.tied,
        };
        Ok(sums.bounds())
    }
}

state_of_counts!(BoundedScores);
