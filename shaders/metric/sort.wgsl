// Sorts the kept words, each with its weight where it has one, those of positive samples before those of negative ones, from the lowest digit on: count the
// digits of every tile, sum the counts up, put every word to its place. An invocation takes words that lie one behind the
// other and counts in a column of its own, so that equal digits stay in order without a word about subgroups or progress.

@group(0) @binding(1) var<storage, read> head: array<u32>;
@group(0) @binding(2) var<storage, read> words: array<u32>;
@group(0) @binding(3) var<storage, read_write> sorted: array<u32>;
// Counts, digit after digit, of each tile; then one sum for every TILE of them.
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

const EACH: u32 = TILE / WIDTH;
const DIGITS: u32 = 1u << BITS;
// Positive samples' digits, then negative ones'.
const BUCKETS: u32 = 2u * DIGITS;
const NONE: u32 = 0xffffffffu;

var<workgroup> columns: array<u32, BUCKETS * WIDTH>;

fn bucket_of(i: u32) -> u32 {
    let positive = i < head[POSITIVES];
    var negative = i >= head[POSITIVES] && i < head[POSITIVES] + head[NEGATIVES];
    if (params.apart != 0u) {
        negative = i >= params.capacity - head[NEGATIVES] && i < params.capacity;
    }
    if (!positive && !negative) {
        return NONE;
    }
    return select(DIGITS, 0u, positive) + ((words[i * STRIDE] >> params.shift) & (DIGITS - 1u));
}

fn count_columns(tile: u32, tid: u32) {
    for (var b = 0u; b < BUCKETS; b++) {
        columns[b * WIDTH + tid] = 0u;
    }
    let first = tile * TILE + tid * EACH;
    for (var j = 0u; j < EACH; j++) {
        let b = bucket_of(first + j);
        if (b != NONE) {
            columns[b * WIDTH + tid] += 1u;
        }
    }
}

@compute @workgroup_size(WIDTH)
fn count(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let tile = wid.y * nwg.x + wid.x;
    count_columns(tile, tid);
    workgroupBarrier();
    if (tile < params.tiles) {
        for (var b = tid; b < BUCKETS; b += WIDTH) {
            var sum = 0u;
            for (var t = 0u; t < WIDTH; t++) {
                sum += columns[b * WIDTH + t];
            }
            counts[b * params.tiles + tile] = sum;
        }
    }
}

fn block_count() -> u32 {
    return (BUCKETS * params.tiles + TILE - 1u) / TILE;
}

// The sum of `x` of the invocations before this one.
fn before(tid: u32, x: u32) -> u32 {
    columns[tid] = x;
    workgroupBarrier();
    var sum = 0u;
    for (var t = 0u; t < tid; t++) {
        sum += columns[t];
    }
    workgroupBarrier();
    return sum;
}

// The counts that an invocation adds up: where they begin, and their sum.
struct Share {
    first: u32,
    sum: u32,
}

fn share_of(block: u32, tid: u32) -> Share {
    var out = Share(block * TILE + tid * EACH, 0u);
    for (var j = 0u; j < EACH; j++) {
        if (out.first + j < BUCKETS * params.tiles) {
            out.sum += counts[out.first + j];
        }
    }
    return out;
}

@compute @workgroup_size(WIDTH)
fn block_sums(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let block = wid.y * nwg.x + wid.x;
    let entries = BUCKETS * params.tiles;
    let sum = share_of(block, tid).sum;
    let others = before(tid, sum);
    if (tid == WIDTH - 1u && block < block_count()) {
        counts[entries + block] = others + sum;
    }
}

// One workgroup: where every block begins.
@compute @workgroup_size(WIDTH)
fn block_starts(@builtin(local_invocation_index) tid: u32) {
    let entries = BUCKETS * params.tiles;
    let blocks = block_count();
    let each = (blocks + WIDTH - 1u) / WIDTH;
    let first = tid * each;
    var sum = 0u;
    for (var j = first; j < min(first + each, blocks); j++) {
        sum += counts[entries + j];
    }
    var start = before(tid, sum);
    for (var j = first; j < min(first + each, blocks); j++) {
        let here = counts[entries + j];
        counts[entries + j] = start;
        start += here;
    }
}

@compute @workgroup_size(WIDTH)
fn starts(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let block = wid.y * nwg.x + wid.x;
    let entries = BUCKETS * params.tiles;
    let own = share_of(block, tid);
    var start = before(tid, own.sum);
    if (block < block_count()) {
        start += counts[entries + block];
    }
    for (var j = 0u; j < EACH; j++) {
        if (own.first + j < entries) {
            let here = counts[own.first + j];
            counts[own.first + j] = start;
            start += here;
        }
    }
}

@compute @workgroup_size(WIDTH)
fn place(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let tile = wid.y * nwg.x + wid.x;
    count_columns(tile, tid);
    workgroupBarrier();
    if (tile < params.tiles) {
        for (var b = tid; b < BUCKETS; b += WIDTH) {
            var start = counts[b * params.tiles + tile];
            for (var t = 0u; t < WIDTH; t++) {
                let here = columns[b * WIDTH + t];
                columns[b * WIDTH + t] = start;
                start += here;
            }
        }
    }
    workgroupBarrier();
    let first = tile * TILE + tid * EACH;
    for (var j = 0u; j < EACH; j++) {
        let i = first + j;
        let b = bucket_of(i);
        if (b != NONE) {
            let at = columns[b * WIDTH + tid];
            columns[b * WIDTH + tid] = at + 1u;
            for (var k = 0u; k < STRIDE; k++) {
                sorted[at * STRIDE + k] = words[i * STRIDE + k];
            }
        }
    }
}
