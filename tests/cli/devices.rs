//! What runs where, and what is said about it.

use half::f16;
use serde_json::{Value, json};
use wgloss::cli::files::Data;

use super::bench::{Bench, close, digits, doubles, f32s, singles};

/// Mean cross-entropy of the digits, and the gradient in their first row, by a few lines of Python with
/// `math.fsum` over `lse - x[y]` and `(exp(x - lse) - onehot) / 450`.
const DIGITS: f64 = 0.156532615736313;
const DIGITS_ROW: [f64; 10] = [
    0.0002508229938984276,
    4.8885434144118435e-06,
    -0.0008114625373635463,
    0.0005104377586945065,
    5.278838789723176e-07,
    2.200063794376184e-06,
    1.1897952953753254e-06,
    1.81044112032564e-05,
    1.8000229697221791e-06,
    2.149106421449744e-05,
];

#[test]
fn the_digits_on_a_device() {
    let bench = Bench::new();
    let line = format!("{} --check --out-loss l.npy --out-grad g.npy", digits());
    let out = bench.json(&line);
    let keys: Vec<_> = out.as_object().unwrap().keys().cloned().collect();
    let mut wanted = [
        "name",
        "loss",
        "reduction",
        "device",
        "valid",
        "non_finite",
        "elapsed_ms",
        "check",
    ];
    assert!(wanted.iter().all(|k| keys.iter().any(|found| found == k)));
    wanted.sort_unstable();
    assert_eq!(keys.len(), wanted.len());
    close(out["loss"].as_f64().unwrap(), DIGITS, 1e-7);
    assert_eq!(out["name"], "cross_entropy");
    assert_eq!(out["reduction"], "mean");
    assert_ne!(out["device"], "cpu");
    assert_eq!(
        (&out["valid"], &out["non_finite"]),
        (&json!(450), &json!(0))
    );
    assert!(out["elapsed_ms"].as_f64().unwrap() > 0.0);
    let check = &out["check"];
    assert_eq!(check["pass"], true);
    for key in ["loss_err", "grad_err", "bound"] {
        assert!(check[key].as_f64().unwrap() < 1e-6, "{key}");
    }
    let (loss, grad) = (bench.load("l.npy"), bench.load("g.npy"));
    assert_eq!(
        (loss.shape.as_slice(), grad.shape.as_slice()),
        (&[][..], &[450, 10][..])
    );
    close(
        f64::from(singles(&loss)[0]),
        out["loss"].as_f64().unwrap(),
        0.0,
    );
    for (found, wanted) in singles(&grad).iter().zip(DIGITS_ROW) {
        close(f64::from(*found), wanted, 1e-8);
    }
    let people = bench.run(&format!("{} --check", digits()));
    assert_eq!(people.code, 0);
    assert!(
        people.stdout.contains("check: pass  loss error"),
        "{}",
        people.stdout
    );
    assert!(people.stderr.starts_with("device: "), "{}", people.stderr);
}

#[test]
fn the_digits_without_a_driver() {
    let bench = Bench::without_driver();
    let line = format!("{} --out-loss l.npy --out-grad g.npy", digits());
    let ran = bench.run(&format!("{line} --json"));
    assert_eq!(ran.code, 0);
    assert_eq!(ran.stderr, "device: cpu reference (no GPU adapter found)\n");
    let out: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&out["device"], &out["check"]),
        (&json!("cpu"), &Value::Null)
    );
    close(out["loss"].as_f64().unwrap(), DIGITS, 1e-14);
    assert!(bench.load("l.npy").shape.is_empty());
    let grad = bench.load("g.npy");
    for (found, wanted) in doubles(&grad).iter().zip(DIGITS_ROW) {
        close(*found, wanted, 1e-16);
    }
    // Asked for by name, it is not announced; and it cannot be checked against itself.
    let ran = bench.run(&format!("{} --device cpu --check", digits()));
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.starts_with("note: --check: ") && ran.stderr.lines().count() == 1);
    assert!(!ran.stdout.contains("check"));
}

#[test]
fn a_missing_device_is_exit_code_3() {
    let bench = Bench::without_driver();
    for line in [
        format!("{} --device gpu --out-grad g.npy", digits()),
        format!("{} --device llvm --json", digits()),
        "verify".into(),
        "verify mse --device gpu --json".into(),
        "bench".into(),
        "bench mse --device gpu --json".into(),
    ] {
        let ran = bench.run(&line);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{line}");
        assert!(
            ran.stderr.starts_with("error: no GPU adapter: expected "),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.ends_with(", found none\n"), "{}", ran.stderr);
    }
    assert!(bench.files().is_empty());
    assert_eq!(bench.json("adapters"), json!({ "adapters": [] }));
    let ran = Bench::new().run(&format!("{} --device no-such-thing", digits()));
    assert_eq!(ran.code, 3);
    // Those there are, are named.
    assert!(
        ran.stderr
            .contains("expected one named like `no-such-thing`, found ")
    );
    assert!(!ran.stderr.contains("found none"), "{}", ran.stderr);
}

#[test]
fn a_device_by_a_part_of_its_name() {
    let bench = Bench::new();
    let adapters = bench.json("adapters");
    let name = adapters["adapters"][0]["name"].as_str().unwrap();
    let part = name.split_whitespace().next().unwrap().to_uppercase();
    let out = bench.json(&format!("{} --device {part}", digits()));
    assert_eq!(out["device"], name);
    assert_eq!(
        bench.json(&format!("{} --device gpu", digits()))["device"],
        name
    );
    for key in [
        "backend",
        "type",
        "driver",
        "max_storage_binding_bytes",
        "shader_f16",
    ] {
        assert!(!adapters["adapters"][0][key].is_null(), "{key}");
    }
    assert!(bench.run("adapters").stdout.contains("largest binding"));
}

#[test]
fn doubles_are_rounded_for_a_gpu_and_that_is_said() {
    let bench = Bench::new();
    bench.save("a.npy", &[2], Data::F64(vec![0.1, 0.2]));
    bench.save("t.npy", &[2], f32s(&[0.0, 0.0]));
    let line = "loss mse --input a.npy --target t.npy --reduction sum --out-loss l.npy";
    let ran = bench.run(&format!("{line} --device gpu --check"));
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.stderr,
        "note: a.npy: float64 rounded to float32 for the GPU\n"
    );
    assert!(ran.stdout.contains("check: pass"));
    singles(&bench.load("l.npy"));
    let ran = bench.run(&format!("{line} --device cpu --dtype bf16"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    close(
        doubles(&bench.load("l.npy"))[0],
        0.1 * 0.1 + 0.2 * 0.2,
        1e-17,
    );
}

#[test]
fn half_precision() {
    let bench = Bench::new();
    let x: Vec<_> = (0..40)
        .map(|i| f16::from_f32(i as f32 / 7.0 - 3.0))
        .collect();
    bench.save("x.npy", &[8, 5], Data::F16(x));
    bench.save("t.npy", &[8], Data::I64((0..8).map(|i| i % 5).collect()));
    for dtype in ["f16", "bf16"] {
        let line = format!(
            "loss cross_entropy --input x.npy --target t.npy --dtype {dtype} --check --out-grad g.npy"
        );
        assert_eq!(bench.json(&line)["check"]["pass"], true);
        assert_eq!(singles(&bench.load("g.npy")).len(), 40);
    }
}

#[test]
fn numbers_that_are_not_finite_are_strings() {
    for (bench, device) in [(Bench::new(), "gpu"), (Bench::without_driver(), "cpu")] {
        bench.save("t.npy", &[1], f32s(&[0.0]));
        for (x, loss) in [(f32::INFINITY, "inf"), (f32::NAN, "NaN")] {
            bench.save("x.npy", &[1], f32s(&[x]));
            let out = bench.json(&format!(
                "loss mse --input x.npy --target t.npy --device {device}"
            ));
            assert_eq!(
                (&out["loss"], &out["non_finite"]),
                (&json!(loss), &json!(1))
            );
        }
    }
}

#[test]
fn every_loss_is_verified() {
    let bench = Bench::new();
    let out = bench.json("verify mse cross_entropy mse row_outputs --quick --device gpu");
    let rows = out["rows"].as_array().unwrap();
    for name in ["mse", "cross_entropy", "row_outputs"] {
        assert!(rows.iter().any(|row| row["name"] == name), "{name}");
    }
    assert_eq!(out["cases"], rows.len());
    assert_eq!(out["failed"], 0);
    assert!(out["device"].is_string());
    for row in rows {
        assert_eq!(row["pass"], true);
        for key in [
            "name",
            "shape",
            "dtype",
            "reduction",
            "plan",
            "loss_err",
            "grad_err",
            "bound",
        ] {
            assert!(!row[key].is_null(), "{key}");
        }
    }
    let ran = bench.run("verify mse --quick");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("mse") && ran.stdout.contains("pass"));
    assert!(ran.stdout.contains(" cases, 0 failed, on "));
    assert!(!ran.stdout.contains("row_outputs"));
}
