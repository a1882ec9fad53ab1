//! A rerun gives the same bits, and so does any way to cut a tensor into dispatches: for every registered loss,
//! storage type and class axis. What is compared is also held against the reference, so that equal is not equally
//! wrong.

use crate::support::{self, Recipe, Rng};
use wgloss::gpu::{PlanKind, Tuning};
use wgloss::loss::{Info, Loss};
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Family, Gpu, LabelType, Outcome, Reduction, verify,
};

/// A shape, and how small bindings and dispatches are made to cut it. Workgroups in one dimension come as a
/// square number at most, so they cannot be as few as one likes.
struct Cut {
    shape: &'static [usize],
    axis: ClassAxis,
    /// Bytes of one binding; the same for all storage types.
    binding: u64,
    groups: u32,
    /// Whether even 16-bit numbers no longer fit.
    always: bool,
}

/// A leaf of 4,096 f32 fits, or two of 16 bits, but no more; the alignment of offsets takes its part.
const LEAF: u64 = 4 * 4096 + 256 + 4;

/// The same for labels of 64 bits, which are counted by the leaf.
const LABELS: u64 = 8 * 4096 + 256 + 4;

fn cuts(family: Family) -> Vec<Cut> {
    let cut = |shape, axis, binding, groups| Cut {
        shape,
        axis,
        binding,
        groups,
        always: true,
    };
    match family {
        Family::Elementwise => vec![
            // Six leaves, the last one short, across rows of an odd length.
            cut(&[31, 739], ClassAxis::Last, LEAF, 3),
            cut(&[22_909], ClassAxis::Last, LEAF, 3),
            cut(&[3, 41, 173], ClassAxis::One, LEAF, 3),
        ],
        Family::Rows | Family::Sets => vec![
            // Odd rows of 16-bit numbers share a word with their neighbour.
            cut(&[61, 513], ClassAxis::Last, LABELS, 8),
            // Labels in three leaves, and beside them one partial sum a row.
            cut(&[9001, 3], ClassAxis::Last, LABELS + 4000, 96),
            // Rows of which an invocation may keep two, and add the losses of several up.
            cut(&[9002, 10], ClassAxis::Last, LABELS + 4000, 96),
            // One row, and rows of one class.
            Cut {
                always: false,
                ..cut(&[1, 5003], ClassAxis::Last, LABELS, 8)
            },
            Cut {
                always: false,
                ..cut(&[7, 1], ClassAxis::Last, LABELS, 8)
            },
            // Samples of an odd number of elements, whose statistics take room too.
            cut(&[53, 5, 77], ClassAxis::One, LABELS, 16),
            cut(&[24, 130, 2, 3], ClassAxis::One, LABELS, 16),
        ],
    }
}

/// Every cut; storage types, targets, weights and reductions by lot, but the same in every run.
fn recipes(info: &Info, rng: &mut Rng) -> Vec<(Cut, Recipe)> {
    let mut out = Vec::new();
    for cut in cuts(info.family) {
        let mut pick = |n: usize| rng.below(n);
        let targets = support::targets(info);
        let labels = targets[pick(targets.len())].map(|_| LabelType::ALL[pick(3)]);
        let weights = support::weights(info);
        let class_weights = support::class_weights(info);
        let recipe = Recipe {
            class_axis: cut.axis,
            labels,
            weight: weights[pick(weights.len())],
            class_weight: class_weights[pick(class_weights.len())],
            reduction: Reduction::ALL[pick(5)],
            dtype: DType::ALL[pick(3)],
            grad_scale: 0.75,
            ..Recipe::new(cut.shape)
        };
        out.push((cut, recipe));
    }
    out
}

/// What is not the same in two outcomes.
fn difference(a: &Outcome<f32>, b: &Outcome<f32>) -> Option<String> {
    if a.status != b.status {
        return Some(format!("status {:?} and {:?}", a.status, b.status));
    }
    let (x, y) = (support::bits(a), support::bits(b));
    if x.len() != y.len() {
        return Some(format!("{} and {} tensors", x.len(), y.len()));
    }
    x.iter().zip(&y).enumerate().find_map(|(k, (x, y))| {
        let what = match k {
            0 => "loss".to_string(),
            1 => "losses".to_string(),
            k => format!("gradient {}", k - 2),
        };
        if x.len() != y.len() {
            return Some(format!("{what}: {} and {} numbers", x.len(), y.len()));
        }
        let at = x.iter().zip(y).position(|(x, y)| x != y)?;
        Some(format!("{what}[{at}]: {:#010x} and {:#010x}", x[at], y[at]))
    })
}

fn run(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'_>) -> Outcome<f32> {
    gpu.loss(loss, batch)
        .unwrap_or_else(|e| panic!("{loss:?} on {:?}: {e}", batch.shape))
}

fn dispatches(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'_>) -> usize {
    let layout = batch.layout(loss).expect("good");
    gpu.plan(loss, &layout).expect("planned").dispatches()
}

#[test]
fn reruns_and_cuts_change_no_bit() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    let mut runs = 0;
    for info in wgloss::loss::all() {
        let mut rng = Rng::new(info.name);
        for (turn, (cut, recipe)) in recipes(info, &mut rng).into_iter().enumerate() {
            let cols = recipe.geometry().cols;
            let samples = support::option_samples(info, cols);
            let loss = &*samples[turn % samples.len()];
            let batch = support::batch(loss, &recipe, &mut rng);
            let first = run(&gpu, loss, &batch);
            let what = format!("{loss:?}, {recipe:?}");
            if let Some(complaint) = verify::check(loss, &batch, &first).expect("good").complaint {
                wrong.push(format!("{what}: {complaint}"));
            }
            let again = run(&gpu, loss, &batch);
            wrong.extend(difference(&first, &again).map(|d| format!("{what}, run again: {d}")));
            for lowered in [
                gpu.with_limits(cut.binding, u32::MAX),
                gpu.with_limits(u64::MAX, cut.groups),
                gpu.with_limits(cut.binding + 4096, cut.groups),
            ] {
                let limits = lowered.limits();
                let cut = run(&lowered, loss, &batch);
                wrong.extend(difference(&first, &cut).map(|d| format!("{what}, {limits:?}: {d}")));
            }
            if cut.always {
                let lowered = gpu.with_limits(cut.binding, cut.groups);
                let (whole, parts) = (
                    dispatches(&gpu, loss, &batch),
                    dispatches(&lowered, loss, &batch),
                );
                if parts <= whole {
                    wrong.push(format!(
                        "{what}: {whole} dispatches, {parts} with lower limits"
                    ));
                }
            }
            runs += 5;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {runs} runs are wrong, the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
}

/// Rows that one invocation keeps, and whose losses it adds up: on a CPU, in f32, with class indices and default options.
#[test]
fn kept_rows_change_no_bit_in_chunks() {
    let Some(gpu) = support::gpu() else { return };
    // On a CPU an invocation keeps short rows.
    let gpu = gpu.with_tuning(Tuning::Narrow);
    let loss = CrossEntropy::default();
    for cols in [2, 10, 16] {
        let recipe = Recipe {
            labels: Some(LabelType::I64),
            ..Recipe::new([9002, cols])
        };
        let batch = support::batch(&loss, &recipe, &mut Rng::new("kept rows"));
        let whole = run(&gpu, &loss, &batch);
        let check = verify::check(&loss, &batch, &whole).expect("good");
        assert_eq!(check.complaint, None, "{cols} columns");
        let lowered = gpu.with_limits(LABELS, 64);
        assert!(dispatches(&lowered, &loss, &batch) > dispatches(&gpu, &loss, &batch));
        let cut = run(&lowered, &loss, &batch);
        assert_eq!(difference(&whole, &cut), None, "{cols} columns");
    }
}

#[test]
fn no_plan_changes_a_bit_from_run_to_run_or_in_chunks() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    for (turn, info) in wgloss::loss::all().iter().enumerate() {
        for (kind, shape, binding) in [
            (PlanKind::Short, [601, 37], 40_000),
            (PlanKind::Workgroup, [61, 307], 40_000),
            (PlanKind::Split, [5, 9001], 80_000),
            (PlanKind::Strided, [601, 37], 40_000),
        ] {
            let mut rng = Rng::new(info.name);
            let samples = support::option_samples(info, shape[1]);
            for loss in samples.iter().cycle().skip(turn).take(1) {
                let weights = support::weights(info);
                let recipe = Recipe {
                    labels: support::targets(info)[0],
                    weight: weights[turn % weights.len()],
                    reduction: Reduction::ALL[turn % 5],
                    dtype: DType::ALL[turn % 3],
                    ..Recipe::new(shape)
                };
                let batch = support::batch(&**loss, &recipe, &mut rng);
                let layout = batch.layout(&**loss).expect("good");
                let whole = loss.whole() && kind != PlanKind::Split;
                if !kind.carries(&**loss, &layout).expect("good") || whole {
                    continue;
                }
                let forced = gpu.with_plan(kind);
                let cut = forced.with_limits(binding, 40);
                let name = cut.plan(&**loss, &layout).expect("planned").name();
                assert!(name.ends_with(kind.name()), "{name} for {kind}");
                let first = run(&forced, &**loss, &batch);
                for (what, other) in [("again", &forced), ("in chunks", &cut)] {
                    let other = run(other, &**loss, &batch);
                    let d = difference(&first, &other);
                    wrong.extend(d.map(|d| format!("{loss:?} {kind} {what}: {d}")));
                }
                let check = verify::check(&**loss, &batch, &first).expect("good");
                wrong.extend(check.complaint.map(|c| format!("{loss:?} {kind}: {c}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_plan_that_cannot_carry_a_loss_is_refused() {
    let Some(gpu) = support::gpu() else { return };
    let (x, t) = ([0.5f32; 12], [0.0f32; 12]);
    let batch = Batch::new([3, 4], &x).target(&t);
    let plan = |kind, loss: &dyn Loss| {
        let layout = batch.layout(loss).expect("good");
        assert!(!PlanKind::carries(kind, loss, &layout).expect("good"));
        let error = gpu.with_plan(kind).plan(loss, &layout);
        error.expect_err("refused").to_string()
    };
    let text = plan(PlanKind::Split, &wgloss::Mse::default());
    assert!(text.contains("expected elementwise, found split"), "{text}");
    let text = plan(PlanKind::Elementwise, &wgloss::Dice::default());
    assert!(text.contains("short, workgroup, split"), "{text}");
}

#[test]
fn one_different_bit_is_found() {
    let same = Outcome {
        loss: Some(1.0f32),
        losses: vec![1.0, 0.0],
        grads: vec![vec![0.0, 2.0], vec![f32::NAN]],
        status: Default::default(),
    };
    assert_eq!(difference(&same, &same), None);
    let changes: [fn(&mut Outcome<f32>); 7] = [
        |o| o.loss = Some(1.000_000_1),
        |o| o.loss = None,
        |o| o.losses[1] = -0.0,
        |o| o.grads[0][1] = f32::from_bits(2f32.to_bits() + 1),
        |o| o.grads[1][0] = f32::from_bits(f32::NAN.to_bits() + 1),
        |o| o.grads[1].clear(),
        |o| o.status.non_finite = 1,
    ];
    for change in changes {
        let mut other = same.clone();
        change(&mut other);
        assert!(difference(&same, &other).is_some(), "{other:?}");
    }
}
