//! Figures of several classes, of counts, exact sums and an order of scores of each class on the device.

use super::ordered::{Ordered, at_most, fitting, ordered_state};
use super::{Counts, MetricBatch, What};
use crate::error::{Error, Result};
use crate::gpu::bind::{Bound, View};
use crate::gpu::collect::check_head;
use crate::gpu::scores::{Lane, Scored, all_areas};
use crate::gpu::{Gpu, Predictions};
use crate::metric::{
    Calibration, ConfusionMatrix, InputKind, MOST_CLASSES, Multiclass, MulticlassFigures,
    OperatingPoints, Order, Tally,
};
use crate::tensor::{DType, LabelType};

/// Predictions and labels of several classes that are collected batch by batch, for all figures that [`Multiclass`] has: the
/// confusion matrix, ranks, what probabilities add up to, and the scores of each class against the others.
///
/// Counts are exact, sums are so once their terms are rounded to f32: nothing depends on how samples are split into batches or merged. Of
/// logits the order of a class is that of x_c less the log-sum-exp of the others in f32: what that rounds to the same counts as a tie.
#[derive(Debug)]
pub struct MulticlassState {
    state: Ordered,
    tally: Tally,
    asked: Multiclass,
    labels: LabelType,
    classes: usize,
}

impl Gpu {
    /// Makes a state for what `asked` asks about predictions and labels of `classes` classes stored so. With room for `capacity` scores
    /// it keeps those of each class as [`Gpu::scores`] does, of logits in 4 bytes each; where the capacity is 0, there are no areas
    /// under curves, and memory is constant. Of logits whose order is kept each batch takes 16 bytes a row besides, as long as it is bound.
    ///
    /// With `weights`, the type they are stored as, every sample counts by its own: then cells are exact sums of weights of 152 bytes
    /// each, other sums take twice the room, scores of any type are kept in 8 bytes, and areas count weights in units of 2⁻²⁴ of the
    /// largest of their class and less, down to where all of them together have 63 bits.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for no class, another number of them than `asked` says, or predicted labels where there should be scores
    /// and the other way round; [`Error::TooLarge`] for more cells or scores than a binding holds; [`Error::OutOfMemory`] and
    /// [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn multiclass(
        &self,
        asked: &Multiclass,
        predictions: Predictions,
        labels: LabelType,
        weights: Option<DType>,
        classes: usize,
        capacity: usize,
    ) -> Result<MulticlassState> {
        let made = self.multiclass_async(asked, predictions, labels, weights, classes, capacity);
        self.block_on(made)
    }

    /// As `multiclass`, without blocking.
    ///
    /// # Errors
    /// As `multiclass`.
    pub async fn multiclass_async(
        &self,
        asked: &Multiclass,
        predictions: Predictions,
        labels: LabelType,
        weights: Option<DType>,
        classes: usize,
        capacity: usize,
    ) -> Result<MulticlassState> {
        if classes == 0 || asked.classes.is_some_and(|c| c != classes) {
            let expected = asked.classes.map_or("at least 1".into(), |c| c.to_string());
            return Err(Error::mismatch("classes", expected, classes.to_string()));
        }
        let kind = asked.input;
        at_most("classes of a confusion matrix", MOST_CLASSES, classes)?;
        let all = classes as u64;
        let tally = Tally::of(weights);
        let cells = all * (all + 1) * tally.cell() as u64;
        let sums = match kind {
            InputKind::Probs | InputKind::Logits => Calibration::slots(tally) as u64,
            InputKind::Scores | InputKind::Labels => 0,
        };
        let (what, each, ordered, dtype) = match fitting(kind, predictions)? {
            Predictions::Labels(of) => (What::Labels(of, labels), 1, 0, DType::F32),
            Predictions::Scores(dtype) => {
                let ordered = if capacity > 0 { classes } else { 0 };
                (What::Classes(kind, dtype, labels), all, ordered, dtype)
            }
        };
        let lane = |c: usize| Lane {
            each: all,
            column: c as u32,
            classes: classes as u32,
            positive: c as u32,
            ..Lane::default()
        };
        let order = match kind {
            InputKind::Logits => Scored::Against(dtype),
            _ => Scored::Plain(dtype),
        };
        let said = format!("{classes} classes by {}", kind.name());
        let told = (classes as u32, each, said);
        let ignore = asked.ignore_index;
        let of = (order, labels, capacity);
        let lanes = (0..ordered).map(lane).collect();
        let slots = cells + sums;
        let counts = Counts::new(self, what, weights, told, slots).await?;
        Ok(MulticlassState {
            state: Ordered::new(counts, ignore, of, lanes).await?,
            tally,
            asked: asked.clone(),
            labels,
            classes,
        })
    }
}

impl MulticlassState {
    /// Attaches what a loss finds of its rows of logits on the way, by a plan that [`Gpu::plan_ranked`] made: `labels` are those of the
    /// loss. To be recorded after the loss; then all figures are there, but for areas under curves, and nobody looks at the logits
    /// again. The state is one of logits without room for scores. Figures are those of the logits, whatever smoothing, weights of classes or
    /// `z_loss` the loss has.
    ///
    /// Counts, and so accuracy, top-k and what else follows of them, are those of [`bind`](Self::bind). Probabilities are made of the
    /// loss's own Σ exp(x − max), which is off by (6 + 5·ln C + 8·m)·2⁻²⁴ of itself at most, where a number of the row is merged m times with others: by so much,
    /// and 2⁻²¹ of themselves, a row's log loss and confidence are off, as the loss is. (Measured with up to 512 classes: log loss within 10⁻⁷.)
    /// Of a row that is nearly certain, with a loss of 10⁻⁷ and less, no digits are left, where `bind` keeps them. ECE is off by as much as confidence is, and
    /// by 2/n for each of n rows whose confidence is that close to an edge of a bin.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a state of anything but logits or with room for scores, and for a loss without ranks, of other classes, on
    /// another device, or that ignores a class which this state does not; and as `bind`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind_ranked(&self, loss: &Bound, labels: &View<'_>) -> Result<MetricBatch> {
        let bound = self.bind_ranked_async(loss, labels);
        self.state.gpu().block_on(bound)
    }

    /// As `bind_ranked`, without blocking.
    ///
    /// # Errors
    /// As `bind_ranked`.
    pub async fn bind_ranked_async(&self, loss: &Bound, labels: &View<'_>) -> Result<MetricBatch> {
        if self.asked.input != InputKind::Logits {
            let found = self.asked.input.name();
            return Err(Error::mismatch("state", "one of logits", found));
        }
        self.state.bind_ranked(loss, (self.labels, labels)).await
    }

    /// Works the figures out on the device, waits, and reads counts and areas back. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// [`Error::BadSample`] for a label out of range, a NaN, a logit of +inf, or a probability outside of [0, 1], with the first place
    /// in its batch; [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<MulticlassFigures> {
        self.state.gpu().block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<MulticlassFigures> {
        let (head, mut counts) = self.state.counts.read().await?;
        let labels = format!("labels below {}", self.classes);
        let input = match self.asked.input {
            InputKind::Logits => "logits below +inf, one of them finite in each row",
            kind => kind.expected(&labels),
        };
        check_head(&head, [&labels, input])?;
        let tally = self.tally;
        let of = |cells: usize| cells * tally.cell();
        let mut ranks = counts.split_off(of(self.classes * self.classes));
        let sums = ranks.split_off(of(self.classes));
        let ranks = match self.asked.input {
            InputKind::Labels => Vec::new(),
            _ => tally.cells(&ranks),
        };
        let matrix = ConfusionMatrix::of_slots(self.classes, tally, &counts);
        let calibration = Calibration::of_slots(tally, &sums);
        let none = match self.asked.input {
            InputKind::Labels => Order::None,
            _ => Order::Unkept,
        };
        let mut orders = vec![none; self.classes];
        let areas = all_areas(&self.state.scores).await?;
        for (order, areas) in orders.iter_mut().zip(areas) {
            *order = Order::Areas(areas, OperatingPoints::default());
        }
        Ok(self.asked.finish(matrix, &ranks, orders, calibration))
    }
}

ordered_state!(
    MulticlassState,
    "
Of logits, for a state with room for scores, the batch makes a buffer of 16 bytes a row, for what the classes of the row have in
common, and keeps it as long as it lives; every `update` writes it anew. No other batch makes any.",
    "[`Error::TooLarge`](crate::Error::TooLarge) for rows larger than a binding or 2³² numbers, and, where such a buffer is made, for more
rows than it can hold: 2²⁹ are always too many;"
);
