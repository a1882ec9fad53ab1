//! The numbers of the cases: seeded, from the domain of the loss, or from the edges of f32.

use super::cases::{CORNER_COLS, Case, Goal, Weights};
use crate::batch::{Batch, ClassWeight, Target};
use crate::custom::evaluated;
use crate::error::Result;
use crate::layout::{ClassAxis, Geometry};
use crate::loss::{
    Element, Family, Info, Loss, MOST_INPUTS, Math, OptionValue, Row, RowTarget, Support,
    TargetKind,
};
use crate::tensor::{DType, LabelType, Labels, Values};

/// Seeded numbers, the same on every machine: SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..n; 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// A number that belongs to `support`, now and then one of its ends.
    pub fn number(&mut self, support: Support) -> f32 {
        let rare = self.below(32) == 0;
        let v = match support {
            Support::Real | Support::Logit if rare => {
                [0.0, -0.0, 1.0, -1.0, 0.5, 30.0][self.below(6)]
            }
            Support::Real | Support::Logit => 4.0 * (self.unit() + self.unit() + self.unit() - 1.5),
            Support::NonNegative if rare => 0.0,
            Support::NonNegative => 6.0 * self.unit() * self.unit(),
            Support::Sign => [-1.0, 1.0][self.below(2)],
            Support::Probability if rare => [0.0, 1.0][self.below(2)],
            Support::Probability => self.unit(),
            Support::LogProbability if rare => 0.0,
            Support::LogProbability => -5.0 * self.unit(),
        };
        v as f32
    }
}

/// Numbers at the edges of f32, for which arithmetic goes wrong first.
pub const EXTREMES: [f32; 20] = [
    0.0,
    -0.0,
    1e-45,
    -1e-45,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    1e-30,
    -1e-30,
    0.5,
    1.0,
    -1.0,
    88.0,
    -88.0,
    104.0,
    -104.0,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

impl Support {
    /// The [`EXTREMES`], and those of `dtype` itself, that belong to it, and those that are not finite.
    pub fn extremes(self, dtype: DType) -> Vec<f32> {
        // The smallest number, the smallest that is normal, and the largest.
        let own = match dtype {
            DType::F32 => [].as_slice(),
            DType::F16 => &[5.960_464_5e-8, 6.103_515_6e-5, 65504.0],
            // Normal numbers begin where those of f32 do.
            DType::Bf16 => &[9.183_55e-41, 3.389_531_4e38],
        };
        let belongs = |v: &f32| match self {
            Support::Real | Support::Logit => true,
            Support::NonNegative => *v >= 0.0,
            Support::Sign => v.abs() <= 1.0 && v.fract() == 0.0,
            Support::Probability => (0.0..=1.0).contains(v),
            Support::LogProbability => *v <= 0.0,
        };
        let own = own.iter().flat_map(|v| [*v, -v]);
        EXTREMES
            .into_iter()
            .chain(own)
            .filter(|v| !v.is_finite() || belongs(v))
            .collect()
    }
}

/// Weights that take nothing below an edge: of 1 and more.
fn ordinary(n: usize) -> Vec<f32> {
    (0..n).map(|i| 1.0 + (i % 5) as f32 / 3.0).collect()
}

fn subnormal(v: &f32) -> bool {
    *v != 0.0 && v.abs() < f32::MIN_POSITIVE
}

/// Whether an infinity meets what may be taken for 0.
fn flushed(numbers: &[f32]) -> bool {
    numbers.iter().any(subnormal) && numbers.iter().any(|v| v.is_infinite())
}

/// The element that numbers are: the inputs, and then the target.
fn element(inputs: usize, numbers: &[f32]) -> Element {
    let mut x = [0.0; MOST_INPUTS];
    for (x, &v) in x.iter_mut().zip(numbers.iter().take(inputs)) {
        *x = f64::from(v);
    }
    let t = numbers.get(inputs).map_or(0.0, |&t| f64::from(t));
    Element { x, t, column: 0 }
}

/// Kinds of numbers that a custom loss may be defined for.
pub(super) const SUPPORTS: [Support; 5] = [
    Support::Real,
    Support::Probability,
    Support::NonNegative,
    Support::Sign,
    Support::LogProbability,
];

/// Whether loss and gradients of a row are finite, and whatever f32 arithmetic may make of them.
pub(super) fn definite_row(
    math: &Math<'_>,
    inputs: &[Vec<f32>],
    label: Option<i64>,
    values: Option<&[f32]>,
) -> bool {
    let Math::Rows(math) = math else {
        return true;
    };
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let inputs: Vec<_> = inputs.iter().map(|x| wide(x)).collect();
    let x: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let values = values.map(wide);
    let target = match (&values, label) {
        (Some(values), _) => RowTarget::Values(values),
        (None, Some(label)) => RowTarget::Class(usize::try_from(label).unwrap_or(0)),
        (None, None) => RowTarget::None,
    };
    let row = Row {
        x: &x,
        target,
        class_weight: None,
        weight: None,
        unweighted: 1.0,
        // More than any row of a case has.
        merges: 256.0,
    };
    let (term, bound) = (math.row(&row), math.bound(&row));
    let fits = |(v, bound): (&f64, &f64)| v.abs() + bound < DType::F32.overflow();
    let mut grads = term
        .grads
        .iter()
        .flatten()
        .zip(bound.grads.iter().flatten());
    fits((&term.loss, &bound.loss)) && grads.all(fits)
}

/// Whether loss and derivatives of an element are finite, and whatever f32 arithmetic may make of them.
pub(super) fn definite(math: &Math<'_>, inputs: usize, numbers: &[f32]) -> bool {
    let Math::Elementwise(math) = math else {
        return true;
    };
    let e = element(inputs, numbers);
    let (term, bound) = (math.term(&e), math.bound(&e));
    let fits = |v: f64, bound: f64| v.abs() + bound < DType::F32.overflow();
    let mut grads = term.grad.iter().zip(&bound.grad);
    fits(term.loss, bound.loss) && grads.all(|(v, b)| fits(*v, *b))
}

impl Case {
    /// The numbers of this case for `loss`.
    ///
    /// # Errors
    /// What of a custom loss cannot be evaluated.
    pub(super) fn batch(&self, info: &Info, loss: &dyn Loss, seed: u64) -> Result<Batch<'static>> {
        evaluated(loss, |math| match self.extreme {
            true => self.extreme_batch(info, loss, math, seed),
            false => self.random_batch(info, loss, math, seed),
        })
    }

    fn random_batch(
        &self,
        info: &Info,
        loss: &dyn Loss,
        math: &Math<'_>,
        seed: u64,
    ) -> Batch<'static> {
        let mut random = Random::new(seed);
        let elements: usize = self.shape.iter().product();
        let cols = match (self.axis, self.shape.as_slice()) {
            (ClassAxis::One, [_, c, ..]) | (ClassAxis::Last, [_, .., c]) => *c,
            _ => 1,
        };
        let rows = elements.checked_div(cols).unwrap_or(0);
        let mut numbers = |support: Support, n: usize| -> Vec<f32> {
            (0..n).map(|_| random.number(support)).collect()
        };
        let inputs = info.inputs.len();
        let mut columns: Vec<Vec<f32>> =
            info.domain.iter().map(|&s| numbers(s, elements)).collect();
        let mut weights = |n: usize| -> Vec<f32> {
            numbers(Support::NonNegative, n)
                .into_iter()
                .map(|v| v / 3.0)
                .collect()
        };
        let weight = match self.weights {
            Weights::None => None,
            Weights::Element => Some(weights(elements)),
            Weights::Row => Some(weights(rows)),
        };
        let class_weight = self.class_weight.then(|| weights(cols));
        let mut random = Random::new(seed ^ 1);
        let custom = info.is_custom().then_some(info.family);
        if custom == Some(Family::Elementwise) {
            self.make_definite(math, inputs, &mut columns, &mut random);
        }
        let target = match self.goal {
            Goal::None => None,
            Goal::Values => {
                let mut target = columns.split_off(inputs).pop().unwrap_or_default();
                if info.target == TargetKind::PerRow {
                    target.truncate(rows);
                }
                // Now and then the target is the input: the kink of many losses.
                for (t, x) in target.iter_mut().zip(&columns[0]) {
                    if random.below(16) == 0
                        && info.domain[0] == info.domain[inputs]
                        && !info.is_custom()
                    {
                        *t = *x;
                    }
                }
                Some(Target::Values(Values::from(target)))
            }
            Goal::Labels(ty) => {
                let ignore = loss.ignore_index();
                let labels = (0..rows).map(|_| match (random.below(8), ignore, ty) {
                    (0, Some(i), LabelType::I32 | LabelType::I64) => i,
                    _ => random.below(cols) as i64,
                });
                Some(Target::Labels(match ty {
                    LabelType::I32 => Labels::from(labels.map(|l| l as i32).collect::<Vec<_>>()),
                    LabelType::U32 => Labels::from(labels.map(|l| l as u32).collect::<Vec<_>>()),
                    LabelType::I64 => Labels::from(labels.collect::<Vec<_>>()),
                }))
            }
        };
        columns.truncate(inputs);
        let mut target = target;
        if custom == Some(Family::Rows) {
            self.make_rows_definite(math, &mut columns, &mut target, &mut random);
        }
        let mut batch = self.settings(self.shape.clone(), columns);
        batch.target = target;
        batch.weight = weight.map(Values::from);
        batch.class_weight = class_weight.map(|w| ClassWeight::Values(w.into()));
        batch
    }

    /// Replaces numbers for which a loss is not defined, where nobody said which these are: each element by one of some
    /// [`Support`], tensor by tensor, until the reference and all that f32 arithmetic may make of it are finite. Now and then the target
    /// is the input.
    fn make_definite(
        &self,
        math: &Math<'_>,
        inputs: usize,
        columns: &mut [Vec<f32>],
        random: &mut Random,
    ) {
        let n = columns.first().map_or(0, Vec::len);
        let mut found = false;
        for i in 0..n {
            // A loss that is defined for none of so many is left to say so.
            if i == 32 && !found {
                break;
            }
            let mut numbers: Vec<f32> = columns.iter().map(|c| c[i]).collect();
            let last = numbers.len() - 1;
            for _ in 0..64 {
                if random.below(16) == 0 {
                    numbers[last] = numbers[0];
                }
                for v in &mut numbers {
                    *v = self.stored(v);
                }
                if definite(math, inputs, &numbers) {
                    found = true;
                    break;
                }
                for v in &mut numbers {
                    let support = SUPPORTS[random.below(SUPPORTS.len())];
                    *v = random.number(support);
                }
            }
            for (column, v) in columns.iter_mut().zip(numbers) {
                column[i] = v;
            }
        }
    }

    /// The same for rows.
    fn make_rows_definite(
        &self,
        math: &Math<'_>,
        inputs: &mut [Vec<f32>],
        target: &mut Option<Target<'static>>,
        random: &mut Random,
    ) {
        let Ok(geometry) = Geometry::new(&self.shape, self.axis) else {
            return;
        };
        let mut values = match target {
            Some(Target::Values(v)) => {
                Some(v.to_f64().iter().map(|v| *v as f32).collect::<Vec<_>>())
            }
            _ => None,
        };
        for row in 0..geometry.rows {
            let places: Vec<usize> = (0..geometry.cols).map(|c| geometry.index(row, c)).collect();
            let label = match target {
                Some(Target::Labels(labels)) => labels.get(row),
                _ => None,
            };
            for _ in 0..16 {
                let at = |all: &Vec<f32>| {
                    places
                        .iter()
                        .map(|&i| self.stored(&all[i]))
                        .collect::<Vec<_>>()
                };
                let x: Vec<Vec<f32>> = inputs.iter().map(at).collect();
                if definite_row(math, &x, label, values.as_ref().map(at).as_deref()) {
                    break;
                }
                for tensor in inputs.iter_mut().chain(values.as_mut()) {
                    let support = SUPPORTS[random.below(SUPPORTS.len())];
                    places
                        .iter()
                        .for_each(|&i| tensor[i] = random.number(support));
                }
            }
        }
        if let Some(values) = values {
            *target = Some(Target::Values(values.into()));
        }
    }

    /// As the storage type has it.
    fn stored(&self, v: &f32) -> f32 {
        self.dtype.round(f64::from(*v)) as f32
    }

    fn settings(&self, shape: Vec<usize>, inputs: Vec<Vec<f32>>) -> Batch<'static> {
        let mut batch = Batch::new(shape, Vec::<f32>::new());
        batch.inputs = inputs.into_iter().map(Values::from).collect();
        batch.class_axis = self.axis;
        batch.reduction = self.reduction;
        batch.dtype = self.dtype;
        batch.gradient = self.gradient;
        batch.grad_scale = 0.75;
        batch
    }

    /// Every extreme of every input against every extreme of the target; in rows among ordinary numbers, at both ends and
    /// where workgroups have theirs, and rows of nothing else.
    fn extreme_batch(
        &self,
        info: &Info,
        loss: &dyn Loss,
        math: &Math<'_>,
        seed: u64,
    ) -> Batch<'static> {
        match info.family {
            Family::Elementwise => self.extreme_elements(info, loss, math),
            Family::Rows | Family::Sets => self.extreme_rows(info, loss, math, seed),
        }
    }

    fn extreme_elements(&self, info: &Info, loss: &dyn Loss, math: &Math<'_>) -> Batch<'static> {
        let inputs = info.inputs.len();
        let list = loss
            .options()
            .iter()
            .any(|o| matches!(o, OptionValue::Columns(_)));
        let mut combinations: Vec<Vec<f32>> = vec![Vec::new()];
        for support in info.domain {
            let extremes = support.extremes(self.dtype);
            combinations = combinations
                .iter()
                .flat_map(|c| extremes.iter().map(move |&v| [c.as_slice(), &[v]].concat()))
                .collect();
        }
        // A subnormal may be taken for 0, and 0 times an infinity is NaN where the formula says infinite. WGSL
        // allows it, so these are not asked for.
        let diverges = |c: &[f32]| match math {
            Math::Elementwise(math) => math.term(&element(inputs, c)).loss.is_infinite(),
            Math::Rows(_) => false,
        };
        combinations.retain(|c| {
            let stored: Vec<f32> = c.iter().map(|v| self.stored(v)).collect();
            // What of a custom loss overflows on its way, or is not defined there, may become anything.
            let held = !info.is_custom()
                || c.iter().any(|v| v.is_nan())
                || definite(math, inputs, &stored);
            held && !flushed(&stored) && !(stored.iter().any(subnormal) && diverges(&stored))
        });
        if list {
            // Every combination in every column.
            combinations = combinations
                .into_iter()
                .flat_map(|c| vec![c; CORNER_COLS])
                .collect();
        }
        // Once more from behind, and an odd number of all: each combination in two places of a workgroup and of a vector.
        let behind: Vec<_> = combinations.iter().rev().cloned().collect();
        combinations.extend(behind);
        if !list {
            combinations.extend(combinations.first().cloned());
        }
        let n = combinations.len();
        let column = |k: usize| combinations.iter().map(|c| c[k]).collect::<Vec<f32>>();
        let shape = if list {
            vec![n / CORNER_COLS, CORNER_COLS]
        } else {
            vec![n]
        };
        let mut batch = self.settings(shape, (0..inputs).map(column).collect());
        batch.target = (self.goal == Goal::Values).then(|| Target::Values(column(inputs).into()));
        batch.weight = (self.weights != Weights::None).then(|| ordinary(n).into());
        batch
    }

    fn extreme_rows(
        &self,
        info: &Info,
        loss: &dyn Loss,
        math: &Math<'_>,
        seed: u64,
    ) -> Batch<'static> {
        let inputs = info.inputs.len();
        // The columns that a case asks for.
        let cols = self.shape.last().copied().unwrap_or(CORNER_COLS);
        let mut random = Random::new(17);
        let mut data: Vec<Vec<f32>> = vec![Vec::new(); info.domain.len()];
        let mut labels = Vec::new();
        // Which of the tensors holds the extreme, where, and which one; and then rows of nothing else.
        let places = if self.goal == Goal::Values {
            info.domain.len()
        } else {
            inputs
        };
        // Also where workgroups of all sizes end and begin, in wide rows; and in all columns, which is said as the one behind.
        let ends = [0, cols - 1];
        let mut at: Vec<usize> = [31, 32, 63, 64, 127, 128, 255, 256].into();
        at.retain(|at| at + 1 < cols);
        at.extend(ends.into_iter().chain([cols]));
        let mut placed: Vec<_> = Vec::new();
        for place in 0..places {
            for v in info.domain[place].extremes(self.dtype) {
                placed.extend(at.iter().map(|&at| (at, vec![(place, v)])));
            }
        }
        // Every extreme of one tensor against every one of another, at either end of a row.
        let pairs = (0..places).flat_map(|p| (p + 1..places).map(move |q| (p, q)));
        for (p, q) in pairs.filter(|_| cols == CORNER_COLS) {
            for a in info.domain[p].extremes(self.dtype) {
                for b in info.domain[q].extremes(self.dtype) {
                    // As in elements: infinite times a subnormal that counts as 0 is not asked for.
                    if !flushed(&[a, b].map(|v| self.stored(&v))) {
                        placed.extend(ends.map(|at| (at, vec![(p, a), (q, b)])));
                    }
                }
            }
        }
        for (at, extremes) in placed {
            for label in ends {
                for (k, d) in data.iter_mut().enumerate() {
                    let extreme = extremes.iter().find(|(place, _)| *place == k);
                    d.extend((0..cols).map(|c| match extreme {
                        Some((_, v)) if at == c || at == cols => *v,
                        _ => random.number(info.domain[k]),
                    }));
                }
                labels.push(label as i64);
            }
        }
        if info.is_custom() {
            // What overflows on its way, or is not defined there, may become anything.
            let keep: Vec<bool> = (0..labels.len())
                .map(|row| {
                    let part = |d: &Vec<f32>| {
                        d[row * cols..(row + 1) * cols]
                            .iter()
                            .map(|v| self.stored(v))
                            .collect::<Vec<_>>()
                    };
                    let all: Vec<_> = data.iter().map(part).collect();
                    let used = if self.goal == Goal::Values {
                        all.len()
                    } else {
                        inputs
                    };
                    let nan = all.iter().take(used).flatten().any(|v| v.is_nan());
                    let values = all.get(inputs).filter(|_| self.goal == Goal::Values);
                    let label = labels
                        .get(row)
                        .copied()
                        .filter(|_| matches!(self.goal, Goal::Labels(_)));
                    nan || definite_row(math, &all[..inputs], label, values.map(Vec::as_slice))
                })
                .collect();
            let mut row = 0;
            labels.retain(|_| {
                row += 1;
                keep[row - 1]
            });
            for d in &mut data {
                let mut i = 0;
                d.retain(|_| {
                    i += 1;
                    keep[(i - 1) / cols]
                });
            }
        }
        if loss.whole() {
            // One of the rows: together they would make a single loss that is not a number. From case to case far apart.
            let row = (seed.wrapping_mul(389) % labels.len() as u64) as usize;
            for d in &mut data {
                *d = d[row * cols..(row + 1) * cols].to_vec();
            }
            labels.truncate(1);
        }
        if info.target == TargetKind::PerRow
            && let Some(target) = data.last_mut()
        {
            // The number of a row is the last of its columns, which every kind of place has changed.
            *target = target.chunks(cols).map(|row| row[cols - 1]).collect();
        }
        let rows = labels.len();
        let target = match self.goal {
            Goal::None => None,
            Goal::Values => data.get(inputs).map(|t| Target::Values(t.clone().into())),
            Goal::Labels(LabelType::I64) => Some(Target::Labels(labels.into())),
            Goal::Labels(LabelType::I32) => Some(Target::Labels(
                labels.iter().map(|&l| l as i32).collect::<Vec<_>>().into(),
            )),
            Goal::Labels(LabelType::U32) => Some(Target::Labels(
                labels.iter().map(|&l| l as u32).collect::<Vec<_>>().into(),
            )),
        };
        data.truncate(inputs);
        let mut batch = self.settings(vec![rows, cols], data);
        batch.target = target;
        batch.weight = (self.weights != Weights::None).then(|| ordinary(rows).into());
        let of_classes = self.class_weight.then(|| ordinary(cols));
        batch.class_weight = of_classes.map(|w| ClassWeight::Values(w.into()));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss;
    use crate::verify::Extent;
    use crate::verify::cases::{cases, corners};

    /// The edges of f32 that are in a case of every loss, whoever changes how they are made.
    #[test]
    fn edges_are_all_there() {
        for &info in loss::all() {
            let losses = corners(info, CORNER_COLS);
            let mut met = vec![0; losses.len()];
            let mut sets = std::collections::HashSet::new();
            let mut kinds = std::collections::HashSet::new();
            let mut wide = false;
            let extreme = cases(info, &losses, Extent::Quick).into_iter();
            for (seed, case) in (0..).zip(extreme.filter(|c| c.extreme)) {
                let loss = &*losses[case.loss];
                let batch = case.batch(info, loss, seed).expect("a batch");
                wide |= batch.shape.last().is_some_and(|cols| *cols > 257);
                kinds.insert((
                    case.dtype,
                    batch.weight.is_some(),
                    batch.class_weight.is_some(),
                ));
                if loss.whole() {
                    // One row at a time, another one every time.
                    assert_eq!(batch.shape[0], 1, "{} {loss:?}", info.name);
                    let numbers = batch.inputs.iter().flat_map(|v| v.to_f64().into_owned());
                    let bits: Vec<_> = numbers.map(f64::to_bits).collect();
                    met[case.loss] += usize::from(sets.insert((case.loss, bits)));
                    continue;
                }
                met[case.loss] += 8;
                let values = batch.target.iter().filter_map(|t| match t {
                    Target::Values(v) => Some(v),
                    _ => None,
                });
                let tensors: Vec<_> = batch.inputs.iter().chain(values).collect();
                // Every two of two tensors, at one place: but for what is not asked for.
                for (p, q) in
                    (0..tensors.len()).flat_map(|p| (p + 1..tensors.len()).map(move |q| (p, q)))
                {
                    if batch.shape.last().is_some_and(|cols| *cols > 257)
                        && tensors[p].len() != batch.shape[0]
                    {
                        continue;
                    }
                    let cols = tensors[p].len() / tensors[q].len();
                    let bits = |v: &f64| (*v as f32).to_bits();
                    let [all, others] = [p, q].map(|k| tensors[k].to_f64());
                    let pairs = all
                        .iter()
                        .enumerate()
                        .map(|(i, a)| (bits(a), bits(&others[i / cols])));
                    let pairs: std::collections::HashSet<_> = pairs.collect();
                    for a in info.domain[p].extremes(case.dtype) {
                        for b in info.domain[q].extremes(case.dtype) {
                            let odd = [a, b].iter().any(|v| subnormal(&case.stored(v)));
                            let elements = info.family == Family::Elementwise;
                            if flushed(&[a, b].map(|v| case.stored(&v))) || (odd && elements) {
                                continue;
                            }
                            let there = pairs.contains(&(a.to_bits(), b.to_bits()));
                            assert!(there, "{} {loss:?} {p} {q}: {a:e} and {b:e}", info.name);
                        }
                    }
                }
                for (k, tensor) in tensors.into_iter().enumerate() {
                    let numbers = tensor.to_f64();
                    let per_row = info.target == TargetKind::PerRow && k == info.inputs.len();
                    let width = match info.family {
                        Family::Rows | Family::Sets if !per_row => batch.shape[1],
                        _ => 1,
                    };
                    for extreme in info.domain[k].extremes(case.dtype) {
                        let there = |at: usize| {
                            let same = |v: &f64| (*v as f32).to_bits() == extreme.to_bits();
                            let row = |row: &[f64]| row.get(at).is_some_and(same);
                            numbers.chunks(width).any(row)
                        };
                        let place = format!("{} {loss:?} {k}: {extreme:e}", info.name);
                        assert!(there(0) && there(width - 1), "{place}");
                    }
                }
            }
            assert!(met.iter().all(|m| *m >= 8), "{}: {met:?}", info.name);
            let weighted = [(DType::F32, true, info.class_weight)];
            for kind in [DType::F32, DType::F16, DType::Bf16]
                .map(|dtype| (dtype, false, false))
                .into_iter()
                .chain(weighted)
            {
                assert!(
                    kinds.contains(&kind),
                    "{}: no {kind:?} of {kinds:?}",
                    info.name
                );
            }
            assert!(wide || info.family == Family::Elementwise, "{}", info.name);
        }
    }
}
