//! Fully connected layers, as lists of dispatches that are bound once and recorded in every step.

use super::Result;
use super::gpu::{Dispatch, Kernels, download, upload, zeros};
use super::random::Random;
use super::train::Clock;
use wgloss::Gpu;
use wgloss::wgpu::Buffer;

/// How parameters follow from gradients. The rate falls linearly to 0 over all steps.
#[derive(Debug, Clone, Copy)]
pub enum Optimizer {
    Sgd { rate: f64, momentum: f64 },
    Adam { rate: f64 },
}

/// What stands between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    None,
    Relu,
}

/// `y = x·W + b`, then the activation.
struct Linear {
    inputs: usize,
    outputs: usize,
    /// Of its input, and of its output.
    activations: [Activation; 2],
    /// W and b, as in `kernels.wgsl`; their gradient; what the optimizer keeps of each.
    parameters: Buffer,
    gradient: Buffer,
    moments: [Buffer; 2],
}

/// Layers, one after the other.
pub struct Network {
    gpu: Gpu,
    layers: Vec<Linear>,
}

/// A network with a batch to go through it.
pub struct Forward {
    rows: usize,
    /// The input, then the output of each layer.
    values: Vec<Buffer>,
    pub dispatches: Vec<Dispatch>,
}

impl Forward {
    /// What the network makes of the batch: `[rows, outputs]`.
    pub fn output(&self) -> &Buffer {
        &self.values[self.values.len() - 1]
    }
}

impl Network {
    /// Layers of `sizes[0]` inputs, `sizes[1]` outputs and so on, with rectifiers between them. Random weights, as He et al. scale them
    /// (arXiv 1502.01852).
    pub fn new(gpu: &Gpu, sizes: &[usize], random: &mut Random) -> Self {
        Self::between(gpu, sizes, [Activation::None; 2], random)
    }

    /// As `new`, as a part of a larger network: with the activation that its input comes out of, and one of its output.
    pub fn between(
        gpu: &Gpu,
        sizes: &[usize],
        [first, last]: [Activation; 2],
        random: &mut Random,
    ) -> Self {
        let count = sizes.len() - 1;
        let layer = |(i, pair): (usize, &[usize])| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let before = if i == 0 { first } else { Activation::Relu };
            let after = if i + 1 == count {
                last
            } else {
                Activation::Relu
            };
            let scale = (2.0 / inputs as f64).sqrt();
            let weights = (0..inputs * outputs).map(|_| (scale * random.normal()) as f32);
            let biases = std::iter::repeat_n(0.0, outputs);
            let all: Vec<f32> = weights.chain(biases).collect();
            Linear {
                inputs,
                outputs,
                activations: [before, after],
                parameters: upload(gpu, &all),
                gradient: zeros(gpu, all.len()),
                moments: [zeros(gpu, all.len()), zeros(gpu, all.len())],
            }
        };
        Network {
            gpu: gpu.clone(),
            layers: sizes.windows(2).enumerate().map(layer).collect(),
        }
    }

    /// Binds a batch of `rows`.
    pub fn forward(&self, kernels: &mut Kernels, input: &Buffer, rows: usize) -> Forward {
        let mut forward = Forward {
            rows,
            values: vec![input.clone()],
            dispatches: Vec::new(),
        };
        for layer in &self.layers {
            let y = zeros(&self.gpu, rows * layer.outputs);
            let relu = layer.activations[1] == Activation::Relu;
            forward.dispatches.push(kernels.dispatch(
                "forward",
                &[
                    ("ROWS", rows as f64),
                    ("INPUTS", layer.inputs as f64),
                    ("OUTPUTS", layer.outputs as f64),
                    ("RELU", f64::from(relu)),
                ],
                &[(0, forward.output()), (1, &layer.parameters), (2, &y)],
                rows * layer.outputs,
            ));
            forward.values.push(y);
        }
        forward
    }

    /// From the gradient by the output to that by every parameter; and to `input_gradient`, if it is given, to what is there where
    /// it says so.
    pub fn backward(
        &self,
        kernels: &mut Kernels,
        forward: &Forward,
        output_gradient: &Buffer,
        input_gradient: Option<(&Buffer, bool)>,
    ) -> Vec<Dispatch> {
        let mut dispatches = Vec::new();
        let mut dy = output_gradient.clone();
        let rows = forward.rows;
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let x = &forward.values[i];
            let sizes = [
                ("ROWS", rows as f64),
                ("INPUTS", layer.inputs as f64),
                ("OUTPUTS", layer.outputs as f64),
            ];
            dispatches.push(kernels.dispatch(
                "weight_gradient",
                &sizes,
                &[(0, x), (3, &dy), (5, &layer.gradient)],
                (layer.inputs + 1) * layer.outputs,
            ));
            let (dx, add) = match (i, input_gradient) {
                (0, None) => break,
                (0, Some((dx, add))) => (dx.clone(), add),
                _ => (zeros(&self.gpu, rows * layer.inputs), false),
            };
            let rectified = layer.activations[0] == Activation::Relu;
            let flags = [("RECTIFIED", f64::from(rectified)), ("ADD", f64::from(add))];
            dispatches.push(kernels.dispatch(
                "input_gradient",
                &[&sizes[..], &flags].concat(),
                &[(0, x), (1, &layer.parameters), (3, &dy), (4, &dx)],
                rows * layer.inputs,
            ));
            dy = dx;
        }
        dispatches
    }

    /// From the gradients to the next parameters, at `clock`, one of `steps` steps.
    pub fn update(
        &self,
        kernels: &mut Kernels,
        optimizer: Optimizer,
        clock: &Clock,
        steps: usize,
    ) -> Vec<Dispatch> {
        let mut update = |layer: &Linear| {
            let length = (layer.inputs + 1) * layer.outputs;
            let [m, v] = &layer.moments;
            let mut constants = vec![("LENGTH", length as f64), ("STEPS", steps as f64)];
            let mut buffers = vec![
                (6, &clock.state),
                (11, &layer.parameters),
                (12, &layer.gradient),
                (13, m),
            ];
            let entry = match optimizer {
                Optimizer::Sgd { rate, momentum } => {
                    constants.extend([("RATE", rate), ("MOMENTUM", momentum)]);
                    "sgd"
                }
                Optimizer::Adam { rate } => {
                    constants.push(("RATE", rate));
                    buffers.push((14, v));
                    "adam"
                }
            };
            kernels.dispatch(entry, &constants, &buffers, length)
        };
        self.layers.iter().map(&mut update).collect()
    }

    /// The parameters of each layer, read back: W, then b.
    pub fn parameters(&self) -> Result<Vec<Vec<f32>>> {
        let of = |layer: &Linear| download(&self.gpu, &layer.parameters);
        self.layers.iter().map(of).collect()
    }

    /// The gradient by the parameters of each layer, read back.
    pub fn gradients(&self) -> Result<Vec<Vec<f32>>> {
        let of = |layer: &Linear| download(&self.gpu, &layer.gradient);
        self.layers.iter().map(of).collect()
    }
}
