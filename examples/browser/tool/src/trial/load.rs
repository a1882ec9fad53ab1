//! From an address to a first result.

use super::{Site, needs_device};
use crate::browser::{SOON, Tab};
use anyhow::{Context, Result, ensure};

/// Measures how long it takes; gives the names of everything that can be verified.
pub fn run(tab: &mut Tab, site: &Site) -> Result<Vec<String>> {
    tab.load(&site.at("verify&small&names=mse"))?;
    let (line, device) = needs_device(tab)?;
    let result = "document.querySelector('#verify tbody tr') && performance.now()";
    let result = tab.wait(result, SOON)?.as_f64().context("a time")? / 1000.0;
    println!(
        "{line} The device after {device:.1} s of loading, the first result after {result:.1} s"
    );
    // A second program beside the page's.
    let names = tab.eval(
        "(async () => {
            const { Engine } = await import(new URL('engine.js', document.baseURI));
            const engine = new Engine(() => {});
            const { names } = await engine.call('open');
            engine.stop(new Error('over'));
            return names;
        })()",
    )?;
    let names: Vec<String> = serde_json::from_value(names)?;
    ensure!(!names.is_empty(), "nothing is registered");
    tab.in_order()?;
    Ok(names)
}
