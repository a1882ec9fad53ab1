//! The dispatches of a plan, and what each of them sees of the tensors.

use super::pass::{BUFFERS, Pass, passes, term};
use super::{LEAF, Part, PlanKind, Range, Tensor, number_size};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::source::{
    COUNTED_SUM, HEAD, Losses, Params, Role, Stage, TermParams, Variant, list_option, words,
};
use crate::layout::{Divisor, UpstreamLayout, WeightLayout};
use crate::loss::Family;
use crate::tensor::DType;

/// Words of a row's predicted class and rank, and of what its probabilities follow of: they lie behind all partial sums.
pub(in crate::gpu) const RANK_WORDS: usize = 5;

/// The columns that one invocation takes at class axis 1.
const STRIP: usize = 1024;

/// A dispatch whose kernel is not compiled yet.
pub(super) struct Pending {
    pub variant: Variant,
    pub groups: [u32; 2],
    pub params: Params,
    pub terms: Vec<(usize, TermParams)>,
    pub ranges: Vec<Range>,
}

/// A run of rows, samples or elements that one dispatch can bind.
#[derive(Clone, Copy)]
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

pub(super) struct Planner<'a> {
    gpu: &'a Gpu,
    parts: &'a [Part],
    passes: Vec<Pass>,
    /// Where the leaves of each part begin, and where the leaves end.
    leaf0: Vec<usize>,
    leaves: Vec<usize>,
    /// Where upstream gradients of rows begin.
    upstream0: usize,
    end: usize,
}

impl<'a> Planner<'a> {
    pub(super) fn new(gpu: &'a Gpu, parts: &'a [Part]) -> Result<Self> {
        let passes = passes(gpu, parts)?;
        let mut planner = Planner {
            gpu,
            parts,
            passes,
            leaf0: vec![0; parts.len()],
            leaves: vec![0; parts.len()],
            upstream0: 0,
            end: 0,
        };
        for pass in &planner.passes {
            for &k in &pass.parts {
                let stage = match pass.kind {
                    PlanKind::Elementwise => Stage::Elementwise,
                    PlanKind::Strided => Stage::StridedStat,
                    PlanKind::Split => Stage::SplitGrad,
                    _ => Stage::Rows,
                };
                let v = pass.variant(gpu, parts, stage);
                if v.roles().len() > BUFFERS {
                    let name = parts[k].info.name;
                    return Err(Error::TooLarge {
                        what: format!("storage buffers of {name} with these extras"),
                        limit: BUFFERS as u64,
                        found: v.roles().len() as u64,
                    });
                }
                let stored = v.terms.iter().all(|t| t.losses == Losses::Stored);
                let leaves = match pass.kind {
                    _ if parts[k].each && stored => 0,
                    PlanKind::Elementwise => parts[k].geometry.elements.div_ceil(LEAF),
                    _ => v.leaves(pass.units.rows),
                };
                planner.leaf0[k] = planner.end;
                planner.leaves[k] = leaves;
                planner.end += leaves;
            }
        }
        planner.upstream0 = planner.end;
        planner.end += planner.upstreams();
        Ok(planner)
    }

    /// Rows that have an upstream gradient each.
    fn upstreams(&self) -> usize {
        let part = &self.parts[0];
        match part.layout.upstream {
            UpstreamLayout::Scalar => 0,
            UpstreamLayout::Row => part.units.rows,
        }
    }

    /// The leaves of all parts and what lies behind them, in words.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn name(&self, steps: &[Pending]) -> &'static str {
        let stages = [
            Stage::Elementwise,
            Stage::Rows,
            Stage::SplitStat,
            Stage::StridedStat,
            Stage::StridedSay,
        ];
        let main = steps.iter().filter(|s| stages.contains(&s.variant.stage));
        match (self.passes.as_slice(), main.count()) {
            ([], _) => "empty",
            ([pass], 1) => pass.kind.name(),
            ([pass], _) => pass.kind.chunked(),
            _ => "combined",
        }
    }

    /// All dispatches, and the words of partial sums and statistics that they need.
    pub(super) fn steps(&self) -> Result<(Vec<Pending>, usize)> {
        let mut steps = Vec::new();
        let mut words = self.end;
        for (k, part) in self.parts.iter().enumerate() {
            if part.geometry.elements > 0 {
                words = words.max(self.count(k, &mut steps)?);
            }
        }
        // Behind the counting, whose partial sums lie in the same place.
        self.take_upstream(&mut steps)?;
        for pass in &self.passes {
            let scratch = match pass.kind {
                PlanKind::Elementwise => self.elementwise(pass, &mut steps)?,
                PlanKind::Short | PlanKind::Workgroup => self.rows(pass, &mut steps)?,
                PlanKind::Split if pass.whole => self.split_set(pass, &mut steps)?,
                PlanKind::Split => self.split(pass, &mut steps)?,
                PlanKind::Strided => self.strided(pass, &mut steps)?,
            };
            words = words.max(self.end.saturating_add(scratch));
        }
        for (k, part) in self.parts.iter().enumerate() {
            if part.geometry.elements == 0 {
                continue;
            }
            let (stage, groups) = match (part.each, self.leaves[k]) {
                (false, _) => (Stage::Finish, [1, 1]),
                (true, 0) => continue,
                (true, rows) => (Stage::Spread, self.grid(rows.div_ceil(256))?),
            };
            let params = Params {
                leaves: self.word("partial sums", self.leaves[k])?,
                rows: self.word("rows", self.leaves[k])?,
                ..self.base(part)
            };
            let ranges = match stage {
                Stage::Spread => vec![Range {
                    role: Role::Loss(0),
                    tensor: Tensor::Loss(k),
                    first: 0,
                    len: self.leaves[k] as u64,
                }],
                _ => Vec::new(),
            };
            steps.push(Pending {
                variant: self.alone(k, stage),
                groups,
                params,
                terms: vec![(k, self.term_params(k, 0)?)],
                ranges,
            });
        }
        Ok((steps, words))
    }

    fn take_upstream(&self, steps: &mut Vec<Pending>) -> Result<()> {
        let most = self.fit([Tensor::Upstream], |_| Some(1));
        for chunk in chunks(self.upstreams(), most) {
            steps.push(Pending {
                variant: self.alone(0, Stage::Upstream),
                groups: self.grid(chunk.len.div_ceil(256))?,
                params: Params {
                    rows: self.word("rows", chunk.len)?,
                    row0: self.word("rows", chunk.first)?,
                    ..self.base(&self.parts[0])
                },
                terms: vec![(0, self.term_params(0, 0)?)],
                ranges: vec![Range {
                    role: Role::Upstream,
                    tensor: Tensor::Upstream,
                    first: chunk.first as u64,
                    len: chunk.len as u64,
                }],
            });
        }
        Ok(())
    }

    /// A kernel of one loss in which its mathematics takes no part.
    fn alone(&self, k: usize, stage: Stage) -> Variant {
        let part = &self.parts[k];
        let mut v = Variant {
            stage,
            dtype: DType::F32,
            accumulate: Vec::new(),
            gradient: false,
            whole: false,
            width: self.gpu.tuning.fold_width(),
            lanes: self.gpu.tuning.fold_width(),
            subgroup: self.gpu.subgroup,
            held: 0,
            group: 1,
            rounds: 1,
            unroll: 1,
            side: 1,
            heads: self.parts.len(),
            aliased: false,
            in_place: false,
            wide: false,
            ranked: false,
            row_upstream: false,
            counted: None,
            terms: vec![term(part, Vec::new())],
        };
        // A list that is an option is no list of weights.
        v.terms[0].columns = part.layout.class_weight;
        v.shared()
    }

    fn base(&self, part: &Part) -> Params {
        let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Params {
            cols: word(part.units.cols),
            inner: word(part.units.inner),
            data_cols: word(part.geometry.cols),
            data_inner: word(part.geometry.inner),
            grad_scale: part.layout.grad_scale,
            upstream0: word(self.upstream0),
            repeat: 1.0,
            ..Params::default()
        }
    }

    /// The parameters of part `k` in a dispatch that begins at its leaf `leaf`.
    fn term_params(&self, k: usize, leaf: usize) -> Result<TermParams> {
        let part = &self.parts[k];
        let ignore = part.ignore.unwrap_or(0);
        Ok(TermParams {
            head: (HEAD * k) as u32,
            leaf0: self.word("leaves", self.leaf0[k] + leaf)?,
            scale: part.scale,
            divisor: match part.divisor {
                Divisor::Known(n) => n as f32,
                Divisor::Counted { .. } => 0.0,
            },
            counted: part.counted(),
            has_ignore: u32::from(part.ignore.is_some()),
            ignore_lo: ignore as u32,
            ignore_hi: (ignore >> 32) as u32,
            ..TermParams::default()
        })
    }

    fn pass_terms(&self, pass: &Pass, leaf: usize) -> Result<Vec<(usize, TermParams)>> {
        let terms = pass.parts.iter();
        terms
            .map(|&k| Ok((k, self.term_params(k, leaf)?)))
            .collect()
    }

    /// The tensor behind a role of a kernel of `pass`.
    fn tensor(pass: &Pass, role: Role) -> Option<Tensor> {
        Some(match role {
            Role::Input(k) => Tensor::Input(pass.slots[k]),
            Role::Grad(k) => Tensor::Grad(pass.slots[k]),
            Role::Target(k) => Tensor::Target(pass.parts[k]),
            Role::Weight(k) => Tensor::Weight(pass.parts[k]),
            Role::Columns(k) => Tensor::Columns(pass.parts[k]),
            Role::Loss(k) => Tensor::Loss(pass.parts[k]),
            Role::Upstream => Tensor::Upstream,
            Role::Work | Role::Head | Role::Counts => return None,
        })
    }

    /// The ranges of a kernel of `pass`: `of` gives first and length of a tensor, and nothing for what is seen whole.
    fn ranges(
        &self,
        pass: &Pass,
        v: &Variant,
        of: impl Fn(Tensor) -> Option<(usize, usize)>,
    ) -> Vec<Range> {
        let roles = v.roles().into_iter();
        roles
            .filter_map(|role| {
                let tensor = Self::tensor(pass, role)?;
                let cols = self.parts[pass.parts[0]].geometry.cols;
                let (first, len) = of(tensor).unwrap_or((0, cols));
                Some(Range {
                    role,
                    tensor,
                    first: first as u64,
                    len: len as u64,
                })
            })
            .collect()
    }

    /// How many units fit one binding, when a tensor holds `per_unit` numbers a unit.
    fn fit(
        &self,
        tensors: impl IntoIterator<Item = Tensor>,
        per_unit: impl Fn(Tensor) -> Option<usize>,
    ) -> usize {
        // A binding may begin below the view, and end in the middle of a word.
        let room = self
            .gpu
            .limits
            .binding
            .saturating_sub(u64::from(self.gpu.limits.alignment) + 4);
        let units = tensors.into_iter().filter_map(|tensor| {
            let bytes = per_unit(tensor)? as u64 * number_size(self.parts, tensor);
            Some(room / bytes.max(1))
        });
        usize::try_from(units.min().unwrap_or(room)).unwrap_or(usize::MAX)
    }

    fn word(&self, what: &str, n: usize) -> Result<u32> {
        u32::try_from(n).map_err(|_| Error::TooLarge {
            what: format!("{what} of the shape {:?}", self.parts[0].layout.shape),
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

    /// Counts labels and sums the divisor, where either is needed. Returns the words of partial sums.
    fn count(&self, k: usize, steps: &mut Vec<Pending>) -> Result<usize> {
        let part = &self.parts[k];
        let g = &part.geometry;
        let (weight, class_weight) = match part.divisor {
            // Class weights are looked at here, whether they count for the divisor or not.
            Divisor::Known(_) if !part.layout.target.judged() && !part.layout.class_weight => {
                return Ok(0);
            }
            Divisor::Known(_) => (false, false),
            Divisor::Counted {
                weight,
                class_weight,
            } => (weight, class_weight),
        };
        // What is counted: elements where each has a weight, else rows.
        let by_element = part.layout.weight == WeightLayout::Element;
        let total = if by_element { g.elements } else { g.rows };
        let repeat = match (part.info.family, by_element) {
            (Family::Elementwise, false) => g.cols as f32,
            _ => 1.0,
        };
        let v = self.alone(k, Stage::Count);
        let tensors = [Tensor::Target(k), Tensor::Weight(k)];
        let bound = v.roles();
        let seen = tensors.into_iter().filter(|t| {
            matches!(t, Tensor::Target(_)) && bound.contains(&Role::Target(0))
                || matches!(t, Tensor::Weight(_)) && bound.contains(&Role::Weight(0))
        });
        let room = self.fit(seen, |_| Some(1));
        let most = self.leaves_in(room, total)?;
        for chunk in chunks(total, most) {
            let leaves = chunk.len.div_ceil(LEAF);
            // Enough workgroups for the class weights too.
            let groups = match part.layout.class_weight {
                true => leaves.max(g.cols.div_ceil(v.width as usize * LEAF)),
                false => leaves,
            };
            let params = Params {
                rows: self.word("rows", chunk.len)?,
                row0: self.word("rows", chunk.first)?,
                leaves: self.word("leaves", leaves)?,
                sum_weight: u32::from(weight),
                sum_class_weight: u32::from(class_weight),
                ..self.base(part)
            };
            let range = |&role: &Role| {
                let (tensor, first, len) = match role {
                    Role::Target(_) => (Tensor::Target(k), chunk.first, chunk.len),
                    Role::Weight(_) => (Tensor::Weight(k), chunk.first, chunk.len),
                    Role::Columns(_) => (Tensor::Columns(k), 0, g.cols),
                    _ => return None,
                };
                Some(Range {
                    role,
                    tensor,
                    first: first as u64,
                    len: len as u64,
                })
            };
            steps.push(Pending {
                ranges: bound.iter().filter_map(range).collect(),
                variant: v.clone(),
                groups: self.grid(groups)?,
                params,
                terms: vec![(
                    k,
                    TermParams {
                        leaf0: self.word("leaves", chunk.first / LEAF * 2)?,
                        ..self.term_params(k, 0)?
                    },
                )],
            });
        }
        let leaves = total.div_ceil(LEAF);
        if part.counted() == COUNTED_SUM {
            let params = Params {
                leaves: self.word("leaves", leaves)?,
                repeat,
                ..self.base(part)
            };
            steps.push(Pending {
                variant: self.alone(k, Stage::Fold),
                groups: [1, 1],
                params,
                terms: vec![(
                    k,
                    TermParams {
                        leaf0: 0,
                        ..self.term_params(k, 0)?
                    },
                )],
                ranges: Vec::new(),
            });
        }
        Ok(2 * leaves)
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

    /// How many elements a chunk takes that may begin and end anywhere between leaves.
    fn elements_in(&self, pass: &Pass, v: &Variant) -> Result<usize> {
        let g = &self.parts[pass.parts[0]].geometry;
        let tensors: Vec<_> = v
            .roles()
            .into_iter()
            .filter_map(|r| Self::tensor(pass, r))
            .collect();
        let by_row = |t: &Tensor| match t {
            Tensor::Weight(k) => self.parts[*k].layout.weight == WeightLayout::Row,
            _ => false,
        };
        let room = self.fit(tensors.iter().copied(), |tensor| match tensor {
            Tensor::Columns(_) => None,
            // Rows have at least one element each; two more begin and end inside the chunk.
            _ => Some(1),
        });
        let mut most = self.leaves_in(room, g.elements)?;
        if g.inner > 1 && most < g.elements && tensors.iter().any(by_row) {
            // The rows that a chunk touches are bound as whole samples: two of them may hold little of it.
            let rows = self.fit(tensors.iter().copied().filter(by_row), |_| Some(1));
            let touched = rows.saturating_sub(2 * g.inner).saturating_mul(g.cols);
            most = most.min(self.leaves_in(touched, g.elements)?);
        }
        Ok(most)
    }

    /// What a chunk of elements binds, and where in its sample it begins.
    fn element_ranges(&self, pass: &Pass, v: &Variant, chunk: Chunk) -> Result<(Vec<Range>, u32)> {
        let g = &self.parts[pass.parts[0]].geometry;
        let sample = g.cols.saturating_mul(g.inner);
        let r0 = chunk.first % sample;
        let placed = |&k: &usize| {
            let part = &self.parts[k];
            part.layout.weight == WeightLayout::Row
                || part.layout.upstream == UpstreamLayout::Row
                || part.layout.class_weight
                || list_option(part.info).is_some()
        };
        if pass.parts.iter().any(placed) {
            self.word("elements of a sample and a chunk", r0 + chunk.len)?;
        }
        // The rows of the samples that the chunk touches.
        let row0 = chunk.first / sample * g.inner;
        let row1 = (chunk.first + chunk.len).div_ceil(sample) * g.inner;
        let ranges = self.ranges(pass, v, |tensor| match tensor {
            Tensor::Columns(_) => None,
            Tensor::Weight(k) if self.parts[k].layout.weight == WeightLayout::Row => {
                Some((row0, row1 - row0))
            }
            _ => Some((chunk.first, chunk.len)),
        });
        Ok((ranges, r0 as u32))
    }

    fn elementwise(&self, pass: &Pass, steps: &mut Vec<Pending>) -> Result<usize> {
        let part = &self.parts[pass.parts[0]];
        let v = pass.variant(self.gpu, self.parts, Stage::Elementwise);
        let most = self.elements_in(pass, &v)?;
        for chunk in chunks(part.geometry.elements, most) {
            let (ranges, r0) = self.element_ranges(pass, &v, chunk)?;
            let leaves = chunk.len.div_ceil(LEAF);
            let sample = part.geometry.cols.saturating_mul(part.geometry.inner);
            let params = Params {
                n: self.word("elements", chunk.len)?,
                r0,
                row0: self.word("rows", chunk.first / sample.max(1) * part.geometry.inner)?,
                leaves: self.word("leaves", leaves)?,
                ..self.base(part)
            };
            steps.push(Pending {
                variant: v.clone(),
                groups: self.grid(leaves)?,
                params,
                terms: self.pass_terms(pass, chunk.first / LEAF)?,
                ranges,
            });
        }
        Ok(0)
    }

    /// Samples: rows, or at class axis 1 what shares an index of axis 0. How many a chunk takes, and how many of them
    /// begin at a whole word of 16-bit numbers. Each row has `scratch` words of statistics.
    fn samples(&self, pass: &Pass, stages: &[Stage], scratch: usize) -> Result<(usize, usize)> {
        let g = &pass.units;
        let sample = g.cols.saturating_mul(g.inner);
        let dtype = self.parts[pass.parts[0]].layout.dtype;
        let step = match pass.kind {
            PlanKind::Strided if dtype != DType::F32 && sample % 2 == 1 => 2,
            PlanKind::Strided => 1,
            _ => match pass.variant(self.gpu, self.parts, stages[0]) {
                // A leaf is of rows of one chunk.
                v if v.adds_rows_up() => v.rows(),
                v => v.group as usize,
            },
        };
        let fit = stages.iter().map(|&stage| {
            let v = pass.variant(self.gpu, self.parts, stage);
            let tensors = v.roles().into_iter().filter_map(|r| Self::tensor(pass, r));
            self.fit(tensors, |tensor| self.per_sample(pass, tensor))
        });
        let mut most = fit.min().unwrap_or(0);
        if scratch > 0 {
            let used = 4 * (HEAD * self.parts.len() + self.end) as u64;
            let room = self.gpu.limits.binding.saturating_sub(used);
            let rows = room / (4 * scratch as u64);
            most = most.min(usize::try_from(rows).unwrap_or(usize::MAX) / g.inner);
        }
        // A single step is all there is of a small tensor, whole words or not.
        let samples = g.rows / g.inner;
        if most < step.min(samples) {
            let row = sample as u64 * dtype.size();
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

    /// Numbers of a tensor in one sample; nothing for what is seen whole.
    fn per_sample(&self, pass: &Pass, tensor: Tensor) -> Option<usize> {
        let g = &pass.units;
        let sample = g.cols.saturating_mul(g.inner);
        match tensor {
            Tensor::Columns(_) => None,
            Tensor::Target(k) if self.parts[k].layout.target.judged() => Some(g.inner),
            Tensor::Weight(k) if self.parts[k].layout.weight == WeightLayout::Row => {
                match pass.whole {
                    // Everything is one row, and has all the weights.
                    true => Some(self.parts[k].geometry.rows),
                    false => Some(g.inner),
                }
            }
            Tensor::Loss(_) => Some(g.inner),
            _ => Some(sample),
        }
    }

    /// What a chunk of samples binds.
    fn sample_ranges(&self, pass: &Pass, v: &Variant, chunk: Chunk) -> Vec<Range> {
        self.ranges(pass, v, |tensor| {
            let n = self.per_sample(pass, tensor)?;
            Some((chunk.first * n, chunk.len * n))
        })
    }

    /// The parameters of a chunk of samples.
    fn sample_params(&self, pass: &Pass, chunk: Chunk) -> Result<Params> {
        let g = &pass.units;
        let rows = chunk.len * g.inner;
        let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Params {
            n: self.word("elements", rows * g.cols)?,
            rows: self.word("rows", rows)?,
            row0: self.word("rows", chunk.first * g.inner)?,
            stat0: self.word("partial sums", self.end)?,
            says: 1,
            cols: word(g.cols),
            inner: word(g.inner),
            ..self.base(&self.parts[pass.parts[0]])
        })
    }

    fn rows(&self, pass: &Pass, steps: &mut Vec<Pending>) -> Result<usize> {
        // As many as no buffer holds, where there are more.
        let ranks = |rows: usize| RANK_WORDS.saturating_mul(rows);
        let v = pass.variant(self.gpu, self.parts, Stage::Rows);
        let (most, _) = self.samples(pass, &[Stage::Rows], 0)?;
        for chunk in chunks(pass.units.rows, most) {
            let leaves = v.leaves(chunk.len);
            steps.push(Pending {
                groups: self.grid(chunk.len.div_ceil(v.rows()))?,
                params: Params {
                    leaves: self.word("leaves", leaves)?,
                    stat0: self.word("ranks", self.end.saturating_add(ranks(chunk.first)))?,
                    ..self.sample_params(pass, chunk)?
                },
                terms: self.pass_terms(pass, v.leaves(chunk.first))?,
                ranges: self.sample_ranges(pass, &v, chunk),
                variant: v.clone(),
            });
        }
        Ok(match v.ranked {
            true => ranks(pass.units.rows),
            false => 0,
        })
    }

    /// The parts of a row, and the columns of one: whole leaves.
    fn parts_of(&self, cols: usize) -> (usize, usize) {
        let len = LEAF * cols.div_ceil(LEAF * self.gpu.tuning.parts());
        (cols.div_ceil(len), len)
    }

    fn split(&self, pass: &Pass, steps: &mut Vec<Pending>) -> Result<usize> {
        let g = &pass.units;
        let stat = pass.variant(self.gpu, self.parts, Stage::SplitStat);
        let grad = pass.variant(self.gpu, self.parts, Stage::SplitGrad);
        let [all, second] = words(&stat);
        let (parts, len) = self.parts_of(g.cols);
        let scratch = parts * (all + second);
        let (most, group) = self.samples(pass, &[Stage::SplitStat, Stage::SplitGrad], scratch)?;
        let mut used = 0;
        for chunk in chunks(g.rows, most) {
            used = used.max(chunk.len * scratch);
            let params = Params {
                stat2: self.word("partial sums", self.end + chunk.len * parts * all)?,
                parts: self.word("parts", parts)?,
                parts_all: self.word("parts", parts)?,
                part_len: self.word("columns of a part", len)?,
                blocks: match grad.gradient {
                    true => self.word("blocks", (group * g.cols).div_ceil(len))?,
                    false => 1,
                },
                ..self.sample_params(pass, chunk)?
            };
            let mut push = |v: &Variant, groups: usize| -> Result<()> {
                steps.push(Pending {
                    groups: self.grid(groups)?,
                    params,
                    terms: self.pass_terms(pass, chunk.first)?,
                    ranges: self.sample_ranges(pass, v, chunk),
                    variant: v.clone(),
                });
                Ok(())
            };
            push(&stat, chunk.len * parts)?;
            if stat.second() {
                push(
                    &pass.variant(self.gpu, self.parts, Stage::SplitStat2),
                    chunk.len * parts,
                )?;
            }
            push(&grad, chunk.len.div_ceil(group) * params.blocks as usize)?;
        }
        Ok(used)
    }

    /// One row that is everything: cut anywhere between parts. The statistics of all chunks come before the first
    /// gradient.
    fn split_set(&self, pass: &Pass, steps: &mut Vec<Pending>) -> Result<usize> {
        let g = &pass.units;
        let first = &self.parts[pass.parts[0]];
        let stat = pass.variant(self.gpu, self.parts, Stage::SplitStat);
        let grad = pass.variant(self.gpu, self.parts, Stage::SplitGrad);
        let [all, second] = words(&stat);
        let (parts, len) = self.parts_of(g.cols);
        let room = self
            .elements_in(pass, &grad)?
            .min(self.elements_in(pass, &stat)?);
        let most = match room >= g.cols {
            true => g.cols,
            false if room < len => {
                return Err(Error::TooLarge {
                    what: format!("numbers of a part, {len}, in one binding"),
                    limit: room as u64,
                    found: len as u64,
                });
            }
            false => room / len * len,
        };
        let mut stages = vec![stat];
        if stages[0].second() {
            stages.push(pass.variant(self.gpu, self.parts, Stage::SplitStat2));
        }
        stages.push(grad);
        for v in &stages {
            let gradient = v.stage == Stage::SplitGrad;
            for chunk in chunks(g.cols, most) {
                if gradient && !v.gradient && chunk.first > 0 {
                    // The losses are said once.
                    continue;
                }
                let (ranges, r0) = self.element_ranges(pass, v, chunk)?;
                let here = chunk.len.div_ceil(len);
                let blocks = if v.gradient { here } else { 1 };
                let params = Params {
                    n: self.word("elements", chunk.len)?,
                    rows: 1,
                    cols: self.word("elements", chunk.len)?,
                    r0,
                    stat0: self.word("partial sums", self.end)?,
                    stat2: self.word("partial sums", self.end + parts * all)?,
                    parts: self.word("parts", here)?,
                    part0: self.word("parts", chunk.first / len)?,
                    parts_all: self.word("parts", parts)?,
                    part_len: self.word("columns of a part", len)?,
                    blocks: self.word("blocks", blocks)?,
                    says: u32::from(chunk.first == 0),
                    ..self.base(first)
                };
                steps.push(Pending {
                    groups: self.grid(if gradient { blocks } else { here })?,
                    params,
                    terms: self.pass_terms(pass, 0)?,
                    // The losses of a set are one.
                    ranges: ranges
                        .into_iter()
                        .map(|r| match r.tensor {
                            Tensor::Loss(_) => Range {
                                first: 0,
                                len: 1,
                                ..r
                            },
                            _ => r,
                        })
                        .collect(),
                    variant: v.clone(),
                });
            }
        }
        Ok(parts * (all + second))
    }

    fn strided(&self, pass: &Pass, steps: &mut Vec<Pending>) -> Result<usize> {
        let g = &pass.units;
        let gradient = self.parts[pass.parts[0]].layout.gradient;
        // One invocation goes through so many columns. With more it would be slow and inexact; and Mesa's software
        // driver ends every loop, without a word, once an invocation has been round 65,535 times in all.
        let parts = g.cols.div_ceil(STRIP);
        let whole = pass.variant(self.gpu, self.parts, Stage::StridedStat);
        let mut stages = match (parts, whole.second()) {
            (1, _) => vec![Stage::StridedStat],
            (_, false) => vec![Stage::StridedPart, Stage::StridedSay],
            (_, true) => vec![Stage::StridedPart, Stage::StridedPart2, Stage::StridedSay],
        };
        if gradient {
            stages.push(Stage::StridedGrad);
        }
        let [all, second] = words(&whole);
        let scratch = match gradient || parts > 1 {
            true => parts * (all + second),
            false => 0,
        };
        let (most, _) = self.samples(pass, &stages, scratch)?;
        let samples = g.rows / g.inner;
        let mut used = 0;
        for chunk in chunks(samples, most) {
            let rows = chunk.len * g.inner;
            used = used.max(rows * scratch);
            let params = Params {
                stat2: self.word("partial sums", self.end + rows * parts * all)?,
                parts: self.word("parts", parts)?,
                part_len: STRIP as u32,
                ..self.sample_params(pass, chunk)?
            };
            for &stage in &stages {
                let v = pass.variant(self.gpu, self.parts, stage);
                let threads = match stage {
                    Stage::StridedGrad => (rows * g.cols).div_ceil(2),
                    Stage::StridedPart | Stage::StridedPart2 => rows * parts,
                    _ => rows,
                };
                steps.push(Pending {
                    groups: self.grid(threads.div_ceil(256))?,
                    params,
                    terms: self.pass_terms(pass, chunk.first * g.inner)?,
                    ranges: self.sample_ranges(pass, &v, chunk),
                    variant: v,
                });
            }
        }
        Ok(used)
    }
}
