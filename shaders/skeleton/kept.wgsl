// Rows that are read once, by an invocation each or a few by one: they stay in registers between statistic and gradient.
// Each invocation adds the losses of its rows up, a leaf.

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let f = factors();
    let group = wid.y * nwg.x + wid.x;
    for (var round = 0u; round < ROUNDS; round++) {
        let first = ((group * ROUNDS + round) * WIDTH + tid) * GROUP;
        if (first >= params.rows) {
            break;
        }
        rows_held(first, f);
    }
    let leaf = group * WIDTH + tid;
    if (leaf < params.leaves) {
        put_said(leaf);
    }
}
