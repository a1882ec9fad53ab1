//! The `.safetensors` format: a JSON header, then the elements of all tensors without gaps.
//!
//! Only the header and the one tensor that is wanted are read. The header is taken entry by entry,
//! because the format's own crate wants the whole file in memory and holds the header several times
//! over, and because one tensor of an unknown type should not hide the others.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::open::Keys;
use super::{Array, FileError, Source, excerpt};
use crate::files::layout::{Kind, Layout};

/// The limit of the format's own implementation.
const MAX_HEADER: u64 = 100_000_000;

/// A description has a type, two offsets and a few axes; numbers in a longer one would take up
/// several times the memory of the text.
const MAX_ENTRY: usize = 1 << 14;

pub(super) fn read(
    source: &Source,
    mut file: File,
    len: u64,
    key: Option<&str>,
) -> Result<Array, FileError> {
    let mut size = [0; 8];
    let Some(rest) = len.checked_sub(size.len() as u64) else {
        return Err(source.malformed("a .safetensors file of 8 bytes at least", len));
    };
    file.read_exact(&mut size).map_err(|e| source.reading(e))?;
    let size = u64::from_le_bytes(size);
    let most = rest.min(MAX_HEADER);
    let Some(data_len) = rest.checked_sub(size).filter(|_| size <= most) else {
        let expected = format!("a .safetensors header of at most {most} bytes");
        return Err(source.malformed(expected, size));
    };
    let mut text = Vec::new();
    let header = (&mut file).take(size).read_to_end(&mut text);
    header.map_err(|e| source.reading(e))?;

    let mut found = Header::default();
    let mut json = serde_json::Deserializer::from_slice(&text);
    let parsed = json.deserialize_map(Collect {
        key,
        into: &mut found,
    });
    parsed.and_then(|()| json.end()).map_err(|e| {
        let found = excerpt(&e.to_string());
        source.malformed("a .safetensors header", found)
    })?;
    found.check(source, data_len)?;
    let Some(tensor) = found
        .tensor
        .filter(|_| key.is_some() || found.keys.total == 1)
    else {
        return Err(source.missing_key(key, found.keys));
    };
    if found.twice {
        let key = excerpt(key.unwrap_or_default());
        return Err(source.malformed(format!("the key `{key}` once"), "it twice"));
    }
    let kind = match &*tensor.dtype {
        "F16" => Kind::F16,
        "BF16" => Kind::Bf16,
        "F32" => Kind::F32,
        "F64" => Kind::F64,
        "I8" => Kind::I8,
        "I16" => Kind::I16,
        "I32" => Kind::I32,
        "I64" => Kind::I64,
        "U8" => Kind::U8,
        "U16" => Kind::U16,
        "U32" => Kind::U32,
        "U64" => Kind::U64,
        "BOOL" => Kind::Bool,
        other => return Err(source.dtype(excerpt(other))),
    };
    let (begin, end) = tensor.data_offsets;
    let layout = Layout::new(source, kind, &tensor.shape, end.saturating_sub(begin))?;
    // In the file, as all offsets are, so far from overflowing.
    let start = len.saturating_sub(data_len).saturating_add(begin);
    let sought = file.seek(SeekFrom::Start(start));
    sought.map_err(|e| source.reading(e))?;
    layout.read(source, &mut file)
}

#[derive(Default)]
struct Header {
    keys: Keys,
    ranges: Vec<(u64, u64)>,
    tensor: Option<Tensor>,
    twice: bool,
}

impl Header {
    /// The format forbids gaps and overlaps; a file cut short shows here as well.
    fn check(&mut self, source: &Source, data_len: u64) -> Result<(), FileError> {
        self.ranges.sort_unstable();
        let mut at = 0;
        for &(begin, end) in &self.ranges {
            if begin != at || end < begin {
                let expected = format!("a tensor that begins at offset {at}");
                return Err(source.malformed(expected, format!("one from {begin} to {end}")));
            }
            at = end;
        }
        if at != data_len {
            return Err(source.malformed(format!("{at} bytes of tensors"), data_len));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Goes through the header, keeping what is needed of it and no more.
struct Collect<'a> {
    key: Option<&'a str>,
    into: &'a mut Header,
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<str>>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let text = map.next_value::<&RawValue>()?.get();
            if text.len() > MAX_ENTRY {
                return Err(de::Error::custom("a description that is too long"));
            }
            let tensor: Tensor = serde_json::from_str(text).map_err(de::Error::custom)?;
            self.into.keys.add(&name);
            self.into.ranges.push(tensor.data_offsets);
            if self.key.is_none_or(|key| key == name) {
                let before = self.into.tensor.replace(tensor);
                self.into.twice |= before.is_some() && self.key.is_some();
            }
        }
        Ok(())
    }
}
