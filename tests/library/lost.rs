//! A device that is destroyed at any point: a typed error in time, no panic, nothing for the host's error handler, and what
//! lives on the host is as it was.

use crate::faults::{
    BOTH, CE, COLS, Data, F32, LABELS, LIMIT, LOGITS, MSE, N, ROWS, States, Watch, Whose, device,
    each_state, labelled, several, terms, values, watched, with_batch,
};
use crate::support;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wgloss::gpu::{InPlaceIo, Io, RowOutputsIo, View};
use wgloss::metric::{Multilabel, Samples};
use wgloss::{Batch, BceWithLogits, DType, Dice, Error, Gpu, Result, wgpu};

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
    let outputs = gpu.plan_row_outputs(&CE, &labelled()).expect("a plan");
    let weights = gpu.plan_class_weights(ROWS, COLS, LABELS, None);
    let weights = weights.expect("a plan");
    let over = InPlaceIo {
        inputs: vec![View::whole(&data.out[2])],
        target: Some(View::whole(&data.classes)),
        ..Default::default()
    };
    let parts = data.parts();
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
        states.see(&gpu, &data).expect("seen");
    }
    let saved = states.saved().expect("saved");
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
    let all_saved: Vec<_> = saved.iter().map(|s| Some(s.as_slice())).collect();
    loaded.load(&all_saved).expect("loaded");
    loaded.see(other, &data_there).expect("seen");
    for _ in 0..3 {
        whole.see(other, &data_there).expect("seen");
    }
    let figures = loaded.figures().expect("figures");
    assert_eq!(figures, whole.figures().expect("figures"));
    let saved = loaded.saved().expect("saved");
    assert_eq!(saved, whole.saved().expect("saved"));
}

/// Readings that wait while another thread destroys the device.
#[test]
fn from_another_thread_while_one_waits() {
    if support::gpu().is_none() {
        return;
    }
    watched(|watch| {
        for (whose, after) in BOTH.into_iter().zip([2, 20]) {
            let (gpu, uncaptured) = device(whose);
            let data = Data::new(&gpu);
            let plan = gpu.plan(&MSE, &values()).expect("a plan");
            let bound = plan.bind(&data.io(&data.t)).expect("bound");
            let device = gpu.device().clone();
            let after = Duration::from_millis(after);
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
