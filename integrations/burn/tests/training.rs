//! A training loop of burn's with wgloss's loss in it.

mod common;

use burn::tensor::{Distribution, Int, Tensor, TensorData};
use common::{gpu, numbers};
use wgloss::bounds::U;
use wgloss::{Batch, CrossEntropy, reference};
use wgloss_burn::LossModule;

const N: usize = 256;
const D: usize = 16;
const C: usize = 10;
const STEP: f64 = 0.2;

/// What a run leaves: the parameters, the last loss, and the logits of every step.
struct Run {
    weight: Vec<f32>,
    bias: Vec<f32>,
    loss: f32,
    logits: Vec<Vec<f32>>,
}

impl Run {
    fn parameters(&self) -> impl Iterator<Item = f64> {
        self.weight.iter().chain(&self.bias).map(|v| f64::from(*v))
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

fn apart(a: &Run, b: &Run) -> f64 {
    norm(a.parameters().zip(b.parameters()).map(|(a, b)| a - b))
}

/// Softmax regression, 100 steps of gradient descent, by burn's cross-entropy and by wgloss's.
///
/// All norms are Euclidean. The loss is convex in the parameters θ, and its slope changes by at most L = ½·mean ‖x‖² (with the 1 of the bias) per unit: with a step
/// η ≤ 2/L an exact step takes no two points further apart. So after 100 steps two runs are apart by no more than what their steps differ by, added up. A step differs by
/// - η·‖X‖·‖ΔG‖, G the gradients by the logits. Those of wgloss are within the bound B of each number, worked out below for the logits of every step, and burn's within
///   4 B (`losses.rs`);
/// - in both runs, what burn's kernels round. The logits, by (D + 2)·U·‖x‖·‖θ‖ a row, which moves G by half of that over N in each row;
///   Xᵀ·G, by N·U·Σ|x·g| ≤ N·U a number; and the step itself, by U·(‖θ‖ + 2·η·‖∇‖), ∇ being no longer than ‖X‖·√(2/N).
#[test]
fn a_hundred_steps_end_at_the_parameters_of_burns_own_loss() {
    let (device, gpu) = gpu();
    let device = device.clone().autodiff();
    let x = Tensor::<2>::random([N, D], Distribution::Uniform(-1.0, 1.0), &device);
    let host_labels: Vec<i32> = (0..N as i32).map(|i| (i * 7 + i / 3) % C as i32).collect();
    let labels = TensorData::new(host_labels.clone(), [N]);
    let labels = Tensor::<1, Int>::from_data(labels, &device);
    let module = LossModule::new(gpu, CrossEntropy::default());
    let own = burn::nn::loss::CrossEntropyLossConfig::new().init(&device);
    let run = |loss: &dyn Fn(Tensor<2>, Tensor<1, Int>) -> Tensor<1>| {
        let mut weight = Tensor::<2>::zeros([D, C], &device).require_grad();
        let mut bias = Tensor::<2>::zeros([1, C], &device).require_grad();
        let (mut last, mut all) = (None, Vec::new());
        for _ in 0..100 {
            let logits = x.clone().matmul(weight.clone()) + bias.clone();
            all.push(logits.clone().inner());
            let value = loss(logits, labels.clone());
            let grads = value.backward();
            let step = |p: Tensor<2>| {
                let grad = p.grad(&grads).unwrap();
                let moved = p.inner() - grad * STEP as f32;
                Tensor::from_inner(moved).require_grad()
            };
            (weight, bias) = (step(weight), step(bias));
            last = Some(value);
        }
        let read = gpu.gpu().bytes_read();
        let loss = numbers(last.unwrap().into_data())[0];
        assert_eq!(gpu.gpu().bytes_read(), read);
        Run {
            weight: numbers(weight.into_data()),
            bias: numbers(bias.into_data()),
            loss,
            logits: all.into_iter().map(|l| numbers(l.into_data())).collect(),
        }
    };
    let read = gpu.gpu().bytes_read();
    let ours = run(&|x, y| module.forward((x, y)).unwrap());
    assert_eq!(gpu.gpu().bytes_read(), read, "wgloss read something back");
    let theirs = run(&|x, y| own.forward(x, y));

    // ‖X‖ by its columns and the 1 of the bias; no matrix norm is larger than this one.
    let data = numbers(x.clone().into_data());
    let square = data.iter().map(|v| f64::from(v * v)).sum::<f64>() + N as f64;
    let size = square.sqrt();
    assert!(STEP * 0.5 * square / N as f64 <= 2.0, "not a contraction");
    let theta = norm(ours.parameters()).max(norm(theirs.parameters())) * 2.0;
    let mut bound = 0.0;
    for logits in &ours.logits {
        let batch = Batch::new([N, C], logits).labels(&host_labels);
        let (_, bounds) =
            reference::evaluate_with_bounds(&CrossEntropy::default(), &batch).unwrap();
        let loss = 5.0 * norm(bounds.grads[0].iter().copied());
        let logits = 2.0 * 0.5 / N as f64 * (D as f64 + 2.0) * U * size * theta;
        let product = 2.0 * N as f64 * U * (((D + 1) * C) as f64).sqrt();
        let moved = 2.0 * U * (theta + 2.0 * STEP * size * (2.0 / N as f64).sqrt());
        bound += STEP * (size * (loss + logits) + product) + moved;
    }
    let found = apart(&ours, &theirs);
    let (v1, v2) = (ours.loss, theirs.loss);
    println!("after 100 steps: {found:e} apart, bound {bound:e}; losses {v1} and {v2}");
    assert!(found <= bound, "{found:e} above {bound:e}");
    assert!(v1 < 2.25, "it did not learn: {v1}");
    assert!(norm(ours.parameters()) > 0.3);

    // Labels that are smoothed by a fiftieth are another loss, and that is seen.
    let smoothed = LossModule::new(
        gpu,
        CrossEntropy {
            label_smoothing: 0.02,
            ..Default::default()
        },
    );
    let other = run(&|x, y| smoothed.forward((x, y)).unwrap());
    assert!(
        apart(&other, &theirs) > bound,
        "{:e}",
        apart(&other, &theirs)
    );
}
