//! Areas under curves of scores that are known up to the bins they lie in.

use super::ranking::divided;

/// Bounds of the areas under the ROC and the precision-recall curve: the least and the most that they can be.
///
/// They hold for the figures of the scores themselves, ties and all, in exact arithmetic; a reference that rounds may be off them by its
/// own rounding, of some 10⁻¹⁶ for each of its sums. Both ends are in [0, 1], and the first is not above the second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AreaBounds {
    /// The area under the ROC curve; `None` where there is one class only. Its ends are reached, for all that can be known of scores by
    /// their bins, and rounded to f64 outwards.
    pub roc_auc: Option<[f64; 2]>,
    /// Average precision; `None` where there is one class only. Its ends are reached to within 10⁻⁵.
    pub average_precision: Option<[f64; 2]>,
    /// The positive samples.
    pub positives: u64,
    /// The negative samples.
    pub negatives: u64,
}

/// What bounds are made of, as whole numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BinSums {
    /// Pairs of a positive and a negative sample that are in order, and those inside bins.
    pub pairs: u128,
    pub inside: u128,
    /// The least and the most sums of precisions of positive samples, in units of 2⁻³¹.
    pub precisions: [u128; 2],
    pub positives: u64,
    pub negatives: u64,
    /// Whether samples of a bin have one score.
    pub tied: bool,
}

impl BinSums {
    pub fn bounds(self) -> AreaBounds {
        let (p, n) = (u128::from(self.positives), u128::from(self.negatives));
        let all = p * n;
        let both = all > 0;
        let least = self.pairs;
        let most = least.saturating_add(self.inside);
        let roc_auc = match self.tied {
            // Half of what is inside: twice of everything, where that fits.
            true if all < 1 << 126 => [least.saturating_add(most); 2].map(|sum| (sum, 2 * all)),
            true => [
                most - self.inside / 2 - self.inside % 2,
                most - self.inside / 2,
            ]
            .map(|s| (s, all)),
            false => [(least, all), (most, all)],
        };
        let precisions = self.precisions.map(|sum| (sum, p << 31));
        AreaBounds {
            roc_auc: both.then(|| outwards(roc_auc)),
            average_precision: both.then(|| outwards(precisions)),
            positives: self.positives,
            negatives: self.negatives,
        }
    }
}

/// Quotients of which the first is rounded down, the second up.
fn outwards([least, most]: [(u128, u128); 2]) -> [f64; 2] {
    [rounded(least, false), rounded(most, true)]
}

/// `part / whole`, at most 1, as the f64 next to it below or above.
fn rounded((part, whole): (u128, u128), up: bool) -> f64 {
    if part >= whole {
        return 1.0;
    }
    let up = u128::from(up);
    let (part, whole) = match whole < 1 << 127 {
        true => (part, whole),
        // What is cut off, in the same direction.
        false => ((part >> 2) + up, (whole >> 2) + 1 - up),
    };
    let (bits, left) = match part < whole {
        true => divided(part, whole),
        false => return 1.0,
    };
    // The 53 bits that an f64 holds.
    let more = 11u32.saturating_sub(bits.leading_zeros());
    let held = bits >> more;
    let left = left || held << more != bits;
    let held = held + u64::from(up == 1 && left);
    held as f64 * 2f64.powi(more as i32 - 64)
}

#[cfg(test)]
mod tests {
    use super::{BinSums, rounded};

    #[test]
    fn quotients_enclose_what_they_are() {
        let mut inexact = 0;
        // Of 2^59 parts some quotients have all bits there are, more than an f64 holds.
        for whole in [
            1u128,
            3,
            7,
            1 << 40,
            1 << 59,
            (1 << 53) + 1,
            (1 << 90) + 12_345,
        ] {
            for part in [0, 1, 2, whole / 3, whole / 2, whole - 1, whole] {
                let part = part.min(whole);
                let [low, high] = [false, true].map(|up| rounded((part, whole), up));
                let near = part as f64 / whole as f64;
                assert!(low <= near && near <= high, "{part}/{whole}: {low} {high}");
                assert!(high - low <= (near * 2f64.powi(-52)).max(2f64.powi(-64)));
                inexact += u32::from(low < high);
                // By whole numbers, where those fit.
                if whole < 1 << 60 {
                    let units = |v: f64| (v * 2f64.powi(64)) as u128;
                    assert!(units(low) * whole <= part << 64, "{part}/{whole}");
                    assert!(units(high) * whole >= part << 64, "{part}/{whole}");
                }
                // The same beyond 2^127.
                let by = u128::MAX / whole;
                if by > 8 {
                    let [l, h] = [false, true].map(|up| rounded((part * by, whole * by), up));
                    assert!(l <= low.next_up() && high <= h.next_up() && l <= h);
                    assert!((l - near).abs() < 1e-15 && (h - near).abs() < 1e-15);
                }
            }
        }
        assert!(inexact > 10, "{inexact}");
    }

    #[test]
    fn ties_are_half_of_what_is_inside() {
        let sums = |tied, scale: u32| BinSums {
            pairs: 3 << scale,
            inside: 2 << scale,
            precisions: [1 << 31, 2 << 31],
            positives: 4 << (scale / 2),
            negatives: 2 << (scale / 2),
            tied,
        };
        for scale in [0, 120] {
            assert_eq!(sums(true, scale).bounds().roc_auc, Some([0.5; 2]));
            assert_eq!(sums(false, scale).bounds().roc_auc, Some([0.375, 0.625]));
        }
        let none = BinSums {
            negatives: 0,
            ..sums(false, 0)
        };
        assert_eq!(none.bounds().roc_auc, None);
        assert_eq!(none.bounds().average_precision, None);
    }
}
