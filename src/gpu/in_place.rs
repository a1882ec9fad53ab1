//! Gradients that take the place of their inputs: half the memory of large logits, and no copy.

use super::bind::{TermIo, View, Views};
use super::plan::{LONG, Part};
use super::{Bound, Gpu, Normalizer, Plan};
use crate::error::{Error, Result};
use crate::layout::{Layout, TargetLayout};
use crate::loss::Loss;

/// A loss made ready to overwrite its inputs with their gradients: a [`Plan`] that takes another kind of tensors, so that
/// nobody loses an input by mistake.
#[derive(Debug, Clone)]
pub struct InPlacePlan(pub(super) Plan);

/// The tensors of an evaluation that overwrites its inputs.
#[derive(Debug, Clone, Default)]
pub struct InPlaceIo<'a> {
    /// The inputs, which hold their gradients afterwards: in the same type, at offsets that are a multiple of 4 bytes.
    pub inputs: Vec<View<'a>>,
    /// The target, if the layout has one. Not overwritten.
    pub target: Option<View<'a>>,
    /// The weights, if the layout has them: f32.
    pub weight: Option<View<'a>>,
    /// The class weights, if the layout has them: f32.
    pub class_weight: Option<View<'a>>,
    /// As in [`Io`](super::Io).
    pub loss: Option<View<'a>>,
    /// As in [`Io`](super::Io).
    pub upstream: Option<View<'a>>,
    /// As in [`Io`](super::Io).
    pub normalizer: Option<&'a Normalizer>,
}

impl Gpu {
    /// Prepares `loss` for `layout`, with the gradient by each input written over that input. Results differ from those of
    /// [`plan`](Gpu::plan) by rounding only: the losses of elements are added up in another order, and a row of logits with a
    /// label is not split among workgroups, because one could overwrite the label's logit before another has read it.
    ///
    /// # Errors
    /// As `plan`; [`Error::Mismatch`] for a layout without gradient or with accumulated ones, and for labels at class axis 1; [`Error::TooLarge`] for
    /// rows of 2²⁰ columns and more with labels.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_in_place(&self, loss: &dyn Loss, layout: &Layout) -> Result<InPlacePlan> {
        self.block_on(self.plan_in_place_async(loss, layout))
    }

    /// As `plan_in_place`, without blocking.
    ///
    /// # Errors
    /// As `plan_in_place`.
    pub async fn plan_in_place_async(
        &self,
        loss: &dyn Loss,
        layout: &Layout,
    ) -> Result<InPlacePlan> {
        let part = Part::in_place(loss, layout)?;
        let slots = vec![part.geometry.elements; part.inputs.len()];
        Ok(InPlacePlan(self.plan_parts(vec![part], slots).await?))
    }
}

impl Part {
    /// A loss that overwrites its inputs, or the reason why it cannot.
    pub(super) fn in_place(loss: &dyn Loss, layout: &Layout) -> Result<Part> {
        let info = loss.info();
        let inputs = (0..info.inputs.len()).collect();
        let part = Part {
            in_place: true,
            ..Part::new(loss, layout, inputs, 1.0)?
        };
        let refused = |expected: &str, found: &str| {
            Err(Error::mismatch(
                format!("the gradient of {} in place of its inputs", info.name),
                expected.to_string(),
                found.to_string(),
            ))
        };
        if !layout.gradient {
            return refused("a layout with gradient", "one without");
        }
        if layout.accumulate {
            return refused(
                "a gradient that is written",
                "one that is added to the input",
            );
        }
        if matches!(layout.target, TargetLayout::Labels(_)) {
            if part.units.inner > 1 {
                return refused("labels with the classes on the last axis", "class axis 1");
            }
            // Such rows are split, because one workgroup would go round its loops too often.
            if part.units.cols >= LONG {
                return Err(Error::TooLarge {
                    what: format!("columns of {} with labels, in place", info.name),
                    limit: LONG as u64 - 1,
                    found: part.units.cols as u64,
                });
            }
        }
        Ok(part)
    }
}

impl InPlacePlan {
    /// As [`Plan::layout`].
    pub fn layout(&self) -> &Layout {
        self.0.layout()
    }

    /// As [`Plan::name`].
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// As [`Plan::dispatches`].
    pub fn dispatches(&self) -> usize {
        self.0.dispatches()
    }

    /// As [`Plan::scratch_bytes`].
    pub fn scratch_bytes(&self) -> u64 {
        self.0.scratch_bytes()
    }

    /// As [`Plan::data_bytes`], where an input is read and written.
    pub fn data_bytes(&self) -> u64 {
        self.0.data_bytes()
    }

    /// Attaches buffers, as [`Plan::bind`] does. What it returns overwrites the inputs whenever it is encoded.
    ///
    /// # Errors
    /// As `Plan::bind`, where an input is checked as a gradient is.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, io: &InPlaceIo<'_>) -> Result<Bound> {
        self.0.gpu.block_on(self.bind_async(io))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(&self, io: &InPlaceIo<'_>) -> Result<Bound> {
        let views = Views {
            inputs: io.inputs.clone(),
            grads: Vec::new(),
            terms: vec![TermIo {
                target: io.target,
                weight: io.weight,
                class_weight: io.class_weight,
            }],
            loss: io.loss,
            upstream: io.upstream,
            normalizer: io.normalizer,
        };
        self.0.bind_views(&views).await
    }
}
