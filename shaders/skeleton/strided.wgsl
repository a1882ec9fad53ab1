// Rows whose columns lie `inner` elements apart (class axis 1). One invocation a row, so that neighbours read
// neighbours, leaves the row's statistics in the work buffer; a last dispatch writes the gradient in
// pairs of elements, whichever rows they belong to. Many columns are taken in parts, by one invocation each.

fn element_of(row: u32, col: u32) -> u32 {
    return (row / params.inner * params.cols + col) * params.inner + row % params.inner;
}

@compute @workgroup_size(256)
fn stat_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let row = (wid.y * nwg.x + wid.x) * 256u + tid;
    if (row >= params.rows) {
        return;
    }
    let x = context_of(row);
    let s = gather_careful(row, x, 0u, params.cols);
    var s2 = all2_identity();
    if (SECOND) {
        s2 = gather2(row, x, s, 0u, params.cols);
    }
    say_losses(row, x, s, s2);
    if (GRADIENT) {
        save_all(params.stat0 + row * ALL_WORDS, s);
        save_all2(params.stat2 + row * ALL2_WORDS, s2);
    }
}

// Where the statistics of a part of a row are kept; what comes of all parts lies where the first did.
fn part_at(row: u32, part: u32) -> u32 {
    return part * params.rows + row;
}

fn whole_row(row: u32) -> All {
    var s = all_identity();
    for (var p = 0u; p < params.parts; p++) {
        s = all_merge(s, restore_all(params.stat0 + part_at(row, p) * ALL_WORDS));
    }
    return s;
}

@compute @workgroup_size(256)
fn part_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let at = (wid.y * nwg.x + wid.x) * 256u + tid;
    let part = at / params.rows;
    if (part >= params.parts) {
        return;
    }
    let row = at % params.rows;
    let first = part * params.part_len;
    let s = gather_careful(row, context_of(row), first, min(first + params.part_len, params.cols));
    save_all(params.stat0 + part_at(row, part) * ALL_WORDS, s);
}

@compute @workgroup_size(256)
fn part2_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let at = (wid.y * nwg.x + wid.x) * 256u + tid;
    let part = at / params.rows;
    if (part >= params.parts) {
        return;
    }
    let row = at % params.rows;
    let first = part * params.part_len;
    let end = min(first + params.part_len, params.cols);
    let s2 = gather2(row, context_of(row), whole_row(row), first, end);
    save_all2(params.stat2 + part_at(row, part) * ALL2_WORDS, s2);
}

@compute @workgroup_size(256)
fn say_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let row = (wid.y * nwg.x + wid.x) * 256u + tid;
    if (row >= params.rows) {
        return;
    }
    let s = whole_row(row);
    var s2 = all2_identity();
    if (SECOND) {
        for (var p = 0u; p < params.parts; p++) {
            s2 = all2_merge(s2, restore_all2(params.stat2 + part_at(row, p) * ALL2_WORDS));
        }
    }
    say_losses(row, context_of(row), s, s2);
    save_all(params.stat0 + row * ALL_WORDS, s);
    save_all2(params.stat2 + row * ALL2_WORDS, s2);
}

fn grad_at(i: u32, f: Factors) -> GradBits {
    let sample = params.cols * params.inner;
    let rest = i % sample;
    let row = i / sample * params.inner + rest % params.inner;
    let col = rest / params.inner;
    let x = context_of(row);
    let s = restore_all(params.stat0 + row * ALL_WORDS);
    let s2 = restore_all2(params.stat2 + row * ALL2_WORDS);
    return all_grad(load_inputs(i), i, row, col, x, s, s2, common_of(x, s, s2, f));
}

@compute @workgroup_size(256)
fn grad_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let i = ((wid.y * nwg.x + wid.x) * 256u + tid) * 2u;
    if (i >= params.n) {
        return;
    }
    let f = factors();
    let both = i + 1u < params.n;
    let a = grad_at(i, f);
    var b = a;
    if (both) {
        b = grad_at(i + 1u, f);
    }
    store_grads(i, a, b, both);
}
