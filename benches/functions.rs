//! The elementary functions of the shaders at every f32 there is, against f64, on every adapter there is: the largest error, in units
//! u = 2⁻²⁴ of the result and in proportion to what is stated, and where. `power`, of two numbers, at 266 million pairs. Ends with 1
//! where a bound does not hold. An hour on two cores.
//!
//!     cargo bench --bench functions [-- NAME ...]

#[path = "../tests/library/stated.rs"]
mod stated;
#[path = "../tests/library/support.rs"]
#[allow(dead_code, reason = "for tests")]
mod support;

use stated::{Evaluator, MOST, POWER, STATED, Stated, ratio};
use std::process::ExitCode;
use wgloss::bounds::{TINY, U};
use wgloss::gpu::Adapter;
use wgloss::{Gpu, Result};

/// What was found of a device, in a part of all points.
#[derive(Clone, Copy, Default)]
struct Worst {
    points: u64,
    /// The largest error in proportion to what is stated, and the numbers there.
    ratio: (f64, f32, f32),
    /// The largest relative error, of results that are normal.
    relative: (f64, f32, f32),
}

impl Worst {
    fn see(&mut self, expected: (f64, f64), a: f32, b: f32, found: f32) {
        self.points += 1;
        let ratio = ratio(expected, found);
        if ratio > self.ratio.0 {
            self.ratio = (ratio, a, b);
        }
        let exact = expected.0;
        let relative = ((f64::from(found) - exact) / exact).abs();
        if exact.abs() >= TINY && relative.is_finite() && relative > self.relative.0 {
            self.relative = (relative, a, b);
        }
    }

    fn and(self, other: Worst) -> Worst {
        let larger = |a: (f64, f32, f32), b: (f64, f32, f32)| if b.0 > a.0 { b } else { a };
        Worst {
            points: self.points + other.points,
            ratio: larger(self.ratio, other.ratio),
            relative: larger(self.relative, other.relative),
        }
    }
}

fn inside(stated: &Stated, x: f32) -> bool {
    x.is_finite() && (stated.domain)(f64::from(x))
}

/// The points `a`, with `b` over and over, on every device; each half of them compared on a processor of its own.
fn chunk(stated: &Stated, on: &[Evaluator], a: &[u32], b: &[u32], worst: &mut [Worst]) {
    if !a.iter().any(|v| inside(stated, f32::from_bits(*v))) {
        return;
    }
    let found: Vec<Vec<u32>> = on.iter().map(|device| device.run(a, b)).collect();
    let part = |from: usize, to: usize| {
        let mut worst = vec![Worst::default(); found.len()];
        for i in from..to {
            let x = f32::from_bits(a[i]);
            let y = b
                .get(i % b.len().max(1))
                .map_or(0.0, |b| f32::from_bits(*b));
            if inside(stated, x) {
                let expected = stated.expected(x, y);
                for (worst, found) in worst.iter_mut().zip(&found) {
                    worst.see(expected, x, y, f32::from_bits(found[i]));
                }
            }
        }
        worst
    };
    let half = a.len() / 2;
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| part(0, half));
        let second = part(half, a.len());
        (first.join().expect("no panic"), second)
    });
    for (worst, (first, second)) in worst.iter_mut().zip(first.into_iter().zip(second)) {
        *worst = worst.and(first).and(second);
    }
}

fn main() -> Result<ExitCode> {
    let arguments = std::env::args().skip(1);
    let asked: Vec<String> = arguments.filter(|a| !a.starts_with('-')).collect();
    let wanted = |stated: &&Stated| asked.is_empty() || asked.iter().any(|a| a == stated.name);
    let mut devices: Vec<Gpu> = Vec::new();
    for adapter in pollster::block_on(Adapter::all()) {
        devices.push(pollster::block_on(adapter.open())?);
    }
    println!(
        "| function | stated | points | device | largest relative error, u | of what is stated |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    // A prime number of exponents, so that each meets all sorts of bases.
    let list = [0.0f32, 1e-3, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 80.0];
    let even = (0..1010).map(|i| i as f32 * (8.0 / 1010.0));
    let exponents: Vec<u32> = list.into_iter().chain(even).map(f32::to_bits).collect();
    let mut good = !devices.is_empty();
    for name in &asked {
        let known = STATED.iter().chain([&POWER]).any(|s| s.name == name);
        if !known {
            eprintln!("no function {name}");
            good = false;
        }
    }
    for stated in STATED.iter().chain([&POWER]).filter(wanted) {
        let on: Vec<_> = devices
            .iter()
            .map(|gpu| Evaluator::of(gpu, stated))
            .collect();
        let mut worst = vec![Worst::default(); on.len()];
        // All of f32; of pairs, every fourth number up to 1.
        let two = stated.name == POWER.name;
        let (end, step) = if two {
            (u64::from(1f32.to_bits()) + 1, 4)
        } else {
            (1 << 32, 1)
        };
        for first in (0..end).step_by(step * MOST) {
            let words = (first..end).step_by(step).take(MOST);
            let a: Vec<u32> = words.map(|v| v as u32).collect();
            let b = if two { exponents.as_slice() } else { &[] };
            chunk(stated, &on, &a, b, &mut worst);
        }
        for (worst, gpu) in worst.iter().zip(&devices) {
            let ((ratio, x, y), (relative, at, _)) = (worst.ratio, worst.relative);
            good &= ratio <= 1.0;
            let place = if two {
                format!("{x:e}, {y}")
            } else {
                format!("{x:e}")
            };
            println!(
                "| {} | {} | {} | {} | {:.3} at {at:e} | {ratio:.4} at {place} |",
                stated.name,
                stated.words,
                worst.points,
                gpu.adapter_info().name,
                relative / U
            );
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
