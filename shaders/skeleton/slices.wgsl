// A slice of LANES invocations takes a row together: the whole workgroup, several rows side by side, or one invocation.

// A single invocation has nobody to merge with.
const TREE: u32 = select(WIDTH, 1u, LANES == 1u);
var<workgroup> tree: array<All, TREE>;
var<workgroup> tree2: array<All2, min(TREE, SECOND_WIDTH)>;

fn element_of(row: u32, col: u32) -> u32 {
    return row * params.cols + col;
}

// The first invocation of a slice; a constant, where there is one slice.
fn slice_begin(tid: u32) -> u32 {
    if (WIDTH == LANES) {
        return 0u;
    }
    return tid - tid % LANES;
}

// The statistics of a slice's invocations as one, for all of them. By fours, until everybody can merge the rest.
fn merged(tid: u32, s: All) -> All {
    if (LANES == 1u) {
        return s;
    }
    let begin = slice_begin(tid);
    let lane = tid - begin;
    tree[tid] = s;
    workgroupBarrier();
    var n = LANES;
    for (; n > 8u; n = n / 4u) {
        if (lane < n / 4u) {
            let a = all_merge(tree[tid], tree[tid + n / 4u]);
            let b = all_merge(tree[tid + n / 2u], tree[tid + n / 4u * 3u]);
            tree[tid] = all_merge(a, b);
        }
        workgroupBarrier();
    }
    var whole = tree[begin];
    for (var k = 1u; k < n; k++) {
        whole = all_merge(whole, tree[begin + k]);
    }
    workgroupBarrier();
    return whole;
}

fn merged2(tid: u32, s: All2) -> All2 {
    if (LANES == 1u) {
        return s;
    }
    let begin = slice_begin(tid);
    let lane = tid - begin;
    tree2[tid] = s;
    workgroupBarrier();
    var n = LANES;
    for (; n > 8u; n = n / 4u) {
        if (lane < n / 4u) {
            let a = all2_merge(tree2[tid], tree2[tid + n / 4u]);
            let b = all2_merge(tree2[tid + n / 2u], tree2[tid + n / 4u * 3u]);
            tree2[tid] = all2_merge(a, b);
        }
        workgroupBarrier();
    }
    var whole = tree2[begin];
    for (var k = 1u; k < n; k++) {
        whole = all2_merge(whole, tree2[begin + k]);
    }
    workgroupBarrier();
    return whole;
}
