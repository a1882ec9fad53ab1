//! The part Verify.

use super::{Site, needs_device, says};
use crate::browser::{SOON, Tab};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::thread;
use std::time::Duration;

/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// The most browsers.
const MOST: usize = 4;

const STATUS: &str = "#verify > [role=status]";
const SUBMIT: &str = "#verify [type=submit]";

/// Begun, by whatever begins it.
const BEGUN: &str = "document.querySelector('#verify progress').value > 0";

/// Ended, well or not.
const ENDED: &str =
    "document.querySelector('#verify > [role=status]').textContent.includes(' failed, on ')";

/// With results.
pub fn scene(tab: &mut Tab, site: &Site) -> Result<()> {
    tab.load(&site.at("verify&small&names=mse,huber,confidence_penalized_mse"))?;
    tab.wait(ENDED, SOON)?;
    tab.in_order()
}

/// Begins everything, as far as it is chosen.
pub fn begin(tab: &mut Tab) -> Result<()> {
    tab.wait(
        "document.querySelector('#verify [type=submit]:enabled')",
        SOON,
    )?;
    tab.click(SUBMIT)?;
    tab.wait(BEGUN, SOON)?;
    Ok(())
}

/// Begins, stops, begins again by the keyboard alone, and copies the report.
pub fn used(tab: &mut Tab, site: &Site) -> Result<()> {
    tab.load(&site.at("verify"))?;
    let (line, _) = needs_device(tab)?;
    begin(tab)?;
    tab.click("#verify [name=stop]")?;
    tab.wait(ENDED, SOON)?;
    says(tab, STATUS, "Ended early: stopped.")?;
    tab.eval(&format!("document.querySelector({SUBMIT:?}).focus()"))?;
    tab.press("Enter")?;
    tab.wait(BEGUN, SOON)?;
    tab.click("#verify [name=stop]")?;
    tab.wait(ENDED, SOON)?;
    tab.allow_clipboard()?;
    tab.click("#verify [name=copy]")?;
    tab.wait(
        "document.querySelector('#verify [name=copy]').textContent === 'Copied'",
        SOON,
    )?;
    let copied = tab.eval("navigator.clipboard.readText()")?;
    let copied = copied.as_str().context("a report")?;
    let device = line.trim_start_matches("On ").trim_end_matches('.');
    for expected in ["wgloss verify, quick: ", device, "HeadlessChrome", "mse f"] {
        ensure!(
            copied.contains(expected),
            "no `{expected}` in the report: {copied}"
        );
    }
    tab.in_order()
}

/// What one browser found.
struct Report {
    status: String,
    /// The cells of every line of the table.
    rows: Vec<Vec<String>>,
    failures: Vec<String>,
}

/// Has the page verify all `names`. A browser compiles kernels one after the other, which is what takes time without a GPU: there are as many browsers
/// as processors, which share the names.
pub fn run(site: &Site, extent: &str, names: &[String]) -> Result<()> {
    let shares = thread::available_parallelism().map_or(1, |n| n.get().min(MOST));
    let reports: Result<Vec<_>> = thread::scope(|scope| {
        let share = |k: usize| {
            let own = names.iter().skip(k).step_by(shares);
            let own = own.map(String::as_str).collect::<Vec<_>>().join(",");
            scope.spawn(move || verify(site, extent, &own))
        };
        let running: Vec<_> = (0..shares.min(names.len())).map(share).collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(report) => report,
            Err(_) => bail!("a panic"),
        });
        ended.collect()
    });
    judge(&reports?, names)
}

fn verify(site: &Site, extent: &str, names: &str) -> Result<Report> {
    let mut tab = Tab::open()?;
    tab.load(&site.at(&format!("verify&{extent}&names={names}")))?;
    needs_device(&mut tab)?;
    tab.wait(ENDED, PATIENCE)?;
    tab.in_order()?;
    let rows = tab.eval(
        "[...document.querySelectorAll('#verify tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))",
    )?;
    let failures =
        tab.eval("[...document.querySelectorAll('.failures li')].map((item) => item.textContent)")?;
    Ok(Report {
        status: tab.text_of(STATUS)?,
        rows: serde_json::from_value(rows)?,
        failures: serde_json::from_value(failures)?,
    })
}

/// Fails unless all `names` were verified and passed.
fn judge(reports: &[Report], names: &[String]) -> Result<()> {
    for report in reports {
        println!("{}", report.status);
        for failure in &report.failures {
            println!("FAIL {failure}");
        }
    }
    let mut cases = 0;
    for report in reports {
        ensure!(
            !report.status.starts_with("Ended early"),
            "{}",
            report.status
        );
        for row in &report.rows {
            let [name, found, .., verdict] = row.as_slice() else {
                bail!("expected a line of the table, found {row:?}");
            };
            let found: Value =
                serde_json::from_str(&found.replace(',', "")).context(found.clone())?;
            cases += found
                .as_u64()
                .filter(|n| *n > 0)
                .with_context(|| format!("no case of {name}"))?;
            ensure!(verdict == "pass", "{name}: {verdict}");
        }
    }
    for name in names {
        let mut rows = reports.iter().flat_map(|report| &report.rows);
        let begin = format!("{name} ");
        let found = rows.any(|row| row.first().is_some_and(|of| of.starts_with(&begin)));
        ensure!(found, "{name} was not verified");
    }
    println!("{cases} cases of {} names, none failed", names.len());
    Ok(())
}
