// Counts of another state are added, low words with what they carry.

@group(0) @binding(3) var<storage, read> other_low: array<u32>;
@group(0) @binding(4) var<storage, read> other_high: array<u32>;
@group(0) @binding(5) var<storage, read_write> low: array<u32>;
@group(0) @binding(6) var<storage, read_write> high: array<u32>;

@compute @workgroup_size(WIDTH)
fn take(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < params.slots) {
            let sum = low[i] + other_low[i];
            high[i] += other_high[i] + u32(sum < other_low[i]);
            low[i] = sum;
        }
    }
}
