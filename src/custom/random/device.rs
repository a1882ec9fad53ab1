//! Random losses and their derivatives on a GPU, against the interpreter and its bounds.

use super::tree::{Case, Cases};
use super::{Both, runner};
use crate::custom::derive::change_name;
use crate::custom::derive::tests::{EXPRESSIONS, FUNCTIONS};
use crate::custom::interpret::Machine;
use crate::device::gpu;
use crate::gpu::Gpu;
use crate::gpu::functions::{ARGUMENTS, Functions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{TestCaseError, TestError};
use std::time::{Duration, Instant};

/// Functions of one shader: more of them take lavapipe as long each, and at a hundred it leaves out work without a word.
const TOGETHER: usize = 25;

/// A file, the inputs that derivatives are taken by, and points.
struct Asked<'a> {
    text: String,
    inputs: &'a [bool],
    points: &'a [[f64; 3]],
}

/// What was looked at.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// Values, and derivatives, that were held against a bound.
    values: usize,
    derivatives: usize,
    /// Numbers that may be anything.
    free: usize,
    interpreted: Duration,
    ran: Duration,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.values += other.values;
        self.derivatives += other.derivatives;
        self.free += other.free;
        self.interpreted += other.interpreted;
        self.ran += other.ran;
    }
}

/// Holds all of these in one shader against the interpreter; an error is of the one with that number.
fn held(gpu: &Gpu, all: &[Asked<'_>]) -> Result<Seen, (usize, String)> {
    let mut seen = Seen::default();
    let clock = Instant::now();
    let mut functions = Functions {
        text: String::new(),
        calls: Vec::new(),
        points: Vec::new(),
    };
    let mut expected = Vec::new();
    for (k, asked) in all.iter().enumerate() {
        let at = |message: String| (k, message);
        let both = Both::new(&asked.text, asked.inputs).map_err(at)?;
        let prefix = format!("c{k}_");
        // Options are no constants for a compiler.
        functions.text += &both.emitted(&prefix).map_err(at)?;
        let count = asked.inputs.len();
        let arguments: Vec<_> = ["p.x", "p.y", "p.z"].into_iter().take(count).collect();
        let call = format!("{prefix}loss_change_({})", arguments.join(", "));
        let by = asked.inputs.iter().filter(|by| **by).count();
        let derivatives = (0..by).map(|i| format!("r.{}", change_name(i)));
        let numbers = std::iter::once("r.v".to_owned()).chain(derivatives);
        functions.calls.push((call, numbers.collect()));
        let point = |p: &[f64; 3]| {
            let mut out = [0.0; ARGUMENTS];
            for (out, v) in out.iter_mut().zip(p) {
                *out = *v as f32;
            }
            out
        };
        functions
            .points
            .push(asked.points.iter().map(point).collect());
        let machine = Machine::new(&both.derived, &both.options);
        let machine = machine.map_err(|e| at(e.to_string()))?;
        let bounded = asked
            .points
            .iter()
            .map(|p| machine.bounded(both.function, &p[..count]));
        let bounded = bounded.collect::<Result<Vec<_>, _>>();
        expected.push(bounded.map_err(|e| at(e.to_string()))?);
    }
    seen.interpreted = clock.elapsed();
    let clock = Instant::now();
    let found = gpu.block_on(gpu.functions(&functions));
    let found = found.map_err(|e| (0, format!("{e}\n{}", functions.text)))?;
    seen.ran = clock.elapsed();
    for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
        for ((found, expected), point) in found.iter().zip(expected).zip(all[k].points) {
            if found.len() != expected.len() {
                return Err((k, format!("{} numbers for {}", found.len(), expected.len())));
            }
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                if expected.bound == f64::INFINITY {
                    seen.free += 1;
                    continue;
                }
                match i {
                    0 => seen.values += 1,
                    _ => seen.derivatives += 1,
                }
                let found = f64::from(*found);
                let same = found == expected.value;
                let error = (found - expected.value).abs();
                if !same && (error.is_nan() || error > expected.bound) {
                    let what = match i {
                        0 => "value".to_owned(),
                        i => format!("derivative {}", i - 1),
                    };
                    let message = format!(
                        "function {k} of {}: at {point:?} the {what} is {found:e}, expected {:e} ± {:e}",
                        all.len(),
                        expected.value,
                        expected.bound
                    );
                    return Err((k, message));
                }
            }
        }
    }
    Ok(seen)
}

fn asked(case: &Case) -> Asked<'_> {
    Asked {
        text: case.text(),
        inputs: &case.inputs,
        points: &case.points,
    }
}

/// Shrinks a case that failed in a shader of many, in one of its own.
fn shrunk(gpu: &Gpu, tree: impl ValueTree<Value = Case>) -> Option<String> {
    let alone = runner(1, 0).run_one(tree, |case| {
        let result = held(gpu, &[asked(&case)]);
        result.map_err(|(_, message)| TestCaseError::fail(message))?;
        Ok(())
    });
    match alone {
        Err(TestError::Fail(reason, case)) => Some(format!("{reason}\n{case:?}")),
        _ => None,
    }
}

/// Random cases on the device, in shaders of [`TOGETHER`].
fn random(gpu: &Gpu, cases: usize, seed: u8) -> Seen {
    let mut runner = runner(1, seed);
    let strategy = Cases::new();
    let mut all = Seen::default();
    let mut left = cases;
    while left > 0 {
        let count = left.min(TOGETHER);
        left -= count;
        let trees: Vec<_> = (0..count)
            .map(|_| strategy.new_tree(&mut runner).expect("a case"))
            .collect();
        let cases: Vec<_> = trees.iter().map(ValueTree::current).collect();
        let asked: Vec<_> = cases.iter().map(asked).collect();
        match held(gpu, &asked) {
            Ok(seen) => all.add(seen),
            Err((k, message)) => {
                let tree = trees.into_iter().nth(k).expect("the case");
                let alone = shrunk(gpu, tree);
                panic!(
                    "{message}\n{:?}\nshrunk: {}",
                    cases[k],
                    alone.unwrap_or("passes alone".into())
                );
            }
        }
    }
    all
}

/// All on most devices; a part where compiling takes longest.
#[test]
fn ten_thousand_losses_run_as_they_are_interpreted() {
    let Some(gpu) = gpu() else { return };
    let slow = gpu.adapter_info().name.contains("SwiftShader");
    let cases = if slow { 2_000 } else { 10_000 };
    let seen = random(&gpu, cases, 1);
    eprintln!("{seen:?}");
    assert!(seen.values > 2 * cases, "{seen:?}");
    assert!(seen.derivatives > 3 * cases, "{seen:?}");
}

/// The losses that are written out with the derivatives' own tests.
#[test]
fn losses_run_as_they_are_interpreted() {
    let Some(gpu) = gpu() else { return };
    let whole = |e: &&str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
    let texts = EXPRESSIONS.iter().map(whole);
    let texts: Vec<_> = texts
        .chain(FUNCTIONS.iter().map(|f| f.to_string()))
        .collect();
    const POINTS: [f64; 9] = [-2.25, -1.1875, -0.7, -0.2, 0.3, 0.6, 0.9, 1.7, 3.1];
    let f32 = |v: f64| f64::from(v as f32);
    let points: Vec<_> = POINTS
        .iter()
        .flat_map(|x| POINTS.map(|t| [f32(*x), f32(t), 0.0]))
        .collect();
    let asked: Vec<_> = (texts.iter())
        .map(|text| Asked {
            text: text.clone(),
            inputs: &[true, true],
            points: &points,
        })
        .collect();
    let mut all = Seen::default();
    for (k, some) in asked.chunks(TOGETHER).enumerate() {
        match held(&gpu, some) {
            Ok(seen) => all.add(seen),
            Err((i, message)) => panic!("{message}\n{}", texts[k * TOGETHER + i]),
        }
    }
    eprintln!("{all:?}");
    // 103 losses at 81 points.
    assert!(all.values > 8_000 && all.derivatives > 16_000, "{all:?}");
}
