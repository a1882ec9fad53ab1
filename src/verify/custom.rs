//! What a custom loss is asked beside its kernels: whether its derivative is one, and whether it stays the same when all of a row is moved.
//! Both by the reference alone.

use super::numbers::{SUPPORTS, definite, definite_row};
use super::{Check, Random, Row};
use crate::bounds::U;
use crate::custom::{Custom, Evaluation};
use crate::error::Result;
use crate::layout::Reduction;
use crate::loss::{
    Element, Elementwise, Family, Info, Loss, MOST_INPUTS, Math, RowTarget, Rows, TargetKind,
};
use crate::tensor::DType;

/// Places that a derivative is tried at, and rows.
const PLACES: usize = 256;
const ROWS: usize = 48;
const COLS: usize = 5;

/// How often numbers are drawn for which a loss is defined.
const TRIES: usize = 64;

/// The rows of a report for the checks of a loss, one by one.
///
/// # Errors
/// What of the loss cannot be evaluated.
pub(super) fn checks(info: &'static Info, corners: &[Box<dyn Loss>]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let all = corners.iter().filter_map(|loss| loss.custom());
    let mut differences = Check::good();
    for (k, loss) in all.clone().enumerate() {
        let mut random = Random::new(k as u64);
        let evaluation = loss.evaluation();
        let seen = match info.family {
            Family::Elementwise => elements(loss, &evaluation, &mut random, &mut differences),
            Family::Rows | Family::Sets => {
                by_rows(loss, &evaluation, &mut random, &mut differences)
            }
        };
        evaluation.check()?;
        seen.enough(loss, &mut differences);
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
            let evaluation = loss.evaluation();
            let mut random = Random::new(!(k as u64));
            moved(loss, &evaluation, &mut random, &mut shift);
            evaluation.check()?;
        }
        rows.push(row(vec![ROWS, COLS], "shift by maximum", shift));
    }
    Ok(rows)
}

/// How many there are.
pub(super) fn count(info: &'static Info) -> usize {
    match info.is_custom() {
        true => 1 + usize::from(info.make().custom().is_some_and(Custom::is_shifted)),
        false => 0,
    }
}

/// What each width of differences is larger than the next by: the square of the golden ratio. Functions that repeat themselves, as
/// `fract` does, look the same from widths of which each has a whole number of periods; of two with such a ratio at most one has.
const RATIO: f64 = 2.618_033_988_749_895;

/// The square of that, by which Richardson's rule weighs.
const WEIGHT: f64 = RATIO * RATIO;

/// What `slope` tries, the widest first: a loss may have periods and kinks, or be as steep, as near as that.
const NARROWER: [f64; 3] = [1.0, 1.0 / 64.0, 1.0 / 4096.0];

/// A slope by differences, and how far it may be off besides 1e-6 of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slope {
    value: f64,
    room: f64,
}

/// The slope at 0 of a function whose values are off by `noise`, by differences of the widest widths from which it looks smooth. With
/// narrow ones noise takes over: they are of use where it is small beside the slope.
fn slope(f: &dyn Fn(f64) -> f64, h: f64, noise: f64) -> Option<Slope> {
    NARROWER.into_iter().find_map(|by| {
        let found = settled(f, h * by, noise)?;
        (by == 1.0 || found.room <= 1e-6 * found.value.abs()).then_some(found)
    })
}

/// The same by one set of widths: central differences of three, which Richardson's rule makes two better ones of. These agree only where
/// the function is smooth; and where it has a kink right at 0, the slopes to both sides do not come closer to each other.
///
/// A central difference of width w is off by c·w², and by noise/w. Of two, the wider one R times as wide, (R²·narrow - wide)/(R² - 1) is
/// without the first, and off by (R² + 1/R)/(R² - 1) = 1.24 of the narrow one's noise. So is the better one here, the rougher one by 1/R
/// of that, and both together by 1.71 noise/w, w being the least width. The gap of one-sided slopes is a multiple of w where there is no
/// kink, and off by 4 noise/w; what remains of it without that multiple, by the same rule of widths R² apart, is the kink's, and off by
/// 4(R² + 1/R²)/(R² - 1) = 4.78 noise/w. A kink that this hides, twice as large at most, puts one side's slope, which the derivative
/// may be, half of it from the middle: 1.24 + 4.89 < 7.
fn settled(f: &dyn Fn(f64) -> f64, h: f64, noise: f64) -> Option<Slope> {
    let here = f(0.0);
    let widths = [h, h / RATIO, h / WEIGHT];
    let [wide, middle, narrow] = widths.map(|w| {
        let (up, down) = (f(w), f(-w));
        // The slope, and what the slopes to both sides differ by.
        ((up - down) / (2.0 * w), (up + down - 2.0 * here) / w)
    });
    let without = |wide: f64, narrow: f64| (WEIGHT * narrow - wide) / (WEIGHT - 1.0);
    let (rough, fine) = (without(wide.0, middle.0), without(middle.0, narrow.0));
    let kink = without(wide.1, narrow.1);
    let noise = noise / widths[2];
    let close = 1e-7 * fine.abs();
    let agree = (rough - fine).abs() <= close + 1.8 * noise;
    let smooth = kink.abs() <= close + 5.0 * noise;
    let room = 7.0 * noise;
    let value = fine;
    (agree && smooth && fine.is_finite()).then_some(Slope { value, room })
}

/// How far the interpreter's value of a function may be off in f64, by the bound of what it is in f32: f64 has 29 bits more, and the bound
/// knows of all numbers on the way.
fn noise(value: f64, bound: f64) -> f64 {
    const F64: f64 = f64::EPSILON / 2.0;
    F64 * value.abs() + F64 / U * bound
}

/// What was looked at.
#[derive(Debug, Default)]
struct Seen {
    /// Places for which loss and derivatives are defined.
    places: usize,
    /// Derivatives that were held against a slope that says something of them.
    compared: usize,
}

impl Seen {
    /// Says so where a loss was not defined anywhere, or had no slope.
    fn enough(&self, loss: &Custom, check: &mut Check) {
        if self.places == 0 {
            let what = "found no numbers for which the loss and its derivatives are defined";
            check.complain(what.into());
        } else if self.compared == 0 {
            check.complain(format!(
                "{loss:?}: differences of the loss settle at none of {} places: nothing says whether its derivative is right",
                self.places
            ));
        }
    }

    /// Holds a derivative against a slope. That is right to 1e-7 of itself, as two estimates agree, where the better one is right to
    /// much less; and `room` is for what rounding does.
    fn hold(&mut self, check: &mut Check, what: &str, found: f64, want: Slope) {
        let Slope { value: want, room } = want;
        let bound = 1e-6 * want.abs() + room;
        let error = (found - want).abs();
        // Of a number that noise hides nothing is known.
        let told = bound <= 1e-3 * want.abs().max(found.abs());
        self.compared += usize::from(told || error == 0.0);
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
}

/// How much of its bound in f32 a derivative may be off for its constants: the logarithm of 2, in those of `exp2` and `log2`, is rounded
/// to f32, as products with it are.
fn constants(loss: &Custom) -> f64 {
    f64::from(u8::from(loss.has_logarithm_of_2()))
}

fn step(x: f64) -> f64 {
    x.abs().max(0.0625) / 1024.0
}

fn elements(
    loss: &Custom,
    evaluation: &Evaluation<'_>,
    random: &mut Random,
    check: &mut Check,
) -> Seen {
    let info = loss.info();
    let inputs = info.inputs.len();
    let math = evaluation.math();
    let constants = constants(loss);
    let mut seen = Seen::default();
    for _ in 0..PLACES {
        let mut draw = || -> Vec<f32> {
            let one = |_| {
                let support = SUPPORTS[random.below(SUPPORTS.len())];
                random.number(support)
            };
            info.domain.iter().map(one).collect()
        };
        let found = (0..TRIES).find_map(|_| Some(draw()).filter(|n| definite(&math, inputs, n)));
        let Some(numbers) = found else {
            continue;
        };
        let mut x = [0.0; MOST_INPUTS];
        for (x, v) in x.iter_mut().zip(numbers.iter().take(inputs)) {
            *x = f64::from(*v);
        }
        let t = numbers.get(inputs).map_or(0.0, |t| f64::from(*t));
        let e = Element { x, t, column: 0 };
        let term = Elementwise::term(evaluation, &e);
        let bound = Elementwise::bound(evaluation, &e);
        let noise = noise(term.loss, bound.loss);
        seen.places += 1;
        for (k, (name, grad)) in info.inputs.iter().zip(term.grad).enumerate() {
            let at = |by: f64| {
                let mut there = e;
                there.x[k] += by;
                evaluation.plain(&there)
            };
            if let Some(mut want) = slope(&at, step(x[k]), noise) {
                want.room += constants * bound.grad[k];
                let what = format!("{loss:?} at {numbers:?} by {name}");
                seen.hold(check, &what, grad, want);
            }
        }
    }
    seen
}

/// The numbers of a row: of each input, and of the target.
struct Drawn {
    inputs: Vec<Vec<f64>>,
    target: Option<Vec<f64>>,
}

impl Drawn {
    /// One for which the loss is defined.
    fn new(info: &Info, math: &Math<'_>, random: &mut Random) -> Option<Drawn> {
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
            definite_row(math, x, None, near.as_deref()).then(|| Drawn {
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

fn by_rows(
    loss: &Custom,
    evaluation: &Evaluation<'_>,
    random: &mut Random,
    check: &mut Check,
) -> Seen {
    let info = loss.info();
    let math = evaluation.math();
    let constants = constants(loss);
    let mut seen = Seen::default();
    for _ in 0..ROWS {
        let Some(drawn) = Drawn::new(info, &math, random) else {
            continue;
        };
        seen.places += 1;
        let term = drawn.with(|row| Rows::row(evaluation, row));
        let bound = drawn.with(|row| Rows::bound(evaluation, row));
        let noise = noise(term.loss, bound.loss);
        for (k, x) in drawn.inputs.iter().enumerate() {
            for c in 0..COLS {
                let at = |by: f64| {
                    let mut inputs = drawn.inputs.clone();
                    inputs[k][c] += by;
                    let there = Drawn {
                        inputs,
                        target: drawn.target.clone(),
                    };
                    there.with(|row| evaluation.plain_row(row, loss.is_shifted()))
                };
                if let Some(mut want) = slope(&at, step(x[c]), noise) {
                    want.room += constants * bound.grads[k][c];
                    let what = format!(
                        "{loss:?} of {:?}, column {c} of {}",
                        drawn.inputs, info.inputs[k]
                    );
                    seen.hold(check, &what, term.grads[k][c], want);
                }
            }
        }
    }
    seen
}

/// Whether the loss of inputs as they are, anywhere, is that of inputs relative to their maxima.
fn moved(loss: &Custom, evaluation: &Evaluation<'_>, random: &mut Random, check: &mut Check) {
    let math = evaluation.math();
    for _ in 0..ROWS {
        let Some(mut drawn) = Drawn::new(loss.info(), &math, random) else {
            continue;
        };
        let want = drawn.with(|row| evaluation.plain_row(row, true));
        for x in &mut drawn.inputs {
            let by = 16.0 * random.unit() - 8.0;
            x.iter_mut().for_each(|x| *x += by);
        }
        let found = drawn.with(|row| evaluation.plain_row(row, false));
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

    /// A rounding or two of numbers up to 5.
    const NOISE: f64 = 5.0 * f64::EPSILON;

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
            let found = slope(&f, h, NOISE).expect("smooth").value;
            assert!((found - want).abs() <= 1e-9, "{k}: {found} for {want}");
        }
        let broken: [Function; 4] = [
            f64::abs,
            |x| x.max(0.0),
            // On top of a bend that is stronger.
            |x| x * x * 1e4 + 0.1 * x.max(0.0),
            |x| if x > 0.0 { 1.0 } else { 0.0 },
        ];
        for (k, f) in broken.into_iter().enumerate() {
            assert_eq!(slope(&f, h, NOISE), None, "{k}");
        }
        // A kink beside, at every distance that one of the widths sees: from nearer by it is smooth.
        let beside: [(Function, f64); 4] = [
            (|x| (x - 0.000_1).abs(), -1.0),
            (|x| (x + 0.000_4).max(0.0), 1.0),
            (|x| (x - 0.000_9).abs(), -1.0),
            (|x| (1e5 * x + 0.3).fract(), 1e5),
        ];
        for (k, (f, want)) in beside.into_iter().enumerate() {
            let found = slope(&f, h, NOISE).expect("smooth").value;
            assert!((found - want).abs() <= 1e-9 * want.abs(), "{k}: {found}");
        }
        // Widths of whole periods, which see nothing of them.
        let saw: Function = |x| (1024.0 * 5.0 * 64.0 * 4096.0 * (x + 0.7)).fract();
        assert_eq!(slope(&saw, h, NOISE), None);
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
            let want = Slope {
                value: 2.0,
                room: 7.0 * NOISE / 1e-4,
            };
            Seen::default().hold(&mut check, "here", found, want);
            assert_eq!(check.pass, pass, "{found}");
        }
        // Whatever is added to the loss, as far as f64 knows of the rest.
        for (offset, compared) in [(0.0, 1), (1e8, 1), (1e20, 0)] {
            let f = |x: f64| offset + (x + 1.0) * (x + 1.0);
            let slope = slope(&f, 1.0 / 1024.0, noise(f(0.0), U * f(0.0))).expect("smooth");
            for (found, pass) in [(2.0, true), (0.0, compared == 0)] {
                let (mut check, mut seen) = (Check::good(), Seen::default());
                seen.hold(&mut check, "here", found, slope);
                assert_eq!(check.pass, pass, "{offset}: {slope:?}");
                // Where there is no slope, 0 is right.
                assert!(seen.compared == compared || found == 0.0, "{offset}");
            }
        }
    }

    /// The only row of a report for a loss, with its default options.
    fn differences(text: &str) -> Check {
        let loss = Custom::new("own", text).expect("a loss");
        let mut rows = checks(loss.info(), &[loss.info().make()]).expect("rows");
        assert_eq!(rows.len(), 1);
        rows.remove(0).check
    }

    #[test]
    fn a_loss_without_slopes_does_not_pass() {
        for text in [
            "fn loss(x: f32, t: f32) -> f32 { return x * fract(1e12 * x); }",
            "fn row_terms(x: f32, t: f32) -> f32 { return x * fract(1e12 * x); } fn row_loss(s: f32) -> f32 { return s; }",
        ] {
            let check = differences(text);
            let complaint = check.complaint.unwrap_or_default();
            let wanted = "nothing says whether its derivative is right";
            assert!(!check.pass && complaint.ends_with(wanted), "{complaint}");
        }
        // But what is constant has a slope.
        let check = differences("fn loss(x: f32, t: f32) -> f32 { return t * t; }");
        assert!(check.pass, "{check:?}");
    }

    /// With widths of halves many an `x` has as many teeth to both sides, whatever the width.
    #[test]
    fn a_right_derivative_of_many_teeth_passes() {
        for text in [
            "fn loss(x: f32, t: f32) -> f32 { return t * fract(1e6 * x); }",
            "fn loss(x: f32, t: f32) -> f32 { return t * (1e5 * x % 3.0); }",
            "fn loss(x: f32, t: f32) -> f32 { return exp2(x) - t * x; }",
            "fn loss(x: f32, t: f32) -> f32 { return 1e8 + (x - t) * (x - t); }",
            "fn loss(x: f32, t: f32) -> f32 { return select(x * x * t, x * t, x < 0.0); }",
        ] {
            let check = differences(text);
            assert!(check.pass, "{text}: {check:?}");
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
            let rows = checks(loss.info(), &corners).expect("rows");
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
