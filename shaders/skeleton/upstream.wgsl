// Takes the upstream gradient of each row over into the work buffer, where the kernels of losses look for it: they have no
// binding left for it.

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let row = (wid.y * nwg.x + wid.x) * 256u + tid;
    if (row < params.rows) {
        work.leaves[params.upstream0 + params.row0 + row] = b_upstream[params.off_upstream + row];
    }
}
