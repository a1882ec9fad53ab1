//! The exact areas under the ROC and the precision-recall curve, of scores that stay on the device.

use super::bind::{View, buffer};
use super::class_weight::load_label;
use super::kernels::{Access, Kernels, Span, Step};
use super::{Gpu, Tuning};
use crate::error::{Error, Result};
use crate::metric::Areas;
use crate::tensor::{DType, LabelType};
use std::sync::PoisonError;

const WIDE: &str = include_str!("../../shaders/metric/wide.wgsl");
const KEEP: &str = include_str!("../../shaders/metric/keep.wgsl");
const KEEP_WORDS: &str = include_str!("../../shaders/metric/keep_words.wgsl");
const KEEP_COUNTS: &str = include_str!("../../shaders/metric/keep_counts.wgsl");
const SORT: &str = include_str!("../../shaders/metric/sort.wgsl");
const MERGE: &str = include_str!("../../shaders/metric/merge.wgsl");
const AREAS: &str = include_str!("../../shaders/metric/areas.wgsl");

/// Words of the counts of 16-bit scores: negative and positive samples of each, and the high halves of both.
const COUNTS: u64 = 4 * 65_536;
/// Words of a state's head: what was kept, and what was wrong.
const HEAD: u64 = 8;
/// Words of a result before the sums of workgroups.
const RESULT: usize = 12;
/// Parts of a batch begin at a multiple of so many samples: any alignment of bindings is one.
const ALIGNED: usize = 4096;
/// How saved bytes begin: `wgsc`, then a version.
const MAGIC: u32 = u32::from_le_bytes(*b"wgsc");
const VERSION: u32 = 1;

/// What saved bytes are of.
fn kind(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Bf16 => 2,
    }
}

/// Sorted samples that an invocation takes one behind the other, and how often it does: a driver cuts loops of more than
/// 65,535 rounds short.
const RUN: usize = 64;
const RUNS: usize = 8;

/// How a device goes about it.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Invocations of a workgroup.
    width: u32,
    /// Bits of a digit. Each invocation counts two classes of digits in a column of its own, and all of them fill the 16 KiB
    /// of workgroup memory that every device has.
    bits: u32,
    /// Samples that a workgroup takes. On a CPU many: the counts of a digit lie one behind the other for all workgroups, so
    /// that each writes to as many lines of the cache as there are digits.
    tile: usize,
}

fn shape(tuning: Tuning) -> Shape {
    match tuning {
        Tuning::Wide => Shape {
            width: 64,
            bits: 5,
            tile: 4096,
        },
        Tuning::Narrow => Shape {
            width: 8,
            bits: 8,
            tile: 32_768,
        },
    }
}

fn text(tuning: Tuning, parts: &[&str]) -> String {
    let Shape { width, bits, tile } = shape(tuning);
    let constants = format!(
        "const WIDTH: u32 = {width}u;\nconst BITS: u32 = {bits}u;\nconst TILE: u32 = {tile}u;\n"
    );
    parts.concat() + &constants
}

/// How a score is loaded from `array`, `offset` numbers on, and what orders as it does: bits, of which all are turned over
/// where it is negative, and the sign where not. −0 is 0.
pub(super) fn load_score(dtype: DType, array: &str, offset: &str) -> String {
    let (load, nan, sign) = match dtype {
        DType::F32 => (
            format!("return {array}[{offset} + i];"),
            "(b & 0x7fffffffu) > 0x7f800000u",
            0x8000_0000u32,
        ),
        DType::F16 | DType::Bf16 => (
            format!(
                "let at = {offset} + i; return ({array}[at / 2u] >> (16u * (at & 1u))) & 0xffffu;"
            ),
            match dtype {
                DType::Bf16 => "(b & 0x7fffu) > 0x7f80u",
                _ => "(b & 0x7fffu) > 0x7c00u",
            },
            0x8000,
        ),
    };
    let all = 2 * (sign - 1) + 1;
    format!(
        "\nfn load_score(i: u32) -> u32 {{ {load} }}\n\
         fn is_nan(b: u32) -> bool {{ return {nan}; }}\n\
         fn order_of(b: u32) -> u32 {{\n    \
         if (b == {sign}u) {{ return {sign}u; }}\n    \
         return select(b | {sign}u, b ^ {all}u, b >= {sign}u);\n}}\n"
    )
}

/// The WGSL that keeps scores of a type with labels of a type.
pub(super) fn keep_text(tuning: Tuning, dtype: DType, labels: LabelType) -> String {
    let kept = match dtype {
        DType::F32 => KEEP_WORDS,
        DType::F16 | DType::Bf16 => KEEP_COUNTS,
    };
    let score = load_score(dtype, "scores", "params.off_scores");
    let label = load_label("load_label", "labels", labels);
    text(tuning, &[KEEP, kept, &score, &label])
}

pub(super) fn sort_text(tuning: Tuning) -> String {
    text(tuning, &[SORT])
}

pub(super) fn merge_text(tuning: Tuning) -> String {
    text(tuning, &[MERGE])
}

pub(super) fn areas_text(tuning: Tuning) -> String {
    text(tuning, &[AREAS, WIDE])
}

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct KeepParams {
    n: u32,
    first: u32,
    off_scores: u32,
    off_labels: u32,
    has_ignore: u32,
    ignore_lo: u32,
    ignore_hi: u32,
    capacity: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct SortParams {
    capacity: u32,
    tiles: u32,
    shift: u32,
    apart: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct MergeParams {
    capacity: u32,
    other_capacity: u32,
    reserved: [u32; 2],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct AreaParams {
    groups: u32,
    reserved: [u32; 3],
}

/// Scores and labels that are collected batch by batch, for exact areas under curves.
///
/// Scores of 16 bits are counted, in 1 MiB however many there are. Of f32 every score is kept, in 4 bytes each; and 8
/// bytes each more while the areas are worked out. The result does not depend on how samples are split into batches, or on
/// their order: it is made of whole numbers.
#[derive(Debug)]
pub struct ScoreState {
    gpu: Gpu,
    dtype: DType,
    labels: LabelType,
    capacity: usize,
    seen: usize,
    head: wgpu::Buffer,
    kept: wgpu::Buffer,
    kernels: ScoreKernels,
}

/// What a state's kernels depend on.
pub(super) type ScoreKey = (Tuning, DType, LabelType);

/// The kernels of a state: to keep or count scores, to sort them, to take in others, to sum areas up.
#[derive(Debug, Clone)]
pub(super) struct ScoreKernels {
    keep: Kernels<1>,
    sort: Kernels<5>,
    merge: Kernels<3>,
    areas: Kernels<3>,
}

/// A batch of a [`ScoreState`], ready to be recorded as often as wanted.
#[derive(Debug)]
pub struct ScoreBatch {
    steps: Vec<Step>,
    n: usize,
}

impl Gpu {
    /// Makes room for `capacity` scores stored as `dtype` with labels of 1 and 0 stored as `labels`. A capacity for 16-bit
    /// scores is no more than a bound on how many are counted.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more f32 scores than a binding holds; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn scores(&self, dtype: DType, labels: LabelType, capacity: usize) -> Result<ScoreState> {
        self.block_on(self.scores_async(dtype, labels, capacity))
    }

    /// As `scores`, without blocking.
    ///
    /// # Errors
    /// As `scores`.
    pub async fn scores_async(
        &self,
        dtype: DType,
        labels: LabelType,
        capacity: usize,
    ) -> Result<ScoreState> {
        let words = match dtype {
            DType::F32 => capacity.max(1) as u64,
            DType::F16 | DType::Bf16 => COUNTS,
        };
        let limit = self.limits.binding.min(self.limits.buffer) / 4;
        let limit = limit.min(u64::from(u32::MAX) / 2);
        if words > limit {
            return Err(Error::TooLarge {
                what: "f32 scores kept on the device".into(),
                limit,
                found: words,
            });
        }
        let kernels = self.score_kernels((self.tuning, dtype, labels)).await?;
        let made = self.scoped(|| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC;
            (
                buffer(&self.device, "wgloss scores' head", 4 * HEAD, usage),
                buffer(&self.device, "wgloss scores", 4 * words, usage),
            )
        });
        let (head, kept) = made.await?;
        Ok(ScoreState {
            gpu: self.clone(),
            dtype,
            labels,
            capacity,
            seen: 0,
            head,
            kept,
            kernels,
        })
    }

    /// The kernels for `key`, compiled on first use.
    async fn score_kernels(&self, key: ScoreKey) -> Result<ScoreKernels> {
        let lock = || self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernels) = lock().get(&key) {
            return Ok(kernels.clone());
        }
        let (tuning, dtype, labels) = key;
        let made = self.scoped(|| ScoreKernels {
            keep: Kernels::new(
                self,
                "wgloss scores",
                keep_text(tuning, dtype, labels),
                &[Access::Read, Access::Read, Access::Write, Access::Write],
                ["main"],
            ),
            sort: Kernels::new(
                self,
                "wgloss sort",
                sort_text(tuning),
                &[Access::Read, Access::Read, Access::Write, Access::Write],
                ["count", "block_sums", "block_starts", "starts", "place"],
            ),
            merge: Kernels::new(
                self,
                "wgloss merge",
                merge_text(tuning),
                &[Access::Read, Access::Read, Access::Write, Access::Write],
                ["take_words", "add_counts", "take_head"],
            ),
            areas: Kernels::new(
                self,
                "wgloss areas",
                areas_text(tuning),
                &[Access::Read, Access::Read, Access::Write],
                ["areas", "finish", "counted_areas"],
            ),
        });
        let kernels = made.await?;
        Ok(lock().entry(key).or_insert(kernels).clone())
    }
}

impl ScoreState {
    /// How many samples have been recorded.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Attaches `n` scores with their labels; those with the label `ignore_index` are passed over.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is too small, off its alignment or of the wrong usage; [`Error::TooLarge`] for a
    /// batch larger than a binding; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(
        &self,
        scores: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<ScoreBatch> {
        self.gpu
            .block_on(self.bind_async(scores, labels, n, ignore_index))
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
    ) -> Result<ScoreBatch> {
        let gpu = &self.gpu;
        let (score, label) = (self.dtype.size(), self.labels.size());
        scores.check("scores", n as u64 * score, score)?;
        labels.check("labels", n as u64 * label, label)?;
        let alignment = u64::from(gpu.limits.alignment);
        // A part of the batch for each dispatch: both bindings begin at a multiple of the alignment below it.
        let room = gpu.limits.binding.saturating_sub(alignment);
        let most = usize::try_from(room / label.max(4)).unwrap_or(usize::MAX);
        let most = most.min(1 << 30) / ALIGNED * ALIGNED;
        if most == 0 || n as u64 > u64::from(u32::MAX) - 1 {
            return Err(Error::TooLarge {
                what: "samples of a batch".into(),
                limit: u64::from(u32::MAX) - 1,
                found: n as u64,
            });
        }
        let ignore = ignore_index.unwrap_or(0);
        let span = |view: &View<'_>, first: usize, len: usize, size: u64| {
            let from = view.offset + first as u64 * size;
            let start = from / alignment * alignment;
            let bytes = (from + len as u64 * size - start).next_multiple_of(4);
            let bytes = bytes.min(view.buffer.size() - start);
            (start, bytes, ((from - start) / size) as u32)
        };
        let stride = gpu.uniform_stride();
        let mut uniforms: Vec<u8> = Vec::new();
        let mut parts = Vec::new();
        for (i, first) in (0..n).step_by(most).enumerate() {
            let len = most.min(n - first);
            let (s_start, s_bytes, off_scores) = span(scores, first, len, score);
            let (l_start, l_bytes, off_labels) = span(labels, first, len, label);
            uniforms.resize(i * stride as usize, 0);
            uniforms.extend_from_slice(bytemuck::bytes_of(&KeepParams {
                n: len as u32,
                first: first as u32,
                off_scores,
                off_labels,
                has_ignore: u32::from(ignore_index.is_some()),
                ignore_lo: ignore as u32,
                ignore_hi: (ignore >> 32) as u32,
                capacity: (self.kept.size() / 4) as u32,
            }));
            parts.push((s_start, s_bytes, l_start, l_bytes, len));
        }
        let [kernel] = &self.kernels.keep.pipelines;
        let tile = shape(gpu.tuning).tile;
        let made = gpu.scoped(|| {
            let params = self.parameters(&uniforms);
            let step = |(i, &(s_start, s_bytes, l_start, l_bytes, len)): (usize, &_)| {
                let at = |buffer, offset, size| Span {
                    buffer,
                    offset,
                    size,
                };
                let params = at(&params, i as u64 * stride, size_of::<KeepParams>() as u64);
                let buffers = [
                    at(scores.buffer, s_start, s_bytes),
                    at(labels.buffer, l_start, l_bytes),
                    Span::whole(&self.head),
                    Span::whole(&self.kept),
                ];
                let groups: usize = usize::div_ceil(len, tile);
                Step {
                    pipeline: kernel.clone(),
                    group: self.kernels.keep.bind(gpu, params, &buffers),
                    grid: gpu.plane(groups),
                }
            };
            parts.iter().enumerate().map(step).collect::<Vec<_>>()
        });
        Ok(ScoreBatch {
            steps: made.await?,
            n,
        })
    }

    /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no room for it; then nothing is recorded.
    pub fn update(&mut self, encoder: &mut wgpu::CommandEncoder, batch: &ScoreBatch) -> Result<()> {
        self.seen = self.room_for(batch.n)?;
        Gpu::record(encoder, "scores", &batch.steps);
        Ok(())
    }

    /// Records that nothing has been seen.
    pub fn reset(&mut self, encoder: &mut wgpu::CommandEncoder) {
        self.seen = 0;
        encoder.clear_buffer(&self.head, 0, None);
        if self.dtype != DType::F32 {
            encoder.clear_buffer(&self.kept, 0, None);
        }
    }

    /// Records that everything `other` has seen was seen here, on the same device. Allocates a few words of parameters;
    /// submits nothing and reads nothing back. `other` stays as it is.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a state of another storage type or device; [`Error::TooLarge`] where there is no room for it;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn merge(&mut self, encoder: &mut wgpu::CommandEncoder, other: &ScoreState) -> Result<()> {
        let gpu = self.gpu.clone();
        gpu.block_on(self.merge_async(encoder, other))
    }

    /// As `merge`, without blocking.
    ///
    /// # Errors
    /// As `merge`.
    pub async fn merge_async(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        other: &ScoreState,
    ) -> Result<()> {
        if self.dtype != other.dtype {
            return Err(Error::mismatch(
                "state to merge",
                format!("scores of {}", self.dtype),
                other.dtype.to_string(),
            ));
        }
        if self.gpu.device != other.gpu.device {
            return Err(Error::mismatch(
                "state to merge",
                "one on the same device",
                "one on another: save it, and load it here",
            ));
        }
        let seen = self.room_for(other.seen)?;
        let capacity = |s: &ScoreState| (s.kept.size() / 4) as u32;
        let [take_words, add_counts, take_head] = &self.kernels.merge.pipelines;
        let (pipeline, words) = match self.dtype {
            DType::F32 => (take_words, capacity(other) as usize),
            DType::F16 | DType::Bf16 => (add_counts, COUNTS as usize / 2),
        };
        let gpu = &self.gpu;
        let made = gpu.scoped(|| {
            let params = self.parameters(bytemuck::bytes_of(&MergeParams {
                capacity: capacity(self),
                other_capacity: capacity(other),
                reserved: [0; 2],
            }));
            let buffers = [&other.head, &other.kept, &self.head, &self.kept].map(Span::whole);
            let group = self.kernels.merge.bind(gpu, Span::whole(&params), &buffers);
            let step = |pipeline: &wgpu::ComputePipeline, groups: usize| Step {
                pipeline: pipeline.clone(),
                group: group.clone(),
                grid: gpu.plane(groups),
            };
            [
                step(pipeline, words.div_ceil(shape(gpu.tuning).tile)),
                step(take_head, 1),
            ]
        });
        Gpu::record(encoder, "merge", &made.await?);
        self.seen = seen;
        Ok(())
    }

    /// What is kept, to be saved or sent: a few words that say what it is, then counts or scores, little endian. Waits for
    /// what has been submitted.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.gpu.block_on(self.to_bytes_async())
    }

    /// As `to_bytes`, without blocking.
    ///
    /// # Errors
    /// As `to_bytes`.
    pub async fn to_bytes_async(&self) -> Result<Vec<u8>> {
        let gpu = &self.gpu;
        let made = gpu.scoped(|| {
            let size = 4 * HEAD + self.kept.size();
            let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
            let back = buffer(&gpu.device, "wgloss scores", size, usage);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.head, 0, &back, 0, 4 * HEAD);
            encoder.copy_buffer_to_buffer(&self.kept, 0, &back, 4 * HEAD, self.kept.size());
            gpu.queue.submit([encoder.finish()]);
            back
        });
        let back = made.await?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&gpu.read(&back).await?);
        let (head, kept) = words.split_at(HEAD as usize);
        let mut saved = vec![MAGIC, VERSION, kind(self.dtype)];
        saved.extend([self.seen as u64 as u32, (self.seen as u64 >> 32) as u32]);
        saved.extend(head);
        match self.dtype {
            DType::F32 => {
                let (positives, negatives) = (head[0] as usize, head[1] as usize);
                saved.extend(kept.iter().take(positives));
                saved.extend(kept.iter().rev().take(negatives));
            }
            DType::F16 | DType::Bf16 => saved.extend(kept),
        }
        Ok(saved.iter().flat_map(|w| w.to_le_bytes()).collect())
    }

    /// Takes the place of what is kept by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before anything that
    /// is submitted from now on.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for bytes that are none of a state of this storage type; [`Error::TooLarge`] where there is no
    /// room for them: then nothing has changed. [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let gpu = self.gpu.clone();
        gpu.block_on(self.load_bytes_async(bytes))
    }

    /// As `load_bytes`, without blocking.
    ///
    /// # Errors
    /// As `load_bytes`.
    pub async fn load_bytes_async(&mut self, bytes: &[u8]) -> Result<()> {
        let wrong = |expected: &str, found: String| Err(Error::mismatch("bytes", expected, found));
        let (words, rest) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
        let start = 5 + HEAD as usize;
        let Some((head, body)) = words.split_at_checked(start).filter(|_| rest.is_empty()) else {
            return wrong("a saved state of scores", format!("{} bytes", bytes.len()));
        };
        if head[0] != MAGIC || head[1] != VERSION {
            let expected = "a state of scores saved by this version";
            return wrong(expected, format!("{:08x} {}", head[0], head[1]));
        }
        if head[2] != kind(self.dtype) {
            let expected = format!("scores of {}", self.dtype);
            return wrong(&expected, format!("kind {}", head[2]));
        }
        let seen = u64::from(head[3]) | u64::from(head[4]) << 32;
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        if seen > self.capacity {
            return self.full(seen);
        }
        let (positives, negatives) = (head[5] as usize, head[6] as usize);
        let expected = match self.dtype {
            DType::F32 => positives.saturating_add(negatives),
            DType::F16 | DType::Bf16 => COUNTS as usize,
        };
        if body.len() != expected || (self.dtype == DType::F32 && expected > seen) {
            return wrong(&format!("{expected} words"), body.len().to_string());
        }
        let written = self.gpu.scoped(|| {
            let queue = &self.gpu.queue;
            queue.write_buffer(&self.head, 0, bytemuck::cast_slice(&head[5..]));
            let (front, back) = match self.dtype {
                DType::F32 => body.split_at(positives),
                DType::F16 | DType::Bf16 => (body, &[][..]),
            };
            queue.write_buffer(&self.kept, 0, bytemuck::cast_slice(front));
            let back: Vec<u32> = back.iter().rev().copied().collect();
            let at = self.kept.size() - 4 * back.len() as u64;
            queue.write_buffer(&self.kept, at, bytemuck::cast_slice(&back));
        });
        written.await?;
        self.seen = seen;
        Ok(())
    }

    /// How many samples there are with `more`, if there is room.
    fn room_for(&self, more: usize) -> Result<usize> {
        let seen = self.seen.saturating_add(more);
        match seen > self.capacity {
            true => self.full(seen),
            false => Ok(seen),
        }
    }

    fn full<T>(&self, seen: usize) -> Result<T> {
        Err(Error::TooLarge {
            what: "scores kept".into(),
            limit: self.capacity as u64,
            found: seen as u64,
        })
    }

    /// Works the areas out on the device, waits, and reads 80 bytes back. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// [`Error::BadSample`] for a label other than 0 and 1 or a NaN, with the first place in its batch;
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<Areas> {
        self.gpu.block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<Areas> {
        let gpu = &self.gpu;
        let made = gpu.scoped(|| {
            let (steps, result) = match self.dtype {
                DType::F32 => self.sorted_steps(),
                DType::F16 | DType::Bf16 => self.counted_steps(),
            };
            let bytes = 4 * (HEAD + RESULT as u64);
            let back = buffer(
                &gpu.device,
                "wgloss areas",
                bytes,
                wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            );
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            Gpu::record(&mut encoder, "areas", &steps);
            encoder.copy_buffer_to_buffer(&self.head, 0, &back, 0, 4 * HEAD);
            encoder.copy_buffer_to_buffer(&result, 0, &back, 4 * HEAD, 4 * RESULT as u64);
            gpu.queue.submit([encoder.finish()]);
            back
        });
        let back = made.await?;
        let bytes = gpu.read(&back).await?;
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
        let (head, result) = words.split_at(HEAD as usize);
        for (count, first, what, expected) in [
            (head[4], head[5], "target", "labels below 2"),
            (head[2], head[3], "input", "scores that are numbers"),
        ] {
            if count > 0 {
                let found = match what {
                    "input" => "NaN".to_string(),
                    _ => format!("{count} others, the first"),
                };
                return Err(Error::BadSample {
                    what,
                    expected: expected.into(),
                    index: (u32::MAX - first) as usize,
                    found,
                });
            }
        }
        let wide = |at: usize| {
            let word = |k: usize| u128::from(result[at + k]) << (32 * k);
            (0..4).map(word).sum::<u128>()
        };
        let long = |at: usize| u64::from(result[at]) | u64::from(result[at + 1]) << 32;
        Ok(Areas {
            twice_pairs: wide(0),
            precisions: wide(4),
            positives: long(8),
            negatives: long(10),
        })
    }

    fn parameters(&self, bytes: &[u8]) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let size = bytes.len().max(16) as u64;
        let params = buffer(&self.gpu.device, "wgloss parameters", size, usage);
        self.gpu.queue.write_buffer(&params, 0, bytes);
        params
    }

    fn result(&self, groups: usize) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let words = RESULT + 8 * groups;
        buffer(&self.gpu.device, "wgloss areas", 4 * words as u64, usage)
    }

    fn counted_steps(&self) -> (Vec<Step>, wgpu::Buffer) {
        let result = self.result(0);
        let params = AreaParams {
            groups: 0,
            reserved: [0; 3],
        };
        let params = self.parameters(bytemuck::bytes_of(&params));
        let buffers = [&self.head, &self.kept, &result].map(Span::whole);
        let step = Step {
            pipeline: self.kernels.areas.pipelines[2].clone(),
            group: self
                .kernels
                .areas
                .bind(&self.gpu, Span::whole(&params), &buffers),
            grid: [1, 1],
        };
        (vec![step], result)
    }

    fn sorted_steps(&self) -> (Vec<Step>, wgpu::Buffer) {
        let gpu = &self.gpu;
        let Shape { width, bits, tile } = shape(gpu.tuning);
        let capacity = (self.kept.size() / 4) as usize;
        let tiles = capacity.div_ceil(tile);
        let entries = (2usize << bits) * tiles;
        let blocks = entries.div_ceil(tile);
        let storage = |label, words: usize| {
            let usage = wgpu::BufferUsages::STORAGE;
            buffer(&gpu.device, label, 4 * words as u64, usage)
        };
        let counts = storage("wgloss digits", entries + blocks);
        let room = [
            storage("wgloss sorted", capacity),
            storage("wgloss sorted", capacity),
        ];
        let digits = 32u32.div_ceil(bits);
        let stride = gpu.uniform_stride() as usize;
        let mut uniforms: Vec<u8> = Vec::new();
        for digit in 0..digits {
            uniforms.resize(digit as usize * stride, 0);
            uniforms.extend_from_slice(bytemuck::bytes_of(&SortParams {
                capacity: capacity as u32,
                tiles: tiles as u32,
                shift: digit * bits,
                apart: u32::from(digit == 0),
            }));
        }
        let params = self.parameters(&uniforms);
        let [count, block_sums, block_starts, starts, place] = &self.kernels.sort.pipelines;
        let mut steps = Vec::new();
        let mut from = &self.kept;
        for digit in 0..digits {
            let to = &room[digit as usize % 2];
            let params = Span {
                buffer: &params,
                offset: digit as u64 * stride as u64,
                size: size_of::<SortParams>() as u64,
            };
            let buffers = [&self.head, from, to, &counts].map(Span::whole);
            let group = self.kernels.sort.bind(gpu, params, &buffers);
            for (pipeline, groups) in [
                (count, tiles),
                (block_sums, blocks),
                (block_starts, 1),
                (starts, blocks),
                (place, tiles),
            ] {
                steps.push(Step {
                    pipeline: pipeline.clone(),
                    group: group.clone(),
                    grid: gpu.plane(groups),
                });
            }
            from = to;
        }
        let groups = capacity.div_ceil(width as usize * RUN * RUNS).max(1);
        let result = self.result(groups);
        let params = AreaParams {
            groups: groups as u32,
            reserved: [0; 3],
        };
        let params = self.parameters(bytemuck::bytes_of(&params));
        let buffers = [&self.head, from, &result].map(Span::whole);
        let group = self.kernels.areas.bind(gpu, Span::whole(&params), &buffers);
        let [areas, finish, _] = &self.kernels.areas.pipelines;
        for (pipeline, grid) in [(areas, gpu.plane(groups)), (finish, [1, 1])] {
            steps.push(Step {
                pipeline: pipeline.clone(),
                group: group.clone(),
                grid,
            });
        }
        (steps, result)
    }
}
