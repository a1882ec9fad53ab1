// What becomes of a batch of scores and labels: of f32 every score is kept as a word that orders as the score does, those
// of positive samples from the front of the buffer on and those of negative ones from its back; of 16 bits the samples of
// each of the 65,536 scores there can be are counted.

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
@group(0) @binding(4) var<storage, read_write> kept: array<atomic<u32>>;

const NEITHER: u32 = 2u;
const TILE: u32 = 4096u;

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

@compute @workgroup_size(WIDTH)
fn count(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < params.n) {
            let class_ = class_of(i);
            if (class_ != NEITHER) {
                let at = class_ * 65536u + order_of(load_score(i));
                // What the low word carries goes into the high one.
                if (atomicAdd(&kept[at], 1u) == 0xffffffffu) {
                    atomicAdd(&kept[131072u + at], 1u);
                }
            }
        }
    }
}

// How many of each class the workgroup keeps, and from where on.
var<workgroup> found: array<atomic<u32>, 2>;
var<workgroup> start: array<u32, 2>;

@compute @workgroup_size(WIDTH)
fn keep(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    if (tid < 2u) {
        atomicStore(&found[tid], 0u);
    }
    workgroupBarrier();
    for (var j = tid; j < TILE; j += WIDTH) {
        if (begin + j < params.n) {
            let class_ = class_of(begin + j);
            if (class_ != NEITHER) {
                atomicAdd(&found[class_], 1u);
            }
        }
    }
    workgroupBarrier();
    if (tid < 2u) {
        // Negative ones are number 1 of the head.
        start[tid] = atomicAdd(&head[1u - tid], atomicLoad(&found[tid]));
        atomicStore(&found[tid], 0u);
    }
    workgroupBarrier();
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < params.n) {
            let l = load_label(params.off_labels + i);
            let ignored = params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi;
            let score = load_score(i);
            if (!ignored && l.y == 0u && l.x <= 1u && !is_nan(score)) {
                let at = start[l.x] + atomicAdd(&found[l.x], 1u);
                if (at < params.capacity) {
                    atomicStore(&kept[select(params.capacity - 1u - at, at, l.x == 1u)], order_of(score));
                }
            }
        }
    }
}
