//! How areas under curves, and operating points, come of what a state keeps.

use super::{RUN, RUNS, ScoreState, Shape, shape, stride};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::bind::buffer;
use crate::gpu::collect::{HEAD, check_head, read};
use crate::gpu::kernels::{Span, Step};
use crate::gpu::writes::Writes;
use crate::metric::{Areas, Point, Points};
use crate::tensor::DType;
use half::{bf16, f16};

use super::{AreaParams, POINT_WORDS, POINTS_RESULT, RESULT, SortParams};

/// Recall and precision, where operating points are asked for.
type Asked = Option<[f64; 2]>;

/// Buffers that sorting needs besides. States take turns with them.
struct Room {
    sorted: [wgpu::Buffer; 2],
    digits: wgpu::Buffer,
}

/// What the steps of all states come to, and what they are told.
struct Steps<'w, 'a> {
    steps: Vec<Step>,
    writes: &'w mut Writes<'a>,
}

/// What is left of a state's steps, and has to be read.
struct Left {
    areas: wgpu::Buffer,
    points: wgpu::Buffer,
}

/// The areas of states of one device, and operating points where those are asked for; in one submission, and one reading.
async fn all_orders(states: &[&ScoreState], asked: Asked) -> Result<Vec<(Areas, Points)>> {
    let Some(first) = states.first() else {
        return Ok(Vec::new());
    };
    let gpu = &first.store.gpu;
    let made = gpu.written(|writes| {
        let mut all = Steps {
            steps: Vec::new(),
            writes,
        };
        let capacity = |s: &&ScoreState| s.store.capacity();
        let sorted = states.iter().filter(|s| !s.counted());
        let room = sorted.map(capacity).max().map(|n| Room::new(gpu, n));
        let left: Vec<_> = states
            .iter()
            .map(|state| match &room {
                Some(room) if !state.counted() => state.sorted_steps(asked, room, &mut all),
                _ => state.counted_steps(asked, &mut all),
            })
            .collect();
        (all.steps, left)
    });
    let (steps, left) = made.await?;
    let mut results = Vec::new();
    for (state, left) in states.iter().zip(&left) {
        results.push((&state.store.head, 4 * HEAD as u64));
        results.push((&left.areas, 4 * RESULT as u64));
        if asked.is_some() {
            results.push((&left.points, 4 * POINTS_RESULT as u64));
        }
    }
    let words = read(gpu, &steps, &results).await?;
    let each = words.len() / states.len();
    let pairs = states.iter().zip(words.chunks(each.max(1)));
    pairs.map(|(state, words)| state.found(words)).collect()
}

/// The same of so many.
pub(super) async fn orders<const N: usize>(
    states: [&ScoreState; N],
    asked: Asked,
) -> Result<[(Areas, Points); N]> {
    let mut all = all_orders(&states, asked).await?.into_iter();
    Ok([(); N].map(|()| all.next().unwrap_or_default()))
}

/// The areas of all states, which are on one device.
pub(in crate::gpu) async fn all_areas(states: &[ScoreState]) -> Result<Vec<Areas>> {
    let states: Vec<_> = states.iter().collect();
    let all = all_orders(&states, None).await?;
    Ok(all.into_iter().map(|(areas, _)| areas).collect())
}

/// Tiles of so many words, digits of them, and sums of those.
fn counts(gpu: &Gpu, words: usize) -> [usize; 3] {
    let Shape { bits, tile, .. } = shape(gpu.tuning);
    let tiles = words.div_ceil(tile);
    let entries = (2usize << bits) * tiles;
    [tiles, entries, entries.div_ceil(tile)]
}

impl Room {
    fn new(gpu: &Gpu, capacity: usize) -> Room {
        let storage = |label, words: usize| {
            let usage = wgpu::BufferUsages::STORAGE;
            buffer(&gpu.device, label, 4 * words as u64, usage)
        };
        let [_, entries, blocks] = counts(gpu, capacity);
        Room {
            sorted: [(); 2].map(|()| storage("wgloss sorted", capacity)),
            digits: storage("wgloss digits", entries + blocks),
        }
    }
}

impl ScoreState {
    /// What a head, sums and points say.
    fn found(&self, words: &[u32]) -> Result<(Areas, Points)> {
        let (head, result) = words.split_at(HEAD);
        check_head(head, ["labels below 2", "scores that are numbers"])?;
        let (result, points) = result.split_at(RESULT);
        let wide = |at: usize| {
            let word = |k: usize| u128::from(result[at + k]) << (32 * k);
            (0..4).map(word).sum::<u128>()
        };
        let long = |of: &[u32]| u64::from(of[0]) | u64::from(of[1]) << 32;
        let areas = Areas {
            twice_pairs: wide(0),
            precisions: wide(4),
            positives: long(&result[8..]),
            negatives: long(&result[10..]),
        };
        let point = |k: usize| {
            let of = points.get(k * POINT_WORDS..(k + 1) * POINT_WORDS)?;
            (of[5] != 0).then(|| Point {
                threshold: score_of(self.dtype, of[4]),
                tp: long(of),
                fp: long(&of[2..]),
            })
        };
        let points = Points {
            max_f1: point(0),
            recall_at: point(1),
            precision_at: point(2),
            positives: match self.weights {
                None => areas.positives,
                Some(_) => {
                    // In the coarser unit of both classes.
                    let [positive, negative] = [6, 7].map(|k| (head[k] >> 23).max(1));
                    let by = negative.saturating_sub(positive);
                    areas.positives.checked_shr(by).unwrap_or_default()
                }
            },
        };
        Ok((areas, points))
    }

    /// Steps of kernels that come to results, over words: for the areas, and, where they are asked for, for points.
    fn result_steps(
        &self,
        words: &wgpu::Buffer,
        masses: Option<&wgpu::Buffer>,
        groups: usize,
        asked: Asked,
        kernels: [&[(usize, usize)]; 2],
        all: &mut Steps<'_, '_>,
    ) -> Left {
        let gpu = &self.store.gpu;
        // Room for the results of so many workgroups.
        let result = |words: usize| {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            buffer(&gpu.device, "wgloss areas", 4 * words as u64, usage)
        };
        let left = Left {
            areas: result(RESULT + 8 * groups),
            points: result(POINTS_RESULT * (1 + groups)),
        };
        let [(recall, recall_shift), (precision, precision_shift)] =
            asked.unwrap_or_default().map(least);
        let params = all.writes.parameters(
            gpu,
            bytemuck::bytes_of(&AreaParams {
                groups: groups as u32,
                recall_low: recall as u32,
                recall_high: (recall >> 32) as u32,
                recall_shift,
                precision_low: precision as u32,
                precision_high: (precision >> 32) as u32,
                precision_shift,
            }),
        );
        let wanted = if asked.is_some() { 2 } else { 1 };
        let results = [&left.areas, &left.points];
        for (result, kernels) in results.into_iter().zip(kernels).take(wanted) {
            let buffers = [&self.store.head, words, result].into_iter().chain(masses);
            let buffers: Vec<_> = buffers.map(Span::whole).collect();
            let areas = &self.kernels.areas;
            let group = areas.bind(gpu, Span::whole(&params), &buffers);
            all.steps
                .extend(kernels.iter().map(|&(kernel, groups)| Step {
                    pipeline: areas.pipelines[kernel].clone(),
                    group: group.clone(),
                    grid: gpu.plane(groups),
                }));
        }
        left
    }

    fn counted_steps(&self, asked: Asked, all: &mut Steps<'_, '_>) -> Left {
        let kernels: [&[_]; 2] = [&[(2, 1)], &[(5, 1)]];
        self.result_steps(&self.store.kept, None, 0, asked, kernels, all)
    }

    fn sorted_steps(&self, asked: Asked, room: &Room, all: &mut Steps<'_, '_>) -> Left {
        let gpu = &self.store.gpu;
        let Shape { width, bits, .. } = shape(gpu.tuning);
        let capacity = self.store.capacity() / stride(self.weights);
        // Negative samples lie at the back at first; then all that were seen, and no more, lie in front.
        let seen = self.seen.clamp(1, capacity);
        let words = |digit: u32| if digit == 0 { capacity } else { seen };
        let word = 8 * self.dtype.size() as u32;
        let digits = word.div_ceil(bits);
        // No sum of masses has 64 bits: each has 24 and this.
        let below = 38.min(39 - seen.next_power_of_two().ilog2().min(39));
        let step = gpu.uniform_stride() as usize;
        let mut uniforms: Vec<u8> = Vec::new();
        for digit in 0..digits {
            uniforms.resize(digit as usize * step, 0);
            uniforms.extend_from_slice(bytemuck::bytes_of(&SortParams {
                capacity: capacity as u32,
                tiles: counts(gpu, words(digit))[0] as u32,
                shift: digit * bits,
                apart: u32::from(digit == 0),
                room: below,
            }));
        }
        let params = all.writes.parameters(gpu, &uniforms);
        let params_of = |digit: u32| Span {
            buffer: &params,
            offset: u64::from(digit) * step as u64,
            size: size_of::<SortParams>() as u64,
        };
        let [count, block_sums, block_starts, starts, place] = &self.kernels.sort.pipelines;
        let mut from = &self.store.kept;
        for digit in 0..digits {
            let to = &room.sorted[digit as usize % 2];
            let buffers = [&self.store.head, from, to, &room.digits].map(Span::whole);
            let group = self.kernels.sort.bind(gpu, params_of(digit), &buffers);
            let [tiles, _, blocks] = counts(gpu, words(digit));
            for (pipeline, groups) in [
                (count, tiles),
                (block_sums, blocks),
                (block_starts, 1),
                (starts, blocks),
                (place, tiles),
            ] {
                all.steps.push(Step {
                    pipeline: pipeline.clone(),
                    group: group.clone(),
                    grid: gpu.plane(groups),
                });
            }
            from = to;
        }
        // What is not sorted into any more is free.
        let masses = &room.sorted[digits as usize % 2];
        let masses = self.kernels.mass.as_ref().map(|kernels| {
            let buffers = [&self.store.head, from, masses, &room.digits].map(Span::whole);
            let group = kernels.bind(gpu, params_of(digits - 1), &buffers);
            let [tiles, ..] = counts(gpu, seen);
            let pairs = kernels.pipelines.iter().zip([tiles, 1, tiles]);
            all.steps.extend(pairs.map(|(pipeline, groups)| Step {
                pipeline: pipeline.clone(),
                group: group.clone(),
                grid: gpu.plane(groups),
            }));
            masses
        });
        let groups = seen.div_ceil(width as usize * RUN * RUNS);
        let kernels: [&[_]; 2] = [&[(0, groups), (1, 1)], &[(3, groups), (4, 1)]];
        self.result_steps(from, masses, groups, asked, kernels, all)
    }
}

/// The least share that rounds to `v` or more, in units of 2^-(64 + shift): what is above the middle between v and the f64 below
/// it. With a shift that leaves no zeros in front this has no rounding; below 2⁻⁶⁴ any share of counts is more.
fn least(v: f64) -> (u64, u32) {
    if v <= 0.0 {
        return (0, 0);
    }
    let bits = v.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    // v is m·2^e with 2^52 <= m < 2^53; below a power of two numbers lie twice as close.
    let (m, e) = (fraction | 1 << 52, exponent - 1075);
    let (middle, shift) = match fraction {
        0 => ((4 * m - 1) << 10, -e - 52),
        _ => ((2 * m - 1) << 10, -e - 53),
    };
    match u32::try_from(shift) {
        Ok(shift) if shift < 64 => (middle, shift),
        _ => (1, 0),
    }
}

/// The score that a word stands for, which orders as it does.
fn score_of(dtype: DType, word: u32) -> f64 {
    let bits = |sign: u32| match word >= sign {
        true => word ^ sign,
        false => word ^ (2 * (sign - 1) + 1),
    };
    match dtype {
        DType::F32 => f64::from(f32::from_bits(bits(1 << 31))),
        DType::F16 => f16::from_bits(bits(1 << 15) as u16).to_f64(),
        DType::Bf16 => bf16::from_bits(bits(1 << 15) as u16).to_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::least;

    /// A share of counts reaches what is asked exactly where its quotient in f64 does.
    #[test]
    fn least_shares_are_those_that_round_up() {
        let asked = [
            1.0,
            0.95,
            0.9,
            0.5,
            0.3,
            0.1,
            0.001,
            1e-4,
            3e-7,
            0.25,
            1.0 / 3.0,
            1e-30,
            5e-324,
            0.0,
        ];
        for v in asked {
            let (bound, shift) = least(v);
            for whole in [1u64, 3, 7, 10, 20, 1000, 10_001, 1 << 31, (1 << 40) + 1] {
                let near = (v * whole as f64) as u64;
                for part in near.saturating_sub(2)..=(near + 2).min(whole) {
                    let left = u128::from(part) << shift;
                    let reaches =
                        left >= 1 << 64 || left << 64 >= u128::from(bound) * u128::from(whole);
                    let want = part as f64 / whole as f64 >= v;
                    assert_eq!(reaches, want, "{part} of {whole} for {v}");
                }
            }
        }
    }
}
