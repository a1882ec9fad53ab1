// A slice of LANES invocations takes a row together: the whole workgroup, several rows side by side, or one invocation.

// A single invocation has nobody to merge with.
const TREE: u32 = select(WIDTH, 1u, LANES == 1u);
var<workgroup> tree: array<All, TREE>;
var<workgroup> tree2: array<All2, min(TREE, SECOND_WIDTH)>;

fn element_of(row: u32, col: u32) -> u32 {
    return row * mine.cols + col;
}

// The first invocation of a slice; a constant, where there is one slice.
fn slice_begin(tid: u32) -> u32 {
    if (WIDTH == LANES) {
        return 0u;
    }
    return tid - tid % LANES;
}

// The statistics of a slice's invocations as one, for all of them: by fours, until everybody can merge the rest. One merge
// in the text, because drivers write it out wherever it is called.
fn merged(tid: u32, s: All) -> All {
    if (LANES == 1u) {
        return s;
    }
    let begin = slice_begin(tid);
    let lane = tid - begin;
    var whole = s;
    for (var n = LANES; n > 1u;) {
        tree[tid] = whole;
        workgroupBarrier();
        let last = n <= 8u;
        let each = select(4u, n, last);
        n = n / each;
        if (last || lane < n) {
            let first = select(tid, begin, last);
            whole = tree[first];
            for (var k = 1u; k < each; k++) {
                whole = all_merge(whole, tree[first + k * n]);
            }
        }
        workgroupBarrier();
    }
    return whole;
}

fn merged2(tid: u32, s: All2) -> All2 {
    if (LANES == 1u) {
        return s;
    }
    let begin = slice_begin(tid);
    let lane = tid - begin;
    var whole = s;
    for (var n = LANES; n > 1u;) {
        tree2[tid] = whole;
        workgroupBarrier();
        let last = n <= 8u;
        let each = select(4u, n, last);
        n = n / each;
        if (last || lane < n) {
            let first = select(tid, begin, last);
            whole = tree2[first];
            for (var k = 1u; k < each; k++) {
                whole = all2_merge(whole, tree2[first + k * n]);
            }
        }
        workgroupBarrier();
    }
    return whole;
}
