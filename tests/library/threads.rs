//! One device, many threads: evaluations at once give what they give one after the other.

use crate::support;
use wgloss::{Batch, CrossEntropy};

#[test]
fn evaluations_at_once_do_not_disturb_each_other() {
    let Some(gpu) = support::gpu() else { return };
    let x: Vec<f32> = (0..300 * 5)
        .map(|i| ((i * 37) % 101) as f32 / 25.0)
        .collect();
    let y: Vec<i64> = (0..300).map(|i| i % 5).collect();
    let batch = Batch::new([300, 5], &x).labels(&y);
    let alone = gpu
        .loss(&CrossEntropy::default(), &batch)
        .expect("an evaluation");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let out = gpu
                        .loss(&CrossEntropy::default(), &batch)
                        .expect("an evaluation");
                    assert_eq!(out, alone);
                }
            });
        }
    });
}
