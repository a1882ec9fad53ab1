//! The f64 reference of custom losses, by the interpreter; and bounds on how far f32 may be from it, by what WGSL promises for every
//! operation of the user's functions and their derivatives.

use super::interpret::{Bounded, Value};
use super::source::{Change, Shape};
use super::{Custom, SourceError};
use crate::bounds::U;
use crate::error::{Error, Result};
use crate::loss::{
    Element, Elementwise, Loss, MOST_INPUTS, Math, Row, RowTerm, Rows, TargetKind, Term,
};
use crate::tensor::DType;
use naga::{Expression, MathFunction};
use std::cell::OnceCell;

const UNKNOWN: Bounded = Bounded {
    value: f64::NAN,
    bound: f64::INFINITY,
};

const fn exact(value: f64) -> Bounded {
    Bounded { value, bound: 0.0 }
}

/// Floats of a value in order, parts of parts too.
fn flat(value: &Value, out: &mut Vec<Bounded>) {
    match value {
        Value::F32(v) => out.push(exact(*v)),
        Value::Parts(all) => all.iter().for_each(|v| flat(v, out)),
        _ => {}
    }
}

/// One evaluation of a loss, of as many elements or rows as there are. It ends with the first one that cannot be evaluated, as one of
/// which a loop does not end: what comes after that is unknown, and costs nothing.
pub(crate) struct Evaluation<'a> {
    loss: &'a Custom,
    fault: OnceCell<SourceError>,
}

/// What `f` finds by the formula of a loss, unless that is a custom one that cannot be evaluated.
pub(crate) fn evaluated<T>(loss: &dyn Loss, f: impl FnOnce(&Math<'_>) -> T) -> Result<T> {
    match loss.custom() {
        Some(custom) => {
            let evaluation = custom.evaluation();
            let found = f(&evaluation.math());
            evaluation.check()?;
            Ok(found)
        }
        None => Ok(f(&loss.math())),
    }
}

impl Custom {
    pub(crate) fn evaluation(&self) -> Evaluation<'_> {
        Evaluation {
            loss: self,
            fault: OnceCell::new(),
        }
    }

    /// Whether inputs are given relative to their maxima of the row.
    pub(crate) fn is_shifted(&self) -> bool {
        matches!(&self.source.shape, Shape::Rows { parts, .. } if parts.shift)
    }

    /// Whether its derivatives have the logarithm of 2 in them, as an f32: those of `exp2` and `log2`.
    pub(crate) fn has_logarithm_of_2(&self) -> bool {
        let functions = self.source.parsed.module.functions.iter();
        let mut all = functions.flat_map(|(_, f)| f.expressions.iter());
        all.any(|(_, e)| match e {
            Expression::Math { fun, .. } => matches!(fun, MathFunction::Exp2 | MathFunction::Log2),
            _ => false,
        })
    }

    /// The arguments of `loss` at an element.
    fn of_element(&self, e: &Element) -> Vec<Bounded> {
        let inputs = e.x.iter().take(self.info.inputs.len());
        let mut all: Vec<_> = inputs.copied().map(exact).collect();
        if self.info.target != TargetKind::None {
            all.push(exact(e.t));
        }
        all
    }

    /// The arguments of `row_terms` at each column.
    fn of_columns(&self, row: &Row<'_>, shift: bool) -> Vec<Vec<Bounded>> {
        let cols = row.x.first().map_or(0, |x| x.len());
        let largest = f64::from(f32::MAX);
        let held = |x: &f64| x.clamp(-largest, largest);
        let maxima = row
            .x
            .iter()
            .map(|x| x.iter().map(held).fold(-largest, f64::max));
        let maxima: Vec<f64> = maxima.collect();
        let at = |c: usize| {
            let inputs = row.x.iter().zip(&maxima).map(|(x, m)| match shift {
                // As the shader's `below`: a difference of f32 numbers, one rounding, that does not overflow downwards.
                true => {
                    let value = (x[c] - m).max(-2e30);
                    let bound = if DType::F32.round(value) == value {
                        0.0
                    } else {
                        U * value.abs()
                    };
                    Bounded { value, bound }
                }
                false => exact(x[c]),
            });
            let target = self.info.target != TargetKind::None;
            let t = target.then(|| exact(row.target_at(c)));
            inputs.chain(t).collect()
        };
        (0..cols).map(at).collect()
    }
}

impl Evaluation<'_> {
    pub(crate) fn math(&self) -> Math<'_> {
        match self.loss.source.shape {
            Shape::Elements(_) => Math::Elementwise(self),
            Shape::Rows { .. } => Math::Rows(self),
        }
    }

    /// # Errors
    /// What could not be evaluated.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.fault.get(), &self.loss.machine) {
            (Some(error), _) | (None, Err(error)) => Err(Error::Source {
                name: self.loss.info.name.into(),
                error: Box::new(error.clone()),
            }),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// The numbers that a function gives: with bounds or, quicker, without. Nothing where it cannot be evaluated.
    fn call(
        &self,
        function: naga::Handle<naga::Function>,
        arguments: &[Bounded],
        bounds: bool,
    ) -> Vec<Bounded> {
        let Ok(machine) = &self.loss.machine else {
            return Vec::new();
        };
        if self.fault.get().is_some() {
            return Vec::new();
        }
        let found = match bounds {
            true => machine.bounded_near(function, arguments),
            false => {
                let arguments: Vec<_> = arguments.iter().map(|n| Value::F32(n.value)).collect();
                machine.call(function, &arguments).map(|value| {
                    let mut out = Vec::new();
                    flat(&value, &mut out);
                    out
                })
            }
        };
        found.unwrap_or_else(|error| {
            // The first is kept.
            let _ = self.fault.set(error);
            Vec::new()
        })
    }

    /// The value of a derived function, of `count` numbers, and its derivatives by each input.
    fn change(
        &self,
        change: &Change,
        count: usize,
        arguments: &[Bounded],
        bounds: bool,
    ) -> (Vec<Bounded>, Vec<Vec<Bounded>>) {
        let all = self.call(change.function, arguments, bounds);
        let part = |i: usize| -> Vec<Bounded> {
            match all.get(i * count..(i + 1) * count) {
                Some(part) => part.to_vec(),
                None => vec![UNKNOWN; count],
            }
        };
        let by = change.members.iter().map(|m| match m {
            Some(i) => part(*i),
            None => vec![exact(0.0); count],
        });
        (part(0), by.collect())
    }

    fn element(&self, e: &Element, bounds: bool) -> (Bounded, Vec<Bounded>) {
        let Shape::Elements(change) = &self.loss.source.shape else {
            return (UNKNOWN, vec![UNKNOWN; MOST_INPUTS]);
        };
        let (value, by) = self.change(change, 1, &self.loss.of_element(e), bounds);
        let first = |all: &Vec<Bounded>| all.first().copied().unwrap_or(UNKNOWN);
        (first(&value), by.iter().map(first).collect())
    }

    /// The loss of an element as the file has it, without anything derived.
    pub(crate) fn plain(&self, e: &Element) -> f64 {
        let loss = self.loss;
        let found = self.call(loss.source.parsed.loss, &loss.of_element(e), false);
        found.first().map_or(f64::NAN, |n| n.value)
    }

    /// The same of a row, with inputs relative to their maxima or as they are.
    pub(crate) fn plain_row(&self, row: &Row<'_>, shift: bool) -> f64 {
        let Shape::Rows { parts, of_sums, .. } = &self.loss.source.shape else {
            return f64::NAN;
        };
        let mut sums = vec![exact(0.0); parts.count];
        for arguments in self.loss.of_columns(row, shift) {
            let terms = self.call(parts.terms, &arguments, false);
            for (k, sum) in sums.iter_mut().enumerate() {
                sum.value += terms.get(k).map_or(f64::NAN, |n| n.value);
            }
        }
        let found = self.call(*of_sums, &sums, false);
        found.first().map_or(f64::NAN, |n| n.value)
    }

    /// Loss and gradients of a row.
    fn of_row(&self, row: &Row<'_>, bounds: bool) -> (Bounded, Vec<Vec<Bounded>>) {
        let cols = row.x.first().map_or(0, |x| x.len());
        let unknown = || (UNKNOWN, vec![vec![UNKNOWN; cols]; row.x.len()]);
        let Shape::Rows {
            parts, terms, loss, ..
        } = &self.loss.source.shape
        else {
            return unknown();
        };
        let target = self.loss.info.target != TargetKind::None;
        let nan = |v: &f64| v.is_nan();
        if row.x.iter().any(|x| x.iter().any(nan))
            || (0..cols).any(|c| target && row.target_at(c).is_nan())
        {
            return unknown();
        }
        let each: Vec<_> = self
            .loss
            .of_columns(row, parts.shift)
            .iter()
            .map(|a| self.change(terms, parts.count, a, bounds))
            .collect();
        let mut sums = vec![exact(0.0); parts.count];
        for (k, sum) in sums.iter_mut().enumerate() {
            let mut size = 0.0;
            for (value, _) in &each {
                sum.value += value[k].value;
                sum.bound += value[k].bound;
                size += value[k].value.abs() + value[k].bound;
            }
            // Every term goes through so many additions at most, each of which rounds a part of the whole.
            sum.bound += row.merges * U * size;
            if size >= DType::F32.overflow() {
                sum.bound = f64::INFINITY;
            }
        }
        let (value, slopes) = self.change(loss, 1, &sums, bounds);
        let slope = |k: usize| {
            slopes
                .get(k)
                .and_then(|s| s.first())
                .copied()
                .unwrap_or(UNKNOWN)
        };
        let grads = (0..row.x.len()).map(|i| {
            let of = |c: usize| {
                let by = &each[c].1[i];
                let mut sum = exact(0.0);
                let mut size = 0.0;
                for (k, d) in by.iter().enumerate() {
                    let s = slope(k);
                    sum.value += s.value * d.value;
                    sum.bound +=
                        s.bound * d.value.abs() + s.value.abs() * d.bound + s.bound * d.bound;
                    size += (s.value.abs() + s.bound) * (d.value.abs() + d.bound);
                }
                // A product and at most as many additions as there are sums.
                sum.bound += (parts.count as f64 + 1.0) * U * size;
                if size.is_nan() || size >= DType::F32.overflow() {
                    sum.bound = f64::INFINITY;
                }
                sum
            };
            (0..cols).map(of).collect()
        });
        let grads = grads.collect();
        (value.first().copied().unwrap_or(UNKNOWN), grads)
    }
}

impl Elementwise for Evaluation<'_> {
    fn term(&self, e: &Element) -> Term {
        let (loss, by) = self.element(e, false);
        term(loss, &by, |n| n.value)
    }

    /// From what WGSL promises for every operation of loss and derivative, each with its arguments at this element.
    fn bound(&self, e: &Element) -> Term {
        let (loss, by) = self.element(e, true);
        term(loss, &by, |n| n.bound)
    }
}

/// By itself each element is an evaluation of its own.
impl Elementwise for Custom {
    fn term(&self, e: &Element) -> Term {
        Elementwise::term(&self.evaluation(), e)
    }

    fn bound(&self, e: &Element) -> Term {
        Elementwise::bound(&self.evaluation(), e)
    }
}

impl Rows for Custom {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        Rows::row(&self.evaluation(), row)
    }

    fn bound(&self, row: &Row<'_>) -> RowTerm {
        Rows::bound(&self.evaluation(), row)
    }
}

fn term(loss: Bounded, by: &[Bounded], pick: fn(&Bounded) -> f64) -> Term {
    let mut term = Term {
        loss: pick(&loss),
        grad: [0.0; MOST_INPUTS],
    };
    for (grad, by) in term.grad.iter_mut().zip(by) {
        *grad = pick(by);
    }
    term
}

impl Rows for Evaluation<'_> {
    fn row(&self, row: &Row<'_>) -> RowTerm {
        row_term(self.of_row(row, false), |n| n.value)
    }

    /// As of an element; the sums add a rounding for every merge, and the gradient its products.
    fn bound(&self, row: &Row<'_>) -> RowTerm {
        row_term(self.of_row(row, true), |n| n.bound)
    }
}

fn row_term((loss, grads): (Bounded, Vec<Vec<Bounded>>), pick: fn(&Bounded) -> f64) -> RowTerm {
    RowTerm {
        loss: pick(&loss),
        grads: grads.iter().map(|g| g.iter().map(pick).collect()).collect(),
    }
}
