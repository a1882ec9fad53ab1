//! `wgloss plot`: losses and their derivatives as pictures.

mod curves;
mod draw;
mod png;

use super::args::{PlotArgs, PlotWhat};
use super::error::Failure;
use super::files::{FileError, Outputs, one_line};
use super::print;
use std::fs;
use std::path::Path;

/// Draws what was asked for.
pub fn run(args: &PlotArgs) -> Result<(), Failure> {
    match &args.what {
        PlotWhat::Losses { out } => losses(out),
    }
}

fn losses(dir: &Path) -> Result<(), Failure> {
    let pictures = curves::all()?;
    let mut files = Vec::new();
    for picture in &pictures {
        let svg = draw::svg(picture)?.into_bytes();
        files.push((&picture.name, ".svg", svg));
        files.push((&picture.name, ".png", draw::png(picture)?));
    }
    let made = make(dir)?;
    let mut outputs = Outputs::new();
    let written = files
        .iter()
        .try_for_each(|(name, ending, bytes)| {
            outputs.add_bytes(&dir.join(format!("{name}{ending}")), ending, bytes)
        })
        .and_then(|()| outputs.commit());
    if written.is_err() && made {
        // It is empty again. If not even this works, the error that led here says more.
        let _ = fs::remove_dir(dir);
    }
    written?;
    print::out(&format!(
        "{} pictures, each as .svg and .png, in {}",
        pictures.len(),
        one_line(&dir.to_string_lossy())
    ))
}

/// Makes the folder, unless it is there.
fn make(dir: &Path) -> Result<bool, FileError> {
    if dir.is_dir() {
        return Ok(false);
    }
    match fs::create_dir_all(dir) {
        Ok(()) => Ok(true),
        Err(reason) => Err(FileError::Io {
            file: one_line(&dir.to_string_lossy()),
            action: "make the folder",
            reason,
        }),
    }
}
