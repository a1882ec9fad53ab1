//! The `.npy` format, versions 1.0, 2.0 and 3.0.
//!
//! The header is the literal of a Python dict with three known keys. It is parsed here, in one pass
//! and without recursion, because the crates that read `.npy` hand it to a parser of all Python
//! literals: some twenty crates more, one of which needs a C compiler, for a header whose size and
//! shape would have to be checked here all the same.

use std::io::Read;

use super::error::{Source, excerpt};
use super::layout::{Kind, Layout};
use super::{Array, FileError};

pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// numpy itself refuses headers of more than 10 000 bytes unless told to trust the file.
const MAX_HEADER: u64 = 1 << 16;

/// Reads an array that takes up `len` bytes, header included.
pub(crate) fn read(source: &Source, mut from: impl Read, len: u64) -> Result<Array, FileError> {
    layout(source, &mut from, len)?.read(source, &mut from)
}

/// Reads the header of an array that takes up `len` bytes, header included.
pub(crate) fn layout(source: &Source, from: &mut dyn Read, len: u64) -> Result<Layout, FileError> {
    let mut magic = [0; 8];
    let mut rest = take(source, from, &mut magic, len)?;
    let [start @ .., major, minor] = magic;
    if start != *MAGIC {
        return Err(source.malformed("a .npy array", "other data"));
    }
    let size = match (major, minor) {
        (1, 0) => {
            let mut size = [0; 2];
            rest = take(source, from, &mut size, rest)?;
            u64::from(u16::from_le_bytes(size))
        }
        (2 | 3, 0) => {
            let mut size = [0; 4];
            rest = take(source, from, &mut size, rest)?;
            u64::from(u32::from_le_bytes(size))
        }
        _ => {
            let found = format!("{major}.{minor}");
            return Err(source.malformed("version 1.0, 2.0 or 3.0 of the .npy format", found));
        }
    };
    if size > MAX_HEADER {
        let expected = format!("a .npy header of at most {MAX_HEADER} bytes");
        return Err(source.malformed(expected, size));
    }
    // No more than `MAX_HEADER`, so it fits.
    let mut text = vec![0; size as usize];
    rest = take(source, from, &mut text, rest)?;

    let header = Header::parse(&text).map_err(|e| source.malformed(e.0, e.1))?;
    let descr = String::from_utf8_lossy(header.descr);
    let descr = match header.plain {
        true => descr,
        false => return Err(source.dtype(format!("the structured type {}", excerpt(&descr)))),
    };
    let (kind, big_endian) =
        element(&descr).map_err(|what| source.dtype(format!("{what} ({})", excerpt(&descr))))?;
    let mut layout = Layout::new(source, kind, &header.shape, rest)?;
    layout.big_endian = big_endian;
    layout.fortran = header.fortran;
    Ok(layout)
}

/// Fills `into` from the `left` bytes that are left, and returns how many are left then.
fn take(
    source: &Source,
    from: &mut dyn Read,
    into: &mut [u8],
    left: u64,
) -> Result<u64, FileError> {
    let wanted = into.len() as u64;
    let Some(left) = left.checked_sub(wanted) else {
        let expected = format!("a .npy header with {wanted} bytes more");
        return Err(source.malformed(expected, left));
    };
    from.read_exact(into).map_err(|e| source.reading(e))?;
    Ok(left)
}

/// The type and byte order that a `descr` stands for, or what kind of type it is that is not read.
fn element(descr: &str) -> Result<(Kind, bool), &'static str> {
    if descr == "bfloat16" {
        return Ok((Kind::Bf16, cfg!(target_endian = "big")));
    }
    let (big_endian, code) = match descr.split_at_checked(1) {
        Some(("<" | "|", code)) => (false, code),
        Some((">", code)) => (true, code),
        Some(("=", code)) => (cfg!(target_endian = "big"), code),
        _ => (cfg!(target_endian = "big"), descr),
    };
    let kind = match code {
        "f2" => Kind::F16,
        "V2" => Kind::Bf16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        "i1" => Kind::I8,
        "i2" => Kind::I16,
        "i4" => Kind::I32,
        "i8" => Kind::I64,
        "u1" => Kind::U8,
        "u2" => Kind::U16,
        "u4" => Kind::U32,
        "u8" => Kind::U64,
        "b1" | "?" => Kind::Bool,
        _ => {
            return Err(match code.as_bytes() {
                [b'c', ..] => "complex numbers",
                [b'O', ..] => "pickled Python objects",
                [b'S' | b'a' | b'U', ..] => "strings",
                [b'M', ..] => "dates",
                [b'm', ..] => "time spans",
                [b'V', ..] => "raw bytes",
                [b'f', ..] => "floats of another width",
                [b'i' | b'u', ..] => "integers of another width",
                _ => "an unknown type",
            });
        }
    };
    Ok((kind, big_endian))
}

struct Header<'a> {
    /// What is in the quotes if `plain`, and otherwise the whole value.
    descr: &'a [u8],
    plain: bool,
    fortran: bool,
    shape: Vec<u64>,
}

/// What was expected and what was found.
struct Wrong(&'static str, String);

impl<'a> Header<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, Wrong> {
        const KEYS: &str = "a .npy header with just the keys descr, fortran_order and shape";
        let mut rest = Text(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        rest.require(b'{', "a .npy header that begins with {")?;
        while !rest.skip(b'}') {
            let key = rest.string()?;
            rest.require(b':', "a : after a key of the .npy header")?;
            let again = match key {
                b"descr" => descr.replace(rest.descr()?).is_some(),
                b"fortran_order" => fortran.replace(rest.bool()?).is_some(),
                b"shape" => shape.replace(rest.shape()?).is_some(),
                _ => {
                    let key = excerpt(&String::from_utf8_lossy(key));
                    return Err(Wrong(KEYS, format!("the key `{key}`")));
                }
            };
            if again {
                let key = excerpt(&String::from_utf8_lossy(key));
                return Err(Wrong(KEYS, format!("`{key}` twice")));
            }
            if !rest.skip(b',') {
                rest.require(b'}', "a , or } after a value of the .npy header")?;
                break;
            }
        }
        if rest.peek().is_some() {
            return Err(rest.wrong("nothing after the } of the .npy header"));
        }
        let (Some((descr, plain)), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err(Wrong(KEYS, "fewer".to_owned()));
        };
        Ok(Header {
            descr,
            plain,
            fortran,
            shape,
        })
    }
}

/// The part of a header that is still to be parsed.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn wrong(&self, expected: &'static str) -> Wrong {
        let found = match self.0.trim_ascii() {
            [] => "its end".to_owned(),
            rest => {
                let rest = rest.get(..20).unwrap_or(rest);
                format!("`{}`", excerpt(&String::from_utf8_lossy(rest)))
            }
        };
        Wrong(expected, found)
    }

    fn peek(&mut self) -> Option<u8> {
        self.0 = self.0.trim_ascii_start();
        self.0.first().copied()
    }

    fn skip(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        found
    }

    fn require(&mut self, wanted: u8, expected: &'static str) -> Result<(), Wrong> {
        match self.skip(wanted) {
            true => Ok(()),
            false => Err(self.wrong(expected)),
        }
    }

    /// The bytes up to `len`, which are then behind.
    fn advance(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(len).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    /// A string in either kind of quotes, with its escapes as they stand.
    fn string(&mut self) -> Result<&'a [u8], Wrong> {
        let Some(quote @ (b'\'' | b'"')) = self.peek() else {
            return Err(self.wrong("a string in the .npy header"));
        };
        let mut escaped = false;
        let end = self.0.iter().skip(1).position(|&byte| {
            let end = byte == quote && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        });
        let Some(len) = end else {
            return Err(self.wrong("a string in the .npy header that ends"));
        };
        self.skip(quote);
        let string = self.advance(len);
        self.skip(quote);
        Ok(string)
    }

    fn bool(&mut self) -> Result<bool, Wrong> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.0.starts_with(word.as_bytes()) {
                self.advance(word.len());
                return Ok(value);
            }
        }
        Err(self.wrong("True or False for fortran_order"))
    }

    /// A type: a string, or a list or tuple that describes a structured type and is passed over.
    fn descr(&mut self) -> Result<(&'a [u8], bool), Wrong> {
        const EXPECTED: &str = "a string or a list for descr";
        if let Some(b'\'' | b'"') = self.peek() {
            return Ok((self.string()?, true));
        }
        if !matches!(self.peek(), Some(b'[' | b'(')) {
            return Err(self.wrong(EXPECTED));
        }
        let whole = self.0;
        let mut depth = 0usize;
        loop {
            match self.peek() {
                None => return Err(self.wrong("a descr whose brackets close")),
                Some(b'\'' | b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'[' | b'(') => depth = depth.saturating_add(1),
                Some(b']' | b')') => depth = depth.saturating_sub(1),
                Some(_) => {}
            }
            self.advance(1);
            if depth == 0 {
                let len = whole.len().saturating_sub(self.0.len());
                return Ok((whole.get(..len).unwrap_or_default(), false));
            }
        }
    }

    /// A tuple of lengths: `()`, `(3,)`, `(3, 4)`.
    fn shape(&mut self) -> Result<Vec<u64>, Wrong> {
        const EXPECTED: &str = "a tuple of lengths for shape";
        let whole = Text(self.0);
        let mut shape = Vec::new();
        self.require(b'(', EXPECTED)?;
        while !self.skip(b')') {
            shape.push(self.length()?);
            if !self.skip(b',') {
                self.require(b')', "a , or ) after a length of shape")?;
                // Python takes `(3)` for the number 3.
                if shape.len() == 1 {
                    return Err(whole.wrong(EXPECTED));
                }
                break;
            }
        }
        Ok(shape)
    }

    fn length(&mut self) -> Result<u64, Wrong> {
        const EXPECTED: &str = "lengths in shape from 0 to 2^64 - 1";
        self.peek();
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let before = Text(self.0);
        let number = self.advance(digits.count());
        // Python 2 wrote long integers with an L.
        if !number.is_empty() && self.0.first() == Some(&b'L') {
            self.advance(1);
        }
        let number = str::from_utf8(number).ok().and_then(|n| n.parse().ok());
        number.ok_or_else(|| before.wrong(EXPECTED))
    }
}
