//! States that count: slots of 64 bits that batches of samples are added to on the device, and that add up when states are
//! merged. What is counted, and what comes of it, each file in `count` says.

mod binary;
mod bounded;
mod carried;
mod confusion;
mod multiclass;
mod multilabel;
mod ordered;
mod regression;
mod text;

pub use binary::BinaryState;
pub(super) use bounded::BoundKernels;
pub use bounded::BoundedScores;
#[cfg(test)]
pub(super) use bounded::bounds_text;
pub use carried::CarriedState;
pub(super) use carried::Carrier;
pub use confusion::{Confusion, ConfusionState, Predictions};
pub use multiclass::MulticlassState;
pub use multilabel::MultilabelState;
pub use ordered::MetricBatch;
pub use regression::RegressionState;
pub(super) use text::{
    CountKey, Counted, What, carried_text, count_text, fine_text, load_number, load_weight,
    weight_binding,
};

use super::Gpu;
use super::bind::{Bound, View};
use super::collect::{
    Binding, HEAD, Merged, Merging, SampleBatch, Source, Store, Told, check_weights, from_bytes,
    merge_kernels, to_bytes,
};
use super::kernels::{Access, Kernels};
use super::plan::RANK_WORDS;
use super::writes::Writes;
use crate::error::{Error, Result};
use crate::layout::Geometry;
use crate::metric::InputKind;
use crate::tensor::{DType, LabelType};

/// The kernels of a state: to count, and to take in others.
#[derive(Debug, Clone)]
pub(super) struct CountKernels {
    count: Kernels<1>,
    merge: Kernels<2>,
}

/// How saved bytes begin: `wgct`, then a version.
const MAGIC: u32 = u32::from_le_bytes(*b"wgct");
const VERSION: u32 = 1;

/// What all such states have.
#[derive(Debug)]
pub(super) struct Counts {
    store: Store,
    kernels: CountKernels,
    what: What,
    /// How weights of samples are stored, where there are some.
    weights: Option<DType>,
    slots: usize,
    /// What kernels are told besides, and what they are called: classes.
    extent: u32,
    pub said: String,
    /// Numbers of a sample's input.
    each: u64,
}

fn source<'a>((what, size): (&'static str, u64), view: &'a View<'a>, each: u64) -> Source<'a> {
    Source {
        what,
        view,
        size,
        each,
    }
}

/// The weights of samples, which have to be there where a state expects some, and only there.
pub(super) fn weight_source<'a>(
    dtype: Option<DType>,
    view: Option<&'a View<'a>>,
) -> Result<Option<Source<'a>>> {
    match (dtype, view) {
        (None, None) => Ok(None),
        (Some(dtype), Some(view)) => Ok(Some(source(("weights", dtype.size()), view, 1))),
        (None, Some(_)) => Err(Error::mismatch("weights", "none", "some")),
        (Some(dtype), None) => {
            let expected = format!("weights of {dtype}, one per sample");
            Err(Error::mismatch("weights", expected, "none"))
        }
    }
}

impl Counts {
    /// With `slots` slots, or the reason why not.
    pub async fn new(
        gpu: &Gpu,
        what: What,
        weights: Option<DType>,
        (extent, each, said): (u32, u64, String),
        slots: u64,
    ) -> Result<Counts> {
        // High words begin where a binding may.
        let words = slots.div_ceil(64).saturating_mul(128);
        let said = match weights {
            None => said,
            Some(_) => format!("{said}, by weight"),
        };
        // What there is no room for is refused before anything is compiled.
        Ok(Counts {
            store: Store::new(gpu, &format!("words of {said}"), words, what.bound()).await?,
            kernels: gpu.count_kernels((gpu.tuning, what, weights)).await?,
            what,
            weights,
            slots: slots as usize,
            extent,
            said,
            each,
        })
    }

    pub fn gpu(&self) -> &Gpu {
        &self.store.gpu
    }

    pub async fn bind(
        &self,
        input: &View<'_>,
        truth: &View<'_>,
        weights: Option<&View<'_>>,
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let [input_of, truth_of] = self.what.sources();
        let (_, tile) = self.what.shape(self.store.gpu.tuning, self.each);
        let label_each = self.what.label_each(self.each);
        let sources = [
            source(input_of, input, self.each),
            source(truth_of, truth, label_each),
        ];
        let told = Told {
            extent: self.extent,
            tile,
            ..Told::default()
        };
        let weights = weight_source(self.weights, weights)?;
        self.store
            .bind(
                &self.kernels.count,
                sources,
                [weights, None],
                n,
                ignore_index,
                told,
            )
            .await
    }

    /// Attaches what a loss has found of its rows, of scores or of logits; `labels` are those of the loss.
    pub async fn bind_ranked(
        &self,
        kind: InputKind,
        loss: &Bound,
        (labels, view): (LabelType, &View<'_>),
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let fail = |expected: String, found: String| Err(Error::mismatch("loss", expected, found));
        let Some((ranks, part)) = loss.ranks() else {
            return fail("a plan with ranks".into(), "one without".into());
        };
        let Geometry { rows, cols, .. } = part.units;
        if cols as u64 != self.each {
            let expected = format!("a state by scores of {cols} classes");
            return fail(expected, self.said.clone());
        }
        if self.weights.is_some() {
            return fail("a state without weights".into(), self.said.clone());
        }
        let gpu = self.gpu();
        if !loss.gpu().is_same(gpu) {
            return fail("one on the same device".into(), "one on another".into());
        }
        // What it says of a row that it passes over is nothing. A label that is no class nobody counts.
        let passed = part.ignore.filter(|i| (0..cols as i64).contains(i));
        if passed.is_some() && passed != ignore_index {
            let found = format!("one that ignores {passed:?}");
            return fail(format!("one that ignores {ignore_index:?}"), found);
        }
        let (limit, found) = (u64::from(u32::MAX) - 1, rows as u64 * cols as u64);
        if found > limit {
            let what = "numbers of a batch".into();
            return Err(Error::TooLarge { what, limit, found });
        }
        let what = What::Ranks(kind, labels);
        let kernels = gpu.count_kernels((gpu.tuning, what, None)).await?;
        let [ranks_of, labels_of] = what.sources();
        let told = Told {
            extent: self.extent,
            tile: what.shape(gpu.tuning, 1).1,
            ..Told::default()
        };
        let sources = [
            source(ranks_of, &ranks, RANK_WORDS as u64),
            source(labels_of, view, 1),
        ];
        let kernels = &kernels.count;
        self.store
            .bind(kernels, sources, [None; 2], rows, ignore_index, told)
            .await
    }

    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, batch: &SampleBatch) -> Result<()> {
        self.store.record(pass, batch)
    }

    pub fn reset(&self, encoder: &mut wgpu::CommandEncoder) {
        self.store.clear(encoder, true);
    }

    /// Refuses a state that counts something else.
    pub fn like(&self, other: &Counts) -> Result<()> {
        match self.start() == other.start() {
            true => Ok(()),
            false => {
                let (expected, found) = (self.said.as_str(), other.said.as_str());
                Err(Error::mismatch("state to merge", expected, found))
            }
        }
    }

    pub async fn merge(&self, other: &Counts) -> Result<Merging> {
        self.like(other)?;
        let (store, kernels) = (&self.store, &self.kernels.merge);
        store.merge(&other.store, kernels, Merged::Counts).await
    }

    pub async fn to_bytes(&self) -> Result<Vec<u8>> {
        let words = self.store.words().await?;
        Ok(to_bytes(self.start().into_iter().chain(words)))
    }

    /// The words that saved bytes hold, if they are of such a state.
    pub fn saved(&self, bytes: &[u8]) -> Result<Vec<u32>> {
        let words = from_bytes(bytes, &self.start());
        let whole = |words: &Vec<u32>| words.len() == HEAD + 2 * self.room();
        words.filter(whole).ok_or_else(|| {
            let expected = format!("a saved state of {}", self.said);
            let found = format!("{} bytes that are none", bytes.len());
            Error::mismatch("bytes", expected, found)
        })
    }

    /// Takes the place of what was counted by saved words.
    pub fn load<'a>(&self, writes: &mut Writes<'a>, words: &'a [u32]) {
        let (head, counts) = words.split_at(HEAD.min(words.len()));
        writes.put(&self.store.head, 0, bytemuck::cast_slice(head));
        writes.put(&self.store.kept, 0, bytemuck::cast_slice(counts));
    }

    /// Slots, and some more up to where a binding may begin.
    fn room(&self) -> usize {
        self.store.capacity() / 2
    }

    /// How saved bytes begin: they say what is counted.
    fn start(&self) -> [u32; 5] {
        [
            MAGIC,
            VERSION,
            self.what.id() + if self.weights.is_some() { 32 } else { 0 },
            self.extent,
            self.each as u32,
        ]
    }

    /// Waits for what has been submitted, and reads the head and all slots.
    pub async fn read(&self) -> Result<(Vec<u32>, Vec<u64>)> {
        let mut head = self.store.words().await?;
        let counts = head.split_off(HEAD);
        check_weights(&head)?;
        let (low, high) = counts.split_at(self.room());
        let count = |(l, h): (&u32, &u32)| u64::from(*l) | u64::from(*h) << 32;
        let all = low.iter().zip(high).map(count);
        Ok((head, all.take(self.slots).collect()))
    }
}

impl Gpu {
    /// The kernels for `key`, compiled on first use.
    async fn count_kernels(&self, key: CountKey) -> Result<CountKernels> {
        let (_, what, weights) = key;
        // Input, labels, head.
        let mut buffers = vec![Access::Read, Access::Read, Access::Write];
        let kept = if what.bound() == Binding::Halves {
            2
        } else {
            1
        };
        buffers.extend(vec![Access::Write; kept]);
        buffers.extend(weights.map(|_| Access::Read));
        let compile = || CountKernels {
            count: Kernels::new(self, "wgloss count", count_text(key), &buffers, ["main"]),
            merge: merge_kernels(self, Merged::Counts),
        };
        self.compiled.counts.get(self, &key, compile).await
    }
}

/// The methods that all states of counts share.
macro_rules! state_of_counts {
    ($State:ident) => {
        impl $State {
            /// Records a batch. Allocates nothing, submits nothing, reads nothing back.
            ///
            /// # Errors
            /// [`Error::Mismatch`](crate::Error::Mismatch) for a batch that was bound to another state: then nothing is recorded.
            pub fn update(
                &self,
                encoder: &mut wgpu::CommandEncoder,
                batch: &SampleBatch,
            ) -> Result<()> {
                crate::gpu::Gpu::in_pass(encoder, "samples", |pass| self.record_update(pass, batch))
            }

            /// As `update`, into a compute pass that is open already: as [`Bound::record`](crate::gpu::Bound::record).
            ///
            /// # Errors
            /// As `update`.
            pub fn record_update(
                &self,
                pass: &mut wgpu::ComputePass<'_>,
                batch: &SampleBatch,
            ) -> Result<()> {
                self.counts.record(pass, batch)
            }

            /// Records that nothing has been counted. Into an encoder only: it clears buffers.
            pub fn reset(&self, encoder: &mut wgpu::CommandEncoder) {
                self.counts.reset(encoder);
            }

            /// Records that everything `other` has counted was counted here, on the same device. Allocates a few words of
            /// parameters; submits nothing and reads nothing back. `other` stays as it is.
            ///
            /// # Errors
            /// [`Error::Mismatch`](crate::Error::Mismatch) for a state of another kind or on another device, and for this one;
            /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) and [`Error::Device`](crate::Error::Device).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn merge(&self, encoder: &mut wgpu::CommandEncoder, other: &$State) -> Result<()> {
                self.counts.gpu().block_on(self.merge_async(encoder, other))
            }

            /// As `merge`, without blocking.
            ///
            /// # Errors
            /// As `merge`.
            pub async fn merge_async(
                &self,
                encoder: &mut wgpu::CommandEncoder,
                other: &$State,
            ) -> Result<()> {
                self.counts.merge(&other.counts).await?.record(encoder);
                Ok(())
            }

            /// What was counted, to be saved or sent: a few words that say what it is, then the counts, little endian. Waits
            /// for what has been submitted.
            ///
            /// # Errors
            /// [`Error::OutOfMemory`](crate::Error::OutOfMemory), [`Error::Device`](crate::Error::Device) and
            /// [`Error::DeviceLost`](crate::Error::DeviceLost).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn to_bytes(&self) -> Result<Vec<u8>> {
                self.counts.gpu().block_on(self.to_bytes_async())
            }

            /// As `to_bytes`, without blocking.
            ///
            /// # Errors
            /// As `to_bytes`.
            pub async fn to_bytes_async(&self) -> Result<Vec<u8>> {
                self.counts.to_bytes().await
            }

            /// Takes the place of what was counted by what [`to_bytes`](Self::to_bytes) gave, here or elsewhere, before
            /// anything that is submitted from now on.
            ///
            /// # Errors
            /// [`Error::Mismatch`](crate::Error::Mismatch) for bytes that are none of a state of this kind: then nothing has
            /// changed. [`Error::Device`](crate::Error::Device) and [`Error::DeviceLost`](crate::Error::DeviceLost).
            #[cfg(not(target_arch = "wasm32"))]
            pub fn load_bytes(&self, bytes: &[u8]) -> Result<()> {
                self.counts.gpu().block_on(self.load_bytes_async(bytes))
            }

            /// As `load_bytes`, without blocking.
            ///
            /// # Errors
            /// As `load_bytes`.
            pub async fn load_bytes_async(&self, bytes: &[u8]) -> Result<()> {
                let words = self.counts.saved(bytes)?;
                let gpu = self.counts.gpu();
                gpu.written(|w| self.counts.load(w, &words)).await
            }
        }
    };
}

use state_of_counts;
