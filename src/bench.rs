//! How long losses take, over what a copy of the least bytes takes on the same device in the same run. With the feature
//! `bench`.
//!
//! - The least bytes: each input and the target read once, each gradient written once. A set ratio over everything reads its
//!   inputs twice where there is a gradient, since that needs the finished sums. Partial sums and the one number of a
//!   reduced loss are left out.
//! - The copy reads half of those bytes and writes half. Several kernels that move 16 bytes at a time are
//!   tried on each number of bytes, and the fastest is what a loss is held against.
//! - Loss and copy take turns: loss, copy, loss, copy. A small one is recorded several times in a submission, so that a
//!   submission takes 10 ms, and the figures are for one recording.
//! - Recording is not timed; submitting and waiting are. Where the device was opened with
//!   [`TIMESTAMP_QUERY`](wgpu::Features::TIMESTAMP_QUERY) ([`Adapter::open_with`](crate::gpu::Adapter::open_with)) and is
//!   no software, the time is the device's own.

mod copy;
mod data;
mod timer;

pub use timer::Clock;

use crate::error::Result;
use crate::gpu::Gpu;
use crate::layout::{Layout, TargetLayout};
use crate::loss::{Family, Info, Support, TargetKind};
use crate::tensor::DType;
use copy::Copier;
use data::{LABELS, Tensors};
use std::time::Duration;
use timer::{Instant, Lap, Record, Stopwatch};

/// Where nobody says how many rounds: at least so many, as many as fit into so long, at most so many.
const ROUNDS: usize = 7;
const LONG_ENOUGH: Duration = Duration::from_secs(1);
const ENOUGH: usize = 100;

/// One measurement to make: a loss with default options, mean, without weights.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The loss.
    pub info: &'static Info,
    /// Rows of each input.
    pub rows: usize,
    /// Columns of each input.
    pub cols: usize,
    /// How inputs, gradients and a floating target are stored. Class indices are i32.
    pub dtype: DType,
    /// Whether gradients are computed, or the loss alone.
    pub gradient: bool,
}

impl Case {
    /// `forward` or `forward+backward`.
    pub fn direction(&self) -> &'static str {
        match self.gradient {
            true => "forward+backward",
            false => "forward",
        }
    }

    fn layout(&self) -> Layout {
        Layout {
            dtype: self.dtype,
            gradient: self.gradient,
            target: match self.info.target {
                TargetKind::None => TargetLayout::None,
                TargetKind::Values => TargetLayout::Values(self.dtype),
                TargetKind::Labels | TargetKind::LabelsOrValues => TargetLayout::Labels(LABELS),
                TargetKind::PerRow => TargetLayout::PerRow(self.dtype),
            },
            ..Layout::new([self.rows, self.cols])
        }
    }
}

/// The rows and columns that a loss is measured at where nobody says which: 2²⁴ numbers an input, in several shapes
/// for losses of rows. Fewer shapes where `software` computes, which takes a thousand times as long.
pub fn sizes(info: &Info, software: bool) -> &'static [[usize; 2]] {
    const SQUARE: [usize; 2] = [4096, 4096];
    const FEW: [usize; 2] = [65_536, 10];
    let labels = matches!(info.target, TargetKind::Labels | TargetKind::LabelsOrValues);
    match info.family {
        Family::Elementwise | Family::Sets => &[SQUARE],
        // Numbers that become no probabilities, and no classes either: vectors.
        Family::Rows if info.domain.first() == Some(&Support::Real) && !labels => &[[131_072, 128]],
        Family::Rows if software => &[SQUARE, FEW],
        Family::Rows => &[SQUARE, [512, 32_768], [32, 131_072], FEW],
    }
}

/// What came of a measurement.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub case: Case,
    /// The name of the plan.
    pub plan: &'static str,
    /// The dispatches of one evaluation.
    pub dispatches: usize,
    /// The least bytes that have to move.
    pub bytes: u64,
    /// How often it was measured.
    pub rounds: usize,
    /// The times of the loss.
    pub loss: Times,
    /// The times of a copy.
    pub copy: Times,
    /// The kernel that copied.
    pub copy_kernel: &'static str,
    /// What `ms` is of.
    pub clock: Clock,
    /// Whether the device computes on the CPU, where CPU time is the steady figure.
    pub software: bool,
}

impl Row {
    /// The least time of the loss over the least time of the copy: of CPU time on a software adapter, else of `ms`.
    pub fn ratio(&self) -> f64 {
        match self.software {
            true => self.loss.cpu_ms_min / self.copy.cpu_ms_min,
            false => self.loss.ms_min / self.copy.ms_min,
        }
    }
}

/// Milliseconds of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// The median by [`Row::clock`].
    pub ms_median: f64,
    /// The minimum by [`Row::clock`].
    pub ms_min: f64,
    /// The minimum of the CPU time of this process, all threads together; NaN where the system does not tell.
    pub cpu_ms_min: f64,
}

impl Times {
    fn of(laps: &[Lap]) -> Self {
        let mut ms: Vec<f64> = laps.iter().map(|lap| lap.ms).collect();
        ms.sort_by(f64::total_cmp);
        let middle = ms.len() / 2;
        Times {
            ms_median: match (ms.get(middle.wrapping_sub(1)), ms.get(middle)) {
                (Some(a), Some(b)) if ms.len().is_multiple_of(2) => (a + b) / 2.0,
                (_, Some(b)) => *b,
                _ => f64::NAN,
            },
            ms_min: ms.first().copied().unwrap_or(f64::NAN),
            cpu_ms_min: laps.iter().map(|lap| lap.cpu_ms).fold(f64::NAN, f64::min),
        }
    }
}

/// Measures losses on one device.
#[derive(Debug)]
pub struct Bench {
    gpu: Gpu,
    watch: Stopwatch,
    copier: Copier,
    rounds: Option<usize>,
}

impl Bench {
    /// Gets ready to measure each case in so many rounds; without a number in at least 7, and as many as fit into a second.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device), [`Error::OutOfMemory`](crate::Error::OutOfMemory) and
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) from the device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(gpu: &Gpu, rounds: Option<usize>) -> Result<Self> {
        gpu.block_on(Self::new_async(gpu, rounds))
    }

    /// As `new`, without blocking.
    ///
    /// # Errors
    /// As `new`.
    pub async fn new_async(gpu: &Gpu, rounds: Option<usize>) -> Result<Self> {
        let watch = Stopwatch::new(gpu).await?;
        Ok(Bench {
            copier: Copier::new(gpu).await?,
            gpu: gpu.clone(),
            watch,
            rounds,
        })
    }

    /// Measures a case.
    ///
    /// # Errors
    /// Whatever [`Gpu::plan`] refuses; [`Error::TooLarge`](crate::Error::TooLarge) for a tensor over the device's buffer
    /// size; the device's errors as in [`Bench::new`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measure(&mut self, case: &Case) -> Result<Row> {
        self.gpu.clone().block_on(self.measure_async(case))
    }

    /// As `measure`, without blocking.
    ///
    /// # Errors
    /// As `measure`.
    pub async fn measure_async(&mut self, case: &Case) -> Result<Row> {
        let (gpu, watch) = (&self.gpu, &self.watch);
        let loss = case.info.make();
        let layout = case.layout();
        // First, because a plan of more than a device can hold takes long to make.
        let tensors = Tensors::new(gpu, &*loss, &layout).await?;
        let plan = gpu.plan_async(&*loss, &layout).await?;
        let bound = plan.bind_async(&tensors.io()).await?;
        let bytes = layout.least_bytes(&*loss)?;
        let copy = self.copier.fastest(watch, bytes.div_ceil(2)).await?;
        let ours: Record<'_> = &|encoder| bound.encode(encoder);
        let theirs: Record<'_> = &|encoder| copy.encode(encoder);
        let ours_times = watch.encodes(ours).await?;
        let theirs_times = watch.encodes(theirs).await?;
        // What was not computed is not measured.
        bound.report_async().await?.1.check(&*loss, case.cols)?;
        let (mut ours_laps, mut theirs_laps) = (Vec::new(), Vec::new());
        let start = Instant::now();
        loop {
            ours_laps.push(watch.time(ours_times, ours).await?);
            theirs_laps.push(watch.time(theirs_times, theirs).await?);
            let done = match (self.rounds, ours_laps.len()) {
                (Some(rounds), n) => n >= rounds,
                (None, n) => n >= ENOUGH || (n >= ROUNDS && start.elapsed() >= LONG_ENOUGH),
            };
            if done {
                break;
            }
        }
        Ok(Row {
            case: *case,
            plan: plan.name(),
            dispatches: plan.dispatches(),
            bytes,
            rounds: ours_laps.len(),
            loss: Times::of(&ours_laps),
            copy: Times::of(&theirs_laps),
            copy_kernel: copy.name,
            clock: watch.clock(),
            software: watch.software(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{all, by_name};

    fn bytes(name: &str, dtype: DType, gradient: bool) -> u64 {
        let info = by_name(name).expect("a loss").info();
        let case = Case {
            info,
            rows: 30,
            cols: 7,
            dtype,
            gradient,
        };
        case.layout().least_bytes(&*info.make()).expect("a layout")
    }

    #[test]
    fn the_least_bytes_that_have_to_move() {
        let n = 30 * 7;
        for (name, dtype, forward, both) in [
            ("mse", DType::F32, 8 * n, 12 * n),
            ("l1_penalty", DType::F16, 2 * n, 4 * n),
            ("gaussian_nll", DType::F32, 12 * n, 20 * n),
            ("cross_entropy", DType::F32, 4 * n + 120, 8 * n + 120),
            ("cross_entropy", DType::Bf16, 2 * n + 120, 4 * n + 120),
            ("kl_div_with_logits", DType::F32, 8 * n, 12 * n),
            ("triplet", DType::F32, 12 * n, 24 * n),
            ("contrastive", DType::F32, 8 * n + 120, 16 * n + 120),
            ("contrastive", DType::F16, 4 * n + 60, 8 * n + 60),
            ("dice", DType::F32, 8 * n, 20 * n),
        ] {
            assert_eq!(bytes(name, dtype, false), forward, "{name} {dtype}");
            assert_eq!(bytes(name, dtype, true), both, "{name} {dtype}");
        }
    }

    #[test]
    fn every_loss_has_sizes() {
        let vectors: Vec<_> = all()
            .iter()
            .filter(|info| sizes(info, false) == [[131_072, 128]])
            .map(|info| info.name)
            .collect();
        assert_eq!(
            vectors,
            [
                "cosine_similarity",
                "cosine_embedding",
                "contrastive",
                "triplet"
            ]
        );
        for info in all() {
            let (few, all) = (sizes(info, true), sizes(info, false));
            assert!(!few.is_empty() && few.iter().all(|size| all.contains(size)));
        }
    }

    #[test]
    fn median_and_minimum() {
        let lap = |ms: f64| Lap {
            ms,
            cpu_ms: 10.0 - ms,
            wall: Duration::ZERO,
        };
        let times = Times::of(&[3.0, 1.0, 2.0, 9.0].map(lap));
        assert_eq!(
            (times.ms_median, times.ms_min, times.cpu_ms_min),
            (2.5, 1.0, 1.0)
        );
        assert_eq!(Times::of(&[3.0, 1.0, 2.0].map(lap)).ms_median, 2.0);
    }
}
