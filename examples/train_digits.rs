//! A classifier of handwritten digits, trained on the device from the first batch to the report.
//!
//!     cargo run --release --features cli --example train_digits
//!
//! 64 pixels, a hidden layer of 128, 10 classes; cross-entropy with Adam. A step is one submission that allocates nothing and reads
//! nothing back: batches are gathered on the device, in an order that was shuffled before. After each epoch the test set is evaluated, and
//! its metrics are counted from what the loss finds on its way through the logits.

mod common;

use clap::Parser;
use common::Result;
use common::digits::{CLASSES, Digits, PIXELS};
use common::gpu::{Dispatch, Kernels, download, encode, upload, zeros};
use common::network::{Forward, Network, Optimizer};
use common::random::Random;
use common::train::{Batches, Clock, Objective, Trainer, shuffled};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::time::Instant;
use wgloss::gpu::{Bound, Io, MetricBatch, MulticlassState, Predictions, View};
use wgloss::metric::{InputKind, Multiclass, MulticlassFigures, Samples};
use wgloss::{CrossEntropy, DType, Gpu, LabelType, Layout, TargetLayout, plot, report};

const HIDDEN: usize = 128;
const BATCH: usize = 32;

#[derive(Parser)]
#[command(about = "A classifier of handwritten digits")]
struct Args {
    /// How often training goes through the digits
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Of the split, the weights at the start and the order of batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the pictures go
    #[arg(long, default_value = "target/pictures")]
    out: PathBuf,
}

/// A classifier with all that trains and tests it.
pub struct Classifier {
    gpu: Gpu,
    /// Takes the steps.
    pub trainer: Trainer,
    /// Steps of an epoch.
    pub steps: usize,
    test: Test,
}

/// The test set, and what is counted of it.
struct Test {
    digits: Digits,
    forward: Forward,
    loss: Bound,
    state: MulticlassState,
    batch: MetricBatch,
}

impl Classifier {
    /// Uploads the digits, and binds everything that is recorded later.
    pub fn new(gpu: &Gpu, epochs: usize, seed: u64) -> Result<Self> {
        let (train, test) = Digits::split(seed, 0.25)?;
        let mut random = Random::new(seed + 1);
        let mut kernels = Kernels::new(gpu);
        let network = Network::new(gpu, &[PIXELS, HIDDEN, CLASSES], &mut random);
        let steps = train.len() / BATCH;

        // A step: gather the batch, forward, loss with gradient, backward, update.
        let clock = Clock::new(gpu);
        let order = shuffled(train.len(), BATCH, epochs, &mut random);
        let batches = Batches::new(gpu, &order, BATCH);
        let (images, labels) = (upload(gpu, &train.images), upload(gpu, &train.labels));
        let (x, gather_x) = batches.gather(&mut kernels, &clock, &images, PIXELS);
        let (y, gather_y) = batches.gather(&mut kernels, &clock, &labels, 1);
        let forward = network.forward(&mut kernels, &x, BATCH);
        let gradient = zeros(gpu, BATCH * CLASSES);
        let cross_entropy = CrossEntropy::default();
        let bound = gpu.plan(&cross_entropy, &layout(BATCH))?.bind(&Io {
            inputs: vec![View::whole(forward.output())],
            target: Some(View::whole(&y)),
            grads: vec![View::whole(&gradient)],
            loss: Some(clock.loss()),
            ..Default::default()
        })?;
        let adam = Optimizer::Adam { rate: 1e-2 };
        let mut backward = network.backward(&mut kernels, &forward, &gradient, None);
        backward.extend(network.update(&mut kernels, adam, &clock, epochs * steps));
        let gathers = [gather_x, gather_y];
        let forward: Vec<Dispatch> = gathers.into_iter().chain(forward.dispatches).collect();
        let objective = Objective::One(bound);
        Ok(Classifier {
            trainer: Trainer::new(&mut kernels, forward, objective, backward, clock),
            steps,
            test: Test::new(&mut kernels, &network, test)?,
            gpu: gpu.clone(),
        })
    }

    /// Loss and all metrics but areas under curves, of the test set: one submission, and then the counts are read.
    pub fn test(&mut self) -> Result<MulticlassFigures> {
        self.test.figures(&self.gpu)
    }

    /// All metrics of the test set, with what curves are made of: by the reference, from logits that are read back once.
    pub fn report(&mut self) -> Result<MulticlassFigures> {
        let logits: Vec<f32> = download(&self.gpu, self.test.forward.output())?;
        let labels: &[u32] = &self.test.digits.labels;
        let samples = Samples::new([labels.len(), CLASSES], &logits).labels(labels);
        Ok(asked().figures(&samples)?)
    }
}

/// Logits of `rows` digits, with labels.
fn layout(rows: usize) -> Layout {
    Layout {
        target: TargetLayout::Labels(LabelType::U32),
        ..Layout::new([rows, CLASSES])
    }
}

fn asked() -> Multiclass {
    Multiclass {
        input: InputKind::Logits,
        top_k: vec![1, 2],
        ..Default::default()
    }
}

impl Test {
    fn new(kernels: &mut Kernels, network: &Network, digits: Digits) -> Result<Self> {
        let gpu = &kernels.gpu.clone();
        let rows = digits.len();
        let x = upload(gpu, &digits.images);
        let y = upload(gpu, &digits.labels);
        let forward = network.forward(kernels, &x, rows);
        // Beside the loss it finds the predicted class of each row, the rank of the true one, and its probability.
        let layout = Layout {
            gradient: false,
            ..layout(rows)
        };
        let plan = gpu.plan_ranked(&CrossEntropy::default(), &layout)?;
        let loss = plan.bind(&Io {
            inputs: vec![View::whole(forward.output())],
            target: Some(View::whole(&y)),
            ..Default::default()
        })?;
        let logits = Predictions::Scores(DType::F32);
        let state = gpu.multiclass(&asked(), logits, LabelType::U32, None, CLASSES, 0)?;
        Ok(Test {
            batch: state.bind_ranked(&loss, &View::whole(&y))?,
            digits,
            forward,
            loss,
            state,
        })
    }

    fn figures(&mut self, gpu: &Gpu) -> Result<MulticlassFigures> {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        encode(&mut encoder, &self.forward.dispatches);
        self.loss.encode(&mut encoder);
        self.state.reset(&mut encoder);
        self.state.update(&mut encoder, &self.batch)?;
        gpu.queue().submit([encoder.finish()]);
        Ok(self.state.compute()?)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let epochs = usize::from(args.epochs);
    let gpu = Gpu::new()?;
    println!("device: {}", gpu.adapter_info().name);
    let start = Instant::now();
    let mut classifier = Classifier::new(&gpu, epochs, args.seed)?;
    let steps = classifier.steps;
    let bar = ProgressBar::new((epochs * steps) as u64).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos}/{len} steps, {eta} left",
    )?);
    for epoch in 1..=epochs {
        for _ in 0..steps {
            classifier.trainer.step();
            bar.inc(1);
        }
        let loss = classifier.trainer.mean_loss()?;
        let test = classifier.test()?;
        let of = |v: Option<f64>| v.unwrap_or(f64::NAN);
        let (test_loss, accuracy) = (of(test.log_loss), of(test.accuracy));
        // Above the bar.
        bar.suspend(|| {
            println!(
                "epoch {epoch:>3}  training loss {loss:.4}  test loss {test_loss:.4}  test accuracy {accuracy:.4}"
            );
        });
    }
    bar.finish();
    let seconds = start.elapsed().as_secs_f64();
    let figures = classifier.report()?;
    println!(
        "\n{epochs} epochs of {steps} steps in {seconds:.1} s\n\n{}",
        report::multiclass(&figures, &[])
    );
    for picture in plot::multiclass(&figures, &[]) {
        picture.save(args.out.join(format!("train_digits_{}", picture.name())))?;
    }
    println!("\npictures: {}/train_digits_*", args.out.display());
    Ok(())
}
