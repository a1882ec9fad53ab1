//! Derivatives of random losses against differences of the losses, both by the interpreter.

use super::grammar::{KINDS, Kind, rules};
use super::tree::{Case, Cases};
use super::{Both, runner};
use crate::custom::interpret::{Machine, Value};
use naga::{Expression, MathFunction as Fun};
use proptest::test_runner::{TestCaseError, TestError};
use std::cell::RefCell;
use std::collections::HashMap;

/// What was looked at.
#[derive(Debug, Default)]
struct Seen {
    /// Derivatives that were held against differences.
    compared: usize,
    /// Derivatives where there are no differences to hold against: of kinks, steps and poles, and where the value is no number.
    rough: usize,
    /// Derivatives that are not those of differences, where f32 arithmetic may come to anything.
    wild: usize,
    /// Derivatives that are those of differences only as far as rounding lets these be known.
    noisy: usize,
}

/// The widest step to both sides.
const WIDTH: f64 = 1.0 / 512.0;

/// Richardson's extrapolation of central differences, how far it may be off, and the difference from near; none where they do not settle.
fn slope(value: f64, moved: &mut dyn FnMut(f64) -> f64) -> Option<(f64, f64, f64)> {
    let mut ends = [[0.0; 2]; 3];
    for (ends, shrunk) in ends.iter_mut().zip([1.0, 0.5, 0.25]) {
        *ends = [moved(WIDTH * shrunk), moved(-WIDTH * shrunk)];
    }
    let [wide, half, narrow] = [0, 1, 2].map(|i| {
        let [up, down] = ends[i];
        (up - down) / (2.0 * WIDTH * [1.0, 0.5, 0.25][i])
    });
    // The term of width² goes by each step, and that of width⁴ by the next.
    let [first, second] = [(4.0 * half - wide) / 3.0, (4.0 * narrow - half) / 3.0];
    let best = (16.0 * second - first) / 15.0;
    let room = (first - second).abs();
    // At a kink at the point itself the sides have other slopes, however near.
    let bend = |[up, down]: [f64; 2], width: f64| (up - 2.0 * value + down) / width;
    let kink = (4.0 * bend(ends[2], WIDTH / 4.0) - bend(ends[0], WIDTH)).abs();
    let fine = 1e-6 * (1.0 + best.abs());
    // A function that jumps evenly and often, as `x * 1e4 % 2.0` does, looks as even from afar; but not from near.
    const NEAR: f64 = WIDTH / 256.0;
    let near = (moved(NEAR) - moved(-NEAR)) / (2.0 * NEAR);
    // Nor can a staircase be told from a slope where there are many steps even between those.
    const STEEPEST: f64 = 1e6;
    if !((near - best).abs() <= 1e3 * fine && best.abs() <= STEEPEST) {
        return None;
    }
    (room <= fine && kink <= 10.0 * fine).then_some((best, room, near))
}

/// Holds a case against differences.
fn held(case: &Case, both: &Both) -> Result<Seen, String> {
    let source = Machine::new(&both.source, &both.options).map_err(|e| e.to_string())?;
    let derived = Machine::new(&both.derived, &both.options).map_err(|e| e.to_string())?;
    let mut seen = Seen::default();
    for point in &case.points {
        let here = &point[..case.parameters.len()];
        let loss = |at: &[f64]| source.loss(at).map_err(|e| format!("{e} at {at:?}"));
        let want = loss(here)?;
        let values: Vec<_> = here.iter().map(|v| Value::F32(*v)).collect();
        let found = derived.call(both.function, &values);
        let Value::Parts(parts) = found.map_err(|e| format!("{e} at {here:?}"))? else {
            return Err("no parts".to_owned());
        };
        let numbers: Vec<f64> = parts
            .into_iter()
            .map(|v| if let Value::F32(v) = v { v } else { f64::NAN })
            .collect();
        let count = case.inputs.iter().filter(|by| **by).count();
        if numbers.len() != count + 1 {
            return Err(format!("{} numbers", numbers.len()));
        }
        // The value is worked out as in the source.
        if numbers[0] != want && !(numbers[0].is_nan() && want.is_nan()) {
            return Err(format!(
                "at {here:?} the value is {}, expected {want}",
                numbers[0]
            ));
        }
        let inputs = (0..here.len()).filter(|i| case.inputs[*i]);
        for (i, got) in inputs.zip(&numbers[1..]) {
            let mut failed = None;
            let mut moved = |by: f64| {
                let mut there = here.to_vec();
                there[i] += by;
                loss(&there).unwrap_or_else(|e| {
                    failed = Some(e);
                    f64::NAN
                })
            };
            let settled = match want.is_finite() {
                true => slope(want, &mut moved),
                false => None,
            };
            if let Some(e) = failed {
                return Err(e);
            }
            let Some((slope, room, near)) = settled else {
                seen.rough += 1;
                continue;
            };
            let room = room + 1e-8 * (1.0 + slope.abs());
            if (got - slope).abs() <= room {
                seen.compared += 1;
                continue;
            }
            // Of steps that are so many and so small that they look like a slope from afar, the derivative is that between them.
            if (got - near).abs() <= room {
                seen.rough += 1;
                continue;
            }
            // The interpreter's own sense of what it does not know: where f32 arithmetic may come to anything a number may be none,
            // and where it is far off so are differences, by f64's share of it.
            let bounded = |machine: &Machine<'_>, function| {
                let bounded = machine.bounded(function, here);
                bounded.map_err(|e| format!("{e} at {here:?}"))
            };
            let source = bounded(&source, both.source.loss)?;
            let derived = bounded(&derived, both.function)?;
            let all = source.iter().chain(&derived);
            let worst = all.map(|n| n.bound).fold(0.0, f64::max);
            if worst == f64::INFINITY {
                seen.wild += 1;
                continue;
            }
            // The logarithm of 2 in derivatives of `exp2` and `log2` is that of f32, which is off by less than a product with it may be.
            let rounded = ["exp2(", "log2("]
                .iter()
                .any(|f| both.source.text.contains(f));
            let share = if rounded { 1.0 } else { 0.0 };
            let noise = worst * (2f64.powi(-29) / (WIDTH / 4.0) + share);
            let error = (got - slope).abs();
            if error.is_nan() || error > room + noise {
                return Err(format!(
                    "at {here:?} the derivative by {} is {got:e}, expected {slope:e} ± {room:e} and {noise:e}",
                    case.parameters[i]
                ));
            }
            seen.noisy += 1;
        }
    }
    Ok(seen)
}

#[test]
fn ten_thousand_derivatives_are_those_of_differences() {
    const CASES: u32 = 10_000;
    /// Cases that every rule takes part in at least, with derivatives that were compared.
    const LEAST: usize = 4;
    let all = RefCell::new((
        Seen::default(),
        0usize,
        HashMap::<(Kind, usize), usize>::new(),
    ));
    let result = runner(CASES, 1).run(&Cases::new(), |case| {
        let failed = |message: String| TestCaseError::fail(message);
        let both = Both::new(&case.text(), &case.inputs).map_err(failed)?;
        let seen = held(&case, &both).map_err(failed)?;
        // And it is WGSL.
        let text = both.emitted("user_").map_err(failed)?;
        let module = naga::front::wgsl::parse_str(&text);
        let module = module.map_err(|e| failed(format!("{}\n{text}", e.message())))?;
        super::checked(&module).map_err(|e| failed(format!("{e}\n{text}")))?;
        let mut all = all.borrow_mut();
        all.0.compared += seen.compared;
        all.0.rough += seen.rough;
        all.0.wild += seen.wild;
        all.0.noisy += seen.noisy;
        all.1 += usize::from(case.has_statements());
        if seen.compared > 0 {
            for rule in case.rules() {
                *all.2.entry(rule).or_default() += 1;
            }
        }
        Ok(())
    });
    if let Err(e) = result {
        eprintln!("{:?} {}", all.borrow().0, all.borrow().1);
        match e {
            TestError::Fail(reason, case) => panic!("{reason}\n{case:?}"),
            other => panic!("{other}"),
        }
    }
    let (seen, statements, used) = all.into_inner();
    eprintln!("{seen:?}, {statements} with statements");
    // So many were found; and hardly any that say nothing.
    assert!(seen.compared > 40_000, "{seen:?}");
    assert!(seen.wild + seen.noisy < seen.compared / 50, "{seen:?}");
    assert!(statements > CASES as usize / 10, "{statements}");
    let mut few = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::D) {
        for (i, rule) in rules(kind).iter().enumerate() {
            let count = used.get(&(kind, i)).copied().unwrap_or(0);
            if count < LEAST {
                few.push(format!("{kind:?} {} {count}", rule.text));
            }
        }
    }
    assert!(few.is_empty(), "{few:#?}");
}

/// A mistake in the derivative of one function is found, and the case that shows it gets small.
#[test]
fn a_wrong_derivative_is_found_and_shrinks() {
    // A builtin, what its derivative is made of, and what that is mistaken for.
    for (builtin, right, wrong) in [
        ("cosh(", Fun::Sinh, Fun::Cosh),
        ("sin(", Fun::Cos, Fun::Sin),
    ] {
        let result = runner(10_000, 2).run(&Cases::new(), |case| {
            let failed = |message: String| TestCaseError::fail(message);
            let mut both = Both::new(&case.text(), &case.inputs).map_err(failed)?;
            let is = |e: &Expression| matches!(e, Expression::Math { fun, .. } if *fun == right);
            let source = both.source.module.functions.iter();
            let mut values = source.flat_map(|(_, f)| f.expressions.iter());
            // Only of derivatives: values stay what they are.
            if !values.any(|(_, e)| is(e)) {
                for (_, function) in both.derived.module.functions.iter_mut() {
                    for (_, e) in function.expressions.iter_mut() {
                        if let Expression::Math { fun, .. } = e
                            && *fun == right
                        {
                            *fun = wrong;
                        }
                    }
                }
            }
            held(&case, &both).map_err(failed)?;
            Ok(())
        });
        let Err(TestError::Fail(reason, case)) = result else {
            panic!("{result:?}");
        };
        let text = case.text();
        assert!(text.contains(builtin), "{reason}\n{text}");
        // One expression, and a short one.
        let returned: Vec<_> = text.split("return ").collect();
        assert!(!case.has_statements() && returned.len() == 2, "{text}");
        assert!(returned[1].len() < 80, "{reason}\n{text}");
    }
}
