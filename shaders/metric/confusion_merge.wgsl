// One state of counts takes in another.

struct MergeParams {
    // Cells and ranks, of which the low words lie before the high ones.
    slots: u32,
    reserved0: u32,
    reserved1: u32,
    reserved2: u32,
}

@group(0) @binding(0) var<uniform> params: MergeParams;
@group(0) @binding(1) var<storage, read> other: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

const HEAD: u32 = 8u;

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let group = wid.y * nwg.x + wid.x;
    for (var j = tid; j < TILE; j += WIDTH) {
        let slot = group * TILE + j;
        if (slot < params.slots) {
            let low = HEAD + slot;
            let high = low + params.slots;
            let sum = counts[low] + other[low];
            counts[high] += other[high] + u32(sum < other[low]);
            counts[low] = sum;
        }
    }
    if (group == 0u && tid == 0u) {
        for (var k = 0u; k < 4u; k += 2u) {
            counts[k] += other[k];
            // Places are counted down, so that the first is the largest.
            counts[k + 1u] = max(counts[k + 1u], other[k + 1u]);
        }
    }
}
