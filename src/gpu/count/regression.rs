//! Figures of predicted numbers, of exact sums on the device.

use super::carried::{Counting, sealed::Sealed};
use super::{Counts, What, state_of_counts};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::bind::View;
use crate::gpu::collect::{SampleBatch, check_head};
use crate::metric::{RegressionFigures, RegressionSums, Tally};
use crate::tensor::DType;

/// Where the most |y − x| stands in a head.
const LARGEST_GAP: usize = 6;

/// Predictions and true numbers that are collected batch by batch, for all figures of regression.
///
/// Their sums, those of their squares and products, and that of their distances are exact, however large or small the
/// numbers are: of them follow all figures but `mape`, whose quotients are rounded to f32, and `max_error`, a difference
/// rounded to f32. So nothing depends on how samples are split into batches or merged, and a large mean takes no digits. On
/// a device that flushes them, `mape` and `max_error` take differences below 1.2·10⁻³⁸ for 0.
#[derive(Debug)]
pub struct RegressionState {
    counts: Counts,
    tally: Tally,
}

impl Gpu {
    /// Makes a state for predictions stored as `predictions` and true numbers stored as `truth`, in 2 KiB. With `weights`, the type
    /// they are stored as, every sample counts by its own, and sums are as exact; in 3 KiB.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) and [`Error::Device`](crate::Error::Device).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn regression(
        &self,
        predictions: DType,
        truth: DType,
        weights: Option<DType>,
    ) -> Result<RegressionState> {
        self.block_on(self.regression_async(predictions, truth, weights))
    }

    /// As `regression`, without blocking.
    ///
    /// # Errors
    /// As `regression`.
    pub async fn regression_async(
        &self,
        predictions: DType,
        truth: DType,
        weights: Option<DType>,
    ) -> Result<RegressionState> {
        let tally = Tally::of(weights);
        let slots = RegressionSums::slots(tally);
        let told = (0, 1, "sums of predicted numbers".into());
        let what = What::Regression(predictions, truth);
        Ok(RegressionState {
            counts: Counts::new(self, what, weights, told, slots as u64).await?,
            tally,
        })
    }
}

impl RegressionState {
    /// Attaches `n` predictions with the true numbers.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) for a view that is too small, off its alignment or of the wrong usage, and of a state
    /// with weights; [`Error::TooLarge`](crate::Error::TooLarge) for 2³² numbers; [`Error::OutOfMemory`](crate::Error::OutOfMemory) and
    /// [`Error::Device`](crate::Error::Device).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, predictions: &View<'_>, truth: &View<'_>, n: usize) -> Result<SampleBatch> {
        let bound = self.bind_async(predictions, truth, n);
        self.counts.gpu().block_on(bound)
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(
        &self,
        predictions: &View<'_>,
        truth: &View<'_>,
        n: usize,
    ) -> Result<SampleBatch> {
        self.counts.bind(predictions, truth, None, n, None).await
    }

    /// As `bind`, of a state with weights: one number of at least 0 for each sample, stored as the state was told.
    ///
    /// # Errors
    /// As `bind`; [`Error::Mismatch`](crate::Error::Mismatch) of a state without weights.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_weighted(
        &self,
        predictions: &View<'_>,
        truth: &View<'_>,
        weights: &View<'_>,
        n: usize,
    ) -> Result<SampleBatch> {
        let bound = self.bind_weighted_async(predictions, truth, weights, n);
        self.counts.gpu().block_on(bound)
    }

    /// As `bind_weighted`, without blocking.
    ///
    /// # Errors
    /// As `bind_weighted`.
    pub async fn bind_weighted_async(
        &self,
        predictions: &View<'_>,
        truth: &View<'_>,
        weights: &View<'_>,
        n: usize,
    ) -> Result<SampleBatch> {
        let weights = Some(weights);
        self.counts.bind(predictions, truth, weights, n, None).await
    }

    /// Waits for what has been submitted, reads 2 KiB, with weights 3, and works the figures out.
    ///
    /// # Errors
    /// [`Error::BadSample`](crate::Error::BadSample) for a number that is not finite, with the first place in its batch;
    /// [`Error::Mismatch`](crate::Error::Mismatch) where there was no sample, of a state without weights (with weights there is none
    /// that has one, and figures are undefined);
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), [`Error::Device`](crate::Error::Device) and
    /// [`Error::DeviceLost`](crate::Error::DeviceLost).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<RegressionFigures> {
        self.counts.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<RegressionFigures> {
        let (head, counts) = self.counts.read().await?;
        check_head(&head, ["finite numbers"; 2])?;
        let largest = head[LARGEST_GAP];
        RegressionSums::of_slots(self.tally, &counts, largest).figures()
    }
}

impl Sealed for RegressionState {
    fn counting(&self) -> Counting<'_> {
        Counting {
            counts: &self.counts,
            keeps_scores: false,
            ignore_index: None,
        }
    }
}

state_of_counts!(RegressionState);
