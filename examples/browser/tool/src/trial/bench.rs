//! The part Bench.

use super::{Site, says};
use crate::browser::{SOON, Tab};
use anyhow::Result;

/// With measurements of a small size.
pub fn scene(tab: &mut Tab, site: &Site) -> Result<()> {
    tab.load(&site.at("bench&losses=mse&rows=64&cols=64"))?;
    tab.wait(
        "document.querySelector('#bench > [role=status]').textContent.includes('measurements of')",
        3 * SOON,
    )?;
    says(
        tab,
        "#bench > [role=status]",
        "2 measurements of 64 × 64 numbers in f32 on ",
    )?;
    tab.in_order()
}
