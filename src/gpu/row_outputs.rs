//! What is asked of rows of logits one by one, besides a loss.

use super::Gpu;
use super::bind::View;
use super::collect::load_label;
use super::kernels::{Access, Kernels, Span, Step, declared, parameters};
use super::source::{NUMERICS, STORAGE};
use crate::error::{Error, Result};
use crate::layout::{Geometry, Layout, TargetLayout};
use crate::loss::CrossEntropy;
use crate::tensor::{DType, LabelType};
use std::fmt::Write;

const TEXT: &str = include_str!("../../shaders/skeleton/row_outputs.wgsl");

/// Which kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RowKey {
    dtype: DType,
    labels: Option<LabelType>,
    /// Invocations that take a row: 1 or 64.
    lanes: u32,
    /// Log-sum-exp, log-probability, entropy, argmax.
    asked: [bool; 4],
    /// Everything lies in one buffer, and is bound read-write.
    aliased: bool,
}

/// What the outputs are called in the kernel.
const OUTPUTS: [&str; 4] = ["log_sum_exp", "log_prob", "entropy", "argmax"];

parameters! {
    /// The parameters of a dispatch.
    RowParams, ROW_PARAMS {
        rows: u32,
        cols: u32,
        inner: u32,
        /// First number of each view, counted from where the binding begins.
        off_input: u32,
        off_labels: u32,
        off_log_sum_exp: u32,
        off_log_prob: u32,
        off_entropy: u32,
        off_argmax: u32,
        has_ignore: u32,
        ignore_lo: u32,
        ignore_hi: u32,
        softcap: f32,
        temperature: f32,
    }
}

impl RowKey {
    /// Every kernel that differs by more than its outputs.
    #[cfg(test)]
    pub(super) fn all() -> Vec<RowKey> {
        let mut all = Vec::new();
        for (k, dtype) in DType::ALL.into_iter().enumerate() {
            for (l, lanes) in [1, 64].into_iter().enumerate() {
                for aliased in [false, true] {
                    let labels = [None, Some(LabelType::ALL[k])][l];
                    let asked = [true, labels.is_some(), l == 0, true];
                    all.push(RowKey {
                        dtype,
                        labels,
                        lanes,
                        asked,
                        aliased,
                    });
                }
            }
        }
        all
    }

    /// Name and access of the buffers behind the parameters.
    fn buffers(self) -> Vec<(String, Access)> {
        let read = match self.aliased {
            true => Access::Write,
            false => Access::Read,
        };
        let mut all = vec![("b_input".to_string(), read)];
        all.extend(self.labels.map(|_| ("b_labels".to_string(), read)));
        for (name, asked) in OUTPUTS.iter().zip(self.asked) {
            all.extend(asked.then(|| (format!("b_{name}"), Access::Write)));
        }
        all
    }

    pub(super) fn text(self) -> String {
        let mut text = declared("RowParams", ROW_PARAMS);
        text.push_str(NUMERICS);
        text.push_str(STORAGE);
        text.push_str(TEXT);
        let mut line = |of: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{of}");
        };
        line(format!("const LANES: u32 = {}u;", self.lanes));
        for (i, (name, access)) in self.buffers().into_iter().enumerate() {
            let access = match access {
                Access::Read => "read",
                Access::Write => "read_write",
            };
            line(format!(
                "@group(0) @binding({}) var<storage, {access}> {name}: array<u32>;",
                i + 1
            ));
        }
        let logit = match self.dtype {
            DType::F32 => "b_input[at]",
            DType::F16 => "from_f16(b_input[at >> 1u], at & 1u)",
            DType::Bf16 => "from_bf16(b_input[at >> 1u], at & 1u)",
        };
        line(format!(
            "fn load_logit(i: u32) -> u32 {{ let at = params.off_input + i; return {logit}; }}"
        ));
        match self.labels {
            Some(ty) => {
                line(load_label("load_label", "b_labels", ty));
                line(
                    "fn label_of(row: u32) -> u32 {\n    \
                     let l = load_label(params.off_labels + row);\n    \
                     let ignored = params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi;\n    \
                     return select(NONE, l.x, l.y == 0u && !ignored);\n}"
                        .into(),
                );
            }
            None => line("fn label_of(row: u32) -> u32 { return NONE; }".into()),
        }
        for (name, asked) in OUTPUTS.iter().zip(self.asked) {
            let body = match asked {
                true => format!("b_{name}[params.off_{name} + row] = bits;"),
                false => String::new(),
            };
            line(format!("fn put_{name}(row: u32, bits: u32) {{ {body} }}"));
        }
        text
    }
}

/// What is asked of rows of logits one by one, made ready for a layout: one pass over the logits, which writes
/// no gradient.
///
/// With `z = softcap·tanh(x/softcap)/temperature` of [`CrossEntropy`] (`z = x` by default) and `p = softmax(z)`:
///
/// | output | of a row | as PyTorch's |
/// | --- | --- | --- |
/// | log-sum-exp | `log Σ exp z_j` | `logsumexp` |
/// | log-probability | `log p_y`, 0 in a row that is ignored or whose label is out of range | `log_softmax`, gathered |
/// | entropy | `−Σ p_j·log p_j` | `Categorical(logits=z).entropy()` |
/// | argmax | the lowest j with the highest z_j, a u32 | `argmax` |
///
/// A logit of −inf has probability 0. In a row of only −inf log-sum-exp is −inf, argmax 0 and the rest NaN; with +inf log-sum-exp is
/// inf and entropy NaN; with a NaN everything is NaN and argmax 2³² − 1.
#[derive(Debug, Clone)]
pub struct RowOutputsPlan {
    gpu: Gpu,
    layout: Layout,
    geometry: Geometry,
    options: CrossEntropy,
}

/// The tensors of [`RowOutputsPlan`]: the logits, the labels where the layout has them, and what is wanted, at least one. All outputs
/// have one number a row.
#[derive(Debug, Clone, Copy)]
pub struct RowOutputsIo<'a> {
    /// The logits.
    pub input: View<'a>,
    /// The class indices, if the layout has them.
    pub target: Option<View<'a>>,
    /// f32.
    pub log_sum_exp: Option<View<'a>>,
    /// f32. Needs class indices.
    pub log_prob: Option<View<'a>>,
    /// f32.
    pub entropy: Option<View<'a>>,
    /// u32.
    pub argmax: Option<View<'a>>,
}

impl<'a> RowOutputsIo<'a> {
    /// Of these logits, nothing asked yet.
    pub fn new(input: View<'a>) -> Self {
        RowOutputsIo {
            input,
            target: None,
            log_sum_exp: None,
            log_prob: None,
            entropy: None,
            argmax: None,
        }
    }

    fn outputs(&self) -> [Option<View<'a>>; 4] {
        [self.log_sum_exp, self.log_prob, self.entropy, self.argmax]
    }
}

/// A [`RowOutputsPlan`] with its buffers, ready to be recorded.
#[derive(Debug)]
pub struct RowOutputsBound {
    steps: Vec<Step>,
}

/// Columns up to which one invocation takes a row, where rows lie one after the other; and where they do not.
const ALONE: usize = 32;
const ALONE_APART: usize = 1024;

/// The most columns: Mesa's software driver ends every loop, without a word, once an invocation has been round 65,535 times in all.
const MOST_COLUMNS: usize = 64 * 60_000;

impl Gpu {
    /// Prepares what is asked of rows of logits one by one. Of `loss` the softcap, the temperature and `ignore_index` count; of `layout` the
    /// shape, the class axis, the storage type and the target: class indices or none.
    ///
    /// # Errors
    /// Whatever [`Layout::check`] refuses of shapes and options; [`Error::Mismatch`] for another target, [`Error::TooLarge`] for more than
    /// 3,840,000 columns.
    pub fn plan_row_outputs(&self, loss: &CrossEntropy, layout: &Layout) -> Result<RowOutputsPlan> {
        // Without a target it is checked as if there were one.
        let with = Layout {
            target: match layout.target {
                TargetLayout::None => TargetLayout::Labels(LabelType::U32),
                other => other,
            },
            ..layout.clone()
        };
        let geometry = with.check(loss)?;
        if !matches!(with.target, TargetLayout::Labels(_)) {
            return Err(Error::mismatch(
                "target of outputs of rows",
                "class indices or none",
                "numbers in the input's shape",
            ));
        }
        if geometry.cols > MOST_COLUMNS {
            return Err(Error::TooLarge {
                what: "columns of outputs of rows".into(),
                limit: MOST_COLUMNS as u64,
                found: geometry.cols as u64,
            });
        }
        Ok(RowOutputsPlan {
            gpu: self.clone(),
            layout: layout.clone(),
            geometry,
            options: loss.clone(),
        })
    }

    async fn row_kernel(&self, key: RowKey) -> Result<Kernels<1>> {
        let compile = || {
            let access: Vec<_> = key.buffers().into_iter().map(|b| b.1).collect();
            Kernels::new(self, "wgloss row outputs", key.text(), &access, ["main"])
        };
        self.compiled.rows.get(self, &key, compile).await
    }
}

impl RowOutputsPlan {
    /// How rows are gone through: `short`, by an invocation each, or `workgroup`, by 64 invocations.
    pub fn name(&self) -> &'static str {
        match self.lanes() {
            1 => "short",
            _ => "workgroup",
        }
    }

    fn lanes(&self) -> u32 {
        let alone = match self.geometry.inner {
            1 => ALONE,
            _ => ALONE_APART,
        };
        if self.geometry.cols <= alone { 1 } else { 64 }
    }

    /// Attaches buffers, and compiles the kernel for what is asked on first use.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a view that is missing, too many, too small, off its alignment, of the wrong usage, or an output that
    /// overlaps another view, and where nothing is asked; [`Error::TooLarge`] where a row (a sample of class axis 1) exceeds a binding;
    /// [`Error::OutOfMemory`] and [`Error::Device`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bind(&self, io: &RowOutputsIo<'_>) -> Result<RowOutputsBound> {
        self.gpu.block_on(self.bind_async(io))
    }

    /// As `bind`, without blocking.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn bind_async(&self, io: &RowOutputsIo<'_>) -> Result<RowOutputsBound> {
        let (gpu, g) = (&self.gpu, &self.geometry);
        let labels = match self.layout.target {
            TargetLayout::Labels(ty) => Some(ty),
            _ => None,
        };
        let aliased = self.check(io, labels)?;
        let key = RowKey {
            dtype: self.layout.dtype,
            labels,
            lanes: self.lanes(),
            asked: io.outputs().map(|o| o.is_some()),
            aliased,
        };
        if g.elements == 0 {
            return Ok(RowOutputsBound { steps: Vec::new() });
        }
        let kernel = gpu.row_kernel(key).await?;
        // A chunk is of whole samples: rows, or what shares an index of axis 0.
        let size = self.layout.dtype.size();
        let sample = (g.cols * g.inner) as u64 * size;
        let room = gpu
            .limits
            .binding
            .saturating_sub(u64::from(gpu.limits.alignment) + 4);
        let per_row = labels.map_or(4, |ty| ty.size().max(4)) * g.inner as u64;
        let most = (room / sample.max(per_row)) as usize;
        if most == 0 {
            return Err(Error::TooLarge {
                what: "bytes of a row or sample in one binding".into(),
                limit: room,
                found: sample.max(per_row),
            });
        }
        let ignore = self.options.ignore_index;
        let samples = g.rows / g.inner;
        let mut chunks = Vec::new();
        for first in (0..samples).step_by(most) {
            let rows = (most.min(samples - first) * g.inner) as u64;
            let row0 = (first * g.inner) as u64;
            let mut params = RowParams {
                rows: rows as u32,
                cols: g.cols as u32,
                inner: g.inner as u32,
                has_ignore: 1,
                ignore_lo: ignore as u32,
                ignore_hi: (ignore >> 32) as u32,
                softcap: self.options.softcap,
                temperature: self.options.temperature,
                ..RowParams::default()
            };
            let cols = g.cols as u64;
            let (span, skip) = io.input.span(gpu, row0 * cols, rows * cols, size);
            params.off_input = skip;
            let mut spans = vec![span];
            if let (Some(view), Some(ty)) = (&io.target, labels) {
                let (span, skip) = view.span(gpu, row0, rows, ty.size());
                params.off_labels = skip;
                spans.push(span);
            }
            let offs = [
                &mut params.off_log_sum_exp,
                &mut params.off_log_prob,
                &mut params.off_entropy,
                &mut params.off_argmax,
            ];
            for (view, off) in io.outputs().iter().zip(offs) {
                if let Some(view) = view {
                    let (span, skip) = view.span(gpu, row0, rows, 4);
                    *off = skip;
                    spans.push(span);
                }
            }
            let each = (64 / key.lanes) as usize;
            chunks.push((params, spans, (rows as usize).div_ceil(each)));
        }
        let made = gpu.written(|writes| {
            let step = |(params, spans, groups): &(RowParams, Vec<Span<'_>>, usize)| {
                let params = writes.parameters(gpu, bytemuck::bytes_of(params));
                let [pipeline] = &kernel.pipelines;
                Step {
                    pipeline: pipeline.clone(),
                    group: kernel.bind(gpu, Span::whole(&params), spans),
                    grid: gpu.plane(*groups),
                }
            };
            chunks.iter().map(step).collect()
        });
        Ok(RowOutputsBound { steps: made.await? })
    }

    /// Checks every view; says whether one buffer is both read and written.
    fn check(&self, io: &RowOutputsIo<'_>, labels: Option<LabelType>) -> Result<bool> {
        let g = &self.geometry;
        let storage = wgpu::BufferUsages::STORAGE;
        let size = self.layout.dtype.size();
        let fail = |what: &str, expected: &str, found: &str| {
            let what = format!("{what} of outputs of rows");
            Err(Error::mismatch(what, expected, found))
        };
        let bytes = g.elements as u64 * size;
        io.input.check("the logits", bytes, size, storage)?;
        let mut reads = vec![(io.input, bytes)];
        match (&io.target, labels) {
            (Some(view), Some(ty)) => {
                let bytes = g.rows as u64 * ty.size();
                view.check("the target", bytes, ty.size(), storage)?;
                reads.push((*view, bytes));
            }
            (None, None) => {}
            (Some(_), None) => return fail("the target", "none", "one"),
            (None, Some(_)) => return fail("the target", "class indices", "none"),
        }
        if io.log_prob.is_some() && labels.is_none() {
            return fail("the target", "class indices for log-probabilities", "none");
        }
        let bytes = g.rows as u64 * 4;
        let mut writes: Vec<View<'_>> = Vec::new();
        for (view, name) in io.outputs().iter().zip(OUTPUTS) {
            let Some(view) = view else { continue };
            view.check(name, bytes, 4, storage)?;
            let apart = |other: &View<'_>, size: u64| {
                view.buffer != other.buffer
                    || view.offset + bytes <= other.offset
                    || other.offset + size <= view.offset
            };
            let all = reads.iter().all(|(other, size)| apart(other, *size))
                && writes.iter().all(|other| apart(other, bytes));
            if !all {
                let expected = "apart from every other view";
                return fail(name, expected, "bytes that are shared");
            }
            writes.push(*view);
        }
        if writes.is_empty() {
            return fail("views", "at least one output", "none");
        }
        let written = |view: &View<'_>| writes.iter().any(|w| w.buffer == view.buffer);
        Ok(reads.iter().any(|(view, _)| written(view)))
    }
}

impl RowOutputsBound {
    /// Records the dispatches as one compute pass: as [`Bound::encode`](super::Bound::encode).
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        Gpu::record(encoder, "row outputs", &self.steps);
    }

    /// Records them into a compute pass that is open already: as [`Bound::record`](super::Bound::record).
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for step in &self.steps {
            step.record(pass);
        }
    }
}
