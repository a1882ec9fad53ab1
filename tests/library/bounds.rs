//! Bounds of areas under curves in constant memory: the figures of the reference lie in them, and their ends are reached.

use crate::support::{self, Rng, bytes, stored, submit};
use wgloss::gpu::{BoundedScores, Gpu, Tuning, View};
use wgloss::metric::{AreaBounds, Binary, Samples};
use wgloss::{DType, Error, LabelType};

/// How far the ends of average precision may be from what is reached, as documented.
const NEAR: f64 = 1e-5;

/// The word that orders as an f32 does.
fn word_of(score: f32) -> u32 {
    let b = (score + 0.0).to_bits();
    if b >> 31 == 1 { !b } else { b | 1 << 31 }
}

/// The f32 of such a word.
fn score_of(word: u32) -> f32 {
    f32::from_bits(if word >> 31 == 1 {
        word ^ 1 << 31
    } else {
        !word
    })
}

/// Records samples in batches of `each`.
fn collect(
    gpu: &Gpu,
    state: &BoundedScores,
    dtype: DType,
    samples: &[(f32, i64)],
    each: usize,
) -> Result<(), Error> {
    let scores: Vec<f32> = samples.iter().map(|s| s.0).collect();
    let scores = support::upload(gpu, &stored(&scores, dtype));
    let labels = support::upload(
        gpu,
        &bytes(samples.iter().map(|s| (s.1 as i32).to_le_bytes())),
    );
    let view = |buffer, first: usize, len: usize, size: u64| View {
        buffer,
        offset: first as u64 * size,
        size: len as u64 * size,
    };
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    for first in (0..samples.len()).step_by(each) {
        let n = each.min(samples.len() - first);
        let s = view(&scores, first, n, dtype.size());
        let batch = state.bind(&s, &view(&labels, first, n, 4), n, Some(-1))?;
        state.update(&mut encoder, &batch)?;
    }
    gpu.queue().submit([encoder.finish()]);
    Ok(())
}

fn made(gpu: &Gpu, dtype: DType, bits: u32) -> BoundedScores {
    let state = gpu.bounded_scores(dtype, LabelType::I32, bits);
    state.expect("a state")
}

fn bounds(gpu: &Gpu, dtype: DType, bits: u32, samples: &[(f32, i64)]) -> AreaBounds {
    let state = made(gpu, dtype, bits);
    collect(gpu, &state, dtype, samples, samples.len().max(1)).expect("room");
    state.compute().expect("bounds")
}

/// The figures of the scores as they are stored: area under the ROC curve, average precision.
fn figures(dtype: DType, samples: &[(f32, i64)]) -> [Option<f64>; 2] {
    let scores: Vec<f64> = samples
        .iter()
        .map(|s| dtype.round(f64::from(s.0)))
        .collect();
    let labels: Vec<i64> = samples.iter().map(|s| s.1).collect();
    let binary = Binary {
        ignore_index: Some(-1),
        ..Default::default()
    };
    let samples = Samples::new([scores.len()], &scores).labels(&labels);
    let figures = binary.figures(&samples).expect("figures");
    [figures.roc_auc, figures.average_precision]
}

/// The least and the most of both areas, sample by sample in f64: of bins from the highest down, positive and negative samples.
fn reached(bins: &[(u64, u64)], tied: bool) -> [[f64; 2]; 2] {
    let (mut a, mut b) = (0u64, 0u64);
    let (mut pairs, mut precisions) = ([0.0; 2], [0.0; 2]);
    for &(p, n) in bins {
        let [low, high] = match tied {
            true => [0.5; 2],
            false => [0.0, 1.0],
        };
        let inside = p as f64 * n as f64;
        let above = a as f64 * n as f64;
        pairs = [
            pairs[0] + above + low * inside,
            pairs[1] + above + high * inside,
        ];
        let share = |k: u64, among: u64| (a + k) as f64 / (a + k + b + among) as f64;
        match tied {
            true => precisions = precisions.map(|sum| sum + p as f64 * share(p, n)),
            false => {
                precisions[0] += (1..=p).map(|k| share(k, n)).sum::<f64>();
                precisions[1] += if p > 0 { p as f64 * share(p, 0) } else { 0.0 };
            }
        }
        (a, b) = (a + p, b + n);
    }
    let all = a as f64 * b as f64;
    [pairs.map(|v| v / all), precisions.map(|v| v / a as f64)]
}

/// The bins that samples lie in.
fn binned(bits: u32, samples: &[(f32, i64)]) -> Vec<(u64, u64)> {
    let mut bins = std::collections::BTreeMap::new();
    for &(score, label) in samples.iter().filter(|s| s.1 >= 0) {
        let bin: &mut (u64, u64) = bins.entry(!word_of(score) >> (32 - bits)).or_default();
        bin.0 += u64::from(label == 1);
        bin.1 += u64::from(label == 0);
    }
    bins.into_values().collect()
}

/// Bounds are where the ends are reached, beyond and not within.
fn near_ends(got: &AreaBounds, want: [[f64; 2]; 2], at: &str) {
    let [auc, ap] = [got.roc_auc, got.average_precision].map(|v| v.expect("two classes"));
    for (ends, want, near) in [(auc, want[0], 4e-15), (ap, want[1], NEAR)] {
        // What the f64 sums here round, of thousands of terms.
        let own = 1e-13;
        let beyond = [want[0] - ends[0], ends[1] - want[1]];
        for (which, by) in ["low", "high"].into_iter().zip(beyond) {
            assert!(
                by > -own && by < near,
                "{at}: {which} {ends:?}, reached {want:?}"
            );
        }
        assert!(
            0.0 <= ends[0] && ends[0] <= ends[1] && ends[1] <= 1.0,
            "{at}: {ends:?}"
        );
    }
}

/// All of that, and that the figures of the scores lie inside.
fn check(gpu: &Gpu, dtype: DType, bits: u32, samples: &[(f32, i64)], at: &str) -> AreaBounds {
    let at = &format!("{at}, {dtype}, {bits} bits, {} samples", samples.len());
    let got = bounds(gpu, dtype, bits, samples);
    let stored = samples.iter();
    let stored = stored.map(|s| (dtype.round(f64::from(s.0)) as f32, s.1));
    let stored: Vec<_> = stored.collect();
    let wanted = figures(dtype, &stored);
    let ends = [got.roc_auc, got.average_precision];
    match wanted {
        [Some(_), Some(_)] => {}
        none => {
            assert_eq!((none, ends), ([None; 2], [None; 2]), "{at}");
            return got;
        }
    }
    for (want, ends) in wanted.into_iter().zip(ends) {
        let (want, ends) = (want.unwrap_or(f64::NAN), ends.unwrap_or_default());
        assert!(
            ends[0] <= want && want <= ends[1],
            "{at}: {want} in {ends:?}"
        );
    }
    // Where every bit is looked at, bins have one score. Those of an f16 are not an f32's.
    let whole = dtype != DType::F32 && bits == 16;
    match dtype {
        DType::F16 if !whole => {}
        DType::F16 => near_ends(&got, reached(&binned(32, &stored), true), at),
        _ => near_ends(&got, reached(&binned(bits, &stored), whole), at),
    }
    got
}

/// A score of every kind that is not alike.
fn kinds(n: usize) -> Vec<(&'static str, Vec<(f32, i64)>)> {
    let mut r = Rng::new("bounds");
    let odd = [
        0.0,
        -0.0,
        1e-40,
        -1e-40,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1.0,
        -1.0,
    ];
    let mut of = |f: &mut dyn FnMut(&mut Rng) -> f32| -> Vec<(f32, i64)> {
        let draw = |_| {
            let score = f(&mut r);
            let label = match r.below(16) {
                0 => -1,
                k => i64::from(f64::from(score).signum() * 2.0 + k as f64 > 8.0),
            };
            (score, label)
        };
        (0..n).map(draw).collect()
    };
    vec![
        ("spread", of(&mut |r| r.range(-4.0, 4.0) as f32)),
        ("probabilities", of(&mut |r| r.range(0.0, 1.0) as f32)),
        ("nearly 1", of(&mut |r| 1.0 - r.range(0.0, 1e-4) as f32)),
        ("ties", of(&mut |r| r.below(5) as f32 / 4.0 - 0.5)),
        ("one score", of(&mut |_| 0.25)),
        ("odd", of(&mut |r| odd[r.below(odd.len())])),
        (
            "any",
            of(&mut |r| {
                let v = f32::from_bits(r.bits() as u32);
                if v.is_nan() { 0.5 } else { v }
            }),
        ),
    ]
}

#[test]
fn areas_lie_in_their_bounds() {
    let Some(gpu) = support::gpu() else { return };
    for (tuning, sizes) in [(Tuning::Wide, &[3000][..]), (Tuning::Narrow, &[3, 3000])] {
        let gpu = gpu.with_tuning(tuning);
        for &n in sizes {
            for (what, samples) in kinds(n) {
                let at = format!("{what}, {tuning:?}");
                let widths: Vec<_> = [8, 11, 17]
                    .iter()
                    .map(|&bits| {
                        let got = check(&gpu, DType::F32, bits, &samples, &at);
                        let [low, high] = got.roc_auc.unwrap_or_default();
                        high - low
                    })
                    .collect();
                // Finer bins are parts of coarser ones.
                assert!(widths.windows(2).all(|w| w[1] <= w[0]), "{at}: {widths:?}");
                for dtype in [DType::F16, DType::Bf16] {
                    for bits in [9, 16] {
                        check(&gpu, dtype, bits, &samples, &at);
                    }
                }
            }
        }
    }
}

/// Bins whose order is all one way, as far as 32 bits tell scores apart: there the figures are those at an end.
#[test]
fn ends_are_reached() {
    let Some(gpu) = support::gpu() else { return };
    let mut r = Rng::new("ends");
    // Positive and negative samples of bins, from few to more than go one by one.
    let cases: Vec<Vec<(u64, u64)>> = vec![
        vec![(1, 1)],
        vec![(2, 0), (0, 3), (2, 1)],
        vec![(700, 1), (1, 700)],
        vec![(0, 40), (64, 0), (65, 0), (66, 5)],
        vec![(3, 2000), (3000, 0), (0, 1), (500, 500)],
        (0..40)
            .map(|_| (r.below(300) as u64, r.below(300) as u64))
            .collect(),
        (0..200)
            .map(|_| (r.below(4) as u64, r.below(9) as u64))
            .collect(),
    ];
    for bits in [8, 12, 16] {
        for (k, bins) in cases.iter().enumerate() {
            let at = format!("case {k}, {bits} bits");
            // Bins one beside the other, from 4 down to 0.
            let from = word_of(4.0) >> (32 - bits);
            let there = from - (1 << (bits - 1));
            let bins: Vec<_> = bins.iter().copied().take(there as usize).collect();
            let (mut worst, mut best) = (Vec::new(), Vec::new());
            for (b, &(p, n)) in bins.iter().enumerate() {
                let first = (from - b as u32) << (32 - bits);
                let top = first + (1 << (32 - bits)) - 1;
                // All negative samples, then positive ones one by one.
                worst.extend((0..n).map(|_| (score_of(top), 0)));
                worst.extend((0..p).map(|k| (score_of(top - 1 - k as u32), 1)));
                // All positive samples together, then negative ones.
                best.extend((0..p).map(|_| (score_of(top), 1)));
                best.extend((0..n).map(|_| (score_of(first), 0)));
            }
            for (end, samples) in [&worst, &best].into_iter().enumerate() {
                let got = check(&gpu, DType::F32, bits, samples, &at);
                let [auc, ap] = figures(DType::F32, samples).map(|v| v.expect("two classes"));
                let ends = [got.roc_auc, got.average_precision];
                let [auc_end, ap_end] = ends.map(|v| v.expect("two classes")[end]);
                assert!((auc - auc_end).abs() < 2e-16, "{at}: {auc} {auc_end}");
                assert!((ap - ap_end).abs() < NEAR, "{at}: {ap} {ap_end}");
            }
        }
    }
}

#[test]
fn what_is_in_order_is_1() {
    let Some(gpu) = support::gpu() else { return };
    // Of several workgroups' bins.
    let samples: Vec<_> = (0..2000)
        .map(|k| (k as f32 - 999.5, i64::from(k >= 1000)))
        .collect();
    for bits in [8, 16, 22] {
        let got = bounds(&gpu, DType::F32, bits, &samples);
        assert_eq!(got.roc_auc, Some([1.0; 2]));
        assert_eq!(got.average_precision, Some([1.0; 2]));
        assert_eq!((got.positives, got.negatives), (1000, 1000));
    }
}

#[test]
fn batches_merges_and_bytes_do_not_matter() {
    let Some(gpu) = support::gpu() else { return };
    let (_, samples) = kinds(5000).swap_remove(0);
    let whole = made(&gpu, DType::F32, 14);
    collect(&gpu, &whole, DType::F32, &samples, 5000).expect("room");
    let saved = whole.to_bytes().expect("bytes");
    let expected = whole.compute().expect("bounds");
    // A thousand batches.
    let pieces = made(&gpu, DType::F32, 14);
    collect(&gpu, &pieces, DType::F32, &samples, 5).expect("room");
    assert_eq!(pieces.to_bytes().expect("bytes"), saved);
    assert_eq!(pieces.compute().expect("bounds"), expected);
    // Nothing grows with what was seen: five words of what it is, eight of a head, two for each bin of a class.
    let empty = made(&gpu, DType::F32, 14);
    let none = empty.to_bytes().expect("bytes");
    assert_eq!([none.len(), saved.len()], [4 * (5 + 8) + (16 << 14); 2]);
    assert_eq!(empty.compute().expect("bounds"), AreaBounds::default());
    // Parts, in both orders.
    let parts = [&samples[..1200], &samples[1200..]].map(|part| {
        let state = made(&gpu, DType::F32, 14);
        collect(&gpu, &state, DType::F32, part, 333).expect("room");
        state
    });
    for [a, b] in [[0, 1], [1, 0]] {
        let all = made(&gpu, DType::F32, 14);
        submit(&gpu, &mut |encoder| {
            all.merge(encoder, &parts[a]).expect("alike");
            all.merge(encoder, &parts[b]).expect("alike");
        });
        assert_eq!(all.to_bytes().expect("bytes"), saved);
    }
    let loaded = made(&gpu, DType::F32, 14);
    loaded.load_bytes(&saved).expect("a saved state");
    assert_eq!(loaded.compute().expect("bounds"), expected);
    submit(&gpu, &mut |encoder| loaded.reset(encoder));
    assert_eq!(loaded.to_bytes().expect("bytes"), none);
    // Other bits and other types are other states.
    for other in [made(&gpu, DType::F32, 15), made(&gpu, DType::Bf16, 14)] {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let merged = other.merge(&mut encoder, &whole);
        assert!(matches!(merged, Err(Error::Mismatch { .. })), "{merged:?}");
        let loaded = other.load_bytes(&saved);
        assert!(matches!(loaded, Err(Error::Mismatch { .. })), "{loaded:?}");
    }
}

#[test]
fn little_is_read_back() {
    if support::gpu().is_none() {
        return;
    }
    // Of its own, so that no other test's reading is counted.
    let gpu = Gpu::new().expect("a device");
    let state = made(&gpu, DType::F32, 16);
    let samples: Vec<_> = (0..100)
        .map(|k| (k as f32, i64::from(k % 3 == 0)))
        .collect();
    let before = gpu.bytes_read();
    collect(&gpu, &state, DType::F32, &samples, 7).expect("room");
    assert_eq!(gpu.bytes_read(), before);
    state.compute().expect("bounds");
    assert_eq!(gpu.bytes_read() - before, 112);
}

/// A state doubled until there are more than 2^32 samples in a bin.
#[test]
fn counts_past_32_bits_are_bounded() {
    let Some(gpu) = support::gpu() else { return };
    let samples = [
        (2.0, 1),
        (0.5, 0),
        (0.5, 1),
        (0.625, 1),
        (0.5, 0),
        (-1.0, 1),
        (-1.0, 0),
    ];
    let [a, b] = [(); 2].map(|()| made(&gpu, DType::F32, 8));
    collect(&gpu, &a, DType::F32, &samples, 7).expect("room");
    submit(&gpu, &mut |encoder| b.merge(encoder, &a).expect("alike"));
    let mut times = 1u64;
    for _ in 0..34 {
        // a + b, where both are the same.
        submit(&gpu, &mut |encoder| a.merge(encoder, &b).expect("alike"));
        times *= 2;
        submit(&gpu, &mut |encoder| {
            b.reset(encoder);
            b.merge(encoder, &a).expect("alike");
        });
    }
    let got = a.compute().expect("bounds");
    assert_eq!((got.positives, got.negatives), (4 * times, 3 * times));
    // 0.5 and 0.625 share a bin, of 8 bits: (1, 0), (2, 2), (1, 1). Half of what is inside is the middle.
    let auc = got.roc_auc.expect("two classes");
    assert!((auc[0] - 5.0 / 12.0).abs() < 2e-16 && (auc[1] - 10.0 / 12.0).abs() < 2e-16);
    // The sum over so many is an integral: of 1 - c/x from s to s + p, in units of `times`.
    let least = |p: f64, s: f64, c: f64| p - c * ((s + p) / s).ln();
    let low = (1.0 + least(2.0, 3.0, 2.0) + least(1.0, 6.0, 3.0)) / 4.0;
    let high = (1.0 + 2.0 + 4.0 / 6.0) / 4.0;
    let ap = got.average_precision.expect("two classes");
    for (got, want) in ap.into_iter().zip([low, high]) {
        assert!((got - want).abs() < NEAR, "{ap:?}: {low} {high}");
    }
    assert!(ap[0] <= low && high <= ap[1], "{ap:?}: {low} {high}");
}

#[test]
fn what_is_no_sample_of_bins_is_named() {
    let Some(gpu) = support::gpu() else { return };
    for dtype in DType::ALL {
        let said = |samples: &[(f32, i64)]| {
            let state = made(&gpu, dtype, 10);
            collect(&gpu, &state, dtype, samples, 8).expect("room");
            match state.compute() {
                Err(Error::BadSample { what, index, .. }) => (what, index),
                other => panic!("{other:?}"),
            }
        };
        let nan = f32::NAN;
        assert_eq!(
            said(&[(0.5, 1), (nan, -1), (0.25, 0), (nan, 0)]),
            ("input", 3)
        );
        assert_eq!(said(&[(0.5, 1), (-nan, 1), (0.25, 0)]), ("input", 1));
        assert_eq!(said(&[(0.5, 1), (0.5, 2), (0.25, -7)]), ("target", 1));
    }
}

#[test]
fn bits_are_those_there_are() {
    let Some(gpu) = support::gpu() else { return };
    let of = |gpu: &Gpu, dtype, bits| gpu.bounded_scores(dtype, LabelType::U32, bits);
    let wrong = [
        (DType::F32, 7),
        (DType::F32, 23),
        (DType::F32, 32),
        (DType::F16, 17),
        (DType::Bf16, 22),
    ];
    for (dtype, bits) in wrong {
        let made = of(&gpu, dtype, bits);
        assert!(matches!(made, Err(Error::Mismatch { .. })), "{made:?}");
    }
    // 2^(bits + 4) bytes, in a binding of so many.
    let small = gpu.with_limits(1 << 16, 40);
    assert!(of(&small, DType::F32, 12).is_ok());
    let made = of(&small, DType::F32, 13);
    assert!(matches!(made, Err(Error::TooLarge { .. })), "{made:?}");
}
