//! The cases that every loss goes through. They follow from what the registry says of a loss.

use crate::batch::{Batch, Target};
use crate::layout::{ClassAxis, Reduction};
use crate::loss::{
    Element, Family, Info, Loss, Math, OptionKind, OptionValue, Range, Support, TargetKind,
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
            Support::Real if rare => [0.0, -0.0, 1.0, -1.0, 0.5, 30.0][self.below(6)],
            Support::Real => 4.0 * (self.unit() + self.unit() + self.unit() - 1.5),
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
pub const EXTREMES: [f32; 18] = [
    0.0,
    -0.0,
    1e-45,
    -1e-45,
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
    /// The [`EXTREMES`] that belong to it, and those that are not finite.
    pub fn extremes(self) -> Vec<f32> {
        let belongs = |v: &f32| match self {
            Support::Real => true,
            Support::NonNegative => *v >= 0.0,
            Support::Sign => v.abs() <= 1.0 && v.fract() == 0.0,
            Support::Probability => (0.0..=1.0).contains(v),
            Support::LogProbability => *v <= 0.0,
        };
        EXTREMES
            .into_iter()
            .filter(|v| !v.is_finite() || belongs(v))
            .collect()
    }
}

/// Values at both ends of an option's range and between.
fn option_values(info: &Info, index: usize, cols: usize) -> Vec<OptionValue> {
    let option = &info.options[index];
    let numbers: &[f32] = match option.range {
        Range::Any => &[-0.75, 0.25, 3.0],
        Range::Positive => &[0.25, 1.0, 4.0],
        Range::NonNegative => &[0.0, 0.01, 2.5],
        Range::Unit => &[0.0, 0.1, 1.0],
        Range::Half => &[0.0, 1e-7, 0.25],
        Range::Inside => &[0.1, 0.5, 0.75],
        Range::AtLeastOne => &[1.0, 2.0, 3.5],
        Range::OneOrTwo => &[1.0, 2.0],
    };
    let number = numbers.iter().map(|&v| OptionValue::Number(v));
    match option.kind {
        OptionKind::Number => number.collect(),
        OptionKind::Flag => vec![OptionValue::Flag(false), OptionValue::Flag(true)],
        OptionKind::Index => vec![OptionValue::Index(-100), OptionValue::Index(1)],
        OptionKind::NumberOrColumns => {
            let list = (0..cols).map(|c| 0.5 + c as f32).collect();
            number.skip(1).chain([OptionValue::Columns(list)]).collect()
        }
    }
}

/// The loss with every combination of option values at the ends of their ranges and between, for inputs of
/// `cols` columns. The first one has the defaults.
pub fn corners(info: &'static Info, cols: usize) -> Vec<Box<dyn Loss>> {
    let mut settings: Vec<Vec<OptionValue>> = vec![Vec::new()];
    for index in 0..info.options.len() {
        let values = option_values(info, index, cols);
        settings = settings
            .iter()
            .flat_map(|s| {
                values
                    .iter()
                    .map(move |v| [s.as_slice(), std::slice::from_ref(v)].concat())
            })
            .collect();
    }
    let mut losses = vec![(info.make)()];
    if info.options.is_empty() {
        return losses;
    }
    for values in settings {
        let mut loss = (info.make)();
        let fits = info
            .options
            .iter()
            .zip(values)
            .all(|(option, value)| loss.set(option.name, value).is_ok());
        if fits {
            losses.push(loss);
        }
    }
    losses
}

/// What the target of a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    None,
    Values,
    Labels(LabelType),
}

/// What the weights of a case are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    None,
    Element,
    Row,
}

/// One evaluation to make.
#[derive(Debug)]
pub(super) struct Case {
    pub loss: usize,
    pub shape: Vec<usize>,
    pub axis: ClassAxis,
    pub dtype: DType,
    pub goal: Goal,
    pub weights: Weights,
    pub class_weight: bool,
    pub reduction: Reduction,
    pub gradient: bool,
    pub extreme: bool,
    /// Bytes of a binding and workgroups a dimension, where large tensors' ways are to be taken.
    pub lowered: Option<(u64, u32)>,
}

/// All cases of a loss, for one set of option corners.
pub(super) fn cases(info: &'static Info, corners: usize, quick: bool) -> Vec<Case> {
    let mut list = Listing {
        info,
        cases: Vec::new(),
        turn: 0,
    };
    match info.family {
        Family::Elementwise => list.elementwise(corners, quick),
        Family::Rows => list.rows(corners, quick),
        Family::Sets => list.sets(corners, quick),
    }
    list.cases
}

struct Listing {
    info: &'static Info,
    cases: Vec<Case>,
    /// Walks through reductions, weights and targets where not every combination is made.
    turn: usize,
}

/// Where option corners are tried: the columns of both must be alike for options that are lists.
pub(super) const CORNER_COLS: usize = 5;

impl Listing {
    fn goals(&self) -> Vec<Goal> {
        match self.info.target {
            TargetKind::None => vec![Goal::None],
            TargetKind::Values | TargetKind::PerRow => vec![Goal::Values],
            TargetKind::Labels => LabelType::ALL.into_iter().map(Goal::Labels).collect(),
            TargetKind::LabelsOrValues => {
                let labels = LabelType::ALL.into_iter().map(Goal::Labels);
                labels.chain([Goal::Values]).collect()
            }
        }
    }

    fn weights(&self) -> &'static [Weights] {
        match self.info.family {
            Family::Elementwise | Family::Sets => &[Weights::None, Weights::Element, Weights::Row],
            Family::Rows => &[Weights::None, Weights::Row],
        }
    }

    /// A case with the next reduction, weights and target in turn.
    fn next(&mut self, shape: &[usize], dtype: DType) -> &mut Case {
        let (goals, weights) = (self.goals(), self.weights());
        let t = self.turn;
        self.turn += 1;
        self.cases.push(Case {
            loss: 0,
            shape: shape.to_vec(),
            axis: ClassAxis::Last,
            dtype,
            goal: goals[t % goals.len()],
            // Strides that share no factor, so that all combinations come up.
            weights: weights[(t / 3) % weights.len()],
            class_weight: self.info.class_weight && t % 3 == 1,
            reduction: Reduction::ALL[(t + t / 5) % 5],
            gradient: true,
            extreme: false,
            lowered: None,
        });
        let last = self.cases.len() - 1;
        &mut self.cases[last]
    }

    /// Every reduction and storage type, weights and targets in turn.
    fn reductions(&mut self, shape: &[usize]) {
        for dtype in DType::ALL {
            for reduction in Reduction::ALL {
                self.next(shape, dtype).reduction = reduction;
            }
        }
    }

    /// Every reduction, storage type, weight, target, with class weights and without.
    fn product(&mut self, shape: &[usize], axis: ClassAxis) {
        for dtype in DType::ALL {
            for reduction in Reduction::ALL {
                for &weights in self.weights() {
                    for goal in self.goals() {
                        for class_weight in [false, true] {
                            if class_weight && !self.info.class_weight {
                                continue;
                            }
                            let case = self.next(shape, dtype);
                            case.axis = axis;
                            case.reduction = reduction;
                            case.weights = weights;
                            case.goal = goal;
                            case.class_weight = class_weight;
                        }
                    }
                }
            }
        }
    }

    fn corners(&mut self, corners: usize, shapes: [&[usize]; 2]) {
        for loss in 0..corners {
            for shape in shapes {
                for goal in self.goals() {
                    // One label type is enough here.
                    if matches!(goal, Goal::Labels(l) if l != LabelType::I64) {
                        continue;
                    }
                    let case = self.next(shape, DType::F32);
                    case.loss = loss;
                    case.goal = goal;
                }
            }
        }
    }

    /// Numbers at the edges of f32 with every option corner, each loss by itself and also as a mean.
    fn extremes(&mut self, corners: usize) {
        for loss in 0..corners {
            for reduction in [Reduction::None, Reduction::Mean] {
                for goal in self.goals() {
                    if matches!(goal, Goal::Labels(l) if l != LabelType::I64)
                        || (reduction == Reduction::Mean && loss > 0)
                    {
                        continue;
                    }
                    let case = self.next(&[], DType::F32);
                    case.loss = loss;
                    case.goal = goal;
                    case.reduction = reduction;
                    case.weights = Weights::None;
                    case.class_weight = false;
                    case.extreme = true;
                }
            }
        }
        for dtype in [DType::F16, DType::Bf16] {
            let case = self.next(&[], dtype);
            case.reduction = Reduction::None;
            case.weights = Weights::None;
            case.class_weight = false;
            case.extreme = true;
        }
    }

    fn forward_only(&mut self, shape: &[usize]) {
        for reduction in Reduction::ALL {
            for dtype in DType::ALL {
                let case = self.next(shape, dtype);
                case.reduction = reduction;
                case.gradient = false;
            }
        }
    }

    /// Large tensors' ways, on small ones: several chunks, a grid of two dimensions.
    fn lowered(&mut self, shape: &[usize], axis: ClassAxis, binding: u64) {
        for dtype in DType::ALL {
            for reduction in Reduction::ALL {
                let case = self.next(shape, dtype);
                case.axis = axis;
                case.reduction = reduction;
                case.lowered = Some((binding, 40));
            }
        }
    }

    fn elementwise(&mut self, corners: usize, quick: bool) {
        let sizes: &[usize] = match quick {
            true => &[0, 1, 2, 255, 256, 257, 4097],
            false => &[0, 1, 2, 255, 256, 257, 65_535, 65_536, 1_000_000],
        };
        for &n in sizes {
            self.reductions(&[n]);
        }
        self.product(&[37, 7], ClassAxis::Last);
        for dtype in DType::ALL {
            for &weights in self.weights() {
                let case = self.next(&[3, 5, 7], dtype);
                case.axis = ClassAxis::One;
                case.weights = weights;
            }
        }
        self.corners(corners, [&[12, CORNER_COLS], &[103, CORNER_COLS]]);
        self.forward_only(&[19, 3]);
        self.lowered(&[3001, 7], ClassAxis::Last, 40_000);
        self.lowered(&[3, 7, 1001], ClassAxis::One, 40_000);
        self.extremes(corners);
    }

    fn rows(&mut self, corners: usize, quick: bool) {
        let cols: &[usize] = match quick {
            true => &[1, 2, 3, 31, 33, 257, 1000],
            false => &[1, 2, 3, 31, 33, 257, 1000, 32_000],
        };
        for rows in [0, 1, 2, 7, 65] {
            for &cols in cols {
                self.reductions(&[rows, cols]);
            }
        }
        self.product(&[7, 13], ClassAxis::Last);
        self.product(&[2, 5, 3], ClassAxis::One);
        for shape in [&[3, 257, 2][..], &[1, 33, 31], &[2, 3, 4, 5], &[5, 1000, 3]] {
            for dtype in DType::ALL {
                self.next(shape, dtype).axis = ClassAxis::One;
            }
        }
        self.corners(corners, [&[6, CORNER_COLS], &[41, CORNER_COLS]]);
        self.forward_only(&[9, 21]);
        self.lowered(&[1301, 33], ClassAxis::Last, 40_000);
        self.lowered(&[41, 11, 71], ClassAxis::One, 40_000);
        self.extremes(corners);
    }
}

impl Listing {
    fn sets(&mut self, corners: usize, quick: bool) {
        self.rows(corners, quick);
    }
}

impl Case {
    /// The numbers of this case for `loss`.
    pub(super) fn batch(&self, info: &Info, loss: &dyn Loss, seed: u64) -> Batch<'static> {
        let mut random = Random::new(seed);
        if self.extreme {
            return self.extreme_batch(info, loss);
        }
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
        let target = match self.goal {
            Goal::None => None,
            Goal::Values => {
                let mut target = columns.split_off(inputs).pop().unwrap_or_default();
                if info.target == TargetKind::PerRow {
                    target.truncate(rows);
                }
                // Now and then the target is the input: the kink of many losses.
                for (t, x) in target.iter_mut().zip(&columns[0]) {
                    if random.below(16) == 0 && info.domain[0] == info.domain[inputs] {
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
        let mut batch = self.settings(self.shape.clone(), columns);
        batch.target = target;
        batch.weight = weight.map(Values::from);
        batch.class_weight = class_weight.map(Values::from);
        batch
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

    /// Every extreme of every input against every extreme of the target; in rows one extreme among ordinary
    /// numbers, in each column of a few.
    fn extreme_batch(&self, info: &Info, loss: &dyn Loss) -> Batch<'static> {
        match info.family {
            Family::Elementwise => self.extreme_elements(info, loss),
            Family::Rows | Family::Sets => self.extreme_rows(info),
        }
    }

    fn extreme_elements(&self, info: &Info, loss: &dyn Loss) -> Batch<'static> {
        let inputs = info.inputs.len();
        let list = loss
            .options()
            .iter()
            .any(|o| matches!(o, OptionValue::Columns(_)));
        let mut combinations: Vec<Vec<f32>> = vec![Vec::new()];
        for support in info.domain {
            let extremes = support.extremes();
            combinations = combinations
                .iter()
                .flat_map(|c| extremes.iter().map(move |&v| [c.as_slice(), &[v]].concat()))
                .collect();
        }
        // A subnormal may be taken for 0, and 0 times an infinity is NaN where the formula says infinite. WGSL
        // allows it, so these are not asked for.
        let subnormal = |v: &f32| *v != 0.0 && v.abs() < f32::MIN_POSITIVE;
        let infinite = |v: &f32| v.is_infinite();
        let diverges = |c: &[f32]| match loss.math() {
            Math::Elementwise(math) => {
                let mut x = [0.0; 2];
                for (x, &v) in x.iter_mut().zip(&c[..inputs]) {
                    *x = f64::from(v);
                }
                let t = c.get(inputs).map_or(0.0, |&t| f64::from(t));
                !math.term(&Element { x, t, column: 0 }).loss.is_finite()
            }
            Math::Rows(_) => false,
        };
        combinations
            .retain(|c| !c.iter().any(subnormal) || !(c.iter().any(infinite) || diverges(c)));
        if list {
            // Every combination in every column.
            combinations = combinations
                .into_iter()
                .flat_map(|c| vec![c; CORNER_COLS])
                .collect();
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
        batch
    }

    fn extreme_rows(&self, info: &Info) -> Batch<'static> {
        let inputs = info.inputs.len();
        let cols = CORNER_COLS;
        let mut random = Random::new(17);
        let mut data: Vec<Vec<f32>> = vec![Vec::new(); info.domain.len()];
        let mut labels = Vec::new();
        // Which of the tensors holds the extreme, where, and which one; and then rows of nothing else.
        let places = if self.goal == Goal::Values {
            info.domain.len()
        } else {
            inputs
        };
        for place in 0..places {
            for extreme in info.domain[place].extremes() {
                for at in [0, cols - 1, cols] {
                    for label in [0, cols - 1] {
                        for (k, d) in data.iter_mut().enumerate() {
                            d.extend((0..cols).map(|c| {
                                match k == place && (at == c || at == cols) {
                                    true => extreme,
                                    false => random.number(info.domain[k]),
                                }
                            }));
                        }
                        labels.push(label as i64);
                    }
                }
            }
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
        batch
    }
}
