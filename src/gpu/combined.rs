//! Weighted sums of losses on a device: one submission, in as few passes over the data as bindings allow.

use super::bind::{TermIo, View, Views};
use super::plan::Part;
use super::{Bound, Gpu, Normalizer, Plan};
use crate::combined::{TermOutcome, check_terms};
use crate::error::{Error, Result};
use crate::layout::{Layout, UpstreamLayout};
use crate::loss::Loss;

/// One loss of a sum, and what its tensors look like.
#[derive(Debug, Clone)]
pub struct TermLayout<'a> {
    /// The loss.
    pub loss: &'a dyn Loss,
    /// What it is multiplied by: any finite number.
    pub weight: f32,
    /// Which inputs of the sum are the loss's, in its order.
    pub inputs: Vec<usize>,
    /// Its layout. Storage type, gradient, accumulation and upstream gradient are the same for all losses of a sum.
    pub layout: Layout,
}

/// A weighted sum of losses made ready: [`Plan`] for several.
#[derive(Debug, Clone)]
pub struct CombinedPlan(pub(super) Plan);

/// The tensors of a sum of losses on the GPU.
#[derive(Debug, Clone, Default)]
pub struct CombinedIo<'a> {
    /// The inputs.
    pub inputs: Vec<View<'a>>,
    /// The gradient by each input, if the layouts want them.
    pub grads: Vec<View<'a>>,
    /// What each loss has to itself.
    pub terms: Vec<TermIo<'a>>,
    /// One f32 that the sum is written to, if given.
    pub loss: Option<View<'a>>,
    /// One f32 that all gradients are multiplied by, if given.
    pub upstream: Option<View<'a>>,
    /// What this micro-batch shares with others, if it is one of several.
    pub normalizer: Option<&'a Normalizer>,
}

/// A sum of losses with its buffers, ready to be recorded.
#[derive(Debug)]
pub struct CombinedBound(Bound);

impl Gpu {
    /// Prepares a weighted sum of losses. Those that share an input, in the same shape, read it in one pass and write
    /// one gradient, as long as the pass needs no more than 8 buffers; others are passes of their own, which add to the
    /// gradients that are there.
    ///
    /// # Errors
    /// As [`Gpu::plan`] for each loss; [`Error::Mismatch`] for a sum of nothing, inputs that are not numbered through,
    /// differ in shape, or are a loss's twice, layouts that differ in what all share, and
    /// [`Reduction::None`](crate::Reduction::None).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_combined(&self, terms: &[TermLayout<'_>]) -> Result<CombinedPlan> {
        self.block_on(self.plan_combined_async(terms))
    }

    /// As `plan_combined`, without blocking.
    ///
    /// # Errors
    /// As `plan_combined`.
    pub async fn plan_combined_async(&self, terms: &[TermLayout<'_>]) -> Result<CombinedPlan> {
        let slots = terms.iter().flat_map(|t| &t.inputs).max();
        let mut shapes: Vec<Option<&[usize]>> =
            vec![None; slots.map_or(0, |s| s.saturating_add(1)).min(1 << 16)];
        let parts = terms
            .iter()
            .map(|t| (t.loss, t.weight, t.inputs.as_slice(), t.layout.reduction));
        check_terms(shapes.len(), parts)?;
        let mut parts = Vec::new();
        for term in terms {
            let (info, layout) = (term.loss.info(), &term.layout);
            let fail = |what: &str, expected: String, found: String| {
                Err(Error::mismatch(
                    format!("{what} of {}", info.name),
                    expected,
                    found,
                ))
            };
            if layout.upstream != UpstreamLayout::Scalar {
                let found = "one of each row".to_string();
                return fail("upstream gradient", "one of the sum".into(), found);
            }
            if term.inputs.len() != info.inputs.len() {
                let (expected, found) = (info.inputs.len(), term.inputs.len());
                return fail("inputs", expected.to_string(), found.to_string());
            }
            let common = |l: &Layout| (l.dtype, l.gradient, l.accumulate, l.grad_scale);
            if common(layout) != common(&terms[0].layout) {
                return fail(
                    "storage type, gradient, accumulation and upstream gradient",
                    format!("{:?} as of the first loss", common(&terms[0].layout)),
                    format!("{:?}", common(layout)),
                );
            }
            for &slot in &term.inputs {
                match shapes.get_mut(slot) {
                    Some(shape @ None) => *shape = Some(&layout.shape),
                    Some(Some(shape)) if *shape == layout.shape.as_slice() => {}
                    Some(Some(shape)) => {
                        return fail(
                            &format!("shape of input {slot}"),
                            format!("{shape:?} as another loss has it"),
                            format!("{:?}", layout.shape),
                        );
                    }
                    None => return fail("inputs", "fewer than 65536".into(), slot.to_string()),
                }
            }
            parts.push(Part::new(
                term.loss,
                layout,
                term.inputs.clone(),
                term.weight,
            )?);
        }
        let elements = |k: usize| {
            let part = parts.iter().find(|p| p.inputs.contains(&k));
            part.map_or(0, |p| p.geometry.elements)
        };
        let slots = (0..shapes.len()).map(elements).collect();
        Ok(CombinedPlan(self.plan_parts(parts, slots).await?))
    }
}

impl CombinedPlan {
    /// Attaches buffers, as [`Plan::bind`].
    ///
    /// # Errors
    /// As [`Plan::bind`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, io: &CombinedIo<'_>) -> Result<CombinedBound> {
        self.0.gpu.block_on(self.bind_async(io))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(&self, io: &CombinedIo<'_>) -> Result<CombinedBound> {
        let views = Views {
            inputs: io.inputs.clone(),
            grads: io.grads.clone(),
            terms: io.terms.clone(),
            loss: io.loss,
            upstream: io.upstream,
            normalizer: io.normalizer,
        };
        Ok(CombinedBound(self.0.bind_views(&views).await?))
    }

    /// How it is run: as [`Plan::name`], `combined` where it takes several passes.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// How many dispatches one encoding records.
    pub fn dispatches(&self) -> usize {
        self.0.dispatches()
    }

    /// As [`Plan::data_bytes`].
    pub fn data_bytes(&self) -> u64 {
        self.0.data_bytes()
    }

    /// As [`Plan::scratch_bytes`].
    pub fn scratch_bytes(&self) -> u64 {
        self.0.scratch_bytes()
    }
}

impl CombinedBound {
    /// Records the evaluation, as [`Bound::encode`].
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.0.encode(encoder);
    }

    /// Records the evaluation into an open compute pass, as [`Bound::record`].
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.0.record(pass);
    }

    /// Counts this micro-batch, as [`Bound::encode_count`].
    ///
    /// # Errors
    /// As `Bound::encode_count`.
    pub fn encode_count(&self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.0.encode_count(encoder)
    }

    /// As [`Bound::record_count`].
    ///
    /// # Errors
    /// As `Bound::record_count`.
    pub fn record_count(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<()> {
        self.0.record_count(pass)
    }

    /// The weighted sum, and every loss with its status, of the last submission: waits until the device has got there.
    ///
    /// # Errors
    /// As [`Bound::report`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn report(&self) -> Result<(f32, Vec<TermOutcome<f32>>)> {
        self.0.plan().gpu.block_on(self.report_async())
    }

    /// As `report`, without blocking.
    ///
    /// # Errors
    /// As `report`.
    pub async fn report_async(&self) -> Result<(f32, Vec<TermOutcome<f32>>)> {
        let report = self.0.reports().await?;
        let terms = report.terms.into_iter();
        let terms = terms.map(|(loss, status)| TermOutcome { loss, status });
        Ok((report.total, terms.collect()))
    }
}
