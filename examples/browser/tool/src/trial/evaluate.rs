//! The part Evaluate.

use super::{Site, needs_device};
use crate::browser::{SOON, Tab};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

const STATUS: &str = "document.querySelector('#evaluate > [role=status]').textContent";

/// The device's own kernels came out as the reference.
const AGREES: &str = "document.querySelector('#evaluate > [role=status]').textContent.endsWith('every count comes out the same, and every figure within its bound.')";

/// With the figures of two files that were dropped.
pub fn scene(tab: &mut Tab, site: &Site) -> Result<()> {
    dropped(tab, site, tempfile::tempdir()?.path())
}

fn dropped(tab: &mut Tab, site: &Site, folder: &Path) -> Result<()> {
    let (scores, labels) = (folder.join("scores.npy"), folder.join("labels.npy"));
    let own: [(f32, i64); 6] = [(0.1, 0), (0.9, 1), (0.4, 1), (0.45, 0), (0.8, 1), (0.3, 0)];
    numbers(&scores, &own.map(|(score, _)| score), "6,")?;
    integers(&labels, &own.map(|(_, label)| label), "6,")?;
    tab.load(&site.at("evaluate"))?;
    needs_device(tab)?;
    tab.drop_files("#evaluate h2", &[&labels, &scores])?;
    tab.wait(
        &format!("{STATUS}.startsWith('6 samples of scores.npy against labels.npy')"),
        SOON,
    )?;
    tab.wait(AGREES, SOON)?;
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
    numbers(&scores, &[0.5; 6], "6,")?;
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
    // What the files hold says which task it is.
    let several: [(f32, i64); 8] = [
        (0.9, 1),
        (0.2, 0),
        (0.7, 0),
        (0.8, 1),
        (0.6, 1),
        (0.1, 0),
        (0.3, 0),
        (0.4, 1),
    ];
    let file = |name| folder.path().join(name);
    let (wide, of_labels, of_classes, numbers_file) = (
        file("wide.npy"),
        file("labels_wide.npy"),
        file("classes_true.npy"),
        file("numbers_true.npy"),
    );
    numbers(&wide, &several.map(|(score, _)| score), "4, 2")?;
    integers(&of_labels, &several.map(|(_, label)| label), "4, 2")?;
    integers(&of_classes, &[0, 1, 0, 1], "4,")?;
    numbers(&numbers_file, &[0.5, 0.25, 1.0, 0.75, 0.0, 2.0], "6,")?;
    for (files, task, figure) in [
        // Of the four pairs of a label three and four are in order.
        ([&of_labels, &wide], "multilabel", "0.8750"),
        ([&of_classes, &wide], "multiclass", "0.7500"),
        // 2.875 by six.
        ([&numbers_file, &scores], "regression", "0.4792"),
    ] {
        tab.drop_files("#evaluate h2", &files.map(|f| f.as_path()))?;
        tab.wait(&format!("{STATUS}.includes(': {task},')"), SOON)?;
        tab.wait(AGREES, SOON)?;
        let figures = tab.eval("document.querySelector('#evaluate .results').innerText")?;
        let figures = figures.as_str().context("figures")?;
        ensure!(figures.contains(figure), "no {figure} in {figures}");
    }
    tab.in_order()
}

fn numbers(file: &Path, all: &[f32], shape: &str) -> Result<()> {
    npy(file, "<f4", all.iter().flat_map(|v| v.to_le_bytes()), shape)
}

fn integers(file: &Path, all: &[i64], shape: &str) -> Result<()> {
    npy(file, "<i8", all.iter().flat_map(|v| v.to_le_bytes()), shape)
}

/// Writes an array as NumPy does.
fn npy(file: &Path, kind: &str, bytes: impl Iterator<Item = u8>, shape: &str) -> Result<()> {
    let mut head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    while (10 + head.len() + 1) % 64 > 0 {
        head.push(' ');
    }
    head.push('\n');
    let length = u16::try_from(head.len())?.to_le_bytes();
    let bytes: Vec<u8> = bytes.collect();
    let all = [b"\x93NUMPY\x01\x00", &length[..], head.as_bytes(), &bytes].concat();
    fs::write(file, all).with_context(|| file.display().to_string())
}
