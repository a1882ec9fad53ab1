//! A training step as one submission.

use super::Result;
use super::gpu::{Dispatch, Kernels, download, record, upload, zeros};
use super::random::Random;
use wgloss::Gpu;
use wgloss::gpu::{Bound, CombinedBound, View};
use wgloss::wgpu::{Buffer, ComputePass};

/// The number of the step, the sum of all losses so far, and what Adam divides by: on the device, where all advance.
pub struct Clock {
    pub state: Buffer,
    /// Where the loss of a step is written.
    loss: Buffer,
}

impl Clock {
    pub fn new(gpu: &Gpu) -> Self {
        Clock {
            state: zeros(gpu, 4),
            loss: zeros(gpu, 1),
        }
    }

    /// Where the loss of a step goes: the `loss` of an [`Io`](wgloss::gpu::Io).
    pub fn loss(&self) -> View<'_> {
        View::whole(&self.loss)
    }
}

/// Rows of samples on the device, and the order in which batches take them.
pub struct Batches {
    pub rows: usize,
    samples: usize,
    order: Buffer,
}

impl Batches {
    /// `order` holds whole batches of `rows`: what the first step takes, then the second and so on; after the last it begins anew.
    pub fn new(gpu: &Gpu, order: &[u32], rows: usize) -> Self {
        let samples = order.len() / rows * rows;
        Batches {
            rows,
            samples,
            order: upload(gpu, &order[..samples]),
        }
    }

    /// Picks the rows of a step out of `data`, of `width` words each, into a buffer for them.
    pub fn gather(
        &self,
        kernels: &mut Kernels,
        clock: &Clock,
        data: &Buffer,
        width: usize,
    ) -> (Buffer, Dispatch) {
        let batch = zeros(&kernels.gpu, self.rows * width);
        let dispatch = kernels.dispatch(
            "gather",
            &[
                ("ROWS", self.rows as f64),
                ("WIDTH", width as f64),
                ("SAMPLES", self.samples as f64),
            ],
            &[(6, &clock.state), (8, &self.order), (9, data), (10, &batch)],
            self.rows * width,
        );
        (batch, dispatch)
    }
}

/// All samples, shuffled anew for each epoch; of each epoch as many as fill whole batches.
pub fn shuffled(samples: usize, rows: usize, epochs: usize, random: &mut Random) -> Vec<u32> {
    let mut all: Vec<u32> = (0..samples as u32).collect();
    let mut order = Vec::new();
    for _ in 0..epochs {
        random.shuffle(&mut all);
        order.extend(&all[..samples / rows * rows]);
    }
    order
}

/// A loss with its buffers, or several.
pub enum Objective {
    One(Bound),
    Sum(CombinedBound),
}

impl Objective {
    fn record(&self, pass: &mut ComputePass<'_>) {
        match self {
            Objective::One(loss) => loss.record(pass),
            Objective::Sum(losses) => losses.record(pass),
        }
    }
}

/// Everything that a step records.
pub struct Trainer {
    gpu: Gpu,
    /// Gathers the batch, and takes it through the network.
    forward: Vec<Dispatch>,
    objective: Objective,
    /// Takes the gradient back, updates the parameters, advances the clock.
    backward: Vec<Dispatch>,
    clock: Clock,
    /// What had been read of the clock.
    seen: (u32, f32),
}

impl Trainer {
    pub fn new(
        kernels: &mut Kernels,
        forward: Vec<Dispatch>,
        objective: Objective,
        mut backward: Vec<Dispatch>,
        clock: Clock,
    ) -> Self {
        backward.push(kernels.dispatch("tick", &[], &[(6, &clock.state), (7, &clock.loss)], 1));
        Trainer {
            gpu: kernels.gpu.clone(),
            forward,
            objective,
            backward,
            clock,
            seen: (0, 0.0),
        }
    }

    /// One step: batch, forward, loss with gradient, backward, update. One pass, one submission; nothing is allocated on the device, nothing
    /// is written to it and nothing is read back.
    pub fn step(&self) {
        let mut encoder = self
            .gpu
            .device()
            .create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            record(&mut pass, &self.forward);
            self.objective.record(&mut pass);
            record(&mut pass, &self.backward);
        }
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// The mean loss of the steps since this was asked last: waits for them, and reads 16 bytes.
    pub fn mean_loss(&mut self) -> Result<f32> {
        let clock: Vec<u32> = download(&self.gpu, &self.clock.state)?;
        let (step, sum) = (clock[0], f32::from_bits(clock[1]));
        let before = std::mem::replace(&mut self.seen, (step, sum));
        Ok((sum - before.1) / (step - before.0).max(1) as f32)
    }

    /// The loss or losses.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }
}
