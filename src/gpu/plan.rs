//! Which dispatches evaluate a loss on a layout. Plans, chunks and leaves follow from the whole layout alone.

mod choice;
#[cfg(test)]
pub(crate) mod gate;
mod pass;
mod steps;

use super::Gpu;
use super::count::{Carrier, Counted};
use super::kernels::Kernels;
use super::source::{self, COUNTED_SUM, COUNTED_VALID, HEAD, Params, Role, TermParams, Variant};
use crate::custom::Custom;
use crate::error::{Error, Result};
use crate::layout::{Divisor, Geometry, Layout, Reduction, TargetLayout};
use crate::loss::{Family, Info, Loss, Math, OptionValue};
pub(super) use choice::LONG;
use choice::SHORT;
pub use choice::Tuning;
use std::fmt;
use steps::Planner;
pub(super) use steps::RANK_WORDS;

/// How a loss is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlanKind {
    /// Element by element, a workgroup for 4,096 of them.
    Elementwise,
    /// Several rows a workgroup, a slice of 1 to 32 invocations each.
    Short,
    /// One workgroup a row, or two where rows of 16-bit numbers share a word.
    Workgroup,
    /// Several workgroups a row: few long rows, and sets.
    Split,
    /// One invocation a row: class axis 1, where neighbours then read neighbours.
    Strided,
}

/// Elements that one leaf of a sum holds.
const LEAF: usize = source::LEAF as usize;

impl PlanKind {
    /// All of them.
    pub const ALL: [PlanKind; 5] = [
        PlanKind::Elementwise,
        PlanKind::Short,
        PlanKind::Workgroup,
        PlanKind::Split,
        PlanKind::Strided,
    ];

    /// `elementwise`, `short`, `workgroup`, `split` or `strided`.
    pub const fn name(self) -> &'static str {
        match self {
            PlanKind::Elementwise => "elementwise",
            PlanKind::Short => "short",
            PlanKind::Workgroup => "workgroup",
            PlanKind::Split => "split",
            PlanKind::Strided => "strided",
        }
    }

    const fn chunked(self) -> &'static str {
        match self {
            PlanKind::Elementwise => "chunked elementwise",
            PlanKind::Short => "chunked short",
            PlanKind::Workgroup => "chunked workgroup",
            PlanKind::Split => "chunked split",
            PlanKind::Strided => "chunked strided",
        }
    }

    /// Whether it can carry `loss` on `layout`.
    ///
    /// # Errors
    /// Whatever [`Layout::check`] refuses.
    pub fn carries(self, loss: &dyn Loss, layout: &Layout) -> Result<bool> {
        let geometry = layout.check(loss)?;
        let units = layout.units(loss, &geometry)?;
        Ok(self.fits(loss.info().family, &units, loss.whole()))
    }

    fn fits(self, family: Family, units: &Geometry, whole: bool) -> bool {
        let rows = family != Family::Elementwise;
        let together = rows && units.inner == 1;
        match self {
            PlanKind::Elementwise => !rows,
            PlanKind::Short => together && units.cols <= SHORT,
            PlanKind::Workgroup => together && units.cols < LONG,
            PlanKind::Split => together,
            PlanKind::Strided => rows && !whole,
        }
    }
}

impl fmt::Display for PlanKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A loss (or a sum of several) made ready for a layout: kernels compiled, dispatches laid out, sizes checked.
///
/// A plan holds no tensors. [`bind`](Plan::bind) attaches buffers to it, and what comes of that is encoded
/// as often as one likes.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) gpu: Gpu,
    pub(crate) parts: Vec<Part>,
    /// Elements of each input.
    pub(crate) slots: Vec<usize>,
    pub(super) steps: Vec<Step>,
    /// Bytes of the work buffer.
    pub(crate) work: u64,
    /// Where in it predicted classes and ranks of rows begin, in words.
    pub(super) ranks: usize,
    /// Into which state elements are counted on the way.
    pub(super) carrier: Option<Carrier>,
    name: &'static str,
}

/// One loss of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub info: &'static Info,
    pub layout: Layout,
    pub geometry: Geometry,
    /// Rows and columns as the loss takes them.
    pub units: Geometry,
    pub whole: bool,
    pub each: bool,
    pub divisor: Divisor,
    pub ignore: Option<i64>,
    /// The options as the kernels read them.
    pub options: Vec<u32>,
    /// Whether each has its default.
    pub plain: bool,
    /// An option that is a list.
    pub list: Option<Vec<f32>>,
    /// Which inputs of the plan are the loss's.
    pub inputs: Vec<usize>,
    /// What the loss is multiplied by in the sum of all.
    pub scale: f32,
    /// Gradients are written over the inputs.
    pub in_place: bool,
    /// The predicted class of each row, and the rank of the true one, are kept.
    pub ranked: bool,
    /// The elements are counted as samples of a metric.
    pub counted: Option<Counted>,
}

impl Part {
    pub(crate) fn new(
        loss: &dyn Loss,
        layout: &Layout,
        inputs: Vec<usize>,
        scale: f32,
    ) -> Result<Part> {
        let geometry = layout.check(loss)?;
        let mut options = Vec::new();
        let mut list = None;
        for value in loss.options() {
            match value {
                OptionValue::Number(v) => options.push(v.to_bits()),
                OptionValue::Flag(v) => options.push(u32::from(v)),
                OptionValue::Index(_) => {}
                OptionValue::Columns(v) => {
                    options.push(0);
                    list = Some(v);
                }
            }
        }
        options.extend(loss.custom().into_iter().flat_map(Custom::derived));
        Ok(Part {
            info: loss.info(),
            layout: layout.clone(),
            geometry,
            units: layout.units(loss, &geometry)?,
            whole: loss.whole(),
            each: layout.each(loss),
            divisor: layout.divisor(loss, &geometry),
            ignore: loss.ignore_index(),
            options,
            plain: loss.options() == loss.info().make().options(),
            list,
            inputs,
            scale,
            in_place: false,
            ranked: false,
            counted: None,
        })
    }

    /// Elements or rows that have a loss each.
    pub(crate) fn losses(&self) -> usize {
        match self.info.family {
            Family::Elementwise => self.geometry.elements,
            Family::Rows | Family::Sets => self.units.rows,
        }
    }

    /// The elements or rows that can count: all but those whose target says otherwise.
    pub(crate) fn countable(&self) -> usize {
        match self.info.family {
            Family::Elementwise => self.geometry.elements,
            Family::Sets if self.whole => self.geometry.elements,
            _ => self.geometry.rows,
        }
    }

    /// Whether the sum of its losses is divided by what counts.
    pub(crate) fn divides(&self) -> bool {
        !matches!(self.layout.reduction, Reduction::None | Reduction::Sum)
    }

    /// How the divisor is counted, as a kernel is told: not at all, as a sum of weights, as the number of rows.
    pub(crate) fn counted(&self) -> u32 {
        match self.divisor {
            Divisor::Known(_) => 0,
            Divisor::Counted {
                weight: false,
                class_weight: false,
            } if self.info.family != Family::Elementwise => COUNTED_VALID,
            Divisor::Counted { .. } => COUNTED_SUM,
        }
    }
}

/// A tensor of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tensor {
    Input(usize),
    Grad(usize),
    Target(usize),
    Weight(usize),
    Columns(usize),
    Loss(usize),
    /// The upstream gradient of each row.
    Upstream,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub variant: Variant,
    pub kernel: Kernels<1>,
    pub groups: [u32; 2],
    pub params: Params,
    /// The terms of this dispatch: which part of the plan, and its parameters.
    pub terms: Vec<(usize, TermParams)>,
    /// What each buffer but `work` is, the first number that this dispatch sees, and how many.
    pub ranges: Vec<Range>,
}

/// What a dispatch sees of a tensor: `len` numbers from `first` on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub role: Role,
    pub tensor: Tensor,
    pub first: u64,
    pub len: u64,
}

impl Gpu {
    /// Prepares `loss` for `layout`.
    ///
    /// # Errors
    /// Whatever [`Layout::check`] refuses; [`Error::TooLarge`] where one row, one sample of class axis 1 or the
    /// partial sums exceed a binding; [`Error::Mismatch`] where a plan was [asked for](Gpu::with_plan) that cannot
    /// carry the loss; [`Error::Device`] and [`Error::OutOfMemory`] from the device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan(&self, loss: &dyn Loss, layout: &Layout) -> Result<Plan> {
        self.block_on(self.plan_async(loss, layout))
    }

    /// As `plan`, without blocking.
    ///
    /// # Errors
    /// As `plan`.
    pub async fn plan_async(&self, loss: &dyn Loss, layout: &Layout) -> Result<Plan> {
        let inputs = (0..loss.info().inputs.len()).collect();
        let part = Part::new(loss, layout, inputs, 1.0)?;
        let slots = vec![part.geometry.elements; part.inputs.len()];
        self.plan_parts(vec![part], slots).await
    }

    /// As [`plan`](Gpu::plan), for a loss of rows of logits that on the way also finds, for each row, the class of the highest logit and
    /// how many classes go before the true one: what a [`ConfusionState`](super::ConfusionState) then counts without another look at
    /// the logits ([`bind_ranked`](super::ConfusionState::bind_ranked)); and what probabilities follow of, for a
    /// [`MulticlassState`](super::MulticlassState) with log loss and calibration ([`bind_ranked`](super::MulticlassState::bind_ranked)).
    /// That takes 20 bytes a row of the work buffer.
    ///
    /// # Errors
    /// As `plan`; [`Error::Mismatch`] for a loss that does not [rank](crate::loss::Rows::ranks) (of all only `cross_entropy` does, without
    /// temperature and softcap, which may change the order of logits), targets that are no class indices, or classes at axis 1; [`Error::TooLarge`] for rows of 2²⁰ columns and more.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_ranked(&self, loss: &dyn Loss, layout: &Layout) -> Result<Plan> {
        self.block_on(self.plan_ranked_async(loss, layout))
    }

    /// As `plan_ranked`, without blocking.
    ///
    /// # Errors
    /// As `plan_ranked`.
    pub async fn plan_ranked_async(&self, loss: &dyn Loss, layout: &Layout) -> Result<Plan> {
        let inputs = (0..loss.info().inputs.len()).collect();
        let mut part = Part::new(loss, layout, inputs, 1.0)?;
        part.ranked = true;
        let fail = |expected: &str, found: String| {
            Err(Error::mismatch("plan with ranks", expected, found))
        };
        let ranks = match loss.math() {
            Math::Rows(rows) => rows.ranks(),
            Math::Elementwise(_) => false,
        };
        if !ranks {
            let expected = "a loss of rows of logits as they are";
            return fail(expected, format!("{} with these options", part.info.name));
        }
        if !matches!(part.layout.target, TargetLayout::Labels(_)) {
            return fail("class indices", format!("{:?}", part.layout.target));
        }
        if part.units.inner > 1 {
            return fail(
                "classes at the last axis",
                format!("{:?}", layout.class_axis),
            );
        }
        if part.units.cols >= LONG {
            return Err(Error::TooLarge {
                what: "classes of a plan with ranks".into(),
                limit: LONG as u64 - 1,
                found: part.units.cols as u64,
            });
        }
        let slots = vec![part.geometry.elements; part.inputs.len()];
        self.plan_parts(vec![part], slots).await
    }

    /// Prepares a sum of losses over inputs of so many elements each.
    pub(crate) async fn plan_parts(&self, parts: Vec<Part>, slots: Vec<usize>) -> Result<Plan> {
        // Kernels that are there already would not be missed.
        self.alive().await?;
        let planner = Planner::new(self, &parts)?;
        let (pending, words) = planner.steps()?;
        let work = 4 * ((HEAD * parts.len()) as u64 + words.max(1) as u64);
        if work > self.limits.binding {
            return Err(Error::TooLarge {
                what: "bytes of status and partial sums".into(),
                limit: self.limits.binding,
                found: work,
            });
        }
        let name = planner.name(&pending);
        let planner_end = planner.end();
        let mut steps = Vec::with_capacity(pending.len());
        for step in pending {
            steps.push(Step {
                kernel: self.kernel(&step.variant).await?,
                variant: step.variant,
                groups: step.groups,
                params: step.params,
                terms: step.terms,
                ranges: step.ranges,
            });
        }
        Ok(Plan {
            gpu: self.clone(),
            slots,
            steps,
            work,
            ranks: HEAD * parts.len() + planner_end,
            carrier: None,
            name,
            parts,
        })
    }
}

impl Plan {
    /// The layout it was made for; of a sum of losses, that of the first.
    pub fn layout(&self) -> &Layout {
        &self.parts[0].layout
    }

    /// How it is run: the name of a [`PlanKind`], with `chunked` in front where one binding does not hold everything;
    /// `combined` for a sum of losses in several passes; `empty` where there is nothing to do.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many dispatches one encoding records, beside the small ones that begin and end it: one before, and one more behind for a reduced
    /// loss that is written to a buffer, and for a normalizer.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Bytes of device memory that each binding of this plan takes for status and partial sums.
    pub fn scratch_bytes(&self) -> u64 {
        self.work
    }

    /// Bytes that the dispatches over the data must move at least: each reads every input, target and weight that it
    /// binds once and writes every gradient once; one that adds to a gradient reads it too. Partial sums are left out.
    pub fn data_bytes(&self) -> u64 {
        let main = self.steps.iter().filter(|s| s.variant.stage.is_main());
        main.flat_map(|step| {
            step.ranges.iter().map(|range| {
                let again = match range.role {
                    Role::Grad(k) => u64::from(step.variant.accumulate[k]),
                    Role::Input(_) => u64::from(step.variant.writes(range.role)),
                    _ => 0,
                };
                range.len * self.number_size(range.tensor) * (1 + again)
            })
        })
        .sum()
    }

    /// Bytes of one number of a tensor.
    pub(crate) fn number_size(&self, tensor: Tensor) -> u64 {
        number_size(&self.parts, tensor)
    }
}

/// Bytes of one number of a tensor.
fn number_size(parts: &[Part], tensor: Tensor) -> u64 {
    match tensor {
        Tensor::Input(_) | Tensor::Grad(_) => parts[0].layout.dtype.size(),
        Tensor::Target(k) => match parts[k].layout.target {
            TargetLayout::Labels(l) => l.size(),
            TargetLayout::Values(d) | TargetLayout::PerRow(d) => d.size(),
            TargetLayout::None => 4,
        },
        Tensor::Weight(_) | Tensor::Columns(_) | Tensor::Loss(_) | Tensor::Upstream => 4,
    }
}
