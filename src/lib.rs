//! Losses with their gradients on any GPU.

mod batch;
pub mod bounds;
mod error;
pub mod gpu;
mod layout;
pub mod loss;
pub mod reference;
mod tensor;
pub mod verify;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;

pub use batch::{Batch, Outcome, Status, Target};
pub use error::{Error, Result};
pub use gpu::Gpu;
pub use layout::{ClassAxis, Geometry, Layout, Reduction, TargetLayout, WeightLayout};
pub use loss::*;
pub use tensor::{DType, LabelType, Labels, Values};
pub use wgpu;
