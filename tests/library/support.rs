//! What the tests share: the device, seeded numbers from where a loss is defined, and options at their limits.
#[path = "../../src/device.rs"]
mod device;

#[allow(
    unused_imports,
    reason = "some who share this have no device, or nothing to say"
)]
pub use device::{gpu, notice};
use half::{bf16, f16};
use wgloss::loss::{Info, Loss, OptionInfo, OptionKind, OptionValue, Range, Support, TargetKind};
use wgloss::wgpu;
use wgloss::{
    Batch, ClassAxis, DType, Family, Geometry, Gpu, LabelType, Labels, Reduction, Target, Values,
    WeightLayout,
};

/// SplitMix64: small, seeded, the same everywhere.
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for every `name`.
    pub fn new(name: &str) -> Self {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        Rng(hash)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 * 2f64.powi(-53)
    }

    /// An index below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What a random batch looks like besides its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The shape of every input.
    pub shape: Vec<usize>,
    /// Where the classes are.
    pub class_axis: ClassAxis,
    /// Class indices of this type for a target, where the loss takes them.
    pub labels: Option<LabelType>,
    /// Which weights.
    pub weight: WeightLayout,
    /// Whether there are class weights.
    pub class_weight: bool,
    /// The reduction.
    pub reduction: Reduction,
    /// The upstream gradient.
    pub grad_scale: f32,
    /// The storage type.
    pub dtype: DType,
    /// Real numbers up to 20 instead of up to 4.
    pub wide: bool,
}

impl Recipe {
    /// A mean over f32 without weights.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Recipe {
            shape: shape.into(),
            class_axis: ClassAxis::Last,
            labels: None,
            weight: WeightLayout::None,
            class_weight: false,
            reduction: Reduction::Mean,
            grad_scale: 1.0,
            dtype: DType::F32,
            wide: false,
        }
    }

    /// Rows and columns.
    pub fn geometry(&self) -> Geometry {
        Geometry::new(&self.shape, self.class_axis).expect("a shape of a test is good")
    }
}

/// The kinds of target that a loss takes: numbers or nothing (`None`), class indices.
pub fn targets(info: &Info) -> &'static [Option<LabelType>] {
    match info.target {
        TargetKind::None | TargetKind::Values | TargetKind::PerRow => &[None],
        TargetKind::Labels => &[Some(LabelType::I64)],
        TargetKind::LabelsOrValues => &[None, Some(LabelType::I64)],
    }
}

/// The kinds of weights that a loss takes.
pub fn weights(info: &Info) -> &'static [WeightLayout] {
    match info.family {
        Family::Elementwise | Family::Sets => {
            &[WeightLayout::None, WeightLayout::Element, WeightLayout::Row]
        }
        Family::Rows => &[WeightLayout::None, WeightLayout::Row],
    }
}

/// With and without class weights, where a loss takes them.
pub fn class_weights(info: &Info) -> &'static [bool] {
    if info.class_weight {
        &[false, true]
    } else {
        &[false]
    }
}

/// A batch of `recipe` with numbers from the loss's domain, all of them exact in f32.
pub fn batch(loss: &dyn Loss, recipe: &Recipe, rng: &mut Rng) -> Batch<'static> {
    let info = loss.info();
    let g = recipe.geometry();
    let mut batch = Batch::new(recipe.shape.clone(), Vec::<f64>::new())
        .class_axis(recipe.class_axis)
        .reduction(recipe.reduction)
        .grad_scale(recipe.grad_scale)
        .dtype(recipe.dtype);
    batch.inputs = (0..info.inputs.len())
        .map(|k| numbers(loss, k, recipe, rng).into())
        .collect();
    batch.target = match (info.target, recipe.labels) {
        (TargetKind::None, _) => None,
        (TargetKind::Labels | TargetKind::LabelsOrValues, Some(ty)) => {
            Some(Target::Labels(labels(loss, ty, &g, rng)))
        }
        (kind, _) => {
            let mut target = numbers(loss, info.inputs.len(), recipe, rng);
            if kind == TargetKind::PerRow {
                target.truncate(g.rows);
            }
            Some(Target::Values(target.into()))
        }
    };
    let count = match recipe.weight {
        WeightLayout::None => None,
        WeightLayout::Element => Some(g.elements),
        WeightLayout::Row => Some(g.rows),
    };
    // A weight of 0 is as good as any.
    let mut weight = |n: usize| -> Values<'static> {
        let draw = |_| match rng.once_in(8) {
            true => 0.0,
            false => f64::from(rng.range(0.1, 2.0) as f32),
        };
        (0..n).map(draw).collect::<Vec<f64>>().into()
    };
    batch.weight = count.map(&mut weight);
    batch.class_weight = recipe
        .class_weight
        .then(|| wgloss::ClassWeight::Values(weight(g.cols)));
    batch
}

fn labels(loss: &dyn Loss, ty: LabelType, g: &Geometry, rng: &mut Rng) -> Labels<'static> {
    let ignored = loss
        .ignore_index()
        .filter(|&i| i >= 0 || ty != LabelType::U32);
    let drawn: Vec<i64> = (0..g.rows)
        .map(|_| match ignored {
            Some(i) if rng.once_in(8) => i,
            _ => rng.below(g.cols) as i64,
        })
        .collect();
    match ty {
        LabelType::I64 => drawn.into(),
        LabelType::I32 => drawn.iter().map(|&l| l as i32).collect::<Vec<_>>().into(),
        LabelType::U32 => drawn.iter().map(|&l| l as u32).collect::<Vec<_>>().into(),
    }
}

/// Where numbers of input `k` begin. An input behind the first that is not negative is the scale of a
/// distribution: below `eps` its clamp lets the gradient pass, which then is not the derivative.
fn least(loss: &dyn Loss, k: usize) -> f64 {
    let info = loss.info();
    let mut options = info.options.iter().zip(loss.options());
    match options.find(|(o, _)| k > 0 && k < info.inputs.len() && o.name == "eps") {
        Some((_, OptionValue::Number(eps))) => f64::from(eps),
        _ => 0.0,
    }
}

/// Numbers for input `k`, or for the target, which comes after the inputs.
fn numbers(loss: &dyn Loss, k: usize, recipe: &Recipe, rng: &mut Rng) -> Vec<f64> {
    let support = loss.info().domain[k];
    let target = k == loss.info().inputs.len();
    let draw = |_| match support {
        Support::Real | Support::Logit if recipe.wide && rng.once_in(3) => rng.range(-20.0, 20.0),
        Support::Real | Support::Logit => rng.range(-4.0, 4.0),
        Support::NonNegative if target && rng.once_in(8) => 0.0,
        Support::NonNegative => least(loss, k) + rng.range(-3.0, 2.0).exp(),
        Support::Sign => 1.0 - 2.0 * rng.below(2) as f64,
        // Most targets are hard; some inputs lie close to an end.
        Support::Probability if target && rng.once_in(2) => rng.below(2) as f64,
        Support::Probability if rng.once_in(4) => {
            let near = 10f64.powf(rng.range(-5.0, -2.0));
            if rng.once_in(2) { near } else { 1.0 - near }
        }
        Support::Probability => rng.range(0.02, 0.98),
        Support::LogProbability => rng.range(-6.0, 0.0),
    };
    let drawn = (0..recipe.geometry().elements).map(draw);
    drawn.map(|v| f64::from(v as f32)).collect()
}

/// How far the formula is analytic around `x` in input `k`, or less.
pub fn scale(loss: &dyn Loss, k: usize, x: f64) -> f64 {
    match loss.info().domain[k] {
        Support::Real | Support::Logit | Support::LogProbability | Support::Sign => 1.0,
        Support::Probability => x.min(1.0 - x).max(1e-6),
        Support::NonNegative => x - least(loss, k),
    }
}

/// The lowest (or something close to it), an inner and a high number of a range.
pub fn points(range: Range) -> [f32; 3] {
    match range {
        Range::Any => [-1.5, 0.75, 2.5],
        Range::Positive => [0.125, 0.75, 8.0],
        Range::NonNegative => [0.0, 0.375, 4.0],
        Range::Unit => [0.0, 0.3, 1.0],
        Range::Half => [0.0, 0.1, 0.5],
        Range::Inside => [0.125, 0.5, 0.875],
        Range::AtLeastOne => [1.0, 2.5, 6.0],
        Range::OneOrTwo => [1.0, 2.0, 1.0],
        Range::Whole => [-3.0, 0.0, 2.0],
        Range::Count => [0.0, 1.0, 5.0],
    }
}

/// The values that a test gives to one option, for an input of `cols` columns.
fn values(option: &OptionInfo, default: OptionValue, cols: usize) -> Vec<OptionValue> {
    let numbers = points(option.range);
    let mut values = vec![default];
    match option.kind {
        OptionKind::Number => values.extend(numbers.map(OptionValue::Number)),
        OptionKind::Flag => values.extend([true, false].map(OptionValue::Flag)),
        OptionKind::Index => values.push(OptionValue::Index(1)),
        OptionKind::NumberOrColumns => {
            values.extend(numbers.map(OptionValue::Number));
            let list = numbers.iter().rev().cycle().take(cols);
            values.push(OptionValue::Columns(list.copied().collect()));
        }
    }
    let mut distinct: Vec<OptionValue> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// How many combinations [`corner`] knows.
pub fn corners(info: &'static Info) -> usize {
    // A list of columns counts as one value, however long.
    choices(info, 1).iter().map(Vec::len).product()
}

/// A loss with one combination of its options' defaults, ends and inner values; 0 is the default.
pub fn corner(info: &'static Info, cols: usize, mut which: usize) -> Box<dyn Loss> {
    let mut loss = info.make();
    for (option, values) in info.options.iter().zip(choices(info, cols)) {
        let value = values[which % values.len()].clone();
        which /= values.len();
        loss.set(option.name, value)
            .expect("a value inside the range is taken");
    }
    loss
}

fn choices(info: &'static Info, cols: usize) -> Vec<Vec<OptionValue>> {
    let options = info.options.iter().zip(info.make().options());
    options
        .map(|(option, default)| values(option, default, cols))
        .collect()
}

/// A loss with default options, and one in which every option has another value: what is enough where the
/// arithmetic is not the question.
pub fn option_samples(info: &'static Info, cols: usize) -> Vec<Box<dyn Loss>> {
    let mut other = info.make();
    for (option, default) in info.options.iter().zip(other.options()) {
        let value = match option.kind {
            OptionKind::Number => OptionValue::Number(points(option.range)[1]),
            OptionKind::NumberOrColumns => {
                let numbers = points(option.range);
                OptionValue::Columns(numbers.iter().cycle().take(cols).copied().collect())
            }
            OptionKind::Flag => OptionValue::Flag(default == OptionValue::Flag(false)),
            OptionKind::Index => OptionValue::Index(1),
        };
        other
            .set(option.name, value)
            .expect("a value inside the range is taken");
    }
    match info.options {
        [] => vec![info.make()],
        _ => vec![info.make(), other],
    }
}

/// The bits of an outcome, for comparing runs that must not differ at all.
pub fn bits(out: &wgloss::Outcome<f32>) -> Vec<Vec<u32>> {
    let words = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect();
    let mut all = vec![out.loss.iter().map(|v| v.to_bits()).collect()];
    all.push(words(&out.losses));
    all.extend(out.grads.iter().map(|g| words(g)));
    all
}

/// Bytes in a buffer that a shader can use and everybody copy.
pub fn upload(gpu: &Gpu, bytes: &[u8]) -> wgpu::Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: (bytes.len() as u64).next_multiple_of(4).max(4),
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut whole = bytes.to_vec();
    whole.resize(buffer.size() as usize, 0);
    gpu.queue().write_buffer(&buffer, 0, &whole);
    buffer
}

/// The bytes of a buffer, once everything submitted before has run.
pub fn download(gpu: &Gpu, buffer: &wgpu::Buffer) -> Vec<u8> {
    let device = gpu.device();
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, Some(buffer.size()));
    gpu.queue().submit([encoder.finish()]);
    let (sender, receiver) = std::sync::mpsc::channel();
    staging.slice(..).map_async(wgpu::MapMode::Read, move |r| {
        sender.send(r).expect("somebody waits");
    });
    device
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("the device is there");
    receiver.recv().expect("an answer").expect("mapped");
    let view = staging.slice(..).get_mapped_range().expect("mapped");
    view.to_vec()
}

/// Numbers as a device stores them.
pub fn stored(scores: &[f32], dtype: DType) -> Vec<u8> {
    match dtype {
        DType::F32 => bytes(scores.iter().map(|v| v.to_le_bytes())),
        DType::F16 => bytes(scores.iter().map(|&v| f16::from_f32(v).to_le_bytes())),
        DType::Bf16 => bytes(scores.iter().map(|&v| bf16::from_f32(v).to_le_bytes())),
    }
}

/// All of them, one behind the other.
pub fn bytes<const N: usize>(of: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    of.flatten().collect()
}

/// Records what `record` does, and submits it.
pub fn submit(gpu: &Gpu, record: &mut dyn FnMut(&mut wgloss::wgpu::CommandEncoder)) {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
}

/// Numbers that a device stores as these bytes.
pub fn loaded(of: &[u8], dtype: DType) -> Values<'static> {
    match dtype {
        DType::F32 => bytemuck::pod_collect_to_vec::<u8, f32>(of).into(),
        DType::F16 => bytemuck::pod_collect_to_vec::<u8, half::f16>(of).into(),
        DType::Bf16 => bytemuck::pod_collect_to_vec::<u8, half::bf16>(of).into(),
    }
}

/// Whether a number lies within a bound of another: NaN never does.
pub fn within(found: f64, wanted: f64, bound: f64) -> bool {
    (found - wanted).abs() <= bound
}
