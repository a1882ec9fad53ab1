// A slice of LANES invocations takes a row together: the whole workgroup, or several rows side by side.

var<workgroup> tree: array<All, WIDTH>;
var<workgroup> tree2: array<All2, SECOND_WIDTH>;

fn element_of(row: u32, col: u32) -> u32 {
    return row * params.cols + col;
}

// The statistics of a slice's invocations as one, for all of them.
fn merged(tid: u32, s: All) -> All {
    let lane = tid % LANES;
    tree[tid] = s;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half = half >> 1u) {
        if (lane < half) {
            tree[tid] = all_merge(tree[tid], tree[tid + half]);
        }
        workgroupBarrier();
    }
    let whole = tree[tid - lane];
    workgroupBarrier();
    return whole;
}

fn merged2(tid: u32, s: All2) -> All2 {
    let lane = tid % LANES;
    tree2[tid] = s;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half = half >> 1u) {
        if (lane < half) {
            tree2[tid] = all2_merge(tree2[tid], tree2[tid + half]);
        }
        workgroupBarrier();
    }
    let whole = tree2[tid - lane];
    workgroupBarrier();
    return whole;
}
