//! What is printed, and to whom.

use serde_json::json;

use super::bench::Bench;

#[test]
fn losses_are_listed() {
    let bench = Bench::without_driver();
    let out = bench.json("list");
    let metrics = out["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), wgloss::metric::all().len());
    let auc = metrics.iter().find(|m| m["name"] == "roc_auc").unwrap();
    assert_eq!(auc["tasks"], json!(["binary", "multiclass", "multilabel"]));
    assert_eq!(auc["inputs"], "scores, probabilities or logits");
    let losses = out["losses"].as_array().unwrap();
    let named = |name: &str| losses.iter().find(|l| l["name"] == name).unwrap();
    assert_eq!(losses.len(), wgloss::loss::all().len());
    let mse = named("mse");
    assert_eq!(
        (&mse["family"], &mse["target"]),
        (&json!("elementwise"), &json!("values"))
    );
    assert_eq!(
        (&mse["inputs"], &mse["options"]),
        (&json!(["x"]), &json!([]))
    );
    assert_eq!(
        (&mse["class_weight"], &mse["agrees_with"]),
        (&json!(false), &json!("PyTorch, Keras"))
    );
    let options = named("cross_entropy")["options"].as_array().unwrap();
    assert_eq!(options[1]["name"], "ignore_index");
    assert_eq!(options[1]["default"], -100);
    assert_eq!(options[0]["range"], "a number in [0, 1]");
    let people = bench.run("list");
    assert_eq!((people.code, people.stderr.as_str()), (0, ""));
    let table = wgloss::cli::markdown_table();
    for loss in losses {
        let name = loss["name"].as_str().unwrap();
        assert!(people.stdout.contains(&format!("{name}: ")));
        assert!(table.contains(&format!("\n| `{name}` | ")));
    }
    for metric in metrics {
        let name = metric["name"].as_str().unwrap();
        assert!(
            people.stdout.contains(&format!("\n{name}\n  metric ")),
            "{name}"
        );
    }
    // Four cells in every row, whatever bars a formula has.
    let metrics = wgloss::cli::metrics_table();
    for row in table.lines().chain(metrics.lines()) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let bench = Bench::without_driver();
    for line in [
        "--help",
        "--version",
        "loss --help",
        "verify --help",
        "bench --help",
        "help list",
    ] {
        let ran = bench.run(line);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
        assert!(!ran.stdout.is_empty());
    }
}
