//! Arrays in files: reading `.npy`, `.npz` and `.safetensors`, writing sets of `.npy` files.
//!
//! [`read`] takes the name a user typed and returns an [`Array`] whose elements are in C
//! (row-major) order, whatever the order and the byte order they have in the file. [`Outputs`]
//! writes several `.npy` files so that either all of them appear or none does.
//!
//! # Hostile files
//!
//! Nothing in a file is believed before it is checked, so that no sequence of bytes makes [`read`]
//! panic, recurse or allocate more than the file accounts for:
//!
//! * the bytes an array needs by its shape and element type must be exactly the bytes that are
//!   there before any of them is read;
//! * a member of an `.npz` may claim at most 1032 bytes for each byte it takes up in the archive,
//!   which is the most deflate can do, and one of more than 1 GiB at most 128; beyond the first
//!   64 MiB memory for it grows with the bytes that really come out, not with the claim;
//! * the header of an `.npy` array may have at most 65 536 bytes, and that of a `.safetensors`
//!   file at most 100 000 000, the limit of the format's own implementation;
//! * arrays of Python objects are refused by name and their pickles are never looked at.

use half::{bf16, f16};

pub(super) use error::{excerpt, one_line};

use error::Source;

mod error;
mod layout;
mod npy;
mod npz;
mod output;
mod safetensors;

pub use error::FileError;
pub use output::Outputs;

/// An array read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of every axis, outermost first; empty for a single number.
    pub shape: Vec<usize>,
    /// The elements in C (row-major) order; their number is the product of `shape`.
    pub data: Data,
}

/// The elements of an array, in the type they have in the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// IEEE 754 half precision.
    F16(Vec<f16>),
    /// The upper half of an IEEE 754 single.
    Bf16(Vec<bf16>),
    /// IEEE 754 single precision.
    F32(Vec<f32>),
    /// IEEE 754 double precision.
    F64(Vec<f64>),
    /// Signed, 8 bits.
    I8(Vec<i8>),
    /// Signed, 16 bits.
    I16(Vec<i16>),
    /// Signed, 32 bits.
    I32(Vec<i32>),
    /// Signed, 64 bits.
    I64(Vec<i64>),
    /// Unsigned, 8 bits.
    U8(Vec<u8>),
    /// Unsigned, 16 bits.
    U16(Vec<u16>),
    /// Unsigned, 32 bits.
    U32(Vec<u32>),
    /// Unsigned, 64 bits.
    U64(Vec<u64>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl Data {
    /// The name numpy has for the element type, such as `float32` or `bfloat16`.
    pub fn dtype_name(&self) -> &'static str {
        match self {
            Data::F16(_) => "float16",
            Data::Bf16(_) => "bfloat16",
            Data::F32(_) => "float32",
            Data::F64(_) => "float64",
            Data::I8(_) => "int8",
            Data::I16(_) => "int16",
            Data::I32(_) => "int32",
            Data::I64(_) => "int64",
            Data::U8(_) => "uint8",
            Data::U16(_) => "uint16",
            Data::U32(_) => "uint32",
            Data::U64(_) => "uint64",
            Data::Bool(_) => "bool",
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F16(items) => items.len(),
            Data::Bf16(items) => items.len(),
            Data::F32(items) => items.len(),
            Data::F64(items) => items.len(),
            Data::I8(items) => items.len(),
            Data::I16(items) => items.len(),
            Data::I32(items) => items.len(),
            Data::I64(items) => items.len(),
            Data::U8(items) => items.len(),
            Data::U16(items) => items.len(),
            Data::U32(items) => items.len(),
            Data::U64(items) => items.len(),
            Data::Bool(items) => items.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements are floating-point numbers.
    pub fn is_float(&self) -> bool {
        matches!(
            self,
            Data::F16(_) | Data::Bf16(_) | Data::F32(_) | Data::F64(_)
        )
    }

    /// Whether the elements are integers or truth values.
    pub fn is_integer_or_bool(&self) -> bool {
        !self.is_float()
    }
}

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
