//! Which shape of kernel suits which rows, columns, storage and device. Everything that is tuned stands here; the
//! figures behind it are in `benches/RESULTS.md`.

use super::PlanKind;
use crate::gpu::source::{PACK, Variant};
use crate::layout::Geometry;
use crate::loss::Family;

/// For which kind of device kernels are shaped. Results differ by rounding only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tuning {
    /// Hardware: many invocations that wait for memory together, and talk in workgroup memory.
    Wide,
    /// An adapter that computes on the CPU: few invocations with much to do each, since a barrier there costs as much as
    /// many elements, and what an `if` skips is computed all the same.
    Narrow,
}

/// How a slice of a workgroup takes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Invocations of a workgroup.
    pub width: u32,
    /// Invocations of the slice that takes a row.
    pub lanes: u32,
    /// Packs that each of them keeps; 0 where it reads rows again.
    pub held: u32,
    /// Rows that it takes together.
    pub group: u32,
}

/// The most columns that a slice of a workgroup takes.
pub(super) const SHORT: usize = 256;

/// From so many columns on a row has several workgroups: one would go round its loops too often, and add too much up in
/// a row.
pub(in crate::gpu) const LONG: usize = 1 << 20;

/// Packs of f32, or as many words, that an invocation keeps of a whole row, and on hardware of a part of one: every element
/// of them is written out, three times, and has to be compiled; and they lie in registers.
const KEPT_WHOLE: u32 = 8;
const KEPT_PART: u32 = 16;

/// Packs of a row that an invocation has on hardware, of short rows and of others, where that leaves enough of them. What a
/// row takes besides, whoever takes it, goes by the invocations; and they wait for memory together.
const SHORT_PACKS: u32 = 4;
const ROW_PACKS: u32 = 16;

impl Tuning {
    /// Both.
    pub const ALL: [Tuning; 2] = [Tuning::Wide, Tuning::Narrow];

    /// `wide` or `narrow`.
    pub const fn name(self) -> &'static str {
        match self {
            Tuning::Wide => "wide",
            Tuning::Narrow => "narrow",
        }
    }

    /// What is used where nobody asks for another plan.
    pub(super) fn kind(self, family: Family, units: &Geometry, whole: bool) -> PlanKind {
        // Rows that are enough to keep every core, or every multiprocessor, at work.
        let enough = match self {
            Tuning::Wide => 64,
            Tuning::Narrow => 8,
        };
        match family {
            Family::Elementwise => PlanKind::Elementwise,
            _ if units.inner > 1 => PlanKind::Strided,
            // Only so a set that is one row can be cut.
            _ if whole && units.cols > super::LEAF => PlanKind::Split,
            _ if units.cols <= self.short() => PlanKind::Short,
            _ if units.cols >= 16_384 && units.rows < enough => PlanKind::Split,
            _ if units.cols >= LONG => PlanKind::Split,
            _ => PlanKind::Workgroup,
        }
    }

    /// The most columns of rows that do not have a workgroup each.
    fn short(self) -> usize {
        match self {
            Tuning::Wide | Tuning::Narrow => SHORT,
        }
    }

    /// Invocations of a workgroup that takes a leaf of elements, or a part of a row.
    pub(super) fn width(self) -> u32 {
        match self {
            Tuning::Wide => 256,
            Tuning::Narrow => 8,
        }
    }

    /// Invocations of a workgroup that counts labels, or adds leaves up. On a CPU few, because of the barriers; but each
    /// goes through as many leaves as a buffer can hold, which 32 do in so many rounds as no driver is known to cut off.
    pub(super) fn fold_width(self) -> u32 {
        match self {
            Tuning::Wide => 256,
            Tuning::Narrow => 32,
        }
    }

    /// The most parts of a row, each a whole number of leaves.
    pub(super) fn parts(self) -> usize {
        match self {
            Tuning::Wide => 1024,
            Tuning::Narrow => 64,
        }
    }

    /// For rows of `cols` columns, of which a pack is so many words of all tensors; `whole` where all rows together are a
    /// whole number of packs.
    pub(super) fn shape(self, kind: PlanKind, cols: usize, words: u32, whole: bool) -> Shape {
        let columns = u32::try_from(cols).unwrap_or(u32::MAX);
        let packs = |lanes: u32| columns.div_ceil(lanes.saturating_mul(PACK));
        let kept = |packs: u32, most: u32| match packs <= most && packs * words <= most * PACK {
            true => packs,
            false => 0,
        };
        match (kind, self) {
            (PlanKind::Short, Tuning::Narrow) => {
                // Rows that fill whole packs. SwiftShader takes seconds to compile two of them, and minutes for the four that
                // an odd number of columns needs.
                let group = PACK >> columns.trailing_zeros().min(PACK.ilog2());
                let held = match whole && group <= 2 {
                    true => kept(columns.saturating_mul(group) / PACK, KEPT_WHOLE),
                    false => 0,
                };
                Shape {
                    width: 8,
                    lanes: 1,
                    held,
                    group: if held > 0 { group } else { 1 },
                }
            }
            (PlanKind::Short, Tuning::Wide) => {
                let lanes = packs(SHORT_PACKS).clamp(2, 32).next_power_of_two();
                Shape {
                    width: 64,
                    lanes,
                    held: kept(packs(lanes), KEPT_PART),
                    group: 1,
                }
            }
            (_, Tuning::Narrow) => Shape {
                width: 8,
                lanes: 8,
                held: 0,
                group: 1,
            },
            (_, Tuning::Wide) => {
                let lanes = packs(ROW_PACKS).clamp(32, 256).next_power_of_two();
                Shape {
                    width: lanes,
                    lanes,
                    held: kept(packs(lanes), KEPT_PART),
                    group: 1,
                }
            }
        }
    }

    /// Packs of an invocation that lie side by side. A CPU takes the invocations of a load one after the other: then each
    /// begins another line of the cache, and these are fetched while it goes on. Hardware wants neighbours to take neighbours.
    pub(super) fn side(self) -> u32 {
        match self {
            Tuning::Wide => 1,
            Tuning::Narrow => 4,
        }
    }

    /// How often a workgroup takes rows, one after the other: to begin costs a CPU as much as a few short rows. But where
    /// there are few rows, its cores share them.
    pub(super) fn rounds(self, v: &Variant, rows: usize, cols: usize) -> u32 {
        let columns = u32::try_from(cols).unwrap_or(u32::MAX).max(1);
        let rounds = match (self, v.lanes) {
            (Tuning::Wide, _) => return 1,
            (Tuning::Narrow, 1) if v.keeps_rows() => return 16,
            // Each invocation has so many rows in a row. An odd number, because it reads them twice: invocations that are a
            // power of two of bytes apart drive each other's rows out of the cache.
            (Tuning::Narrow, 1) => 21,
            // So that a workgroup has something to do: 32,768 columns.
            (Tuning::Narrow, _) => (32_768 / columns).clamp(1, 16),
        };
        let workgroups = rows / (v.width / v.lanes * v.group) as usize;
        rounds.min(u32::try_from(workgroups / 32).unwrap_or(u32::MAX).max(1))
    }

    /// Packs that an invocation loads before it looks at the first: what hardware has under way at once. An adapter on the
    /// CPU gains by it where arithmetic waits for arithmetic, and loses where there is none; careful loops of rows it only
    /// has to compile.
    ///
    /// Of rows that one invocation takes there is a run of packs at the end of each that is not full.
    pub(super) fn unroll(self, kind: PlanKind, v: &Variant, cols: usize) -> u32 {
        let packs = cols.div_ceil((v.lanes * PACK) as usize);
        match (self, kind) {
            (Tuning::Wide, _) => 2,
            (Tuning::Narrow, PlanKind::Elementwise) if v.straight() => 4,
            (Tuning::Narrow, PlanKind::Elementwise) => 2,
            (Tuning::Narrow, _) if !v.written_out() => 1,
            (Tuning::Narrow, PlanKind::Short) if packs < 2 => 1,
            (Tuning::Narrow, PlanKind::Short) => 2,
            (Tuning::Narrow, _) => 4,
        }
    }
}
