//! Wrong usage and bad input: exit code 2, one line that says what, and nothing written.

use wgloss::cli::files::Data;

use super::bench::Bench;

fn halves(n: usize) -> Data {
    Data::F32(vec![0.5; n])
}

/// Files that fit each other, and some that do not.
fn bench() -> Bench {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[4, 3], halves(12));
    bench.save("x0.npy", &[], halves(1));
    bench.save("x1.npy", &[12], halves(12));
    bench.save("t.npy", &[4, 3], halves(12));
    bench.save("turned.npy", &[3, 4], halves(12));
    bench.save("none.npy", &[4, 0], halves(0));
    bench.save("whole.npy", &[4, 3], Data::I32(vec![1; 12]));
    bench.save("y.npy", &[4], Data::I64(vec![0, 1, 2, -100]));
    bench.save("floats.npy", &[4], halves(4));
    bench.save("far.npy", &[4], Data::I64(vec![0, 3, -1, 1 << 40]));
    bench.save("column.npy", &[4, 1], Data::I64(vec![0; 4]));
    bench.save("w.npy", &[4], Data::F32(vec![1.0, -1.0, 1.0, 1.0]));
    bench.save("wnan.npy", &[4, 3], Data::F32(vec![f32::NAN; 12]));
    bench.save("wbig.npy", &[4], Data::F64(vec![1.0, 1.0, 1e300, 1.0]));
    bench.save("w3.npy", &[3], halves(3));
    bench.save("c2.npy", &[2], halves(2));
    bench.save("cbad.npy", &[3], Data::F32(vec![1.0, 1.0, f32::INFINITY]));
    bench.save("s.npy", &[4], Data::F32(vec![0.1, 0.9, 0.5, 0.4]));
    bench.save("b.npy", &[4], Data::I64(vec![0, 1, 1, 0]));
    bench.save("snan.npy", &[4], Data::F32(vec![0.1, 0.9, f32::NAN, 0.4]));
    bench.save("p.npy", &[4], Data::F32(vec![0.1, 1.5, 0.5, 0.4]));
    bench.save("empty.npy", &[0], halves(0));
    bench.save("nobody.npy", &[0], Data::I64(Vec::new()));
    bench.write("text.npy", b"not an array");
    bench.write("cut.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr'");
    bench.write("text.txt", b"1 2 3");
    bench.write("broken.npz", b"PK\x03\x04");
    bench.write("broken.safetensors", &[255; 16]);
    bench
}

const CE: &str = "loss cross_entropy --input x.npy --target y.npy";
const BINARY: &str = "metrics binary --input s.npy --target b.npy --device cpu";
const MSE: &str = "loss mse --input x.npy --target t.npy";

/// What follows the first two words of a command line, and what the message has to say.
const WRONG: &[(&str, &str, &[&str])] = &[
    // The parser's.
    ("", "", &["requires a subcommand"]),
    ("", "nonsense", &["nonsense"]),
    ("", "metrics", &["required"]),
    ("", "metrics binary", &["--input"]),
    (
        "",
        "metrics ranking --input s.npy --target b.npy",
        &["ranking", "multilabel"],
    ),
    (BINARY, "--from logit", &["logit", "logits"]),
    (BINARY, "--threshold high", &["high", "expected a number"]),
    (BINARY, "--recall 1.5", &["1.5", "[0, 1]"]),
    (BINARY, "--top-k 1", &["--top-k", "binary"]),
    (BINARY, "--classes 2", &["--classes", "binary"]),
    (BINARY, "--weight w.npy", &["w.npy", "-1", "index 1"]),
    (BINARY, "--weight w3.npy", &["w3.npy", "[4]", "[3]"]),
    (BINARY, "--curves c.npy", &["c.npy", ".npz"]),
    (BINARY, "--curves nowhere/c.npz", &["nowhere"]),
    (BINARY, "--plot text.txt", &["text.txt", "make the folder"]),
    (
        "metrics binary --input b.npy --target b.npy --device cpu",
        "--from labels --threshold 0.5",
        &["--threshold", "scores", "labels"],
    ),
    (
        "metrics binary --target b.npy --device cpu",
        "--input snan.npy",
        &["snan.npy", "NaN", "index 2"],
    ),
    (
        "metrics binary --target b.npy --device cpu",
        "--from probs --input p.npy",
        &["p.npy", "1.5", "index 1"],
    ),
    (
        "metrics binary --target b.npy --device cpu",
        "--from labels --input s.npy",
        &["s.npy", "integer"],
    ),
    (
        "metrics binary --target b.npy --device cpu",
        "--input x1.npy",
        &["b.npy", "[12]", "[4]"],
    ),
    (
        "metrics binary --input s.npy --device cpu",
        "--target far.npy",
        &["far.npy", "below 2", "found 3", "index 1"],
    ),
    (
        "metrics binary --input s.npy --device cpu",
        "--target floats.npy",
        &["floats.npy", "integer"],
    ),
    (
        "metrics binary --device cpu",
        "--input empty.npy --target nobody.npy",
        &["empty.npy", "at least one sample"],
    ),
    (
        "metrics multiclass --target b.npy --device cpu",
        "--input s.npy",
        &["s.npy", "[N, C]", "[4]"],
    ),
    (
        "metrics multiclass --target y.npy --device cpu",
        "--input x.npy",
        &["y.npy", "-100", "index 3"],
    ),
    (
        "metrics multiclass --target y.npy --device cpu",
        "--input x.npy --ignore-index -100 --classes 4",
        &["x.npy", "4 classes"],
    ),
    (
        "metrics multiclass --from labels --target y.npy --ignore-index -100 --device cpu",
        "--input far.npy",
        &["far.npy", "labels below 8192", "index 2"],
    ),
    (
        "metrics multilabel --target b.npy --device cpu",
        "--input s.npy",
        &["s.npy", "[N, L]", "[4]"],
    ),
    (
        "metrics regression --target b.npy --device cpu",
        "--input snan.npy",
        &["snan.npy", "finite", "index 2"],
    ),
    ("", "list --nonsense", &["--nonsense"]),
    ("", "loss", &["required"]),
    ("", "loss mse", &["--input"]),
    (MSE, "more", &["more"]),
    (MSE, "--reduction average", &["average", "weighted_mean"]),
    (MSE, "--dtype f64", &["f64", "bf16"]),
    (MSE, "--grad-scale inf", &["inf", "finite"]),
    (MSE, "--grad-scale 1e39", &["1e39", "finite"]),
    (MSE, "--grad-scale one", &["one", "finite"]),
    (MSE, "--class-axis 2", &["2", "expected 1"]),
    (MSE, "--json --json", &["--json"]),
    (MSE, "--device=", &["--device"]),
    // Names and options.
    (
        "",
        "loss mes --input x.npy --target t.npy",
        &["unknown loss `mes`", "mse, "],
    ),
    (
        "",
        "verify mse nothing",
        &["unknown loss `nothing`", "expected one of"],
    ),
    (
        "",
        "verify --device cpu",
        &["--device", "expected", "found cpu"],
    ),
    (
        "",
        "bench mse nothing",
        &["unknown loss `nothing`", "expected one of"],
    ),
    (
        "",
        "bench --device cpu",
        &["--device", "expected", "found cpu"],
    ),
    ("", "bench mse --rows 4", &["--cols"]),
    ("", "bench mse --rows 4 --cols 0", &["--cols", "at least 1"]),
    ("", "bench mse --rows -4 --cols 4", &["-4"]),
    ("", "bench mse --dtype f32,f64", &["f64", "bf16"]),
    ("", "bench mse --rounds 0", &["--rounds", "at least 1"]),
    (
        MSE,
        "--set delta=1",
        &["mse has no option `delta`", "expected none"],
    ),
    (CE, "--set delta=1", &["no option `delta`", "ignore_index"]),
    (
        CE,
        "--set z_loss",
        &["--set", "expected option=value", "found `z_loss`"],
    ),
    (CE, "--set z_loss=", &["`z_loss`", "expected", "found ``"]),
    (
        CE,
        "--set z_loss=-1",
        &["`z_loss`", "at least 0", "found -1"],
    ),
    (
        CE,
        "--set z_loss=1e39",
        &["`z_loss`", "finite", "found `1e39`"],
    ),
    (
        CE,
        "--set z_loss=nan",
        &["`z_loss`", "finite", "found `nan`"],
    ),
    (
        CE,
        "--set label_smoothing=1.5",
        &["`label_smoothing`", "[0, 1]", "found 1.5"],
    ),
    (
        CE,
        "--set temperature=0",
        &["`temperature`", "above 0", "found 0"],
    ),
    (
        CE,
        "--set temperature=1e-60",
        &["`temperature`", "above 0", "found 0"],
    ),
    (
        CE,
        "--set ignore_index=1.5",
        &["`ignore_index`", "integer", "found `1.5`"],
    ),
    (
        CE,
        "--set z_loss=@w3.npy",
        &["`z_loss`", "expected a finite number", "w3.npy"],
    ),
    (
        CE,
        "--set z_loss=1 --set z_loss=1",
        &["--set z_loss", "once", "twice"],
    ),
    // Which files there have to be.
    (
        "",
        "loss mse --input x.npy",
        &["--target of mse", "expected numbers", "found none"],
    ),
    (
        MSE,
        "--input x.npy",
        &["--input of mse", "expected 1 (x)", "found 2"],
    ),
    (
        MSE,
        "--out-grad a.npy --out-grad b.npy",
        &["--out-grad", "one for each of 1", "found 2"],
    ),
    (
        MSE,
        "--class-weight w3.npy",
        &["--class-weight of mse", "expected none", "found w3.npy"],
    ),
    (
        "",
        "loss mse --input gone.npy --target t.npy",
        &["gone.npy", "cannot"],
    ),
    (
        "",
        "loss mse --input text.txt --target t.npy",
        &["text.txt", "expected", ".npy"],
    ),
    (
        "",
        "loss mse --input text.npy --target t.npy",
        &["text.npy", "expected", "found"],
    ),
    (
        "",
        "loss mse --input cut.npy --target t.npy",
        &["cut.npy", "expected", "found"],
    ),
    (
        "",
        "loss mse --input broken.npz:a --target t.npy",
        &["broken.npz:a", "expected", "found"],
    ),
    (
        "",
        "loss mse --input broken.safetensors:a --target t.npy",
        &["broken.safetensors:a"],
    ),
    (
        "",
        "loss mse --input x.npy:key --target t.npy",
        &["x.npy:key", "expected no key"],
    ),
    // What is in them.
    (
        "",
        "loss mse --input whole.npy --target t.npy",
        &["whole.npy", "input", "expected float16", "found int32"],
    ),
    (
        "",
        "loss mse --input x0.npy --target t.npy",
        &["x0.npy", "at least one axis", "found []"],
    ),
    (
        "",
        "loss mse --input x1.npy --target x1.npy --class-axis 1",
        &["x1.npy", "at least two axes", "found [12]"],
    ),
    (
        "",
        "loss mse --input x.npy --target turned.npy",
        &[
            "turned.npy",
            "target",
            "[4, 3]",
            "found float32 of shape [3, 4]",
        ],
    ),
    (
        "",
        "loss mse --input x.npy --target x1.npy",
        &["x1.npy", "[4, 3]", "shape [12]"],
    ),
    (
        "",
        "loss mse --input x.npy --target y.npy",
        &["y.npy", "[4, 3]", "found int64 of shape [4]"],
    ),
    (
        "",
        "loss cross_entropy --input x.npy --target floats.npy",
        &[
            "floats.npy",
            "expected integer class indices of shape [4]",
            "[4, 3]",
            "found float32 of shape [4]",
        ],
    ),
    (
        "",
        "loss cross_entropy --input x.npy --target column.npy",
        &["column.npy", "[4]", "found int64 of shape [4, 1]"],
    ),
    (
        "",
        "loss cross_entropy --input x.npy --target y.npy --class-axis 1 --reduction sum --input x.npy",
        &["--input", "found 2"],
    ),
    (
        "",
        "loss cross_entropy --input none.npy --target y.npy",
        &["none.npy", "at least one class", "found [4, 0]"],
    ),
    (
        "",
        "loss cross_entropy --input x.npy --target far.npy",
        &["far.npy", "below 3", "-100", "found 3 outside", "row 1"],
    ),
    (
        CE,
        "--set ignore_index=0",
        &[
            "y.npy",
            "below 3",
            "ignore_index 0",
            "found 1 outside",
            "row 3",
        ],
    ),
    (
        MSE,
        "--weight w.npy",
        &["w.npy", "at least 0", "found -1 at index 1"],
    ),
    (
        MSE,
        "--weight wnan.npy",
        &["wnan.npy", "finite", "found NaN at index 0"],
    ),
    (
        MSE,
        "--weight wbig.npy",
        &["wbig.npy", "finite", "at index 2"],
    ),
    (
        MSE,
        "--weight w3.npy",
        &[
            "w3.npy",
            "weight",
            "[4, 3]",
            "[4] for one per row",
            "found float32 of shape [3]",
        ],
    ),
    (
        CE,
        "--weight t.npy",
        &["t.npy", "[4], one per row", "found float32 of shape [4, 3]"],
    ),
    (
        CE,
        "--class-weight c2.npy",
        &[
            "c2.npy",
            "class_weight",
            "[3], one per class",
            "found float32 of shape [2]",
        ],
    ),
    (
        CE,
        "--class-weight cbad.npy",
        &["cbad.npy", "class_weight", "found inf at index 2"],
    ),
    // Where results go.
    (
        MSE,
        "--out-loss l.txt",
        &["l.txt", "expected a name ending in .npy"],
    ),
    (
        MSE,
        "--out-loss gone/l.npy --out-grad g.npy",
        &["gone/l.npy", "cannot write"],
    ),
    (MSE, "--out-grad g.npy --out-loss g.npy", &["g.npy"]),
    // Pictures.
    ("", "plot", &["required", "<WHAT>", "--out"]),
    ("", "plot metrics", &["metrics"]),
    ("", "plot losses", &["--out"]),
    (
        "",
        "plot losses --out text.txt",
        &["text.txt", "cannot make the folder"],
    ),
    (
        "",
        "loss --wgsl a.wgsl --input x.npy",
        &["a.wgsl", "cannot read"],
    ),
    // Sums of losses.
    ("", "loss --combined a.json", &["a.json", "cannot read"]),
    (
        "",
        "loss --combined a.json --reduction sum",
        &["--combined", "--reduction"],
    ),
    (
        "",
        "loss mse --combined a.json",
        &["--combined", "cannot be used with"],
    ),
];

#[test]
fn wrong_command_lines_and_bad_files() {
    let bench = bench();
    let before = bench.files();
    for (start, more, wanted) in WRONG {
        for output in ["", " --out-loss out.npy", " --json"] {
            let line = format!("{start} {more}");
            let flag = output.split_whitespace().next().unwrap_or_default();
            // Nothing may hide the error, but a flag that is there already is another error.
            let line = match line.trim().starts_with("loss ") && !line.contains(flag) {
                true => line + output,
                false => line,
            };
            let ran = bench.run(&line);
            assert_eq!(ran.code, 2, "{line}\n{}", ran.stderr);
            assert_eq!(ran.stdout, "", "{line}");
            let errors = ran.stderr.lines().filter(|l| l.starts_with("error: "));
            assert_eq!(errors.count(), 1, "{line}\n{}", ran.stderr);
            assert!(ran.stderr.starts_with("error: "), "{line}\n{}", ran.stderr);
            for part in *wanted {
                assert!(ran.stderr.contains(part), "{line}\n{part}\n{}", ran.stderr);
            }
            assert_eq!(bench.files(), before, "{line}");
        }
    }
}

#[test]
fn what_is_there_stays_after_an_error() {
    let bench = bench();
    bench.save("g.npy", &[1], halves(1));
    let old = bench.load("g.npy");
    let ran = bench.run("loss cross_entropy --input x.npy --target far.npy --out-grad g.npy");
    assert_eq!(ran.code, 2);
    assert_eq!(bench.load("g.npy"), old);
}

#[test]
fn names_with_newlines_stay_on_one_line() {
    let bench = bench();
    let mut command = bench.command("loss mse --target t.npy --input");
    let output = command.arg("a\nerror: b.npy").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// A device that is there is not opened for input that is bad.
#[test]
fn errors_come_before_the_device() {
    let bench = Bench::new();
    bench.save("x.npy", &[2, 2], halves(4));
    bench.save("y.npy", &[2], Data::I32(vec![5, 0]));
    let line = "loss cross_entropy --input x.npy --target y.npy";
    let ran = bench.run(line);
    let wanted = "error: y.npy: target: expected class indices below 2 or the ignore_index -100, found 1 outside, the first in row 0\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (2, wanted));
}
