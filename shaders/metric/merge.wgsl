// One state takes in another: kept words are put behind what is there, counts are added.

@group(0) @binding(1) var<storage, read> other_head: array<u32>;
@group(0) @binding(2) var<storage, read> other: array<u32>;
@group(0) @binding(3) var<storage, read_write> head: array<u32>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

@compute @workgroup_size(WIDTH)
fn take_words(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < other_head[POSITIVES]) {
            kept[head[POSITIVES] + i] = other[i];
        }
        if (i < other_head[NEGATIVES]) {
            kept[params.capacity - 1u - head[NEGATIVES] - i] = other[params.other_capacity - 1u - i];
        }
    }
}

@compute @workgroup_size(WIDTH)
fn add_counts(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        let low = begin + j;
        if (low < params.slots) {
            let high = low + params.slots;
            let sum = kept[low] + other[low];
            kept[high] += other[high] + u32(sum < other[low]);
            kept[low] = sum;
        }
    }
}

@compute @workgroup_size(WIDTH)
fn take_head(@builtin(local_invocation_index) tid: u32) {
    if (tid == 0u) {
        for (var k = 0u; k < 8u; k++) {
            // Places are counted down, so that the first is the largest; and the last two are largest numbers.
            let place = k == 1u || k == 3u || k >= 6u;
            // A sum of errors stays one.
            let sum = head[k] + other_head[k];
            head[k] = select(select(sum, 0xffffffffu, sum < head[k]), max(head[k], other_head[k]), place);
        }
    }
}
