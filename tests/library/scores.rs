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
        // A thousand batches.
        assert_eq!(
            areas(&gpu, &scores, &labels, types, 5).expect("areas"),
            whole
        );
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
        let wrong = |scores: &[f64], labels: &[i64]| {
            let mut state = gpu.scores(types.0, types.1, 8).expect("a state");
            collect(&gpu, &mut state, scores, labels, types, 4).expect("room");
            state
        };
        let said = |state: &ScoreState| match state.compute() {
            Err(Error::BadSample {
                what, index, found, ..
            }) => (what, index, found),
            other => panic!("{other:?}"),
        };
        let once = |what, index, n| {
            (
                what,
                index,
                match n {
                    1 => "another".to_string(),
                    _ => format!("{n} others, the first"),
                },
            )
        };
        // What is wrong with a sample is counted once, and not at all where nobody looks at it.
        let nan = wrong(&scores, &[1, -1, 0, 1]);
        assert_eq!(said(&nan), once("input", 3, 1));
        let label = wrong(&[0.5; 4], &[1, 0, 2, -7]);
        assert_eq!(said(&label), once("target", 2, 2));
        // A merged state knows the first of both, whichever took in the other.
        let sooner = wrong(&[0.5; 4], &[1, 3, 2, 0]);
        for (a, b) in [(&label, &sooner), (&sooner, &label), (&nan, &nan)] {
            let mut all = gpu.scores(types.0, types.1, 8).expect("a state");
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            all.merge(&mut encoder, a).expect("room");
            all.merge(&mut encoder, b).expect("room");
            gpu.queue().submit([encoder.finish()]);
            let expected = match std::ptr::eq(a, b) {
                true => once("input", 3, 2),
                false => once("target", 1, 4),
            };
            assert_eq!(said(&all), expected);
        }
    }
}

#[test]
fn states_merge_and_travel() {
    let Some(gpu) = support::gpu() else { return };
    for types in [(DType::F32, LabelType::I32), (DType::Bf16, LabelType::I32)] {
        let (_, scores) = kinds(6000).swap_remove(1);
        // Out of order here and there, so that no word may be missing, whatever is in its place.
        let above = |(i, s): (u32, &f64)| i64::from(s + f64::from(i % 5) / 5.0 > 0.9);
        let labels: Vec<i64> = (0..).zip(&scores).map(above).collect();
        let whole = areas(&gpu, &scores, &labels, types, 6000).expect("areas");
        let part = |range: std::ops::Range<usize>, room: usize| {
            let mut state = gpu.scores(types.0, types.1, room).expect("a state");
            let (s, l) = (&scores[range.clone()], &labels[range]);
            collect(&gpu, &mut state, s, l, types, 512).expect("room");
            state
        };
        let (a, b, c) = (
            part(0..1000, 1000),
            part(1000..1001, 5),
            part(1001..6000, 4999),
        );
        for order in [[&a, &b, &c], [&c, &a, &b]] {
            let mut all = gpu.scores(types.0, types.1, 6000).expect("a state");
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            for other in order {
                all.merge(&mut encoder, other).expect("room");
            }
            gpu.queue().submit([encoder.finish()]);
            assert_eq!((all.compute().expect("areas"), all.seen()), (whole, 6000));
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            assert!(matches!(
                all.merge(&mut encoder, &b),
                Err(Error::TooLarge { .. })
            ));
        }
        let bytes = c.to_bytes().expect("bytes");
        let mut loaded = gpu.scores(types.0, types.1, 6000).expect("a state");
        loaded.load_bytes(&bytes).expect("a saved state");
        assert_eq!(loaded.to_bytes().expect("bytes"), bytes);
        collect(
            &gpu,
            &mut loaded,
            &scores[..1001],
            &labels[..1001],
            types,
            1001,
        )
        .expect("room");
        assert_eq!(loaded.compute().expect("areas"), whole);
        // What is none changes nothing.
        let before = loaded.to_bytes().expect("bytes");
        let mut longer = bytes.clone();
        longer.extend([0; 4]);
        let mut other = bytes.clone();
        other[8] ^= 1;
        let mut magic = bytes.clone();
        magic[0] ^= 1;
        for wrong in [
            &bytes[..bytes.len() - 4],
            &bytes[..7],
            &longer,
            &other,
            &magic,
        ] {
            assert!(matches!(
                loaded.load_bytes(wrong),
                Err(Error::Mismatch { .. })
            ));
        }
        assert!(matches!(
            gpu.scores(types.0, types.1, 10)
                .expect("a state")
                .load_bytes(&bytes),
            Err(Error::TooLarge { .. })
        ));
        assert_eq!(loaded.to_bytes().expect("bytes"), before);
        // A batch goes into the state it was bound to.
        let s = support::upload(&gpu, &stored(&[0.5], types.0));
        let l = support::upload(&gpu, &labelled(&[1], types.1));
        let foreign = gpu
            .scores(types.0, types.1, 6000)
            .expect("a state")
            .bind(&View::whole(&s), &View::whole(&l), 1, None)
            .expect("bound");
        let seen = loaded.seen();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        loaded.reset(&mut encoder);
        assert!(matches!(
            loaded.update(&mut encoder, &foreign),
            Err(Error::Mismatch { .. })
        ));
        assert_eq!(loaded.seen(), 0);
        drop(encoder);
        loaded.load_bytes(&before).expect("a saved state");
        assert_eq!(loaded.seen(), seen);
        // Another storage type is another state.
        let f16 = gpu.scores(DType::F16, types.1, 10).expect("a state");
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        assert!(matches!(
            loaded.merge(&mut encoder, &f16),
            Err(Error::Mismatch { .. })
        ));
    }
}

/// One more batch after a state that was loaded with counts of 2^32 - 1.
#[test]
fn a_batch_carries_into_the_high_words() {
    let Some(gpu) = support::gpu() else { return };
    for types in [(DType::F16, LabelType::I32), (DType::Bf16, LabelType::I64)] {
        let mut state = gpu.scores(types.0, types.1, usize::MAX).expect("a state");
        let (scores, labels) = ([0.5, 0.5, 0.25, 0.5, 0.5], [1, 0, 0, 1, 1]);
        collect(&gpu, &mut state, &scores, &labels, types, 5).expect("room");
        let mut bytes = state.to_bytes().expect("bytes");
        // Three words say what it is, two what was seen, eight are the head.
        let low = bytes[4 * 13..].len() / 2;
        for count in bytes[4 * 13..][..low].as_chunks_mut::<4>().0 {
            if *count != [0; 4] {
                *count = [0xff; 4];
            }
        }
        state.load_bytes(&bytes).expect("a saved state");
        collect(&gpu, &mut state, &scores, &labels, types, 2).expect("room");
        let got = state.compute().expect("areas");
        let most = u64::from(u32::MAX);
        assert_eq!((got.positives, got.negatives), (most + 3, 2 * most + 2));
    }
}

/// Two scores, half of the samples above and half below: doubled until there are more than 2^32.
#[test]
fn counts_go_past_32_bits() {
    let Some(gpu) = support::gpu() else { return };
    let types = (DType::F16, LabelType::I32);
    let most = usize::MAX;
    let mut a = gpu.scores(types.0, types.1, most).expect("a state");
    let mut b = gpu.scores(types.0, types.1, most).expect("a state");
    collect(
        &gpu,
        &mut a,
        &[0.5, 0.5, 0.25, 0.75],
        &[1, 0, 0, 1],
        types,
        4,
    )
    .expect("room");
    let once = a.compute().expect("areas");
    for _ in 0..17 {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        b.merge(&mut encoder, &a).expect("room");
        a.merge(&mut encoder, &b).expect("room");
        gpu.queue().submit([encoder.finish()]);
    }
    let many = a.compute().expect("areas");
    let times = many.positives / once.positives;
    assert!(times > 1 << 20, "{times}");
    for _ in 0..12 {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        b.merge(&mut encoder, &a).expect("room");
        a.merge(&mut encoder, &b).expect("room");
        gpu.queue().submit([encoder.finish()]);
    }
    let many = a.compute().expect("areas");
    let times = many.positives / once.positives;
    assert!(many.positives > 1 << 33, "{many:?}");
    assert_eq!(many.negatives, once.negatives * times);
    assert_eq!(
        many.twice_pairs,
        once.twice_pairs * u128::from(times) * u128::from(times)
    );
    assert_eq!(many.roc_auc(), once.roc_auc());
    let (one, all) = (once.average_precision(), many.average_precision());
    assert!(
        one.zip(all).is_some_and(|(a, b)| (a - b).abs() < 1e-7),
        "{one:?} {all:?}"
    );
}

/// One positive sample below very many negative ones: its precision is one in many, to six digits.
#[test]
fn small_precisions_keep_their_digits() {
    let Some(gpu) = support::gpu() else { return };
    let n = 100_000;
    let scores: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let labels: Vec<i64> = (0..n).map(|i| i64::from(i == 0)).collect();
    let samples = Samples::new([n], &scores).labels(&labels);
    let figures = gpu.binary_figures(&Binary::default(), &samples);
    let found = figures.expect("figures").average_precision.expect("one");
    let want = 1.0 / n as f64;
    assert!((found - want).abs() <= 1e-6 * want, "{found} for {want}");
}
