//! Sums without rounding, as kernels leave them: slots of 64 bits in units of 2¹⁶ each.

use num_bigint::BigInt;
use num_traits::ToPrimitive;

/// Slots of a sum of f32 numbers, and of one of products of two, as in `shaders/metric/exact.wgsl`.
pub(crate) const NUMBER_SLOTS: usize = 18;
pub(crate) const PRODUCT_SLOTS: usize = 35;

/// The power of two that sums of numbers count in, and sums of products: the smallest f32 is 2⁻¹⁴⁹.
pub(super) const NUMBER_UNIT: i32 = -149;
pub(super) const PRODUCT_UNIT: i32 = 2 * NUMBER_UNIT;

/// Slots, which are two's complements, as one number.
pub(super) fn whole(slots: &[u64]) -> BigInt {
    let one = |sum: BigInt, slot: &u64| (sum << 16u32) + BigInt::from(*slot as i64);
    slots.iter().rev().fold(BigInt::ZERO, one)
}

/// A number in units of 2^`unit`, rounded once: no sum of f32 or of their products leaves f64.
pub(super) fn value(of: &BigInt, unit: i32) -> f64 {
    of.to_f64().unwrap_or(f64::NAN) * 2f64.powi(unit)
}

/// A sum of numbers.
pub(super) fn sum(slots: &[u64]) -> f64 {
    value(&whole(slots), NUMBER_UNIT)
}
