//! Every kernel of every loss on this machine's device, held against the reference over shapes, storage types, reductions,
//! weights, option corners, forced plans and extreme numbers: `wgloss verify --quick`.

use crate::support;
use wgloss::{loss, verify};

#[test]
fn every_kernel_is_within_its_bounds() {
    let Some(gpu) = support::gpu() else { return };
    let mut failures = Vec::new();
    let mut plans = std::collections::BTreeSet::new();
    let summary = verify::run(&gpu, loss::all(), true, &mut |row, _, _| {
        plans.insert(row.plan);
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
    // 20 cases a loss at the least, or something was left out.
    assert!(summary.cases > 20 * loss::all().len(), "{summary:?}");
    for plan in [
        "empty",
        "elementwise",
        "chunked elementwise",
        "workgroup",
        "chunked workgroup",
        "strided",
        "chunked strided",
    ] {
        assert!(plans.contains(plan), "no case takes the plan {plan}");
    }
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
