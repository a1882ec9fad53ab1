//! Calls that are wrong, each by itself: a typed error in one line that says what was expected, nothing that reaches the host's own
//! error handler, and no panic. What goes wrong with every loss alike is in `bad_input`.

use crate::support;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wgloss::gpu::{
    Bound, CombinedIo, ConfusionState, InPlaceIo, InPlacePlan, Io, Plan, PlanKind, Predictions,
    RowOutputsIo, Select, TermIo, TermLayout, View,
};
use wgloss::loss::{Loss, OptionValue, PerColumn};
use wgloss::metric::{Binary, InputKind, Multiclass, Multilabel, Regression, Samples};
use wgloss::{
    Batch, BceWithLogits, ClassAxis, Combined, CombinedTerm, CrossEntropy, Custom, DType, Dice,
    Error, Gpu, Huber, JsDivWithLogits, L1Penalty, LabelType, Layout, Mae, Mse, MultiMargin,
    Reduction, Result, Status, Target, TargetLayout, Triplet, UpstreamLayout, WeightLayout,
    class_weight, loss, reference, verify, wgpu,
};

/// A device that belongs to a host, and what it has already.
struct Host {
    gpu: Gpu,
    /// Another device.
    other: Gpu,
    /// Errors that nobody caught.
    uncaught: Arc<AtomicUsize>,
    /// 48 bytes each: an input, a target and a gradient of 12 numbers, or the labels of 4 rows.
    x: wgpu::Buffer,
    t: wgpu::Buffer,
    dx: wgpu::Buffer,
    /// As large, for copies only.
    copies: wgpu::Buffer,
    /// Of 4 rows and 3 columns.
    mse: Plan,
    rows: Plan,
    over: InPlacePlan,
    confusion: ConfusionState,
}

/// 4 rows of 3 columns with numbers for a target, or with labels.
fn numbers() -> Layout {
    Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([4, 3])
    }
}

fn labels() -> Layout {
    Layout {
        target: TargetLayout::Labels(LabelType::I64),
        ..Layout::new([4, 3])
    }
}

fn ce() -> CrossEntropy {
    CrossEntropy::default()
}

impl Host {
    fn new() -> Option<Host> {
        support::gpu()?;
        let uncaught = Arc::new(AtomicUsize::new(0));
        let [gpu, other] = [0; 2].map(|_| {
            let gpu = Gpu::new().expect("there was one");
            let counter = uncaught.clone();
            gpu.device().on_uncaptured_error(Arc::new(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            }));
            gpu
        });
        let [x, t, dx] = [0; 3].map(|_| support::upload(&gpu, &[0; 48]));
        let copies = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 48,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let predictions = Predictions::Scores(DType::F32);
        Some(Host {
            mse: gpu.plan(&Mse::default(), &numbers()).expect("planned"),
            rows: gpu.plan(&ce(), &labels()).expect("planned"),
            over: gpu.plan_in_place(&ce(), &labels()).expect("planned"),
            confusion: gpu.confusion(predictions, LabelType::I64, 3).expect("made"),
            gpu,
            other,
            uncaught,
            x,
            t,
            dx,
            copies,
        })
    }

    /// What fits the plan of `mse`.
    fn io(&self) -> Io<'_> {
        Io {
            inputs: vec![View::whole(&self.x)],
            target: Some(View::whole(&self.t)),
            grads: vec![View::whole(&self.dx)],
            ..Default::default()
        }
    }

    /// What fits the plan in place.
    fn over(&self) -> InPlaceIo<'_> {
        InPlaceIo {
            inputs: vec![View::whole(&self.x)],
            target: Some(View::whole(&self.t)),
            ..Default::default()
        }
    }

    fn part<'a>(&self, buffer: &'a wgpu::Buffer, offset: u64, size: u64) -> View<'a> {
        View {
            buffer,
            offset,
            size,
        }
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu
            .device()
            .create_command_encoder(&Default::default())
    }

    fn plan(&self, loss: &dyn Loss, layout: Layout) -> Result<Plan> {
        self.gpu.plan(loss, &layout)
    }

    /// A ranked plan of so many classes, with its buffers, that passes over a label.
    fn ranked(&self, classes: usize, ignore_index: i64) -> Result<Bound> {
        let loss = CrossEntropy {
            ignore_index,
            ..ce()
        };
        let layout = Layout {
            target: TargetLayout::Labels(LabelType::I64),
            gradient: false,
            ..Layout::new([4, classes])
        };
        let plan = self.gpu.plan_ranked(&loss, &layout)?;
        plan.bind(&Io {
            grads: Vec::new(),
            ..self.io()
        })
    }

    /// A binary state by scores without room for any.
    fn counted(&self, asked: Binary) -> Result<wgloss::gpu::BinaryState> {
        let scores = Predictions::Scores(DType::F32);
        self.gpu.binary(&asked, scores, LabelType::I64, None, 0)
    }
}

/// A call that is wrong: what it does, what the error is, and what its line says.
struct Call {
    what: &'static str,
    variant: &'static str,
    words: &'static [&'static str],
    call: fn(&Host) -> Result<()>,
}

macro_rules! calls {
    ($($what:literal: $Variant:ident $words:expr, |$host:pat_param| $call:expr;)*) => {
        &[$(Call {
            what: $what,
            variant: stringify!($Variant),
            words: &$words,
            call: |$host| $call.map(drop),
        }),*]
    };
}

/// The name of an error's variant.
fn variant(error: &Error) -> String {
    let text = format!("{error:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_string()
}

fn half(n: usize) -> Vec<f32> {
    vec![0.5; n]
}

/// A batch of 4 rows and 3 columns with numbers, or with labels.
fn batch() -> Batch<'static> {
    Batch::new([4, 3], half(12)).target(half(12))
}

fn classes() -> Batch<'static> {
    Batch::new([4, 3], half(12)).labels(vec![0i64, 1, 2, 0])
}

fn samples() -> Samples<'static> {
    Samples::new([4], vec![0.1f32, 0.9, 0.5, 0.4]).labels(vec![0i64, 1, 1, 0])
}

/// Terms of a sum over input 0.
fn term(loss: &dyn Loss, layout: Layout) -> TermLayout<'_> {
    TermLayout {
        loss,
        weight: 1.0,
        inputs: vec![0],
        layout,
    }
}

/// The error of a sum in host memory, which has to be the same on the device.
fn sum(host: &Host, change: impl Fn(&mut Combined<'_>)) -> Result<()> {
    let (mse, ce) = (Mse::default(), ce());
    let mut sum = Combined::new();
    let input = sum.input([4, 3], &[0.5f32; 12]);
    sum.term(CombinedTerm::new(&mse, 1.0, [input]).target(&[0.5f32; 12]));
    sum.term(CombinedTerm::new(&ce, 1.0, [input]).labels(&[0i64, 1, 2, 0]));
    change(&mut sum);
    let there = host.gpu.combined(&sum).map(drop);
    let here = reference::combined(&sum).map(drop);
    assert_eq!(
        here.as_ref().map_err(Error::to_string),
        there.as_ref().map_err(Error::to_string)
    );
    there
}

/// The error of an evaluation, which has to be the same on the device.
fn both(host: &Host, loss: &dyn Loss, batch: &Batch<'_>) -> Result<()> {
    let there = host.gpu.loss(loss, batch).map(drop);
    let here = reference::loss(loss, batch).map(drop);
    assert_eq!(
        here.as_ref().map_err(Error::to_string),
        there.as_ref().map_err(Error::to_string)
    );
    there
}

fn custom(text: &str) -> Result<Custom> {
    Custom::new("own", text)
}

const LOSSES: &[Call] = calls! {
    "a loss that nobody has": UnknownLoss ["unknown loss `mes`", "mse, mae"], |_| loss::by_name("mes");
    "the name of a loss in two lines": UnknownLoss ["unknown loss `mse\\nmae`"], |_| loss::by_name("mse\nmae");
    "an option that a loss has not": UnknownOption ["mse has no option `delta`", "expected none"],
        |_| Mse::default().set("delta", OptionValue::Number(1.0));
    "an option's name in two lines": UnknownOption ["no option `z\\nloss`", "z_loss"],
        |_| ce().set("z\nloss", OptionValue::Number(1.0));
    "a flag for a number": OptionValue ["`z_loss`", "at least 0", "found true"],
        |_| ce().set("z_loss", OptionValue::Flag(true));
    "a number for a flag": OptionValue ["`swap`", "true or false", "found 1"],
        |_| Triplet::default().set("swap", OptionValue::Number(1.0));
    "a number for a class index": OptionValue ["`ignore_index`", "a class index", "found 0.5"],
        |_| ce().set("ignore_index", OptionValue::Number(0.5));
    "a list for one number": OptionValue ["`delta`", "above 0", "found 2 numbers"],
        |_| Huber::default().set("delta", OptionValue::Columns(half(2)));
    "a number in a list out of range": OptionValue ["`pos_weight`", "finite", "NaN at index 1"],
        |_| BceWithLogits::default().set("pos_weight", OptionValue::Columns(vec![1.0, f32::NAN]));
    "an empty list": OptionValue ["`pos_weight`", "3 for the columns", "0 numbers"],
        |h| both(h, &BceWithLogits { pos_weight: PerColumn::Each(Vec::new()), ..Default::default() }, &batch());
    "a field that is NaN": OptionValue ["`delta`", "above 0", "found NaN"],
        |h| both(h, &Huber { delta: f32::NAN }, &batch());
    "a field that is infinite": OptionValue ["`p` of triplet", "at least 1", "found inf"],
        |h| h.plan(&Triplet { p: f32::INFINITY, ..Default::default() }, Layout::new([4, 3]));
    "a field at an open end": OptionValue ["`beta`", "below 1", "found 1"],
        |h| both(h, &JsDivWithLogits { beta: 1.0 }, &batch());
    "a field between two whole numbers": OptionValue ["`p` of multi_margin", "1 or 2", "found 1.5"],
        |h| both(h, &MultiMargin { p: 1.5, ..Default::default() }, &classes());
    "a smoothing above 1": OptionValue ["`label_smoothing`", "[0, 1]", "found 1.5"],
        |h| h.gpu.plan_row_outputs(&CrossEntropy { temperature: 1.0, label_smoothing: 1.5, ..ce() }, &labels());
    "a reduction that nobody has": Mismatch ["reduction", "weighted_mean", "found `average`"],
        |_| "average".parse::<Reduction>();
    "a reduction in two lines": Mismatch ["found `mean\\nsum`"], |_| "mean\nsum".parse::<Reduction>();
    "a label that is no class, by status": BadLabels ["below 3 or the ignore_index -100", "found 2 outside", "row 1"],
        |_| Status { bad_labels: 2, first_bad_row: Some(1), ..Default::default() }.check(&ce(), 3);
    "a bad weight, by status": BadWeights ["at least 0", "found 7"],
        |_| Status { bad_weights: 7, ..Default::default() }.check(&ce(), 3);
    "no class index": BadLabels ["below 3", "found 2 outside", "row 1"],
        |h| both(h, &ce(), &Batch::new([4, 3], half(12)).labels(vec![0i64, 3, 1, i64::MIN]));
    "a weight beyond f32": BadWeight ["weight", "finite", "1e300", "index 2"],
        |h| both(h, &Mse::default(), &batch().weight(vec![1.0f64, 1.0, 1e300, 1.0]));
    "a class weight that is infinite": BadWeight ["class_weight", "inf", "index 0"],
        |h| both(h, &ce(), &classes().class_weight(vec![f32::INFINITY, 1.0, 1.0]));
    "a shape whose product leaves the address space": TooLarge ["elements of the shape", "18446744073709551615"],
        |h| both(h, &Mse::default(), &Batch::new([usize::MAX, 2], half(2)).target(half(2)));
    "a comparison of another batch": Mismatch ["input of mse", "12 numbers", "found 3"],
        |h| {
            let out = h.gpu.loss(&Mse::default(), &batch()).expect("good");
            verify::check(&Mse::default(), &Batch::new([4, 3], half(3)).target(half(12)), &out)
        };
    "an adapter that nobody has": NoAdapter ["named like `no such adapter`"],
        |_| Gpu::open(&Select::Name("no such adapter".into()));
    "an adapter's name in two lines": NoAdapter ["named like `no\\nadapter`"],
        |_| Gpu::open(&Select::Name("no\nadapter".into()));
    "balanced weights of too many classes": TooLarge ["classes", "4294967294"],
        |_| class_weight::balanced(&vec![0i64].into(), u32::MAX as usize, None);
};

const LAYOUTS: &[Call] = calls! {
    "no axes": Mismatch ["at least one axis", "found []"], |h| h.plan(&Mse::default(), Layout { shape: Vec::new(), ..numbers() });
    "class axis 1 of one axis": Mismatch ["two axes", "found [12]"],
        |h| h.plan(&Mse::default(), Layout { shape: vec![12], class_axis: ClassAxis::One, ..numbers() });
    "rows without classes": Mismatch ["at least one class", "[4, 0]"], |h| h.plan(&ce(), Layout { shape: vec![4, 0], ..labels() });
    "numbers where each row has one": Mismatch ["target of contrastive", "one number per row"],
        |h| h.plan(&wgloss::Contrastive::default(), numbers());
    "a target of a regularizer": Mismatch ["target of l1_penalty", "none"], |h| h.plan(&L1Penalty::default(), numbers());
    "a loss without its target": Mismatch ["target of mse", "found none"], |h| h.plan(&Mse::default(), Layout::new([4, 3]));
    "a weight per element of rows": Mismatch ["weight of cross_entropy", "one per row (4)", "(12)"],
        |h| h.plan(&ce(), Layout { weight: WeightLayout::Element, ..labels() });
    "class weights of a loss without": Mismatch ["class_weight of mse", "none"],
        |h| h.plan(&Mse::default(), Layout { class_weight: true, ..numbers() });
    "accumulated gradients without any": Mismatch ["accumulated gradients of mse", "one without"],
        |h| h.plan(&Mse::default(), Layout { accumulate: true, gradient: false, ..numbers() });
    "upstream gradients without gradients": Mismatch ["upstream gradients of mse", "without gradient"],
        |h| h.plan(&Mse::default(), Layout { upstream: UpstreamLayout::Row, gradient: false, ..numbers() });
    "upstream gradients of everything": Mismatch ["upstream gradients of dice", "one loss over everything"],
        |h| h.plan(&Dice::default(), Layout { upstream: UpstreamLayout::Row, ..numbers() });
    "each loss of everything": Mismatch ["losses of dice", "one loss over everything"],
        |h| h.plan(&Dice::default(), Layout { losses: true, ..numbers() });
    "an upstream gradient of NaN": Mismatch ["grad_scale", "finite", "NaN"],
        |h| h.plan(&Mse::default(), Layout { grad_scale: f32::NAN, ..numbers() });
    "more rows than a row index": TooLarge ["rows of the shape", "4294967294", "found 4294967296"],
        |h| h.plan(&Mse::default(), Layout { shape: vec![1 << 16, 1 << 16, 1], ..numbers() });
    "more elements than there are buffers": TooLarge ["of the shape"],
        |h| h.plan(&Mse::default(), Layout { shape: vec![u32::MAX as usize - 1; 2], ..numbers() });
    "more rows of losses than there are buffers": TooLarge ["at most"],
        |h| h.plan(&ce(), Layout { shape: vec![u32::MAX as usize - 1, 1000], reduction: Reduction::None, ..labels() });
    "a set larger than any device": TooLarge ["at most"],
        |h| h.plan(&Dice::default(), Layout { shape: vec![u32::MAX as usize - 1; 2], ..numbers() });
    "a row larger than a binding": TooLarge ["at most"],
        |h| h.gpu.with_limits(4096, 65_535).plan(&ce(), &Layout { shape: vec![2, 1 << 20], ..labels() });
    "no binding at all": TooLarge ["at most"], |h| h.gpu.with_limits(0, 0).plan(&Mse::default(), &numbers());
    "a plan that cannot carry a loss": Mismatch ["mse", "short"],
        |h| h.gpu.with_plan(PlanKind::Short).plan(&Mse::default(), &numbers());
    "ranks of a loss without": Mismatch ["plan with ranks", "rows of logits", "mse"], |h| h.gpu.plan_ranked(&Mse::default(), &numbers());
    "ranks with a temperature": Mismatch ["plan with ranks", "as they are", "cross_entropy"],
        |h| h.gpu.plan_ranked(&CrossEntropy { temperature: 2.0, ..ce() }, &labels());
    "ranks without labels": Mismatch ["plan with ranks", "class indices"], |h| h.gpu.plan_ranked(&ce(), &numbers());
    "ranks at class axis 1": Mismatch ["plan with ranks", "last axis", "One"],
        |h| h.gpu.plan_ranked(&ce(), &Layout { shape: vec![2, 3, 2], class_axis: ClassAxis::One, ..labels() });
    "ranks of very many classes": TooLarge ["classes of a plan with ranks", "1048575"],
        |h| h.gpu.plan_ranked(&ce(), &Layout { shape: vec![1, 1 << 20], ..labels() });
    "no gradient in place": Mismatch ["in place of its inputs", "without"],
        |h| h.gpu.plan_in_place(&Mse::default(), &Layout { gradient: false, ..numbers() });
    "an accumulated gradient in place": Mismatch ["in place of its inputs", "added"],
        |h| h.gpu.plan_in_place(&Mse::default(), &Layout { accumulate: true, ..numbers() });
    "labels at class axis 1 in place": Mismatch ["in place of its inputs", "class axis 1"],
        |h| h.gpu.plan_in_place(&ce(), &Layout { shape: vec![2, 3, 2], class_axis: ClassAxis::One, ..labels() });
    "outputs of rows of numbers": Mismatch ["outputs of rows", "class indices or none"], |h| h.gpu.plan_row_outputs(&ce(), &numbers());
    "outputs of very long rows": TooLarge ["columns of outputs of rows", "3840000"],
        |h| h.gpu.plan_row_outputs(&ce(), &Layout { shape: vec![1, 1 << 22], ..labels() });
    "balanced weights of too many labels": TooLarge ["labels", "4294967294"],
        |h| h.gpu.plan_class_weights(u32::MAX as usize, 3, LabelType::I64, None);
    "balanced weights of more classes than a binding": TooLarge ["classes"],
        |h| h.gpu.plan_class_weights(4, 1 << 40, LabelType::I64, None);
    "balanced weights without a binding": TooLarge ["classes"],
        |h| h.gpu.with_limits(4, 1).plan_class_weights(4, 3, LabelType::I64, None);
    "a normalizer of a sum": Mismatch ["normalizer of mse", "a mean", "reduction sum"],
        |h| h.plan(&Mse::default(), Layout { reduction: Reduction::Sum, ..numbers() })?.normalizer();
};

const VIEWS: &[Call] = calls! {
    "no input": Mismatch ["views of inputs of mse", "expected 1, found 0"], |h| h.mse.bind(&Io { inputs: Vec::new(), ..h.io() });
    "two inputs": Mismatch ["views of inputs of mse", "expected 1, found 2"],
        |h| h.mse.bind(&Io { inputs: vec![View::whole(&h.x); 2], ..h.io() });
    "no target": Mismatch ["views of the target of mse", "expected 1, found 0"], |h| h.mse.bind(&Io { target: None, ..h.io() });
    "no gradient": Mismatch ["views of gradients of mse", "expected 1, found 0"], |h| h.mse.bind(&Io { grads: Vec::new(), ..h.io() });
    "weights too many": Mismatch ["views of weights of mse", "expected 0, found 1"],
        |h| h.mse.bind(&Io { weight: Some(View::whole(&h.t)), ..h.io() });
    "class weights too many": Mismatch ["views of class weights of mse", "expected 0, found 1"],
        |h| h.mse.bind(&Io { class_weight: Some(View::whole(&h.t)), ..h.io() });
    "losses too many": Mismatch ["views of losses of mse", "expected 0, found 1"],
        |h| h.mse.bind(&Io { losses: Some(View::whole(&h.copies)), ..h.io() });
    "losses of rows that are missing": Mismatch ["views of losses of cross_entropy", "expected 1, found 0"],
        |h| h.plan(&ce(), Layout { losses: true, ..labels() })?.bind(&h.io());
    "a reduced loss that there is not": Mismatch ["views of a reduced loss of cross_entropy", "expected 0, found 1"],
        |h| h.plan(&ce(), Layout { reduction: Reduction::None, gradient: false, ..labels() })?.bind(&Io {
            grads: Vec::new(),
            losses: Some(View::whole(&h.dx)),
            loss: Some(View::whole(&h.dx)),
            ..h.io()
        });
    "upstream gradients that are missing": Mismatch ["views of upstream gradients of mse", "expected 1, found 0"],
        |h| h.plan(&Mse::default(), Layout { upstream: UpstreamLayout::Row, ..numbers() })?.bind(&h.io());
    "an input that is too short": Mismatch ["view of an input of mse", "48 bytes", "found 44"],
        |h| h.mse.bind(&Io { inputs: vec![h.part(&h.x, 0, 44)], ..h.io() });
    "labels that are too short": Mismatch ["view of the target of cross_entropy", "32 bytes", "found 24"],
        |h| h.rows.bind(&Io { target: Some(h.part(&h.t, 8, 24)), ..h.io() });
    "an offset inside a number": Mismatch ["view of an input of mse", "a multiple of 4", "found 2"],
        |h| h.mse.bind(&Io { inputs: vec![h.part(&h.x, 2, 48)], ..h.io() });
    "an offset inside a label": Mismatch ["view of the target of cross_entropy", "a multiple of 8", "found 4"],
        |h| h.rows.bind(&Io { target: Some(h.part(&h.t, 4, 32)), ..h.io() });
    "a view past the end": Mismatch ["view of an input of mse", "inside the buffer", "bytes 4 to 52 of 48"],
        |h| h.mse.bind(&Io { inputs: vec![h.part(&h.x, 4, 48)], ..h.io() });
    "a view that begins past all numbers": Mismatch ["view of an input of mse", "inside the buffer", "18446744073709551612"],
        |h| h.mse.bind(&Io { inputs: vec![h.part(&h.x, u64::MAX - 3, 48)], ..h.io() });
    "a view as long as all numbers": Mismatch ["view of the target of mse", "inside the buffer", "18446744073709551615 of 48"],
        |h| h.mse.bind(&Io { target: Some(h.part(&h.t, 0, u64::MAX)), ..h.io() });
    "a buffer for copies": Mismatch ["view of a gradient of mse", "usage", "STORAGE", "COPY_DST"],
        |h| h.mse.bind(&Io { grads: vec![View::whole(&h.copies)], ..h.io() });
    "an upstream gradient of two bytes": Mismatch ["view of upstream of mse", "4 bytes", "found 2"],
        |h| h.mse.bind(&Io { upstream: Some(h.part(&h.copies, 0, 2)), ..h.io() });
    "a loss at an odd place": Mismatch ["view of the loss of mse", "a multiple of 4", "found 1"],
        |h| h.mse.bind(&Io { loss: Some(h.part(&h.copies, 1, 4)), ..h.io() });
    "a gradient over the input": Mismatch ["views of mse", "apart", "bytes 0 to 48 shared"],
        |h| h.mse.bind(&Io { grads: vec![View::whole(&h.x)], ..h.io() });
    "a loss inside the gradient": Mismatch ["views of mse", "apart", "bytes 44 to 48 shared"],
        |h| h.mse.bind(&Io { loss: Some(h.part(&h.dx, 44, 4)), ..h.io() });
    "a loss that is the upstream gradient": Mismatch ["views of mse", "apart", "bytes 12 to 16 shared"],
        |h| {
            let word = support::upload(&h.gpu, &[0; 16]);
            let view = Some(h.part(&word, 12, 4));
            h.mse.bind(&Io { loss: view, upstream: view, ..h.io() })
        };
    "a destroyed buffer": Device ["destroyed"],
        |h| {
            let dead = support::upload(&h.gpu, &[0; 48]);
            dead.destroy();
            h.mse.bind(&Io { inputs: vec![View::whole(&dead)], ..h.io() })
        };
    "a target inside what is overwritten": Mismatch ["views of cross_entropy", "apart", "shared"],
        |h| h.over.bind(&InPlaceIo { target: Some(h.part(&h.x, 0, 32)), ..h.over() });
    "losses of rows in place that are too many": Mismatch ["views of losses of cross_entropy", "expected 0, found 1"],
        |h| h.over.bind(&InPlaceIo { losses: Some(View::whole(&h.dx)), ..h.over() });
    "an input in place at an odd place": Mismatch ["view of an input of mse", "a multiple of 4", "found 2"],
        |h| {
            let layout = Layout { dtype: DType::F16, target: TargetLayout::Values(DType::F16), ..numbers() };
            let plan = h.gpu.plan_in_place(&Mse::default(), &layout)?;
            plan.bind(&InPlaceIo { inputs: vec![h.part(&h.x, 2, 24)], ..h.over() })
        };
    "a normalizer of another loss": Mismatch ["normalizer", "mse with mean", "cross_entropy with mean"],
        |h| h.mse.bind(&Io { normalizer: Some(&h.rows.normalizer()?), ..h.io() });
    "a normalizer of another device": Mismatch ["normalizer", "the plan's device"],
        |h| {
            let theirs = h.other.plan(&Mse::default(), &numbers())?.normalizer()?;
            h.mse.bind(&Io { normalizer: Some(&theirs), ..h.io() })
        };
    "a loss into the normalizer": Mismatch ["normalizer", "elsewhere", "a view of it"],
        |h| {
            let own = h.mse.normalizer()?;
            h.mse.bind(&Io { normalizer: Some(&own), loss: Some(own.loss()), ..h.io() })
        };
    "a count without a normalizer": Mismatch ["normalizer to count into", "mse bound without one"],
        |h| h.mse.bind(&h.io())?.encode_count(&mut h.encoder());
    "a micro-batch that is counted and not evaluated": Mismatch ["micro-batches", "1 counted, 0 evaluated"],
        |h| {
            let own = h.mse.normalizer()?;
            let bound = h.mse.bind(&Io { normalizer: Some(&own), ..h.io() })?;
            let mut encoder = h.encoder();
            own.encode_reset(&mut encoder);
            bound.encode_count(&mut encoder)?;
            h.gpu.queue().submit([encoder.finish()]);
            own.report()
        };
    "outputs of rows that nobody asks for": Mismatch ["views of outputs of rows", "at least one"],
        |h| h.gpu.plan_row_outputs(&ce(), &Layout::new([4, 3]))?.bind(&RowOutputsIo::new(View::whole(&h.x)));
    "a log-probability without labels": Mismatch ["outputs of rows", "class indices for log-probabilities"],
        |h| h.gpu.plan_row_outputs(&ce(), &Layout::new([4, 3]))?.bind(&RowOutputsIo {
            log_prob: Some(View::whole(&h.dx)),
            ..RowOutputsIo::new(View::whole(&h.x))
        });
    "outputs of rows over the logits": Mismatch ["entropy of outputs of rows", "shared"],
        |h| h.gpu.plan_row_outputs(&ce(), &Layout::new([4, 3]))?.bind(&RowOutputsIo {
            entropy: Some(h.part(&h.x, 32, 16)),
            ..RowOutputsIo::new(View::whole(&h.x))
        });
    "outputs of rows without their labels": Mismatch ["the target of outputs of rows", "class indices, found none"],
        |h| h.gpu.plan_row_outputs(&ce(), &labels())?.bind(&RowOutputsIo {
            argmax: Some(View::whole(&h.dx)),
            ..RowOutputsIo::new(View::whole(&h.x))
        });
    "outputs of rows that are too short": Mismatch ["view of argmax", "16 bytes", "found 12"],
        |h| h.gpu.plan_row_outputs(&ce(), &Layout::new([4, 3]))?.bind(&RowOutputsIo {
            argmax: Some(h.part(&h.dx, 0, 12)),
            ..RowOutputsIo::new(View::whole(&h.x))
        });
    "balanced weights over the labels": Mismatch ["view of class weights", "the same"],
        |h| h.gpu.plan_class_weights(4, 3, LabelType::I64, None)?.bind(&h.part(&h.x, 0, 32), &h.part(&h.x, 32, 12));
    "balanced weights that are too short": Mismatch ["view of class weights", "12 bytes", "found 8"],
        |h| h.gpu.plan_class_weights(4, 3, LabelType::I64, None)?.bind(&View::whole(&h.t), &h.part(&h.x, 0, 8));
};

const SUMS: &[Call] = calls! {
    "a sum of nothing": Mismatch ["a sum of losses", "at least one"], |h| h.gpu.plan_combined(&[]);
    "a sum without losses": Mismatch ["a sum of losses", "at least one"], |h| sum(h, |s| s.terms.clear());
    "a weight that is no number": Mismatch ["weight of mse in a sum", "finite", "NaN"], |h| sum(h, |s| s.terms[0].weight = f32::NAN);
    "losses that are not reduced": Mismatch ["reduction of mse in a sum", "none"],
        |h| sum(h, |s| s.terms[0].reduction = Reduction::None);
    "an input that nobody uses": Mismatch ["inputs of a sum of losses", "none for number 1"],
        |h| sum(h, |s| { s.input([2], &[0.5f32; 2]); });
    "an input that there is not": Mismatch ["input of cross_entropy", "one of the 1 inputs", "number 7"],
        |h| sum(h, |s| s.terms[1].inputs = vec![7]);
    "an input twice": Mismatch ["inputs of mse", "number 0 twice"], |h| sum(h, |s| s.terms[0].inputs = vec![0, 0]);
    "inputs of two shapes": Mismatch ["shape of the inputs of mse", "[4, 3]", "[2]"],
        |h| sum(h, |s| { let other = s.input([2], &[0.5f32; 2]); s.terms[0].inputs = vec![0, other]; });
    "a target of another length": Mismatch ["target of mse", "12 numbers", "found 2"],
        |h| sum(h, |s| s.terms[0].target = Some(Target::Values(half(2).into())));
    "an upstream gradient beyond f32": Mismatch ["grad_scale", "finite"], |h| sum(h, |s| s.grad_scale = f32::INFINITY);
    "a weight times an upstream gradient beyond f32": Mismatch ["grad_scale", "finite", "inf"],
        |h| sum(h, |s| { s.terms[0].weight = 1e30; s.grad_scale = 1e30; });
    "a loss of a sum that there is not": Mismatch ["loss of a sum", "one of 0", "number 9"], |_| Combined::new().batch(9);
    "layouts of a sum with two types": Mismatch ["of cross_entropy", "as of the first loss", "Bf16"],
        |h| h.gpu.plan_combined(&[term(&Mse::default(), numbers()), term(&ce(), Layout { dtype: DType::Bf16, ..labels() })]);
    "layouts of a sum with two shapes": Mismatch ["shape of input 0 of cross_entropy", "[4, 3]", "[3, 4]"],
        |h| h.gpu.plan_combined(&[term(&Mse::default(), numbers()), term(&ce(), Layout { shape: vec![3, 4], ..labels() })]);
    "each loss of a sum": Mismatch ["losses of mse", "each besides"],
        |h| h.gpu.plan_combined(&[term(&Mse::default(), Layout { losses: true, ..numbers() })]);
    "upstream gradients of rows of a sum": Mismatch ["upstream gradient of mse", "one of each row"],
        |h| h.gpu.plan_combined(&[term(&Mse::default(), Layout { upstream: UpstreamLayout::Row, ..numbers() })]);
    "inputs of a sum that are too many": Mismatch ["inputs of mse", "expected 1, found 2"],
        |h| h.gpu.plan_combined(&[TermLayout { inputs: vec![0, 1], ..term(&Mse::default(), numbers()) }]);
    "inputs of a sum that are numbered anyhow": Mismatch ["inputs of a sum of losses", "none for number 0"],
        |h| h.gpu.plan_combined(&[TermLayout { inputs: vec![usize::MAX], ..term(&Mse::default(), numbers()) }]);
    "views of terms that are missing": Mismatch ["views of terms of mse", "expected 1, found 0"],
        |h| h.gpu.plan_combined(&[term(&Mse::default(), numbers())])?.bind(&CombinedIo {
            inputs: h.io().inputs,
            grads: h.io().grads,
            ..Default::default()
        });
    "a gradient of a sum that is its target": Mismatch ["views of mse", "apart"],
        |h| h.gpu.plan_combined(&[term(&Mse::default(), numbers())])?.bind(&CombinedIo {
            inputs: h.io().inputs,
            grads: h.io().grads,
            terms: vec![TermIo { target: Some(View::whole(&h.dx)), ..Default::default() }],
            ..Default::default()
        });
};

const CUSTOM: &[Call] = calls! {
    "no WGSL": Source ["own:1:1:"], |_| custom("not a loss");
    "nothing": Source ["own:1:1:", "no function `loss`"], |_| custom("");
    "a text with a zero in it": Source ["own:1:"], |_| custom("fn loss(x: f32) -> f32 { return x\0; }");
    "a loss whose name has two lines": Source ["my\\nloss:1:1:"], |_| Custom::new("my\nloss", "");
    "a text that is too long": Source ["own:1:1:", "at most 65536 bytes", "found 2097152"], |_| custom(&" ".repeat(2 << 20));
    "an option that a text has not": UnknownOption ["own has no option `k`", "expected none"],
        |_| custom("fn loss(x: f32) -> f32 { return x; }")?.set("k", OptionValue::Number(1.0));
    "a value that a text cannot work with": OptionValue ["`k` of own", "a value that the file can work with", "found 0"],
        |_| custom("override k: f32 = 1.0; override r: f32 = 1.0 / k; fn loss(x: f32) -> f32 { return r * x; }")?
            .set("k", OptionValue::Number(0.0));
    "a target that a text has not": Mismatch ["target of own", "none"],
        |h| both(h, &custom("fn loss(x: f32) -> f32 { return x; }")?, &batch());
    "a loop without end": Source ["own:1:"],
        |_| reference::loss(&custom("fn loss(x: f32) -> f32 { var v = x; loop { v += 1.0; } return v; }")?, &Batch::new([2], half(2)));
};

/// `n` samples for the states of metrics, of 4 numbers each.
const STATES: &[Call] = calls! {
    "room for more scores than a binding": TooLarge ["scores kept on the device"],
        |h| h.gpu.scores(DType::F32, LabelType::I64, usize::MAX);
    "more scores than there are": Mismatch ["view of scores", "52 bytes", "found 48"],
        |h| h.gpu.scores(DType::F32, LabelType::I64, 100)?.bind(&View::whole(&h.x), &View::whole(&h.t), 13, None);
    "labels of scores that are too short": Mismatch ["view of labels", "96 bytes", "found 48"],
        |h| h.gpu.scores(DType::F32, LabelType::I64, 100)?.bind(&View::whole(&h.x), &View::whole(&h.t), 12, None);
    "more numbers than an index": TooLarge ["numbers of a batch", "4294967294"],
        |h| h.gpu.scores(DType::F32, LabelType::I64, 100)?.bind(&View::whole(&h.x), &View::whole(&h.t), usize::MAX, None);
    "scores that there is no room for": TooLarge ["scores kept", "at most 3", "found 4"],
        |h| {
            let mut state = h.gpu.scores(DType::F32, LabelType::I64, 3)?;
            let batch = state.bind(&View::whole(&h.x), &View::whole(&h.t), 4, None)?;
            state.update(&mut h.encoder(), &batch)
        };
    "a batch of another state": Mismatch ["batch", "bound to this state"],
        |h| {
            let [mut own, other] = [3; 2].map(|n| h.gpu.scores(DType::F32, LabelType::I64, n));
            let batch = other?.bind(&View::whole(&h.x), &View::whole(&h.t), 3, None)?;
            own.as_mut().expect("made").update(&mut h.encoder(), &batch)
        };
    "a state of another device": Mismatch ["state to merge", "same device", "save it"],
        |h| {
            let other = h.other.regression(DType::F32, DType::F32, None)?;
            h.gpu.regression(DType::F32, DType::F32, None)?.merge(&mut h.encoder(), &other)
        };
    "no bytes of a state": Mismatch ["bytes", "a saved state of scores of f32", "0 bytes"],
        |h| h.gpu.scores(DType::F32, LabelType::I64, 3)?.load_bytes(&[]);
    "an operating point that cannot be": Mismatch ["precision", "[0, 1]", "NaN"],
        |h| h.gpu.scores(DType::F32, LabelType::I64, 3)?.compute_points(0.5, f64::NAN);
    "too few bits": Mismatch ["bits", "8 to 16 of f16", "found 7"], |h| h.gpu.bounded_scores(DType::F16, LabelType::I64, 7);
    "too many bits": Mismatch ["bits", "8 to 22 of f32", "4294967295"], |h| h.gpu.bounded_scores(DType::F32, LabelType::I64, u32::MAX);
    "bits of another state": Mismatch ["state to merge", "by 8 bits", "by 9 bits"],
        |h| {
            let [a, b] = [8, 9].map(|bits| h.gpu.bounded_scores(DType::F32, LabelType::I64, bits));
            a?.merge(&mut h.encoder(), &b?)
        };
    "a confusion of no class": Mismatch ["classes", "at least 1"],
        |h| h.gpu.confusion(Predictions::Labels(LabelType::I32), LabelType::I64, 0);
    "a confusion of all numbers": TooLarge ["a confusion matrix"],
        |h| h.gpu.confusion(Predictions::Labels(LabelType::I32), LabelType::I64, usize::MAX);
    "a confusion of very many classes": TooLarge ["a confusion matrix"],
        |h| h.gpu.confusion(Predictions::Scores(DType::F32), LabelType::I64, 1 << 32);
    "a confusion with itself": Mismatch ["state to merge", "another state", "the same"],
        |h| h.confusion.merge(&mut h.encoder(), &h.confusion);
    "a confusion of a buffer for copies": Mismatch ["view of", "usage", "STORAGE"],
        |h| h.confusion.bind(&View::whole(&h.copies), &View::whole(&h.t), 4, None);
    "a loss without ranks": Mismatch ["loss", "a plan with ranks"],
        |h| h.confusion.bind_ranked(&h.rows.bind(&h.io())?, &View::whole(&h.t), None);
    "ranks of other classes": Mismatch ["loss", "scores of 2 classes"],
        |h| h.confusion.bind_ranked(&h.ranked(2, -100)?, &View::whole(&h.t), None);
    "ranks that pass over a class": Mismatch ["loss", "ignores None", "ignores Some(1)"],
        |h| h.confusion.bind_ranked(&h.ranked(3, 1)?, &View::whole(&h.t), None);
    "a threshold that is none": Mismatch ["threshold", "a number", "NaN"],
        |h| h.counted(Binary { threshold: Some(f64::NAN), ..Default::default() });
    "a recall above 1": Mismatch ["recall", "[0, 1]", "1.5"], |h| h.counted(Binary { recall: 1.5, ..Default::default() });
    "predicted labels for scores": Mismatch ["predictions", "scores", "predicted labels"],
        |h| h.gpu.binary(&Binary::default(), Predictions::Labels(LabelType::I32), LabelType::I64, None, 0);
    "scores for predicted labels": Mismatch ["predictions", "predicted labels", "scores of f16"],
        |h| {
            let asked = Binary { input: InputKind::Labels, ..Default::default() };
            h.gpu.binary(&asked, Predictions::Scores(DType::F16), LabelType::I64, None, 0)
        };
    "weights of a state without": Mismatch ["weights", "none", "some"],
        |h| h.counted(Binary::default())?.bind_weighted(&View::whole(&h.x), &View::whole(&h.t), &View::whole(&h.dx), 4);
    "no weights of a state with": Mismatch ["weights of f32", "one per sample", "none"],
        |h| h.gpu.regression(DType::F32, DType::F32, Some(DType::F32))?.bind(&View::whole(&h.x), &View::whole(&h.t), 4);
    "a state of two classes with other thresholds": Mismatch ["state to merge", "from 0.5", "from 0.25"],
        |h| {
            let other = h.counted(Binary { threshold: Some(0.25), ..Default::default() })?;
            h.counted(Binary::default())?.merge(&mut h.encoder(), &other)
        };
    "parts of a saved state": Mismatch ["1 parts of a saved state", "9 bytes"], |h| h.counted(Binary::default())?.load_bytes(&[255; 9]);
    "bytes of another state": Mismatch ["a saved state of two classes"],
        |h| {
            let other = h.counted(Binary { threshold: Some(0.25), ..Default::default() })?;
            h.counted(Binary::default())?.load_bytes(&other.to_bytes()?)
        };
    "classes that are not those asked for": Mismatch ["classes", "expected 4, found 3"],
        |h| {
            let asked = Multiclass { classes: Some(4), ..Default::default() };
            h.gpu.multiclass(&asked, Predictions::Scores(DType::F32), LabelType::I64, None, 3, 0)
        };
    "very many classes": TooLarge ["classes of a confusion matrix", "8192"],
        |h| h.gpu.multiclass(&Multiclass::default(), Predictions::Scores(DType::F32), LabelType::I64, None, usize::MAX, 0);
    "a multilabel state of no label": Mismatch ["labels", "at least 1"],
        |h| h.gpu.multilabel(&Multilabel::default(), Predictions::Scores(DType::F32), LabelType::I64, None, 0, 0);
    "a multilabel state of very many": TooLarge ["labels of a sample", "32768"],
        |h| h.gpu.multilabel(&Multilabel::default(), Predictions::Scores(DType::F32), LabelType::I64, None, usize::MAX, 0);
    "figures of no number": Mismatch ["input", "at least one sample"], |h| h.gpu.regression(DType::F32, DType::F32, None)?.compute();
    "a plan that counts what no metric is of": Mismatch ["plan that counts", "cross_entropy"],
        |h| h.gpu.plan_counted(&ce(), &labels(), &h.counted(Binary::default())?);
    "a plan that counts numbers as classes": Mismatch ["state to count into", "predicted numbers, of mae"],
        |h| h.gpu.plan_counted(&Mae::default(), &numbers(), &h.counted(Binary::default())?);
    "a plan that counts another type": Mismatch ["state to count into", "one of f32", "one of f16"],
        |h| h.gpu.plan_counted(&Mae::default(), &numbers(), &h.gpu.regression(DType::F16, DType::F32, None)?);
    "a plan that counts by weight": Mismatch ["state to count into", "without weights"],
        |h| h.gpu.plan_counted(&Mae::default(), &numbers(), &h.gpu.regression(DType::F32, DType::F32, Some(DType::F32))?);
    "a plan that counts on another device": Mismatch ["state to count into", "same device"],
        |h| h.gpu.plan_counted(&Mae::default(), &numbers(), &h.other.regression(DType::F32, DType::F32, None)?);
};

const FIGURES: &[Call] = calls! {
    "a shape of metrics out of range": Mismatch ["shape", "in range"],
        |_| Binary::default().figures(&Samples { shape: vec![usize::MAX, 2], ..samples() });
    "no sample": Mismatch ["input", "at least one sample", "[0]"],
        |_| Binary::default().figures(&Samples::new([0], half(0)).labels(Vec::<i64>::new()));
    "scores that are too few": Mismatch ["input", "5 numbers", "found 4"], |_| Binary::default().figures(&Samples { shape: vec![5], ..samples() });
    "no truth": Mismatch ["target", "4 integer labels", "none"], |_| Binary::default().figures(&Samples { target: None, ..samples() });
    "a truth of fractions": Mismatch ["target", "4 integer labels", "floating-point"], |_| Binary::default().figures(&samples().target(half(4)));
    "a truth of three classes": BadSample ["target", "labels below 2", "found 2", "index 3"],
        |_| Binary::default().figures(&samples().labels(vec![0i64, 1, 1, 2]));
    "a score that is none": BadSample ["input", "numbers", "NaN", "index 1"],
        |_| Binary::default().figures(&Samples::new([2], vec![0.5, f32::NAN]).labels(vec![0i64, 1]));
    "a probability above 1": BadSample ["input", "[0, 1]", "1.5", "index 0"],
        |_| Binary { input: InputKind::Probs, ..Default::default() }.figures(&Samples::new([2], vec![1.5f32, 0.5]).labels(vec![0i64, 1]));
    "integers for scores": Mismatch ["input", "scores", "integer labels"],
        |_| Binary::default().figures(&Samples::predicted([2], vec![0i64, 1]).labels(vec![0i64, 1]));
    "weights of samples that are too few": Mismatch ["weight", "4 numbers", "found 3"], |_| Binary::default().figures(&samples().weight(half(3)));
    "a weight of a sample below 0": BadWeight ["weight", "-0.5", "index 3"],
        |_| Binary::default().figures(&samples().weight(vec![1.0f32, 1.0, 1.0, -0.5]));
    "classes without their axis": Mismatch ["input", "[N, C]", "[4]"], |_| Multiclass::default().figures(&samples());
    "more classes than a matrix has": TooLarge ["confusion matrix", "8192", "18446744073709551615"],
        |_| {
            let asked = Multiclass { classes: Some(usize::MAX), input: InputKind::Labels, ..Default::default() };
            asked.figures(&Samples::predicted([2], vec![0i64, 1]).labels(vec![0i64, 1]))
        };
    "a predicted label without an end": BadSample ["input", "9223372036854775807", "index 1"],
        |_| {
            let asked = Multiclass { input: InputKind::Labels, ..Default::default() };
            asked.figures(&Samples::predicted([2], vec![0i64, i64::MAX]).labels(vec![0i64, 1]))
        };
    "labels without their axis": Mismatch ["input", "[N, L]", "[4]"], |_| Multilabel::default().figures(&samples());
    "a number that is infinite": BadSample ["target", "finite", "inf", "index 1"],
        |_| Regression::default().figures(&Samples::new([2], half(2)).target(vec![0.5, f32::INFINITY]));
    "numbers of another length": Mismatch ["target", "2 numbers", "found 3"],
        |_| Regression::default().figures(&Samples::new([2], half(2)).target(half(3)));
    "a weight beyond f32 on the device": BadWeight ["weight", "1e39", "index 1"],
        |h| h.gpu.binary_figures(&Binary::default(), &samples().weight(vec![1.0f64, 1e39, 1.0, 1.0]));
};

fn all() -> impl Iterator<Item = &'static Call> {
    [LOSSES, LAYOUTS, VIEWS, SUMS, CUSTOM, STATES, FIGURES]
        .into_iter()
        .flatten()
}

#[test]
fn every_wrong_call_is_the_error_that_says_so() {
    let Some(host) = Host::new() else { return };
    let mut wrong = Vec::new();
    let mut lines = HashSet::new();
    for Call {
        what,
        variant: expected,
        words,
        call,
    } in all()
    {
        // A panic is told with the others, and does not hide them.
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&host)));
        match ran {
            Err(_) => wrong.push(format!("{what}: a panic")),
            Ok(Ok(())) => wrong.push(format!("{what}: accepted")),
            Ok(Err(error)) => {
                let line = error.to_string();
                let missing: Vec<_> = words.iter().filter(|w| !line.contains(**w)).collect();
                let found = variant(&error);
                if found != *expected || !missing.is_empty() || line.lines().count() != 1 {
                    wrong.push(format!(
                        "{what}: expected {expected} with {missing:?}, found {found}: {line}"
                    ));
                }
                lines.insert(line);
            }
        }
        let uncaught = host.uncaught.swap(0, Ordering::SeqCst);
        if uncaught > 0 {
            wrong.push(format!("{what}: {uncaught} errors reached the host"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // Each is another mistake.
    let names: HashSet<_> = all().map(|c| c.what).collect();
    assert_eq!(names.len(), all().count(), "two of one name");
    assert!(lines.len() >= 60, "{} different lines", lines.len());
    // What was refused has left nothing behind: the plan still does what it did.
    let bound = host.mse.bind(&host.io()).expect("bound");
    support::submit(&host.gpu, &mut |encoder| bound.encode(encoder));
    assert_eq!(bound.report().expect("evaluated").0, Some(0.0));
    assert_eq!(host.uncaught.load(Ordering::SeqCst), 0);
}

/// What was saved may have been damaged on its way, and still be as long as it has to be: then there are figures, or an error, and no
/// panic. Counts may say of more samples than there can be.
#[test]
fn saved_states_that_are_damaged_have_figures_or_errors() {
    let Some(gpu) = support::gpu() else { return };
    let (scores, labels) = (Predictions::Scores(DType::F32), LabelType::I64);
    // Words of a head that say what is counted, and of one that says what was wrong.
    const STARTS: usize = 4 * (5 + 8);
    fn damage(
        saved: Vec<u8>,
        first: usize,
        mut load: impl FnMut(&[u8]) -> Result<()>,
        mut compute: impl FnMut() -> Result<Option<f64>>,
    ) -> Option<f64> {
        let mut rng = support::Rng::new("damage");
        let mut loaded = 0;
        for turn in 0..24 {
            let mut bytes = saved.clone();
            for _ in 0..turn {
                let at = rng.below(bytes.len());
                let end = (at + 1 + rng.below(16)).min(bytes.len());
                bytes[at..end].fill([255, 127, 0, 1][rng.below(4)]);
            }
            match load(&bytes) {
                Err(Error::Mismatch { .. } | Error::TooLarge { .. }) => {}
                Err(error) => panic!("{error}"),
                Ok(()) => {
                    loaded += 1;
                    if let Err(error) = compute() {
                        let said = error.to_string();
                        let typed =
                            matches!(error, Error::BadSample { .. } | Error::Mismatch { .. });
                        assert!(typed && said.lines().count() == 1, "{error:?}");
                    }
                }
            }
        }
        assert!(loaded > 0, "nothing was loaded");
        let mut full = saved;
        full[first..].fill(255);
        load(&full).expect("as long as it has to be");
        compute().expect("figures")
    }
    macro_rules! damaged {
        ($made:expr, $first:expr, |$figures:pat_param| $figure:expr) => {{
            let state = std::cell::RefCell::new($made.expect("made"));
            let saved = state.borrow().to_bytes().expect("saved");
            damage(
                saved,
                $first,
                #[allow(unused_mut, reason = "some states count without being changed")]
                |bytes| state.borrow_mut().load_bytes(bytes),
                || state.borrow().compute().map(|$figures| $figure),
            )
        }};
    }
    // Every cell the same: as much is right as there is to guess.
    let asked = Binary {
        input: InputKind::Logits,
        ..Default::default()
    };
    let binary = gpu.binary(&asked, scores, labels, None, 0);
    assert_eq!(damaged!(binary, 8 + STARTS, |f| f.mcc), Some(0.0));
    let binary = gpu.binary(&Binary::default(), scores, labels, None, 0);
    assert_eq!(damaged!(binary, 8 + STARTS, |f| f.cohen_kappa), Some(0.0));
    let classes = gpu.multiclass(&Multiclass::default(), scores, labels, None, 3, 0);
    let third = damaged!(classes, 8 + STARTS, |f| f.accuracy).expect("an accuracy");
    assert!((third - 1.0 / 3.0).abs() < 1e-12, "{third}");
    let many = gpu.multilabel(&Multilabel::default(), scores, labels, None, 3, 0);
    let half = damaged!(many, 8 + STARTS, |f| f.per_label[2].accuracy);
    assert_eq!(half, Some(0.5));
    let bounded = gpu.bounded_scores(DType::F32, labels, 8);
    let low = damaged!(bounded, STARTS, |f| f.roc_auc.map(|[low, _]| low));
    assert!((0.0..=1.0).contains(&low.expect("both classes")), "{low:?}");
    let numbers = gpu.regression(DType::F32, DType::F32, None);
    let error = damaged!(numbers, STARTS, |f| f.mse);
    assert!(error.is_some(), "an error of numbers");
    let matrix = |f: wgloss::gpu::Confusion| f.matrix.get(2, 2);
    let confusion = gpu.confusion(scores, labels, 3);
    let cell = damaged!(confusion, STARTS, |f| matrix(f));
    assert_eq!(cell, Some(2f64.powi(64)));
}
