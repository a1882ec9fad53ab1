//! Losses that a user wrote, on this machine's device: what they share with those that came with the crate.

use crate::support::{self, Recipe, Rng};
use wgloss::gpu::{CombinedIo, InPlaceIo, Io, PlanKind, TermIo, TermLayout, View};
use wgloss::loss::{Info, Loss, OptionValue};
use wgloss::{
    Batch, ClassAxis, Combined, CombinedTerm, CrossEntropy, Custom, DType, Error, Gpu, Huber,
    LabelType, Mse, Outcome, Reduction, WeightLayout, reference,
    verify::{self, Extent},
};

const HUBER: &str = "
    override delta: f32 = 1.0;
    fn loss(x: f32, t: f32) -> f32 {
        let d = abs(x - t);
        if (d <= delta) { return 0.5 * d * d; }
        return delta * (d - 0.5 * delta);
    }";

/// Softmax cross-entropy, temperature and all.
const ROWS: &str = include_str!("../../examples/losses/cool_cross_entropy.wgsl");

const EXAMPLES: [(&str, &str); 5] = [
    ("barron", include_str!("../../examples/losses/barron.wgsl")),
    (
        "confident_mse",
        include_str!("../../examples/losses/confident_mse.wgsl"),
    ),
    ("cool_cross_entropy", ROWS),
    (
        "label_focal",
        include_str!("../../examples/losses/label_focal.wgsl"),
    ),
    (
        "pinball",
        include_str!("../../examples/losses/pinball.wgsl"),
    ),
];

fn custom(name: &str, text: &str) -> Custom {
    Custom::new(name, text).unwrap_or_else(|e| panic!("{e}"))
}

fn with(name: &str, text: &str, options: &[(&str, f32)]) -> Custom {
    let mut loss = custom(name, text);
    for (option, value) in options {
        let value = OptionValue::Number(*value);
        loss.set(option, value).expect("a value that it takes");
    }
    loss
}

/// Kernels that a device has compiled for losses.
fn kernels(gpu: &Gpu) -> usize {
    let shown = format!("{gpu:?}");
    let (_, count) = shown.split_once("kernels: ").expect("how many");
    let digits = count.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|d| d.parse().ok()).expect("a number")
}

/// Kernels of one's own, to which nobody else adds any.
fn fresh() -> Option<Gpu> {
    Some(support::gpu()?.with_own_kernels())
}

fn random(loss: &dyn Loss, recipe: &Recipe, seed: &str) -> Batch<'static> {
    support::batch(loss, recipe, &mut Rng::new(seed))
}

/// Evaluates, and holds the outcome against the reference.
fn right(gpu: &Gpu, loss: &dyn Loss, batch: &Batch<'_>) -> Outcome<f32> {
    let out = gpu.loss(loss, batch).expect("an evaluation");
    let check = verify::check(loss, batch, &out).expect("a comparison");
    assert!(check.pass, "{loss:?}: {:?}", check.complaint);
    out
}

#[test]
fn one_text_is_compiled_once() {
    let Some(gpu) = fresh() else { return };
    let batch = random(&Mse::default(), &Recipe::new([3, 5]), "once");
    assert_eq!(kernels(&gpu), 0);
    let first = right(&gpu, &custom("own", HUBER), &batch);
    let after = kernels(&gpu);
    assert!(after > 0);
    let again = right(&gpu, &custom("own", HUBER), &batch);
    assert_eq!(kernels(&gpu), after);
    assert_eq!(support::bits(&first), support::bits(&again));
    // Options are numbers that kernels read; only the defaults may be written into one.
    right(&gpu, &with("own", HUBER, &[("delta", 0.25)]), &batch);
    let after = kernels(&gpu);
    for delta in [0.5, 0.125, 3.0, -1.0] {
        right(&gpu, &with("own", HUBER, &[("delta", delta)]), &batch);
    }
    assert_eq!(kernels(&gpu), after, "another option");
    right(&gpu, &custom("own", HUBER), &batch);
    assert_eq!(kernels(&gpu), after, "the defaults again");
    // What counts finds another text.
    let other = HUBER.replace("0.5", "0.75");
    right(&gpu, &custom("own", &other), &batch);
    assert!(kernels(&gpu) > after);
    // Of rows too, one of whose options is no number that a kernel reads.
    let recipe = Recipe {
        labels: Some(LabelType::I64),
        ..Recipe::new([5, 7])
    };
    let row = with("rows", ROWS, &[("temperature", 1.5)]);
    let batch = random(&row, &recipe, "rows");
    right(&gpu, &row, &batch);
    let after = kernels(&gpu);
    let mut other = with("rows", ROWS, &[("temperature", 0.5), ("bonus", -0.25)]);
    let ignored = OptionValue::Index(2);
    other.set("ignore_index", ignored).expect("an index");
    right(&gpu, &other, &random(&other, &recipe, "other rows"));
    assert_eq!(kernels(&gpu), after, "options of rows");
}

/// Same name, same option, other text: neither the registry of texts nor that of kernels takes one for the other.
#[test]
fn one_name_may_have_two_texts() {
    let Some(gpu) = support::gpu() else { return };
    let text = |factor: &str| {
        format!(
            "override k: f32 = 2.0; fn loss(x: f32, t: f32) -> f32 {{ return {factor} * k * (x - t); }}"
        )
    };
    let (one, three) = (text("1.0"), text("3.0"));
    let batch = Batch::new([2], &[1.0f32, 4.0])
        .target(&[0.5f32, 1.5])
        .reduction(Reduction::Sum);
    let (a, b) = (custom("own", &one), custom("own", &three));
    assert!(!std::ptr::eq(a.info(), b.info()));
    for k in [2.0f32, 0.5] {
        let set = |mut loss: Custom| {
            let value = OptionValue::Number(k);
            loss.set("k", value).expect("a number");
            loss
        };
        // In turn, and each twice.
        for (text, factor) in [(&one, 1.0), (&three, 3.0), (&one, 1.0), (&three, 3.0)] {
            let loss = set(custom("own", text));
            let out = right(&gpu, &loss, &batch);
            assert_eq!(out.loss, Some(factor * k * 3.0));
            assert_eq!(out.grads[0], [factor * k; 2]);
        }
        // In one sum, which has a kernel for both of them.
        let (a, b) = (set(custom("own", &one)), set(custom("own", &three)));
        let mut sum = Combined::new();
        let input = sum.input([2], &[1.0f32, 4.0]);
        for loss in [&a, &b] {
            let term = CombinedTerm::new(loss, 1.0, [input]).target(&[0.5f32, 1.5]);
            sum.term(term.reduction(Reduction::Sum));
        }
        let out = gpu.combined(&sum).expect("an evaluation");
        assert_eq!(out.terms[0].loss, k * 3.0);
        assert_eq!(out.terms[1].loss, 3.0 * k * 3.0);
        assert_eq!(out.grads[0], [4.0 * k; 2]);
    }
    // Another name for the same text is another loss as well, of which reports can tell.
    assert_eq!(custom("other", &one).info().name, "other");
}

/// Files whose names are as near as can be to those that stand beside them, or are made of them.
const NAMES: &[&str] = &[
    // Members are called as functions and parts of kernels are.
    "struct P { term: f32, params: f32, admits: f32, Row: f32, Elem: f32, Grad: f32, opt_a: f32 }
     override a: f32 = 2.0;
     fn loss(x: f32, t: f32) -> f32 {
         var my_params = P(x - t, 1.0, x, t, a, 2.0, x * t);
         var params = my_params;
         params.opt_a += my_params.opt_a * a;
         return params.term * params.params + params.admits * params.Row + params.Elem * params.Grad * params.opt_a;
     }",
    // naga leaves out underscores at the end.
    "override k: f32 = 2.0;
     fn term_(params__: f32) -> f32 { return params__ * k; }
     fn loss_change_(x: f32) -> f32 { return x * x; }
     fn loss(params_: f32, mine_: f32) -> f32 {
         let opt_k = k * params_;
         return term_(opt_k) * mine_ + loss_change_(params_);
     }",
    // What options might be called on the way.
    "override a: f32 = 2.0;
     const wgloss_option_0x: f32 = 3.0;
     const option_0x: f32 = 5.0;
     fn loss(x: f32, t: f32) -> f32 {
         let user_option_0x = x * t;
         return user_option_0x * a + wgloss_option_0x * x * x + option_0x * t;
     }",
    // Beyond ASCII, of which a letter of two characters is not one to all.
    "override \u{3b4}: f32 = 1.5;
     override e: f32 = 3.0;
     override e\u{301}: f32 = 0.5;
     struct Q1 { x_1: f32, \u{e9}: f32 }
     fn f_1(x_: f32) -> f32 { return x_ * \u{3b4} + e; }
     fn loss(x1: f32, t_: f32) -> f32 {
         var p_ = Q1(f_1(x1), t_);
         p_.\u{e9} *= e\u{301};
         return p_.x_1 * p_.\u{e9};
     }",
    // One name is the other with what all names have in front; types and members are as those of derivatives.
    "struct A { v: f32 }
     struct user_A { v: f32 }
     struct Pair { v: vec4<f32>, d_a: vec4<f32> }
     fn pair(x: f32) -> Pair { return Pair(vec4(x), vec4(x * x)); }
     fn pair_change(x: f32) -> vec4<f32> { return pair(x).d_a * x; }
     fn loss(x: f32, t: f32) -> f32 {
         let d = A(x).v - user_A(t).v;
         return d * d + pair(x * t).d_a.x + pair_change(x).y;
     }",
    // Private variables.
    "var<private> acc: f32 = 1.0;
     var<private> reset_private_: f32;
     fn add(t: f32) { acc += t; reset_private_ += acc; }
     fn loss(x: f32, t: f32) -> f32 {
         add(t);
         return x * x * acc + reset_private_ * x;
     }",
    // Options by which whole numbers are divided.
    "override n: u32 = 4u;
     override m: i32 = 3;
     fn loss(x: f32, t: f32) -> f32 {
         let bucket = u32(abs(t) * 8.0) % n + 100u / n + (1u << n);
         return x * x * f32(bucket) + f32(7 / m % m) * x;
     }",
    // Sums are called as kernels call them.
    "struct Sums { s_a: f32, s_b: f32 }
     struct Pair { v: Sums, d_a: Sums }
     fn row_terms_(x: f32) -> f32 { return x; }
     fn row_terms_change(x: f32) -> f32 { return row_terms_(x) * x; }
     fn row_terms(x: f32, t: f32) -> Sums { return Sums(row_terms_change(x) * t, x - t); }
     fn row_loss(Stat: Sums) -> f32 { let p = Pair(Stat, Stat); return p.v.s_a + p.d_a.s_b * Stat.s_b; }",
];

/// Alone, and in a sum with itself and another.
#[test]
fn no_name_is_another() {
    let Some(gpu) = support::gpu() else { return };
    let mse = Mse::default();
    let (x, t) = ([1.5f32, -0.5, 0.25, -1.0], [1.0f32, 0.5, 0.75, -0.25]);
    for text in NAMES {
        let own = custom("own", text);
        right(&gpu, &own, &Batch::new([2, 2], &x).target(&t));
        let mut sum = Combined::new();
        let input = sum.input([2, 2], &x);
        for loss in [&own as &dyn Loss, &mse, &own] {
            sum.term(CombinedTerm::new(loss, 1.0, [input]).target(&t));
        }
        let out = gpu.combined(&sum).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let check = verify::check_combined(&sum, &out).expect("a comparison");
        assert!(check.pass, "{:?}\n{text}", check.complaint);
        assert_eq!(out.terms[0].loss, out.terms[2].loss, "{text}");
    }
}

/// A text by its own derivative is the loss that has one written by hand.
#[test]
fn a_text_does_what_the_built_in_loss_does() {
    let Some(gpu) = support::gpu() else { return };
    let (own, built) = (
        with("own", HUBER, &[("delta", 0.75)]),
        Huber { delta: 0.75 },
    );
    for (turn, reduction) in Reduction::ALL.into_iter().enumerate() {
        for weight in [WeightLayout::None, WeightLayout::Element, WeightLayout::Row] {
            let recipe = Recipe {
                weight,
                reduction,
                dtype: DType::ALL[turn % 3],
                grad_scale: 0.5,
                ..Recipe::new([9, 37])
            };
            let batch = random(&own, &recipe, "built in");
            right(&gpu, &own, &batch);
            let a = reference::loss(&own, &batch).expect("good");
            let b = reference::loss(&built, &batch).expect("good");
            assert_eq!(a.status, b.status);
            let numbers = |o: &Outcome<f64>| -> Vec<f64> {
                let all = o.loss.iter().chain(&o.losses).chain(&o.grads[0]);
                all.copied().collect()
            };
            for (a, b) in numbers(&a).iter().zip(numbers(&b)) {
                // Both in f64, where a few operations round: of a sum of 333 numbers up to 10.
                assert!((a - b).abs() <= 1e-11, "{recipe:?}: {a} and {b}");
            }
        }
    }
}

/// Cross-entropy without a bonus, for which there is a built-in loss too: labels of every type, ignored ones, classes at axis 1, rows of
/// many lengths, weights, and targets of numbers.
#[test]
fn rows_do_what_the_built_in_loss_does() {
    let Some(gpu) = support::gpu() else { return };
    let own = with("rows", ROWS, &[("bonus", 0.0)]);
    let built = CrossEntropy {
        temperature: 2.0,
        ..CrossEntropy::default()
    };
    let shapes: [(&[usize], ClassAxis); 5] = [
        (&[6, 1], ClassAxis::Last),
        (&[7, 10], ClassAxis::Last),
        (&[3, 1030], ClassAxis::Last),
        (&[2, 20_000], ClassAxis::Last),
        (&[2, 5, 9], ClassAxis::One),
    ];
    let mut turn = 0;
    for (shape, class_axis) in shapes {
        for labels in [
            None,
            Some(LabelType::I32),
            Some(LabelType::U32),
            Some(LabelType::I64),
        ] {
            turn += 1;
            let recipe = Recipe {
                class_axis,
                labels,
                weight: [WeightLayout::None, WeightLayout::Row][turn % 2],
                reduction: Reduction::ALL[turn % 5],
                dtype: DType::ALL[turn / 2 % 3],
                grad_scale: -1.5,
                ..Recipe::new(shape)
            };
            let mut batch = random(&built, &recipe, "rows");
            if labels.is_none() {
                // A distribution each, of numbers that add up to 1 exactly.
                let g = recipe.geometry();
                let class = |i: usize| match class_axis {
                    ClassAxis::Last => i % g.cols,
                    ClassAxis::One => i / 9 % g.cols,
                };
                let share = |i: usize| match (g.cols, class(i)) {
                    (1, _) => 1.0,
                    (_, c) if c == g.cols / 3 || c == g.cols - 1 => 0.5,
                    _ => 0.0f32,
                };
                batch = batch.target((0..g.elements).map(share).collect::<Vec<_>>());
            }
            right(&gpu, &own, &batch);
            // Several workgroups a row, which `verify --quick` may leave out.
            let layout = batch.layout(&own).expect("good");
            if PlanKind::Split.carries(&own, &layout).expect("good") {
                right(&gpu.with_plan(PlanKind::Split), &own, &batch);
            }
            let a = reference::loss(&own, &batch).expect("good");
            let b = reference::loss(&built, &batch).expect("good");
            assert_eq!(a.status, b.status, "{recipe:?}");
            let numbers = |o: &Outcome<f64>| -> Vec<f64> {
                let all = o.loss.iter().chain(&o.losses).chain(&o.grads[0]);
                all.copied().collect()
            };
            for (a, b) in numbers(&a).iter().zip(numbers(&b)) {
                // Sums of up to 20,000 exponentials, each rounded to f64, and losses of up to 40 with weights of up to 2.
                assert!((a - b).abs() <= 1e-9, "{recipe:?}: {a} and {b}");
            }
        }
    }
}

/// Beside a built-in loss of the same input: the losses are those of each, and the gradient is their sum.
#[test]
fn a_sum_with_a_built_in_loss() {
    let Some(gpu) = support::gpu() else { return };
    let own = with("own", HUBER, &[("delta", 0.5)]);
    let row = custom("rows", ROWS);
    let (mse, ce) = (Mse::default(), CrossEntropy::default());
    let shape = [9usize, 33];
    let n = 9 * 33;
    let mut rng = Rng::new("sum");
    let mut draw =
        |low: f64, high: f64| -> Vec<f32> { (0..n).map(|_| rng.range(low, high) as f32).collect() };
    let (x, t, w) = (draw(-3.0, 3.0), draw(-3.0, 3.0), draw(0.25, 2.0));
    let labels: Vec<i64> = (0..9).map(|r| if r == 4 { -100 } else { r * 3 }).collect();
    for (turn, dtype) in DType::ALL.into_iter().enumerate() {
        let mut sum = Combined::new();
        sum.dtype = dtype;
        sum.grad_scale = 2.0;
        let input = sum.input(shape, &x);
        let terms = [
            CombinedTerm::new(&mse, 0.75, [input]).target(&t),
            CombinedTerm::new(&own, -0.5, [input])
                .target(&t)
                .weights(&w)
                .reduction(Reduction::WeightedMean),
            CombinedTerm::new(&row, 2.0, [input]).labels(&labels),
            CombinedTerm::new(&ce, 0.25, [input]).labels(&labels),
        ];
        // Custom ones beside each other, and before and behind built-in ones.
        for term in terms.into_iter().cycle().skip(turn).take(4) {
            sum.term(term);
        }
        let out = gpu.combined(&sum).expect("an evaluation");
        let check = verify::check_combined(&sum, &out).expect("a comparison");
        assert!(check.pass, "{dtype}: {:?}", check.complaint);
        // The reference of the sum is what each reference says of itself.
        let whole = reference::combined(&sum).expect("good");
        let (mut loss, mut grad) = (0.0, vec![0.0; n]);
        for (k, term) in sum.terms.iter().enumerate() {
            let alone = reference::loss(term.loss, &sum.batch(k).expect("good")).expect("good");
            loss += f64::from(term.weight) * alone.loss.expect("reduced");
            for (sum, g) in grad.iter_mut().zip(&alone.grads[0]) {
                *sum += g;
            }
        }
        assert!((whole.loss - loss).abs() <= 1e-12 * loss.abs().max(1.0));
        for (a, b) in whole.grads[0].iter().zip(&grad) {
            assert!((a - b).abs() <= 1e-12, "{a} and {b}");
        }
    }
}

/// Buffers of somebody's, bound once, with numbers that change between steps; beside it the gradient over the input.
#[test]
fn a_plan_takes_buffers() {
    let Some(gpu) = support::gpu() else { return };
    for (text, name, labels) in [
        (HUBER, "own", None),
        (ROWS, "rows", Some(LabelType::I32)),
        (ROWS, "rows", None),
    ] {
        let loss = custom(name, text);
        let recipe = Recipe {
            labels,
            weight: WeightLayout::Row,
            reduction: Reduction::Sum,
            ..Recipe::new([12, 40])
        };
        let batches = ["first", "second"].map(|seed| random(&loss, &recipe, seed));
        let layout = batches[0].layout(&loss).expect("good");
        let f32s = |v: &wgloss::Values<'_>| -> Vec<u8> {
            let v: Vec<f32> = v.to_f64().iter().map(|v| *v as f32).collect();
            bytemuck::cast_slice(&v).to_vec()
        };
        let target = |b: &Batch<'_>| match b.target.as_ref().expect("a target") {
            wgloss::Target::Values(v) => f32s(v),
            wgloss::Target::Labels(wgloss::Labels::I32(v)) => bytemuck::cast_slice(v).to_vec(),
            other => panic!("{other:?}"),
        };
        let weight = |b: &Batch<'_>| f32s(b.weight.as_ref().expect("weights"));
        let x = support::upload(&gpu, &f32s(&batches[0].inputs[0]));
        let t = support::upload(&gpu, &target(&batches[0]));
        let w = support::upload(&gpu, &weight(&batches[0]));
        let g = support::upload(&gpu, &[0xff; 4 * 480]);
        let total = support::upload(&gpu, &[0; 4]);
        let upstream = support::upload(&gpu, &1.0f32.to_le_bytes());
        let plan = gpu.plan(&loss, &layout).expect("a plan");
        let io = Io {
            inputs: vec![View::whole(&x)],
            target: Some(View::whole(&t)),
            weight: Some(View::whole(&w)),
            grads: vec![View::whole(&g)],
            loss: Some(View::whole(&total)),
            upstream: Some(View::whole(&upstream)),
            ..Default::default()
        };
        let bound = plan.bind(&io).expect("bound");
        let io = InPlaceIo {
            inputs: vec![View::whole(&x)],
            target: Some(View::whole(&t)),
            weight: Some(View::whole(&w)),
            upstream: Some(View::whole(&upstream)),
            ..Default::default()
        };
        let over = gpu.plan_in_place(&loss, &layout).expect("a plan");
        let over = over.bind(&io).expect("bound");
        let floats = |b| -> Vec<f32> { bytemuck::pod_collect_to_vec(&support::download(&gpu, b)) };
        let said = |(loss, status), grads| Outcome {
            loss,
            losses: Vec::new(),
            grads: vec![grads],
            status,
        };
        for (batch, scale) in batches.into_iter().zip([1.0f32, -0.75]) {
            let batch = batch.grad_scale(scale);
            for (buffer, bytes) in [
                (&x, f32s(&batch.inputs[0])),
                (&t, target(&batch)),
                (&w, weight(&batch)),
                (&upstream, scale.to_le_bytes().to_vec()),
            ] {
                gpu.queue().write_buffer(buffer, 0, &bytes);
            }
            support::submit(&gpu, &mut |encoder| bound.encode(encoder));
            let out = said(bound.report().expect("a report"), floats(&g));
            assert_eq!(floats(&total), [out.loss.expect("a sum")]);
            let check = verify::check(&loss, &batch, &out).expect("a comparison");
            assert!(check.pass, "{loss:?}: {:?}", check.complaint);
            support::submit(&gpu, &mut |encoder| over.encode(encoder));
            let out = said(over.report().expect("a report"), floats(&x));
            let check = verify::check(&loss, &batch, &out).expect("a comparison");
            assert!(check.pass, "in place: {loss:?}: {:?}", check.complaint);
            // A comparison that finds nothing has to find one number off.
            let mut off = out;
            off.grads[0][77] += 0.01;
            assert!(
                !verify::check(&loss, &batch, &off)
                    .expect("a comparison")
                    .pass
            );
        }
    }
}

/// Several losses over one buffer, whose gradients are added up where they land.
#[test]
fn gradients_add_up_in_one_buffer() {
    let Some(gpu) = support::gpu() else { return };
    let (own, row) = (custom("own", HUBER), custom("rows", ROWS));
    let layout = |target| {
        let mut layout = wgloss::Layout::new([6, 20]);
        layout.target = target;
        layout
    };
    let values = wgloss::TargetLayout::Values(DType::F32);
    let labelled = wgloss::TargetLayout::Labels(LabelType::U32);
    let term = |loss, weight, target| TermLayout {
        loss,
        weight,
        inputs: vec![0],
        layout: layout(target),
    };
    let terms = [
        term(&own as &dyn Loss, 0.5, values),
        term(&row, -1.5, labelled),
        term(&own, 2.0, values),
    ];
    let plan = gpu.plan_combined(&terms).expect("a plan");
    let mut rng = Rng::new("one buffer");
    let mut draw = || -> Vec<f32> { (0..120).map(|_| rng.range(-3.0, 3.0) as f32).collect() };
    let (x, a, b) = (draw(), draw(), draw());
    let y: Vec<u32> = (0..6).map(|r| r * 5 % 20).collect();
    let [bx, ba, bb] = [&x, &a, &b].map(|v| support::upload(&gpu, bytemuck::cast_slice(v)));
    let by = support::upload(&gpu, bytemuck::cast_slice(&y));
    let grad = support::upload(&gpu, &[0xff; 480]);
    let target = |b| TermIo {
        target: Some(View::whole(b)),
        ..Default::default()
    };
    let io = CombinedIo {
        inputs: vec![View::whole(&bx)],
        grads: vec![View::whole(&grad)],
        terms: vec![target(&ba), target(&by), target(&bb)],
        loss: None,
        upstream: None,
        normalizer: None,
    };
    let bound = plan.bind(&io).expect("bound");
    let mut host = Combined::new();
    let input = host.input([6, 20], &x);
    host.term(CombinedTerm::new(&own, 0.5, [input]).target(&a));
    host.term(CombinedTerm::new(&row, -1.5, [input]).labels(&y));
    host.term(CombinedTerm::new(&own, 2.0, [input]).target(&b));
    // Twice: what is there from the first time is no part of the second.
    for _ in 0..2 {
        support::submit(&gpu, &mut |encoder| bound.encode(encoder));
        let (loss, terms) = bound.report().expect("a report");
        let grads = bytemuck::pod_collect_to_vec(&support::download(&gpu, &grad));
        let out = wgloss::CombinedOutcome {
            loss,
            terms,
            grads: vec![grads],
        };
        let check = verify::check_combined(&host, &out).expect("a comparison");
        assert!(check.pass, "{:?}", check.complaint);
    }
}

#[test]
fn an_error_has_its_place() {
    let text = "override k = 1.0;\nfn loss(x: f32, t: f32) -> f32 {\n    return k * (x - y);\n}\n";
    let error = Custom::new("own", text).expect_err("there is no `y`");
    assert_eq!(
        error.to_string(),
        "own:3:21: no definition in scope for identifier: `y`"
    );
    let Error::Source { name, error } = error else {
        panic!("{error}")
    };
    assert_eq!((name.as_str(), error.line, error.column), ("own", 3, 21));
    assert_eq!(
        (error.length, error.excerpt.as_str()),
        (1, "    return k * (x - y);")
    );
    assert_eq!(error.message, "no definition in scope for identifier: `y`");
    // What went wrong leaves nothing behind: the next text is read, and this one is wrong again.
    custom("own", &text.replace('y', "t"));
    assert!(Custom::new("own", text).is_err());
}

/// The functions that are said to be in the text of a derivative.
#[test]
fn derivatives_have_the_names_that_are_said() {
    let sum = "fn row_terms(x: f32, t: f32) -> f32 { return x * x * t; } fn row_loss(s: f32) -> f32 { return s * s; }";
    let taken = "fn loss_change(x: f32) -> f32 { return x; } fn loss(x: f32, t: f32) -> f32 { return loss_change(x) * t; }";
    for (text, functions) in [
        (HUBER, &["loss_change("][..]),
        (ROWS, &["row_terms_change(", "row_loss_change("]),
        (sum, &["row_terms_change(", "row_loss_change("]),
        (taken, &["user_loss_change(", "loss_change("]),
    ] {
        let loss = custom("names", text);
        for function in functions {
            let head = format!("fn {function}");
            assert!(
                loss.derivative().contains(&head),
                "{head} in\n{}",
                loss.derivative()
            );
        }
    }
}

#[test]
fn options_that_a_text_has_not() {
    let mut loss = custom("own", HUBER);
    let known = OptionValue::Number(0.5);
    let refused = [
        ("gamma", known.clone()),
        ("delta", OptionValue::Flag(true)),
        ("delta", OptionValue::Number(f32::NAN)),
        ("delta", OptionValue::Index(3)),
    ];
    for (name, value) in refused {
        let error = loss.set(name, value).expect_err(name);
        assert!(
            matches!(
                error,
                Error::UnknownOption { .. } | Error::OptionValue { .. }
            ),
            "{error:?}"
        );
        assert_eq!(loss.options(), [OptionValue::Number(1.0)], "nothing is set");
    }
    loss.set("delta", known.clone()).expect("a number");
    assert_eq!(loss.options(), [known]);
    assert_eq!(format!("{loss:?}"), "own { delta: 0.5 }");
}

/// What follows from options reaches kernels with all its bits, whatever its type.
#[test]
fn derived_integers_have_all_their_bits() {
    let Some(gpu) = support::gpu() else { return };
    let text = "
        override k: u32 = 3u;
        override mask: u32 = k * 10000001u;
        override low: i32 = -i32(k) * 10000001;
        override all: u32 = ~(k - k);
        override many = k > 4u;
        fn loss(x: f32, t: f32) -> f32 {
            let own = f32(mask & 255u) * x + f32(low & 255) * t + f32(all >> 31u);
            return select(own, -own, many);
        }";
    let batch = Batch::new([2], &[1.0f32, 2.0])
        .target(&[1.0f32, 0.0])
        .reduction(Reduction::None);
    for k in [3u32, 5, 1_000_003] {
        let loss = with("bits", text, &[("k", k as f32)]);
        let mask = k.wrapping_mul(10_000_001);
        let of = |bits: u32| (bits & 255) as f32;
        let (up, down) = (of(mask), of(mask.wrapping_neg()));
        let sign = if k > 4 { -1.0 } else { 1.0 };
        let out = right(&gpu, &loss, &batch);
        let wanted = [sign * (up + down + 1.0), sign * (2.0 * up + 1.0)];
        assert_eq!(out.losses, wanted, "{k}");
        assert_eq!(out.grads[0], [sign * up; 2], "{k}");
    }
}

/// Of options and targets anything may be made, which the device makes of it too.
#[test]
fn packed_options_and_targets_are_those_of_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    let t: Vec<f32> = (0..64).map(|k| k as f32 / 32.0 - 1.0).collect();
    let batch = Batch::new([64], &[1.5f32; 64])
        .target(&t)
        .reduction(Reduction::None);
    for expression in [
        "unpack2x16float(u + 15361u).x",
        "unpack4x8snorm(u * 40000u).y",
        "unpack4x8unorm(u * 40000u).y",
        "unpack2x16snorm(u * 4000000u).y",
        "unpack2x16unorm(u * 4000000u).y",
        "f32(unpack4xI8(u * 200u).x)",
        "f32(unpack4xU8(u * 200u).x)",
        "unpack4x8snorm(pack4x8snorm(vec4(t, 0.3, t * 0.5, f32(u)))).x",
        "f32(pack4x8unorm(vec4(t, 0.3, t * 0.5, f32(u))) & 0xffffu)",
        "unpack2x16snorm(pack2x16snorm(vec2(t, 0.3))).x",
        "unpack2x16unorm(pack2x16unorm(vec2(t, 0.3))).x",
        "unpack2x16float(pack2x16float(vec2(0.3, t))).y",
        "f32(pack4xI8(vec4(i32(t * 300.0))) & 0xffffu)",
        "f32(pack4xU8(vec4(u32(t * 300.0))) & 0xffffu)",
        "f32(pack4xI8Clamp(vec4(i32(t * 300.0))) & 0xffffu)",
        "f32(pack4xU8Clamp(vec4(u32(t * 300.0))) & 0xffffu)",
        "f32(dot4I8Packed(u * 1234567u, pack4x8snorm(vec4(t))))",
        "f32(dot4U8Packed(u * 1234567u, pack4x8unorm(vec4(t))))",
    ] {
        let text = format!(
            "override u: u32 = 3u; fn loss(x: f32, t: f32) -> f32 {{ return {expression} * x; }}"
        );
        let loss = custom("packed", &text);
        let out = right(&gpu, &loss, &batch);
        let check = verify::check(&loss, &batch, &out).expect("a comparison");
        assert!(check.unbounded < 8, "{expression}: {check:?}");
    }
}

/// A batch with an element of which a loop does not end is refused, quickly; others know nothing of it, before it, after it or beside it.
#[test]
fn what_cannot_be_evaluated_is_one_batch() {
    let text = "
        fn loss(x: f32, t: f32) -> f32 {
            var v = x;
            while (x > 100.0) { v += t; }
            return v * t;
        }";
    let loss = custom("ever", text);
    let numbers = |x: f32| vec![x; 1000];
    let batch = |x: f32| Batch::new([1000], numbers(x)).target(numbers(2.0));
    let good = || {
        let out = reference::loss(&loss, &batch(3.0)).expect("a loss");
        assert_eq!(out.loss, Some(6.0));
    };
    let bad = || {
        let error = reference::loss(&loss, &batch(101.0)).expect_err("no end");
        let wanted = "ever:4:33: this loop takes more than 1000000 steps";
        assert_eq!(error.to_string(), wanted);
    };
    good();
    let start = std::time::Instant::now();
    bad();
    let once = start.elapsed();
    good();
    std::thread::scope(|scope| {
        for turn in 0..4 {
            scope.spawn(move || {
                for _ in 0..3 {
                    if turn % 2 == 0 { good() } else { bad() }
                }
            });
        }
    });
    // Of a thousand such elements one is tried: a million steps, where all of them would take minutes.
    assert!(once.as_secs() < 20, "{once:?}");
    let (x, t) = (numbers(101.0), numbers(2.0));
    let mut sum = Combined::new();
    let input = sum.input([1000], &x);
    sum.term(CombinedTerm::new(&loss, 1.0, [input]).target(&t));
    assert!(reference::combined(&sum).is_err());
    good();
}

/// `wgloss verify --quick` of the examples: every kernel against the reference, and the derivatives against differences.
#[test]
fn examples_are_within_their_bounds() {
    let Some(gpu) = support::gpu() else { return };
    let all: Vec<&'static Info> = EXAMPLES
        .iter()
        .map(|(name, text)| custom(name, text).info())
        .collect();
    let mut failures = Vec::new();
    let mut plans = std::collections::BTreeSet::new();
    let summary = verify::run(&gpu, &all, Extent::Quick, &mut |row, done, total| {
        assert!(done <= total);
        plans.insert((row.name, row.plan));
        let (shape, dtype, reduction) = (&row.shape, row.dtype, row.reduction);
        let complaint = row.check.complaint.as_ref();
        failures
            .extend(complaint.map(|c| format!("{} {shape:?} {dtype} {reduction}: {c}", row.name)));
    })
    .expect("the device evaluates");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(summary.failed, 0);
    assert!(summary.cases > 20 * all.len(), "{summary:?}");
    for (name, _) in EXAMPLES {
        assert!(plans.contains(&(name, "differences")), "{name}");
    }
    for plan in ["short", "workgroup", "strided", "shift by maximum"] {
        assert!(plans.contains(&("cool_cross_entropy", plan)), "{plan}");
    }
    for plan in ["elementwise", "chunked elementwise"] {
        assert!(plans.contains(&("pinball", plan)), "{plan}");
    }
}

/// A comparison that finds nothing wrong has to find it where something is.
#[test]
fn verify_finds_what_is_wrong() {
    let Some(gpu) = support::gpu() else { return };
    let text = "const shift_by_max = true;
        fn row_terms(x: f32, t: f32) -> f32 { return exp(0.5 * x) + t; }
        fn row_loss(sum: f32) -> f32 { return log(sum); }";
    let info = custom("moves", text).info();
    let mut failed = Vec::new();
    verify::run(&gpu, &[info], Extent::Quick, &mut |row, _, _| {
        if !row.check.pass {
            failed.push(row.plan);
        }
    })
    .expect("the device evaluates");
    // Its gradient knows nothing of the maxima, and the loss is another one without them; the kernels are what the text says.
    assert_eq!(failed, ["differences", "shift by maximum"]);
}

/// What a row that is not finite, or has nothing but masks, does to loss and gradient is the reference's too.
#[test]
fn rows_that_are_not_finite_are_those_of_the_reference() {
    let Some(gpu) = support::gpu() else { return };
    let loss = custom("cool_cross_entropy", ROWS);
    const INF: f32 = f32::INFINITY;
    let rows = [
        [INF, 1.0, 2.0],
        [-INF, -INF, -INF],
        [INF, INF, 1.0],
        [-INF, 1.0, 2.0],
        [f32::NAN, 1.0, 2.0],
        [3e38, -3e38, 0.0],
    ];
    for row in rows {
        let batch = Batch::new([1, 3], &row)
            .labels(&[1i64])
            .reduction(Reduction::None);
        right(&gpu, &loss, &batch);
    }
}

/// What sets private variables back has a name that nothing of the user's has.
#[test]
fn private_variables_are_set_back_whatever_else_is_called_so() {
    let Some(gpu) = support::gpu() else { return };
    let text = "
        struct reset_private { a: f32 }
        const reset_private_own = 2.0;
        var<private> seen: f32 = 1.0;
        fn loss(x: f32, t: f32) -> f32 {
            seen += 1.0;
            return reset_private(x - t).a * reset_private_own * seen;
        }";
    let loss = custom("names", text);
    let batch = Batch::new([5000], &[3.0f32; 5000])
        .target(&[1.0f32; 5000])
        .reduction(Reduction::None);
    let out = right(&gpu, &loss, &batch);
    assert!(out.losses.iter().all(|l| *l == 8.0));
}

/// Logarithms of 1 and a small exponential, and powers by 1 and 2, are the crate's own and not the driver's.
#[test]
fn logarithms_and_powers_are_those_of_kernels() {
    let Some(gpu) = support::gpu() else { return };
    let one = |text: &str, x: &[f32]| {
        let loss = custom("own", text);
        let zeros = vec![0.0f32; x.len()];
        let batch = Batch::new([x.len()], x)
            .target(&zeros[..])
            .reduction(Reduction::None);
        let out = gpu.loss(&loss, &batch);
        let out = out.unwrap_or_else(|e| panic!("{e}"));
        (out.losses, out.grads[0].clone())
    };
    // e^-x, of which WGSL's logarithm of 1 + e^-x knows nothing.
    let xs = [8.0f32, 20.0, 40.0, 80.0];
    let (losses, grads) = one(
        "fn loss(x: f32, t: f32) -> f32 { return log(1.0 + exp(-abs(x))) + t; }",
        &xs,
    );
    for ((x, loss), grad) in xs.iter().zip(&losses).zip(&grads) {
        let e = (-f64::from(*x)).exp();
        // What exp may be off by, and twice as much for the rest.
        let bound = 2.0 * (3.0 + 2.0 * f64::from(*x)) * 2f64.powi(-23);
        let off = |a: f32, b: f64| (f64::from(a) / b - 1.0).abs();
        assert!(off(*loss, e.ln_1p()) < bound, "{loss} at {x}");
        assert!(off(*grad, -e / (1.0 + e)) < bound, "{grad} at {x}");
    }
    let square = "override p: f32 = 2.0;
        fn loss(x: f32, t: f32) -> f32 { return pow(x - t, p); }";
    let (losses, grads) = one(square, &[-3.0, 0.0, 0.5]);
    assert_eq!(losses, [9.0, 0.0, 0.25]);
    assert_eq!(grads, [-6.0, 0.0, 1.0]);
    // All others are the driver's, and so are powers of vectors.
    let (losses, grads) = one(&square.replace("2.0", "2.5"), &[4.0]);
    assert!((losses[0] - 32.0).abs() < 1e-3, "{losses:?}");
    assert!((grads[0] - 20.0).abs() < 1e-3, "{grads:?}");
    let vector = "fn loss(x: f32, t: f32) -> f32 { return dot(pow(vec2f(x, 1.0 + t), vec2f(3.0, 0.5)), vec2f(1.0)); }";
    let (losses, _) = one(vector, &[2.0]);
    assert!((losses[0] - 9.0).abs() < 1e-4, "{losses:?}");
}
