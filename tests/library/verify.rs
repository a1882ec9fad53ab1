//! Every kernel of every loss on this machine's device, held against the reference over shapes, storage types, reductions,
//! weights, option corners, forced plans and extreme numbers: `wgloss verify --quick`.

use crate::support;
use wgloss::loss::{self, Info};
use wgloss::metric::{
    Binary, BinaryFigures, ConfusionMatrix, InputKind, Multiclass, Multilabel, Regression, Samples,
    Task, Undefined,
};
use wgloss::verify::{self, Extent};
use wgloss::{DType, Family};

/// Those of some losses, which take all of these plans: a test for each part of the losses, as tests run beside each other.
fn within_bounds(losses: &[&'static Info], taken: &[&str]) {
    let Some(gpu) = support::gpu() else { return };
    let mut failures = Vec::new();
    let mut plans = std::collections::BTreeSet::new();
    let mut numbers = std::collections::BTreeMap::new();
    let summary = verify::run(&gpu, losses, Extent::Quick, &mut |row, _, _| {
        plans.insert(row.plan);
        let (held, unbounded) = numbers.entry(row.name).or_insert((0, 0));
        *held += row.check.held;
        *unbounded += row.check.unbounded;
        if let Some(complaint) = &row.check.complaint {
            let (shape, dtype, reduction) = (&row.shape, row.dtype, row.reduction);
            failures.push(format!(
                "{} {shape:?} {dtype} {reduction}: {complaint}",
                row.name
            ));
        }
    })
    .expect("the device evaluates");
    assert_eq!(summary.failed, failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // Nearly all numbers are held to something, extreme as many are.
    for (name, (held, unbounded)) in &numbers {
        assert!(unbounded * 50 <= *held, "{name}: {unbounded} of {held}");
    }
    assert_eq!(numbers.len(), losses.len());
    // 20 cases a loss at the least, or something was left out.
    assert!(summary.cases > 20 * losses.len(), "{summary:?}");
    for plan in taken {
        assert!(plans.contains(plan), "no case takes the plan {plan}");
    }
}

fn of(family: Family) -> Vec<&'static Info> {
    let all = loss::all().iter().copied();
    all.filter(|info| info.family == family).collect()
}

const BY_ROWS: [&str; 4] = ["empty", "workgroup", "strided", "chunked strided"];

#[test]
fn kernels_of_elements_are_within_their_bounds() {
    let plans = ["empty", "elementwise", "chunked elementwise"];
    within_bounds(&of(Family::Elementwise), &plans);
}

#[test]
fn kernels_of_rows_are_within_their_bounds() {
    let rows = of(Family::Rows);
    within_bounds(&rows[..rows.len() / 2], &BY_ROWS);
}

#[test]
fn kernels_of_more_rows_are_within_their_bounds() {
    let rows = of(Family::Rows);
    within_bounds(&rows[rows.len() / 2..], &BY_ROWS);
}

#[test]
fn kernels_of_sets_are_within_their_bounds() {
    let plans = ["empty", "workgroup", "chunked workgroup", "split"];
    within_bounds(&of(Family::Sets), &plans);
}

#[test]
fn figures_of_metrics_are_within_their_bounds() {
    let Some(gpu) = support::gpu() else { return };
    let mut failures = Vec::new();
    let summary = verify::run_metrics(&gpu, &Task::ALL, Extent::Quick, &mut |row, _, _| {
        let (shape, dtype, tuning) = (&row.shape, row.dtype, row.plan);
        let complaint = row.check.complaint.as_ref();
        failures.extend(complaint.map(|c| format!("{} {shape:?} {dtype} {tuning}: {c}", row.name)));
    })
    .expect("the device evaluates");
    assert_eq!(summary.failed, failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(summary.cases > 100, "{summary:?}");
}

#[test]
fn outputs_of_rows_are_within_their_bounds() {
    let Some(gpu) = support::gpu() else { return };
    let mut failures = Vec::new();
    let mut told = 0;
    let mut plans = std::collections::BTreeSet::new();
    let summary = verify::run_row_outputs(&gpu, Extent::Quick, &mut |row, done, total| {
        assert!(row.name == verify::ROW_OUTPUTS && done <= total);
        told += 1;
        plans.insert(row.plan);
        let (shape, dtype) = (&row.shape, row.dtype);
        let complaint = row.check.complaint.as_ref();
        failures.extend(complaint.map(|c| format!("{shape:?} {dtype}: {c}")));
        // Rows were looked at.
        assert!(row.check.held >= 3, "{row:?}");
    })
    .expect("the device evaluates");
    assert_eq!((summary.cases, summary.failed), (told, failures.len()));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(summary.cases > 20, "{summary:?}");
    assert!(plans.contains("short") && plans.contains("workgroup"));
}

/// One wrong figure anywhere fails a check.
#[test]
fn a_check_notices_one_wrong_figure() {
    let labels = [0i64, 1, 1, 0, 1, 0];
    let scores = [0.1f32, 0.9, 0.4, 0.45, 0.8, 0.3];
    let input = InputKind::Probs;
    let asked = Binary {
        input,
        ..Default::default()
    };
    let samples = Samples::new([6], &scores).labels(&labels);
    let mut want = asked.figures(&samples).expect("figures");
    want.undefined.push(Undefined {
        figure: "nothing".into(),
        reason: "none",
    });
    assert!(verify::check_binary(&want, &want).pass);
    let wrong: [fn(&mut BinaryFigures); 9] = [
        |f| f.n += 1.0,
        |f| f.roc_auc = f.roc_auc.map(|v| v + 1e-15),
        |f| f.average_precision = f.average_precision.map(|v| v + 1e-6),
        |f| f.log_loss = f.log_loss.map(|v| v * (1.0 + 2e-6)),
        |f| f.brier = None,
        |f| f.ece = Some(f64::NAN),
        |f| f.operating_points.precision_at = f.operating_points.recall_at,
        |f| f.confusion_matrix = ConfusionMatrix::new(2, false),
        |f| f.undefined.clear(),
    ];
    for (k, spoil) in wrong.into_iter().enumerate() {
        let mut got = want.clone();
        spoil(&mut got);
        let check = verify::check_binary(&want, &got);
        assert!(!check.pass && check.complaint.is_some(), "{k}: {check:?}");
    }
    let rows = Samples::new([3, 2], &scores).labels(&labels[..3]);
    let asked = Multiclass {
        input,
        top_k: vec![1],
        ..Default::default()
    };
    let want = asked.figures(&rows).expect("figures");
    assert!(verify::check_multiclass(input, &want, &want).pass);
    for k in 0..6 {
        let mut got = want.clone();
        match k {
            4 => got.per_class[0].roc_auc = want.per_class[0].roc_auc.map(|v| v + 1e-3),
            5 => got.top_k.clear(),
            0 => got.top_k[0].1 = Some(0.5),
            1 => got.per_class[1].roc_auc = None,
            2 => got.macro_average.f1 = Some(0.1),
            _ => got.log_loss = want.log_loss.map(|v| v * (1.0 + 4e-6)),
        }
        assert!(!verify::check_multiclass(input, &want, &got).pass, "{k}");
    }
    let sets = Samples::new([3, 2], &scores).labels(&labels);
    let want = Multilabel {
        input,
        ..Default::default()
    }
    .figures(&sets)
    .expect("figures");
    assert!(verify::check_multilabel(&want, &want).pass);
    for k in 0..3 {
        let mut got = want.clone();
        match k {
            0 => got.subset_accuracy = Some(0.1),
            1 => got.per_label[1].average_precision = Some(0.25),
            _ => got.per_label.truncate(1),
        }
        assert!(!verify::check_multilabel(&want, &got).pass, "{k}");
    }
    let numbers = Samples::new([6], &scores).target(&[0.5f32, 1.0, 0.0, 0.25, 0.75, 1.5]);
    let want = Regression {}.figures(&numbers).expect("figures");
    assert!(verify::check_regression(&want, &want).pass);
    for k in 0..3 {
        let mut got = want.clone();
        match k {
            0 => got.mse = want.mse.map(|v| v * (1.0 + 1e-14)),
            1 => got.max_error = Some(1.0),
            _ => got.r2 = want.r2.map(|v| v + 1e-13),
        }
        assert!(!verify::check_regression(&want, &got).pass, "{k}");
    }
}

/// Where f32 ends.
#[test]
fn a_check_knows_what_is_beyond_all_numbers() {
    let batch = wgloss::Batch::new([2], &[f32::MAX, 1.0])
        .target(&[0.0f32, 0.0])
        .reduction(wgloss::Reduction::None);
    let loss = wgloss::Mse::default();
    let right = wgloss::Outcome {
        loss: None,
        losses: vec![f32::INFINITY, 1.0],
        grads: vec![vec![f32::INFINITY, 2.0]],
        status: wgloss::reference::evaluate(&loss, &batch)
            .expect("an evaluation")
            .status,
    };
    let check =
        |out: &wgloss::Outcome<f32>| verify::check(&loss, &batch, out).expect("a comparison");
    let found = check(&right);
    assert!(found.pass && found.unbounded == 0, "{found:?}");
    for wrong in [0.0, 1.0, -1e30, f32::NEG_INFINITY, f32::NAN] {
        let mut bad = right.clone();
        bad.losses[0] = wrong;
        assert!(!check(&bad).pass, "{wrong}");
        let mut bad = right.clone();
        bad.grads[0][0] = wrong;
        assert!(!check(&bad).pass, "{wrong}");
    }
}

/// A loss and a gradient of one element, each as found.
fn one(loss: &dyn wgloss::Loss, batch: &wgloss::Batch<'_>, found: [f32; 2]) -> verify::Check {
    let status = wgloss::reference::evaluate(loss, batch)
        .expect("an evaluation")
        .status;
    let out = wgloss::Outcome {
        loss: None,
        losses: vec![found[0]],
        grads: vec![vec![found[1]]],
        status,
    };
    verify::check(loss, batch, &out).expect("a comparison")
}

#[test]
fn a_check_knows_what_weights_and_storage_do_at_the_ends() {
    let batch = |x: f32, weight: f32, dtype: DType| {
        let mut batch = wgloss::Batch::new([1], vec![x])
            .target(vec![0.0f32])
            .weight(vec![weight])
            .reduction(wgloss::Reduction::None);
        batch.dtype = dtype;
        batch
    };
    let (mse, mae) = (wgloss::Mse::default(), wgloss::Mae::default());
    // 9e38 is infinite before a weight could bring it back; or else right.
    let back = batch(3e19, 0.25, DType::F32);
    for found in [f32::INFINITY, 2.25e38] {
        let check = one(&mse, &back, [found, 1.5e19]);
        assert!(check.pass && check.unbounded == 1, "{check:?}");
    }
    assert!(!one(&mse, &back, [2.25e38, f32::INFINITY]).pass);
    // The largest f16 is a number, and what is above is none.
    let square = |x: f32| x * x;
    let largest = batch(32752.0, 1.0, DType::F16);
    assert!(one(&mse, &largest, [square(32752.0), 65504.0]).pass);
    assert!(!one(&mse, &largest, [square(32752.0), f32::INFINITY]).pass);
    let above = batch(40000.0, 1.0, DType::F16);
    assert!(one(&mse, &above, [square(40000.0), f32::INFINITY]).pass);
    assert!(!one(&mse, &above, [square(40000.0), 65504.0]).pass);
    // What is subnormal may be lost before it is weighed, and no more than that.
    let small = batch(1e-38, 4.0, DType::F32);
    assert!(one(&mae, &small, [0.0, 4.0]).pass && one(&mae, &small, [4e-38, 4.0]).pass);
    assert!(!one(&mae, &small, [1e-37, 4.0]).pass);
}

/// Infinite parts of both signs are no number together.
#[test]
fn a_sum_beyond_all_numbers_may_be_none() {
    let Some(gpu) = support::gpu() else { return };
    let mse = wgloss::Mse::default();
    let x = [0.0f32, 1.0];
    let terms = [[-3e38f32, 0.5], [3e38, 2.0]];
    let mut sum = wgloss::Combined::new();
    let slot = sum.input([2], &x);
    for target in &terms {
        let term = wgloss::CombinedTerm::new(&mse, 1.0, [slot]).target(target);
        sum.term(term.reduction(wgloss::Reduction::Sum));
    }
    let out = gpu.combined(&sum).expect("an evaluation");
    let check = verify::check_combined(&sum, &out).expect("a comparison");
    assert!(check.pass && check.unbounded > 0, "{check:?}");
}

/// One wrong number anywhere fails a check.
#[test]
fn a_check_notices_one_wrong_number() {
    let Some(gpu) = support::gpu() else { return };
    let x: Vec<f32> = (0..300).map(|i| i as f32 / 100.0 - 1.5).collect();
    let t: Vec<f32> = (0..300)
        .map(|i| ((i * 7) % 300) as f32 / 100.0 - 1.5)
        .collect();
    for reduction in [wgloss::Reduction::Mean, wgloss::Reduction::None] {
        let batch = wgloss::Batch::new([300], &x)
            .target(&t)
            .reduction(reduction);
        let huber = wgloss::Huber::default();
        let out = gpu.loss(&huber, &batch).expect("an evaluation");
        let passes = |out: &wgloss::Outcome<f32>| {
            verify::check(&huber, &batch, out)
                .expect("a comparison")
                .pass
        };
        assert!(passes(&out));
        // A bit more than the last place, a sign, a NaN.
        for wrong in [|v: f32| v * (1.0 + 1e-5), |v: f32| -v, |_| f32::NAN] {
            let mut bad = out.clone();
            bad.grads[0][299] = wrong(bad.grads[0][299]);
            assert!(!passes(&bad));
            let mut bad = out.clone();
            match &mut bad.loss {
                Some(loss) => *loss = wrong(*loss),
                None => bad.losses[1] = wrong(bad.losses[1]),
            }
            assert!(!passes(&bad));
        }
        let mut bad = out.clone();
        bad.status.valid -= 1;
        assert!(!passes(&bad));
        let mut bad = out.clone();
        bad.grads[0].pop();
        assert!(!passes(&bad));
    }
}
