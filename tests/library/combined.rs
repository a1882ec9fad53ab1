//! Sums of losses, and class weights that are made on the device.

use crate::support::{self, Recipe, Rng};
use wgloss::gpu::{CombinedIo, TermIo, TermLayout, View};
use wgloss::loss::{self, Info, Loss};
use wgloss::{
    Batch, ClassAxis, Combined, CombinedTerm, CrossEntropy, DType, Error, Family, Gpu,
    KlDivWithLogits, L2Penalty, LabelType, Labels, Mse, Reduction, SmoothL1, Target, Values,
    class_weight, reference, verify,
};

/// A sum in which every loss is held to the reference, by itself and as a sum.
fn right(gpu: &Gpu, sum: &Combined<'_>, what: &str) {
    let out = gpu.combined(sum).unwrap_or_else(|e| panic!("{what}: {e}"));
    let check = verify::check_combined(sum, &out).expect("a comparison");
    assert!(check.pass, "{what}: {:?}", check.complaint);
    let again = gpu.combined(sum).expect("an evaluation");
    let bits = |o: &wgloss::CombinedOutcome<f32>| {
        let grads: Vec<u32> = o.grads.iter().flatten().map(|g| g.to_bits()).collect();
        let terms: Vec<u32> = o.terms.iter().map(|t| t.loss.to_bits()).collect();
        (o.loss.to_bits(), terms, grads)
    };
    assert_eq!(bits(&out), bits(&again), "{what}: a rerun");
    // Each loss is what it is alone; of the gradients of the sum, the reference has said so.
    for (k, term) in sum.terms.iter().enumerate() {
        let batch = sum.batch(k).expect("good");
        let alone = gpu.loss(term.loss, &batch).expect("an evaluation");
        let (_, bound) =
            reference::evaluate_with_bounds(term.loss, &batch.rounded()).expect("good");
        let (a, b) = (alone.loss.expect("reduced"), out.terms[k].loss);
        let bound = 2.0 * bound.loss.expect("reduced");
        assert!(
            a.to_bits() == b.to_bits() || f64::from((a - b).abs()) <= bound,
            "{what}: {} is {a} alone and {b} in the sum",
            term.loss.info().name
        );
        assert_eq!(alone.status, out.terms[k].status, "{what}");
    }
}

/// `losses` over one set of inputs of `shape`, as many as the loss with the most has.
fn shared<'a>(
    losses: &'a [Box<dyn Loss>],
    shape: &[usize],
    dtype: DType,
    turn: usize,
    rng: &mut Rng,
) -> Combined<'a> {
    let mut sum = Combined::new();
    sum.dtype = dtype;
    sum.grad_scale = 1.5;
    let widest = losses.iter().max_by_key(|l| l.info().inputs.len());
    let widest = &**widest.expect("several losses");
    for (k, loss) in losses.iter().enumerate() {
        let info = loss.info();
        let targets = support::targets(info);
        let weights = support::weights(info);
        let recipe = Recipe {
            labels: targets[(turn + k) % targets.len()].map(|_| LabelType::ALL[(turn + k) % 3]),
            weight: weights[(turn / 2 + k) % weights.len()],
            class_weight: info.class_weight && (turn + k).is_multiple_of(3),
            ..Recipe::new(shape)
        };
        let batch = support::batch(&**loss, &recipe, rng);
        if k == 0 {
            let more = support::batch(widest, &recipe_of(widest, shape), rng).inputs;
            let taken = more.into_iter().skip(batch.inputs.len());
            for input in batch.inputs.iter().cloned().chain(taken) {
                sum.input(shape, input);
            }
        }
        let mut term = CombinedTerm::new(
            &**loss,
            [0.75, -0.5, 2.0][k % 3],
            (0..info.inputs.len()).collect::<Vec<_>>(),
        );
        term.target = batch.target;
        term.weights = batch.weight;
        term.class_weight = batch.class_weight;
        let reductions = [
            Reduction::Mean,
            Reduction::Sum,
            Reduction::WeightedMean,
            Reduction::BatchMean,
        ];
        term.reduction = reductions[(turn + k) % 4];
        sum.term(term);
    }
    sum
}

fn recipe_of(loss: &dyn Loss, shape: &[usize]) -> Recipe {
    Recipe {
        labels: support::targets(loss.info())[0],
        ..Recipe::new(shape)
    }
}

fn make(info: &'static Info) -> Box<dyn Loss> {
    info.make()
}

#[test]
fn any_two_losses_add_up_over_one_input() {
    let Some(gpu) = support::gpu() else { return };
    let all = loss::all();
    for (i, &a) in all.iter().enumerate() {
        // Its neighbour or one further away, and itself now and then.
        let steps: &[usize] = match i % 4 {
            0 => &[1, 0],
            1 | 3 => &[12 + i % 7],
            _ => &[1],
        };
        for &step in steps {
            let b = all[(i + step) % all.len()];
            let mut rng = Rng::new(a.name);
            let losses = [make(a), make(b)];
            let dtype = DType::ALL[(i + step) % 3];
            let shape = [vec![5, 7], vec![9, 33], vec![3, 300]][(i + step) % 3].clone();
            let sum = shared(&losses, &shape, dtype, i + step, &mut rng);
            right(&gpu, &sum, &format!("{} + {} in {dtype}", a.name, b.name));
        }
    }
}

#[test]
fn three_losses_in_chunks_and_with_classes_at_axis_one() {
    let Some(gpu) = support::gpu() else { return };
    let all = loss::all();
    for (turn, window) in all.windows(3).step_by(2).enumerate() {
        let mut rng = Rng::new(window[0].name);
        let losses: Vec<_> = window.iter().map(|l| make(l)).collect();
        let dtype = DType::ALL[turn % 3];
        let mut sum = shared(&losses, &[7, 5, 9], dtype, turn, &mut rng);
        // A weight of one per row and a label per row mean other rows at another axis, but as many of them.
        let fits = |t: &CombinedTerm<'_>| t.weights.is_none() && t.class_weight.is_none();
        if sum.terms.iter().all(fits)
            && losses
                .iter()
                .all(|l| l.info().family == Family::Elementwise)
        {
            for term in &mut sum.terms {
                term.class_axis = ClassAxis::One;
            }
        }
        right(&gpu, &sum, &format!("{:?}", window.map_names()));
        let cut = gpu.with_limits(17_000, 40);
        let losses: Vec<_> = window.iter().map(|l| make(l)).collect();
        let sum = shared(&losses, &[613, 17], dtype, turn, &mut rng);
        right(&cut, &sum, &format!("{:?} in chunks", window.map_names()));
    }
}

trait Names {
    fn map_names(&self) -> Vec<&'static str>;
}

impl Names for [&'static Info] {
    fn map_names(&self) -> Vec<&'static str> {
        self.iter().map(|l| l.name).collect()
    }
}

/// Distillation with a penalty on the logits: three losses of one input.
struct Distillation {
    ce: CrossEntropy,
    kl: KlDivWithLogits,
    penalty: L2Penalty,
}

fn distillation() -> Distillation {
    Distillation {
        ce: CrossEntropy::default(),
        kl: KlDivWithLogits { temperature: 2.0 },
        penalty: L2Penalty::default(),
    }
}

#[test]
fn a_shared_input_is_read_once_in_one_submission() {
    let Some(gpu) = support::gpu() else { return };
    let (rows, cols) = (64, 1000);
    let d = distillation();
    let labels = wgloss::TargetLayout::Labels(LabelType::I32);
    let values = wgloss::TargetLayout::Values(DType::F32);
    let layout = |target| {
        let mut layout = wgloss::Layout::new([rows, cols]);
        layout.target = target;
        layout
    };
    let term = |loss, target| TermLayout {
        loss,
        weight: 0.5,
        inputs: vec![0],
        layout: layout(target),
    };
    let terms = [
        term(&d.ce as &dyn Loss, labels),
        term(&d.kl, values),
        term(&d.penalty, wgloss::TargetLayout::None),
    ];
    let plan = gpu.plan_combined(&terms).expect("a plan");
    let alone: Vec<_> = terms
        .iter()
        .map(|t| gpu.plan(t.loss, &t.layout).expect("a plan"))
        .collect();
    let matrix = 4 * (rows * cols) as u64;
    // Logits, teacher and gradient, and the labels; alone each reads the logits and writes a gradient.
    assert_eq!(plan.data_bytes(), 3 * matrix + 4 * rows as u64);
    let separate: u64 = alone.iter().map(|p| p.data_bytes()).sum();
    assert_eq!(separate, 7 * matrix + 4 * rows as u64);
    assert_eq!(plan.name(), "workgroup");
    // Labels are counted; the rows; a sum for each loss.
    assert_eq!(plan.dispatches(), 5);

    let numbers = |n: usize, seed: &str| -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..n).map(|_| rng.range(-3.0, 3.0) as f32).collect()
    };
    let (x, t) = (numbers(rows * cols, "x"), numbers(rows * cols, "t"));
    let y: Vec<i32> = (0..rows as i32).map(|r| r * 7 % cols as i32).collect();
    let [bx, bt] = [&x, &t].map(|v| support::upload(&gpu, bytemuck::cast_slice(v)));
    let by = support::upload(&gpu, bytemuck::cast_slice(&y));
    let grad = support::upload(&gpu, &vec![0; matrix as usize]);
    let total = support::upload(&gpu, &[0; 4]);
    let io = CombinedIo {
        inputs: vec![View::whole(&bx)],
        grads: vec![View::whole(&grad)],
        terms: vec![
            TermIo {
                target: Some(View::whole(&by)),
                ..Default::default()
            },
            TermIo {
                target: Some(View::whole(&bt)),
                ..Default::default()
            },
            TermIo::default(),
        ],
        loss: Some(View::whole(&total)),
        upstream: None,
        normalizer: None,
    };
    let bound = plan.bind(&io).expect("bound");
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    bound.encode(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    let (sum, outcomes) = bound.report().expect("a report");
    let copied = support::download(&gpu, &total);
    assert_eq!(copied, sum.to_bits().to_le_bytes());
    let mut host = Combined::new();
    let input = host.input([rows, cols], &x);
    host.term(CombinedTerm::new(&d.ce, 0.5, [input]).labels(&y));
    host.term(CombinedTerm::new(&d.kl, 0.5, [input]).target(&t));
    host.term(CombinedTerm::new(&d.penalty, 0.5, [input]));
    let grads: Vec<f32> = bytemuck::pod_collect_to_vec(&support::download(&gpu, &grad));
    let out = wgloss::CombinedOutcome {
        loss: sum,
        terms: outcomes,
        grads: vec![grads],
    };
    let check = verify::check_combined(&host, &out).expect("a comparison");
    assert!(check.pass, "{:?}", check.complaint);
    // A comparison that finds nothing has to find one number off.
    let mut off = out.clone();
    off.grads[0][321] += 1e-4;
    assert!(
        !verify::check_combined(&host, &off)
            .expect("a comparison")
            .pass
    );
    let mut off = out;
    off.terms[1].loss *= 1.001;
    assert!(
        !verify::check_combined(&host, &off)
            .expect("a comparison")
            .pass
    );
}

/// An elementwise loss that goes along with long rows is summed as they are, and its bound knows it.
#[test]
fn an_elementwise_loss_beside_long_rows_is_within_its_bound() {
    let Some(gpu) = support::gpu() else { return };
    let (ce, mse) = (CrossEntropy::default(), Mse::default());
    for (shape, axis) in [
        ([1, 20_000, 2], ClassAxis::One),
        ([1, 2, 120_000], ClassAxis::Last),
    ] {
        let n: usize = shape.iter().product();
        let (x, t) = (vec![0.7f32; n], vec![0.0f32; n]);
        let mut sum = Combined::new();
        let input = sum.input(shape, &x);
        let y = [3i64, 1];
        sum.term(
            CombinedTerm::new(&ce, 1.0, [input])
                .labels(&y)
                .class_axis(axis),
        );
        sum.term(
            CombinedTerm::new(&mse, 1.0, [input])
                .target(&t)
                .class_axis(axis),
        );
        right(&gpu, &sum, &format!("{shape:?}"));
    }
}

#[test]
fn what_is_no_sum_is_a_typed_error() {
    let Some(gpu) = support::gpu() else { return };
    let (mse, x) = (Mse::default(), [1.0f32, 2.0]);
    let message = |sum: &Combined<'_>| match (gpu.combined(sum), reference::combined(sum)) {
        (Err(a), Err(b)) if a == b => a.to_string(),
        other => panic!("{other:?}"),
    };
    let term = || CombinedTerm::new(&mse, 1.0, [0]).target(&x);
    let with = |term: CombinedTerm<'static>| {
        let mut sum = Combined::new();
        sum.input([2], &[1.0f32, 2.0]);
        sum.term(term);
        sum
    };
    let fixed: &'static Mse = Box::leak(Box::new(Mse::default()));
    let term_of = |weight: f32, inputs: Vec<usize>| {
        CombinedTerm::new(fixed, weight, inputs).target(vec![1.0f32, 2.0])
    };
    let mut empty = Combined::new();
    empty.input([2], &x);
    assert!(
        message(&empty).contains("at least one"),
        "{}",
        message(&empty)
    );
    let mut unused = Combined::new();
    unused.input([2], &x);
    unused.input([2], &x);
    unused.term(term());
    assert!(message(&unused).contains("none for number 1"));
    assert!(message(&with(term_of(f32::NAN, vec![0]))).contains("a finite number"));
    assert!(
        message(&with(term_of(1.0, vec![0]).reduction(Reduction::None))).contains("single number")
    );
    assert!(message(&with(term_of(1.0, vec![3]))).contains("none for number 0"));
    let mut twice = with(term_of(1.0, vec![0]));
    twice.term(term_of(1.0, vec![4]));
    assert!(message(&twice).contains("number 4"), "{}", message(&twice));
    let bad = with(term_of(1.0, vec![0]).target(vec![1.0f32]));
    assert!(message(&bad).contains("2 numbers"), "{}", message(&bad));
    let other = TermLayout {
        loss: &mse,
        weight: 1.0,
        inputs: vec![0],
        layout: wgloss::Layout::new([3]),
    };
    let smooth = SmoothL1::default();
    let mut wide = TermLayout {
        loss: &smooth,
        layout: wgloss::Layout::new([4]),
        ..other.clone()
    };
    wide.layout.target = wgloss::TargetLayout::Values(DType::F32);
    let mut first = other;
    first.layout.target = wgloss::TargetLayout::Values(DType::F32);
    let error = gpu.plan_combined(&[first, wide]).expect_err("two shapes");
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
}

/// Labels of so many classes, some of them rare, some that do not occur, some ignored, some out of range.
fn labels(n: usize, classes: usize, ty: LabelType, rng: &mut Rng) -> Labels<'static> {
    let drawn: Vec<i64> = (0..n)
        .map(|_| match rng.below(20) {
            0 => 7,
            1 => classes as i64 + 3,
            2 if ty != LabelType::U32 => -1,
            _ => (rng.below(classes) * rng.below(classes) / classes) as i64,
        })
        .collect();
    match ty {
        LabelType::I64 => drawn.into(),
        LabelType::I32 => drawn.iter().map(|&l| l as i32).collect::<Vec<_>>().into(),
        LabelType::U32 => drawn.iter().map(|&l| l as u32).collect::<Vec<_>>().into(),
    }
}

#[test]
fn balanced_class_weights_are_exact_on_the_device() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("class weights");
    for (n, classes) in [
        (0, 3),
        (1, 1),
        (5, 3),
        (1000, 10),
        (4097, 2),
        (30_000, 2048),
        (30_001, 2049),
        (200_000, 977),
    ] {
        for ty in LabelType::ALL {
            for ignore in [None, Some(7)] {
                let labels = labels(n, classes, ty, &mut rng);
                let expected: Vec<f32> = class_weight::balanced(&labels, classes, ignore)
                    .expect("small enough")
                    .iter()
                    .map(|&w| w as f32)
                    .collect();
                let bytes = match &labels {
                    Labels::I32(v) => bytemuck::cast_slice(v).to_vec(),
                    Labels::U32(v) => bytemuck::cast_slice(v).to_vec(),
                    Labels::I64(v) => bytemuck::cast_slice::<i64, u8>(v).to_vec(),
                };
                let (from, to) = (
                    support::upload(&gpu, &bytes),
                    support::upload(&gpu, &vec![0xaa; 4 * classes]),
                );
                for device in [gpu.clone(), gpu.with_limits(70_000, 2)] {
                    let plan = device
                        .plan_class_weights(n, classes, ty, ignore)
                        .expect("a plan");
                    let bound = plan
                        .bind(&View::whole(&from), &View::whole(&to))
                        .expect("bound");
                    let mut encoder = device.device().create_command_encoder(&Default::default());
                    // Twice: the second counts from 0 again.
                    bound.encode(&mut encoder);
                    bound.encode(&mut encoder);
                    device.queue().submit([encoder.finish()]);
                    let found: Vec<f32> =
                        bytemuck::pod_collect_to_vec(&support::download(&device, &to));
                    assert_eq!(
                        found[..classes],
                        expected[..],
                        "{n} labels of {classes} classes, {ty:?}, ignoring {ignore:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn balanced_is_what_its_weights_are() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("balanced");
    for info in loss::all().iter().filter(|i| i.class_weight) {
        let loss = make(info);
        let recipe = Recipe {
            labels: Some(LabelType::I64),
            ..Recipe::new([40, 6])
        };
        let batch = support::batch(&*loss, &recipe, &mut rng).balanced();
        let out = gpu.loss(&*loss, &batch).expect("an evaluation");
        let check = verify::check(&*loss, &batch, &out).expect("a comparison");
        assert!(check.pass, "{}: {:?}", info.name, check.complaint);
        let Some(Target::Labels(labels)) = &batch.target else {
            panic!("asked for labels")
        };
        let weights = class_weight::balanced(labels, 6, loss.ignore_index()).expect("small enough");
        let given = Batch {
            class_weight: None,
            ..batch.clone()
        }
        .class_weight(weights);
        let same = gpu.loss(&*loss, &given).expect("an evaluation");
        assert_eq!(support::bits(&out), support::bits(&same), "{}", info.name);
        let (a, b) = (
            reference::loss(&*loss, &batch).expect("good"),
            reference::loss(&*loss, &given).expect("good"),
        );
        assert_eq!(a, b, "{}", info.name);
    }
    let soft = Batch::new([2, 2], &[0.0f32; 4])
        .target(&[0.5f32; 4])
        .balanced();
    let refused = gpu.loss(&CrossEntropy::default(), &soft);
    assert!(
        matches!(refused, Err(Error::Mismatch { .. })),
        "{refused:?}"
    );
    let _: Values<'_> = (&[0.0f32][..]).into();
}
