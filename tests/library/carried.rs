//! Metrics that an elementwise loss counts in its own pass.

use crate::support::{self, Recipe, Rng, bytes, stored};
use wgloss::gpu::{
    Adapter, BinaryState, CarriedState, InPlaceIo, Io, Predictions, RegressionState, Tuning, View,
};
use wgloss::loss::{Carried, Math};
use wgloss::metric::{Binary, InputKind};
use wgloss::{
    Bce, BceWithLogits, CrossEntropy, DType, Error, Gpu, Huber, L2Penalty, LabelType, Layout, Loss,
    Mae, Mse, PerColumn, PoissonNll, Reduction, Target, TargetLayout, Values, WeightLayout, loss,
    wgpu,
};

const LABELS: LabelType = LabelType::I32;

/// The numbers of one evaluation, as f32.
struct Data {
    inputs: Vec<Vec<f32>>,
    target: Vec<f32>,
    weight: Vec<f32>,
}

/// Logits, probabilities or numbers, and their truth.
fn data(carried: Carried, dtype: DType, n: usize, rng: &mut Rng) -> Data {
    let mut numbers = |n: usize, low: f64, high: f64| -> Vec<f32> {
        (0..n).map(|_| rng.range(low, high) as f32).collect()
    };
    let (low, high) = match carried {
        Carried::Logits => (-6.0, 6.0),
        Carried::Probs => (0.0, 1.0),
        Carried::Numbers => (-9.0, 9.0),
    };
    let mut data = Data {
        inputs: vec![numbers(n, low, high)],
        target: numbers(n, low, high),
        weight: numbers(n, 0.0, 2.0),
    };
    if carried != Carried::Numbers {
        for t in &mut data.target {
            *t = f32::from(u8::from(*t > 0.4 * (low + high) as f32));
        }
    }
    for (i, x) in data.inputs[0].iter_mut().enumerate() {
        match (i % 911, carried) {
            // Numbers that a pass by plain arithmetic comes back to.
            (400, Carried::Logits) => *x = f32::INFINITY,
            (700, Carried::Logits) => *x = f32::NEG_INFINITY,
            (500, Carried::Probs) => *x = 1.0,
            (550, _) => *x = -0.0,
            // The square is none.
            (600, Carried::Numbers) if dtype != DType::F16 => *x *= 1e30,
            _ => {}
        }
    }
    data
}

fn empty(gpu: &Gpu, size: u64) -> wgpu::Buffer {
    support::upload(gpu, &vec![0; size as usize])
}

/// Evaluates a loss, counting or not: the bits of everything that comes of it.
fn evaluate(
    gpu: &Gpu,
    loss: &dyn Loss,
    (layout, in_place): (&Layout, bool),
    data: &Data,
    state: Option<&dyn CarriedState>,
) -> Vec<Vec<u8>> {
    let TargetLayout::Values(truth) = layout.target else {
        panic!("numbers")
    };
    let upload = |v: &Vec<f32>, dtype| support::upload(gpu, &stored(v, dtype));
    let inputs = data.inputs.iter().map(|x| upload(x, layout.dtype));
    let inputs: Vec<_> = inputs.collect();
    let target = upload(&data.target, truth);
    let weight = upload(&data.weight, DType::F32);
    let grads: Vec<_> = inputs.iter().map(|x| empty(gpu, x.size())).collect();
    let losses = empty(gpu, 4 * data.target.len() as u64);
    let all = |of: &'_ [wgpu::Buffer]| -> Vec<wgpu::Buffer> { of.to_vec() };
    let (xs, gs) = (all(&inputs), all(&grads));
    let target = Some(View::whole(&target));
    let weight = (layout.weight != WeightLayout::None).then(|| View::whole(&weight));
    let own = (layout.reduction == Reduction::None).then(|| View::whole(&losses));
    let bound = if in_place {
        let plan = match state {
            Some(state) => gpu.plan_in_place_counted(loss, layout, state),
            None => gpu.plan_in_place(loss, layout),
        };
        plan.expect("a plan").bind(&InPlaceIo {
            inputs: xs.iter().map(View::whole).collect(),
            target,
            weight,
            losses: own,
            ..Default::default()
        })
    } else {
        let plan = match state {
            Some(state) => gpu.plan_counted(loss, layout, state),
            None => gpu.plan(loss, layout),
        };
        let grads = match layout.gradient {
            true => gs.iter().map(View::whole).collect(),
            false => Vec::new(),
        };
        plan.expect("a plan").bind(&Io {
            inputs: xs.iter().map(View::whole).collect(),
            target,
            weight,
            grads,
            losses: own,
            ..Default::default()
        })
    };
    let bound = bound.expect("bound");
    support::submit(gpu, &mut |encoder| bound.encode(encoder));
    let (reduced, status) = bound.report().expect("a report");
    let said = format!("{:?} {status:?}", reduced.map(f32::to_bits));
    let mut out = vec![said.into_bytes(), support::download(gpu, &losses)];
    let written = inputs.iter().chain(&grads);
    out.extend(written.map(|b| support::download(gpu, b)));
    out
}

/// Both kinds of state, and another look at what a loss has seen.
enum State {
    Binary(BinaryState),
    Regression(RegressionState),
}

impl State {
    fn new(gpu: &Gpu, carried: Carried, dtype: DType, truth: DType) -> State {
        let input = match carried {
            Carried::Logits => InputKind::Logits,
            Carried::Probs => InputKind::Probs,
            Carried::Numbers => {
                return State::Regression(gpu.regression(dtype, truth, None).expect("a state"));
            }
        };
        State::binary(gpu, input, dtype)
    }

    fn binary(gpu: &Gpu, input: InputKind, dtype: DType) -> State {
        let asked = Binary {
            input,
            ..Default::default()
        };
        let of = Predictions::Scores(dtype);
        State::Binary(gpu.binary(&asked, of, LABELS, None, 0).expect("a state"))
    }

    fn carried(&self) -> &dyn CarriedState {
        match self {
            State::Binary(state) => state,
            State::Regression(state) => state,
        }
    }

    /// Counts a first input and its truth by the state's own kernel.
    fn look(&mut self, gpu: &Gpu, layout: &Layout, data: &Data) {
        let n = data.target.len();
        let x = support::upload(gpu, &stored(&data.inputs[0], layout.dtype));
        let x = View::whole(&x);
        match self {
            State::Binary(state) => {
                let labels = data.target.iter().map(|&t| (t as i32).to_le_bytes());
                let labels = support::upload(gpu, &bytes(labels));
                let batch = state.bind(&x, &View::whole(&labels), n).expect("bound");
                support::submit(gpu, &mut |encoder| {
                    state.update(encoder, &batch).expect("its own");
                });
            }
            State::Regression(state) => {
                let TargetLayout::Values(truth) = layout.target else {
                    panic!("numbers")
                };
                let t = support::upload(gpu, &stored(&data.target, truth));
                let batch = state.bind(&x, &View::whole(&t), n).expect("bound");
                support::submit(gpu, &mut |encoder| {
                    state.update(encoder, &batch).expect("its own");
                });
            }
        }
    }

    /// All figures to the last digit, and all that is saved.
    fn figures(&self) -> (String, Vec<u8>) {
        match self {
            State::Binary(state) => (
                format!("{:?}", state.compute().expect("figures")),
                state.to_bytes().expect("bytes"),
            ),
            State::Regression(state) => (
                format!("{:?}", state.compute().expect("figures")),
                state.to_bytes().expect("bytes"),
            ),
        }
    }
}

/// Evaluates `loss` on several batches that are counted into one state, and holds counts, losses and gradients against those of apart.
fn compare(
    gpus: &[&Gpu],
    loss: &dyn Loss,
    (layout, in_place): (&Layout, bool),
    carried: Carried,
    batches: &[Data],
) {
    let TargetLayout::Values(truth) = layout.target else {
        panic!("numbers")
    };
    let at = format!("{loss:?} {layout:?} in place {in_place}");
    let state = State::new(gpus[0], carried, layout.dtype, truth);
    let mut apart = State::new(gpus[0], carried, layout.dtype, truth);
    for (gpu, data) in gpus.iter().cycle().zip(batches) {
        let how = (layout, in_place);
        let counting = evaluate(gpu, loss, how, data, Some(state.carried()));
        let plain = evaluate(gpu, loss, how, data, None);
        assert_eq!(counting[0], plain[0], "{at}: loss and status");
        assert!(counting == plain, "{at}: losses or gradients");
        apart.look(gpu, layout, data);
    }
    let (got, want) = (state.figures(), apart.figures());
    assert_eq!(got.0, want.0, "{at}");
    assert_eq!(got.1, want.1, "{at}: what is saved");
}

#[test]
fn what_a_loss_counts_is_what_another_look_counts() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("carried");
    let columns = BceWithLogits {
        pos_weight: PerColumn::Each(vec![0.5, 2.0, 3.0]),
        ..Default::default()
    };
    let logits: [&dyn Loss; 2] = [&BceWithLogits::default(), &columns];
    let numbers: [&dyn Loss; 3] = [&Mse::default(), &Mae::default(), &Huber::default()];
    let probs: &dyn Loss = &Bce::default();
    use Reduction::{BatchMean, Mean, None, Sum, WeightedMean};
    use WeightLayout::{Element, None as Same, Row};
    let (f32, f16, bf16) = (DType::F32, DType::F16, DType::Bf16);
    type Turn<'a> = (
        &'a dyn Loss,
        [usize; 2],
        DType,
        Reduction,
        WeightLayout,
        bool,
        bool,
    );
    let turns: [Turn<'_>; 14] = [
        (logits[0], [1, 1], f32, Mean, Same, true, false),
        (logits[0], [4097, 1], f16, Sum, Element, true, false),
        (logits[0], [100_003, 1], f32, Mean, Same, true, false),
        (logits[0], [5, 1], bf16, None, Row, true, true),
        (
            logits[1],
            [33_335, 3],
            f32,
            WeightedMean,
            Element,
            true,
            false,
        ),
        (logits[1], [33_335, 3], bf16, None, Row, true, true),
        (logits[1], [1367, 3], f32, None, Element, false, false),
        (probs, [4097, 1], f32, BatchMean, Row, true, true),
        (probs, [100_003, 1], f16, Mean, Same, false, false),
        (numbers[0], [1, 5], f32, Mean, Same, true, false),
        (numbers[0], [4097, 1], bf16, None, Element, true, true),
        (numbers[1], [100_003, 1], f32, Mean, Same, true, false),
        (numbers[2], [4096, 3], f16, WeightedMean, Row, true, false),
        (numbers[2], [33_335, 3], f32, Sum, Element, false, false),
    ];
    for (turn, (loss, shape, dtype, reduction, weight, gradient, in_place)) in
        turns.into_iter().enumerate()
    {
        let gpu = gpu.with_tuning(Tuning::ALL[turn % 2]);
        // Chunks, and several rows of workgroups.
        let cut = gpu.with_limits(1 << 16, 3);
        let layout = Layout {
            dtype,
            target: TargetLayout::Values(dtype),
            weight,
            reduction,
            gradient,
            ..Layout::new(shape)
        };
        let Math::Elementwise(of) = loss.math() else {
            panic!("elementwise")
        };
        let carried = of.carries().expect("something");
        let n = shape[0] * shape[1];
        let batches: Vec<_> = (0..2).map(|_| data(carried, dtype, n, &mut rng)).collect();
        compare(&[&gpu, &cut], loss, (&layout, in_place), carried, &batches);
    }
}

#[test]
fn every_loss_that_carries_counts() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("all that carry");
    let mut names = Vec::new();
    for info in loss::all() {
        let shape = [37, 3];
        let samples = support::option_samples(info, shape[1]).into_iter();
        let carrying = samples.filter_map(|loss| {
            let carried = match loss.math() {
                Math::Elementwise(of) => of.carries()?,
                Math::Rows(_) => return None,
            };
            Some((loss, carried))
        });
        // Some do with one of their options only.
        for (loss, carried) in carrying.take(1) {
            names.push(info.name);
            let layout = Layout {
                target: TargetLayout::Values(DType::F32),
                ..Layout::new(shape)
            };
            // Numbers that the loss takes.
            let batch = support::batch(&*loss, &Recipe::new(shape), &mut rng);
            let f32s = |v: &Values<'_>| v.to_f64().iter().map(|v| *v as f32).collect::<Vec<_>>();
            let Some(Target::Values(target)) = &batch.target else {
                panic!("{}: numbers", info.name)
            };
            let mut data = Data {
                inputs: batch.inputs.iter().map(f32s).collect(),
                target: f32s(target),
                weight: Vec::new(),
            };
            if carried != Carried::Numbers {
                data.target.iter_mut().for_each(|t| *t = t.round());
            }
            compare(&[&gpu], &*loss, (&layout, false), carried, &[data]);
        }
    }
    names.dedup();
    println!("{names:?}");
    for name in ["mse", "quantile", "poisson_nll", "gaussian_nll", "bce"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(names.len() >= 16, "{names:?}");
}

#[test]
fn a_state_of_scores_counts_at_its_threshold() {
    let Some(gpu) = support::gpu() else { return };
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([6])
    };
    let asked = Binary {
        threshold: Some(-1.0),
        ..Default::default()
    };
    let of = Predictions::Scores(DType::F32);
    let state = |capacity| {
        gpu.binary(&asked, of, LABELS, None, capacity)
            .expect("a state")
    };
    let counted = state(0);
    let batch = Data {
        inputs: vec![vec![-1.0, 2.0, -1.5, 0.0, -0.5, -3.0]],
        target: vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        weight: Vec::new(),
    };
    let loss = BceWithLogits::default();
    evaluate(&gpu, &loss, (&layout, false), &batch, Some(&counted));
    let figures = counted.compute().expect("figures");
    assert_eq!(figures.accuracy, Some(0.5));
    assert_eq!(figures.positives, 3.0);
    assert_eq!(figures.roc_auc, None);
    let why = |name: &str| {
        let of = figures.undefined.iter().find(|u| u.figure == name);
        of.expect("a reason").reason
    };
    assert_eq!(why("roc_auc"), "no scores were kept");
    assert_ne!(why("log_loss"), "no scores were kept");
    // It travels and merges as any other.
    let mut copy = state(0);
    copy.load_bytes(&counted.to_bytes().expect("bytes"))
        .expect("loaded");
    support::submit(&gpu, &mut |encoder| {
        copy.merge(encoder, &counted).expect("merged");
    });
    assert_eq!(copy.compute().expect("figures").n, 12.0);
    support::submit(&gpu, &mut |encoder| copy.reset(encoder));
    assert_eq!(copy.compute().expect("figures").n, 0.0);
}

#[test]
fn one_buffer_may_hold_everything_a_loss_sees() {
    let Some(gpu) = support::gpu() else { return };
    let n = 9;
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([n])
    };
    let data = data(Carried::Numbers, DType::F32, n, &mut Rng::new("pool"));
    let all = [&data.inputs[0][..], &data.target, &data.weight];
    let pool = support::upload(&gpu, &stored(&all.concat(), DType::F32));
    let view = |k: usize| View {
        buffer: &pool,
        offset: (4 * n * k) as u64,
        size: 4 * n as u64,
    };
    let mut apart = State::new(&gpu, Carried::Numbers, DType::F32, DType::F32);
    let state = State::new(&gpu, Carried::Numbers, DType::F32, DType::F32);
    let plan = gpu.plan_counted(&Mse::default(), &layout, state.carried());
    let io = Io {
        inputs: vec![view(0)],
        target: Some(view(1)),
        grads: vec![view(2)],
        ..Default::default()
    };
    let bound = plan.expect("a plan").bind(&io).expect("bound");
    // Twice, as in two steps of training.
    support::submit(&gpu, &mut |encoder| {
        bound.encode(encoder);
        bound.encode(encoder);
    });
    apart.look(&gpu, &layout, &data);
    apart.look(&gpu, &layout, &data);
    assert_eq!(state.figures(), apart.figures());
    let State::Regression(empty) = State::new(&gpu, Carried::Numbers, DType::F32, DType::F32)
    else {
        panic!("numbers")
    };
    let none = Layout {
        shape: vec![0],
        ..layout
    };
    let plan = gpu.plan_counted(&Mse::default(), &none, &empty);
    assert_eq!(plan.expect("a plan").name(), "empty");
}

#[test]
fn bad_samples_are_named_by_their_place_in_the_tensor() {
    let Some(gpu) = support::gpu() else { return };
    // In chunks.
    let gpu = gpu.with_limits(1 << 16, 3);
    let mut rng = Rng::new("bad samples");
    let n = 50_001;
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([n])
    };
    let wrong = |carried, change: &dyn Fn(&mut Data)| {
        let mut data = data(carried, DType::F32, n, &mut Rng::new("bad"));
        change(&mut data);
        let state = State::new(&gpu, carried, DType::F32, DType::F32);
        let loss: Box<dyn Loss> = match carried {
            Carried::Numbers => Box::new(Mse::default()),
            _ => Box::new(BceWithLogits::default()),
        };
        evaluate(&gpu, &*loss, (&layout, false), &data, Some(state.carried()));
        let error = match &state {
            State::Binary(state) => state.compute().err(),
            State::Regression(state) => state.compute().err(),
        };
        match error {
            Some(Error::BadSample {
                what, index, found, ..
            }) => (what, index, found),
            other => panic!("{other:?}"),
        }
    };
    let [first, second] = [20_000 + rng.below(9_000), 40_000 + rng.below(10_000)];
    let two = |what, index| (what, index, "2 others, the first".to_string());
    // A soft label; and of what is not finite a second visit counts nothing.
    let soft = wrong(Carried::Logits, &|data| {
        data.target[second] = 0.25;
        data.target[first] = f32::NAN;
    });
    assert_eq!(soft, two("target", first));
    for carried in [Carried::Logits, Carried::Numbers] {
        let nan = wrong(carried, &|data| {
            data.inputs[0][second] = f32::NAN;
            data.inputs[0][first] = f32::NAN;
        });
        assert_eq!(nan, two("input", first), "{carried:?}");
    }
    let endless = wrong(Carried::Numbers, &|data| {
        data.target[second] = f32::INFINITY;
        data.target[first] = f32::NEG_INFINITY;
    });
    assert_eq!(endless, two("target", first));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let Some(gpu) = support::gpu() else { return };
    let values = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([4, 3])
    };
    let halves = Layout {
        dtype: DType::F16,
        ..values.clone()
    };
    let labels = Layout {
        target: TargetLayout::Labels(LABELS),
        ..Layout::new([4, 3])
    };
    let none = Layout {
        target: TargetLayout::None,
        ..values.clone()
    };
    let (bce, mse) = (BceWithLogits::default(), Mse::default());
    let of = |input, ignore_index, capacity| {
        let asked = Binary {
            input,
            ignore_index,
            ..Default::default()
        };
        let of = match input {
            InputKind::Labels => Predictions::Labels(LABELS),
            _ => Predictions::Scores(DType::F32),
        };
        gpu.binary(&asked, of, LABELS, None, capacity)
            .expect("a state")
    };
    let logits = of(InputKind::Logits, None, 0);
    let numbers = gpu
        .regression(DType::F32, DType::F32, None)
        .expect("a state");
    assert!(gpu.plan_counted(&bce, &values, &logits).is_ok());
    assert!(gpu.plan_counted(&mse, &values, &numbers).is_ok());
    // Two devices of one instance: those of several may call themselves the same.
    let adapters = pollster::block_on(Adapter::all());
    let open = || pollster::block_on(adapters[0].open()).expect("a device");
    let (here, there) = (open(), open());
    let by = Some(DType::F32);
    let weighted = gpu.regression(DType::F32, DType::F32, by).expect("a state");
    let away = there
        .regression(DType::F32, DType::F32, None)
        .expect("a state");
    let refused = [
        // Losses that carry nothing, with these options or at all.
        gpu.plan_counted(&PoissonNll::default(), &values, &numbers),
        gpu.plan_counted(&CrossEntropy::default(), &labels, &numbers),
        gpu.plan_counted(&CrossEntropy::default(), &values, &numbers),
        gpu.plan_counted(&L2Penalty::default(), &none, &numbers),
        // States of something else.
        gpu.plan_counted(&bce, &values, &numbers),
        gpu.plan_counted(&mse, &values, &logits),
        gpu.plan_counted(&Bce::default(), &values, &logits),
        gpu.plan_counted(&bce, &values, &of(InputKind::Probs, None, 0)),
        gpu.plan_counted(&bce, &values, &of(InputKind::Labels, None, 0)),
        gpu.plan_counted(&bce, &halves, &logits),
        gpu.plan_counted(&mse, &halves, &numbers),
        // States that want more than there is.
        gpu.plan_counted(&mse, &values, &weighted),
        gpu.plan_counted(&bce, &values, &of(InputKind::Logits, None, 8)),
        gpu.plan_counted(&bce, &values, &of(InputKind::Logits, Some(0), 0)),
        here.plan_counted(&mse, &values, &away),
    ];
    for (k, plan) in refused.iter().enumerate() {
        assert!(matches!(plan, Err(Error::Mismatch { .. })), "{k}");
    }
    let without = Layout {
        gradient: false,
        ..values.clone()
    };
    let plan = gpu.plan_in_place_counted(&mse, &without, &numbers);
    assert!(matches!(plan, Err(Error::Mismatch { .. })));
    // Nine buffers with everything there is, eight with anything less.
    let columns = BceWithLogits {
        pos_weight: PerColumn::Each(vec![0.5, 2.0, 3.0]),
        ..Default::default()
    };
    let all = Layout {
        reduction: Reduction::None,
        weight: WeightLayout::Element,
        ..values
    };
    let fewer = Layout {
        reduction: Reduction::Mean,
        ..all.clone()
    };
    let plan = gpu.plan_counted(&columns, &all, &logits);
    let Err(Error::TooLarge { limit, found, .. }) = plan else {
        panic!("nine buffers")
    };
    assert_eq!((limit, found), (8, 9));
    assert!(gpu.plan_counted(&columns, &fewer, &logits).is_ok());
    assert!(gpu.plan_in_place_counted(&columns, &all, &logits).is_ok());
}
