//! Which arrays are read as what, and in which shape results are written.

use serde_json::{Value, json};
use wgloss::cli::files::Data;

use super::bench::{Bench, close, doubles, f32s};
use super::files_support;

#[test]
fn reduction_none_has_the_shape_of_what_is_reduced() {
    for (bench, device) in [(Bench::new(), "gpu"), (Bench::without_driver(), "cpu")] {
        bench.save("x.npy", &[2, 3, 2], f32s(&[0.5; 12]));
        bench.save("t.npy", &[2, 3, 2], f32s(&[0.25; 12]));
        bench.save("rows.npy", &[2, 3], Data::I32(vec![0, 1, 1, 0, 1, 0]));
        bench.save("axis.npy", &[2, 2], Data::U8(vec![0, 1, 2, 0]));
        for (line, shape) in [
            ("mse --input x.npy --target t.npy", &[2, 3, 2][..]),
            ("cross_entropy --input x.npy --target rows.npy", &[2, 3]),
            ("cross_entropy --input x.npy --target t.npy", &[2, 3]),
            (
                "cross_entropy --input x.npy --target axis.npy --class-axis 1",
                &[2, 2],
            ),
        ] {
            let line = format!(
                "loss {line} --reduction none --device {device} --out-loss l.npy --out-grad g.npy"
            );
            let out = bench.json(&line);
            assert_eq!(
                (&out["loss"], &out["reduction"]),
                (&Value::Null, &json!("none"))
            );
            let (loss, grad) = (bench.load("l.npy"), bench.load("g.npy"));
            assert_eq!(loss.shape, shape, "{line}");
            assert_eq!(grad.shape, [2, 3, 2], "{line}");
            let dtype = if device == "gpu" {
                "float32"
            } else {
                "float64"
            };
            assert_eq!(
                (loss.data.dtype_name(), grad.data.dtype_name()),
                (dtype, dtype)
            );
        }
        // Twelve times (1/4)², and the gradient of their sum is 2/4.
        bench.json(&format!("loss mse --input x.npy --target t.npy --reduction none --device {device} --out-loss l.npy --out-grad g.npy"));
        let as_doubles = |name| match bench.load(name).data {
            Data::F32(v) => v.into_iter().map(f64::from).collect(),
            Data::F64(v) => v,
            _ => Vec::new(),
        };
        assert_eq!(as_doubles("l.npy"), vec![0.0625; 12]);
        assert_eq!(as_doubles("g.npy"), vec![0.5; 12]);
        let people = bench.run(&format!(
            "loss mse --input x.npy --target t.npy --reduction none --device {device}"
        ));
        assert!(people.stdout.contains("loss: one for each of the elements"));
    }
}

#[test]
fn the_class_axis() {
    // [1, 2, 3] with the classes at axis 1 is [3, 2] transposed.
    let bench = Bench::without_driver();
    bench.save("a.npy", &[1, 2, 3], f32s(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]));
    bench.save("b.npy", &[3, 2], f32s(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.5]));
    bench.save("la.npy", &[1, 3], Data::I64(vec![0, 1, 0]));
    bench.save("lb.npy", &[3], Data::I64(vec![0, 1, 0]));
    let a = bench
        .json("loss cross_entropy --input a.npy --target la.npy --class-axis 1 --out-grad ga.npy");
    let b = bench.json("loss cross_entropy --input b.npy --target lb.npy --out-grad gb.npy");
    assert_eq!(a["loss"], b["loss"]);
    let (ga, gb) = (bench.load("ga.npy"), bench.load("gb.npy"));
    for row in 0..3 {
        for class in 0..2 {
            let (a, b) = (doubles(&ga)[class * 3 + row], doubles(&gb)[row * 2 + class]);
            assert_eq!(a, b);
        }
    }
}

#[test]
fn every_format_and_order_gives_the_same() {
    use files_support::{deflated, floats, npy, safetensors, stored, zip};
    let bench = Bench::without_driver();
    let logits = [0.5f32, -1.0, 2.0, 0.25, 1.5, -0.75];
    let transposed = [0.5f32, 0.25, -1.0, 1.5, 2.0, -0.75];
    let labels: Vec<u8> = [2i64, 0].iter().flat_map(|l| l.to_le_bytes()).collect();
    let c = npy("'<f4'", false, "(2, 3)", &floats(&logits));
    let y = npy("'<i8'", false, "(2,)", &labels);
    bench.write("c.npy", &c);
    bench.write("f.npy", &npy("'<f4'", true, "(2, 3)", &floats(&transposed)));
    bench.write("y.npy", &y);
    bench.write("a.npz", &zip(&[stored("x.npy", c), deflated("y.npy", y)]));
    let header = r#"{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"y":{"dtype":"I64","shape":[2],"data_offsets":[24,40]}}"#;
    let data = [floats(&logits), labels].concat();
    bench.write("a.safetensors", &safetensors(header, &data));
    let result = |x: &str, y: &str| {
        bench.json(&format!(
            "loss cross_entropy --input {x} --target {y} --out-grad g.npy"
        ))["loss"]
            .as_f64()
            .unwrap()
    };
    let plain = result("c.npy", "y.npy");
    let grad = bench.load("g.npy");
    for (x, y) in [
        ("f.npy", "y.npy"),
        ("a.npz:x", "a.npz:y"),
        ("a.safetensors:x", "a.safetensors:y"),
    ] {
        assert_eq!(result(x, y), plain, "{x}");
        assert_eq!(bench.load("g.npy"), grad, "{x}");
    }
}

#[test]
fn labels_of_every_type_and_one_hot() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[3, 2], f32s(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.5]));
    let bits = [0u8, 1, 1];
    let types = [
        Data::I8(bits.map(|v| v as i8).to_vec()),
        Data::I16(bits.map(i16::from).to_vec()),
        Data::I32(bits.map(i32::from).to_vec()),
        Data::I64(bits.map(i64::from).to_vec()),
        Data::U8(bits.to_vec()),
        Data::U16(bits.map(u16::from).to_vec()),
        Data::U32(bits.map(u32::from).to_vec()),
        Data::U64(bits.map(u64::from).to_vec()),
        Data::Bool(bits.map(|v| v == 1).to_vec()),
    ];
    let line = "loss cross_entropy --input x.npy --target t.npy";
    let mut losses = Vec::new();
    for labels in types {
        bench.save("t.npy", &[3], labels);
        losses.push(bench.json(line)["loss"].clone());
    }
    for one_hot in [
        Data::I64(vec![1, 0, 0, 1, 0, 1]),
        Data::Bool(vec![true, false, false, true, false, true]),
        f32s(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0]),
    ] {
        bench.save("t.npy", &[3, 2], one_hot);
        losses.push(bench.json(line)["loss"].clone());
    }
    let first = losses[0].as_f64().unwrap();
    losses
        .iter()
        .for_each(|l| close(l.as_f64().unwrap(), first, 1e-15));
    // A u64 beyond every i64 is neither a class nor an ignored row.
    bench.save("t.npy", &[3], Data::U64(vec![0, u64::MAX, 1 << 63]));
    for set in [
        "",
        "--set ignore_index=-1",
        "--set ignore_index=9223372036854775807",
    ] {
        let ran = bench.run(&format!("{line} {set}"));
        assert_eq!(ran.code, 2);
        assert!(
            ran.stderr.contains("found 2 outside, the first in row 1"),
            "{}",
            ran.stderr
        );
    }
    // One axis: rows of one column, and whole numbers are classes.
    bench.save("x.npy", &[3], f32s(&[1.0, 4.0, 2.0]));
    bench.save("t.npy", &[3], Data::I64(vec![0, 0, 0]));
    assert_eq!(bench.json(line)["loss"], 0.0);
}

#[test]
fn whole_numbers_as_targets_and_weights() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[2, 2], f32s(&[1.0, 2.0, 3.0, 5.0]));
    bench.save("t.npy", &[2, 2], Data::Bool(vec![true, true, false, true]));
    bench.save("row.npy", &[2], Data::U8(vec![0, 2]));
    bench.save("element.npy", &[2, 2], f32s(&[1.0, 1.0, 0.0, 0.5]));
    let loss = |more: &str| bench.json(&format!("loss mse --input x.npy --target t.npy {more}"));
    // The squares are 0, 1, 9, 16.
    assert_eq!(loss("")["loss"], 6.5);
    assert_eq!(loss("--reduction sum")["loss"], 26.0);
    assert_eq!(loss("--reduction batch_mean")["loss"], 13.0);
    assert_eq!(loss("--weight row.npy --reduction sum")["loss"], 50.0);
    assert_eq!(
        loss("--weight row.npy --reduction weighted_mean")["loss"],
        12.5
    );
    assert_eq!(loss("--weight element.npy --reduction sum")["loss"], 9.0);
    loss("--reduction sum --grad-scale -0.5 --out-grad g.npy");
    assert_eq!(doubles(&bench.load("g.npy")), [0.0, -1.0, -3.0, -4.0]);
}

#[test]
fn class_weights_and_options() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[3, 2], f32s(&[0.0; 6]));
    bench.save("t.npy", &[3], Data::I32(vec![0, 1, 7]));
    bench.save("c.npy", &[2], f32s(&[1.0, 3.0]));
    let line = "loss cross_entropy --input x.npy --target t.npy --set ignore_index=7";
    let out = bench.json(&format!("{line} --class-weight c.npy --reduction sum"));
    close(out["loss"].as_f64().unwrap(), 4.0 * 2f64.ln(), 1e-15);
    assert_eq!(out["valid"], 2);
    // z_loss adds 2·log²2 a row; 2 is exact in f32.
    let out = bench.json(&format!("{line} --set z_loss=2 --set temperature=1e0"));
    let l = 2f64.ln();
    close(out["loss"].as_f64().unwrap(), l + 2.0 * l * l, 1e-15);
}

#[test]
fn an_option_may_be_a_list_in_a_file() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[2, 2], f32s(&[0.0; 4]));
    bench.save("t.npy", &[2, 2], f32s(&[1.0, 1.0, 0.0, 1.0]));
    bench.save("p.npy", &[2], f32s(&[3.0, 5.0]));
    let line = "loss bce_with_logits --input x.npy --target t.npy --reduction sum";
    // At 0 every element costs log 2, times its column's weight where the target is 1.
    let out = bench.json(&format!("{line} --set pos_weight=@p.npy"));
    close(
        out["loss"].as_f64().unwrap(),
        (3.0 + 5.0 + 1.0 + 5.0) * 2f64.ln(),
        1e-15,
    );
    let out = bench.json(&format!("{line} --set pos_weight=2"));
    close(out["loss"].as_f64().unwrap(), 7.0 * 2f64.ln(), 1e-15);
    // As many numbers as there are columns, of which the message says where they came from.
    bench.save("p.npy", &[3], f32s(&[3.0, 5.0, 1.0]));
    let ran = bench.run(&format!("{line} --set pos_weight=@p.npy"));
    assert_eq!(ran.code, 2);
    for part in ["p.npy", "2", "3 numbers"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}

#[test]
fn an_input_may_be_its_own_output() {
    let bench = Bench::without_driver();
    bench.save("x.npy", &[2], f32s(&[1.0, 3.0]));
    bench.save("t.npy", &[2], f32s(&[0.0, 0.0]));
    bench.json("loss mse --input x.npy --target t.npy --out-grad x.npy");
    assert_eq!(doubles(&bench.load("x.npy")), [1.0, 3.0]);
    assert_eq!(bench.files(), ["t.npy", "x.npy"]);
}
