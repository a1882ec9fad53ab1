// A slice of a workgroup takes a group of rows: one, or two where two rows of 16-bit numbers share a word. Each
// row's statistic is merged over the slice; then the whole group's gradient is written in pairs.

const SLICES: u32 = WIDTH / LANES;
var<workgroup> group_all: array<All, 2u * SLICES>;
var<workgroup> group_all2: array<All2, 2u * SLICES>;

fn grad_at(slice: u32, first: u32, e: u32, f: Factors) -> GradBits {
    let k = e / params.cols;
    let col = e - k * params.cols;
    let row = first + k;
    let at = slice * 2u + k;
    return all_grad(element_of(row, col), row, col, context_of(row), group_all[at], group_all2[at], f);
}

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let lane = tid % LANES;
    let slice = tid / LANES;
    let first = ((wid.y * nwg.x + wid.x) * SLICES + slice) * params.group;
    for (var k = 0u; k < params.group; k++) {
        // Barriers are for everybody: a slice beyond the last row takes that once more and keeps silent.
        let row = min(first + k, params.rows - 1u);
        let silent = first + k > row;
        let x = context_of(row);
        var s = all_identity();
        if (!silent) {
            s = gather(row, x, lane, params.cols, LANES);
        }
        s = merged(tid, s);
        var s2 = all2_identity();
        if (SECOND) {
            if (!silent) {
                s2 = gather2(row, x, s, lane, params.cols, LANES);
            }
            s2 = merged2(tid, s2);
        }
        if (lane == 0u && !silent) {
            group_all[slice * 2u + k] = s;
            group_all2[slice * 2u + k] = s2;
            say_losses(row, x, s, s2);
        }
    }
    workgroupBarrier();
    if (GRADIENT && first < params.rows) {
        let f = factors();
        let n = min(params.group, params.rows - first) * params.cols;
        for (var e = lane * 2u; e < n; e += 2u * LANES) {
            let both = e + 1u < n;
            let a = grad_at(slice, first, e, f);
            var b = a;
            if (both) {
                b = grad_at(slice, first, e + 1u, f);
            }
            store_grads(first * params.cols + e, a, b, both);
        }
    }
}
