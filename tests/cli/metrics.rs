//! Metrics: the reference against scikit-learn, and the command around it.

use super::bench::{Bench, doubles, f32s};
use half::{bf16, f16};
use serde_json::{Value, json};
use wgloss::cli::files::Data;
use wgloss::cli::metrics;
use wgloss::metric::{
    Binary, InputKind, Multiclass, Multilabel, PrecisionRecallCurve, Regression, RocCurve, Samples,
};
use wgloss::{Gpu, Labels, Target, Values};

/// Both sides sum in f64, each by formulas of its own; and what is left of numbers of about 1 that cancel, as in a
/// correlation of nearly 0.
const REFERENCE: Bound = (1e-12, 1e-15);
/// On a device terms are rounded to f32 before they are summed, an average precision's to 2⁻²²; and numbers of about 1 cancel here
/// and in scikit-learn.
const DEVICE: Bound = (1e-6, 1e-12);

fn number(v: &Value) -> Option<f64> {
    match v.as_str() {
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some("NaN") => Some(f64::NAN),
        _ => v.as_f64(),
    }
}

fn numbers(v: &Value) -> Vec<f64> {
    let list = v.as_array().expect("a list");
    list.iter().map(|v| number(v).expect("a number")).collect()
}

fn labels(v: &Value) -> Labels<'static> {
    let all: Vec<i64> = numbers(v).iter().map(|&l| l as i64).collect();
    all.into()
}

fn values(v: &Value, dtype: &str) -> Values<'static> {
    let all = numbers(v);
    match dtype {
        "f32" => all.iter().map(|&v| v as f32).collect::<Vec<_>>().into(),
        "f16" => {
            let all: Vec<_> = all.iter().map(|&v| f16::from_f64(v)).collect();
            all.into()
        }
        "bf16" => {
            let all: Vec<_> = all.iter().map(|&v| bf16::from_f64(v)).collect();
            all.into()
        }
        other => panic!("scores of {other}"),
    }
}

/// The figures of a golden case, and the curves where there are any.
fn evaluate(case: &Value, gpu: Option<&Gpu>) -> (Value, Option<(RocCurve, PrecisionRecallCurve)>) {
    let args = &case["args"];
    let input = match args["from"].as_str() {
        None => InputKind::Scores,
        Some(name) => *InputKind::ALL
            .iter()
            .find(|k| k.name() == name)
            .expect("a kind"),
    };
    let shape: Vec<usize> = numbers(&case["input"]["shape"])
        .iter()
        .map(|&d| d as usize)
        .collect();
    let dtype = case["dtype"].as_str().expect("a type");
    let data = &case["input"]["data"];
    let task = case["task"].as_str().expect("a task");
    let (input_data, target) = match task {
        "regression" => (
            Target::Values(values(data, dtype)),
            // Not always of the input's type.
            Target::Values(numbers(&case["target"]["data"]).into()),
        ),
        _ => (
            match input {
                InputKind::Labels => Target::Labels(labels(data)),
                _ => Target::Values(values(data, dtype)),
            },
            Target::Labels(labels(&case["target"]["data"])),
        ),
    };
    let samples = Samples {
        shape,
        input: input_data,
        target: Some(target),
        weight: (!case["weight"].is_null()).then(|| numbers(&case["weight"]).into()),
    };
    let threshold = number(&args["threshold"]);
    let ignore_index = args["ignore_index"].as_i64();
    let figures = match task {
        "binary" => {
            let binary = Binary {
                input,
                threshold,
                recall: number(&args["recall"]).unwrap_or(0.95),
                precision: number(&args["precision"]).unwrap_or(0.95),
                ignore_index,
            };
            let figures = match gpu {
                Some(gpu) => gpu.binary_figures(&binary, &samples),
                None => binary.figures(&samples),
            };
            let figures = figures.unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
            let curves = |r: &wgloss::metric::Ranking| (r.roc_curve(), r.precision_recall_curve());
            return (
                metrics::binary(&figures),
                figures.ranking.as_ref().map(curves),
            );
        }
        "multiclass" => {
            let asked = Multiclass {
                input,
                classes: args["classes"].as_u64().map(|c| c as usize),
                top_k: match args["top_k"].is_null() {
                    true => Vec::new(),
                    false => numbers(&args["top_k"])
                        .iter()
                        .map(|&k| k as usize)
                        .collect(),
                },
                ignore_index,
            };
            match gpu {
                Some(gpu) => gpu.multiclass_figures(&asked, &samples),
                None => asked.figures(&samples),
            }
            .map(|f| metrics::multiclass(&f))
        }
        "multilabel" => {
            let asked = Multilabel {
                input,
                threshold,
                ignore_index,
            };
            match gpu {
                Some(gpu) => gpu.multilabel_figures(&asked, &samples),
                None => asked.figures(&samples),
            }
            .map(|f| metrics::multilabel(&f))
        }
        "regression" => match gpu {
            Some(gpu) => gpu.regression_figures(&samples),
            None => Regression {}.figures(&samples),
        }
        .map(|f| metrics::regression(&f)),
        other => panic!("the task {other}"),
    };
    let figures = figures.unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
    (figures, None)
}

/// Relative and absolute.
type Bound = (f64, f64);

fn close(want: f64, got: f64, (relative, absolute): Bound) -> bool {
    want == got
        || (want.is_nan() && got.is_nan())
        || (got - want).abs() <= relative * want.abs() + absolute
}

/// Where `got` is not what is wanted: every key of `want` has to be there, whole numbers exactly.
fn compare(at: &str, want: &Value, got: &Value, bound: Bound, lines: &mut Vec<String>) {
    let mut wrong = || lines.push(format!("{at}: expected {want}, found {got}"));
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for (key, want) in want.iter().filter(|(key, _)| *key != "undefined") {
                let none = Value::String("nothing".into());
                compare(
                    &format!("{at}.{key}"),
                    want,
                    got.get(key).unwrap_or(&none),
                    bound,
                    lines,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (want, got)) in a.iter().zip(b).enumerate() {
                compare(&format!("{at}.{i}"), want, got, bound, lines);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.is_u64() && b.is_u64() => {
            if a != b {
                wrong();
            }
        }
        _ => match (number(want), number(got)) {
            (Some(a), Some(b)) if close(a, b, bound) => {}
            // A difference of sums of probabilities near 1, of which each is off by 4u.
            (Some(a), Some(b))
                if at.ends_with(".ece")
                    && close(a, b, (bound.0, 2f64.powi(-22)))
                    && bound == DEVICE => {}
            (None, None) if want == got => {}
            _ => wrong(),
        },
    }
}

fn golden() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/metrics.json");
    let text = std::fs::read_to_string(path).expect("golden values");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all["cases"].as_array().expect("cases").clone()
}

/// What is undefined is said to be.
fn undefined(name: &str, want: &Value, got: &Value, lines: &mut Vec<String>) {
    let want: Vec<_> = want["undefined"]
        .as_array()
        .expect("names")
        .iter()
        .map(|v| v.as_str().expect("a name"))
        .collect();
    let mut found: Vec<_> = got["undefined"]
        .as_object()
        .expect("reasons")
        .keys()
        .map(String::as_str)
        .collect();
    // Averages of areas are more than was asked for.
    found.retain(|f| {
        !["macro.", "weighted."].iter().any(|a| {
            f.starts_with(a) && (f.ends_with("roc_auc") || f.ends_with("average_precision"))
        })
    });
    found.sort();
    if want != found {
        lines.push(format!(
            "{name}: undefined: expected {want:?}, found {found:?}"
        ));
    }
}

#[test]
fn the_reference_agrees_with_scikit_learn() {
    let cases = golden();
    assert!(cases.len() >= 150, "{}", cases.len());
    let mut lines = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        let (got, curves) = evaluate(case, None);
        compare(name, &case["expect"], &got, REFERENCE, &mut lines);
        undefined(name, &case["expect"], &got, &mut lines);
        if let Some(want) = case["curves"].as_object() {
            let (roc, pr) = curves.expect("curves");
            let all = [
                ("fpr", roc.fpr),
                ("tpr", roc.tpr),
                ("roc_thresholds", roc.thresholds),
                ("precision", pr.precision),
                ("recall", pr.recall),
                ("pr_thresholds", pr.thresholds),
            ];
            for (key, got) in all {
                let want = numbers(&want[key]);
                let same = want.len() == got.len()
                    && want.iter().zip(&got).all(|(a, b)| close(*a, *b, REFERENCE));
                if !same {
                    lines.push(format!("{name}: {key}: expected {want:?}, found {got:?}"));
                }
            }
        }
    }
    assert!(
        lines.is_empty(),
        "{} figures are wrong, the first:\n{}",
        lines.len(),
        lines[..lines.len().min(30)].join("\n")
    );
}

/// The same cases on the device.
#[test]
fn a_device_agrees_with_scikit_learn() {
    let gpu = Gpu::new().expect("a device");
    let mut lines = Vec::new();
    let mut seen = 0;
    for case in &golden() {
        let name = case["name"].as_str().expect("a name");
        let (got, _) = evaluate(case, Some(&gpu));
        compare(name, &case["expect"], &got, DEVICE, &mut lines);
        undefined(name, &case["expect"], &got, &mut lines);
        seen += 1;
    }
    assert!(seen >= 300, "{seen} cases");
    assert!(
        lines.is_empty(),
        "{} figures are wrong, the first:\n{}",
        lines.len(),
        lines[..lines.len().min(30)].join("\n")
    );
}

#[test]
fn the_command_says_what_the_library_does() {
    let bench = Bench::without_driver();
    bench.save("s.npy", &[6], f32s(&[0.9, 0.8, 0.8, 0.3, 0.3, 0.1]));
    bench.save(
        "y.npy",
        &[6],
        Data::Bool(vec![true, false, true, true, false, false]),
    );
    bench.save("w.npy", &[6], Data::F64(vec![1.0, 0.5, 2.0, 0.0, 1.0, 1.0]));
    let line = "metrics binary --input s.npy --target y.npy --from probs --curves c.npz";
    let out = bench.json(&format!("{line} --device cpu"));
    assert_eq!(out["confusion_matrix"], json!([[2, 1], [1, 2]]));
    assert_eq!(out["device"], "cpu");
    // 9 pairs: 3 + 2½ + 1½ of them in order.
    assert_eq!(out["roc_auc"], 7.0 / 9.0);
    assert_eq!(
        out["operating_points"]["max_f1"]["threshold"],
        f64::from(0.3f32)
    );
    let curve = |name: &str| doubles(&bench.load(&format!("c.npz:{name}"))).to_vec();
    assert_eq!(curve("fpr"), [0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
    assert_eq!(curve("tpr"), [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0]);
    assert_eq!(curve("roc_thresholds")[0], f64::INFINITY);
    assert_eq!(curve("precision").last(), Some(&1.0));
    assert_eq!(curve("pr_thresholds").len() + 1, curve("recall").len());
    // Weights make sums of counts, and one that is 0 takes its sample out of the curves.
    let out = bench.json(&format!("{line} --weight w.npy --device cpu"));
    assert_eq!(out["confusion_matrix"], json!([[2.0, 0.5], [0.0, 3.0]]));
    assert_eq!((&out["n"], &out["positives"]), (&json!(5.5), &json!(3.0)));
    // What is only an order has no probabilities.
    let out = bench.json("metrics binary --input s.npy --target y.npy --device cpu");
    assert_eq!(out["log_loss"], Value::Null);
    assert!(out["undefined"]["log_loss"].is_string());
    let people = bench.run("metrics binary --input s.npy --target y.npy --recall 0.6 --device cpu");
    assert_eq!((people.code, people.stderr.as_str()), (0, ""));
    for line in [
        "ROC AUC            0.7778",
        "recall ≥ 0.6",
        "log loss                -",
    ] {
        assert!(people.stdout.contains(line), "{}", people.stdout);
    }
    assert!(
        people
            .stdout
            .contains("undefined, scores and labels are no probabilities: log_loss")
    );
}

#[test]
fn labels_are_predictions_too() {
    let bench = Bench::without_driver();
    bench.save("p.npy", &[5], Data::U8(vec![0, 2, 1, 1, 2]));
    bench.save("y.npy", &[5], Data::I64(vec![0, 2, 2, 1, -1]));
    let line = "metrics multiclass --from labels --input p.npy --target y.npy --ignore-index -1 --device cpu";
    let out = bench.json(line);
    assert_eq!(
        out["confusion_matrix"],
        json!([[1, 0, 0], [0, 1, 0], [0, 1, 1]])
    );
    assert_eq!((&out["n"], &out["accuracy"]), (&json!(4), &json!(0.75)));
    assert_eq!(out["roc_auc_ovr"]["per_class"], json!([null, null, null]));
    let wider = bench.json(&format!("{line} --classes 4"));
    assert_eq!(wider["per_class"][3]["precision"], Value::Null);
    assert_eq!(wider["macro"], out["macro"]);
    // No device is not passed over in silence.
    let refused = bench.run(&line.replace("--device cpu", "--device gpu"));
    assert_eq!(refused.code, 3);
}

#[test]
fn a_device_works_out_what_the_reference_does() {
    let bench = Bench::new();
    bench.save("s.npy", &[6], f32s(&[0.9, 0.8, 0.8, 0.3, 0.3, 0.1]));
    bench.save("d.npy", &[6], Data::F64(vec![0.9, 0.8, 0.8, 0.3, 0.3, 0.1]));
    bench.save("y.npy", &[6], Data::U8(vec![1, 0, 1, 1, 0, 0]));
    let line = "metrics binary --target y.npy --from probs --input";
    let mut want = bench.json(&format!("{line} s.npy --device cpu"));
    let mut got = bench.json(&format!("{line} s.npy --device gpu"));
    assert_eq!(want["device"].take(), "cpu");
    assert_ne!(got["device"].take(), "cpu");
    let mut lines = Vec::new();
    compare("six scores", &want, &got, DEVICE, &mut lines);
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    let rounded = bench.run(&format!("{line} d.npy --device gpu --json"));
    assert_eq!(rounded.code, 0);
    assert!(rounded.stderr.contains("d.npy: float64 rounded to float32"));
    for more in ["--curves c.npz", "--plot p"] {
        let refused = bench.run(&format!("{line} s.npy --device gpu {more}"));
        assert_eq!(refused.code, 2, "{more}");
        assert!(
            refused
                .stderr
                .contains("expected --device auto or cpu beside it"),
            "{more}"
        );
    }
    bench.save("n.npy", &[6], f32s(&[0.9, 0.8, f32::NAN, 0.3, 0.3, 0.1]));
    let refused = bench.run(&format!("{line} n.npy --device gpu"));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("n.npy"), "{}", refused.stderr);
    for (task, x, y) in [
        ("regression", "s.npy", "d.npy"),
        ("multilabel", "m.npy", "l.npy"),
        ("multiclass --from logits --top-k 1,2", "m.npy", "c.npy"),
    ] {
        bench.save("m.npy", &[3, 2], f32s(&[0.9, 0.8, -0.8, 0.3, 0.3, 0.1]));
        bench.save("l.npy", &[3, 2], Data::U8(vec![1, 0, 1, 1, 0, 0]));
        bench.save("c.npy", &[3], Data::U8(vec![1, 0, 1]));
        let line = format!("metrics {task} --input {x} --target {y} --device");
        let mut want = bench.json(&format!("{line} cpu"));
        let mut got = bench.json(&format!("{line} gpu"));
        assert_ne!(want["device"].take(), got["device"].take());
        // f32 of 0.9 and the like are not f64's.
        compare(task, &want, &got, (1e-6, 1e-6), &mut lines);
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn pictures_of_what_there_is() {
    let bench = Bench::without_driver();
    bench.save("s.npy", &[6], f32s(&[0.9, 0.8, 0.8, 0.3, 0.3, 0.1]));
    bench.save("y.npy", &[6], Data::U8(vec![1, 0, 1, 1, 0, 0]));
    bench.save("ones.npy", &[6], Data::U8(vec![1; 6]));
    let line = "metrics binary --input s.npy --from probs --device cpu --class-names no,yes";
    let ran = bench.run(&format!("{line} --target y.npy --plot a"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(
        ran.stdout.contains("truth \\ predicted  no  yes"),
        "{}",
        ran.stdout
    );
    let names = |dir: &str| {
        let entries = std::fs::read_dir(bench.dir.path().join(dir)).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let all = ["confusion_matrix", "precision_recall", "reliability", "roc"];
    let files: Vec<_> = all
        .iter()
        .flat_map(|n| [format!("{n}.png"), format!("{n}.svg")])
        .collect();
    assert_eq!(names("a"), files);
    let svg = |name: &str| std::fs::read_to_string(bench.dir.path().join(name)).unwrap();
    for text in ["AUC 0.7778", "highest F1: 0.3", "true positive rate"] {
        assert!(svg("a/roc.svg").contains(text), "{text}");
    }
    assert!(svg("a/confusion_matrix.svg").contains(">\nyes\n<"));
    // Where there is one class only there are no curves to draw.
    bench.run(&format!("{line} --target ones.npy --plot b"));
    assert_eq!(names("b").len(), 4);
    let wrong = bench.run(&format!("{line},perhaps --target y.npy --plot c"));
    assert_eq!(wrong.code, 2);
    assert!(
        wrong
            .stderr
            .contains("--class-names: expected 2 names, found 3")
    );
    assert!(!bench.dir.path().join("c").exists());
}
