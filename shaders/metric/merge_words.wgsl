// Kept words of another state are put behind what is there: those of positive samples from the front of the buffer on, those of
// negative ones from its back.

@group(0) @binding(3) var<storage, read> other: array<u32>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

@compute @workgroup_size(WIDTH)
fn take(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < params.stride * other_head[POSITIVES]) {
            kept[params.stride * head[POSITIVES] + i] = other[i];
        }
        if (i < params.stride * other_head[NEGATIVES]) {
            kept[params.capacity - 1u - params.stride * head[NEGATIVES] - i] = other[params.other_capacity - 1u - i];
        }
    }
}
