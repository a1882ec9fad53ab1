//! The part Evaluate.

use super::{Site, needs_device};
use crate::browser::{SOON, Tab};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

const STATUS: &str = "document.querySelector('#evaluate > [role=status]').textContent";

/// With the figures of two files that were dropped.
pub fn scene(tab: &mut Tab, site: &Site) -> Result<()> {
    dropped(tab, site, tempfile::tempdir()?.path())
}

fn dropped(tab: &mut Tab, site: &Site, folder: &Path) -> Result<()> {
    let (scores, labels) = (folder.join("scores.npy"), folder.join("labels.npy"));
    let own: [(f32, i64); 6] = [(0.1, 0), (0.9, 1), (0.4, 1), (0.45, 0), (0.8, 1), (0.3, 0)];
    npy(
        &scores,
        "<f4",
        own.iter()
            .flat_map(|(score, _)| score.to_le_bytes())
            .collect(),
        own.len(),
    )?;
    npy(
        &labels,
        "<i8",
        own.iter()
            .flat_map(|(_, label)| label.to_le_bytes())
            .collect(),
        own.len(),
    )?;
    tab.load(&site.at("evaluate"))?;
    needs_device(tab)?;
    tab.drop_files("#evaluate h2", &[&labels, &scores])?;
    tab.wait(
        &format!("{STATUS}.startsWith('6 samples of scores.npy against labels.npy')"),
        SOON,
    )?;
    // The device's own kernels, against the reference.
    tab.wait(
        &format!("{STATUS}.endsWith('every count comes out the same, and every figure within its bound.')"),
        SOON,
    )?;
    // 8 of 9 pairs are in order.
    let figures = tab.eval("document.querySelector('#evaluate .results').innerText")?;
    let figures = figures.as_str().context("figures")?;
    ensure!(figures.contains("0.8889"), "no area of 8/9 in {figures}");
    tab.in_order()
}

/// A file that is no array is refused with a sentence, and one that is chosen in its place is taken.
pub fn used(tab: &mut Tab, site: &Site) -> Result<()> {
    let folder = tempfile::tempdir()?;
    dropped(tab, site, folder.path())?;
    let (text, scores) = (
        folder.path().join("text.npy"),
        folder.path().join("own.npy"),
    );
    fs::write(&text, "no array")?;
    npy(
        &scores,
        "<f4",
        [0.5f32; 6]
            .iter()
            .flat_map(|score| score.to_le_bytes())
            .collect(),
        6,
    )?;
    tab.choose("#evaluate [name=scores]", &[&text])?;
    tab.wait(
        &format!("{STATUS}.includes('text.npy') && document.querySelector('#evaluate > .wrong')"),
        SOON,
    )?;
    println!("of a file that is no array: {}", tab.eval(STATUS)?);
    tab.choose("#evaluate [name=scores]", &[&scores])?;
    tab.wait(
        &format!("{STATUS}.startsWith('6 samples of own.npy')"),
        SOON,
    )?;
    tab.in_order()
}

/// Writes a list of numbers as NumPy does.
fn npy(file: &Path, kind: &str, bytes: Vec<u8>, n: usize) -> Result<()> {
    let mut head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({n},), }}");
    while (10 + head.len() + 1) % 64 > 0 {
        head.push(' ');
    }
    head.push('\n');
    let length = u16::try_from(head.len())?.to_le_bytes();
    let all = [b"\x93NUMPY\x01\x00", &length[..], head.as_bytes(), &bytes].concat();
    fs::write(file, all).with_context(|| file.display().to_string())
}
