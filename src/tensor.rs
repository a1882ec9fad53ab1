//! Storage types, and numbers and labels in host memory.

use half::{bf16, f16};
use std::borrow::Cow;
use std::fmt;

/// How the numbers of a tensor are stored on the GPU. Arithmetic is f32 for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DType {
    /// IEEE binary32.
    #[default]
    F32,
    /// IEEE binary16. Needs no device feature: it is packed and unpacked in the shader.
    F16,
    /// bfloat16, the upper half of binary32. Needs no device feature.
    Bf16,
}

impl DType {
    /// All of them, for tests and tools that go through every one.
    pub const ALL: [DType; 3] = [DType::F32, DType::F16, DType::Bf16];

    /// Bytes of one number.
    pub const fn size(self) -> u64 {
        match self {
            DType::F32 => 4,
            DType::F16 | DType::Bf16 => 2,
        }
    }

    /// `f32`, `f16` or `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::Bf16 => "bf16",
        }
    }

    /// `v` as this type holds it: rounded to nearest, ties to even.
    pub fn round(self, v: f64) -> f64 {
        // Through f32 first, because that is what the shader rounds from.
        let v = v as f32;
        match self {
            DType::F32 => f64::from(v),
            DType::F16 => f16::from_f32(v).to_f64(),
            DType::Bf16 => bf16::from_f32(v).to_f64(),
        }
    }

    /// Half the distance between neighbours at magnitude `v`: the most that one store can be off.
    pub fn half_ulp(self, v: f64) -> f64 {
        match self {
            DType::F32 => v * 2f64.powi(-24) + 2f64.powi(-150),
            DType::F16 => v * 2f64.powi(-11) + 2f64.powi(-25),
            DType::Bf16 => v * 2f64.powi(-8) + 2f64.powi(-134),
        }
    }

    /// From here on a magnitude is stored as infinity.
    pub fn overflow(self) -> f64 {
        match self {
            DType::F32 => 2f64.powi(128) - 2f64.powi(103),
            DType::F16 => 65520.0,
            DType::Bf16 => 2f64.powi(128) - 2f64.powi(119),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How class indices are stored on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelType {
    /// 32-bit signed.
    I32,
    /// 32-bit unsigned.
    U32,
    /// 64-bit signed, read as two words: PyTorch's labels as they are.
    I64,
}

impl LabelType {
    /// All of them.
    pub const ALL: [LabelType; 3] = [LabelType::I32, LabelType::U32, LabelType::I64];

    /// Bytes of one label.
    pub const fn size(self) -> u64 {
        match self {
            LabelType::I32 | LabelType::U32 => 4,
            LabelType::I64 => 8,
        }
    }

    /// `i32`, `u32` or `i64`.
    pub const fn name(self) -> &'static str {
        match self {
            LabelType::I32 => "i32",
            LabelType::U32 => "u32",
            LabelType::I64 => "i64",
        }
    }
}

/// Numbers in host memory, borrowed or owned, row-major.
#[derive(Debug, Clone)]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(Cow<'a, [f32]>),
    /// 64-bit floats. The reference uses them as they are, a GPU rounds them to the storage type.
    F64(Cow<'a, [f64]>),
    /// 16-bit IEEE floats.
    F16(Cow<'a, [f16]>),
    /// bfloat16.
    Bf16(Cow<'a, [bf16]>),
}

impl Values<'_> {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::F16(v) => v.len(),
            Values::Bf16(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same numbers, borrowed.
    pub fn borrowed(&self) -> Values<'_> {
        match self {
            Values::F32(v) => Values::F32(Cow::Borrowed(v)),
            Values::F64(v) => Values::F64(Cow::Borrowed(v)),
            Values::F16(v) => Values::F16(Cow::Borrowed(v)),
            Values::Bf16(v) => Values::Bf16(Cow::Borrowed(v)),
        }
    }

    /// All numbers in f64, exactly.
    pub fn to_f64(&self) -> Cow<'_, [f64]> {
        match self {
            Values::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Values::F64(v) => Cow::Borrowed(v),
            Values::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
            Values::Bf16(v) => v.iter().map(|x| x.to_f64()).collect(),
        }
    }

    /// All numbers as `dtype` holds them (f64 by way of f32, nearest even).
    pub fn rounded(&self, dtype: DType) -> Values<'static> {
        let words =
            |f: fn(f64) -> f32| -> Vec<f32> { self.to_f64().iter().map(|&v| f(v)).collect() };
        let f32s = words(|v| v as f32);
        match dtype {
            DType::F32 => Values::F32(f32s.into()),
            DType::F16 => Values::F16(f32s.iter().map(|&v| f16::from_f32(v)).collect()),
            DType::Bf16 => Values::Bf16(f32s.iter().map(|&v| bf16::from_f32(v)).collect()),
        }
    }

    /// The bytes of all numbers stored as `dtype`, and nothing more.
    pub(crate) fn bytes(&self, dtype: DType) -> Cow<'_, [u8]> {
        match (self, dtype) {
            (Values::F32(v), DType::F32) => Cow::Borrowed(bytemuck::cast_slice(v)),
            (Values::F16(v), DType::F16) => Cow::Borrowed(bytemuck::cast_slice(v)),
            (Values::Bf16(v), DType::Bf16) => Cow::Borrowed(bytemuck::cast_slice(v)),
            _ => match self.rounded(dtype) {
                Values::F32(v) => Cow::Owned(bytemuck::cast_slice(&v).to_vec()),
                Values::F64(v) => Cow::Owned(bytemuck::cast_slice(&v).to_vec()),
                Values::F16(v) => Cow::Owned(bytemuck::cast_slice(&v).to_vec()),
                Values::Bf16(v) => Cow::Owned(bytemuck::cast_slice(&v).to_vec()),
            },
        }
    }
}

/// Class indices in host memory, borrowed or owned.
#[derive(Debug, Clone)]
pub enum Labels<'a> {
    /// 32-bit signed.
    I32(Cow<'a, [i32]>),
    /// 32-bit unsigned.
    U32(Cow<'a, [u32]>),
    /// 64-bit signed.
    I64(Cow<'a, [i64]>),
}

impl Labels<'_> {
    /// How many labels.
    pub fn len(&self) -> usize {
        match self {
            Labels::I32(v) => v.len(),
            Labels::U32(v) => v.len(),
            Labels::I64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same labels, borrowed.
    pub fn borrowed(&self) -> Labels<'_> {
        match self {
            Labels::I32(v) => Labels::I32(Cow::Borrowed(v)),
            Labels::U32(v) => Labels::U32(Cow::Borrowed(v)),
            Labels::I64(v) => Labels::I64(Cow::Borrowed(v)),
        }
    }

    /// The label at `i`, or `None` past the end.
    pub fn get(&self, i: usize) -> Option<i64> {
        match self {
            Labels::I32(v) => v.get(i).map(|&l| i64::from(l)),
            Labels::U32(v) => v.get(i).map(|&l| i64::from(l)),
            Labels::I64(v) => v.get(i).copied(),
        }
    }

    /// Their storage type.
    pub fn label_type(&self) -> LabelType {
        match self {
            Labels::I32(_) => LabelType::I32,
            Labels::U32(_) => LabelType::U32,
            Labels::I64(_) => LabelType::I64,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Labels::I32(v) => bytemuck::cast_slice(v),
            Labels::U32(v) => bytemuck::cast_slice(v),
            Labels::I64(v) => bytemuck::cast_slice(v),
        }
    }
}

macro_rules! from_slices {
    ($($T:ident::$Variant:ident: $t:ty),* $(,)?) => {$(
        impl<'a> From<&'a [$t]> for $T<'a> {
            fn from(v: &'a [$t]) -> Self { $T::$Variant(Cow::Borrowed(v)) }
        }
        impl<'a> From<&'a Vec<$t>> for $T<'a> {
            fn from(v: &'a Vec<$t>) -> Self { $T::$Variant(Cow::Borrowed(v)) }
        }
        impl<'a, const N: usize> From<&'a [$t; N]> for $T<'a> {
            fn from(v: &'a [$t; N]) -> Self { $T::$Variant(Cow::Borrowed(v)) }
        }
        impl From<Vec<$t>> for $T<'static> {
            fn from(v: Vec<$t>) -> Self { $T::$Variant(Cow::Owned(v)) }
        }
    )*};
}

from_slices! {
    Values::F32: f32, Values::F64: f64, Values::F16: f16, Values::Bf16: bf16,
    Labels::I32: i32, Labels::U32: u32, Labels::I64: i64,
}
