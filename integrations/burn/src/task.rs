//! A loss on one layout: what burn carries from where it is asked for to where it is done.

use crate::gpu::SharedGpu;
use crate::ops::{Evaluated, EvaluatedMetadata, Floats, FloatsMetadata, LossOps};
use burn::backend::Backend;
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Shape};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wgloss::gpu::{Bound, Plan};
use wgloss::{ClassAxis, Error, Family, Geometry, Layout, Loss, Reduction, Result};

/// What the last evaluation of a module left on the device.
/// The number of its classes beside it.
pub(crate) type Last = Arc<Mutex<Option<(Bound, usize)>>>;

/// A loss on one layout, with its plans.
#[derive(Debug)]
pub struct Task {
    pub(crate) gpu: SharedGpu,
    pub(crate) loss: Arc<dyn Loss>,
    layout: Layout,
    /// The type of the inputs, and of the gradients.
    dtype: DType,
    /// The shape of the losses: `[1]` where they are reduced.
    losses: Shape,
    alone: OnceLock<Result<Plan>>,
    with_gradient: OnceLock<Result<Plan>>,
    last: Last,
}

impl Task {
    /// Checks that `layout` fits `loss`.
    pub fn new(
        gpu: SharedGpu,
        loss: Arc<dyn Loss>,
        layout: Layout,
        dtype: DType,
        last: Last,
    ) -> Result<Task> {
        layout.check(&*loss)?;
        let losses = match layout.reduction {
            Reduction::None if loss.whole() => vec![1],
            Reduction::None if loss.info().family == Family::Elementwise => layout.shape.clone(),
            Reduction::None => rows_of(&layout.shape, layout.class_axis),
            _ => vec![1],
        };
        Ok(Task {
            gpu,
            loss,
            dtype,
            losses: losses.into(),
            layout,
            alone: OnceLock::new(),
            with_gradient: OnceLock::new(),
            last,
        })
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether there is one loss for everything.
    pub(crate) fn reduced(&self) -> bool {
        self.layout.reduction != Reduction::None || self.loss.whole()
    }

    pub(crate) fn losses(&self) -> &Shape {
        &self.losses
    }

    /// The plan, with gradient or without; made on first use.
    pub(crate) fn plan(&self, gradient: bool) -> Result<&Plan> {
        let cell = match gradient {
            true => &self.with_gradient,
            false => &self.alone,
        };
        let plan = cell.get_or_init(|| {
            let layout = Layout {
                gradient,
                ..self.layout.clone()
            };
            self.gpu.gpu().plan(&*self.loss, &layout)
        });
        plan.as_ref().map_err(Clone::clone)
    }

    /// Whether gradients are made in the same pass as the loss.
    pub(crate) fn at_once(&self) -> bool {
        self.dtype == DType::F32
    }

    /// The tensors that an evaluation makes.
    pub(crate) fn describe(&self, gradient: bool) -> EvaluatedMetadata {
        let grad = || TensorSpec::new(self.layout.shape.clone().into(), self.dtype);
        EvaluatedMetadata {
            loss: TensorSpec::new(self.losses.clone(), DType::F32),
            grads: match (gradient, self.loss.info().inputs.len()) {
                (false, _) | (_, 0) => FloatsMetadata::Zero,
                (true, 1) => FloatsMetadata::One(grad()),
                (true, 2) => FloatsMetadata::Two(grad(), grad()),
                (true, _) => FloatsMetadata::Three(grad(), grad(), grad()),
            },
        }
    }

    /// An f32 gradient times what comes from above: one number, one for each row, or one for each element.
    pub(crate) fn multiplied<B: LossOps>(
        &self,
        grad: FloatTensor<B>,
        upstream: FloatTensor<B>,
    ) -> FloatTensor<B> {
        if self.reduced() {
            return B::wgloss_scale(grad, upstream, self.gpu.clone());
        }
        let mut shape: Vec<usize> = self.losses.to_vec();
        let rank = self.layout.shape.len();
        if self.loss.info().family != Family::Elementwise && rank > 1 {
            shape.insert(
                match self.layout.class_axis {
                    ClassAxis::One => 1,
                    ClassAxis::Last => rank - 1,
                },
                1,
            );
        }
        B::float_mul(grad, B::float_reshape(upstream, shape.into()))
    }

    /// Keeps what can tell of the last evaluation.
    pub(crate) fn remember(&self, bound: Bound) {
        let classes = Geometry::new(&self.layout.shape, self.layout.class_axis);
        let classes = classes.map_or(0, |g| g.cols);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((bound, classes));
    }

    /// NaN wherever there should be a result.
    pub(crate) fn nothing<B: Backend>(&self, gradient: bool, device: &B::Device) -> Evaluated<B> {
        let nan = |spec: TensorSpec| {
            B::float_full(spec.shape, f32::NAN.into(), device, spec.dtype.into())
        };
        let described = self.describe(gradient);
        let grads = match described.grads {
            FloatsMetadata::Zero => vec![],
            FloatsMetadata::One(a) => vec![a],
            FloatsMetadata::Two(a, b) => vec![a, b],
            FloatsMetadata::Three(a, b, c) => vec![a, b, c],
        };
        Evaluated {
            loss: nan(described.loss),
            grads: Floats::of(grads.into_iter().map(nan)).unwrap_or(Floats::Zero),
        }
    }
}

/// The shape without its classes.
pub(crate) fn rows_of(shape: &[usize], axis: ClassAxis) -> Vec<usize> {
    let axis = match axis {
        ClassAxis::Last => shape.len().saturating_sub(1),
        ClassAxis::One => 1,
    };
    match shape {
        // One axis: a row for each number.
        [n] => vec![*n],
        _ => {
            let kept = shape.iter().enumerate().filter(|(i, _)| *i != axis);
            kept.map(|(_, n)| *n).collect()
        }
    }
}

/// A wgloss error for what does not fit.
pub(crate) fn mismatch(what: &str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::Mismatch {
        what: what.into(),
        expected: expected.into(),
        found: found.into(),
    }
}
