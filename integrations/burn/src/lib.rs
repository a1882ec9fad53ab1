//! wgloss for burn: losses as modules in burn's graph and metrics for burn's trainer, on burn's own wgpu device, queue and buffers. Nothing is
//! copied, and nothing is waited for.
//!
//! - [`SharedGpu`]: burn's device, given to wgloss.
//! - [`LossModule`]: any loss of wgloss's, custom ones too, with its gradient.
//! - [`Seen`] (with the feature `train`): figures of an epoch, read once when it is over.
//!
//! Tensors keep their place in burn's memory: a loss is evaluated where its logits lie, and its gradient is written where burn wants it. burn's
//! work before it is submitted first, and then wgloss's, to the same queue.

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
