// One workgroup sums one leaf: 4,096 consecutive elements, in packs. An invocation adds up packs, runs of UNROLL of them,
// and blocks of up to 16 packs.

const RUNS: u32 = PACKS / UNROLL;
// 16 packs.
const BLOCK: u32 = min(RUNS, 16u / UNROLL);

// Where pack `p` of an invocation begins: SIDE packs lie side by side.
fn pack_begin(leaf: u32, p: u32, tid: u32) -> u32 {
    return leaf * 4096u + (p / SIDE * SIDE * WIDTH + tid * SIDE + p % SIDE) * PACK;
}

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
    //counted begin_counting(tid);
    let f = factors();
    var sums = sums_zero();
    for (var b = 0u; b < RUNS / BLOCK; b++) {
        var block = sums_zero();
        for (var r = 0u; r < BLOCK; r++) {
            block = visit_run(pack_begin(leaf, (b * BLOCK + r) * UNROLL, tid), f, block);
        }
        sums = sums_add(sums, block);
    }
    let fine = sums_fine(sums, f);
    if (!fine) {
        sums = sums_zero();
    }
    // A loop that hardly ever begins.
    for (var b = select(0u, PACKS, fine); b < PACKS; b += 16u) {
        var block = sums_zero();
        for (var p = b; p < min(b + 16u, PACKS); p++) {
            block = visit_careful(pack_begin(leaf, p, tid), f, block);
        }
        sums = sums_add(sums, block);
    }
    sums_put(tid, leaf, sums);
    //counted flush_few(tid);
}
