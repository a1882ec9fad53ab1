//! What the training examples promise, of their own code.

#[path = "../../examples/common/mod.rs"]
mod common;
#[path = "../../examples/imbalance.rs"]
#[allow(dead_code, reason = "nobody calls its main")]
mod imbalance;
#[path = "../../examples/multi_label.rs"]
#[allow(dead_code, reason = "nobody calls its main")]
mod multi_label;
#[path = "../../examples/multi_task.rs"]
#[allow(dead_code, reason = "nobody calls its main")]
mod multi_task;
#[path = "../../examples/outliers.rs"]
#[allow(dead_code, reason = "nobody calls its main")]
mod outliers;
#[path = "../../examples/train_digits.rs"]
#[allow(dead_code, reason = "nobody calls its main")]
mod train_digits;

use common::gpu::{Kernels, encode, upload, zeros};
use common::network::Network;
use common::random::Random;
use wgloss::gpu::{Io, View};
use wgloss::metric::BinaryFigures;
use wgloss::wgpu;
use wgloss::{DType, Gpu, Layout, Mse, TargetLayout};

/// A device of its own for each test: what is allocated on it and submitted to it is counted.
fn device() -> Gpu {
    Gpu::new().expect("a device")
}

/// What has come to a device so far.
#[derive(Debug, PartialEq, Clone, Copy)]
struct Traffic {
    /// Allocations that are there, and their bytes: also of what `write_buffer` stages. Where a backend tells.
    allocations: Option<(usize, u64)>,
    /// How many buffers have stood in the place where the next one does: also those that came and went.
    buffers: u64,
    submissions: u64,
    bytes_read: u64,
}

impl Traffic {
    /// Looks, which itself makes a buffer and submits once.
    fn of(gpu: &Gpu) -> Self {
        let report = gpu.device().generate_allocator_report();
        let probe = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        // A buffer has the number of one that is gone and says for how many it has stood; a submission has a number. Only their
        // names for debugging show it.
        let name = format!("{probe:?}");
        let id = name.split("BufferId(").nth(1).expect("a number");
        let epoch = id.split([',', ')']).nth(1).expect("an epoch");
        let name = format!("{:?}", gpu.queue().submit([]));
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        Traffic {
            allocations: report.map(|r| (r.allocations.len(), r.total_allocated_bytes)),
            buffers: epoch.trim().parse().expect("an epoch"),
            submissions: digits.parse().expect("a number"),
            bytes_read: gpu.bytes_read(),
        }
    }

    /// What it has to be after a single submission, and the look.
    fn after_one_submission(self) -> Self {
        Traffic {
            buffers: self.buffers + 1,
            submissions: self.submissions + 2,
            ..self
        }
    }
}

/// Every step but the first is one submission: no allocation, no buffer, no write to one, nothing read.
fn holds(gpu: &Gpu, step: &dyn Fn()) {
    let idle = || {
        let waited = gpu.device().poll(wgpu::PollType::wait_indefinitely());
        waited.expect("the device is there");
    };
    step();
    idle();
    for turn in 0..20 {
        let before = Traffic::of(gpu);
        step();
        let after = Traffic::of(gpu);
        assert_eq!(after, before.after_one_submission(), "step {turn}");
    }
    idle();

    // Each of these would have been seen.
    let before = Traffic::of(gpu);
    assert!(before.allocations.is_some() || gpu.adapter_info().backend != wgpu::Backend::Vulkan);
    let buffer = zeros(gpu, 1);
    drop(buffer);
    step();
    let after = Traffic::of(gpu);
    assert_ne!(after.buffers, before.after_one_submission().buffers);
    let buffer = zeros(gpu, 1);
    idle();
    if before.allocations.is_some() {
        let before = Traffic::of(gpu);
        gpu.queue().write_buffer(&buffer, 0, &[0; 4]);
        let after = Traffic::of(gpu);
        assert_ne!(after.allocations, before.allocations, "a write");
    }
    let before = Traffic::of(gpu);
    step();
    step();
    let after = Traffic::of(gpu);
    assert_eq!(after.submissions, before.submissions + 3);
    let before = Traffic::of(gpu);
    common::gpu::download::<f32>(gpu, &buffer).expect("read");
    let after = Traffic::of(gpu);
    assert_ne!(after.buffers, before.after_one_submission().buffers);
}

#[test]
fn a_step_is_one_submission_and_nothing_else() {
    let gpu = device();
    let classifier = train_digits::Classifier::new(&gpu, 1, 0).expect("bound");
    holds(&gpu, &|| classifier.trainer.step());
}

#[test]
fn a_step_of_two_tasks_is_one_submission_and_nothing_else() {
    let gpu = device();
    let tasks = multi_task::Tasks::new(&gpu, 1, 0, 1.0).expect("bound");
    holds(&gpu, &|| tasks.trainer.step());
}

/// Of a network with one hidden layer in f64: mean squared error.
fn loss(parameters: &[Vec<f64>], sizes: [usize; 3], x: &[f32], t: &[f32]) -> f64 {
    let rows = x.len() / sizes[0];
    let mut sum = 0.0;
    for row in 0..rows {
        let mut values: Vec<f64> = x[row * sizes[0]..][..sizes[0]]
            .iter()
            .map(|&v| v.into())
            .collect();
        for (layer, outputs) in parameters.iter().zip(&sizes[1..]) {
            let last = layer.len() / outputs - 1;
            let of = |o: usize| {
                let products = values.iter().enumerate();
                let products = products.map(|(k, v)| v * layer[k * outputs + o]);
                products.sum::<f64>() + layer[last * outputs + o]
            };
            let all: Vec<f64> = (0..*outputs).map(of).collect();
            let output = std::ptr::eq(layer, &parameters[1]);
            let relu = |v: f64| if output { v } else { v.max(0.0) };
            values = all.into_iter().map(relu).collect();
        }
        for (v, &t) in values.iter().zip(&t[row * sizes[2]..]) {
            sum += (v - f64::from(t)).powi(2);
        }
    }
    sum / (rows * sizes[2]) as f64
}

/// The gradient that goes back through a network against differences of a network in f64, number by number.
#[test]
fn gradients_of_the_network_are_its_derivatives() {
    const SIZES: [usize; 3] = [5, 7, 3];
    const ROWS: usize = 6;
    let gpu = device();
    let mut random = Random::new(1);
    let mut kernels = Kernels::new(&gpu);
    let network = Network::new(&gpu, &SIZES, &mut random);
    let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| random.normal() as f32).collect() };
    let (x, t) = (numbers(ROWS * SIZES[0]), numbers(ROWS * SIZES[2]));
    let forward = network.forward(&mut kernels, &upload(&gpu, &x), ROWS);
    let gradient = zeros(&gpu, ROWS * SIZES[2]);
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([ROWS, SIZES[2]])
    };
    let plan = gpu.plan(&Mse::default(), &layout).expect("planned");
    let bound = plan.bind(&Io {
        inputs: vec![View::whole(forward.output())],
        target: Some(View::whole(&upload(&gpu, &t))),
        grads: vec![View::whole(&gradient)],
        ..Default::default()
    });
    let bound = bound.expect("bound");
    let backward = network.backward(&mut kernels, &forward, &gradient, None);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    encode(&mut encoder, &forward.dispatches);
    bound.encode(&mut encoder);
    encode(&mut encoder, &backward);
    gpu.queue().submit([encoder.finish()]);

    let wide = |all: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
        let wide = |layer: Vec<f32>| layer.into_iter().map(f64::from).collect();
        all.into_iter().map(wide).collect()
    };
    let parameters = wide(network.parameters().expect("read"));
    let gradients = wide(network.gradients().expect("read"));
    // The loss is a parabola in each parameter as long as no rectifier turns: a difference over so little has the rounding of f64 only.
    const STEP: f64 = 1e-6;
    let mut nonzero = 0;
    for (l, layer) in gradients.iter().enumerate() {
        for (i, &found) in layer.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = parameters.clone();
                moved[l][i] += step;
                loss(&moved, SIZES, &x, &t)
            };
            let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            assert!(
                (found - expected).abs() < 1e-5,
                "layer {l}, parameter {i}: {found}, by differences {expected}"
            );
            nonzero += usize::from(expected.abs() > 1e-3);
        }
    }
    assert!(nonzero > 40, "{nonzero} gradients that say something");
}

#[test]
fn outliers_pull_less_where_gradients_are_bounded() {
    let medians = outliers::medians(&device(), 5).expect("fitted");
    let of = |name: &str| medians.iter().find(|m| m.0 == name).expect("fitted").1;
    for robust in ["huber", "mae"] {
        assert!(of(robust) <= 0.5 * of("mse"), "{robust}: {medians:?}");
    }
}

#[test]
fn a_fit_is_the_same_every_time() {
    let gpu = device();
    let fits = || outliers::medians(&gpu, 1).expect("fitted");
    assert_eq!(fits(), fits());
}

#[test]
fn digits_are_learned() {
    const EPOCHS: usize = 10;
    let mut classifier = train_digits::Classifier::new(&device(), EPOCHS, 0).expect("bound");
    for _ in 0..EPOCHS * classifier.steps {
        classifier.trainer.step();
    }
    let figures = classifier.test().expect("figures");
    assert!(figures.accuracy >= Some(0.97), "{:?}", figures.accuracy);
    // What the loss found on its way is what the reference finds in the logits.
    let report = classifier.report().expect("figures");
    assert_eq!(figures.accuracy, report.accuracy);
    assert_eq!(figures.confusion_matrix, report.confusion_matrix);
}

#[test]
fn a_rare_class_is_found_by_weights_and_focus() {
    use imbalance::Way;
    let ways = [Way::Plain, Way::Weighted, Way::Focal];
    let all = imbalance::compare(&device(), &ways, 1).expect("trained");
    let recall = |runs: &[BinaryFigures]| imbalance::mean(runs.iter().map(|f| f.recall));
    let plain = recall(&all[0].1);
    for (way, runs) in &all[1..] {
        let found = recall(runs);
        assert!(found > plain, "{way:?}: recall {found}, plain {plain}");
    }
}

#[test]
fn labels_and_tasks_are_learned_together() {
    let gpu = device();
    let labels = multi_label::train(&gpu, 3, 0).expect("trained");
    assert!(
        labels.macro_average.f1 > Some(0.9),
        "{:?}",
        labels.per_label
    );
    const EPOCHS: usize = 5;
    let mut tasks = multi_task::Tasks::new(&gpu, EPOCHS, 0, 4.0).expect("bound");
    for _ in 0..EPOCHS * tasks.steps {
        tasks.trainer.step();
    }
    let (digits, lean) = tasks.test().expect("figures");
    assert!(digits.accuracy > Some(0.9), "{:?}", digits.accuracy);
    assert!(lean.r2 > Some(0.6), "{:?}", lean.r2);
}
