//! What the training examples share: a small network trainer on wgpu, the digits, random numbers.
//!
//! Everything that a training step needs is bound before the first step: [`network`] turns layers into lists of dispatches, and
//! a step records them around the loss, [`train::Trainer`] into one compute pass and one submission.

#![allow(dead_code, reason = "each example uses a part of it")]

pub mod digits;
pub mod gpu;
pub mod network;
pub mod random;
pub mod train;

/// The errors of the library, of files and of threads end up in `main`, which prints them.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
