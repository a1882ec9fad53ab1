//! The page in a real browser, which fails where there is no device.

mod bench;
mod evaluate;
mod explore;
mod faults;
mod load;
mod looks;
mod verify;
mod write;

use crate::browser::{SOON, Tab};
use crate::server::Server;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::thread;
use std::time::Instant;

/// Where the page lies: below other things, as it may be put anywhere.
const PREFIX: &str = "/some/where/";

/// A part of the page, by its name in the address.
struct Part {
    name: &'static str,
    /// Opens it in a state that is worth a picture.
    scene: Step,
    /// Uses it as somebody might.
    used: Step,
}

/// What is gone through beside the parts.
const FAULTS: &str = "faults";
const LOOKS: &str = "looks";

type Step = fn(&mut Tab, &Site) -> Result<()>;

/// Every part that the page has: one that is not here fails the trial.
const PARTS: [Part; 5] = [
    Part {
        name: "explore",
        scene: explore::scene,
        used: explore::used,
    },
    Part {
        name: "write",
        scene: write::scene,
        used: write::used,
    },
    Part {
        name: "verify",
        scene: verify::scene,
        used: verify::used,
    },
    Part {
        name: "bench",
        scene: bench::scene,
        used: bench::scene,
    },
    Part {
        name: "evaluate",
        scene: evaluate::scene,
        used: evaluate::used,
    },
];

/// Where the page is served.
struct Site {
    host: String,
    port: u16,
}

impl Site {
    /// The page's address with this behind the `#`.
    fn at(&self, fragment: &str) -> String {
        let Site { host, port } = self;
        format!("http://{host}:{port}{PREFIX}#{fragment}")
    }
}

/// Goes through the page that a folder holds: all of its parts, its faults, its looks, with pictures, and what it verifies, as far as `extent` says;
/// or what is on the list `only`, of parts, `faults`, `looks`, and what there is to be verified.
pub fn run(folder: &Path, pictures: &Path, extent: &str, only: Option<&str>) -> Result<()> {
    let server = Server::new(folder, PREFIX, 0)?;
    let site = Site {
        host: "127.0.0.1".into(),
        port: server.address()?.port(),
    };
    thread::spawn(move || server.run());
    let mut tab = Tab::open()?;
    let mut names = step("load", || load::run(&mut tab, &site))?;
    let list: Option<Vec<_>> = only.map(|only| only.split(',').collect());
    let asked = |name: &str| list.as_ref().is_none_or(|list| list.contains(&name));
    for name in list.iter().flatten() {
        let known = PARTS.iter().any(|part| part.name == *name) || [FAULTS, LOOKS].contains(name);
        ensure!(
            known || names.iter().any(|n| n == name),
            "there is no {name}"
        );
    }
    for part in PARTS.iter().filter(|part| asked(part.name)) {
        step(part.name, || (part.used)(&mut tab, &site))?;
    }
    if asked(FAULTS) {
        step(FAULTS, || faults::run(&mut tab, &site))?;
    }
    if asked(LOOKS) {
        step(LOOKS, || looks::run(&mut tab, &site, pictures))?;
    }
    drop(tab);
    names.retain(|name| asked(name));
    match names.is_empty() {
        true => Ok(()),
        false => step("numbers", || verify::run(&site, extent, &names)),
    }
}

/// Does it, and says how long it took.
fn step<T>(name: &'static str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = run().context(name)?;
    println!("{name}: good, {:.1} s", begun.elapsed().as_secs_f64());
    Ok(done)
}

/// Waits until the page says which device there is, or why there is none; gives that, and after how many seconds of loading it came.
fn device(tab: &mut Tab) -> Result<(String, f64)> {
    let line = "document.getElementById('device')";
    let said = format!("(!{line}.textContent.startsWith('Looking') && performance.now())");
    let after = tab.wait(&said, SOON)?.as_f64().context("a time")?;
    Ok((tab.text_of("#device")?, after / 1000.0))
}

/// Fails where there is no device.
fn needs_device(tab: &mut Tab) -> Result<(String, f64)> {
    let (line, after) = device(tab)?;
    ensure!(line.starts_with("On "), "expected a device, found: {line}");
    Ok((line, after))
}

/// Fails unless a text of the page has these words.
fn says(tab: &mut Tab, selector: &str, words: &str) -> Result<()> {
    let found = tab.eval(&format!(
        "document.querySelector({selector:?})?.textContent ?? document.body.innerText"
    ))?;
    match found.as_str().context("a text")? {
        text if text.contains(words) => Ok(()),
        text => bail!("expected `{words}` in {selector}, found `{text}`"),
    }
}
