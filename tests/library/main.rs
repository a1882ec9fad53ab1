//! The library on this machine's device: one program, so that the tests share its compiled kernels.

mod bad_input;
mod binary;
mod bounds;
mod carried;
mod classes;
mod combined;
mod confusion;
mod custom;
mod determinism;
mod embedding;
mod extremes;
mod faults;
mod figure_laws;
mod functions;
mod golden;
mod gradients;
mod large;
mod laws;
mod lost;
#[cfg(target_os = "linux")]
mod memory;
mod micro_batches;
mod properties;
mod ranked;
mod regression;
mod row_outputs;
mod scores;
mod stated;
mod storage;
mod stream;
mod support;
mod threads;
mod verify;
mod weighted;
mod wrong_calls;
