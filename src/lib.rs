//! Loss functions with their gradients, each fused into one pass of a WGSL compute shader on wgpu, and held against an
//! f64 reference.
//!
//! - [`Gpu::loss`] evaluates a loss of host arrays; [`Gpu::plan`] prepares one for buffers on the device, to be
//!   [bound](gpu::Plan::bind) once and [recorded](gpu::Bound::encode) in every step.
//! - [`reference`](mod@reference) is the same on the CPU in f64, as plainly as it can be written.
//! - [`loss`](mod@loss) holds the losses, one struct of options each; [`loss::all`] is the registry.
//! - [`verify`] holds a device against the reference, and `bench`, with the feature of that name, its speed against a copy's.
//! - [`report`] makes tables of metrics, and with the feature `cli` `plot` pictures; [`sweep`] runs a loss along a line to draw it.
//!
//! ```
//! use wgloss::{Batch, Gpu, Huber, reference};
//!
//! # fn main() -> wgloss::Result<()> {
//! let batch = Batch::new([4], &[0.5f32, 2.0, -1.0, 0.0]).target(&[0.0f32; 4]);
//! let huber = Huber { delta: 0.75 };
//! let out = Gpu::new()?.loss(&huber, &batch)?;
//! let same = reference::loss(&huber, &batch)?;
//! assert_eq!(out.grads[0], [0.125, 0.1875, -0.1875, 0.0]);
//! assert_eq!(same.loss, Some(0.453_125));
//! # Ok(()) }
//! ```
//!
//! Features: a backend of wgpu each (`vulkan`, `metal`, `dx12`, `webgpu`; not by default `gles`); `npy`, arrays from `.npy`
//! files; `bench`; and `cli`, the command line, with pictures.

mod batch;
#[cfg(feature = "bench")]
pub mod bench;
pub mod bounds;
pub mod class_weight;
mod combined;
pub mod custom;
mod error;
#[cfg(feature = "npy")]
pub mod files;
pub mod gpu;
mod layout;
pub mod loss;
pub mod metric;
#[cfg(feature = "cli")]
pub mod plot;
pub mod reference;
pub mod report;
pub mod sweep;
mod tensor;
pub mod verify;

#[cfg(test)]
mod device;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use batch::{Batch, ClassWeight, Outcome, Status, Target};
pub use combined::{Combined, CombinedOutcome, CombinedTerm, TermOutcome};
pub use custom::Custom;
pub use error::{Error, Result};
pub use gpu::Gpu;
pub use layout::{
    ClassAxis, Geometry, Layout, Reduction, TargetLayout, UpstreamLayout, WeightLayout,
};
pub use loss::*;
pub use tensor::{DType, LabelType, Labels, Values};
pub use wgpu;

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
