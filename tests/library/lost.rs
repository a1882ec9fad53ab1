//! A device that is destroyed at any point: a typed error in time, no panic, nothing for the host's error handler, and what
//! lives on the host is as it was.

use crate::support::{self, Rng};
use std::fmt::Debug;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wgloss::gpu::{
    BinaryState, BoundedScores, CombinedIo, ConfusionState, InPlaceIo, Io, MulticlassState,
    MultilabelState, Predictions, RegressionState, RowOutputsIo, ScoreState, TermIo, TermLayout,
    View,
};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel, Samples};
use wgloss::{
    Batch, BceWithLogits, CrossEntropy, DType, Dice, Error, Gpu, LabelType, Layout, Mse, Result,
    TargetLayout, wgpu,
};

/// How long a call on a lost device may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How long it may be until the next one: kernels are compiled, and in the end everything is dropped.
const BETWEEN: Duration = Duration::from_secs(120);

/// What is being called, until when it has to come back.
#[derive(Clone)]
struct Watch(Arc<Mutex<(String, Instant)>>);

impl Watch {
    fn until(&self, what: String, limit: Duration) {
        // A panic while it is held is one of the test.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (what, Instant::now() + limit);
    }

    fn call<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        self.until(what.into(), 2 * LIMIT);
        let done = call();
        self.until(format!("what follows {what}"), BETWEEN);
        let took = since.elapsed();
        assert!(took < LIMIT, "{what}: {took:?}");
        done
    }

    /// A call that has to say that the device is lost.
    fn lost<T: Debug>(&self, what: &str, call: impl FnOnce() -> Result<T>) {
        let result = self.call(what, call);
        let lost = matches!(result, Err(Error::DeviceLost(_)));
        assert!(lost, "{what}: {result:?}");
        let text = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(!text.contains('\n'), "{what}: more than one line: {text}");
    }
}

/// Runs a test on a thread of its own: a call that hangs fails it, and not the suite.
fn watched(test: impl FnOnce(&Watch) + Send + 'static) {
    let begin = ("the beginning".into(), Instant::now() + BETWEEN);
    let watch = Watch(Arc::new(Mutex::new(begin)));
    let of_test = watch.clone();
    let worker = std::thread::spawn(move || test(&of_test));
    while !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(5));
        let now = watch.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, until) = now.clone();
        drop(now);
        assert!(Instant::now() < until, "{what} hangs");
    }
    if let Err(panic) = worker.join() {
        resume_unwind(panic);
    }
}

/// Whose the device is.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Own,
    Hosts,
}

const BOTH: [Whose; 2] = [Whose::Own, Whose::Hosts];

/// A device that may be destroyed, whose uncaptured errors are counted.
fn device(whose: Whose) -> (Gpu, Arc<AtomicUsize>) {
    let gpu = match whose {
        Whose::Own => Gpu::new().expect("there is an adapter"),
        Whose::Hosts => {
            let wanted = wgpu::InstanceDescriptor::new_without_display_handle();
            let instance = wgpu::Instance::new(wanted);
            let adapter = instance.request_adapter(&Default::default());
            let adapter = pollster::block_on(adapter).expect("there is an adapter");
            let made = adapter.request_device(&wgpu::DeviceDescriptor {
                required_limits: wgpu::Limits::default().or_worse_values_from(&adapter.limits()),
                ..Default::default()
            });
            let (device, queue) = pollster::block_on(made).expect("a device");
            Gpu::from_device(device, queue)
        }
    };
    let uncaptured = Arc::new(AtomicUsize::new(0));
    let count = uncaptured.clone();
    gpu.device().on_uncaptured_error(Arc::new(move |e| {
        // Only seen where the test fails.
        println!("uncaptured: {e}");
        count.fetch_add(1, Ordering::SeqCst);
    }));
    (gpu, uncaptured)
}

const ROWS: usize = 64;
const COLS: usize = 4;
const N: usize = ROWS * COLS;
const LABELS: LabelType = LabelType::U32;

/// The tensors of everything that is evaluated.
struct Data {
    /// Logits or numbers, and others, row by row.
    x: wgpu::Buffer,
    t: wgpu::Buffer,
    /// A class of each row, and 0 or 1 for each number.
    classes: wgpu::Buffer,
    bits: wgpu::Buffer,
    /// What is written to.
    out: [wgpu::Buffer; 3],
}

impl Data {
    fn new(gpu: &Gpu) -> Data {
        let mut rng = Rng::new("lost");
        let numbers =
            |rng: &mut Rng| -> Vec<f32> { (0..N).map(|_| rng.range(0.05, 0.95) as f32).collect() };
        let labels = |rng: &mut Rng, below: usize| -> Vec<u32> {
            (0..N).map(|_| rng.below(below) as u32).collect()
        };
        let f32s = |v: &[f32]| support::upload(gpu, bytemuck::cast_slice(v));
        let u32s = |v: &[u32]| support::upload(gpu, bytemuck::cast_slice(v));
        Data {
            x: f32s(&numbers(&mut rng)),
            t: f32s(&numbers(&mut rng)),
            classes: u32s(&labels(&mut rng, COLS)),
            bits: u32s(&labels(&mut rng, 2)),
            out: [(); 3].map(|()| support::upload(gpu, &[0; 4 * N])),
        }
    }

    fn x(&self) -> View<'_> {
        View::whole(&self.x)
    }

    fn t(&self) -> View<'_> {
        View::whole(&self.t)
    }

    fn io(&self, target: &wgpu::Buffer) -> Io<'_> {
        // The same buffer, borrowed from here.
        let target = [&self.t, &self.classes].into_iter().find(|b| *b == target);
        Io {
            inputs: vec![self.x()],
            target: target.map(View::whole),
            grads: vec![View::whole(&self.out[0])],
            ..Default::default()
        }
    }
}

fn values() -> Layout {
    Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([ROWS, COLS])
    }
}

fn labelled() -> Layout {
    Layout {
        target: TargetLayout::Labels(LABELS),
        ..Layout::new([ROWS, COLS])
    }
}

fn terms() -> [TermLayout<'static>; 2] {
    let term = |loss, layout| TermLayout {
        loss,
        weight: 0.5,
        inputs: vec![0],
        layout,
    };
    [
        term(&MSE as &dyn wgloss::Loss, values()),
        term(&CE as &dyn wgloss::Loss, labelled()),
    ]
}

static MSE: Mse = Mse {};
static CE: CrossEntropy = CrossEntropy {
    label_smoothing: 0.0,
    ignore_index: -100,
    z_loss: 0.0,
    softcap: 0.0,
    temperature: 1.0,
};

const LOGITS: Binary = Binary {
    threshold: None,
    input: InputKind::Logits,
    recall: 0.95,
    precision: 0.95,
    ignore_index: None,
};

fn several() -> Multiclass {
    Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    }
}

/// One state of each kind. A guest's differ by nothing but whose the device is: those that keep scores, whose kernels are many,
/// are looked at on a device of its own.
struct States {
    scores: Option<ScoreState>,
    bounded: Option<BoundedScores>,
    confusion: ConfusionState,
    binary: Option<BinaryState>,
    counting: BinaryState,
    multiclass: MulticlassState,
    multilabel: Option<MultilabelState>,
    regression: RegressionState,
    weighed: Option<RegressionState>,
}

const F32: Predictions = Predictions::Scores(DType::F32);

impl States {
    fn new(gpu: &Gpu, whose: Whose) -> Result<States> {
        let f32 = DType::F32;
        let labels = Multilabel::default();
        let own = |whose| matches!(whose, Whose::Own);
        macro_rules! own {
            ($made:expr) => {
                own(whose).then(|| $made).transpose()?
            };
        }
        Ok(States {
            scores: own!(gpu.scores(f32, LABELS, 4 * N)),
            bounded: own!(gpu.bounded_scores(f32, LABELS, 12)),
            confusion: gpu.confusion(F32, LABELS, COLS)?,
            binary: own!(gpu.binary(&LOGITS, F32, LABELS, None, 4 * N)),
            counting: gpu.binary(&LOGITS, F32, LABELS, None, 0)?,
            multiclass: gpu.multiclass(&several(), F32, LABELS, None, COLS, 0)?,
            multilabel: own!(gpu.multilabel(&labels, F32, LABELS, None, COLS, 4 * N)),
            regression: gpu.regression(f32, f32, None)?,
            weighed: own!(gpu.regression(f32, f32, Some(f32))),
        })
    }
}

/// Does the same with every state that is there, under its name.
macro_rules! each_state {
    ($states:expr, |$name:ident, $state:ident| $do:expr) => {{
        let states: &mut States = $states;
        macro_rules! one {
            ($field:ident, $there:expr) => {
                if let Some($state) = $there {
                    let $name = stringify!($field);
                    $do
                }
            };
        }
        one!(scores, &mut states.scores);
        one!(bounded, &mut states.bounded);
        one!(confusion, Some(&mut states.confusion));
        one!(binary, &mut states.binary);
        one!(counting, Some(&mut states.counting));
        one!(multiclass, Some(&mut states.multiclass));
        one!(multilabel, &mut states.multilabel);
        one!(regression, Some(&mut states.regression));
        one!(weighed, &mut states.weighed);
    }};
}

/// Binds the data to a state, and hands the batch on.
macro_rules! with_batch {
    ($states:expr, $data:expr, |$name:ident, $state:ident, $batch:ident| $do:expr) => {{
        let (states, data): (&mut States, &Data) = ($states, $data);
        let [x, t] = [data.x(), data.t()];
        let [classes, bits] = [&data.classes, &data.bits].map(View::whole);
        macro_rules! one {
            ($field:ident, $there:expr, |$it:ident| $bound:expr) => {
                if let Some($state) = $there {
                    let $name = stringify!($field);
                    let $it = &*$state;
                    let $batch = $bound;
                    $do
                }
            };
        }
        one!(scores, &mut states.scores, |s| s.bind(&x, &bits, N, None));
        one!(bounded, &mut states.bounded, |s| s.bind(&x, &bits, N, None));
        one!(confusion, Some(&mut states.confusion), |s| s
            .bind(&x, &classes, ROWS, None));
        one!(binary, &mut states.binary, |s| s.bind(&x, &bits, N));
        one!(counting, Some(&mut states.counting), |s| s
            .bind(&x, &bits, N));
        one!(multiclass, Some(&mut states.multiclass), |s| s
            .bind(&x, &classes, ROWS));
        one!(multilabel, &mut states.multilabel, |s| s
            .bind(&x, &bits, ROWS));
        one!(regression, Some(&mut states.regression), |s| s
            .bind(&x, &t, N));
        one!(weighed, &mut states.weighed, |s| s
            .bind_weighted(&x, &t, &t, N));
    }};
}

impl States {
    /// Every state sees the data once more.
    fn see(&mut self, gpu: &Gpu, data: &Data) {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        with_batch!(self, data, |name, state, batch| {
            let batch = batch.unwrap_or_else(|e| panic!("{name}: {e}"));
            state.update(&mut encoder, &batch).expect("its own batch");
        });
        gpu.queue().submit([encoder.finish()]);
    }

    fn saved(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        each_state!(self, |_name, state| all
            .push(state.to_bytes().expect("saved")));
        all
    }

    fn figures(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        each_state!(self, |name, state| {
            let figures = state.compute().expect("figures");
            // What is printed of a number is all of it.
            all.push(format!("{name}: {figures:?}"));
        });
        all
    }
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// What can be recorded and reported.
struct Evaluation<'a> {
    name: &'static str,
    encode: Box<dyn Fn(&mut wgpu::CommandEncoder) + 'a>,
    report: Box<dyn Fn() -> Asked<'a> + 'a>,
}

/// Figures as text: what is printed of a number is all of it.
async fn text<T: Debug>(asked: impl Future<Output = Result<T>>) -> Result<String> {
    Ok(format!("{:?}", asked.await?))
}

fn submit(gpu: &Gpu, each: &Evaluation<'_>) {
    support::submit(gpu, &mut |encoder| (each.encode)(encoder));
}

/// One round of a future.
fn once<T>(future: &mut Pin<Box<dyn Future<Output = T> + '_>>) -> Poll<T> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// Every call that begins something, on a lost device.
fn beginnings(gpu: &Gpu, data: &Data, watch: &Watch) {
    let x = [0.5f32; 8];
    let labels = [0i64, 1, 1, 0];
    let batch = || Batch::new([4, 2], &x).target(&x);
    watch.lost("loss", || gpu.loss(&MSE, &batch()));
    watch.lost("loss of rows", || {
        gpu.loss(&CE, &Batch::new([4, 2], &x).labels(&labels))
    });
    watch.lost("loss of a set", || gpu.loss(&Dice::default(), &batch()));
    watch.lost("plan", || gpu.plan(&MSE, &values()));
    watch.lost("plan in place", || gpu.plan_in_place(&MSE, &values()));
    watch.lost("plan with ranks", || gpu.plan_ranked(&CE, &labelled()));
    watch.lost("combined plan", || gpu.plan_combined(&terms()));
    watch.lost("class weights", || {
        gpu.plan_class_weights(ROWS, COLS, LABELS, None)
    });
    watch.lost("row outputs", || {
        let plan = gpu.plan_row_outputs(&CE, &labelled());
        plan.expect("of the host alone").bind(&rows(data))
    });
    let f32 = DType::F32;
    watch.lost("scores", || gpu.scores(f32, LABELS, N));
    watch.lost("scores of 16 bits", || gpu.scores(DType::F16, LABELS, N));
    watch.lost("bounded scores", || gpu.bounded_scores(f32, LABELS, 12));
    watch.lost("confusion", || gpu.confusion(F32, LABELS, COLS));
    watch.lost("two classes", || gpu.binary(&LOGITS, F32, LABELS, None, N));
    watch.lost("several classes", || {
        gpu.multiclass(&several(), F32, LABELS, None, COLS, N)
    });
    watch.lost("several labels", || {
        gpu.multilabel(&Multilabel::default(), F32, LABELS, None, COLS, N)
    });
    watch.lost("numbers", || gpu.regression(f32, f32, None));
    let samples = Samples::new([4], &x[..4]).labels(&labels);
    watch.lost("figures", || gpu.binary_figures(&LOGITS, &samples));
}

fn rows(data: &Data) -> RowOutputsIo<'_> {
    RowOutputsIo {
        target: Some(View::whole(&data.classes)),
        log_prob: Some(View::whole(&data.out[1])),
        ..RowOutputsIo::new(data.x())
    }
}

#[test]
fn before_anything() {
    if support::gpu().is_none() {
        return;
    }
    watched(|watch| {
        for whose in BOTH {
            let (gpu, uncaptured) = device(whose);
            let data = Data::new(&gpu);
            gpu.device().destroy();
            beginnings(&gpu, &data, watch);
            watch.call("destroy again", || gpu.device().destroy());
            beginnings(&gpu, &data, watch);
            assert_eq!(uncaptured.load(Ordering::SeqCst), 0, "{whose:?}");
            watch.call("drop", || drop((data, gpu)));
        }
    });
}

/// Everything there is, bound on one device that is destroyed while each is somewhere else: bound, recorded, submitted,
/// or being read.
#[test]
fn at_every_point() {
    let Some(other) = support::gpu() else { return };
    watched(move |watch| {
        for whose in BOTH {
            at_every_point_of(whose, &other, watch);
        }
    });
}

fn at_every_point_of(whose: Whose, other: &Gpu, watch: &Watch) {
    let (gpu, uncaptured) = device(whose);
    let data = Data::new(&gpu);
    let mut states = States::new(&gpu, whose).expect("states");
    let elements = gpu.plan(&MSE, &values()).expect("a plan");
    let normalizer = elements.normalizer().expect("a mean");
    let shared = Io {
        normalizer: Some(&normalizer),
        ..data.io(&data.t)
    };
    let shared = elements.bind(&shared).expect("bound");
    let dice = Dice::default();
    let set = gpu.plan(&dice, &values()).expect("a plan");
    let ranked = gpu.plan_ranked(&CE, &labelled()).expect("a plan");
    let in_place = gpu.plan_in_place(&CE, &labelled()).expect("a plan");
    let sum = gpu.plan_combined(&terms()).expect("a plan");
    let bce = BceWithLogits::default();
    let counted = gpu.plan_counted(&bce, &values(), &states.counting);
    let counted = counted.expect("a plan");
    let carried = gpu.plan_counted(&MSE, &values(), &states.regression);
    let carried = carried.expect("a plan");
    let outputs = gpu.plan_row_outputs(&CE, &labelled()).expect("a plan");
    let weights = gpu.plan_class_weights(ROWS, COLS, LABELS, None);
    let weights = weights.expect("a plan");
    let over = InPlaceIo {
        inputs: vec![View::whole(&data.out[2])],
        target: Some(View::whole(&data.classes)),
        ..Default::default()
    };
    let parts = CombinedIo {
        inputs: vec![data.x()],
        grads: vec![View::whole(&data.out[0])],
        terms: [&data.t, &data.classes]
            .map(|target| TermIo {
                target: Some(View::whole(target)),
                ..Default::default()
            })
            .into(),
        ..Default::default()
    };
    let x = vec![0.5f32; N];
    let batch = Batch::new([ROWS, COLS], &x).target(&x);
    let label_view = View::whole(&data.classes);
    let weight_view = View::whole(&data.out[1]);
    let bound = [
        ("elements", elements.bind(&data.io(&data.t))),
        ("a set", set.bind(&data.io(&data.t))),
        ("rows with ranks", ranked.bind(&data.io(&data.classes))),
        ("in place", in_place.bind(&over)),
        ("counted", counted.bind(&data.io(&data.t))),
        ("counted numbers", carried.bind(&data.io(&data.t))),
    ];
    let bound = bound.map(|(name, bound)| (name, bound.expect("bound")));
    let sum_bound = sum.bind(&parts).expect("bound");
    let outputs_bound = outputs.bind(&rows(&data)).expect("bound");
    let weights_bound = weights.bind(&label_view, &weight_view).expect("bound");
    let mut all: Vec<Evaluation<'_>> = Vec::new();
    for (name, bound) in &bound {
        all.push(Evaluation {
            name,
            encode: Box::new(|encoder| bound.encode(encoder)),
            report: Box::new(|| Box::pin(text(bound.report_async()))),
        });
    }
    all.push(Evaluation {
        name: "a sum",
        encode: Box::new(|encoder| sum_bound.encode(encoder)),
        report: Box::new(|| Box::pin(text(sum_bound.report_async()))),
    });
    all.push(Evaluation {
        name: "micro-batches",
        encode: Box::new(|encoder| {
            normalizer.encode_reset(encoder);
            shared.encode_count(encoder).expect("one of several");
            shared.encode(encoder);
        }),
        report: Box::new(|| Box::pin(text(normalizer.report_async()))),
    });

    // A stream of metrics, saved in the middle of it.
    for _ in 0..2 {
        states.see(&gpu, &data);
    }
    let saved = states.saved();
    for each in &all {
        submit(&gpu, each);
    }
    for each in &all {
        let reported = pollster::block_on((each.report)());
        reported.unwrap_or_else(|e| panic!("{}: {e}", each.name));
    }
    let mut batches = States::new(&gpu, whose).expect("states");
    let mut recorded = gpu.device().create_command_encoder(&Default::default());
    with_batch!(&mut batches, &data, |_name, state, batch| {
        let batch = batch.expect("bound");
        state.update(&mut recorded, &batch).expect("its own batch");
    });
    for each in &all {
        (each.encode)(&mut recorded);
    }
    outputs_bound.encode(&mut recorded);
    weights_bound.encode(&mut recorded);
    let read = States::new(&gpu, whose).expect("states");
    let mut reading: Vec<(&str, Asked<'_>)> = Vec::new();
    for each in &all {
        submit(&gpu, each);
        reading.push((each.name, (each.report)()));
    }
    reading.push(("evaluate", Box::pin(text(gpu.evaluate_async(&MSE, &batch)))));
    if let Some(scores) = &read.scores {
        reading.push(("scores", Box::pin(text(scores.compute_async()))));
    }
    reading.push(("confusion", Box::pin(text(read.confusion.compute_async()))));
    reading.push(("to bytes", Box::pin(text(read.counting.to_bytes_async()))));
    reading.push(("numbers", Box::pin(text(read.regression.compute_async()))));
    // Much to do before any of it, so much that it is not there at once.
    let mut passes = 300;
    let mut first = (all[0].report)();
    while once(&mut first).is_ready() {
        support::submit(&gpu, &mut |encoder| {
            for _ in 0..passes {
                bound[0].1.encode(encoder);
            }
        });
        first = (all[0].report)();
        passes *= 2;
    }
    reading.push(("the first", first));
    let polled = reading.iter_mut();
    let pending: Vec<_> = polled.map(|(_, asked)| once(asked).is_pending()).collect();

    gpu.device().destroy();

    // What was being read.
    for ((name, asked), pending) in reading.into_iter().zip(pending) {
        if pending {
            watch.lost(name, || pollster::block_on(asked));
        }
    }
    // What was recorded goes where the host sends it, and is reported of as lost.
    watch.call("submit", || gpu.queue().submit([recorded.finish()]));
    for each in &all {
        watch.lost(each.name, || pollster::block_on((each.report)()));
    }
    // What was bound is recorded in vain.
    watch.call("encode", || {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for each in &all {
            (each.encode)(&mut encoder);
        }
        outputs_bound.encode(&mut encoder);
        weights_bound.encode(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
    });
    for (name, bound) in &bound {
        watch.lost(name, || bound.report());
    }
    watch.lost("a sum", || sum_bound.report());
    watch.lost("micro-batches", || normalizer.report());
    // What was planned cannot be bound any more.
    watch.lost("bind", || elements.bind(&data.io(&data.t)));
    watch.lost("bind in place", || in_place.bind(&over));
    watch.lost("bind a sum", || sum.bind(&parts));
    watch.lost("bind class weights", || {
        weights.bind(&label_view, &weight_view)
    });
    watch.lost("bind row outputs", || outputs.bind(&rows(&data)));
    watch.lost("normalizer", || elements.normalizer());
    watch.lost("plan that counts", || {
        gpu.plan_counted(&bce, &values(), &states.counting)
    });
    let labels = View::whole(&data.classes);
    watch.lost("bind ranks", || {
        states.confusion.bind_ranked(&bound[2].1, &labels, None)
    });
    // The stream goes nowhere.
    with_batch!(&mut states, &data, |name, state, batch| {
        let _ = &state;
        watch.lost(name, || batch);
    });
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    macro_rules! merge {
        ($($field:ident),*) => { $(
            if let (Some(into), Some(from)) = (&mut states.$field, &read.$field) {
                watch.lost(stringify!($field), || into.merge(&mut encoder, from));
            }
        )* };
    }
    merge!(scores, bounded, binary, multilabel, weighed);
    watch.lost("confusion", || {
        states.confusion.merge(&mut encoder, &read.confusion)
    });
    watch.lost("multiclass", || {
        states.multiclass.merge(&mut encoder, &read.multiclass)
    });
    watch.lost("numbers", || {
        states.regression.merge(&mut encoder, &read.regression)
    });
    let mut kept = saved.iter();
    each_state!(&mut states, |name, state| {
        watch.lost(name, || state.compute());
        watch.lost(name, || state.to_bytes());
        let bytes = kept.next().expect("one of each");
        watch.lost(name, || state.load_bytes(bytes));
        watch.call(name, || state.reset(&mut encoder));
    });
    if let Some(scores) = &states.scores {
        watch.lost("points", || scores.compute_points(0.5, 0.5));
    }
    watch.call("submit", || gpu.queue().submit([encoder.finish()]));
    watch.call("destroy again", || gpu.device().destroy());
    beginnings(&gpu, &data, watch);
    for each in &all {
        watch.lost(each.name, || pollster::block_on((each.report)()));
    }
    assert_eq!(uncaptured.load(Ordering::SeqCst), 0, "{whose:?}");

    // What was saved goes on elsewhere, as if nothing had happened.
    let data_there = Data::new(other);
    let mut loaded = States::new(other, whose).expect("states");
    let mut whole = States::new(other, whose).expect("states");
    let mut kept = saved.iter();
    each_state!(&mut loaded, |name, state| {
        let loaded = state.load_bytes(kept.next().expect("one of each"));
        loaded.unwrap_or_else(|e| panic!("{name}: {e}"));
    });
    loaded.see(other, &data_there);
    for _ in 0..3 {
        whole.see(other, &data_there);
    }
    assert_eq!(loaded.figures(), whole.figures());
    assert_eq!(loaded.saved(), whole.saved());
}

/// Readings that wait while another thread destroys the device.
#[test]
fn from_another_thread_while_one_waits() {
    if support::gpu().is_none() {
        return;
    }
    watched(|watch| {
        for (turn, whose) in [BOTH, BOTH].concat().into_iter().enumerate() {
            let (gpu, uncaptured) = device(whose);
            let data = Data::new(&gpu);
            let plan = gpu.plan(&MSE, &values()).expect("a plan");
            let bound = plan.bind(&data.io(&data.t)).expect("bound");
            let device = gpu.device().clone();
            let after = Duration::from_millis([0, 1, 5, 20][turn]);
            let destroyer = std::thread::spawn(move || {
                std::thread::sleep(after);
                device.destroy();
            });
            let start = Instant::now();
            let lost = loop {
                support::submit(&gpu, &mut |encoder| {
                    for _ in 0..20 {
                        bound.encode(encoder);
                    }
                });
                match watch.call("report", || bound.report()) {
                    Ok(_) => assert!(start.elapsed() < LIMIT, "not noticed"),
                    Err(e) => break e,
                }
            };
            assert!(matches!(lost, Error::DeviceLost(_)), "{whose:?}: {lost:?}");
            destroyer.join().expect("destroyed");
            assert_eq!(uncaptured.load(Ordering::SeqCst), 0, "{whose:?}");
        }
    });
}
