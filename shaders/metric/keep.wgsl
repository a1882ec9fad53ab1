// A batch of scores and labels, and what is wrong with it.

struct KeepParams {
    // Samples of this dispatch, and the number of the first of them in the batch.
    n: u32,
    first: u32,
    off_scores: u32,
    off_labels: u32,
    has_ignore: u32,
    ignore_lo: u32,
    ignore_hi: u32,
    // Words that are kept.
    capacity: u32,
}

@group(0) @binding(0) var<uniform> params: KeepParams;
@group(0) @binding(1) var<storage, read> scores: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// Positive and negative samples kept; NaNs, bad labels, and the first of each, counted down from the largest number.
@group(0) @binding(3) var<storage, read_write> head: array<atomic<u32>>;

const NEITHER: u32 = 2u;

// 1 or 0 for a sample that counts.
fn class_of(i: u32) -> u32 {
    let l = load_label(params.off_labels + i);
    if (params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi) {
        return NEITHER;
    }
    if (l.y != 0u || l.x > 1u) {
        atomicAdd(&head[4], 1u);
        atomicMax(&head[5], 0xffffffffu - (params.first + i));
        return NEITHER;
    }
    if (is_nan(load_score(i))) {
        atomicAdd(&head[2], 1u);
        atomicMax(&head[3], 0xffffffffu - (params.first + i));
        return NEITHER;
    }
    return l.x;
}
