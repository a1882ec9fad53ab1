//! Wrong usage and bad input: exit code 2, one line that says what, and nothing written.

use wgloss::cli::files::Data;

use super::bench::Bench;
use super::files_support::{deflated, floats, npy, npy_header, safetensors, stored, zip};
use std::collections::HashSet;

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
    bench.save("yy.npy", &[4], Data::I64(vec![0, 1, 2, 1]));
    bench.save("hot.npy", &[4, 3], Data::I64([0, 1, 0].repeat(4)));
    bench.save("twos.npy", &[4, 3], Data::I64(vec![2; 12]));
    bench.save("wide.npy", &[0, 1 << 40], halves(0));
    let array = npy("'<f4'", false, "(3,)", &floats(&[1.0; 3]));
    let long = npy("'<f4'", false, "(4,)", &floats(&[1.0; 3]));
    bench.write("long.npy", &long);
    bench.write("objects.npy", &npy("'|O'", false, "(3,)", &[0; 24]));
    bench.write("complex.npy", &npy("'<c8'", false, "(3,)", &[0; 24]));
    bench.write(
        "overflow.npy",
        &npy("'<f4'", false, "(4294967296, 4294967296)", &[]),
    );
    let mut header = npy_header(2, "{}", &[]);
    header[8..12].fill(255);
    bench.write("header.npy", &header);
    let both = [stored("a.npy", array.clone()), deflated("b.npy", array)];
    let archive = zip(&both);
    bench.write("two.npz", &archive);
    bench.write("nested.npz", &zip(&[stored("a.npy", archive)]));
    let mut bomb = deflated("a.npy", vec![0; 1 << 16]);
    bomb.lie = 1 << 30;
    bench.write("bomb.npz", &zip(&[bomb]));
    let tensor = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#;
    bench.write("one.safetensors", &safetensors(tensor, &[0; 12]));
    let tensor = r#"{"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}}"#;
    bench.write("eight.safetensors", &safetensors(tensor, &[0; 3]));
    bench.write(
        "l.wgsl",
        b"fn loss(x: f32, t: f32) -> f32 { return x - t; }",
    );
    bench.write(
        "bad.wgsl",
        b"fn loss(x: f32, t: f32) -> f32 { return x - ; }",
    );
    bench.write(
        "sum.json",
        br#"{"terms":[{"loss":"mse","input":"x.npy","target":"t.npy"}]}"#,
    );
    std::fs::create_dir(bench.dir.path().join("folder.npy")).unwrap();
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
    // Without a device that is asked for, of which a note would be another line.
    (
        "metrics binary --input s.npy --target b.npy",
        "--curves c.txt",
        &["c.txt", ".npz"],
    ),
    (
        "metrics binary --input s.npy --target b.npy",
        "--class-names a,b,c",
        &["--class-names", "2 names", "found 3"],
    ),
    (
        "metrics binary --input s.npy",
        "--target far.npy",
        &["far.npy", "found 3"],
    ),
    (BINARY, "--threshold nan", &["nan", "expected a number"]),
    (BINARY, "--precision=-1", &["-1", "[0, 1]"]),
    (BINARY, "--ignore-index 1.5", &["1.5"]),
    (
        BINARY,
        "--ignore-index 99999999999999999999",
        &["too large"],
    ),
    (
        BINARY,
        "--plot x.npy/pictures",
        &["x.npy/pictures", "not a directory"],
    ),
    (
        BINARY,
        "--plot folder.npy --curves folder.npy",
        &["folder.npy", ".npz"],
    ),
    (BINARY, "--weight x.npy", &["x.npy", "[4]", "[4, 3]"]),
    (
        "metrics binary --input s.npy --target b.npy --device gpu",
        "--plot pictures",
        &["--plot", "auto or cpu", "a GPU"],
    ),
    (
        "metrics binary --target x0.npy --device cpu",
        "--input x0.npy",
        &["x0.npy", "integer class indices"],
    ),
    (
        "metrics multiclass --target yy.npy --device cpu",
        "--input x.npy --top-k 0",
        &["--top-k", "at least 1"],
    ),
    (
        "metrics multiclass --target yy.npy --device cpu",
        "--input x.npy --top-k 1,x",
        &["'x'", "--top-k"],
    ),
    (
        "metrics multiclass --target yy.npy --device cpu",
        "--input x.npy --classes 99999999999999999999",
        &["--classes", "at least 1"],
    ),
    (
        "metrics multiclass --from labels --target yy.npy --device cpu",
        "--input yy.npy --classes 2",
        &["yy.npy", "below 2", "found 2", "index 2"],
    ),
    (
        "metrics multiclass --from labels --target yy.npy --device cpu",
        "--input yy.npy --classes 9000",
        &["confusion matrix", "8192", "9000"],
    ),
    (
        "metrics multiclass --target yy.npy --device cpu",
        "--input x.npy --curves c.npz",
        &["--curves", "multiclass"],
    ),
    (
        "metrics multilabel --target twos.npy --device cpu",
        "--input x.npy",
        &["twos.npy", "below 2", "found 2"],
    ),
    (
        "metrics multilabel --target hot.npy --device cpu",
        "--input x.npy --weight hot.npy",
        &["hot.npy", "--weight", "[4]"],
    ),
    (
        "metrics regression --target t.npy --device cpu",
        "--input x.npy --plot pictures",
        &["--plot", "regression"],
    ),
    (
        "metrics regression --target wide.npy --device cpu",
        "--input wide.npy",
        &["wide.npy", "at least one sample"],
    ),
    ("", "list --nonsense", &["--nonsense"]),
    ("", "list extra", &["extra"]),
    ("", "adapters --device gpu", &["--device"]),
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
    (
        "",
        "loss mse --input folder.npy --target t.npy",
        &["folder.npy", "is a directory"],
    ),
    (
        "",
        "loss mse --input long.npy --target t.npy",
        &["long.npy", "16 bytes", "[4]", "found 12"],
    ),
    (
        "",
        "loss mse --input header.npy --target t.npy",
        &["header.npy", "at most 65536 bytes", "4294967295"],
    ),
    (
        "",
        "loss mse --input overflow.npy --target t.npy",
        &["overflow.npy", "fits in memory"],
    ),
    (
        "",
        "loss mse --input objects.npy --target t.npy",
        &["objects.npy", "pickled Python objects"],
    ),
    (
        "",
        "loss mse --input complex.npy --target t.npy",
        &["complex.npy", "complex numbers"],
    ),
    (
        "",
        "loss mse --input two.npz --target t.npy",
        &["two.npz", "found none", "`a`, `b`"],
    ),
    (
        "",
        "loss mse --input two.npz:c --target t.npy",
        &["two.npz:c", "found `c`", "`a`, `b`"],
    ),
    (
        "",
        "loss mse --input nested.npz:a --target t.npy",
        &["nested.npz:a", "a .npy array", "other data"],
    ),
    (
        "",
        "loss mse --input bomb.npz:a --target t.npy",
        &["bomb.npz:a", "1032 times"],
    ),
    (
        "",
        "loss mse --input one.safetensors:b --target t.npy",
        &["one.safetensors:b", "found `b`", "`a`"],
    ),
    (
        "",
        "loss mse --input eight.safetensors --target t.npy",
        &["eight.safetensors", "F8_E4M3"],
    ),
    (
        "",
        "loss bce_with_logits --input x.npy --target t.npy --set pos_weight=@gone.npy",
        &["gone.npy", "cannot open"],
    ),
    (
        "",
        "loss bce_with_logits --input x.npy --target t.npy --set pos_weight=@t.npy",
        &["t.npy", "pos_weight", "one axis"],
    ),
    (
        "",
        "loss bce_with_logits --input x.npy --target t.npy --set pos_weight=@s.npy",
        &["s.npy", "`pos_weight`", "3 for the columns", "4 numbers"],
    ),
    // What is in them.
    (
        "",
        "loss mse --input wide.npy --target wide.npy",
        &["wide.npy", "columns", "4294967294"],
    ),
    (
        "",
        "loss cross_entropy --input x.npy --target t.npy --class-weight balanced",
        &["t.npy", "class_weight", "class indices"],
    ),
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
    (
        MSE,
        "--out-loss folder.npy",
        &["folder.npy", "is a directory"],
    ),
    (
        MSE,
        "--out-loss x.npy/l.npy",
        &["x.npy/l.npy", "cannot write"],
    ),
    (
        MSE,
        "--out-loss /dev/null",
        &["/dev/null", "ending in .npy"],
    ),
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
        "plot losses --out x.npy/pictures",
        &["x.npy/pictures", "not a directory"],
    ),
    (
        "",
        "plot losses --wgsl l.wgsl --out p",
        &["cannot be used with"],
    ),
    (
        "",
        "plot --wgsl gone.wgsl --out p",
        &["gone.wgsl", "cannot read"],
    ),
    ("", "plot --wgsl bad.wgsl --out p", &["bad.wgsl:1:45"]),
    ("", "plot --wgsl l.wgsl", &["--out"]),
    // Losses of one's own.
    (
        "",
        "loss --wgsl a.wgsl --input x.npy",
        &["a.wgsl", "cannot read"],
    ),
    (
        "",
        "loss --wgsl bad.wgsl --input x.npy --target t.npy",
        &["bad.wgsl:1:45", "expected expression"],
    ),
    (
        "",
        "loss --wgsl folder.npy --input x.npy --target t.npy",
        &["folder.npy", "cannot read"],
    ),
    (
        "",
        "loss --wgsl cut.npy --input x.npy --target t.npy",
        &["cut.npy", "UTF-8", "0x93"],
    ),
    (
        "",
        "loss mse --wgsl l.wgsl --input x.npy --target t.npy",
        &["cannot be used with"],
    ),
    (
        "",
        "loss --wgsl l.wgsl --input x.npy",
        &["--target of l", "found none"],
    ),
    (
        "",
        "loss --wgsl l.wgsl --input x.npy --target t.npy --set k=1",
        &["l has no option `k`"],
    ),
    ("", "verify --wgsl bad.wgsl", &["bad.wgsl:1:45"]),
    (
        "",
        "verify --wgsl l.wgsl --wgsl l.wgsl",
        &["--wgsl", "different names", "found l"],
    ),
    ("", "bench --wgsl gone.wgsl", &["gone.wgsl", "cannot read"]),
    (
        "",
        "bench mse --rows 18446744073709551616 --cols 1",
        &["--rows", "at least 1"],
    ),
    // Sums of losses.
    ("", "loss --combined a.json", &["a.json", "cannot read"]),
    (
        "",
        "loss --combined folder.npy",
        &["folder.npy", "cannot read"],
    ),
    (
        "",
        "loss --combined text.txt",
        &["text.txt", "JSON", "trailing"],
    ),
    (
        "",
        "loss --combined sum.json --input x.npy",
        &["--combined", "--input"],
    ),
    (
        "",
        "loss --combined sum.json --set delta=1",
        &["--combined", "--set"],
    ),
    (
        "",
        "loss --combined sum.json --out-grad a.npy --out-grad b.npy",
        &["--out-grad", "1 inputs", "found 2"],
    ),
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
    let mut told = HashSet::new();
    for (start, more, wanted) in WRONG {
        let outputs: &[&str] = match format!("{start} {more}").trim().starts_with("loss ") {
            true => &["", " --out-loss out.npy", " --json"],
            false => &[""],
        };
        for output in outputs {
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
            // Of what the parser does not know, the first line is all.
            if !ran.stderr.contains("For more information") {
                assert_eq!(ran.stderr.lines().count(), 1, "{line}\n{}", ran.stderr);
            }
            told.insert(ran.stderr);
        }
    }
    let lines: HashSet<_> = WRONG.iter().map(|(start, more, _)| (start, more)).collect();
    assert_eq!(lines.len(), WRONG.len(), "a command line twice");
    assert!(told.len() >= 60, "{} different messages", told.len());
}

/// A file of terms says what is wrong in a short line, and takes no more memory than a list of terms does.
#[test]
fn files_of_terms_are_bounded() {
    let bench = bench();
    let term = |loss: &str, more: &str| {
        format!(r#"{{"terms":[{{"loss":"{loss}","input":"x.npy","target":"t.npy"{more}}}]}}"#)
    };
    let long = "x".repeat(500_000);
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (text, wanted) in [
        (" ".repeat((1 << 20) + 1), "at most 1048576 bytes"),
        (deep.clone(), "recursion limit"),
        (term("mse", &format!(r#","set":{deep}"#)), "recursion limit"),
        (term(&long, ""), "a short string"),
        (term("mse", &format!(r#","{long}":1"#)), "class_weight"),
        (term("mse", &format!(r#","weight":"{long}""#)), "finite"),
        (term("mse", r#","weight":1e999"#), "number out of range"),
        (term("mse", r#","class_axis":2"#), "class_axis"),
        (term("mse", r#","set":{"delta":[1]}"#), "set: delta"),
        (term("m\\nse", ""), "unknown loss `m\\nse`"),
        (format!(r#"{{"{long}":1}}"#), "expected terms"),
        (
            format!(r#"{{"terms":[{}0]}}"#, "0,".repeat(400_000)),
            "term 0",
        ),
    ] {
        bench.write("sum.json", text.as_bytes());
        let before = bench.files();
        let ran = bench.run("loss --combined sum.json --device cpu --out-loss out.npy");
        let start = &ran.stderr[..ran.stderr.len().min(3000)];
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{start}");
        assert!(ran.stderr.starts_with("error: sum.json: "), "{start}");
        assert!(ran.stderr.contains(wanted), "{wanted}: {start}");
        assert!(
            ran.stderr.len() < 2000,
            "{} bytes: {start}",
            ran.stderr.len()
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{start}");
        assert_eq!(bench.files(), before);
    }
}

/// What has no end is read up to a bound.
#[cfg(target_os = "linux")]
#[test]
fn files_without_end_are_refused() {
    let bench = bench();
    for line in [
        "loss --combined /dev/zero",
        "loss --wgsl /dev/zero --input x.npy --target t.npy",
        "plot --wgsl /dev/zero --out p",
    ] {
        let ran = bench.run(line);
        assert_eq!(ran.code, 2, "{line}\n{}", ran.stderr);
        assert!(ran.stderr.contains("/dev/zero: expected"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

/// A device that is not there has a code of its own, and leaves nothing either.
#[test]
fn a_device_that_is_missing_is_another_code() {
    let bench = bench();
    let before = bench.files();
    for line in [
        "loss mse --input x.npy --target t.npy --device gpu --out-loss out.npy",
        "loss mse --input x.npy --target t.npy --device nobody --json",
        "loss --wgsl l.wgsl --input x.npy --target t.npy --device gpu",
        "loss --combined sum.json --device gpu --out-loss out.npy",
        "metrics binary --input s.npy --target b.npy --device gpu",
        "verify mse --device gpu",
        "verify --wgsl l.wgsl",
        "bench mse --rows 4294967290 --cols 4294967290",
    ] {
        let ran = bench.run(line);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (3, ""),
            "{line}\n{}",
            ran.stderr
        );
        assert!(
            ran.stderr.starts_with("error: no GPU adapter: "),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert_eq!(bench.files(), before, "{line}");
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
    for (line, odd) in [
        ("loss mse --target t.npy --input", "a\nerror: b.npy"),
        ("loss mse --input x.npy --target t.npy --set", "a\nb=1"),
        (
            "loss cross_entropy --input x.npy --target y.npy --set",
            "z_loss=1\n2",
        ),
        ("loss --input x.npy --target t.npy", "ms\ne"),
        ("verify", "ms\ne"),
        ("loss --input x.npy --target t.npy --wgsl", "a\nb.wgsl"),
        ("plot losses --out", "x.npy/a\nb"),
        ("loss mse --input x.npy --target t.npy --device", "a\nb"),
    ] {
        let output = bench.command(line).arg(odd).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let code = if line.ends_with("--device") { 3 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    }
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
