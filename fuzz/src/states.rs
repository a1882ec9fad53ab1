//! Saved states of metrics: what is done with an input, by the fuzz target, and by the tests of the crate with the inputs that are kept.

use wgloss::gpu::{
    BinaryState, BoundedScores, ConfusionState, MulticlassState, MultilabelState, Predictions,
    RegressionState, ScoreState,
};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel};
use wgloss::{DType, Error, Gpu, LabelType, Result};

/// One state of every kind, and what each saves when it is new.
pub struct States {
    scores: (ScoreState, Vec<u8>),
    few: (ScoreState, Vec<u8>),
    bounded: (BoundedScores, Vec<u8>),
    confusion: (ConfusionState, Vec<u8>),
    binary: (BinaryState, Vec<u8>),
    multiclass: (MulticlassState, Vec<u8>),
    multilabel: (MultilabelState, Vec<u8>),
    regression: (RegressionState, Vec<u8>),
    weighted: (RegressionState, Vec<u8>),
}

/// All of them, new.
///
/// # Errors
/// What the device refuses.
pub fn states(gpu: &Gpu) -> Result<States> {
    let (scores, labels) = (Predictions::Scores(DType::F32), LabelType::I64);
    macro_rules! with_bytes {
        ($state:expr) => {{
            let state = $state?;
            let saved = state.to_bytes()?;
            (state, saved)
        }};
    }
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    let several = Multiclass {
        input: InputKind::Probs,
        top_k: vec![1, 2, 9],
        ..Default::default()
    };
    Ok(States {
        scores: with_bytes!(gpu.scores(DType::F32, labels, 8)),
        few: with_bytes!(gpu.scores(DType::Bf16, labels, 8)),
        bounded: with_bytes!(gpu.bounded_scores(DType::F32, labels, 8)),
        confusion: with_bytes!(gpu.confusion(scores, labels, 3)),
        binary: with_bytes!(gpu.binary(&asked, scores, labels, None, 8)),
        multiclass: with_bytes!(gpu.multiclass(&several, scores, labels, Some(DType::F32), 3, 0)),
        multilabel: with_bytes!(gpu.multilabel(&Multilabel::default(), scores, labels, None, 2, 4)),
        regression: with_bytes!(gpu.regression(DType::F32, DType::F32, None)),
        weighted: with_bytes!(gpu.regression(DType::F32, DType::F32, Some(DType::F16))),
    })
}

/// Loads the bytes as they are; then those that the state has saved, with the bytes laid over them from a place that the first two say.
fn load(bytes: &[u8], saved: &[u8], mut take: impl FnMut(&[u8]) -> Result<()>) {
    let mut over = saved.to_vec();
    if let Some((at, bytes)) = bytes.split_first_chunk::<2>() {
        let at = usize::from(u16::from_le_bytes(*at)) % over.len();
        for (to, from) in over[at..].iter_mut().zip(bytes) {
            *to = *from;
        }
    }
    for bytes in [bytes, &over] {
        match take(bytes) {
            Ok(()) => {}
            Err(
                error @ (Error::Mismatch { .. } | Error::TooLarge { .. } | Error::BadSample { .. }),
            ) => assert_eq!(error.to_string().lines().count(), 1),
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl States {
    /// Takes bytes for what one of them saved, the one that the first byte says, and works out the figures of what is taken. `within` does what it is given.
    pub fn take(&mut self, bytes: &[u8], within: impl FnOnce(&mut dyn FnMut())) {
        let Some((kind, bytes)) = bytes.split_first() else {
            return;
        };
        macro_rules! all {
            ($($kind:literal $state:ident)*) => {
                match *kind % 9 {
                    $($kind => {
                        let (state, saved) = &mut self.$state;
                        within(&mut || load(bytes, saved, |bytes| {
                            state.load_bytes(bytes)?;
                            state.compute().map(drop)
                        }));
                    })*
                    _ => {}
                }
            };
        }
        all! { 0 scores 1 few 2 bounded 3 confusion 4 binary 5 multiclass 6 multilabel 7 regression 8 weighted }
    }
}
