//! What is asked of rows of logits one by one, on this machine's device, against f64.

use crate::embedding::{bytes, label_bytes, numbers};
use crate::support::{self, Recipe, Rng};
use wgloss::gpu::{RowOutputsIo, View};
use wgloss::reference::{self, RowOutputs};
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Error, Gpu, LabelType, Layout, Target, verify, wgpu,
};

/// All outputs of a batch on a device, everything in one buffer at odd places.
fn found(gpu: &Gpu, loss: &CrossEntropy, batch: &Batch<'_>) -> Result<RowOutputs, Error> {
    let mut pool = vec![0xa5u8; 12];
    let mut put = |content: &[u8], step: usize| {
        let mut offset = (pool.len() + 5).next_multiple_of(step);
        if offset.is_multiple_of(2 * step) {
            offset += step;
        }
        pool.resize(offset, 0xa5);
        pool.extend_from_slice(content);
        (offset as u64, content.len() as u64)
    };
    let input = put(
        &bytes(&batch.inputs[0], batch.dtype),
        batch.dtype.size() as usize,
    );
    let target = match &batch.target {
        Some(Target::Labels(l)) => Some(put(&label_bytes(l), l.label_type().size() as usize)),
        _ => None,
    };
    let layout = match target {
        Some(_) => batch.layout(loss)?,
        None => Layout {
            class_axis: batch.class_axis,
            dtype: batch.dtype,
            ..Layout::new(batch.shape.clone())
        },
    };
    let rows = reference::row_outputs(loss, batch)?.argmax.len();
    let outputs: Vec<_> = (0..4).map(|_| put(&vec![0x5a; 4 * rows], 4)).collect();
    pool.resize(pool.len().next_multiple_of(4) + 4, 0xa5);
    let before = pool.clone();
    let buffer = support::upload(gpu, &pool);
    let view = |(offset, size): (u64, u64)| View {
        buffer: &buffer,
        offset,
        size,
    };
    let io = RowOutputsIo {
        target: target.map(view),
        log_sum_exp: Some(view(outputs[0])),
        log_prob: target.map(|_| view(outputs[1])),
        entropy: Some(view(outputs[2])),
        argmax: Some(view(outputs[3])),
        ..RowOutputsIo::new(view(input))
    };
    let bound = gpu.plan_row_outputs(loss, &layout)?.bind(&io)?;
    support::submit(gpu, &mut |encoder| {
        bound.encode(encoder);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        bound.record(&mut pass);
    });
    let after = support::download(gpu, &buffer);
    let inside = |i: usize| {
        let asked = [true, target.is_some(), true, true];
        let places = outputs.iter().zip(asked).filter(|(_, asked)| *asked);
        places
            .into_iter()
            .any(|((at, n), _)| (*at..at + n).contains(&(i as u64)))
    };
    let touched = (0..before.len()).find(|&i| before[i] != after[i] && !inside(i));
    assert_eq!(touched, None, "a byte of nobody's is written");
    let words = |(at, n): (u64, u64)| {
        let of = &after[at as usize..(at + n) as usize];
        numbers(of, DType::F32)
    };
    let wide = |k: usize| words(outputs[k]).into_iter().map(f64::from).collect();
    Ok(RowOutputs {
        log_sum_exp: wide(0),
        log_prob: match target {
            Some(_) => wide(1),
            None => vec![0.0; rows],
        },
        entropy: wide(2),
        argmax: words(outputs[3]).into_iter().map(f32::to_bits).collect(),
    })
}

#[test]
fn rows_are_those_of_f64() {
    let Some(gpu) = support::gpu() else { return };
    // In chunks too.
    let small = gpu.with_limits(1 << 14, 40);
    let mut rng = Rng::new("row outputs");
    let mut turn = 0;
    for (shape, axis) in [
        (vec![1], ClassAxis::Last),
        (vec![37, 1], ClassAxis::Last),
        (vec![130, 10], ClassAxis::Last),
        (vec![50, 33], ClassAxis::Last),
        (vec![9, 64], ClassAxis::Last),
        (vec![300, 71], ClassAxis::Last),
        (vec![3, 5, 3001], ClassAxis::Last),
        (vec![7, 5, 3], ClassAxis::One),
        (vec![4, 70, 9], ClassAxis::One),
        (vec![2, 1500, 3], ClassAxis::One),
    ] {
        for loss in [
            CrossEntropy::default(),
            CrossEntropy {
                softcap: 3.0,
                temperature: 0.5,
                ignore_index: 0,
                ..Default::default()
            },
        ] {
            turn += 1;
            let recipe = Recipe {
                class_axis: axis,
                labels: Some(LabelType::ALL[turn % 3]),
                dtype: DType::ALL[turn / 2 % 3],
                wide: turn % 2 == 0,
                ..Recipe::new(shape.clone())
            };
            let mut batch = support::batch(&loss, &recipe, &mut rng);
            if turn % 5 == 0 {
                batch.target = None;
            }
            let on = match turn % 3 == 0 && shape.iter().product::<usize>() > 4000 {
                true => &small,
                false => &gpu,
            };
            let found = found(on, &loss, &batch).unwrap_or_else(|e| panic!("{recipe:?}: {e}"));
            let check = verify::check_row_outputs(&loss, &batch, &found).expect("a comparison");
            assert!(check.pass, "{loss:?}, {recipe:?}: {check:?}");
        }
    }
}

#[test]
fn numbers_that_are_not_finite_have_their_rows() {
    let Some(gpu) = support::gpu() else { return };
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let rows: [[f32; 4]; 12] = [
        [1.0, -inf, 1.0, 0.5],
        [-inf, -inf, -inf, -inf],
        [-inf, -inf, -3.0, -inf],
        [2.0, inf, 3.0, inf],
        [f32::MAX, 1.0, inf, 2.0],
        [1.0, nan, 2.0, 3.0],
        [nan, inf, -inf, 0.0],
        [f32::MAX, f32::MAX, -f32::MAX, 0.0],
        [-f32::MAX, -f32::MAX, -f32::MAX, -f32::MAX],
        [0.0, -0.0, 1e-40, 1e-41],
        [-1e-40, -1e-41, -1.0, -2.0],
        [100.0, 0.0, -100.0, -1e30],
    ];
    let labels: Vec<i64> = vec![1, 0, 2, 0, 2, 0, 3, 2, 3, 0, -100, 9];
    for dtype in DType::ALL {
        let logits: Vec<f32> = rows.iter().flatten().copied().collect();
        let batch = Batch::new([12, 4], logits)
            .labels(labels.clone())
            .dtype(dtype);
        let loss = CrossEntropy::default();
        let found = found(&gpu, &loss, &batch).expect("evaluated");
        let check = verify::check_row_outputs(&loss, &batch, &found).expect("a comparison");
        assert!(check.pass, "{dtype}: {check:?}");
        // Ignored, and out of range.
        assert_eq!(found.log_prob[10..], [0.0, 0.0]);
    }
}

#[test]
fn the_check_sees_one_wrong_number() {
    let batch = Batch::new([2, 3], vec![0.5f32, 1.0, -2.0, 3.0, 0.0, 0.25]).labels(vec![1i64, 0]);
    let loss = CrossEntropy::default();
    let (same, bounds) = reference::row_outputs_with_bounds(&loss, &batch).expect("good");
    let said = |found: &RowOutputs| {
        let check = verify::check_row_outputs(&loss, &batch, found).expect("a comparison");
        assert_eq!(check.pass, check.complaint.is_none());
        check.complaint
    };
    assert_eq!(said(&same), None);
    // Further off than the bound by more than f32 rounds.
    type Spoil = fn(&mut RowOutputs, &RowOutputs);
    let spoil: [(&str, Spoil); 6] = [
        ("log_sum_exp[1]", |r, b| {
            r.log_sum_exp[1] += 2.0 * b.log_sum_exp[1]
        }),
        ("log_prob[1]", |r, b| r.log_prob[1] -= 2.0 * b.log_prob[1]),
        ("entropy[1]", |r, b| r.entropy[1] += 2.0 * b.entropy[1]),
        ("entropy[0]", |r, _| r.entropy[0] = f64::NAN),
        ("argmax[1]", |r, _| r.argmax[1] = 2),
        ("2 classes, found 1", |r, _| r.argmax.truncate(1)),
    ];
    for (what, spoil) in spoil {
        let mut off = same.clone();
        spoil(&mut off, &bounds);
        let said = said(&off).expect("found");
        assert!(said.contains(what), "{said}");
    }
    for bounds in [bounds.log_sum_exp, bounds.log_prob, bounds.entropy] {
        assert!(bounds[1] < 1e-4, "{}", bounds[1]);
    }
    // Of two logits that a softcap takes close to one another either may be the largest, of others not.
    let capped = CrossEntropy {
        softcap: 2.0,
        ..Default::default()
    };
    let close = Batch::new([2, 3], vec![30.0f32, 1.0, 30.5, 3.0, 0.0, 0.25]);
    let (_, bounds) = reference::row_outputs_with_bounds(&capped, &close).expect("good");
    assert_eq!(bounds.argmax, [1, 0]);
}

#[test]
fn wrong_views_of_rows_are_typed_errors() {
    let Some(gpu) = support::gpu() else { return };
    let layout = Layout::new([4, 3]);
    let loss = CrossEntropy::default();
    let plan = gpu.plan_row_outputs(&loss, &layout).expect("planned");
    let logits = support::upload(&gpu, &[0; 48]);
    let out = support::upload(&gpu, &[0; 16]);
    let good = RowOutputsIo {
        entropy: Some(View::whole(&out)),
        ..RowOutputsIo::new(View::whole(&logits))
    };
    plan.bind(&good).expect("bound");
    let part = |buffer, offset, size| View {
        buffer,
        offset,
        size,
    };
    let foreign = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let bad = [
        (
            "at least one output",
            RowOutputsIo {
                entropy: None,
                ..good
            },
        ),
        (
            "48 bytes",
            RowOutputsIo {
                input: part(&logits, 0, 44),
                ..good
            },
        ),
        (
            "16 bytes",
            RowOutputsIo {
                entropy: Some(part(&out, 4, 12)),
                ..good
            },
        ),
        (
            "a multiple of 4",
            RowOutputsIo {
                entropy: Some(part(&logits, 2, 16)),
                ..good
            },
        ),
        (
            "apart",
            RowOutputsIo {
                entropy: Some(part(&logits, 32, 16)),
                ..good
            },
        ),
        (
            "apart",
            RowOutputsIo {
                log_sum_exp: Some(View::whole(&out)),
                ..good
            },
        ),
        (
            "class indices",
            RowOutputsIo {
                log_prob: Some(View::whole(&out)),
                entropy: None,
                ..good
            },
        ),
        (
            "expected none, found one",
            RowOutputsIo {
                target: Some(View::whole(&out)),
                ..good
            },
        ),
        (
            "usage",
            RowOutputsIo {
                argmax: Some(View::whole(&foreign)),
                ..good
            },
        ),
    ];
    for (what, io) in bad {
        match plan.bind(&io) {
            Err(e @ Error::Mismatch { .. }) => {
                assert!(e.to_string().contains(what), "{what} in {e}")
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    let values = Layout {
        target: wgloss::TargetLayout::Values(DType::F32),
        ..Layout::new([4, 3])
    };
    assert!(gpu.plan_row_outputs(&loss, &values).is_err());
    let wide = Layout::new([1, 4_000_000]);
    let e = gpu.plan_row_outputs(&loss, &wide).expect_err("too wide");
    assert!(
        matches!(
            e,
            Error::TooLarge {
                limit: 3_840_000,
                ..
            }
        ),
        "{e}"
    );
}
