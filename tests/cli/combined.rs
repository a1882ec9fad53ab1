//! Sums of losses from files, class weights that follow from labels, and notes on mistakes.

use super::bench::Bench;
use serde_json::{Value, json};
use wgloss::cli::files::Data;

/// Logits of 3 rows and 2 classes with labels, and boxes with their targets.
fn bench() -> Bench {
    let bench = Bench::new();
    let f32s =
        |name: &str, shape: &[usize], v: &[f32]| bench.save(name, shape, Data::F32(v.to_vec()));
    f32s("x.npy", &[3, 2], &[1.0, -1.0, 0.5, 2.0, -3.0, 0.25]);
    f32s("t.npy", &[3, 2], &[0.0, 1.0, 2.0, 0.5, 0.5, -1.0]);
    f32s("b.npy", &[4], &[0.0, 1.0, 2.0, 3.0]);
    f32s("bt.npy", &[4], &[0.5, 1.0, 0.0, 3.0]);
    bench.save("y.npy", &[3], Data::I64(vec![0, 1, 1]));
    bench
}

fn sum(bench: &Bench, terms: Value) {
    bench.write("sum.json", json!({ "terms": terms }).to_string().as_bytes());
}

#[test]
fn a_sum_is_what_its_losses_are_together() {
    let bench = bench();
    std::fs::create_dir(bench.dir.path().join("in")).expect("a folder");
    sum(
        &bench,
        json!([
            {"loss": "cross_entropy", "weight": 0.7, "input": "x.npy", "target": "y.npy",
             "class_weight": "balanced", "set": {"label_smoothing": 0.1}},
            {"loss": "mse", "weight": 0.3, "input": ["x.npy"], "target": "t.npy", "reduction": "sum"},
            {"loss": "mae", "input": "b.npy", "target": "bt.npy"},
        ]),
    );
    for device in ["cpu", "gpu"] {
        let ran = bench.run(&format!(
            "loss --combined sum.json --device {device} --check --json --out-loss l.npy \
             --out-grad gx.npy --out-grad gb.npy --grad-scale 2"
        ));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let alone = |line: &str| -> f64 {
            let ran = bench.run(&format!("loss {line} --device cpu --json --grad-scale 2"));
            let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
            report["loss"].as_f64().expect("a number")
        };
        let parts = [
            (
                0.7,
                alone(
                    "cross_entropy --input x.npy --target y.npy --class-weight balanced --set label_smoothing=0.1 --out-grad a.npy",
                ),
            ),
            (
                0.3,
                alone("mse --input x.npy --target t.npy --reduction sum --out-grad b2.npy"),
            ),
            (
                1.0,
                alone("mae --input b.npy --target bt.npy --out-grad c.npy"),
            ),
        ];
        for (k, (weight, value)) in parts.iter().enumerate() {
            let term = &report["terms"][k];
            assert_eq!(term["weight"].as_f64(), Some(*weight));
            let found = term["value"].as_f64().expect("a number");
            assert!((found - value).abs() < 1e-6, "{found} and {value}");
        }
        let total: f64 = parts.iter().map(|(w, v)| w * v).sum();
        let found = report["loss"].as_f64().expect("a number");
        assert!((found - total).abs() < 1e-6, "{found} and {total}");
        let numbers = |name: &str| -> Vec<f64> {
            match bench.load(name).data {
                Data::F32(v) => v.iter().map(|&v| f64::from(v)).collect(),
                Data::F64(v) => v,
                other => panic!("{other:?}"),
            }
        };
        let (a, b) = (numbers("a.npy"), numbers("b2.npy"));
        for (i, g) in numbers("gx.npy").iter().enumerate() {
            assert!((g - (0.7 * a[i] + 0.3 * b[i])).abs() < 1e-6, "{i}: {g}");
        }
        assert_eq!(bench.load("gx.npy").shape, [3, 2]);
        assert_eq!(bench.load("gb.npy").shape, [4]);
        assert_eq!(numbers("l.npy").len(), 1);
    }
}

#[test]
fn files_that_are_no_sum_are_refused() {
    let bench = bench();
    let mse = json!({"loss": "mse", "input": "x.npy", "target": "t.npy"});
    let with = |key: &str, value: Value| {
        let mut term = mse.clone();
        term[key] = value;
        json!({ "terms": [term] }).to_string()
    };
    let cases: [(String, &[&str]); 14] = [
        ("{".into(), &["JSON"]),
        ("[]".into(), &["an object", "found an empty list"]),
        ("{}".into(), &["at least one", "none"]),
        (json!({"terms": []}).to_string(), &["at least one"]),
        (
            json!({"terms": [mse], "weights": 1}).to_string(),
            &["`weights`"],
        ),
        (json!({"terms": [3]}).to_string(), &["term 0", "an object"]),
        (with("lose", json!(1)), &["`lose`", "class_weight"]),
        (with("weight", json!("1")), &["weight", "finite"]),
        (with("weight", json!(1e39)), &["weight", "finite"]),
        (
            with("reduction", json!("none")),
            &["reduction", "weighted_mean", "none"],
        ),
        (
            with("input", json!(3)),
            &["input", "a path or a list of paths"],
        ),
        (with("target", json!("gone.npy")), &["gone.npy", "cannot"]),
        (with("set", json!({"delta": 1})), &["no option `delta`"]),
        (with("set", json!([1])), &["set", "an object of options"]),
    ];
    for (text, expected) in cases {
        bench.write("sum.json", text.as_bytes());
        let ran = bench.run("loss --combined sum.json --device cpu --out-loss l.npy");
        assert_eq!(ran.code, 2, "{text}: {}", ran.stderr);
        assert_eq!(ran.stderr.trim().lines().count(), 1, "{}", ran.stderr);
        for part in expected {
            assert!(ran.stderr.contains(part), "{text}: {part}: {}", ran.stderr);
        }
        assert!(!bench.files().contains(&"l.npy".to_string()));
    }
    sum(&bench, json!([mse]));
    let ran = bench.run("loss --combined sum.json --device cpu --out-grad a.npy --out-grad b.npy");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("1 inputs"), "{}", ran.stderr);
}

#[test]
fn mistakes_that_everybody_makes_are_named_and_change_nothing() {
    let bench = bench();
    let f32s =
        |name: &str, shape: &[usize], v: &[f32]| bench.save(name, shape, Data::F32(v.to_vec()));
    f32s("p.npy", &[3, 2], &[0.25, 0.75, 0.5, 0.5, 0.125, 0.875]);
    f32s("q.npy", &[3, 2], &[0.25, 0.5, 0.5, 0.5, 0.125, 0.875]);
    bench.save("hot.npy", &[3, 2], Data::I64(vec![1, 0, 0, 1, 0, 1]));
    let cases = [
        ("cross_entropy --input p.npy --target y.npy", "sums to 1"),
        (
            "bce_with_logits --input q.npy --target hot.npy",
            "takes logits",
        ),
        ("bce --input x.npy --target hot.npy", "takes probabilities"),
        (
            "kl_div --input p.npy --target p.npy",
            "logarithm of no probability",
        ),
        ("cross_entropy --input x.npy --target hot.npy", "one-hot"),
        ("cross_entropy --input x.npy --target y.npy", ""),
        ("bce --input p.npy --target hot.npy", ""),
        ("mse --input p.npy --target q.npy", ""),
    ];
    for (line, expected) in cases {
        let ran = bench.run(&format!("loss {line} --device cpu"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        let notes: Vec<_> = ran
            .stderr
            .lines()
            .filter(|l| l.starts_with("note:"))
            .collect();
        match expected {
            "" => assert!(notes.is_empty(), "{line}: {notes:?}"),
            _ => assert!(
                notes.len() == 1 && notes[0].contains(expected),
                "{line}: {notes:?}"
            ),
        }
    }
}
