//! Losses as modules, and the tensors they are given.

use crate::gpu::{SharedGpu, one_line};
use crate::ops::{Floats, LossOps, TargetTensor, Tensors};
use crate::task::{Last, Task, mismatch, rows_of};
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{Dispatch, DispatchTensor, TensorMetadata};
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{DType, Device, FloatDType, Int, IntDType, Tensor};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use wgloss::{
    ClassAxis, Error, Family, Geometry, LabelType, Layout, Loss, Reduction, Result, Status,
    TargetKind, TargetLayout, WeightLayout,
};

/// Layouts whose plans a module keeps: a training loop has one, and another for its last batch.
const KEPT: usize = 8;

/// One of wgloss's losses as a module of burn's: registered in burn's graph with its gradient.
///
/// It has no parameters. Everything that wgloss makes of a loss holds: formulas, options, reductions, ignored rows. The loss is f32 whatever
/// the inputs are stored as; gradients have the type of the inputs.
///
/// Gradients of f32 inputs are made in the same pass as the loss; those of 16-bit ones in the backward pass, which multiplies them by what comes
/// from above before they are rounded. (Losses one by one are made of f32 copies of 16-bit inputs for this.) A target or weight has no gradient, and one that is
/// tracked is refused.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LossModule {
    #[module(skip)]
    shared: Arc<Shared>,
}

struct Shared {
    gpu: SharedGpu,
    loss: Arc<dyn Loss>,
    reduction: Reduction,
    class_axis: ClassAxis,
    /// The last used first.
    tasks: Mutex<Vec<Arc<Task>>>,
    last: Last,
}

/// A target: numbers or class indices, in a tensor of any rank.
#[derive(Debug, Clone)]
pub struct Target(Given);

#[derive(Debug, Clone)]
enum Given {
    Floats(DispatchTensor),
    Integers(DispatchTensor),
}

impl<const R: usize> From<Tensor<R>> for Target {
    fn from(tensor: Tensor<R>) -> Self {
        Target(Given::Floats(tensor.into_dispatch()))
    }
}

impl<const R: usize> From<Tensor<R, Int>> for Target {
    fn from(tensor: Tensor<R, Int>) -> Self {
        Target(Given::Integers(tensor.into_dispatch()))
    }
}

/// The tensors of one evaluation: inputs of one shape, a target, weights.
#[derive(Debug, Clone)]
pub struct Batch<const D: usize> {
    inputs: Vec<Tensor<D>>,
    target: Option<Target>,
    weight: Option<DispatchTensor>,
    class_weight: Option<Tensor<1>>,
}

impl<const D: usize> Batch<D> {
    /// One input.
    pub fn new(input: Tensor<D>) -> Self {
        Batch {
            inputs: vec![input],
            target: None,
            weight: None,
            class_weight: None,
        }
    }

    /// A further input of the same shape.
    pub fn input(mut self, input: Tensor<D>) -> Self {
        self.inputs.push(input);
        self
    }

    /// The target: in the input's shape, or with one number (a class index, a sign) for each row. Integers are class indices where the loss
    /// takes those, and numbers otherwise.
    pub fn target(mut self, target: impl Into<Target>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// A weight for each element, in the input's shape, or for each row.
    pub fn weight<const R: usize>(mut self, weight: Tensor<R>) -> Self {
        self.weight = Some(weight.into_dispatch());
        self
    }

    /// A weight for each class.
    pub fn class_weight(mut self, weight: Tensor<1>) -> Self {
        self.class_weight = Some(weight);
        self
    }
}

impl<const D: usize> From<Tensor<D>> for Batch<D> {
    fn from(input: Tensor<D>) -> Self {
        Batch::new(input)
    }
}

impl<const D: usize, T: Into<Target>> From<(Tensor<D>, T)> for Batch<D> {
    fn from((input, target): (Tensor<D>, T)) -> Self {
        Batch::new(input).target(target)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Shared");
        shown.field("loss", &self.loss);
        shown.field("reduction", &self.reduction);
        shown.field("class_axis", &self.class_axis);
        shown.finish_non_exhaustive()
    }
}

impl ModuleDisplay for LossModule {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = content.add_debug_attribute("loss", &self.shared.loss);
        let content = content.add_debug_attribute("reduction", &self.shared.reduction);
        content.optional()
    }
}

impl LossModule {
    /// `loss` reduced by [`Reduction::Mean`], with the classes in the last axis.
    pub fn new(gpu: &SharedGpu, loss: impl Loss + 'static) -> Self {
        Self::boxed(gpu, Box::new(loss))
    }

    /// As [`new`](Self::new), of a loss that was made by name ([`wgloss::loss::by_name`]).
    pub fn boxed(gpu: &SharedGpu, loss: Box<dyn Loss>) -> Self {
        Self::with(gpu, Arc::from(loss), Reduction::Mean, ClassAxis::Last)
    }

    fn with(gpu: &SharedGpu, loss: Arc<dyn Loss>, reduction: Reduction, axis: ClassAxis) -> Self {
        LossModule {
            shared: Arc::new(Shared {
                gpu: gpu.clone(),
                loss,
                reduction,
                class_axis: axis,
                tasks: Mutex::default(),
                last: Last::default(),
            }),
        }
    }

    /// The same loss with another reduction.
    pub fn reduction(&self, reduction: Reduction) -> Self {
        let Shared {
            gpu,
            loss,
            class_axis,
            ..
        } = &*self.shared;
        Self::with(gpu, loss.clone(), reduction, *class_axis)
    }

    /// The same loss with the classes in another axis.
    pub fn class_axis(&self, axis: ClassAxis) -> Self {
        let Shared {
            gpu,
            loss,
            reduction,
            ..
        } = &*self.shared;
        Self::with(gpu, loss.clone(), *reduction, axis)
    }

    /// The loss with its options.
    pub fn loss(&self) -> &dyn Loss {
        &*self.shared.loss
    }

    /// The reduced loss, f32 of shape `[1]`.
    ///
    /// # Errors
    /// [`Error::Mismatch`], [`Error::OptionValue`] and [`Error::TooLarge`] for tensors that do not fit the loss, each other or the device, and for
    /// [`Reduction::None`] (but for a loss over everything); [`Error::Device`] for kernels that the device refuses. Where the device fails later, as when it has no memory left, the results are
    /// NaN and [`SharedGpu::take_failure`] says why.
    pub fn forward<const D: usize>(&self, batch: impl Into<Batch<D>>) -> Result<Tensor<1>> {
        if self.shared.reduction == Reduction::None && !self.shared.loss.whole() {
            return Err(mismatch(
                "reduction of `forward`",
                "another one",
                "none: `forward_each`",
            ));
        }
        let (loss, _) = self.evaluate(batch.into())?;
        Ok(Tensor::from_dispatch(loss))
    }

    /// The losses one by one, f32, with [`Reduction::None`]: of elements in the input's shape, of rows in that without the classes.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); [`Error::Mismatch`] for another reduction and for losses of another rank than `R`.
    pub fn forward_each<const D: usize, const R: usize>(
        &self,
        batch: impl Into<Batch<D>>,
    ) -> Result<Tensor<R>> {
        if self.shared.reduction != Reduction::None {
            let found = self.shared.reduction.name();
            return Err(mismatch("reduction of `forward_each`", "none", found));
        }
        let (losses, task) = self.evaluate(batch.into())?;
        match task.losses().len() {
            rank if rank == R => Ok(Tensor::from_dispatch(losses)),
            rank => {
                let expected = format!("losses of rank {R}");
                Err(mismatch("rank", expected, format!("rank {rank}")))
            }
        }
    }

    /// What was counted in the last evaluation: rows that count, labels and weights that are none, inputs that are not finite. Waits for burn and the device;
    /// nothing else here does. `None` before the first. For this a module keeps hold of the buffers of its last evaluation until the next one.
    ///
    /// # Errors
    /// What failed since the last call; [`Error::BadLabels`], [`Error::BadTargets`] and [`Error::BadWeights`] for what was counted;
    /// [`Error::Device`] and [`Error::DeviceLost`].
    pub fn report(&self) -> Result<Option<Status>> {
        let Shared {
            gpu, loss, last, ..
        } = &*self.shared;
        gpu.burn().sync().map_err(|e| Error::Device(one_line(&e)))?;
        if let Some(failure) = gpu.take_failure() {
            return Err(failure);
        }
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((bound, classes)) = &*last else {
            return Ok(None);
        };
        let (_, status) = bound.report()?;
        status.check(&**loss, *classes)?;
        Ok(Some(status))
    }

    fn evaluate<const D: usize>(&self, batch: Batch<D>) -> Result<(DispatchTensor, Arc<Task>)> {
        let Shared {
            gpu,
            loss,
            reduction,
            class_axis,
            ..
        } = &*self.shared;
        let info = loss.info();
        let Some(first) = batch.inputs.first() else {
            return Err(mismatch("inputs", "at least one", "none"));
        };
        let shape = first.dims().to_vec();
        let mut dtype = first.dtype();
        let autodiff = batch.inputs.iter().any(|x| x.device().is_autodiff());
        if batch.inputs.len() != info.inputs.len() {
            let what = format!("inputs of {}", info.name);
            let (expected, found) = (info.inputs.len(), batch.inputs.len());
            return Err(mismatch(&what, expected.to_string(), found.to_string()));
        }
        for (input, name) in batch.inputs.iter().zip(info.inputs) {
            gpu.check(name, &input.device())?;
            if input.dims()[..] != shape[..] || input.dtype() != dtype {
                let what = format!("{name} of {}", info.name);
                let expected = format!("{dtype:?} of shape {shape:?}");
                let found = format!("{:?} of shape {:?}", input.dtype(), input.dims());
                return Err(mismatch(&what, expected, found));
            }
        }
        dtype_of("inputs", dtype)?;
        let mut inputs: Vec<_> = batch
            .inputs
            .into_iter()
            .map(Tensor::into_dispatch)
            .collect();
        if *reduction == Reduction::None && !loss.whole() && dtype != DType::F32 {
            // Each loss has its own factor from above, which multiplies before the gradient is rounded: by burn, on its way back through this.
            let wide = |x| Dispatch::float_cast(x, FloatDType::F32);
            inputs = inputs.into_iter().map(wide).collect();
            dtype = DType::F32;
        }
        let mut layout = Layout {
            class_axis: *class_axis,
            dtype: dtype_of("inputs", dtype)?,
            reduction: *reduction,
            ..Layout::new(shape.clone())
        };
        let geometry = Geometry::new(&shape, *class_axis)?;
        let check = |what: &str, tensor: &DispatchTensor, shapes: &[Vec<usize>]| {
            gpu.check(what, &Device::from(tensor.device()))?;
            let found = tensor.shape().to_vec();
            let what = format!("{what} of {}", info.name);
            if !shapes.contains(&found) {
                let expected = format!("shape {:?}", shapes[0]);
                return Err(mismatch(&what, expected, format!("shape {found:?}")));
            }
            // Nobody would get that gradient.
            match tensor.dtype().is_float() && Dispatch::is_tracked(tensor) {
                true => Err(mismatch(
                    &what,
                    "a tensor without gradient: detach it, or take its inner",
                    "one with",
                )),
                false => Ok(()),
            }
        };
        let whole = [shape.clone()];
        let by_row = row_shapes(&shape, *class_axis, &geometry);
        let labels = match (&batch.target, info.target) {
            (Some(Target(Given::Integers(_))), TargetKind::Labels) => true,
            // Integers in the input's shape are numbers.
            (Some(Target(Given::Integers(t))), TargetKind::LabelsOrValues) => {
                t.shape().to_vec() != shape
            }
            _ => false,
        };
        let target = match batch.target {
            None => TargetTensor::None,
            Some(Target(Given::Integers(labels_of))) if labels => {
                check("target", &labels_of, &by_row)?;
                let (kind, labels) = labels_in(labels_of);
                layout.target = TargetLayout::Labels(kind);
                TargetTensor::Labels(labels)
            }
            Some(Target(given)) => {
                let numbers = match given {
                    Given::Floats(x) => x,
                    Given::Integers(x) => Dispatch::int_into_float(x, FloatDType::F32),
                };
                let stored = dtype_of("target", numbers.dtype())?;
                if info.target == TargetKind::PerRow {
                    layout.target = TargetLayout::PerRow(stored);
                    check("target", &numbers, &by_row)?;
                } else {
                    layout.target = TargetLayout::Values(stored);
                    check("target", &numbers, &whole)?;
                }
                TargetTensor::Floats(numbers)
            }
        };
        let weight = match batch.weight {
            None => Floats::Zero,
            Some(weight) => {
                let each = weight.shape().to_vec() == shape && info.family != Family::Rows;
                layout.weight = match each {
                    true => WeightLayout::Element,
                    false => WeightLayout::Row,
                };
                let shapes = if each { &whole[..] } else { &by_row[..] };
                check("weight", &weight, shapes)?;
                Floats::One(in_f32(weight))
            }
        };
        let class_weight = match batch.class_weight {
            None => Floats::Zero,
            Some(weight) => {
                let weight = weight.into_dispatch();
                layout.class_weight = true;
                check("class_weight", &weight, &[vec![geometry.cols]])?;
                Floats::One(in_f32(weight))
            }
        };
        let task = self.task(layout, dtype)?;
        // What the device refuses is said here, and not where burn gets to it.
        task.plan(autodiff && task.at_once())?;
        let Some(inputs) = Floats::of(inputs) else {
            return Err(mismatch(
                "inputs",
                "at most 3",
                info.inputs.len().to_string(),
            ));
        };
        let tensors = Tensors {
            inputs,
            target,
            weight,
            class_weight,
            upstream: Floats::Zero,
        };
        Ok((Dispatch::wgloss_loss(tensors, task.clone()), task))
    }

    /// The plans for `layout`: those of an earlier evaluation, if there was one.
    fn task(&self, layout: Layout, dtype: DType) -> Result<Arc<Task>> {
        let Shared {
            gpu,
            loss,
            last,
            tasks,
            ..
        } = &*self.shared;
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let task = match tasks.iter().position(|t| *t.layout() == layout) {
            Some(known) => tasks.remove(known),
            None => {
                let (loss, last) = (loss.clone(), last.clone());
                Arc::new(Task::new(gpu.clone(), loss, layout, dtype, last)?)
            }
        };
        tasks.insert(0, task.clone());
        tasks.truncate(KEPT);
        Ok(task)
    }
}

/// The shapes that hold a number for each row: that without the classes, first; with a 1 in their place; and all rows in one axis.
fn row_shapes(shape: &[usize], axis: ClassAxis, geometry: &Geometry) -> Vec<Vec<usize>> {
    let mut shapes = vec![rows_of(shape, axis)];
    if let [_, .., _] = shape {
        let mut one = shape.to_vec();
        one[match axis {
            ClassAxis::Last => shape.len() - 1,
            ClassAxis::One => 1,
        }] = 1;
        shapes.extend([one, vec![geometry.rows]]);
    }
    shapes
}

fn in_f32(tensor: DispatchTensor) -> DispatchTensor {
    match tensor.dtype() {
        DType::F32 => tensor,
        _ => Dispatch::float_cast(tensor, FloatDType::F32),
    }
}

/// How wgloss calls a type of burn's.
pub(crate) fn dtype_of(what: &str, dtype: DType) -> Result<wgloss::DType> {
    match dtype {
        DType::F32 => Ok(wgloss::DType::F32),
        DType::F16 => Ok(wgloss::DType::F16),
        DType::BF16 => Ok(wgloss::DType::Bf16),
        other => {
            let what = format!("type of {what}");
            Err(mismatch(&what, "F32, F16 or BF16", format!("{other:?}")))
        }
    }
}

/// Class indices as kernels read them: in 32 bits, or in 64.
pub(crate) fn labels_in(labels: DispatchTensor) -> (LabelType, DispatchTensor) {
    match labels.dtype() {
        DType::I32 => (LabelType::I32, labels),
        DType::U32 => (LabelType::U32, labels),
        DType::I64 => (LabelType::I64, labels),
        DType::U64 => (LabelType::I64, Dispatch::int_cast(labels, IntDType::I64)),
        _ => (LabelType::I32, Dispatch::int_cast(labels, IntDType::I32)),
    }
}
