//! A device that is destroyed at any point: a typed error, no panic, and the host's error handler is not called.

use crate::support;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wgloss::gpu::{Io, View};
use wgloss::{Batch, DType, Error, Gpu, Layout, Mse, TargetLayout, wgpu};

/// A device of its own, whose uncaptured errors are counted.
fn device() -> Option<(Gpu, Arc<AtomicUsize>)> {
    support::gpu()?;
    let gpu = Gpu::new().expect("there is an adapter");
    let uncaptured = Arc::new(AtomicUsize::new(0));
    let count = uncaptured.clone();
    gpu.device().on_uncaptured_error(Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    Some((gpu, uncaptured))
}

fn lost<T: std::fmt::Debug>(result: wgloss::Result<T>) {
    assert!(matches!(result, Err(Error::DeviceLost(_))), "{result:?}");
}

#[test]
fn before_anything() {
    let Some((gpu, uncaptured)) = device() else {
        return;
    };
    gpu.device().destroy();
    lost(gpu.loss(
        &Mse::default(),
        &Batch::new([3], &[1.0f32; 3]).target(&[0.0f32; 3]),
    ));
    gpu.device().destroy();
    lost(gpu.loss(
        &Mse::default(),
        &Batch::new([3], &[1.0f32; 3]).target(&[0.0f32; 3]),
    ));
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0);
}

#[test]
fn at_every_step() {
    for step in 0..3 {
        let Some((gpu, uncaptured)) = device() else {
            return;
        };
        let layout = Layout {
            target: TargetLayout::Values(DType::F32),
            ..Layout::new([1000])
        };
        let [x, t, dx] = [0; 3].map(|_| support::upload(&gpu, &[0; 4000]));
        let plan = gpu.plan(&Mse::default(), &layout).expect("a plan");
        let io = Io {
            inputs: vec![View::whole(&x)],
            target: Some(View::whole(&t)),
            grads: vec![View::whole(&dx)],
            ..Default::default()
        };
        if step == 0 {
            gpu.device().destroy();
            lost(plan.bind(&io));
            assert_eq!(uncaptured.load(Ordering::SeqCst), 0);
            continue;
        }
        let bound = plan.bind(&io).expect("buffers that fit");
        // The encoder is the host's, and so are its errors: it is not looked at here.
        let mut encoder = gpu
            .device()
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.encode(&mut encoder);
        if step == 2 {
            gpu.queue().submit([encoder.finish()]);
        }
        gpu.device().destroy();
        lost(bound.report());
        assert_eq!(uncaptured.load(Ordering::SeqCst), 0, "step {step}");
    }
}
