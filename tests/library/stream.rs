//! A thousand batches into every kind of metric: nothing is made, submitted or read back until figures are asked for, and then
//! they are those of one batch.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{Gpu, Predictions, View};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel};
use wgloss::{DType, LabelType, wgpu};

const BATCHES: usize = 1000;
const EACH: usize = 20;
const N: usize = BATCHES * EACH;
const CLASSES: usize = 4;

/// Room for all buffers of a state, batch by batch, and in one.
struct Parts<'a> {
    input: &'a wgpu::Buffer,
    input_bytes: usize,
    truth: &'a wgpu::Buffer,
    truth_bytes: usize,
    weights: &'a wgpu::Buffer,
}

impl Parts<'_> {
    /// Batch `b` of [`EACH`] samples; or all samples.
    fn views(&self, b: Option<usize>) -> [View<'_>; 3] {
        let view = |buffer, bytes: usize| match b {
            None => View::whole(buffer),
            Some(b) => View {
                buffer,
                offset: (b * EACH * bytes) as u64,
                size: (EACH * bytes) as u64,
            },
        };
        [
            view(self.input, self.input_bytes),
            view(self.truth, self.truth_bytes),
            view(self.weights, 4),
        ]
    }
}

/// Sees that recording `update` for every batch makes and reads nothing, and that `compute` reads `bytes` and finds what it does
/// after one batch.
macro_rules! stream {
    ($gpu:expr, $name:literal, $state:expr, $parts:expr, $bind:ident, $bytes:expr) => {{
        let gpu: &Gpu = $gpu;
        let submit = |encoder: wgpu::CommandEncoder| gpu.queue().submit([encoder.finish()]);
        let encoder = || gpu.device().create_command_encoder(&Default::default());
        // Some states are changed by recording, some are not.
        #[allow(unused_mut)]
        let (mut one, mut many) = ($state, $state);
        let whole = $bind!(one, $parts.views(None), N);
        let all: Vec<_> = (0..BATCHES)
            .map(|b| $bind!(many, $parts.views(Some(b)), EACH))
            .collect();
        let mut e = encoder();
        one.update(&mut e, &whole).expect("its own batch");
        submit(e);
        let want = one.compute().expect("figures");
        let read = gpu.bytes_read();
        let mut e = encoder();
        // Half of them each into a pass of its own, and half into one.
        let (first, second) = all.split_at(BATCHES / 2);
        for batch in first {
            many.update(&mut e, batch).expect("its own batch");
        }
        let mut pass = e.begin_compute_pass(&Default::default());
        for batch in second {
            many.record_update(&mut pass, batch).expect("its own batch");
        }
        drop(pass);
        submit(e);
        assert_eq!(gpu.bytes_read(), read, "{}: bytes before figures", $name);
        assert_eq!(many.compute().expect("figures"), want, "{}", $name);
        assert_eq!(
            gpu.bytes_read() - read,
            $bytes,
            "{}: bytes of figures",
            $name
        );
    }};
}

macro_rules! with_ignored {
    ($state:expr, $views:expr, $n:expr) => {{
        let [input, truth, _] = $views;
        $state.bind(&input, &truth, $n, None).expect("bound")
    }};
}

macro_rules! plain {
    ($state:expr, $views:expr, $n:expr) => {{
        let [input, truth, _] = $views;
        $state.bind(&input, &truth, $n).expect("bound")
    }};
}

macro_rules! weighted {
    ($state:expr, $views:expr, $n:expr) => {{
        let [input, truth, weights] = $views;
        let bound = $state.bind_weighted(&input, &truth, &weights, $n);
        bound.expect("bound")
    }};
}

#[test]
fn nothing_is_read_back_until_figures_are_asked_for() {
    if support::gpu().is_none() {
        return;
    }
    // A device of its own: others read from the one that tests share.
    let gpu = &Gpu::new().expect("a device");
    let mut rng = Rng::new("stream");
    let scores: Vec<f32> = (0..N * CLASSES)
        .map(|_| rng.range(-3.0, 3.0) as f32)
        .collect();
    let labels = |rng: &mut Rng, below: usize, n: usize| {
        let all: Vec<u32> = (0..n).map(|_| rng.below(below) as u32).collect();
        support::upload(gpu, &bytes(all.iter().map(|l| l.to_le_bytes())))
    };
    let rows = support::upload(gpu, &stored(&scores, DType::F32));
    let singles = support::upload(gpu, &stored(&scores[..N], DType::F32));
    let halves = support::upload(gpu, &stored(&scores[..N], DType::Bf16));
    let (bits, classes) = (labels(&mut rng, 2, N), labels(&mut rng, CLASSES, N));
    let sets = labels(&mut rng, 2, N * CLASSES);
    let predicted = labels(&mut rng, CLASSES, N);
    let weights: Vec<f32> = (0..N).map(|_| rng.range(0.0, 3.0) as f32).collect();
    let weights = support::upload(gpu, &stored(&weights, DType::F32));
    let parts = |input, input_bytes, truth, truth_bytes| Parts {
        input,
        input_bytes,
        truth,
        truth_bytes,
        weights: &weights,
    };
    let ty = LabelType::U32;
    // A head of 8 words; 12 of areas; and 18 of points.
    let areas = 4 * (8 + 12);
    let points = 4 * 18;
    // High words begin where a binding may.
    let counts = |slots: u64| 4 * 8 + 8 * slots.next_multiple_of(64);
    // Losses without bound, two sums of 19 slots, 15 bins of 21.
    let sums = 1 + 2 * 19 + 15 * 21;
    // A weight has 19 slots, a product 35, a product of three 53.
    let weighed_sums = 1 + 2 * 35 + 15 * (2 * 19 + 35);
    let by = Some(DType::F32);
    let of = parts(&singles, 4, &bits, 4);
    stream!(
        gpu,
        "f32 scores",
        gpu.scores(DType::F32, ty, N).expect("a state"),
        of,
        with_ignored,
        areas
    );
    let of = parts(&halves, 2, &bits, 4);
    stream!(
        gpu,
        "bf16 scores",
        gpu.scores(DType::Bf16, ty, N).expect("a state"),
        of,
        with_ignored,
        areas
    );
    let of = parts(&predicted, 4, &classes, 4);
    let labelled = Predictions::Labels(ty);
    let cells = counts((CLASSES * (CLASSES + 1)) as u64);
    stream!(
        gpu,
        "a confusion matrix",
        gpu.confusion(labelled, ty, CLASSES).expect("a state"),
        of,
        with_ignored,
        cells
    );
    let scored = Predictions::Scores(DType::F32);
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    let of = parts(&singles, 4, &bits, 4);
    stream!(
        gpu,
        "two classes",
        gpu.binary(&asked, scored, ty, None, N).expect("a state"),
        of,
        plain,
        counts(4 + sums) + areas + points
    );
    stream!(
        gpu,
        "two classes with weights",
        gpu.binary(&asked, scored, ty, by, N).expect("a state"),
        of,
        weighted,
        counts(4 * 19 + weighed_sums) + areas + points
    );
    let of = parts(&halves, 2, &bits, 4);
    let in_halves = Predictions::Scores(DType::Bf16);
    stream!(
        gpu,
        "two classes of bf16 with weights",
        gpu.binary(&asked, in_halves, ty, by, N).expect("a state"),
        of,
        weighted,
        counts(4 * 19 + weighed_sums) + areas + points
    );
    let asked = Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    };
    let of = parts(&rows, 4 * CLASSES, &classes, 4);
    let classes_read = counts((CLASSES * (CLASSES + 1)) as u64 + sums) + CLASSES as u64 * areas;
    stream!(
        gpu,
        "several classes",
        gpu.multiclass(&asked, scored, ty, None, CLASSES, N)
            .expect("a state"),
        of,
        plain,
        classes_read
    );
    let cells = (CLASSES * (CLASSES + 1)) as u64;
    stream!(
        gpu,
        "several classes with weights",
        gpu.multiclass(&asked, scored, ty, by, CLASSES, 0)
            .expect("a state"),
        of,
        weighted,
        counts(19 * cells + weighed_sums)
    );
    let asked = Multilabel::default();
    let of = parts(&rows, 4 * CLASSES, &sets, 4 * CLASSES);
    let labels_read = counts(4 * CLASSES as u64 + 4) + CLASSES as u64 * areas;
    stream!(
        gpu,
        "several labels",
        gpu.multilabel(&asked, scored, ty, None, CLASSES, N)
            .expect("a state"),
        of,
        plain,
        labels_read
    );
    let of = parts(&singles, 4, &singles, 4);
    stream!(
        gpu,
        "numbers",
        gpu.regression(DType::F32, DType::F32, None)
            .expect("a state"),
        of,
        plain,
        counts(1 + 3 * 19 + 3 * 35 + 24)
    );
    stream!(
        gpu,
        "numbers with weights",
        gpu.regression(DType::F32, DType::F32, by).expect("a state"),
        of,
        weighted,
        counts(19 + 3 * 35 + 3 * 53 + 42)
    );
}
