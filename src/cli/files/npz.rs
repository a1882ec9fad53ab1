//! The `.npz` format: a zip archive of `.npy` arrays, stored or deflated.
//!
//! The archive is walked without building a directory of it in memory, so an archive with very many
//! members costs time but no memory.

use std::fs::File;
use std::io::Read;

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ErrorKind, FileReader, ZipArchive, ZipArchiveEntryWayfinder};

use super::open::Keys;
use super::{Array, FileError, Source, excerpt, npy};

/// A deflated byte stands for at most 4 copies of 258 bytes, at 2 bits each.
const MAX_RATIO: u64 = 1032;

/// Up to so many bytes an array may be deflated as much as that. A larger one has to take up a part of its size in the archive: else a
/// file that is sent in a moment would take more memory than there is. (Zeros are stored in an archive as easily as deflated.)
const LARGE: u64 = 1 << 30;
const MAX_LARGE_RATIO: u64 = 128;

pub(super) fn read(
    source: &Source,
    file: File,
    len: u64,
    key: Option<&str>,
) -> Result<Array, FileError> {
    let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(|e| broken(source, e))?;
    let member = find(source, &archive, &mut buffer, key)?;
    if member.encrypted {
        return Err(source.malformed("an array that is not encrypted", "an encrypted one"));
    }
    let entry = archive.get_entry(member.place);
    let entry = entry.map_err(|e| broken(source, e))?;
    let (start, end) = entry.compressed_data_range();
    if end > len {
        return Err(source.malformed(format!("an archive of {end} bytes at least"), len));
    }
    let packed = end.saturating_sub(start);
    let size = member.place.uncompressed_size_hint();
    let unpacked: Box<dyn Read> = match member.method {
        CompressionMethod::STORE if size == packed => Box::new(entry.reader()),
        CompressionMethod::STORE => {
            return Err(source.malformed(format!("a stored array of {size} bytes"), packed));
        }
        CompressionMethod::DEFLATE => {
            for (least, ratio) in [(0, MAX_RATIO), (LARGE, MAX_LARGE_RATIO)] {
                if size > least && size > packed.saturating_mul(ratio) {
                    let expected = format!("at most {ratio} times the {packed} deflated bytes");
                    return Err(source.malformed(expected, size));
                }
            }
            Box::new(DeflateDecoder::new(entry.reader()))
        }
        other => {
            return Err(source.malformed("a stored or deflated array", format!("method {other}")));
        }
    };
    let mut unpacked = entry.verifying_reader(unpacked);
    let layout = npy::layout(source, &mut unpacked, size)?;
    let array = layout.read(source, &mut unpacked)?;
    // Reading past the end is what makes the checksum and the size be verified.
    match unpacked.read(&mut [0]) {
        Ok(0) => Ok(array),
        Ok(_) => Err(source.malformed(format!("an array of {size} bytes"), "more")),
        Err(e) => Err(source.reading(e)),
    }
}

fn broken(source: &Source, error: rawzip::Error) -> FileError {
    match error.into_kind() {
        ErrorKind::IO(e) => source.reading(e),
        kind => source.malformed("a zip archive", format!("a fault: {kind}")),
    }
}

#[derive(Clone, Copy)]
struct Member {
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    encrypted: bool,
}

/// Finds the array called `key`, or the only one. A member called just that comes before one called
/// that with `.npy` appended, as in numpy.
fn find(
    source: &Source,
    archive: &ZipArchive<FileReader>,
    buffer: &mut [u8],
    key: Option<&str>,
) -> Result<Member, FileError> {
    let mut keys = Keys::default();
    let (mut exact, mut named, mut any) = (None, None, None);
    let mut twice = false;
    let mut entries = archive.entries(buffer);
    while let Some(entry) = entries.next_entry().map_err(|e| broken(source, e))? {
        let path = entry.file_path();
        let name: &[u8] = path.as_ref();
        let member = Member {
            place: entry.wayfinder(),
            method: entry.compression_method(),
            encrypted: entry.flags().is_encrypted(),
        };
        let stem = name.strip_suffix(b".npy");
        if let Some(stem) = stem {
            keys.add(&String::from_utf8_lossy(stem));
            any = Some(member);
        }
        if let Some(key) = key {
            if name == key.as_bytes() {
                twice |= exact.replace(member).is_some();
            } else if stem == Some(key.as_bytes()) {
                twice |= named.replace(member).is_some();
            }
        }
    }
    if twice {
        let key = excerpt(key.unwrap_or_default());
        return Err(source.malformed(format!("the key `{key}` once"), "it twice"));
    }
    let found = match key {
        Some(_) => exact.or(named),
        None => any.filter(|_| keys.total == 1),
    };
    found.ok_or_else(|| source.missing_key(key, keys))
}
