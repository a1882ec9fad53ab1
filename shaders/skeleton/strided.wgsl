// Rows whose columns lie `inner` elements apart (class axis 1). One invocation a row, so that neighbours read
// neighbours, leaves the row's statistic in the work buffer; a second dispatch writes the gradient in
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
    let label = label_of(row);
    let r = row_of(label);
    var s = stat_identity();
    var odd = 0u;
    var flags = 0u;
    var bits = 0u;
    let w = load_weight(0u, row);
    count(BAD_WEIGHTS, u32(bad_weight(w)));
    if (label < LABEL_BAD) {
        for (var c0 = 0u; c0 < params.cols; c0 += 16u) {
            var run = stat_identity();
            for (var c = c0; c < min(c0 + 16u, params.cols); c++) {
                let in = load(element_of(row, c), c, label);
                odd += in.odd;
                flags |= select(0u, ROW_NAN, in.nan);
                run = stat_merge(run, stat_of(in.e, r));
            }
            s = stat_merge(s, run);
        }
        bits = row_loss_bits(r, s, flags, w);
    } else {
        flags = ROW_SKIPPED;
    }
    count(NON_FINITE, odd);
    put_loss(row, bits);
    if (GRADIENT) {
        let at = params.stat0 + row * (STAT_WORDS + 1u);
        work.leaves[at] = f32(flags);
        save_stat(at + 1u, s);
    }
}

fn grad_at(i: u32, factor: f32) -> GradBits {
    let sample = params.cols * params.inner;
    let rest = i % sample;
    let row = i / sample * params.inner + rest % params.inner;
    let col = rest / params.inner;
    let at = params.stat0 + row * (STAT_WORDS + 1u);
    let flags = u32(work.leaves[at]);
    if ((flags & ROW_SKIPPED) != 0u) {
        return GRAD_ZERO;
    }
    let label = label_of(row);
    let in = load(i, col, label);
    return row_grad_bits(in.e, row_of(label), restore_stat(at + 1u), flags, load_weight(0u, row), factor);
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
    let factor = grad_factor();
    let both = i + 1u < params.n;
    let a = grad_at(i, factor);
    var b = a;
    if (both) {
        b = grad_at(i + 1u, factor);
    }
    store_grads(i, a, b, both);
}
