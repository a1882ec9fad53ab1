//! What does not fit a loss is a typed error that both the reference and a device give, and never a panic: for every
//! registered loss.

use crate::support::{self, Recipe, Rng};
use wgloss::loss::{Info, Loss};
use wgloss::{
    Batch, ClassAxis, CrossEntropy, Error, Family, Geometry, Labels, Reduction, Support, Target,
    TargetKind, Triplet, Values, reference, verify,
};

fn good(info: &'static Info) -> (Box<dyn Loss>, Batch<'static>) {
    let loss = info.make();
    let recipe = Recipe {
        labels: support::targets(info)[0],
        ..Recipe::new([4, 3])
    };
    let batch = support::batch(&*loss, &recipe, &mut Rng::new(info.name));
    (loss, batch)
}

/// One way to spoil a batch; nothing where it cannot be done to this loss.
type Spoil = fn(&'static Info, &mut Batch<'static>) -> Option<()>;

const SPOILS: &[(&str, Spoil)] = &[
    ("an input too many", |_, b| {
        b.inputs.push(b.inputs[0].clone());
        Some(())
    }),
    ("no input", |_, b| {
        b.inputs.clear();
        Some(())
    }),
    ("a short input", |_, b| {
        b.inputs[0] = vec![0.5f32; 11].into();
        Some(())
    }),
    ("no axis", |_, b| {
        b.shape.clear();
        Some(())
    }),
    ("class axis 1 of one axis", |_, b| {
        b.shape = vec![12];
        b.class_axis = ClassAxis::One;
        Some(())
    }),
    ("another shape", |_, b| {
        b.shape = vec![4, 4];
        Some(())
    }),
    ("no target", |info, b| {
        (info.target != TargetKind::None).then(|| b.target = None)
    }),
    ("a target", |info, b| {
        (info.target == TargetKind::None)
            .then(|| b.target = Some(Target::Values(vec![0.0f32; 12].into())))
    }),
    ("a short target", |_, b| {
        b.target = Some(match b.target.take()? {
            Target::Values(_) => Target::Values(vec![1.0f32; 2].into()),
            Target::Labels(_) => Target::Labels(vec![0i64; 3].into()),
        });
        Some(())
    }),
    ("labels for numbers", |info, b| {
        let takes = [TargetKind::Labels, TargetKind::LabelsOrValues];
        (!takes.contains(&info.target))
            .then(|| b.target = Some(Target::Labels(vec![0i64; 4].into())))
    }),
    ("numbers for labels", |info, b| {
        (info.target == TargetKind::Labels)
            .then(|| b.target = Some(Target::Values(vec![0.0f32; 12].into())))
    }),
    ("a number for each element, not for each row", |info, b| {
        (info.target == TargetKind::PerRow)
            .then(|| b.target = Some(Target::Values(vec![1.0f32; 12].into())))
    }),
    ("a weight too many", |_, b| {
        b.weight = Some(vec![1.0f32; 13].into());
        Some(())
    }),
    ("weights for elements", |info, b| {
        (info.family == Family::Rows).then(|| b.weight = Some(vec![1.0f32; 12].into()))
    }),
    ("a negative weight", |_, b| {
        b.weight = Some(vec![1.0f32, 1.0, -1.0, 1.0].into());
        Some(())
    }),
    ("a weight that is no number", |_, b| {
        b.weight = Some(vec![1.0f32, f32::NAN, 1.0, 1.0].into());
        Some(())
    }),
    ("class weights of a loss without", |info, b| {
        (!info.class_weight).then(|| *b = b.clone().class_weight(vec![1.0f32; 3]))
    }),
    ("too few class weights", |info, b| {
        info.class_weight
            .then(|| *b = b.clone().class_weight(vec![1.0f32; 2]))
    }),
    ("balanced without labels", |info, b| {
        (info.target == TargetKind::LabelsOrValues).then(|| {
            b.target = Some(Target::Values(vec![0.25f32; 12].into()));
            *b = b.clone().balanced();
        })
    }),
    ("an upstream gradient that is none", |_, b| {
        b.grad_scale = f32::INFINITY;
        Some(())
    }),
];

#[test]
fn what_does_not_fit_is_the_same_typed_error_everywhere() {
    let Some(gpu) = support::gpu() else { return };
    for &info in wgloss::loss::all() {
        let (loss, batch) = good(info);
        // What is good is, here by the reference: devices evaluate it in other tests.
        reference::loss(&*loss, &batch).unwrap_or_else(|e| panic!("{}: {e}", info.name));
        for (what, spoil) in SPOILS {
            let mut bad = batch.clone();
            if spoil(info, &mut bad).is_none() {
                continue;
            }
            let here = reference::loss(&*loss, &bad);
            let there = gpu.loss(&*loss, &bad);
            match (here, there) {
                // By their words: a NaN in them is not itself.
                (Err(a), Err(b)) if a.to_string() == b.to_string() => {
                    let typed = matches!(a, Error::Mismatch { .. } | Error::BadWeight { .. });
                    assert!(typed, "{} with {what}: {a:?}", info.name);
                    assert_eq!(a.to_string().lines().count(), 1, "{a}");
                }
                other => panic!("{} with {what}: {other:?}", info.name),
            }
        }
    }
}

/// A row's index is a u32, and the largest stands for none.
#[test]
fn rows_and_columns_have_indices() {
    let most = u32::MAX as usize - 1;
    for (rows, cols) in [(most, 1), (1, most)] {
        let fits = Geometry::new(&[rows, cols], ClassAxis::Last).expect("the largest shape");
        assert_eq!((fits.rows, fits.cols), (rows, cols));
        let more = [rows, cols].map(|n| if n == most { n + 1 } else { n });
        match Geometry::new(&more, ClassAxis::Last) {
            Err(Error::TooLarge { limit, found, .. }) => {
                assert_eq!((limit, found), (most as u64, most as u64 + 1));
            }
            other => panic!("{more:?}: {other:?}"),
        }
    }
}

/// A target that says nothing of its row leaves the row out, on both sides alike, and is an error that names it.
#[test]
fn targets_out_of_range_are_counted_and_named() {
    let Some(gpu) = support::gpu() else { return };
    for &info in wgloss::loss::all() {
        let (loss, mut batch) = good(info);
        let bad: Vec<Target<'static>> = match info.target {
            TargetKind::Labels | TargetKind::LabelsOrValues => [3i64, -1, i64::MAX, 1 << 32]
                .into_iter()
                .map(|l| Target::Labels(vec![0, l, 2, l].into()))
                .collect(),
            TargetKind::PerRow => {
                let support = info.domain.last().copied().unwrap_or(Support::Real);
                let outside: &[f32] = match support {
                    Support::Sign => &[0.0, 0.5, -1.5, 2.0, f32::MAX],
                    _ => &[-0.5, 1.5, -1.0, f32::MAX],
                };
                let list = outside.iter();
                list.map(|&t| Target::Values(vec![1.0, t, 1.0, t].into()))
                    .collect()
            }
            _ => continue,
        };
        for (turn, target) in bad.into_iter().enumerate() {
            batch.target = Some(target);
            for step in [0, 4] {
                batch.reduction = Reduction::ALL[(turn + step) % 5];
                let out = wgloss::verify::check(&*loss, &batch, &{
                    pollster::block_on(gpu.evaluate_async(&*loss, &batch)).expect("counted")
                });
                let check = out.expect("a comparison");
                assert!(check.pass, "{}: {:?}", info.name, check.complaint);
            }
            let (a, b) = (reference::loss(&*loss, &batch), gpu.loss(&*loss, &batch));
            let (Err(a), Err(b)) = (a, b) else {
                panic!("{}: {:?}", info.name, batch.target)
            };
            assert_eq!(a, b);
            let text = a.to_string();
            assert!(text.contains("found 2") && text.contains("row 1"), "{text}");
        }
    }
}

/// Labels and numbers of every type and shape that a loss takes, at the smallest sizes: no finite input makes a NaN.
#[test]
fn zero_vectors_empty_sets_and_single_classes_are_numbers() {
    let Some(gpu) = support::gpu() else { return };
    for &info in wgloss::loss::all() {
        // Columns are nothing to a loss that takes elements by themselves.
        let elementwise = info.family == Family::Elementwise;
        for cols in if elementwise { 3..4 } else { 1..3 } {
            for fill in [0.0f32, 1.0] {
                for loss in support::option_samples(info, cols) {
                    let elements = 2 * cols;
                    let mut batch = Batch::new([2, cols], Vec::<f32>::new());
                    batch.inputs = vec![Values::from(vec![fill; elements]); info.inputs.len()];
                    batch.target = match info.target {
                        TargetKind::None => None,
                        TargetKind::PerRow => Some(Target::Values(vec![1.0f32; 2].into())),
                        TargetKind::Labels => Some(Target::Labels(Labels::from(vec![0i32; 2]))),
                        _ => Some(Target::Values(vec![0.0f32; elements].into())),
                    };
                    let out = gpu.loss(&*loss, &batch).expect("an evaluation");
                    let same = reference::loss(&*loss, &batch).expect("good");
                    let numbers = out.loss.iter().chain(out.grads.iter().flatten());
                    let expected = same.loss.iter().chain(same.grads.iter().flatten());
                    for (found, expected) in numbers.zip(expected) {
                        assert!(
                            !found.is_nan() && !expected.is_nan(),
                            "{loss:?} of {fill} in {cols} columns: {found}, {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// Finite numbers whose difference is none, and small differences of numbers whose rounding is as large: both once were
/// taken in an order that loses them.
#[test]
fn differences_beyond_f32_and_below_its_rounding() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("differences");
    for cols in [3, 10, 34, 300] {
        let mut logits: Vec<f32> = (0..4 * cols).map(|_| rng.range(-2.0, 2.0) as f32).collect();
        logits[0] = 3e38;
        logits[cols - 1] = -3e38;
        logits[cols] = -3e38;
        logits[2 * cols - 1] = 3e38;
        let labels = [cols as i64 - 1, 0, 1, 2];
        for label_smoothing in [0.0, 0.1, 1.0] {
            let loss = CrossEntropy {
                label_smoothing,
                ..Default::default()
            };
            let batch = Batch::new([4, cols], &logits)
                .labels(&labels)
                .reduction(Reduction::None);
            let out = gpu.loss(&loss, &batch).expect("an evaluation");
            let check = verify::check(&loss, &batch, &out).expect("a comparison");
            assert!(
                check.pass,
                "{cols} {label_smoothing}: {:?}",
                check.complaint
            );
        }
        let anchor: Vec<f32> = (0..4 * cols).map(|_| rng.range(-4.0, 4.0) as f32).collect();
        let near: Vec<f32> = anchor
            .iter()
            .map(|&a| a + rng.range(-1e-5, 1e-5) as f32)
            .collect();
        let loss = Triplet::default();
        let half: Vec<f32> = anchor.iter().map(|&a| 0.5 * a).collect();
        let batch = Batch::new([4, cols], &anchor).input(&half).input(&near);
        let out = gpu.loss(&loss, &batch).expect("an evaluation");
        let check = verify::check(&loss, &batch, &out).expect("a comparison");
        assert!(check.pass, "triplet {cols}: {:?}", check.complaint);
    }
}
