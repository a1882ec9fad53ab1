//! What the micro-batches of a step share, on the device.

use super::bind::{View, Views, buffer, words_of};
use super::edges::{EVALUATIONS, EdgeParams, LATE, SHARED_HEAD, TALLIES};
use super::kernels::Step;
use super::plan::{Part, Plan};
use super::source::{COUNTED_SUM, DIVISOR, HEAD, LOSS, TOTAL};
use super::{CombinedPlan, Gpu, InPlacePlan};
use crate::batch::Status;
use crate::combined::TermOutcome;
use crate::error::{Error, Result};
use crate::layout::Reduction;
use crate::loss::{Family, Info};

/// The number that the losses of several micro-batches are divided by (how many rows or elements count, or the sum of their
/// weights), and the sum of those losses, on the device: with it gradients that are
/// [accumulated](crate::Layout::accumulate) over micro-batches of any sizes are those of the one big batch.
///
/// A mean of means is not the mean of everything where micro-batches count unequal numbers of rows. So all of them are counted
/// first, and then each is evaluated:
///
/// ```
/// # use wgloss::gpu::{Bound, Normalizer};
/// # fn step(normalizer: &Normalizer, batches: &[Bound], encoder: &mut wgloss::wgpu::CommandEncoder) -> wgloss::Result<()> {
/// normalizer.encode_reset(encoder);
/// for batch in batches {
///     batch.encode_count(encoder)?; // targets and weights only
/// }
/// for batch in batches {
///     // The forward pass of this micro-batch belongs here, and its backward pass behind.
///     batch.encode(encoder);
/// }
/// # Ok(()) }
/// ```
///
/// where each was bound with [`Io::normalizer`](super::Io::normalizer). Micro-batches may have layouts of their own, but for
/// the loss, the reduction, and which targets and weights there are. Between two resets each is counted once and evaluated once, and the
/// first is evaluated when all are counted: [`report`](Self::report) says where that was not so. A loss of a sum that is reduced by `sum` is
/// added up as it is.
///
/// **How exact it is.** Rows and elements are counted in whole numbers of 64 bits, and so the divisor is that of the big batch
/// to the bit up to 2²⁴ of them, and rounded beyond; gradients then are too, where rows are run by the same plan. Weights are added up in f32: sums of `k` micro-batches differ from that of the big batch by
/// no more than `(k + d)·2⁻²⁴` relative, `d` additions deep as each is. The loss is the sum of the micro-batches' losses in the
/// order they are evaluated in, `k` additions more.
#[derive(Debug)]
pub struct Normalizer {
    gpu: Gpu,
    kinds: Vec<Kind>,
    totals: wgpu::Buffer,
    reset: Step,
}

/// What plans that share a normalizer have in common, of each loss.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    info: &'static Info,
    reduction: Reduction,
    scale: f32,
    counted: u32,
    judged: bool,
}

impl Kind {
    fn of(part: &Part) -> Kind {
        Kind {
            info: part.info,
            reduction: part.layout.reduction,
            scale: part.scale,
            counted: part.counted(),
            judged: part.layout.target.judged() && part.info.family != Family::Elementwise,
        }
    }

    fn text(&self) -> String {
        let divisor = match self.counted {
            0 => "a known divisor",
            COUNTED_SUM => "a sum of weights",
            _ => "counted rows",
        };
        let times = match self.scale {
            1.0 => String::new(),
            scale => format!("{scale} times "),
        };
        format!(
            "{times}{} with {} by {divisor}",
            self.info.name, self.reduction
        )
    }

    fn same(&self, other: &Kind) -> bool {
        std::ptr::eq(self.info, other.info)
            && self.reduction == other.reduction
            && self.scale == other.scale
            && self.counted == other.counted
            && self.judged == other.judged
    }

    /// What is told of `part` when it is tallied.
    fn params(self, head: usize, part: &Part) -> EdgeParams {
        let valid = part.countable() as u64;
        let divisor = match part.divisor {
            crate::layout::Divisor::Known(n) => n as u64,
            crate::layout::Divisor::Counted { .. } => 0,
        };
        EdgeParams {
            head: head as u32,
            counted: self.counted,
            judged: u32::from(self.judged && part.geometry.elements > 0),
            rows: part.units.rows as u32,
            valid: valid as u32,
            valid_high: (valid >> 32) as u32,
            divisor: divisor as u32,
            divisor_high: (divisor >> 32) as u32,
            ..EdgeParams::default()
        }
    }
}

/// What the tallies of a plan are told, one of each loss.
pub(super) fn tallies(plan: &Plan) -> Vec<EdgeParams> {
    let parts = plan.parts.iter().enumerate();
    parts.map(|(k, p)| Kind::of(p).params(k, p)).collect()
}

impl Plan {
    /// What micro-batches of this plan, and of plans of other sizes for the same loss, share: zero so far.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a reduction that divides by nothing (`none`, `sum`), and for a set ratio over everything;
    /// [`Error::Device`] and [`Error::OutOfMemory`] from the device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn normalizer(&self) -> Result<Normalizer> {
        self.gpu.block_on(self.normalizer_async())
    }

    /// As `normalizer`, without blocking.
    ///
    /// # Errors
    /// As `normalizer`.
    pub async fn normalizer_async(&self) -> Result<Normalizer> {
        let none = !self.parts.iter().any(Part::divides);
        for part in &self.parts {
            if none || part.whole {
                return Err(Error::mismatch(
                    format!("normalizer of {}", part.info.name),
                    "a mean of rows or elements",
                    match part.whole {
                        true => "a ratio of sums over everything".to_string(),
                        false => format!("reduction {}", part.layout.reduction),
                    },
                ));
            }
        }
        let gpu = &self.gpu;
        let open = gpu
            .edge(super::edges::Edge::Open {
                upstream: false,
                shared: false,
            })
            .await?;
        let made = gpu.written(|writes| {
            let words = SHARED_HEAD * self.parts.len();
            // Whole heads of the status, which is what the kernel clears.
            let heads = words.div_ceil(HEAD);
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            let totals = buffer(
                &gpu.device,
                "wgloss normalizer",
                4 * (heads * HEAD) as u64,
                usage,
            );
            let params = EdgeParams {
                heads: heads as u32,
                ..EdgeParams::default()
            };
            let span = super::kernels::Span::whole(&totals);
            let reset = gpu.edge_step(writes, &open, &params, &[span]);
            (totals, reset)
        });
        let (totals, reset) = made.await?;
        Ok(Normalizer {
            gpu: gpu.clone(),
            kinds: self.parts.iter().map(Kind::of).collect(),
            totals,
            reset,
        })
    }
}

impl CombinedPlan {
    /// As [`Plan::normalizer`], for all losses of the sum.
    ///
    /// # Errors
    /// As `Plan::normalizer`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn normalizer(&self) -> Result<Normalizer> {
        self.0.normalizer()
    }

    /// As `normalizer`, without blocking.
    ///
    /// # Errors
    /// As `normalizer`.
    pub async fn normalizer_async(&self) -> Result<Normalizer> {
        self.0.normalizer_async().await
    }
}

impl InPlacePlan {
    /// As [`Plan::normalizer`].
    ///
    /// # Errors
    /// As `Plan::normalizer`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn normalizer(&self) -> Result<Normalizer> {
        self.0.normalizer()
    }

    /// As `normalizer`, without blocking.
    ///
    /// # Errors
    /// As `normalizer`.
    pub async fn normalizer_async(&self) -> Result<Normalizer> {
        self.0.normalizer_async().await
    }
}

impl Normalizer {
    /// Records that counting begins again: nothing counted, no losses.
    pub fn encode_reset(&self, encoder: &mut wgpu::CommandEncoder) {
        Gpu::in_pass(encoder, "wgloss normalizer", |pass| self.record_reset(pass));
    }

    /// As [`encode_reset`](Self::encode_reset), into a pass that is open already: as [`Bound::record`](super::Bound::record).
    pub fn record_reset(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.reset.record(pass);
    }

    /// The sum of the losses that were evaluated since the last reset, an f32 on the device (usages `STORAGE` and `COPY_SRC`): to be
    /// copied, or bound.
    pub fn loss(&self) -> View<'_> {
        self.number(TOTAL)
    }

    /// What the losses of a plan of one loss are divided by, an f32 on the device.
    pub fn divisor(&self) -> View<'_> {
        self.number(DIVISOR)
    }

    fn number(&self, word: usize) -> View<'_> {
        View {
            buffer: &self.totals,
            offset: 4 * word as u64,
            size: 4,
        }
    }

    /// The sum of all losses since the last reset, and of every loss its own with the status of all micro-batches together:
    /// waits until the device has got there. The first bad row is counted on from one micro-batch to the next, in the order in which they were
    /// counted. Class weights are looked at in each micro-batch, so that bad ones count as often.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where a micro-batch was counted behind the evaluation of one, or not as many were evaluated as were counted;
    /// [`Error::DeviceLost`], [`Error::Device`], [`Error::OutOfMemory`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn report(&self) -> Result<(f32, Vec<TermOutcome<f32>>)> {
        self.gpu.block_on(self.report_async())
    }

    /// As `report`, without blocking.
    ///
    /// # Errors
    /// As `report`.
    pub async fn report_async(&self) -> Result<(f32, Vec<TermOutcome<f32>>)> {
        let bytes = 4 * (SHARED_HEAD * self.kinds.len()) as u64;
        let words = words_of(&self.gpu.download_of(&self.totals, bytes).await?);
        for head in words.chunks_exact(SHARED_HEAD) {
            let fail = |expected: &str, found: String| {
                Err(Error::mismatch(
                    "micro-batches of a normalizer",
                    expected,
                    found,
                ))
            };
            if head[LATE] != 0 {
                let expected = "all of them counted before the first is evaluated";
                return fail(expected, "one that was counted later".into());
            }
            let [counted, evaluated] = [head[TALLIES], head[EVALUATIONS]];
            if counted != evaluated {
                let found = format!("{counted} counted, {evaluated} evaluated");
                return fail("each counted once and evaluated once", found);
            }
        }
        let total = words.get(TOTAL).copied().unwrap_or(0);
        let heads = words.chunks_exact(SHARED_HEAD);
        let terms = self.kinds.iter().zip(heads).map(|(kind, head)| {
            let wide = |i: usize| u64::from(head[i]) | u64::from(head[i + 1]) << 32;
            let divisor = f32::from_bits(head[DIVISOR]);
            let none = kind.counted == COUNTED_SUM && divisor < f32::MIN_POSITIVE;
            TermOutcome {
                loss: f32::from_bits(head[LOSS]),
                status: Status {
                    valid: if none { 0 } else { wide(0) },
                    bad_labels: wide(2),
                    first_bad_row: wide(8).checked_sub(1),
                    bad_weights: wide(6),
                    non_finite: wide(4),
                },
            }
        });
        Ok((f32::from_bits(total), terms.collect()))
    }

    /// The totals, if `plan` may share them.
    pub(super) fn totals(&self, plan: &Plan, views: &Views<'_>) -> Result<&wgpu::Buffer> {
        let fail =
            |expected: String, found: String| Err(Error::mismatch("normalizer", expected, found));
        if !self.gpu.is_same(&plan.gpu) {
            return fail("one of the plan's device".into(), "one of another".into());
        }
        if views.written().any(|view| view.buffer == &self.totals) {
            let expected = "gradients and losses elsewhere than in the normalizer";
            return fail(expected.into(), "a view of it".into());
        }
        let own: Vec<_> = plan.parts.iter().map(Kind::of).collect();
        let same =
            own.len() == self.kinds.len() && own.iter().zip(&self.kinds).all(|(a, b)| a.same(b));
        let text = |kinds: &[Kind]| {
            let all: Vec<_> = kinds.iter().map(Kind::text).collect();
            all.join(", ")
        };
        match same {
            true => Ok(&self.totals),
            false => fail(text(&own), text(&self.kinds)),
        }
    }
}
