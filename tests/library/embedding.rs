//! The library as a guest: plans on buffers that belong to somebody else, in a device that does.

use crate::support::{self, Recipe, Rng};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wgloss::gpu::{Bound, InPlaceIo, Io, Plan, PlanKind, View};
use wgloss::loss::{Loss, OptionKind, OptionValue};
use wgloss::wgpu;
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Error, Family, Gpu, LabelType, Labels, Layout, Mse,
    Outcome, Reduction, Status, Target, Values, WeightLayout,
};

/// The bytes of numbers as `dtype` holds them.
pub fn bytes(values: &Values<'_>, dtype: DType) -> Vec<u8> {
    match values.rounded(dtype) {
        Values::F32(v) => bytemuck::cast_slice(&v).to_vec(),
        Values::F16(v) => bytemuck::cast_slice(&v).to_vec(),
        Values::Bf16(v) => bytemuck::cast_slice(&v).to_vec(),
        Values::F64(_) => unreachable!("rounded to a storage type"),
    }
}

pub fn label_bytes(labels: &Labels<'_>) -> Vec<u8> {
    match labels {
        Labels::I32(v) => bytemuck::cast_slice(v).to_vec(),
        Labels::U32(v) => bytemuck::cast_slice(v).to_vec(),
        Labels::I64(v) => bytemuck::cast_slice(v).to_vec(),
    }
}

/// What fills a pool before anything is in it.
pub fn canary(i: usize) -> u8 {
    (i * 37 % 251) as u8 ^ 0xa5
}

/// A tensor in a pool: where it begins, and how many bytes it has.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub offset: usize,
    pub len: usize,
}

/// All tensors of a batch in one run of bytes, with gaps between them and every offset as odd as it may be.
pub struct Pool {
    pub bytes: Vec<u8>,
    pub inputs: Vec<Place>,
    pub target: Option<Place>,
    pub weight: Option<Place>,
    pub class_weight: Option<Place>,
    pub grads: Vec<Place>,
    pub losses: Option<Place>,
}

impl Pool {
    /// With inputs at least at every `input_step` bytes.
    pub fn new(loss: &dyn Loss, batch: &Batch<'_>, input_step: usize) -> Self {
        let layout = batch.layout(loss).expect("good");
        let g = layout.check(loss).expect("good");
        let mut bytes_: Vec<u8> = (0..12).map(canary).collect();
        // The next multiple of `step` that is not one of 2·step, after a gap.
        let mut put = |content: &[u8], step: usize| {
            let mut offset = (bytes_.len() + 5).next_multiple_of(step);
            if offset.is_multiple_of(2 * step) {
                offset += step;
            }
            bytes_.extend((bytes_.len()..offset).map(canary));
            bytes_.extend_from_slice(content);
            Place {
                offset,
                len: content.len(),
            }
        };
        let size = batch.dtype.size() as usize;
        let inputs = batch.inputs.iter();
        let inputs = inputs.map(|v| put(&bytes(v, batch.dtype), size.max(input_step)));
        let inputs = inputs.collect();
        let target = batch.target.as_ref().map(|t| match t {
            Target::Values(v) => put(&bytes(v, batch.dtype), size),
            Target::Labels(l) => put(&label_bytes(l), l.label_type().size() as usize),
        });
        let mut weights =
            |v: &Option<Values<'_>>| v.as_ref().map(|v| put(&bytes(v, DType::F32), 4));
        let weight = weights(&batch.weight);
        let class_weight = batch.class_weight.as_ref().map(|w| match w {
            wgloss::ClassWeight::Values(v) => v.clone(),
            wgloss::ClassWeight::Balanced => panic!("a recipe has numbers"),
        });
        let class_weight = weights(&class_weight);
        let units = match loss.info().family {
            Family::Elementwise => g.elements,
            Family::Sets if loss.whole() => 1,
            Family::Rows | Family::Sets => g.rows,
        };
        // What is written to starts out as canaries too.
        let blank = |n: usize| -> Vec<u8> { (0..n).map(canary).collect() };
        let grads = (0..batch.inputs.len()).filter(|_| batch.gradient);
        let grads = grads.map(|_| put(&blank(g.elements * size), 4)).collect();
        let each = batch.reduction == Reduction::None && !loss.whole();
        let losses = each.then(|| put(&blank(4 * units), 4));
        // Whole words, and some bytes that belong to nobody.
        let end = (bytes_.len() + 9).next_multiple_of(4);
        bytes_.extend((bytes_.len()..end).map(canary));
        Pool {
            bytes: bytes_,
            inputs,
            target,
            weight,
            class_weight,
            grads,
            losses,
        }
    }

    pub fn io<'a>(&self, buffer: &'a wgpu::Buffer) -> Io<'a> {
        let view = |p: &Place| View {
            buffer,
            offset: p.offset as u64,
            size: p.len as u64,
        };
        Io {
            inputs: self.inputs.iter().map(view).collect(),
            target: self.target.as_ref().map(view),
            weight: self.weight.as_ref().map(view),
            class_weight: self.class_weight.as_ref().map(view),
            grads: self.grads.iter().map(view).collect(),
            loss: None,
            losses: self.losses.as_ref().map(view),
            upstream: None,
            normalizer: None,
        }
    }
}

pub fn numbers(bytes: &[u8], dtype: DType) -> Vec<f32> {
    let halves = |f: fn(u16) -> f32| -> Vec<f32> {
        let pairs = bytes.chunks_exact(2);
        pairs.map(|b| f(u16::from_le_bytes([b[0], b[1]]))).collect()
    };
    match dtype {
        DType::F32 => {
            let words = bytes.chunks_exact(4);
            words
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect()
        }
        DType::F16 => halves(|b| half::f16::from_bits(b).to_f32()),
        DType::Bf16 => halves(|b| half::bf16::from_bits(b).to_f32()),
    }
}

pub fn run(gpu: &Gpu, bound: &Bound) -> (Option<f32>, Status) {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    bound.encode(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    bound.report().expect("a report")
}

/// The first byte of `after` that is not that of `before` outside of the places that may be written to.
pub fn touched(before: &[u8], after: &[u8], writable: &[Place]) -> Option<usize> {
    let inside = |i: usize| {
        writable
            .iter()
            .any(|p| (p.offset..p.offset + p.len).contains(&i))
    };
    assert_eq!(before.len(), after.len());
    (0..before.len()).find(|&i| before[i] != after[i] && !inside(i))
}

/// Evaluates `batch` with every tensor in one buffer, and compares with buffers of their own.
fn pooled(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'static>) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    let expected = gpu.loss(loss, batch).map_err(text)?;
    let layout = batch.layout(loss).map_err(text)?;
    let plan = gpu.plan(loss, &layout).map_err(text)?;
    let pool = Pool::new(loss, batch, 1);
    let buffer = support::upload(gpu, &pool.bytes);
    let bound = plan.bind(&pool.io(&buffer)).map_err(text)?;
    agrees(
        gpu,
        &bound,
        &pool,
        &buffer,
        &pool.grads,
        batch.dtype,
        &expected,
    )
}

/// Evaluates what is bound to a pool, with gradients at `grads`: the same bits as expected, and nothing else written to.
fn agrees(
    gpu: &Gpu,
    bound: &Bound,
    pool: &Pool,
    buffer: &wgpu::Buffer,
    grads: &[Place],
    dtype: DType,
    expected: &Outcome<f32>,
) -> Result<(), String> {
    let (loss, status) = run(gpu, bound);
    let after = support::download(gpu, buffer);
    let at = |p: &Place, dtype| numbers(&after[p.offset..p.offset + p.len], dtype);
    let losses = pool.losses.as_ref().map(|p| at(p, DType::F32));
    let found = Outcome {
        loss,
        losses: losses.unwrap_or_default(),
        grads: grads.iter().map(|p| at(p, dtype)).collect(),
        status,
    };
    if found.status != expected.status {
        return Err(format!(
            "status {:?}, pooled {:?}",
            expected.status, found.status
        ));
    }
    if support::bits(&found) != support::bits(expected) {
        return Err("other bits than with buffers of their own".into());
    }
    let mut writable = grads.to_vec();
    writable.extend(pool.losses);
    match touched(&pool.bytes, &after, &writable) {
        None => Ok(()),
        Some(i) => Err(format!(
            "byte {i} of {} is written to; gradients and losses are {writable:?}",
            after.len()
        )),
    }
}

#[test]
fn all_tensors_may_lie_in_one_buffer() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    for (turn, info) in wgloss::loss::all().iter().enumerate() {
        let mut rng = Rng::new(info.name);
        // Odd numbers of elements, so that 16-bit gradients end inside a word.
        for (k, (shape, axis)) in [
            (vec![3, 5, 7], ClassAxis::Last),
            (vec![3, 5, 7], ClassAxis::One),
            (vec![37], ClassAxis::Last),
        ]
        .into_iter()
        .enumerate()
        {
            let dtype = DType::ALL[(turn + k) % 3];
            let targets = support::targets(info);
            let weights = support::weights(info);
            let recipe = Recipe {
                class_axis: axis,
                labels: targets[rng.below(targets.len())].map(|_| LabelType::ALL[rng.below(3)]),
                weight: weights[rng.below(weights.len())],
                class_weight: info.class_weight && rng.once_in(2),
                reduction: Reduction::ALL[rng.below(5)],
                dtype,
                ..Recipe::new(shape)
            };
            let samples = support::option_samples(info, recipe.geometry().cols);
            let loss = &*samples[rng.below(samples.len())];
            let batch = support::batch(loss, &recipe, &mut rng);
            let result = pooled(&gpu, loss, &batch);
            wrong.extend(result.err().map(|e| format!("{loss:?}, {recipe:?}: {e}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Evaluates `batch` over its inputs, everything in one buffer, and compares with a gradient of its own.
fn over_inputs(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'static>) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    let layout = batch.layout(loss).map_err(text)?;
    let plan = gpu.plan_in_place(loss, &layout).map_err(text)?;
    let kind = PlanKind::ALL
        .into_iter()
        .find(|k| plan.name() == k.name())
        .ok_or(plan.name())?;
    // A row with a label is not split here.
    let expected = gpu.with_plan(kind).loss(loss, batch).map_err(text)?;
    let pool = Pool::new(loss, batch, 4);
    let buffer = support::upload(gpu, &pool.bytes);
    let Io {
        inputs,
        target,
        weight,
        class_weight,
        losses,
        ..
    } = pool.io(&buffer);
    let io = InPlaceIo {
        inputs,
        target,
        weight,
        class_weight,
        loss: None,
        losses,
        upstream: None,
        normalizer: None,
    };
    let bound = plan.bind(&io).map_err(text)?;
    agrees(
        gpu,
        &bound,
        &pool,
        &buffer,
        &pool.inputs,
        batch.dtype,
        &expected,
    )
}

#[test]
fn a_gradient_may_take_the_place_of_its_input() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (turn, info) in wgloss::loss::all().iter().enumerate() {
        let mut rng = Rng::new(info.name);
        for (k, (shape, axis)) in [
            (vec![7, 41], ClassAxis::Last),
            (vec![40, 10], ClassAxis::Last),
            (vec![3, 260], ClassAxis::Last),
            (vec![2, 16_400], ClassAxis::Last),
            (vec![3, 5, 7], ClassAxis::One),
        ]
        .into_iter()
        .enumerate()
        {
            // Each loss meets one of them.
            if !(turn + k).is_multiple_of(5) {
                continue;
            }
            let targets = support::targets(info);
            let weights = support::weights(info);
            let recipe = Recipe {
                class_axis: axis,
                labels: targets[rng.below(targets.len())].map(|_| LabelType::ALL[rng.below(3)]),
                weight: weights[rng.below(weights.len())],
                class_weight: info.class_weight && rng.once_in(2),
                // Elements are added up in another order, where each is looked at before it is overwritten.
                reduction: match info.family {
                    Family::Elementwise => Reduction::None,
                    _ => Reduction::ALL[rng.below(5)],
                },
                dtype: DType::ALL[(turn + k) % 3],
                ..Recipe::new(shape)
            };
            let samples = support::option_samples(info, recipe.geometry().cols);
            let loss = &*samples[rng.below(samples.len())];
            let mut batch = support::batch(loss, &recipe, &mut rng);
            if k == 0 {
                // Those are looked at twice, and the second time are still to be there.
                let mut spoilt = batch.inputs[0].to_f64().into_owned();
                (spoilt[5], spoilt[130]) = (f64::NAN, f64::INFINITY);
                batch.inputs[0] = Values::F64(spoilt.into());
            }
            if axis == ClassAxis::One && recipe.labels.is_some() {
                let layout = batch.layout(loss).expect("good");
                let result = gpu.plan_in_place(loss, &layout);
                assert!(matches!(result, Err(Error::Mismatch { .. })), "{loss:?}");
                refused += 1;
                continue;
            }
            let result = over_inputs(&gpu, loss, &batch);
            wrong.extend(result.err().map(|e| format!("{loss:?}, {recipe:?}: {e}")));
        }
    }
    assert!(refused > 0);
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_overwritten_is_checked_as_a_gradient() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let layout = setup.plan.layout().clone();
    let loss = CrossEntropy::default();
    let plan = gpu.plan_in_place(&loss, &layout).expect("planned");
    let io = |logits, labels| InPlaceIo {
        inputs: vec![logits],
        target: Some(labels),
        ..Default::default()
    };
    let labels = View::whole(&setup.labels);
    plan.bind(&io(View::whole(&setup.logits), labels))
        .expect("bound");
    let overlapping = View {
        size: labels.size.min(BYTES),
        ..View::whole(&setup.logits)
    };
    refusal(plan.bind(&io(View::whole(&setup.logits), overlapping)));
    let without = wgloss::Layout {
        gradient: false,
        ..layout.clone()
    };
    let result = gpu.plan_in_place(&loss, &without);
    assert!(matches!(result, Err(Error::Mismatch { .. })));
    let long = wgloss::Layout {
        target: layout.target,
        ..wgloss::Layout::new([1, 1 << 20])
    };
    let result = gpu.plan_in_place(&loss, &long);
    assert!(matches!(result, Err(Error::TooLarge { .. })));
}

#[test]
fn one_byte_too_many_is_found() {
    let before: Vec<u8> = (0..64).map(canary).collect();
    let places = [Place { offset: 8, len: 6 }, Place { offset: 20, len: 4 }];
    let mut after = before.clone();
    after[8..14].fill(0);
    after[20..24].fill(0);
    assert_eq!(touched(&before, &after, &places), None);
    for at in [0, 7, 14, 15, 19, 24, 63] {
        let mut after = after.clone();
        after[at] ^= 1;
        assert_eq!(touched(&before, &after, &places), Some(at));
    }
}

/// A small evaluation with a buffer for each tensor, to be spoilt.
struct Setup {
    gpu: Gpu,
    plan: Plan,
    logits: wgpu::Buffer,
    labels: wgpu::Buffer,
    grad: wgpu::Buffer,
}

const ROWS: usize = 6;
const COLS: usize = 4;
const BYTES: u64 = (4 * ROWS * COLS) as u64;

impl Setup {
    fn new(gpu: &Gpu) -> Self {
        let batch = sample_batch();
        let loss = CrossEntropy::default();
        let layout = batch.layout(&loss).expect("good");
        let Some(Target::Labels(labels)) = &batch.target else {
            panic!("made with labels");
        };
        Setup {
            plan: gpu.plan(&loss, &layout).expect("planned"),
            logits: support::upload(gpu, &bytes(&batch.inputs[0], DType::F32)),
            labels: support::upload(gpu, &label_bytes(labels)),
            grad: support::upload(gpu, &[0; BYTES as usize]),
            gpu: gpu.clone(),
        }
    }

    fn io(&self) -> Io<'_> {
        Io {
            inputs: vec![View::whole(&self.logits)],
            target: Some(View::whole(&self.labels)),
            grads: vec![View::whole(&self.grad)],
            ..Default::default()
        }
    }

    fn gradient(&self) -> Vec<u32> {
        bytemuck::pod_collect_to_vec(&support::download(&self.gpu, &self.grad))
    }
}

fn sample_batch() -> Batch<'static> {
    let recipe = Recipe {
        labels: Some(LabelType::I64),
        ..Recipe::new([ROWS, COLS])
    };
    support::batch(
        &CrossEntropy::default(),
        &recipe,
        &mut Rng::new("embedding"),
    )
}

fn number_buffer(gpu: &Gpu, before: &[f32]) -> wgpu::Buffer {
    support::upload(gpu, bytemuck::cast_slice(before))
}

#[test]
fn the_upstream_gradient_comes_from_a_buffer() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    // Beside numbers that are none of its business.
    let upstream = number_buffer(&gpu, &[f32::NAN, 0.37, f32::NAN]);
    let at = View {
        buffer: &upstream,
        offset: 4,
        size: 4,
    };
    let bound = setup
        .plan
        .bind(&Io {
            upstream: Some(at),
            ..setup.io()
        })
        .expect("bound");
    for scale in [0.37f32, -2.5, 0.0] {
        // It changes between steps without anything being made again.
        gpu.queue().write_buffer(&upstream, 4, &scale.to_le_bytes());
        let (loss, _) = run(&gpu, &bound);
        let expected = gpu
            .loss(&CrossEntropy::default(), &sample_batch().grad_scale(scale))
            .expect("evaluated");
        assert_eq!(loss, expected.loss, "the loss is not scaled");
        let bits: Vec<u32> = expected.grads[0].iter().map(|g| g.to_bits()).collect();
        assert_eq!(setup.gradient(), bits, "upstream {scale}");
    }
}

#[test]
fn the_loss_is_copied_to_a_buffer() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let place = number_buffer(&gpu, &[7.0, 7.0, 7.0]);
    let at = View {
        buffer: &place,
        offset: 4,
        size: 4,
    };
    let bound = setup
        .plan
        .bind(&Io {
            loss: Some(at),
            ..setup.io()
        })
        .expect("bound");
    let (loss, status) = run(&gpu, &bound);
    let expected = gpu
        .loss(&CrossEntropy::default(), &sample_batch())
        .expect("evaluated");
    assert_eq!(loss, expected.loss);
    assert_eq!(status, expected.status);
    let after = numbers(&support::download(&gpu, &place), DType::F32);
    assert_eq!(after, [7.0, loss.expect("a mean"), 7.0]);
}

/// Losses one by one beside the reduced one: those of `none`, and everything else as without them.
#[test]
fn each_loss_may_be_written_too() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for (turn, info) in wgloss::loss::all().iter().enumerate() {
        let mut rng = Rng::new(info.name);
        let loss = &*info.make();
        let (shape, axis) = [
            (vec![9, 37], ClassAxis::Last),
            (vec![40, 10], ClassAxis::Last),
            (vec![2, 4200], ClassAxis::Last),
            (vec![3, 5, 7], ClassAxis::One),
        ][turn % 4]
            .clone();
        let targets = support::targets(info);
        let weights = support::weights(info);
        let recipe = Recipe {
            class_axis: axis,
            labels: targets[rng.below(targets.len())].map(|_| LabelType::ALL[rng.below(3)]),
            weight: weights[rng.below(weights.len())],
            dtype: DType::ALL[turn % 3],
            ..Recipe::new(shape)
        };
        let batch = support::batch(loss, &recipe, &mut rng);
        let layout = Layout {
            losses: true,
            ..batch.layout(loss).expect("good")
        };
        if loss.whole() {
            assert!(gpu.plan(loss, &layout).is_err(), "{}", info.name);
            continue;
        }
        let result = both(&gpu, loss, &batch, &layout);
        match result {
            Err(e) if e.contains("storage buffers") => refused.push(info.name),
            result => wrong.extend(result.err().map(|e| format!("{loss:?}, {recipe:?}: {e}"))),
        }
    }
    let all = wrong.join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{all}", wrong.len());
    // Three inputs with their gradients, weights and losses are too many buffers.
    assert!(refused.iter().all(|n| *n == "triplet"), "{refused:?}");
}

pub fn both(
    gpu: &Gpu,
    loss: &dyn Loss,
    batch: &Batch<'static>,
    layout: &Layout,
) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    let pool = Pool::new(loss, &batch.clone().reduction(Reduction::None), 1);
    let buffer = support::upload(gpu, &pool.bytes);
    let plan = gpu.plan(loss, layout).map_err(text)?;
    let missing = refusal(plan.bind(&Io {
        losses: None,
        ..pool.io(&buffer)
    }));
    assert!(missing.contains("losses"), "{missing}");
    let bound = plan.bind(&pool.io(&buffer)).map_err(text)?;
    let (reduced, status) = run(gpu, &bound);
    let bytes = support::download(gpu, &buffer);
    let at = |p: &Place, dtype| numbers(&bytes[p.offset..p.offset + p.len], dtype);
    let grads: Vec<_> = pool.grads.iter().map(|p| at(p, batch.dtype)).collect();
    let out = Outcome {
        loss: reduced,
        losses: Vec::new(),
        grads: grads.clone(),
        status,
    };
    let check = wgloss::verify::check(loss, batch, &out).map_err(text)?;
    if !check.pass {
        return Err(format!("reduced: {check:?}"));
    }
    let each = batch.clone().reduction(Reduction::None);
    let (expected, bounds) =
        wgloss::reference::evaluate_with_bounds(loss, &each.rounded()).map_err(text)?;
    let place = pool.losses.as_ref().ok_or("no place for losses")?;
    let found = at(place, DType::F32);
    let wrong = found
        .iter()
        .zip(expected.losses.iter().zip(&bounds.losses))
        .position(|(f, (e, b))| !support::within(f64::from(*f), *e, *b));
    match wrong {
        None if found.len() == expected.losses.len() => Ok(()),
        None => Err(format!("{} losses", found.len())),
        Some(i) => Err(format!(
            "loss {i} is {}, expected {} ± {}",
            found[i], expected.losses[i], bounds.losses[i]
        )),
    }
}

#[test]
fn one_binding_is_encoded_many_times() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let bound = setup.plan.bind(&setup.io()).expect("bound");
    let first = run(&gpu, &bound);
    let gradient = setup.gradient();
    // Twice in one encoder, and once more: counts and sums start afresh.
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    bound.encode(&mut encoder);
    bound.encode(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    assert_eq!(bound.report().expect("a report"), first);
    assert_eq!(run(&gpu, &bound), first);
    assert_eq!(setup.gradient(), gradient);
}

/// A buffer.
fn probe(gpu: &Gpu) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1 << 16,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    })
}

#[test]
fn an_evaluation_goes_into_a_pass_that_is_open() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let place = number_buffer(&gpu, &[7.0, 7.0]);
    let upstream = number_buffer(&gpu, &[0.5]);
    let io = Io {
        loss: Some(View {
            buffer: &place,
            offset: 4,
            size: 4,
        }),
        upstream: Some(View::whole(&upstream)),
        ..setup.io()
    };
    let bound = setup.plan.bind(&io).expect("bound");
    let first = run(&gpu, &bound);
    let expected = (setup.gradient(), support::download(&gpu, &place));
    for buffer in [&setup.grad, &place] {
        gpu.queue()
            .write_buffer(buffer, 0, &vec![0xff; buffer.size() as usize]);
    }
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        // What was there before is forgotten here too.
        bound.record(&mut pass);
        bound.record(&mut pass);
    }
    gpu.queue().submit([encoder.finish()]);
    assert_eq!(bound.report().expect("a report"), first);
    assert_eq!(setup.gradient(), expected.0);
    assert_eq!(support::download(&gpu, &place)[4..], expected.1[4..]);
    assert_eq!(support::download(&gpu, &place)[..4], [0xff; 4]);
}

#[test]
fn recording_allocates_and_submits_nothing() {
    if support::gpu().is_none() {
        return;
    }
    // A device of its own: others allocate on the one that tests share.
    let gpu = Gpu::new().expect("a device");
    let setup = Setup::new(&gpu);
    let bound = setup.plan.bind(&setup.io()).expect("bound");
    run(&gpu, &bound);
    let allocations = || {
        let report = gpu.device().generate_allocator_report();
        report.map(|r| (r.allocations.len(), r.total_allocated_bytes))
    };
    // A submission has a number, which only its name for debugging shows.
    let submitted = |commands: Option<wgpu::CommandBuffer>| {
        let name = format!("{:?}", gpu.queue().submit(commands));
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u64>().expect("a number")
    };
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    // A buffer has the number of one that is gone, and says for how many it has stood: also those that came and went.
    let stood = || {
        let text = format!("{:?}", probe(&gpu));
        let id = text.split("BufferId(").nth(1).expect("a number");
        let epoch = id.split([',', ')']).nth(1).expect("an epoch");
        epoch.parse::<u64>().expect("an epoch")
    };
    let (before, first, made) = (allocations(), submitted(None), stood());
    for _ in 0..100 {
        bound.encode(&mut encoder);
    }
    assert_eq!(stood(), made + 1, "buffers that came and went");
    assert_eq!(allocations(), before, "allocations on the device");
    assert_eq!(submitted(None), first + 1, "submissions");
    drop(probe(&gpu));
    assert_eq!(stood(), made + 3);
    // The counts do change where something is made or submitted.
    let buffer = probe(&gpu);
    // Where a backend tells.
    assert!(before.is_some() || gpu.adapter_info().backend != wgpu::Backend::Vulkan);
    if before.is_some() {
        assert_ne!(allocations(), before);
    }
    drop(buffer);
    assert_eq!(submitted(Some(encoder.finish())), first + 2);
    bound.report().expect("a report");
}

/// What a refusal is about.
pub fn refusal(result: Result<Bound, Error>) -> String {
    match result {
        Err(e @ Error::Mismatch { .. }) => {
            let text = e.to_string();
            assert!(!text.contains('\n'), "more than one line: {text}");
            text
        }
        Err(e) => panic!("expected a mismatch, found {e:?}"),
        Ok(_) => panic!("expected a mismatch, found a binding"),
    }
}

#[test]
fn bad_views_are_typed_errors() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let refused = |what: &str, change: &dyn Fn(&mut Io<'_>)| {
        let mut io = setup.io();
        // The change may only shorten what it borrows.
        change(&mut io);
        let text = refusal(setup.plan.bind(&io));
        assert!(text.contains(what), "expected `{what}` in: {text}");
    };
    refused("inputs", &|io| io.inputs.clear());
    refused("inputs", &|io| io.inputs.push(io.inputs[0]));
    refused("target", &|io| io.target = None);
    refused("gradients", &|io| io.grads.clear());
    refused("gradients", &|io| io.grads.push(io.grads[0]));
    refused("weights", &|io| io.weight = io.target);
    refused("class weights", &|io| io.class_weight = io.target);
    // Short by one number, by one byte, in the view or in the buffer.
    refused("an input", &|io| io.inputs[0].size = BYTES - 4);
    refused("an input", &|io| io.inputs[0].size = BYTES - 1);
    refused("an input", &|io| io.inputs[0].offset = 4);
    refused("an input", &|io| {
        io.inputs[0].offset = u64::MAX - 3;
        io.inputs[0].size = BYTES;
    });
    refused("an input", &|io| {
        io.inputs[0].offset = 8;
        io.inputs[0].size = u64::MAX;
    });
    refused("the target", &|io| {
        if let Some(view) = &mut io.target {
            view.size = 8 * ROWS as u64 - 8;
        }
    });
    refused("a gradient", &|io| io.grads[0].size = 0);
    // Offsets that no number can have.
    refused("a multiple of 4", &|io| io.inputs[0].offset = 2);
    refused("a multiple of 8", &|io| {
        if let Some(view) = &mut io.target {
            view.offset = 4;
        }
    });
    refused("a multiple of 4", &|io| io.grads[0].offset = 1);
    // The gradient over the input, wholly and by one number.
    refused("apart from every other view", &|io| {
        io.grads[0] = io.inputs[0]
    });
}

#[test]
fn overlaps_are_typed_errors() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let pool = support::upload(&gpu, &vec![0; 4 * BYTES as usize]);
    let at = |offset| View {
        buffer: &pool,
        offset,
        size: BYTES,
    };
    let bind = |input, grad| {
        setup.plan.bind(&Io {
            inputs: vec![at(input)],
            grads: vec![at(grad)],
            ..setup.io()
        })
    };
    for (input, grad) in [(0, 0), (0, BYTES - 4), (BYTES - 4, 0), (BYTES, 4)] {
        let text = refusal(bind(input, grad));
        assert!(text.contains("apart from every other view"), "{text}");
    }
    // Side by side they are apart.
    for (input, grad) in [(0, BYTES), (BYTES, 0), (4, 2 * BYTES)] {
        bind(input, grad).unwrap_or_else(|e| panic!("{input} and {grad}: {e}"));
    }
}

#[test]
fn two_writes_to_one_place_are_a_typed_error() {
    let Some(gpu) = support::gpu() else { return };
    let batch = sample_batch().reduction(Reduction::None);
    let layout = batch.layout(&CrossEntropy::default()).expect("good");
    let plan = gpu
        .plan(&CrossEntropy::default(), &layout)
        .expect("planned");
    let setup = Setup::new(&gpu);
    let text = refusal(plan.bind(&Io {
        losses: Some(View::whole(&setup.grad)),
        ..setup.io()
    }));
    assert!(text.contains("apart from every other view"), "{text}");
    let text = refusal(plan.bind(&setup.io()));
    assert!(text.contains("losses"), "{text}");
}

#[test]
fn wrong_usages_are_typed_errors() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let with = |usage| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: BYTES,
            usage,
            mapped_at_creation: false,
        })
    };
    let copies = with(wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST);
    let bad = [
        Io {
            inputs: vec![View::whole(&copies)],
            ..setup.io()
        },
        Io {
            grads: vec![View::whole(&copies)],
            ..setup.io()
        },
        Io {
            target: Some(View::whole(&copies)),
            ..setup.io()
        },
        Io {
            loss: Some(View::whole(&copies)),
            ..setup.io()
        },
        Io {
            upstream: Some(View::whole(&copies)),
            ..setup.io()
        },
    ];
    for io in &bad {
        let text = refusal(setup.plan.bind(io));
        assert!(text.contains("usage"), "{text}");
    }
}

/// Devices that somebody else made, all on one adapter, with a handler that counts what nobody caught. `fine` asks
/// for the smallest alignments of offsets that the adapter has, as a host may.
fn host_devices<const N: usize>(fine: bool) -> ([Gpu; N], Arc<AtomicUsize>) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter =
        pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
            .expect("an adapter, since there was one for the other tests");
    let most = adapter.limits();
    let mut limits = wgpu::Limits::default().or_worse_values_from(&most);
    if fine {
        limits.min_uniform_buffer_offset_alignment = most.min_uniform_buffer_offset_alignment;
        limits.min_storage_buffer_offset_alignment = most.min_storage_buffer_offset_alignment;
    }
    let uncaught = Arc::new(AtomicUsize::new(0));
    let gpus = std::array::from_fn(|_| {
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_limits: limits.clone(),
            ..Default::default()
        }))
        .expect("a device with default limits");
        let counter = uncaught.clone();
        device.on_uncaptured_error(Arc::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        }));
        Gpu::from_device(device, queue)
    });
    (gpus, uncaught)
}

/// Makes an error of one's own: a buffer cannot be mapped for reading and bound as storage.
fn own_error(device: &wgpu::Device) {
    let _ = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
}

#[test]
fn a_guest_leaves_the_hosts_error_handling_alone() {
    if support::gpu().is_none() {
        return;
    }
    let ([gpu, other], uncaught) = host_devices(false);
    let device = gpu.device();
    let count = || uncaught.load(Ordering::SeqCst);
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let setup = Setup::new(&gpu);
    let good = setup.plan.bind(&setup.io()).expect("bound");
    let (loss, _) = run(&gpu, &good);
    let same = other
        .loss(&CrossEntropy::default(), &sample_batch())
        .expect("evaluated");
    assert_eq!(
        loss, same.loss,
        "the guest computes what a device of its own does"
    );

    // Refused by the library's own checks.
    refusal(setup.plan.bind(&Io {
        inputs: Vec::new(),
        ..setup.io()
    }));
    // Refused by wgpu: a buffer of another device, one that is destroyed.
    let foreign = Setup::new(&other);
    let dead = support::upload(&gpu, &[0; BYTES as usize]);
    dead.destroy();
    for buffer in [&foreign.logits, &dead] {
        let io = Io {
            inputs: vec![View::whole(buffer)],
            ..setup.io()
        };
        match setup.plan.bind(&io) {
            Err(Error::Device(text)) => assert!(!text.contains('\n'), "{text}"),
            Err(e) => panic!("expected the device's refusal, found {e:?}"),
            // A destroyed buffer may be refused as late as when it is used.
            Ok(_) => assert!(
                std::ptr::eq(buffer, &dead),
                "bound a buffer of another device"
            ),
        }
    }
    assert_eq!(
        count(),
        0,
        "an error of the guest's reached the host's handler"
    );
    let caught = pollster::block_on(scope.pop());
    assert!(
        caught.is_none(),
        "an error of the guest's reached the host's scope: {caught:?}"
    );

    // The host's own errors still go where the host wants them.
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    own_error(device);
    assert!(pollster::block_on(scope.pop()).is_some());
    assert_eq!(count(), 0);
    own_error(device);
    assert_eq!(count(), 1, "the host's handler is gone");
    // And the guest still works.
    assert_eq!(run(&gpu, &good).0, loss);
    assert_eq!(count(), 1);
}

/// Alignments finer than WebGPU's default put parameters and views closer together. Every kernel must fit there,
/// also those that losses with and without options share.
#[test]
fn a_host_may_have_finer_alignments() {
    let Some(coarse) = support::gpu() else { return };
    let ([gpu], uncaught) = host_devices(true);
    let losses = wgloss::loss::all().iter();
    let mut losses: Vec<_> = losses.map(|info| info.make()).collect();
    // Those with the most options compile the shared kernels.
    losses.sort_by_key(|l| std::cmp::Reverse(l.options().len()));
    for loss in &losses {
        let weights = support::weights(loss.info());
        let recipe = Recipe {
            labels: support::targets(loss.info())[0],
            weight: weights[weights.len() - 1],
            reduction: Reduction::WeightedMean,
            dtype: DType::F16,
            ..Recipe::new([5, 7])
        };
        let batch = support::batch(&**loss, &recipe, &mut Rng::new(loss.info().name));
        let fine = gpu
            .loss(&**loss, &batch)
            .unwrap_or_else(|e| panic!("{loss:?}: {e}"));
        // The host's device was made without features.
        let coarse = coarse.without_subgroups().loss(&**loss, &batch);
        let coarse = coarse.expect("evaluated");
        assert_eq!(support::bits(&fine), support::bits(&coarse), "{loss:?}");
        let pooled = pooled(&gpu, &**loss, &batch);
        assert_eq!(pooled, Ok(()), "{loss:?}");
    }
    assert_eq!(uncaught.load(Ordering::SeqCst), 0);
}

#[test]
fn a_plan_of_nothing_can_be_encoded() {
    let Some(gpu) = support::gpu() else { return };
    let loss = Mse::default();
    for shape in [vec![0], vec![0, 3], vec![3, 0]] {
        let batch = Batch::new(shape.clone(), Vec::<f32>::new()).target(Vec::<f32>::new());
        let out = gpu
            .loss(&loss, &batch)
            .unwrap_or_else(|e| panic!("{shape:?}: {e}"));
        assert_eq!((out.loss, out.status.valid), (Some(0.0), 0), "{shape:?}");
    }
}

#[test]
fn weights_on_the_device_are_counted_when_they_are_bad() {
    let Some(gpu) = support::gpu() else { return };
    let setup = Setup::new(&gpu);
    let mut layout = setup.plan.layout().clone();
    layout.weight = WeightLayout::Row;
    let plan = gpu
        .plan(&CrossEntropy::default(), &layout)
        .expect("planned");
    let weights = number_buffer(&gpu, &[1.0, -1.0, f32::NAN, 0.0, -0.0, f32::INFINITY]);
    let io = Io {
        weight: Some(View::whole(&weights)),
        ..setup.io()
    };
    let (_, status) = run(&gpu, &plan.bind(&io).expect("bound"));
    assert_eq!(status.bad_weights, 3, "{status:?}");
    let checked = status.check(&CrossEntropy::default(), COLS);
    assert_eq!(checked, Err(Error::BadWeights { count: 3 }));
}

#[test]
fn class_weights_on_the_device_are_counted_when_they_are_bad() {
    let Some(gpu) = support::gpu() else { return };
    for info in wgloss::loss::all().iter().filter(|i| i.class_weight) {
        for &labels in support::targets(info) {
            for class_axis in [ClassAxis::Last, ClassAxis::One] {
                for reduction in Reduction::ALL {
                    let recipe = Recipe {
                        labels,
                        class_weight: true,
                        class_axis,
                        reduction,
                        ..Recipe::new([3, 4, 2])
                    };
                    let loss = info.make();
                    let batch = support::batch(&*loss, &recipe, &mut Rng::new(info.name));
                    let pool = Pool::new(&*loss, &batch, 1);
                    let mut bytes = pool.bytes.clone();
                    let place = pool.class_weight.expect("asked for");
                    bytes[place.offset..place.offset + 4].copy_from_slice(&(-1f32).to_le_bytes());
                    let buffer = support::upload(&gpu, &bytes);
                    let plan = gpu.plan(&*loss, &batch.layout(&*loss).expect("good"));
                    let bound = plan
                        .expect("planned")
                        .bind(&pool.io(&buffer))
                        .expect("bound");
                    let (_, status) = run(&gpu, &bound);
                    assert_eq!(status.bad_weights, 1, "{} {recipe:?}", info.name);
                }
            }
        }
    }
}

/// An option that is a list is not made of weights: what range it has, its loss says.
#[test]
fn a_list_of_an_option_is_not_taken_for_weights() {
    let Some(gpu) = support::gpu() else { return };
    for info in wgloss::loss::all() {
        for option in info
            .options
            .iter()
            .filter(|o| o.kind == OptionKind::NumberOrColumns)
        {
            let mut loss = info.make();
            let list = OptionValue::Columns(support::points(option.range).to_vec());
            loss.set(option.name, list).expect("inside the range");
            for &weight in support::weights(info) {
                for reduction in Reduction::ALL {
                    let recipe = Recipe {
                        weight,
                        reduction,
                        ..Recipe::new([4, 3])
                    };
                    let batch = support::batch(&*loss, &recipe, &mut Rng::new(info.name));
                    let out = gpu.loss(&*loss, &batch);
                    let out = out.unwrap_or_else(|e| panic!("{loss:?} {recipe:?}: {e}"));
                    let check = wgloss::verify::check(&*loss, &batch, &out).expect("good");
                    assert_eq!(check.complaint, None, "{loss:?} {recipe:?}");
                }
            }
        }
    }
}
