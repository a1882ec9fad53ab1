// Rows that are read once, by a slice of a workgroup each: they stay in registers between statistic and gradient.

const SLICES: u32 = WIDTH / LANES;

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    // Barriers are for everybody: a slice beyond the last row takes that once more and keeps silent.
    row_held((wid.y * nwg.x + wid.x) * SLICES + tid / LANES, tid % LANES, tid);
}
