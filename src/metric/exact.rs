//! Sums without rounding, as kernels leave them: slots of 64 bits in units of 2¹⁶ each.

use num_bigint::BigInt;
use num_traits::ToPrimitive;

/// Slots of a sum of f32 numbers, and of one of products of two, as in `shaders/metric/exact.wgsl`.
const NUMBER_SLOTS: usize = 19;
const PRODUCT_SLOTS: usize = 35;

/// The power of two that sums of numbers count in, and sums of products: the smallest f32 is 2⁻¹⁴⁹.
pub(super) const NUMBER_UNIT: i32 = -149;
pub(super) const PRODUCT_UNIT: i32 = 2 * NUMBER_UNIT;

/// What samples count: each as one, or by its weight, an f32. What is counted so is laid out alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    Count,
    Weight,
}

impl Tally {
    /// Of weights that are there or not.
    pub fn of<T>(weights: Option<T>) -> Tally {
        match weights {
            None => Tally::Count,
            Some(_) => Tally::Weight,
        }
    }

    /// Slots of what is counted.
    pub const fn cell(self) -> usize {
        match self {
            Tally::Count => 1,
            Tally::Weight => NUMBER_SLOTS,
        }
    }

    /// Slots of a sum of numbers.
    pub const fn sum(self) -> usize {
        match self {
            Tally::Count => NUMBER_SLOTS,
            Tally::Weight => PRODUCT_SLOTS,
        }
    }

    /// Slots of a sum of products.
    pub const fn products(self) -> usize {
        match self {
            Tally::Count => PRODUCT_SLOTS,
            Tally::Weight => 53,
        }
    }

    /// Slots of the sum of relative errors.
    pub const fn shares(self) -> usize {
        match self {
            Tally::Count => 24,
            Tally::Weight => 42,
        }
    }

    /// The power of two that cells count in, and by which all sums count in smaller units.
    pub const fn unit(self) -> i32 {
        match self {
            Tally::Count => 0,
            Tally::Weight => NUMBER_UNIT,
        }
    }

    /// What a cell holds.
    pub fn cell_value(self, slots: &[u64]) -> f64 {
        value(&whole(slots), self.unit())
    }

    /// What a sum of numbers comes to.
    pub fn sum_value(self, slots: &[u64]) -> f64 {
        value(&whole(slots), NUMBER_UNIT + self.unit())
    }

    /// The values of so many cells.
    pub fn cells(self, slots: &[u64]) -> Vec<f64> {
        slots
            .chunks(self.cell())
            .map(|c| self.cell_value(c))
            .collect()
    }
}

/// Slots, which are two's complements, as one number.
pub(super) fn whole(slots: &[u64]) -> BigInt {
    let one = |sum: BigInt, slot: &u64| (sum << 16u32) + BigInt::from(*slot as i64);
    slots.iter().rev().fold(BigInt::ZERO, one)
}

/// A number in units of 2^`unit`, rounded once: no sum of f32, or of products of two or three of them, leaves f64.
pub(super) fn value(of: &BigInt, unit: i32) -> f64 {
    of.to_f64().unwrap_or(f64::NAN) * 2f64.powi(unit)
}

/// Two numbers in f64 whose quotient is theirs. Products of sums of products may leave f64: each is shifted until it fits, and what
/// was shifted less takes the difference.
pub(super) fn parts(a: &BigInt, b: &BigInt) -> (f64, f64) {
    let by = |v: &BigInt| v.bits().saturating_sub(900);
    let part =
        |v: &BigInt, less: u64| value(&(v >> by(v)), -i32::try_from(less).unwrap_or(i32::MAX));
    let (down_a, down_b) = (by(a), by(b));
    let of = |own: u64, other: u64| other.saturating_sub(own);
    (part(a, of(down_a, down_b)), part(b, of(down_b, down_a)))
}

#[cfg(test)]
mod tests {
    use super::parts;
    use num_bigint::BigInt;

    #[test]
    fn parts_have_the_quotient_of_what_leaves_f64() {
        let two = |by: u32| BigInt::from(1) << by;
        for (a, b) in [
            (3000u32, 2999u32),
            (1500, 1400),
            (880, 930),
            (1600, 800),
            (4, 2),
        ] {
            let (x, y) = parts(&(two(a) * 3), &-two(b));
            let wanted = -3.0 * 2f64.powi(a as i32 - b as i32);
            assert!(x.is_finite() && y.is_finite(), "{a}, {b}: {x}, {y}");
            assert_eq!(x / y, wanted, "{a}, {b}");
        }
    }
}
