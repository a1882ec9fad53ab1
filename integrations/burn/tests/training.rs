//! A training loop of burn's with wgloss's loss in it.

mod common;

use burn::tensor::{Distribution, Int, Tensor, TensorData};
use common::{gpu, numbers};
use wgloss::CrossEntropy;
use wgloss_burn::LossModule;

/// Softmax regression, 100 steps of gradient descent, by burn's cross-entropy and by wgloss's.
///
/// The loss is convex in the parameters, with slopes that change by at most L = ½·mean ‖x‖² (with the 1 of the bias) per unit. With a step
/// of η ≤ 2/L a step of gradient descent takes no two points further apart. So two runs whose gradients differ by δ in a step are apart by
/// 100·η·δ at most after 100. δ: both gradients of the logits are within 5 bounds of each other (`losses.rs`); that of a weight is Xᵀ of it, by the same
/// kernel of burn's for both, whose sum of n terms rounds in each run for itself, by n·U of Σ |x·g| ≤ 1 at most.
#[test]
fn a_hundred_steps_end_at_the_parameters_of_burns_own_loss() {
    const N: usize = 256;
    const D: usize = 16;
    const C: usize = 10;
    const STEP: f32 = 0.2;
    let (device, gpu) = gpu();
    let device = device.clone().autodiff();
    let x = Tensor::<2>::random([N, D], Distribution::Uniform(-1.0, 1.0), &device);
    let labels: Vec<i32> = (0..N as i32).map(|i| (i * 7 + i / 3) % C as i32).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [N]), &device);
    let module = LossModule::new(gpu, CrossEntropy::default());
    let own = burn::nn::loss::CrossEntropyLossConfig::new().init(&device);
    let run = |loss: &dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>| {
        let mut weight = Tensor::<2>::zeros([D, C], &device).require_grad();
        let mut bias = Tensor::<2>::zeros([1, C], &device).require_grad();
        let mut last = None;
        for _ in 0..100 {
            let logits = x.clone().matmul(weight.clone()) + bias.clone();
            let value = loss(logits, labels.clone());
            let grads = value.backward();
            let step = |p: Tensor<2>| {
                let grad = p.grad(&grads).unwrap();
                let moved = p.inner() - grad * STEP;
                Tensor::from_inner(moved).require_grad()
            };
            (weight, bias) = (step(weight), step(bias));
            last = Some(value);
        }
        let value = numbers(last.unwrap().into_data())[0];
        (
            numbers(weight.into_data()),
            numbers(bias.into_data()),
            value,
        )
    };
    let read = gpu.gpu().bytes_read();
    let (w1, b1, v1) = run(&|x, y| module.forward((x, y)).unwrap());
    assert_eq!(gpu.gpu().bytes_read(), read, "wgloss read something back");
    let (w2, b2, v2) = run(&|x, y| own.forward(x, y));

    let data = numbers(x.clone().into_data());
    let square = data.iter().map(|v| f64::from(v * v)).sum::<f64>() / N as f64;
    let slope = 0.5 * (square + 1.0);
    assert!(f64::from(STEP) * slope <= 2.0, "not a contraction");
    // Of a gradient of the logits (p − y)/N: five bounds, the bound of an element being less than 64 U/N here; and |x| ≤ 1.
    let unit = wgloss::bounds::U;
    let delta = 5.0 * 64.0 * unit + 2.0 * N as f64 * unit;
    let bound = 100.0 * f64::from(STEP) * delta;
    let apart = |a: &[f32], b: &[f32]| {
        let pairs = a.iter().zip(b);
        pairs
            .map(|(a, b)| f64::from(a - b).abs())
            .fold(0.0, f64::max)
    };
    let (w, b) = (apart(&w1, &w2), apart(&b1, &b2));
    println!(
        "after 100 steps: weights {w:e}, biases {b:e} apart, bound {bound:e}; losses {v1} and {v2}"
    );
    assert!(w <= bound && b <= bound, "{w} or {b} above {bound}");
    assert!(v1 < 2.25, "it did not learn: {v1}");
    assert!(w1.iter().any(|v| v.abs() > 0.01));

    // Another loss by a hundredth is seen.
    let smoothed = LossModule::new(
        gpu,
        CrossEntropy {
            label_smoothing: 0.01,
            ..Default::default()
        },
    );
    let (w3, _, _) = run(&|x, y| smoothed.forward((x, y)).unwrap());
    assert!(apart(&w3, &w2) > bound);
}
