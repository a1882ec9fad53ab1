//! The operations on burn's wgpu backend, where tensors are parts of buffers.

use crate::SharedGpu;
use crate::gpu::one_line;
use crate::ops::{Evaluated, Floats, LossOps, TargetTensor, Tensors};
use crate::task::{Task, mismatch};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, FloatDType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use std::sync::Arc;
use wgloss::gpu::{Io, View};
use wgloss::{Error, Result};

/// Parts of burn's buffers, which stay where they are as long as this is held, and all work on which has been submitted.
pub(crate) struct Lease {
    resources: Vec<(WgpuResource, u64)>,
    _held: Vec<Box<dyn Send>>,
}

impl Lease {
    /// Leases `tensors`, which are contiguous. Work that burn had in hand is submitted.
    pub fn of(client: &Client, tensors: &[&CubeTensor]) -> Result<Lease> {
        let refused = |e| Error::Device(one_line(&e));
        let mut lease = Lease {
            resources: Vec::new(),
            _held: Vec::new(),
        };
        for tensor in tensors {
            let handle = tensor.handle.clone();
            let found = client.get_resource::<WgpuServer<AutoCompiler>>(handle);
            let found = found.map_err(refused)?;
            let bytes = tensor.meta.num_elements() * tensor.dtype.size();
            let resource = found.resource().clone();
            lease.resources.push((resource, bytes as u64));
            lease._held.push(Box::new(found));
        }
        client.flush().map_err(refused)?;
        Ok(lease)
    }

    pub fn views(&self) -> impl Iterator<Item = View<'_>> {
        self.resources.iter().map(|(resource, bytes)| View {
            buffer: &resource.buffer,
            offset: resource.offset,
            size: *bytes,
        })
    }
}

/// A tensor as a row of numbers, in the memory that `client` orders: what another of burn's streams makes is copied, since burn
/// waits for it then.
fn settled(tensor: CubeTensor, like: &CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    match tensor.handle.stream == like.handle.stream {
        true => tensor,
        false => tensor.copy(),
    }
}

/// Tensors of one thread's, as rows of numbers.
#[cfg(feature = "train")]
pub(crate) fn settled_all(tensors: Vec<CubeTensor>) -> Vec<CubeTensor> {
    let Some(first) = tensors.first() else {
        return tensors;
    };
    // It is made here, and so in this thread's memory.
    let here = made(first, [1].into(), DType::F32);
    tensors.into_iter().map(|t| settled(t, &here)).collect()
}

fn made(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape, dtype)
}

impl LossOps for CubeBackend {
    fn wgloss_evaluate(tensors: Tensors<Self>, task: Arc<Task>, gradient: bool) -> Evaluated<Self> {
        let inputs = tensors.inputs.clone().into_vec();
        let device = inputs.first().map(|x| x.device.clone()).unwrap_or_default();
        evaluate(tensors, &task, gradient).unwrap_or_else(|error| {
            task.gpu.fail(error);
            task.nothing(gradient, &device)
        })
    }

    fn wgloss_scale(
        grad: FloatTensor<Self>,
        upstream: FloatTensor<Self>,
        gpu: SharedGpu,
    ) -> FloatTensor<Self> {
        let (shape, device) = (grad.meta.shape().clone(), grad.device.clone());
        scale(grad, upstream, &gpu).unwrap_or_else(|error| {
            gpu.fail(error);
            Self::float_full(shape, f32::NAN.into(), &device, FloatDType::F32)
        })
    }
}

fn evaluate(
    tensors: Tensors<CubeBackend>,
    task: &Task,
    gradient: bool,
) -> Result<Evaluated<CubeBackend>> {
    let plan = task.plan(gradient)?;
    let inputs = tensors.inputs.into_vec();
    let Some(first) = inputs.first().cloned() else {
        return Err(mismatch("inputs", "at least one", "none"));
    };
    let described = task.describe(gradient);
    let loss = made(&first, described.loss.shape, described.loss.dtype);
    let grads: Vec<CubeTensor> = match gradient {
        true => inputs
            .iter()
            .map(|x| made(x, x.meta.shape().clone(), x.dtype))
            .collect(),
        false => Vec::new(),
    };
    let settle = |x: CubeTensor| settled(x, &loss);
    let read = |floats: Floats<CubeBackend>| floats.into_vec().into_iter().map(settle).next();
    let inputs: Vec<_> = inputs.into_iter().map(settle).collect();
    let target = match tensors.target {
        TargetTensor::None => None,
        TargetTensor::Floats(x) | TargetTensor::Labels(x) => Some(settle(x)),
    };
    let (weight, class_weight) = (read(tensors.weight), read(tensors.class_weight));
    let upstream = read(tensors.upstream);

    let others = [&target, &weight, &class_weight, &upstream];
    let mut all: Vec<&CubeTensor> = inputs.iter().chain(&grads).collect();
    all.push(&loss);
    all.extend(others.into_iter().flatten());
    for tensor in &all {
        task.gpu.check_cube("a tensor", &tensor.device)?;
    }
    let lease = Lease::of(&first.client, &all)?;
    let mut views = lease.views();
    let io = Io {
        inputs: views.by_ref().take(inputs.len()).collect(),
        grads: views.by_ref().take(grads.len()).collect(),
        ..Io::default()
    };
    let out = views.next();
    let (loss_view, losses) = match task.reduced() {
        true => (out, None),
        false => (None, out),
    };
    let mut optional = |tensor: &Option<CubeTensor>| tensor.as_ref().and_then(|_| views.next());
    let io = Io {
        loss: loss_view,
        losses,
        target: optional(&target),
        weight: optional(&weight),
        class_weight: optional(&class_weight),
        upstream: optional(&upstream),
        ..io
    };
    let bound = plan.bind(&io)?;
    task.gpu.submit(|encoder| bound.encode(encoder))?;
    task.remember(bound);
    Ok(Evaluated {
        loss,
        grads: Floats::of(grads).unwrap_or(Floats::Zero),
    })
}

/// In place where nobody else has the gradient, else in a copy.
fn scale(grad: CubeTensor, upstream: CubeTensor, gpu: &SharedGpu) -> Result<CubeTensor> {
    let alignment = u64::from(gpu.gpu().limits().alignment);
    let begins = |x: &CubeTensor| x.handle.offset_start.unwrap_or(0).is_multiple_of(alignment);
    let grad = into_contiguous(grad);
    let grad = match grad.handle.can_mut() && begins(&grad) {
        true => grad,
        false => grad.copy(),
    };
    let upstream = settled(upstream, &grad);
    let upstream = match begins(&upstream) {
        true => upstream,
        false => upstream.copy(),
    };
    gpu.check_cube("a gradient", &grad.device)?;
    let lease = Lease::of(&grad.client, &[&grad, &upstream])?;
    let mut views = lease.views();
    if let (Some(grad), Some(upstream)) = (views.next(), views.next()) {
        let scale = gpu.scale()?;
        gpu.scoped(|| scale.run(gpu.gpu(), grad, upstream))?;
    }
    Ok(grad)
}
