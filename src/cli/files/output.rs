//! Writing sets of files: arrays as `.npy`, and whatever else comes as bytes.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rawzip::ZipArchiveWriter;
use tempfile::{Builder, TempPath};

use super::{Data, FileError, npy, one_line};

/// Files to be written together: all of them appear, or none does.
///
/// Each is written in full to a temporary file next to its target when it is added. Nothing
/// is visible under the final names until [`commit`](Self::commit) renames the temporary files; if
/// the collection is dropped instead, they are removed.
///
/// Arrays are `.npy` version 1.0, little endian and in C order. Files get the permissions any new
/// file gets. A file that exists already is replaced, not written into: another hard link to it, or
/// the file a symbolic link points to, keeps its contents.
///
/// Renaming several files is not one step for the operating system. Should a rename fail, those
/// before it are undone, as [`commit`](Self::commit) describes; should the process be killed or the
/// power fail between two renames, some of the files are new and others are not, each of them
/// whole, and temporary files named `.wgloss-*.tmp` may stay behind.
#[derive(Debug, Default)]
pub struct Outputs {
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    /// As the user named it.
    file: String,
    /// The same with its directory made absolute and free of links, to tell whether two are one.
    target: PathBuf,
    written: TempPath,
}

impl Outputs {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes an array of single-precision floats, to appear at `path`.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_f32(&mut self, path: &Path, shape: &[usize], data: &[f32]) -> Result<(), FileError> {
        self.write(path, shape, "<f4", data, |item| item.to_le_bytes())
    }

    /// Writes an array of double-precision floats, to appear at `path`.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_f64(&mut self, path: &Path, shape: &[usize], data: &[f64]) -> Result<(), FileError> {
        self.write(path, shape, "<f8", data, |item| item.to_le_bytes())
    }

    /// Writes an array of any element type, to appear at `path`. bfloat16 is written the way numpy
    /// writes it with the package `ml_dtypes`, as the two-byte void type `<V2`.
    ///
    /// # Errors
    ///
    /// A [`FileError`] when the path does not end in `.npy`, was added before, or is that of
    /// something other than a file; when the shape is not one of as many elements as there are; or
    /// when the operating system refuses to write. What was added before is unaffected.
    pub fn add(&mut self, path: &Path, shape: &[usize], data: &Data) -> Result<(), FileError> {
        match data {
            Data::F16(items) => self.write(path, shape, "<f2", items, |item| item.to_le_bytes()),
            Data::Bf16(items) => self.write(path, shape, "<V2", items, |item| item.to_le_bytes()),
            Data::F32(items) => self.add_f32(path, shape, items),
            Data::F64(items) => self.add_f64(path, shape, items),
            Data::I8(items) => self.write(path, shape, "|i1", items, |item| item.to_le_bytes()),
            Data::I16(items) => self.write(path, shape, "<i2", items, |item| item.to_le_bytes()),
            Data::I32(items) => self.write(path, shape, "<i4", items, |item| item.to_le_bytes()),
            Data::I64(items) => self.write(path, shape, "<i8", items, |item| item.to_le_bytes()),
            Data::U8(items) => self.write(path, shape, "|u1", items, |item| item.to_le_bytes()),
            Data::U16(items) => self.write(path, shape, "<u2", items, |item| item.to_le_bytes()),
            Data::U32(items) => self.write(path, shape, "<u4", items, |item| item.to_le_bytes()),
            Data::U64(items) => self.write(path, shape, "<u8", items, |item| item.to_le_bytes()),
            Data::Bool(items) => self.write(path, shape, "|b1", items, |&item| [u8::from(item)]),
        }
    }

    /// Writes a file of these bytes, to appear at `path`, which has to end in `ending`.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_bytes(
        &mut self,
        path: &Path,
        ending: &'static str,
        bytes: &[u8],
    ) -> Result<(), FileError> {
        let file = one_line(&path.to_string_lossy());
        self.put(file, path, ending, bytes, &[] as &[u8], |item| [*item])
    }

    /// Writes an archive of arrays of double-precision floats with one axis, to appear at `path`, which has to end in
    /// `.npz`. They are stored as they are, as `numpy.savez` does it.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_npz(&mut self, path: &Path, arrays: &[(&str, Vec<f64>)]) -> Result<(), FileError> {
        let bytes = archive(arrays).map_err(|reason| FileError::Io {
            file: one_line(&path.to_string_lossy()),
            action: "write",
            reason,
        })?;
        self.add_bytes(path, ".npz", &bytes)
    }

    fn write<T, const N: usize>(
        &mut self,
        path: &Path,
        shape: &[usize],
        descr: &str,
        data: &[T],
        bytes: impl Fn(&T) -> [u8; N],
    ) -> Result<(), FileError> {
        let file = one_line(&path.to_string_lossy());
        let len = shape
            .iter()
            .try_fold(1usize, |len, &axis| len.checked_mul(axis));
        let header = header(descr, shape).filter(|_| len == Some(data.len()));
        let Some(header) = header else {
            return Err(FileError::Shape {
                file,
                shape: shape.to_vec(),
                len: data.len(),
            });
        };
        self.put(file, path, ".npy", &header, data, bytes)
    }

    fn put<T, const N: usize>(
        &mut self,
        file: String,
        path: &Path,
        ending: &'static str,
        header: &[u8],
        data: &[T],
        bytes: impl Fn(&T) -> [u8; N],
    ) -> Result<(), FileError> {
        let target = target(&file, path, ending)?;
        if self.pending.iter().any(|other| other.target == target) {
            return Err(FileError::SameOutput { file });
        }
        let written = write(&target, header, data, bytes).map_err(|reason| FileError::Io {
            file: file.clone(),
            action: "write",
            reason,
        })?;
        self.pending.push(Pending {
            file,
            target,
            written,
        });
        Ok(())
    }

    /// Puts all files in place.
    ///
    /// Files that are about to be replaced are first kept under a second name, by a hard link or,
    /// where there are none, a copy. If a rename fails, the new files are removed again and the old
    /// ones renamed back.
    ///
    /// # Errors
    ///
    /// [`FileError::Replace`] when a rename fails, which says so if undoing the others failed too,
    /// and [`FileError::Io`] when an old file cannot be kept, in which case nothing has changed.
    pub fn commit(self) -> Result<(), FileError> {
        // The last one needs no way back, since nothing can fail after it.
        let replaced = self.pending.len().saturating_sub(1);
        let mut kept = Vec::new();
        for output in self.pending.iter().take(replaced) {
            let old = keep(&output.target).map_err(|reason| FileError::Io {
                file: output.file.clone(),
                action: "keep the file that is there",
                reason,
            })?;
            kept.push(old);
        }
        let mut done = Vec::new();
        let kept = kept.into_iter().chain(std::iter::once(None));
        for (output, old) in self.pending.into_iter().zip(kept) {
            if let Err(e) = output.written.persist(&output.target) {
                return Err(FileError::Replace {
                    file: output.file,
                    reason: e.error,
                    changed: undo(done),
                });
            }
            done.push((output.file, output.target, old));
        }
        Ok(())
    }
}

/// Takes back the renames in `done` and returns the files for which that failed.
fn undo(done: Vec<(String, PathBuf, Option<TempPath>)>) -> Vec<String> {
    let mut failed = Vec::new();
    for (file, target, old) in done.into_iter().rev() {
        let undone = match old {
            Some(old) => old.persist(&target).is_ok(),
            None => fs::remove_file(&target).is_ok(),
        };
        if !undone {
            failed.push(file);
        }
    }
    failed
}

/// Gives what is at `target`, if anything, a second name that goes away when dropped.
fn keep(target: &Path) -> io::Result<Option<TempPath>> {
    let kind = match fs::symlink_metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        kind => kind?,
    };
    let linked = temporary().make_in(parent(target), |name| fs::hard_link(target, name));
    let kept = match linked {
        Ok(linked) => linked.into_temp_path(),
        // A copy of a link would be one of the file it points to.
        Err(e) if !kind.is_file() => return Err(e),
        Err(_) => {
            fits(kind.len())?;
            let copy = temporary().tempfile_in(parent(target))?.into_temp_path();
            fs::copy(target, &copy)?;
            copy
        }
    };
    Ok(Some(kept))
}

fn temporary() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".wgloss-").suffix(".tmp");
    builder
}

fn parent(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Resolves the directory of `path`, and refuses what a rename would do damage to: it would put a
/// file in the place of `/dev/null`, for one.
fn target(file: &str, path: &Path, ending: &'static str) -> Result<PathBuf, FileError> {
    let io = |reason| FileError::Io {
        file: file.to_owned(),
        action: "write",
        reason,
    };
    let name = path
        .file_name()
        .filter(|name| name.as_encoded_bytes().ends_with(ending.as_bytes()));
    let Some(name) = name else {
        return Err(FileError::Format {
            file: file.to_owned(),
            accepted: ending,
        });
    };
    let target = fs::canonicalize(parent(path)).map_err(io)?.join(name);
    match fs::metadata(&target) {
        Ok(there) if there.is_dir() => Err(io(io::ErrorKind::IsADirectory.into())),
        Ok(there) if !there.is_file() => Err(FileError::Malformed {
            file: file.to_owned(),
            expected: "a regular file or none".to_owned(),
            found: "a pipe, a socket or a device".to_owned(),
        }),
        Ok(_) => Ok(target),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(target),
        Err(e) => Err(io(e)),
    }
}

/// The start of a file, up to its elements, or nothing if there are too many axes for it.
fn header(descr: &str, shape: &[usize]) -> Option<Vec<u8>> {
    const ALIGN: usize = 64;
    // The magic bytes, the version and the size come before the text.
    const START: usize = npy::MAGIC.len().saturating_add(4);
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (");
    for axis in shape {
        text.push_str(&format!("{axis}, "));
    }
    // A tuple of one ends in a comma, others do not have to.
    let trimmed = text.trim_end_matches(' ').len();
    text.truncate(trimmed);
    if shape.len() > 1 {
        text.pop();
    }
    text.push_str("), }");
    // The newline that ends the text is on the last byte before a multiple of 64.
    let len = START.checked_add(text.len())?.checked_add(1)?;
    let padding = len.checked_next_multiple_of(ALIGN)?.checked_sub(len)?;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let size = u16::try_from(text.len()).ok()?;

    let mut header = npy::MAGIC.to_vec();
    header.extend([1, 0]);
    header.extend(size.to_le_bytes());
    header.extend(text.into_bytes());
    Some(header)
}

/// A zip archive of `.npy` arrays.
fn archive(arrays: &[(&str, Vec<f64>)]) -> io::Result<Vec<u8>> {
    let zip = |e: rawzip::Error| io::Error::other(e);
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for (name, data) in arrays {
        let start = header("<f8", &[data.len()]).ok_or(io::ErrorKind::InvalidInput)?;
        let name = format!("{name}.npy");
        let (mut entry, config) = archive.new_file(&name).start().map_err(zip)?;
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&start)?;
        for item in data {
            writer.write_all(&item.to_le_bytes())?;
        }
        let (_, descriptor) = writer.finish().map_err(zip)?;
        entry.finish(descriptor).map_err(zip)?;
    }
    archive.finish().map_err(zip)
}

fn write<T, const N: usize>(
    target: &Path,
    header: &[u8],
    data: &[T],
    bytes: impl Fn(&T) -> [u8; N],
) -> io::Result<TempPath> {
    fits((header.len() as u64).saturating_add((data.len() as u64).saturating_mul(N as u64)))?;
    let mut builder = temporary();
    if let Some(mode) = mode() {
        builder.permissions(mode);
    }
    let mut temporary = builder.tempfile_in(parent(target))?;
    let file: &mut File = temporary.as_file_mut();
    file.write_all(header)?;
    let mut buffer = Vec::new();
    for chunk in data.chunks(1 << 13) {
        buffer.clear();
        for item in chunk {
            buffer.extend(bytes(item));
        }
        file.write_all(&buffer)?;
    }
    // Or else the rename could reach the disk before the contents do.
    file.sync_all()?;
    Ok(temporary.into_temp_path())
}

/// Whether this process may write a file of so many bytes. One that tries to exceed its limit is ended by a signal, with other
/// files half written.
#[cfg(unix)]
fn fits(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, getrlimit};
    match getrlimit(Resource::Fsize).current {
        Some(limit) if bytes > limit => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn fits(_: u64) -> io::Result<()> {
    Ok(())
}

/// What a new file is allowed, less the umask; temporary files are otherwise for their owner alone.
#[cfg(unix)]
fn mode() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn mode() -> Option<Permissions> {
    None
}
