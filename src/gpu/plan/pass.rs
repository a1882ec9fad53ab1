//! Which losses go over the data together, how, and by which kernels.

use super::{Part, PlanKind};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::source::{Losses, Named, PACK, Stage, Term, Variant, context_words, words};
use crate::layout::{Geometry, TargetLayout, UpstreamLayout};
use crate::loss::{Family, Support};
use crate::tensor::DType;

/// Bytes of workgroup memory that WebGPU promises.
const WORKGROUP_MEMORY: usize = 16384;

/// Storage buffers that WebGPU promises to a kernel.
pub(super) const BUFFERS: usize = 8;

/// Losses that go over the data together.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub parts: Vec<usize>,
    /// The inputs of the plan that it reads, and whether their gradients are added to.
    pub slots: Vec<usize>,
    pub accumulate: Vec<bool>,
    pub kind: PlanKind,
    /// Rows and columns as its losses take them.
    pub units: Geometry,
    pub whole: bool,
}

impl Pass {
    fn new(gpu: &Gpu, parts: &[Part], k: usize) -> Result<Pass> {
        let part = &parts[k];
        let family = part.info.family;
        let fits = |kind: PlanKind| {
            // A dispatch for the gradient alone may find the logit of a label overwritten.
            let again = matches!(kind, PlanKind::Split | PlanKind::Strided);
            let labels = matches!(part.layout.target, TargetLayout::Labels(_));
            let second = (part.in_place && again && labels) || (part.ranked && again);
            kind.fits(family, &part.units, part.whole) && !second
        };
        let kind = match gpu.plan {
            None => match gpu.tuning.kind(family, &part.units, part.whole) {
                PlanKind::Split if !fits(PlanKind::Split) => PlanKind::Workgroup,
                kind => kind,
            },
            Some(kind) if fits(kind) => kind,
            Some(kind) => {
                let all = PlanKind::ALL.into_iter();
                let fits = all.filter(|p| fits(*p));
                let names: Vec<_> = fits.map(PlanKind::name).collect();
                return Err(Error::mismatch(
                    format!(
                        "plan of {} on the shape {:?}",
                        part.info.name, part.layout.shape
                    ),
                    names.join(", "),
                    kind.name(),
                ));
            }
        };
        Ok(Pass {
            parts: vec![k],
            slots: part.inputs.clone(),
            accumulate: vec![false; part.inputs.len()],
            kind,
            units: part.units,
            whole: part.whole,
        })
    }

    /// This pass with another loss in it, if that shares an input and can be taken along.
    fn with(&self, gpu: &Gpu, parts: &[Part], k: usize) -> Option<Pass> {
        let part = &parts[k];
        let first = &parts[self.parts[0]];
        let shares = part.inputs.iter().any(|slot| self.slots.contains(slot));
        let alike = part.geometry == first.geometry && part.layout.dtype == first.layout.dtype;
        if !(shares && alike) {
            return None;
        }
        let by_rows = part.info.family != Family::Elementwise;
        let mut joined = match (self.kind, by_rows) {
            // Elementwise losses go along with whatever there is.
            (_, false) => self.clone(),
            // And rows take elementwise losses along.
            (PlanKind::Elementwise, true) => Pass {
                parts: self.parts.clone(),
                slots: self.slots.clone(),
                accumulate: self.accumulate.clone(),
                ..Pass::new(gpu, parts, k).ok()?
            },
            (_, true) if part.units == self.units && part.whole == self.whole => self.clone(),
            _ => return None,
        };
        joined.parts.push(k);
        for &slot in &part.inputs {
            if !joined.slots.contains(&slot) {
                joined.slots.push(slot);
                joined.accumulate.push(false);
            }
        }
        let stages: &[Stage] = match joined.kind {
            PlanKind::Elementwise => &[Stage::Elementwise],
            PlanKind::Short | PlanKind::Workgroup => &[Stage::Rows],
            PlanKind::Split => &[Stage::SplitStat, Stage::SplitGrad],
            PlanKind::Strided => &[Stage::StridedSay, Stage::StridedGrad],
        };
        let fits = stages.iter().all(|&stage| {
            let v = joined.variant(gpu, parts, stage);
            // A workgroup that is narrowed because its memory does not hold the statistics would make long rows inexact.
            let narrowed = v.lanes < joined.lanes(gpu, parts, stage);
            v.roles().len() <= BUFFERS && v.slots() <= 3 && !narrowed
        });
        fits.then_some(joined)
    }

    /// Invocations that take a row of a kernel together, if workgroup memory were no matter.
    fn lanes(&self, gpu: &Gpu, parts: &[Part], stage: Stage) -> u32 {
        self.shaped(gpu, parts, stage).lanes
    }

    /// The kernel of a stage.
    pub(super) fn variant(&self, gpu: &Gpu, parts: &[Part], stage: Stage) -> Variant {
        let mut v = self.shaped(gpu, parts, stage);
        // One statistic for each subgroup of a slice; and where two rows go together all that is known of them, for each
        // slice. The same in all dispatches of the pass.
        let [all, second] = words(&v);
        let stats = all.max(1) + second.max(1);
        let row = stats + context_words(&v);
        let need = |v: &Variant| {
            let merged = match v.lanes == v.near() {
                true => 0,
                false => (v.width / v.near()) as usize,
            };
            let kept = match v.group {
                2 => 2 * (v.width / v.lanes) as usize,
                _ => 1,
            };
            4 * (stats * merged + row * kept)
        };
        let by_rows = !matches!(self.kind, PlanKind::Elementwise | PlanKind::Strided);
        while by_rows && need(&v) > WORKGROUP_MEMORY && v.width > 2 {
            v.width /= 2;
            v.lanes = v.lanes.min(v.width);
            // What each of fewer keeps is more.
            v.held = 0;
        }
        self.within(v)
    }

    fn shaped(&self, gpu: &Gpu, parts: &[Part], stage: Stage) -> Variant {
        let terms = self.parts.iter().map(|&k| {
            let place = |slot| self.slots.iter().position(|s| s == slot);
            term(
                &parts[k],
                parts[k].inputs.iter().filter_map(place).collect(),
            )
        });
        let first = &parts[self.parts[0]];
        let layout = &first.layout;
        let tuning = gpu.tuning;
        let mut v = Variant {
            stage,
            dtype: layout.dtype,
            accumulate: self.accumulate.clone(),
            gradient: layout.gradient,
            whole: self.whole && self.kind != PlanKind::Elementwise,
            width: tuning.width(),
            lanes: tuning.width(),
            subgroup: gpu.subgroup,
            held: 0,
            group: 1,
            rounds: 1,
            unroll: 1,
            side: tuning.side(),
            heads: parts.len(),
            aliased: false,
            in_place: first.in_place,
            wide: false,
            ranked: first.ranked,
            row_upstream: layout.upstream == UpstreamLayout::Row,
            counted: first.counted,
            terms: terms.collect(),
        };
        let cols = self.units.cols;
        let whole_packs = |n: usize| n.is_multiple_of(PACK as usize);
        match (self.kind, stage) {
            (PlanKind::Strided, _) => {
                v.unroll = tuning.unroll(self.kind, &v, cols);
                v.width = 256;
                v.lanes = 256;
                v.subgroup = 1;
                return v;
            }
            (PlanKind::Elementwise, _) => v.wide = whole_packs(first.geometry.elements),
            (PlanKind::Split, _) => v.wide = whole_packs(cols),
            (kind, _) => {
                let all = first.geometry.elements;
                let shape = tuning.shape(kind, cols, v.raw_words(), whole_packs(all));
                v.width = shape.width;
                v.lanes = shape.lanes;
                // A row that one invocation keeps is written out with its loss. With options besides, or two rows of 10
                // columns in bf16, that took SwiftShader minutes to compile, and tens of gigabytes.
                let light = |t: &Term| t.plain && matches!(t.target, TargetLayout::Labels(_));
                let light = v.dtype == DType::F32 && v.terms.iter().all(light);
                // What an invocation keeps whole has no ranks.
                if v.written_out() && (v.lanes > 1 || (light && !v.ranked)) {
                    v.held = shape.held;
                    v.group = shape.group;
                }
                v.wide = whole_packs(match v.keeps_rows() {
                    true => all,
                    false => cols,
                });
            }
        }
        // Two rows of 16-bit numbers that share a word.
        let shared = v.dtype != DType::F32 && cols % 2 == 1 && self.kind != PlanKind::Elementwise;
        if shared && !v.keeps_rows() {
            v.group = 2;
            v.held = 0;
        }
        v.unroll = match v.counted {
            // Counting is long, and would be written out as often.
            Some(_) => 1,
            None => tuning.unroll(self.kind, &v, cols),
        };
        if matches!(self.kind, PlanKind::Short | PlanKind::Workgroup) {
            v.rounds = tuning.rounds(&v, self.units.rows, cols);
        }
        v
    }

    /// Row losses by way of the leaves, where the kernel has more than 8 buffers otherwise.
    fn within(&self, mut v: Variant) -> Variant {
        if v.roles().len() > BUFFERS && v.stage != Stage::Elementwise {
            for term in &mut v.terms {
                if term.losses == Losses::Stored {
                    term.losses = Losses::Kept;
                }
            }
        }
        v.shared()
    }
}

pub(super) fn term(part: &Part, inputs: Vec<usize>) -> Term {
    Term {
        loss: Some(Named(part.info)),
        inputs,
        target: part.layout.target,
        support: match part.layout.target {
            TargetLayout::PerRow(_) => {
                Some(part.info.domain.last().copied().unwrap_or(Support::Real))
            }
            _ => None,
        },
        weight: part.layout.weight,
        columns: part.layout.class_weight || part.list.is_some(),
        plain: part.plain,
        losses: match part.each {
            true => Losses::Stored,
            false => Losses::Summed,
        },
    }
}

/// The passes over the data that `parts` need: losses that share an input and look at it alike go together.
pub(super) fn passes(gpu: &Gpu, parts: &[Part]) -> Result<Vec<Pass>> {
    let mut passes: Vec<Pass> = Vec::new();
    for (k, part) in parts.iter().enumerate() {
        if part.geometry.elements == 0 {
            continue;
        }
        let joined = passes.iter().position(|p| p.with(gpu, parts, k).is_some());
        match joined.and_then(|i| Some((i, passes[i].with(gpu, parts, k)?))) {
            Some((i, pass)) => passes[i] = pass,
            None => passes.push(Pass::new(gpu, parts, k)?),
        }
    }
    // An input that an earlier pass has a gradient for is added to.
    let mut seen = Vec::new();
    for pass in &mut passes {
        let always = parts[pass.parts[0]].layout.accumulate;
        for (slot, accumulate) in pass.slots.iter().zip(&mut pass.accumulate) {
            *accumulate = always || seen.contains(slot);
            seen.push(*slot);
        }
    }
    Ok(passes)
}
