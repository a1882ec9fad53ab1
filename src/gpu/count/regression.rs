//! Figures of predicted numbers, of exact sums on the device.

use super::carried::{Counting, sealed::Sealed};
use super::{Counts, What, state_of_counts};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::bind::View;
use crate::gpu::collect::{SampleBatch, check_head};
use crate::metric::{NUMBER_SLOTS, PRODUCT_SLOTS, RegressionFigures, RegressionSums};
use crate::tensor::DType;

/// Where the most |y − x| stands in a head.
const LARGEST_GAP: usize = 6;
/// Slots of the sum of shares.
const SHARE_SLOTS: usize = 24;

/// Predictions and true numbers that are collected batch by batch, for all figures of regression.
///
/// Their sums, those of their squares and products, and that of their distances are exact, however large or small the
/// numbers are: of them follow all figures but `mape`, whose quotients are rounded to f32, and `max_error`, a difference
/// rounded to f32. So nothing depends on how samples are split into batches or merged, and a large mean takes no digits. On
/// a device that flushes them, `mape` and `max_error` take differences below 1.2·10⁻³⁸ for 0.
#[derive(Debug)]
pub struct RegressionState {
    counts: Counts,
}

impl Gpu {
    /// Makes a state for predictions stored as `predictions` and true numbers stored as `truth`, in 1.5 KiB.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) and [`Error::Device`](crate::Error::Device).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn regression(&self, predictions: DType, truth: DType) -> Result<RegressionState> {
        self.block_on(self.regression_async(predictions, truth))
    }

    /// As `regression`, without blocking.
    ///
    /// # Errors
    /// As `regression`.
    pub async fn regression_async(
        &self,
        predictions: DType,
        truth: DType,
    ) -> Result<RegressionState> {
        let slots = 1 + 3 * NUMBER_SLOTS + 3 * PRODUCT_SLOTS + SHARE_SLOTS;
        let told = (0, 1, "sums of predicted numbers".into());
        let what = What::Regression(predictions, truth);
        Ok(RegressionState {
            counts: Counts::new(self, what, told, slots as u64).await?,
        })
    }
}

impl RegressionState {
    /// Attaches `n` predictions with the true numbers.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) for a view that is too small, off its alignment or of the wrong usage;
    /// [`Error::TooLarge`](crate::Error::TooLarge) for 2³² numbers; [`Error::OutOfMemory`](crate::Error::OutOfMemory) and
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
        self.counts.bind(predictions, truth, n, None).await
    }

    /// Waits for what has been submitted, reads 1.5 KiB, and works the figures out.
    ///
    /// # Errors
    /// [`Error::BadSample`](crate::Error::BadSample) for a number that is not finite, with the first place in its batch;
    /// [`Error::Mismatch`](crate::Error::Mismatch) where there was no sample;
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
        let mut rest = counts.as_slice();
        let mut next = |n: usize| {
            let (some, others) = rest.split_at(n.min(rest.len()));
            rest = others;
            some
        };
        let n = next(1).iter().sum();
        let [y, x, gap] = [(); 3].map(|()| next(NUMBER_SLOTS));
        let [yy, xx, xy] = [(); 3].map(|()| next(PRODUCT_SLOTS));
        RegressionSums::new(
            n,
            [y, x, gap],
            [yy, xx, xy],
            next(SHARE_SLOTS),
            head[LARGEST_GAP],
        )
        .figures()
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
