//! Every loss on the CPU in f64, as plainly as it can be written; and how far a GPU may be from that.

mod rows;

pub use rows::{RowOutputs, row_outputs, row_outputs_with_bounds};

use crate::batch::{Batch, ClassWeight, Outcome, Status, Target};
use crate::bounds::{DIV, TINY, U, slack};
use crate::class_weight::balanced;
use crate::combined::{Combined, CombinedOutcome, TermOutcome};
use crate::custom::evaluated;
use crate::error::Result;
use crate::layout::{Divisor, Geometry, Layout, TargetLayout, WeightLayout};
use crate::loss::{
    Element, Elementwise, Family, Loss, MOST_INPUTS, Math, Row, RowTarget, RowTerm, Term,
};
use crate::tensor::{DType, Labels};

/// The loss and its gradients in f64.
///
/// # Errors
/// Whatever [`Batch::layout`] refuses, and bad labels by [`Status::check`].
pub fn loss(loss: &dyn Loss, batch: &Batch<'_>) -> Result<Outcome<f64>> {
    let layout = batch.layout(loss)?;
    let geometry = layout.check(loss)?;
    let out = evaluate(loss, batch)?;
    out.status.check(loss, geometry.cols)?;
    Ok(out)
}

/// As [`loss`], but bad labels stay in the status, as they do on a device.
///
/// # Errors
/// Whatever [`Batch::layout`] refuses; [`Error::Source`](crate::Error::Source) where a custom loss cannot be evaluated, as a loop that does
/// not end.
pub fn evaluate(loss: &dyn Loss, batch: &Batch<'_>) -> Result<Outcome<f64>> {
    Ok(run(loss, batch, false, 0.0)?.0)
}

/// As [`evaluate`], and beside it the largest error that a GPU may make in each number.
///
/// The bounds hold for a batch whose numbers are already [rounded](Batch::rounded) to its dtype. A sum of
/// `n` numbers in the fixed tree has at most [`sum_depth`] roundings in each of them.
///
/// # Errors
/// Whatever [`Batch::layout`] refuses.
pub fn evaluate_with_bounds(
    loss: &dyn Loss,
    batch: &Batch<'_>,
) -> Result<(Outcome<f64>, Outcome<f64>)> {
    run(loss, batch, true, 0.0)
}

/// The weighted sum of losses and its gradients in f64.
///
/// # Errors
/// Whatever [`Combined::layouts`] refuses, and bad labels by [`Status::check`].
pub fn combined(sum: &Combined<'_>) -> Result<CombinedOutcome<f64>> {
    let (out, _) = sum_up(sum, false)?;
    for (k, (term, out)) in sum.terms.iter().zip(&out.terms).enumerate() {
        let batch = sum.batch(k)?;
        let geometry = batch.layout(term.loss)?.check(term.loss)?;
        out.status.check(term.loss, geometry.cols)?;
    }
    Ok(out)
}

/// As [`combined`], with bad labels left in the status, and beside it the largest error that a GPU may make in each
/// number: the sum of what the losses may be off, a rounding for every product and sum, and, since gradients may be
/// added up in storage, as many roundings to that as there are losses.
///
/// # Errors
/// Whatever [`Combined::layouts`] refuses.
pub fn combined_with_bounds(
    sum: &Combined<'_>,
) -> Result<(CombinedOutcome<f64>, CombinedOutcome<f64>)> {
    sum_up(sum, true)
}

fn sum_up(
    sum: &Combined<'_>,
    bounds: bool,
) -> Result<(CombinedOutcome<f64>, CombinedOutcome<f64>)> {
    sum.layouts()?;
    let sizes = sum.inputs.iter().map(|(_, v)| v.len());
    let grads: Vec<Vec<f64>> = match sum.gradient {
        true => sizes.map(|n| vec![0.0; n]).collect(),
        false => Vec::new(),
    };
    let empty = CombinedOutcome {
        loss: 0.0,
        terms: Vec::new(),
        grads,
    };
    let (mut total, mut bound) = (empty.clone(), empty.clone());
    // Σ|w·loss| and Σ|gradient|, to which roundings are proportional.
    let mut size = empty;
    let n = sum.terms.len() as f64;
    for (k, term) in sum.terms.iter().enumerate() {
        let batch = sum.batch(k)?;
        // An elementwise loss may go along with rows, or with a set, and is then summed as their statistics are.
        let depth = match term.loss.info().family {
            Family::Elementwise => {
                let geometry = batch.layout(term.loss)?.check(term.loss)?;
                let whole = Geometry {
                    rows: 1,
                    cols: geometry.elements,
                    inner: 1,
                    ..geometry
                };
                merges(&geometry).max(merges(&whole))
            }
            _ => 0.0,
        };
        let (out, off) = match bounds {
            true => run(term.loss, &batch.rounded(), true, depth)?,
            false => run(term.loss, &batch, false, 0.0)?,
        };
        let weight = f64::from(term.weight);
        let (loss, loss_off) = (out.loss.unwrap_or(0.0), off.loss.unwrap_or(0.0));
        total.loss += weight * loss;
        size.loss += (weight * loss).abs();
        bound.loss += (weight * loss_off).abs();
        for (to, loss) in [(&mut total, loss), (&mut bound, loss_off)] {
            to.terms.push(TermOutcome {
                loss,
                status: out.status,
            });
        }
        for ((slot, grad), off) in term.inputs.iter().zip(&out.grads).zip(&off.grads) {
            let places = total.grads[*slot].iter_mut().zip(&mut size.grads[*slot]);
            let places = places.zip(&mut bound.grads[*slot]);
            for (((t, s), b), (g, o)) in places.zip(grad.iter().zip(off)) {
                *t += g;
                *s += g.abs();
                *b += o;
            }
        }
    }
    bound.loss = slack(bound.loss + (n + 1.0) * U * size.loss);
    for ((bound, size), total) in bound.grads.iter_mut().zip(&size.grads).zip(&total.grads) {
        for ((b, s), t) in bound.iter_mut().zip(size).zip(total) {
            // Infinite parts of both signs may be anything together, and NaN too: a bound of NaN.
            if s + *b >= sum.dtype.overflow() && t.abs() < *s {
                *b = f64::NAN;
            }
            let stored = match sum.dtype {
                DType::F32 => 0.0,
                dtype => n * dtype.half_ulp(s + *b),
            };
            *b = slack(*b + n * U * s) + stored;
        }
    }
    Ok((total, bound))
}

/// The most additions that one number goes through when `leaves` leaves are summed. Within a leaf at most 32: of rows in a
/// row; of elements on a CPU 4 of a pack, 16 of those, 8 of those, and 3 levels, where hardware has 4, 4 and 8.
/// Then each of 32 threads adds runs of 16, runs of 16 of those, runs of 16 of those, what comes of that, and the four
/// together; then 5 levels, where hardware has an eighth of the last runs and 8 levels.
pub fn sum_depth(leaves: usize) -> f64 {
    let runs = leaves.div_ceil(32 * 4096);
    (32 + 3 * 16 + runs + 3 + 8) as f64
}

/// The divisor of the reduction, and what the part of a row loss without class weights is multiplied by.
struct Scale {
    divisor: f64,
    unweighted: f64,
    /// Relative error of the divisor in f32.
    error: f64,
}

/// `depth` additions more than [`sum_depth`] says may lie between a loss and the sum.
fn run(
    loss: &dyn Loss,
    batch: &Batch<'_>,
    bounds: bool,
    depth: f64,
) -> Result<(Outcome<f64>, Outcome<f64>)> {
    let layout = batch.layout(loss)?;
    let geometry = layout.check(loss)?;
    let units = layout.units(loss, &geometry)?;
    let mut problem = Problem::new(loss, batch, layout, geometry, units);
    problem.depth = depth;
    if let (Some(ClassWeight::Balanced), Some(labels)) = (&batch.class_weight, problem.labels) {
        let mut weights = balanced(labels, geometry.cols, loss.ignore_index())?;
        if bounds {
            // What a GPU has of them: the nearest f32.
            weights.iter_mut().for_each(|w| *w = f64::from(*w as f32));
        }
        problem.class_weight = Some(weights.into());
    }
    let (mut total, mut limit) = evaluated(loss, |math| match math {
        Math::Elementwise(math) => problem.elements(*math, bounds),
        Math::Rows(math) => problem.rows(
            |r| math.row(r),
            |r| bounds.then(|| math.bound(r)),
            |x| math.admits(x),
        ),
    })?;
    if total.status.valid == 0 {
        // No row counts: everything is 0 by definition.
        for out in [&mut total, &mut limit] {
            out.loss = out.loss.map(|_| 0.0);
            out.losses.iter_mut().for_each(|l| *l = 0.0);
            out.grads.iter_mut().flatten().for_each(|g| *g = 0.0);
        }
    }
    Ok((total, limit))
}

struct Problem<'a> {
    loss: &'a dyn Loss,
    layout: Layout,
    geometry: Geometry,
    /// Rows and columns as the loss takes them.
    units: Geometry,
    depth: f64,
    inputs: Vec<std::borrow::Cow<'a, [f64]>>,
    values: Option<std::borrow::Cow<'a, [f64]>>,
    labels: Option<&'a Labels<'a>>,
    weight: Option<std::borrow::Cow<'a, [f64]>>,
    class_weight: Option<std::borrow::Cow<'a, [f64]>>,
}

impl<'a> Problem<'a> {
    fn new(
        loss: &'a dyn Loss,
        batch: &'a Batch<'a>,
        layout: Layout,
        geometry: Geometry,
        units: Geometry,
    ) -> Self {
        Problem {
            loss,
            layout,
            geometry,
            units,
            depth: 0.0,
            inputs: batch.inputs.iter().map(|v| v.to_f64()).collect(),
            values: match &batch.target {
                Some(Target::Values(v)) => Some(v.to_f64()),
                _ => None,
            },
            labels: match &batch.target {
                Some(Target::Labels(l)) => Some(l),
                _ => None,
            },
            weight: batch.weight.as_ref().map(|w| w.to_f64()),
            class_weight: match &batch.class_weight {
                Some(ClassWeight::Values(w)) => Some(w.to_f64()),
                _ => None,
            },
        }
    }

    fn weight_of(&self, element: usize, row: usize) -> f64 {
        match (&self.weight, self.layout.weight) {
            (Some(w), WeightLayout::Element) => w[element],
            (Some(w), WeightLayout::Row) => w[row],
            _ => 1.0,
        }
    }

    fn class_weight_of(&self, class: usize) -> f64 {
        self.class_weight.as_ref().map_or(1.0, |w| w[class])
    }

    /// `counted` holds every row's class, or every element's `None`, that counts.
    fn scale(&self, counted: impl Iterator<Item = (f64, Option<usize>)>) -> Scale {
        let mut scale = match self.layout.divisor(self.loss, &self.geometry) {
            Divisor::Known(n) => Scale {
                divisor: n as f64,
                unweighted: 1.0,
                error: U,
            },
            Divisor::Counted {
                weight,
                class_weight,
            } => {
                let (mut divisor, mut plain, mut n) = (0.0, 0.0, 0usize);
                for (w, class) in counted {
                    let w = if weight { w } else { 1.0 };
                    let c = class.map_or(1.0, |c| self.class_weight_of(c));
                    divisor += if class_weight { w * c } else { w };
                    plain += w;
                    n += 1;
                }
                Scale {
                    divisor,
                    unweighted: match plain {
                        p if p > 0.0 => divisor / p,
                        _ => 0.0,
                    },
                    // All terms are positive: the tree's relative error is its depth, and one for each product.
                    error: (sum_depth(n.div_ceil(4096)) + 2.0) * U,
                }
            }
        };
        if scale.divisor < TINY {
            // A device may flush such a sum: it counts as 0 everywhere.
            scale.divisor = 0.0;
        }
        scale
    }

    fn elements(&self, math: &dyn Elementwise, bounds: bool) -> (Outcome<f64>, Outcome<f64>) {
        let g = &self.geometry;
        let row_of = |i: usize| match self.layout.weight {
            WeightLayout::Row => g.row_col(i).0,
            _ => 0,
        };
        let scale = self.scale((0..g.elements).map(|i| (self.weight_of(i, row_of(i)), None)));
        let mut sink = Sink::new(self, &scale, g.elements, g.elements.div_ceil(4096));
        let mut x = [0.0; MOST_INPUTS];
        for i in 0..g.elements {
            let (row, column) = g.row_col(i);
            for (x, input) in x.iter_mut().zip(&self.inputs) {
                *x = input[i];
            }
            let t = self.values.as_ref().map_or(0.0, |v| v[i]);
            let inputs = x.iter().take(self.inputs.len());
            let targets = self.values.as_ref().map(|v| &v[i]);
            sink.total.status.non_finite += inputs
                .clone()
                .chain(targets)
                .filter(|v| !v.is_finite())
                .count() as u64;
            let e = Element { x, t, column };
            let w = self.weight_of(i, row);
            let mut l = math.term(&e);
            let b = match bounds {
                true => math.bound(&e),
                false => Term::default(),
            };
            // `f64::max` and `clamp` drop a NaN that the formula does not.
            if inputs.clone().chain(targets).any(|v| v.is_nan()) {
                l.loss = f64::NAN;
                if math.nan_grad(&e) {
                    l.grad = [f64::NAN; MOST_INPUTS];
                }
            }
            sink.loss(i, w, l.loss, b.loss);
            for (k, _) in self.inputs.iter().enumerate() {
                sink.grad(k, i, w, l.grad[k], b.grad[k]);
            }
        }
        let valid = if scale.divisor > 0.0 { g.elements } else { 0 };
        sink.finish(valid as u64)
    }

    fn rows(
        &self,
        term: impl Fn(&Row<'_>) -> RowTerm,
        bound: impl Fn(&Row<'_>) -> Option<RowTerm>,
        admits: impl Fn(f64) -> bool,
    ) -> (Outcome<f64>, Outcome<f64>) {
        let g = &self.units;
        let info = self.loss.info();
        let mut status = Status::default();
        // What every row is compared with; nothing for a row that does not count.
        let targets: Vec<Option<RowTarget<'_>>> = (0..g.rows)
            .map(|row| {
                let target = self.row_target(row);
                if target.is_none() && !self.ignored(row) {
                    status.bad_labels += 1;
                    status.first_bad_row.get_or_insert(row as u64);
                }
                target
            })
            .collect();
        let counted = || {
            let rows = targets.iter().enumerate();
            rows.filter_map(|(r, t)| Some((r, (*t)?)))
        };
        let scale = self.scale(counted().map(|(row, target)| {
            let class = match target {
                RowTarget::Class(c) => Some(c),
                _ => None,
            };
            (self.weight_of(0, row), class)
        }));
        let mut sink = Sink::new(self, &scale, g.rows, g.rows);
        sink.total.status = status;
        let sets = info.family == Family::Sets;
        for (row, target) in counted() {
            let indices: Vec<usize> = (0..g.cols).map(|c| g.index(row, c)).collect();
            let column = |v: &[f64]| -> Vec<f64> { indices.iter().map(|&i| v[i]).collect() };
            let inputs: Vec<Vec<f64>> = self.inputs.iter().map(|v| column(v)).collect();
            let values = match self.layout.target {
                TargetLayout::Values(_) => self.values.as_ref().map(|v| column(v)),
                _ => None,
            };
            let odd = |v: &[f64], ok: &dyn Fn(f64) -> bool| v.iter().filter(|&&v| !ok(v)).count();
            let mut non_finite: usize = inputs.iter().map(|v| odd(v, &admits)).sum();
            non_finite += values
                .iter()
                .map(|v| odd(v, &f64::is_finite))
                .sum::<usize>();
            let target = match (&values, target) {
                (Some(v), _) => RowTarget::Values(v),
                (None, RowTarget::Number(t)) if !t.is_finite() => {
                    non_finite += 1;
                    RowTarget::Number(f64::NAN)
                }
                (None, target) => target,
            };
            sink.total.status.non_finite += non_finite as u64;
            let x: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            let weight: Option<Vec<f64>> = (sets && self.weight.is_some()).then(|| {
                let of = |&i: &usize| self.weight_of(i, self.geometry.row_col(i).0);
                indices.iter().map(of).collect()
            });
            let r = Row {
                x: &x,
                target,
                class_weight: self.class_weight.as_deref(),
                weight: weight.as_deref(),
                unweighted: scale.unweighted,
                merges: merges(g),
            };
            // The weights of a set act inside its sums, and not again.
            let w = if sets { 1.0 } else { self.weight_of(0, row) };
            let l = term(&r);
            let b = bound(&r);
            sink.loss(row, w, l.loss, b.as_ref().map_or(0.0, |b| b.loss));
            for (k, grads) in l.grads.iter().enumerate() {
                for (&i, (c, &grad)) in indices.iter().zip(grads.iter().enumerate()) {
                    let b = b.as_ref().map_or(0.0, |b| b.grads[k][c]);
                    sink.grad(k, i, w, grad, b);
                }
            }
        }
        let valid = match scale.divisor > 0.0 {
            true if self.loss.whole() => g.elements,
            true => counted().count(),
            false => 0,
        };
        sink.finish(valid as u64)
    }

    fn ignored(&self, row: usize) -> bool {
        let label = self.labels.and_then(|l| l.get(row));
        label.is_some() && label == self.loss.ignore_index()
    }

    /// What a row is compared with, but for numbers in the input's shape; nothing where the row does not count.
    fn row_target(&self, row: usize) -> Option<RowTarget<'a>> {
        if let Some(label) = self.labels.and_then(|l| l.get(row)) {
            let class = usize::try_from(label).ok();
            let class = class.filter(|&c| c < self.units.cols && !self.ignored(row));
            return class.map(RowTarget::Class);
        }
        match (&self.values, self.layout.target) {
            (Some(v), TargetLayout::PerRow(_)) => {
                let support = self.loss.info().domain.last();
                let fits = !v[row].is_finite() || support.is_none_or(|s| s.contains(v[row]));
                fits.then_some(RowTarget::Number(v[row]))
            }
            _ => Some(RowTarget::None),
        }
    }
}

/// The most merges that one number of a row goes through, over all plans. 16 in a run and the runs of one
/// invocation; 8 levels of a workgroup; the parts of a split row, at most 1,024 for 256 invocations, and 8 levels
/// again. At class axis 1 one invocation takes 1,024 columns, and one what came of those. Two to spare.
fn merges(g: &Geometry) -> f64 {
    let merges = match g.inner {
        // A block is 16 runs of a pack or more, and a row has at least 8 invocations; where it has one, there are few columns.
        // From 2^20 columns on a row is split into parts of so many leaves.
        1 => {
            let runs = g.cols.min(1 << 20).div_ceil(512) + g.cols.div_ceil(1 << 22);
            16 + runs + g.cols.min(256).div_ceil(32) + 8 + 8 + 8
        }
        _ => 16 + g.cols.min(1024).div_ceil(16) + g.cols.div_ceil(1024),
    };
    (merges + 2) as f64
}

/// Whether `dtype` may make an infinity of `v`, which is off by `bound` at most. A bound much larger than its number is no
/// excuse: what it holds is not to overflow on its way. Where there is none, anything may come.
pub(crate) fn beyond(v: f64, bound: f64, dtype: DType) -> bool {
    let room = match bound.is_finite() {
        true => bound.min(1e-3 * v.abs()),
        false => bound,
    };
    v.abs() + room >= dtype.overflow()
}

/// Bounds are made for finite inputs. Where an infinite one leaves a finite result, their terms are inf·0; the
/// result then takes a path without cancellation, and 64 roundings stand in.
fn usable(bound: f64, value: f64) -> f64 {
    debug_assert!(bound.is_nan() || bound >= 0.0, "a bound of {bound}");
    match bound.is_nan() && value.is_finite() {
        true => 64.0 * U * value.abs(),
        false => bound,
    }
}

/// `bound`, of a number that counts as 0 where it is subnormal: before a weight or factor could bring it back into range.
fn flushed(bound: f64, value: f64) -> f64 {
    match value.abs() - bound < TINY {
        true => bound.max(value.abs()),
        false => bound,
    }
}

/// Collects losses and gradients, and the bounds on them, as the reduction wants them.
struct Sink<'a> {
    layout: &'a Layout,
    /// Whether losses are kept one by one.
    each: bool,
    scale: &'a Scale,
    leaves: usize,
    /// More additions than those of the leaves.
    depth: f64,
    total: Outcome<f64>,
    bound: Outcome<f64>,
    sum: f64,
    /// Σ|wℓ| of the finite terms, which the error of the summation is proportional to.
    magnitude: f64,
    error: f64,
}

impl<'a> Sink<'a> {
    fn new(problem: &'a Problem<'_>, scale: &'a Scale, units: usize, leaves: usize) -> Self {
        let layout = &problem.layout;
        let each = layout.each(problem.loss);
        let empty = Outcome {
            loss: (!each).then_some(0.0),
            losses: vec![0.0; if each { units } else { 0 }],
            grads: match layout.gradient {
                true => vec![vec![0.0; problem.geometry.elements]; problem.inputs.len()],
                false => Vec::new(),
            },
            status: Status::default(),
        };
        Sink {
            layout,
            each,
            scale,
            leaves,
            depth: problem.depth,
            total: empty.clone(),
            bound: empty,
            sum: 0.0,
            magnitude: 0.0,
            error: 0.0,
        }
    }

    fn loss(&mut self, unit: usize, w: f64, loss: f64, bound: f64) {
        let bound = flushed(usable(bound, loss), loss);
        let value = w * loss;
        let error = usable(slack(w * bound + U * value.abs()), value);
        // Infinite before a small weight could bring it back.
        let lost = beyond(loss, bound, DType::F32) && !beyond(value, error, DType::F32);
        let error = if lost { f64::INFINITY } else { error };
        if self.each {
            self.total.losses[unit] = value;
            self.bound.losses[unit] = error;
        } else {
            self.sum += value;
            if value.is_finite() {
                self.magnitude += value.abs();
                self.error += error;
            }
        }
    }

    fn grad(&mut self, input: usize, element: usize, w: f64, grad: f64, bound: f64) {
        if !self.layout.gradient {
            return;
        }
        let bound = flushed(usable(bound, grad), grad);
        let factor = f64::from(self.layout.grad_scale) / self.scale.divisor;
        let value = if self.scale.divisor > 0.0 {
            grad * w * factor
        } else {
            0.0
        };
        // scale/divisor is a division of two rounded numbers, then two products; where w·factor is
        // subnormal it may be lost whole.
        let relative = DIV + self.scale.error + 2.0 * U;
        let error = slack((bound * w * factor).abs() + value.abs() * relative) + grad.abs() * TINY;
        // A derivative or a factor beyond f32 is infinite before a small one could bring it back.
        let factors = [(w * factor).abs(), factor.abs()];
        let large = factors.iter().any(|f| *f >= DType::F32.overflow());
        let error = usable(error, value);
        let infinite = large || beyond(grad, bound, DType::F32);
        // As such it stays where the product is beyond as well, unless the derivative may count as 0.
        let zero = large && grad.abs() <= bound + TINY;
        let error = match infinite && (zero || !beyond(value, error, self.layout.dtype)) {
            true => f64::INFINITY,
            false => error,
        };
        self.total.grads[input][element] = value;
        let stored = self.layout.dtype.half_ulp(value.abs() + error);
        self.bound.grads[input][element] = match self.layout.dtype {
            DType::F32 => error,
            _ => error + stored,
        };
    }

    fn finish(mut self, valid: u64) -> (Outcome<f64>, Outcome<f64>) {
        self.total.status.valid = valid;
        self.bound.status = self.total.status;
        if !self.each {
            let d = self.scale.divisor;
            let loss = if d > 0.0 { self.sum / d } else { 0.0 };
            let error = if d > 0.0 {
                (self.error + self.magnitude * (sum_depth(self.leaves) + self.depth) * U) / d
                    + loss.abs() * (DIV + self.scale.error)
            } else {
                0.0
            };
            self.total.loss = Some(loss);
            // Partial sums may overflow where the mean does not.
            self.bound.loss = Some(match self.magnitude + self.error >= DType::F32.overflow() {
                true => f64::INFINITY,
                false => slack(error),
            });
        }
        (self.total, self.bound)
    }
}
