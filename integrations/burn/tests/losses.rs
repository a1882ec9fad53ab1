//! wgloss's losses in burn's graph, beside burn's own.

mod common;
mod peers;

use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use common::{gpu, numbers};
use peers::{Case, Host};
use wgloss::verify::{Check, compare};
use wgloss::{ClassAxis, CrossEntropy, Error, Gpu, Mse, Outcome, Reduction, Triplet, reference};
use wgloss_burn::{Batch, LossModule, SharedGpu, wgpu};

/// What a loss and its gradients are in f64, and how far off f32 may be.
struct Truth {
    expected: Outcome<f64>,
    bounds: Outcome<f64>,
}

impl Truth {
    fn of(case: &Case, host: &Host) -> Truth {
        let (expected, bounds) =
            reference::evaluate_with_bounds(&*case.loss, &host.batch(case)).unwrap();
        Truth { expected, bounds }
    }

    /// Compares with bounds `times` as wide.
    fn check(&self, found: &Outcome<f32>, times: f64) -> Check {
        let wide = |v: &[f64]| v.iter().map(|b| b * times).collect::<Vec<_>>();
        let bounds = Outcome {
            loss: self.bounds.loss.map(|b| b * times),
            losses: wide(&self.bounds.losses),
            grads: self.bounds.grads.iter().map(|g| wide(g)).collect(),
            status: self.bounds.status,
        };
        compare(found, &self.expected, &bounds, wgloss::DType::F32)
    }
}

/// A loss and the gradients by the inputs of `host`, by burn's graph.
fn differentiated(
    host: &Host,
    status: wgloss::Status,
    loss: impl Fn(&peers::Tensors) -> Tensor<1>,
) -> Outcome<f32> {
    let tensors = host.tensors(&gpu().0.clone().autodiff());
    let value = loss(&tensors);
    let grads = value.backward();
    let of = |x: &Tensor<2>| numbers(x.grad(&grads).expect("a gradient").into_data());
    Outcome {
        loss: Some(numbers(value.into_data())[0]),
        losses: vec![],
        grads: tensors.inputs.iter().map(of).collect(),
        status,
    }
}

/// How many times as far off as wgloss may be burn is allowed to be: chosen, not derived, since burn's operations are not ours to bound. It takes the
/// same loss apart into operations that round each, and goes through some of them, as the exponential of `log_sigmoid`, once more for the
/// gradient. The largest that was seen is 1.5 on lavapipe and 2.1 on SwiftShader, both in `bce_with_logits`.
const BURN: f64 = 4.0;

/// Value and gradient of every loss that both have: wgloss's within its derived bound of f64, burn's within four times that, so that the two are
/// within five bounds of each other, which is looked at too.
#[test]
fn values_and_gradients_are_those_of_burns_own_losses() {
    let (_, gpu) = gpu();
    let mut seen = Vec::new();
    let mut cases = peers::all();
    cases.sort_by_key(|c| c.name);
    cases.dedup_by_key(|c| c.name);
    let plain = cases.len();
    cases.extend(peers::options());
    let (mut most, mut of) = (0.0, "");
    for (k, case) in cases.iter_mut().enumerate() {
        let shapes: &[[usize; 2]] = match k < plain {
            true => &[[24, 10], [7, 133], [1, 1], [600, 3]],
            false => &[[24, 10]],
        };
        for shape in shapes {
            case.shape = *shape;
            let host = Host::new(case);
            let truth = Truth::of(case, &host);
            let module =
                LossModule::boxed(gpu, peers::again(&*case.loss)).reduction(case.reduction);
            let mut own = differentiated(&host, truth.expected.status, |t| {
                module.forward(case.module_batch(t)).unwrap()
            });
            own.status = module.report().unwrap().expect("an evaluation");
            let check = truth.check(&own, 1.0);
            assert!(check.pass, "{} {shape:?}: {:?}", case.name, check.complaint);

            let theirs = differentiated(&host, truth.expected.status, case.burn);
            let check = truth.check(&theirs, BURN);
            assert!(
                check.pass,
                "burn's {} {shape:?}: {:?}",
                case.name, check.complaint
            );
            if check.worst > most {
                (most, of) = (check.worst, case.name);
            }
            let apart = Truth {
                expected: wide(&own),
                bounds: truth.bounds,
            };
            let check = apart.check(&theirs, 1.0 + BURN);
            assert!(
                check.pass,
                "{} {shape:?}, apart: {:?}",
                case.name, check.complaint
            );
            seen.push(case.name);
        }
    }
    println!("burn's largest error: {:.2} bounds, {of}", most * BURN);
    assert!(seen.len() > 70, "{seen:?}");
}

fn wide(found: &Outcome<f32>) -> Outcome<f64> {
    let all = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    Outcome {
        loss: found.loss.map(f64::from),
        losses: all(&found.losses),
        grads: found.grads.iter().map(|g| all(g)).collect(),
        status: found.status,
    }
}

/// A planted wrong element is found.
#[test]
fn the_comparison_can_fail() {
    let case = peers::all().into_iter().find(|c| c.name == "mse").unwrap();
    let case = Case {
        shape: [24, 10],
        ..case
    };
    let host = Host::new(&case);
    let truth = Truth::of(&case, &host);
    let mut found = differentiated(&host, truth.expected.status, case.burn);
    assert!(truth.check(&found, BURN).pass);
    found.grads[0][57] *= 1.0001;
    assert!(!truth.check(&found, BURN).pass);
}

/// Logits and labels of a small batch, with the gradient and the losses of rows in f64.
struct Small {
    logits: Vec<f32>,
    labels: Vec<i32>,
}

const ROWS: usize = 6;
const COLS: usize = 5;

impl Small {
    fn new() -> Small {
        let logits = (0..ROWS * COLS).map(|i| ((i * 37 % 17) as f32 - 8.0) / 4.0);
        Small {
            logits: logits.collect(),
            labels: vec![0, 4, 2, 1, 3, 2],
        }
    }

    fn tensors(&self, dtype: DType) -> (Tensor<2>, Tensor<1, Int>) {
        let device = gpu().0.clone().autodiff();
        let logits = TensorData::new(self.logits.clone(), [ROWS, COLS]);
        let labels = TensorData::new(self.labels.clone(), [ROWS]);
        let logits = Tensor::<2>::from_data(logits, &device).cast(dtype);
        (logits.require_grad(), Tensor::from_data(labels, &device))
    }

    fn truth(&self, reduction: Reduction) -> Outcome<f64> {
        let batch = wgloss::Batch::new([ROWS, COLS], &self.logits).labels(&self.labels);
        reference::loss(&CrossEntropy::default(), &batch.reduction(reduction)).unwrap()
    }
}

fn near(found: &[f32], expected: impl IntoIterator<Item = f64>, tolerance: f64) {
    let expected: Vec<f64> = expected.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        let error = (f64::from(*f) - e).abs();
        assert!(
            error <= tolerance * e.abs().max(0.1),
            "{i}: found {f}, expected {e}"
        );
    }
}

/// What comes from above multiplies gradients: a number that is 1 and one that is not, a sum of losses, and the same tensor twice.
#[test]
fn gradients_are_multiplied_by_what_comes_from_above() {
    let small = Small::new();
    let truth = small.truth(Reduction::Mean);
    let loss = LossModule::new(&gpu().1, CrossEntropy::default());
    for (factor, form) in [(1.0, 0), (0.5, 1), (-3.0, 1), (2.0, 2), (0.0, 1)] {
        let (logits, labels) = small.tensors(DType::F32);
        let value = loss.forward((logits.clone(), labels.clone())).unwrap();
        let total = match form {
            0 => value,
            1 => value * factor,
            _ => value + loss.forward((logits.clone(), labels)).unwrap(),
        };
        let grad = logits.grad(&total.backward()).unwrap();
        let expected = truth.grads[0].iter().map(|g| g * factor);
        near(&numbers(grad.into_data()), expected, 1e-5);
    }
}

/// A gradient that somebody else holds too is not written over by what multiplies it.
#[test]
fn a_gradient_is_multiplied_once_for_each_use() {
    let small = Small::new();
    let loss = LossModule::new(&gpu().1, CrossEntropy::default());
    let (logits, labels) = small.tensors(DType::F32);
    let twice = logits.clone() * 2.0;
    let value = loss.forward((twice.clone(), labels.clone())).unwrap();
    let other = loss.forward((twice, labels)).unwrap() * 4.0;
    let grad = logits.grad(&(value * 3.0 + other).backward()).unwrap();
    let doubled: Vec<f32> = small.logits.iter().map(|x| x * 2.0).collect();
    let batch = wgloss::Batch::new([ROWS, COLS], &doubled).labels(&small.labels);
    let at = reference::loss(&CrossEntropy::default(), &batch).unwrap();
    near(
        &numbers(grad.into_data()),
        at.grads[0].iter().map(|g| g * 14.0),
        1e-5,
    );
}

/// In 16 bits what comes from above multiplies before rounding: a gradient of 2⁻³⁰ is 0 in f16, but times 2²⁰ it is not.
#[test]
fn loss_scaling_reaches_gradients_before_they_are_rounded() {
    let small = Small::new();
    let truth = small.truth(Reduction::Mean);
    let loss = LossModule::new(&gpu().1, CrossEntropy::default());
    let scale = 2f64.powi(-30);
    if !gpu().0.supports_dtype(DType::F16) {
        println!("skipped: this device has no f16");
        return;
    }
    let gradient = |above: f32, each: bool| {
        let (logits, labels) = small.tensors(DType::F16);
        let total = match each {
            false => loss.forward((logits.clone(), labels)).unwrap() * above,
            true => {
                let each = loss.reduction(Reduction::None);
                let losses: Tensor<1> = each.forward_each((logits.clone(), labels)).unwrap();
                assert_eq!(losses.dtype(), DType::F32);
                losses.mean() * above
            }
        };
        assert_eq!(total.dtype(), DType::F32);
        let grad = logits.grad(&total.backward()).unwrap();
        assert_eq!(grad.dtype(), DType::F16);
        numbers(grad.cast(DType::F32).into_data())
    };
    for each in [false, true] {
        let lost = gradient(scale as f32, each);
        assert!(lost.iter().all(|g| *g == 0.0), "{lost:?}");
        // The logits are quarters, which f16 holds: only the gradient is rounded, to 11 bits.
        let kept = gradient(scale as f32 * 2f32.powi(28), each);
        let expected = truth.grads[0].iter().map(|g| g * 0.25);
        near(&kept, expected, 2f64.powi(-10));
    }
    // A gradient below what f16 holds, made larger by what comes from above.
    let logits = TensorData::new(vec![12.0f32, -6.0], [1, 2]);
    let labels = TensorData::new(vec![0i32], [1]);
    let p = 1.0 / (1.0 + 18f64.exp());
    for reduction in [Reduction::Mean, Reduction::None] {
        let device = gpu().0.clone().autodiff();
        let logits = Tensor::<2>::from_data(logits.clone(), &device)
            .cast(DType::F16)
            .require_grad();
        let labels = Tensor::<1, Int>::from_data(labels.clone(), &device);
        let loss = loss.reduction(reduction);
        let value = match reduction {
            Reduction::None => loss.forward_each::<2, 1>((logits.clone(), labels)).unwrap(),
            _ => loss.forward((logits.clone(), labels)).unwrap(),
        };
        let grad = logits
            .grad(&(value.sum() * 1_048_576.0).backward())
            .unwrap();
        let grad = numbers(grad.cast(DType::F32).into_data());
        // That of the label, p - 1, is 0 in f32 already.
        let expected = p * 1_048_576.0;
        assert!(
            (f64::from(grad[1]) - expected).abs() < 0.01 * expected,
            "{grad:?}"
        );
    }
}

/// Losses one by one, each with its own factor from above: of rows, and of elements.
#[test]
fn losses_one_by_one_take_a_factor_each() {
    let small = Small::new();
    let truth = small.truth(Reduction::None);
    let loss = LossModule::new(&gpu().1, CrossEntropy::default()).reduction(Reduction::None);
    let factors: Vec<f32> = (0..ROWS).map(|i| i as f32 - 2.0).collect();
    let device = gpu().0.clone();
    let (logits, labels) = small.tensors(DType::F32);
    let each: Tensor<1> = loss.forward_each((logits.clone(), labels)).unwrap();
    near(
        &numbers(each.clone().into_data()),
        truth.losses.clone(),
        1e-5,
    );
    let by = Tensor::<1>::from_data(
        TensorData::new(factors.clone(), [ROWS]),
        &device.clone().autodiff(),
    );
    let grad = logits.grad(&(each * by).sum().backward()).unwrap();
    let expected = truth.grads[0].iter().enumerate();
    let expected = expected.map(|(i, g)| g * f64::from(factors[i / COLS]));
    near(&numbers(grad.into_data()), expected, 1e-5);

    // Classes in axis 1: [2, 5, 3], rows [2, 3].
    let loss = loss.class_axis(ClassAxis::One);
    let logits = TensorData::new(small.logits.clone(), [2, COLS, 3]);
    let logits = Tensor::<3>::from_data(logits, &device.clone().autodiff()).require_grad();
    let labels = TensorData::new(small.labels.clone(), [2, 3]);
    let labels = Tensor::<2, Int>::from_data(labels, &device);
    let each: Tensor<2> = loss.forward_each((logits.clone(), labels)).unwrap();
    let batch = wgloss::Batch::new([2, COLS, 3], &small.logits).labels(&small.labels);
    let batch = batch.class_axis(ClassAxis::One).reduction(Reduction::None);
    let truth = reference::loss(&CrossEntropy::default(), &batch).unwrap();
    near(
        &numbers(each.clone().into_data()),
        truth.losses.clone(),
        1e-5,
    );
    let by = TensorData::new(factors.clone(), [2, 3]);
    let by = Tensor::<2>::from_data(by, &device.clone().autodiff());
    let grad = logits.grad(&(each * by).sum().backward()).unwrap();
    let expected = truth.grads[0].iter().enumerate();
    let expected = expected.map(|(i, g)| g * f64::from(factors[i / 15 * 3 + i % 3]));
    near(&numbers(grad.into_data()), expected, 1e-5);

    let loss = LossModule::new(&gpu().1, Mse::default()).reduction(Reduction::None);
    let x = TensorData::new(small.logits.clone(), [ROWS, COLS]);
    let x = Tensor::<2>::from_data(x, &device.clone().autodiff()).require_grad();
    let each: Tensor<2> = loss.forward_each((x.clone(), x.zeros_like())).unwrap();
    let grad = x
        .grad(&(each * x.clone().detach()).sum().backward())
        .unwrap();
    let expected = small.logits.iter().map(|v| 2.0 * f64::from(*v).powi(2));
    near(&numbers(grad.into_data()), expected, 1e-5);
}

/// Tensors that do not lie in rows: transposed, cut out, made by another thread; and targets and weights of other types.
#[test]
fn tensors_lie_as_they_may() {
    let small = Small::new();
    let truth = small.truth(Reduction::Mean);
    let loss = LossModule::new(&gpu().1, CrossEntropy::default());
    let device = gpu().0.clone().autodiff();
    let transposed: Vec<f32> = (0..COLS * ROWS)
        .map(|i| small.logits[i % ROWS * COLS + i / ROWS])
        .collect();
    let wide = TensorData::new(transposed, [COLS, ROWS]);
    let wide = Tensor::<2>::from_data(wide, &device).require_grad();
    let (_, labels) = small.tensors(DType::F32);
    let value = loss
        .forward((wide.clone().transpose(), labels.clone()))
        .unwrap();
    let grad = wide.grad(&value.backward()).unwrap().transpose();
    near(&numbers(grad.into_data()), truth.grads[0].clone(), 1e-5);

    // A part of a larger tensor, at an offset where no binding may begin.
    let mut longer = vec![9.0; COLS];
    longer.extend(&small.logits);
    let longer =
        Tensor::<2>::from_data(TensorData::new(longer, [ROWS + 1, COLS]), &device).require_grad();
    let part = longer.clone().slice([1..ROWS + 1, 0..COLS]);
    let value = loss.forward((part, labels.clone())).unwrap();
    let grad = numbers(longer.grad(&value.backward()).unwrap().into_data());
    near(&grad[COLS..], truth.grads[0].clone(), 1e-5);
    near(&grad[..COLS], [0.0; COLS], 1e-5);

    let logits = small.logits.clone();
    let labels: Vec<i64> = small.labels.iter().map(|l| i64::from(*l)).collect();
    let (logits, labels) = std::thread::spawn(move || {
        let device = gpu().0.clone().autodiff();
        let logits = Tensor::<2>::from_data(TensorData::new(logits, [ROWS, COLS]), &device);
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [ROWS]), &device);
        (logits.require_grad(), labels)
    })
    .join()
    .unwrap();
    let value = loss.forward((logits.clone(), labels)).unwrap();
    let grad = logits.grad(&value.backward()).unwrap();
    near(&numbers(grad.into_data()), truth.grads[0].clone(), 1e-5);
}

/// Without gradients wanted there are none, and the loss is the same.
#[test]
fn on_a_device_without_automatic_differentiation_there_is_the_loss_alone() {
    let small = Small::new();
    let loss = LossModule::new(&gpu().1, CrossEntropy::default());
    let (logits, labels) = small.tensors(DType::F32);
    let expected = small.truth(Reduction::Mean).loss;
    for logits in [logits.clone().inner(), logits.detach()] {
        let value = loss.forward((logits, labels.clone())).unwrap();
        near(&numbers(value.into_data()), expected, 1e-5);
    }
}

/// Rows of padding do not count, neither for burn 0.22 nor here; where there is nothing else, burn says NaN and wgloss 0, with gradients that are 0.
#[test]
fn a_batch_of_padding_is_no_disaster() {
    let small = Small::new();
    let loss = LossModule::new(
        &gpu().1,
        CrossEntropy {
            ignore_index: 2,
            ..Default::default()
        },
    );
    let own = burn::nn::loss::CrossEntropyLossConfig::new()
        .with_pad_tokens(Some(vec![2]))
        .init(&gpu().0);
    let (logits, _) = small.tensors(DType::F32);
    let padding = Tensor::<1, Int>::full([ROWS], 2, &logits.device());
    let theirs = own.forward(logits.clone(), padding.clone());
    assert!(numbers(theirs.into_data())[0].is_nan());
    let value = loss.forward((logits.clone(), padding)).unwrap();
    assert_eq!(numbers(value.clone().into_data()), [0.0]);
    let grad = logits.grad(&value.backward()).unwrap();
    assert_eq!(numbers(grad.into_data()), [0.0; ROWS * COLS]);
    let status = loss.report().unwrap().unwrap();
    assert_eq!((status.valid, status.bad_labels), (0, 0));
}

/// What does not fit is refused where it is asked for, in one line that says what was expected.
#[test]
fn what_does_not_fit_is_refused() {
    let (device, gpu) = gpu();
    let x = Tensor::<2>::zeros([4, 3], device);
    let labels = Tensor::<1, Int>::zeros([4], device);
    let short = Tensor::<1, Int>::zeros([3], device);
    let ce = LossModule::new(gpu, CrossEntropy::default());
    let mse = LossModule::new(gpu, Mse::default());
    let refused = |made: Result<Tensor<1>, Error>, words: &[&str]| {
        let text = made.map(|_| ()).unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        for word in words {
            assert!(text.contains(word), "{text}: no {word}");
        }
    };
    refused(
        ce.forward((x.clone(), short)),
        &["target of cross_entropy", "[4]", "[3]"],
    );
    refused(ce.forward(x.clone()), &["target of cross_entropy"]);
    refused(
        mse.forward((x.clone(), labels.clone())),
        &["target of mse", "[4, 3]"],
    );
    refused(
        mse.forward((
            x.clone(),
            Tensor::<2>::zeros([3, 4], device).slice([0..3, 0..3]),
        )),
        &["target of mse"],
    );
    let both = Batch::new(x.clone()).input(x.clone()).target(x.clone());
    refused(mse.forward(both), &["inputs of mse", "expected 1, found 2"]);
    let none = mse.reduction(Reduction::None);
    refused(none.forward((x.clone(), x.clone())), &["reduction"]);
    let each: Result<Tensor<2>, Error> = mse.forward_each((x.clone(), x.clone()));
    assert!(each.unwrap_err().to_string().contains("reduction"));
    let each: Result<Tensor<1>, Error> = none.forward_each((x.clone(), x.clone()));
    assert!(each.unwrap_err().to_string().contains("rank"));
    let weighted = Batch::new(x.clone())
        .target(x.clone())
        .weight(Tensor::<1>::zeros([5], device));
    refused(mse.forward(weighted), &["weight of mse"]);
    let weighted = Batch::new(x.clone())
        .target(x.clone())
        .class_weight(Tensor::<1>::zeros([3], device));
    refused(mse.forward(weighted), &["class_weight of mse"]);
    let smoothed = CrossEntropy {
        label_smoothing: 2.0,
        ..Default::default()
    };
    refused(
        LossModule::new(gpu, smoothed).forward((x.clone(), labels)),
        &["label_smoothing"],
    );

    // As many numbers in another shape; weights that look like those of columns; what is tracked.
    let turned = Tensor::<2>::zeros([3, 4], device);
    refused(
        mse.forward((x.clone(), turned.clone())),
        &["target of mse", "[4, 3]", "[3, 4]"],
    );
    refused(
        mse.forward((x.clone(), Tensor::<1>::zeros([12], device))),
        &["target of mse"],
    );
    let square = Tensor::<2>::zeros([3, 3], device);
    let columns = Batch::new(square.clone())
        .target(square.clone())
        .weight(Tensor::<2>::zeros([1, 3], device));
    refused(mse.forward(columns), &["weight of mse", "[3]", "[1, 3]"]);
    let rows = Batch::new(square.clone())
        .target(square.clone())
        .weight(Tensor::<2>::zeros([3, 1], device));
    assert!(mse.forward(rows).is_ok());
    let leaf = Tensor::<2>::zeros([4, 3], &device.clone().autodiff()).require_grad();
    let twice = leaf.clone() * 2.0;
    refused(
        mse.forward((twice.clone(), leaf.clone())),
        &["target of mse", "detach"],
    );
    refused(
        mse.forward((x.clone(), twice.clone())),
        &["target of mse", "detach"],
    );
    let weighted = Batch::new(x.clone()).target(x.clone()).weight(leaf.clone());
    refused(mse.forward(weighted), &["weight of mse", "detach"]);
    assert!(mse.forward((leaf.clone(), twice.detach())).is_ok());
    assert!(mse.forward((leaf.clone(), leaf.inner())).is_ok());
    let again = SharedGpu::open().map(|_| ()).unwrap_err().to_string();
    assert!(again.contains("once"), "{again}");

    let bad = Tensor::<1, Int>::from_ints([0, 7, 1, 2], device);
    let value = ce.forward((x, bad)).unwrap();
    assert!(numbers(value.into_data())[0].is_finite());
    let error = ce.report().unwrap_err();
    assert!(
        matches!(
            error,
            Error::BadLabels {
                count: 1,
                first_row: 1,
                ..
            }
        ),
        "{error}"
    );
}

/// Weights, losses over everything, losses of three inputs.
#[test]
fn every_kind_of_loss_is_a_module() {
    let (device, gpu) = gpu();
    let device = device.clone().autodiff();
    let draw = || Tensor::<2>::random([6, 5], Distribution::Uniform(0.1, 0.9), &device);
    let host = |t: &Tensor<2>| numbers(t.clone().into_data());
    let (x, t, w) = (draw().require_grad(), draw(), draw());
    for name in ["dice", "mae", "bce", "tversky"] {
        let loss = LossModule::boxed(gpu, wgloss::loss::by_name(name).unwrap());
        let value = loss
            .forward(Batch::new(x.clone()).target(t.clone()).weight(w.clone()))
            .unwrap();
        let grad = x.grad(&value.backward()).unwrap();
        let (xs, ts, ws) = (host(&x), host(&t), host(&w));
        let batch = wgloss::Batch::new([6, 5], &xs).target(&ts).weight(&ws);
        let truth = reference::loss(loss.loss(), &batch).unwrap();
        near(&numbers(value.into_data()), truth.loss, 1e-5);
        near(&numbers(grad.into_data()), truth.grads[0].clone(), 1e-4);
    }
    // One loss over everything is not one by one, whatever the reduction.
    let dice = LossModule::boxed(gpu, wgloss::loss::by_name("dice").unwrap());
    let mean = dice.forward((x.clone(), t.clone())).unwrap();
    let none = dice.reduction(Reduction::None);
    let alone = none.forward((x.clone(), t.clone())).unwrap();
    let each: Tensor<1> = none.forward_each((x.clone(), t.clone())).unwrap();
    let grads = [&mean, &alone, &each].map(|v| x.grad(&v.clone().backward()).unwrap());
    let [g, a, b] = grads.map(|g| numbers(g.into_data()));
    assert!(g == a && g == b && g.iter().any(|v| *v != 0.0));
    let [v, a, b] = [mean, alone, each].map(|v| numbers(v.into_data()));
    assert!(v == a && v == b && v[0] > 0.0, "{v:?} {a:?} {b:?}");
    assert_eq!(gpu.take_failure(), None);
    let inputs = [x, draw().require_grad(), draw().require_grad()];
    let loss = LossModule::new(gpu, Triplet::default());
    let [a, p, n] = inputs.each_ref().map(Clone::clone);
    let value = loss.forward(Batch::new(a).input(p).input(n)).unwrap();
    let grads = value.backward();
    let [a, p, n] = inputs.each_ref().map(host);
    let batch = wgloss::Batch::new([6, 5], &a).input(&p).input(&n);
    let truth = reference::loss(&Triplet::default(), &batch).unwrap();
    for (input, expected) in inputs.iter().zip(truth.grads) {
        near(
            &numbers(input.grad(&grads).unwrap().into_data()),
            expected,
            1e-4,
        );
    }
    let pinball = "fn loss(x: f32, t: f32) -> f32 { return max(0.9 * (t - x), -0.1 * (t - x)); }";
    let custom = wgloss::Custom::new("pinball.wgsl", pinball).unwrap();
    let loss = LossModule::new(gpu, custom);
    let value = loss.forward((inputs[0].clone(), t.clone())).unwrap();
    let grad = inputs[0].grad(&value.backward()).unwrap();
    let (xs, ts) = (host(&inputs[0]), host(&t));
    let batch = wgloss::Batch::new([6, 5], &xs).target(&ts);
    let truth = reference::loss(loss.loss(), &batch).unwrap();
    near(&numbers(value.into_data()), truth.loss, 1e-5);
    near(&numbers(grad.into_data()), truth.grads[0].clone(), 1e-4);
    fn both<T: Send + Sync>() {}
    both::<(LossModule, SharedGpu, Gpu)>();
}

/// A wgpu device of one's own serves burn and wgloss, and tensors of another are refused.
#[test]
fn a_device_of_ones_own_serves_both() {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
    let adapter = pollster::block_on(adapter).unwrap();
    let wanted = wgpu::DeviceDescriptor {
        required_features: wgloss::gpu::optional_features() & adapter.features(),
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&wanted)).unwrap();
    let setup = WgpuSetup {
        backend: adapter.get_info().backend,
        instance,
        adapter,
        device,
        queue,
    };
    let own = Device::wgpu_options().setup(setup.clone()).init().unwrap();
    let shared = SharedGpu::new(&own, setup).unwrap();
    let loss = LossModule::new(&shared, Mse::default());
    let x =
        Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &own.clone().autodiff()).require_grad();
    let value = loss
        .forward((x.clone(), Tensor::<2>::zeros([2, 2], &own)))
        .unwrap();
    let grad = x.grad(&value.clone().backward()).unwrap();
    assert_eq!(numbers(value.into_data()), [7.5]);
    assert_eq!(numbers(grad.into_data()), [0.5, 1.0, 1.5, 2.0]);

    let elsewhere = Tensor::<2>::zeros([2, 2], &gpu().0);
    let refused = loss
        .forward((x, elsewhere.clone()))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("device of target"), "{refused}");
    let refused = loss
        .forward((elsewhere.clone(), elsewhere))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("device of x"), "{refused}");
}
