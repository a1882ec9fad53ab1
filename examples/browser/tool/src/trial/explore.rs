//! The part Explore.

use super::{Site, needs_device};
use crate::browser::{SOON, Tab};
use anyhow::{Context, Result, ensure};

/// With curves.
pub fn scene(tab: &mut Tab, site: &Site) -> Result<()> {
    tab.load(&site.at("explore&loss=huber"))?;
    needs_device(tab)?;
    let curves = "document.querySelector('#explore .charts svg, #explore .charts canvas') && performance.now()";
    let after = tab.wait(curves, SOON)?.as_f64().context("a time")? / 1000.0;
    println!("the first curve after {after:.1} s");
    tab.in_order()
}

/// Moves a slider by the keyboard: curves and address follow.
pub fn used(tab: &mut Tab, site: &Site) -> Result<()> {
    scene(tab, site)?;
    let curves = "document.querySelector('#explore .charts').innerHTML";
    let before = tab.eval(curves)?;
    tab.eval(&format!("globalThis.before = {curves}"))?;
    tab.eval("document.querySelector('#explore .options [type=range]').focus()")?;
    tab.press("ArrowRight")?;
    tab.press("End")?;
    tab.wait(&format!("{curves} !== before"), SOON)?;
    ensure!(before != tab.eval(curves)?, "the curves stay as they are");
    tab.wait("location.hash.includes('delta=')", SOON)?;
    tab.in_order()
}
