// One workgroup sums one leaf: 4,096 consecutive elements, 16 an invocation, two neighbours at a time so that
// 16-bit gradients are stored as whole words.

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
    let f = factors();
    var sums = sums_zero();
    for (var j = 0u; j < 8u; j++) {
        let i = leaf * 4096u + (j * 256u + tid) * 2u;
        if (i < params.n) {
            let both = i + 1u < params.n;
            let a = visit(i, f);
            var b = a;
            sums = sums_add(sums, i, a);
            if (both) {
                b = visit(i + 1u, f);
                sums = sums_add(sums, i + 1u, b);
            }
            if (GRADIENT) {
                store_grads(i, a.grad, b.grad, both);
            }
        }
    }
    sums_put(tid, leaf, sums);
}
