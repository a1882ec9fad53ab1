//! What states of metrics have in common: two buffers on the device, batches of samples that are recorded into them, and how
//! two states become one.

use super::bind::{View, buffer};
use super::kernels::{Access, Kernels, Span, Step, declared, parameters};
use super::writes::{Staged, Writes};
use super::{Gpu, Tuning};
use crate::error::{Error, Result};
use crate::tensor::LabelType;

const BATCH: &str = include_str!("../../shaders/metric/batch.wgsl");
const MERGE: &str = include_str!("../../shaders/metric/merge.wgsl");
const MERGE_WORDS: &str = include_str!("../../shaders/metric/merge_words.wgsl");
const MERGE_COUNTS: &str = include_str!("../../shaders/metric/merge_counts.wgsl");

/// Words of a head: what was wrong, and what the state says besides.
pub(super) const HEAD: usize = 8;
/// Where in it positive and negative samples are counted that are kept.
pub(super) const POSITIVES: usize = 4;
pub(super) const NEGATIVES: usize = 5;
/// Where a state that counts says the first bad weight, counted down from the largest number; 0 where there is none.
const BAD_WEIGHT: usize = 7;
/// Parts of a batch begin at a multiple of so many samples, where there are as many: any alignment of bindings is one.
const ALIGNED: usize = 4096;

parameters! {
    /// A part of a batch.
    BatchParams, BATCH_PARAMS {
        /// Samples of this dispatch, and the number of the first of them in the batch.
        n: u32,
        first: u32,
        /// Where both begin in their bindings, in numbers of their own.
        off_input: u32,
        off_labels: u32,
        has_ignore: u32,
        ignore_lo: u32,
        ignore_hi: u32,
        /// Classes; or what else a kernel is told.
        extent: u32,
        /// Samples that a workgroup takes.
        tile: u32,
        /// Numbers of a sample in the input, and among the labels; which of them are looked at.
        each: u32,
        column: u32,
        label_each: u32,
        label_column: u32,
        /// The label that is positive.
        positive: u32,
        /// Words that there is room for.
        capacity: u32,
        /// Where the weights of samples begin, and what the numbers of each have in common.
        off_weights: u32,
        off_shared: u32,
    }
}

parameters! {
    /// How one state takes in another.
    MergeParams, MERGE_PARAMS {
        /// Words that there is room for, here and in the other state.
        capacity: u32,
        other_capacity: u32,
        /// Words of a sample that is kept.
        stride: u32,
        /// Counts: low words, and as many high ones.
        slots: u32,
    }
}

/// How a label is loaded from `array`, as two words.
pub(super) fn load_label(name: &str, array: &str, ty: LabelType) -> String {
    let label = match ty {
        LabelType::U32 => format!("return vec2<u32>({array}[i], 0u);"),
        LabelType::I32 => format!("let l = {array}[i]; return vec2<u32>(l, 0u - (l >> 31u));"),
        LabelType::I64 => format!("return vec2<u32>({array}[2u * i], {array}[2u * i + 1u]);"),
    };
    format!("\nfn {name}(i: u32) -> vec2<u32> {{ {label} }}\n")
}

/// The WGSL of a batch with labels of a type; what is counted of it follows.
pub(super) fn batch_text(labels: LabelType) -> String {
    declared("BatchParams", BATCH_PARAMS) + BATCH + &load_label("load_label", "labels", labels)
}

/// Invocations of a workgroup that merges, and the words it takes.
fn merge_shape(tuning: Tuning) -> (u32, usize) {
    match tuning {
        Tuning::Wide => (256, 4096),
        Tuning::Narrow => (8, 32_768),
    }
}

/// What is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merged {
    /// Words from the front and from the back, so many for each sample.
    Words(usize),
    /// Counts.
    Counts,
}

/// The WGSL by which one state takes in another.
pub(super) fn merge_text(tuning: Tuning, merged: Merged) -> String {
    let (width, tile) = merge_shape(tuning);
    let take = match merged {
        Merged::Words(_) => MERGE_WORDS,
        Merged::Counts => MERGE_COUNTS,
    };
    let params = declared("MergeParams", MERGE_PARAMS);
    format!(
        "{params}{MERGE}{take}const WIDTH: u32 = {width}u;\nconst TILE: u32 = {tile}u;\n\
         const POSITIVES: u32 = {POSITIVES}u;\nconst NEGATIVES: u32 = {NEGATIVES}u;\n"
    )
}

/// The kernels of [`merge_text`]. To be called inside [`Gpu::scoped`].
pub(super) fn merge_kernels(gpu: &Gpu, merged: Merged) -> Kernels<2> {
    use Access::{Read, Write};
    let buffers: &[Access] = match merged {
        Merged::Words(_) => &[Read, Write, Read, Write],
        Merged::Counts => &[Read, Write, Read, Read, Write, Write],
    };
    Kernels::new(
        gpu,
        "wgloss merge",
        merge_text(gpu.tuning, merged),
        buffers,
        ["take", "take_head"],
    )
}

/// Samples that a state has not seen yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// What they are called.
    pub what: &'static str,
    pub view: &'a View<'a>,
    /// Bytes of a number, and numbers of a sample.
    pub size: u64,
    pub each: u64,
}

impl<'a> Source<'a> {
    /// So many samples from the first on, and where they begin in their binding.
    fn span(&self, gpu: &Gpu, first: usize, len: usize) -> (Span<'a>, u32) {
        let [first, len] = [first, len].map(|n| n as u64 * self.each);
        self.view.span(gpu, first, len, self.size)
    }
}

/// What a kernel is told of samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Told {
    /// Classes; or what else a kernel is told.
    pub extent: u32,
    /// Samples that a workgroup takes.
    pub tile: usize,
    /// Which numbers of a sample are looked at, in the input and among the labels, and which label is positive.
    pub column: u32,
    pub label_column: u32,
    pub positive: u32,
}

/// A batch of a state, ready to be recorded as often as wanted, into that state.
#[derive(Debug)]
pub struct SampleBatch {
    steps: Vec<Step>,
    head: wgpu::Buffer,
    n: usize,
}

impl SampleBatch {
    /// The samples in it.
    pub fn samples(&self) -> usize {
        self.n
    }
}

/// The buffers of a state.
#[derive(Debug)]
pub(super) struct Store {
    pub gpu: Gpu,
    /// What was wrong, and the rest of [`HEAD`] words.
    pub head: wgpu::Buffer,
    /// What is collected.
    pub kept: wgpu::Buffer,
    bound: Binding,
}

/// What one state takes in of another, before it is recorded: nothing that is none gets into an encoder of the host's.
#[derive(Debug)]
pub(super) struct Merging {
    staged: Staged,
    steps: [Step; 2],
}

impl Merging {
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        self.staged.record(encoder);
        Gpu::record(encoder, "merge", &self.steps);
    }
}

/// How batches see what is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Whole,
    /// In two halves: low words of counts, and high ones.
    Halves,
    /// So many words of each sample.
    Rows(usize),
}

impl Store {
    /// With room for so many words, or the reason why not.
    pub async fn new(gpu: &Gpu, what: &str, words: u64, bound: Binding) -> Result<Store> {
        let bindings = match bound {
            Binding::Whole => gpu.limits.binding,
            Binding::Halves => gpu.limits.binding.saturating_mul(2),
            Binding::Rows(_) => u64::MAX,
        };
        let limit = bindings.min(gpu.limits.buffer) / 4;
        let limit = limit.min(u64::from(u32::MAX) / 2);
        if words > limit {
            return Err(Error::TooLarge {
                what: what.into(),
                limit,
                found: words,
            });
        }
        let made = gpu.scoped(|| {
            let usage = wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_DST
                | wgpu::BufferUsages::COPY_SRC;
            let bytes = 4 * HEAD as u64;
            (
                buffer(&gpu.device, "wgloss head", bytes, usage),
                buffer(&gpu.device, "wgloss samples", 4 * words, usage),
            )
        });
        let (head, kept) = made.await?;
        Ok(Store {
            gpu: gpu.clone(),
            head,
            kept,
            bound,
        })
    }

    /// Words that are kept.
    pub fn capacity(&self) -> usize {
        (self.kept.size() / 4) as usize
    }

    /// What is collected, in two halves: low words of counts, and high ones.
    fn halves(&self) -> [Span<'_>; 2] {
        let size = self.kept.size() / 2;
        [0, size].map(|offset| Span {
            buffer: &self.kept,
            offset,
            size,
        })
    }

    /// Attaches `n` samples with their labels, weights and what their numbers have in common where there are such, cut into parts
    /// that a binding holds.
    pub async fn bind(
        &self,
        kernels: &Kernels<1>,
        [input, labels]: [Source<'_>; 2],
        more: [Option<Source<'_>>; 2],
        n: usize,
        ignore_index: Option<i64>,
        told: Told,
    ) -> Result<SampleBatch> {
        let gpu = &self.gpu;
        let sources = [Some(input), Some(labels), more[0], more[1]];
        let there = || sources.iter().flatten();
        let numbers = (n as u64).saturating_mul(input.each.max(labels.each));
        let most = u64::from(u32::MAX) - 1;
        if numbers > most {
            return Err(Error::TooLarge {
                what: "numbers of a batch".into(),
                limit: most,
                found: numbers,
            });
        }
        for source in there() {
            let bytes = n as u64 * source.each * source.size;
            let storage = wgpu::BufferUsages::STORAGE;
            source
                .view
                .check(source.what, bytes, source.size, storage)?;
        }
        let alignment = u64::from(gpu.limits.alignment);
        let room = gpu.limits.binding.saturating_sub(alignment);
        // What is kept of each sample has to fit as well: of few halves it is more than what is read.
        let kept = match self.bound {
            Binding::Rows(words) => 4 * words as u64,
            Binding::Whole | Binding::Halves => 1,
        };
        let row = there().map(|s| s.each * s.size).fold(kept, u64::max);
        let most = usize::try_from(room / row)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        let most = match most > ALIGNED {
            true => most / ALIGNED * ALIGNED,
            false => most,
        };
        if most == 0 {
            return Err(Error::TooLarge {
                what: "bytes of a sample".into(),
                limit: room,
                found: row,
            });
        }
        let ignore = ignore_index.unwrap_or(0);
        let each = [input.each, labels.each].map(|n| n as u32);
        let stride = gpu.uniform_stride();
        let mut uniforms: Vec<u8> = Vec::new();
        let mut parts = Vec::new();
        for (i, first) in (0..n).step_by(most).enumerate() {
            let len = most.min(n - first);
            let [input, labels, weights, mut shared] = sources.map(|source| match source {
                Some(source) => {
                    let (span, offset) = source.span(gpu, first, len);
                    (Some(span), offset)
                }
                None => (None, 0),
            });
            let mut spans: Vec<Span<'_>> = [input.0, labels.0].into_iter().flatten().collect();
            spans.push(Span::whole(&self.head));
            match self.bound {
                Binding::Whole => spans.push(Span::whole(&self.kept)),
                Binding::Halves => spans.extend(self.halves()),
                Binding::Rows(words) => {
                    let [offset, size] = [first, len].map(|n| (n * words) as u64);
                    let (span, offset) = View::whole(&self.kept).span(gpu, offset, size, 4);
                    shared.1 = offset;
                    spans.push(span);
                }
            }
            spans.extend([weights.0, shared.0].into_iter().flatten());
            uniforms.resize(i * stride as usize, 0);
            uniforms.extend_from_slice(bytemuck::bytes_of(&BatchParams {
                n: len as u32,
                first: first as u32,
                off_input: input.1,
                off_labels: labels.1,
                has_ignore: u32::from(ignore_index.is_some()),
                ignore_lo: ignore as u32,
                ignore_hi: (ignore >> 32) as u32,
                extent: told.extent,
                tile: told.tile as u32,
                each: each[0],
                column: told.column,
                label_each: each[1],
                label_column: told.label_column,
                positive: told.positive,
                capacity: self.capacity() as u32,
                off_weights: weights.1,
                off_shared: shared.1,
            }));
            parts.push((spans, len));
        }
        let made = gpu.written(|writes| {
            let params = writes.parameters(gpu, &uniforms);
            let step = |(i, (spans, len)): (usize, (Vec<Span<'_>>, usize))| {
                let params = Span {
                    buffer: &params,
                    offset: i as u64 * stride,
                    size: size_of::<BatchParams>() as u64,
                };
                Step {
                    pipeline: kernels.pipelines[0].clone(),
                    group: kernels.bind(gpu, params, &spans),
                    grid: gpu.plane(len.div_ceil(told.tile)),
                }
            };
            parts.into_iter().enumerate().map(step).collect::<Vec<_>>()
        });
        Ok(SampleBatch {
            steps: made.await?,
            head: self.head.clone(),
            n,
        })
    }

    /// Whether a batch was bound to this.
    pub fn owns(&self, batch: &SampleBatch) -> bool {
        batch.head == self.head
    }

    /// Records a batch, unless it was bound to another state.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, batch: &SampleBatch) -> Result<()> {
        if !self.owns(batch) {
            let expected = "a batch that was bound to this state";
            return Err(Error::mismatch("batch", expected, "one of another"));
        }
        for step in &batch.steps {
            step.record(pass);
        }
        Ok(())
    }

    /// Records that nothing has been seen: of words that are kept the head says how many there are.
    pub fn clear(&self, encoder: &mut wgpu::CommandEncoder, counts: bool) {
        encoder.clear_buffer(&self.head, 0, None);
        if counts {
            encoder.clear_buffer(&self.kept, 0, None);
        }
    }

    /// Makes ready that what `other` holds is held here too. Their kinds have to be the same.
    pub async fn merge(
        &self,
        other: &Store,
        kernels: &Kernels<2>,
        what: Merged,
    ) -> Result<Merging> {
        let fail = |expected, found| Err(Error::mismatch("state to merge", expected, found));
        if !self.gpu.is_same(&other.gpu) {
            let found = "one on another: save it, and load it here";
            return fail("one on the same device", found);
        }
        if self.head == other.head {
            return fail("another state", "the same");
        }
        let gpu = &self.gpu;
        let slots = other.capacity() / 2;
        let (words, stride) = match what {
            Merged::Words(stride) => (other.capacity(), stride),
            Merged::Counts => (slots, 1),
        };
        let (_, tile) = merge_shape(gpu.tuning);
        let made = gpu.scoped(|| {
            let mut writes = Writes::default();
            let params = writes.parameters(
                gpu,
                bytemuck::bytes_of(&MergeParams {
                    capacity: self.capacity() as u32,
                    other_capacity: other.capacity() as u32,
                    stride: stride as u32,
                    slots: slots as u32,
                }),
            );
            let mut buffers = [&other.head, &self.head].map(Span::whole).to_vec();
            for store in [other, self] {
                match what {
                    Merged::Words(_) => buffers.push(Span::whole(&store.kept)),
                    Merged::Counts => buffers.extend(store.halves()),
                }
            }
            let group = kernels.bind(gpu, Span::whole(&params), &buffers);
            let [take, take_head] = &kernels.pipelines;
            // What the head says decides where words go: it comes last.
            let steps = [(take, words.div_ceil(tile)), (take_head, 1)];
            let steps = steps.map(|(pipeline, groups)| Step {
                pipeline: pipeline.clone(),
                group: group.clone(),
                grid: gpu.plane(groups),
            });
            let staged = writes.stage(gpu);
            Merging { staged, steps }
        });
        made.await
    }

    /// Waits for what has been submitted, and reads the head and all that is kept.
    pub async fn words(&self) -> Result<Vec<u32>> {
        let all = [
            (&self.head, 4 * HEAD as u64),
            (&self.kept, self.kept.size()),
        ];
        read(&self.gpu, &[], &all).await
    }
}

/// Submits `steps`, waits, and reads the beginnings of `buffers`.
pub(super) async fn read(
    gpu: &Gpu,
    steps: &[Step],
    buffers: &[(&wgpu::Buffer, u64)],
) -> Result<Vec<u32>> {
    let made = gpu.scoped(|| {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let size = buffers.iter().map(|(_, bytes)| bytes).sum();
        let back = buffer(&gpu.device, "wgloss samples", size, usage);
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        Gpu::record(&mut encoder, "samples", steps);
        let mut at = 0;
        for &(from, bytes) in buffers {
            encoder.copy_buffer_to_buffer(from, 0, &back, at, bytes);
            at += bytes;
        }
        gpu.queue.submit([encoder.finish()]);
        back
    });
    let back = made.await?;
    Ok(bytemuck::pod_collect_to_vec(&gpu.read(&back).await?))
}

/// Nothing, if a head says that nothing was wrong with the truth or with the input, which have to be what is expected.
pub(super) fn check_head(head: &[u32], expected: [&str; 2]) -> Result<()> {
    let kinds = ["target", "input"].into_iter().zip(expected);
    for ((what, expected), wrong) in kinds.zip(head.as_chunks::<2>().0) {
        let [count, first] = *wrong;
        // A count of 2^32 is 0 again; a place is never.
        if first > 0 {
            return Err(Error::BadSample {
                what,
                expected: expected.into(),
                index: (u32::MAX - first) as usize,
                found: match count {
                    1 => "another".into(),
                    _ => format!("{count} others, the first"),
                },
            });
        }
    }
    Ok(())
}

/// Nothing, if the head of a state that counts says that no weight was wrong.
pub(super) fn check_weights(head: &[u32]) -> Result<()> {
    match head.get(BAD_WEIGHT) {
        None | Some(0) => Ok(()),
        Some(first) => Err(Error::BadSample {
            what: "weight",
            expected: "finite numbers of at least 0".into(),
            index: (u32::MAX - first) as usize,
            found: "another".into(),
        }),
    }
}

/// Saved words as bytes.
pub(super) fn to_bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Words that were saved, if there is a whole number of them and they begin as they have to.
pub(super) fn from_bytes(bytes: &[u8], start: &[u32]) -> Option<Vec<u32>> {
    let (words, rest) = bytes.as_chunks::<4>();
    let words = words.iter().map(|w| u32::from_le_bytes(*w));
    let words: Vec<u32> = words.collect();
    let whole = rest.is_empty() && words.starts_with(start);
    whole.then(|| words[start.len()..].to_vec())
}
