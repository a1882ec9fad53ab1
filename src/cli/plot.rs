//! `wgloss plot`: losses and their derivatives as pictures.

mod curves;
mod draw;

use super::args::PlotArgs;
use super::error::Failure;
use super::files::{FileError, Outputs, one_line};
use super::print;
use super::verify::select;
use crate::plot::canvas;
use std::fs;
use std::io;
use std::path::Path;

/// Draws what was asked for.
pub fn run(args: &PlotArgs) -> Result<(), Failure> {
    let dir = &args.out;
    check(dir)?;
    let pictures = match args.wgsl.is_empty() {
        true => curves::all()?,
        false => curves::of(&select(&[], &args.wgsl)?)?,
    };
    let files = files(&pictures)?;
    write(dir, &files, &mut Outputs::new())?;
    print::out(&format!(
        "{} pictures, each as .svg and .png, in {}",
        pictures.len(),
        one_line(&dir.to_string_lossy())
    ))
}

/// A picture's file: its name, its ending, and what is in it.
pub(super) type Drawing = (String, &'static str, Vec<u8>);

/// Draws every scene as SVG and as PNG.
fn files(pictures: &[curves::Picture]) -> Result<Vec<Drawing>, Failure> {
    let drawn = pictures.iter().map(|p| {
        let fail = |e| failure(&p.name, e);
        let svg = canvas::svg(p).map_err(fail)?;
        Ok(both(&p.name, svg, canvas::png(p).map_err(fail)?))
    });
    Ok(drawn.collect::<Result<Vec<_>, Failure>>()?.concat())
}

/// Draws every picture of metrics as SVG and as PNG.
pub(super) fn metric_files(pictures: &[crate::plot::Picture]) -> Result<Vec<Drawing>, Failure> {
    let drawn = pictures.iter().map(|p| {
        let fail = |e| failure(p.name(), e);
        Ok(both(
            p.name(),
            p.svg().map_err(fail)?,
            p.png().map_err(fail)?,
        ))
    });
    Ok(drawn.collect::<Result<Vec<_>, Failure>>()?.concat())
}

fn both(name: &str, svg: String, png: Vec<u8>) -> [Drawing; 2] {
    [
        (name.to_string(), ".svg", svg.into_bytes()),
        (name.to_string(), ".png", png),
    ]
}

fn failure(name: &str, reason: io::Error) -> Failure {
    Failure::File(FileError::Io {
        file: name.to_string(),
        action: "draw the picture",
        reason,
    })
}

/// Writes pictures into `dir`, which is made if it is not there, together with what is in `outputs` already.
pub(super) fn write(dir: &Path, files: &[Drawing], outputs: &mut Outputs) -> Result<(), Failure> {
    let made = make(dir)?;
    let written = files
        .iter()
        .try_for_each(|(name, ending, bytes)| {
            outputs.add_bytes(&dir.join(format!("{name}{ending}")), ending, bytes)
        })
        .and_then(|()| std::mem::take(outputs).commit());
    if written.is_err() && made {
        // Without what was about to be written it is empty again. If not even this works, the error that led here says more.
        drop(std::mem::take(outputs));
        let _ = fs::remove_dir(dir);
    }
    Ok(written?)
}

/// Refuses what is there and is no folder, and a folder that cannot be made or written to, before anything takes time.
pub(super) fn check(dir: &Path) -> Result<(), FileError> {
    let fail = |action, reason| FileError::Io {
        file: one_line(&dir.to_string_lossy()),
        action,
        reason,
    };
    let there = dir.ancestors().find_map(|d| match d == Path::new("") {
        true => Some((Path::new("."), fs::metadata(".").ok()?)),
        false => Some((d, fs::metadata(d).ok()?)),
    });
    let Some((nearest, kind)) = there else {
        return Ok(());
    };
    if !kind.is_dir() {
        let reason = match nearest == dir {
            true => io::ErrorKind::AlreadyExists,
            false => io::ErrorKind::NotADirectory,
        };
        return Err(fail("make the folder", reason.into()));
    }
    // Never committed: what was written goes away again.
    match Outputs::new().add_bytes(&nearest.join("wgloss.svg"), ".svg", &[]) {
        Err(FileError::Io { reason, .. }) if nearest == dir => Err(fail("write to", reason)),
        Err(FileError::Io { reason, .. }) => Err(fail("make the folder", reason)),
        _ => Ok(()),
    }
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
