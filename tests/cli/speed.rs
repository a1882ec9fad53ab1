//! `wgloss bench`.

use serde_json::Value;

use super::bench::{Bench, close};

/// Runs with a size of its own and two rounds, and looks at what every row has.
fn rows(bench: &Bench, line: &str) -> Vec<Value> {
    let out = bench.json(&format!("bench {line} --rounds 2 --device gpu"));
    assert!(out["device"].is_string());
    let rows = out["rows"].as_array().unwrap();
    for row in rows {
        for key in ["name", "dtype", "direction", "plan", "copy", "timer"] {
            assert!(row[key].is_string(), "{key}: {row}");
        }
        for key in ["rows", "cols", "bytes", "dispatches"] {
            assert!(row[key].as_u64().unwrap() > 0, "{key}: {row}");
        }
        let time = |key: &str| {
            let ms = row[key].as_f64().unwrap();
            assert!(ms > 0.0 && ms < 1e5, "{key}: {row}");
            ms
        };
        assert!(time("ms_min") <= time("ms_median"));
        assert!(time("copy_ms_min") <= time("copy_ms_median"));
        let ratio = match row["ratio_of"].as_str().unwrap() {
            "cpu_ms" => time("cpu_ms_min") / time("copy_cpu_ms_min"),
            "ms" => time("ms_min") / time("copy_ms_min"),
            other => panic!("{other}"),
        };
        close(time("ratio"), ratio, 1e-12 * ratio);
        assert_eq!(row["rounds"], 2);
    }
    rows.clone()
}

#[test]
fn every_direction_and_storage_type_has_a_row() {
    let bench = Bench::new();
    let line = "mse cross_entropy mse --rows 301 --cols 300 --dtype f32,bf16";
    let rows = rows(&bench, line);
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            assert_eq!((&row["rows"], &row["cols"]), (&301.into(), &300.into()));
            let text = |key: &str| row[key].as_str().unwrap();
            (
                text("name"),
                text("dtype"),
                text("direction"),
                row["bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    // Inputs, floating target and gradient; or input, labels of four bytes and gradient.
    let n = 301 * 300;
    let labels = 4 * 301;
    assert_eq!(
        found,
        [
            ("mse", "f32", "forward", 8 * n),
            ("mse", "f32", "forward+backward", 12 * n),
            ("mse", "bf16", "forward", 4 * n),
            ("mse", "bf16", "forward+backward", 6 * n),
            ("cross_entropy", "f32", "forward", 4 * n + labels),
            ("cross_entropy", "f32", "forward+backward", 8 * n + labels),
            ("cross_entropy", "bf16", "forward", 2 * n + labels),
            ("cross_entropy", "bf16", "forward+backward", 4 * n + labels),
        ]
    );
    for row in rows {
        let plan = match row["name"].as_str() {
            Some("mse") => "elementwise",
            _ => "workgroup",
        };
        assert_eq!(row["plan"], plan);
    }
}

/// Every loss has numbers that it takes: a status that is not clean is an error.
#[test]
fn every_loss_can_be_measured() {
    let bench = Bench::new();
    let rows = rows(&bench, "--rows 64 --cols 48 --dtype f16");
    assert_eq!(rows.len(), 2 * wgloss::loss::all().len());
    let bytes = |name: &str, direction: &str| {
        let found = rows.iter().find(|row| {
            row["name"] == name && row["direction"] == direction && row["dtype"] == "f16"
        });
        found.unwrap()["bytes"].as_u64().unwrap()
    };
    let tensor = 2 * 64 * 48;
    // Three inputs, three gradients; a set's inputs twice; one number per row.
    assert_eq!(bytes("triplet", "forward"), 3 * tensor);
    assert_eq!(bytes("triplet", "forward+backward"), 6 * tensor);
    assert_eq!(bytes("dice", "forward"), 2 * tensor);
    assert_eq!(bytes("dice", "forward+backward"), 5 * tensor);
    assert_eq!(
        bytes("contrastive", "forward+backward"),
        4 * tensor + 2 * 64
    );
}

/// What is measured grows with the tensors, and is that of one evaluation, not of a submission.
#[test]
fn times_are_those_of_one_evaluation() {
    let bench = Bench::new();
    let time = |size: &str| {
        let rows = rows(&bench, &format!("mse {size}"));
        let row = rows.last().unwrap();
        ["cpu_ms_min", "copy_cpu_ms_min", "ms_min"].map(|key| row[key].as_f64().unwrap())
    };
    let (small, large) = (time("--rows 8 --cols 8"), time("--rows 2048 --cols 2048"));
    for (small, large) in small.into_iter().zip(large) {
        // A submission takes 10 ms at the least, whatever is in it; one evaluation is 64 numbers or 4 million.
        assert!(4.0 * small < large, "{small} {large}");
    }
}

#[test]
fn a_table_for_people() {
    let bench = Bench::new();
    let ran = bench.run("bench mse --rows 16 --cols 16 --rounds 1");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("device: "), "{}", ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.stdout);
    assert!(lines[0].starts_with("loss  rows  cols  dtype  direction"));
    assert!(lines[1].starts_with("mse   16    16    f32    forward  "));
    assert!(lines[2].contains("forward+backward"));
    assert!(lines[3].starts_with("2 measurements on "));
}

#[test]
fn sizes_that_do_not_fit_are_bad_input() {
    let bench = Bench::new();
    for (line, wanted) in [
        (
            "mse --rows 4000000000 --cols 4000000000",
            "elements of the shape [4000000000, 4000000000]: at most 9223372036854775807 possible here, found 16000000000000000000",
        ),
        (
            "mse --rows 2000000000 --cols 2000000000",
            "bytes of one tensor",
        ),
        ("mse --rows 4294967295 --cols 1", "rows of the shape"),
        (
            "mse --rows 18446744073709551615 --cols 3",
            "elements of the shape",
        ),
    ] {
        let ran = bench.run(&format!("bench {line} --device gpu"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}");
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(wanted), "{line}\n{}", ran.stderr);
    }
}
