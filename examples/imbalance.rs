//! One class in thirty: what the loss and the sampling do to precision and recall of the rare one.
//!
//!     cargo run --release --features cli --example imbalance
//!     cargo run --release --features cli --example imbalance -- --seeds 10
//!
//! Is it an eight? Half of the digits to train on, half to test on, and in both all but a few eights are left out. Compared on the test
//! set: binary cross-entropy as it is, with a weight for positives, with eights drawn as often as others, and focal and dice loss.
//! At the threshold 0 the first takes many an eight for something else. The others find more of them and are wrong more often; what they
//! order better, areas and operating points tell.

mod common;

use clap::Parser;
use common::Result;
use common::digits::{Digits, PIXELS};
use common::gpu::{Kernels, encode, upload, zeros};
use common::network::{Network, Optimizer};
use common::random::Random;
use common::train::{Batches, Clock, Objective, Trainer, shuffled};
use wgloss::gpu::{Io, Predictions, View};
use wgloss::loss::{Loss, PerColumn};
use wgloss::metric::{Binary, BinaryFigures, InputKind, OperatingPoint};
use wgloss::{
    BceWithLogits, BinaryFocalWithLogits, DType, DiceWithLogits, Gpu, LabelType, Labels, Layout,
    TargetLayout, class_weight,
};

/// Rare ones that are kept, in training and in test.
const EIGHTS: usize = 27;
const HIDDEN: usize = 16;
const BATCH: usize = 128;
const EPOCHS: usize = 75;

#[derive(Parser)]
#[command(about = "A rare class under five ways of training")]
struct Args {
    /// Over how many seeds the figures are averaged
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

/// Ways of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Binary cross-entropy as it is.
    Plain,
    /// With positives weighed up by how rare they are.
    Weighted,
    /// As it is, with positives drawn as often as negatives.
    Oversampled,
    /// Focal loss: weighed by how rare a class is, and easy samples weighed down.
    Focal,
    /// Dice loss: the overlap of what is predicted with what is true.
    Dice,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 5] = [
        Way::Plain,
        Way::Weighted,
        Way::Oversampled,
        Way::Focal,
        Way::Dice,
    ];

    /// The loss, where each negative sample has weight `negative` and each positive one `positive` to be balanced.
    fn loss(self, [negative, positive]: [f32; 2]) -> Box<dyn Loss> {
        match self {
            Way::Plain | Way::Oversampled => Box::new(BceWithLogits::default()),
            Way::Weighted => Box::new(BceWithLogits {
                pos_weight: PerColumn::All(positive / negative),
                ..Default::default()
            }),
            Way::Focal => Box::new(BinaryFocalWithLogits {
                alpha: positive / (positive + negative),
                gamma: 2.0,
            }),
            // A batch may have no eight at all: then `smooth` keeps the loss from being 1 whatever is predicted.
            Way::Dice => Box::new(DiceWithLogits {
                smooth: 1.0,
                ..Default::default()
            }),
        }
    }
}

/// Digits, and whether they are eights.
struct Eights {
    images: Vec<f32>,
    labels: Vec<u32>,
}

impl Eights {
    /// Of `digits` all but the eights after the first few.
    fn of(digits: &Digits) -> Self {
        let mut eights = Eights {
            images: Vec::new(),
            labels: Vec::new(),
        };
        let mut found = 0;
        for (image, &digit) in digits.images.chunks(PIXELS).zip(&digits.labels) {
            let eight = digit == 8;
            found += usize::from(eight);
            if !eight || found <= EIGHTS {
                eights.images.extend(image);
                eights.labels.push(u32::from(eight));
            }
        }
        eights
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn with(&self, label: u32) -> Vec<u32> {
        let all = (0u32..).zip(&self.labels);
        all.filter(|(_, l)| **l == label).map(|(i, _)| i).collect()
    }

    /// The order of batches: all samples shuffled, or of each class as many.
    fn order(&self, way: Way, random: &mut Random) -> Vec<u32> {
        if way != Way::Oversampled {
            return shuffled(self.len(), BATCH, EPOCHS, random);
        }
        let classes = [self.with(0), self.with(1)];
        let draws = self.len() / BATCH * BATCH * EPOCHS;
        let draw = |i: usize| {
            let class = &classes[i % 2];
            class[random.below(class.len())]
        };
        (0..draws).map(draw).collect()
    }
}

/// Trains one way, and evaluates on the test set.
fn train(kernels: &mut Kernels, seed: u64, way: Way) -> Result<BinaryFigures> {
    let gpu = kernels.gpu.clone();
    let (train, test) = Digits::split(seed, 0.5)?;
    let (train, test) = (Eights::of(&train), Eights::of(&test));
    // All ways have the same weights at the start, and the same order but for the one that is about it.
    let mut random = Random::new(seed + 1);
    let network = Network::new(&gpu, &[PIXELS, HIDDEN, 1], &mut random);
    let order = train.order(way, &mut random);
    let steps = order.len() / BATCH;

    let clock = Clock::new(&gpu);
    let batches = Batches::new(&gpu, &order, BATCH);
    let targets: Vec<f32> = train.labels.iter().map(|&l| l as f32).collect();
    let (images, targets) = (upload(&gpu, &train.images), upload(&gpu, &targets));
    let (x, gather_x) = batches.gather(kernels, &clock, &images, PIXELS);
    let (t, gather_t) = batches.gather(kernels, &clock, &targets, 1);
    let forward = network.forward(kernels, &x, BATCH);
    let gradient = zeros(&gpu, BATCH);
    let labels = Labels::from(train.labels.as_slice());
    let balanced = class_weight::balanced(&labels, 2, None)?;
    let loss = way.loss([balanced[0] as f32, balanced[1] as f32]);
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([BATCH, 1])
    };
    let bound = gpu.plan(loss.as_ref(), &layout)?.bind(&Io {
        inputs: vec![View::whole(forward.output())],
        target: Some(View::whole(&t)),
        grads: vec![View::whole(&gradient)],
        loss: Some(clock.loss()),
        ..Default::default()
    })?;
    let mut backward = network.backward(kernels, &forward, &gradient, None);
    let adam = Optimizer::Adam { rate: 1e-2 };
    backward.extend(network.update(kernels, adam, &clock, steps));
    let gathers = [gather_x, gather_t].into_iter();
    let forward = gathers.chain(forward.dispatches).collect();
    let objective = Objective::One(bound);
    let trainer = Trainer::new(kernels, forward, objective, backward, clock);
    for _ in 0..steps {
        trainer.step();
    }

    // Scores stay on the device, which puts them in order for the areas and the operating points.
    let (x, labels) = (upload(&gpu, &test.images), upload(&gpu, &test.labels));
    let forward = network.forward(kernels, &x, test.len());
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    let logits = Predictions::Scores(DType::F32);
    let mut state = gpu.binary(&asked, logits, LabelType::U32, None, test.len())?;
    let scores = View::whole(forward.output());
    let samples = state.bind(&scores, &View::whole(&labels), test.len())?;
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    encode(&mut encoder, &forward.dispatches);
    state.update(&mut encoder, &samples)?;
    gpu.queue().submit([encoder.finish()]);
    Ok(state.compute()?)
}

/// Trains each of `ways` with each of so many seeds.
pub fn compare(gpu: &Gpu, ways: &[Way], seeds: u64) -> Result<Vec<(Way, Vec<BinaryFigures>)>> {
    let mut kernels = Kernels::new(gpu);
    let mut all = Vec::new();
    for &way in ways {
        let runs = (0..seeds).map(|seed| train(&mut kernels, seed, way));
        all.push((way, runs.collect::<Result<_>>()?));
    }
    Ok(all)
}

/// The mean of what there is; NaN of nothing.
pub fn mean(of: impl Iterator<Item = Option<f64>>) -> f64 {
    let there: Vec<f64> = of.flatten().collect();
    there.iter().sum::<f64>() / there.len() as f64
}

fn main() -> Result<()> {
    let args = Args::parse();
    let gpu = Gpu::new()?;
    println!("device: {}", gpu.adapter_info().name);
    let all = compare(&gpu, &Way::ALL, args.seeds)?;
    if let Some((_, runs)) = all.first() {
        let share = mean(runs.iter().map(|f| Some(f.positives / f.n)));
        println!("{:.1} % of the test set are eights", 100.0 * share);
    }
    println!("mean over {} seeds; thresholds are of logits", args.seeds);
    println!(
        "{:38}{:20}{:20}{:20}",
        "", "  highest F1", "  recall ≥ 0.95", "  precision ≥ 0.95"
    );
    println!(
        "{:<12}{:>6}{:>6}{:>6}{:>8}{:>10}{:>8}  {:>10}{:>8}  {:>10}{:>8}",
        "at 0", "prec.", "rec.", "F1", "PR-AUC", "from", "F1", "from", "prec.", "from", "rec."
    );
    for (way, runs) in &all {
        let of = |f: fn(&BinaryFigures) -> Option<f64>| mean(runs.iter().map(f));
        let point = |p: fn(&BinaryFigures) -> Option<OperatingPoint>,
                     v: fn(OperatingPoint) -> f64| {
            let points = || runs.iter().map(p);
            let threshold = mean(points().map(|p| p.map(|p| p.threshold)));
            // Where no threshold does it nothing is found.
            let figure = mean(points().map(|p| Some(p.map_or(0.0, v))));
            format!("{threshold:>10.2}{figure:>8.3}")
        };
        println!(
            "{:<12}{:>6.3}{:>6.3}{:>6.3}{:>8.3}{}  {}  {}",
            format!("{way:?}").to_lowercase(),
            of(|f| f.precision),
            of(|f| f.recall),
            of(|f| f.f1),
            of(|f| f.average_precision),
            point(|f| f.operating_points.max_f1, |p| p.f1),
            point(|f| f.operating_points.recall_at, |p| p.precision),
            point(|f| f.operating_points.precision_at, |p| p.recall),
        );
    }
    Ok(())
}
