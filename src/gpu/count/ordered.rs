//! States that count, and keep scores in order besides.

use super::Counts;
use crate::error::{Error, Result};
use crate::gpu::Predictions;
use crate::gpu::bind::{Bound, View};
use crate::gpu::collect::{SampleBatch, Store};
use crate::gpu::scores::{Lane, ScoreState, Scored};
use crate::metric::InputKind;
use crate::tensor::LabelType;

/// A batch of a state of metrics, ready to be recorded as often as wanted, into that state.
#[derive(Debug)]
pub struct MetricBatch {
    counts: SampleBatch,
    /// What scores of several classes have in common, where they are one against the others.
    shared: Option<(Store, SampleBatch)>,
    scores: Vec<SampleBatch>,
}

impl MetricBatch {
    /// The samples in it.
    pub fn samples(&self) -> usize {
        self.counts.samples()
    }
}

/// Counts, and scores of some of the numbers of each sample.
#[derive(Debug)]
pub(super) struct Ordered {
    pub counts: Counts,
    pub scores: Vec<ScoreState>,
    lanes: Vec<Lane>,
    ignore_index: Option<i64>,
}

/// Predictions, if they are what `kind` says.
pub(super) fn fitting(kind: InputKind, predictions: Predictions) -> Result<Predictions> {
    match (kind, predictions) {
        (InputKind::Labels, Predictions::Scores(dtype)) => {
            let found = format!("scores of {dtype}");
            Err(Error::mismatch("predictions", "predicted labels", found))
        }
        (InputKind::Scores | InputKind::Probs | InputKind::Logits, Predictions::Labels(_)) => {
            let found = "predicted labels";
            Err(Error::mismatch("predictions", kind.name(), found))
        }
        (_, fitting) => Ok(fitting),
    }
}

/// No more numbers of a sample than an invocation may go round for.
pub(super) fn at_most(what: &str, limit: usize, found: usize) -> Result<()> {
    match found > limit {
        true => Err(Error::TooLarge {
            what: what.into(),
            limit: limit as u64,
            found: found as u64,
        }),
        false => Ok(()),
    }
}

impl Ordered {
    /// Of counts, and scores in `lanes` with room for `capacity` each.
    pub async fn new(
        counts: Counts,
        ignore_index: Option<i64>,
        (scored, labels, capacity): (Scored, LabelType, usize),
        lanes: Vec<Lane>,
    ) -> Result<Ordered> {
        let mut scores = Vec::new();
        for _ in &lanes {
            let gpu = counts.gpu();
            let state = gpu.scores_of(scored, labels, counts.weights, capacity);
            scores.push(state.await?);
        }
        Ok(Ordered {
            counts,
            scores,
            lanes,
            ignore_index,
        })
    }

    /// The device that it is on.
    pub fn gpu(&self) -> &crate::gpu::Gpu {
        self.counts.gpu()
    }

    pub async fn bind(
        &self,
        predictions: &View<'_>,
        labels: &View<'_>,
        weights: Option<&View<'_>>,
        n: usize,
    ) -> Result<MetricBatch> {
        let ignore = self.ignore_index;
        let counts = self.counts.bind(predictions, labels, weights, n, ignore);
        let counts = counts.await?;
        let samples = [predictions, labels];
        let shared = match (self.scores.first(), self.lanes.first()) {
            (Some(state), Some(lane)) => state.share(samples, n, *lane).await?,
            _ => None,
        };
        let rows = shared.as_ref().map(|(store, _)| View::whole(&store.kept));
        let mut scores = Vec::new();
        for (state, lane) in self.scores.iter().zip(&self.lanes) {
            let more = [weights, rows.as_ref()];
            let batch = state.bind_lane(samples, more, n, ignore, *lane);
            scores.push(batch.await?);
        }
        Ok(MetricBatch {
            counts,
            shared,
            scores,
        })
    }

    /// Attaches what a loss has found of its rows of logits, for a state that keeps no scores.
    pub async fn bind_ranked(
        &self,
        loss: &Bound,
        labels: (LabelType, &View<'_>),
    ) -> Result<MetricBatch> {
        if !self.scores.is_empty() {
            let (expected, found) = ("one without room for scores", "one with some");
            return Err(Error::mismatch("state", expected, found));
        }
        let ranked = self
            .counts
            .bind_ranked(InputKind::Logits, loss, labels, self.ignore_index);
        Ok(MetricBatch {
            counts: ranked.await?,
            shared: None,
            scores: Vec::new(),
        })
    }

    pub fn record(&mut self, pass: &mut wgpu::ComputePass<'_>, batch: &MetricBatch) -> Result<()> {
        if let Some((store, shared)) = &batch.shared
            && self
                .scores
                .iter()
                .zip(&batch.scores)
                .all(|(s, b)| s.takes(b))
        {
            store.record(pass, shared)?;
        }
        // All of them were bound to the same state, and have seen the same: what is refused is so by the first.
        for (state, batch) in self.scores.iter_mut().zip(&batch.scores) {
            state.record_update(pass, batch)?;
        }
        self.counts.record(pass, &batch.counts)
    }

    pub fn reset(&mut self, encoder: &mut wgpu::CommandEncoder) {
        self.counts.reset(encoder);
        for scores in &mut self.scores {
            scores.reset(encoder);
        }
    }

    pub async fn merge(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        other: &Ordered,
    ) -> Result<()> {
        self.counts.like(&other.counts)?;
        let room = |s: &Ordered| match s.scores.len() {
            0 => "one without room for scores".to_string(),
            n => format!("one with room for {n} scores a sample"),
        };
        if self.scores.len() != other.scores.len() {
            let (expected, found) = (room(self), room(other));
            return Err(Error::mismatch("state to merge", expected, found));
        }
        // All of it is recorded, or nothing.
        let mut merged = Vec::new();
        for (scores, others) in self.scores.iter().zip(&other.scores) {
            merged.push(scores.merging(others).await?);
        }
        self.counts.merge(&other.counts).await?.record(encoder);
        for (scores, (merging, seen)) in self.scores.iter_mut().zip(merged) {
            merging.record(encoder);
            scores.saw(seen);
        }
        Ok(())
    }

    /// The bytes of counts, then of all scores, each with how many they are before them.
    pub async fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut add = |bytes: Vec<u8>| {
            all.extend((bytes.len() as u64).to_le_bytes());
            all.extend(bytes);
        };
        add(self.counts.to_bytes().await?);
        for scores in &self.scores {
            add(scores.to_bytes_async().await?);
        }
        Ok(all)
    }

    pub async fn load_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let mut parts = Vec::new();
        let mut rest = bytes;
        while let Some((length, others)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_le_bytes(*length)).ok();
            let Some((part, others)) = length.and_then(|n| others.split_at_checked(n)) else {
                break;
            };
            parts.push(part);
            rest = others;
        }
        let expected = 1 + self.scores.len();
        let (Some((counts, scores)), true) = (
            parts.split_first().filter(|_| parts.len() == expected),
            rest.is_empty(),
        ) else {
            let expected = format!("{expected} parts of a saved state");
            let found = format!("{} bytes that are none", bytes.len());
            return Err(Error::mismatch("bytes", expected, found));
        };
        // Everything is looked at before anything is written.
        let counts = self.counts.saved(counts)?;
        let (mut seen, mut saved) = (Vec::new(), Vec::new());
        for (state, bytes) in self.scores.iter().zip(scores) {
            let (samples, words) = state.saved(bytes)?;
            seen.push(samples);
            saved.push(words);
        }
        // Or else there may be room for a batch in some of them only.
        if seen.windows(2).any(|pair| pair[0] != pair[1]) {
            let found = format!("{seen:?}");
            return Err(Error::mismatch(
                "samples seen",
                "the same for all scores",
                found,
            ));
        }
        // All of it is written, or nothing where there is no memory for all.
        let written = self.gpu().written(|writes| {
            for (state, words) in self.scores.iter().zip(&saved) {
                state.load(writes, words);
            }
            self.counts.load(writes, &counts);
        });
        written.await?;
        for (state, seen) in self.scores.iter_mut().zip(seen) {
            state.saw(seen);
        }
        Ok(())
    }
}

/// The methods that all such states share. What a batch takes besides is said of each, and what is too large for one.
macro_rules! ordered_state {
    ($State:ident, $room:literal, $too_large:literal) => {
        impl $State {
            /// Attaches `n` samples: their predictions and labels.
            #[doc = $room]
            ///
            /// # Errors
            /// [`Error::Mismatch`](crate::Error::Mismatch) for a view that is too small, off its alignment or of the wrong usage, and of
            /// a state with weights;
            #[doc = $too_large]
            /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) and [`Error::Device`](crate::Error::Device).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn bind(
                &self,
                predictions: &View<'_>,
                labels: &View<'_>,
                n: usize,
            ) -> Result<MetricBatch> {
                let bound = self.bind_async(predictions, labels, n);
                self.state.gpu().block_on(bound)
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
            ) -> Result<MetricBatch> {
                self.state.bind(predictions, labels, None, n).await
            }

            /// As `bind`, of a state with weights: one number of at least 0 for each sample, stored as the state was told.
            #[doc = $room]
            ///
            /// # Errors
            /// As `bind`; [`Error::Mismatch`](crate::Error::Mismatch) of a state without weights.
            #[cfg(not(target_arch = "wasm32"))]
            pub fn bind_weighted(
                &self,
                predictions: &View<'_>,
                labels: &View<'_>,
                weights: &View<'_>,
                n: usize,
            ) -> Result<MetricBatch> {
                let bound = self.bind_weighted_async(predictions, labels, weights, n);
                self.state.gpu().block_on(bound)
            }

            /// As `bind_weighted`, without blocking.
            ///
            /// # Errors
            /// As `bind_weighted`.
            pub async fn bind_weighted_async(
                &self,
                predictions: &View<'_>,
                labels: &View<'_>,
                weights: &View<'_>,
                n: usize,
            ) -> Result<MetricBatch> {
                let weights = Some(weights);
                self.state.bind(predictions, labels, weights, n).await
            }

            /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
            ///
            /// # Errors
            /// [`Error::TooLarge`](crate::Error::TooLarge) where there is no room for its scores,
            /// [`Error::Mismatch`](crate::Error::Mismatch) for a batch that was bound to another state: then nothing is recorded.
            pub fn update(
                &mut self,
                encoder: &mut wgpu::CommandEncoder,
                batch: &MetricBatch,
            ) -> Result<()> {
                crate::gpu::Gpu::in_pass(encoder, "samples", |pass| self.record_update(pass, batch))
            }

            /// As `update`, into a compute pass that is open already: as [`Bound::record`](crate::gpu::Bound::record).
            ///
            /// # Errors
            /// As `update`.
            pub fn record_update(
                &mut self,
                pass: &mut wgpu::ComputePass<'_>,
                batch: &MetricBatch,
            ) -> Result<()> {
                self.state.record(pass, batch)
            }

            /// Records that nothing has been seen. Into an encoder only: it clears buffers.
            pub fn reset(&mut self, encoder: &mut wgpu::CommandEncoder) {
                self.state.reset(encoder);
            }

            /// Records that everything `other` has seen was seen here, on the same device. Allocates a few words of
            /// parameters; submits nothing and reads nothing back. `other` stays as it is.
            ///
            /// # Errors
            /// [`Error::Mismatch`](crate::Error::Mismatch) for a state of another kind, threshold or number of classes or labels, without
            /// room for scores where this has some, of another type of scores that are kept, on another device, and for this one;
            /// [`Error::TooLarge`](crate::Error::TooLarge) where there is no room for its scores;
            /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) and [`Error::Device`](crate::Error::Device).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn merge(
                &mut self,
                encoder: &mut wgpu::CommandEncoder,
                other: &$State,
            ) -> Result<()> {
                let gpu = self.state.gpu().clone();
                gpu.block_on(self.merge_async(encoder, other))
            }

            /// As `merge`, without blocking.
            ///
            /// # Errors
            /// As `merge`.
            pub async fn merge_async(
                &mut self,
                encoder: &mut wgpu::CommandEncoder,
                other: &$State,
            ) -> Result<()> {
                self.state.merge(encoder, &other.state).await
            }

            /// What was seen, to be saved or sent: counts, then scores, little endian. Waits for what has been submitted.
            ///
            /// # Errors
            /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), [`Error::Device`](crate::Error::Device) and
            /// [`Error::DeviceLost`](crate::Error::DeviceLost).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn to_bytes(&self) -> Result<Vec<u8>> {
                self.state.gpu().block_on(self.to_bytes_async())
            }

            /// As `to_bytes`, without blocking.
            ///
            /// # Errors
            /// As `to_bytes`.
            pub async fn to_bytes_async(&self) -> Result<Vec<u8>> {
                self.state.to_bytes().await
            }

            /// Takes the place of what was seen by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before
            /// anything that is submitted from now on.
            ///
            /// # Errors
            /// [`Error::Mismatch`](crate::Error::Mismatch) for bytes that are none of a state of the same kind, threshold, number of classes
            /// or labels and type of scores that are kept;
            /// [`Error::TooLarge`](crate::Error::TooLarge) where there is no room for their scores: then nothing has changed.
            /// [`Error::Device`](crate::Error::Device) and [`Error::DeviceLost`](crate::Error::DeviceLost).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<()> {
                let gpu = self.state.gpu().clone();
                gpu.block_on(self.load_bytes_async(bytes))
            }

            /// As `load_bytes`, without blocking.
            ///
            /// # Errors
            /// As `load_bytes`.
            pub async fn load_bytes_async(&mut self, bytes: &[u8]) -> Result<()> {
                self.state.load_bytes(bytes).await
            }
        }
    };
}

pub(super) use ordered_state;
