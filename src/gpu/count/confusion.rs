//! Confusion matrices and ranks, counted on the device.

use super::{Counts, What, state_of_counts};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::bind::{Bound, View};
use crate::gpu::collect::{SampleBatch, check_head};
use crate::metric::{ConfusionMatrix, InputKind, Tally};
use crate::tensor::{DType, LabelType};

/// What predictions are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Predictions {
    /// Predicted labels, one per sample.
    Labels(LabelType),
    /// Scores, probabilities or logits, one per class for each sample, of which the highest is predicted.
    Scores(DType),
}

/// A confusion matrix that is counted on the device, batch by batch; and of scores, for every k, the samples whose class is
/// among the k highest. Counts have 64 bits and do not depend on how samples are split into batches.
#[derive(Debug)]
pub struct ConfusionState {
    counts: Counts,
    predictions: Predictions,
    labels: LabelType,
    classes: usize,
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
        let (kind, each) = match predictions {
            Predictions::Labels(_) => ("predicted labels", 1),
            Predictions::Scores(_) => ("scores", classes as u64),
        };
        // Cells and ranks.
        let slots = (classes as u64).saturating_mul((classes as u64).saturating_add(1));
        let said = format!("a confusion matrix by {kind} of {classes} classes");
        let what = match predictions {
            Predictions::Labels(of) => What::Labels(of, labels),
            Predictions::Scores(dtype) => What::Classes(InputKind::Scores, dtype, labels),
        };
        Ok(ConfusionState {
            counts: Counts::new(self, what, None, (classes as u32, each, said), slots).await?,
            predictions,
            labels,
            classes,
        })
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
        let bound = self.bind_async(predictions, labels, n, ignore_index);
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
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let counts = &self.counts;
        counts
            .bind(predictions, labels, None, n, ignore_index)
            .await
    }

    /// Attaches what a loss finds of its rows on the way, by a plan that [`Gpu::plan_ranked`] made: `labels` are those of the loss.
    /// To be recorded after the loss; then the counts are those of [`bind`](Self::bind), and nobody looks at the logits again.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a loss without ranks, of other classes, on another device, or that ignores a class which is not
    /// `ignore_index`; and as `bind`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_ranked(
        &self,
        loss: &Bound,
        labels: &View<'_>,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let bound = self.bind_ranked_async(loss, labels, ignore_index);
        self.counts.gpu().block_on(bound)
    }

    /// As `bind_ranked`, without blocking.
    ///
    /// # Errors
    /// As `bind_ranked`.
    pub async fn bind_ranked_async(
        &self,
        loss: &Bound,
        labels: &View<'_>,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        if let Predictions::Labels(_) = self.predictions {
            let found = self.counts.said.as_str();
            return Err(Error::mismatch("loss", "a state by scores", found));
        }
        let labels = (self.labels, labels);
        self.counts
            .bind_ranked(InputKind::Scores, loss, labels, ignore_index)
            .await
    }

    /// Waits for what has been submitted, and reads the counts.
    ///
    /// # Errors
    /// [`Error::BadSample`] for labels out of range or a NaN, with the first place in its batch;
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<Confusion> {
        self.counts.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<Confusion> {
        let (head, mut counts) = self.counts.read().await?;
        let labels = format!("labels below {}", self.classes);
        let input = match self.predictions {
            Predictions::Labels(_) => labels.as_str(),
            Predictions::Scores(_) => "scores that are numbers",
        };
        check_head(&head, [&labels, input])?;
        let ranks = counts.split_off(self.classes * self.classes);
        Ok(Confusion {
            matrix: ConfusionMatrix::of_slots(self.classes, Tally::Count, &counts),
            ranks: match self.predictions {
                Predictions::Labels(_) => Vec::new(),
                Predictions::Scores(_) => ranks,
            },
        })
    }
}

state_of_counts!(ConfusionState);
