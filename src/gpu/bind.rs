//! Buffers attached to a plan, and what is recorded into an encoder.

use super::Gpu;
use super::edges::{Edge, EdgeParams};
use super::kernels::{Span, Step};
use super::normalizer::{Normalizer, tallies};
use super::plan::{Part, Plan, RANK_WORDS, Range, Tensor};
use super::source::{
    BAD_COLUMNS, COUNTED_SUM, DIVISOR, HEAD, LOSS, PACK, Role, Stage, TOTAL, TermParams,
};
use crate::batch::Status;
use crate::error::{Error, Result};
use crate::layout::{TargetLayout, UpstreamLayout, WeightLayout};
use crate::loss::Family;

/// A part of a buffer that holds one tensor.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The buffer; usage `STORAGE`. Of the plan's device: one of another device of the same wgpu instance is refused, but what belongs to another
    /// instance wgpu itself cannot tell from its own.
    pub buffer: &'a wgpu::Buffer,
    /// Where the tensor begins, in bytes: a multiple of its number's size, of 4 for gradients and losses.
    pub offset: u64,
    /// How many bytes belong to it, at least as many as the tensor has.
    pub size: u64,
}

impl<'a> View<'a> {
    /// The whole of `buffer`.
    pub fn whole(buffer: &'a wgpu::Buffer) -> Self {
        View {
            buffer,
            offset: 0,
            size: buffer.size(),
        }
    }

    /// Whether it holds `bytes`, begins at a multiple of `step`, and can be used as `usage`, in whole words.
    pub(super) fn check(
        &self,
        what: &str,
        bytes: u64,
        step: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<()> {
        let fail = |expected: String, found: String| {
            Err(Error::mismatch(format!("view of {what}"), expected, found))
        };
        if !self.offset.is_multiple_of(step) {
            let expected = format!("an offset that is a multiple of {step}");
            return fail(expected, self.offset.to_string());
        }
        if self.size < bytes {
            return fail(format!("{bytes} bytes"), self.size.to_string());
        }
        // Bindings are whole words.
        let end = self.offset.checked_add(bytes + 3).map(|e| e / 4 * 4);
        let past = |end: Option<u64>| end.is_none_or(|e| e > self.buffer.size());
        if past(self.offset.checked_add(self.size)) || past(end) {
            let (from, all) = (self.offset, self.buffer.size());
            let to = from.saturating_add(self.size);
            let found = format!("bytes {from} to {to} of {all}");
            return fail("whole words inside the buffer".into(), found);
        }
        let found = self.buffer.usage();
        if !found.contains(usage) {
            return fail(format!("usage {usage:?}"), format!("{found:?}"));
        }
        Ok(())
    }

    /// Where to bind `len` numbers of `size` bytes from the `first` on: at the multiple of the alignment below, whole words,
    /// at least one. And the numbers there before the first that is wanted.
    pub(super) fn span(&self, gpu: &Gpu, first: u64, len: u64, size: u64) -> (Span<'a>, u32) {
        let alignment = u64::from(gpu.limits.alignment);
        let from = self.offset + first * size;
        let offset = from / alignment * alignment;
        let span = Span {
            buffer: self.buffer,
            offset,
            size: (from + len * size - offset).next_multiple_of(4).max(4),
        };
        (span, ((from - offset) / size) as u32)
    }
}

/// The tensors of one evaluation on the GPU.
#[derive(Debug, Clone, Default)]
pub struct Io<'a> {
    /// The inputs.
    pub inputs: Vec<View<'a>>,
    /// The target, if the layout has one.
    pub target: Option<View<'a>>,
    /// The weights, if the layout has them: f32.
    pub weight: Option<View<'a>>,
    /// The class weights, if the layout has them: f32.
    pub class_weight: Option<View<'a>>,
    /// The gradient by each input, if the layout wants them: of the input's type. Not read, but for the other
    /// half of a last word, unless the layout wants gradients added to them.
    pub grads: Vec<View<'a>>,
    /// One f32 that the reduced loss is written to, if given.
    pub loss: Option<View<'a>>,
    /// The losses of elements or rows, f32: needed with [`Reduction::None`](crate::Reduction::None), and where the layout wants them
    /// besides.
    pub losses: Option<View<'a>>,
    /// One f32 that all gradients are multiplied by, if given; where the layout says so one of each row, needed.
    pub upstream: Option<View<'a>>,
    /// What this micro-batch shares with others, if it is one of several: then its loss is its share of theirs.
    pub normalizer: Option<&'a Normalizer>,
}

/// The tensors of one loss of a sum: as in [`Io`].
#[derive(Debug, Clone, Default)]
pub struct TermIo<'a> {
    /// The target, if the layout has one.
    pub target: Option<View<'a>>,
    /// The weights, if the layout has them: f32.
    pub weight: Option<View<'a>>,
    /// The class weights, if the layout has them: f32.
    pub class_weight: Option<View<'a>>,
}

/// The tensors of a plan, in its own order.
#[derive(Debug, Default)]
pub(crate) struct Views<'a> {
    pub inputs: Vec<View<'a>>,
    pub grads: Vec<View<'a>>,
    pub terms: Vec<TermIo<'a>>,
    /// Where to write the reduced loss.
    pub loss: Option<View<'a>>,
    /// Those of a plan of one loss, one by one.
    pub losses: Option<View<'a>>,
    pub upstream: Option<View<'a>>,
    pub normalizer: Option<&'a Normalizer>,
}

impl<'a> Views<'a> {
    /// Those that are written.
    pub(super) fn written(&self) -> impl Iterator<Item = &View<'a>> {
        self.grads.iter().chain(&self.losses).chain(&self.loss)
    }

    fn get(&self, tensor: Tensor) -> Option<View<'a>> {
        let term = |k: usize| self.terms.get(k);
        match tensor {
            Tensor::Input(k) => self.inputs.get(k).copied(),
            Tensor::Grad(k) => self.grads.get(k).copied(),
            Tensor::Target(k) => term(k)?.target,
            Tensor::Weight(k) => term(k)?.weight,
            Tensor::Columns(k) => term(k)?.class_weight,
            Tensor::Loss(_) => self.losses,
            Tensor::Upstream => self.upstream,
        }
    }
}

/// A plan with its buffers: all that a step needs, ready to be recorded.
#[derive(Debug)]
pub struct Bound {
    plan: Plan,
    work: wgpu::Buffer,
    /// Forgets the last evaluation.
    open: Step,
    /// The plan's dispatches.
    steps: Vec<(Stage, Step)>,
    /// Adds the loss to others, writes it to where it is wanted.
    close: Vec<Step>,
    /// Forgets the last step before counting, and takes nothing over; adds what was counted to what other micro-batches have.
    /// Nothing where there are none.
    tally: Option<(Step, Vec<Step>)>,
}

impl Bound {
    /// Predicted classes and ranks of a plan that finds them: where they lie, and of which part of it.
    pub(super) fn ranks(&self) -> Option<(View<'_>, &Part)> {
        let [part] = self.plan.parts.as_slice() else {
            return None;
        };
        let view = View {
            buffer: &self.work,
            offset: 4 * self.plan.ranks as u64,
            size: 4 * (RANK_WORDS * part.units.rows) as u64,
        };
        part.ranked.then_some((view, part))
    }

    /// The device it is on.
    pub(super) fn gpu(&self) -> &Gpu {
        &self.plan.gpu
    }
}

impl Plan {
    /// Attaches buffers. Allocates status, partial sums and parameters; compiles kernels only where a buffer is
    /// both read and written, or a view of elements begins between multiples of 16 bytes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is missing, too many, too small, off its alignment, of the wrong usage
    /// or of a gradient that overlaps another view; [`Error::TooLarge`]; [`Error::OutOfMemory`] and
    /// [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, io: &Io<'_>) -> Result<Bound> {
        self.gpu.block_on(self.bind_async(io))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(&self, io: &Io<'_>) -> Result<Bound> {
        let views = Views {
            inputs: io.inputs.clone(),
            grads: io.grads.clone(),
            terms: vec![TermIo {
                target: io.target,
                weight: io.weight,
                class_weight: io.class_weight,
            }],
            loss: io.loss,
            losses: io.losses,
            upstream: io.upstream,
            normalizer: io.normalizer,
        };
        self.bind_views(&views).await
    }

    pub(crate) async fn bind_views(&self, views: &Views<'_>) -> Result<Bound> {
        let aliased = self.check(views)?;
        let gpu = &self.gpu;
        let by_row = self.layout().upstream == UpstreamLayout::Row;
        let scalar = views.upstream.filter(|_| !by_row);
        let totals = match views.normalizer {
            Some(normalizer) => Some(normalizer.totals(self, views)?),
            None => None,
        };
        let mut uniforms = Vec::new();
        let mut kernels = Vec::new();
        let mut bindings = Vec::new();
        for step in &self.steps {
            let mut params = step.params;
            params.has_upstream = u32::from(scalar.is_some());
            let mut terms = step.terms.clone();
            if totals.is_some() && !step.variant.stage.counts() {
                for (_, term) in terms.iter_mut().filter(|(k, _)| self.parts[*k].divides()) {
                    // It is taken over from what micro-batches share.
                    term.counted = COUNTED_SUM;
                }
            }
            let mut bound = Vec::new();
            let mut wide = true;
            for range in &step.ranges {
                // The list of an option belongs to the plan, not to the caller.
                let list =
                    matches!(range.tensor, Tensor::Columns(k) if self.parts[k].list.is_some());
                let Some(view) = views.get(range.tensor).filter(|_| !list) else {
                    continue;
                };
                let (span, skip) = self.span(range, &view)?;
                let slot = match range.role {
                    Role::Target(k) | Role::Weight(k) | Role::Columns(k) | Role::Loss(k) => {
                        terms.get_mut(k).and_then(|(_, t)| t.offset(range.role))
                    }
                    role => params.offset(role),
                };
                if let Some(slot) = slot {
                    *slot = skip;
                }
                let vectors = step.variant.vectors(range.role).is_some();
                wide &= !vectors || skip.is_multiple_of(PACK);
                bound.push((range.role, span));
            }
            kernels.push(match (aliased, step.variant.wide && !wide) {
                (false, false) => step.kernel.clone(),
                (_, scalar) => {
                    let mut variant = step.variant.clone();
                    variant.aliased = aliased;
                    variant.wide &= !scalar;
                    gpu.kernel(&variant).await?
                }
            });
            let start = uniforms.len();
            uniforms.extend_from_slice(bytemuck::bytes_of(&params));
            for (k, term) in &terms {
                uniforms.extend_from_slice(bytemuck::bytes_of::<TermParams>(term));
                if step.variant.stage.is_main() {
                    uniforms.extend_from_slice(bytemuck::cast_slice(&self.parts[*k].options));
                }
            }
            if let (Some(carrier), Some(_)) = (&self.carrier, step.variant.counted) {
                let input = step.ranges.iter().find(|r| r.role == Role::Input(0));
                let first = input.map_or(0, |r| r.first);
                uniforms.extend_from_slice(bytemuck::bytes_of(&carrier.params(first)));
            }
            let alignment = gpu.limits.uniform_alignment.max(16) as usize;
            let end = uniforms.len();
            uniforms.resize(end.next_multiple_of(alignment), 0);
            let size = (end - start).next_multiple_of(16);
            bindings.push((bound, start as u64, size as u64));
        }
        let open = gpu.edge(Edge::Open {
            upstream: scalar.is_some(),
            shared: totals.is_some(),
        });
        let open = open.await?;
        let tally = match totals {
            Some(totals) => {
                let begin = Edge::Open {
                    upstream: false,
                    shared: false,
                };
                let [begin, share] = [begin, Edge::Share].map(|edge| gpu.edge(edge));
                Some((totals, begin.await?, share.await?))
            }
            None => None,
        };
        let close = match views.loss {
            Some(view) => Some((view, gpu.edge(Edge::Close).await?)),
            None => None,
        };
        let made = gpu.written(|writes| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST;
            let work = buffer(&gpu.device, "wgloss work", self.work, usage);
            let params = writes.parameters(gpu, &uniforms);
            let lists = self.parts.iter().map(|part| {
                let list: &[u8] = bytemuck::cast_slice(part.list.as_ref()?);
                let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
                let made = buffer(&gpu.device, "wgloss option", list.len() as u64, usage);
                writes.put(&made, 0, list);
                Some(made)
            });
            let lists: Vec<_> = lists.collect();
            let mut steps = Vec::new();
            for ((step, kernel), (bound, start, size)) in
                self.steps.iter().zip(&kernels).zip(&bindings)
            {
                let params = Span {
                    buffer: &params,
                    offset: *start,
                    size: *size,
                };
                let mut buffers = Vec::new();
                for role in step.variant.roles() {
                    if role == Role::Work {
                        buffers.push(Span::whole(&work));
                    } else if let Some(own) = self.carrier.as_ref().and_then(|c| c.buffer(role)) {
                        buffers.push(Span::whole(own));
                    } else if let Some((_, span)) = bound.iter().find(|b| b.0 == role) {
                        buffers.push(*span);
                    } else if let Role::Columns(k) = role
                        && let Some((part, _)) = step.terms.get(k)
                        && let Some(Some(list)) = lists.get(*part)
                    {
                        buffers.push(Span::whole(list));
                    }
                }
                let [pipeline] = &kernel.pipelines;
                let bound = Step {
                    pipeline: pipeline.clone(),
                    group: kernel.bind(gpu, params, &buffers),
                    grid: step.groups,
                };
                steps.push((step.variant.stage, bound));
            }
            let edge = EdgeParams {
                heads: self.parts.len() as u32,
                word: match self.parts.len() {
                    1 => LOSS,
                    _ => TOTAL,
                } as u32,
                ..EdgeParams::default()
            };
            let mut params = edge;
            let mut buffers = vec![Span::whole(&work)];
            if let Some(view) = &scalar {
                let (span, skip) = view.span(gpu, 0, 1, 4);
                params.off_upstream = skip;
                buffers.push(span);
            }
            buffers.extend(totals.map(Span::whole));
            let open = gpu.edge_step(writes, &open, &params, &buffers);
            let mut after = Vec::new();
            let mut tallied = None;
            if let Some((totals, begin, share)) = &tally {
                let buffers = [Span::whole(&work), Span::whole(totals)];
                let begin = gpu.edge_step(writes, begin, &edge, &buffers[..1]);
                let steps = tallies(self).into_iter();
                let steps = steps.map(|params| gpu.edge_step(writes, share, &params, &buffers));
                tallied = Some((begin, steps.collect()));
                after.push(gpu.edge_step(writes, share, &edge, &buffers));
            }
            if let Some((view, close)) = &close {
                let (span, skip) = view.span(gpu, 0, 1, 4);
                let params = EdgeParams {
                    off_loss: skip,
                    ..edge
                };
                after.push(gpu.edge_step(writes, close, &params, &[Span::whole(&work), span]));
            }
            Bound {
                plan: self.clone(),
                work,
                open,
                steps,
                close: after,
                tally: tallied,
            }
        });
        made.await
    }

    /// Checks every view; says whether one buffer is both read and written.
    fn check(&self, views: &Views<'_>) -> Result<bool> {
        let name = match self.parts.as_slice() {
            [part] => part.info.name,
            _ => "a sum of losses",
        };
        let number = |what: &str, of: &str, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(Error::mismatch(
                format!("views of {what} of {of}"),
                expected.to_string(),
                found.to_string(),
            )),
        };
        let in_place = self.parts[0].in_place;
        let gradient = self.layout().gradient && !in_place;
        let slots = self.slots.len();
        number("inputs", name, slots, views.inputs.len())?;
        let grads = if gradient { slots } else { 0 };
        number("gradients", name, grads, views.grads.len())?;
        number("terms", name, self.parts.len(), views.terms.len())?;
        let some = |v: &Option<View<'_>>| usize::from(v.is_some());
        let mut checker = Checker {
            plan: self,
            reads: Vec::new(),
            writes: Vec::new(),
            before: None,
            end: None,
        };
        for (k, view) in views.inputs.iter().enumerate() {
            let (tensor, count) = (Tensor::Input(k), self.slots[k]);
            match in_place {
                true => checker.write("an input", name, tensor, view, count)?,
                false => checker.read("an input", name, tensor, view, count)?,
            }
        }
        for (k, view) in views.grads.iter().enumerate() {
            checker.write("a gradient", name, Tensor::Grad(k), view, self.slots[k])?;
        }
        for (k, (part, term)) in self.parts.iter().zip(&views.terms).enumerate() {
            let (layout, g, of) = (&part.layout, &part.geometry, part.info.name);
            let wanted = |there: bool| usize::from(there);
            number(
                "the target",
                of,
                wanted(layout.target != TargetLayout::None),
                some(&term.target),
            )?;
            number(
                "weights",
                of,
                wanted(layout.weight != WeightLayout::None),
                some(&term.weight),
            )?;
            number(
                "class weights",
                of,
                wanted(layout.class_weight),
                some(&term.class_weight),
            )?;
            if let Some(view) = &term.target {
                let count = match layout.target.judged() {
                    true => g.rows,
                    false => g.elements,
                };
                checker.read("the target", of, Tensor::Target(k), view, count)?;
            }
            if let Some(view) = &term.weight {
                let count = match layout.weight {
                    WeightLayout::Element => g.elements,
                    _ => g.rows,
                };
                checker.read("weights", of, Tensor::Weight(k), view, count)?;
            }
            if let Some(view) = &term.class_weight {
                checker.read("class weights", of, Tensor::Columns(k), view, g.cols)?;
            }
        }
        let stored = self.parts.iter().position(|p| p.each || p.layout.losses);
        let wanted = usize::from(stored.is_some());
        number("losses", name, wanted, some(&views.losses))?;
        if let (Some(k), Some(view)) = (stored, &views.losses) {
            let count = self.parts[k].losses();
            checker.write("losses", name, Tensor::Loss(k), view, count)?;
        }
        if let Some(view) = &views.loss {
            let reduced = usize::from(!self.parts.iter().any(|p| p.each));
            number("a reduced loss", name, reduced, 1)?;
            checker.end("the loss", name, view)?;
        }
        match (&views.upstream, self.layout().upstream) {
            (None, UpstreamLayout::Scalar) => {}
            (Some(view), UpstreamLayout::Scalar) => checker.begin("upstream", name, view)?,
            (found, UpstreamLayout::Row) => {
                number("upstream gradients", name, 1, some(found))?;
                if let Some(view) = found {
                    let rows = self.parts[0].units.rows;
                    checker.read("upstream gradients", name, Tensor::Upstream, view, rows)?;
                }
            }
        }
        checker.overlaps(name)
    }

    /// Where to bind a range of a view, and the numbers there before it.
    fn span<'a>(&self, range: &Range, view: &View<'a>) -> Result<(Span<'a>, u32)> {
        let size = self.number_size(range.tensor);
        let (span, skip) = view.span(&self.gpu, range.first, range.len, size);
        let limit = self.gpu.limits.binding;
        if span.size > limit {
            return Err(Error::TooLarge {
                what: format!("bytes of {:?} in one binding", range.tensor),
                limit,
                found: span.size,
            });
        }
        Ok((span, skip))
    }
}

/// Bytes of a buffer, from and to.
type Extent = (wgpu::Buffer, u64, u64);

/// Looks at every view of a plan, and remembers what is read and what is written.
struct Checker<'a> {
    plan: &'a Plan,
    reads: Vec<Extent>,
    writes: Vec<Extent>,
    /// A number that is read before everything else, and the reduced loss, which is written when everything else is done.
    before: Option<Extent>,
    end: Option<Extent>,
}

impl Checker<'_> {
    fn read(
        &mut self,
        what: &str,
        of: &str,
        tensor: Tensor,
        view: &View<'_>,
        count: usize,
    ) -> Result<()> {
        let step = self.plan.number_size(tensor);
        let bytes = self.fits(what, of, tensor, view, count, step)?;
        self.reads
            .push((view.buffer.clone(), view.offset, view.offset + bytes));
        Ok(())
    }

    fn write(
        &mut self,
        what: &str,
        of: &str,
        tensor: Tensor,
        view: &View<'_>,
        count: usize,
    ) -> Result<()> {
        // Whole words, so that each has one writer.
        let bytes = self.fits(what, of, tensor, view, count, 4)?;
        self.writes
            .push((view.buffer.clone(), view.offset, view.offset + bytes));
        Ok(())
    }

    /// The bytes of `count` numbers of `tensor`, if `view` holds them, beginning at a multiple of `step`.
    fn fits(
        &self,
        what: &str,
        of: &str,
        tensor: Tensor,
        view: &View<'_>,
        count: usize,
        step: u64,
    ) -> Result<u64> {
        let bytes = count as u64 * self.plan.number_size(tensor);
        let usage = wgpu::BufferUsages::STORAGE;
        view.check(&format!("{what} of {of}"), bytes, step, usage)?;
        Ok(bytes)
    }

    /// One f32 that is read before everything else, in every evaluation.
    fn begin(&mut self, what: &str, of: &str, view: &View<'_>) -> Result<()> {
        let usage = wgpu::BufferUsages::STORAGE;
        view.check(&format!("{what} of {of}"), 4, 4, usage)?;
        self.before = Some((view.buffer.clone(), view.offset, view.offset + 4));
        Ok(())
    }

    /// One f32 that is written after everything else.
    fn end(&mut self, what: &str, of: &str, view: &View<'_>) -> Result<()> {
        let usage = wgpu::BufferUsages::STORAGE;
        view.check(&format!("{what} of {of}"), 4, 4, usage)?;
        self.end = Some((view.buffer.clone(), view.offset, view.offset + 4));
        Ok(())
    }

    /// Refuses what is written and seen elsewhere too; says whether one buffer is both read and written.
    fn overlaps(&self, of: &str) -> Result<bool> {
        let overlap = |a: &Extent, b: &Extent| a.0 == b.0 && a.1 < b.2 && b.1 < a.2;
        let written = self.writes.iter().chain(&self.end);
        for (i, w) in written.enumerate() {
            let reads = self.reads.iter().chain(&self.before);
            let mut others = reads.chain(self.writes.iter().take(i));
            if others.any(|other| overlap(w, other)) {
                return Err(Error::mismatch(
                    format!("views of {of}"),
                    "gradients and losses apart from every other view",
                    format!("bytes {} to {} shared", w.1, w.2),
                ));
            }
        }
        let read = |w: &Extent| self.reads.iter().any(|r| r.0 == w.0);
        Ok(self.writes.iter().any(read))
    }
}

pub(crate) fn buffer(
    device: &wgpu::Device,
    label: &str,
    size: u64,
    usage: wgpu::BufferUsages,
) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: size.next_multiple_of(4).max(4),
        usage,
        mapped_at_creation: false,
    })
}

/// Loss (or the sum of all) and status of each term, as the device left them.
pub(crate) struct Report {
    pub total: f32,
    /// The loss of each term, and what was counted for it.
    pub terms: Vec<(f32, Status)>,
}

impl Bound {
    /// Records the evaluation as one compute pass. Allocates nothing on the device, compiles nothing, submits nothing and
    /// reads nothing back.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        Gpu::in_pass(encoder, self.label(), |pass| self.record(pass));
    }

    /// Records the evaluation into a compute pass that is open already, between dispatches of one's own: as
    /// [`encode`](Self::encode). It sets pipeline and bind group 0 of the pass, and leaves its own there.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.open.record(pass);
        for (stage, step) in &self.steps {
            // What micro-batches share was counted before any is evaluated, and what that says of the status stands in `work`.
            if self.tally.is_none() || !stage.counts() {
                step.record(pass);
            }
        }
        for step in &self.close {
            step.record(pass);
        }
    }

    /// Records that the rows or elements of this micro-batch that count are counted, into its
    /// [normalizer](Io::normalizer): targets and weights are read, inputs are not. The evaluation counts no second time: what
    /// [`report`](Self::report) says of labels and class weights is from here.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where it was bound without a normalizer.
    pub fn encode_count(&self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        Gpu::in_pass(encoder, self.label(), |pass| self.record_count(pass))
    }

    /// As [`encode_count`](Self::encode_count), into a compute pass that is open already: as [`record`](Self::record).
    ///
    /// # Errors
    /// As `encode_count`.
    pub fn record_count(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<()> {
        let Some((begin, tally)) = &self.tally else {
            let found = format!("{} bound without one", self.label());
            return Err(Error::mismatch("normalizer to count into", "one", found));
        };
        begin.record(pass);
        for (_, step) in self.steps.iter().filter(|(stage, _)| stage.counts()) {
            step.record(pass);
        }
        for step in tally {
            step.record(pass);
        }
        Ok(())
    }

    fn label(&self) -> &'static str {
        self.plan.parts[0].info.name
    }

    /// For those who wait.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    fn head_bytes(&self) -> u64 {
        4 * (HEAD * self.plan.parts.len()) as u64
    }

    /// Loss and status of the last submission: waits until the device has got there. The loss is `None` with
    /// [`Reduction::None`](crate::Reduction::None).
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Device`], [`Error::OutOfMemory`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn report(&self) -> Result<(Option<f32>, Status)> {
        self.plan.gpu.block_on(self.report_async())
    }

    /// As `report`, without blocking.
    ///
    /// # Errors
    /// As `report`.
    pub async fn report_async(&self) -> Result<(Option<f32>, Status)> {
        let report = self.reports().await?;
        let (loss, status) = report.terms.first().copied().unwrap_or_default();
        let each = self.plan.parts.iter().any(|p| p.each);
        Ok(((!each).then_some(loss), status))
    }

    /// The sum, and loss and status of each term, of the last submission.
    pub(crate) async fn reports(&self) -> Result<Report> {
        let gpu = &self.plan.gpu;
        let words = words_of(&gpu.download_of(&self.work, self.head_bytes()).await?);
        let total = words.get(TOTAL).copied().unwrap_or(0);
        let heads = words.chunks_exact(HEAD);
        let terms = self.plan.parts.iter().zip(heads);
        Ok(Report {
            total: f32::from_bits(total),
            terms: terms.map(|(part, head)| decode(part, head)).collect(),
        })
    }
}

/// Bytes as words.
pub(crate) fn words_of(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// What the first words of the work buffer say of a loss.
fn decode(part: &Part, head: &[u32]) -> (f32, Status) {
    let wide = |i: usize| u64::from(head[i]) | u64::from(head[i + 1]) << 32;
    let g = &part.geometry;
    let divisor = f32::from_bits(head[DIVISOR]);
    let valid = match part.info.family {
        _ if g.elements == 0 || (part.counted() == COUNTED_SUM && divisor < f32::MIN_POSITIVE) => 0,
        Family::Rows | Family::Sets if !part.whole && part.layout.target.judged() => wide(0),
        _ => part.countable() as u64,
    };
    let status = Status {
        valid,
        bad_labels: wide(2),
        first_bad_row: match head[8] {
            0 => None,
            complement => Some(u64::from(!complement)),
        },
        bad_weights: wide(6) + u64::from(head[BAD_COLUMNS]),
        non_finite: wide(4),
    };
    (f32::from_bits(head[LOSS]), status)
}
