#![doc = include_str!("../README.md")]

mod cube;
mod gpu;
#[cfg(feature = "train")]
mod metric;
mod module;
#[doc(hidden)]
pub mod ops;
mod scale;
mod task;

pub use gpu::SharedGpu;
#[cfg(feature = "train")]
pub use metric::{Asked, FigureMetric, MetricInput, Seen};
pub use module::{Batch, LossModule, Target};
pub use wgloss;
pub use wgloss::wgpu;
