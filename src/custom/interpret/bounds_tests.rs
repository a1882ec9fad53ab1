//! Bounds against f32 arithmetic that goes as far wrong as WGSL lets it.

use std::cell::Cell;

use half::f16;
use naga::{BinaryOperator, MathFunction};

use super::expression::holds;
use super::floats::{frexp, ldexp};
use super::math::expanded;
use super::*;
use crate::bounds::{TINY, U};
use crate::custom::derive::{derive, tests as derived};
use crate::custom::emit::checked;

const PI: f64 = std::f64::consts::PI;

/// f32 on a GPU of bad luck: each operation is off by some of what it may be off, often by all of it; products and sums are rounded
/// to f32 or, as if fused with what comes next, not at all; subnormals become 0 or do not; what is undefined is anything.
struct Gpu {
    state: Cell<u64>,
}

impl Gpu {
    fn new(seed: u64) -> Gpu {
        let state = Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d);
        Gpu { state }
    }

    /// SplitMix64.
    fn bits(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&self, n: u64) -> u64 {
        (self.bits() >> 11) % n
    }

    fn unit(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// What comes of something undefined.
    fn garbage(&self) -> f64 {
        let all = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -3e38,
            1e30,
            -1.0,
        ];
        all[self.below(all.len() as u64) as usize]
    }

    /// Infinite where f32 overflows, 0 where it may flush.
    fn kept(&self, v: f64) -> f64 {
        match v.abs() {
            size if size > f64::from(f32::MAX) => f64::INFINITY.copysign(v),
            size if size < TINY && self.below(2) == 0 => 0.0,
            _ => v,
        }
    }

    fn rounded(&self, v: f64) -> f64 {
        let near = v as f32;
        let (down, up) = match f64::from(near) > v {
            true => (near.next_down(), near),
            false => (near, near.next_up()),
        };
        match self.below(4) {
            _ if f64::from(near) == v => self.kept(v),
            0 => self.kept(v),
            1 => self.kept(f64::from(near)),
            // Not beyond the next f32.
            _ => self
                .moved(v, U * v.abs())
                .max(f64::from(down))
                .min(f64::from(up)),
        }
    }

    /// Off by an absolute error, up or down, all of it or a part.
    fn moved(&self, v: f64, most: f64) -> f64 {
        if v == 0.0 && most < TINY || !v.is_finite() {
            return v;
        }
        let by = match self.below(4) {
            0 => most,
            1 => -most,
            2 => 0.0,
            _ => (2.0 * self.unit() - 1.0) * most,
        };
        self.kept(v + by)
    }

    fn ulps(&self, v: f64, count: f64) -> f64 {
        // Of subnormals that of the smallest normal number.
        let ulp = 2f64.powi(frexp(v.abs().max(TINY)).1 - 24);
        if v == 0.0 {
            v
        } else {
            self.moved(v, count * ulp)
        }
    }

    fn input(&self, v: f64) -> f64 {
        self.kept(v)
    }

    fn exp(&self, v: f64, power: fn(f64) -> f64) -> f64 {
        self.ulps(power(v), 3.0 + 2.0 * v.abs()).max(0.0)
    }

    fn log(&self, v: f64, log: fn(f64) -> f64) -> f64 {
        match v {
            v if v.is_nan() || v < 0.0 => self.garbage(),
            0.0 if self.below(2) == 0 => log(0.5 * TINY),
            0.5..=2.0 => self.moved(log(v), 2f64.powi(-21)),
            _ => self.ulps(log(v), 3.0),
        }
    }

    fn wave(&self, v: f64, wave: fn(f64) -> f64) -> f64 {
        match v.abs() <= f64::from(std::f32::consts::PI) {
            true => self.moved(wave(v), 2f64.powi(-11)),
            false => self.garbage(),
        }
    }

    fn angle(&self, y: f64, x: f64) -> f64 {
        match y.is_nan() || x.is_nan() || y.abs() < TINY && x.abs() < TINY {
            true => self.garbage(),
            false => self.ulps(y.atan2(x), 4096.0),
        }
    }

    fn clamped(&self, v: f64, low: f64, high: f64) -> f64 {
        if v.is_nan() || low.is_nan() || high.is_nan() {
            return [v, low, high][self.below(3) as usize];
        }
        match self.below(2) {
            0 => v.max(low).min(high),
            _ => {
                let mut all = [v, low, high];
                all.sort_by(f64::total_cmp);
                all[1]
            }
        }
    }

    fn hyperbolic(&self, v: f64, with: fn(&Self, f64, f64) -> f64) -> f64 {
        let (up, down) = (self.exp(v, f64::exp), self.exp(-v, f64::exp));
        self.product(with(self, up, down), 0.5)
    }

    fn circle(&self, v: f64) -> f64 {
        self.root(self.difference(1.0, self.product(v, v)))
    }
}

impl Floats for Gpu {
    type Number = f64;

    fn number(&self, v: f64) -> f64 {
        self.kept(f64::from(v as f32))
    }

    fn negated(&self, v: f64) -> f64 {
        -v
    }

    fn sum(&self, a: f64, b: f64) -> f64 {
        match self.input(a) + self.input(b) {
            v if v.is_nan() => self.garbage(),
            v => self.rounded(v),
        }
    }

    fn difference(&self, a: f64, b: f64) -> f64 {
        self.sum(a, -b)
    }

    fn product(&self, a: f64, b: f64) -> f64 {
        match self.input(a) * self.input(b) {
            v if v.is_nan() => self.garbage(),
            v => self.rounded(v),
        }
    }

    fn square(&self, v: f64) -> f64 {
        self.product(v, v)
    }

    fn quotient(&self, a: f64, b: f64) -> f64 {
        let v = self.input(a) / b;
        match b.abs() {
            size if size < TINY || v.is_nan() => self.garbage(),
            size if size > 2f64.powi(126) && self.below(2) == 0 => 0.0,
            _ => self.ulps(v, 2.5),
        }
    }

    fn remainder(&self, a: f64, b: f64) -> f64 {
        let times = self.quotient(a, b).trunc();
        self.difference(a, self.product(b, times))
    }

    fn root(&self, v: f64) -> f64 {
        match self.input(v) {
            v if v.is_nan() || v < 0.0 => self.garbage(),
            v if v == 0.0 || v.is_infinite() => v,
            v => self.quotient(1.0, self.ulps(1.0 / v.sqrt(), 2.0)),
        }
    }

    fn total(&self, terms: &[f64]) -> f64 {
        let mut left = terms.to_vec();
        while left.len() > 1 {
            let a = left.swap_remove(self.below(left.len() as u64) as usize);
            let b = left.swap_remove(self.below(left.len() as u64) as usize);
            left.push(self.sum(a, b));
        }
        left.pop().unwrap_or(0.0)
    }

    fn compared(&self, op: BinaryOperator, a: f64, b: f64) -> Option<bool> {
        // Where NaN is taken for impossible, it may compare as it likes.
        let nan = a.is_nan() || b.is_nan();
        holds(op, &self.input(a), &self.input(b)).map(|v| if nan { self.below(2) == 0 } else { v })
    }

    fn one(&self, fun: MathFunction, v: f64) -> Option<f64> {
        let v = self.input(v);
        Some(match fun {
            MathFunction::Abs => v.abs(),
            MathFunction::Saturate => self.clamped(v, 0.0, 1.0),
            MathFunction::Cos => self.wave(v, f64::cos),
            MathFunction::Sin => self.wave(v, f64::sin),
            MathFunction::Tan => self.quotient(self.wave(v, f64::sin), self.wave(v, f64::cos)),
            MathFunction::Cosh => self.hyperbolic(v, Self::sum),
            MathFunction::Sinh => self.hyperbolic(v, Self::difference),
            MathFunction::Tanh => match self.below(2) {
                0 => self.moved(v.tanh(), 1e-5),
                _ => {
                    let up = self.hyperbolic(v, Self::difference);
                    self.quotient(up, self.hyperbolic(v, Self::sum))
                }
            },
            MathFunction::Acos if v.abs() > 1.0 => self.garbage(),
            MathFunction::Acos if self.below(2) == 0 => self.moved(v.acos(), 6.77e-5),
            MathFunction::Acos => self.angle(self.circle(v), v),
            MathFunction::Asin if v.abs() > 1.0 => self.garbage(),
            MathFunction::Asin if self.below(2) == 0 => self.moved(v.asin(), 6.81e-5),
            MathFunction::Asin => self.angle(v, self.circle(v)),
            MathFunction::Atan => self.ulps(v.atan(), 4096.0),
            MathFunction::Asinh | MathFunction::Acosh => {
                let one = if fun == MathFunction::Asinh {
                    1.0
                } else {
                    -1.0
                };
                let root = self.root(self.sum(self.product(v, v), one));
                self.log(self.sum(v, root), f64::ln)
            }
            MathFunction::Atanh => {
                let ratio = self.quotient(self.sum(1.0, v), self.difference(1.0, v));
                self.product(self.log(ratio, f64::ln), 0.5)
            }
            MathFunction::Radians => self.product(v, f64::from((PI / 180.0) as f32)),
            MathFunction::Degrees => self.product(v, f64::from((180.0 / PI) as f32)),
            MathFunction::Ceil => v.ceil(),
            MathFunction::Floor => v.floor(),
            MathFunction::Round => v.round_ties_even(),
            MathFunction::Trunc => v.trunc(),
            MathFunction::Fract => match self.difference(v, v.floor()) {
                part if part >= 1.0 && self.below(2) == 0 => 1.0 - U,
                part => part,
            },
            MathFunction::Exp => self.exp(v, f64::exp),
            MathFunction::Exp2 => self.exp(v, f64::exp2),
            MathFunction::Log => self.log(v, f64::ln),
            MathFunction::Log2 => self.log(v, f64::log2),
            MathFunction::Sign if v.is_nan() => self.garbage(),
            MathFunction::Sign => f64::from(u8::from(v > 0.0)) - f64::from(u8::from(v < 0.0)),
            MathFunction::Sqrt => self.root(v),
            MathFunction::InverseSqrt if v.is_nan() || v < 0.0 => self.garbage(),
            MathFunction::InverseSqrt => self.ulps(1.0 / v.abs().sqrt(), 2.0),
            MathFunction::QuantizeToF16 => {
                let near = f16::from_f64(v);
                let other = match near.to_f64() > v {
                    true => near.to_f64() - v,
                    false => v - near.to_f64(),
                };
                // The one on the other side is as good.
                let next = match self.below(2) == 0 || other == 0.0 || !near.is_finite() {
                    true => near,
                    false if (near.to_f64() < v) == (v > 0.0) => f16::from_bits(near.to_bits() + 1),
                    false => f16::from_bits(near.to_bits().saturating_sub(1)),
                };
                match next.to_f64() {
                    half if half.abs() < 1.0 / 16384.0 && self.below(2) == 0 => 0.0,
                    half => half,
                }
            }
            _ => return None,
        })
    }

    fn two(&self, fun: MathFunction, a: f64, b: f64) -> Option<f64> {
        let (a, b) = (self.input(a), self.input(b));
        let nan = a.is_nan() || b.is_nan();
        Some(match fun {
            MathFunction::Min | MathFunction::Max if nan => [a, b][self.below(2) as usize],
            MathFunction::Min => a.min(b),
            MathFunction::Max => a.max(b),
            MathFunction::Atan2 => match b.abs() {
                size if nan || size < TINY && a.abs() < TINY => self.garbage(),
                size if (size < TINY
                    || size > 2f64.powi(126)
                    || a.is_infinite()
                    || a.abs() < TINY)
                    && self.below(2) == 0 =>
                {
                    (2.0 * self.unit() - 1.0) * PI
                }
                // Zeros have no sign.
                _ if a.abs() < TINY && b < 0.0 && self.below(2) == 0 => -self.angle(a, b),
                _ => self.angle(a, b),
            },
            MathFunction::Pow if a == 0.0 && b <= 0.0 => self.garbage(),
            MathFunction::Pow => self.exp(self.product(b, self.log(a, f64::log2)), f64::exp2),
            MathFunction::Step => {
                let over = self.compared(BinaryOperator::LessEqual, a, b)?;
                f64::from(u8::from(over))
            }
            _ => return None,
        })
    }

    fn three(&self, fun: MathFunction, a: f64, b: f64, c: f64) -> Option<f64> {
        Some(match fun {
            MathFunction::Clamp => self.clamped(a, b, c),
            MathFunction::Fma => self.sum(self.product(a, b), c),
            MathFunction::Mix if self.below(2) == 0 => {
                let rest = self.difference(1.0, c);
                self.sum(self.product(a, rest), self.product(b, c))
            }
            MathFunction::Mix => self.sum(a, self.product(self.difference(b, a), c)),
            MathFunction::SmoothStep => {
                let ratio = self.quotient(self.difference(c, a), self.difference(b, a));
                let t = self.clamped(ratio, 0.0, 1.0);
                let rest = self.difference(3.0, self.product(2.0, t));
                match self.below(2) {
                    0 => self.product(self.product(t, t), rest),
                    _ => self.product(t, self.product(t, rest)),
                }
            }
            _ => return None,
        })
    }

    fn length(&self, v: f64) -> f64 {
        self.root(self.product(v, v))
    }

    fn determinant(&self, columns: &[Vec<f64>]) -> f64 {
        // Along the first column, or the first row.
        let row = |i: usize| columns.iter().map(|c| c[i]).collect();
        match self.below(2) {
            0 => expanded(self, columns, true),
            _ => expanded(self, &(0..columns.len()).map(row).collect::<Vec<_>>(), true),
        }
    }

    fn not_negative(&self, v: f64) -> f64 {
        v
    }

    fn modf(&self, v: f64) -> (f64, f64) {
        match v.is_finite() {
            true => (self.kept(v - v.trunc()), v.trunc()),
            false => (self.garbage(), v),
        }
    }

    fn frexp(&self, v: f64) -> (f64, i32) {
        match self.input(v) {
            v if v.is_finite() => frexp(v),
            _ => (self.garbage(), self.bits() as i32),
        }
    }

    fn ldexp(&self, v: f64, by: i32) -> f64 {
        match by {
            129.. => self.garbage(),
            ..=-127 if self.below(2) == 0 => 0.0,
            _ => self.kept(f64::from(ldexp(self.input(v), by) as f32)),
        }
    }

    fn signed(&self, v: f64) -> i32 {
        if v.is_nan() {
            self.bits() as i32
        } else {
            v.min(2147483520.0) as i32
        }
    }

    fn unsigned(&self, v: f64) -> u32 {
        if v.is_nan() {
            self.bits() as u32
        } else {
            v.min(4294967040.0) as u32
        }
    }

    fn truth(&self, v: f64) -> bool {
        if v.is_nan() {
            self.below(2) == 0
        } else {
            self.input(v) != 0.0
        }
    }

    fn bits(&self, v: f64) -> u32 {
        let zero = v == 0.0 && self.below(2) == 0;
        if v.is_nan() {
            self.bits() as u32
        } else {
            (if zero { -v } else { v } as f32).to_bits()
        }
    }

    fn nearest(&self, v: f64) -> i32 {
        match self.below(2) {
            _ if v.is_nan() => self.bits() as i32,
            0 => (v + 0.5).floor() as i32,
            _ => (v - 0.5).ceil() as i32,
        }
    }

    fn half_bits(&self, v: f64) -> u16 {
        let half = self.one(MathFunction::QuantizeToF16, v).map(f16::from_f64);
        match half {
            Some(half) if half.is_finite() => half.to_bits(),
            _ => self.bits() as u16,
        }
    }

    fn of_half(&self, bits: u16) -> f64 {
        match f16::from_bits(bits) {
            half if !half.is_finite() => self.garbage(),
            half if !half.is_normal() && self.below(2) == 0 => 0.0,
            half => half.to_f64(),
        }
    }

    fn unpacked(&self, v: f64) -> f64 {
        self.ulps(v, 3.0)
    }
}

/// A function of a file, with its options at their defaults.
pub(super) struct Case {
    text: String,
    pub parsed: Parsed,
    pub function: Handle<Function>,
}

impl Case {
    fn of(text: &str) -> Case {
        let parsed = Parsed::new(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        Case {
            text: text.to_owned(),
            function: parsed.loss,
            parsed,
        }
    }

    fn expression(expression: &str) -> Case {
        Case::of(&format!(
            "fn loss(x: f32, t: f32) -> f32 {{ return {expression}; }}"
        ))
    }

    /// Its value with the derivatives by both parameters.
    pub fn derived(text: &str) -> Case {
        let parsed = Case::of(text).parsed;
        let info = checked(&parsed.module).expect("a module");
        let made = derive(&parsed.module, &info, parsed.loss, &[true, true]).expect("a derivative");
        Case {
            text: format!("derivatives of {text}"),
            parsed: Parsed {
                module: made.module,
                ..parsed
            },
            function: made.function,
        }
    }

    pub fn machine(&self) -> Machine<'_> {
        let settings = self.parsed.settings.iter();
        let options: Vec<_> = settings.filter_map(|s| s.default).collect();
        Machine::new(&self.parsed, &options).expect("a machine")
    }

    fn bounded(&self, arguments: &[f64]) -> Vec<Bounded> {
        self.machine()
            .bounded(self.function, arguments)
            .expect("bounds")
    }

    fn one(&self, arguments: &[f64]) -> Bounded {
        self.bounded(arguments)[0]
    }

    /// Holds bad GPUs within the bounds at some points; the largest part of a bound that was reached, and how many bounds were finite.
    fn hold(&self, points: &[[f64; 2]], trials: u64) -> (f64, usize) {
        let machine = self.machine();
        let (mut reached, mut finite) = (0f64, 0);
        for point in points {
            let values: Vec<_> = point.iter().map(|v| Value::F32(*v)).collect();
            let bounds = machine.bounded(self.function, point).expect("bounds");
            let plain = flat(machine.call(self.function, &values).expect("values"));
            assert_eq!(plain.len(), bounds.len());
            for (value, bound) in plain.iter().zip(&bounds) {
                let same = *value == bound.value || value.is_nan() && bound.value.is_nan();
                assert!(same, "{}: {bound:?}, but {value} at {point:?}", self.text);
                assert!(bound.bound >= 0.0, "{}: {bound:?} at {point:?}", self.text);
            }
            if bounds.iter().all(|b| b.bound.is_infinite()) {
                continue;
            }
            finite += 1;
            for trial in 0..trials {
                let gpu = Gpu::new(trial);
                let mut run = Run::new(&machine, &gpu, &machine.globals);
                // Only where anything may come out is there none.
                let found = run.call(self.function, values.clone(), Span::UNDEFINED);
                let found = flat(found.expect("values").expect("a value"));
                for (k, (found, bound)) in found.iter().zip(&bounds).enumerate() {
                    let off = (found - bound.value).abs();
                    let within =
                        off <= bound.bound || bound.bound.is_infinite() || *found == bound.value;
                    assert!(
                        within,
                        "{}: number {k}: {found:e} is not {:e} ± {:e} at {point:?}, trial {trial}",
                        self.text, bound.value, bound.bound
                    );
                    // Subnormals that are flushed reach theirs anyhow.
                    if bound.bound > 1e-30 && bound.bound < f64::INFINITY {
                        reached = reached.max(off / bound.bound);
                    }
                }
            }
        }
        (reached, finite)
    }
}

fn flat(value: Value) -> Vec<f64> {
    match value {
        Value::F32(v) => vec![v],
        Value::Parts(all) => all.into_iter().flat_map(flat).collect(),
        _ => Vec::new(),
    }
}

/// Pairs of f32: common ones, those of every magnitude, and special ones.
pub(super) fn points(count: u64) -> Vec<[f64; 2]> {
    let special = [
        0.0,
        -0.0,
        0.5,
        1.0,
        -1.0,
        2.0,
        3.0,
        -0.75,
        1e-40,
        -1e-40,
        1e-30,
        -1e-30,
        88.0,
        -88.0,
        104.0,
        -104.0,
        std::f32::consts::PI,
        16777216.0,
        2.5e38,
        -2.5e38,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let draw = Gpu::new(7);
    let one = || match draw.below(8) {
        0 => special[draw.below(special.len() as u64) as usize],
        1 => f32::from_bits(draw.bits() as u32),
        2 => (draw.unit() * 2.0 - 1.0) as f32,
        _ => (draw.unit() * 8.0 - 4.0) as f32,
    };
    (0..count)
        .map(|_| [f64::from(one()), f64::from(one())])
        .collect()
}

/// Each function of floats, with the part of its bound that a bad GPU reaches at least: a half, unless something is given away.
pub(super) const FUNCTIONS: &[(&str, f64)] = &[
    ("x + t", 0.5),
    ("x - t", 0.5),
    ("x * t", 0.5),
    ("x / t", 0.5),
    ("x % t", 0.5),
    ("-x + t", 0.5),
    ("x * x", 0.5),
    ("abs(x) * t", 0.5),
    ("min(x, t) * 0.3", 0.5),
    ("max(x, t) * 0.3", 0.5),
    ("clamp(x, t, 1.0) * 0.3", 0.5),
    ("clamp(0.5, x, t) * 0.3", 0.5),
    ("saturate(x) * t", 0.5),
    ("cos(x)", 0.5),
    ("sin(x)", 0.5),
    ("tan(x)", 0.5),
    ("cosh(x)", 0.5),
    ("sinh(x)", 0.5),
    ("tanh(x)", 0.5),
    ("acos(x)", 0.5),
    ("asin(x)", 0.5),
    ("atan(x)", 0.5),
    ("atan2(x, t)", 0.5),
    ("asinh(x)", 0.5),
    ("acosh(x)", 0.5),
    ("atanh(x)", 0.5),
    ("radians(x)", 0.5),
    ("degrees(x)", 0.5),
    ("ceil(x * t)", 0.5),
    ("floor(x * t)", 0.5),
    ("round(x * t)", 0.5),
    ("trunc(x * t)", 0.5),
    ("fract(x)", 0.5),
    ("fract(x * t)", 0.5),
    ("exp(x)", 0.5),
    ("exp2(x)", 0.5),
    ("log(x)", 0.5),
    ("log2(x)", 0.5),
    ("sign(x * t - 0.3)", 0.0),
    ("sqrt(x)", 0.5),
    ("inverseSqrt(x)", 0.5),
    ("quantizeToF16(x)", 0.5),
    ("pow(x, t)", 0.5),
    ("step(x, t) * x", 0.5),
    ("fma(x, t, 0.3)", 0.5),
    ("mix(x, t, 0.3)", 0.5),
    ("mix(0.25, x, t)", 0.5),
    ("smoothstep(-1.0, 2.0, x)", 0.2),
    ("smoothstep(x, t, 0.3)", 0.2),
    ("modf(x * t).fract", 0.5),
    ("modf(x * t).whole", 0.5),
    ("frexp(x * t).fract", 0.5),
    ("ldexp(x, i32(t))", 0.0),
    ("ldexp(x * t, -3)", 0.5),
    ("length(x)", 0.5),
    ("distance(x, t)", 0.5),
    ("length(vec3(x, t, 0.3))", 0.5),
    ("distance(vec2(x, t), vec2(0.1, x))", 0.5),
    ("normalize(vec2(x, t)).x", 0.4),
    ("dot(vec4(x, t, 1.0, 0.3), vec4(t, x, x, t))", 0.3),
    ("cross(vec3(x, t, 1.0), vec3(0.3, x, t)).z", 0.5),
    (
        "faceForward(vec2(x, t), vec2(1.0, 0.5), vec2(t, 0.3)).x * 0.3",
        0.5,
    ),
    ("reflect(vec2(x, t), vec2(0.6, 0.8)).y", 0.3),
    ("refract(vec2(x, t), vec2(0.6, 0.8), 0.7).x", 0.3),
    ("determinant(mat2x2(x, t, 0.3, x))", 0.5),
    (
        "determinant(mat3x3(x, t, 0.3, 2.0, x, t, 0.7, 0.3, x))",
        0.2,
    ),
    (
        "determinant(mat4x4(x, t, 0.3, 2.0, x, t, 0.7, 0.3, x, 1.0, t, 0.1, t, 0.9, x, 0.2))",
        0.1,
    ),
    (
        "(mat3x3(x, t, 0.3, 2.0, x, t, 0.7, 0.3, x) * vec3(x, t, 0.3)).y",
        0.3,
    ),
    (
        "(vec3(x, t, 0.3) * mat3x3(x, t, 0.3, 2.0, x, t, 0.7, 0.3, x)).y",
        0.3,
    ),
    ("(mat2x2(x, t, 0.3, 2.0) * mat2x2(t, x, 0.1, x))[1].x", 0.5),
    ("f32(i32(x / t))", 0.0),
    ("f32(u32(x / t))", 0.0),
    ("f32(i32(x * 1e9))", 0.3),
    ("f32(bitcast<i32>(x) / 3)", 0.5),
    ("bitcast<f32>(bitcast<u32>(x / t) ^ 0x80000001u)", 0.4),
    ("f32(bool(x * t))", 0.0),
    ("unpack4x8snorm(u32(x * 1e6)).x", 0.5),
    ("unpack4x8unorm(u32(x * 1e6)).z", 0.5),
    ("unpack2x16snorm(u32(x * 1e6)).y", 0.5),
    ("unpack2x16unorm(u32(x * 1e6)).x", 0.5),
    ("unpack2x16float(u32(x * 1e6)).x * 0.3", 0.5),
    ("f32(pack4x8snorm(vec4(x, t, 0.3, -0.9)) >> 16u)", 0.0),
    ("f32(pack4x8unorm(vec4(x, t, 0.3, 0.9)) & 255u)", 0.0),
    ("unpack2x16snorm(pack2x16snorm(vec2(x, t))).x", 0.3),
    ("unpack2x16unorm(pack2x16unorm(vec2(x, t))).y", 0.3),
    ("unpack2x16float(pack2x16float(vec2(x, t))).x", 0.5),
    ("f32(dot4I8Packed(u32(x), u32(t)))", 0.0),
    ("select(x, t, x * t > 0.3) * 0.3", 0.5),
    ("f32(x * t == 0.3 * x) + 0.1", 0.5),
];

#[test]
fn bad_gpus_stay_within_the_bounds_of_each_function() {
    let points = points(400);
    let mut idle = Vec::new();
    for (expression, least) in FUNCTIONS {
        let case = Case::expression(expression);
        let (reached, finite) = case.hold(&points, 40);
        assert!(finite > 20, "{expression}: only {finite} bounds are finite");
        if reached < *least {
            idle.push((expression, reached));
        }
    }
    // Bounds are no larger than they must be.
    assert!(
        idle.is_empty(),
        "parts of bounds that are reached: {idle:?}"
    );
}

/// Losses as users write them.
pub(super) const LOSSES: &[&str] = &[
    "fn loss(x: f32, t: f32) -> f32 { return max(x, 0.0) - x * t + log(1.0 + exp(-abs(x))); }",
    "fn loss(x: f32, t: f32) -> f32 { let d = abs(x - t); if (d < 1.5) { return 0.5 * d * d; } return 1.5 * (d - 0.75); }",
    "fn loss(x: f32, t: f32) -> f32 { return abs(x - t); }",
    "fn loss(x: f32, t: f32) -> f32 { return max(0.0, 1.0 - x * t); }",
    "fn loss(x: f32, t: f32) -> f32 { let h = max(0.0, 1.0 - x * t); return h * h; }",
    "fn loss(x: f32, t: f32) -> f32 { return log(cosh(x - t)); }",
    "fn loss(x: f32, t: f32) -> f32 { return log(1.0 + exp(x)) * t; }",
    "fn loss(x: f32, t: f32) -> f32 { let p = 1.0 / (1.0 + exp(-x)); let q = select(1.0 - p, p, t > 0.5); return -pow(1.0 - q, 2.0) * log(max(q, 1e-7)); }",
    "fn loss(x: f32, t: f32) -> f32 { let p = clamp(x, 1e-6, 1.0 - 1e-6); return -t * log(p) - (1.0 - t) * log(1.0 - p); }",
    "fn loss(x: f32, t: f32) -> f32 { let d = x - t; return sqrt(d * d + 1e-6) - 1e-3; }",
    "fn loss(x: f32, t: f32) -> f32 { var s = 0.0; var p = 1.0; for (var i = 1; i < 12; i++) { p *= (x - t) / f32(i); s += p; if (abs(p) < 1e-3) { break; } } return s; }",
    "fn loss(x: f32, t: f32) -> f32 { var y = max(abs(x), 0.1); for (var i = 0; i < 6; i++) { y = 0.5 * (y + abs(t) / y); } return y; }",
    "fn loss(x: f32, t: f32) -> f32 { let d = x - t; if (abs(d) >= 1e-3) { return log(1.0 + d * d); } return d * d; }",
    "fn loss(x: f32, t: f32) -> f32 { return exp(x) - t * x + select(0.0, t * log(t) - t + 0.5 * log(6.2831855 * t), t > 1.0); }",
    "fn loss(x: f32, t: f32) -> f32 { let d = t - x; return max(0.9 * d, -0.1 * d); }",
    "fn loss(x: f32, t: f32) -> f32 { let d = abs(x - t); return select(d - 0.5, 0.5 * d * d, d < 1.0); }",
    "struct R { v: f32, w: vec2<f32> } fn r(x: f32, t: f32) -> R { return R(x * t, vec2(exp(x), t / 3.0)); } fn loss(x: f32, t: f32) -> f32 { let a = r(x, t); let b = r(t, x); return a.v + dot(a.w, b.w); }",
    "fn loss(x: f32, t: f32) -> f32 { return tanh(x) * t + sinh(t) / cosh(t); }",
    "fn loss(x: f32, t: f32) -> f32 { return 0.5 * x * (1.0 + tanh(0.7978846 * (x + 0.044715 * x * x * x))) - t; }",
];

#[test]
fn bad_gpus_stay_within_the_bounds_of_losses_and_their_derivatives() {
    let all = points(150);
    for text in LOSSES {
        for case in [Case::of(text), Case::derived(text)] {
            let (reached, finite) = case.hold(&all, 40);
            assert!(
                finite > 50,
                "{}: only {finite} bounds are finite",
                case.text
            );
            // Ranges do not know that a number is the same in two places.
            assert!(
                reached > 0.05,
                "{}: {reached} of a bound at most",
                case.text
            );
        }
    }
    // Everything that derivatives are tested with.
    let some = &all[..50];
    let whole = |e: &&str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
    let expressions = derived::EXPRESSIONS.iter().map(whole);
    let functions = derived::FUNCTIONS.iter().map(|f| f.to_string());
    for text in expressions.chain(functions) {
        let (_, finite) = Case::derived(&text).hold(some, 15);
        assert!(finite > 5, "{text}: only {finite} bounds are finite");
    }
}

/// What of all the bounds for common numbers is finite, and how large they are in roundings of the largest number on the way.
#[test]
fn bounds_of_well_conditioned_expressions_are_small() {
    let draw = Gpu::new(3);
    for (text, size, roundings) in [
        // One rounding each of the product and the sum.
        (
            "x * t + x",
            (|x: f64, t: f64| x * t + 2.0 * x) as fn(f64, f64) -> f64,
            3.0,
        ),
        // 2.5 ulp.
        ("x / t", |x, t| x / t, 5.1),
        // One of the products, one of the sum, and one of another order.
        ("dot(vec2(x, t), vec2(t, x))", |x, t| 2.0 * x * t, 3.1),
        // 3 + 2·3 ulp at most, and twice the error of the difference, of at most 3.
        ("exp(x - t)", |x, t| (x - t).exp(), 21.0 + 3.0),
        // 4.5 ulp, and half the errors of the sum below.
        (
            "sqrt(x * x + t * t)",
            |x, t| (x * x + t * t).sqrt(),
            9.0 + 1.6,
        ),
        // The exponential is at most 1 and off by 3 + 2·4 ulp, the logarithm by 2^-21, products, sums and their order by the rest.
        (
            "max(x, 0.0) - x * t + log(1.0 + exp(-abs(x)))",
            |x, t| x * t + x + 1.0,
            22.0 + 8.0 + 6.0,
        ),
    ] {
        let case = Case::expression(text);
        for _ in 0..2000 {
            let [x, t] = [draw.unit(), draw.unit()].map(|v| f64::from((1.0 + 3.0 * v) as f32));
            let found = case.one(&[x, t]);
            let most = roundings * U * size(x, t);
            assert!(
                found.bound <= most,
                "{text} at {x}, {t}: {found:?}, {most:e}"
            );
            assert!(found.bound > 0.0);
        }
    }
}

/// What f32 computes without an error has a bound of 0.
#[test]
fn exact_results_have_no_bounds() {
    for (text, x, t) in [
        ("x - t", 0.1, 0.1),
        ("x - t", 1.0, 0.25),
        ("x + t", 1e-40, 0.0),
        ("abs(x - t)", 3.0, 3.0),
        ("sign(x - t)", 0.1, 0.1),
        ("sign(x - t)", 0.1, 0.2),
        ("x * t", 0.3, 4.0),
        ("x * t", 0.0, 0.7),
        ("-x", 0.3, 0.0),
        ("min(x, t)", 0.3, 0.7),
        ("select(x, t, x < t)", 0.3, 0.7),
        ("x * x - 0.25", 0.5, 0.0),
        ("floor(x * t)", 0.3, 2.9),
        ("f32(i32(x))", -2.5, 0.0),
        ("max(1.0 - x * t, 0.0)", 3.0, 0.5),
        ("bitcast<f32>(bitcast<u32>(x))", 0.3, 0.0),
        ("modf(x).fract + modf(x).whole", 2.75, 0.0),
        ("frexp(x).fract", 2.75, 0.0),
        ("ldexp(x, 4)", 0.3, 0.0),
        ("max(log(x), -80.0)", 0.0, 0.0),
        ("exp(x)", f64::NEG_INFINITY, 0.0),
        ("min(exp(x), 1.0)", 200.0, 0.0),
        ("select(x / t, 7.0, t == 0.0)", 1.0, 0.0),
        ("f32(x < t)", 0.1, 0.2),
        ("x + t", f64::INFINITY, 1.0),
    ] {
        let [x, t] = [x, t].map(|v| f64::from(v as f32));
        let found = Case::expression(text).one(&[x, t]);
        let subnormal = x != 0.0 && x.abs() < TINY;
        let most = if subnormal { TINY } else { 0.0 };
        assert!(found.bound <= most, "{text} at {x}, {t}: {found:?}");
    }
}

/// lavapipe makes t + (t + 1.75) of (t + t) + 1.75, which rounds twice where this is exact.
#[test]
fn three_numbers_are_added_in_any_order() {
    let t = f64::from(0.857_37_f32);
    let found = Case::expression("(t + t) + 1.75").one(&[0.0, t]);
    assert_eq!(found.value, 2.0 * t + 1.75);
    let f32 = |v: f64| f64::from(v as f32);
    let other = f32(t + f32(t + 1.75));
    assert!(other != found.value);
    assert!((other - found.value).abs() <= found.bound, "{found:?}");
}

/// A bound on a jump is a little more than the jump.
fn close(bound: f64, jump: f64) -> bool {
    bound >= jump && bound <= jump * (1.0 + 1e-5)
}

#[test]
fn open_comparisons_go_both_ways() {
    // The quotient is off by 2.5 ulp, so that either side of the threshold may be meant.
    let case = Case::expression("select(-1.0, 1.0, x / t > 0.3)");
    let x = f64::from(0.9f32);
    assert!(close(case.one(&[x, 3.0]).bound, 2.0));
    assert_eq!(case.one(&[x, f64::from(3.000_01f32)]).bound, 0.0);
    // A jump between branches.
    let text = "fn loss(x: f32, t: f32) -> f32 { let d = abs(x / t); if (d < 1.0) { return 0.5 * d * d; } return 10.0 * d; }";
    let found = Case::of(text).one(&[x, x]);
    assert!((found.bound - 9.5).abs() < 1e-5, "{found:?}");
    // A Huber loss has none: at its threshold the branches meet.
    let huber = Case::of(LOSSES[1]);
    let found = huber.one(&[f64::from(1.6f32), f64::from(0.1f32)]);
    assert!(found.bound < 20.0 * U, "{found:?}");
    // A step on an open number is one of two.
    let found = Case::expression("floor(x / t) * 3.0").one(&[x, x]);
    assert!(close(found.bound, 3.0), "{found:?}");
    let found = Case::expression("f32(i32(x / t) * i32(x / t))").one(&[x, x]);
    assert!(close(found.bound, 1.0), "{found:?}");
    // A subnormal may be 0, or not.
    let found = Case::expression("f32(x > t)").one(&[1e-40, 0.0]);
    assert!(close(found.bound, 1.0), "{found:?}");
}

#[test]
fn too_many_ways_have_no_bound() {
    let ways = |count: u32| {
        let text = format!(
            "fn loss(x: f32, t: f32) -> f32 {{ var n = 0.0; for (var i = 0; i < {count}; i++) {{ if (x / t > 0.3) {{ n += 1.0; }} }} return n; }}"
        );
        Case::of(&text).one(&[f64::from(0.9f32), 3.0]).bound
    };
    assert!(close(ways(1), 1.0));
    assert!(close(ways(6), 6.0));
    assert_eq!(ways(7), f64::INFINITY);
    assert_eq!(ways(1000), f64::INFINITY);
    // A way that does not end has no bound either, though that of f64 does.
    let text = "fn loss(x: f32, t: f32) -> f32 { var y = x / t - 0.3; if (y != 0.0) { loop { y += 1.0; if (y < 0.0) { break; } } } return y; }";
    let found = Case::of(text).one(&[0.6, 2.0].map(|v| f64::from(v as f32)));
    assert_eq!((found.value, found.bound), (0.0, f64::INFINITY));
}

#[test]
fn overflow_and_what_is_undefined_have_no_bounds() {
    for (text, x, t) in [
        ("exp(x)", 89.0, 0.0),
        ("x * t", 2e38, 2.0),
        ("x + t", 3e38, 3e38),
        ("exp(x) - exp(t)", 89.0, 89.0),
        ("x - t", f64::INFINITY, f64::INFINITY),
        ("x * t", f64::INFINITY, 0.0),
        ("x", f64::NAN, 0.0),
        ("clamp(x, 0.0, 1.0)", f64::NAN, 0.0),
        ("min(x - t, 1.0)", f64::INFINITY, f64::INFINITY),
        ("x / t", 0.0, 0.0),
        ("x / t", 1.0, 0.0),
        ("x / t", 1.0, 1e-40),
        ("log(x)", -1.0, 0.0),
        ("log(x / t - 1.0)", 0.3, 0.3),
        ("sqrt(x / t - 1.0)", 0.3, 0.3),
        ("sin(x)", 4.0, 0.0),
        ("pow(x, t)", -2.0, 2.0),
        ("pow(x, t)", 0.0, 0.0),
        ("pow(x, t)", 0.0, -1.0),
        ("log(x)", 0.0, 0.0),
        ("acos(x)", 1.5, 0.0),
        ("atan2(x, t)", 0.0, 0.0),
        ("normalize(vec2(x, t)).x", 0.0, 0.0),
        ("0.0 * log(x)", 0.0, 0.0),
        ("f32(i32(x - t))", f64::INFINITY, f64::INFINITY),
        ("ldexp(x, 130)", 1e-10, 0.0),
    ] {
        let [x, t] = [x, t].map(|v| f64::from(v as f32));
        let found = Case::expression(text).one(&[x, t]);
        assert_eq!(found.bound, f64::INFINITY, "{text} at {x}, {t}: {found:?}");
    }
    // And back from it.
    let sigmoid = Case::expression("1.0 / (1.0 + exp(-x))").one(&[-100.0, 0.0]);
    assert!(sigmoid.bound <= 2.0 * TINY, "{sigmoid:?}");
    let underflow = Case::expression("exp(x)").one(&[-95.0, 0.0]);
    assert!(
        underflow.bound <= TINY && underflow.bound >= underflow.value,
        "{underflow:?}"
    );
}

/// Structures and vectors come part by part, whole numbers and bools not at all.
#[test]
fn every_float_of_a_result_has_its_bound() {
    let text = "struct R { a: f32, n: i32, v: vec2<f32>, b: array<f32, 2> } fn all(x: f32) -> R { return R(x, 3, vec2(x * 0.3, 2.0), array(x / 3.0, x)); } fn loss(x: f32) -> f32 { return all(x).a; }";
    let mut case = Case::of(text);
    let all = case.parsed.module.functions.iter();
    let all = all.filter(|f| f.1.name.as_deref() == Some("all"));
    case.function = all.map(|f| f.0).next().expect("the function");
    let found = case.bounded(&[1.0]);
    let values: Vec<_> = found.iter().map(|b| b.value).collect();
    assert_eq!(values, [1.0, f64::from(0.3f32), 2.0, 1.0 / 3.0, 1.0]);
    let exact: Vec<_> = found.iter().map(|b| b.bound == 0.0).collect();
    assert_eq!(exact, [true, true, true, false, true]);
    // Options and arguments reach a GPU as f32.
    let case = Case::of("override k: f32 = 1.0; fn loss(x: f32) -> f32 { return x * k; }");
    let machine = Machine::new(&case.parsed, &[0.1]).expect("a machine");
    let found = machine.bounded(case.function, &[1.0]).expect("bounds")[0];
    assert_eq!(found.value, 0.1);
    assert!(found.bound >= (f64::from(0.1f32) - 0.1).abs(), "{found:?}");
    assert!(machine.bounded(case.function, &[]).is_err());
}
