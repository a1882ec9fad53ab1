//! Figures of two classes, of counts, exact sums and an order of scores on the device.

use super::{Counts, Predictions, What};
use crate::error::{Error, Result};
use crate::gpu::bind::View;
use crate::gpu::collect::{SampleBatch, check_head};
use crate::gpu::{Gpu, ScoreState};
use crate::metric::{
    Binary, BinaryFigures, Calibration, ConfusionMatrix, InputKind, OperatingPoints, Order,
};
use crate::tensor::LabelType;

/// Cells of the confusion matrix.
const CELLS: usize = 4;

/// Predictions and labels of two classes that are collected batch by batch, for all figures that [`Binary`] has: counts at the
/// threshold, what probabilities add up to, and, of scores, what [`ScoreState`] keeps.
///
/// Counts are exact, sums are so once their terms are rounded to f32: nothing depends on how samples are split into batches or merged.
#[derive(Debug)]
pub struct BinaryState {
    counts: Counts,
    scores: Option<ScoreState>,
    asked: Binary,
    /// As it is stored; `None` for labels.
    threshold: Option<f64>,
}

/// A batch of a [`BinaryState`], ready to be recorded as often as wanted, into that state.
#[derive(Debug)]
pub struct BinaryBatch {
    counts: SampleBatch,
    scores: Option<SampleBatch>,
}

impl Gpu {
    /// Makes a state for what `asked` asks about predictions and labels stored so, with room for `capacity` scores. It keeps 3 KiB,
    /// and scores as [`Gpu::scores`] does.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for options out of range, or predicted labels where there should be scores and the other way round;
    /// [`Error::TooLarge`] for more f32 scores than a binding holds; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn binary(
        &self,
        asked: &Binary,
        predictions: Predictions,
        labels: LabelType,
        capacity: usize,
    ) -> Result<BinaryState> {
        self.block_on(self.binary_async(asked, predictions, labels, capacity))
    }

    /// As `binary`, without blocking.
    ///
    /// # Errors
    /// As `binary`.
    pub async fn binary_async(
        &self,
        asked: &Binary,
        predictions: Predictions,
        labels: LabelType,
        capacity: usize,
    ) -> Result<BinaryState> {
        asked.check()?;
        let said = format!("two classes by {}", asked.input.name());
        let of = |what, extent, slots| {
            let told = (extent, 1, said.clone());
            Counts::new(self, what, told, slots as u64)
        };
        match (asked.input, predictions) {
            (InputKind::Labels, Predictions::Labels(_)) => {
                let what = What::Confusion(predictions, labels);
                Ok(BinaryState {
                    // Ranks besides.
                    counts: of(what, 2, CELLS + 2).await?,
                    scores: None,
                    asked: *asked,
                    threshold: None,
                })
            }
            (InputKind::Labels, Predictions::Scores(dtype)) => {
                let found = format!("scores of {dtype}");
                Err(Error::mismatch("predictions", "predicted labels", found))
            }
            (kind, Predictions::Labels(_)) => {
                let found = "predicted labels";
                Err(Error::mismatch("predictions", kind.name(), found))
            }
            (kind, Predictions::Scores(dtype)) => {
                let threshold = dtype.round(asked.threshold.unwrap_or(kind.threshold()));
                let what = What::Binary(kind, dtype, labels);
                let slots = match kind {
                    InputKind::Scores => CELLS,
                    _ => CELLS + Calibration::SLOTS,
                };
                Ok(BinaryState {
                    counts: of(what, (threshold as f32).to_bits(), slots).await?,
                    scores: Some(self.scores_async(dtype, labels, capacity).await?),
                    asked: *asked,
                    threshold: Some(threshold),
                })
            }
        }
    }
}

impl BinaryState {
    /// Attaches `n` predictions with their labels.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is too small, off its alignment or of the wrong usage; [`Error::TooLarge`] for
    /// 2³² numbers; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, predictions: &View<'_>, labels: &View<'_>, n: usize) -> Result<BinaryBatch> {
        let bound = self.bind_async(predictions, labels, n);
        self.counts.gpu().block_on(bound)
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
    ) -> Result<BinaryBatch> {
        let ignore = self.asked.ignore_index;
        let counts = self.counts.bind(predictions, labels, n, ignore).await?;
        let scores = match &self.scores {
            Some(scores) => Some(scores.bind_async(predictions, labels, n, ignore).await?),
            None => None,
        };
        Ok(BinaryBatch { counts, scores })
    }

    /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no room for its scores, [`Error::Mismatch`] for a batch that was bound to another
    /// state: then nothing is recorded.
    pub fn update(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        batch: &BinaryBatch,
    ) -> Result<()> {
        if let (Some(scores), Some(batch)) = (&mut self.scores, &batch.scores) {
            scores.update(encoder, batch)?;
        }
        // Both were bound to the same state: what is refused is so above.
        self.counts.update(encoder, &batch.counts)
    }

    /// Records that nothing has been seen.
    pub fn reset(&mut self, encoder: &mut wgpu::CommandEncoder) {
        self.counts.reset(encoder);
        if let Some(scores) = &mut self.scores {
            scores.reset(encoder);
        }
    }

    /// Records that everything `other` has seen was seen here, on the same device. Allocates a few words of parameters;
    /// submits nothing and reads nothing back. `other` stays as it is.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a state of another kind, threshold, storage type or device, and for this one; [`Error::TooLarge`]
    /// where there is no room for its scores; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn merge(&mut self, encoder: &mut wgpu::CommandEncoder, other: &BinaryState) -> Result<()> {
        let gpu = self.counts.gpu().clone();
        gpu.block_on(self.merge_async(encoder, other))
    }

    /// As `merge`, without blocking.
    ///
    /// # Errors
    /// As `merge`.
    pub async fn merge_async(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        other: &BinaryState,
    ) -> Result<()> {
        self.counts.like(&other.counts)?;
        if let (Some(scores), Some(others)) = (&mut self.scores, &other.scores) {
            scores.merge_async(encoder, others).await?;
        }
        self.counts.merge(encoder, &other.counts).await
    }

    /// What was seen, to be saved or sent: the bytes of counts and how many they are, then those of scores. Waits for what has
    /// been submitted.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.counts.gpu().block_on(self.to_bytes_async())
    }

    /// As `to_bytes`, without blocking.
    ///
    /// # Errors
    /// As `to_bytes`.
    pub async fn to_bytes_async(&self) -> Result<Vec<u8>> {
        let counts = self.counts.to_bytes().await?;
        let mut all = (counts.len() as u64).to_le_bytes().to_vec();
        all.extend(counts);
        if let Some(scores) = &self.scores {
            all.extend(scores.to_bytes_async().await?);
        }
        Ok(all)
    }

    /// Takes the place of what was seen by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before anything that
    /// is submitted from now on.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for bytes that are none of a state of this kind, threshold and storage type; [`Error::TooLarge`] where
    /// there is no room for their scores: then nothing has changed. [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let gpu = self.counts.gpu().clone();
        gpu.block_on(self.load_bytes_async(bytes))
    }

    /// As `load_bytes`, without blocking.
    ///
    /// # Errors
    /// As `load_bytes`.
    pub async fn load_bytes_async(&mut self, bytes: &[u8]) -> Result<()> {
        let split = bytes.split_first_chunk::<8>().and_then(|(length, rest)| {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (counts, scores) = split.unwrap_or_default();
        let counts = self.counts.saved(counts)?;
        match &mut self.scores {
            Some(state) => state.load_bytes_async(scores).await?,
            None if scores.is_empty() => {}
            None => {
                let found = format!("{} more", scores.len());
                return Err(Error::mismatch("bytes", "counts only", found));
            }
        }
        self.counts.load(counts).await
    }

    /// Works the figures out on the device, waits, and reads 3 KiB back. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// [`Error::BadSample`] for a label other than 0 and 1, a NaN, or a probability outside of [0, 1], with the first place in
    /// its batch; [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<BinaryFigures> {
        self.counts.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<BinaryFigures> {
        let (head, counts) = self.counts.read().await?;
        let input = match self.asked.input {
            InputKind::Labels => "labels below 2",
            InputKind::Probs => "probabilities in [0, 1]",
            _ => "scores that are numbers",
        };
        check_head(&head, ["labels below 2", input])?;
        let (cells, rest) = counts.split_at(CELLS.min(counts.len()));
        let matrix = ConfusionMatrix::of_counts(2, cells.to_vec());
        let calibration = (rest.len() == Calibration::SLOTS).then(|| Calibration::of_slots(rest));
        let order = match &self.scores {
            None => Order::None,
            Some(scores) => {
                let Binary {
                    recall, precision, ..
                } = self.asked;
                let (areas, points): (_, OperatingPoints) =
                    scores.compute_points_async(recall, precision).await?;
                Order::Areas(areas, points)
            }
        };
        Ok(self
            .asked
            .finish(matrix, self.threshold, order, calibration))
    }
}
