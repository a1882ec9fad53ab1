//! Confusion matrices and ranks that are counted on the device, against the reference.

use crate::support::{self, Rng, bytes, stored};
use wgloss::gpu::{Confusion, Gpu, Predictions, Tuning, View};
use wgloss::metric::{Cells, InputKind, Multiclass, Samples};
use wgloss::{DType, Error, LabelType};

fn labelled(labels: &[i64], ty: LabelType) -> Vec<u8> {
    match ty {
        LabelType::I64 => bytes(labels.iter().map(|l| l.to_le_bytes())),
        LabelType::I32 | LabelType::U32 => bytes(labels.iter().map(|&l| (l as i32).to_le_bytes())),
    }
}

/// What the device counts, in batches of `each` samples of `columns` numbers.
fn count(
    gpu: &Gpu,
    (predictions, input, columns): (Predictions, &[u8], usize),
    (ty, labels): (LabelType, &[i64]),
    classes: usize,
    each: usize,
) -> Result<Confusion, Error> {
    let size = input.len() as u64 / (labels.len() * columns) as u64;
    let truth = support::upload(gpu, &labelled(labels, ty));
    let input = support::upload(gpu, input);
    let state = gpu.confusion(predictions, ty, classes)?;
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    for first in (0..labels.len()).step_by(each) {
        let n = each.min(labels.len() - first);
        let view = |buffer, bytes: u64| View {
            buffer,
            offset: first as u64 * bytes,
            size: n as u64 * bytes,
        };
        let of = view(&input, columns as u64 * size);
        let batch = state.bind(&of, &view(&truth, ty.size()), n, Some(-1))?;
        state.update(&mut encoder, &batch)?;
    }
    gpu.queue().submit([encoder.finish()]);
    state.compute()
}

fn truth(rng: &mut Rng, n: usize, classes: usize) -> Vec<i64> {
    let one = |rng: &mut Rng| match rng.once_in(9) {
        true => -1,
        false => rng.below(classes) as i64,
    };
    (0..n).map(|_| one(rng)).collect()
}

#[test]
fn counts_are_those_of_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("confusion");
    for tuning in Tuning::ALL {
        let gpu = gpu.with_tuning(tuning);
        for (turn, (n, classes)) in [(1, 1), (5, 2), (3000, 2), (2500, 10), (700, 50), (90, 300)]
            .into_iter()
            .enumerate()
        {
            let labels = truth(&mut rng, n, classes);
            // Few different scores, so that many are equal.
            let scores: Vec<f32> = (0..n * classes)
                .map(|_| rng.range(-3.0, 3.0).round() as f32 / 2.0)
                .collect();
            let scores: Vec<f32> = scores
                .iter()
                .map(|&s| if s == 0.0 { -s } else { s })
                .collect();
            let samples = Samples::new([n, classes], &scores).labels(&labels);
            let all: Vec<usize> = (1..=classes).collect();
            let asked = Multiclass {
                top_k: all,
                ignore_index: Some(-1),
                ..Default::default()
            };
            let want = asked.figures(&samples).expect("figures");
            let dtype = DType::ALL[turn % 3];
            let ty = [LabelType::I32, LabelType::I64][turn % 2];
            for each in [n, 97, n.div_ceil(1000)] {
                let of = (
                    Predictions::Scores(dtype),
                    &stored(&scores, dtype)[..],
                    classes,
                );
                let got = count(&gpu, of, (ty, &labels), classes, each).expect("counts");
                let at = format!("{n} samples of {classes} classes, {dtype} in batches of {each}");
                assert_eq!(got.matrix, want.confusion_matrix, "{at}");
                let mut hits = 0;
                for (rank, (k, share)) in got.ranks.iter().zip(&want.top_k) {
                    hits += rank;
                    let share = share.unwrap_or(0.0) * want.n;
                    assert!((hits as f64 - share).abs() < 1e-6, "{at}: top-{k}");
                }
            }
            let predicted: Vec<i64> = (0..n).map(|_| rng.below(classes) as i64).collect();
            let samples = Samples::predicted([n], &predicted).labels(&labels);
            let asked = Multiclass {
                input: InputKind::Labels,
                classes: Some(classes),
                ignore_index: Some(-1),
                ..Default::default()
            };
            let want = asked.figures(&samples).expect("figures");
            let own = LabelType::ALL[turn % 3];
            let of = (Predictions::Labels(own), &labelled(&predicted, own)[..], 1);
            let got = count(&gpu, of, (ty, &labels), classes, 800).expect("counts");
            assert_eq!(
                got.matrix, want.confusion_matrix,
                "{n} labels of {classes} classes"
            );
            assert!(got.ranks.is_empty());
        }
    }
}

#[test]
fn what_is_no_prediction_is_named() {
    let Some(gpu) = support::gpu() else { return };
    let scores = [0.5, 0.25, 1.0, f32::NAN, 0.0, f32::NAN];
    let of = |s: &[f32]| stored(s, DType::F32);
    let kind = Predictions::Scores(DType::F32);
    let got = |labels: [i64; 3]| {
        count(
            &gpu,
            (kind, &of(&scores), 2),
            (LabelType::I32, &labels),
            2,
            3,
        )
    };
    // Nobody looks at a row that does not count.
    assert!(got([1, -1, -1]).is_ok());
    assert!(matches!(
        got([1, -1, 0]),
        Err(Error::BadSample {
            what: "input",
            index: 5,
            ..
        })
    ));
    assert!(matches!(
        got([1, 2, -3]),
        Err(Error::BadSample {
            what: "target",
            index: 1,
            ..
        })
    ));
    let predicted = labelled(&[0, 1, 7], LabelType::I64);
    let of = (Predictions::Labels(LabelType::I64), &predicted[..], 1);
    assert!(matches!(
        count(&gpu, of, (LabelType::I32, &[0, 1, 1]), 2, 3),
        Err(Error::BadSample {
            what: "input",
            index: 2,
            ..
        })
    ));
    assert!(matches!(
        gpu.confusion(kind, LabelType::I32, 0),
        Err(Error::Mismatch { .. })
    ));
    assert!(matches!(
        gpu.confusion(kind, LabelType::I32, 1 << 20),
        Err(Error::TooLarge { .. })
    ));
}

/// Of a label that is none and of a prediction that is none: each is still known where a state was loaded or merged.
#[test]
fn what_was_named_travels() {
    let Some(gpu) = support::gpu() else { return };
    let ty = LabelType::I32;
    for (predicted, truth, said, at) in [
        ([0i64, 1, 7, 0], [0i64, 1, 1, 0], "input", 2),
        ([0, 1, 1, 0], [0, 5, 1, 0], "target", 1),
    ] {
        let of = |labels: &[i64]| support::upload(&gpu, &labelled(labels, ty));
        let (p, t) = (of(&predicted), of(&truth));
        let state = || {
            gpu.confusion(Predictions::Labels(ty), ty, 2)
                .expect("a state")
        };
        let [bad, merged, loaded] = [state(), state(), state()];
        let batch = bad.bind(&View::whole(&p), &View::whole(&t), 4, None);
        let batch = batch.expect("bound");
        support::submit(&gpu, &mut |e| {
            bad.update(e, &batch).expect("its own");
            merged.merge(e, &bad).expect("the same kind");
        });
        let saved = bad.to_bytes().expect("bytes");
        loaded.load_bytes(&saved).expect("a saved state");
        for state in [&bad, &merged, &loaded] {
            match state.compute() {
                Err(Error::BadSample { what, index, .. }) => assert_eq!((what, index), (said, at)),
                other => panic!("{other:?}"),
            }
        }
        // Nor is anything left of it, in any word, where a state begins anew.
        support::submit(&gpu, &mut |e| loaded.reset(e));
        let none = state().to_bytes().expect("bytes");
        assert_eq!(loaded.to_bytes().expect("bytes"), none);
    }
}

#[test]
fn states_merge_travel_and_count_past_32_bits() {
    let Some(gpu) = support::gpu() else { return };
    let labels = [0i64, 1, 2, 1, 0, 2, 2];
    let predicted = labelled(&[0, 1, 1, 1, 2, 2, 2], LabelType::I32);
    let kind = Predictions::Labels(LabelType::I32);
    let p = support::upload(&gpu, &predicted);
    let l = support::upload(&gpu, &labelled(&labels, LabelType::I64));
    let state = || gpu.confusion(kind, LabelType::I64, 3).expect("a state");
    let (a, b) = (state(), state());
    let batch = a
        .bind(&View::whole(&p), &View::whole(&l), 7, None)
        .expect("bound");
    let submit = |record: &mut dyn FnMut(&mut wgloss::wgpu::CommandEncoder)| {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        record(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
    };
    submit(&mut |e| a.update(e, &batch).expect("its own batch"));
    let once = a.compute().expect("counts").matrix;
    // Doubled 34 times.
    for _ in 0..17 {
        submit(&mut |e| {
            b.reset(e);
            b.merge(e, &a).expect("the same kind");
            a.merge(e, &b).expect("the same kind");
            b.reset(e);
            b.merge(e, &a).expect("the same kind");
            a.merge(e, &b).expect("the same kind");
        });
    }
    let many = a.compute().expect("counts").matrix;
    let (Cells::Counts(one), Cells::Counts(all)) = (once.cells(), many.cells()) else {
        panic!("weights");
    };
    assert!(all.iter().zip(one).all(|(a, o)| *a == o << 34), "{all:?}");
    let bytes = a.to_bytes().expect("bytes");
    let c = state();
    c.load_bytes(&bytes).expect("a saved state");
    assert_eq!(c.compute().expect("counts").matrix, many);
    let mut other = bytes.clone();
    other[8] ^= 1;
    for wrong in [&bytes[4..], &bytes[..bytes.len() - 4], &other, &bytes[..3]] {
        assert!(matches!(c.load_bytes(wrong), Err(Error::Mismatch { .. })));
    }
    assert_eq!(c.compute().expect("counts").matrix, many);
    let wider = gpu.confusion(kind, LabelType::I64, 4).expect("a state");
    let of_scores = gpu
        .confusion(Predictions::Scores(DType::F32), LabelType::I64, 3)
        .expect("a state");
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    // Of other classes, of another kind, itself: nothing is added.
    for (state, other) in [(&wider, &c), (&of_scores, &c), (&c, &wider), (&c, &c)] {
        assert!(matches!(
            state.merge(&mut encoder, other),
            Err(Error::Mismatch { .. })
        ));
    }
    // The batch is one of `a`.
    assert!(matches!(
        c.update(&mut encoder, &batch),
        Err(Error::Mismatch { .. })
    ));
    gpu.queue().submit([encoder.finish()]);
    assert_eq!(c.compute().expect("counts").matrix, many);
}

/// 63 classes have 63 · 64 counts, and no room is left behind the last: samples of the last class, which all others go before.
#[test]
fn the_last_count_is_one_like_others() {
    let Some(gpu) = support::gpu() else { return };
    let (n, classes) = (3, 63);
    let scores: Vec<f32> = (0..n * classes).map(|i| -((i % classes) as f32)).collect();
    let scores = support::upload(&gpu, &stored(&scores, DType::F32));
    let truth = support::upload(&gpu, &labelled(&vec![62; n], LabelType::I32));
    let of = Predictions::Scores(DType::F32);
    let state = || gpu.confusion(of, LabelType::I32, classes).expect("a state");
    let [a, b, c] = [state(), state(), state()];
    let batch = a.bind(&View::whole(&scores), &View::whole(&truth), n, None);
    let batch = batch.expect("bound");
    support::submit(&gpu, &mut |e| {
        a.update(e, &batch).expect("its own");
        b.merge(e, &a).expect("the same kind");
        b.merge(e, &a).expect("the same kind");
    });
    c.load_bytes(&b.to_bytes().expect("bytes"))
        .expect("a saved state");
    for (state, times) in [(&a, 1), (&b, 2), (&c, 2)] {
        let got = state.compute().expect("counts");
        let samples = times * n as u64;
        assert_eq!(got.matrix.get(62, 0), Some(samples as f64));
        assert_eq!(got.ranks.last(), Some(&samples));
        assert_eq!(got.ranks.iter().sum::<u64>(), samples);
    }
    // What is begun anew has nothing left of it, in any word.
    let none = state().to_bytes().expect("bytes");
    support::submit(&gpu, &mut |e| c.reset(e));
    assert_eq!(c.to_bytes().expect("bytes"), none);
}

/// One more batch after a state that was loaded with counts of 2^32 - 1: of few classes, which a workgroup counts first, and
/// of many.
#[test]
fn a_batch_carries_into_the_high_words() {
    let Some(gpu) = support::gpu() else { return };
    for classes in [3, 60] {
        let kind = Predictions::Labels(LabelType::U32);
        let state = gpu
            .confusion(kind, LabelType::U32, classes)
            .expect("a state");
        let all = support::upload(&gpu, &labelled(&[2; 7], LabelType::U32));
        let batch = state
            .bind(&View::whole(&all), &View::whole(&all), 7, None)
            .expect("bound");
        let mut bytes = state.to_bytes().expect("bytes");
        // Five words say what it is, eight are the head.
        let cell = 4 * (13 + 2 * classes + 2);
        bytes[cell..cell + 4].fill(0xff);
        state.load_bytes(&bytes).expect("a saved state");
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        state.update(&mut encoder, &batch).expect("its own batch");
        gpu.queue().submit([encoder.finish()]);
        let got = state.compute().expect("counts").matrix;
        let Cells::Counts(cells) = got.cells() else {
            panic!("weights");
        };
        assert_eq!(cells[2 * classes + 2], u64::from(u32::MAX) + 7);
        assert_eq!(cells.iter().sum::<u64>(), u64::from(u32::MAX) + 7);
    }
}
