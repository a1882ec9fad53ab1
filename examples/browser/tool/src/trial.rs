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

/// How long verification may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What the browser is called, unless the environment's `CHROMIUM` says it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Opens the page that a folder holds, has it verify everything, quickly, and looks at its report.
pub fn run(folder: &Path) -> Result<()> {
    let server = Server::new(folder, PREFIX, 0)?;
    let address = server.address()?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        server.run(move |asked| {
            // Nobody listens any more when the trial is over.
            let _ = sender.send(asked);
        })
    });
    let profile = tempfile::tempdir()?;
    let browser = Browser::open(
        profile.path(),
        &format!("http://{address}{PREFIX}#verify&quick&post"),
    )?;
    let report = report(&receiver)?;
    drop(browser);
    judge(&report)
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

/// What the page posts at its end.
fn report(receiver: &Receiver<Asked>) -> Result<Value> {
    loop {
        match receiver.recv_timeout(PATIENCE).context("no report came")? {
            Asked::Report(text) => return serde_json::from_str(&text).context(text),
            // Browsers look there on their own.
            Asked::Missing(path) if path == "/favicon.ico" => {}
            Asked::Missing(path) => bail!("the page asked for {path}, which there is not"),
        }
    }
}

/// Fails unless everything that there is was verified, and passed.
fn judge(report: &Value) -> Result<()> {
    if let Some(error) = report["error"].as_str() {
        bail!("the page stopped: {error}");
    }
    let list = |name: &str| report[name].as_array().context(format!("no {name}"));
    let number = |of: &Value, name: &str| of[name].as_f64().context(format!("no {name}"));
    for failure in list("failures")? {
        println!("FAIL {}", failure.as_str().unwrap_or("?"));
    }
    let rows = list("rows")?;
    let names = list("names")?;
    ensure!(!names.is_empty(), "nothing is registered");
    for name in names {
        let row = rows.iter().find(|row| row["name"] == *name);
        let row = row.with_context(|| format!("{name} was not verified"))?;
        ensure!(number(row, "cases")? > 0.0, "{name} has no case");
    }
    let adapter = report["adapter"].as_str().unwrap_or("");
    ensure!(!adapter.is_empty(), "the adapter has no name");
    let (cases, failed) = (number(report, "cases")?, number(report, "failed")?);
    println!("{}", report["agent"].as_str().unwrap_or("?"));
    println!(
        "{cases} cases of {} names, {failed} failed, on {adapter} in {:.1} s; the first after {:.1} s",
        names.len(),
        number(report, "seconds")?,
        number(report, "first")?,
    );
    ensure!(failed == 0.0, "{failed} of {cases} cases are off");
    Ok(())
}
