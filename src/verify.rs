//! A device held against the f64 reference, number by number.

#![doc = include_str!("verify/accuracy.md")]

mod cases;
mod custom;
mod extent;
mod metrics;
mod numbers;
mod row_outputs;
mod tally;

pub use cases::corners;
pub use extent::Extent;
#[cfg(not(target_arch = "wasm32"))]
pub use metrics::run_metrics;
pub use metrics::{
    check_binary, check_multiclass, check_multilabel, check_regression, run_metrics_async,
};
pub use numbers::{EXTREMES, Random};
#[cfg(not(target_arch = "wasm32"))]
pub use row_outputs::run_row_outputs;
pub use row_outputs::{ROW_OUTPUTS, check_row_outputs, run_row_outputs_async};
pub use tally::Tally;

use crate::batch::{Batch, Outcome};
use crate::combined::{Combined, CombinedOutcome};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::layout::Reduction;
use crate::loss::{Info, Loss};
use crate::reference::{self, beyond};
use crate::tensor::DType;
use std::fmt;

/// One evaluation on a device, held against the reference.
#[derive(Debug, Clone)]
pub struct Row {
    /// The loss; or, of metrics, the task; or [`ROW_OUTPUTS`].
    pub name: &'static str,
    /// The shape of its input.
    pub shape: Vec<usize>,
    /// How it was stored.
    pub dtype: DType,
    /// The reduction; none for metrics and outputs of rows.
    pub reduction: Reduction,
    /// The plan that carried it; for metrics what kernels were shaped for.
    pub plan: &'static str,
    /// The comparison.
    pub check: Check,
}

impl fmt::Display for Row {
    /// The case, and the first thing that was wrong with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, shape) = (self.name, &self.shape);
        let (dtype, reduction, plan) = (self.dtype, self.reduction, self.plan);
        let verdict = match (self.check.pass, &self.check.complaint) {
            (true, _) => "pass",
            (false, Some(complaint)) => complaint,
            (false, None) => "out of bounds",
        };
        write!(
            f,
            "{name} {shape:?} {dtype} {reduction} ({plan}): {verdict}"
        )
    }
}

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many evaluations were made.
    pub cases: usize,
    /// How many were off.
    pub failed: usize,
}

/// Kernels that are kept for further cases. On lavapipe one takes a megabyte, and all those of cross entropy took 2.5 GB.
const MOST_KERNELS: usize = 256;

/// Evaluates every loss of `losses` on `gpu` over shapes, storage types, reductions, weights, option corners, forced
/// plans and extreme numbers, and compares each number with the f64 reference. `each` is told every result, how many there are so far and how many there will be.
///
/// # Errors
/// Only what keeps the device from evaluating at all; a wrong number is a row that does not pass.
#[cfg(not(target_arch = "wasm32"))]
pub fn run(
    gpu: &Gpu,
    losses: &[&'static Info],
    extent: Extent,
    each: &mut dyn FnMut(&Row, usize, usize),
) -> Result<Summary> {
    gpu.block_on(run_async(gpu, losses, extent, each))
}

/// As `run`, without blocking.
///
/// # Errors
/// As `run`.
pub async fn run_async(
    gpu: &Gpu,
    losses: &[&'static Info],
    extent: Extent,
    each: &mut dyn FnMut(&Row, usize, usize),
) -> Result<Summary> {
    let work: Vec<_> = losses
        .iter()
        .map(|&info| {
            let corners = corners(info, cases::CORNER_COLS);
            let cases = cases::cases(info, &corners, extent);
            (info, corners, cases)
        })
        .collect();
    let own: usize = losses.iter().map(|info| custom::count(info)).sum();
    let total = own + work.iter().map(|(_, _, cases)| cases.len()).sum::<usize>();
    let mut summary = Summary::default();
    let mut gpu = gpu.with_own_kernels();
    for (info, corners, cases) in &work {
        if info.is_custom() {
            for row in custom::checks(info, corners)? {
                summary.cases += 1;
                summary.failed += usize::from(!row.check.pass);
                each(&row, summary.cases, total);
            }
        }
        let default = info.make();
        for case in cases {
            let loss = corners.get(case.loss).unwrap_or(&default).as_ref();
            let batch = case.batch(info, loss, summary.cases as u64)?;
            if gpu.compiled() > MOST_KERNELS {
                gpu = gpu.with_own_kernels();
            }
            let mut device = match case.lowered {
                Some((binding, groups)) => gpu.with_limits(binding, groups),
                None => gpu.clone(),
            }
            .with_tuning(case.tuning);
            let layout = batch.layout(loss)?;
            if let Some(kind) = case.plan
                && kind.carries(loss, &layout)?
            {
                device = device.with_plan(kind);
            }
            let out = device.evaluate_async(loss, &batch).await?;
            let mut check = check(loss, &batch, &out)?;
            if info.is_custom() {
                check.anything();
            }
            let plan = device.plan_async(loss, &layout).await?;
            if let Some(complaint) = &mut check.complaint {
                // What a row does not say of the case.
                *complaint = format!(
                    "{loss:?}, target {:?}, weight {:?}, class_weight {}, {:?}: {complaint}",
                    layout.target, layout.weight, layout.class_weight, layout.class_axis
                );
            }
            let row = Row {
                name: info.name,
                shape: batch.shape.clone(),
                dtype: batch.dtype,
                reduction: batch.reduction,
                plan: plan.name(),
                check,
            };
            summary.cases += 1;
            summary.failed += usize::from(!row.check.pass);
            each(&row, summary.cases, total);
        }
    }
    Ok(summary)
}

/// How an outcome compares with the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The largest absolute error of a loss, or of a figure.
    pub loss_err: f64,
    /// The largest absolute error of a number of a gradient.
    pub grad_err: f64,
    /// The bound of the number whose error is largest in proportion to its bound.
    pub bound: f64,
    /// That proportion: at most 1 where the check passes.
    pub worst: f64,
    /// How many numbers are held to nothing: those that may become anything because something on the way may be infinite (a derivative beyond
    /// f32 that a factor brings back), and those of a custom loss whose arithmetic may overflow there, or is not defined.
    pub unbounded: usize,
    /// How many numbers were held to something: to a finite bound, or to being none.
    pub held: usize,
    /// Whether every number is within its own bound, and the status is the reference's.
    pub pass: bool,
    /// The first thing that was wrong.
    pub complaint: Option<String>,
}

/// Compares what a device made of `batch` with the reference on `batch` as the device stores it.
///
/// # Errors
/// Whatever [`Batch::layout`] refuses.
pub fn check(loss: &dyn Loss, batch: &Batch<'_>, out: &Outcome<f32>) -> Result<Check> {
    let (expected, bounds) = reference::evaluate_with_bounds(loss, &batch.rounded())?;
    Ok(compare(out, &expected, &bounds, batch.dtype))
}

/// Compares what a device made of a sum of losses with the reference: the sum, every loss and the gradients.
///
/// # Errors
/// Whatever [`Combined::layouts`] refuses.
pub fn check_combined(sum: &Combined<'_>, out: &CombinedOutcome<f32>) -> Result<Check> {
    let (expected, bounds) = reference::combined_with_bounds(sum)?;
    let (mut flat, want, mut limits) = (out.flat(), expected.flat(), bounds.flat());
    // Where parts are infinite with both signs, which a bound of NaN says, their sum may be anything, and NaN too.
    let grads = flat
        .grads
        .iter_mut()
        .zip(&want.grads)
        .zip(&mut limits.grads);
    for ((found, want), limit) in grads {
        for ((found, want), limit) in found.iter_mut().zip(want).zip(limit) {
            if limit.is_nan() && want.is_finite() {
                (*found, *limit) = (*want as f32, f64::INFINITY);
            }
        }
    }
    let mut check = compare(&flat, &want, &limits, sum.dtype);
    for (k, (found, expected)) in out.terms.iter().zip(&expected.terms).enumerate() {
        if found.status != expected.status {
            check.complain(format!(
                "term {k}: expected status {:?}, found {:?}",
                expected.status, found.status
            ));
        }
    }
    Ok(check)
}

/// Compares `out` with `expected` number by number, each against its own bound.
///
/// A loss of NaN or infinity must be exactly that. A gradient that is not finite must not be finite: which
/// of the three it is, WGSL leaves open. A number beyond the storage type's range may be infinite.
pub fn compare(
    out: &Outcome<f32>,
    expected: &Outcome<f64>,
    bounds: &Outcome<f64>,
    dtype: DType,
) -> Check {
    let mut check = Check::good();
    let list = |v: &Option<f64>| v.iter().copied().collect::<Vec<_>>();
    let scalar: Vec<f32> = out.loss.iter().copied().collect();
    let mut err = 0.0;
    check.numbers(
        "loss",
        &scalar,
        &list(&expected.loss),
        &list(&bounds.loss),
        DType::F32,
        true,
        &mut err,
    );
    check.numbers(
        "losses",
        &out.losses,
        &expected.losses,
        &bounds.losses,
        DType::F32,
        true,
        &mut err,
    );
    check.loss_err = err;
    let mut err = 0.0;
    if out.grads.len() != expected.grads.len() {
        check.complain(format!(
            "expected {} gradients, found {}",
            expected.grads.len(),
            out.grads.len()
        ));
    }
    for (k, ((found, want), bound)) in out
        .grads
        .iter()
        .zip(&expected.grads)
        .zip(&bounds.grads)
        .enumerate()
    {
        check.numbers(
            &format!("gradient {k}"),
            found,
            want,
            bound,
            dtype,
            false,
            &mut err,
        );
    }
    check.grad_err = err;
    if out.status != expected.status {
        check.complain(format!(
            "expected status {:?}, found {:?}",
            expected.status, out.status
        ));
    }
    check
}

impl Check {
    /// With nothing looked at yet.
    fn good() -> Check {
        Check {
            loss_err: 0.0,
            grad_err: 0.0,
            bound: 0.0,
            worst: 0.0,
            unbounded: 0,
            held: 0,
            pass: true,
            complaint: None,
        }
    }

    fn complain(&mut self, what: String) {
        self.pass = false;
        self.complaint.get_or_insert(what);
    }

    /// Says so where no number was held to anything.
    fn anything(&mut self) {
        if self.held == 0 && self.unbounded > 0 {
            self.complain(format!(
                "none of {} numbers has a bound: f32 may overflow everywhere, or WGSL promises nothing",
                self.unbounded
            ));
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one row of a table")]
    fn numbers(
        &mut self,
        what: &str,
        found: &[f32],
        expected: &[f64],
        bounds: &[f64],
        dtype: DType,
        kind_matters: bool,
        err: &mut f64,
    ) {
        if found.len() != expected.len() || expected.len() != bounds.len() {
            return self.complain(format!(
                "expected {} numbers in {what}, found {}",
                expected.len(),
                found.len()
            ));
        }
        for (i, ((&got, &want), &bound)) in found.iter().zip(expected).zip(bounds).enumerate() {
            let got = f64::from(got);
            let anything = bound == f64::INFINITY
                || (bound >= DType::F32.overflow() && want.abs() < DType::F32.overflow());
            let unheld = anything && want.is_finite();
            self.unbounded += usize::from(unheld);
            self.held += usize::from(!unheld);
            // Before it is stored.
            let arithmetic = match dtype {
                DType::F32 => bound,
                _ => (bound - dtype.half_ulp(want.abs() + bound)).max(0.0),
            };
            let near_overflow = beyond(want, arithmetic, dtype);
            let right = if want.is_nan() || (want.is_infinite() && !kind_matters) {
                if kind_matters {
                    got.is_nan()
                } else {
                    !got.is_finite()
                }
            } else if want.is_infinite() {
                got == want
            } else if got.is_infinite() && near_overflow {
                got.signum() == want.signum()
            } else {
                let error = (got - want).abs();
                *err = err.max(error);
                let ratio = match error {
                    e if e > 0.0 => e / bound,
                    e => e,
                };
                if ratio > self.worst {
                    self.worst = ratio;
                    self.bound = bound;
                }
                // Not `error > bound`: a NaN must fail.
                error <= bound
            };
            if !right {
                if !(got.is_finite() && want.is_finite()) {
                    *err = f64::INFINITY;
                }
                self.complain(match bound.is_finite() {
                    true => format!("{what}[{i}]: expected {want:e} ± {bound:.1e}, found {got:e}"),
                    // Of f64, where f32 has no bound.
                    false => format!(
                        "{what}[{i}]: expected {want:e}, found {got:e}: the arithmetic overflows in f32, or is not defined there"
                    ),
                });
            }
        }
    }
}
