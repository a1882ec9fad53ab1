// One state of scores takes in another: counts are added, kept words put behind what is there.

struct MergeParams {
    // Words there is room for, here and in the other state.
    capacity: u32,
    other_capacity: u32,
    reserved0: u32,
    reserved1: u32,
}

@group(0) @binding(0) var<uniform> params: MergeParams;
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
        if (i < other_head[0]) {
            kept[head[0] + i] = other[i];
        }
        if (i < other_head[1]) {
            kept[params.capacity - 1u - head[1] - i] = other[params.other_capacity - 1u - i];
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
        let i = begin + j;
        if (i < 131072u) {
            let low = kept[i] + other[i];
            kept[131072u + i] += other[131072u + i] + u32(low < other[i]);
            kept[i] = low;
        }
    }
}

// After the words: what the head says decides where those go.
@compute @workgroup_size(WIDTH)
fn take_head(@builtin(local_invocation_index) tid: u32) {
    if (tid == 0u) {
        for (var k = 0u; k < 6u; k++) {
            // Places are counted down, so that the first is the largest.
            let place = k == 3u || k == 5u;
            head[k] = select(head[k] + other_head[k], max(head[k], other_head[k]), place);
        }
    }
}
