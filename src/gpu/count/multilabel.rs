//! Figures of several labels, of counts and an order of scores of each label on the device.

use super::ordered::{Ordered, at_most, fitting, ordered_state};
use super::{Counts, MetricBatch, What};
use crate::error::{Error, Result};
use crate::gpu::bind::View;
use crate::gpu::collect::check_head;
use crate::gpu::scores::{Lane, Scored, all_areas};
use crate::gpu::{Gpu, Predictions};
use crate::metric::{
    ConfusionMatrix, InputKind, Multilabel, MultilabelFigures, OperatingPoints, Order, Tally,
};
use crate::tensor::{DType, LabelType};

/// Predictions and labels that are collected batch by batch, for all figures that [`Multilabel`] has: counts of each label at the
/// threshold, of samples as a whole, and the scores of each label. Nothing depends on how samples are split into batches or
/// merged.
#[derive(Debug)]
pub struct MultilabelState {
    state: Ordered,
    tally: Tally,
    labels: usize,
    asked: Multilabel,
}

impl Gpu {
    /// Makes a state for what `asked` asks about predictions and truth of `count` labels a sample stored so. With room for `capacity`
    /// samples it keeps the scores of each label as [`Gpu::scores`] does; where the capacity is 0, there are no areas under curves,
    /// and memory is constant.
    ///
    /// With `weights`, the type they are stored as, every sample counts by its own: then cells are exact sums of weights of 152 bytes
    /// each, other sums take twice the room, scores of any type are kept in 8 bytes, and areas count weights in units of 2⁻²⁴ of the
    /// largest of their class and less, down to where all of them together have 63 bits.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for no label, a threshold that is no number, or predicted labels where there should be scores and the other
    /// way round; [`Error::TooLarge`] for more than 32,768 labels, or more scores than a binding holds; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn multilabel(
        &self,
        asked: &Multilabel,
        predictions: Predictions,
        labels: LabelType,
        weights: Option<DType>,
        count: usize,
        capacity: usize,
    ) -> Result<MultilabelState> {
        let made = self.multilabel_async(asked, predictions, labels, weights, count, capacity);
        self.block_on(made)
    }

    /// As `multilabel`, without blocking.
    ///
    /// # Errors
    /// As `multilabel`.
    pub async fn multilabel_async(
        &self,
        asked: &Multilabel,
        predictions: Predictions,
        labels: LabelType,
        weights: Option<DType>,
        count: usize,
        capacity: usize,
    ) -> Result<MultilabelState> {
        if count == 0 {
            return Err(Error::mismatch("labels", "at least 1", "0"));
        }
        asked.check()?;
        let kind = asked.input;
        at_most("labels of a sample", MOST_LABELS, count)?;
        let each = count as u64;
        let said = format!("{count} labels by {}", kind.name());
        let (what, told, ordered, dtype) = match fitting(kind, predictions)? {
            Predictions::Labels(of) => {
                let what = What::LabelSets(of, labels);
                (what, (0, each, said), 0, DType::F32)
            }
            Predictions::Scores(dtype) => {
                let threshold = dtype.round(asked.threshold.unwrap_or(kind.threshold()));
                let extent = (threshold as f32).to_bits();
                let told = (extent, each, format!("{said} from {threshold}"));
                let ordered = if capacity > 0 { count } else { 0 };
                (What::ScoreSets(kind, dtype, labels), told, ordered, dtype)
            }
        };
        let lane = |l: usize| Lane {
            each,
            column: l as u32,
            label_each: each,
            label_column: l as u32,
            ..Lane::default()
        };
        let order = Scored::Plain(dtype);
        let of = (order, labels, capacity);
        let lanes = (0..ordered).map(lane).collect();
        let tally = Tally::of(weights);
        let slots = (4 * each + SETS as u64) * tally.cell() as u64;
        let ignore = asked.ignore_index;
        let counts = Counts::new(self, what, weights, told, slots).await?;
        Ok(MultilabelState {
            state: Ordered::new(counts, ignore, of, lanes).await?,
            tally,
            labels: count,
            asked: *asked,
        })
    }
}

/// An invocation goes round for each label of a sample, and Mesa's software driver lets none go round more than 65,535 times.
const MOST_LABELS: usize = 32_768;

/// Slots of samples as a whole: all of them, then those all of whose labels are known, those that were met, and what was not of
/// the others.
const SETS: usize = 4;

impl MultilabelState {
    /// Works the figures out on the device, waits, and reads counts and areas back. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// As [`BinaryState::compute`](super::BinaryState::compute).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<MultilabelFigures> {
        self.state.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<MultilabelFigures> {
        let (head, counts) = self.state.counts.read().await?;
        let expected = self.asked.input.expected("labels below 2");
        check_head(&head, ["labels below 2", expected])?;
        let tally = self.tally;
        let four = 4 * tally.cell();
        let (cells, sets) = counts.split_at((four * self.labels).min(counts.len()));
        let matrix = |cells: &[u64]| ConfusionMatrix::of_slots(2, tally, cells);
        let matrices = cells.chunks(four).map(matrix).collect();
        let sets = tally.cells(sets);
        let none = match self.asked.input {
            InputKind::Labels => Order::None,
            _ => Order::Unkept,
        };
        let mut orders = vec![none; self.labels];
        let areas = all_areas(&self.state.scores).await?;
        for (order, areas) in orders.iter_mut().zip(areas) {
            *order = Order::Areas(areas, OperatingPoints::default());
        }
        let of = |k: usize| sets.get(k).copied().unwrap_or_default();
        let whole = [of(1), of(2), of(3)];
        Ok(MultilabelFigures::new(of(0), matrices, orders, whole))
    }
}

ordered_state!(
    MultilabelState,
    "",
    "[`Error::TooLarge`](crate::Error::TooLarge) for rows larger than a binding or 2³² numbers;"
);
