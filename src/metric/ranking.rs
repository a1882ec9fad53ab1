//! Figures of an order of scores: curves, areas under them, operating points. Everything is made of one list, the distinct
//! scores from the highest on with what they hold of each class, so that ties count as one step.

use super::notes::Notes;

/// The samples of one score: how many, or what their weights sum to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub score: f64,
    pub positive: f64,
    pub negative: f64,
}

/// Distinct scores from the highest to the lowest.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    steps: Vec<Step>,
    /// All positive and negative samples, summed from the highest score on, as the last step has them.
    positives: f64,
    negatives: f64,
}

/// The receiver operating characteristic, as scikit-learn's `roc_curve(drop_intermediate=False)` gives it: from the
/// threshold +inf, which nothing reaches, through every distinct score downwards.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RocCurve {
    /// `fp / negatives`; NaN where there are none.
    pub fpr: Vec<f64>,
    /// `tp / positives`; NaN where there are none.
    pub tpr: Vec<f64>,
    /// The scores; the first is +inf.
    pub thresholds: Vec<f64>,
}

/// Precision against recall, as scikit-learn's `precision_recall_curve` gives it: every distinct score upwards, then the
/// point with precision 1 and recall 0, which has no threshold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrecisionRecallCurve {
    /// `tp / (tp + fp)`.
    pub precision: Vec<f64>,
    /// `tp / positives`; 1 where there are none.
    pub recall: Vec<f64>,
    /// The scores.
    pub thresholds: Vec<f64>,
}

/// A threshold and what comes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    /// Samples of this score and higher ones are taken for positive.
    pub threshold: f64,
    /// Their share that is.
    pub precision: f64,
    /// The share of the positive ones among them.
    pub recall: f64,
    /// The harmonic mean of the two.
    pub f1: f64,
}

/// What is asked of operating points, and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OperatingPoints {
    /// The highest F1.
    pub max_f1: Option<OperatingPoint>,
    /// The highest threshold with enough recall.
    pub recall_at: Option<OperatingPoint>,
    /// The most recall with enough precision.
    pub precision_at: Option<OperatingPoint>,
}

/// What is at a threshold and above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub threshold: f64,
    pub tp: u64,
    pub fp: u64,
}

/// The points that are operating points, as a device finds them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Points {
    pub max_f1: Option<Point>,
    pub recall_at: Option<Point>,
    pub precision_at: Option<Point>,
    /// The positive samples, as points count them.
    pub positives: u64,
}

impl OperatingPoint {
    fn new(threshold: f64, tp: f64, fp: f64, positives: f64) -> Self {
        OperatingPoint {
            threshold,
            precision: tp / (tp + fp),
            recall: tp / positives,
            f1: 2.0 * tp / (tp + fp + positives),
        }
    }
}

impl OperatingPoints {
    /// Of points that were found.
    pub(crate) fn of(points: &Points) -> Self {
        let positives = points.positives as f64;
        let of = |p: Option<Point>| {
            p.map(|p| OperatingPoint::new(p.threshold, p.tp as f64, p.fp as f64, positives))
        };
        OperatingPoints {
            max_f1: of(points.max_f1),
            recall_at: of(points.recall_at),
            precision_at: of(points.precision_at),
        }
    }

    /// Says of each that is not there why.
    pub(super) fn noted(self, any_positive: bool, notes: &mut Notes) -> Self {
        let all = [
            (
                "max_f1",
                self.max_f1,
                "positive samples weigh nothing beside negative ones",
            ),
            ("recall_at", self.recall_at, "no threshold has that recall"),
            (
                "precision_at",
                self.precision_at,
                "no threshold has that precision",
            ),
        ];
        for (name, point, why) in all {
            if point.is_none() {
                let why = if any_positive {
                    why
                } else {
                    "no positive sample"
                };
                notes.none::<()>(format!("operating_points.{name}"), why);
            }
        }
        self
    }
}

/// Why there are no figures of an order.
const NO_SCORES: &str = "labels have no order";
const NOT_KEPT: &str = "no scores were kept";
const ONE_CLASS: &str = "one class only";

/// What is known of the order of scores.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Order {
    /// There are none.
    None,
    /// There were some, and nobody kept them.
    Unkept,
    /// All of it.
    Ranking(Ranking),
    /// What follows of it, as a device works it out.
    Areas(Areas, OperatingPoints),
}

impl Order {
    pub(super) fn roc_auc(&self, figure: &str, notes: &mut Notes) -> Option<f64> {
        match self {
            Order::None => notes.none(figure, NO_SCORES),
            Order::Unkept => notes.none(figure, NOT_KEPT),
            Order::Ranking(r) => r.roc_auc(figure, notes),
            Order::Areas(a, _) => a.roc_auc().or_else(|| notes.none(figure, ONE_CLASS)),
        }
    }

    pub(super) fn average_precision(&self, figure: &str, notes: &mut Notes) -> Option<f64> {
        match self {
            Order::None => notes.none(figure, NO_SCORES),
            Order::Unkept => notes.none(figure, NOT_KEPT),
            Order::Ranking(r) => r
                .average_precision()
                .or_else(|| notes.none(figure, ONE_CLASS)),
            Order::Areas(a, _) => a
                .average_precision()
                .or_else(|| notes.none(figure, ONE_CLASS)),
        }
    }

    pub(super) fn operating_points(
        &self,
        recall: f64,
        precision: f64,
        notes: &mut Notes,
    ) -> OperatingPoints {
        match self {
            Order::None | Order::Unkept => {
                let why = Order::why_not(std::slice::from_ref(self), NO_SCORES);
                for name in ["max_f1", "recall_at", "precision_at"] {
                    notes.none::<()>(format!("operating_points.{name}"), why);
                }
                OperatingPoints::default()
            }
            Order::Ranking(r) => r.operating_points(recall, precision, notes),
            Order::Areas(areas, points) => points.noted(areas.positives > 0, notes),
        }
    }

    /// Why averages of what there is none of have no value.
    pub(super) fn why_not(of: &[Order], otherwise: &'static str) -> &'static str {
        match of.first() {
            None | Some(Order::None) => NO_SCORES,
            Some(Order::Unkept) => NOT_KEPT,
            Some(Order::Ranking(_) | Order::Areas(..)) => otherwise,
        }
    }

    pub(super) fn ranking(self) -> Option<Ranking> {
        match self {
            Order::Ranking(ranking) => Some(ranking),
            Order::None | Order::Unkept | Order::Areas(..) => None,
        }
    }
}

/// −0 as +0: they are the same score, though their bits differ.
fn plain(score: f64) -> f64 {
    score + 0.0
}

impl Ranking {
    /// Of samples `(score, positive, weight)`, none of whose scores is a NaN. Those of weight 0 count for nothing, and
    /// make no step.
    pub(super) fn new(samples: impl Iterator<Item = (f64, bool, f64)>) -> Ranking {
        let mut all: Vec<_> = samples.filter(|s| s.2 != 0.0).collect();
        // By bits: a device that flushes subnormals would take them for 0. Weights of equal scores are added in one order
        // whatever order the samples came in.
        let key = |s: &(f64, bool, f64)| (plain(s.0), s.1, s.2);
        all.sort_unstable_by(|a, b| {
            let (a, b) = (key(a), key(b));
            let ties = || a.1.cmp(&b.1).then(a.2.total_cmp(&b.2));
            b.0.total_cmp(&a.0).then_with(ties)
        });
        let mut steps: Vec<Step> = Vec::new();
        for (score, positive, weight) in all {
            let score = plain(score);
            match steps.last_mut() {
                Some(last) if last.score == score => {}
                _ => steps.push(Step {
                    score,
                    positive: 0.0,
                    negative: 0.0,
                }),
            }
            if let Some(last) = steps.last_mut() {
                match positive {
                    true => last.positive += weight,
                    false => last.negative += weight,
                }
            }
        }
        let mut ranking = Ranking {
            steps,
            positives: 0.0,
            negatives: 0.0,
        };
        if let Some((_, tp, fp)) = ranking.points().last() {
            (ranking.positives, ranking.negatives) = (tp, fp);
        }
        ranking
    }

    /// Each score with what is at it and above: true and false positives.
    fn points(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.steps.iter().scan((0.0, 0.0), |(tp, fp), step| {
            *tp += step.positive;
            *fp += step.negative;
            Some((step.score, *tp, *fp))
        })
    }

    /// The area under the ROC curve: the share of pairs of a positive and a negative sample in which the positive one has
    /// the higher score, ties counting half.
    pub(super) fn roc_auc(&self, figure: &str, notes: &mut Notes) -> Option<f64> {
        // Twice the area in units of pairs; of counts a whole number, exact up to 2^53.
        let mut before = 0.0;
        let mut area = 0.0;
        for step in &self.steps {
            area += step.negative * (2.0 * before + step.positive);
            before += step.positive;
        }
        let pairs = self.positives * self.negatives;
        notes.ratio(figure, 0.5 * area, pairs, "one class only")
    }

    /// The share of pairs of a positive and a negative sample whose order is open where each score may be off by its `tolerance`: an
    /// area under the ROC curve may be off by as much. A pair of one score counts half of itself already, and so here. The tolerance must not
    /// grow faster than the score.
    pub(crate) fn open_pairs(&self, tolerance: impl Fn(f64) -> f64) -> f64 {
        let reach = |score: f64| match score.is_finite() {
            true => (score - tolerance(score), score + tolerance(score)),
            false => (score, score),
        };
        // Scores fall, and both ends of their reach with them: what is near to a step is a window that only moves down.
        let (mut first, mut end, mut near, mut pairs) = (0, 0, 0.0, 0.0);
        for step in &self.steps {
            let (low, high) = reach(step.score);
            while let Some(next) = self.steps.get(end)
                && reach(next.score).1 >= low
            {
                near += next.negative;
                end += 1;
            }
            while let Some(last) = self.steps.get(first)
                && reach(last.score).0 > high
            {
                near -= last.negative;
                first += 1;
            }
            // Sums of weights that were taken off again may leave a rounding.
            pairs += step.positive * (near - 0.5 * step.negative).max(0.0);
        }
        match self.positives * self.negatives {
            all if all > 0.0 => pairs / all,
            _ => 0.0,
        }
    }

    /// Average precision: `Σ (R_i − R_{i−1})·P_i` over the thresholds downwards, a sum of steps and no trapezoids.
    /// `None` where there is one class only.
    pub fn average_precision(&self) -> Option<f64> {
        if self.positives == 0.0 || self.negatives == 0.0 {
            return None;
        }
        let steps = self.points().zip(&self.steps);
        let sum: f64 = steps
            .map(|((_, tp, fp), step)| step.positive * (tp / (tp + fp)))
            .sum();
        Some(sum / self.positives)
    }

    /// The false positive rate at an operating point of this order.
    pub fn false_positive_rate(&self, point: &OperatingPoint) -> f64 {
        let at = self.points().find(|p| p.0 == point.threshold);
        at.map_or(f64::NAN, |(_, _, fp)| fp / self.negatives)
    }

    /// The share of positive samples.
    pub fn prevalence(&self) -> f64 {
        self.positives / (self.positives + self.negatives)
    }

    /// The ROC curve.
    pub fn roc_curve(&self) -> RocCurve {
        let mut curve = RocCurve {
            fpr: vec![0.0 / self.negatives],
            tpr: vec![0.0 / self.positives],
            thresholds: vec![f64::INFINITY],
        };
        for (score, tp, fp) in self.points() {
            curve.fpr.push(fp / self.negatives);
            curve.tpr.push(tp / self.positives);
            curve.thresholds.push(score);
        }
        curve
    }

    /// The precision-recall curve.
    pub fn precision_recall_curve(&self) -> PrecisionRecallCurve {
        let mut curve = PrecisionRecallCurve::default();
        for (score, tp, fp) in self.points() {
            curve.precision.push(tp / (tp + fp));
            curve.recall.push(match self.positives == 0.0 {
                true => 1.0,
                false => tp / self.positives,
            });
            curve.thresholds.push(score);
        }
        curve.precision.reverse();
        curve.recall.reverse();
        curve.thresholds.reverse();
        curve.precision.push(1.0);
        curve.recall.push(0.0);
        curve
    }

    /// The points of highest F1, of at least `recall`, and of at least `precision`; of equal ones the highest threshold.
    pub(super) fn operating_points(
        &self,
        recall: f64,
        precision: f64,
        notes: &mut Notes,
    ) -> OperatingPoints {
        if self.positives == 0.0 {
            return OperatingPoints::default().noted(false, notes);
        }
        let mut found = OperatingPoints::default();
        for (threshold, tp, fp) in self.points() {
            let here = OperatingPoint::new(threshold, tp, fp, self.positives);
            let better = |best: Option<OperatingPoint>, by: fn(&OperatingPoint) -> f64| {
                best.is_none_or(|best| by(&here) > by(&best))
            };
            if better(found.max_f1, |p| p.f1) {
                found.max_f1 = Some(here);
            }
            if found.recall_at.is_none() && here.recall >= recall {
                found.recall_at = Some(here);
            }
            if here.precision >= precision && better(found.precision_at, |p| p.recall) {
                found.precision_at = Some(here);
            }
        }
        // With precision 0 asked for, a point without a hit would do; it is the best only where nothing is found at all.
        found.noted(true, notes)
    }
}

/// The areas under both curves as whole numbers, which add up in any order to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    /// Twice the pairs of a positive and a negative sample of which the positive one has the higher score, and the pairs
    /// with equal ones.
    pub twice_pairs: u128,
    /// The sum over positive samples of the precision at their score, in units of 2⁻⁶⁰.
    pub precisions: u128,
    /// The positive samples.
    pub positives: u64,
    /// The negative samples.
    pub negatives: u64,
}

impl Areas {
    /// The area under the ROC curve, rounded once; `None` where there is one class only.
    pub fn roc_auc(&self) -> Option<f64> {
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        // Halves of a pair do not fit where there are 2^127 of them; 2^-127 of the area is nothing.
        let (part, whole) = match pairs.checked_mul(2).filter(|w| *w < 1 << 127) {
            Some(whole) => (self.twice_pairs, whole),
            None => (self.twice_pairs >> 2, pairs >> 1),
        };
        (pairs > 0).then(|| quotient(part, whole))
    }

    /// Average precision, to 2⁻²¹ of itself: each precision is a quotient in f32 of counts as f32, 8 units of 2⁻²⁴. `None` where there is one class only.
    pub fn average_precision(&self) -> Option<f64> {
        let both = self.positives > 0 && self.negatives > 0;
        both.then(|| self.precisions as f64 / 2f64.powi(60) / self.positives as f64)
    }
}

/// `part / whole` below 1, in units of 2^-64, and whether something is left; `whole` below 2^127.
pub(super) fn divided(part: u128, whole: u128) -> (u64, bool) {
    let (mut rest, mut bits) = (part, 0u64);
    for _ in 0..64 {
        rest <<= 1;
        bits <<= 1;
        if rest >= whole {
            rest -= whole;
            bits |= 1;
        }
    }
    (bits, rest > 0)
}

/// `part / whole`, at most 1, to the nearest f64; `whole` below 2^127.
fn quotient(part: u128, whole: u128) -> f64 {
    if part >= whole {
        return 1.0;
    }
    let (bits, left) = divided(part, whole);
    // What is left decides between two numbers only where it is there at all.
    (bits | u64::from(left)) as f64 / 2f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::{Ranking, quotient};

    #[test]
    fn open_pairs_are_those_within_reach_of_each_other() {
        // Sixteenths from -2 on, so that there are ties, and both infinities; weights in quarters.
        let mut state = 7u64;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let samples: Vec<(f64, bool, f64)> = (0..300)
            .map(|_| {
                let score = match draw(20) {
                    0 => f64::INFINITY,
                    1 => f64::NEG_INFINITY,
                    _ => draw(64) as f64 / 16.0 - 2.0,
                };
                (score, draw(2) == 0, 0.25 * (1 + draw(8)) as f64)
            })
            .collect();
        let ranking = Ranking::new(samples.iter().copied());
        for (constant, slope) in [(0.0, 0.0), (0.05, 0.0), (0.01, 0.125), (10.0, 0.0)] {
            let tolerance = |s: f64| constant + slope * s.abs();
            let (mut open, mut all) = (0.0, 0.0);
            for (a, _, wa) in samples.iter().filter(|s| s.1) {
                for (b, _, wb) in samples.iter().filter(|s| !s.1) {
                    all += wa * wb;
                    let near = a.is_finite()
                        && b.is_finite()
                        && (a - b).abs() <= tolerance(*a) + tolerance(*b);
                    open += match (a == b, near) {
                        (true, _) => 0.5 * wa * wb,
                        (_, true) => wa * wb,
                        _ => 0.0,
                    };
                }
            }
            let found = ranking.open_pairs(tolerance);
            assert!(
                (found - open / all).abs() < 1e-12,
                "{constant} {slope}: {found}, not {}",
                open / all
            );
        }
    }

    #[test]
    fn quotients_are_rounded_once() {
        for (a, b) in [
            (0, 7),
            (7, 8),
            (1, 3),
            (2, 3),
            (6_999_999_999_999, 7_000_000_000_003),
        ] {
            assert_eq!(quotient(a, b), a as f64 / b as f64);
            let k = 0x1234_5678_9abc_def1_u128 << 16;
            assert_eq!(quotient(a * k, b * k), a as f64 / b as f64);
        }
        assert_eq!(quotient(1 << 126, 1 << 126), 1.0);
    }
}
