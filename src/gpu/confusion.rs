//! Confusion matrices and ranks, counted on the device.

use super::bind::{View, buffer};
use super::class_weight::load_label;
use super::kernels::{Access, Kernels, Span, Step};
use super::scores::load_score;
use super::{Gpu, Tuning};
use crate::error::{Error, Result};
use crate::metric::ConfusionMatrix;
use crate::tensor::{DType, LabelType};
use std::sync::PoisonError;

const COMMON: &str = include_str!("../../shaders/metric/confusion.wgsl");
const OF_LABELS: &str = include_str!("../../shaders/metric/confusion_labels.wgsl");
const MERGE: &str = include_str!("../../shaders/metric/confusion_merge.wgsl");
const OF_SCORES: &str = include_str!("../../shaders/metric/confusion_scores.wgsl");

/// Words of what was wrong, before the counts.
const HEAD: u64 = 8;
/// Parts of a batch begin at a multiple of so many samples: any alignment of bindings is one.
const ALIGNED: usize = 4096;

/// What predictions are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Predictions {
    /// Predicted labels, one per sample.
    Labels(LabelType),
    /// Scores, probabilities or logits, one per class for each sample, of which the highest is predicted.
    Scores(DType),
}

impl Predictions {
    fn size(self) -> u64 {
        match self {
            Predictions::Labels(ty) => ty.size(),
            Predictions::Scores(dtype) => dtype.size(),
        }
    }
}

/// Invocations of a workgroup, and the samples it takes: of labels, and of rows of scores.
fn shape(tuning: Tuning) -> (u32, usize, usize) {
    match tuning {
        Tuning::Wide => (256, 8192, 256),
        Tuning::Narrow => (8, 32_768, 1024),
    }
}

pub(super) type ConfusionKey = (Tuning, Predictions, LabelType);

/// The WGSL of a key.
pub(super) fn confusion_text((tuning, predictions, labels): ConfusionKey) -> String {
    let (width, tile, rows) = shape(tuning);
    let (main, load) = match predictions {
        Predictions::Labels(ty) => (OF_LABELS, load_label("load_prediction", "inputs", ty)),
        Predictions::Scores(dtype) => (OF_SCORES, load_score(dtype, "inputs", "params.off_input")),
    };
    let label = load_label("load_label", "labels", labels);
    format!(
        "{COMMON}{main}{load}{label}const WIDTH: u32 = {width}u;\nconst TILE: u32 = {tile}u;\nconst ROWS: u32 = {rows}u;\n"
    )
}

/// The WGSL by which one state takes in another.
pub(super) fn merge_text(tuning: Tuning) -> String {
    let (width, tile, _) = shape(tuning);
    format!("{MERGE}const WIDTH: u32 = {width}u;\nconst TILE: u32 = {tile}u;\n")
}

/// The kernels of a state: to count, and to take in others.
#[derive(Debug, Clone)]
pub(super) struct ConfusionKernels {
    count: Kernels<1>,
    merge: Kernels<1>,
}

/// How saved bytes begin: `wgcf`, then a version.
const MAGIC: u32 = u32::from_le_bytes(*b"wgcf");
const VERSION: u32 = 1;

#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    n: u32,
    first: u32,
    classes: u32,
    off_input: u32,
    off_labels: u32,
    has_ignore: u32,
    ignore_lo: u32,
    ignore_hi: u32,
}

/// A confusion matrix that is counted on the device, batch by batch; and of scores, for every k, the samples whose class is
/// among the k highest. Counts have 64 bits and do not depend on how samples are split into batches.
#[derive(Debug)]
pub struct ConfusionState {
    gpu: Gpu,
    predictions: Predictions,
    labels: LabelType,
    classes: usize,
    counts: wgpu::Buffer,
    kernels: ConfusionKernels,
}

/// A batch of a [`ConfusionState`], ready to be recorded as often as wanted.
#[derive(Debug)]
pub struct ConfusionBatch {
    steps: Vec<Step>,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Confusion {
    /// True classes by predicted ones.
    pub matrix: ConfusionMatrix,
    /// Of scores, the samples whose class k others go before: those with a higher score, or with the same and a lower
    /// number. The first k of them are the hits of top-k accuracy. Empty for predicted labels.
    pub ranks: Vec<u64>,
}

impl Gpu {
    /// Makes a state of `classes` classes, whose true labels are stored as `labels`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more cells than a binding holds, [`Error::Mismatch`] for no class;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn confusion(
        &self,
        predictions: Predictions,
        labels: LabelType,
        classes: usize,
    ) -> Result<ConfusionState> {
        self.block_on(self.confusion_async(predictions, labels, classes))
    }

    /// As `confusion`, without blocking.
    ///
    /// # Errors
    /// As `confusion`.
    pub async fn confusion_async(
        &self,
        predictions: Predictions,
        labels: LabelType,
        classes: usize,
    ) -> Result<ConfusionState> {
        if classes == 0 {
            return Err(Error::mismatch("classes", "at least 1", "0"));
        }
        let words = words(classes as u64).unwrap_or(u64::MAX);
        let limit = self.limits.binding.min(self.limits.buffer) / 4;
        if words > limit {
            return Err(Error::TooLarge {
                what: "words of a confusion matrix".into(),
                limit,
                found: words,
            });
        }
        let kernels = self
            .confusion_kernels((self.tuning, predictions, labels))
            .await?;
        let made = self.scoped(|| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC;
            buffer(&self.device, "wgloss confusion", 4 * words, usage)
        });
        Ok(ConfusionState {
            gpu: self.clone(),
            predictions,
            labels,
            classes,
            counts: made.await?,
            kernels,
        })
    }

    /// The kernel for `key`, compiled on first use.
    async fn confusion_kernels(&self, key: ConfusionKey) -> Result<ConfusionKernels> {
        let lock = || {
            self.confusions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(kernels) = lock().get(&key) {
            return Ok(kernels.clone());
        }
        let made = self.scoped(|| ConfusionKernels {
            count: Kernels::new(
                self,
                "wgloss confusion",
                confusion_text(key),
                &[Access::Read, Access::Read, Access::Write],
                ["main"],
            ),
            merge: Kernels::new(
                self,
                "wgloss merge",
                merge_text(key.0),
                &[Access::Read, Access::Write],
                ["main"],
            ),
        });
        let kernels = made.await?;
        Ok(lock().entry(key).or_insert(kernels).clone())
    }
}

/// Words of a state: both halves of cells and ranks, after what was wrong.
fn words(classes: u64) -> Option<u64> {
    let slots = classes.checked_mul(classes.checked_add(1)?)?;
    slots.checked_mul(2)?.checked_add(HEAD)
}

impl ConfusionState {
    /// Attaches `n` samples: predictions (`n` labels, or `n` rows of scores) and true labels; those with the label
    /// `ignore_index` are passed over.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is too small, off its alignment or of the wrong usage; [`Error::TooLarge`] for
    /// rows larger than a binding or 2³² numbers; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(
        &self,
        predictions: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<ConfusionBatch> {
        self.gpu
            .block_on(self.bind_async(predictions, labels, n, ignore_index))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(
        &self,
        predictions: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<ConfusionBatch> {
        let gpu = &self.gpu;
        // Numbers of a sample, and bytes of one.
        let each = match self.predictions {
            Predictions::Labels(_) => 1,
            Predictions::Scores(_) => self.classes as u64,
        };
        let (size, label) = (self.predictions.size(), self.labels.size());
        let numbers = (n as u64).saturating_mul(each);
        if numbers > u64::from(u32::MAX) - 1 {
            return Err(Error::TooLarge {
                what: "numbers of a batch".into(),
                limit: u64::from(u32::MAX) - 1,
                found: numbers,
            });
        }
        predictions.check("predictions", numbers * size, size)?;
        labels.check("labels", n as u64 * label, label)?;
        let alignment = u64::from(gpu.limits.alignment);
        let room = gpu.limits.binding.saturating_sub(alignment);
        let most = (room / (each * size).max(label)) as usize;
        // Rows begin anywhere; labels, of which many fit, at a multiple.
        let most = match most > ALIGNED {
            true => most / ALIGNED * ALIGNED,
            false => most,
        };
        if most == 0 {
            return Err(Error::TooLarge {
                what: "bytes of a row".into(),
                limit: room,
                found: each * size,
            });
        }
        let ignore = ignore_index.unwrap_or(0);
        let span = |view: &View<'_>, first: usize, len: usize, bytes: u64, size: u64| {
            let from = view.offset + first as u64 * bytes;
            let start = from / alignment * alignment;
            let whole = (from + len as u64 * bytes - start).next_multiple_of(4);
            let whole = whole.min(view.buffer.size() - start);
            (start, whole, ((from - start) / size) as u32)
        };
        let stride = gpu.uniform_stride();
        let mut uniforms: Vec<u8> = Vec::new();
        let mut parts = Vec::new();
        for (i, first) in (0..n).step_by(most).enumerate() {
            let len = most.min(n - first);
            let (p_start, p_bytes, off_input) = span(predictions, first, len, each * size, size);
            let (l_start, l_bytes, off_labels) = span(labels, first, len, label, label);
            uniforms.resize(i * stride as usize, 0);
            uniforms.extend_from_slice(bytemuck::bytes_of(&Params {
                n: len as u32,
                first: first as u32,
                classes: self.classes as u32,
                off_input,
                off_labels,
                has_ignore: u32::from(ignore_index.is_some()),
                ignore_lo: ignore as u32,
                ignore_hi: (ignore >> 32) as u32,
            }));
            parts.push((p_start, p_bytes, l_start, l_bytes, len));
        }
        let (_, tile, rows) = shape(gpu.tuning);
        let tile = match self.predictions {
            Predictions::Labels(_) => tile,
            Predictions::Scores(_) => rows,
        };
        let made = gpu.scoped(|| {
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let bytes = uniforms.len().max(size_of::<Params>()) as u64;
            let params = buffer(&gpu.device, "wgloss parameters", bytes, usage);
            gpu.queue.write_buffer(&params, 0, &uniforms);
            let step = |(i, &(p_start, p_bytes, l_start, l_bytes, len)): (usize, &_)| {
                let at = |buffer, offset, size| Span {
                    buffer,
                    offset,
                    size,
                };
                let params = at(&params, i as u64 * stride, size_of::<Params>() as u64);
                let buffers = [
                    at(predictions.buffer, p_start, p_bytes),
                    at(labels.buffer, l_start, l_bytes),
                    Span::whole(&self.counts),
                ];
                let groups: usize = usize::div_ceil(len, tile);
                Step {
                    pipeline: self.kernels.count.pipelines[0].clone(),
                    group: self.kernels.count.bind(gpu, params, &buffers),
                    grid: gpu.plane(groups),
                }
            };
            parts.iter().enumerate().map(step).collect::<Vec<_>>()
        });
        Ok(ConfusionBatch { steps: made.await? })
    }

    /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
    pub fn update(&self, encoder: &mut wgpu::CommandEncoder, batch: &ConfusionBatch) {
        Gpu::record(encoder, "confusion", &batch.steps);
    }

    /// Records that nothing has been counted.
    pub fn reset(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(&self.counts, 0, None);
    }

    /// Records that everything `other` has counted was counted here, on the same device. Allocates a few words of
    /// parameters; submits nothing and reads nothing back. `other` stays as it is.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a state of other classes, of another kind of predictions or on another device;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn merge(&self, encoder: &mut wgpu::CommandEncoder, other: &ConfusionState) -> Result<()> {
        self.gpu.block_on(self.merge_async(encoder, other))
    }

    /// As `merge`, without blocking.
    ///
    /// # Errors
    /// As `merge`.
    pub async fn merge_async(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        other: &ConfusionState,
    ) -> Result<()> {
        let what = |s: &ConfusionState| format!("{} of {} classes", s.kind().1, s.classes);
        if what(self) != what(other) {
            return Err(Error::mismatch("state to merge", what(self), what(other)));
        }
        if self.gpu.device != other.gpu.device {
            return Err(Error::mismatch(
                "state to merge",
                "one on the same device",
                "one on another: save it, and load it here",
            ));
        }
        let gpu = &self.gpu;
        let slots = self.classes * (self.classes + 1);
        let (_, tile, _) = shape(gpu.tuning);
        let made = gpu.scoped(|| {
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let params = buffer(&gpu.device, "wgloss parameters", 16, usage);
            let words = [slots as u32, 0, 0, 0];
            gpu.queue
                .write_buffer(&params, 0, bytemuck::cast_slice(&words));
            let buffers = [&other.counts, &self.counts].map(Span::whole);
            Step {
                pipeline: self.kernels.merge.pipelines[0].clone(),
                group: self.kernels.merge.bind(gpu, Span::whole(&params), &buffers),
                grid: gpu.plane(slots.div_ceil(tile)),
            }
        });
        Gpu::record(encoder, "merge", &[made.await?]);
        Ok(())
    }

    /// What was counted, to be saved or sent: a few words that say what it is, then the counts, little endian. Waits for
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
        let start = [MAGIC, VERSION, self.kind().0, self.classes as u32];
        let mut bytes: Vec<u8> = start.iter().flat_map(|w| w.to_le_bytes()).collect();
        let words = self.read().await?;
        bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        Ok(bytes)
    }

    /// Takes the place of what was counted by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before anything that
    /// is submitted from now on.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for bytes that are none of a state of these classes and this kind of predictions: then nothing
    /// has changed. [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.gpu.block_on(self.load_bytes_async(bytes))
    }

    /// As `load_bytes`, without blocking.
    ///
    /// # Errors
    /// As `load_bytes`.
    pub async fn load_bytes_async(&self, bytes: &[u8]) -> Result<()> {
        let (words, rest) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
        let start = [MAGIC, VERSION, self.kind().0, self.classes as u32];
        let counts = words.strip_prefix(&start);
        let fits = |c: &&[u32]| rest.is_empty() && 4 * c.len() as u64 == self.counts.size();
        let Some(counts) = counts.filter(fits) else {
            return Err(Error::mismatch(
                "bytes",
                format!(
                    "a saved state of {} of {} classes",
                    self.kind().1,
                    self.classes
                ),
                format!("{} bytes that are none", bytes.len()),
            ));
        };
        let written = self.gpu.scoped(|| {
            let queue = &self.gpu.queue;
            queue.write_buffer(&self.counts, 0, bytemuck::cast_slice(counts));
        });
        written.await
    }

    /// The kind of what is counted, as a number and in words.
    fn kind(&self) -> (u32, &'static str) {
        match self.predictions {
            Predictions::Labels(_) => (0, "predicted labels"),
            Predictions::Scores(_) => (1, "scores"),
        }
    }

    /// Waits for what has been submitted, and reads the counts.
    ///
    /// # Errors
    /// [`Error::BadSample`] for labels out of range or a NaN, with the first place in its batch;
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<Confusion> {
        self.gpu.block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<Confusion> {
        let words = self.read().await?;
        let (head, counts) = words.split_at(HEAD as usize);
        let below = format!("labels below {}", self.classes);
        let input = match self.predictions {
            Predictions::Labels(_) => (below.clone(), "others"),
            Predictions::Scores(_) => ("scores that are numbers".to_string(), "NaNs"),
        };
        for (count, first, what, (expected, others)) in [
            (head[0], head[1], "target", (below, "others")),
            (head[2], head[3], "input", input),
        ] {
            if count > 0 {
                return Err(Error::BadSample {
                    what,
                    expected,
                    index: (u32::MAX - first) as usize,
                    found: format!("{count} {others}, the first"),
                });
            }
        }
        let classes = self.classes;
        let slots = classes * (classes + 1);
        let (low, high) = counts.split_at(slots);
        let count = |(l, h): (&u32, &u32)| u64::from(*l) | u64::from(*h) << 32;
        let mut all: Vec<u64> = low.iter().zip(high).map(count).collect();
        let ranks = all.split_off(classes * classes);
        Ok(Confusion {
            matrix: ConfusionMatrix::of_counts(classes, all),
            ranks: match self.predictions {
                Predictions::Labels(_) => Vec::new(),
                Predictions::Scores(_) => ranks,
            },
        })
    }

    async fn read(&self) -> Result<Vec<u32>> {
        let gpu = &self.gpu;
        let made = gpu.scoped(|| {
            let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
            let size = self.counts.size();
            let back = buffer(&gpu.device, "wgloss confusion", size, usage);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.counts, 0, &back, 0, size);
            gpu.queue.submit([encoder.finish()]);
            back
        });
        let back = made.await?;
        Ok(bytemuck::pod_collect_to_vec(&gpu.read(&back).await?))
    }
}
