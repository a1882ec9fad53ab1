//! The precision that WGSL promises, in units that error bounds are made of.
//!
//! Bounds are first-order: `k·U` for `k` roundings. [`slack`] covers what that leaves out.

/// Unit roundoff of f32: the relative error of one correctly rounded operation (`+ − ×`).
pub const U: f64 = 1.0 / 16_777_216.0;

/// The smallest normal f32. Anything below may be flushed to 0, by the input, inside, or on the way out.
pub const TINY: f64 = 1.175_494_350_822_287_5e-38;

/// Relative error of a division: 2.5 ulp, an ulp being at most 2·[`U`].
pub const DIV: f64 = 5.0 * U;

/// Relative error of the built-in `inverseSqrt`: 2 ulp.
pub const INVERSE_SQRT: f64 = 4.0 * U;

/// Relative error of the built-in `sqrt`, which is 1 over an `inverseSqrt`.
pub const SQRT: f64 = INVERSE_SQRT + DIV;

/// Relative error of the built-ins `log` and `log2` outside of [0.5, 2]: 3 ulp.
pub const LOG: f64 = 6.0 * U;

/// Relative error of the built-ins that unpack normalized integers: 3 ulp.
pub const UNPACK: f64 = 6.0 * U;

/// Absolute error of the built-ins `log` and `log2` in [0.5, 2]: 2⁻²¹.
pub const LOG_NEAR_1: f64 = 1.0 / 2_097_152.0;

/// Absolute error of the built-ins `sin` and `cos` in [-π, π]: 2⁻¹¹.
pub const SIN: f64 = 1.0 / 2048.0;

/// Relative error of the built-ins `atan` and `atan2`: 4096 ulp.
pub const ATAN: f64 = 8192.0 * U;

/// Absolute error that the built-in `asin` may have.
pub const ASIN: f64 = 6.81e-5;

/// Absolute error that the built-in `acos` may have.
pub const ACOS: f64 = 6.77e-5;

/// Absolute error that the built-in `tanh` may have.
pub const TANH: f64 = 1e-5;

/// Relative error of the built-ins `exp` and `exp2` at `x`: 3 + 2|x| ulp.
pub fn exp(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * 2.0 * U
}

/// Second-order terms and subnormals: what is added to every bound.
pub fn slack(bound: f64) -> f64 {
    bound * (1.0 + 1e-3) + TINY
}
