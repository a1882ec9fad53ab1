//! Which losses go over the data together, how, and by which kernels.

use super::{Part, PlanKind};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::source::{Losses, Named, Stage, Term, Variant, words};
use crate::layout::{Geometry, TargetLayout};
use crate::loss::{Family, Support};

/// Elements that one leaf of a sum holds; and the columns that the gradient of a split row is written by.
pub(super) const LEAF: usize = 4096;

/// Bytes of workgroup memory that WebGPU promises.
const WORKGROUP_MEMORY: usize = 16384;

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
        let kind = match gpu.plan {
            None => PlanKind::choose(family, &part.units, part.whole),
            Some(kind) if kind.fits(family, &part.units, part.whole) => kind,
            Some(kind) => {
                let all = PlanKind::ALL.into_iter();
                let fits = all.filter(|p| p.fits(family, &part.units, part.whole));
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
            let v = joined.variant(parts, stage);
            // A workgroup as narrow as to hold fewer than 128 statistics would make long rows inexact.
            let narrow = joined.kind != PlanKind::Short && joined.units.cols > 128 && v.width < 128;
            v.roles().len() <= 8 && v.slots() <= 3 && !narrow
        });
        fits.then_some(joined)
    }

    pub(super) fn variant(&self, parts: &[Part], stage: Stage) -> Variant {
        let terms = self.parts.iter().map(|&k| {
            let place = |slot| self.slots.iter().position(|s| s == slot);
            term(
                &parts[k],
                parts[k].inputs.iter().filter_map(place).collect(),
            )
        });
        let layout = &parts[self.parts[0]].layout;
        let mut v = Variant {
            stage,
            dtype: layout.dtype,
            accumulate: self.accumulate.clone(),
            gradient: layout.gradient,
            whole: self.whole && self.kind != PlanKind::Elementwise,
            width: 256,
            lanes: 256,
            heads: parts.len(),
            aliased: false,
            terms: terms.collect(),
        };
        if self.kind == PlanKind::Elementwise || self.kind == PlanKind::Strided {
            return self.within(v);
        }
        let columns = u32::try_from(self.units.cols).unwrap_or(u32::MAX);
        match (stage, self.kind) {
            (Stage::Rows, PlanKind::Short) => {
                v.width = 64;
                v.lanes = columns.clamp(2, 32).next_power_of_two();
            }
            // As many invocations as there are columns: the others would only wait.
            (Stage::Rows, _) => {
                v.width = columns.clamp(32, 256).next_power_of_two();
                v.lanes = v.width;
            }
            _ => {}
        }
        // One statistic for each invocation, and two for each slice. The same in all dispatches of the pass.
        let [all, second] = words(&v);
        let need = |v: &Variant| {
            let kept = v.width + 2 * v.width / v.lanes;
            4 * (all.max(1) + second.max(1)) * kept as usize
        };
        while need(&v) > WORKGROUP_MEMORY && v.width > 2 {
            v.width /= 2;
            v.lanes = v.lanes.min(v.width);
        }
        self.within(v)
    }

    /// Row losses by way of the leaves, where the kernel has more than 8 buffers otherwise.
    fn within(&self, mut v: Variant) -> Variant {
        if v.roles().len() > 8 {
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
        for (slot, accumulate) in pass.slots.iter().zip(&mut pass.accumulate) {
            *accumulate = seen.contains(slot);
            seen.push(*slot);
        }
    }
    Ok(passes)
}
