//! How good probabilities are: log loss, Brier score, calibration.

use super::exact::Tally;
use super::notes::Notes;

/// Equal bins between 0 and 1 of the calibration error.
pub const CALIBRATION_BINS: usize = 15;

/// Log loss clips probabilities this far from 0 and 1: f32's epsilon, as scikit-learn does with f32.
const CLIP: f64 = f32::EPSILON as f64;

/// The bin of a probability: `min(⌊15p⌋, 14)`.
pub(super) fn bin(p: f64) -> usize {
    // f32 times 15 is exact in f64, so that a probability on an edge falls where the formula says.
    ((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1)
}

/// `−log p`, clipped.
pub(super) fn clipped(p: f64) -> f64 {
    -p.clamp(CLIP, 1.0 - CLIP).ln()
}

/// `log(1 + e^x)`.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + e^−x)`, without overflow.
pub(super) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    match x >= 0.0 {
        true => 1.0 / (1.0 + e),
        false => e / (1.0 + e),
    }
}

/// `log Σ e^x`, −inf where there is nothing.
pub(super) fn log_sum_exp(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = x.clone().fold(f64::NEG_INFINITY, f64::max);
    match top.is_infinite() {
        true => top,
        false => top + x.map(|v| (v - top).exp()).sum::<f64>().ln(),
    }
}

/// A bin of the reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CalibrationBin {
    /// Samples in it, or what their weights sum to.
    pub weight: f64,
    /// The sum of their probabilities.
    pub confidence: f64,
    /// Those of them that are what the probability is of.
    pub hits: f64,
}

/// What probabilities add up to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Calibration {
    pub bins: [CalibrationBin; CALIBRATION_BINS],
    pub weight: f64,
    pub log_loss: f64,
    pub square: f64,
}

impl Calibration {
    pub fn new() -> Self {
        Calibration {
            bins: [CalibrationBin::default(); CALIBRATION_BINS],
            weight: 0.0,
            log_loss: 0.0,
            square: 0.0,
        }
    }

    /// Slots of what a device counts: losses without bound; exact sums of the others and of squares; then of each bin its
    /// samples, those that are what the probability is of, and by how much more they are than probabilities say.
    pub const fn slots(tally: Tally) -> usize {
        1 + 2 * tally.sum() + CALIBRATION_BINS * (2 * tally.cell() + tally.sum())
    }

    /// Of so many slots; of another number of them there is nothing.
    pub fn of_slots(tally: Tally, slots: &[u64]) -> Option<Self> {
        if slots.len() != Calibration::slots(tally) {
            return None;
        }
        let (endless, rest) = slots.split_at(1);
        let (losses, rest) = rest.split_at(tally.sum());
        let (squares, rest) = rest.split_at(tally.sum());
        let mut sums = Calibration::new();
        let bins = rest.chunks(2 * tally.cell() + tally.sum());
        for (bin, slots) in sums.bins.iter_mut().zip(bins) {
            let (weight, slots) = slots.split_at(tally.cell());
            let (hits, gap) = slots.split_at(tally.cell());
            let hits = tally.cell_value(hits);
            *bin = CalibrationBin {
                weight: tally.cell_value(weight),
                confidence: hits - tally.sum_value(gap),
                hits,
            };
        }
        sums.weight = sums.bins.iter().map(|b| b.weight).sum();
        sums.log_loss = match endless.iter().any(|n| *n > 0) {
            true => f64::INFINITY,
            false => tally.sum_value(losses),
        };
        sums.square = tally.sum_value(squares);
        Some(sums)
    }

    /// A sample that is what `p` is the probability of, or is not; `miss` is how far p is from that.
    pub fn add(&mut self, p: f64, hit: bool, miss: f64, log_loss: f64, weight: f64) {
        let hit = f64::from(u8::from(hit));
        let b = &mut self.bins[bin(p)];
        b.weight += weight;
        b.confidence += weight * p;
        b.hits += weight * hit;
        self.weight += weight;
        // A loss without a bound times no weight is none.
        if weight != 0.0 {
            self.log_loss += weight * log_loss;
        }
        self.square += weight * miss * miss;
    }

    pub(super) fn log_loss(&self, notes: &mut Notes) -> Option<f64> {
        notes.ratio(
            "log_loss",
            self.log_loss,
            self.weight,
            "no sample has a weight",
        )
    }

    pub(super) fn brier(&self, notes: &mut Notes) -> Option<f64> {
        notes.ratio("brier", self.square, self.weight, "no sample has a weight")
    }

    /// `Σ_bins |Σ (hit − p)| / n`.
    pub(super) fn ece(&self, notes: &mut Notes) -> Option<f64> {
        let gaps = self.bins.iter().map(|b| (b.hits - b.confidence).abs());
        notes.ratio("ece", gaps.sum(), self.weight, "no sample has a weight")
    }
}
