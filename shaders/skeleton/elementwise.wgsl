// One workgroup sums one leaf: 4,096 consecutive elements, in packs of which neighbours take neighbours. An invocation
// adds up packs, runs of UNROLL of them, and blocks of up to 8 runs.

const BLOCK: u32 = min(PACKS / UNROLL, 8u);

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let leaf = wid.y * nwg.x + wid.x;
    if (leaf >= params.leaves) {
        return;
    }
    let f = factors();
    var sums = sums_zero();
    for (var b = 0u; b < PACKS / (UNROLL * BLOCK); b++) {
        var block = sums_zero();
        for (var r = 0u; r < BLOCK; r++) {
            let first = ((b * BLOCK + r) * UNROLL * WIDTH + tid) * PACK;
            block = visit_run(leaf * 4096u + first, f, block);
        }
        sums = sums_add(sums, block);
    }
    for (var k = select(PACKS, 0u, sums_top(sums) >= INF_BITS); k < PACKS; k++) {
        recount(leaf * 4096u + (k * WIDTH + tid) * PACK);
    }
    sums_put(tid, leaf, sums);
}
