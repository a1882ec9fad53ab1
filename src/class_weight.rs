//! Class weights that balance classes: what labels say of them.

use crate::error::{Error, Result};
use crate::tensor::Labels;

/// `n / (present·n_c)` for every class: the labels that count, over the number of classes that occur times the labels of
/// the class; 0 for a class that does not occur. Labels equal to `ignore_index` or out of range do not count.
/// As scikit-learn's `compute_class_weight("balanced")` where every class occurs.
///
/// # Errors
/// [`Error::TooLarge`] for 2³² labels or classes and more.
pub fn balanced(
    labels: &Labels<'_>,
    classes: usize,
    ignore_index: Option<i64>,
) -> Result<Vec<f64>> {
    let limit = u64::from(u32::MAX) - 1;
    for (what, found) in [("labels", labels.len()), ("classes", classes)] {
        if found as u64 > limit {
            return Err(Error::TooLarge {
                what: what.into(),
                limit,
                found: found as u64,
            });
        }
    }
    let mut counts = vec![0u64; classes];
    for label in (0..labels.len()).filter_map(|i| labels.get(i)) {
        let class = usize::try_from(label)
            .ok()
            .filter(|_| Some(label) != ignore_index);
        if let Some(count) = class.and_then(|c| counts.get_mut(c)) {
            *count += 1;
        }
    }
    let n: u64 = counts.iter().sum();
    let present = counts.iter().filter(|&&c| c > 0).count() as u64;
    let weight = |&count: &u64| match count {
        0 => 0.0,
        // Both numbers are whole and below 2^64; where the divisor is beyond 2^53 its rounding is 2^-53.
        _ => n as f64 / (present * count) as f64,
    };
    Ok(counts.iter().map(weight).collect())
}
