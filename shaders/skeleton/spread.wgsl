// Row losses that went to the leaves, because the kernel had no binding left for them, go where they belong.

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let row = (wid.y * nwg.x + wid.x) * 256u + tid;
    if (row < params.rows) {
        store_loss(row, work.leaves[params.leaf0 + row]);
    }
}
