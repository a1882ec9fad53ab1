// A row is split into parts of which each has a workgroup: a dispatch for their statistics, one for the second
// statistics where there are any, one for the gradient. Whoever needs the statistic of a row merges those of its
// parts, always in the same order.

var<workgroup> group_all: array<All, 2>;
var<workgroup> group_all2: array<All2, 2>;

fn part_at(row: u32, part: u32) -> u32 {
    return row * params.parts_all + part;
}

fn whole_row(tid: u32, row: u32) -> All {
    var s = all_identity();
    for (var p = tid; p < params.parts_all; p += WIDTH) {
        s = all_merge(s, restore_all(params.stat0 + part_at(row, p) * ALL_WORDS));
    }
    return merged(tid, s);
}

fn whole_row2(tid: u32, row: u32) -> All2 {
    var s = all2_identity();
    for (var p = tid; p < params.parts_all; p += WIDTH) {
        s = all2_merge(s, restore_all2(params.stat2 + part_at(row, p) * ALL2_WORDS));
    }
    return merged2(tid, s);
}

@compute @workgroup_size(WIDTH)
fn stat_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let at = wid.y * nwg.x + wid.x;
    let row = at / params.parts;
    if (row >= params.rows) {
        return;
    }
    let part = at % params.parts;
    let first = part * params.part_len;
    let end = min(first + params.part_len, params.cols);
    let s = gather(row, context_of(row), first + share_begin(tid), end);
    let whole = merged(tid, s);
    if (tid == 0u) {
        save_all(params.stat0 + part_at(row, params.part0 + part) * ALL_WORDS, whole);
    }
}

@compute @workgroup_size(WIDTH)
fn stat2_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let at = wid.y * nwg.x + wid.x;
    let row = at / params.parts;
    if (row >= params.rows) {
        return;
    }
    let part = at % params.parts;
    let first = part * params.part_len;
    let s = whole_row(tid, row);
    let end = min(first + params.part_len, params.cols);
    let t = gather2(row, context_of(row), s, first + share_begin(tid), end);
    let whole = merged2(tid, t);
    if (tid == 0u) {
        save_all2(params.stat2 + part_at(row, params.part0 + part) * ALL2_WORDS, whole);
    }
}

fn grad_at(first: u32, e: u32, f: Factors) -> GradBits {
    let k = e / params.cols;
    let col = e - k * params.cols;
    let row = first + k;
    let x = context_of(row);
    let i = element_of(row, col);
    return all_grad(load_inputs(i), i, row, col, x, group_all[k], group_all2[k], common_of(x, group_all[k], group_all2[k], f));
}

@compute @workgroup_size(WIDTH)
fn grad_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let at = wid.y * nwg.x + wid.x;
    let first = at / params.blocks * GROUP;
    if (first >= params.rows) {
        return;
    }
    let block = at % params.blocks;
    let rows = min(GROUP, params.rows - first);
    let f = factors();
    for (var k = 0u; k < rows; k++) {
        let row = first + k;
        let x = context_of(row);
        let s = whole_row(tid, row);
        var s2 = all2_identity();
        if (SECOND) {
            s2 = whole_row2(tid, row);
        }
        if (tid == 0u && block == 0u && params.says != 0u) {
            say_losses(row, x, s, s2);
        }
        if (GROUP == 2u) {
            if (tid == 0u) {
                group_all[k] = s;
                group_all2[k] = s2;
            }
        } else if (GRADIENT) {
            let y = common_of(x, s, s2, f);
            let end = min((block + 1u) * params.part_len, params.cols);
            write_grads(row, x, block * params.part_len + share_begin(tid), end, s, s2, y);
        }
    }
    if (GROUP == 2u) {
        workgroupBarrier();
        if (GRADIENT) {
            let n = rows * params.cols;
            let end = min((block + 1u) * params.part_len, n);
            for (var e = block * params.part_len + tid * 2u; e < end; e += 2u * WIDTH) {
                let both = e + 1u < n;
                let a = grad_at(first, e, f);
                var b = a;
                if (both) {
                    b = grad_at(first, e + 1u, f);
                }
                store_grads(first * params.cols + e, a, b, both);
            }
        }
    }
}
