//! What the page says where there is no device, or no longer.

use super::{Site, device, says, verify};
use crate::browser::{ELSEWHERE, SOON, Tab};
use anyhow::{Result, ensure};

pub fn run(tab: &mut Tab, site: &Site) -> Result<()> {
    missing(
        tab,
        site,
        "delete WorkerNavigator.prototype.gpu",
        "This browser has no WebGPU. Chrome and Edge have it",
    )?;
    missing(
        tab,
        site,
        "GPU.prototype.requestAdapter = async () => null",
        "Turn on graphics acceleration",
    )?;
    missing(
        tab,
        site,
        "GPUAdapter.prototype.requestDevice = async () => { throw new Error('none today'); }",
        "Reload the page",
    )?;
    let elsewhere = Site {
        host: ELSEWHERE.into(),
        port: site.port,
    };
    tab.load(&elsewhere.at("verify"))?;
    told(tab, "open this one at such an address")?;
    lost(tab, site)
}

fn missing(tab: &mut Tab, site: &Site, before: &str, words: &str) -> Result<()> {
    tab.load_after(before, &site.at("verify"))?;
    told(tab, words)
}

/// The sentence instead of the device, and nothing that could be begun.
fn told(tab: &mut Tab, words: &str) -> Result<()> {
    device(tab)?;
    says(tab, "#device.missing", words)?;
    let off = tab.eval("document.querySelector('#verify [type=submit]').disabled")?;
    ensure!(off == true, "something can be begun: {words}");
    tab.in_order()
}

/// The browser loses its devices, says so, and has one when it is asked again.
fn lost(tab: &mut Tab, site: &Site) -> Result<()> {
    tab.load(&site.at("verify"))?;
    for _ in 0..2 {
        verify::begin(tab)?;
        says(tab, "#device:not(.missing)", "On ")?;
        tab.crash_gpu()?;
        tab.wait("document.querySelector('#device.missing')", SOON)?;
        says(tab, "#device", "The device was lost")?;
        says(tab, "#device", "Begin again")?;
        let status = "document.querySelector('#verify > [role=status]').textContent";
        tab.wait(
            &format!("{status}.startsWith('Ended early: the device was lost')"),
            SOON,
        )?;
    }
    verify::begin(tab)?;
    tab.in_order()
}
