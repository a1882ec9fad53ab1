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

/// Draws what was asked for. Pictures are written under other names first, and get theirs when nothing can fail any more, the report
/// included.
pub fn run(args: &PlotArgs) -> Result<(), Failure> {
    let dir = &args.out;
    check(dir)?;
    let pictures = match args.wgsl.is_empty() {
        true => curves::all()?,
        false => curves::of(&select(&[], &args.wgsl)?)?,
    };
    let files = files(&pictures)?;
    let folder = Folder::make(dir)?;
    let mut outputs = Outputs::new();
    folder.add(&files, &mut outputs)?;
    print::out(&format!(
        "{} pictures, each as .svg and .png, in {}",
        pictures.len(),
        one_line(&dir.to_string_lossy())
    ))?;
    Ok(folder.commit(outputs)?)
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

/// A folder for pictures. Where it was made for them it goes away again with this, and so do those around it, unless something was
/// committed to it.
#[derive(Debug)]
pub(super) struct Folder<'a> {
    dir: &'a Path,
    /// Those that were not there, the innermost first.
    made: Vec<&'a Path>,
}

impl<'a> Folder<'a> {
    /// Makes the folder, unless it is there.
    pub fn make(dir: &'a Path) -> Result<Self, FileError> {
        let missing = |d: &&Path| !d.as_os_str().is_empty() && !d.exists();
        let folder = Folder {
            dir,
            made: dir.ancestors().take_while(missing).collect(),
        };
        if folder.made.is_empty() {
            return Ok(folder);
        }
        match fs::create_dir_all(dir) {
            Ok(()) => Ok(folder),
            Err(reason) => Err(FileError::Io {
                file: one_line(&dir.to_string_lossy()),
                action: "make the folder",
                reason,
            }),
        }
    }

    /// Writes pictures, to appear here with what else is in `outputs`.
    pub fn add(&self, files: &[Drawing], outputs: &mut Outputs) -> Result<(), FileError> {
        files.iter().try_for_each(|(name, ending, bytes)| {
            let path = self.dir.join(format!("{name}{ending}"));
            outputs.add_bytes(&path, ending, bytes)
        })
    }

    /// Puts everything in place.
    pub fn commit(mut self, outputs: Outputs) -> Result<(), FileError> {
        outputs.commit()?;
        self.made.clear();
        Ok(())
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        for dir in &self.made {
            // Only where it is empty. If not even this works, the error that led here says more.
            let _ = fs::remove_dir(dir);
        }
    }
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
        Err(FileError::Io { reason, .. }) if nearest == dir => Err(fail("write", reason)),
        Err(FileError::Io { reason, .. }) => Err(fail("make the folder", reason)),
        _ => Ok(()),
    }
}
