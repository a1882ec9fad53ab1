//! What is counted, and the WGSL that counts it.

use crate::gpu::Tuning;
use crate::gpu::collect::{Binding, batch_text, load_label};
use crate::gpu::kernels::WIDE;
use crate::gpu::scores::{load_score, rows_in_a_loop};
use crate::gpu::source::ranked;
use crate::metric::InputKind;
use crate::tensor::{DType, LabelType};

const COUNT: &str = include_str!("../../../shaders/metric/count.wgsl");
/// Where high words of counts are: in a binding of their own, or behind the low ones.
const COUNTED_APART: &str = "@group(0) @binding(5) var<storage, read_write> high: array<atomic<u32>>;\n\
    fn add_high(slot: u32, n: u32) { atomicAdd(&high[slot], n); }\n";
const COUNTED_WHOLE: &str = "fn add_high(slot: u32, n: u32) {\n    \
    atomicAdd(&counts[(slots() + 63u) / 64u * 64u + slot], n);\n}\n";
const WEIGHTED: &str = include_str!("../../../shaders/metric/weighted.wgsl");
const UNWEIGHTED: &str = include_str!("../../../shaders/metric/unweighted.wgsl");
const CARRIED: &str = include_str!("../../../shaders/metric/carried.wgsl");
const COUNT_BATCH: &str = include_str!("../../../shaders/metric/count_batch.wgsl");
const CONFUSION: &str = include_str!("../../../shaders/metric/confusion.wgsl");
const OF_LABELS: &str = include_str!("../../../shaders/metric/confusion_labels.wgsl");
const OF_RANKS: &str = include_str!("../../../shaders/metric/confusion_ranks.wgsl");
const OF_SCORES: &str = include_str!("../../../shaders/metric/confusion_scores.wgsl");
const CALIBRATION: &str = include_str!("../../../shaders/metric/calibration.wgsl");
const BINARY: &str = include_str!("../../../shaders/metric/binary.wgsl");
const BINS: &str = include_str!("../../../shaders/metric/bins.wgsl");
const MULTILABEL: &str = include_str!("../../../shaders/metric/multilabel.wgsl");
const PREDICT_LABEL: &str = include_str!("../../../shaders/metric/predict_label.wgsl");
const PREDICT_SCORE: &str = include_str!("../../../shaders/metric/predict_score.wgsl");
const KINDS: &str = include_str!("../../../shaders/metric/kinds.wgsl");
const FINE: &str = include_str!("../../../shaders/metric/fine.wgsl");
const EXACT: &str = include_str!("../../../shaders/metric/exact.wgsl");
const REGRESSION: &str = include_str!("../../../shaders/metric/regression.wgsl");
pub(super) const NUMERICS: &str = include_str!("../../../shaders/common/numerics.wgsl");
const STORAGE: &str = include_str!("../../../shaders/common/storage.wgsl");

/// What is counted, of what is stored how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum What {
    /// Predicted labels of several classes, and true ones.
    Labels(LabelType, LabelType),
    /// Predicted classes and ranks that a loss has found, of scores or, with what their probabilities follow of, of logits, and labels.
    Ranks(InputKind, LabelType),
    /// Rows of scores, probabilities or logits of several classes, and labels.
    Classes(InputKind, DType, LabelType),
    /// Scores, probabilities or logits of two classes, and labels.
    Binary(InputKind, DType, LabelType),
    /// Rows of predicted labels of 0 and 1, and of true ones.
    LabelSets(LabelType, LabelType),
    /// Rows of scores, probabilities or logits, and of labels of 0 and 1.
    ScoreSets(InputKind, DType, LabelType),
    /// Predicted numbers, and true ones.
    Regression(DType, DType),
    /// Scores of two classes by their upper bits, and labels.
    Bins(DType, LabelType),
}

impl What {
    /// Of every kind of kernel one or more.
    #[cfg(test)]
    pub fn all() -> Vec<What> {
        let kinds = [InputKind::Scores, InputKind::Probs, InputKind::Logits];
        let mut all = Vec::new();
        for (k, (kind, dtype)) in kinds.into_iter().zip(DType::ALL).enumerate() {
            let (labels, other) = (LabelType::ALL[k], LabelType::ALL[(k + 1) % 3]);
            all.extend([
                What::Labels(labels, other),
                What::Ranks([InputKind::Scores, InputKind::Logits][k % 2], labels),
                What::Classes(kind, dtype, labels),
                What::Binary(kind, DType::ALL[(k + 1) % 3], labels),
                What::LabelSets(other, labels),
                What::ScoreSets(kind, DType::ALL[(k + 2) % 3], labels),
                What::Regression(dtype, DType::ALL[(k + 1) % 3]),
                What::Bins(dtype, labels),
            ]);
        }
        all
    }

    /// Invocations of a workgroup, and the samples it takes, of so many numbers each.
    pub(super) fn shape(self, tuning: Tuning, each: u64) -> (u32, usize) {
        let each = usize::try_from(each).unwrap_or(usize::MAX);
        match (tuning, self) {
            // A slot of an exact sum takes in 2^15 numbers, of which a row of logits adds three to the sum of losses.
            (Tuning::Wide, What::Ranks(InputKind::Logits, _)) => (256, 4096),
            (Tuning::Narrow, What::Ranks(InputKind::Logits, _)) => (8, 8192),
            (Tuning::Wide, What::Labels(..) | What::Ranks(..) | What::Bins(..)) => (256, 8192),
            (Tuning::Narrow, What::Labels(..) | What::Ranks(..) | What::Bins(..)) => (8, 32_768),
            // A slot of an exact sum takes in 2^15 samples, of which each may add to it twice.
            (Tuning::Wide, What::Regression(..) | What::Binary(..)) => (256, 4096),
            (Tuning::Narrow, What::Regression(..) | What::Binary(..)) => (8, 16_384),
            // An invocation goes round for each number of a row, three times.
            (Tuning::Wide, _) => (256, 256),
            (Tuning::Narrow, _) => (8, 8 * rows_in_a_loop(3usize.saturating_mul(each))),
        }
    }

    /// Name and bytes of the input's numbers, and of the truth's.
    pub(super) fn sources(self) -> [(&'static str, u64); 2] {
        match self {
            What::Labels(of, labels) | What::LabelSets(of, labels) => {
                [("predictions", of.size()), ("labels", labels.size())]
            }
            What::Ranks(_, labels) => [("ranks", 4), ("labels", labels.size())],
            What::Classes(_, of, labels)
            | What::Binary(_, of, labels)
            | What::ScoreSets(_, of, labels) => {
                [("predictions", of.size()), ("labels", labels.size())]
            }
            What::Regression(of, truth) => [("predictions", of.size()), ("truth", truth.size())],
            What::Bins(of, labels) => [("scores", of.size()), ("labels", labels.size())],
        }
    }

    /// Low words of counts and high ones are bound apart where there may be many: cells of classes.
    pub(super) fn bound(self) -> Binding {
        match self {
            What::Labels(..) | What::Ranks(..) | What::Classes(..) => Binding::Halves,
            _ => Binding::Whole,
        }
    }

    /// Numbers of a sample among the labels, where the input has `each`.
    pub(super) fn label_each(self, each: u64) -> u64 {
        match self {
            What::LabelSets(..) | What::ScoreSets(..) => each,
            _ => 1,
        }
    }

    /// A number for each kind of state, in saved bytes.
    pub(super) fn id(self) -> u32 {
        match self {
            What::Labels(..) => 0,
            What::LabelSets(..) => 1,
            What::Regression(..) => 2,
            What::Ranks(..) => 3,
            What::Classes(kind, ..) => 4 + kind as u32,
            What::Binary(kind, ..) => 8 + kind as u32,
            What::ScoreSets(kind, ..) => 12 + kind as u32,
            What::Bins(dtype, _) => 16 + dtype as u32,
        }
    }
}

/// How a number is loaded from `array`, as the bits of an f32.
pub(in crate::gpu) fn load_number(name: &str, dtype: DType, array: &str, offset: &str) -> String {
    let load = match dtype {
        DType::F32 => format!("{array}[at]"),
        DType::F16 => format!("from_f16({array}[at / 2u], at & 1u)"),
        DType::Bf16 => format!("from_bf16({array}[at / 2u], at & 1u)"),
    };
    format!("\nfn {name}(i: u32) -> u32 {{ let at = {offset} + i; return {load}; }}\n")
}

/// What figures of probabilities need that a kernel does not count.
pub(in crate::gpu) fn fine_text() -> String {
    [FINE, NUMERICS, STORAGE].concat()
}

/// What is counted, and how weights of samples are stored where there are some.
pub(in crate::gpu) type CountKey = (Tuning, What, Option<DType>);

/// The WGSL that counts.
pub(in crate::gpu) fn count_text((tuning, what, weights): CountKey) -> String {
    let (width, _) = what.shape(tuning, 1);
    let constants = format!("const WIDTH: u32 = {width}u;\n");
    let scores = |kind: InputKind, dtype| {
        let load = load_number("load_score", dtype, "inputs", "params.off_input");
        let kind = format!("const KIND: u32 = {}u;\n", kind as u32);
        [KINDS, CALIBRATION].concat() + &load + &kind
    };
    let predicted = |ty| load_label("load_prediction", "inputs", ty);
    let no_scores =
        format!("const KIND: u32 = SCORES;\nconst CALIBRATION_SLOTS: u32 = 0u;\n{KINDS}");
    let of = match what {
        What::Labels(of, labels) => {
            batch_text(labels) + CONFUSION + OF_LABELS + &predicted(of) + &no_scores
        }
        What::Ranks(kind, labels) => {
            batch_text(labels) + CONFUSION + &ranked(OF_RANKS) + &scores(kind, DType::F32)
        }
        What::Classes(kind, dtype, labels) => {
            batch_text(labels) + CONFUSION + OF_SCORES + &scores(kind, dtype)
        }
        What::Binary(kind, dtype, labels) => {
            batch_text(labels) + BINARY + PREDICT_SCORE + &scores(kind, dtype)
        }
        What::LabelSets(of, labels) => {
            batch_text(labels) + MULTILABEL + PREDICT_LABEL + &predicted(of)
        }
        What::ScoreSets(kind, dtype, labels) => {
            batch_text(labels) + MULTILABEL + PREDICT_SCORE + &scores(kind, dtype)
        }
        What::Regression(of, truth) => {
            let x = load_number("load_score", of, "inputs", "params.off_input");
            let y = load_number("load_truth", truth, "labels", "params.off_labels");
            batch_text(LabelType::U32) + REGRESSION + &x + &y
        }
        What::Bins(dtype, labels) => {
            let bits = format!("const SCORE_BITS: u32 = {}u;\n", 8 * dtype.size());
            let load = load_score(dtype, "inputs", "params.off_input");
            batch_text(labels) + BINS + &load + &bits
        }
    };
    let high = match what.bound() {
        Binding::Halves => COUNTED_APART,
        Binding::Whole | Binding::Rows(_) => COUNTED_WHOLE,
    };
    let weights = match weights {
        None => UNWEIGHTED.to_string(),
        Some(dtype) => {
            let binding = weight_binding(what.bound());
            WEIGHTED.to_string() + &binding + &load_weight(dtype)
        }
    };
    [
        &of,
        COUNT,
        COUNT_BATCH,
        high,
        &weights,
        EXACT,
        WIDE,
        &fine_text(),
        &constants,
    ]
    .concat()
}

/// Where the weights of samples are bound: behind what is collected.
pub(in crate::gpu) fn weight_binding(bound: Binding) -> String {
    let binding = if bound == Binding::Halves { 6 } else { 5 };
    format!("@group(0) @binding({binding}) var<storage, read> weights: array<u32>;\n")
}

/// How the weight of a sample is loaded.
pub(in crate::gpu) fn load_weight(dtype: DType) -> String {
    load_number("load_weight", dtype, "weights", "params.off_weights")
}

/// As what elements are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// Scores, probabilities or logits of two classes.
    Binary(InputKind),
    /// Predicted numbers.
    Regression,
}

/// The WGSL that counts the elements of an elementwise loss.
pub(in crate::gpu) fn carried_text(counted: Counted) -> String {
    let of = match counted {
        Counted::Binary(kind) => {
            let kind = format!("const KIND: u32 = {}u;\n", kind as u32);
            [BINARY, PREDICT_SCORE, KINDS, CALIBRATION, FINE].concat() + &kind
        }
        Counted::Regression => REGRESSION.to_string(),
    };
    of + EXACT + WIDE + COUNT + COUNTED_WHOLE + UNWEIGHTED + CARRIED
}
