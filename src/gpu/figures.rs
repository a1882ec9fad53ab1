//! Figures of arrays in host memory, worked out on the device.

use super::{Gpu, Predictions, View};
use crate::batch::Target;
use crate::error::{Error, Result};
use crate::metric::{
    Binary, BinaryFigures, InputKind, Multiclass, MulticlassFigures, Multilabel, MultilabelFigures,
    RegressionFigures, Samples,
};
use crate::tensor::{DType, Labels, Values};

/// How numbers are stored on the device.
fn stored(values: &Values<'_>) -> DType {
    match values {
        Values::F16(_) => DType::F16,
        Values::Bf16(_) => DType::Bf16,
        Values::F32(_) | Values::F64(_) => DType::F32,
    }
}

/// The numbers of an array, of integers too.
fn numbers<'a>(of: &'a Target<'_>) -> Values<'a> {
    match of {
        Target::Values(v) => v.borrowed(),
        Target::Labels(l) => {
            let all = (0..l.len()).filter_map(|i| l.get(i));
            Values::from(all.map(|l| l as f64).collect::<Vec<_>>())
        }
    }
}

/// The labels of an array, of which there have to be `n`.
fn labels<'a>(what: &'static str, of: Option<&'a Target<'_>>, n: usize) -> Result<&'a Labels<'a>> {
    let found = match of {
        Some(Target::Labels(l)) if l.len() == n => return Ok(l),
        Some(Target::Labels(l)) => l.len().to_string(),
        Some(Target::Values(_)) => "floating-point numbers".into(),
        None => "none".into(),
    };
    Err(Error::mismatch(what, format!("{n} integer labels"), found))
}

/// Predictions in host memory: what they are, and their bytes.
fn predictions(samples: &Samples<'_>, kind: InputKind, n: usize) -> Result<(Predictions, Vec<u8>)> {
    match (&samples.input, kind) {
        (input, InputKind::Labels) => {
            let l = labels("input", Some(input), n)?;
            Ok((Predictions::Labels(l.label_type()), l.bytes().to_vec()))
        }
        (Target::Values(v), _) => {
            let dtype = stored(v);
            Ok((Predictions::Scores(dtype), v.bytes(dtype).into_owned()))
        }
        (Target::Labels(_), _) => Err(Error::mismatch("input", kind.name(), "integer labels")),
    }
}

/// Weights as they are stored on the device; f64 is rounded to f32, where it has to be finite too.
fn weights(samples: &Samples<'_>) -> Result<(Option<DType>, Vec<u8>)> {
    let Some(w) = &samples.weight else {
        return Ok((None, Vec::new()));
    };
    let dtype = stored(w);
    let all = w.to_f64();
    match all.iter().position(|w| !dtype.round(*w).is_finite()) {
        None => Ok((Some(dtype), w.bytes(dtype).into_owned())),
        Some(index) => Err(Error::BadWeight {
            what: "weight",
            index,
            value: all[index],
        }),
    }
}

/// Uploads an input, its truth and weights, and has a state see them.
macro_rules! figures_of {
    ($gpu:ident, $state:ident, $input:expr, $truth:expr, $weights:ident, $n:expr) => {{
        let input = $gpu.upload(&$input).await?;
        let truth = $gpu.upload(&$truth).await?;
        let (input, truth) = (View::whole(&input), View::whole(&truth));
        let batch = match $weights.is_empty() {
            true => $state.bind_async(&input, &truth, $n).await?,
            false => {
                let weights = $gpu.upload(&$weights).await?;
                let weights = View::whole(&weights);
                let batch = $state.bind_weighted_async(&input, &truth, &weights, $n);
                batch.await?
            }
        };
        let submitted = $gpu.scoped(|| {
            let mut encoder = $gpu.device.create_command_encoder(&Default::default());
            let updated = $state.update(&mut encoder, &batch);
            $gpu.queue.submit([encoder.finish()]);
            updated
        });
        submitted.await??;
        $state.compute_async().await
    }};
}

impl Gpu {
    /// Figures of two classes: uploads the samples, collects them in a [`BinaryState`](super::BinaryState), waits, and reads
    /// what they come to. f64 is rounded to f32. There is no [`Ranking`](crate::metric::Ranking): scores are not read back.
    ///
    /// # Errors
    /// As [`Binary::figures`]; [`Error::TooLarge`] for arrays
    /// over the device's buffer size; [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn binary_figures(&self, asked: &Binary, samples: &Samples<'_>) -> Result<BinaryFigures> {
        self.block_on(self.binary_figures_async(asked, samples))
    }

    /// As `binary_figures`, without blocking.
    ///
    /// # Errors
    /// As `binary_figures`.
    pub async fn binary_figures_async(
        &self,
        asked: &Binary,
        samples: &Samples<'_>,
    ) -> Result<BinaryFigures> {
        let n = samples.count(1)?;
        let truth = labels("target", samples.target.as_ref(), n)?;
        let (of, input) = predictions(samples, asked.input, n)?;
        let (by, weights) = weights(samples)?;
        let state = self.binary_async(asked, of, truth.label_type(), by, n);
        let mut state = state.await?;
        figures_of!(self, state, input, truth.bytes(), weights, n)
    }

    /// Figures of several classes: uploads the samples, collects them in a [`MulticlassState`](super::MulticlassState), waits, and
    /// reads what they come to. f64 is rounded to f32. There is no [`Ranking`](crate::metric::Ranking): scores are not read back.
    ///
    /// # Errors
    /// As [`Multiclass::figures`]; [`Error::TooLarge`] for arrays
    /// over the device's buffer size; [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn multiclass_figures(
        &self,
        asked: &Multiclass,
        samples: &Samples<'_>,
    ) -> Result<MulticlassFigures> {
        self.block_on(self.multiclass_figures_async(asked, samples))
    }

    /// As `multiclass_figures`, without blocking.
    ///
    /// # Errors
    /// As `multiclass_figures`.
    pub async fn multiclass_figures_async(
        &self,
        asked: &Multiclass,
        samples: &Samples<'_>,
    ) -> Result<MulticlassFigures> {
        let classes = asked.class_count(samples)?;
        let n = samples.count(match asked.input {
            InputKind::Labels => 1,
            _ => classes,
        })?;
        let truth = labels("target", samples.target.as_ref(), n)?;
        let (of, input) = predictions(samples, asked.input, n)?;
        let (by, weights) = weights(samples)?;
        let state = self.multiclass_async(asked, of, truth.label_type(), by, classes, n);
        let mut state = state.await?;
        figures_of!(self, state, input, truth.bytes(), weights, n)
    }

    /// Figures of several labels: uploads the samples, collects them in a [`MultilabelState`](super::MultilabelState), waits, and
    /// reads what they come to. f64 is rounded to f32. There is no [`Ranking`](crate::metric::Ranking): scores are not read back.
    ///
    /// # Errors
    /// As [`Multilabel::figures`]; [`Error::TooLarge`] for arrays
    /// over the device's buffer size; [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn multilabel_figures(
        &self,
        asked: &Multilabel,
        samples: &Samples<'_>,
    ) -> Result<MultilabelFigures> {
        self.block_on(self.multilabel_figures_async(asked, samples))
    }

    /// As `multilabel_figures`, without blocking.
    ///
    /// # Errors
    /// As `multilabel_figures`.
    pub async fn multilabel_figures_async(
        &self,
        asked: &Multilabel,
        samples: &Samples<'_>,
    ) -> Result<MultilabelFigures> {
        let count = Multilabel::label_count(samples)?;
        let n = samples.count(count)?;
        let truth = labels("target", samples.target.as_ref(), n * count)?;
        let (of, input) = predictions(samples, asked.input, n * count)?;
        let (by, weights) = weights(samples)?;
        let state = self.multilabel_async(asked, of, truth.label_type(), by, count, n);
        let mut state = state.await?;
        figures_of!(self, state, input, truth.bytes(), weights, n)
    }

    /// Figures of numbers: uploads the samples, collects them in a [`RegressionState`](super::RegressionState), waits, and reads
    /// its sums. f64 and integers are rounded to f32.
    ///
    /// # Errors
    /// As [`Regression::figures`](crate::metric::Regression::figures);
    /// [`Error::TooLarge`] for arrays over the device's buffer size; [`Error::OutOfMemory`], [`Error::Device`] and
    /// [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn regression_figures(&self, samples: &Samples<'_>) -> Result<RegressionFigures> {
        self.block_on(self.regression_figures_async(samples))
    }

    /// As `regression_figures`, without blocking.
    ///
    /// # Errors
    /// As `regression_figures`.
    pub async fn regression_figures_async(
        &self,
        samples: &Samples<'_>,
    ) -> Result<RegressionFigures> {
        let n = samples.count(1)?;
        let x = numbers(&samples.input);
        let y = match samples.target.as_ref().map(numbers) {
            Some(y) if y.len() == n => y,
            other => {
                let found = other.map_or("none".into(), |y| y.len().to_string());
                return Err(Error::mismatch("target", format!("{n} numbers"), found));
            }
        };
        let types = [stored(&x), stored(&y)];
        let (by, weights) = weights(samples)?;
        let state = self.regression_async(types[0], types[1], by).await?;
        figures_of!(
            self,
            state,
            x.bytes(types[0]),
            y.bytes(types[1]),
            weights,
            n
        )
    }
}
