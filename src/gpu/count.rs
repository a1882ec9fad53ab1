//! States that count: slots of 64 bits that batches of samples are added to on the device, and that add up when states are
//! merged. What is counted, and what comes of it, each file in `count` says.

mod binary;
mod confusion;
mod regression;

pub use binary::{BinaryBatch, BinaryState};
pub use confusion::{Confusion, ConfusionState, Predictions};
pub use regression::RegressionState;

use super::bind::View;
use super::collect::{
    HEAD, Merged, SampleBatch, Source, Store, batch_text, from_bytes, load_label, merge_kernels,
    to_bytes,
};
use super::kernels::{Access, Kernels, WIDE};
use super::scores::load_score;
use super::{Gpu, Tuning};
use crate::error::{Error, Result};
use crate::metric::InputKind;
use crate::tensor::{DType, LabelType};
use std::sync::PoisonError;

const COUNT: &str = include_str!("../../shaders/metric/count.wgsl");
const CONFUSION: &str = include_str!("../../shaders/metric/confusion.wgsl");
const OF_LABELS: &str = include_str!("../../shaders/metric/confusion_labels.wgsl");
const OF_SCORES: &str = include_str!("../../shaders/metric/confusion_scores.wgsl");
const CALIBRATION: &str = include_str!("../../shaders/metric/calibration.wgsl");
const BINARY: &str = include_str!("../../shaders/metric/binary.wgsl");
const EXACT: &str = include_str!("../../shaders/metric/exact.wgsl");
const REGRESSION: &str = include_str!("../../shaders/metric/regression.wgsl");
const NUMERICS: &str = include_str!("../../shaders/common/numerics.wgsl");
const STORAGE: &str = include_str!("../../shaders/common/storage.wgsl");

/// What is counted, of what is stored how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Confusion(Predictions, LabelType),
    /// Predictions and truth.
    Regression(DType, DType),
    /// Scores, probabilities or logits of two classes, and labels.
    Binary(InputKind, DType, LabelType),
}

impl What {
    /// Of every kind of kernel one or more.
    #[cfg(test)]
    pub fn all() -> Vec<What> {
        let scores = DType::ALL.map(Predictions::Scores);
        let labels = LabelType::ALL.map(Predictions::Labels);
        let of = scores.into_iter().chain(labels).enumerate();
        let confusion = of.map(|(k, of)| What::Confusion(of, LabelType::ALL[k % 3]));
        let types = DType::ALL.into_iter().enumerate();
        let regression = types.map(|(k, of)| What::Regression(of, DType::ALL[(k + 1) % 3]));
        let kinds = [InputKind::Scores, InputKind::Probs, InputKind::Logits];
        let types = kinds.into_iter().zip(DType::ALL).zip(LabelType::ALL);
        let binary = types.map(|((kind, of), labels)| What::Binary(kind, of, labels));
        confusion.chain(regression).chain(binary).collect()
    }

    /// Invocations of a workgroup, and the samples it takes.
    fn shape(self, tuning: Tuning) -> (u32, usize) {
        match (tuning, self) {
            (Tuning::Wide, What::Confusion(Predictions::Labels(_), _)) => (256, 8192),
            (Tuning::Wide, What::Confusion(Predictions::Scores(_), _)) => (256, 256),
            (Tuning::Narrow, What::Confusion(Predictions::Labels(_), _)) => (8, 32_768),
            (Tuning::Narrow, What::Confusion(Predictions::Scores(_), _)) => (8, 1024),
            // A slot takes in 2^15 samples, of which each may add to it twice.
            (Tuning::Wide, What::Regression(..) | What::Binary(..)) => (256, 4096),
            (Tuning::Narrow, What::Regression(..) | What::Binary(..)) => (8, 16_384),
        }
    }

    /// Name and bytes of the input's numbers, and of the truth's.
    fn sources(self) -> [(&'static str, u64); 2] {
        match self {
            What::Confusion(of, labels) => [("predictions", of.size()), ("labels", labels.size())],
            What::Regression(of, truth) => [("predictions", of.size()), ("truth", truth.size())],
            What::Binary(_, of, labels) => [("scores", of.size()), ("labels", labels.size())],
        }
    }

    /// A number for each kind of state, in saved bytes.
    fn id(self) -> u32 {
        match self {
            What::Confusion(Predictions::Labels(_), _) => 0,
            What::Confusion(Predictions::Scores(_), _) => 1,
            What::Regression(..) => 2,
            What::Binary(kind, ..) => 3 + kind as u32,
        }
    }
}

/// How a number is loaded from `array`, as the bits of an f32.
fn load_number(name: &str, dtype: DType, array: &str, offset: &str) -> String {
    let load = match dtype {
        DType::F32 => format!("{array}[at]"),
        DType::F16 => format!("from_f16({array}[at / 2u], at & 1u)"),
        DType::Bf16 => format!("from_bf16({array}[at / 2u], at & 1u)"),
    };
    format!("\nfn {name}(i: u32) -> u32 {{ let at = {offset} + i; return {load}; }}\n")
}

/// The WGSL that counts.
pub(super) fn count_text(tuning: Tuning, what: What) -> String {
    let (width, tile) = what.shape(tuning);
    let constants = format!("const WIDTH: u32 = {width}u;\nconst TILE: u32 = {tile}u;\n");
    let exact = || [EXACT, WIDE, NUMERICS, STORAGE].concat();
    let kind = |kind: InputKind| format!("const KIND: u32 = {}u;\n", kind as u32);
    let of = match what {
        What::Confusion(Predictions::Labels(ty), labels) => {
            let load = load_label("load_prediction", "inputs", ty);
            batch_text(labels) + CONFUSION + OF_LABELS + &load
        }
        What::Confusion(Predictions::Scores(dtype), labels) => {
            let load = load_score(dtype, "inputs", "params.off_input");
            batch_text(labels) + CONFUSION + OF_SCORES + &load
        }
        What::Regression(of, truth) => {
            let x = load_number("load_score", of, "inputs", "params.off_input");
            let y = load_number("load_truth", truth, "labels", "params.off_labels");
            batch_text(LabelType::U32) + REGRESSION + &exact() + &x + &y
        }
        What::Binary(of, dtype, labels) => {
            let load = load_number("load_score", dtype, "inputs", "params.off_input");
            batch_text(labels) + BINARY + CALIBRATION + &exact() + &load + &kind(of)
        }
    };
    of + COUNT + &constants
}

pub(super) type CountKey = (Tuning, What);

/// The kernels of a state: to count, and to take in others.
#[derive(Debug, Clone)]
pub(super) struct CountKernels {
    count: Kernels<1>,
    merge: Kernels<3>,
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
    /// What kernels are told besides, and what they are called: classes.
    extent: u32,
    said: String,
    /// Numbers of a sample's input.
    each: u64,
}

impl Counts {
    /// With `slots` slots, or the reason why not.
    pub async fn new(
        gpu: &Gpu,
        what: What,
        (extent, each, said): (u32, u64, String),
        slots: u64,
    ) -> Result<Counts> {
        let key = (gpu.tuning, what);
        let words = slots.saturating_mul(2);
        Ok(Counts {
            kernels: gpu.count_kernels(key).await?,
            store: Store::new(gpu, &format!("words of {said}"), words).await?,
            what,
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
        n: usize,
        ignore_index: Option<i64>,
    ) -> Result<SampleBatch> {
        let source = |(what, size), view, each| Source {
            what,
            view,
            size,
            each,
        };
        let [input_of, truth_of] = self.what.sources();
        let (_, tile) = self.what.shape(self.store.gpu.tuning);
        self.store
            .bind(
                &self.kernels.count,
                source(input_of, input, self.each),
                source(truth_of, truth, 1),
                n,
                ignore_index,
                (self.extent, tile),
            )
            .await
    }

    pub fn update(&self, encoder: &mut wgpu::CommandEncoder, batch: &SampleBatch) -> Result<()> {
        self.store.record(encoder, batch)
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

    pub async fn merge(&self, encoder: &mut wgpu::CommandEncoder, other: &Counts) -> Result<()> {
        self.like(other)?;
        let counts = Merged::Counts(self.slots());
        let (store, kernels) = (&self.store, &self.kernels.merge);
        store.merge(encoder, &other.store, kernels, counts).await
    }

    pub async fn to_bytes(&self) -> Result<Vec<u8>> {
        let words = self.words().await?;
        Ok(to_bytes(self.start().into_iter().chain(words)))
    }

    /// The words that saved bytes hold, if they are of such a state.
    pub fn saved(&self, bytes: &[u8]) -> Result<Vec<u32>> {
        let words = from_bytes(bytes, &self.start());
        let whole = |words: &Vec<u32>| words.len() == HEAD + 2 * self.slots();
        words.filter(whole).ok_or_else(|| {
            let expected = format!("a saved state of {}", self.said);
            let found = format!("{} bytes that are none", bytes.len());
            Error::mismatch("bytes", expected, found)
        })
    }

    /// Takes the place of what was counted by saved words.
    pub async fn load(&self, words: Vec<u32>) -> Result<()> {
        let (head, counts) = words.split_at(HEAD.min(words.len()));
        let Store { gpu, head: h, kept } = &self.store;
        let written = gpu.scoped(|| {
            gpu.queue.write_buffer(h, 0, bytemuck::cast_slice(head));
            gpu.queue
                .write_buffer(kept, 0, bytemuck::cast_slice(counts));
        });
        written.await
    }

    fn slots(&self) -> usize {
        self.store.capacity() / 2
    }

    /// How saved bytes begin: they say what is counted.
    fn start(&self) -> [u32; 4] {
        [MAGIC, VERSION, self.what.id(), self.extent]
    }

    /// Waits for what has been submitted, and reads the head and all slots.
    pub async fn read(&self) -> Result<(Vec<u32>, Vec<u64>)> {
        let mut head = self.words().await?;
        let counts = head.split_off(HEAD);
        let (low, high) = counts.split_at(self.slots());
        let count = |(l, h): (&u32, &u32)| u64::from(*l) | u64::from(*h) << 32;
        Ok((head, low.iter().zip(high).map(count).collect()))
    }

    async fn words(&self) -> Result<Vec<u32>> {
        let kept = &self.store.kept;
        self.store.read(&[], &[(kept, kept.size())]).await
    }
}

impl Gpu {
    /// The kernels for `key`, compiled on first use.
    async fn count_kernels(&self, key: CountKey) -> Result<CountKernels> {
        let lock = || self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernels) = lock().get(&key) {
            return Ok(kernels.clone());
        }
        let (tuning, what) = key;
        let made = self.scoped(|| CountKernels {
            count: Kernels::new(
                self,
                "wgloss count",
                count_text(tuning, what),
                &[Access::Read, Access::Read, Access::Write, Access::Write],
                ["main"],
            ),
            merge: merge_kernels(self),
        });
        let kernels = made.await?;
        Ok(lock().entry(key).or_insert(kernels).clone())
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
                self.counts.update(encoder, batch)
            }

            /// Records that nothing has been counted.
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
                self.counts.merge(encoder, &other.counts).await
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
                self.counts.load(self.counts.saved(bytes)?).await
            }
        }
    };
}

use state_of_counts;
