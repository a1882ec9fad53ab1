//! States that an elementwise loss counts into in its own pass, because it reads input and truth anyway.

use super::text::Counted;
use super::{BinaryState, Counts, RegressionState, What};
use crate::error::{Error, Result};
use crate::gpu::plan::{Part, Plan};
use crate::gpu::source::{CarriedParams, Role};
use crate::gpu::{Gpu, InPlacePlan};
use crate::layout::{Layout, TargetLayout};
use crate::loss::{Carried, Loss, Math};
use crate::metric::InputKind;

/// A state of metrics that an elementwise loss can count into on its way, as [`Gpu::plan_counted`] says. Sealed.
///
/// Threads share it, so that the futures that look at it can go to one; but in a browser, where a device belongs to its thread.
pub trait CarriedState: sealed::Sealed + wgpu::WasmNotSync {}

impl CarriedState for BinaryState {}
impl CarriedState for RegressionState {}

pub(super) mod sealed {
    /// What a state counts into.
    pub trait Sealed {
        #[doc(hidden)]
        fn counting(&self) -> super::Counting<'_>;
    }
}

/// What a state counts into, and what else it keeps or passes over.
#[derive(Debug)]
pub struct Counting<'a> {
    pub(super) counts: &'a Counts,
    pub(super) keeps_scores: bool,
    pub(super) ignore_index: Option<i64>,
}

/// A state that a plan counts into: its buffers, and what kernels are told.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    head: wgpu::Buffer,
    counts: wgpu::Buffer,
    extent: u32,
}

impl Carrier {
    /// For a dispatch that begins at an element.
    pub fn params(&self, first: u64) -> CarriedParams {
        CarriedParams {
            first: first as u32,
            extent: self.extent,
        }
    }

    /// The state's own buffer for a role.
    pub fn buffer(&self, role: Role) -> Option<&wgpu::Buffer> {
        match role {
            Role::Head => Some(&self.head),
            Role::Counts => Some(&self.counts),
            _ => None,
        }
    }
}

/// Refuses a state.
fn refused<T>(expected: impl Into<String>, found: impl Into<String>) -> Result<T> {
    Err(Error::mismatch("state to count into", expected, found))
}

impl Counting<'_> {
    /// As what a loss has its elements counted here, or the reason why not.
    fn of(&self, gpu: &Gpu, loss: &dyn Loss, part: &Part) -> Result<Counted> {
        let carried = match loss.math() {
            Math::Elementwise(of) => of.carries(),
            Math::Rows(_) => None,
        };
        let Some(carried) = carried else {
            let expected = "a loss whose input metrics are of";
            let found = format!("{} with these options", part.info.name);
            return Err(Error::mismatch("plan that counts", expected, found));
        };
        let TargetLayout::Values(target) = part.layout.target else {
            let found = format!("{:?}", part.layout.target);
            return Err(Error::mismatch("target that is counted", "numbers", found));
        };
        let dtype = part.layout.dtype;
        let (counted, stored) = match (carried, self.counts.what) {
            (
                Carried::Logits,
                What::Binary(kind @ (InputKind::Scores | InputKind::Logits), of, _),
            )
            | (
                Carried::Probs,
                What::Binary(kind @ (InputKind::Scores | InputKind::Probs), of, _),
            ) => (Counted::Binary(kind), (of, target)),
            (Carried::Numbers, What::Regression(of, truth)) => (Counted::Regression, (of, truth)),
            (carried, _) => {
                let name = part.info.name;
                return refused(
                    format!("one of {}, of {name}", carried.name()),
                    &*self.counts.said,
                );
            }
        };
        let said = |(x, t)| format!("one of {x}, truth of {t}");
        if stored != (dtype, target) {
            return refused(said((dtype, target)), said(stored));
        }
        if self.counts.weights.is_some() {
            return refused("one without weights", &*self.counts.said);
        }
        if self.keeps_scores {
            return refused(
                "one with room for no score",
                "one that keeps scores, which no loss does",
            );
        }
        if let Some(index) = self.ignore_index {
            return refused(
                "one that passes over no label",
                format!("one that passes over {index}"),
            );
        }
        if !gpu.is_same(self.counts.gpu()) {
            return refused("one on the same device", "one on another");
        }
        let (limit, found) = (u64::from(u32::MAX) - 1, part.geometry.elements as u64);
        match found > limit {
            true => Err(Error::TooLarge {
                what: "numbers that are counted".into(),
                limit,
                found,
            }),
            false => Ok(counted),
        }
    }

    fn carrier(&self) -> Carrier {
        let store = &self.counts.store;
        Carrier {
            head: store.head.clone(),
            counts: store.kept.clone(),
            extent: self.counts.extent,
        }
    }
}

impl Gpu {
    /// As [`plan`](Gpu::plan), for an elementwise loss that counts on its way: whenever it is evaluated, every element is also a sample
    /// of `state`, an input with its target, in the same dispatch and by the same read. A [`BinaryState`] takes the logits or
    /// probabilities of a binary loss, or either as scores; a [`RegressionState`] takes predicted numbers
    /// ([`Elementwise::carries`](crate::loss::Elementwise::carries)). What is counted is what `state.bind` and `update` count, to the last
    /// bit; several plans may count into one state, which outlives them. Samples count once each, whatever the loss's weights are. Of a
    /// binary loss targets of 1 and 0 count; any other is a bad label, which `compute` reports with its place in the tensor.
    ///
    /// ```
    /// use wgloss::gpu::{Io, Predictions, View};
    /// use wgloss::metric::{Binary, InputKind};
    /// use wgloss::{BceWithLogits, DType, Gpu, LabelType, Layout, TargetLayout, wgpu};
    ///
    /// # fn main() -> wgloss::Result<()> {
    /// let gpu = Gpu::new()?;
    /// let asked = Binary { input: InputKind::Logits, ..Default::default() };
    /// let state = gpu.binary(&asked, Predictions::Scores(DType::F32), LabelType::I64, None, 0)?;
    /// let layout = Layout { target: TargetLayout::Values(DType::F32), gradient: false, ..Layout::new([4]) };
    /// let plan = gpu.plan_counted(&BceWithLogits::default(), &layout, &state)?;
    /// # let buffer = |v: [f32; 4]| {
    /// #     let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    /// #     let made = wgpu::BufferDescriptor { label: None, size: 16, usage, mapped_at_creation: false };
    /// #     let made = gpu.device().create_buffer(&made);
    /// #     gpu.queue().write_buffer(&made, 0, bytemuck::bytes_of(&v));
    /// #     made
    /// # };
    /// let (x, t) = (buffer([2.0, -1.0, 0.5, -3.0]), buffer([1.0, 0.0, 0.0, 0.0]));
    /// let (inputs, target) = (vec![View::whole(&x)], Some(View::whole(&t)));
    /// let step = plan.bind(&Io { inputs, target, ..Default::default() })?;
    /// let mut encoder = gpu.device().create_command_encoder(&Default::default());
    /// step.encode(&mut encoder); // in every step of an epoch
    /// gpu.queue().submit([encoder.finish()]);
    /// assert_eq!(state.compute()?.accuracy, Some(0.75));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As `plan`; [`Error::Mismatch`] for a loss that carries nothing, a state of something else than it carries or of other storage
    /// types, one that counts by weight, keeps scores (make it with a capacity of 0) or passes over a label, and one on another device;
    /// [`Error::TooLarge`] for 2³² elements, and where the state's two buffers with those of the loss are more than 8, as those of
    /// `bce_with_logits` with gradient, weights, one `pos_weight` per column and no reduction are.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_counted(
        &self,
        loss: &dyn Loss,
        layout: &Layout,
        state: &dyn CarriedState,
    ) -> Result<Plan> {
        self.block_on(self.plan_counted_async(loss, layout, state))
    }

    /// As `plan_counted`, without blocking.
    ///
    /// # Errors
    /// As `plan_counted`.
    pub async fn plan_counted_async(
        &self,
        loss: &dyn Loss,
        layout: &Layout,
        state: &dyn CarriedState,
    ) -> Result<Plan> {
        let inputs = (0..loss.info().inputs.len()).collect();
        let part = Part::new(loss, layout, inputs, 1.0)?;
        self.plan_carrier(loss, part, state).await
    }

    /// As [`plan_in_place`](Gpu::plan_in_place), for a loss that counts on its way as one of [`plan_counted`](Gpu::plan_counted) does.
    ///
    /// # Errors
    /// As both.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn plan_in_place_counted(
        &self,
        loss: &dyn Loss,
        layout: &Layout,
        state: &dyn CarriedState,
    ) -> Result<InPlacePlan> {
        self.block_on(self.plan_in_place_counted_async(loss, layout, state))
    }

    /// As `plan_in_place_counted`, without blocking.
    ///
    /// # Errors
    /// As `plan_in_place_counted`.
    pub async fn plan_in_place_counted_async(
        &self,
        loss: &dyn Loss,
        layout: &Layout,
        state: &dyn CarriedState,
    ) -> Result<InPlacePlan> {
        let part = Part::in_place(loss, layout)?;
        Ok(InPlacePlan(self.plan_carrier(loss, part, state).await?))
    }

    async fn plan_carrier(
        &self,
        loss: &dyn Loss,
        mut part: Part,
        state: &dyn CarriedState,
    ) -> Result<Plan> {
        let counting = state.counting();
        part.counted = Some(counting.of(self, loss, &part)?);
        let slots = vec![part.geometry.elements; part.inputs.len()];
        let mut plan = self.plan_parts(vec![part], slots).await?;
        plan.carrier = Some(counting.carrier());
        Ok(plan)
    }
}
