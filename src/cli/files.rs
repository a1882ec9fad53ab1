//! Arrays in files: reading `.npy`, `.npz` and `.safetensors`, writing sets of `.npy` files.
//!
//! [`read`] takes the name a user typed and returns an [`Array`] whose elements are in C
//! (row-major) order, whatever the order and the byte order they have in the file. [`Outputs`]
//! writes several `.npy` files so that either all of them appear or none does.
//!
//! # Hostile files
//!
//! As in [`files`](mod@crate::files); and beyond what holds for one array:
//!
//! * a member of an `.npz` may claim at most 1032 bytes for each byte it takes up in the archive,
//!   which is the most deflate can do, and one of more than 1 GiB at most 128; beyond the first
//!   64 MiB memory for it grows with the bytes that really come out, not with the claim;
//! * the header of a `.safetensors` file may have at most 100 000 000 bytes, the limit of the
//!   format's own implementation.

mod npz;
mod open;
mod output;
mod safetensors;

pub(super) use crate::error::one_line;
pub(super) use crate::files::excerpt;
pub use crate::files::{Array, Data, FileError};
pub use output::Outputs;

use crate::files::{Source, npy};

/// Reads the array that `spec` names.
///
/// `spec` is `path.npy`, `path.npz:key` or `path.safetensors:key`; the key may be left out when the
/// file holds exactly one array. The path may contain colons: the key begins after the last `.npz:`
/// or `.safetensors:`. The keys of an `.npz` are the names its arrays were saved under, with or
/// without the `.npy` that numpy appends to them.
///
/// Read are floats of 16, 32 and 64 bits, bfloat16, integers of 8 to 64 bits and bool. numpy has no
/// bfloat16 of its own: with the package `ml_dtypes` it saves one as the two-byte void type, `<V2`
/// or `|V2`, so that is what is taken for bfloat16 in `.npy` and `.npz`, as is the name `bfloat16`.
///
/// # Errors
///
/// A [`FileError`] when the file cannot be opened or read, has no array by that name, or is not
/// exactly what its format calls for. Bytes after the array are an error too.
pub fn read(spec: &str) -> Result<Array, FileError> {
    let source = Source(spec);
    let (path, format, key) = split(&source)?;
    let (file, len) = source.open(path)?;
    match format {
        Format::Npy => npy::read(&source, file, len),
        Format::Npz => npz::read(&source, file, len, key),
        Format::Safetensors => safetensors::read(&source, file, len, key),
    }
}

#[derive(Clone, Copy)]
enum Format {
    Npy,
    Npz,
    Safetensors,
}

fn split<'a>(source: &Source<'a>) -> Result<(&'a str, Format, Option<&'a str>), FileError> {
    let spec = source.0;
    let keyed = [(".npz", Format::Npz), (".safetensors", Format::Safetensors)];
    let last = keyed
        .iter()
        .filter_map(|(suffix, format)| {
            let (stem, key) = spec.rsplit_once(&format!("{suffix}:"))?;
            let path = spec.get(..stem.len().checked_add(suffix.len())?)?;
            Some((path, *format, Some(key)))
        })
        .max_by_key(|(path, ..)| path.len());
    if let Some(found) = last {
        return Ok(found);
    }
    if spec.ends_with(".npy") {
        return Ok((spec, Format::Npy, None));
    }
    for (suffix, format) in keyed {
        if spec.ends_with(suffix) {
            return Ok((spec, format, None));
        }
    }
    if let Some((_, key)) = spec.rsplit_once(".npy:") {
        return Err(FileError::UnexpectedKey {
            file: one_line(spec),
            key: one_line(key),
        });
    }
    Err(FileError::Format {
        file: one_line(spec),
        accepted: ".npy, .npz, .npz:key, .safetensors or .safetensors:key",
    })
}
