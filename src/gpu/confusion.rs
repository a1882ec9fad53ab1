//! Confusion matrices and ranks, counted on the device.

use super::bind::View;
use super::collect::{
    HEAD, Merged, SampleBatch, Source, Store, batch_text, check_head, from_bytes, load_label,
    merge_kernels, to_bytes,
};
use super::kernels::{Access, Kernels};
use super::scores::load_score;
use super::{Gpu, Tuning};
use crate::error::{Error, Result};
use crate::metric::ConfusionMatrix;
use crate::tensor::{DType, LabelType};
use std::sync::PoisonError;

const COUNT: &str = include_str!("../../shaders/metric/confusion.wgsl");
const OF_LABELS: &str = include_str!("../../shaders/metric/confusion_labels.wgsl");
const OF_SCORES: &str = include_str!("../../shaders/metric/confusion_scores.wgsl");

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

/// Invocations of a workgroup, and the samples it takes.
fn shape(tuning: Tuning, predictions: Predictions) -> (u32, usize) {
    match (tuning, predictions) {
        (Tuning::Wide, Predictions::Labels(_)) => (256, 8192),
        (Tuning::Wide, Predictions::Scores(_)) => (256, 256),
        (Tuning::Narrow, Predictions::Labels(_)) => (8, 32_768),
        (Tuning::Narrow, Predictions::Scores(_)) => (8, 1024),
    }
}

pub(super) type ConfusionKey = (Tuning, Predictions, LabelType);

/// The WGSL of a key.
pub(super) fn confusion_text((tuning, predictions, labels): ConfusionKey) -> String {
    let (width, tile) = shape(tuning, predictions);
    let (of, load) = match predictions {
        Predictions::Labels(ty) => (OF_LABELS, load_label("load_prediction", "inputs", ty)),
        Predictions::Scores(dtype) => (OF_SCORES, load_score(dtype, "inputs", "params.off_input")),
    };
    let constants = format!("const WIDTH: u32 = {width}u;\nconst TILE: u32 = {tile}u;\n");
    batch_text(labels) + COUNT + of + &load + &constants
}

/// The kernels of a state: to count, and to take in others.
#[derive(Debug, Clone)]
pub(super) struct ConfusionKernels {
    count: Kernels<1>,
    merge: Kernels<3>,
}

/// How saved bytes begin: `wgcf`, then a version.
const MAGIC: u32 = u32::from_le_bytes(*b"wgcf");
const VERSION: u32 = 1;

/// A confusion matrix that is counted on the device, batch by batch; and of scores, for every k, the samples whose class is
/// among the k highest. Counts have 64 bits and do not depend on how samples are split into batches.
#[derive(Debug)]
pub struct ConfusionState {
    store: Store,
    predictions: Predictions,
    labels: LabelType,
    classes: usize,
    kernels: ConfusionKernels,
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
        // Both halves of cells and ranks.
        let words = (classes as u64)
            .checked_mul(classes as u64 + 1)
            .and_then(|slots| slots.checked_mul(2))
            .unwrap_or(u64::MAX);
        let key = (self.tuning, predictions, labels);
        Ok(ConfusionState {
            kernels: self.confusion_kernels(key).await?,
            store: Store::new(self, "words of a confusion matrix", words).await?,
            predictions,
            labels,
            classes,
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
                &[Access::Read, Access::Read, Access::Write, Access::Write],
                ["main"],
            ),
            merge: merge_kernels(self),
        });
        let kernels = made.await?;
        Ok(lock().entry(key).or_insert(kernels).clone())
    }
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
    ) -> Result<SampleBatch> {
        self.store
            .gpu
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
    ) -> Result<SampleBatch> {
        let each = match self.predictions {
            Predictions::Labels(_) => 1,
            Predictions::Scores(_) => self.classes as u64,
        };
        let predictions = Source {
            what: "predictions",
            view: predictions,
            size: self.predictions.size(),
            each,
        };
        let labels = Source {
            what: "labels",
            view: labels,
            size: self.labels.size(),
            each: 1,
        };
        let (_, tile) = shape(self.store.gpu.tuning, self.predictions);
        let extent = (self.classes as u32, tile);
        let count = &self.kernels.count;
        self.store
            .bind(count, predictions, labels, n, ignore_index, extent)
            .await
    }

    /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a batch that was bound to another state: then nothing is recorded.
    pub fn update(&self, encoder: &mut wgpu::CommandEncoder, batch: &SampleBatch) -> Result<()> {
        self.store.record(encoder, batch)
    }

    /// Records that nothing has been counted.
    pub fn reset(&self, encoder: &mut wgpu::CommandEncoder) {
        self.store.clear(encoder, true);
    }

    /// Records that everything `other` has counted was counted here, on the same device. Allocates a few words of
    /// parameters; submits nothing and reads nothing back. `other` stays as it is.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a state of other classes, of another kind of predictions or on another device, and for this one;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn merge(&self, encoder: &mut wgpu::CommandEncoder, other: &ConfusionState) -> Result<()> {
        self.store.gpu.block_on(self.merge_async(encoder, other))
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
        if self.start() != other.start() {
            let (expected, found) = (self.said(), other.said());
            return Err(Error::mismatch("state to merge", expected, found));
        }
        let counts = Merged::Counts(self.slots());
        let (store, kernels) = (&self.store, &self.kernels.merge);
        store.merge(encoder, &other.store, kernels, counts).await
    }

    /// What was counted, to be saved or sent: a few words that say what it is, then the counts, little endian. Waits for
    /// what has been submitted.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.store.gpu.block_on(self.to_bytes_async())
    }

    /// As `to_bytes`, without blocking.
    ///
    /// # Errors
    /// As `to_bytes`.
    pub async fn to_bytes_async(&self) -> Result<Vec<u8>> {
        let words = self.read().await?;
        Ok(to_bytes(self.start().into_iter().chain(words)))
    }

    /// Takes the place of what was counted by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before anything that
    /// is submitted from now on.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for bytes that are none of a state of these classes and this kind of predictions: then nothing
    /// has changed. [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.store.gpu.block_on(self.load_bytes_async(bytes))
    }

    /// As `load_bytes`, without blocking.
    ///
    /// # Errors
    /// As `load_bytes`.
    pub async fn load_bytes_async(&self, bytes: &[u8]) -> Result<()> {
        let words = from_bytes(bytes, &self.start()).unwrap_or_default();
        let Some((head, counts)) = words
            .split_at_checked(HEAD)
            .filter(|(_, counts)| counts.len() == 2 * self.slots())
        else {
            let expected = format!("a saved state of {}", self.said());
            let found = format!("{} bytes that are none", bytes.len());
            return Err(Error::mismatch("bytes", expected, found));
        };
        let Store { gpu, head: h, kept } = &self.store;
        let written = gpu.scoped(|| {
            gpu.queue.write_buffer(h, 0, bytemuck::cast_slice(head));
            gpu.queue
                .write_buffer(kept, 0, bytemuck::cast_slice(counts));
        });
        written.await
    }

    /// Cells and ranks.
    fn slots(&self) -> usize {
        self.classes * (self.classes + 1)
    }

    /// How saved bytes begin: they say what is counted.
    fn start(&self) -> [u32; 4] {
        let kind = match self.predictions {
            Predictions::Labels(_) => 0,
            Predictions::Scores(_) => 1,
        };
        [MAGIC, VERSION, kind, self.classes as u32]
    }

    /// The same in words.
    fn said(&self) -> String {
        let kind = match self.predictions {
            Predictions::Labels(_) => "predicted labels",
            Predictions::Scores(_) => "scores",
        };
        format!("{kind} of {} classes", self.classes)
    }

    /// Waits for what has been submitted, and reads the counts.
    ///
    /// # Errors
    /// [`Error::BadSample`] for labels out of range or a NaN, with the first place in its batch;
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<Confusion> {
        self.store.gpu.block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<Confusion> {
        let words = self.read().await?;
        let (head, counts) = words.split_at(HEAD);
        let expected = match self.predictions {
            Predictions::Labels(_) => format!("labels below {}", self.classes),
            Predictions::Scores(_) => "scores that are numbers".into(),
        };
        check_head(head, self.classes, &expected)?;
        let (low, high) = counts.split_at(self.slots());
        let count = |(l, h): (&u32, &u32)| u64::from(*l) | u64::from(*h) << 32;
        let mut all: Vec<u64> = low.iter().zip(high).map(count).collect();
        let ranks = all.split_off(self.classes * self.classes);
        Ok(Confusion {
            matrix: ConfusionMatrix::of_counts(self.classes, all),
            ranks: match self.predictions {
                Predictions::Labels(_) => Vec::new(),
                Predictions::Scores(_) => ranks,
            },
        })
    }

    async fn read(&self) -> Result<Vec<u32>> {
        let kept = &self.store.kept;
        self.store.read(&[], &[(kept, kept.size())]).await
    }
}
