// Rows whose columns lie `inner` elements apart (class axis 1). One invocation a row, so that neighbours read
// neighbours, leaves the row's statistics in the work buffer; a second dispatch writes the gradient in
// pairs of elements, whichever rows they belong to.

fn element_of(row: u32, col: u32) -> u32 {
    return (row / params.inner * params.cols + col) * params.inner + row % params.inner;
}

@compute @workgroup_size(256)
fn stat_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let row = (wid.y * nwg.x + wid.x) * 256u + tid;
    if (row >= params.rows) {
        return;
    }
    let x = context_of(row);
    let s = gather(row, x, 0u, params.cols, 1u);
    var s2 = all2_identity();
    if (SECOND) {
        s2 = gather2(row, x, s, 0u, params.cols, 1u);
    }
    say_losses(row, x, s, s2);
    if (GRADIENT) {
        save_all(params.stat0 + row * ALL_WORDS, s);
        save_all2(params.stat2 + row * ALL2_WORDS, s2);
    }
}

fn grad_at(i: u32, f: Factors) -> GradBits {
    let sample = params.cols * params.inner;
    let rest = i % sample;
    let row = i / sample * params.inner + rest % params.inner;
    let col = rest / params.inner;
    let s = restore_all(params.stat0 + row * ALL_WORDS);
    let s2 = restore_all2(params.stat2 + row * ALL2_WORDS);
    return all_grad(i, row, col, context_of(row), s, s2, f);
}

@compute @workgroup_size(256)
fn grad_main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
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
