//! What tests of faults share: a watch over calls that may hang, devices to destroy, and one of everything that is evaluated or
//! counted.

use crate::support::{self, Rng};
use std::fmt::Debug;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wgloss::gpu::{
    BinaryState, BoundedScores, CombinedIo, ConfusionState, Io, MulticlassState, MultilabelState,
    Predictions, RegressionState, ScoreState, TermIo, TermLayout, View,
};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel};
use wgloss::{CrossEntropy, DType, Error, Gpu, LabelType, Layout, Mse, Result, TargetLayout, wgpu};

/// How long a call on a lost device may take.
pub const LIMIT: Duration = Duration::from_secs(5);

/// How long it may be until the next one: kernels are compiled, and in the end everything is dropped.
pub const BETWEEN: Duration = Duration::from_secs(120);

/// What is being called, until when it has to come back.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<(String, Instant)>>);

impl Watch {
    fn until(&self, what: String, limit: Duration) {
        // A panic while it is held is one of the test.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (what, Instant::now() + limit);
    }

    pub fn call<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        self.until(what.into(), 2 * LIMIT);
        let done = call();
        self.until(format!("what follows {what}"), BETWEEN);
        let took = since.elapsed();
        assert!(took < LIMIT, "{what}: {took:?}");
        done
    }

    /// A call that has to say that the device is lost.
    pub fn lost<T: Debug>(&self, what: &str, call: impl FnOnce() -> Result<T>) {
        let result = self.call(what, call);
        let lost = matches!(result, Err(Error::DeviceLost(_)));
        assert!(lost, "{what}: {result:?}");
        let text = result.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(!text.contains('\n'), "{what}: more than one line: {text}");
    }
}

/// Runs a test on a thread of its own: a call that hangs fails it, and not the suite.
pub fn watched(test: impl FnOnce(&Watch) + Send + 'static) {
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
pub enum Whose {
    Own,
    Hosts,
}

pub const BOTH: [Whose; 2] = [Whose::Own, Whose::Hosts];

/// A device that may be destroyed, whose uncaptured errors are counted.
pub fn device(whose: Whose) -> (Gpu, Arc<AtomicUsize>) {
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
    let uncaptured = uncaptured(&gpu);
    (gpu, uncaptured)
}

/// Counts the errors of a device that nobody catches.
pub fn uncaptured(gpu: &Gpu) -> Arc<AtomicUsize> {
    let uncaptured = Arc::new(AtomicUsize::new(0));
    let count = uncaptured.clone();
    gpu.device().on_uncaptured_error(Arc::new(move |e| {
        // Only seen where the test fails.
        println!("uncaptured: {e}");
        count.fetch_add(1, Ordering::SeqCst);
    }));
    uncaptured
}

pub const ROWS: usize = 64;
pub const COLS: usize = 4;
pub const N: usize = ROWS * COLS;
pub const LABELS: LabelType = LabelType::U32;

/// The tensors of everything that is evaluated.
pub struct Data {
    /// Logits or numbers, and others, row by row.
    pub x: wgpu::Buffer,
    pub t: wgpu::Buffer,
    /// A class of each row, and 0 or 1 for each number.
    pub classes: wgpu::Buffer,
    pub bits: wgpu::Buffer,
    /// What is written to.
    pub out: [wgpu::Buffer; 3],
}

impl Data {
    /// Of a sum of losses.
    pub fn parts(&self) -> CombinedIo<'_> {
        let term = |target| TermIo {
            target: Some(View::whole(target)),
            ..Default::default()
        };
        CombinedIo {
            inputs: vec![self.x()],
            grads: vec![View::whole(&self.out[0])],
            terms: vec![term(&self.t), term(&self.classes)],
            ..Default::default()
        }
    }

    pub fn new(gpu: &Gpu) -> Data {
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

    pub fn x(&self) -> View<'_> {
        View::whole(&self.x)
    }

    pub fn t(&self) -> View<'_> {
        View::whole(&self.t)
    }

    pub fn io<'a>(&'a self, target: &'a wgpu::Buffer) -> Io<'a> {
        Io {
            inputs: vec![self.x()],
            target: Some(View::whole(target)),
            grads: vec![View::whole(&self.out[0])],
            ..Default::default()
        }
    }
}

pub fn values() -> Layout {
    Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([ROWS, COLS])
    }
}

pub fn labelled() -> Layout {
    Layout {
        target: TargetLayout::Labels(LABELS),
        ..Layout::new([ROWS, COLS])
    }
}

pub fn terms() -> [TermLayout<'static>; 2] {
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

pub static MSE: Mse = Mse {};
pub static CE: CrossEntropy = CrossEntropy {
    label_smoothing: 0.0,
    ignore_index: -100,
    z_loss: 0.0,
    softcap: 0.0,
    temperature: 1.0,
};

pub const LOGITS: Binary = Binary {
    threshold: None,
    input: InputKind::Logits,
    recall: 0.95,
    precision: 0.95,
    ignore_index: None,
};

pub fn several() -> Multiclass {
    Multiclass {
        input: InputKind::Logits,
        ..Default::default()
    }
}

/// One state of each kind. A guest's differ by nothing but whose the device is: those that keep scores, whose kernels are many,
/// are looked at on a device of its own.
pub struct States {
    pub scores: Option<ScoreState>,
    pub bounded: Option<BoundedScores>,
    pub confusion: ConfusionState,
    pub binary: Option<BinaryState>,
    pub counting: BinaryState,
    pub multiclass: MulticlassState,
    pub multilabel: Option<MultilabelState>,
    pub regression: RegressionState,
    pub weighed: Option<RegressionState>,
}

pub const F32: Predictions = Predictions::Scores(DType::F32);

impl States {
    pub fn new(gpu: &Gpu, whose: Whose) -> Result<States> {
        let f32 = DType::F32;
        let labels = Multilabel::default();
        macro_rules! own {
            ($made:expr) => {
                match whose {
                    Whose::Own => Some($made?),
                    Whose::Hosts => None,
                }
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
    pub fn see(&mut self, gpu: &Gpu, data: &Data) -> Result<()> {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        with_batch!(self, data, |_name, state, batch| state
            .update(&mut encoder, &batch?)?);
        gpu.queue().submit([encoder.finish()]);
        Ok(())
    }

    pub fn saved(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        each_state!(self, |_name, state| all.push(state.to_bytes()?));
        Ok(all)
    }

    /// Loads those for which something is given.
    pub fn load(&mut self, saved: &[Option<&[u8]>]) -> Result<()> {
        let mut saved = saved.iter();
        each_state!(self, |_name, state| {
            if let Some(bytes) = saved.next().expect("one of each") {
                state.load_bytes(bytes)?;
            }
        });
        Ok(())
    }

    /// Records that every state has seen what those have.
    pub fn merge(&mut self, encoder: &mut wgpu::CommandEncoder, other: &States) -> Result<()> {
        macro_rules! merge {
            ($($field:ident),*) => { $(
                if let (Some(into), Some(from)) = (&mut self.$field, &other.$field) {
                    into.merge(encoder, from)?;
                }
            )* };
        }
        merge!(scores, bounded, binary, multilabel, weighed);
        self.confusion.merge(encoder, &other.confusion)?;
        self.multiclass.merge(encoder, &other.multiclass)?;
        self.regression.merge(encoder, &other.regression)
    }

    /// Figures as text: what is printed of a number is all of it.
    pub fn figures(&mut self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        each_state!(self, |name, state| all
            .push(format!("{name}: {:?}", state.compute()?)));
        Ok(all)
    }
}

pub(crate) use {each_state, with_batch};
