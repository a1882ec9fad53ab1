//! The cases that every loss goes through. They follow from what the registry says of a loss.

use super::Extent;
use crate::gpu::{PlanKind, Tuning};
use crate::layout::{ClassAxis, Reduction};
use crate::loss::{Family, Info, Loss, OptionKind, OptionValue, Range, TargetKind};
use crate::tensor::{DType, LabelType};

/// Values at both ends of an option's range and between.
fn option_values(info: &'static Info, index: usize, cols: usize) -> Vec<OptionValue> {
    let option = &info.options[index];
    if info.is_custom() {
        // Nobody said what it takes: what is near the default.
        return match (info.make().options().get(index), option.range) {
            (Some(OptionValue::Flag(_)), _) => [false, true].map(OptionValue::Flag).into(),
            (Some(OptionValue::Number(v)), Range::Any) => {
                let near = match *v {
                    0.0 => [0.0, 0.25, 1.0],
                    v => [v, 0.5 * v, 1.5 * v],
                };
                near.map(OptionValue::Number).into()
            }
            (Some(OptionValue::Number(v)), _) => [*v, v + 1.0].map(OptionValue::Number).into(),
            _ => Vec::new(),
        };
    }
    let numbers: &[f32] = match option.range {
        Range::Any => &[-0.75, 0.25, 3.0],
        Range::Positive => &[0.25, 1.0, 4.0],
        Range::NonNegative => &[0.0, 0.01, 2.5],
        Range::Unit => &[0.0, 0.1, 1.0],
        Range::Half => &[0.0, 1e-7, 0.25],
        Range::Inside => &[0.1, 0.5, 0.75],
        Range::AtLeastOne => &[1.0, 2.0, 3.5],
        Range::OneOrTwo => &[1.0, 2.0],
        Range::Whole => &[-1.0, 0.0, 2.0],
        Range::Count => &[0.0, 1.0, 3.0],
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
    let all: Vec<_> = (0..info.options.len())
        .map(|index| option_values(info, index, cols))
        .collect();
    let most = if info.is_custom() {
        MOST_CUSTOM_CORNERS
    } else {
        MOST_CORNERS
    };
    if all.iter().map(Vec::len).product::<usize>() > most {
        return one_at_a_time(info, &all);
    }
    for values in all {
        settings = settings
            .iter()
            .flat_map(|s| {
                values
                    .iter()
                    .map(move |v| [s.as_slice(), std::slice::from_ref(v)].concat())
            })
            .collect();
    }
    let mut losses = vec![info.make()];
    if info.options.is_empty() {
        return losses;
    }
    for values in settings {
        let mut loss = info.make();
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

/// More combinations of option values than any registered loss has. Past it each option is tried by itself.
const MOST_CORNERS: usize = 400;

/// The same of custom losses, of which nobody knows which options have to do with each other.
const MOST_CUSTOM_CORNERS: usize = 27;

fn one_at_a_time(info: &'static Info, all: &[Vec<OptionValue>]) -> Vec<Box<dyn Loss>> {
    let mut losses = vec![info.make()];
    for (option, values) in info.options.iter().zip(all) {
        for value in values {
            let mut loss = info.make();
            if loss.set(option.name, value.clone()).is_ok() {
                losses.push(loss);
            }
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
#[derive(Debug, Clone)]
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
    /// The plan, where another than the chosen one is to be taken.
    pub plan: Option<PlanKind>,
    /// For which kind of device the kernels are shaped.
    pub tuning: Tuning,
}

/// The cases of a loss, for one set of option corners: all of them, each with both tunings; or, quick, a few of each
/// kind, with everything that can be combined in turn, and from another beginning for every loss; or a few of those.
pub(super) fn cases(info: &'static Info, corners: &[Box<dyn Loss>], extent: Extent) -> Vec<Case> {
    let mut list = Listing {
        info,
        cases: Vec::new(),
        turn: info.name.bytes().map(usize::from).sum(),
        quick: extent.quick(),
        by_row: corners.iter().position(|loss| !loss.whole()).unwrap_or(0),
        whole: corners.iter().map(|loss| loss.whole()).collect(),
    };
    match info.family {
        Family::Elementwise => list.elementwise(corners.len()),
        Family::Rows | Family::Sets => list.rows(corners.len()),
    }
    if info.is_custom() {
        // The reference goes through its text for every element.
        list.cases
            .retain(|case| case.shape.iter().product::<usize>() <= MOST_CUSTOM);
    }
    if extent == Extent::Full {
        let other = |case: &Case| {
            let [wide, narrow] = Tuning::ALL;
            let tuning = if case.tuning == wide { narrow } else { wide };
            Case {
                tuning,
                ..case.clone()
            }
        };
        let others: Vec<_> = list.cases.iter().map(other).collect();
        list.cases.extend(others);
    }
    extent.some(list.cases, info.name)
}

/// Elements of the largest case of a custom loss.
const MOST_CUSTOM: usize = 65_536;

struct Listing {
    info: &'static Info,
    cases: Vec<Case>,
    /// Walks through reductions, weights and targets where not every combination is made.
    turn: usize,
    quick: bool,
    /// The corner by which a set is taken row by row.
    by_row: usize,
    /// Which corners take everything as one set.
    whole: Vec<bool>,
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
            // A set as a whole and by rows in turn.
            loss: if t % 2 == 1 { self.by_row } else { 0 },
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
            plan: None,
            tuning: Tuning::ALL[(t + t / 2 + t / 7) % 2],
        });
        let last = self.cases.len() - 1;
        &mut self.cases[last]
    }

    /// Storage types, each once or, `quick`, one in turn.
    fn dtypes(&self) -> &'static [DType] {
        let one = (self.turn + self.turn / 4) % 3;
        match self.quick {
            true => &DType::ALL[one..=one],
            false => &DType::ALL,
        }
    }

    /// Every reduction and storage type, weights and targets in turn; or, `quick`, one of each.
    fn reductions(&mut self, shape: &[usize]) {
        for &dtype in self.dtypes() {
            for reduction in Reduction::ALL {
                self.next(shape, dtype).reduction = reduction;
                if self.quick {
                    break;
                }
            }
        }
    }

    /// Every reduction, storage type, weight, target, with class weights and without; or, `quick`, four of them.
    fn product(&mut self, shape: &[usize], axis: ClassAxis) {
        if self.quick {
            for _ in 0..4 {
                for &dtype in self.dtypes() {
                    self.next(shape, dtype).axis = axis;
                }
            }
            return;
        }
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
            for (k, shape) in shapes.into_iter().enumerate() {
                if self.quick && k != loss % 2 {
                    continue;
                }
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

    /// Numbers at the edges of a storage type with every option corner, each loss by itself; of f32 also weighted, and as a mean.
    fn extremes(&mut self) {
        let goals = self.goals();
        // One label type is enough here.
        let goals = goals
            .iter()
            .filter(|goal| !matches!(goal, Goal::Labels(l) if *l != LabelType::I64));
        let weights = *self.weights().last().unwrap_or(&Weights::None);
        let class_weight = self.info.class_weight;
        for &goal in goals {
            for loss in 0..self.whole.len() {
                self.edges(DType::F32, goal, loss);
            }
            self.extreme(DType::F32, goal, 0).reduction = Reduction::Mean;
            let case = self.extreme(DType::F32, goal, self.by_row);
            case.weights = weights;
            case.class_weight = class_weight;
            for dtype in [DType::F16, DType::Bf16] {
                // `quick`, one in turn.
                let all = self.whole.len();
                let one = self.turn % all;
                for loss in match self.quick {
                    true => one..one + 1,
                    false => 0..all,
                } {
                    self.edges(dtype, goal, loss);
                }
            }
        }
    }

    /// A case of all edges; of a set that is one loss some of them, which are a row and a case each.
    fn edges(&mut self, dtype: DType, goal: Goal, loss: usize) {
        let cases = match (self.whole.get(loss), self.quick) {
            (Some(true), true) => 8,
            (Some(true), false) => 64,
            _ => 1,
        };
        for _ in 0..cases {
            self.extreme(dtype, goal, loss);
        }
    }

    fn extreme(&mut self, dtype: DType, goal: Goal, loss: usize) -> &mut Case {
        let case = self.next(&[], dtype);
        case.loss = loss;
        case.goal = goal;
        case.reduction = Reduction::None;
        case.weights = Weights::None;
        case.class_weight = false;
        case.extreme = true;
        case
    }

    fn forward_only(&mut self, shape: &[usize]) {
        for reduction in Reduction::ALL {
            if self.quick && reduction != Reduction::ALL[self.turn % 5] {
                continue;
            }
            for &dtype in self.dtypes() {
                let case = self.next(shape, dtype);
                case.reduction = reduction;
                case.gradient = false;
            }
        }
    }

    /// Large tensors' ways, on small ones: several chunks, a grid of two dimensions.
    fn lowered(&mut self, shape: &[usize], axis: ClassAxis, binding: u64) {
        for &dtype in self.dtypes() {
            for reduction in Reduction::ALL {
                let quick = self.quick;
                let case = self.next(shape, dtype);
                case.axis = axis;
                case.lowered = Some((binding, 40));
                if quick {
                    break;
                }
                case.reduction = reduction;
            }
        }
    }

    /// One plan for everything that it can carry, in one piece and in chunks.
    fn forced(&mut self, kind: PlanKind) {
        let small = [[1, 1], [2, 3], [7, 13], [65, 31], [33, 255], [5, 1000]];
        let mut shapes: Vec<_> = small.into_iter().map(|shape| (shape, None)).collect();
        if self.quick {
            shapes.rotate_left(self.turn % 6);
            shapes.truncate(2);
        }
        match kind {
            PlanKind::Elementwise => return,
            PlanKind::Short => shapes.push(([601, 37], Some((40_000, 40)))),
            PlanKind::Workgroup => shapes.push(([61, 307], Some((40_000, 40)))),
            // Several parts a row, and a row that two dispatches see of a set.
            PlanKind::Split => {
                shapes.push(([3, 9001], None));
                shapes.push(([5, 9001], Some((80_000, 40))));
                if !self.quick {
                    shapes.push(([2, 300_001], None));
                }
            }
            PlanKind::Strided => {
                shapes.push(([601, 37], Some((40_000, 40))));
                for shape in [[3, 257, 2], [5, 8, 33]] {
                    for &dtype in self.dtypes() {
                        let case = self.next(&shape, dtype);
                        case.axis = ClassAxis::One;
                        case.plan = Some(kind);
                    }
                }
            }
        }
        let by_row = self.by_row;
        for (shape, lowered) in shapes {
            for &dtype in self.dtypes() {
                for _ in 0..if self.quick { 1 } else { 2 } {
                    let case = self.next(&shape, dtype);
                    case.plan = Some(kind);
                    case.lowered = lowered;
                    if lowered.is_some() && kind != PlanKind::Split {
                        // Only split, a set that is one row goes into several bindings.
                        case.loss = by_row;
                    }
                }
            }
        }
        for gradient in [false, true] {
            if self.quick && gradient != (self.turn % 4 < 2) {
                continue;
            }
            let case = self.next(&[9, 21], DType::F32);
            case.plan = Some(kind);
            case.gradient = gradient;
            // In few columns and in many.
            for shape in [&[][..], &[300]] {
                let case = self.next(shape, DType::F32);
                case.plan = Some(kind);
                case.extreme = true;
                case.reduction = Reduction::None;
                case.weights = Weights::None;
                case.class_weight = false;
            }
        }
    }

    fn elementwise(&mut self, corners: usize) {
        let sizes: &[usize] = match self.quick {
            true => &[0, 1, 2, 255, 256, 257, 4097],
            false => &[0, 1, 2, 255, 256, 257, 65_535, 65_536, 1_000_000],
        };
        for &n in sizes {
            self.reductions(&[n]);
        }
        self.product(&[37, 7], ClassAxis::Last);
        for &weights in self.weights() {
            for &dtype in self.dtypes() {
                let case = self.next(&[3, 5, 7], dtype);
                case.axis = ClassAxis::One;
                case.weights = weights;
            }
        }
        self.corners(corners, [&[12, CORNER_COLS], &[103, CORNER_COLS]]);
        self.forward_only(&[19, 3]);
        self.lowered(&[3001, 7], ClassAxis::Last, 40_000);
        self.lowered(&[3, 7, 1001], ClassAxis::One, 40_000);
        self.extremes();
    }

    fn rows(&mut self, corners: usize) {
        let cols: &[usize] = match self.quick {
            true => &[1, 2, 3, 31, 33, 257, 1000],
            false => &[1, 2, 3, 31, 33, 257, 1000, 32_000],
        };
        for (k, &cols) in cols.iter().enumerate() {
            for (j, rows) in [1, 65, 2, 7, 0].into_iter().enumerate() {
                // Few rows and many.
                if !self.quick || j == k % 5 {
                    self.reductions(&[rows, cols]);
                }
            }
        }
        self.product(&[7, 13], ClassAxis::Last);
        self.product(&[2, 5, 3], ClassAxis::One);
        for shape in [&[3, 257, 2][..], &[1, 33, 31], &[2, 3, 4, 5], &[5, 1000, 3]] {
            for &dtype in self.dtypes() {
                self.next(shape, dtype).axis = ClassAxis::One;
            }
        }
        self.corners(corners, [&[6, CORNER_COLS], &[41, CORNER_COLS]]);
        self.forward_only(&[9, 21]);
        self.lowered(&[1301, 33], ClassAxis::Last, 40_000);
        self.lowered(&[41, 11, 71], ClassAxis::One, 40_000);
        self.extremes();
        for (k, kind) in PlanKind::ALL.into_iter().enumerate() {
            // `quick`, every other one.
            if !self.quick || (k + self.turn / 16).is_multiple_of(2) {
                self.forced(kind);
            }
        }
    }
}
