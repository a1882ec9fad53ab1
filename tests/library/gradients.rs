//! The gradients of the f64 reference against differences of its losses, for every registered loss.
//!
//! With f the loss as a function of one input, D(h) = (f(x+h) - f(x-h))/2h the central difference and
//! S(h) = (f(x+h) - 2f(x) + f(x-h))/h what the two one-sided ones differ by, each point is judged by
//!
//! - R = (4·D(h/2) - D(h))/3, from which the h² term of the error is gone, and
//! - K = max(|D(h) - D(h/2)|, |2·S(h/2) - S(h)|), which says how smooth f is on [x-h, x+h].
//!
//! Where f has a kink of slope jump J at distance d < h, one of the two parts of K is at least J/7 for d < h/2
//! (d = 2h/7 is the worst place), while R is off by at most J/2; for d > h/2, K is J(1-d/h) at least and R off by
//! J(1-d/h)/6 at most. A jump of the second derivative is off by at most 2K/3 likewise. So R is within 4K
//! in all cases, and where f is smooth K is of the order of h²·f''' and 4K far above R's error of order h⁴.
//!
//! To that comes rounding: each f carries c·2⁻⁵³·M, where M bounds the losses it is summed from, their arguments,
//! and what a rounding of those makes of it, and R divides six of them by about h. With c = 16: 2⁻⁴⁶·M/h.
//!
//! A point counts while 4K is at most 2⁻¹⁶·M/s, s being the distance to the next singularity (or less); h is
//! 2⁻¹³·s, so that Cauchy's estimate has K at 2⁻²⁶·M/s. Other points are near a kink: they are dropped and counted,
//! after smaller steps were tried, since options such as a temperature can bring singularities nearer.

use crate::support::{self, Recipe, Rng};
use wgloss::loss::Loss;
use wgloss::{Batch, ClassAxis, Family, Reduction, Values, WeightLayout, reference};

/// One input of one batch, and where the formula is analytic around it.
struct Point {
    input: usize,
    at: usize,
    scale: f64,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// The gradient agrees.
    Good,
    /// Too close to a kink to tell.
    Kink,
    /// It does not: expected, found, tolerance.
    Wrong(f64, f64, f64),
}

/// The losses whose sum the gradient is of: of one element or row without a reduction, else the reduced one.
struct Function<'a> {
    loss: &'a dyn Loss,
    batch: Batch<'static>,
    unit: Option<usize>,
}

impl Function<'_> {
    /// f at `x` in place of a number of an input.
    fn at(&mut self, point: &Point, x: f64) -> f64 {
        let Values::F64(values) = &mut self.batch.inputs[point.input] else {
            panic!("the generator makes f64");
        };
        let values = values.to_mut();
        let old = std::mem::replace(&mut values[point.at], x);
        let out = reference::loss(self.loss, &self.batch).expect("the batch was good before");
        let Values::F64(values) = &mut self.batch.inputs[point.input] else {
            panic!("the generator makes f64");
        };
        values.to_mut()[point.at] = old;
        let f = match self.unit {
            Some(unit) => out.losses[unit],
            None => out.loss.expect("reduced"),
        };
        f * f64::from(self.batch.grad_scale)
    }
}

/// Compares `gradient` with differences of `f` at `x`.
fn judge(mut f: impl FnMut(f64) -> f64, x: f64, scale: f64, size: f64, gradient: f64) -> Verdict {
    for shrink in [1.0, 0.125, 0.015625] {
        let s = scale * shrink;
        let h = {
            // The step that is really taken.
            let h = s * 2f64.powi(-13);
            (x + h) - x
        };
        let (l, ll, m, rr, r) = (f(x - h), f(x - h / 2.0), f(x), f(x + h / 2.0), f(x + h));
        let (d1, d2) = ((r - l) / (2.0 * h), (rr - ll) / h);
        let (s1, s2) = ((r - 2.0 * m + l) / h, (rr - 2.0 * m + ll) / (h / 2.0));
        let rough = (d1 - d2)
            .abs()
            .max((2.0 * s2 - s1).abs() - rounding(size, h));
        if 4.0 * rough > 2f64.powi(-16) * size / s {
            continue;
        }
        let expected = (4.0 * d2 - d1) / 3.0;
        let tolerance = 4.0 * rough.max(0.0) + rounding(size, h);
        // Not `error > tolerance`: a NaN must fail.
        return if (expected - gradient).abs() <= tolerance {
            Verdict::Good
        } else {
            Verdict::Wrong(expected, gradient, tolerance)
        };
    }
    Verdict::Kink
}

fn rounding(size: f64, h: f64) -> f64 {
    2f64.powi(-46) * size / h
}

#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    /// Of those, with a gradient other than 0.
    telling: usize,
    dropped: usize,
    wrong: Vec<String>,
}

/// Goes through all inputs of a batch. `gradient` may alter what the reference says, to see this test fail.
fn check(
    loss: &dyn Loss,
    batch: &Batch<'static>,
    tally: &mut Tally,
    alter: impl Fn(usize, usize, f64) -> f64,
) {
    let out = reference::loss(loss, batch).expect("a batch from the loss's domain is good");
    let layout = batch.layout(loss).expect("good");
    let g = layout.check(loss).expect("good");
    let info = loss.info();
    let each = Batch {
        reduction: Reduction::None,
        grad_scale: 1.0,
        ..batch.clone()
    };
    let each = reference::loss(loss, &each).expect("good");
    // What the reduction makes of 1.
    let factor = f64::from(batch.grad_scale.abs());
    let share = |n: f64, whole: f64| if whole > 0.0 { n / whole } else { 0.0 };
    let total: f64 = each.losses.iter().sum();
    let divide = match out.loss {
        Some(_) if loss.whole() => 1.0,
        Some(l) => share(l.abs(), total.abs()),
        None => 1.0,
    };
    // The loss of each element or row, and beside it the arguments: a small loss may be the difference of
    // two terms of their size.
    let most = (0..info.inputs.len())
        .flat_map(|k| batch.inputs[k].to_f64().into_owned())
        .fold(1.0, |m: f64, x| m.max(x.abs()));
    let weight = |unit: usize| match (&batch.weight, layout.weight, info.family) {
        // Inside the sums of a set, whose derivatives are proportional to them.
        (Some(w), _, Family::Sets) => w.to_f64().iter().fold(1.0, |m: f64, w| m.max(*w)),
        (Some(w), WeightLayout::Row, Family::Elementwise) => w.to_f64()[g.row_col(unit).0],
        (Some(w), ..) => w.to_f64()[unit],
        (None, ..) => 1.0,
    };
    // A set that spans everything has one loss, whatever the reduction.
    let losses = match each.loss {
        Some(loss) => vec![loss],
        None => each.losses,
    };
    let sizes: Vec<f64> = (0..losses.len())
        .map(|unit| divide * (losses[unit].abs() + weight(unit) * most))
        .collect();
    for input in 0..info.inputs.len() {
        for at in 0..g.elements {
            let x = batch.inputs[input].to_f64()[at];
            let scale = support::scale(loss, input, x);
            let (row, _) = g.row_col(at);
            let unit = match (batch.reduction, info.family) {
                _ if loss.whole() => None,
                (Reduction::None, Family::Elementwise) => Some(at),
                (Reduction::None, Family::Rows | Family::Sets) => Some(row),
                _ => None,
            };
            let losses = match unit {
                Some(unit) => sizes[unit],
                None => sizes.iter().sum(),
            };
            // What a rounding of the arguments does, of all that f depends on.
            let moved: f64 = (0..info.inputs.len())
                .flat_map(|k| {
                    let values = batch.inputs[k].to_f64();
                    let grads = &out.grads[k];
                    (0..g.elements)
                        .filter(|&i| match unit {
                            Some(unit) if info.family == Family::Elementwise => i == unit,
                            Some(unit) => g.row_col(i).0 == unit,
                            None => true,
                        })
                        .map(|i| grads[i].abs() * (values[i].abs() + scale))
                        .collect::<Vec<_>>()
                })
                .sum();
            let size = factor * losses + moved;
            let mut f = Function {
                loss,
                batch: batch.clone(),
                unit,
            };
            let point = Point { input, at, scale };
            let gradient = alter(input, at, out.grads[input][at]);
            match judge(|x| f.at(&point, x), x, point.scale, size, gradient) {
                Verdict::Good => {
                    tally.compared += 1;
                    tally.telling += usize::from(gradient != 0.0);
                }
                Verdict::Kink => tally.dropped += 1,
                Verdict::Wrong(expected, found, tolerance) => tally.wrong.push(format!(
                    "{loss:?}, {:?}, weight {:?}, target {:?}: input {input}[{at}] = {x:e}: \
                     expected {expected:e} ± {tolerance:.1e}, found {found:e}",
                    batch.reduction, layout.weight, layout.target,
                )),
            }
        }
    }
}

/// The recipes that a corner of the options is tried with: kinds of target and class weights, all of them;
/// reductions, weights and axes in turn.
fn recipes(info: &wgloss::loss::Info, turn: usize) -> Vec<Recipe> {
    let mut out = Vec::new();
    for &labels in support::targets(info) {
        for &class_weight in support::class_weights(info) {
            let turn = turn + out.len();
            let weights = support::weights(info);
            let one = turn % 4 == 3;
            out.push(Recipe {
                class_axis: if one { ClassAxis::One } else { ClassAxis::Last },
                labels,
                class_weight,
                weight: weights[turn % weights.len()],
                reduction: Reduction::ALL[turn % Reduction::ALL.len()],
                grad_scale: if turn.is_multiple_of(2) { 1.0 } else { -0.75 },
                // Only there does a large loss stand beside a small one and cannot hide it.
                wide: turn.is_multiple_of(Reduction::ALL.len()),
                ..Recipe::new(if one { vec![2, 3, 2] } else { vec![3, 4] })
            });
        }
    }
    out
}

#[test]
fn gradients_are_derivatives() {
    for info in wgloss::loss::all() {
        let mut tally = Tally::default();
        let mut rng = Rng::new(info.name);
        // Losses of few options come by enough points in several rounds.
        let mut turn = 0;
        for round in 0.. {
            let corners = support::corners(info);
            for corner in 0..corners {
                for recipe in recipes(info, turn) {
                    let cols = recipe.geometry().cols;
                    let loss = support::corner(info, cols, corner);
                    let batch = support::batch(&*loss, &recipe, &mut rng);
                    check(&*loss, &batch, &mut tally, |_, _, g| g);
                }
                turn += 1;
            }
            if tally.telling >= 600 || round == 100 {
                break;
            }
        }
        assert!(
            tally.wrong.is_empty(),
            "{}: {} of {} gradients are not the derivative:\n{}",
            info.name,
            tally.wrong.len(),
            tally.wrong.len() + tally.compared,
            tally.wrong[..tally.wrong.len().min(8)].join("\n")
        );
        // Points are drawn at random, so that 2^-13 of the distance to anything hits a kink almost never.
        let all = tally.compared + tally.dropped;
        assert!(
            tally.dropped * 50 <= all,
            "{}: {} of {all} points dropped",
            info.name,
            tally.dropped
        );
        assert!(tally.telling >= 200, "{}: {tally:?}", info.name);
        println!(
            "{}: {} points, {} of them with a gradient, {} dropped",
            info.name, tally.compared, tally.telling, tally.dropped
        );
    }
}

#[test]
fn one_wrong_gradient_is_found() {
    for info in wgloss::loss::all() {
        let loss = info.make();
        for &labels in support::targets(info) {
            let mut rng = Rng::new(info.name);
            let recipe = Recipe {
                labels,
                ..Recipe::new([3, 4])
            };
            let batch = support::batch(&*loss, &recipe, &mut rng);
            for input in 0..info.inputs.len() {
                let mut tally = Tally::default();
                // Off by a part in 100,000 of the largest gradient.
                let out = reference::loss(&*loss, &batch).expect("good");
                let grads = &out.grads[input];
                let most = grads.iter().fold(0f64, |m, g| m.max(g.abs()));
                check(&*loss, &batch, &mut tally, |k, i, g| {
                    if (k, i) == (input, 5) {
                        g + 1e-4 * most
                    } else {
                        g
                    }
                });
                assert_eq!(tally.wrong.len(), 1, "{}: {tally:?}", info.name);
            }
        }
    }
}

#[test]
fn a_kink_is_not_taken_for_a_slope() {
    // |x - d| at distances from 0 to beyond the step: the slope on one side is never confirmed as that at a kink
    // within the step, and always confirmed away from it.
    let h = 2f64.powi(-13);
    for k in 0..64 {
        let d = f64::from(k) / 48.0 * h;
        let verdict = judge(|x| (x - d).abs(), 0.0, 1.0, 1.0, -1.0);
        if d > h {
            assert_eq!(verdict, Verdict::Good, "{d:e}");
        }
        // The smallest step tried is h/64: from there on it may be told apart.
        if d < h / 64.0 && d > 0.0 {
            assert_eq!(verdict, Verdict::Kink, "{d:e}");
        }
    }
    assert_eq!(judge(f64::abs, 0.0, 1.0, 1.0, 0.0), Verdict::Kink);
    assert!(matches!(
        judge(|x| x * x, 1.0, 1.0, 3.0, 2.001),
        Verdict::Wrong(..)
    ));
    assert_eq!(judge(|x| x * x, 1.0, 1.0, 3.0, 2.0), Verdict::Good);
}
