//! The exact areas under the ROC and the precision-recall curve, of scores that stay on the device.

mod areas;
mod text;

pub(super) use areas::all_areas;
use areas::orders;
use text::{AreaParams, Shape, SortParams, shape};
pub(super) use text::{
    Scored, areas_text, keep_text, load_score, mass_text, shared_text, sort_text,
};

use super::bind::View;
use super::collect::{
    Binding, HEAD, Merged, Merging, NEGATIVES, POSITIVES, SampleBatch, Source, Store, Told,
    from_bytes, merge_kernels, to_bytes,
};
use super::count::weight_source;
use super::kernels::{Access, Kernels};
use super::writes::Writes;
use super::{Gpu, Tuning};
use crate::error::{Error, Result};
use crate::metric::{Areas, OperatingPoints, share};
use crate::tensor::{DType, LabelType};

/// The counts of 16-bit scores: negative and positive samples of each.
const SLOTS: usize = 2 * 65_536;
/// Words of a result before the sums of workgroups; of operating points, and of one of them.
const RESULT: usize = 12;
const POINTS_RESULT: usize = 18;
const POINT_WORDS: usize = 6;
/// Words that logits of a sample have in common.
const SHARED_WORDS: usize = 4;
/// How saved bytes begin: `wgsc`, then a version.
const MAGIC: u32 = u32::from_le_bytes(*b"wgsc");
const VERSION: u32 = 1;

/// What saved bytes are of.
fn kind(scored: Scored, weights: Option<DType>) -> u32 {
    let kind = match scored {
        Scored::Plain(DType::F32) => 0,
        Scored::Plain(DType::F16) => 1,
        Scored::Plain(DType::Bf16) => 2,
        Scored::Against(_) => 3,
    };
    kind + if weights.is_some() { 4 } else { 0 }
}

/// Words that are kept of a sample: its score, and its weight where it has one.
fn stride(weights: Option<DType>) -> usize {
    if weights.is_some() { 2 } else { 1 }
}

/// How states of such scores become one.
fn merged(scored: Scored, weights: Option<DType>) -> Merged {
    match scored.counted(weights) {
        true => Merged::Counts,
        false => Merged::Words(stride(weights)),
    }
}

/// Sorted samples that an invocation takes one behind the other, and how often it does: a driver cuts loops of more than
/// 65,535 rounds short.
const RUN: usize = 64;
const RUNS: usize = 8;

/// Which numbers of a sample a state looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lane {
    /// Numbers of a sample in the input, and which of them.
    pub each: u64,
    pub column: u32,
    /// The same of labels, how many classes there are, and which is positive.
    pub label_each: u64,
    pub label_column: u32,
    pub classes: u32,
    pub positive: u32,
}

impl Default for Lane {
    /// Of two classes.
    fn default() -> Self {
        Lane {
            each: 1,
            column: 0,
            label_each: 1,
            label_column: 0,
            classes: 2,
            positive: 1,
        }
    }
}

/// Rows that an invocation takes where each means so many rounds of a loop: Mesa's software driver ends the loops of an
/// invocation that has been round 65,535 times.
pub(super) fn rows_in_a_loop(rounds: usize) -> usize {
    (32_768 / rounds.max(1)).clamp(1, 128)
}

/// Scores and labels that are collected batch by batch, for exact areas under curves.
///
/// Scores of 16 bits are counted, in 1 MiB however many there are. Of f32 every score is kept, in 4 bytes each; and 8
/// bytes each more while the areas are worked out. The result does not depend on how samples are split into batches, or on
/// their order: it is made of whole numbers.
#[derive(Debug)]
pub struct ScoreState {
    store: Store,
    scored: Scored,
    /// As what scores are kept.
    dtype: DType,
    labels: LabelType,
    weights: Option<DType>,
    capacity: usize,
    seen: usize,
    kernels: ScoreKernels,
}

/// What a state's kernels depend on: the last is how weights are stored, where there are some.
pub(super) type ScoreKey = (Tuning, Scored, LabelType, Option<DType>);

/// The kernels of a state: to keep or count scores, to sort them, to take in others, to sum areas up.
#[derive(Debug, Clone)]
pub(super) struct ScoreKernels {
    keep: Kernels<1>,
    /// Of classes against others.
    shared: Option<Kernels<1>>,
    sort: Kernels<5>,
    /// Of weights.
    mass: Option<Kernels<3>>,
    merge: Kernels<2>,
    areas: Kernels<6>,
}

impl Gpu {
    /// Makes room for `capacity` scores stored as `dtype` with labels of 1 and 0 stored as `labels`. A capacity for 16-bit
    /// scores is no more than a bound on how many are counted. Where f32 scores are too many to be kept,
    /// [`bounded_scores`](Self::bounded_scores) counts them in constant memory, and bounds the areas.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more f32 scores than a binding holds: then there is `bounded_scores`; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn scores(&self, dtype: DType, labels: LabelType, capacity: usize) -> Result<ScoreState> {
        self.block_on(self.scores_async(dtype, labels, capacity))
    }

    /// As `scores`, without blocking.
    ///
    /// # Errors
    /// As `scores`.
    pub async fn scores_async(
        &self,
        dtype: DType,
        labels: LabelType,
        capacity: usize,
    ) -> Result<ScoreState> {
        let scored = Scored::Plain(dtype);
        self.scores_of(scored, labels, None, capacity).await
    }

    /// The same for scores of any kind, and with weights, which are kept beside every score: in 8 bytes.
    pub(super) async fn scores_of(
        &self,
        scored: Scored,
        labels: LabelType,
        weights: Option<DType>,
        capacity: usize,
    ) -> Result<ScoreState> {
        let [_, dtype] = scored.types();
        let (what, words) = match scored.counted(weights) {
            true => ("counts of scores", 2 * SLOTS as u64),
            false => {
                let stride = stride(weights) as u64;
                let words = (capacity.max(1) as u64).saturating_mul(stride);
                ("words of scores kept on the device", words)
            }
        };
        let key = (self.tuning, scored, labels, weights);
        // What there is no room for is refused before anything is compiled.
        Ok(ScoreState {
            store: Store::new(self, what, words, Binding::Whole).await?,
            kernels: self.score_kernels(key).await?,
            scored,
            dtype,
            labels,
            weights,
            capacity,
            seen: 0,
        })
    }

    /// The kernels for `key`, compiled on first use.
    async fn score_kernels(&self, key: ScoreKey) -> Result<ScoreKernels> {
        let (tuning, scored, labels, weights) = key;
        let apart = [Access::Read, Access::Read, Access::Write, Access::Write];
        let weighed = |buffers: &[Access]| {
            let weights = weights.map(|_| Access::Read);
            buffers.iter().copied().chain(weights).collect::<Vec<_>>()
        };
        let mut keep = weighed(&apart);
        if matches!(scored, Scored::Against(_)) {
            keep.push(Access::Read);
        }
        let compile = || ScoreKernels {
            keep: Kernels::new(self, "wgloss scores", keep_text(key), &keep, ["main"]),
            shared: match scored {
                Scored::Plain(_) => None,
                Scored::Against(dtype) => {
                    let text = shared_text(tuning, dtype, labels);
                    Some(Kernels::new(self, "wgloss shared", text, &apart, ["main"]))
                }
            },
            sort: Kernels::new(
                self,
                "wgloss sort",
                sort_text(tuning, weights),
                &apart,
                ["count", "block_sums", "block_starts", "starts", "place"],
            ),
            mass: weights.map(|weights| {
                let kernels = ["tile_sums", "tile_starts", "mass"];
                let text = mass_text(tuning, weights);
                Kernels::new(self, "wgloss mass", text, &apart, kernels)
            }),
            merge: merge_kernels(self, merged(scored, weights)),
            areas: Kernels::new(
                self,
                "wgloss areas",
                areas_text(tuning, weights),
                &weighed(&apart[..3]),
                [
                    "areas",
                    "finish",
                    "counted_areas",
                    "points",
                    "points_finish",
                    "counted_points",
                ],
            ),
        };
        self.compiled.scores.get(self, &key, compile).await
    }
}

impl ScoreState {
    /// How many samples have been recorded.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Attaches `n` scores with their labels; those with the label `ignore_index` are passed over.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is too small, off its alignment or of the wrong usage; [`Error::TooLarge`] for a
    /// batch larger than a binding; [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(
        &self,
        scores: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        self.store
            .gpu
            .block_on(self.bind_async(scores, labels, n, ignore_index))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(
        &self,
        scores: &View<'_>,
        labels: &View<'_>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let lane = Lane::default();
        let more = [None; 2];
        self.bind_lane([scores, labels], more, n, ignore_index, lane)
            .await
    }

    /// Finds what the logits of each sample have in common, where scores are of a class against the others: where that will be,
    /// and what has to be recorded before any lane.
    pub(super) async fn share(
        &self,
        samples: [&View<'_>; 2],
        n: usize,
        lane: Lane,
    ) -> Result<Option<(Store, SampleBatch)>> {
        let Some(kernels) = &self.kernels.shared else {
            return Ok(None);
        };
        let gpu = &self.store.gpu;
        let words = (n as u64).saturating_mul(SHARED_WORDS as u64);
        let what = "words for logits of a batch";
        let store = Store::new(gpu, what, words, Binding::Rows(SHARED_WORDS)).await?;
        // Each is gone through twice.
        let width = shape(gpu.tuning).width as usize;
        let told = Told {
            extent: lane.classes,
            tile: width * rows_in_a_loop(2 * lane.each as usize),
            ..Told::default()
        };
        let sources = self.sources(samples, lane);
        let batch = store.bind(kernels, sources, [None; 2], n, None, told);
        let batch = batch.await?;
        Ok(Some((store, batch)))
    }

    fn sources<'a>(&self, [scores, labels]: [&'a View<'a>; 2], lane: Lane) -> [Source<'a>; 2] {
        let [stored, _] = self.scored.types();
        let source = |what, view, size, each| Source {
            what,
            view,
            size,
            each,
        };
        [
            source("scores", scores, stored.size(), lane.each),
            source("labels", labels, self.labels.size(), lane.label_each),
        ]
    }

    /// The same of one number of each sample.
    pub(super) async fn bind_lane(
        &self,
        samples: [&View<'_>; 2],
        [weights, shared]: [Option<&View<'_>>; 2],
        n: usize,
        ignore_index: Option<i64>,
        lane: Lane,
    ) -> Result<SampleBatch> {
        let Shape { tile, .. } = shape(self.store.gpu.tuning);
        let shared = shared.map(|view| Source {
            what: "words for logits",
            view,
            size: 4,
            each: SHARED_WORDS as u64,
        });
        self.store
            .bind(
                &self.kernels.keep,
                self.sources(samples, lane),
                [weight_source(self.weights, weights)?, shared],
                n,
                ignore_index,
                Told {
                    extent: lane.classes,
                    tile,
                    column: lane.column,
                    label_column: lane.label_column,
                    positive: lane.positive,
                },
            )
            .await
    }

    /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there is no room for it, [`Error::Mismatch`] for a batch that was bound to another state:
    /// then nothing is recorded.
    pub fn update(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        batch: &SampleBatch,
    ) -> Result<()> {
        Gpu::in_pass(encoder, "samples", |pass| self.record_update(pass, batch))
    }

    /// As `update`, into a compute pass that is open already: as [`Bound::record`](super::Bound::record).
    ///
    /// # Errors
    /// As `update`.
    pub fn record_update(
        &mut self,
        pass: &mut wgpu::ComputePass<'_>,
        batch: &SampleBatch,
    ) -> Result<()> {
        let seen = self.room_for(batch.samples())?;
        self.store.record(pass, batch)?;
        self.seen = seen;
        Ok(())
    }

    /// Records that nothing has been seen. Into an encoder only: it clears buffers.
    pub fn reset(&mut self, encoder: &mut wgpu::CommandEncoder) {
        self.seen = 0;
        self.store.clear(encoder, self.counted());
    }

    /// Records that everything `other` has seen was seen here, on the same device. Allocates a few words of parameters;
    /// submits nothing and reads nothing back. `other` stays as it is.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a state of another storage type or device; [`Error::TooLarge`] where there is no room for it;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn merge(&mut self, encoder: &mut wgpu::CommandEncoder, other: &ScoreState) -> Result<()> {
        let gpu = self.store.gpu.clone();
        gpu.block_on(self.merge_async(encoder, other))
    }

    /// As `merge`, without blocking.
    ///
    /// # Errors
    /// As `merge`.
    pub async fn merge_async(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        other: &ScoreState,
    ) -> Result<()> {
        let (merging, seen) = self.merging(other).await?;
        merging.record(encoder);
        self.saw(seen);
        Ok(())
    }

    /// What `merge` is to record, and how many samples have been seen then.
    pub(super) async fn merging(&self, other: &ScoreState) -> Result<(Merging, usize)> {
        if kind(self.scored, self.weights) != kind(other.scored, other.weights) {
            return Err(Error::mismatch("state to merge", self.said(), other.said()));
        }
        let seen = self.room_for(other.seen)?;
        let what = merged(self.scored, self.weights);
        let (store, kernels) = (&self.store, &self.kernels.merge);
        Ok((store.merge(&other.store, kernels, what).await?, seen))
    }

    /// What is kept, to be saved or sent: a few words that say what it is, then counts or scores, little endian. Waits for
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
        let words = self.store.words().await?;
        let (head, kept) = words.split_at(HEAD);
        let mut saved = vec![MAGIC, VERSION, kind(self.scored, self.weights)];
        saved.extend([self.seen as u64 as u32, (self.seen as u64 >> 32) as u32]);
        saved.extend(head);
        match self.counted() {
            true => saved.extend(kept),
            false => {
                let words = |at: usize| head[at] as usize * stride(self.weights);
                saved.extend(kept.iter().take(words(POSITIVES)));
                saved.extend(kept.iter().rev().take(words(NEGATIVES)));
            }
        }
        Ok(to_bytes(saved))
    }

    /// Takes the place of what is kept by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before anything that
    /// is submitted from now on.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for bytes that are none of a state of this storage type; [`Error::TooLarge`] where there is no
    /// room for them: then nothing has changed. [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let gpu = self.store.gpu.clone();
        gpu.block_on(self.load_bytes_async(bytes))
    }

    /// As `load_bytes`, without blocking.
    ///
    /// # Errors
    /// As `load_bytes`.
    pub async fn load_bytes_async(&mut self, bytes: &[u8]) -> Result<()> {
        let (seen, words) = self.saved(bytes)?;
        let written = self.store.gpu.written(|w| self.load(w, &words));
        written.await?;
        self.saw(seen);
        Ok(())
    }

    /// Writes what saved bytes hold to where it is kept.
    pub(super) fn load<'a>(&self, writes: &mut Writes<'a>, words: &'a [u32]) {
        let (head, body) = words.split_at(HEAD);
        let Store { head: h, kept, .. } = &self.store;
        writes.put(h, 0, bytemuck::cast_slice(head));
        let (front, back) = match self.counted() {
            true => (body, &[][..]),
            false => body.split_at(head[POSITIVES] as usize * stride(self.weights)),
        };
        writes.put(kept, 0, bytemuck::cast_slice(front));
        let back: Vec<u32> = back.iter().rev().copied().collect();
        let at = kept.size() - 4 * back.len() as u64;
        writes.put(kept, at, bytemuck::cast_slice(&back).to_vec());
    }

    /// What saved bytes hold, if they are of such a state and there is room: how many samples it has seen, its head and what is kept.
    pub(super) fn saved(&self, bytes: &[u8]) -> Result<(usize, Vec<u32>)> {
        let start = [MAGIC, VERSION, kind(self.scored, self.weights)];
        let words = from_bytes(bytes, &start).unwrap_or_default();
        let (seen, words) = words.split_at_checked(2).unwrap_or_default();
        let (Some(head), Some(body)) = (words.get(..HEAD), words.get(HEAD..)) else {
            let expected = format!("a saved state of {}", self.said());
            let found = format!("{} bytes that are none", bytes.len());
            return Err(Error::mismatch("bytes", expected, found));
        };
        let seen = u64::from(seen[0]) | u64::from(seen[1]) << 32;
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        if seen > self.capacity {
            return self.full(seen);
        }
        let (positives, negatives) = (head[POSITIVES] as usize, head[NEGATIVES] as usize);
        let kept = positives.saturating_add(negatives);
        let (expected, most) = match self.counted() {
            true => (2 * SLOTS, usize::MAX),
            false => (kept.saturating_mul(stride(self.weights)), seen),
        };
        if body.len() != expected || kept > most {
            let found = format!("{} for {seen} samples", body.len());
            return Err(Error::mismatch("bytes", format!("{expected} words"), found));
        }
        Ok((seen, words.to_vec()))
    }

    /// Has seen so many samples, once what is kept of them is on its way.
    pub(super) fn saw(&mut self, seen: usize) {
        self.seen = seen;
    }

    /// Whether a batch was bound to this state and has room in it.
    pub(super) fn takes(&self, batch: &SampleBatch) -> bool {
        self.store.owns(batch) && self.room_for(batch.samples()).is_ok()
    }

    /// Whether samples of each score are counted.
    fn counted(&self) -> bool {
        self.scored.counted(self.weights)
    }

    /// What is kept, in words.
    fn said(&self) -> String {
        let by = if self.weights.is_some() {
            " with weights"
        } else {
            ""
        };
        format!("scores of {}{by}", self.dtype)
    }

    /// How many samples there are with `more`, if there is room.
    fn room_for(&self, more: usize) -> Result<usize> {
        let seen = self.seen.saturating_add(more);
        match seen > self.capacity {
            true => self.full(seen),
            false => Ok(seen),
        }
    }

    fn full<T>(&self, seen: usize) -> Result<T> {
        Err(Error::TooLarge {
            what: "scores kept".into(),
            limit: self.capacity as u64,
            found: seen as u64,
        })
    }

    /// Works the areas out on the device, waits, and reads 80 bytes back. What has been recorded has to be submitted.
    ///
    /// # Errors
    /// [`Error::BadSample`] for a label other than 0 and 1 or a NaN, with the first place in its batch;
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute(&self) -> Result<Areas> {
        self.store.gpu.block_on(self.compute_async())
    }

    /// As `compute`, without blocking.
    ///
    /// # Errors
    /// As `compute`.
    pub async fn compute_async(&self) -> Result<Areas> {
        let [(areas, _)] = orders([self], None).await?;
        Ok(areas)
    }

    /// As `compute`, and, with 72 bytes more, the operating points with the highest F1, at least `recall`, and at least `precision`.
    ///
    /// # Errors
    /// As `compute`; [`Error::Mismatch`] for a share outside of [0, 1].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compute_points(&self, recall: f64, precision: f64) -> Result<(Areas, OperatingPoints)> {
        let computed = self.compute_points_async(recall, precision);
        self.store.gpu.block_on(computed)
    }

    /// As `compute_points`, without blocking.
    ///
    /// # Errors
    /// As `compute_points`.
    pub async fn compute_points_async(
        &self,
        recall: f64,
        precision: f64,
    ) -> Result<(Areas, OperatingPoints)> {
        share("recall", recall)?;
        share("precision", precision)?;
        let [(areas, points)] = orders([self], Some([recall, precision])).await?;
        let points = OperatingPoints::of(&points);
        Ok((areas, points))
    }
}
