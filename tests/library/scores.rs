//! The areas under curves of scores that stay on the device, against the reference.

use crate::support::{self, Rng};
use half::{bf16, f16};
use wgloss::gpu::{Gpu, ScoreState, Tuning, View};
use wgloss::metric::{Areas, Binary, Samples};
use wgloss::{DType, Error, LabelType};

fn stored(scores: &[f64], dtype: DType) -> Vec<u8> {
    match dtype {
        DType::F32 => scores
            .iter()
            .flat_map(|&v| (v as f32).to_le_bytes())
            .collect(),
        DType::F16 => scores
            .iter()
            .flat_map(|&v| f16::from_f32(v as f32).to_le_bytes())
            .collect(),
        DType::Bf16 => scores
            .iter()
            .flat_map(|&v| bf16::from_f32(v as f32).to_le_bytes())
            .collect(),
    }
}

fn labelled(labels: &[i64], ty: LabelType) -> Vec<u8> {
    match ty {
        LabelType::I64 => labels.iter().flat_map(|l| l.to_le_bytes()).collect(),
        LabelType::I32 | LabelType::U32 => labels
            .iter()
            .flat_map(|&l| (l as i32).to_le_bytes())
            .collect(),
    }
}

/// What the device makes of scores in batches of `each`.
fn areas(
    gpu: &Gpu,
    scores: &[f64],
    labels: &[i64],
    (dtype, ty): (DType, LabelType),
    each: usize,
) -> Result<Areas, Error> {
    let mut state = gpu.scores(dtype, ty, scores.len())?;
    collect(gpu, &mut state, scores, labels, (dtype, ty), each)?;
    state.compute()
}

fn collect(
    gpu: &Gpu,
    state: &mut ScoreState,
    scores: &[f64],
    labels: &[i64],
    (dtype, ty): (DType, LabelType),
    each: usize,
) -> Result<(), Error> {
    let s = support::upload(gpu, &stored(scores, dtype));
    let l = support::upload(gpu, &labelled(labels, ty));
    let view = |buffer, first: usize, len: usize, size: u64| View {
        buffer,
        offset: first as u64 * size,
        size: len as u64 * size,
    };
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    for first in (0..scores.len()).step_by(each) {
        let n = each.min(scores.len() - first);
        let batch = state.bind(
            &view(&s, first, n, dtype.size()),
            &view(&l, first, n, ty.size()),
            n,
            Some(-1),
        )?;
        state.update(&mut encoder, &batch)?;
    }
    gpu.queue().submit([encoder.finish()]);
    Ok(())
}

/// Scores of many kinds, each with its name.
fn kinds(n: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut r = Rng::new("scores");
    let mut of = |f: &mut dyn FnMut(&mut Rng) -> f64| (0..n).map(|_| f(&mut r)).collect();
    let odd = [
        0.0,
        -0.0,
        1e-40,
        -1e-40,
        1e-45,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1.0,
        -1.0,
    ];
    vec![
        ("spread", of(&mut |r| 8.0 * r.range(0.0, 1.0) - 4.0)),
        ("probabilities", of(&mut |r| r.range(0.0, 1.0))),
        ("few", of(&mut |r| f64::from((r.bits() as u32) % 5) / 4.0)),
        ("one", of(&mut |_| 0.25)),
        (
            "crowded",
            of(&mut |r| f64::from(f32::from_bits(0x3f80_0000 + (r.bits() as u32) % 900))),
        ),
        ("odd", of(&mut |r| odd[r.below(odd.len())])),
        (
            "any",
            of(&mut |r| {
                let v = f32::from_bits((r.bits() as u32) ^ ((r.bits() as u32) << 16));
                f64::from(if v.is_nan() { 0.5 } else { v })
            }),
        ),
    ]
}

fn compare(
    gpu: &Gpu,
    what: &str,
    scores: &[f64],
    labels: &[i64],
    types: (DType, LabelType),
    each: usize,
) {
    let (dtype, _) = types;
    let rounded: Vec<f64> = scores.iter().map(|&v| dtype.round(v)).collect();
    let samples = Samples::new([scores.len()], &rounded).labels(labels);
    let binary = Binary {
        ignore_index: Some(-1),
        ..Default::default()
    };
    let want = binary.figures(&samples).expect("figures");
    let got = areas(gpu, scores, labels, types, each).expect("areas");
    let at = format!("{what}, {types:?}, {} in batches of {each}", scores.len());
    assert_eq!(
        (
            got.positives as f64,
            got.positives as f64 + got.negatives as f64
        ),
        (want.positives, want.n),
        "{at}"
    );
    // Whole numbers on both sides: nothing is rounded but the quotient.
    match (want.roc_auc, got.roc_auc()) {
        (Some(want), Some(got)) => assert!((want - got).abs() <= 4e-16, "{at}: {want} {got}"),
        (want, got) => assert_eq!(want, got, "{at}"),
    }
    // A quotient in f32 for each positive sample: 2.5 ulp by the specification, and half of one for each number in it.
    match (want.average_precision, got.average_precision()) {
        (Some(want), Some(got)) => {
            assert!(
                (want - got).abs() <= 2.5e-7 * want + 5e-10,
                "{at}: {want} {got}"
            );
        }
        (want, got) => assert_eq!(want, got, "{at}"),
    }
}

const TYPES: [(DType, LabelType); 4] = [
    (DType::F32, LabelType::I32),
    (DType::F32, LabelType::I64),
    (DType::F16, LabelType::U32),
    (DType::Bf16, LabelType::I64),
];

#[test]
fn areas_are_those_of_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for n in [1, 2, 777, 9001] {
            for (k, (what, scores)) in kinds(n).into_iter().enumerate() {
                let mut r = Rng::new("labels");
                let labels: Vec<i64> = scores
                    .iter()
                    .map(|s| match (r.bits() as u32) % 16 {
                        0 if n > 2 => -1,
                        b => i64::from(s.signum() * f64::from(b) > 6.0),
                    })
                    .collect();
                let types = TYPES[k % TYPES.len()];
                let types = match (what, types.0) {
                    // Where nothing of a u32 is -1.
                    (_, DType::F16) if labels.contains(&-1) => (DType::F16, LabelType::I32),
                    _ => types,
                };
                compare(&gpu, what, &scores, &labels, types, n);
                compare(
                    &gpu,
                    what,
                    &scores,
                    &labels,
                    (DType::F32, LabelType::I32),
                    1000,
                );
                compare(
                    &gpu,
                    what,
                    &scores,
                    &labels,
                    (DType::Bf16, LabelType::I32),
                    1000,
                );
            }
        }
    }
}

#[test]
fn one_class_has_no_area() {
    let Some(gpu) = support::gpu() else { return };
    for label in [0, 1, -1] {
        for types in [(DType::F32, LabelType::I32), (DType::F16, LabelType::I64)] {
            let got = areas(&gpu, &[0.5, 0.25, 0.75], &[label; 3], types, 3).expect("areas");
            assert_eq!((got.roc_auc(), got.average_precision()), (None, None));
        }
    }
}

#[test]
fn a_state_goes_on_after_it_was_asked_and_begins_anew() {
    let Some(gpu) = support::gpu() else { return };
    for types in [(DType::F32, LabelType::I32), (DType::F16, LabelType::I32)] {
        let (_, scores) = kinds(5000).swap_remove(0);
        let labels: Vec<i64> = (0..5000)
            .map(|i| i64::from(scores[i] + f64::from(i as u32 % 3) > 1.0))
            .collect();
        let whole = areas(&gpu, &scores, &labels, types, 5000).expect("areas");
        let mut state = gpu.scores(types.0, types.1, 6000).expect("a state");
        for half in [0..2500, 2500..5000] {
            collect(
                &gpu,
                &mut state,
                &scores[half.clone()],
                &labels[half],
                types,
                700,
            )
            .expect("room");
            state.compute().expect("areas");
        }
        // Bit for bit, whatever the batches were.
        assert_eq!(state.compute().expect("areas"), whole);
        let full = collect(&gpu, &mut state, &scores, &labels, types, 5000);
        assert!(
            matches!(full, Err(Error::TooLarge { limit: 6000, .. })),
            "{full:?}"
        );
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        state.reset(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
        collect(&gpu, &mut state, &scores, &labels, types, 5000).expect("room");
        assert_eq!(state.compute().expect("areas"), whole);
    }
}

#[test]
fn what_is_no_sample_is_named() {
    let Some(gpu) = support::gpu() else { return };
    for types in [(DType::F32, LabelType::I32), (DType::Bf16, LabelType::I64)] {
        let scores = [0.5, f64::NAN, 0.25, f64::NAN];
        match areas(&gpu, &scores, &[1, -1, 0, 1], types, 4) {
            Err(Error::BadSample {
                what: "input",
                index: 3,
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
        match areas(&gpu, &[0.5; 4], &[1, 0, 2, -7], types, 4) {
            Err(Error::BadSample {
                what: "target",
                index: 2,
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
}
