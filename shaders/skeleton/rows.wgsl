// A slice of a workgroup takes ROUNDS groups of rows, one after the other: a group is one row, or two where two rows of
// 16-bit numbers share a word. Each row's statistic is merged over the slice, then the gradient written; that of two
// rows together in pairs.

const SLICES: u32 = WIDTH / LANES;
const KEPT: u32 = select(1u, 2u * SLICES, GROUP == 2u);
var<workgroup> group_all: array<All, KEPT>;
var<workgroup> group_all2: array<All2, KEPT>;

// What gradients need of a row, besides. Kept because the logit of the label may be overwritten by its gradient.
var<workgroup> group_x: array<RowContext, KEPT>;
var<workgroup> group_y: array<Common, KEPT>;

fn grad_at(slice: u32, first: u32, e: u32) -> GradBits {
    let k = e / params.cols;
    let col = e - k * params.cols;
    let row = first + k;
    let at = slice * 2u + k;
    let i = element_of(row, col);
    return all_grad(load_inputs(i), i, row, col, group_x[at], group_all[at], group_all2[at], group_y[at]);
}

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let lane = tid % LANES;
    let slice = tid / LANES;
    let f = factors();
    for (var round = 0u; round < ROUNDS; round++) {
        let begin = ((wid.y * nwg.x + wid.x) * SLICES * ROUNDS + round) * GROUP;
        if (begin >= params.rows) {
            break;
        }
        let first = begin + slice * ROUNDS * GROUP;
        for (var k = 0u; k < GROUP; k++) {
            // Barriers are for everybody: a slice beyond the last row takes that once more and keeps silent.
            let row = min(first + k, params.rows - 1u);
            let silent = first + k > row;
            let x = context_of(row);
            let end = select(params.cols, 0u, silent);
            reset_ranks(x);
            let s = merged(tid, gather(row, x, share_begin(lane), end));
            if (RANKED) {
                say_rank(row, lane, tid, x, s, silent);
            }
            var s2 = all2_identity();
            if (SECOND) {
                s2 = merged2(tid, gather2(row, x, s, share_begin(lane), end));
            }
            if (IN_PLACE && LANES > 1u) {
                // Everybody has read the logit of the label, before somebody writes over it.
                storageBarrier();
            }
            if (lane == 0u && !silent) {
                say_losses(row, x, s, s2);
            }
            if (GROUP == 2u) {
                if (lane == 0u && !silent) {
                    group_x[slice * 2u + k] = x;
                    group_all[slice * 2u + k] = s;
                    group_all2[slice * 2u + k] = s2;
                    group_y[slice * 2u + k] = common_of(x, s, s2, f);
                }
            } else if (GRADIENT) {
                let y = common_of(x, s, s2, f);
                write_grads(row, x, share_begin(lane), end, s, s2, y);
            }
        }
        if (GROUP == 2u) {
            workgroupBarrier();
            if (GRADIENT && first < params.rows) {
                let n = min(GROUP, params.rows - first) * params.cols;
                for (var e = lane * 2u; e < n; e += 2u * LANES) {
                    let both = e + 1u < n;
                    let a = grad_at(slice, first, e);
                    var b = a;
                    if (both) {
                        b = grad_at(slice, first, e + 1u);
                    }
                    store_grads(first * params.cols + e, a, b, both);
                }
            }
            // The next round's statistics lie in the same place.
            workgroupBarrier();
        }
    }
}
