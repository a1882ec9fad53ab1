//! Four questions about a digit at once, each answered by itself: is it even, is it prime, is it above 4, has it a loop?
//!
//!     cargo run --release --features cli --example multi_label
//!
//! Multi-label classification is `bce_with_logits` on `[N, L]`: a sigmoid for each label, where a softmax would have them compete.

mod common;

use clap::Parser;
use common::Result;
use common::digits::{Digits, PIXELS};
use common::gpu::{Kernels, encode, upload, zeros};
use common::network::{Network, Optimizer};
use common::random::Random;
use common::train::{Batches, Clock, Objective, Trainer, shuffled};
use wgloss::gpu::{Io, Predictions, View};
use wgloss::metric::{InputKind, Multilabel, MultilabelFigures};
use wgloss::{BceWithLogits, DType, Gpu, LabelType, Layout, TargetLayout, report};

/// What is asked, and of which digits it is true.
pub const QUESTIONS: [(&str, &[u32]); 4] = [
    ("even", &[0, 2, 4, 6, 8]),
    ("prime", &[2, 3, 5, 7]),
    ("above 4", &[5, 6, 7, 8, 9]),
    ("loop", &[0, 6, 8, 9]),
];
const LABELS: usize = QUESTIONS.len();
const HIDDEN: usize = 64;
const BATCH: usize = 32;

#[derive(Parser)]
#[command(about = "Four labels of a digit at once")]
struct Args {
    /// How often training goes through the digits
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Of the split, the weights at the start and the order of batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The answers for each digit: `[n, 4]`.
fn answers(digits: &Digits) -> Vec<u32> {
    let of = |digit: &u32| QUESTIONS.map(|(_, yes)| u32::from(yes.contains(digit)));
    digits.labels.iter().flat_map(of).collect()
}

/// Trains, and evaluates on the test set.
pub fn train(gpu: &Gpu, epochs: usize, seed: u64) -> Result<MultilabelFigures> {
    let (train, test) = Digits::split(seed, 0.25)?;
    let mut random = Random::new(seed + 1);
    let mut kernels = Kernels::new(gpu);
    let network = Network::new(gpu, &[PIXELS, HIDDEN, LABELS], &mut random);
    let order = shuffled(train.len(), BATCH, epochs, &mut random);
    let steps = order.len() / BATCH;

    // The loss takes targets as numbers, since they need not be 0 or 1; metrics take labels.
    let targets: Vec<f32> = answers(&train).iter().map(|&a| a as f32).collect();
    let (images, targets) = (upload(gpu, &train.images), upload(gpu, &targets));
    let clock = Clock::new(gpu);
    let batches = Batches::new(gpu, &order, BATCH);
    let (x, gather_x) = batches.gather(&mut kernels, &clock, &images, PIXELS);
    let (t, gather_t) = batches.gather(&mut kernels, &clock, &targets, LABELS);
    let forward = network.forward(&mut kernels, &x, BATCH);
    let gradient = zeros(gpu, BATCH * LABELS);
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([BATCH, LABELS])
    };
    let bound = gpu.plan(&BceWithLogits::default(), &layout)?.bind(&Io {
        inputs: vec![View::whole(forward.output())],
        target: Some(View::whole(&t)),
        grads: vec![View::whole(&gradient)],
        loss: Some(clock.loss()),
        ..Default::default()
    })?;
    let mut backward = network.backward(&mut kernels, &forward, &gradient, None);
    let adam = Optimizer::Adam { rate: 1e-2 };
    backward.extend(network.update(&mut kernels, adam, &clock, steps));
    let gathers = [gather_x, gather_t].into_iter();
    let forward = gathers.chain(forward.dispatches).collect();
    let objective = Objective::One(bound);
    let mut trainer = Trainer::new(&mut kernels, forward, objective, backward, clock);
    for epoch in 1..=epochs {
        for _ in 0..steps / epochs {
            trainer.step();
        }
        println!(
            "epoch {epoch:>3}  training loss {:.4}",
            trainer.mean_loss()?
        );
    }

    let rows = test.len();
    let (x, labels) = (upload(gpu, &test.images), upload(gpu, &answers(&test)));
    let forward = network.forward(&mut kernels, &x, rows);
    let asked = Multilabel {
        input: InputKind::Logits,
        ..Default::default()
    };
    let logits = Predictions::Scores(DType::F32);
    let mut state = gpu.multilabel(&asked, logits, LabelType::U32, None, LABELS, rows)?;
    let samples = state.bind(&View::whole(forward.output()), &View::whole(&labels), rows)?;
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    encode(&mut encoder, &forward.dispatches);
    state.update(&mut encoder, &samples)?;
    gpu.queue().submit([encoder.finish()]);
    Ok(state.compute()?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    let epochs = usize::from(args.epochs);
    let gpu = Gpu::new()?;
    println!("device: {}", gpu.adapter_info().name);
    let figures = train(&gpu, epochs, args.seed)?;
    let names = QUESTIONS.map(|(name, _)| name.to_string());
    println!("\n{}", report::multilabel(&figures, &names));
    Ok(())
}
