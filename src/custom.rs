//! Losses that a user writes: a WGSL file with `fn loss(x: f32, t: f32) -> f32`.
//!
//! The parameters may have any names and there may be more of them; the target is the last one. The file may hold helper functions,
//! structures, constants and private variables. Its options are `override name: f32 = default;` at module scope (of i32, u32 or bool
//! too); an override whose default is worked out from others is no option of its own, but follows them.
//!
//! - [`parse`] is the front door: what passes it is valid, refers to nothing outside the file, and has the right signature. Everything
//!   else is refused with a line and a column of the user's own text.
//! - [`interpret`] evaluates functions of such a file on the CPU in f64, to hold the GPU's values and derivatives against. It knows no
//!   derivatives.
//! - [`derive`] makes functions that give the derivatives too, and [`emit`] their text, to stand beside a kernel.
#![cfg_attr(
    not(test),
    allow(
        dead_code,
        reason = "nothing outside of the tests asks for custom losses yet"
    )
)]

pub(crate) mod derive;
pub(crate) mod emit;
pub(crate) mod interpret;
pub(crate) mod parse;
#[cfg(test)]
mod random;
