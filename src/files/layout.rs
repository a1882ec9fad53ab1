//! Element types, and bytes turned into elements.

use std::collections::TryReserveError;
use std::io::Read;

use half::{bf16, f16};

use super::error::Source;
use super::{Array, Data, FileError};
use crate::error::one_line;

/// An element type, apart from the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Bool,
}

impl Kind {
    fn size(self) -> u64 {
        match self {
            Kind::I8 | Kind::U8 | Kind::Bool => 1,
            Kind::F16 | Kind::Bf16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }
}

/// How the elements of an array are laid out in a stream of bytes.
pub(crate) struct Layout {
    kind: Kind,
    pub(crate) big_endian: bool,
    pub(crate) fortran: bool,
    shape: Vec<usize>,
    count: usize,
}

impl Layout {
    /// The most axes numpy allows.
    const MAX_AXES: usize = 64;

    /// Checks that the array has `available` bytes, no fewer and no more.
    pub(crate) fn new(
        source: &Source,
        kind: Kind,
        dims: &[u64],
        available: u64,
    ) -> Result<Self, FileError> {
        if dims.len() > Self::MAX_AXES {
            let expected = format!("at most {} axes", Self::MAX_AXES);
            return Err(source.malformed(expected, dims.len()));
        }
        // Axes of length 0 are left out of the product, so that no part of the shape overflows
        // either, whatever is later done with it.
        let size = dims
            .iter()
            .filter(|&&dim| dim != 0)
            .try_fold(kind.size(), |product, &dim| product.checked_mul(dim))
            .filter(|&size| size <= isize::MAX.unsigned_abs() as u64);
        let shape = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let (Some(size), Some(shape)) = (size, shape) else {
            return Err(source.malformed("a shape that fits in memory", format!("{dims:?}")));
        };
        let bytes = if dims.contains(&0) { 0 } else { size };
        if bytes != available {
            let expected = format!("{bytes} bytes for elements of shape {dims:?}");
            return Err(source.malformed(expected, available));
        }
        Ok(Layout {
            kind,
            big_endian: false,
            fortran: false,
            shape,
            // No more than `isize::MAX`, as just checked.
            count: bytes.div_euclid(kind.size()) as usize,
        })
    }

    /// Reads the elements, which must be the next bytes of `from`.
    pub(crate) fn read(self, source: &Source, from: &mut dyn Read) -> Result<Array, FileError> {
        let data = match self.kind {
            Kind::F16 => Data::F16(self.items(source, from, f16::from_le_bytes)?),
            Kind::Bf16 => Data::Bf16(self.items(source, from, bf16::from_le_bytes)?),
            Kind::F32 => Data::F32(self.items(source, from, f32::from_le_bytes)?),
            Kind::F64 => Data::F64(self.items(source, from, f64::from_le_bytes)?),
            Kind::I8 => Data::I8(self.items(source, from, i8::from_le_bytes)?),
            Kind::I16 => Data::I16(self.items(source, from, i16::from_le_bytes)?),
            Kind::I32 => Data::I32(self.items(source, from, i32::from_le_bytes)?),
            Kind::I64 => Data::I64(self.items(source, from, i64::from_le_bytes)?),
            Kind::U8 => Data::U8(self.items(source, from, u8::from_le_bytes)?),
            Kind::U16 => Data::U16(self.items(source, from, u16::from_le_bytes)?),
            Kind::U32 => Data::U32(self.items(source, from, u32::from_le_bytes)?),
            Kind::U64 => Data::U64(self.items(source, from, u64::from_le_bytes)?),
            Kind::Bool => {
                let bytes = self.items(source, from, u8::from_le_bytes)?;
                if let Some(odd) = bytes.iter().find(|&&byte| byte > 1) {
                    return Err(source.malformed("bools of 0 or 1", odd));
                }
                Data::Bool(bytes.into_iter().map(|byte| byte == 1).collect())
            }
        };
        Ok(Array {
            shape: self.shape,
            data,
        })
    }

    fn items<T: Copy, const N: usize>(
        &self,
        source: &Source,
        from: &mut dyn Read,
        convert: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, FileError> {
        const CHUNK: usize = 1 << 16;
        // Up to here the claim of a header is taken at its word; beyond, memory follows what was
        // read, so that a claim nothing stands behind costs no more than this.
        const TRUSTED: usize = 1 << 26;

        let no_memory = |_| FileError::Memory {
            file: one_line(source.0),
            bytes: (self.count as u64).saturating_mul(N as u64),
        };
        let mut items: Vec<T> = Vec::new();
        let mut chunk = vec![0; CHUNK];
        while items.len() < self.count {
            let missing = self.count.saturating_sub(items.len());
            if items.capacity() == items.len() {
                let more = items.len().max(TRUSTED.div_euclid(N)).min(missing);
                items.try_reserve_exact(more).map_err(no_memory)?;
            }
            let room = items.capacity().saturating_sub(items.len());
            let take = missing.min(room).min(CHUNK.div_euclid(N));
            let bytes = chunk.get_mut(..take.saturating_mul(N)).unwrap_or_default();
            from.read_exact(bytes).map_err(|e| source.reading(e))?;
            let (elements, _) = bytes.as_chunks::<N>();
            if self.big_endian {
                items.extend(elements.iter().map(|&(mut element)| {
                    element.reverse();
                    convert(element)
                }));
            } else {
                items.extend(elements.iter().map(|&element| convert(element)));
            }
        }
        if self.fortran && self.shape.len() > 1 {
            return self.to_c_order(&items).map_err(no_memory);
        }
        Ok(items)
    }

    /// Walks the array in C order, keeping the place of the current element in the Fortran order
    /// of `items` up to date.
    fn to_c_order<T: Copy>(&self, items: &[T]) -> Result<Vec<T>, TryReserveError> {
        let mut sorted = Vec::new();
        sorted.try_reserve_exact(items.len())?;
        let mut stride = 1usize;
        let mut axes: Vec<Axis> = Vec::with_capacity(self.shape.len());
        for &len in &self.shape {
            axes.push(Axis {
                len,
                stride,
                index: 0,
            });
            stride = stride.saturating_mul(len);
        }
        let mut place = 0usize;
        while let Some(&item) = items.get(place) {
            sorted.push(item);
            if sorted.len() == items.len() {
                break;
            }
            for axis in axes.iter_mut().rev() {
                axis.index = axis.index.saturating_add(1);
                place = place.saturating_add(axis.stride);
                if axis.index < axis.len {
                    break;
                }
                place = place.saturating_sub(axis.stride.saturating_mul(axis.len));
                axis.index = 0;
            }
        }
        Ok(sorted)
    }
}

struct Axis {
    len: usize,
    stride: usize,
    index: usize,
}
