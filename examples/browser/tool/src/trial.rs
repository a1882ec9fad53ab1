//! The page in a real browser, which fails where there is no device.

use crate::server::{Asked, Server};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Where the page lies: below other things, as it may be put anywhere.
const PREFIX: &str = "/some/where/";

/// How long a report may be waited for.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// The most browsers.
const MOST: usize = 4;

/// What the browser is called, unless the environment's `CHROMIUM` says it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Opens the page that a folder holds, has it verify everything or the list `only`, quickly, and looks at its report. A browser compiles kernels one after the
/// other, which is what takes time without a GPU: there are as many browsers as processors, which share what is to be verified.
pub fn run(folder: &Path, only: Option<&str>) -> Result<()> {
    let server = Server::new(folder, PREFIX, 0)?;
    let address = server.address()?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        server.run(move |asked| {
            // Nobody listens any more when the trial is over.
            let _ = sender.send(asked);
        })
    });
    let shares = thread::available_parallelism().map_or(1, |n| n.get().min(MOST));
    let mut browsers = Vec::new();
    for share in 0..shares {
        let profile = tempfile::tempdir()?;
        let mut url = format!("http://{address}{PREFIX}#verify&quick&post&share={share}/{shares}");
        if let Some(only) = only {
            url += &format!("&names={only}");
        }
        browsers.push((Browser::open(profile.path(), &url)?, profile));
    }
    let reports: Result<Vec<_>> = (0..shares).map(|_| report(&receiver)).collect();
    drop(browsers);
    judge(&reports?, only)
}

/// A browser that ends with this.
struct Browser(Child);

impl Browser {
    fn open(profile: &Path, url: &str) -> Result<Browser> {
        let own = std::env::var("CHROMIUM").ok();
        let names = own.as_deref().map_or(NAMES.to_vec(), |own| vec![own]);
        for name in &names {
            let mut command = Command::new(name);
            // Without a GPU Chromium has a device of its own, SwiftShader, which pages are given by the third only.
            command.args(["--headless", "--no-sandbox", "--enable-unsafe-webgpu"]);
            command.args(["--no-first-run", "--enable-logging=stderr"]);
            command.arg(format!("--user-data-dir={}", profile.display()));
            command.arg(url);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            if std::env::var_os("CHROMIUM_LOG").is_none() {
                command.stderr(Stdio::null());
            }
            if let Ok(child) = command.spawn() {
                return Ok(Browser(child));
            }
        }
        bail!(
            "expected a Chromium, found none called {}: install one, or name it in CHROMIUM",
            names.join(", ")
        )
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a page posts at its end.
fn report(receiver: &Receiver<Asked>) -> Result<Value> {
    let asked = receiver.recv_timeout(PATIENCE);
    let text = match asked.context("no report came")? {
        Asked::Report(text) => text,
        Asked::Missing(path) => bail!("the page asked for `{path}`, which there is not"),
    };
    let report: Value = serde_json::from_str(&text).context(text)?;
    match report["error"].as_str() {
        Some(error) => bail!("the page stopped: {error}"),
        None => Ok(report),
    }
}

/// Fails unless everything that there is, or all of the list `only`, was verified and passed.
fn judge(reports: &[Value], only: Option<&str>) -> Result<()> {
    let all = |name: &str| -> Vec<&Value> {
        let lists = reports.iter().filter_map(|report| report[name].as_array());
        lists.flatten().collect()
    };
    let most = |name: &str| {
        let numbers = reports.iter().filter_map(|report| report[name].as_f64());
        numbers.fold(0.0, f64::max)
    };
    for failure in all("failures") {
        println!("FAIL {}", failure.as_str().unwrap_or("?"));
    }
    let rows = all("rows");
    let (mut cases, mut failed) = (0, 0);
    for row in &rows {
        let number = |name: &str| {
            row[name]
                .as_u64()
                .with_context(|| format!("{name} of {row}"))
        };
        ensure!(number("cases")? > 0, "no case of {}", row["name"]);
        cases += number("cases")?;
        failed += number("failed")?;
    }
    let first = reports.first().context("no report")?;
    let text = |name: &str| match first[name].as_str() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => bail!("no {name} in the report"),
    };
    let names: Vec<_> = match only {
        Some(only) => only.split(',').map(Value::from).collect(),
        None => first["registered"].as_array().context("no names")?.clone(),
    };
    ensure!(!names.is_empty(), "nothing is registered");
    for name in &names {
        let row = rows.iter().find(|row| row["name"] == *name);
        ensure!(row.is_some(), "{name} was not verified");
    }
    println!("{}", text("agent")?);
    println!(
        "{cases} cases of {} names, {failed} failed, on {} in {:.0} s, the first after {:.1} s",
        names.len(),
        text("adapter")?,
        most("seconds"),
        most("first"),
    );
    ensure!(failed == 0, "{failed} of {cases} cases are off");
    Ok(())
}
