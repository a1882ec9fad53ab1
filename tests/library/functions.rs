//! The elementary functions of the shaders, each within the error that is stated for it, at millions of points. At every point there is:
//! `benches/functions.rs`.

use crate::stated::{Evaluator, MOST, POWER, STATED, Stated, ratio};
use crate::support::{self, Rng};

/// The largest error in proportion to what is stated, and where.
fn worst(stated: &Stated, a: &[f32], b: &[f32], found: &[f32]) -> (f64, String) {
    assert_eq!(a.len(), found.len());
    let mut worst = (0.0, String::new());
    for (i, (&a, &found)) in a.iter().zip(found).enumerate() {
        let b = b.get(i % b.len().max(1)).copied().unwrap_or(0.0);
        let expected = stated.expected(a, b);
        let ratio = ratio(expected, found);
        if ratio > worst.0 {
            let exact = expected.0;
            let place = format!(
                "{}({a:e}, {b:e}): expected {exact:e}, found {found:e}",
                stated.name
            );
            worst = (ratio, place);
        }
    }
    worst
}

/// All patterns within 2¹⁴ of each of these, where a formula changes over or a result is close to 0.
fn around(places: &[f32]) -> impl Iterator<Item = f32> {
    places.iter().flat_map(|x| {
        let bits = x.to_bits();
        (-(1i32 << 14)..1 << 14).map(move |d| f32::from_bits(bits.wrapping_add_signed(d)))
    })
}

/// Patterns in equal steps through all of f32, numbers as losses have them, and those around the joints of all functions.
fn points(stated: &Stated) -> Vec<f32> {
    let mut rng = Rng::new(stated.name);
    // An odd step visits all residues.
    let steps = (0..1u32 << 20).map(|i| f32::from_bits(i.wrapping_mul(4099)));
    let joints = around(&[
        1.0,
        -1.0,
        0.5,
        2.0,
        std::f32::consts::FRAC_1_SQRT_2,
        f32::MIN_POSITIVE,
        -0.29289,
        0.41421,
        -0.75,
        0.625,
        -0.625,
        -86.9,
    ]);
    let mut all: Vec<f32> = steps.chain(joints).collect();
    for (low, high) in [(-110.0, 110.0), (-1.0, 4.0), (0.0, 1.0)] {
        all.extend((0..1 << 19).map(|_| rng.range(low, high) as f32));
    }
    all.retain(|v| v.is_finite() && (stated.domain)(f64::from(*v)));
    all
}

fn check(evaluator: &Evaluator, stated: &Stated, a: &[f32], b: &[f32]) {
    assert!(
        a.len() >= 1 << 19 && a.len() <= MOST,
        "{}: {} points",
        stated.name,
        a.len()
    );
    let words = evaluator.run(bytemuck::cast_slice(a), bytemuck::cast_slice(b));
    let mut found: Vec<f32> = bytemuck::cast_slice(&words).to_vec();
    let (ratio, place) = worst(stated, a, b, &found);
    let place = format!("{place}; stated {}", stated.words);
    println!("{ratio:.3} of the error that is stated: {place}");
    assert!(
        ratio <= 1.0,
        "{ratio:.3} times the error that is stated: {place}"
    );
    // One wrong number among all of them is seen.
    let at = a.len() / 3;
    found[at] += 1e-3 * (1.0 + found[at].abs());
    assert!(worst(stated, a, b, &found).0 > 1.0);
}

#[test]
fn functions_are_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    for stated in STATED {
        check(&Evaluator::of(&gpu, stated), stated, &points(stated), &[]);
    }
}

#[test]
fn power_is_as_good_as_stated() {
    let Some(gpu) = support::gpu() else { return };
    let mut rng = Rng::new("exponents");
    // A prime number of exponents, so that each meets all sorts of bases.
    let mut exponents = vec![0.0f32, 1e-3, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 80.0];
    exponents.extend((0..1010).map(|_| rng.range(0.0, 8.0) as f32));
    let evaluator = Evaluator::of(&gpu, &POWER);
    check(&evaluator, &POWER, &points(&POWER), &exponents);
}

/// What the formula does not give.
#[test]
fn ln_of_what_has_none() {
    let Some(gpu) = support::gpu() else { return };
    let special = [
        0.0f32,
        -0.0,
        -1.0,
        -1e-40,
        f32::NEG_INFINITY,
        f32::INFINITY,
        f32::NAN,
    ];
    let ln = STATED.iter().find(|s| s.name == "ln").expect("it is there");
    let words = Evaluator::of(&gpu, ln).run(bytemuck::cast_slice(&special), &[]);
    let found: &[f32] = bytemuck::cast_slice(&words);
    assert_eq!(found[..2], [f32::NEG_INFINITY; 2]);
    assert!(found[2..5].iter().all(|v| v.is_nan()), "{found:?}");
    assert_eq!(found[5], f32::INFINITY);
    assert!(found[6].is_nan());
}
