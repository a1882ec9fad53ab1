//! Losses that a user wrote: evaluated, checked, drawn and measured by the program, and refused with their place in the file.

use std::f32::consts::LN_2;
use std::path::Path;

use serde_json::Value;
use wgloss::cli::files::Data;

use super::bench::{Bench, Ran, close, f32s};

/// A loss that comes with the crate.
fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("examples/losses").join(format!("{name}.wgsl"));
    path.display().to_string()
}

const EXAMPLES: [&str; 5] = [
    "barron",
    "confident_mse",
    "cool_cross_entropy",
    "label_focal",
    "pinball",
];

/// A number of an option, or a constant of a file: they are f32.
fn option(v: f32) -> f64 {
    f64::from(v)
}

/// Barron's loss of shape 1.
fn barron(x: f64, t: f64) -> f64 {
    ((x - t).powi(2) + 1.0).sqrt() - 1.0
}

fn confident_mse(x: f64, t: f64) -> f64 {
    let entropy = -x * x.ln() - (1.0 - x) * (1.0 - x).ln();
    (x - t).powi(2) + option(0.1) * (option(LN_2) - entropy)
}

fn label_focal(x: f64, t: f64) -> f64 {
    let p = 1.0 / (1.0 + (-x).exp());
    let (hit, gamma) = if t == 1.0 { (p, 1.0) } else { (1.0 - p, 4.0) };
    -0.5 * (1.0 - hit).powf(gamma) * hit.ln()
}

fn pinball(x: f64, t: f64) -> f64 {
    if t > x { 3.0 * (t - x) } else { x - t }
}

/// Cross-entropy of a row of three logits with a bonus for entropy.
fn cool_cross_entropy(x: &[f64], t: &[f64]) -> f64 {
    let e: Vec<f64> = x.iter().map(|x| (x / 2.0).exp()).collect();
    let sum: f64 = e.iter().sum();
    let parts = e.iter().zip(t);
    parts
        .map(|(e, t)| -t * (e / sum).ln() + option(0.1) * (e / sum) * (e / sum).ln())
        .sum()
}

/// What an elementwise example is in plain arithmetic, and numbers for which it is smooth.
struct Elements {
    name: &'static str,
    loss: fn(f64, f64) -> f64,
    x: Vec<f32>,
    t: Vec<f32>,
}

const ROWS: usize = 4;
const COLS: usize = 3;
const N: usize = ROWS * COLS;

/// All numbers are exact in every storage type.
fn elements() -> [Elements; 4] {
    let each = |f: &dyn Fn(usize) -> i32, by: f32| (0..N).map(|k| f(k) as f32 / by).collect();
    let real: Vec<f32> = each(&|k| (k as i32 * 5) % 23 - 11, 8.0);
    // Never where `x` may be.
    let odd: Vec<f32> = each(&|k| 2 * ((k as i32 * 7) % 13) - 11, 16.0);
    [
        Elements {
            name: "barron",
            loss: barron,
            x: real.clone(),
            t: odd.clone(),
        },
        Elements {
            name: "confident_mse",
            loss: confident_mse,
            x: each(&|k| k as i32 + 2, 16.0),
            t: odd.clone(),
        },
        Elements {
            name: "label_focal",
            loss: label_focal,
            x: real.clone(),
            t: each(&|k| (k as i32 * 3 + 1) % 5 % 2, 1.0),
        },
        Elements {
            name: "pinball",
            loss: pinball,
            x: real,
            t: odd,
        },
    ]
}

/// Central differences: of functions whose third derivatives stay below 100 the error is below 100·h² + 1e-16/h < 1e-7.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    const H: f64 = 1e-5;
    (f(x + H) - f(x - H)) / (2.0 * H)
}

const REDUCTIONS: [&str; 5] = ["none", "sum", "mean", "weighted_mean", "batch_mean"];
const DTYPES: [&str; 3] = ["f32", "f16", "bf16"];

/// What a gradient loses where it is stored: half a unit in the last place of the type.
fn stored(dtype: &str) -> f64 {
    match dtype {
        "f32" => f64::EPSILON,
        "f16" => 1.0 / 2048.0,
        _ => 1.0 / 256.0,
    }
}

/// f32 by WGSL's worst functions: log is within 2⁻²¹, exp within 3 + 2·4 units of numbers up to 4, and the examples have three of them
/// one after the other; `--check` holds every number to its own bound.
const DEVICE: f64 = 2e-5;

fn numbers(bench: &Bench, name: &str) -> Vec<f64> {
    match bench.load(name).data {
        Data::F32(v) => v.iter().map(|v| f64::from(*v)).collect(),
        Data::F64(v) => v,
        other => panic!("{}", other.dtype_name()),
    }
}

/// The fields of a report in their order.
fn fields(report: &Value) -> Vec<&str> {
    let object = report.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

/// What is written and reported is `losses` and `grads` (of their sum) with these weights, reduced.
struct Expected<'a> {
    name: &'a str,
    losses: Vec<f64>,
    /// By the loss that it belongs to.
    grads: Vec<(usize, f64)>,
    weights: Vec<f64>,
    reduction: &'a str,
    scale: f64,
}

impl Expected<'_> {
    fn divisor(&self) -> f64 {
        match self.reduction {
            "mean" => self.losses.len() as f64,
            "weighted_mean" => self.weights.iter().sum(),
            "batch_mean" => ROWS as f64,
            _ => 1.0,
        }
    }

    fn hold(&self, bench: &Bench, report: &Value, [loss, grad]: [f64; 2]) {
        let what = format!("{} {}", self.name, self.reduction);
        let near = |found: f64, want: f64, by: f64| {
            close(found, want, by * (1.0 + want.abs()));
        };
        assert_eq!(
            fields(report),
            [
                "name",
                "loss",
                "reduction",
                "device",
                "valid",
                "non_finite",
                "elapsed_ms",
                "check"
            ],
            "{what}"
        );
        assert_eq!(report["name"], self.name);
        assert_eq!(report["reduction"], self.reduction);
        assert_eq!(report["valid"], self.losses.len(), "{what}");
        assert_eq!(report["non_finite"], 0);
        assert!(report["device"].as_str().is_some_and(|d| !d.is_empty()));
        assert!(report["elapsed_ms"].as_f64().is_some_and(|ms| ms >= 0.0));
        let weighted: Vec<f64> = self
            .losses
            .iter()
            .zip(&self.weights)
            .map(|(l, w)| l * w)
            .collect();
        let written = numbers(bench, "l.npy");
        match self.reduction {
            "none" => {
                assert_eq!(report["loss"], Value::Null, "{what}");
                assert_eq!(written.len(), weighted.len());
                for (found, want) in written.iter().zip(weighted) {
                    near(*found, want, loss);
                }
            }
            _ => {
                let want = weighted.iter().sum::<f64>() / self.divisor();
                let found = report["loss"].as_f64().expect("a number");
                near(found, want, loss * N as f64);
                assert_eq!(written.len(), 1, "{what}");
                near(written[0], want, loss * N as f64);
            }
        }
        let written = numbers(bench, "g.npy");
        assert_eq!(bench.load("g.npy").shape, [ROWS, COLS], "{what}");
        for (found, (of, want)) in written.iter().zip(&self.grads) {
            let want = self.scale * want * self.weights[*of] / self.divisor();
            near(*found, want, grad);
        }
    }
}

/// Runs on the reference and on the device, over numbers in `x.npy` and `t.npy`.
fn both(bench: &Bench, line: &str, dtype: &str, expected: &Expected<'_>) {
    let line = format!(
        "loss {line} --reduction {} --grad-scale {} --out-loss l.npy --out-grad g.npy",
        expected.reduction, expected.scale
    );
    let report = bench.json(&format!("{line} --device cpu"));
    assert_eq!(report["check"], Value::Null);
    expected.hold(bench, &report, [1e-12, 1e-6]);
    assert!(matches!(bench.load("g.npy").data, Data::F64(_)));
    let report = bench.json(&format!("{line} --device gpu --check --dtype {dtype}"));
    let check = &report["check"];
    assert_eq!(
        fields(check),
        ["loss_err", "grad_err", "bound", "unbounded", "pass"],
        "{line}"
    );
    assert_eq!(check["pass"], true, "{line}");
    assert!(matches!(bench.load("g.npy").data, Data::F32(_)));
    expected.hold(bench, &report, [DEVICE, DEVICE + stored(dtype)]);
}

#[test]
fn examples_of_elements_are_what_they_say() {
    let bench = Bench::new();
    let element: Vec<f32> = (0..N).map(|k| (k % 5) as f32 / 4.0).collect();
    let row = [0.5f32, 0.0, 1.25, 2.0];
    bench.save("w.npy", &[ROWS, COLS], f32s(&element));
    bench.save("r.npy", &[ROWS], f32s(&row));
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    for (turn, example_) in elements().into_iter().enumerate() {
        let Elements { name, loss, x, t } = &example_;
        bench.save("x.npy", &[ROWS, COLS], f32s(x));
        bench.save("t.npy", &[ROWS, COLS], f32s(t));
        let (x, t) = (wide(x), wide(t));
        for (k, reduction) in REDUCTIONS.into_iter().enumerate() {
            let dtype = DTYPES[(turn + k) % 3];
            let (given, weights) = match (turn + k / 2) % 3 {
                0 => ("", vec![1.0; N]),
                1 => ("--weight w.npy", wide(&element)),
                _ => (
                    "--weight r.npy",
                    (0..N).map(|k| f64::from(row[k / COLS])).collect(),
                ),
            };
            let expected = Expected {
                name,
                losses: x.iter().zip(&t).map(|(x, t)| loss(*x, *t)).collect(),
                grads: (0..N)
                    .map(|k| (k, slope(|x| loss(x, t[k]), x[k])))
                    .collect(),
                weights,
                reduction,
                scale: [1.0, -2.5][k % 2],
            };
            let file = example(name);
            let line = format!("--wgsl {file} --input x.npy --target t.npy {given}");
            both(&bench, &line, dtype, &expected);
        }
    }
}

/// Three logits a row: a label or a distribution, one row passed over, and classes at axis 1.
#[test]
fn the_example_of_rows_is_what_it_says() {
    let bench = Bench::new();
    let file = example("cool_cross_entropy");
    let x: Vec<f32> = (0..N).map(|k| ((k * 5) % 23) as f32 / 8.0 - 1.0).collect();
    let row = [0.5f32, 0.25, 1.25, 2.0];
    let labels = [2i64, 0, -7, 1];
    let hot = |r: usize| -> Vec<f64> {
        let of = |c| f64::from(u8::from(labels[r] == c as i64));
        (0..COLS).map(of).collect()
    };
    // Of numbers that add up to 1 exactly.
    let soft = |r: usize| -> Vec<f64> {
        let first = [0.5, 0.25, 0.125, 0.0][r];
        vec![first, 0.25, 0.75 - first]
    };
    let at = |r: usize| -> Vec<f64> { (0..COLS).map(|c| f64::from(x[r * COLS + c])).collect() };
    let turned: Vec<f32> = (0..N).map(|k| x[k % ROWS * COLS + k / ROWS]).collect();
    bench.save("x.npy", &[ROWS, COLS], f32s(&x));
    // [1, C, rows]: the same rows, with their classes at axis 1.
    bench.save("turned.npy", &[1, COLS, ROWS], f32s(&turned));
    bench.save("y.npy", &[ROWS], Data::I64(labels.to_vec()));
    bench.save("y1.npy", &[1, ROWS], Data::I64(labels.to_vec()));
    bench.save("r.npy", &[ROWS], f32s(&row));
    let soft_all: Vec<f32> = (0..ROWS)
        .flat_map(|r| soft(r).into_iter().map(|v| v as f32))
        .collect();
    bench.save("t.npy", &[ROWS, COLS], f32s(&soft_all));
    for (k, reduction) in REDUCTIONS.into_iter().enumerate() {
        for by_label in [true, false] {
            let counts = |r: usize| !by_label || labels[r] >= 0;
            let target = |r: usize| if by_label { hot(r) } else { soft(r) };
            let weighted = (k + usize::from(by_label)).is_multiple_of(2);
            let mut losses = Vec::new();
            let (mut grads, mut weights) = (vec![0.0; N], Vec::new());
            for r in 0..ROWS {
                let weight = if weighted { f64::from(row[r]) } else { 1.0 };
                let t = target(r);
                let loss = |x: &[f64]| cool_cross_entropy(x, &t);
                losses.push(if counts(r) {
                    weight * loss(&at(r))
                } else {
                    0.0
                });
                for c in 0..COLS {
                    let of = |x: f64| {
                        let mut all = at(r);
                        all[c] = x;
                        loss(&all)
                    };
                    if counts(r) {
                        grads[r * COLS + c] = weight * slope(of, at(r)[c]);
                    }
                }
                if counts(r) {
                    weights.push(weight);
                }
            }
            let divisor = match reduction {
                "mean" => weights.len() as f64,
                "weighted_mean" => weights.iter().sum(),
                "batch_mean" => ROWS as f64,
                _ => 1.0,
            };
            for turned in [false, true] {
                if turned && !by_label {
                    continue;
                }
                let (input, place) = match (turned, by_label) {
                    (true, _) => ("turned.npy", "--target y1.npy --class-axis 1"),
                    (_, true) => ("x.npy", "--target y.npy"),
                    (_, false) => ("x.npy", "--target t.npy"),
                };
                let weight = match (weighted, turned) {
                    (false, _) => "",
                    (true, false) => "--weight r.npy",
                    (true, true) => "--weight r1.npy",
                };
                bench.save("r1.npy", &[1, ROWS], f32s(&row));
                let line = format!(
                    "loss --wgsl {file} --input {input} {place} {weight} --set ignore_index=-7 \
                     --reduction {reduction} --out-loss l.npy --out-grad g.npy"
                );
                let dtype = DTYPES[(k + usize::from(by_label)) % 3];
                for (device, by) in [
                    ("--device cpu".to_string(), [1e-12, 1e-6]),
                    (
                        format!("--device gpu --dtype {dtype} --check"),
                        [DEVICE, DEVICE + stored(dtype)],
                    ),
                ] {
                    let report = bench.json(&format!("{line} {device}"));
                    assert_eq!(report["valid"], weights.len(), "{line}");
                    let written = numbers(&bench, "l.npy");
                    let shape = &bench.load("l.npy").shape;
                    if reduction == "none" {
                        assert_eq!(shape, if turned { &[1, ROWS][..] } else { &[ROWS] });
                        for (found, want) in written.iter().zip(&losses) {
                            close(*found, *want, by[0] * (1.0 + want.abs()));
                        }
                    } else {
                        assert!(shape.is_empty());
                        let want = losses.iter().sum::<f64>() / divisor;
                        close(written[0], want, by[0] * ROWS as f64 * (1.0 + want.abs()));
                    }
                    let found = numbers(&bench, "g.npy");
                    assert_eq!(found.len(), N);
                    for (i, found) in found.iter().enumerate() {
                        let want = match turned {
                            true => grads[i % ROWS * COLS + i / ROWS],
                            false => grads[i],
                        } / divisor;
                        close(*found, want, by[1] * (1.0 + want.abs()));
                    }
                    if device.ends_with("--check") {
                        assert_eq!(report["check"]["pass"], true, "{line}");
                    }
                }
            }
        }
    }
    // A label beyond the classes is an error that says where.
    bench.save("far.npy", &[ROWS], Data::I64(vec![0, 1, 3, 2]));
    let line = format!("loss --wgsl {file} --input x.npy --target far.npy");
    let ran = bench.run(&line);
    let wanted = "error: far.npy: target: expected class indices below 3 or the ignore_index -100, found 1 outside, the first in row 2\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (2, wanted));
}

/// The loss of a file over `x.npy` on the reference and on the device, which agree.
fn loss_of(bench: &Bench, text: &str, more: &str) -> f64 {
    bench.write("own.wgsl", text.as_bytes());
    let line = format!("loss --wgsl own.wgsl {more}");
    let at = |device: &str| {
        let report = bench.json(&format!("{line} {device}"));
        assert_eq!(report["name"], "own");
        let pass = &report["check"]["pass"];
        assert!(device == "--device cpu" || pass == true, "{line}\n{text}");
        report["loss"].as_f64().expect("a number")
    };
    let (cpu, gpu) = (at("--device cpu"), at("--device gpu --check"));
    close(gpu, cpu, DEVICE * (1.0 + cpu.abs()));
    cpu
}

/// Two inputs and a target of two numbers.
fn small() -> Bench {
    let bench = Bench::new();
    bench.save("x.npy", &[2], f32s(&[1.5, -0.5]));
    bench.save("b.npy", &[2], f32s(&[0.25, 2.0]));
    bench.save("t.npy", &[2], f32s(&[1.0, 0.5]));
    bench
}

#[test]
fn inputs_are_as_many_as_parameters() {
    let bench = small();
    let two = "fn loss(a: f32, b: f32, t: f32) -> f32 { return a * b + b * b * t; }";
    bench.write("two.wgsl", two.as_bytes());
    let line = "loss --wgsl two.wgsl --input x.npy --input b.npy --target t.npy --reduction sum \
                --out-grad ga.npy --out-grad gb.npy";
    for device in ["cpu", "gpu"] {
        let report = bench.json(&format!("{line} --device {device}"));
        // All of it is exact in f32.
        assert_eq!(report["loss"], 1.5 * 0.25 - 0.5 * 2.0 + 0.0625 + 2.0);
        assert_eq!(numbers(&bench, "ga.npy"), [0.25, 2.0]);
        assert_eq!(numbers(&bench, "gb.npy"), [1.5 + 0.5, -0.5 + 2.0]);
    }
    // One parameter is an input without a target.
    let line = "--input x.npy --reduction sum";
    let one = "fn loss(v: f32) -> f32 { return 3.0 * v * v; }";
    assert_eq!(loss_of(&bench, one, line), 3.0 * 2.5);
    let refused = |line: &str, wanted: &str| {
        let ran = bench.run(line);
        let wanted = format!("error: {wanted}\n");
        assert_eq!((ran.code, ran.stderr), (2, wanted), "{line}");
        assert_eq!(ran.stdout, "");
    };
    refused(
        "loss --wgsl own.wgsl --input x.npy --target t.npy",
        "--target of own: expected none: this loss has no target, found t.npy",
    );
    refused(
        "loss --wgsl own.wgsl",
        "--input of own: expected 1 (v), found 0",
    );
    refused(
        "loss --wgsl two.wgsl --input x.npy --target t.npy",
        "--input of two: expected 2 (a, b), found 1",
    );
    refused(
        "loss --wgsl two.wgsl --input x.npy --input b.npy",
        "--target of two: expected numbers in the input's shape, found none",
    );
}

#[test]
fn options_are_overrides() {
    let bench = small();
    let text = "
        override delta: f32 = 2.0;
        override n: i32 = -3;
        override count = 2u;
        override signed = false;
        override twice: f32 = 2.0 * delta;
        override many = count > 2u;
        fn loss(x: f32, t: f32) -> f32 {
            var sum = delta * x + f32(n) * t;
            for (var i = 0u; i < count; i++) { sum += twice * x * x; }
            if (many) { sum += 100.0; }
            return select(abs(sum), sum, signed);
        }";
    // The formula, once more.
    let want = |delta: f64, n: f64, count: f64, signed: bool| -> f64 {
        let one = |x: f64, t: f64| {
            let many = if count > 2.0 { 100.0 } else { 0.0 };
            let sum = delta * x + n * t + count * 2.0 * delta * x * x + many;
            if signed { sum } else { sum.abs() }
        };
        one(1.5, 1.0) + one(-0.5, 0.5)
    };
    let line = "--input x.npy --target t.npy --reduction sum";
    let cases = [
        ("", want(2.0, -3.0, 2.0, false)),
        ("--set signed=true", want(2.0, -3.0, 2.0, true)),
        (
            "--set delta=-0.5 --set signed=true",
            want(-0.5, -3.0, 2.0, true),
        ),
        ("--set n=16777216", want(2.0, 16_777_216.0, 2.0, false)),
        (
            "--set count=3 --set n=-7 --set signed=true",
            want(2.0, -7.0, 3.0, true),
        ),
        ("--set count=0", want(2.0, -3.0, 0.0, false)),
    ];
    for (set, want) in cases {
        let found = loss_of(&bench, text, &format!("{line} {set}"));
        assert_eq!(found, want, "{set}");
    }
    let refused = [
        (
            "gamma=1",
            "own has no option `gamma`: expected delta, n, count, signed",
        ),
        // It follows from another, and cannot be set by itself.
        (
            "twice=1",
            "own has no option `twice`: expected delta, n, count, signed",
        ),
        (
            "delta=true",
            "option `delta` of own: expected a finite number, found `true`",
        ),
        (
            "delta=inf",
            "option `delta` of own: expected a finite number, found `inf`",
        ),
        (
            "n=0.5",
            "option `n` of own: expected a whole number of at most 16777216 in size, found 0.5",
        ),
        (
            "n=16777218",
            "option `n` of own: expected a whole number of at most 16777216 in size, found 16777218",
        ),
        (
            "count=-1",
            "option `count` of own: expected a whole number from 0 to 16777216, found -1",
        ),
        (
            "signed=1",
            "option `signed` of own: expected true or false, found `1`",
        ),
        (
            "delta=@x.npy",
            "option `delta` of own: expected a finite number, found the file x.npy",
        ),
    ];
    for (set, wanted) in refused {
        let ran = bench.run(&format!("loss --wgsl own.wgsl {line} --set {set}"));
        assert_eq!(ran.stderr, format!("error: {wanted}\n"), "{set}");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{set}");
    }
}

/// Every element finds private variables as they begin, whatever the element before left there.
#[test]
fn private_variables_begin_anew() {
    let bench = small();
    let n = 5000;
    let many: Vec<f32> = (0..n).map(|k| (k % 7) as f32 - 3.0).collect();
    bench.save("many.npy", &[n], f32s(&many));
    let text = "
        var<private> seen: f32 = 1.0;
        var<private> list: array<f32, 3> = array<f32, 3>(1.0, 2.0, 4.0);
        var<private> zero: vec2<f32>;
        fn add(t: f32) { seen += 1.0; list[1] *= 2.0; zero.y += t; }
        fn loss(x: f32, t: f32) -> f32 {
            add(t);
            add(t);
            return x * x * seen + list[0] * list[1] * list[2] + zero.y + zero.x;
        }";
    let line = "--input many.npy --target many.npy --reduction sum";
    let want: f64 = many
        .iter()
        .map(|v| f64::from(*v))
        .map(|v| 3.0 * v * v + 32.0 + 2.0 * v)
        .sum();
    assert_eq!(loss_of(&bench, text, line), want);
}

/// What kernels call their own may be the name of anything in a file.
#[test]
fn names_are_ones_own() {
    let bench = small();
    let text = "
        override x: f32 = 2.0;
        override head: f32 = 3.0;
        override n: i32 = 4;
        override params = true;
        override e: f32 = 0.5;
        struct Elem { x0: f32, t: f32 }
        struct Term { loss: f32, grad: f32 }
        struct Grad { x0: f32 }
        const LOWEST = 1.0;
        var<private> mine: f32 = 0.25;
        fn term(e: Elem) -> Term { return Term(e.x0 * e.x0 * x, e.t); }
        fn held(work: f32) -> f32 { let mine = work * head; return mine; }
        fn below(params: f32, e: f32) -> f32 { var head = params - e; head *= 2.0; return head; }
        fn main(loss: f32) -> Grad { return Grad(loss); }
        fn user_loss(user_x: f32) -> f32 { return user_x * f32(n); }
        fn loss_change(v: f32) -> f32 { return v * LOWEST; }
        fn loss(p: f32, t: f32) -> f32 {
            let mine = term(Elem(p, t));
            var d_a = held(mine.loss);
            if (params) { d_a += below(p, t) + e; }
            return user_loss(d_a) + loss_change(main(p).x0);
        }";
    let line = "--input x.npy --target t.npy --reduction sum";
    let want = |x: f64, head: f64, n: f64, params: bool, e: f64| -> f64 {
        let one = |p: f64, t: f64| {
            let more = if params { 2.0 * (p - t) + e } else { 0.0 };
            (p * p * x * head + more) * n + p
        };
        one(1.5, 1.0) + one(-0.5, 0.5)
    };
    assert_eq!(loss_of(&bench, text, line), want(2.0, 3.0, 4.0, true, 0.5));
    let set =
        format!("{line} --set x=0.5 --set head=-1 --set n=3 --set params=false --set e=0.125");
    assert_eq!(
        loss_of(&bench, text, &set),
        want(0.5, -1.0, 3.0, false, 0.125)
    );
    // The same of rows, whose glue has more names.
    let text = "
        override s: f32 = 2.0;
        override r: f32 = 0.5;
        override cols: f32 = 1.0;
        struct Stat { s_a: f32, m0m: f32 }
        struct Row { x: f32 }
        struct Ready { y: f32 }
        fn stat_of(p: f32) -> f32 { return p * s; }
        fn stat_merge(y: f32) -> Ready { return Ready(y * cols); }
        fn row_ready(r: Row) -> f32 { return r.x; }
        fn row_grad(p: f32) -> f32 { return p; }
        fn row_terms(x: f32, t: f32) -> Stat {
            let p = stat_of(x);
            return Stat(row_grad(p * p), stat_merge(t).y);
        }
        fn row_loss(y: Stat) -> f32 { return y.s_a * r + row_ready(Row(y.m0m)); }";
    let line = "--input x.npy --target t.npy --reduction sum";
    // One row of one column for each number.
    bench.save("x.npy", &[1, 2], f32s(&[1.5, -0.5]));
    bench.save("t.npy", &[1, 2], f32s(&[1.0, 0.5]));
    assert_eq!(loss_of(&bench, text, line), 9.0 * 0.5 + 0.5 + 1.0 + 0.5);
    let set = format!("{line} --set s=1 --set r=4 --set cols=-1");
    assert_eq!(loss_of(&bench, text, &set), 2.5 * 4.0 - 1.5);
}

#[test]
fn verify_holds_a_loss_of_ones_own() {
    let bench = Bench::new();
    let file = example("pinball");
    let report = bench.json(&format!("verify --quick --wgsl {file} --device gpu"));
    assert_eq!(report["failed"], 0);
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(report["cases"], rows.len());
    assert!(rows.len() > 20);
    assert!(rows.iter().all(|r| r["name"] == "pinball"));
    // Its derivative is held against differences too.
    assert!(rows.iter().any(|r| r["plan"] == "differences"));
    assert!(rows.iter().all(|r| r["unbounded"].is_u64()));
}

/// Numbers of which nothing is promised are counted, and a case of nothing else fails.
#[test]
fn numbers_without_a_bound_are_told() {
    let bench = small();
    // WGSL has no accuracy for the sine of so much.
    let text =
        "fn loss(x: f32, t: f32) -> f32 { return t * select(x, sin(4.0 + abs(x)), x > 0.0); }";
    bench.write("own.wgsl", text.as_bytes());
    let line =
        "loss --wgsl own.wgsl --input x.npy --target t.npy --reduction none --device gpu --check";
    let report = bench.json(line);
    // Of the first of two elements, loss and derivative.
    assert_eq!(report["check"]["unbounded"], 2);
    assert_eq!(report["check"]["pass"], true);
    let ran = bench.run(line);
    assert!(
        ran.stdout.contains("; 2 numbers have none"),
        "{}",
        ran.stdout
    );
    let text = text.replace("x > 0.0", "true");
    bench.write("own.wgsl", text.as_bytes());
    let ran = bench.run("verify --quick --wgsl own.wgsl --device gpu --json");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    let none = rows.iter().filter(|r| r["unbounded"].as_u64() > Some(0));
    let told: Vec<_> = none
        .map(|r| (&r["pass"], r["complaint"].as_str()))
        .collect();
    assert!(!told.is_empty());
    for (pass, complaint) in told {
        assert_eq!(*pass, false);
        let complaint = complaint.unwrap_or_default();
        assert!(complaint.contains(" numbers has a bound"), "{complaint}");
    }
    let ran = bench.run("verify --quick --wgsl own.wgsl --device gpu");
    assert_eq!(ran.code, 1);
    let mut lines = ran.stdout.lines();
    assert!(lines.next().is_some_and(|l| l.contains("without bound")));
}

/// Whatever is added to a loss, its derivative is held to what differences tell.
#[test]
fn verify_needs_slopes() {
    let bench = small();
    let text = "fn loss(x: f32, t: f32) -> f32 { return x * fract(1e12 * x); }";
    bench.write("dust.wgsl", text.as_bytes());
    let ran = bench.run("verify --quick --wgsl dust.wgsl --device gpu");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let wanted = "nothing says whether its derivative is right";
    assert!(ran.stdout.contains(wanted), "{}", ran.stdout);
    let text = "fn loss(x: f32, t: f32) -> f32 { return t * fract(1e6 * x); }";
    bench.write("saw.wgsl", text.as_bytes());
    let ran = bench.run("verify --quick --wgsl saw.wgsl --device gpu");
    assert!(!ran.stdout.contains("(differences)"), "{}", ran.stdout);
}

/// A loss that claims to stay the same when a row is moved, and does not.
#[test]
fn verify_finds_a_loss_that_moves_with_its_row() {
    let bench = Bench::new();
    let text = "const shift_by_max = true;
        fn row_terms(x: f32, t: f32) -> f32 { return exp(0.5 * x) + t; }
        fn row_loss(sum: f32) -> f32 { return log(sum); }";
    bench.write("moves.wgsl", text.as_bytes());
    let ran = bench.run("verify --quick --wgsl moves.wgsl --device gpu");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let mut told = ran.stdout.lines().filter(|l| l.starts_with("FAIL moves "));
    assert!(
        told.any(|l| l.contains(" (shift by maximum): ")
            && l.ends_with(
                "with `shift_by_max` a loss has to stay what it is when all of a row is moved"
            )),
        "{}",
        ran.stdout
    );
    let error = ran.stderr.lines().last().unwrap_or_default();
    assert!(
        error.starts_with("error: check failed: expected all of ")
            && error.ends_with(" cases within their bounds, found 2 that are not"),
        "{error}"
    );
}

#[test]
fn a_loss_of_ones_own_has_a_picture() {
    let bench = Bench::without_driver();
    let files = EXAMPLES.map(|name| format!("--wgsl {}", example(name)));
    let ran = bench.run(&format!("plot {} --out drawn", files.join(" ")));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(ran.stdout, "5 pictures, each as .svg and .png, in drawn\n");
    for name in EXAMPLES {
        let read = |ending: &str| {
            let path = bench.dir.path().join(format!("drawn/{name}.{ending}"));
            std::fs::read(path).expect(name)
        };
        let svg = String::from_utf8(read("svg")).expect("text");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        // A curve is a line of many points, here and in the derivative.
        assert!(svg.matches("<polyline").count() >= 2, "{name}");
        assert!(svg.contains(name) && svg.contains("derivative: d loss / d "));
        for bad in ["NaN", "inf"] {
            assert!(!svg.contains(bad), "{name}: {bad}");
        }
        let png = read("png");
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 5000);
    }
    // Two of one name would be one picture.
    std::fs::create_dir(bench.dir.path().join("other")).expect("a folder");
    let text = std::fs::read(example("pinball")).expect("a file");
    bench.write("pinball.wgsl", &text);
    bench.write("other/pinball.wgsl", &text);
    let line = "plot --wgsl pinball.wgsl --wgsl other/pinball.wgsl --out twice";
    let ran = bench.run(line);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    let wanted = "error: --wgsl: expected files of different names, which no other loss asked for has, found pinball\n";
    assert_eq!(ran.stderr, wanted);
    assert!(!bench.files().contains(&"twice".to_string()));
}

#[test]
fn a_loss_of_ones_own_is_measured() {
    let bench = Bench::new();
    let line = format!(
        "bench mse --wgsl {} --wgsl {} --rows 64 --cols 50 --rounds 2 --device gpu",
        example("pinball"),
        example("cool_cross_entropy")
    );
    let report = bench.json(&line);
    let rows = report["rows"].as_array().expect("rows");
    let found: Vec<_> = rows
        .iter()
        .map(|r| {
            assert!(r["ms_min"].as_f64().is_some_and(|ms| ms > 0.0), "{r}");
            let text = |key: &str| r[key].as_str().expect("text");
            (text("name"), text("direction"), r["bytes"].as_u64())
        })
        .collect();
    // Inputs, a floating target or labels of four bytes, and the gradient.
    let (n, labels) = (64 * 50, 4 * 64);
    assert_eq!(
        found,
        [
            ("mse", "forward", Some(8 * n)),
            ("mse", "forward+backward", Some(12 * n)),
            ("pinball", "forward", Some(8 * n)),
            ("pinball", "forward+backward", Some(12 * n)),
            ("cool_cross_entropy", "forward", Some(4 * n + labels)),
            (
                "cool_cross_entropy",
                "forward+backward",
                Some(8 * n + labels)
            ),
        ]
    );
}

/// A run that has to fail with one line, and leave everything as it was.
fn refused(bench: &Bench, line: &str) -> Ran {
    let before = bench.files();
    let ran = bench.run(line);
    assert_eq!(ran.code, 2, "{line}\n{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "", "{line}");
    assert_eq!(bench.files(), before, "{line}");
    ran
}

#[test]
fn files_that_are_no_text_are_refused() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[2], f32s(&[1.5, -0.5]));
    std::fs::create_dir(bench.dir.path().join("folder.wgsl")).expect("a folder");
    bench.write(
        "latin.wgsl",
        b"// caf\xe9\nfn loss(x: f32) -> f32 { return x; }",
    );
    bench.write("empty.wgsl", b"");
    let loss = "fn loss(x: f32) -> f32 { return x; }\n";
    bench.write("own.wgsl", loss.as_bytes());
    // Ends in the middle of a character after a mebibyte, where reading stops.
    let long = loss.to_string() + "/" + &"é".repeat(1 << 20);
    bench.write("long.wgsl", long.as_bytes());
    let longer = loss.to_string() + &" ".repeat(70_000 - loss.len());
    bench.write("longer.wgsl", longer.as_bytes());
    let no_loss = "1:1: there is no function `loss`: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters";
    let cases = [
        ("gone.wgsl", ": cannot read: No such file or directory"),
        ("folder.wgsl", ": cannot read: Is a directory"),
        (
            "latin.wgsl",
            ": expected WGSL in UTF-8, found the byte 0xe9 at index 6",
        ),
        ("empty.wgsl", &format!(":{no_loss}")),
        (
            "long.wgsl",
            ": expected WGSL of at most 65536 bytes, found more than 1048576",
        ),
        (
            "longer.wgsl",
            ":1:1: at most 65536 bytes possible, found 70000",
        ),
    ];
    for (file, wanted) in cases {
        for line in [
            format!("loss --wgsl {file} --input x.npy --out-loss l.npy --out-grad g.npy"),
            format!("verify --wgsl {file}"),
            format!("plot --wgsl {file} --out drawn"),
            format!("bench --wgsl {file}"),
        ] {
            let ran = refused(&bench, &line);
            let wanted = format!("error: {file}{wanted}");
            assert!(ran.stderr.starts_with(&wanted), "{line}\n{}", ran.stderr);
            assert_eq!(ran.stderr.lines().count(), 1, "{line}\n{}", ran.stderr);
        }
    }
    for (line, wanted) in [
        (
            "loss mse --wgsl own.wgsl --input x.npy",
            "error: the argument '[NAME]' cannot be used with '--wgsl <FILE>'",
        ),
        (
            "loss --wgsl own.wgsl --combined own.json",
            "error: the argument '--wgsl <FILE>' cannot be used with '--combined <FILE>'",
        ),
        (
            "loss --wgsl own.wgsl --wgsl own.wgsl --input x.npy",
            "error: the argument '--wgsl <FILE>' cannot be used multiple times",
        ),
        (
            "plot losses --wgsl own.wgsl --out drawn",
            "error: the argument '[WHAT]' cannot be used with '--wgsl <FILE>'",
        ),
    ] {
        let ran = refused(&bench, line);
        let first = ran.stderr.lines().next().unwrap_or_default();
        assert_eq!(first, wanted, "{line}");
    }
}

const LOSS: &str = "fn loss(x: f32, t: f32) -> f32 { return x - t; }";
const TERMS: &str = "fn row_terms(x: f32, t: f32) -> f32 { return x * t; }";
const OF_SUM: &str = "fn row_loss(s: f32) -> f32 { return s; }";

/// A file, of which `LOSS`, `TERMS` and `OF_SUM` stand for these lines, and what is said of it.
const REFUSED: &[(&str, &str)] = &[
    // What is no WGSL.
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return x -;\n}\n",
        "2:15: expected expression, found \";\"",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let d = x - t\n    return d;\n}\n",
        "3:5: expected `;`, found \"return\"",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\r\n    return x - t;\r\n",
        "3:1: expected statement, found the end of the text",
    ),
    (
        "fn loss(x: f32, target: f32) -> f32 { return x - target; }",
        "1:17: name `target` is a reserved keyword",
    ),
    (
        "// é\nfn loss(x: f32, t: f32) -> f32 {\n\t/* é */ return square(x - t);\n}\n",
        "3:17: no definition in scope for identifier: `square`",
    ),
    ("LOSS\nLOSS", "2:4: redefinition of `loss`"),
    // Types.
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let n = 2i;\n    return n * (x - t);\n}\n",
        "3:12: no Multiply of i32 and f32",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return select(x, t, 1.0);\n}\n",
        "2:12: the condition of `select` is f32: expected bool",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return max(x, 1i);\n}\n",
        "2:12: inconsistent type passed as argument #2 to `max`",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return x > t;\n}\n",
        "2:12: expected a returned f32",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return f32(f64(x)) - t;\n}\n",
        "2:16: numbers of 64 bits are not possible in a loss",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let n = 1li;\n    return x;\n}\n",
        "2:13: i64 is not possible in a loss",
    ),
    (
        "var<private> n: u64;\nLOSS",
        "1:17: u64 is not possible in a loss",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let m = mat2x2(x, t, x, t);\n    return (-m)[0].x;\n}\n",
        "3:13: no Negate of mat2x2<f32>",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    var y = t;\n    while (x) {\n        y += 1.0;\n    }\n    return y;\n}\n",
        "3:10: the condition is f32: expected bool",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    var n = 0;\n    loop {\n        n++;\n        continuing {\n            break if n;\n        }\n    }\n    return x;\n}\n",
        "3:5: the condition is i32: expected bool",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return clamp(x, 1.0, 0.0) - t;\n}\n",
        "2:12: `clamp` from 1 to 0: expected the lower bound first",
    ),
    (
        "const LOW = 2;\nfn loss(x: f32, t: f32) -> f32 {\n    let n = clamp(vec2(i32(x)), vec2(0, LOW), vec2(1));\n    return f32(n.x) - t;\n}\n",
        "3:13: `clamp` from 2 to 1: expected the lower bound first",
    ),
    // Indices.
    (
        "// [2]\noverride k: f32 = 1.0;\n\nfn loss(x: f32, t: f32) -> f32 {\n    let v = vec2(x, t);\n    let y = v[1];\n    return v[2] + k * y;\n}\n",
        "7:14: Accessing index 2 is out of bounds",
    ),
    (
        "const K = 3;\nfn loss(x: f32, t: f32) -> f32 {\n    let m = mat2x2(x, t, x, t);\n    return m[1][0] + m[K].x * m[0][1];\n}\n",
        "4:24: Accessing index 3 is out of bounds",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return g(vec2(x, t)) - vec2(x, t)[2];\n}\nfn g(v: vec2<f32>) -> f32 {\n    let p = array(1, 0);\n    return v[p[1]] + v[p[1]\n        ] * v[ 4 ];\n}\n",
        "7:15: Accessing index 4 is out of bounds",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let v = vec2(x, t);\n    return v[0] + x[0] * v[1];\n}\n",
        "3:21: an index of what is no vector, matrix or array",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    var v = array(x, t);\n    return v[5] + v[1];\n}\n",
        "3:12: Accessing index 5 is out of bounds",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let v = vec2(x, t);\n    return v[x];\n}\n",
        "3:12: an index is f32: expected i32 or u32",
    ),
    // What is too large.
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    var a = array<f32, 4>();\n    var v: array<f32, 4294967295>;\n    return x + v[1] + a[0];\n}\n",
        "3:23: a value of more than 8192 bytes",
    ),
    (
        "LOSS\nvar<private> v: array<array<f32, 65536>, (1 << 16), >;",
        "2:42: a value of more than 8192 bytes",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return x + array<array<array<f32, 65536>, 65536>, 2>()[0][1][1];\n}\n",
        "2:47: a value of more than 8192 bytes",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    var v: array<f32, 4096>;\n    return x + v[1];\n}\n",
        "2:5: a value of more than 8192 bytes",
    ),
    // Signatures.
    (
        "fn mse(x: f32, t: f32) -> f32 { return (x - t) * (x - t); }",
        "1:1: there is no function `loss`: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
    ),
    (
        "// a\n\nfn loss() -> f32 { return 1.0; }",
        "3:1: `loss` has no parameters: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
    ),
    (
        "fn loss(x: f32, t: i32) -> f32 { return x - f32(t); }",
        "1:17: the parameter `t` of `loss` is i32: expected f32",
    ),
    (
        "fn loss(x: vec2<f32>, t: f32) -> f32 { return x.x - t; }",
        "1:9: the parameter `x` of `loss` is vec2<f32>: expected f32",
    ),
    (
        "fn loss(x: f32, t: f32) -> vec2<f32> { return vec2(x, t); }",
        "1:1: the result of `loss` is vec2<f32>: expected f32",
    ),
    (
        "fn loss(x: f32, t: f32) { }",
        "1:1: `loss` has no result: expected `fn loss(x: f32, t: f32) -> f32`, or with more parameters",
    ),
    (
        "\nfn loss(a: f32, b: f32, c: f32, t: f32) -> f32 { return a + b + c - t; }",
        "2:1: expected at most 2 inputs and a target, found 3 inputs",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return x * loss(x - 1.0, t);\n}\n",
        "1:4: declaration of `loss` is recursive",
    ),
    (
        "fn even(n: f32) -> f32 { return odd(n); }\nfn odd(n: f32) -> f32 { return even(n); }\n\
         fn loss(x: f32, t: f32) -> f32 { return even(x) - t; }",
        "2:4: declaration of `even` is cyclic",
    ),
    // What has no derivative.
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    let bits = bitcast<u32>(x);\n    return f32(bits) - t;\n}\n",
        "2:16: the bits of what depends on an input cannot be differentiated",
    ),
    (
        "var<private> kept: f32;\nfn keep(x: f32) {\n    kept = x;\n}\n\
         fn loss(x: f32, t: f32) -> f32 { keep(x); return kept - t; }",
        "3:5: a variable of the module that depends on an input cannot be differentiated",
    ),
    // Pointers to parts of variables.
    (
        "struct S { v: f32 }\nfn g(p: ptr<function, f32>) { *p = 3.0; }\n\
         fn loss(x: f32, t: f32) -> f32 {\n    var a = S(t);\n    g(&a.v);\n    return a.v * x;\n}\n",
        "5:8: a pointer to a part of a variable cannot be passed: pass one to the whole, or to a copy",
    ),
    (
        "fn g(n: f32, p: ptr<function, f32>) -> f32 { return n * *p; }\n\
         fn loss(x: f32, t: f32) -> f32 {\n    var a = array<f32, 2>(t, x);\n    if (x > 0.0) {\n        \
         let p = &a[1];\n        return g(a[0], p);\n    }\n    return x;\n}\n",
        "5:18: a pointer to a part of a variable cannot be passed: pass one to the whole, or to a copy",
    ),
    (
        "var<private> a: array<f32, 2>;\nfn g(p: ptr<private, f32>) { *p = 3.0; }\n\
         fn loss(x: f32, t: f32) -> f32 { g(&a[1]); return a[1] * x; }",
        "3:37: a pointer to a part of a variable cannot be passed: pass one to the whole, or to a copy",
    ),
    // What reaches outside.
    (
        "LOSS\n@group(0) @binding(0) var<storage, read> data: array<f32>;",
        "2:23: `data` is a storage variable: a loss has only its parameters, options, constants and private variables",
    ),
    (
        "LOSS\n@group(0) @binding(0) var<uniform> data: f32;",
        "2:23: `data` is a uniform variable: a loss has only its parameters, options, constants and private variables",
    ),
    (
        "var<workgroup> tile: f32;\nLOSS",
        "1:1: `tile` is a workgroup variable: a loss has only its parameters, options, constants and private variables",
    ),
    (
        "LOSS\n\n@compute @workgroup_size(64)\nfn main() { }",
        "4:4: `main` is an entry point: a loss has functions only",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    workgroupBarrier();\n    return x;\n}\n",
        "2:5: `workgroupBarrier` means nothing in a loss",
    ),
    (
        "enable f16;\nLOSS",
        "1:8: the extension `f16` is not possible in a loss, which computes in f32",
    ),
    (
        "fn loss(x: f32, t: f32) -> f32 {\n    return x - 1.0h;\n}\n",
        "2:16: the extension `f16` is not possible in a loss, which computes in f32",
    ),
    // Options.
    ("override delta: f32;\nLOSS", "1:1: `delta` has no default"),
    (
        "@id(1) override delta: f32 = 1.0;\nLOSS",
        "1:8: `delta` has an @id: options go by their names",
    ),
    (
        "override delta: vec2<f32> = vec2(1.0);\nLOSS",
        "1:1: `delta` is no f32, i32, u32 or bool",
    ),
    (
        "override n: i32 = 20000000;\nLOSS",
        "1:1: `n`: expected at most 16777216 in size",
    ),
    // Losses of rows.
    (
        "// sums\nTERMS",
        "2:1: `row_terms` without `row_loss`: expected `fn row_loss(sums: S) -> f32` of what it gives",
    ),
    (
        "OF_SUM",
        "1:1: `row_loss` without `row_terms`: expected `fn row_terms(x: f32, t: f32) -> S` of what it takes",
    ),
    (
        "LOSS\nTERMS\nOF_SUM",
        "2:1: a loss is `loss` of elements, or `row_terms` and `row_loss` of rows, not both",
    ),
    (
        "LOSS\nOF_SUM",
        "2:1: a loss is `loss` of elements, or `row_terms` and `row_loss` of rows, not both",
    ),
    (
        "TERMS\nfn row_loss(s: vec2<f32>) -> f32 { return s.x; }",
        "2:1: expected `fn row_loss(sums: f32) -> f32`, of what `row_terms` gives",
    ),
    (
        "TERMS\nfn row_loss(s: f32) -> i32 { return 1; }",
        "2:1: the result of `row_loss` is i32: expected f32",
    ),
    (
        "fn row_terms(x: f32, t: f32) -> vec2<f32> { return vec2(x, t); }\nOF_SUM",
        "1:1: `row_terms` gives vec2<f32>: expected `fn row_terms(x: f32, t: f32) -> S`, with S a structure of f32s or f32",
    ),
    (
        "override ignore_index: i32 = 0;\nTERMS\nOF_SUM",
        "1:1: every loss of rows has an option `ignore_index` already",
    ),
    (
        "const shift_by_max = 1;\nTERMS\nOF_SUM",
        "1:7: `shift_by_max` is no bool: expected `const shift_by_max = true;`",
    ),
    (
        "const shift_by_max = true;\nLOSS",
        "1:7: `shift_by_max` is for losses of rows: expected `row_terms` and `row_loss`",
    ),
];

#[test]
fn what_is_no_loss_is_refused_at_its_place() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[2], f32s(&[1.5, -0.5]));
    let mut wrong = String::new();
    for (text, wanted) in REFUSED {
        let text = [("OF_SUM", OF_SUM), ("TERMS", TERMS), ("LOSS", LOSS)]
            .iter()
            .fold(text.to_string(), |text, (word, line)| {
                text.replace(word, line)
            });
        bench.write("bad.wgsl", text.as_bytes());
        let line =
            "loss --wgsl bad.wgsl --input x.npy --target x.npy --out-loss l.npy --out-grad g.npy";
        let ran = refused(&bench, line);
        if ran.stderr != format!("error: bad.wgsl:{wanted}\n") {
            wrong += &format!("{text}\n  wanted {wanted}\n  found {}", ran.stderr);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // Types of many within each other.
    let aliases: String = (1..=2000)
        .map(|i| format!("alias A{i} = array<A{}, 1>;\n", i - 1))
        .collect();
    let (open, close) = ("array<".repeat(300), ", 1>".repeat(300));
    for (text, wanted) in [
        (
            format!(
                "alias A0 = f32;\n{aliases}fn loss(x: f32) -> f32 {{\n    var v: A2000;\n    return x;\n}}"
            ),
            "2003:5: more than 100 types within each other",
        ),
        (
            format!("fn loss(x: f32) -> f32 {{\n    var v: {open}f32{close};\n    return x;\n}}"),
            "2:1811: too much within each other to be read",
        ),
    ] {
        bench.write("bad.wgsl", text.as_bytes());
        let ran = refused(&bench, "loss --wgsl bad.wgsl --input x.npy");
        assert_eq!(ran.stderr, format!("error: bad.wgsl:{wanted}\n"));
    }
    bench.write(
        "bad.wgsl",
        format!("const shift_by_max = true;\n{LOSS}").as_bytes(),
    );
    // All commands say the same, before they look for a device.
    let wanted = "error: bad.wgsl:1:7: `shift_by_max` is for losses of rows: expected `row_terms` and `row_loss`\n";
    for line in [
        "loss --wgsl bad.wgsl --input gone.npy --json",
        "verify --wgsl bad.wgsl --quick --json",
        "bench --wgsl bad.wgsl",
        "plot --wgsl bad.wgsl --out drawn",
    ] {
        assert_eq!(refused(&bench, line).stderr, wanted, "{line}");
    }
}

/// Where the reference cannot go on it says where. (On a device such a loop ends when the driver ends it.)
#[test]
fn loops_without_end_are_said() {
    let bench = small();
    let text = "fn loss(x: f32, t: f32) -> f32 {\n    var v = x;\n    loop {\n        v += t;\n    }\n    return v;\n}\n";
    bench.write("ever.wgsl", text.as_bytes());
    let data = "--input x.npy --target t.npy";
    for line in [
        format!("loss --wgsl ever.wgsl {data} --device cpu"),
        "verify --quick --wgsl ever.wgsl --device gpu".into(),
    ] {
        let ran = bench.run(&line);
        assert_eq!(ran.code, 2, "{line}: {}", ran.stderr);
        let wanted = ":4:9: this loop takes more than 1000000 steps";
        let said = ran
            .stderr
            .lines()
            .any(|l| l.starts_with("error: ever") && l.ends_with(wanted));
        assert!(said, "{line}: {}", ran.stderr);
    }
}

/// Whole numbers that follow from options are none where they are divided by zero.
#[test]
fn derived_options_are_not_divided_by_zero() {
    let bench = small();
    let data = "--input x.npy --target t.npy --device cpu";
    for (op, kind) in [('/', "i32"), ('%', "u32")] {
        let text = format!(
            "override a: {kind} = 1;\noverride b: {kind} = 6 {op} a;\nfn loss(x: f32, t: f32) -> f32 {{ return f32(b) * (x - t); }}\n"
        );
        bench.write("over.wgsl", text.as_bytes());
        bench.write("bad.wgsl", text.replace("= 1", "= 0").as_bytes());
        let ran = bench.run(&format!("loss --wgsl bad.wgsl {data}"));
        let wanted = "error: bad.wgsl:2:19: division of a whole number by zero\n";
        assert_eq!((ran.code, ran.stderr.as_str()), (2, wanted));
        let ran = bench.run(&format!("loss --wgsl over.wgsl {data} --set a=0"));
        let wanted = "error: option `a` of over: ";
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.starts_with(wanted), "{}", ran.stderr);
        assert_eq!(bench.run(&format!("loss --wgsl over.wgsl {data}")).code, 0);
    }
}

/// What follows from options is finite, as they are.
#[test]
fn derived_options_are_finite() {
    let bench = small();
    let text = "override a: f32 = 2.0;\noverride b: f32 = a / (a - 1.0);\nfn loss(x: f32, t: f32) -> f32 { return b * (x - t); }\n";
    bench.write("over.wgsl", text.as_bytes());
    bench.write("bad.wgsl", text.replace("2.0", "1.0").as_bytes());
    let data = "--input x.npy --target t.npy --device cpu";
    let ran = bench.run(&format!("loss --wgsl bad.wgsl {data}"));
    let wanted = "error: bad.wgsl:2:1: `b` comes to inf: expected a finite number\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (2, wanted));
    let ran = bench.run(&format!("loss --wgsl over.wgsl {data} --set a=1"));
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("option `a` of over: expected"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        bench
            .run(&format!("loss --wgsl over.wgsl {data} --set a=3"))
            .code,
        0
    );
}
