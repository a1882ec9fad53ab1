//! The library's own elementwise losses as if users had written them: the gradient is derived from the forward code and held against
//! the f64 reference within the bound that the loss states, beside the gradient that is written by hand. What comes of it is recorded in
//! `tests/data/derived_gradients.txt`; `WGLOSS_RECORD=1` records anew what this device has to say.
//!
//! Most losses look at the bits of their input, to be right where a device flushes a subnormal or takes all numbers for finite. Bits have no
//! derivative: of such a loss the place is recorded, and a form of it is derived that has plain arithmetic in the place of bits.

use super::derive::derive;
use super::emit::{checked, text};
use super::interpret::{Machine, Value};
use super::parse::{Parsed, SourceError};
use crate::bounds::{U, slack};
use crate::gpu::{Gpu, instructions};
use crate::loss::{self, Element, Elementwise, Family, Info, Loss, Math, OptionValue};
use crate::tensor::DType;
use crate::verify::{Random, corners};
use naga::Handle;
use naga::compact::KeepUnused;
use std::collections::BTreeMap;

mod kernel;
mod plain;
mod prune;

const RECORD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/derived_gradients.txt"
);
const NUMERICS: &str = include_str!("../../shaders/common/numerics.wgsl");
const PIECES: &str = include_str!("../../shaders/common/pieces.wgsl");

/// Columns of an option that is a list.
const COLS: usize = 5;
/// Ordinary numbers for each corner of the options.
const ORDINARY: usize = 400;
/// Points that the interpreter takes, besides those where the GPU is off.
const INTERPRETED: usize = 1500;

fn elementwise() -> Vec<&'static Info> {
    let all = loss::all().iter().copied();
    all.filter(|i| i.family == Family::Elementwise).collect()
}

/// The names of the values that a loss is a function of.
fn parameters(info: &'static Info) -> Vec<&'static str> {
    let target = (info.domain.len() > info.inputs.len()).then_some("t");
    info.inputs.iter().copied().chain(target).collect()
}

/// The forward code of a loss's file: `term` as `loss`, which takes numbers, because of a struct everything changes where one member does,
/// and gives the loss alone. Every place in it stays where it was.
fn forward(info: &'static Info) -> String {
    const HEAD: &str = "fn term(e: Elem) -> Term {";
    let text = info.wgsl.replace("params.opt_", "       opt_");
    let start = text.find(HEAD).expect("a function `term`");
    let end = start + text[start..].find("\n}\n").expect("its end");
    let mut body = text[start + HEAD.len()..end].to_string();
    let names = parameters(info);
    for name in &names {
        body = renamed(&body, &format!("e.{name}"), &format!("e_{name}"));
    }
    if let Some(option) = column(info) {
        body = renamed(&body, "e.c", &format!("opt_{option}"));
    }
    let typed: Vec<_> = names.iter().map(|x| format!("e_{x}: f32")).collect();
    let head = format!("fn loss({}) -> f32 {{", typed.join(", "));
    let mut text = [&text[..start], &head, &body, &text[end..]].concat();
    const MARK: &str = "return Term(";
    while let Some(at) = text.find(MARK) {
        let start = at + MARK.len();
        let mut depth = 0;
        let end = text[start..].find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        });
        let end = start + end.expect("a loss and a gradient");
        let line = end + text[end..].find('\n').expect("the end of a line");
        let value = format!("return      {};", &text[start..end]);
        text.replace_range(at..line, &value);
    }
    text
}

/// A text with a name in the place of another, where that is not a part of a longer one.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let longer = before.ends_with(is_word) || after.starts_with(is_word);
        out += before;
        out += if longer { from } else { to };
        rest = after;
    }
    out + rest
}

/// A loss's file as a user would write it, and the texts that it needs.
fn source(info: &'static Info, plainly: bool) -> String {
    let mut all = [forward(info), PIECES.to_string(), NUMERICS.to_string()];
    if plainly {
        all = all.map(|part| plain::plain(&part));
    }
    // Whether this is 0 no compiler knows.
    let mut text = all.concat().replace("mine.n", "mine_n") + "override mine_n: u32 = 0;\n";
    for (option, value) in info.options.iter().zip(info.make().options()) {
        text += &match value {
            OptionValue::Number(v) => format!("override opt_{}: f32 = {v:?};\n", option.name),
            OptionValue::Flag(v) => {
                format!("override opt_{}: u32 = {};\n", option.name, u32::from(v))
            }
            _ => panic!("an option of {}", info.name),
        };
    }
    // For the functions beside `term`, which nobody calls.
    let fields = info.inputs.iter().map(|x| format!("{x}: f32, "));
    let fields: String = fields.collect();
    text += &format!("struct Elem {{ {fields}t: f32, c: f32, w: f32, col: u32 }}\n");
    if plainly {
        text += plain::HELPERS;
    }
    text
}

/// The option that is the weight of a column.
fn column(info: &'static Info) -> Option<&'static str> {
    use crate::loss::OptionKind::NumberOrColumns;
    let mut options = info.options.iter();
    options.find(|o| o.kind == NumberOrColumns).map(|o| o.name)
}

/// Where an error is, by file.
fn place(info: &'static Info, e: &SourceError) -> String {
    let lines = |text: &str| text.matches('\n').count() as u32;
    let mut line = e.line;
    for (file, text) in [
        (format!("loss/{}.wgsl", info.name), info.wgsl),
        ("common/pieces.wgsl".into(), PIECES),
        ("common/numerics.wgsl".into(), NUMERICS),
    ] {
        if line <= lines(text) {
            return format!("{file}:{line}:{}", e.column);
        }
        line -= lines(text);
    }
    format!("the function `loss`: {e}")
}

/// The derivative of a loss, for the interpreter and for the GPU.
struct Derived {
    parsed: Parsed,
    function: Handle<naga::Function>,
    /// Its text beside the loss's own: `loss_change`, other names begin with `own_`, and options are read from `mine`.
    text: String,
}

fn derived(info: &'static Info, plainly: bool) -> Result<Derived, SourceError> {
    let mut parsed = Parsed::new(&source(info, plainly))
        .unwrap_or_else(|e| panic!("{}: {e}\n{}", info.name, e.excerpt));
    prune::prune(&mut parsed.module, KeepUnused::Yes);
    let by: Vec<_> = (0..parsed.parameters.len())
        .map(|k| k < info.inputs.len())
        .collect();
    let fails = |e: super::derive::Undefined| parsed.error(e.span, e.what);
    let valid = checked(&parsed.module).expect("a module");
    let made = derive(&parsed.module, &valid, parsed.loss, &by).map_err(fails)?;
    let name = |k: usize| {
        let mut all = parsed.settings.iter();
        let found = all.find(|s| s.handle.index() == k);
        match found.map(|s| s.name.as_str()) {
            Some("mine_n") => "mine.n".to_string(),
            Some(name) => format!("mine.{name}"),
            None => panic!("no option {k}"),
        }
    };
    let text = text(&made.module, "own_", name).expect("a text");
    parsed.module = made.module;
    Ok(Derived {
        function: made.function,
        text,
        parsed,
    })
}

/// A loss at a corner of its options, at one place.
struct Point {
    corner: usize,
    column: usize,
    x: [f32; 2],
    t: f32,
}

struct Points {
    info: &'static Info,
    corners: Vec<Box<dyn Loss>>,
    all: Vec<Point>,
}

impl Points {
    /// The extremes of every input against those of the target, and ordinary numbers, at each corner of the options.
    fn new(info: &'static Info) -> Points {
        let inputs = info.inputs.len();
        let mut grid: Vec<Vec<f32>> = vec![Vec::new()];
        for support in info.domain {
            let extremes = support.extremes(crate::tensor::DType::F32);
            let longer = |c: &Vec<f32>| -> Vec<Vec<f32>> {
                extremes.iter().map(|v| [c, &[*v][..]].concat()).collect()
            };
            grid = grid.iter().flat_map(longer).collect();
        }
        let mut points = Points {
            info,
            corners: corners(info, COLS),
            all: Vec::new(),
        };
        let mut random = Random::new(info.name.len() as u64);
        for corner in 0..points.corners.len() {
            let mut all = grid.clone();
            // As for `verify`: a subnormal may be taken for 0, and 0 times an infinity is none.
            all.retain(|c| {
                let subnormal = |v: &f32| *v != 0.0 && v.abs() < f32::MIN_POSITIVE;
                let open = !c.iter().any(subnormal);
                open || !(c.iter().any(|v| v.is_infinite())
                    || points.diverges(&point(corner, 0, c, inputs)))
            });
            for _ in 0..ORDINARY {
                let mut c: Vec<_> = info.domain.iter().map(|s| random.number(*s)).collect();
                // Now and then the target is the input.
                if random.below(16) == 0 && info.domain.get(inputs) == info.domain.first() {
                    c[inputs] = c[0];
                }
                all.push(c);
            }
            let columns = points.corners[corner].options();
            let list = |o: &OptionValue| matches!(o, OptionValue::Columns(_));
            let columns = if columns.iter().any(list) { COLS } else { 1 };
            for column in 0..columns {
                let of = all.iter().map(|c| point(corner, column, c, inputs));
                points.all.extend(of);
            }
        }
        points
    }

    fn math(&self, corner: usize) -> &dyn Elementwise {
        match self.corners[corner].math() {
            Math::Elementwise(math) => math,
            Math::Rows(_) => panic!("rows"),
        }
    }

    fn diverges(&self, p: &Point) -> bool {
        let math = self.math(p.corner);
        !math.term(&p.element()).loss.is_finite()
    }

    /// The options at a point, in order.
    fn options(&self, p: &Point) -> Vec<OptionValue> {
        let one = |v| match v {
            OptionValue::Columns(all) => OptionValue::Number(all[p.column]),
            other => other,
        };
        let all = self.corners[p.corner].options();
        all.into_iter().map(one).collect()
    }

    /// The gradients of the reference, and how far one may be from them.
    fn expected(&self, p: &Point) -> Vec<(f64, f64)> {
        let (math, e) = (self.math(p.corner), p.element());
        let (mut want, bound) = (math.term(&e), math.bound(&e));
        if p.nan() && math.nan_grad(&e) {
            want.grad = [f64::NAN; 3];
        }
        let one = |k: usize| {
            let (want, bound) = (want.grad[k], bound.grad[k]);
            // As the reference takes the bounds of losses.
            let bound = match bound.is_nan() && want.is_finite() {
                true => 64.0 * U * want.abs(),
                false => bound,
            };
            let over = want.abs() + bound >= DType::F32.overflow();
            (want, if over { f64::INFINITY } else { slack(bound) })
        };
        (0..self.info.inputs.len()).map(one).collect()
    }

    /// Whether the reference's gradient steps here: between two places that are closer to each other it changes as much.
    fn kink(&self, p: &Point, k: usize) -> bool {
        let math = self.math(p.corner);
        let values = [p.element().x[0], p.element().x[1], p.element().t];
        let gradient = |i: usize, by: f64| {
            let mut at = values;
            at[i] += by * values[i].abs().max(1e-6);
            let e = Element {
                x: [at[0], at[1], 0.0],
                t: at[2],
                column: p.column,
            };
            math.term(&e).grad[k]
        };
        let step = |by: f64| {
            let sides = (0..3).flat_map(|i| [gradient(i, by), gradient(i, -by)]);
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            for v in sides {
                (least, most) = (least.min(v), most.max(v));
            }
            (most - least, most.abs().max(least.abs()))
        };
        let (far, size) = step(1e-6);
        far > 1e-3 * size && step(1e-8).0 > 0.5 * far
    }

    /// What a point is called.
    fn name(&self, p: &Point) -> String {
        let mut out: Vec<String> = Vec::new();
        let values = [&p.x[..self.info.inputs.len()], &[p.t]].concat();
        for (name, v) in parameters(self.info).into_iter().zip(values) {
            out.push(format!("{name}={v:?}"));
        }
        for (option, v) in self.info.options.iter().zip(self.options(p)) {
            out.push(format!("{}={v}", option.name));
        }
        out.join(" ")
    }
}

fn point(corner: usize, column: usize, c: &[f32], inputs: usize) -> Point {
    let at = |k: usize| c.get(k).copied().unwrap_or(0.0);
    Point {
        corner,
        column,
        x: [at(0), if inputs > 1 { at(1) } else { 0.0 }],
        t: at(inputs),
    }
}

impl Point {
    fn element(&self) -> Element {
        Element {
            x: [f64::from(self.x[0]), f64::from(self.x[1]), 0.0],
            t: f64::from(self.t),
            column: self.column,
        }
    }

    fn all(&self) -> [f32; 3] {
        [self.x[0], self.x[1], self.t]
    }

    fn nan(&self) -> bool {
        self.all().iter().any(|v| v.is_nan())
    }
}

/// As `verify` compares gradients: one that is not finite must not be finite.
fn right(got: f64, (want, bound): (f64, f64)) -> bool {
    if !want.is_finite() {
        return !got.is_finite();
    }
    if got.is_infinite() && want.abs() + bound >= DType::F32.overflow() {
        return got.signum() == want.signum();
    }
    (got - want).abs() <= bound
}

/// How a derivative fared.
#[derive(Default)]
struct Tally {
    points: usize,
    /// How many are off for a reason, and the one that is off most: by how much, and where.
    off: BTreeMap<&'static str, (usize, f64, String)>,
}

impl Tally {
    fn take(&mut self, got: f64, want: (f64, f64), why: impl FnOnce() -> (&'static str, String)) {
        self.points += 1;
        if right(got, want) {
            return;
        }
        let (reason, at) = why();
        let error = match (got - want.0).abs() {
            e if e.is_finite() => e / want.1,
            _ => f64::INFINITY,
        };
        let (count, worst, place) = self.off.entry(reason).or_default();
        *count += 1;
        if *count == 1 || error > *worst {
            *worst = error;
            let size = match error.is_finite() {
                true => format!(", {error:.1e} bounds"),
                false => String::new(),
            };
            *place = format!("{at}: {got:e} for {:e}{size}", want.0);
        }
    }

    /// A line for all, and one for each reason.
    fn lines(&self, key: &str, lines: &mut BTreeMap<String, String>) {
        let off: usize = self.off.values().map(|v| v.0).sum();
        let all = match off {
            0 => format!("{}, all within", self.points),
            _ => format!("{}, off {off}", self.points),
        };
        lines.insert(key.to_string(), all);
        for (reason, (count, _, place)) in &self.off {
            lines.insert(
                format!("{key} {reason}"),
                format!("{count}, most at {place}"),
            );
        }
    }
}

/// Losses of which the derived gradient is another function than the written one, in places, and why.
const FORMULAS: [(&str, &str); 5] = [
    (
        "bce",
        "written as (x - t) / max(x(1 - x), 1e-12), also where a logarithm is clamped at -100 and has the slope 0",
    ),
    (
        "bce_with_logits",
        "at x = 0 the forward code takes a side by `x < 0`, whose slope is not the middle that `abs` has",
    ),
    (
        "binary_focal",
        "written 0 where it is 0 times the infinite slope of a logarithm, at x = 0 and 1 without a clip",
    ),
    (
        "binary_focal_with_logits",
        "at x = 0 the forward code takes a side by `x < 0`, whose slope is not the middle that `abs` has",
    ),
    (
        "gaussian_nll",
        "written to pass the clamp of the variance at eps, as PyTorch's does; the clamp has the slope 0",
    ),
];

/// Whether numbers are the same but for roundings and polynomials.
fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-4 * b.abs().max(1e-4)
}

/// Why a derivative is off: what it is in f64 says whether that is the formula or the arithmetic, if it comes to the same here. Where
/// the formula is nearly right, the forward code has a polynomial for a function, whose derivative is not as close.
fn reason(
    points: &Points,
    p: &Point,
    k: usize,
    want: (f64, f64),
    [got, fine]: [f64; 2],
) -> &'static str {
    let subnormal = |v: &f32| *v != 0.0 && v.abs() < f32::MIN_POSITIVE;
    let as_in_f64 = !right(fine, want) && near(got, fine);
    if p.all().iter().any(|v| !v.is_finite()) {
        "input not finite"
    } else if as_in_f64 && points.kink(p, k) {
        "kink"
    } else if as_in_f64 && near(fine, want.0) {
        "approximation"
    } else if as_in_f64 {
        "formula"
    } else if p.all().iter().any(subnormal) {
        "subnormal input"
    } else if p.all().iter().any(|v| v.abs() >= 1e18) {
        "large input"
    } else if !got.is_finite() {
        "not finite"
    } else {
        "rounding"
    }
}

/// The lines of a loss: those that are the same everywhere, and those of the device.
fn compare(gpu: Option<(&Gpu, &str)>, info: &'static Info, lines: &mut BTreeMap<String, String>) {
    let name = info.name;
    let (own, form) = match derived(info, false) {
        Ok(own) => (own, "as it stands".to_string()),
        Err(e) => {
            let place = place(info, &e);
            let form = format!("{place}: {}: {}", e.message, e.excerpt.trim());
            let own = derived(info, true).unwrap_or_else(|e| {
                panic!("{name}, plainly: {e}\n{}", e.excerpt);
            });
            (own, form)
        }
    };
    let count = |written, plainly, own| {
        let kernel = |written, own| instructions(&kernel::counted(info, written, plainly, own));
        kernel(written, own) - kernel(false, None)
    };
    let mut costs = format!("{} written, ", count(true, false, None));
    if form != "as it stands" {
        costs += &format!("{} written in plain arithmetic, ", count(true, true, None));
    }
    costs += &format!("{} derived", count(false, false, Some(&own)));
    lines.insert(format!("{name} instructions"), costs);
    lines.insert(format!("{name} form"), form);
    let points = Points::new(info);
    let inputs = info.inputs.len();
    let found = gpu.map(|(gpu, _)| kernel::run(gpu, &points, &own));
    let mut fine: Vec<Tally> = (0..inputs).map(|_| Tally::default()).collect();
    let mut device: Vec<Tally> = (0..inputs).map(|_| Tally::default()).collect();
    let mut machine: Option<(usize, usize, Machine<'_>)> = None;
    let every = points.all.len().div_ceil(INTERPRETED);
    for (i, p) in points.all.iter().enumerate() {
        let want = points.expected(p);
        let here = found.as_ref().map(|found| &found[i]);
        let off = |k: usize| here.is_some_and(|f| !right(f64::from(f.derived[k]), want[k]));
        let looked = i % every == 0;
        if let Some(found) = here {
            for (k, want) in want.iter().enumerate() {
                let got = f64::from(found.written[k]);
                let at = points.name(p);
                assert!(right(got, *want), "{name} at {at}: {got:e} for {want:?}");
            }
        }
        let mut values = vec![f64::NAN; inputs];
        if looked || (0..inputs).any(off) {
            let same = |m: &(usize, usize, Machine<'_>)| (m.0, m.1) == (p.corner, p.column);
            if !machine.as_ref().is_some_and(same) {
                let number = |v| match v {
                    OptionValue::Number(v) => f64::from(v),
                    OptionValue::Flag(v) => f64::from(u8::from(v)),
                    other => panic!("{other:?}"),
                };
                let options = points.options(p).into_iter().map(number);
                // Overrides stand in the text in this order.
                let options: Vec<_> = std::iter::once(0.0).chain(options).collect();
                let made = Machine::new(&own.parsed, &options).expect("a machine");
                machine = Some((p.corner, p.column, made));
            }
            let given = own.parsed.parameters.len();
            let x = [&p.x[..inputs], &[p.t]].concat();
            let x = x.iter().take(given).map(|v| Value::F32(f64::from(*v)));
            let x: Vec<_> = x.collect();
            if let Some((_, _, machine)) = &machine {
                let out = machine.call(own.function, &x).expect("a derivative");
                let Value::Parts(parts) = out else {
                    panic!("no parts");
                };
                for (v, part) in values.iter_mut().zip(&parts[1..]) {
                    *v = match part {
                        Value::F32(v) => *v,
                        other => panic!("{other:?}"),
                    };
                }
            }
            // What the skeleton does of a NaN.
            let math = points.math(p.corner);
            if p.nan() && math.nan_grad(&p.element()) {
                values.fill(f64::NAN);
            }
        }
        for k in 0..inputs {
            let why = |got| {
                let both = [got, values[k]];
                (reason(&points, p, k, want[k], both), points.name(p))
            };
            if looked {
                fine[k].take(values[k], want[k], || why(values[k]));
            }
            if let Some(found) = here {
                let got = f64::from(found.derived[k]);
                device[k].take(got, want[k], || why(got));
            }
        }
    }
    let design = FORMULAS.iter().find(|(of, _)| *of == name);
    let formula = |all: &[Tally]| all.iter().any(|t| t.off.contains_key("formula"));
    assert_eq!(formula(&fine), design.is_some(), "{name}: a reason");
    assert!(design.is_some() || !formula(&device), "{name}: a reason");
    if let Some((_, why)) = design {
        lines.insert(format!("{name} formula"), why.to_string());
    }
    for (k, x) in info.inputs.iter().enumerate() {
        fine[k].lines(&format!("{name} {x} f64"), lines);
        if let Some((_, device_name)) = gpu {
            device[k].lines(&format!("{name} {x} {device_name}"), lines);
        }
    }
}

fn read() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(RECORD).unwrap_or_default();
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    let split = |l: &str| {
        let (key, value) = l.split_once(": ")?;
        Some((key.to_string(), value.to_string()))
    };
    lines.filter_map(split).collect()
}

/// The drivers that have lines of their own in the record.
const DEVICES: [(&str, &str); 2] = [("llvmpipe", "lavapipe"), ("SwiftShader", "swiftshader")];

#[test]
fn derived_gradients_are_as_recorded() {
    let gpu = crate::device::gpu();
    let known = gpu.as_ref().map(|gpu| {
        let info = gpu.adapter_info();
        let known = DEVICES.iter().find(|(name, _)| info.name.contains(name));
        let driver = format!("{}, {}", info.name, info.driver_info);
        (known.map_or("other", |k| k.1), driver)
    });
    let mut found = BTreeMap::new();
    if let Some((device, driver)) = &known {
        found.insert(format!("device {device}"), driver.clone());
    }
    for info in elementwise() {
        let device = gpu.as_ref().zip(known.as_ref().map(|k| k.0));
        compare(device, info, &mut found);
    }
    let device = known.as_ref().map_or("none", |(device, _)| *device);
    let others = DEVICES.iter().map(|d| d.1).filter(|d| *d != device);
    let others: Vec<_> = others.collect();
    // Lines of other devices are left as they are.
    let of = |key: &str, devices: &[&str]| {
        let words: Vec<_> = key.split(' ').collect();
        let at = if words[0] == "device" { 1 } else { 2 };
        words.get(at).is_some_and(|d| devices.contains(d))
    };
    if std::env::var("WGLOSS_RECORD").is_ok_and(|v| v == "1") {
        let mut all = read();
        all.retain(|key, _| of(key, &others));
        all.extend(found.clone());
        let mut text = String::from(
            "# Elementwise losses with gradients that are derived from their forward code (src/custom/builtin.rs).\n\
             # form: whether that can be differentiated as it stands, or the first place that cannot; then plain arithmetic stands for bits.\n\
             # instructions: of SPIR-V, for loss and gradient.\n\
             # By input, in f64 and on devices: points, and how many are off, by reason, with the one that is off most.\n\
             # kink, formula, approximation: the derivative is another one, in f64 and as much here. A formula is by design, and says why;\n\
             # an approximation is the slope of a polynomial in the place of a function.\n\
             # The rest is arithmetic of f32: inputs that are not finite, subnormals, which a device may take for 0, squares of large numbers,\n\
             # roundings, and what is not finite on its way (log 0, 0 times infinity).\n",
        );
        for (key, value) in &all {
            text += &format!("{key}: {value}\n");
        }
        std::fs::write(RECORD, text).expect("the record is written");
    }
    let recorded = read();
    let key = format!("device {device}");
    let unknown = !recorded.contains_key(&key);
    // Another version of a driver may round otherwise.
    let same = recorded.get(&key) == found.get(&key);
    let mut wrong = Vec::new();
    for (key, line) in &found {
        let known = recorded.get(key);
        let fits = match of(key, &[device]) {
            false => known == Some(line),
            true if same => known == Some(line),
            // What was accurate everywhere still is; of a driver that nobody recorded nothing is said.
            true => unknown || known.is_none_or(|k| !k.ends_with("all within") || k == line),
        };
        if !fits {
            wrong.push(format!("{key}: {line}\n  recorded: {known:?}"));
        }
    }
    // Nothing is left of what is gone.
    for (key, line) in &recorded {
        let gone = !found.contains_key(key) && !of(key, &others);
        if gone && (same || !of(key, &[device])) {
            wrong.push(format!("{key}: not found\n  recorded: {line}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "not as recorded (WGLOSS_RECORD=1 records anew):\n{}",
        wrong.join("\n")
    );
}

/// All that is said to stand for bits does.
#[test]
fn plain_arithmetic_stands_for_bits() {
    let losses = elementwise().into_iter().map(|i| i.wgsl);
    let all: String = losses.chain([PIECES, NUMERICS]).collect();
    for function in plain::FUNCTIONS {
        let head = &function[..=function.find('(').expect("parameters")];
        assert!(all.contains(&format!("\n{head}")), "{head}");
        assert!(plain::plain(&all).contains(function), "{function}");
    }
}
