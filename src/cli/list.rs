//! `wgloss list`, and the table of losses for the README.

use super::args::Plain;
use super::error::Failure;
use super::options::takes;
use super::print;
use crate::loss::{Family, Info, OptionInfo, OptionValue, TargetKind, all};
use crate::metric::{self, Figure};
use serde_json::{Value, json};

/// Lists every loss.
pub fn run(args: &Plain) -> Result<(), Failure> {
    if args.json {
        let losses: Vec<_> = all().iter().map(|info| object(info)).collect();
        let metrics: Vec<_> = metric::all().iter().map(figure).collect();
        return print::json(&json!({ "losses": losses, "metrics": metrics }));
    }
    let mut blocks: Vec<_> = all().iter().map(|info| block(info)).collect();
    blocks.extend(metric::all().iter().map(figure_block));
    print::out(&blocks.join("\n\n"))
}

fn tasks(figure: &Figure) -> Vec<&'static str> {
    figure.tasks.iter().map(|t| t.name()).collect()
}

/// A metric, with the options of `wgloss metrics` that it has.
fn figure(figure: &Figure) -> Value {
    json!({
        "name": figure.name,
        "tasks": tasks(figure),
        "inputs": figure.needs.name(),
        "options": figure
            .options()
            .into_iter()
            .map(|(name, default)| json!({ "name": name, "default": default }))
            .collect::<Vec<_>>(),
        "formula": figure.formula,
        "agrees_with": (!figure.agrees.is_empty()).then_some(figure.agrees),
    })
}

fn figure_block(figure: &Figure) -> String {
    let mut rows = vec![
        ("metric", figure.formula.to_string()),
        ("tasks", tasks(figure).join(", ")),
        ("from", figure.needs.name().to_string()),
    ];
    let options = figure.options().into_iter();
    rows.extend(options.map(|(name, default)| (name, format!("default {default}"))));
    if !figure.agrees.is_empty() {
        rows.push(("agrees with", figure.agrees.to_string()));
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(k, v)| vec![format!("  {k}"), v])
        .collect();
    format!("{}\n{}", figure.name, print::table(&rows))
}

/// Every figure of the metrics, as a table in Markdown.
pub fn metrics_table() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut lines = vec![
        "| figure | tasks | what it is | agrees with |".to_string(),
        "| --- | --- | --- | --- |".to_string(),
    ];
    lines.extend(metric::all().iter().map(|f| {
        let agrees = match f.agrees {
            "" => String::new(),
            agrees => format!("`{}`", cell(agrees)),
        };
        format!(
            "| `{}` | {} | {} | {agrees} |",
            f.name,
            tasks(f).join(", "),
            cell(f.formula),
        )
    }));
    lines.join("\n") + "\n"
}

/// Every loss with its options and defaults, its formula, and the libraries it agrees with, as a table in
/// Markdown.
pub fn markdown_table() -> String {
    let cell = |text: &str| text.trim().replace('|', "\\|").replace('\n', " ");
    let code = |text: &str| format!("`{}`", cell(text));
    let mut lines = vec![
        "| name | options (default) | loss | agrees with |".to_string(),
        "| --- | --- | --- | --- |".to_string(),
    ];
    lines.extend(all().iter().map(|info| {
        let options: Vec<_> = options(info)
            .map(|(option, default)| format!("{} ({default})", code(option.name)))
            .collect();
        format!(
            "| {} | {} | {} | {} |",
            code(info.name),
            options.join(", "),
            cell(info.formula),
            cell(info.agrees)
        )
    }));
    lines.join("\n") + "\n"
}

fn options(info: &'static Info) -> impl Iterator<Item = (&'static OptionInfo, OptionValue)> {
    let defaults = info.make().options();
    info.options.iter().zip(defaults)
}

fn object(info: &'static Info) -> Value {
    let option = |(option, default): (&OptionInfo, OptionValue)| {
        json!({
            "name": option.name,
            "default": default_value(&default),
            "range": takes(option),
            "summary": option.summary.trim(),
        })
    };
    json!({
        "name": info.name,
        "family": match info.family {
            Family::Elementwise => "elementwise",
            Family::Rows => "rows",
            Family::Sets => "sets",
        },
        "inputs": info.inputs,
        "target": match info.target {
            TargetKind::None => "none",
            TargetKind::Values => "values",
            TargetKind::Labels => "labels",
            TargetKind::LabelsOrValues => "labels_or_values",
            TargetKind::PerRow => "per_row",
        },
        "class_weight": info.class_weight,
        "options": options(info).map(option).collect::<Vec<_>>(),
        "formula": info.formula,
        "summary": info.summary.trim(),
        "agrees_with": (!info.agrees.is_empty()).then_some(info.agrees),
    })
}

fn default_value(value: &OptionValue) -> Value {
    // By way of text, so that 0.1 in f32 does not become 0.10000000149011612.
    let plain = |v: f32| match v.to_string().parse::<f64>() {
        Ok(v) => print::number(v),
        Err(_) => Value::Null,
    };
    match value {
        OptionValue::Number(v) => plain(*v),
        OptionValue::Flag(v) => (*v).into(),
        OptionValue::Index(v) => (*v).into(),
        OptionValue::Columns(v) => v.iter().map(|&v| plain(v)).collect(),
    }
}

fn block(info: &'static Info) -> String {
    let mut rows = vec![
        ["loss", info.formula].map(String::from),
        ["inputs".into(), info.inputs.join(", ")],
        ["target", info.target.name()].map(String::from),
    ];
    if info.class_weight {
        rows.push(["class weight", "one per class"].map(String::from));
    }
    rows.extend(options(info).map(|(option, default)| {
        [
            format!("{} = {default}", option.name),
            format!("{}: {}", takes(option), option.summary.trim()),
        ]
    }));
    if !info.agrees.is_empty() {
        rows.push(["agrees with", info.agrees].map(String::from));
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|[k, v]| vec![format!("  {k}"), v])
        .collect();
    format!(
        "{}: {}\n{}",
        info.name,
        info.summary.trim(),
        print::table(&rows)
    )
}
