//! The WGSL of states that keep scores: what keeps them, sorts them, and works areas and operating points out.

use super::{ScoreKey, stride};
use crate::gpu::Tuning;
use crate::gpu::collect::{Binding, NEGATIVES, POSITIVES, batch_text};
use crate::gpu::count::{fine_text, load_number, load_weight, weight_binding};
use crate::gpu::kernels::{WIDE, declared, parameters};
use crate::tensor::{DType, LabelType};

const KEEP: &str = include_str!("../../../shaders/metric/keep.wgsl");
const SHARED: &str = include_str!("../../../shaders/metric/shared.wgsl");
const AGAINST: &str = include_str!("../../../shaders/metric/against.wgsl");
const KEEP_WORDS: &str = include_str!("../../../shaders/metric/keep_words.wgsl");
const KEEP_WEIGHTS: &str = include_str!("../../../shaders/metric/keep_weights.wgsl");
const KEEP_UNWEIGHTED: &str = include_str!("../../../shaders/metric/keep_unweighted.wgsl");
const KEEP_COUNTS: &str = include_str!("../../../shaders/metric/keep_counts.wgsl");
const SORT: &str = include_str!("../../../shaders/metric/sort.wgsl");
const AREAS: &str = include_str!("../../../shaders/metric/areas.wgsl");
const MASS: &str = include_str!("../../../shaders/metric/mass.wgsl");
const ORDER_COUNTS: &str = include_str!("../../../shaders/metric/order_counts.wgsl");
const ORDER_MASSES: &str = include_str!("../../../shaders/metric/order_masses.wgsl");
const POINTS: &str = include_str!("../../../shaders/metric/points.wgsl");

/// How a device goes about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Invocations of a workgroup.
    pub width: u32,
    /// Bits of a digit. Each invocation counts two classes of digits in a column of its own, and all of them fill the 16 KiB
    /// of workgroup memory that every device has.
    pub bits: u32,
    /// Samples that a workgroup takes. On a CPU many: the counts of a digit lie one behind the other for all workgroups, so
    /// that each writes to as many lines of the cache as there are digits.
    pub tile: usize,
}

pub(super) fn shape(tuning: Tuning) -> Shape {
    match tuning {
        Tuning::Wide => Shape {
            width: 64,
            bits: 5,
            tile: 4096,
        },
        Tuning::Narrow => Shape {
            width: 8,
            bits: 8,
            tile: 32_768,
        },
    }
}

pub(super) fn text(tuning: Tuning, weights: Option<DType>, parts: &[&str]) -> String {
    let Shape { width, bits, tile } = shape(tuning);
    let stride = stride(weights);
    let constants = format!(
        "const STRIDE: u32 = {stride}u;\nconst WIDTH: u32 = {width}u;\nconst BITS: u32 = {bits}u;\nconst TILE: u32 = {tile}u;\n\
         const POSITIVES: u32 = {POSITIVES}u;\nconst NEGATIVES: u32 = {NEGATIVES}u;\n"
    );
    parts.concat() + &constants
}

/// What orders as a score's bits do: all of them turned over where it is negative, and the sign where not. −0 is 0.
fn order_of(dtype: DType) -> String {
    let sign = match dtype {
        DType::F32 => 0x8000_0000u32,
        DType::F16 | DType::Bf16 => 0x8000,
    };
    let all = 2 * (sign - 1) + 1;
    format!(
        "\nfn order_of(b: u32) -> u32 {{\n    \
         if (b == {sign}u) {{ return {sign}u; }}\n    \
         return select(b | {sign}u, b ^ {all}u, b >= {sign}u);\n}}\n"
    )
}

/// How a score is loaded from `array`, `offset` numbers on, as its bits.
pub(in crate::gpu) fn load_score(dtype: DType, array: &str, offset: &str) -> String {
    let (load, nan) = match dtype {
        DType::F32 => (
            format!("return {array}[{offset} + i];"),
            "(b & 0x7fffffffu) > 0x7f800000u",
        ),
        DType::F16 | DType::Bf16 => (
            format!(
                "let at = {offset} + i; return ({array}[at / 2u] >> (16u * (at & 1u))) & 0xffffu;"
            ),
            match dtype {
                DType::Bf16 => "(b & 0x7fffu) > 0x7f80u",
                _ => "(b & 0x7fffu) > 0x7c00u",
            },
        ),
    };
    let order = order_of(dtype);
    format!(
        "\nfn load_score(i: u32) -> u32 {{ {load} }}\n\
         fn is_nan(b: u32) -> bool {{ return {nan}; }}\n{order}"
    )
}

/// The scores that a state takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Scored {
    /// As they are stored.
    Plain(DType),
    /// Logits of several classes, which one of them has against the others.
    Against(DType),
}

impl Scored {
    /// One or more of every kind of kernel.
    #[cfg(test)]
    pub fn all() -> Vec<Scored> {
        let plain = DType::ALL.map(Scored::Plain).into_iter();
        plain.chain(DType::ALL.map(Scored::Against)).collect()
    }

    /// How they are stored in the input, and as what they are kept.
    pub fn types(self) -> [DType; 2] {
        match self {
            Scored::Plain(dtype) => [dtype; 2],
            Scored::Against(dtype) => [dtype, DType::F32],
        }
    }

    /// Whether samples of each score are counted: of 16 bits, unless they have weights.
    pub fn counted(self, weights: Option<DType>) -> bool {
        self.types()[1] != DType::F32 && weights.is_none()
    }
}

/// The WGSL that keeps scores with labels of a type.
pub(in crate::gpu) fn keep_text((tuning, scored, labels, weights): ScoreKey) -> String {
    let kept = match scored.counted(weights) {
        true => KEEP_COUNTS,
        false => KEEP_WORDS,
    };
    let weighed = match weights {
        None => KEEP_UNWEIGHTED.to_string(),
        Some(dtype) => {
            let load = load_weight(dtype);
            // Halves are unpacked by what scores of logits have with them.
            let storage = match scored {
                Scored::Plain(_) => fine_text(),
                Scored::Against(_) => String::new(),
            };
            [
                KEEP_WEIGHTS,
                &weight_binding(Binding::Whole),
                &load,
                &storage,
            ]
            .concat()
        }
    };
    let score = match scored {
        Scored::Plain(dtype) => load_score(dtype, "inputs", "params.off_input"),
        Scored::Against(dtype) => {
            let load = load_number("load_logit", dtype, "inputs", "params.off_input");
            let binding = 5 + weights.map_or(0, |_| 1);
            let rows = format!(
                "@group(0) @binding({binding}) var<storage, read> shared_rows: array<u32>;\n"
            );
            rows + AGAINST + &order_of(DType::F32) + &load + &fine_text()
        }
    };
    let parts = [&batch_text(labels), KEEP, kept, &score, &weighed];
    text(tuning, weights, &parts)
}

/// The WGSL that finds what classes of logits have in common.
pub(in crate::gpu) fn shared_text(tuning: Tuning, dtype: DType, labels: LabelType) -> String {
    let load = load_number("load_logit", dtype, "inputs", "params.off_input");
    let parts = [&batch_text(labels), SHARED, &load, &fine_text()];
    text(tuning, None, &parts)
}

pub(in crate::gpu) fn sort_text(tuning: Tuning, weights: Option<DType>) -> String {
    let params = declared("SortParams", SORT_PARAMS);
    text(tuning, weights, &[&params, SORT])
}

pub(in crate::gpu) fn mass_text(tuning: Tuning, weights: DType) -> String {
    let params = declared("SortParams", SORT_PARAMS);
    text(tuning, Some(weights), &[&params, MASS, WIDE])
}

pub(in crate::gpu) fn areas_text(tuning: Tuning, weights: Option<DType>) -> String {
    let params = declared("AreaParams", AREA_PARAMS);
    let order = match weights {
        None => ORDER_COUNTS,
        Some(_) => ORDER_MASSES,
    };
    text(tuning, weights, &[&params, AREAS, POINTS, order, WIDE])
}

parameters! {
    /// A digit to sort by.
    SortParams, SORT_PARAMS {
        /// Samples there is room for, and tiles of those that are looked at.
        capacity: u32,
        tiles: u32,
        /// The lowest bit of the digit; whether positive samples still lie in front and negative ones at the back.
        shift: u32,
        apart: u32,
        /// Bits below a unit in the last place of the largest weight.
        room: u32,
    }
}

parameters! {
    /// How areas are summed.
    AreaParams, AREA_PARAMS {
        /// Workgroups of `areas`.
        groups: u32,
        /// The recall and the precision that are asked for, in units of 2^-(64 + shift).
        recall_low: u32,
        recall_high: u32,
        recall_shift: u32,
        precision_low: u32,
        precision_high: u32,
        precision_shift: u32,
    }
}
