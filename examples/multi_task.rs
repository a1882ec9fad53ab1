//! Two tasks on one trunk: which digit it is, and how far it leans.
//!
//!     cargo run --release --features cli --example multi_task
//!
//! A shared hidden layer, a head for the classes and one for a number; the loss is cross-entropy plus a multiple of the squared error, planned
//! as one sum. Each head sends its gradient back, and the trunk's is the sum of both. The lean is that of the image's moments,
//! by which digits are straightened before they are recognized: Σ xy / Σ y² of the ink about its center.

mod common;

use clap::Parser;
use common::Result;
use common::digits::{CLASSES, Digits, PIXELS};
use common::gpu::{Kernels, encode, upload, zeros};
use common::network::{Activation, Network, Optimizer};
use common::random::Random;
use common::train::{Batches, Clock, Objective, Trainer, shuffled};
use wgloss::gpu::{CombinedIo, Predictions, TermIo, TermLayout, View};
use wgloss::metric::{InputKind, Multiclass, MulticlassFigures, RegressionFigures};
use wgloss::{CrossEntropy, DType, Gpu, LabelType, Layout, Mse, TargetLayout, report};

const HIDDEN: usize = 64;
const BATCH: usize = 32;

#[derive(Parser)]
#[command(about = "One trunk with two heads: the digit, and how far it leans")]
struct Args {
    /// How often training goes through the digits
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Of the split, the weights at the start and the order of batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What the squared error is multiplied by in the sum
    #[arg(long, default_value_t = 4.0)]
    weight: f32,
}

/// How far each picture leans.
fn lean(digits: &Digits) -> Vec<f32> {
    let of = |image: &[f32]| {
        let ink: f32 = image.iter().sum();
        let mean = |f: &dyn Fn(f32, f32) -> f32| {
            let pixels = image.iter().enumerate();
            let sum: f32 = pixels
                .map(|(i, v)| v * f((i % 8) as f32, (i / 8) as f32))
                .sum();
            sum / ink
        };
        let (cx, cy) = (mean(&|x, _| x), mean(&|_, y| y));
        // Upwards is towards smaller y.
        -mean(&|x, y| (x - cx) * (y - cy)) / mean(&|_, y| (y - cy) * (y - cy))
    };
    digits.images.chunks(PIXELS).map(of).collect()
}

/// Trunk and heads with all that trains and tests them.
pub struct Tasks {
    kernels: Kernels,
    trunk: Network,
    classes: Network,
    number: Network,
    /// Takes the steps.
    pub trainer: Trainer,
    /// Steps of an epoch.
    pub steps: usize,
    test: Digits,
}

impl Tasks {
    /// Uploads the digits, and binds everything that a step records.
    pub fn new(gpu: &Gpu, epochs: usize, seed: u64, weight: f32) -> Result<Self> {
        let (train, test) = Digits::split(seed, 0.25)?;
        let mut random = Random::new(seed + 1);
        let mut kernels = Kernels::new(gpu);
        let relu = [Activation::None, Activation::Relu];
        let trunk = Network::between(gpu, &[PIXELS, HIDDEN], relu, &mut random);
        let behind = [Activation::Relu, Activation::None];
        let classes = Network::between(gpu, &[HIDDEN, CLASSES], behind, &mut random);
        let number = Network::between(gpu, &[HIDDEN, 1], behind, &mut random);

        let order = shuffled(train.len(), BATCH, epochs, &mut random);
        let steps = order.len() / BATCH;
        let clock = Clock::new(gpu);
        let batches = Batches::new(gpu, &order, BATCH);
        let images = upload(gpu, &train.images);
        let (labels, leans) = (upload(gpu, &train.labels), upload(gpu, &lean(&train)));
        let (x, gather_x) = batches.gather(&mut kernels, &clock, &images, PIXELS);
        let (y, gather_y) = batches.gather(&mut kernels, &clock, &labels, 1);
        let (t, gather_t) = batches.gather(&mut kernels, &clock, &leans, 1);

        let hidden = trunk.forward(&mut kernels, &x, BATCH);
        let logits = classes.forward(&mut kernels, hidden.output(), BATCH);
        let guess = number.forward(&mut kernels, hidden.output(), BATCH);

        let (cross_entropy, mse) = (CrossEntropy::default(), Mse::default());
        let plan = gpu.plan_combined(&[
            TermLayout {
                loss: &cross_entropy,
                weight: 1.0,
                inputs: vec![0],
                layout: Layout {
                    target: TargetLayout::Labels(LabelType::U32),
                    ..Layout::new([BATCH, CLASSES])
                },
            },
            TermLayout {
                loss: &mse,
                weight,
                inputs: vec![1],
                layout: Layout {
                    target: TargetLayout::Values(DType::F32),
                    ..Layout::new([BATCH, 1])
                },
            },
        ])?;
        let by_logits = zeros(gpu, BATCH * CLASSES);
        let by_guess = zeros(gpu, BATCH);
        let target = |view| TermIo {
            target: Some(View::whole(view)),
            ..Default::default()
        };
        let bound = plan.bind(&CombinedIo {
            inputs: vec![View::whole(logits.output()), View::whole(guess.output())],
            grads: vec![View::whole(&by_logits), View::whole(&by_guess)],
            terms: vec![target(&y), target(&t)],
            loss: Some(clock.loss()),
            ..Default::default()
        })?;

        // The first head writes the gradient by what both share, the second adds to it.
        let by_hidden = zeros(gpu, BATCH * HIDDEN);
        let mut backward =
            classes.backward(&mut kernels, &logits, &by_logits, Some((&by_hidden, false)));
        backward.extend(number.backward(&mut kernels, &guess, &by_guess, Some((&by_hidden, true))));
        backward.extend(trunk.backward(&mut kernels, &hidden, &by_hidden, None));
        let adam = Optimizer::Adam { rate: 1e-2 };
        for network in [&trunk, &classes, &number] {
            backward.extend(network.update(&mut kernels, adam, &clock, steps));
        }
        let mut forward = vec![gather_x, gather_y, gather_t];
        forward.extend(hidden.dispatches);
        forward.extend(logits.dispatches);
        forward.extend(guess.dispatches);
        let objective = Objective::Sum(bound);
        let trainer = Trainer::new(&mut kernels, forward, objective, backward, clock);
        Ok(Tasks {
            kernels,
            trunk,
            classes,
            number,
            trainer,
            steps: steps / epochs,
            test,
        })
    }

    /// Metrics of both heads on the test set.
    pub fn test(&mut self) -> Result<(MulticlassFigures, RegressionFigures)> {
        let (gpu, test) = (&self.kernels.gpu.clone(), &self.test);
        let kernels = &mut self.kernels;
        let rows = test.len();
        let x = upload(gpu, &test.images);
        let (labels, leans) = (upload(gpu, &test.labels), upload(gpu, &lean(test)));
        let hidden = self.trunk.forward(kernels, &x, rows);
        let logits = self.classes.forward(kernels, hidden.output(), rows);
        let guess = self.number.forward(kernels, hidden.output(), rows);
        let asked = Multiclass {
            input: InputKind::Logits,
            ..Default::default()
        };
        let scores = Predictions::Scores(DType::F32);
        let mut digits = gpu.multiclass(&asked, scores, LabelType::U32, None, CLASSES, 0)?;
        let numbers = gpu.regression(DType::F32, DType::F32, None)?;
        let of_digits = digits.bind(&View::whole(logits.output()), &View::whole(&labels), rows)?;
        let of_numbers = numbers.bind(&View::whole(guess.output()), &View::whole(&leans), rows)?;
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for part in [&hidden, &logits, &guess] {
            encode(&mut encoder, &part.dispatches);
        }
        digits.update(&mut encoder, &of_digits)?;
        numbers.update(&mut encoder, &of_numbers)?;
        gpu.queue().submit([encoder.finish()]);
        Ok((digits.compute()?, numbers.compute()?))
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let epochs = usize::from(args.epochs);
    let gpu = Gpu::new()?;
    println!("device: {}", gpu.adapter_info().name);
    let mut tasks = Tasks::new(&gpu, epochs, args.seed, args.weight)?;
    for epoch in 1..=epochs {
        for _ in 0..tasks.steps {
            tasks.trainer.step();
        }
        let mean = tasks.trainer.mean_loss()?;
        if let Objective::Sum(losses) = tasks.trainer.objective() {
            let (_, terms) = losses.report()?;
            let [class, lean] = terms.as_slice() else {
                return Err("a sum of two losses has two terms".into());
            };
            println!(
                "epoch {epoch:>3}  training loss {mean:.4}, of the last batch {:.4} + {} · {:.4}",
                class.loss, args.weight, lean.loss
            );
        }
    }
    let (digits, lean) = tasks.test()?;
    println!("\nWhich digit\n\n{}", report::multiclass(&digits, &[]));
    println!("\nHow far it leans\n\n{}", report::regression(&lean));
    Ok(())
}
