// One workgroup takes a group of rows: one, or two where two rows of 16-bit numbers share a word. Each
// row's statistic is merged over the invocations; then the whole group's gradient is written in pairs.

var<workgroup> stats: array<Stat, WIDTH>;
var<workgroup> group_stats: array<Stat, 2>;
var<workgroup> group_flags: array<atomic<u32>, 2>;

fn element_of(row: u32, col: u32) -> u32 {
    return row * params.cols + col;
}

fn grad_at(first: u32, e: u32, factor: f32) -> GradBits {
    let k = e / params.cols;
    let col = e - k * params.cols;
    let flags = atomicLoad(&group_flags[k]);
    if ((flags & ROW_SKIPPED) != 0u) {
        return GRAD_ZERO;
    }
    let label = label_of(first + k);
    let in = load(element_of(first + k, col), col, label);
    return row_grad_bits(in.e, row_of(label), group_stats[k], flags, load_weight(0u, first + k), factor);
}

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let first = (wid.y * nwg.x + wid.x) * params.group;
    if (first >= params.rows) {
        return;
    }
    let rows = min(params.group, params.rows - first);
    if (tid < 2u) {
        atomicStore(&group_flags[tid], 0u);
    }
    workgroupBarrier();
    for (var k = 0u; k < rows; k++) {
        let row = first + k;
        let label = label_of(row);
        let r = row_of(label);
        let skipped = label >= LABEL_BAD;
        var s = stat_identity();
        var odd = 0u;
        var flags = select(ROW_OK, ROW_SKIPPED, skipped);
        if (!skipped) {
            // Runs of 16, so that a long row does not mean many merges one after the other.
            for (var c0 = tid; c0 < params.cols; c0 += 16u * WIDTH) {
                var run = stat_identity();
                for (var c = c0; c < min(c0 + 16u * WIDTH, params.cols); c += WIDTH) {
                    let in = load(element_of(row, c), c, label);
                    odd += in.odd;
                    flags |= select(0u, ROW_NAN, in.nan);
                    run = stat_merge(run, stat_of(in.e, r));
                }
                s = stat_merge(s, run);
            }
        }
        count(NON_FINITE, odd);
        if (flags != 0u) {
            atomicOr(&group_flags[k], flags);
        }
        stats[tid] = s;
        workgroupBarrier();
        for (var half = WIDTH / 2u; half > 0u; half = half >> 1u) {
            if (tid < half) {
                stats[tid] = stat_merge(stats[tid], stats[tid + half]);
            }
            workgroupBarrier();
        }
        if (tid == 0u) {
            group_stats[k] = stats[0];
            let w = load_weight(0u, row);
            count(BAD_WEIGHTS, u32(bad_weight(w)));
            var bits = 0u;
            if (!skipped) {
                bits = row_loss_bits(r, stats[0], atomicLoad(&group_flags[k]), w);
            }
            put_loss(row, bits);
        }
        workgroupBarrier();
    }
    if (GRADIENT) {
        let factor = grad_factor();
        let n = rows * params.cols;
        for (var e = tid * 2u; e < n; e += 2u * WIDTH) {
            let both = e + 1u < n;
            let a = grad_at(first, e, factor);
            var b = a;
            if (both) {
                b = grad_at(first, e + 1u, factor);
            }
            store_grads(first * params.cols + e, a, b, both);
        }
    }
}
