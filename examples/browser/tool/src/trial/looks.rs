//! How the parts look and how the keyboard goes through them, in both themes, on a screen and on a phone.

use super::{PARTS, Site, needs_device};
use crate::browser::Tab;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

const WIDTHS: [u32; 2] = [1200, 390];

/// Finds what overlaps, is cut off, or can hardly be read.
const LAYOUT: &str = include_str!("looks.js");

pub fn run(tab: &mut Tab, site: &Site, pictures: &Path) -> Result<()> {
    fs::create_dir_all(pictures).with_context(|| pictures.display().to_string())?;
    tab.load(&site.at(""))?;
    needs_device(tab)?;
    let links = "[...document.querySelectorAll('nav a')].map((link) => link.hash.slice(1))";
    let links: Vec<String> = serde_json::from_value(tab.eval(links)?)?;
    let known: Vec<_> = PARTS.iter().map(|part| part.name).collect();
    ensure!(
        links == known,
        "expected the parts {known:?}, found {links:?}"
    );
    for part in &PARTS {
        (part.scene)(tab, site).context(part.name)?;
        for width in WIDTHS {
            for (theme, dark) in [("light", false), ("dark", true)] {
                let name = format!("{}-{theme}-{width}", part.name);
                tab.look(width, dark)?;
                // Before what may fail, so that it can be looked at.
                tab.picture(&pictures.join(format!("{name}.png")))?;
                let wrong = tab.eval(&format!("({LAYOUT})({width})"))?;
                let wrong: Vec<String> = serde_json::from_value(wrong)?;
                ensure!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
            }
            walk(tab).with_context(|| format!("{} at {width}", part.name))?;
        }
        tab.in_order()?;
    }
    Ok(())
}

/// Goes through all controls by Tab.
fn walk(tab: &mut Tab) -> Result<()> {
    let controls = tab.eval(
        "(() => {
            const all = document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex], [contenteditable]');
            const one = (e) => e.type !== 'radio' || e.checked;
            globalThis.walk = [...all].filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.tabIndex >= 0 && one(e));
            // From the beginning of the page, wherever the last click was.
            const begin = document.createElement('button');
            document.body.prepend(begin);
            begin.focus();
            begin.remove();
            return walk.length;
        })()",
    )?;
    for k in 0..controls.as_u64().context("a count")? {
        tab.press("Tab")?;
        let wrong = tab.eval(&format!(
            "(() => {{
                const here = document.activeElement;
                if (here !== walk[{k}]) return `${{walk[{k}].outerHTML}} is not reached, but ${{here.outerHTML.slice(0, 200)}}`;
                // A frame around it will do.
                const frame = [here, here.parentElement].map((e) => getComputedStyle(e));
                const framed = frame.some((style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
                if (!here.matches(':focus-visible') || !framed) return `no outline: ${{here.outerHTML}}`;
                const {{ top, bottom, left, right }} = here.getBoundingClientRect();
                const inside = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
                return inside ? '' : `out of sight: ${{here.outerHTML}}`;
            }})()"
        ))?;
        ensure!(wrong == "", "{wrong}");
    }
    Ok(())
}
