//! Every registered loss against what PyTorch, Keras and their like compute: `golden/<loss>.json`, whose format
//! and origin stand in `golden/generate.py`.

use crate::support;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use wgloss::loss::{Info, Loss, OptionKind, OptionValue};
use wgloss::{Batch, ClassAxis, DType, Outcome, Reduction, Status, Target, reference, verify};

/// How far f64 may be from f64: both sides sum a few dozen terms, each good to some 2⁻⁵², by formulas that
/// are not the same; 1e-11 leaves room for logarithms near 1 in the libraries' own. The absolute part, in proportion
/// to the largest number of its kind, is for what is left of terms that cancel.
const RELATIVE: f64 = 1e-11;
const ABSOLUTE: f64 = 1e-13;

struct Case {
    name: String,
    loss: Box<dyn Loss>,
    batch: Batch<'static>,
    expected: Outcome<f64>,
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden"]
        .iter()
        .collect()
}

fn number(v: &Value) -> f64 {
    match v.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        Some("NaN") => f64::NAN,
        _ => v.as_f64().unwrap_or_else(|| panic!("not a number: {v}")),
    }
}

fn numbers(v: &Value) -> Vec<f64> {
    let list = v.as_array().unwrap_or_else(|| panic!("not a list: {v}"));
    list.iter().map(number).collect()
}

fn shape(v: &Value) -> Vec<usize> {
    numbers(&v["shape"]).iter().map(|&d| d as usize).collect()
}

fn case(info: &'static Info, index: usize, v: &Value) -> Case {
    let source = v["source"].as_str().expect("a source");
    let name = format!("{} case {index} ({source}, {})", info.name, v["options"]);
    let mut loss = info.make();
    for (option, value) in v["options"].as_object().expect("options") {
        let known = info.options.iter().find(|o| o.name == option);
        let known = known.unwrap_or_else(|| panic!("{name}: no option `{option}`"));
        let value = match known.kind {
            OptionKind::Flag => OptionValue::Flag(value.as_bool().expect("a flag")),
            OptionKind::Index => OptionValue::Index(value.as_i64().expect("an index")),
            _ if value.is_array() => {
                OptionValue::Columns(numbers(value).iter().map(|&v| v as f32).collect())
            }
            _ => OptionValue::Number(number(value) as f32),
        };
        loss.set(option, value).expect("an option's value");
    }
    let inputs = v["inputs"].as_array().expect("inputs");
    let mut batch = Batch::new(shape(&inputs[0]), Vec::<f64>::new())
        .class_axis(match v["class_axis"].as_u64() {
            None => ClassAxis::Last,
            Some(1) => ClassAxis::One,
            Some(other) => panic!("{name}: class axis {other}"),
        })
        .reduction(
            v["reduction"]
                .as_str()
                .expect("a reduction")
                .parse()
                .expect("one of five"),
        )
        .grad_scale(number(&v["grad_scale"]) as f32);
    batch.inputs = inputs.iter().map(|x| numbers(&x["data"]).into()).collect();
    let target = &v["target"];
    batch.target = match target["dtype"].as_str() {
        None => None,
        Some("f32") => Some(Target::Values(numbers(&target["data"]).into())),
        Some("i64") => {
            let labels: Vec<i64> = numbers(&target["data"]).iter().map(|&l| l as i64).collect();
            Some(Target::Labels(labels.into()))
        }
        Some(other) => panic!("{name}: target of {other}"),
    };
    if !v["weight"].is_null() {
        batch = batch.weight(numbers(&v["weight"]["data"]));
    }
    if !v["class_weight"].is_null() {
        batch = batch.class_weight(numbers(&v["class_weight"]));
    }
    let expect = &v["expect"];
    let each = batch.reduction == Reduction::None && !loss.whole();
    let expected = Outcome {
        loss: (!each).then(|| number(&expect["loss"])),
        losses: if each {
            numbers(&expect["loss"])
        } else {
            Vec::new()
        },
        grads: expect["grads"]
            .as_array()
            .expect("grads")
            .iter()
            .map(numbers)
            .collect(),
        status: Status::default(),
    };
    Case {
        name,
        loss,
        batch,
        expected,
    }
}

/// All cases of a loss.
fn cases(info: &'static Info) -> Vec<Case> {
    let path = folder().join(format!("{}.json", info.name));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let v: Value =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(v["loss"], info.name, "{}", path.display());
    let list = v["cases"].as_array().expect("cases");
    list.iter()
        .enumerate()
        .map(|(i, v)| case(info, i, v))
        .collect()
}

/// How far each number of `like` may be from the golden one.
fn tolerances(like: &Outcome<f64>) -> Outcome<f64> {
    let of = |values: &[f64]| -> Vec<f64> {
        let finite = values.iter().filter(|v| v.is_finite());
        let most = finite.fold(0.0, |m: f64, v| m.max(v.abs()));
        values
            .iter()
            .map(|v| match v.is_finite() {
                true => RELATIVE * v.abs() + ABSOLUTE * most,
                false => 0.0,
            })
            .collect()
    };
    Outcome {
        loss: like.loss.map(|l| of(&[l])[0]),
        losses: of(&like.losses),
        grads: like.grads.iter().map(|g| of(g)).collect(),
        status: like.status,
    }
}

/// Every number of `found` that is not `expected`, as a line.
fn mismatches(case: &str, expected: &Outcome<f64>, found: &Outcome<f64>) -> Vec<String> {
    let limits = tolerances(expected);
    let mut lines = Vec::new();
    let mut compare = |what: String, expected: &[f64], found: &[f64], limits: &[f64]| {
        if expected.len() != found.len() {
            return lines.push(format!(
                "{case}: {what}: expected {} numbers, found {}",
                expected.len(),
                found.len()
            ));
        }
        for (i, ((&want, &got), limit)) in expected.iter().zip(found).zip(limits).enumerate() {
            let same = got == want || (got.is_nan() && want.is_nan());
            // Not `error > limit`: a NaN must fail.
            if !(same || (got - want).abs() <= *limit) {
                lines.push(format!(
                    "{case}: {what}[{i}]: expected {want:e}, found {got:e}"
                ));
            }
        }
    };
    let list = |v: &Option<f64>| v.iter().copied().collect::<Vec<_>>();
    compare(
        "loss".into(),
        &list(&expected.loss),
        &list(&found.loss),
        &list(&limits.loss),
    );
    compare(
        "losses".into(),
        &expected.losses,
        &found.losses,
        &limits.losses,
    );
    let count = expected.grads.len().max(found.grads.len());
    for k in 0..count {
        let of = |o: &Outcome<f64>| o.grads.get(k).cloned().unwrap_or_default();
        compare(
            format!("gradient {k}"),
            &of(expected),
            &of(found),
            &of(&limits),
        );
    }
    lines
}

fn report(lines: &[String]) {
    assert!(
        lines.is_empty(),
        "{} numbers are wrong, the first:\n{}",
        lines.len(),
        lines[..lines.len().min(12)].join("\n")
    );
}

#[test]
fn files_and_losses_belong_together() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder of golden values")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        // Of no loss.
        .filter(|stem| stem != "metrics")
        .collect();
    let losses: BTreeSet<String> = wgloss::loss::all().iter().map(|i| i.name.into()).collect();
    let without = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
    assert_eq!(without(&losses, &files), "", "losses without golden values");
    assert_eq!(without(&files, &losses), "", "golden values without a loss");
    for info in wgloss::loss::all() {
        let count = cases(info).len();
        assert!(
            count >= 5,
            "{}: expected 5 cases or more, found {count}",
            info.name
        );
    }
}

#[test]
fn the_reference_agrees() {
    let mut lines = Vec::new();
    for info in wgloss::loss::all() {
        for case in cases(info) {
            match reference::loss(&*case.loss, &case.batch) {
                Ok(found) => lines.extend(mismatches(&case.name, &case.expected, &found)),
                Err(e) => lines.push(format!("{}: {e}", case.name)),
            }
        }
    }
    report(&lines);
}

#[test]
fn the_gpu_agrees() {
    let Some(gpu) = support::gpu() else { return };
    let mut lines = Vec::new();
    for info in wgloss::loss::all() {
        for case in cases(info) {
            let complaint = compare_gpu(&gpu, &case);
            lines.extend(complaint.err().map(|e| format!("{}: {e}", case.name)));
        }
    }
    report(&lines);
}

fn compare_gpu(gpu: &wgloss::Gpu, case: &Case) -> Result<(), String> {
    let text = |e: wgloss::Error| e.to_string();
    let out = gpu.loss(&*case.loss, &case.batch).map_err(text)?;
    let check = verify::check(&*case.loss, &case.batch, &out).map_err(text)?;
    check.complaint.map_or(Ok(()), Err)?;
    // All golden tensors are f32 already, so the bounds around the reference are those around golden values,
    // but for what the two are apart.
    let (own, mut bounds) =
        reference::evaluate_with_bounds(&*case.loss, &case.batch).map_err(text)?;
    let mut golden = case.expected.clone();
    golden.status = own.status;
    let apart = tolerances(&golden);
    let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(b, a)| *b += a);
    add(bounds.loss.as_mut_slice(), apart.loss.as_slice());
    add(&mut bounds.losses, &apart.losses);
    bounds
        .grads
        .iter_mut()
        .zip(&apart.grads)
        .for_each(|(b, a)| add(b, a));
    let check = verify::compare(&out, &golden, &bounds, DType::F32);
    check
        .complaint
        .map_or(Ok(()), |c| Err(format!("against the golden values: {c}")))
}

#[test]
fn one_wrong_number_is_found() {
    for info in wgloss::loss::all() {
        for case in cases(info) {
            let right = &case.expected;
            assert_eq!(mismatches("", right, right), Vec::<String>::new());
            // 1e-10 of the largest number: ten times what is allowed.
            let spoil = |values: &mut [f64], at: usize| {
                let most = values.iter().fold(
                    0.0,
                    |m: f64, v| if v.is_finite() { m.max(v.abs()) } else { m },
                );
                values[at] = if values[at].is_finite() {
                    values[at] + 1e-10 * most.max(1e-3)
                } else {
                    0.0
                };
            };
            let mut wrong = right.clone();
            match &mut wrong.loss {
                Some(l) => spoil(std::slice::from_mut(l), 0),
                None => {
                    let last = wrong.losses.len() - 1;
                    spoil(&mut wrong.losses, last);
                }
            }
            assert_eq!(mismatches("", right, &wrong).len(), 1, "{}", case.name);
            for k in 0..right.grads.len() {
                let mut wrong = right.clone();
                let last = wrong.grads[k].len() - 1;
                spoil(&mut wrong.grads[k], last);
                assert_eq!(mismatches("", right, &wrong).len(), 1, "{}", case.name);
            }
            let mut short = right.clone();
            short.grads.pop();
            assert_eq!(mismatches("", right, &short).len(), 1, "{}", case.name);
        }
    }
}
