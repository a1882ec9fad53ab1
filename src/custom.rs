//! Losses that their users write, in WGSL.

pub(crate) mod derive;
pub(crate) mod emit;
