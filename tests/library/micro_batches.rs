//! Gradients over micro-batches: what they share on the device, and adding to gradients that are there.

use crate::embedding::{Pool, numbers, refusal, run};
use crate::support::{self, Recipe, Rng};
use std::ops::Range;
use wgloss::gpu::{Bound, CombinedIo, Io, Normalizer, Plan, PlanKind, TermIo, TermLayout, View};
use wgloss::loss::{self, Loss};
use wgloss::{
    Batch, ClassAxis, CrossEntropy, DType, Gpu, LabelType, Labels, Layout, Mse, Outcome, Reduction,
    Status, Target, TargetLayout, UpstreamLayout, Values, WeightLayout, reference, verify, wgpu,
};

fn cut_values(values: &Values<'_>, of: Range<usize>) -> Values<'static> {
    match values {
        Values::F64(v) => v[of].to_vec().into(),
        _ => unreachable!("a recipe has f64"),
    }
}

fn cut_labels(labels: &Labels<'_>, of: Range<usize>) -> Labels<'static> {
    match labels {
        Labels::I32(v) => v[of].to_vec().into(),
        Labels::U32(v) => v[of].to_vec().into(),
        Labels::I64(v) => v[of].to_vec().into(),
    }
}

/// The part of a batch whose first axis is `of`.
fn cut(batch: &Batch<'static>, of: Range<usize>) -> Batch<'static> {
    let n = batch.shape[0];
    let part = |len: usize| of.start * (len / n)..of.end * (len / n);
    let mut shape = batch.shape.clone();
    shape[0] = of.len();
    let values = |v: &Values<'static>| cut_values(v, part(v.len()));
    Batch {
        shape,
        inputs: batch.inputs.iter().map(values).collect(),
        target: batch.target.as_ref().map(|t| match t {
            Target::Values(v) => Target::Values(values(v)),
            Target::Labels(l) => Target::Labels(cut_labels(l, part(l.len()))),
        }),
        weight: batch.weight.as_ref().map(values),
        ..batch.clone()
    }
}

/// Eight micro-batches of 41 rows, none like another, and one of nothing.
const SIZES: [usize; 9] = [5, 1, 0, 9, 2, 7, 3, 10, 4];

fn ranges() -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    SIZES.into_iter().map(move |n| {
        end += n;
        end - n..end
    })
}

struct Micro {
    pool: Pool,
    buffer: wgpu::Buffer,
    plan: Plan,
}

impl Micro {
    fn new(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'static>) -> Micro {
        let pool = Pool::new(loss, batch, 1);
        let layout = batch.layout(loss).expect("good");
        Micro {
            buffer: support::upload(gpu, &pool.bytes),
            plan: gpu.plan(loss, &layout).expect("planned"),
            pool,
        }
    }

    fn bind(&self, normalizer: &Normalizer) -> Bound {
        let io = Io {
            normalizer: Some(normalizer),
            ..self.pool.io(&self.buffer)
        };
        self.plan.bind(&io).expect("bound")
    }

    fn grads(&self, gpu: &Gpu, dtype: DType) -> Vec<Vec<f32>> {
        let bytes = support::download(gpu, &self.buffer);
        let grads = self.pool.grads.iter();
        grads
            .map(|p| numbers(&bytes[p.offset..p.offset + p.len], dtype))
            .collect()
    }
}

/// Counts all micro-batches, then evaluates each.
fn in_order(gpu: &Gpu, normalizer: &Normalizer, bound: &[Bound]) {
    support::submit(gpu, &mut |encoder| {
        normalizer.encode_reset(encoder);
        for b in bound {
            b.encode_count(encoder).expect("has one");
        }
        for b in bound {
            b.encode(encoder);
        }
    });
}

/// Evaluates `batch` in eight micro-batches; twice, into passes of their own and into one.
fn in_parts(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'static>) -> Outcome<f32> {
    let micro: Vec<_> = ranges()
        .map(|of| Micro::new(gpu, loss, &cut(batch, of)))
        .collect();
    let normalizer = micro[0].plan.normalizer().expect("a mean");
    let bound: Vec<_> = micro.iter().map(|m| m.bind(&normalizer)).collect();
    let collect = || {
        let (total, mut terms) = normalizer.report().expect("a report");
        assert_eq!(terms.len(), 1);
        let term = terms.remove(0);
        assert_eq!(total.to_bits(), term.loss.to_bits());
        let mut grads = vec![Vec::new(); batch.inputs.len()];
        for m in &micro {
            for (all, part) in grads.iter_mut().zip(m.grads(gpu, batch.dtype)) {
                all.extend(part);
            }
        }
        Outcome {
            loss: Some(total),
            losses: Vec::new(),
            grads,
            status: term.status,
        }
    };
    in_order(gpu, &normalizer, &bound);
    let first = collect();
    // What was shared is forgotten, the first reset or not.
    support::submit(gpu, &mut |encoder| {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        normalizer.record_reset(&mut pass);
        for b in &bound {
            b.record_count(&mut pass).expect("has one");
        }
        for b in &bound {
            b.record(&mut pass);
        }
    });
    let again = collect();
    assert_eq!(support::bits(&first), support::bits(&again));
    assert_eq!(first.status, again.status);
    first
}

/// Micro-batches of a loss against the whole: within the whole's bounds, and where what divides is counted in whole numbers
/// the same bits.
fn same_as_whole(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'static>) -> Result<(), String> {
    let found = in_parts(gpu, loss, batch);
    // The divisor of the whole goes through more additions in its bound than through those of the parts and eight more.
    let check = verify::check(loss, batch, &found).map_err(|e| e.to_string())?;
    if !check.pass {
        return Err(format!("{check:?}"));
    }
    let whole = gpu.loss(loss, batch).map_err(|e| e.to_string())?;
    if found.status != whole.status {
        return Err(format!("{:?}, whole {:?}", found.status, whole.status));
    }
    let weighted = batch.weight.is_some() || batch.class_weight.is_some();
    let same = support::bits(&found)[1..] == support::bits(&whole)[1..];
    match weighted || same {
        true => Ok(()),
        false => Err("other bits than in one batch".into()),
    }
}

#[test]
fn micro_batches_are_the_big_batch() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    let mut cases = 0;
    for (turn, info) in loss::all().iter().enumerate() {
        let mut rng = Rng::new(info.name);
        let whole = info.make().whole();
        let reductions = [
            Reduction::Mean,
            Reduction::WeightedMean,
            Reduction::BatchMean,
        ];
        for (k, reduction) in reductions.into_iter().enumerate() {
            if k == 2 && turn % 4 != 0 {
                // Which divides by a known number, as some means do.
                continue;
            }
            let targets = support::targets(info);
            // One storage type and axis each, so that few kernels are compiled.
            let recipe = Recipe {
                class_axis: [ClassAxis::Last, ClassAxis::One][turn % 2],
                labels: targets[turn / 2 % targets.len()].map(|_| LabelType::ALL[turn % 3]),
                weight: [WeightLayout::None, WeightLayout::Row, WeightLayout::None][k],
                class_weight: info.class_weight && k < 2,
                reduction,
                dtype: DType::ALL[turn % 3],
                ..Recipe::new([41, 5, 3])
            };
            let mut loss = info.make();
            if whole {
                loss.set("per_row", loss::OptionValue::Flag(true))
                    .expect("an option of sets");
            }
            let batch = support::batch(&*loss, &recipe, &mut rng);
            let result = same_as_whole(&gpu, &*loss, &batch);
            wrong.extend(
                result
                    .err()
                    .map(|e| format!("{}, {recipe:?}: {e}", info.name)),
            );
            cases += 1;
        }
    }
    assert!(cases >= 2 * 40, "{cases}");
    let all = wrong.join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{all}", wrong.len());
}

/// What is not divided by class weights, beside what is.
#[test]
fn each_part_of_a_loss_has_its_divisor() {
    let Some(gpu) = support::gpu() else { return };
    let loss = CrossEntropy {
        z_loss: 0.3,
        label_smoothing: 0.1,
        ..Default::default()
    };
    let mut rng = Rng::new("divisors");
    for (k, reduction) in [Reduction::Mean, Reduction::WeightedMean]
        .into_iter()
        .enumerate()
    {
        for class_weight in [false, true] {
            let recipe = Recipe {
                labels: Some(LabelType::I64),
                weight: [WeightLayout::Row, WeightLayout::None][usize::from(k == 0)],
                class_weight,
                reduction,
                ..Recipe::new([41, 5])
            };
            let batch = support::batch(&loss, &recipe, &mut rng);
            let result = same_as_whole(&gpu, &loss, &batch);
            assert_eq!(result, Ok(()), "{recipe:?}");
        }
    }
}

/// What is forgotten, or done in another order, is said.
#[test]
fn a_normalizer_says_what_was_left_out() {
    let Some(gpu) = support::gpu() else { return };
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([2, 4])
    };
    let plan = gpu.plan(&Mse::default(), &layout).expect("planned");
    let normalizer = plan.normalizer().expect("a mean");
    let of = |v: f32| support::upload(&gpu, bytemuck::cast_slice(&[v; 8]));
    let (x, t, g) = (of(1.0), of(0.0), of(0.0));
    let io = Io {
        inputs: vec![View::whole(&x)],
        target: Some(View::whole(&t)),
        grads: vec![View::whole(&g)],
        normalizer: Some(&normalizer),
        ..Io::default()
    };
    let [a, b] = [0, 1].map(|_| plan.bind(&io).expect("bound"));
    let said = |record: &mut dyn FnMut(&mut wgpu::CommandEncoder)| {
        support::submit(&gpu, &mut |encoder| {
            normalizer.encode_reset(encoder);
            record(encoder);
        });
        normalizer.report().map(|r| r.0).map_err(|e| e.to_string())
    };
    let right = said(&mut |e| {
        a.encode_count(e).expect("has one");
        b.encode_count(e).expect("has one");
        a.encode(e);
        b.encode(e);
    });
    assert_eq!(right, Ok(1.0));
    let text = |r: Result<f32, String>| r.expect_err("said");
    assert!(text(said(&mut |e| a.encode(e))).contains("0 counted, 1 evaluated"));
    let once = said(&mut |e| a.encode_count(e).expect("has one"));
    assert!(text(once).contains("1 counted, 0 evaluated"));
    let turns = said(&mut |e| {
        for part in [&a, &b] {
            part.encode_count(e).expect("has one");
            part.encode(e);
        }
    });
    assert!(text(turns).contains("one that was counted later"));
    // And nobody writes over what is shared, or over an upstream gradient that the next step reads.
    let over = Io {
        loss: Some(normalizer.divisor()),
        ..io.clone()
    };
    assert!(refusal(plan.bind(&over)).contains("a view of it"));
    let over = Io {
        loss: Some(View {
            size: 4,
            ..View::whole(&t)
        }),
        upstream: Some(View {
            size: 4,
            ..View::whole(&t)
        }),
        target: Some(View::whole(&x)),
        ..io.clone()
    };
    assert!(refusal(plan.bind(&over)).contains("apart from every other view"));
}

/// Accumulation, losses besides and upstream gradients of rows, by every plan that carries them, whole and in chunks.
#[test]
fn every_plan_takes_the_extras() {
    let Some(gpu) = support::gpu() else { return };
    let small = gpu.with_limits((1 << 14) + 1024, 64);
    let mut wrong = Vec::new();
    let mut turn = 0;
    for name in [
        "cross_entropy",
        "mse",
        "cosine_embedding",
        "tv_dist_with_logits",
    ] {
        let info = loss::by_name(name).expect("registered").info();
        let mut rng = Rng::new(name);
        let loss = &*info.make();
        for (shape, axis) in [
            (vec![5, 2101], ClassAxis::Last),
            (vec![3, 1100, 3], ClassAxis::One),
        ] {
            for kind in PlanKind::ALL {
                let targets = support::targets(info);
                let recipe = Recipe {
                    class_axis: axis,
                    labels: targets[turn % targets.len()].map(|_| LabelType::I64),
                    weight: WeightLayout::Row,
                    dtype: DType::ALL[turn % 3],
                    ..Recipe::new(shape.clone())
                };
                let batch = support::batch(loss, &recipe, &mut rng);
                let layout = batch.layout(loss).expect("good");
                if !kind.carries(loss, &layout).expect("good") {
                    continue;
                }
                let on = [&gpu, &small][turn % 2].with_plan(kind);
                turn += 1;
                let losses = Layout {
                    losses: true,
                    ..layout
                };
                let results = [
                    by_rows(&on, loss, &batch, &mut rng),
                    added(&on, loss, &batch, &mut rng),
                    crate::embedding::both(&on, loss, &batch, &losses),
                ];
                for (what, result) in ["upstream", "added", "losses"].iter().zip(results) {
                    let said = |e| format!("{what}, {name}, {kind}, {recipe:?}: {e}");
                    wrong.extend(result.err().map(said));
                }
            }
        }
    }
    assert!(turn > 12, "{turn}");
    let all = wrong.join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{all}", wrong.len());
}

#[test]
fn rows_that_do_not_count_are_counted_over_micro_batches() {
    let Some(gpu) = support::gpu() else { return };
    // Nothing counts in the second micro-batch, which is one row, and in the one of three rows.
    let mut labels: Vec<i64> = (0..41).map(|i| i % 4).collect();
    labels[5] = -100;
    labels[24..27].fill(-100);
    labels[30] = 17;
    labels[11] = -3;
    let numbers: Vec<f32> = (0..164).map(|i| ((i * 7919) % 31) as f32 / 8.0).collect();
    let batch = Batch::new(
        [41, 4],
        numbers.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(),
    )
    .labels(labels);
    let loss = CrossEntropy::default();
    let micro: Vec<_> = ranges()
        .map(|of| Micro::new(&gpu, &loss, &cut(&batch, of)))
        .collect();
    let normalizer = micro[0].plan.normalizer().expect("a mean");
    let bound: Vec<_> = micro.iter().map(|m| m.bind(&normalizer)).collect();
    in_order(&gpu, &normalizer, &bound);
    let (_, terms) = normalizer.report().expect("a report");
    assert_eq!(
        terms[0].status,
        Status {
            valid: 35,
            bad_labels: 2,
            first_bad_row: Some(11),
            ..Status::default()
        }
    );
    let divisor = normalizer.divisor();
    let divisor = numbers_of(&gpu, divisor.buffer, divisor.offset);
    assert_eq!(divisor, 35.0);
    let of_loss = normalizer.loss();
    assert_eq!(
        numbers_of(&gpu, of_loss.buffer, of_loss.offset),
        terms[0].loss
    );
    // Each alone reports of itself.
    assert_eq!(bound[1].report().expect("a report").1.valid, 0);
    assert_eq!(
        bound[7].report().expect("a report").1.first_bad_row,
        Some(3)
    );
}

/// What is counted of labels and weights before stays in the status of each micro-batch, and is counted no second time.
#[test]
fn the_status_of_a_micro_batch_is_that_of_one_alone() {
    let Some(gpu) = support::gpu() else { return };
    let loss = CrossEntropy::default();
    let mut rng = Rng::new("status");
    for class_weight in [false, true] {
        let recipe = Recipe {
            labels: Some(LabelType::I64),
            weight: WeightLayout::Row,
            class_weight,
            reduction: [Reduction::Mean, Reduction::WeightedMean][usize::from(class_weight)],
            ..Recipe::new([41, 4])
        };
        let mut batch = support::batch(&loss, &recipe, &mut rng);
        // No label is of class 1, so that its weight is in no divisor.
        let mut labels: Vec<i64> = (0..41).map(|i| [0, 2, 3][i % 3]).collect();
        (labels[7], labels[18], labels[30], labels[40]) = (4, -100, -1, 17);
        batch.target = Some(Target::Labels(labels.into()));
        let mut x: Vec<f64> = (0..164).map(|i| f64::from(i % 7)).collect();
        (x[21], x[130]) = (f64::NAN, f64::INFINITY);
        batch.inputs[0] = x.into();
        batch.weight = Some(vec![1.0f64; 41].into());
        batch.class_weight = class_weight.then(|| {
            let weights: Values<'_> = vec![1.0f64, 1.0, 2.0, 0.5].into();
            wgloss::ClassWeight::Values(weights)
        });
        let micro = |of: Range<usize>| {
            let part = cut(&batch, of.clone());
            let mut micro = Micro::new(&gpu, &loss, &part);
            let mut put = |place: Option<crate::embedding::Place>, at: usize| {
                if let Some(place) = place {
                    let at = place.offset + 4 * at;
                    micro.pool.bytes[at..at + 4].copy_from_slice(&(-0.25f32).to_le_bytes());
                }
            };
            put(micro.pool.class_weight, 1);
            if of.contains(&20) {
                put(micro.pool.weight, 20 - of.start);
            }
            micro.buffer = support::upload(&gpu, &micro.pool.bytes);
            micro
        };
        let micro: Vec<_> = ranges().map(micro).collect();
        let normalizer = micro[0].plan.normalizer().expect("a mean");
        let bound: Vec<_> = micro.iter().map(|m| m.bind(&normalizer)).collect();
        let alone = micro.iter().map(|m| {
            let bound = m.plan.bind(&m.pool.io(&m.buffer)).expect("bound");
            run(&gpu, &bound).1
        });
        let alone: Vec<Status> = alone.collect();
        // A second step counts anew.
        for _ in 0..2 {
            in_order(&gpu, &normalizer, &bound);
            for (bound, alone) in bound.iter().zip(&alone) {
                assert_eq!(bound.report().expect("a report").1, *alone, "{recipe:?}");
            }
            let status = normalizer.report().expect("a report").1[0].status;
            let sum = |of: fn(&Status) -> u64| alone.iter().map(of).sum::<u64>();
            let expected = Status {
                valid: 37,
                bad_labels: 3,
                first_bad_row: Some(7),
                // A row's, and the class's in all but the empty one.
                bad_weights: if class_weight { 1 + 8 } else { 1 },
                non_finite: 2,
            };
            assert_eq!(status, expected, "{recipe:?}");
            assert_eq!(sum(|s| s.bad_weights), status.bad_weights);
            assert_eq!(sum(|s| s.valid), status.valid);
        }
        // One binding for two micro-batches, whose labels and logits take their places in turn: here the same ones.
        support::submit(&gpu, &mut |encoder| {
            normalizer.encode_reset(encoder);
            for _ in 0..2 {
                bound[5].encode_count(encoder).expect("has one");
            }
            for _ in 0..2 {
                bound[5].encode(encoder);
            }
        });
        let status = normalizer.report().expect("a report").1[0].status;
        let twice = Status {
            valid: 2 * alone[5].valid,
            bad_labels: 2 * alone[5].bad_labels,
            bad_weights: 2 * alone[5].bad_weights,
            non_finite: 2 * alone[5].non_finite,
            ..alone[5]
        };
        assert!(twice.bad_weights >= 2);
        assert_eq!(status, twice, "{recipe:?}");
    }
}

fn numbers_of(gpu: &Gpu, buffer: &wgpu::Buffer, offset: u64) -> f32 {
    numbers(&support::download(gpu, buffer), DType::F32)[offset as usize / 4]
}

#[test]
fn a_sum_of_losses_has_a_divisor_for_each() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("a sum over micro-batches");
    let recipe = Recipe {
        labels: Some(LabelType::I64),
        ..Recipe::new([41, 5])
    };
    let ce = CrossEntropy::default();
    let mse = Mse::default();
    let logits = support::batch(&ce, &recipe, &mut rng);
    let weighted = Recipe {
        labels: None,
        weight: WeightLayout::Row,
        reduction: Reduction::WeightedMean,
        ..recipe.clone()
    };
    let mut values = support::batch(&mse, &weighted, &mut rng);
    values.inputs = logits.inputs.clone();
    let both = |a: &Batch<'static>, b: &Batch<'static>| {
        let term = |loss, weight, batch: &Batch<'static>| TermLayout {
            loss,
            weight,
            inputs: vec![0],
            layout: batch.layout(loss).expect("good"),
        };
        gpu.plan_combined(&[term(&ce, 0.75, a), term(&mse, -0.5, b)])
            .expect("planned")
    };
    let buffers = |a: &Batch<'static>, b: &Batch<'static>| {
        [(&ce as &dyn Loss, a), (&mse as &dyn Loss, b)].map(|(loss, batch)| {
            let pool = Pool::new(loss, batch, 1);
            let buffer = support::upload(&gpu, &pool.bytes);
            (pool, buffer)
        })
    };
    let bind = |plan: &wgloss::gpu::CombinedPlan,
                of: &[(Pool, wgpu::Buffer); 2],
                normalizer: Option<&Normalizer>| {
        let [a, b] = [of[0].0.io(&of[0].1), of[1].0.io(&of[1].1)];
        let io = CombinedIo {
            inputs: a.inputs,
            grads: a.grads,
            terms: vec![
                TermIo {
                    target: a.target,
                    ..TermIo::default()
                },
                TermIo {
                    target: b.target,
                    weight: b.weight,
                    ..TermIo::default()
                },
            ],
            normalizer,
            ..CombinedIo::default()
        };
        plan.bind(&io).expect("bound")
    };
    let grads = |of: &[(Pool, wgpu::Buffer); 2]| {
        let bytes = support::download(&gpu, &of[0].1);
        let place = of[0].0.grads[0];
        numbers(&bytes[place.offset..place.offset + place.len], DType::F32)
    };
    let plan = both(&logits, &values);
    let tensors = buffers(&logits, &values);
    let whole = bind(&plan, &tensors, None);
    support::submit(&gpu, &mut |encoder| whole.encode(encoder));
    let (loss, terms) = whole.report().expect("a report");
    let expected = grads(&tensors);
    assert!(
        whole
            .encode_count(&mut gpu.device().create_command_encoder(&Default::default()))
            .is_err()
    );

    let parts: Vec<_> = ranges()
        .map(|of| {
            let (a, b) = (cut(&logits, of.clone()), cut(&values, of));
            (both(&a, &b), buffers(&a, &b))
        })
        .collect();
    let normalizer = parts[0].0.normalizer().expect("means");
    let bound: Vec<_> = parts
        .iter()
        .map(|(plan, tensors)| bind(plan, tensors, Some(&normalizer)))
        .collect();
    support::submit(&gpu, &mut |encoder| {
        normalizer.encode_reset(encoder);
        for b in &bound {
            b.encode_count(encoder).expect("has one");
        }
        for b in &bound {
            b.encode(encoder);
        }
    });
    let (total, found) = normalizer.report().expect("a report");
    // Eight more additions of numbers that are all of one sign, and at most 13 of weights.
    let close = |a: f32, b: f32| (a - b).abs() <= 21.0 * f32::EPSILON * b.abs();
    for (a, b) in found.iter().zip(&terms) {
        assert_eq!(a.status, b.status);
        assert!(close(a.loss, b.loss), "{} and {}", a.loss, b.loss);
    }
    let sum = 0.75 * terms[0].loss.abs() + 0.5 * terms[1].loss.abs();
    assert!((total - loss).abs() <= 22.0 * f32::EPSILON * sum);
    let found: Vec<f32> = parts.iter().flat_map(|p| grads(&p.1)).collect();
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(&expected) {
        // The gradients of both losses are below 1 and 8, each by rows that count.
        assert!((a - b).abs() <= 21.0 * f32::EPSILON * 0.3, "{a} and {b}");
    }
}

#[test]
fn what_cannot_share_is_refused() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("refused");
    let recipe = Recipe {
        labels: Some(LabelType::I64),
        ..Recipe::new([6, 4])
    };
    let loss = CrossEntropy::default();
    let batch = support::batch(&loss, &recipe, &mut rng);
    let micro = Micro::new(&gpu, &loss, &batch);
    let normalizer = micro.plan.normalizer().expect("a mean");
    let refused = |loss: &dyn Loss, recipe: &Recipe, rng: &mut Rng, what: [&str; 2]| {
        let batch = support::batch(loss, recipe, rng);
        let micro = Micro::new(&gpu, loss, &batch);
        let io = Io {
            normalizer: Some(&normalizer),
            ..micro.pool.io(&micro.buffer)
        };
        let text = refusal(micro.plan.bind(&io));
        assert!(what.iter().all(|w| text.contains(w)), "{text}");
    };
    refused(
        &Mse::default(),
        &Recipe::new([6, 4]),
        &mut rng,
        ["mse", "cross_entropy"],
    );
    let other = Recipe {
        reduction: Reduction::BatchMean,
        ..recipe.clone()
    };
    refused(&loss, &other, &mut rng, ["batch_mean", "with mean"]);
    let other = Recipe {
        class_weight: true,
        ..recipe.clone()
    };
    refused(
        &loss,
        &other,
        &mut rng,
        ["a sum of weights", "counted rows"],
    );
    let other = Recipe {
        labels: None,
        ..recipe.clone()
    };
    refused(&loss, &other, &mut rng, ["a known divisor", "counted rows"]);
    // And where there is nothing to divide by.
    for reduction in [Reduction::None, Reduction::Sum] {
        let layout = Layout {
            reduction,
            ..batch.layout(&loss).expect("good")
        };
        let plan = gpu.plan(&loss, &layout).expect("planned");
        let text = plan.normalizer().expect_err("refused").to_string();
        assert!(text.contains(reduction.name()), "{text}");
    }
    let dice = loss::by_name("dice").expect("registered");
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([6, 4])
    };
    let plan = gpu.plan(&*dice, &layout).expect("planned");
    assert!(plan.normalizer().is_err());
    let bound = micro
        .plan
        .bind(&micro.pool.io(&micro.buffer))
        .expect("bound");
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let text = bound
        .encode_count(&mut encoder)
        .expect_err("none")
        .to_string();
    assert!(text.contains("normalizer"), "{text}");
}

/// Every loss adds to the gradients that are there.
#[test]
fn gradients_are_added_to_what_is_there() {
    let Some(gpu) = support::gpu() else { return };
    let mut wrong = Vec::new();
    for (turn, info) in loss::all().iter().enumerate() {
        let mut rng = Rng::new(info.name);
        for (k, (shape, axis)) in [
            (vec![7, 41], ClassAxis::Last),
            (vec![40, 8], ClassAxis::Last),
            (vec![2, 16_400], ClassAxis::Last),
            (vec![3, 5, 7], ClassAxis::One),
        ]
        .into_iter()
        .enumerate()
        {
            // Each loss meets one of them.
            if turn % 4 != k {
                continue;
            }
            let targets = support::targets(info);
            let weights = support::weights(info);
            let recipe = Recipe {
                class_axis: axis,
                labels: targets[rng.below(targets.len())].map(|_| LabelType::ALL[rng.below(3)]),
                weight: weights[rng.below(weights.len())],
                reduction: Reduction::ALL[rng.below(5)],
                dtype: DType::ALL[turn % 3],
                ..Recipe::new(shape)
            };
            let loss = info.make();
            let batch = support::batch(&*loss, &recipe, &mut rng);
            let result = added(&gpu, &*loss, &batch, &mut rng);
            wrong.extend(
                result
                    .err()
                    .map(|e| format!("{}, {recipe:?}: {e}", info.name)),
            );
        }
    }
    let all = wrong.join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{all}", wrong.len());
}

/// What is not finite among elements, or has no finite loss, is added once, and nothing beside it twice.
#[test]
fn gradients_of_extreme_elements_are_added_once() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("extreme elements");
    let mut wrong = Vec::new();
    // In packs, and not.
    for n in [8192, 5003] {
        for (turn, name) in ["mse", "huber", "margin_ranking"].into_iter().enumerate() {
            let loss = loss::by_name(name).expect("registered");
            for dtype in [DType::F32, [DType::F16, DType::Bf16][turn % 2]] {
                let recipe = Recipe {
                    dtype,
                    reduction: Reduction::Sum,
                    ..Recipe::new([n])
                };
                for extreme in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e25] {
                    let mut batch = support::batch(&*loss, &recipe, &mut rng);
                    let mut x = batch.inputs[0].to_f64().into_owned();
                    for at in [3, 777, 4100, n - 1] {
                        x[at] = extreme;
                    }
                    batch.inputs[0] = x.into();
                    let result = added(&gpu, &*loss, &batch, &mut rng);
                    wrong.extend(
                        result
                            .err()
                            .map(|e| format!("{name} {n} {dtype} {extreme}: {e}")),
                    );
                }
            }
        }
    }
    let all = wrong.join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{all}", wrong.len());
}

/// Into buffers of their own, where packs of gradients are stored as vectors.
#[test]
fn gradients_are_added_in_whole_packs() {
    let Some(gpu) = support::gpu() else { return };
    let losses: [&dyn Loss; 2] = [&Mse::default(), &CrossEntropy::default()];
    for (loss, dtype) in losses.into_iter().flat_map(|l| DType::ALL.map(|d| (l, d))) {
        let recipe = Recipe {
            dtype,
            ..Recipe::new([40, 8])
        };
        let batch = support::batch(loss, &recipe, &mut Rng::new("whole packs"));
        let once = gpu.loss(loss, &batch).expect("an evaluation").grads;
        let before: Vec<f64> = (0..320).map(|i| (i * 7 % 33) as f64 / 8.0 - 2.0).collect();
        let put = |v: &Values<'_>| support::upload(&gpu, &crate::embedding::bytes(v, dtype));
        let Some(Target::Values(target)) = &batch.target else {
            panic!("made with numbers");
        };
        let (x, t, g) = (
            put(&batch.inputs[0]),
            put(target),
            put(&before.clone().into()),
        );
        let layout = Layout {
            accumulate: true,
            ..batch.layout(loss).expect("good")
        };
        let bound = gpu.plan(loss, &layout).expect("planned").bind(&Io {
            inputs: vec![View::whole(&x)],
            target: Some(View::whole(&t)),
            grads: vec![View::whole(&g)],
            ..Default::default()
        });
        run(&gpu, &bound.expect("bound"));
        let found = numbers(&support::download(&gpu, &g), dtype);
        for (i, ((f, g), b)) in found.iter().zip(&once[0]).zip(&before).enumerate() {
            let (f, sum) = (f64::from(*f), f64::from(*g) + b);
            // The gradient and the sum are each rounded once.
            let bound = 2f64.powi(-7) * (f64::from(g.abs()) + sum.abs()) + 2f64.powi(-24);
            assert!(
                support::within(f, sum, bound),
                "{loss:?} {dtype}, number {i}: {f}, not {sum}"
            );
        }
    }
}

fn added(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'static>, rng: &mut Rng) -> Result<(), String> {
    let mut micro = Micro::new(gpu, loss, batch);
    let dtype = batch.dtype;
    let layout = micro.plan.layout().clone();
    run(
        gpu,
        &micro
            .plan
            .bind(&micro.pool.io(&micro.buffer))
            .expect("bound"),
    );
    let once = micro.grads(gpu, dtype);
    let layout = Layout {
        accumulate: true,
        ..layout
    };
    micro.plan = gpu.plan(loss, &layout).map_err(|e| e.to_string())?;
    // Eighths, as large as gradients are, which all types hold.
    let place = |micro: &mut Micro, rng: &mut Rng| -> Vec<Vec<f32>> {
        let mut all = Vec::new();
        for p in &micro.pool.grads {
            let count = p.len / dtype.size() as usize;
            let numbers: Vec<f64> = (0..count)
                .map(|_| rng.below(33) as f64 / 8.0 - 2.0)
                .collect();
            all.push(numbers.iter().map(|&x| x as f32).collect());
            let of = crate::embedding::bytes(&numbers.into(), dtype);
            micro.pool.bytes[p.offset..p.offset + p.len].copy_from_slice(&of);
        }
        all
    };
    let before = place(&mut micro, rng);
    micro.buffer = support::upload(gpu, &micro.pool.bytes);
    run(
        gpu,
        &micro
            .plan
            .bind(&micro.pool.io(&micro.buffer))
            .expect("bound"),
    );
    // Half a unit in the last place of what is added, which is not rounded to storage on the way (and in f32 may be one
    // operation with its last multiplication), and of the sum; twice, for numbers at the lower end of a binade.
    let unit = match dtype {
        DType::F32 => f32::EPSILON,
        DType::F16 => 2f32.powi(-10),
        DType::Bf16 => 2f32.powi(-7),
    };
    for ((found, once), before) in micro.grads(gpu, dtype).iter().zip(&once).zip(&before) {
        for (i, ((f, g), b)) in found.iter().zip(once).zip(before).enumerate() {
            let bound = unit * (g.abs() + (g + b).abs()) + 2f32.powi(-24);
            let fits = match g.is_finite() {
                true => support::within(f64::from(*f), f64::from(g + b), f64::from(bound)),
                false => !f.is_finite(),
            };
            if !fits {
                return Err(format!("number {i}: {b} + {g} is {f}"));
            }
        }
    }
    Ok(())
}

#[test]
fn micro_batches_add_up_to_the_gradient_of_one_input() {
    let Some(gpu) = support::gpu() else { return };
    // The input is what is trained: every micro-batch has targets of its own for it.
    let mut rng = Rng::new("one input");
    let shape = [6usize, 50];
    let draw = |rng: &mut Rng, n: usize| -> Vec<f32> {
        (0..n).map(|_| rng.range(-2.0, 2.0) as f32).collect()
    };
    let x = draw(&mut rng, 300);
    let targets: Vec<Vec<f32>> = (0..8).map(|_| draw(&mut rng, 300)).collect();
    let input = support::upload(&gpu, bytemuck::cast_slice(&x));
    let grad = support::upload(&gpu, &[0; 1200]);
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        accumulate: true,
        ..Layout::new(shape)
    };
    let plan = gpu.plan(&Mse::default(), &layout).expect("planned");
    let normalizer = plan.normalizer().expect("a mean");
    let buffers: Vec<_> = targets
        .iter()
        .map(|t| support::upload(&gpu, bytemuck::cast_slice(t)))
        .collect();
    let bound: Vec<_> = buffers
        .iter()
        .map(|t| {
            let io = Io {
                inputs: vec![View::whole(&input)],
                target: Some(View::whole(t)),
                grads: vec![View::whole(&grad)],
                normalizer: Some(&normalizer),
                ..Io::default()
            };
            plan.bind(&io).expect("bound")
        })
        .collect();
    in_order(&gpu, &normalizer, &bound);
    let (loss, terms) = normalizer.report().expect("a report");
    assert_eq!(terms[0].status.valid, 2400);
    let found = numbers(&support::download(&gpu, &grad), DType::F32);
    let (mut sum, mut grads) = (0.0f64, vec![0.0f64; 300]);
    for t in &targets {
        for (i, (x, t)) in x.iter().zip(t).enumerate() {
            let d = f64::from(*x) - f64::from(*t);
            sum += d * d / 2400.0;
            grads[i] += 2.0 * d / 2400.0;
        }
    }
    // Each of eight: the difference, the product by what divides and the addition, of numbers up to 8/2400.
    assert!((f64::from(loss) - sum).abs() <= 1e-6 * sum, "{loss} {sum}");
    for (a, b) in found.iter().zip(&grads) {
        let bound = 8.0 * 4.0 * 2f64.powi(-24) * 8.0 * 8.0 / 2400.0;
        assert!((f64::from(*a) - b).abs() <= bound, "{a} {b}");
    }
}

/// Every loss of rows or elements with an upstream gradient for each row, as automatic differentiation hands it to one that
/// was not reduced.
#[test]
fn each_row_may_have_an_upstream_gradient() {
    let Some(gpu) = support::gpu() else { return };
    // In chunks too.
    let small = gpu.with_limits((1 << 14) + 1024, 64);
    let mut wrong = Vec::new();
    for (turn, info) in loss::all().iter().enumerate() {
        let mut rng = Rng::new(info.name);
        for (k, (shape, axis)) in [
            (vec![7, 41], ClassAxis::Last),
            (vec![600, 8], ClassAxis::Last),
            (vec![2, 2100], ClassAxis::Last),
            (vec![12, 5, 70], ClassAxis::One),
        ]
        .into_iter()
        .enumerate()
        {
            // Each loss meets one of them.
            if (turn / 2) % 4 != k {
                continue;
            }
            let targets = support::targets(info);
            let weights = support::weights(info);
            let recipe = Recipe {
                class_axis: axis,
                labels: targets[rng.below(targets.len())].map(|_| LabelType::ALL[rng.below(3)]),
                weight: weights[rng.below(weights.len())],
                reduction: [Reduction::None, Reduction::Mean][turn % 2],
                dtype: DType::ALL[turn % 3],
                ..Recipe::new(shape)
            };
            let mut loss = info.make();
            if loss.whole() {
                loss.set("per_row", loss::OptionValue::Flag(true))
                    .expect("an option of sets");
            }
            let batch = support::batch(&*loss, &recipe, &mut rng);
            let on = [&gpu, &small][usize::from(k != 0)];
            let result = by_rows(on, &*loss, &batch, &mut rng);
            wrong.extend(
                result
                    .err()
                    .map(|e| format!("{}, {recipe:?}: {e}", info.name)),
            );
        }
    }
    let all = wrong.join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{all}", wrong.len());
}

fn by_rows(
    gpu: &Gpu,
    loss: &dyn Loss,
    batch: &Batch<'static>,
    rng: &mut Rng,
) -> Result<(), String> {
    let dtype = batch.dtype;
    let pool = Pool::new(loss, batch, 1);
    let buffer = support::upload(gpu, &pool.bytes);
    let layout = Layout {
        upstream: UpstreamLayout::Row,
        ..batch.layout(loss).expect("good")
    };
    let geometry = layout.check(loss).map_err(|e| e.to_string())?;
    let upstream: Vec<f32> = (0..geometry.rows)
        .map(|_| rng.below(17) as f32 / 4.0 - 2.0)
        .collect();
    // Behind a number that is none of its business.
    let mut placed = vec![f32::NAN];
    placed.extend(&upstream);
    let placed = support::upload(gpu, bytemuck::cast_slice(&placed));
    let plan = gpu.plan(loss, &layout).map_err(|e| e.to_string())?;
    let io = Io {
        upstream: Some(View {
            buffer: &placed,
            offset: 4,
            size: 4 * geometry.rows as u64,
        }),
        ..pool.io(&buffer)
    };
    let missing = plan.bind(&Io {
        upstream: None,
        ..io.clone()
    });
    assert!(refusal(missing).contains("upstream gradients"));
    let bound = plan.bind(&io).map_err(|e| e.to_string())?;
    run(gpu, &bound);
    let (same, bounds) =
        reference::evaluate_with_bounds(loss, &batch.rounded()).map_err(|e| e.to_string())?;
    let bytes = support::download(gpu, &buffer);
    // Half a unit of the storage type, of the product instead of the gradient, and two multiplications in f32.
    let unit = match dtype {
        DType::F32 => 2f64.powi(-24),
        DType::F16 => 2f64.powi(-11),
        DType::Bf16 => 2f64.powi(-8),
    };
    let least = match dtype {
        DType::F16 => 2f64.powi(-25),
        _ => 2f64.powi(-126),
    };
    let mut looked = 0;
    for ((place, same), bounds) in pool.grads.iter().zip(&same.grads).zip(&bounds.grads) {
        let found = numbers(&bytes[place.offset..place.offset + place.len], dtype);
        for (i, ((f, g), b)) in found.iter().zip(same).zip(bounds).enumerate() {
            let u = f64::from(upstream[geometry.row_col(i).0]);
            let want = g * u;
            let bound = b * u.abs() + want.abs() * (unit + 2f64.powi(-22)) + least;
            if !want.is_finite() {
                continue;
            }
            looked += usize::from(want != 0.0);
            if !support::within(f64::from(*f), want, bound) {
                return Err(format!(
                    "number {i}: {f}, expected {want} ± {bound}, {}",
                    plan.name()
                ));
            }
        }
    }
    match looked > 10 {
        true => Ok(()),
        false => Err(format!("{looked} gradients are not 0")),
    }
}
