//! The part Write.

use super::{Site, needs_device};
use crate::browser::{SOON, Tab};
use anyhow::Result;

const TOLD: &str = "document.querySelector('#write .told').textContent";

const WRONG: &str = "fn loss(x: f32, t: f32) -> f32 {\n    return x - y;\n}\n";
const RIGHT: &str = "override steep: f32 = 2.0;\nfn loss(x: f32, t: f32) -> f32 {\n    return steep * (x - t) * (x - t);\n}\n";

/// With a mistake.
pub fn scene(tab: &mut Tab, site: &Site) -> Result<()> {
    tab.load(&site.at("write"))?;
    needs_device(tab)?;
    tab.wait(&format!("{TOLD}.startsWith('A loss of')"), SOON)?;
    tab.wait(
        "document.querySelector('#write .charts svg, #write .charts canvas')",
        SOON,
    )?;
    write(tab, WRONG)?;
    tab.wait(&format!("{TOLD}.startsWith('Line 2, column 16')"), SOON)?;
    tab.in_order()
}

/// A mistake, the way to it, and a loss without one.
pub fn used(tab: &mut Tab, site: &Site) -> Result<()> {
    scene(tab, site)?;
    tab.click("#write [name=mistake]")?;
    let marked = "(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))(document.activeElement)";
    tab.wait(&format!("{marked} === 'y'"), SOON)?;
    write(tab, RIGHT)?;
    tab.wait(&format!("{TOLD}.startsWith('A loss of')"), SOON)?;
    tab.wait(
        "document.querySelector('#write pre').textContent.includes('steep')",
        SOON,
    )?;
    tab.wait("!document.querySelector('#write .stale')", SOON)?;
    deep(tab)?;
    tab.in_order()
}

/// What is as deep as may be read here is a loss, which takes a good part of the stack of a worker; what is deeper is refused at its place.
fn deep(tab: &mut Tab) -> Result<()> {
    let body = |e: &str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
    let brackets = format!("{}x-t{}", "abs(".repeat(48), ")".repeat(48));
    let signs = format!("x-t{}", "+x".repeat(340));
    let call = |k: usize| format!("fn go{k}(x: f32) -> f32 {{ return go{}(x); }}\n", k + 1);
    let calls: String = (0..90).map(call).collect();
    let calls = format!(
        "{calls}fn go90(x: f32) -> f32 {{ return x; }}\n{}",
        body("go0(x)-t")
    );
    for text in [body(&brackets), body(&signs), calls] {
        tab.eval(&format!("{TOLD} = ''"))?;
        write(tab, &text)?;
        tab.wait(TOLD, SOON)?;
        super::says(tab, "#write .told", "A loss of")?;
        tab.wait("document.querySelector('#write .curves [role=status]').textContent.includes('places evaluated')", SOON)?;
    }
    write(tab, &body(&format!("x-t{}", "+x".repeat(2000))))?;
    tab.wait(
        &format!("{TOLD}.includes('too much within each other')"),
        SOON,
    )?;
    Ok(())
}

/// Types a text in place of all that there is.
fn write(tab: &mut Tab, text: &str) -> Result<()> {
    tab.click("#write textarea")?;
    tab.eval("document.querySelector('#write textarea').select()")?;
    tab.type_text(text)
}
