//! wgloss's metrics for burn's trainer.

use crate::cube::{Lease, settled_all};
use crate::gpu::SharedGpu;
use crate::module::{dtype_of, labels_in};
use crate::task::mismatch;
use crate::wgpu;
use burn::backend::{DispatchTensor, TensorMetadata, Wgpu};
use burn::tensor::{ExecutionError, Int, Tensor, TensorReadError};
use burn::train::metric::{
    Adaptor, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes,
    NumericEntry, SerializedEntry,
};
use burn::train::{ClassificationOutput, MultiLabelClassificationOutput, RegressionOutput};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wgloss::gpu::{
    BinaryState, MulticlassState, MultilabelState, Predictions, RegressionState, View,
};
use wgloss::metric::{
    Binary, BinaryFigures, Multiclass, MulticlassFigures, Multilabel, MultilabelFigures,
    Regression, RegressionFigures,
};
use wgloss::{Error, Gpu, LabelType, Result};

/// Predictions of a batch and what is true: scores of shape `[samples, classes]` (or of one column for two classes) and class indices; or
/// scores and labels of one shape; or numbers and true ones.
#[derive(Debug, Clone)]
pub struct MetricInput {
    predictions: DispatchTensor,
    truth: DispatchTensor,
}

impl MetricInput {
    /// Scores and labels.
    pub fn new<const D: usize, const R: usize>(scores: Tensor<D>, labels: Tensor<R, Int>) -> Self {
        MetricInput {
            predictions: scores.without_autodiff().into_dispatch(),
            truth: labels.without_autodiff().into_dispatch(),
        }
    }

    /// Predicted numbers and true ones.
    pub fn numbers<const D: usize>(predicted: Tensor<D>, truth: Tensor<D>) -> Self {
        MetricInput {
            predictions: predicted.without_autodiff().into_dispatch(),
            truth: truth.without_autodiff().into_dispatch(),
        }
    }
}

impl Adaptor<MetricInput> for ClassificationOutput {
    fn adapt(&self) -> MetricInput {
        MetricInput::new(self.output.clone(), self.targets.clone())
    }
}

impl Adaptor<MetricInput> for MultiLabelClassificationOutput {
    fn adapt(&self) -> MetricInput {
        MetricInput::new(self.output.clone(), self.targets.clone())
    }
}

impl Adaptor<MetricInput> for RegressionOutput {
    fn adapt(&self) -> MetricInput {
        MetricInput::numbers(self.output.clone(), self.targets.clone())
    }
}

/// What figures are asked of a kind of samples: [`Binary`], [`Multiclass`], [`Multilabel`] and [`Regression`].
pub trait Asked: fmt::Debug + Clone + Send + Sync + 'static {
    /// All figures of the kind.
    type Figures: fmt::Debug + Clone + Send + Sync + 'static;

    /// Whether there is a truth for each prediction, and not for each sample.
    #[doc(hidden)]
    const EACH: bool;

    /// Makes a state for such tensors.
    #[doc(hidden)]
    fn state(
        &self,
        gpu: &Gpu,
        stored: Stored,
        capacity: usize,
    ) -> Result<Box<dyn State<Self::Figures>>>;
}

/// How tensors of samples are stored.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    scores: wgloss::DType,
    truth: Truth,
    /// Numbers of a sample.
    columns: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Truth {
    Labels(LabelType),
    Numbers(wgloss::DType),
}

/// A state on the device.
#[doc(hidden)]
pub trait State<F>: fmt::Debug + Send + Sync {
    /// Records a batch of `samples`.
    fn update(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        views: [View<'_>; 2],
        samples: usize,
    ) -> Result<()>;
    /// Records that nothing was seen.
    fn reset(&mut self, encoder: &mut wgpu::CommandEncoder);
    /// Reads what was seen.
    fn figures(&self) -> Result<F>;
}

macro_rules! states {
    ($($Asked:ident $State:ident $Figures:ident $each:literal $made:expr;)*) => {$(
        impl State<$Figures> for $State {
            fn update(
                &mut self,
                encoder: &mut wgpu::CommandEncoder,
                [predictions, truth]: [View<'_>; 2],
                samples: usize,
            ) -> Result<()> {
                let batch = self.bind(&predictions, &truth, samples)?;
                $State::update(self, encoder, &batch)
            }

            fn reset(&mut self, encoder: &mut wgpu::CommandEncoder) {
                $State::reset(self, encoder);
            }

            fn figures(&self) -> Result<$Figures> {
                self.compute()
            }
        }

        impl Asked for $Asked {
            type Figures = $Figures;
            const EACH: bool = $each;

            fn state(
                &self,
                gpu: &Gpu,
                stored: Stored,
                capacity: usize,
            ) -> Result<Box<dyn State<$Figures>>> {
                let make: fn(&$Asked, &Gpu, Stored, usize) -> Result<$State> = $made;
                Ok(Box::new(make(self, gpu, stored, capacity)?))
            }
        }
    )*};
}

states! {
    Binary BinaryState BinaryFigures false |asked, gpu, stored, room| {
        if stored.columns != 1 {
            let found = format!("{} of them", stored.columns);
            return Err(mismatch("scores of a sample of two classes", "one", found));
        }
        gpu.binary(asked, Predictions::Scores(stored.scores), stored.labels()?, None, room)
    };
    Multiclass MulticlassState MulticlassFigures false |asked, gpu, stored, room| {
        let scores = Predictions::Scores(stored.scores);
        gpu.multiclass(asked, scores, stored.labels()?, None, stored.columns, room)
    };
    Multilabel MultilabelState MultilabelFigures true |asked, gpu, stored, room| {
        let scores = Predictions::Scores(stored.scores);
        gpu.multilabel(asked, scores, stored.labels()?, None, stored.columns, room)
    };
    Regression RegressionState RegressionFigures true |_, gpu, stored, _| match stored.truth {
        Truth::Numbers(truth) => gpu.regression(stored.scores, truth, None),
        Truth::Labels(_) => Err(mismatch("truth", "numbers", "labels")),
    };
}

impl Stored {
    fn labels(self) -> Result<LabelType> {
        match self.truth {
            Truth::Labels(labels) => Ok(labels),
            Truth::Numbers(_) => Err(mismatch("truth", "labels", "numbers")),
        }
    }
}

/// What was seen in an epoch, on the device: figures of one kind of samples, as many as are wanted, each a metric of burn's trainer.
///
/// Every batch is counted once, however many figures there are, and nothing is read until the epoch is over; then what was counted is read
/// once, where burn's own metrics read in every batch. Counts are exact: they are those of one batch with all samples, as scikit-learn counts them.
///
/// ```no_run
/// # use wgloss_burn::*;
/// # fn main() -> wgloss::Result<()> {
/// use wgloss::metric::{InputKind, Multiclass};
/// # let (device, gpu) = SharedGpu::open()?;
/// let seen = Seen::new(&gpu, Multiclass { input: InputKind::Logits, ..Default::default() });
/// let accuracy = seen.figure("Accuracy", |f| f.accuracy);
/// let f1 = seen.figure("F1, macro", |f| f.macro_average.f1);
/// let log_loss = seen.loss("Log loss", |f| f.log_loss);
/// # Ok(()) }
/// ```
/// They are given to `SupervisedTraining::metrics`; burn's `ClassificationOutput` is what they read.
#[derive(Debug)]
pub struct Seen<A: Asked>(Arc<Mutex<Epoch<A>>>);

impl<A: Asked> Clone for Seen<A> {
    fn clone(&self) -> Self {
        Seen(self.0.clone())
    }
}

/// A state, and what it was made for.
type Made<A> = (Stored, Box<dyn State<<A as Asked>::Figures>>);

#[derive(Debug)]
struct Epoch<A: Asked> {
    gpu: SharedGpu,
    asked: A,
    capacity: usize,
    /// Made for the first batch.
    state: Option<Made<A>>,
    /// Batches that are in the state.
    counted: u64,
    /// The figures of what was counted, or of the last epoch as long as the next has not begun.
    read: Option<A::Figures>,
}

impl<A: Asked> Seen<A> {
    /// Nothing so far, with no room for scores: there are no areas under curves then, and memory is constant.
    pub fn new(gpu: &SharedGpu, asked: A) -> Self {
        Self::with_room(gpu, asked, 0)
    }

    /// Nothing so far, with room for the scores of `samples` samples of an epoch, for areas under curves.
    pub fn with_room(gpu: &SharedGpu, asked: A, samples: usize) -> Self {
        Seen(Arc::new(Mutex::new(Epoch {
            gpu: gpu.clone(),
            asked,
            capacity: samples,
            state: None,
            counted: 0,
            read: None,
        })))
    }

    /// A figure of which more is better; what is undefined is shown as `N/A`.
    pub fn figure(&self, name: &str, figure: fn(&A::Figures) -> Option<f64>) -> FigureMetric<A> {
        self.metric(name, figure, true)
    }

    /// A figure of which less is better.
    pub fn loss(&self, name: &str, figure: fn(&A::Figures) -> Option<f64>) -> FigureMetric<A> {
        self.metric(name, figure, false)
    }

    fn metric(
        &self,
        name: &str,
        figure: fn(&A::Figures) -> Option<f64>,
        higher_is_better: bool,
    ) -> FigureMetric<A> {
        FigureMetric {
            seen: self.clone(),
            name: Arc::new(name.into()),
            figure,
            higher_is_better,
            updates: 0,
            value: None,
        }
    }

    /// All figures of what was seen: of the epoch so far, or, where that is over, of the last one. Waits for the device, and reads what has not been read.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where nothing was seen; what the state refuses, as [`Error::BadSample`]; [`Error::Device`] and [`Error::DeviceLost`].
    pub fn figures(&self) -> Result<A::Figures> {
        self.lock().figures()
    }

    fn lock(&self) -> MutexGuard<'_, Epoch<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Asked> Epoch<A> {
    fn update(&mut self, input: &MetricInput) -> Result<()> {
        let shape = input.predictions.shape().to_vec();
        let truth = input.truth.shape().num_elements();
        let all: usize = shape.iter().product();
        let columns = match shape.len() {
            0 | 1 => 1,
            rank => shape[rank - 1],
        };
        let samples = all / columns.max(1);
        let (expected, of) = match A::EACH {
            true => (all, "in the shape of the predictions"),
            false => (samples, "one for each sample"),
        };
        if truth != expected || (A::EACH && input.truth.shape().to_vec() != shape) {
            let what = format!("truth of predictions of shape {shape:?}");
            let found = format!("shape {:?}", input.truth.shape().to_vec());
            return Err(mismatch(&what, format!("{expected}, {of}"), found));
        }
        let (scores, truth_of) = (input.predictions.clone(), input.truth.clone());
        let dtype = dtype_of("scores", scores.dtype())?;
        let numbers = truth_of.dtype().is_float();
        let (kind, truth_of) = match numbers {
            true => (
                Truth::Numbers(dtype_of("truth", truth_of.dtype())?),
                truth_of,
            ),
            false => {
                let (kind, labels) = labels_in(truth_of);
                (Truth::Labels(kind), labels)
            }
        };
        let stored = Stored {
            scores: dtype,
            truth: kind,
            columns: if numbers { 1 } else { columns },
        };
        let samples = if numbers { all } else { samples };
        match &self.state {
            Some((known, _)) if *known != stored => {
                let (expected, found) = (format!("{known:?}"), format!("{stored:?}"));
                return Err(mismatch("samples", expected, found));
            }
            Some(_) => {}
            None => {
                let made = self.asked.state(self.gpu.gpu(), stored, self.capacity)?;
                self.state = Some((stored, made));
            }
        }
        let tensors = settled_all(vec![resolved(scores)?, resolved(truth_of)?]);
        for tensor in &tensors {
            self.gpu.check_cube("samples", &tensor.device)?;
        }
        let [predictions, truth] = &tensors[..] else {
            return Ok(());
        };
        let lease = Lease::of(&predictions.client, &[predictions, truth])?;
        let mut views = lease.views();
        if let (Some(predictions), Some(truth), Some((_, state))) =
            (views.next(), views.next(), &mut self.state)
        {
            let views = [predictions, truth];
            self.gpu
                .submit(|encoder| state.update(encoder, views, samples))??;
            self.counted += 1;
            self.read = None;
        }
        Ok(())
    }

    fn figures(&mut self) -> Result<A::Figures> {
        match (&self.read, &self.state) {
            (Some(figures), _) => Ok(figures.clone()),
            (None, Some((_, state))) if self.counted > 0 => {
                let figures = state.figures()?;
                self.read = Some(figures.clone());
                Ok(figures)
            }
            _ => Err(mismatch("samples", "at least one batch", "none")),
        }
    }

    fn clear(&mut self) {
        if let (Some((_, state)), 1..) = (&mut self.state, self.counted) {
            if let Err(error) = self.gpu.submit(|encoder| state.reset(encoder)) {
                self.gpu.fail(error);
            }
            self.counted = 0;
        }
    }
}

/// What lies behind a tensor of burn's, when all that it waits for has been recorded.
fn resolved(tensor: DispatchTensor) -> Result<CubeTensor> {
    if tensor.dtype().is_float() {
        let tensor = Tensor::<1>::from_dispatch(tensor).try_into_primitive::<Wgpu>();
        let tensor = tensor.map_err(|e| Error::Device(format!("{e:?}")))?;
        return Ok(tensor
            .client
            .clone()
            .resolve_tensor_float::<CubeBackend>(tensor));
    }
    let tensor = Tensor::<1, Int>::from_dispatch(tensor).try_into_primitive::<Wgpu>();
    let tensor = tensor.map_err(|e| Error::Device(format!("{e:?}")))?;
    Ok(tensor
        .client
        .clone()
        .resolve_tensor_int::<CubeBackend>(tensor))
}

/// A figure of what was [`Seen`], as a metric of burn's trainer. It has a value when the epoch is over, and none before: that would be a readback.
#[derive(Debug)]
pub struct FigureMetric<A: Asked> {
    seen: Seen<A>,
    name: MetricName,
    figure: fn(&A::Figures) -> Option<f64>,
    higher_is_better: bool,
    /// Batches of this epoch, whoever of those that share what was seen counted them.
    updates: u64,
    value: Option<f64>,
}

impl<A: Asked> Clone for FigureMetric<A> {
    fn clone(&self) -> Self {
        FigureMetric {
            seen: self.seen.clone(),
            name: self.name.clone(),
            ..*self
        }
    }
}

impl<A: Asked> Metric for FigureMetric<A> {
    type Input = MetricInput;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: self.higher_is_better,
        }
        .into()
    }

    fn update(
        &mut self,
        item: &MetricInput,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let mut seen = self.seen.lock();
        if self.updates == seen.counted {
            seen.update(item).map_err(read_error)?;
        }
        self.updates += 1;
        Ok(SerializedEntry::not_available(None))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        if self.updates == 0 {
            // What is there is another epoch's.
            self.value = None;
            return Ok(SerializedEntry::not_available(None));
        }
        let figures = self.seen.lock().figures().map_err(read_error)?;
        self.value = (self.figure)(&figures);
        Ok(match self.value {
            Some(v) => SerializedEntry::new(format!("epoch {v:.4}"), v.to_string()),
            None => SerializedEntry::not_available(None),
        })
    }

    fn clear(&mut self) {
        self.updates = 0;
        self.seen.lock().clear();
    }
}

impl<A: Asked> Numeric for FigureMetric<A> {
    fn value(&self) -> Option<NumericEntry> {
        None
    }

    fn running_value(&self) -> Option<NumericEntry> {
        None
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.value.unwrap_or(f64::NAN))
    }
}

fn read_error(error: Error) -> TensorReadError {
    let reason = error.to_string();
    TensorReadError::Execution(ExecutionError::WithContext { reason })
}
