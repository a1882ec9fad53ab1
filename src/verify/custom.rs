//! What a custom loss is asked beside its kernels: whether its derivative is one, and whether it stays the same when all of a row is moved.
//! Both by the reference alone.

use super::numbers::{SUPPORTS, definite, definite_row};
use super::{Check, Random, Row};
use crate::custom::Custom;
use crate::layout::Reduction;
use crate::loss::{Element, Family, Info, Loss, MOST_INPUTS, RowTarget, TargetKind};
use crate::tensor::DType;

/// Places that a derivative is tried at, and rows.
const PLACES: usize = 256;
const ROWS: usize = 48;
const COLS: usize = 5;

/// How often numbers are drawn for which a loss is defined.
const TRIES: usize = 64;

/// The rows of a report for the checks of a loss, one by one.
pub(super) fn checks(info: &'static Info, corners: &[Box<dyn Loss>]) -> Vec<Row> {
    let mut rows = Vec::new();
    let all = corners.iter().filter_map(|loss| loss.custom());
    let mut differences = Check::good();
    for (k, loss) in all.clone().enumerate() {
        let mut random = Random::new(k as u64);
        match info.family {
            Family::Elementwise => elements(loss, &mut random, &mut differences),
            Family::Rows | Family::Sets => by_rows(loss, &mut random, &mut differences),
        }
    }
    let row = |shape: Vec<usize>, plan, check| Row {
        name: info.name,
        shape,
        dtype: DType::F32,
        reduction: Reduction::None,
        plan,
        check,
    };
    let shape = match info.family {
        Family::Elementwise => vec![PLACES],
        Family::Rows | Family::Sets => vec![ROWS, COLS],
    };
    rows.push(row(shape, "differences", differences));
    if all.clone().any(Custom::is_shifted) {
        let mut shift = Check::good();
        for (k, loss) in all.enumerate() {
            moved(loss, &mut Random::new(!(k as u64)), &mut shift);
        }
        rows.push(row(vec![ROWS, COLS], "shift by maximum", shift));
    }
    rows
}

/// How many there are.
pub(super) fn count(info: &'static Info) -> usize {
    match info.is_custom() {
        true => 1 + usize::from(info.make().custom().is_some_and(Custom::is_shifted)),
        false => 0,
    }
}

/// The slope of a function at 0 by differences, if it is smooth there: central ones of three widths, which Richardson's rule makes two
/// better ones of. These agree only where it is; and where it has a kink right at 0, one-sided ones do not come closer to each other.
fn slope(f: &dyn Fn(f64) -> f64, h: f64) -> Option<f64> {
    let central = |h: f64| (f(h) - f(-h)) / (2.0 * h);
    let gap = |h: f64| ((f(h) - f(0.0)) / h - (f(0.0) - f(-h)) / h).abs();
    let [wide, middle, narrow] = [h, h / 2.0, h / 4.0].map(central);
    let better = |wide: f64, narrow: f64| (4.0 * narrow - wide) / 3.0;
    let (rough, fine) = (better(wide, middle), better(middle, narrow));
    let size = fine.abs().max(f(0.0).abs());
    let agree = (rough - fine).abs() <= 1e-7 * size;
    // Twice as far as it should be: gaps of a smooth function shrink with the width.
    let smooth = gap(h / 4.0) <= 0.5 * gap(h) + 1e-8 * size;
    (agree && smooth && fine.is_finite()).then_some(fine)
}

/// Holds a derivative against differences, which are right to 1e-7 of the function and its slope or were not taken.
fn hold(check: &mut Check, what: &str, found: f64, want: f64, size: f64) {
    let bound = 1e-6 * want.abs().max(size);
    let error = (found - want).abs();
    check.grad_err = check.grad_err.max(error);
    if error > check.worst * bound {
        (check.worst, check.bound) = (error / bound, bound);
    }
    // A NaN must fail.
    if error.is_nan() || error > bound {
        check.complain(format!(
            "{what}: the derivative is {found:e}, differences of the loss say {want:e}"
        ));
    }
}

fn step(x: f64) -> f64 {
    x.abs().max(0.0625) / 1024.0
}

fn elements(loss: &Custom, random: &mut Random, check: &mut Check) {
    let info = loss.info();
    let inputs = info.inputs.len();
    let mut looked = 0;
    for _ in 0..PLACES {
        let mut draw = || -> Vec<f32> {
            let one = |_| {
                let support = SUPPORTS[random.below(SUPPORTS.len())];
                random.number(support)
            };
            info.domain.iter().map(one).collect()
        };
        let found = (0..TRIES).find_map(|_| Some(draw()).filter(|n| definite(loss, n)));
        let Some(numbers) = found else {
            continue;
        };
        let mut x = [0.0; MOST_INPUTS];
        for (x, v) in x.iter_mut().zip(numbers.iter().take(inputs)) {
            *x = f64::from(*v);
        }
        let t = numbers.get(inputs).map_or(0.0, |t| f64::from(*t));
        let e = Element { x, t, column: 0 };
        let term = crate::loss::Elementwise::term(loss, &e);
        looked += 1;
        for (k, (name, grad)) in info.inputs.iter().zip(term.grad).enumerate() {
            let at = |by: f64| {
                let mut there = e;
                there.x[k] += by;
                loss.plain(&there)
            };
            if let Some(want) = slope(&at, step(x[k])) {
                let what = format!("{loss:?} at {numbers:?} by {name}");
                hold(check, &what, grad, want, at(0.0).abs());
            }
        }
    }
    nothing(check, looked);
}

/// Says so where a loss was not defined anywhere.
fn nothing(check: &mut Check, looked: usize) {
    if looked == 0 {
        check
            .complain("found no numbers for which the loss and its derivatives are defined".into());
    }
}

/// The numbers of a row: of each input, and of the target.
struct Drawn {
    inputs: Vec<Vec<f64>>,
    target: Option<Vec<f64>>,
}

impl Drawn {
    /// One for which the loss is defined.
    fn new(loss: &Custom, random: &mut Random) -> Option<Drawn> {
        let info = loss.info();
        let inputs = info.inputs.len();
        (0..TRIES).find_map(|turn| {
            let numbers: Vec<Vec<f32>> = (0..info.domain.len())
                .map(|k| {
                    // A row is of one kind.
                    let support = match turn {
                        0 => info.domain[k],
                        _ => SUPPORTS[random.below(SUPPORTS.len())],
                    };
                    (0..COLS).map(|_| random.number(support)).collect()
                })
                .collect();
            let (x, t) = numbers.split_at(inputs);
            let values = match info.target {
                TargetKind::None => None,
                _ => {
                    // A distribution, as a label is one.
                    let t = t.first().cloned().unwrap_or_default();
                    let sum: f64 = t.iter().map(|t| f64::from(t.abs())).sum();
                    let share = |t: &f32| f64::from(t.abs()) / sum.max(1e-3);
                    Some(t.iter().map(share).collect::<Vec<f64>>())
                }
            };
            let wide = |v: &Vec<f32>| v.iter().map(|v| f64::from(*v)).collect();
            let stored = |v: &Vec<f64>| v.iter().map(|v| *v as f32).collect::<Vec<_>>();
            let near = values.as_ref().map(stored);
            definite_row(loss, x, None, near.as_deref()).then(|| Drawn {
                inputs: x.iter().map(wide).collect(),
                target: values,
            })
        })
    }

    fn with<T>(&self, f: impl FnOnce(&crate::loss::Row<'_>) -> T) -> T {
        let x: Vec<&[f64]> = self.inputs.iter().map(Vec::as_slice).collect();
        f(&crate::loss::Row {
            x: &x,
            target: match &self.target {
                Some(t) => RowTarget::Values(t),
                None => RowTarget::None,
            },
            class_weight: None,
            weight: None,
            unweighted: 1.0,
            merges: 1.0,
        })
    }
}

fn by_rows(loss: &Custom, random: &mut Random, check: &mut Check) {
    let info = loss.info();
    let mut looked = 0;
    for _ in 0..ROWS {
        let Some(drawn) = Drawn::new(loss, random) else {
            continue;
        };
        looked += 1;
        let term = drawn.with(|row| crate::loss::Rows::row(loss, row));
        for (k, x) in drawn.inputs.iter().enumerate() {
            for c in 0..COLS {
                let at = |by: f64| {
                    let mut inputs = drawn.inputs.clone();
                    inputs[k][c] += by;
                    let there = Drawn {
                        inputs,
                        target: drawn.target.clone(),
                    };
                    there.with(|row| loss.plain_row(row, loss.is_shifted()))
                };
                if let Some(want) = slope(&at, step(x[c])) {
                    let what = format!(
                        "{loss:?} of {:?}, column {c} of {}",
                        drawn.inputs, info.inputs[k]
                    );
                    hold(check, &what, term.grads[k][c], want, at(0.0).abs());
                }
            }
        }
    }
    nothing(check, looked);
}

/// Whether the loss of inputs as they are, anywhere, is that of inputs relative to their maxima.
fn moved(loss: &Custom, random: &mut Random, check: &mut Check) {
    for _ in 0..ROWS {
        let Some(mut drawn) = Drawn::new(loss, random) else {
            continue;
        };
        let want = drawn.with(|row| loss.plain_row(row, true));
        for x in &mut drawn.inputs {
            let by = 16.0 * random.unit() - 8.0;
            x.iter_mut().for_each(|x| *x += by);
        }
        let found = drawn.with(|row| loss.plain_row(row, false));
        // Sums of exponentials of numbers up to 16 cancel down to 1e-7 of themselves at worst: f64 keeps 1e-9.
        let bound = 1e-8 * (1.0 + want.abs());
        let error = (found - want).abs();
        check.loss_err = check.loss_err.max(error);
        if error > check.worst * bound {
            (check.worst, check.bound) = (error / bound, bound);
        }
        if error.is_nan() || error > bound {
            check.complain(format!(
                "{loss:?} of {:?}: {found:e}, but {want:e} of the same relative to its maximum: with `shift_by_max` a loss has to stay what \
                 it is when all of a row is moved",
                drawn.inputs
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_say_something_only_where_a_function_is_smooth() {
        let h = 1.0 / 1024.0;
        type Function = fn(f64) -> f64;
        let smooth: [(Function, f64); 4] = [
            (|x| (3.0 * x).exp(), 3.0),
            (|x| 5.0 - x * x, 0.0),
            (|x| (0.7 + x).sin(), 0.764_842_187_284_488_4),
            (|_| 2.0, 0.0),
        ];
        for (k, (f, want)) in smooth.into_iter().enumerate() {
            let found = slope(&f, h).expect("smooth");
            assert!((found - want).abs() <= 1e-9, "{k}: {found} for {want}");
        }
        let broken: [Function; 6] = [
            f64::abs,
            |x| x.max(0.0),
            // A kink beside, at every distance that one of the widths sees.
            |x| (x - 0.000_1).abs(),
            |x| (x + 0.000_4).max(0.0),
            |x| (x - 0.000_9).abs(),
            |x| if x > 0.0 { 1.0 } else { 0.0 },
        ];
        for (k, f) in broken.into_iter().enumerate() {
            assert_eq!(slope(&f, h), None, "{k}");
        }
    }

    /// A derivative that is off by a hundred-thousandth is told.
    #[test]
    fn a_wrong_derivative_fails() {
        for (found, pass) in [
            (2.0, true),
            (2.000_001, true),
            (2.000_02, false),
            (f64::NAN, false),
        ] {
            let mut check = Check::good();
            hold(&mut check, "here", found, 2.0, 1.0);
            assert_eq!(check.pass, pass, "{found}");
        }
    }

    #[test]
    fn a_loss_that_changes_when_a_row_is_moved_fails() {
        let text = |shift: &str| {
            format!(
                "const shift_by_max = {shift};
                fn row_terms(x: f32, t: f32) -> f32 {{ return exp(x) * (1.0 + 0.0 * t); }}
                fn row_loss(s: f32) -> f32 {{ return log(s); }}"
            )
        };
        for (shift, shapes) in [("true", 2), ("false", 1)] {
            let loss = Custom::new("lse", &text(shift)).expect("a loss");
            let corners = [loss.info().make()];
            assert_eq!(count(loss.info()), shapes);
            let rows = checks(loss.info(), &corners);
            let passed: Vec<_> = rows.iter().map(|r| r.check.pass).collect();
            // Relative to its maximum the logarithm of a sum of exponentials is another: the slope misses the maximum's too.
            assert_eq!(
                passed,
                if shapes == 2 {
                    vec![false, false]
                } else {
                    vec![true]
                },
                "{rows:?}"
            );
        }
    }
}
