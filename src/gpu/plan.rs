//! Which dispatches evaluate a loss on a layout. Chunks and leaves follow from the whole layout alone.

use super::source::{self, Params, Role, Stage, Variant, WORK_HEADER};
use super::{Gpu, Kernel};
use crate::error::{Error, Result};
use crate::layout::{Divisor, Geometry, Layout, Reduction, TargetLayout, WeightLayout};
use crate::loss::{Family, Info, Loss, OptionValue};
use crate::tensor::DType;

/// Elements that one leaf of a sum holds.
const LEAF: usize = 4096;

/// A loss made ready for a layout: kernels compiled, dispatches laid out, sizes checked.
///
/// A plan holds no tensors. [`bind`](Plan::bind) attaches buffers to it, and what comes of that is encoded
/// as often as one likes.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) gpu: Gpu,
    pub(crate) loss: &'static Info,
    pub(crate) layout: Layout,
    pub(crate) geometry: Geometry,
    pub(crate) steps: Vec<Step>,
    /// The options as the kernels read them.
    pub(crate) options: Vec<u32>,
    /// An option that is a list.
    pub(crate) list: Option<Vec<f32>>,
    /// Bytes of the work buffer.
    pub(crate) work: u64,
    pub(crate) counted: bool,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub variant: Variant,
    pub kernel: Kernel,
    pub groups: [u32; 2],
    pub params: Params,
    /// Each buffer with the first number that this dispatch sees, and how many.
    pub ranges: Vec<(Role, u64, u64)>,
}

/// A run of rows or elements that one dispatch can bind.
struct Chunk {
    first: usize,
    len: usize,
}

fn chunks(total: usize, most: usize) -> impl Iterator<Item = Chunk> {
    (0..total).step_by(most.max(1)).map(move |first| Chunk {
        first,
        len: most.min(total - first),
    })
}

impl Gpu {
    /// Prepares `loss` for `layout`.
    ///
    /// # Errors
    /// Whatever [`Layout::check`] refuses; [`Error::TooLarge`] where one row, one sample of class axis 1 or the
    /// partial sums exceed a binding; [`Error::Device`] and [`Error::OutOfMemory`] from the device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan(&self, loss: &dyn Loss, layout: &Layout) -> Result<Plan> {
        self.block_on(self.plan_async(loss, layout))
    }

    /// As `plan`, without blocking.
    ///
    /// # Errors
    /// As `plan`.
    pub async fn plan_async(&self, loss: &dyn Loss, layout: &Layout) -> Result<Plan> {
        let geometry = layout.check(loss)?;
        let info = loss.info();
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
        let planner = Planner {
            gpu: self,
            info,
            layout,
            geometry,
            divisor: layout.divisor(loss, &geometry),
            columns: layout.class_weight || list.is_some(),
            base: base_params(loss, layout, &geometry),
        };
        let (pending, work) = planner.steps()?;
        let mut steps = Vec::with_capacity(pending.len());
        for (variant, groups, params, ranges) in pending {
            steps.push(Step {
                kernel: self.kernel(info, variant).await?,
                variant,
                groups,
                params,
                ranges,
            });
        }
        Ok(Plan {
            gpu: self.clone(),
            loss: info,
            layout: layout.clone(),
            geometry,
            steps,
            options,
            list,
            work,
            counted: matches!(planner.divisor, Divisor::Counted { .. }),
        })
    }
}

impl Plan {
    /// The layout it was made for.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How it is run: `elementwise`, `workgroup` (one workgroup a row) or `strided` (class axis 1), with
    /// `chunked` in front where one binding does not hold everything; `empty` where there is nothing to do.
    pub fn name(&self) -> &'static str {
        let main = |stage| {
            self.steps
                .iter()
                .filter(|s| s.variant.stage == stage)
                .count()
        };
        let names = [
            (Stage::Elementwise, ["elementwise", "chunked elementwise"]),
            (Stage::Rows, ["workgroup", "chunked workgroup"]),
            (Stage::StridedStat, ["strided", "chunked strided"]),
        ];
        let used = names.into_iter().find(|(stage, _)| main(*stage) > 0);
        used.map_or("empty", |(stage, names)| {
            names[usize::from(main(stage) > 1)]
        })
    }

    /// How many dispatches one encoding records.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Bytes of device memory that each binding of this plan takes for status and partial sums.
    pub fn scratch_bytes(&self) -> u64 {
        self.work
    }
}

fn base_params(loss: &dyn Loss, layout: &Layout, geometry: &Geometry) -> Params {
    let ignore = loss.ignore_index();
    let counted = layout.divisor(loss, geometry);
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Params {
        cols: word(geometry.cols),
        inner: word(geometry.inner),
        grad_scale: layout.grad_scale,
        divisor: match counted {
            Divisor::Known(n) => n as f32,
            Divisor::Counted { .. } => 0.0,
        },
        counted: u32::from(matches!(counted, Divisor::Counted { .. })),
        repeat: 1.0,
        has_ignore: u32::from(ignore.is_some()),
        ignore_lo: ignore.unwrap_or(0) as u32,
        ignore_hi: (ignore.unwrap_or(0) >> 32) as u32,
        ..Params::default()
    }
}

type Pending = (Variant, [u32; 2], Params, Vec<(Role, u64, u64)>);

struct Planner<'a> {
    gpu: &'a Gpu,
    info: &'static Info,
    layout: &'a Layout,
    geometry: Geometry,
    divisor: Divisor,
    columns: bool,
    base: Params,
}

impl Planner<'_> {
    fn steps(&self) -> Result<(Vec<Pending>, u64)> {
        let mut steps = Vec::new();
        let g = &self.geometry;
        if g.elements == 0 {
            return Ok((steps, WORK_HEADER + 4));
        }
        let count_leaves = self.count(&mut steps)?;
        let (leaves, scratch) = match self.info.family {
            Family::Elementwise => (self.elementwise(&mut steps)?, 0),
            Family::Rows | Family::Sets if g.inner == 1 => (self.rows(&mut steps)?, 0),
            Family::Rows | Family::Sets => self.strided(&mut steps)?,
        };
        if self.layout.reduction != Reduction::None {
            let params = Params {
                leaves: self.word("partial sums", leaves)?,
                ..self.base
            };
            steps.push((
                self.variant(Stage::Finish),
                [1, 1],
                params,
                self.ranges(Stage::Finish, &[]),
            ));
        }
        let words = (leaves + scratch).max(2 * count_leaves).max(1);
        let work = WORK_HEADER + 4 * words as u64;
        if work > self.gpu.limits.binding {
            return Err(Error::TooLarge {
                what: format!("bytes of partial sums for {} rows", g.rows),
                limit: self.gpu.limits.binding,
                found: work,
            });
        }
        Ok((steps, work))
    }

    fn variant(&self, stage: Stage) -> Variant {
        let v = Variant {
            loss: self.info.name,
            stage,
            dtype: self.layout.dtype,
            target: self.layout.target,
            weight: self.layout.weight,
            columns: self.columns,
            gradient: self.layout.gradient,
            each: self.layout.reduction == Reduction::None,
            width: 256,
            aliased: false,
        };
        match stage {
            // A list that is an option is no list of weights.
            Stage::Count => Variant {
                columns: self.layout.class_weight,
                ..v
            },
            // As many invocations as there are columns: the others would only wait.
            Stage::Rows => Variant {
                width: self.base.cols.clamp(32, 256).next_power_of_two(),
                ..v
            },
            _ => v,
        }
        .shared()
    }

    /// The ranges of a stage: `work` and the columns whole, the others as `known` gives them.
    fn ranges(&self, stage: Stage, known: &[(Role, u64, u64)]) -> Vec<(Role, u64, u64)> {
        let roles = self.variant(stage).roles(self.info);
        roles
            .into_iter()
            .map(|role| match known.iter().find(|(r, ..)| *r == role) {
                Some(&range) => range,
                None => (role, 0, self.geometry.cols as u64),
            })
            .collect()
    }

    /// Bytes of one number of `role`.
    fn size(&self, role: Role) -> u64 {
        number_size(self.layout, role)
    }

    /// How many units fit one binding, when `role` holds `per_unit(role)` numbers a unit.
    fn fit(&self, stage: Stage, per_unit: impl Fn(Role) -> Option<usize>) -> usize {
        // A binding may begin below the view, and end in the middle of a word.
        let room = self
            .gpu
            .limits
            .binding
            .saturating_sub(u64::from(self.gpu.limits.alignment) + 4);
        let roles = self.variant(stage).roles(self.info);
        let units = roles.into_iter().filter_map(|role| {
            let bytes = per_unit(role)? as u64 * self.size(role);
            Some(room / bytes.max(1))
        });
        usize::try_from(units.min().unwrap_or(room)).unwrap_or(usize::MAX)
    }

    fn word(&self, what: &str, n: usize) -> Result<u32> {
        u32::try_from(n).map_err(|_| Error::TooLarge {
            what: format!("{what} of the shape {:?}", self.layout.shape),
            limit: u64::from(u32::MAX),
            found: n as u64,
        })
    }

    /// A grid of at least `groups` workgroups.
    fn grid(&self, groups: usize) -> Result<[u32; 2]> {
        let side = self.gpu.limits.groups as usize;
        let x = groups.min(side);
        let y = groups.div_ceil(x.max(1));
        if y > side {
            return Err(Error::TooLarge {
                what: "workgroups of one dispatch".into(),
                limit: (side * side) as u64,
                found: groups as u64,
            });
        }
        Ok([self.word("workgroups", x)?, self.word("workgroups", y)?])
    }

    /// Counts labels and sums the divisor, where either is needed. Returns the number of leaves.
    fn count(&self, steps: &mut Vec<Pending>) -> Result<usize> {
        let g = &self.geometry;
        let labels = matches!(self.layout.target, TargetLayout::Labels(_));
        let (weight, class_weight) = match self.divisor {
            // Class weights are looked at here, whether they count for the divisor or not.
            Divisor::Known(_) if !labels && !self.layout.class_weight => return Ok(0),
            Divisor::Known(_) => (false, false),
            Divisor::Counted {
                weight,
                class_weight,
            } => (weight, class_weight),
        };
        // What is counted: elements where each has a weight, else rows.
        let by_element = self.layout.weight == WeightLayout::Element;
        let total = if by_element { g.elements } else { g.rows };
        let repeat = match (self.info.family, by_element) {
            (Family::Elementwise, false) => g.cols as f32,
            _ => 1.0,
        };
        let room = self.fit(Stage::Count, |role| match role {
            Role::Target | Role::Weight => Some(1),
            _ => None,
        });
        let most = self.leaves_in(room, total)?;
        for chunk in chunks(total, most) {
            let span = |role| (role, chunk.first as u64, chunk.len as u64);
            let leaves = chunk.len.div_ceil(LEAF);
            let params = Params {
                rows: self.word("rows", chunk.len)?,
                row0: self.word("rows", chunk.first)?,
                leaf0: self.word("leaves", chunk.first / LEAF)?,
                leaves: self.word("leaves", leaves)?,
                sum_weight: u32::from(weight),
                sum_class_weight: u32::from(class_weight),
                ..self.base
            };
            let ranges = self.ranges(Stage::Count, &[span(Role::Target), span(Role::Weight)]);
            steps.push((
                self.variant(Stage::Count),
                self.grid(leaves)?,
                params,
                ranges,
            ));
        }
        let leaves = total.div_ceil(LEAF);
        if matches!(self.divisor, Divisor::Counted { .. }) {
            let params = Params {
                leaves: self.word("leaves", leaves)?,
                repeat,
                ..self.base
            };
            steps.push((
                self.variant(Stage::Fold),
                [1, 1],
                params,
                self.ranges(Stage::Fold, &[]),
            ));
        }
        Ok(leaves)
    }

    /// How many of `total` numbers a chunk takes, if `room` fit a binding: all, or as many whole leaves as fit.
    fn leaves_in(&self, room: usize, total: usize) -> Result<usize> {
        match (total <= room, room / LEAF * LEAF) {
            (true, _) => Ok(total),
            (false, 0) => Err(Error::TooLarge {
                what: format!("numbers of a leaf, {LEAF}, in one binding"),
                limit: room as u64,
                found: LEAF as u64,
            }),
            (false, most) => Ok(most),
        }
    }

    fn elementwise(&self, steps: &mut Vec<Pending>) -> Result<usize> {
        let g = &self.geometry;
        let stage = Stage::Elementwise;
        let by_row = self.layout.weight == WeightLayout::Row;
        let sample = g.cols.saturating_mul(g.inner);
        let room = self.fit(stage, |role| match role {
            // Rows have at least one element each; two more begin and end inside the chunk.
            Role::Input(_) | Role::Target | Role::Grad(_) | Role::Loss | Role::Weight => Some(1),
            _ => None,
        });
        let mut most = self.leaves_in(room, g.elements)?;
        if by_row && g.inner > 1 && most < g.elements {
            // The rows that a chunk touches are bound as whole samples: two of them may hold little of it.
            let rows = self.fit(stage, |role| (role == Role::Weight).then_some(1));
            let touched = rows.saturating_sub(2 * g.inner).saturating_mul(g.cols);
            most = most.min(self.leaves_in(touched, g.elements)?);
        }
        for chunk in chunks(g.elements, most) {
            let span = |role| (role, chunk.first as u64, chunk.len as u64);
            let r0 = chunk.first % sample;
            if by_row || self.columns {
                self.word("elements of a sample and a chunk", r0 + chunk.len)?;
            }
            // The rows of the samples that the chunk touches.
            let row0 = chunk.first / sample * g.inner;
            let row1 = (chunk.first + chunk.len).div_ceil(sample) * g.inner;
            let weight = match by_row {
                true => (Role::Weight, row0 as u64, (row1 - row0) as u64),
                false => span(Role::Weight),
            };
            let mut known = vec![span(Role::Target), span(Role::Loss), weight];
            for k in 0..self.info.inputs.len() {
                known.extend([span(Role::Input(k)), span(Role::Grad(k))]);
            }
            let leaves = chunk.len.div_ceil(LEAF);
            let params = Params {
                n: self.word("elements", chunk.len)?,
                r0: r0 as u32,
                leaf0: self.word("leaves", chunk.first / LEAF)?,
                leaves: self.word("leaves", leaves)?,
                ..self.base
            };
            steps.push((
                self.variant(stage),
                self.grid(leaves)?,
                params,
                self.ranges(stage, &known),
            ));
        }
        Ok(match self.layout.reduction {
            Reduction::None => 0,
            _ => g.elements.div_ceil(LEAF),
        })
    }

    /// Samples: rows, or at class axis 1 what shares an index of axis 0. `step` of them begin at a whole word
    /// of 16-bit numbers.
    fn samples(&self, stages: &[Stage], scratch: usize) -> Result<(usize, usize)> {
        let g = &self.geometry;
        let sample = g.cols.saturating_mul(g.inner);
        let step = if self.layout.dtype != DType::F32 && sample % 2 == 1 {
            2
        } else {
            1
        };
        let labels = matches!(self.layout.target, TargetLayout::Labels(_));
        let fit = stages.iter().map(|&stage| {
            self.fit(stage, |role| match role {
                Role::Input(_) | Role::Grad(_) => Some(sample),
                Role::Target if !labels => Some(sample),
                Role::Target | Role::Weight | Role::Loss => Some(g.inner),
                _ => None,
            })
        });
        let mut most = fit.min().unwrap_or(0);
        if scratch > 0 {
            let leaves = match self.layout.reduction {
                Reduction::None => 0,
                _ => 4 * g.rows as u64,
            };
            let room = self.gpu.limits.binding.saturating_sub(WORK_HEADER + leaves);
            let rows = room / (4 * scratch as u64);
            most = most.min(usize::try_from(rows).unwrap_or(usize::MAX) / g.inner);
        }
        // A single step is all there is of a small tensor, whole words or not.
        let samples = g.rows / g.inner;
        if most < step.min(samples) {
            let row = sample as u64 * self.layout.dtype.size();
            return Err(Error::TooLarge {
                what: match g.inner {
                    1 => format!("bytes of {step} row(s) in one binding"),
                    _ => format!("bytes of {step} sample(s) of class axis 1 in one binding"),
                },
                limit: self.gpu.limits.binding,
                found: row * step as u64,
            });
        }
        Ok(((most / step * step).max(step), step))
    }

    /// What a chunk of samples binds.
    fn sample_ranges(&self, chunk: &Chunk) -> Vec<(Role, u64, u64)> {
        let g = &self.geometry;
        let sample = g.cols * g.inner;
        let by = |role, n: usize| (role, (chunk.first * n) as u64, (chunk.len * n) as u64);
        let target = match self.layout.target {
            TargetLayout::Labels(_) => g.inner,
            _ => sample,
        };
        let mut known = vec![
            by(Role::Target, target),
            by(Role::Weight, g.inner),
            by(Role::Loss, g.inner),
        ];
        for k in 0..self.info.inputs.len() {
            known.extend([by(Role::Input(k), sample), by(Role::Grad(k), sample)]);
        }
        known
    }

    fn rows(&self, steps: &mut Vec<Pending>) -> Result<usize> {
        let g = &self.geometry;
        let (most, group) = self.samples(&[Stage::Rows], 0)?;
        for chunk in chunks(g.rows, most) {
            let params = Params {
                n: self.word("elements", chunk.len * g.cols)?,
                rows: self.word("rows", chunk.len)?,
                row0: self.word("rows", chunk.first)?,
                leaf0: self.word("rows", chunk.first)?,
                group: self.word("rows of a group", group)?,
                ..self.base
            };
            let ranges = self.ranges(Stage::Rows, &self.sample_ranges(&chunk));
            let grid = self.grid(chunk.len.div_ceil(group))?;
            steps.push((self.variant(Stage::Rows), grid, params, ranges));
        }
        Ok(self.row_leaves())
    }

    fn row_leaves(&self) -> usize {
        match self.layout.reduction {
            Reduction::None => 0,
            _ => self.geometry.rows,
        }
    }

    fn strided(&self, steps: &mut Vec<Pending>) -> Result<(usize, usize)> {
        let g = &self.geometry;
        // One word of flags and the statistic, for each row of a chunk.
        let words = match self.layout.gradient {
            true => 1 + source::stat_fields(self.info).len(),
            false => 0,
        };
        let stages: &[Stage] = match self.layout.gradient {
            true => &[Stage::StridedStat, Stage::StridedGrad],
            false => &[Stage::StridedStat],
        };
        let (most, _) = self.samples(stages, words)?;
        let samples = g.rows / g.inner;
        let mut scratch = 0;
        for chunk in chunks(samples, most) {
            let rows = chunk.len * g.inner;
            scratch = scratch.max(rows * words);
            let params = Params {
                n: self.word("elements", rows * g.cols)?,
                rows: self.word("rows", rows)?,
                row0: self.word("rows", chunk.first * g.inner)?,
                leaf0: self.word("rows", chunk.first * g.inner)?,
                stat0: self.word("rows", self.row_leaves())?,
                ..self.base
            };
            for &stage in stages {
                let threads = match stage {
                    Stage::StridedStat => rows,
                    _ => (rows * g.cols).div_ceil(2),
                };
                let ranges = self.ranges(stage, &self.sample_ranges(&chunk));
                steps.push((
                    self.variant(stage),
                    self.grid(threads.div_ceil(256))?,
                    params,
                    ranges,
                ));
            }
        }
        Ok((self.row_leaves(), scratch))
    }
}

/// Bytes of one number that `role` holds.
pub(crate) fn number_size(layout: &Layout, role: Role) -> u64 {
    match role {
        Role::Input(_) | Role::Grad(_) => layout.dtype.size(),
        Role::Target => match layout.target {
            TargetLayout::Labels(l) => l.size(),
            TargetLayout::Values(d) | TargetLayout::PerRow(d) => d.size(),
            TargetLayout::None => 4,
        },
        Role::Weight | Role::Columns | Role::Loss | Role::Work => 4,
    }
}
