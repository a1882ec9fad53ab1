// One workgroup sums one leaf: 4,096 consecutive elements, 16 an invocation, two neighbours at a time so that
// 16-bit gradients are stored as whole words.

fn admits(bits: u32) -> bool {
    return false;
}

struct Visit {
    loss: u32,
    grad: GradBits,
}

fn visit(i: u32, factor: f32) -> Visit {
    // Row and column of element r0 + i, counted from the sample in which the chunk begins.
    var row = 0u;
    var col = 0u;
    if (NEEDS_COLUMN) {
        let sample = params.cols * params.inner;
        let at = params.r0 + i;
        let rest = at % sample;
        row = at / sample * params.inner + rest % params.inner;
        col = rest / params.inner;
    }
    let in = load(i, col, 0u);
    let w = load_weight(i, row);
    count(NON_FINITE, in.odd);
    if (WEIGHT_BY_ROW) {
        count(BAD_WEIGHTS, u32(col == 0u && bad_weight(w)));
    } else {
        count(BAD_WEIGHTS, u32(bad_weight(w)));
    }
    let t = term(in.e);
    let wf = bitcast<f32>(w);
    let loss = select(bitcast<u32>(wf * t.loss), NAN_BITS, in.nan);
    return Visit(loss, seal(t.grad, wf * factor, in.nan && nan_grad(in.e)));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let leaf = wid.y * nwg.x + wid.x;
    if (leaf >= params.leaves) {
        return;
    }
    let factor = grad_factor();
    var sum = 0.0;
    for (var j = 0u; j < 8u; j++) {
        let i = leaf * 4096u + (j * 256u + tid) * 2u;
        if (i < params.n) {
            let both = i + 1u < params.n;
            let a = visit(i, factor);
            var b = a;
            if (both) {
                b = visit(i + 1u, factor);
            }
            if (GRADIENT) {
                store_grads(i, a.grad, b.grad, both);
            }
            if (EACH) {
                store_loss(i, a.loss);
                if (both) {
                    store_loss(i + 1u, b.loss);
                }
            } else {
                sum += finite_part(a.loss);
                if (both) {
                    sum += finite_part(b.loss);
                }
            }
        }
    }
    if (EACH) {
        return;
    }
    let total = tree_sum(tid, sum);
    if (tid == 0u) {
        work.leaves[params.leaf0 + leaf] = finite_part(bitcast<u32>(total));
    }
}
