//! Buffers attached to a plan, and what is recorded into an encoder.

use super::plan::{Plan, number_size};
use super::source::{DIVISOR, LOSS, Params, Role, UPSTREAM, WORK_HEADER};
use crate::batch::Status;
use crate::error::{Error, Result};
use crate::layout::{Reduction, TargetLayout, WeightLayout};
use crate::loss::Family;

/// A part of a buffer that holds one tensor.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The buffer; usage `STORAGE`.
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
    /// The gradient by each input, if the layout wants them: of the input's type. Never read, but for the other
    /// half of a last word.
    pub grads: Vec<View<'a>>,
    /// The losses with [`Reduction::None`] (f32, needed); else one f32 that the loss is copied to, if given
    /// (usage `COPY_DST`).
    pub loss: Option<View<'a>>,
    /// One f32 that all gradients are multiplied by, if given (usage `COPY_SRC`).
    pub upstream: Option<View<'a>>,
}

/// A plan with its buffers: all that a step needs, ready to be recorded.
#[derive(Debug)]
pub struct Bound {
    plan: Plan,
    steps: Vec<(wgpu::ComputePipeline, wgpu::BindGroup, [u32; 2])>,
    work: wgpu::Buffer,
    upstream: Option<(wgpu::Buffer, u64)>,
    loss: Option<(wgpu::Buffer, u64)>,
}

impl Plan {
    /// Attaches buffers. Allocates status, partial sums and parameters; compiles kernels only where a buffer is
    /// both read and written.
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
        let aliased = self.check(io)?;
        let gpu = &self.gpu;
        let stride = {
            let size = (size_of::<Params>() + 4 * self.options.len()).next_multiple_of(16) as u64;
            size.next_multiple_of(u64::from(gpu.limits.uniform_alignment))
        };
        let mut uniforms = Vec::new();
        let mut kernels = Vec::new();
        let mut spans = Vec::new();
        let list_bytes: Option<Vec<u8>> =
            self.list.as_ref().map(|l| bytemuck::cast_slice(l).to_vec());
        for step in &self.steps {
            let mut variant = step.variant;
            variant.aliased = aliased;
            kernels.push(match aliased {
                true => gpu.kernel(self.loss, variant).await?,
                false => step.kernel.clone(),
            });
            let mut params = step.params;
            params.has_upstream = u32::from(io.upstream.is_some());
            let mut step_spans = Vec::new();
            for &(role, first, len) in &step.ranges {
                let Some(view) = self.view(io, role) else {
                    continue;
                };
                let span = self.span(role, view.offset, first, len)?;
                if let Some(slot) = offset_slot(&mut params, role) {
                    *slot = span.skip;
                }
                step_spans.push((role, span));
            }
            spans.push(step_spans);
            uniforms.extend_from_slice(bytemuck::bytes_of(&params));
            uniforms.extend_from_slice(bytemuck::cast_slice(&self.options));
            uniforms.resize(stride as usize * spans.len(), 0);
        }
        let made = gpu.scoped(|| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST;
            let work = buffer(&gpu.device, "wgloss work", self.work, usage);
            let upload = |label, bytes: &[u8], usage| {
                let made = buffer(&gpu.device, label, bytes.len().max(4) as u64, usage);
                gpu.queue.write_buffer(&made, 0, bytes);
                made
            };
            let params = upload(
                "wgloss parameters",
                &uniforms,
                wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            );
            let list = list_bytes.as_ref().map(|bytes| {
                upload(
                    "wgloss option",
                    bytes,
                    wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                )
            });
            let mut steps = Vec::new();
            for (i, ((step, kernel), spans)) in
                self.steps.iter().zip(&kernels).zip(&spans).enumerate()
            {
                let entry = |binding, buffer, offset, size| wgpu::BindGroupEntry {
                    binding,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                        buffer,
                        offset,
                        size: std::num::NonZeroU64::new(size),
                    }),
                };
                let mut entries = vec![
                    entry(0, &params, stride * i as u64, stride),
                    entry(Role::Work.binding(), &work, 0, self.work),
                ];
                for &(role, span) in spans {
                    let Some(view) = self.view(io, role) else {
                        continue;
                    };
                    entries.push(entry(role.binding(), view.buffer, span.start, span.size));
                }
                // The list of an option belongs to the plan, not to the caller.
                if let Some(list) = &list
                    && step.ranges.iter().any(|r| r.0 == Role::Columns)
                {
                    entries.push(entry(Role::Columns.binding(), list, 0, list.size()));
                }
                let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("wgloss"),
                    layout: &kernel.layout,
                    entries: &entries,
                });
                steps.push((kernel.pipeline.clone(), group, step.groups));
            }
            (steps, work)
        });
        let (steps, work) = made.await?;
        let place = |view: &View<'_>| (view.buffer.clone(), view.offset);
        Ok(Bound {
            plan: self.clone(),
            steps,
            work,
            upstream: io.upstream.as_ref().map(place),
            loss: match self.layout.reduction {
                Reduction::None => None,
                _ => io.loss.as_ref().map(place),
            },
        })
    }

    fn view<'a>(&self, io: &Io<'a>, role: Role) -> Option<View<'a>> {
        match role {
            Role::Input(k) => io.inputs.get(k).copied(),
            Role::Target => io.target,
            Role::Weight => io.weight,
            Role::Columns => io.class_weight,
            Role::Grad(k) => io.grads.get(k).copied(),
            Role::Loss => io.loss,
            Role::Work => None,
        }
    }

    /// Checks every view; says whether one buffer is both read and written.
    fn check(&self, io: &Io<'_>) -> Result<bool> {
        let g = &self.geometry;
        let layout = &self.layout;
        let inputs = self.loss.inputs.len();
        let number = |what: &str, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(Error::mismatch(
                format!("views of {what} of {}", self.loss.name),
                expected.to_string(),
                found.to_string(),
            )),
        };
        number("inputs", inputs, io.inputs.len())?;
        number(
            "gradients",
            if layout.gradient { inputs } else { 0 },
            io.grads.len(),
        )?;
        let some = |v: &Option<View<'_>>| usize::from(v.is_some());
        number(
            "the target",
            usize::from(layout.target != TargetLayout::None),
            some(&io.target),
        )?;
        number(
            "weights",
            usize::from(layout.weight != WeightLayout::None),
            some(&io.weight),
        )?;
        number(
            "class weights",
            usize::from(layout.class_weight),
            some(&io.class_weight),
        )?;
        let each = layout.reduction == Reduction::None;
        if each {
            number("losses", 1, some(&io.loss))?;
        }
        let units = match self.loss.family {
            Family::Elementwise => g.elements,
            Family::Rows | Family::Sets => g.rows,
        };
        let mut reads = Vec::new();
        let mut writes = Vec::new();
        let mut check =
            |what: &str, role: Role, view: &View<'_>, count: usize, usage: wgpu::BufferUsages| {
                let size = number_size(layout, role);
                let step = if role.writes() { 4 } else { size };
                let bytes = count as u64 * size;
                // Bindings are whole words.
                let end = view.offset.checked_add(bytes + 3).map(|e| e / 4 * 4);
                let fail = |expected: String, found: String| {
                    Err(Error::mismatch(
                        format!("view of {what} of {}", self.loss.name),
                        expected,
                        found,
                    ))
                };
                if !view.offset.is_multiple_of(step) {
                    return fail(
                        format!("an offset that is a multiple of {step}"),
                        view.offset.to_string(),
                    );
                }
                if view.size < bytes {
                    return fail(format!("{bytes} bytes"), view.size.to_string());
                }
                if view
                    .offset
                    .checked_add(view.size)
                    .is_none_or(|e| e > view.buffer.size())
                    || end.is_none_or(|e| e > view.buffer.size())
                {
                    return fail(
                        "whole words inside the buffer".into(),
                        format!(
                            "bytes {} to {} of {}",
                            view.offset,
                            view.offset.saturating_add(view.size),
                            view.buffer.size()
                        ),
                    );
                }
                if !view.buffer.usage().contains(usage) {
                    return fail(
                        format!("usage {usage:?}"),
                        format!("{:?}", view.buffer.usage()),
                    );
                }
                if usage != wgpu::BufferUsages::COPY_SRC {
                    let list = if role.writes() {
                        &mut writes
                    } else {
                        &mut reads
                    };
                    list.push((view.buffer.clone(), view.offset, view.offset + bytes));
                }
                Ok(())
            };
        let storage = wgpu::BufferUsages::STORAGE;
        for (k, view) in io.inputs.iter().enumerate() {
            check("an input", Role::Input(k), view, g.elements, storage)?;
        }
        for (k, view) in io.grads.iter().enumerate() {
            check("a gradient", Role::Grad(k), view, g.elements, storage)?;
        }
        if let Some(view) = &io.target {
            let count = match layout.target {
                TargetLayout::Labels(_) => g.rows,
                _ => g.elements,
            };
            check("the target", Role::Target, view, count, storage)?;
        }
        if let Some(view) = &io.weight {
            let count = match layout.weight {
                WeightLayout::Element => g.elements,
                _ => g.rows,
            };
            check("weights", Role::Weight, view, count, storage)?;
        }
        if let Some(view) = &io.class_weight {
            check("class weights", Role::Columns, view, g.cols, storage)?;
        }
        if let Some(view) = &io.loss {
            match each {
                true => check("losses", Role::Loss, view, units, storage)?,
                false => check(
                    "the loss",
                    Role::Loss,
                    view,
                    1,
                    wgpu::BufferUsages::COPY_DST,
                )?,
            }
        }
        if let Some(view) = &io.upstream {
            check(
                "upstream",
                Role::Work,
                view,
                1,
                wgpu::BufferUsages::COPY_SRC,
            )?;
        }
        let overlap = |a: &(wgpu::Buffer, u64, u64), b: &(wgpu::Buffer, u64, u64)| {
            a.0 == b.0 && a.1 < b.2 && b.1 < a.2
        };
        for (i, w) in writes.iter().enumerate() {
            if reads
                .iter()
                .chain(&writes[..i])
                .any(|other| overlap(w, other))
            {
                return Err(Error::mismatch(
                    format!("views of {}", self.loss.name),
                    "gradients and losses apart from every other view",
                    format!("bytes {} to {} shared", w.1, w.2),
                ));
            }
        }
        Ok(writes.iter().any(|w| reads.iter().any(|r| r.0 == w.0)))
    }

    /// Where to bind `len` numbers from `first` on, of a view that begins at `offset`.
    fn span(&self, role: Role, offset: u64, first: u64, len: u64) -> Result<Span> {
        let size = number_size(&self.layout, role);
        let limits = &self.gpu.limits;
        let from = offset + first * size;
        let start = from / u64::from(limits.alignment) * u64::from(limits.alignment);
        let span = Span {
            start,
            size: (from + len * size - start).next_multiple_of(4),
            skip: ((from - start) / size) as u32,
        };
        if span.size > limits.binding {
            return Err(Error::TooLarge {
                what: format!("bytes of {role:?} in one binding"),
                limit: limits.binding,
                found: span.size,
            });
        }
        Ok(span)
    }
}

/// A binding: bytes of a buffer, and how many numbers lie before the first that is wanted.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    size: u64,
    skip: u32,
}

fn offset_slot(params: &mut Params, role: Role) -> Option<&mut u32> {
    match role {
        Role::Input(k) => params.off_input.get_mut(k),
        Role::Target => Some(&mut params.off_target),
        Role::Weight => Some(&mut params.off_weight),
        Role::Columns => Some(&mut params.off_columns),
        Role::Grad(k) => params.off_grad.get_mut(k),
        Role::Loss => Some(&mut params.off_loss),
        Role::Work => None,
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

impl Bound {
    /// Records the evaluation: clears the status, then one compute pass. Allocates nothing on the device, compiles
    /// nothing, submits nothing and reads nothing back.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(&self.work, 0, Some(WORK_HEADER));
        if let Some((buffer, offset)) = &self.upstream {
            encoder.copy_buffer_to_buffer(buffer, *offset, &self.work, UPSTREAM, Some(4));
        }
        if !self.steps.is_empty() {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(self.plan.loss.name),
                timestamp_writes: None,
            });
            for (pipeline, group, [x, y]) in &self.steps {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(*x, *y, 1);
            }
        }
        if let Some((buffer, offset)) = &self.loss {
            encoder.copy_buffer_to_buffer(&self.work, LOSS, buffer, *offset, Some(4));
        }
    }

    /// Loss and status of the last submission: waits until the device has got there. The loss is `None` with
    /// [`Reduction::None`].
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
        let gpu = &self.plan.gpu;
        let staging = gpu.scoped(|| {
            let staging = buffer(
                &gpu.device,
                "wgloss readback",
                WORK_HEADER,
                wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            );
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.work, 0, &staging, 0, Some(WORK_HEADER));
            gpu.queue.submit([encoder.finish()]);
            staging
        });
        let bytes = gpu.read(&staging.await?).await?;
        Ok(self.decode(&bytes))
    }

    fn decode(&self, header: &[u8]) -> (Option<f32>, Status) {
        let words: Vec<u32> = header
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let word = |i: usize| words.get(i).copied().unwrap_or(0);
        let wide = |i: usize| u64::from(word(i)) | u64::from(word(i + 1)) << 32;
        let plan = &self.plan;
        let labels = matches!(plan.layout.target, TargetLayout::Labels(_));
        let divisor = f32::from_bits(word(DIVISOR as usize / 4));
        let g = &plan.geometry;
        let valid = match (plan.loss.family, labels) {
            _ if g.elements == 0 || (plan.counted && divisor < f32::MIN_POSITIVE) => 0,
            (Family::Elementwise, _) => g.elements as u64,
            (Family::Rows, true) => wide(0),
            (Family::Rows, false) | (Family::Sets, _) => g.rows as u64,
        };
        let status = Status {
            valid,
            bad_labels: wide(2),
            first_bad_row: match word(8) {
                0 => None,
                complement => Some(u64::from(!complement)),
            },
            bad_weights: wide(6),
            non_finite: wide(4),
        };
        let loss = match plan.layout.reduction {
            Reduction::None => None,
            _ => Some(f32::from_bits(word(LOSS as usize / 4))),
        };
        (loss, status)
    }
}
