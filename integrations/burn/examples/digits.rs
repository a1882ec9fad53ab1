//! burn's own trainer on scikit-learn's digits, with wgloss for the loss and the metrics.
//!
//!     cargo run --release -p wgloss-burn --features train --example digits
//!
//! Model, optimizer, data loader and trainer are burn's; the loss is one of wgloss's in burn's graph, and the figures of an epoch are counted on
//! the device and read when it is over. Writes what burn writes to a folder for temporary files.

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
};
use wgloss::CrossEntropy;
use wgloss::metric::{InputKind, Multiclass};
use wgloss_burn::{LossModule, Seen, SharedGpu};

const PIXELS: usize = 64;
const CLASSES: usize = 10;
/// Every fifth of the 1,797 digits the model is tested on: writers follow one another in the file.
const FIFTH: usize = 5;

type Digit = ([f32; PIXELS], i32);
type Digits = (Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
struct Network {
    hidden: Linear,
    output: Linear,
    loss: LossModule,
}

impl Network {
    fn classified(&self, (pixels, labels): Digits) -> ClassificationOutput {
        let hidden = relu(self.hidden.forward(pixels));
        let logits = self.output.forward(hidden);
        let loss = self.loss.forward((logits.clone(), labels.clone()));
        ClassificationOutput {
            loss: loss.expect("logits and labels of one batch"),
            output: logits,
            targets: labels,
        }
    }
}

impl TrainStep for Network {
    type Input = Digits;
    type Output = ClassificationOutput;

    fn step(&self, digits: Digits) -> TrainOutput<ClassificationOutput> {
        let output = self.classified(digits);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Network {
    type Input = Digits;
    type Output = ClassificationOutput;

    fn step(&self, digits: Digits) -> ClassificationOutput {
        self.classified(digits)
    }
}

struct Pixels;

impl Batcher<Digit, Digits> for Pixels {
    fn batch(&self, digits: Vec<Digit>, device: &Device) -> Digits {
        let shape = [digits.len(), PIXELS];
        let pixels: Vec<f32> = digits.iter().flat_map(|d| d.0).collect();
        let labels: Vec<i32> = digits.iter().map(|d| d.1).collect();
        (
            Tensor::from_data(TensorData::new(pixels, shape), device),
            Tensor::from_data(TensorData::new(labels, [digits.len()]), device),
        )
    }
}

/// Pixels from 0 to 1, and labels, of files whose numbers begin after 128 bytes.
fn digits() -> Vec<Digit> {
    let pixels = &include_bytes!("../../../examples/data/digits.npy")[128..];
    let labels = &include_bytes!("../../../examples/data/digits_targets.npy")[128..];
    let labels = labels.iter().map(|b| i32::from(*b));
    let pixels = pixels.chunks_exact(PIXELS);
    let scaled = |row: &[u8]| std::array::from_fn(|i| f32::from(row[i]) / 16.0);
    pixels.map(scaled).zip(labels).collect()
}

fn main() -> anyhow::Result<()> {
    let epochs = match std::env::args().nth(1) {
        Some(n) => n.parse()?,
        None => 8,
    };
    let (device, gpu) = SharedGpu::open()?;
    let device = device.autodiff();
    device.seed(7);

    let numbered = digits().into_iter().enumerate();
    let (test, train): (Vec<_>, Vec<_>) = numbered.partition(|(i, _)| i % FIFTH == 0);
    let room = train.len();
    let loader = |digits: Vec<(usize, Digit)>, device: &Device| {
        let digits = digits.into_iter().map(|(_, digit)| digit).collect();
        let loader = DataLoaderBuilder::new(Pixels).batch_size(32).shuffle(7);
        loader
            .set_device(device.clone())
            .build(InMemDataset::new(digits))
    };
    let seen = Seen::with_room(
        &gpu,
        Multiclass {
            input: InputKind::Logits,
            ..Default::default()
        },
        room,
    );
    let model = Network {
        hidden: LinearConfig::new(PIXELS, 64).init(&device),
        output: LinearConfig::new(64, CLASSES).init(&device),
        loss: LossModule::new(&gpu, CrossEntropy::default()),
    };
    let folder = std::env::temp_dir().join("wgloss-burn-digits");
    let training = SupervisedTraining::new(
        folder,
        loader(train, &device),
        loader(test, &device.clone().inner()),
    )
    .metrics((
        seen.figure("Accuracy", |f| f.accuracy),
        seen.figure("F1, macro", |f| f.macro_average.f1),
        seen.figure("ROC-AUC, macro", |f| f.roc_auc_macro),
        seen.loss("Log loss", |f| f.log_loss),
    ))
    .num_epochs(epochs)
    .summary();
    let result = training.launch(Learner::new(model, AdamConfig::new().init(), 0.005));
    if let Some(error) = result.error {
        anyhow::bail!("{error}");
    }
    let figures = seen.figures()?;
    let accuracy = figures.accuracy.unwrap_or(f64::NAN);
    println!("test accuracy {accuracy:.4} of {} digits", figures.n);
    anyhow::ensure!(accuracy > 0.93, "expected an accuracy above 0.93");
    Ok(())
}
