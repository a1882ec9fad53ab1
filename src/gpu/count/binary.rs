//! Figures of two classes, of counts, exact sums and an order of scores on the device.

use super::carried::{Counting, sealed::Sealed};
use super::ordered::{Ordered, fitting, ordered_state};
use super::{Counts, MetricBatch, What};
use crate::error::Result;
use crate::gpu::bind::View;
use crate::gpu::collect::check_head;
use crate::gpu::scores::{Lane, Scored};
use crate::gpu::{Gpu, Predictions};
use crate::metric::{Binary, BinaryFigures, Calibration, ConfusionMatrix, InputKind, Order, Tally};
use crate::tensor::{DType, LabelType};

/// Cells of the confusion matrix.
const CELLS: usize = 4;

/// Predictions and labels of two classes that are collected batch by batch, for all figures that [`Binary`] has: counts at the
/// threshold, what probabilities add up to, and, of scores, what [`ScoreState`](crate::gpu::ScoreState) keeps.
///
/// Counts are exact, sums are so once their terms are rounded to f32: nothing depends on how samples are split into batches or merged.
#[derive(Debug)]
pub struct BinaryState {
    state: Ordered,
    tally: Tally,
    asked: Binary,
    /// As it is stored; `None` for labels.
    threshold: Option<f64>,
}

impl Gpu {
    /// Makes a state for what `asked` asks about predictions and labels stored so, with room for `capacity` scores. It keeps 4 KiB, with weights 11,
    /// and scores as [`Gpu::scores`] does; where the capacity is 0, there are no areas under curves and no operating points, and a loss
    /// can count into it ([`Gpu::plan_counted`]).
    ///
    /// With `weights`, the type they are stored as, every sample counts by its own: then cells are exact sums of weights of 152 bytes
    /// each, other sums take twice the room, scores of any type are kept in 8 bytes, and areas count weights in units of 2⁻²⁴ of the
    /// largest of their class and less, down to where all of them together have 63 bits.
    ///
    /// # Errors
    /// [`Error::Mismatch`](crate::Error::Mismatch) for options out of range, or predicted labels where there should be scores and
    /// the other way round; [`Error::TooLarge`](crate::Error::TooLarge) for more f32 scores than a binding holds;
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) and [`Error::Device`](crate::Error::Device).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn binary(
        &self,
        asked: &Binary,
        predictions: Predictions,
        labels: LabelType,
        weights: Option<DType>,
        capacity: usize,
    ) -> Result<BinaryState> {
        self.block_on(self.binary_async(asked, predictions, labels, weights, capacity))
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
        weights: Option<DType>,
        capacity: usize,
    ) -> Result<BinaryState> {
        asked.check()?;
        let kind = asked.input;
        let tally = Tally::of(weights);
        let cells = CELLS * tally.cell();
        let sums = match kind {
            InputKind::Scores | InputKind::Labels => 0,
            InputKind::Probs | InputKind::Logits => Calibration::slots(tally),
        };
        let said = format!("two classes by {}", kind.name());
        let (what, told, slots, threshold, lanes, dtype) = match fitting(kind, predictions)? {
            Predictions::Scores(dtype) => {
                let threshold = dtype.round(asked.threshold.unwrap_or(kind.threshold()));
                let told = (
                    (threshold as f32).to_bits(),
                    1,
                    format!("{said} from {threshold}"),
                );
                let what = What::Binary(kind, dtype, labels);
                let lanes = match capacity {
                    0 => Vec::new(),
                    _ => vec![Lane::default()],
                };
                (what, told, cells + sums, Some(threshold), lanes, dtype)
            }
            // Ranks besides; what is told is the number of classes.
            Predictions::Labels(of) => {
                let what = What::Labels(of, labels);
                let slots = cells + 2 * tally.cell();
                (what, (2, 1, said), slots, None, Vec::new(), DType::F32)
            }
        };
        let order = Scored::Plain(dtype);
        let ignore = asked.ignore_index;
        let of = (order, labels, capacity);
        let counts = Counts::new(self, what, weights, told, slots as u64).await?;
        Ok(BinaryState {
            state: Ordered::new(counts, ignore, of, lanes).await?,
            tally,
            asked: *asked,
            threshold,
        })
    }
}

impl BinaryState {
    /// Works the figures out on the device, waits, and reads 4 KiB back, with weights 11. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// [`Error::BadSample`](crate::Error::BadSample) for a label other than 0 and 1, a NaN, or a probability outside of [0, 1],
    /// with the first place in its batch; [`Error::OutOfMemory`](crate::Error::OutOfMemory),
    /// [`Error::Device`](crate::Error::Device) and [`Error::DeviceLost`](crate::Error::DeviceLost).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<BinaryFigures> {
        self.state.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<BinaryFigures> {
        let (head, counts) = self.state.counts.read().await?;
        let kind = self.asked.input;
        check_head(&head, ["labels below 2", kind.expected("labels below 2")])?;
        let tally = self.tally;
        let (cells, rest) = counts.split_at((CELLS * tally.cell()).min(counts.len()));
        let matrix = ConfusionMatrix::of_slots(2, tally, cells);
        let calibration = Calibration::of_slots(tally, rest);
        let order = match self.state.scores.first() {
            None if kind == InputKind::Labels => Order::None,
            None => Order::Unkept,
            Some(scores) => {
                let Binary {
                    recall, precision, ..
                } = self.asked;
                let (areas, points) = scores.compute_points_async(recall, precision).await?;
                Order::Areas(areas, points)
            }
        };
        let asked = &self.asked;
        Ok(asked.finish(matrix, self.threshold, order, calibration))
    }
}

impl Sealed for BinaryState {
    fn counting(&self) -> Counting<'_> {
        Counting {
            counts: &self.state.counts,
            keeps_scores: !self.state.scores.is_empty(),
            ignore_index: self.asked.ignore_index,
        }
    }
}

ordered_state!(
    BinaryState,
    "",
    "[`Error::TooLarge`](crate::Error::TooLarge) for rows larger than a binding or 2³² numbers;"
);
