//! The operations that burn learns: a loss with its gradient, and the product of a gradient with what comes from above.
//!
//! burn's float tensors are those of its wgpu backend, of the fusion that defers them, or of automatic differentiation over
//! either. An operation is carried out on the first (the module `cube`); the second registers it with the shapes it will have; the third is here.

use crate::gpu::SharedGpu;
use crate::task::Task;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend, ExtensionType, backend_extension};
use std::sync::Arc;

/// Up to three tensors of floats: the inputs of a loss, or their gradients.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion)]
pub enum Floats<B: Backend> {
    /// None.
    Zero,
    /// One.
    One(FloatTensor<B>),
    /// Two.
    Two(FloatTensor<B>, FloatTensor<B>),
    /// Three.
    Three(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
}

impl<B: Backend> Floats<B> {
    /// Those of `tensors`; `None` where there are more than three.
    pub(crate) fn of(tensors: impl IntoIterator<Item = FloatTensor<B>>) -> Option<Self> {
        let mut tensors = tensors.into_iter();
        let taken = [tensors.next(), tensors.next(), tensors.next()];
        match (taken, tensors.next()) {
            ([None, ..], _) => Some(Floats::Zero),
            ([Some(a), None, _], _) => Some(Floats::One(a)),
            ([Some(a), Some(b), None], _) => Some(Floats::Two(a, b)),
            ([Some(a), Some(b), Some(c)], None) => Some(Floats::Three(a, b, c)),
            _ => None,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<FloatTensor<B>> {
        match self {
            Floats::Zero => Vec::new(),
            Floats::One(a) => vec![a],
            Floats::Two(a, b) => vec![a, b],
            Floats::Three(a, b, c) => vec![a, b, c],
        }
    }
}

/// What a loss is compared with.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion)]
pub enum TargetTensor<B: Backend> {
    /// Nothing.
    None,
    /// Numbers in the input's shape, or one for each row.
    Floats(FloatTensor<B>),
    /// A class index for each row.
    Labels(IntTensor<B>),
}

/// The tensors of an evaluation.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion)]
pub struct Tensors<B: Backend> {
    /// The inputs.
    #[extension_type]
    pub inputs: Floats<B>,
    /// The target.
    #[extension_type]
    pub target: TargetTensor<B>,
    /// Weights of elements or rows, if there are some.
    #[extension_type]
    pub weight: Floats<B>,
    /// Class weights, if there are some.
    #[extension_type]
    pub class_weight: Floats<B>,
    /// What gradients are multiplied by, if it is known.
    #[extension_type]
    pub upstream: Floats<B>,
}

/// A loss, and its gradient by each input where that was wanted.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion)]
pub struct Evaluated<B: Backend> {
    /// The loss, or those of elements or rows: f32.
    pub loss: FloatTensor<B>,
    /// The gradients.
    #[extension_type]
    pub grads: Floats<B>,
}

/// What [`LossModule`](crate::LossModule) asks burn's backends for.
#[backend_extension(Cube, Fusion, Autodiff)]
pub trait LossOps: Backend {
    /// The loss, in one pass with its gradient where that is wanted. Not differentiable.
    #[fusion(meta = |_tensors, task, gradient| task.describe(*gradient))]
    fn wgloss_evaluate(
        #[extension_type] tensors: Tensors<Self>,
        task: Arc<Task>,
        gradient: bool,
    ) -> Evaluated<Self>;

    /// `grad` times the one number of `upstream`, both f32. Not differentiable.
    #[fusion(dtype = grad, shape = grad)]
    fn wgloss_scale(
        grad: FloatTensor<Self>,
        upstream: FloatTensor<Self>,
        gpu: SharedGpu,
    ) -> FloatTensor<Self>;

    /// The loss, which can be differentiated once by its inputs.
    #[fusion(default)]
    fn wgloss_loss(#[extension_type] tensors: Tensors<Self>, task: Arc<Task>) -> FloatTensor<Self> {
        Self::wgloss_evaluate(tensors, task, false).loss
    }
}

impl<B: LossOps, C: CheckpointStrategy> LossOps for Autodiff<B, C> {
    fn wgloss_evaluate(tensors: Tensors<Self>, task: Arc<Task>, gradient: bool) -> Evaluated<Self> {
        let (inputs, rest) = taken_apart(tensors);
        let inputs = inputs.into_vec().into_iter().map(|x| x.into_primitive());
        let inputs = Floats::of(inputs).unwrap_or(Floats::Zero);
        let made = B::wgloss_evaluate(Tensors { inputs, ..rest }, task, gradient);
        let grads = made.grads.into_vec().into_iter().map(Self::from_inner);
        Evaluated {
            loss: Self::from_inner(made.loss),
            grads: Floats::of(grads).unwrap_or(Floats::Zero),
        }
    }

    fn wgloss_scale(
        grad: FloatTensor<Self>,
        upstream: FloatTensor<Self>,
        gpu: SharedGpu,
    ) -> FloatTensor<Self> {
        let (grad, upstream) = (grad.into_primitive(), upstream.into_primitive());
        Self::from_inner(B::wgloss_scale(grad, upstream, gpu))
    }

    fn wgloss_loss(tensors: Tensors<Self>, task: Arc<Task>) -> FloatTensor<Self> {
        let (inputs, rest) = taken_apart(tensors);
        match inputs {
            Floats::Zero => Self::from_inner(B::wgloss_loss(rest, task)),
            Floats::One(a) => differentiable::<B, C, 1>([a], rest, task),
            Floats::Two(a, b) => differentiable::<B, C, 2>([a, b], rest, task),
            Floats::Three(a, b, c) => differentiable::<B, C, 3>([a, b, c], rest, task),
        }
    }
}

/// The inputs, and everything beside them as what lies inside of the tensors of automatic differentiation.
fn taken_apart<B: Backend, C: CheckpointStrategy>(
    tensors: Tensors<Autodiff<B, C>>,
) -> (Floats<Autodiff<B, C>>, Tensors<B>) {
    let inner = |floats: Floats<Autodiff<B, C>>| {
        let inside = floats.into_vec().into_iter().map(|x| x.into_primitive());
        Floats::of(inside).unwrap_or(Floats::Zero)
    };
    let rest = Tensors {
        inputs: Floats::Zero,
        target: match tensors.target {
            TargetTensor::None => TargetTensor::None,
            TargetTensor::Floats(x) => TargetTensor::Floats(x.into_primitive()),
            TargetTensor::Labels(x) => TargetTensor::Labels(x),
        },
        weight: inner(tensors.weight),
        class_weight: inner(tensors.class_weight),
        upstream: inner(tensors.upstream),
    };
    (tensors.inputs, rest)
}

/// What the backward pass has to know.
#[derive(Debug, Clone)]
enum State<B: Backend> {
    /// The gradients came with the loss, as if what comes from above were 1.
    Made(Floats<B>, Arc<Task>),
    /// They are still to be made.
    ToMake(Tensors<B>, Arc<Task>),
}

#[derive(Debug)]
struct LossGradient;

/// A node of burn's graph.
///
/// In f32 gradients are made in the same pass as the loss, and what comes from above, which is hardly ever anything but 1,
/// multiplies them later. In 16 bits they are made when that is known, in a second pass over the inputs: to multiply first is what loss scaling is for, and a
/// gradient that was rounded to 0 no factor brings back.
fn differentiable<B: LossOps, C: CheckpointStrategy, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    rest: Tensors<B>,
    task: Arc<Task>,
) -> FloatTensor<Autodiff<B, C>> {
    let guards = inputs.each_ref().map(|x| x.node());
    let inputs = inputs.map(|x| x.into_primitive());
    let tensors = Tensors {
        inputs: Floats::of(inputs).unwrap_or(Floats::Zero),
        ..rest
    };
    let prepared = Backward::<B, N>::prepare::<C>(LossGradient, guards);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(node) if task.at_once() => {
            let made = B::wgloss_evaluate(tensors, task.clone(), true);
            node.finish(State::Made(made.grads, task), made.loss)
        }
        OpsKind::Tracked(node) => {
            let made = B::wgloss_evaluate(tensors.clone(), task.clone(), false);
            node.finish(State::ToMake(tensors, task), made.loss)
        }
        OpsKind::UnTracked(node) => node.finish(B::wgloss_loss(tensors, task)),
    }
}

impl<B: LossOps, const N: usize> Backward<B, N> for LossGradient {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<State<B>, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let (made, task) = match ops.state {
            State::Made(made, task) => (made, Some(task)),
            State::ToMake(tensors, task) => {
                let upstream = Floats::One(upstream.clone());
                let tensors = Tensors {
                    upstream,
                    ..tensors
                };
                (B::wgloss_evaluate(tensors, task, true).grads, None)
            }
        };
        for (parent, grad) in ops.parents.into_iter().zip(made.into_vec()) {
            let Some(node) = parent else { continue };
            let grad = match &task {
                Some(task) => task.multiplied::<B>(grad, upstream.clone()),
                None => grad,
            };
            grads.register::<B>(node.id, grad);
        }
    }
}
