//! What leaves a loss as it is: the laws that each registered loss declares, and those that all have. The reference keeps
//! them to rounding; a device no further apart than both sides' bounds.

use crate::support::{self, Recipe, Rng};
use wgloss::loss::{Info, Law, Loss, OptionValue};
use wgloss::{
    Batch, ClassAxis, ClassWeight, Error, Family, Gpu, Labels, Outcome, Reduction, Target, Values,
    loss, reference,
};

const ROWS: usize = 6;
const COLS: usize = 5;

/// Of two sides of a law, what the numbers of the second are, and are off by at most.
#[derive(Default)]
struct Numbers {
    values: Vec<f64>,
    bounds: Vec<f64>,
}

impl Numbers {
    fn push(&mut self, value: f64, bound: f64) {
        self.values.push(value);
        self.bounds.push(bound);
    }
}

/// Losses and gradients of an evaluation, with what each may be off by: of the reference rounding, of a device its bound.
struct Side {
    out: Outcome<f64>,
    bounds: Outcome<f64>,
}

impl Side {
    fn of(gpu: Option<&Gpu>, loss: &dyn Loss, batch: &Batch<'_>) -> Result<Side, Error> {
        let (out, bounds) = reference::evaluate_with_bounds(loss, &batch.rounded())?;
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let Some(gpu) = gpu else {
            // What the reference rounds, in proportion to numbers that are about 1 or more.
            let room = |v: &f64| 1e-12 * (1.0 + v.abs());
            let bounds = Outcome {
                loss: out.loss.as_ref().map(room),
                losses: out.losses.iter().map(room).collect(),
                grads: out
                    .grads
                    .iter()
                    .map(|g| g.iter().map(room).collect())
                    .collect(),
                status: out.status,
            };
            return Ok(Side { out, bounds });
        };
        let found = gpu.loss(loss, batch)?;
        let out = Outcome {
            loss: found.loss.map(f64::from),
            losses: wide(&found.losses),
            grads: found.grads.iter().map(|g| wide(g)).collect(),
            status: found.status,
        };
        Ok(Side { out, bounds })
    }

    /// The losses, or their one number, times `factor`.
    fn losses(&self, factor: f64) -> Numbers {
        let mut numbers = Numbers::default();
        let all = self.out.loss.iter().chain(&self.out.losses);
        for (v, bound) in all.zip(self.bounds.loss.iter().chain(&self.bounds.losses)) {
            numbers.push(factor * v, factor.abs() * bound);
        }
        numbers
    }

    /// The gradient by input `k` times `factor`, at the elements in this order.
    fn grads(&self, k: usize, factor: f64, order: &[usize]) -> Numbers {
        let mut numbers = Numbers::default();
        for &i in order {
            numbers.push(
                factor * self.out.grads[k][i],
                factor.abs() * self.bounds.grads[k][i],
            );
        }
        numbers
    }
}

/// The first number in which two sides are further apart than both may be off.
fn apart(a: &Numbers, b: &Numbers) -> Option<String> {
    assert_eq!(a.values.len(), b.values.len());
    let pairs = a.values.iter().zip(&b.values);
    let rooms = a.bounds.iter().zip(&b.bounds).map(|(a, b)| a + b);
    let mut all = pairs.zip(rooms).enumerate();
    // What is not finite is the same as itself. Not `>`: a NaN and a number are apart.
    let far = |((x, y), room): &((&f64, &f64), f64)| {
        !(x == y || (x.is_nan() && y.is_nan()) || (*x - *y).abs() <= *room)
    };
    all.find(|(_, pair)| far(pair))
        .map(|(i, ((x, y), room))| format!("number {i}: {x:e} and {y:e}, may be {room:.1e} apart"))
}

/// Numbers with so few digits that sums, halves and complements of them are exact in f32.
fn coarse(v: f64) -> f64 {
    (v * 1024.0).round() / 1024.0
}

fn values(values: &Values<'_>, change: impl Fn(usize, f64) -> f64) -> Values<'static> {
    let wide = values.to_f64();
    let changed = wide.iter().enumerate().map(|(i, v)| change(i, *v));
    changed.collect::<Vec<f64>>().into()
}

/// Changes the numbers of a tensor: an input, or the target. Whether there are any.
fn change(batch: &mut Batch<'static>, tensor: usize, by: impl Fn(usize, f64) -> f64) -> bool {
    if let Some(input) = batch.inputs.get_mut(tensor) {
        *input = values(input, by);
        return true;
    }
    match &mut batch.target {
        Some(Target::Values(target)) => {
            *target = values(target, by);
            true
        }
        _ => false,
    }
}

/// The values of an option of this loss.
fn number(loss: &dyn Loss, name: &str) -> f32 {
    let mut options = loss.info().options.iter().zip(loss.options());
    match options.find(|(o, _)| o.name == name) {
        Some((_, OptionValue::Number(v))) => v,
        other => panic!("{loss:?} declares a law with {name}, which is {other:?}"),
    }
}

fn set(loss: &mut dyn Loss, name: &str, v: f32) {
    loss.set(name, OptionValue::Number(v))
        .unwrap_or_else(|e| panic!("{e}"));
}

fn again(loss: &dyn Loss) -> Box<dyn Loss> {
    let mut same = loss.info().make();
    for (option, value) in loss.info().options.iter().zip(loss.options()) {
        same.set(option.name, value).expect("it has it");
    }
    same
}

/// Both sides of a law, or nothing where the batch has no such tensor.
fn sides(
    gpu: Option<&Gpu>,
    loss: &dyn Loss,
    batch: &Batch<'static>,
    law: &Law,
) -> Result<Option<Vec<(Numbers, Numbers)>>, Error> {
    let inputs = loss.info().inputs.len();
    let elements = batch.inputs[0].len();
    let here: Vec<usize> = (0..elements).collect();
    let (mut other, mut changed) = (again(loss), batch.clone());
    let known = || Side::of(gpu, loss, batch);
    let mut pairs = Vec::new();
    match *law {
        Law::Shift(tensors) => {
            // Every row by something else: it is of each row that the law speaks.
            let step = |i: usize| [1.0, -2.0, 0.25, 3.0, -0.5, 0.125][i % ROWS];
            let elementwise = loss.info().family == Family::Elementwise;
            let by = |i: usize, v: f64| v + step(if elementwise { i } else { i / COLS });
            if !tensors.iter().all(|&k| change(&mut changed, k, by)) {
                return Ok(None);
            }
            let (a, b) = (known()?, Side::of(gpu, &*other, &changed)?);
            pairs.push((a.losses(1.0), b.losses(1.0)));
            for k in 0..inputs {
                pairs.push((a.grads(k, 1.0, &here), b.grads(k, 1.0, &here)));
            }
        }
        Law::Scale {
            tensors,
            options,
            degree,
        } => {
            let factor = 0.5f64;
            if !tensors
                .iter()
                .all(|&k| change(&mut changed, k, |_, v| factor * v))
            {
                return Ok(None);
            }
            for name in options {
                set(&mut *other, name, factor as f32 * number(loss, name));
            }
            let (a, b) = (known()?, Side::of(gpu, &*other, &changed)?);
            pairs.push((a.losses(factor.powf(degree)), b.losses(1.0)));
            for k in 0..inputs {
                let degree = degree - f64::from(u8::from(tensors.contains(&k)));
                let grads = a.grads(k, factor.powf(degree), &here);
                pairs.push((grads, b.grads(k, 1.0, &here)));
            }
        }
        Law::Mirror { tensors, options } => {
            let mut mirrored = tensors.iter();
            if !mirrored.all(|&(k, c)| change(&mut changed, k, |_, v| 2.0 * c - v)) {
                return Ok(None);
            }
            for name in options {
                set(&mut *other, name, 1.0 - number(loss, name));
            }
            let (a, b) = (known()?, Side::of(gpu, &*other, &changed)?);
            pairs.push((a.losses(1.0), b.losses(1.0)));
            for k in 0..inputs {
                let sign = if tensors.iter().any(|t| t.0 == k) {
                    -1.0
                } else {
                    1.0
                };
                pairs.push((a.grads(k, sign, &here), b.grads(k, 1.0, &here)));
            }
        }
        Law::Swap { tensors, options } => {
            let [a, b] = tensors.map(|k| match (batch.inputs.get(k), &batch.target) {
                (Some(input), _) => Some(input.clone()),
                (None, Some(Target::Values(target))) => Some(target.clone()),
                _ => None,
            });
            let (Some(first), Some(second)) = (a, b) else {
                return Ok(None);
            };
            let [a, b] = [second, first].map(|v| v.to_f64().into_owned());
            change(&mut changed, tensors[0], |i, _| a[i]);
            change(&mut changed, tensors[1], |i, _| b[i]);
            for [one, two] in options {
                let [v, w] = [one, two].map(|name| number(loss, name));
                match one == two {
                    true => set(&mut *other, one, 1.0 - v),
                    false => {
                        set(&mut *other, one, w);
                        set(&mut *other, two, v);
                    }
                }
            }
            let (a, b) = (known()?, Side::of(gpu, &*other, &changed)?);
            pairs.push((a.losses(1.0), b.losses(1.0)));
            for k in 0..inputs {
                // The gradient by what was the target is not known.
                let from = match tensors {
                    [x, y] if x == k => y,
                    [x, y] if y == k => x,
                    _ => k,
                };
                if from < inputs {
                    pairs.push((a.grads(from, 1.0, &here), b.grads(k, 1.0, &here)));
                }
            }
        }
        Law::Affine(tensor) => {
            // Another value: that of the element before.
            let (mut far, mut middle) = (batch.clone(), batch.clone());
            let own = match batch.inputs.get(tensor) {
                Some(input) => input.to_f64().into_owned(),
                None => match &batch.target {
                    Some(Target::Values(target)) => target.to_f64().into_owned(),
                    _ => return Ok(None),
                },
            };
            let before = |i: usize| own[(i + own.len() - 1) % own.len()];
            change(&mut far, tensor, |i, _| before(i));
            change(&mut middle, tensor, |i, v| 0.5 * (v + before(i)));
            let all = [batch, &far, &middle].map(|b| Side::of(gpu, loss, b));
            let [a, b, m] = all;
            let (a, b, m) = (a?, b?, m?);
            let mean = |a: Numbers, b: Numbers| {
                let mut mean = Numbers::default();
                for i in 0..a.values.len() {
                    let value = 0.5 * (a.values[i] + b.values[i]);
                    mean.push(value, 0.5 * (a.bounds[i] + b.bounds[i]));
                }
                mean
            };
            pairs.push((mean(a.losses(1.0), b.losses(1.0)), m.losses(1.0)));
            for k in 0..inputs {
                let [a, b, m] = [&a, &b, &m].map(|side| side.grads(k, 1.0, &here));
                pairs.push((mean(a, b), m));
            }
        }
        Law::Columns => {
            // Column c of the other side is column `order[c]` of this.
            let order = [3usize, 0, 4, 1, 2];
            let from = |i: usize| i / COLS * COLS + order[i % COLS];
            let per_element = |v: &Values<'static>| {
                let wide = v.to_f64();
                values(v, |i, own| {
                    if wide.len() == elements {
                        wide[from(i)]
                    } else {
                        own
                    }
                })
            };
            changed.inputs = batch.inputs.iter().map(per_element).collect();
            changed.weight = batch.weight.as_ref().map(per_element);
            changed.target = batch.target.as_ref().map(|target| match target {
                Target::Values(v) => Target::Values(per_element(v)),
                Target::Labels(labels) => {
                    let place = |c: i64| order.iter().position(|&o| o as i64 == c);
                    let moved = (0..ROWS).map(|r| {
                        let label = labels.get(r).unwrap_or(-1);
                        place(label).map_or(label, |c| c as i64)
                    });
                    Target::Labels(Labels::from(moved.collect::<Vec<i64>>()))
                }
            });
            if let Some(ClassWeight::Values(v)) = &batch.class_weight {
                let wide = v.to_f64();
                changed.class_weight = Some(ClassWeight::Values(values(v, |c, _| wide[order[c]])));
            }
            // A class that is ignored has another place too.
            if let Some(place) = loss
                .ignore_index()
                .and_then(|i| order.iter().position(|&o| o as i64 == i))
            {
                other.set("ignore_index", OptionValue::Index(place as i64))?;
            }
            let (a, b) = (known()?, Side::of(gpu, &*other, &changed)?);
            pairs.push((a.losses(1.0), b.losses(1.0)));
            let from: Vec<usize> = here.iter().map(|&i| from(i)).collect();
            for k in 0..inputs {
                pairs.push((a.grads(k, 1.0, &from), b.grads(k, 1.0, &here)));
            }
        }
        other => panic!("{other:?} is a law that is not looked at"),
    }
    Ok(Some(pairs))
}

/// A loss with options of few digits, so that what a law makes of them is exact too.
fn with_coarse_options(loss: &mut dyn Loss) {
    for (option, value) in loss.info().options.iter().zip(loss.options()) {
        if let OptionValue::Number(v) = value
            && v.abs() >= 1.0 / 1024.0
        {
            set(loss, option.name, coarse(f64::from(v)) as f32);
        }
    }
}

fn batches(loss: &dyn Loss, rng: &mut Rng) -> Vec<Batch<'static>> {
    let info = loss.info();
    let mut all = Vec::new();
    for &labels in support::targets(info) {
        for (turn, &weight) in support::weights(info).iter().enumerate() {
            let recipe = Recipe {
                labels,
                weight,
                class_weight: info.class_weight && turn == 1,
                reduction: [Reduction::None, Reduction::Mean, Reduction::WeightedMean][turn],
                ..Recipe::new([ROWS, COLS])
            };
            let mut batch = support::batch(loss, &recipe, rng);
            for k in 0..=info.inputs.len() {
                // Within the ends of a domain, where a formula may have a kink.
                let ends = match info.domain.get(k) {
                    Some(loss::Support::NonNegative) => [1.0 / 1024.0, f64::MAX],
                    Some(loss::Support::Probability) if k < info.inputs.len() => {
                        [1.0 / 1024.0, 1023.0 / 1024.0]
                    }
                    _ => [f64::MIN, f64::MAX],
                };
                change(&mut batch, k, |_, v| coarse(v).clamp(ends[0], ends[1]));
            }
            all.push(batch);
        }
    }
    all
}

/// Holds a loss to a law. How many times it was looked at: on a device, whose kernels take longer to compile than to run, with
/// some weights and a reduction, for another loss with others.
fn hold(gpu: Option<&Gpu>, loss: &dyn Loss, law: &Law, rng: &mut Rng) -> Result<usize, String> {
    let mut looks = 0;
    let turns = support::weights(loss.info()).len();
    for (turn, batch) in batches(loss, rng).into_iter().enumerate() {
        if gpu.is_some() && turn % turns != loss.info().name.len() % turns {
            continue;
        }
        let both = sides(gpu, loss, &batch, law).map_err(|e| e.to_string())?;
        let Some(pairs) = both else { continue };
        looks += 1;
        for (place, (a, b)) in pairs.iter().enumerate() {
            if let Some(far) = apart(a, b) {
                return Err(format!("{place}, {:?}: {far}", batch.reduction));
            }
        }
    }
    Ok(looks)
}

/// Default options and some corners.
fn some(info: &'static Info) -> Vec<Box<dyn Loss>> {
    let corners = support::corners(info);
    let mut all: Vec<_> = (0..corners)
        .step_by(corners.div_ceil(12))
        .map(|which| support::corner(info, COLS, which))
        .collect();
    all.extend(support::option_samples(info, COLS));
    for loss in &mut all {
        with_coarse_options(&mut **loss);
    }
    all
}

#[test]
fn every_loss_declares_something_and_keeps_it() {
    let gpu = support::gpu();
    for &info in loss::all() {
        let mut rng = Rng::new(info.name);
        let losses = some(info);
        let laws: Vec<_> = losses.iter().map(|loss| loss.laws()).collect();
        assert!(!laws[0].is_empty(), "{} declares no law", info.name);
        for (which, (loss, laws)) in losses.iter().zip(&laws).enumerate() {
            for law in laws {
                // The device for the default options.
                let devices: &[Option<&Gpu>] = match which == 0 {
                    true => &[None, gpu.as_ref()],
                    false => &[None],
                };
                for &gpu in devices {
                    let looks = hold(gpu, &**loss, law, &mut rng);
                    let looks = looks.unwrap_or_else(|e| panic!("{loss:?}: {law:?}: {e}"));
                    assert!(looks > 0, "{loss:?}: {law:?} was not looked at");
                }
            }
        }
    }
}

/// Each kind of law is seen to be broken by a loss that does not keep it.
#[test]
fn a_law_that_does_not_hold_is_found() {
    let mut rng = Rng::new("broken");
    let broken = [
        ("mse", Law::Shift(&[0])),
        (
            "huber",
            Law::Scale {
                tensors: &[0, 1],
                options: &[],
                degree: 2.0,
            },
        ),
        (
            "binary_focal",
            Law::Mirror {
                tensors: &[(0, 0.5), (1, 0.5)],
                options: &[],
            },
        ),
        (
            "quantile",
            Law::Swap {
                tensors: [0, 1],
                options: &[],
            },
        ),
        ("mse", Law::Affine(1)),
        ("huber", Law::Columns),
    ];
    for (name, law) in broken {
        let mut loss = loss::by_name(name).expect("registered");
        if name == "quantile" {
            set(&mut *loss, "q", 0.25);
        }
        if law == Law::Columns {
            // Of an element-wise loss with an option for each column.
            loss = loss::by_name("bce_with_logits").expect("registered");
            let list = OptionValue::Columns(vec![1.0, 2.0, 3.0, 4.0, 5.0]);
            loss.set("pos_weight", list).expect("it has it");
        }
        for gpu in [None, support::gpu().as_ref()] {
            let found = hold(gpu, &*loss, &law, &mut rng);
            assert!(found.is_err(), "{loss:?}: {law:?}: {found:?}");
        }
    }
}

/// A batch of its rows in this order, each as often as it stands there. Of elementwise losses an element is a row.
fn picked(info: &Info, batch: &Batch<'static>, order: &[usize]) -> Batch<'static> {
    let cols = if info.family == Family::Elementwise {
        1
    } else {
        COLS
    };
    let rows = batch.inputs[0].len() / cols;
    let pick = |v: &Values<'static>| {
        let wide = v.to_f64();
        // One number for each row, or for each element.
        let each = wide.len() / rows;
        let all = order
            .iter()
            .flat_map(|&r| wide[r * each..(r + 1) * each].to_vec());
        Values::from(all.collect::<Vec<f64>>())
    };
    let mut other = batch.clone();
    other.shape = match cols {
        1 => vec![order.len()],
        _ => vec![order.len(), cols],
    };
    other.inputs = batch.inputs.iter().map(pick).collect();
    other.weight = batch.weight.as_ref().map(pick);
    other.target = batch.target.as_ref().map(|target| match target {
        Target::Values(v) => Target::Values(pick(v)),
        Target::Labels(labels) => {
            let moved = order.iter().map(|&r| labels.get(r).unwrap_or(-1));
            Target::Labels(Labels::from(moved.collect::<Vec<i64>>()))
        }
    });
    other
}

/// A batch whose rows can be picked: of elementwise losses in one dimension, of sets row by row.
fn of_rows(
    info: &'static Info,
    reduction: Reduction,
    rng: &mut Rng,
) -> (Box<dyn Loss>, Batch<'static>) {
    let mut loss = info.make();
    if info.family == Family::Sets {
        loss.set("per_row", OptionValue::Flag(true))
            .expect("it has it");
    }
    let shape: &[usize] = match info.family {
        Family::Elementwise => &[ROWS * COLS],
        _ => &[ROWS, COLS],
    };
    let recipe = Recipe {
        labels: *support::targets(info).last().expect("a target"),
        reduction,
        ..Recipe::new(shape)
    };
    let batch = support::batch(&*loss, &recipe, rng);
    (loss, batch)
}

fn expect_same(what: &str, pairs: &[(Numbers, Numbers)]) {
    for (place, (a, b)) in pairs.iter().enumerate() {
        if let Some(far) = apart(a, b) {
            panic!("{what}: {place}: {far}");
        }
    }
}

/// The rows of a batch in another order are the same rows: to the last bit, where each has its own loss.
#[test]
fn the_order_of_rows_does_not_matter() {
    let gpu = support::gpu();
    for &info in loss::all() {
        let mut rng = Rng::new(info.name);
        let (loss, batch) = of_rows(info, Reduction::None, &mut rng);
        let rows = batch.shape[0];
        let cols = batch.inputs[0].len() / rows;
        let order: Vec<usize> = (0..rows).map(|r| (r * 7 + 3) % rows).collect();
        let from: Vec<usize> = (0..rows * cols)
            .map(|i| order[i / cols] * cols + i % cols)
            .collect();
        let other = picked(info, &batch, &order);
        let Some(gpu) = &gpu else { return };
        let [a, b] = [&batch, &other].map(|b| gpu.loss(&*loss, b).expect("an evaluation"));
        for (r, &was) in order.iter().enumerate() {
            let (found, wanted) = (b.losses[r], a.losses[was]);
            assert_eq!(
                found.to_bits(),
                wanted.to_bits(),
                "{}: row {was}",
                info.name
            );
        }
        for (a, b) in a.grads.iter().zip(&b.grads) {
            for (i, &was) in from.iter().enumerate() {
                assert_eq!(b[i].to_bits(), a[was].to_bits(), "{}: {was}", info.name);
            }
        }
        let means = [&batch, &other].map(|b| {
            let mean = b.clone().reduction(Reduction::Mean);
            Side::of(None, &*loss, &mean).expect("good").losses(1.0)
        });
        let [a, b] = means;
        expect_same(info.name, &[(a, b)]);
    }
}

/// A row that counts k times is k rows. By the reference, which devices are held to with all sorts of weights.
#[test]
fn a_weight_is_a_number_of_copies() {
    for &info in loss::all() {
        if info.family == Family::Sets {
            // Inside of a ratio weights are those of elements: nothing of rows.
            continue;
        }
        for reduction in [Reduction::Sum, Reduction::WeightedMean] {
            let mut rng = Rng::new(info.name);
            let (loss, mut batch) = of_rows(info, reduction, &mut rng);
            let rows = batch.shape[0];
            let cols = batch.inputs[0].len() / rows;
            let copies: Vec<usize> = (0..rows).map(|r| (r * 5 + 1) % 4).collect();
            let order: Vec<usize> = (0..rows).flat_map(|r| vec![r; copies[r]]).collect();
            let other = picked(info, &batch, &order);
            batch.weight = Some(
                copies
                    .iter()
                    .map(|&k| k as f64)
                    .collect::<Vec<f64>>()
                    .into(),
            );
            let [a, b] = [&batch, &other].map(|b| Side::of(None, &*loss, b).expect("good"));
            let mut pairs = vec![(a.losses(1.0), b.losses(1.0))];
            let here: Vec<usize> = (0..rows * cols).collect();
            for k in 0..info.inputs.len() {
                // The copies' gradients add up to that of the one.
                let mut of_copies = Numbers::default();
                for &i in &here {
                    let copies = (0..order.len()).filter(|&c| order[c] == i / cols);
                    let at: Vec<usize> = copies.map(|c| c * cols + i % cols).collect();
                    let part = b.grads(k, 1.0, &at);
                    of_copies.push(part.values.iter().sum(), part.bounds.iter().sum());
                }
                pairs.push((a.grads(k, 1.0, &here), of_copies));
            }
            expect_same(info.name, &pairs);
        }
    }
}

/// Sums over parts add up to the sum over the whole, and gradients are those of the parts. By the reference; of devices
/// see `micro_batches`.
#[test]
fn parts_add_up() {
    for &info in loss::all() {
        let mut rng = Rng::new(info.name);
        let (loss, batch) = of_rows(info, Reduction::Sum, &mut rng);
        let rows = batch.shape[0];
        let side = |batch: &Batch<'static>| Side::of(None, &*loss, batch).expect("good");
        let parts = [0..rows / 3, rows / 3..rows];
        let [a, b] = parts.map(|r| side(&picked(info, &batch, &r.collect::<Vec<_>>())));
        let whole = side(&batch);
        let mut sum = Numbers::default();
        let [one, other] = [a.losses(1.0), b.losses(1.0)];
        sum.push(
            one.values[0] + other.values[0],
            one.bounds[0] + other.bounds[0],
        );
        let mut pairs = vec![(sum, whole.losses(1.0))];
        for k in 0..info.inputs.len() {
            let all = |side: &Side| (0..side.out.grads[k].len()).collect::<Vec<_>>();
            let [mut first, second] = [&a, &b].map(|side| side.grads(k, 1.0, &all(side)));
            first.values.extend(second.values);
            first.bounds.extend(second.bounds);
            pairs.push((first, whole.grads(k, 1.0, &all(&whole))));
        }
        expect_same(info.name, &pairs);
    }
}

/// With classes on axis 1, or elements in another shape, losses are what they were. By the reference, which devices are held to in
/// both layouts and all storage types.
#[test]
fn layout_does_not_matter() {
    for &info in loss::all() {
        let (loss, batch) = of_rows(info, Reduction::None, &mut Rng::new(info.name));
        // Samples of two places with classes between, read class by class: row (n, d) is row 2n + d.
        let to: Vec<usize> = (0..ROWS * COLS)
            .map(|i| {
                let (row, c) = (i / COLS, i % COLS);
                row / 2 * 2 * COLS + 2 * c + row % 2
            })
            .collect();
        let turned = |v: &Values<'static>| {
            let mut wide = v.to_f64().into_owned();
            if wide.len() == to.len() {
                let old = wide.clone();
                to.iter().zip(old).for_each(|(&i, v)| wide[i] = v);
            }
            Values::from(wide)
        };
        let mut other = batch.clone();
        other.shape = vec![ROWS / 2, COLS, 2];
        other.class_axis = ClassAxis::One;
        other.inputs = batch.inputs.iter().map(turned).collect();
        if let Some(Target::Values(v)) = &batch.target {
            other.target = Some(Target::Values(turned(v)));
        }
        let [a, b] = [&batch, &other].map(|b| Side::of(None, &*loss, b).expect("good"));
        let mut losses = b.losses(1.0);
        if info.family == Family::Elementwise {
            losses.values = to.iter().map(|&i| losses.values[i]).collect();
            losses.bounds = to.iter().map(|&i| losses.bounds[i]).collect();
        }
        let mut pairs = vec![(a.losses(1.0), losses)];
        let here: Vec<usize> = (0..ROWS * COLS).collect();
        for k in 0..info.inputs.len() {
            pairs.push((a.grads(k, 1.0, &here), b.grads(k, 1.0, &to)));
        }
        expect_same(info.name, &pairs);
    }
}
