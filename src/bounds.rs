//! The precision that WGSL promises, in units that error bounds are made of.
//!
//! Bounds are first-order: `k·U` for `k` roundings. [`slack`] covers what that leaves out.

/// Unit roundoff of f32: the relative error of one correctly rounded operation (`+ − ×`).
pub const U: f64 = 1.0 / 16_777_216.0;

/// The smallest normal f32. Anything below may be flushed to 0, by the input, inside, or on the way out.
pub const TINY: f64 = 1.175_494_350_822_287_5e-38;

/// Relative error of a division: 2.5 ulp, an ulp being at most 2·[`U`].
pub const DIV: f64 = 5.0 * U;

/// Relative error of the built-in `exp` at `x`: 3 + 2|x| ulp.
pub fn exp(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * 2.0 * U
}

/// Second-order terms and subnormals: what is added to every bound.
pub fn slack(bound: f64) -> f64 {
    bound * (1.0 + 1e-3) + TINY
}
