// Goes through a batch and counts; what a sample is counted as, `take_sample` says.

@group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>>;

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    clear_few(tid);
    // Read once: Mesa's software driver gathers a uniform for every invocation wherever it is read.
    let tile = params.tile;
    let begin = (wid.y * nwg.x + wid.x) * tile;
    let end = min(params.n, begin + tile);
    for (var i = begin + tid; i < end; i += WIDTH) {
        set_weight(i);
        take_sample(i, tid);
    }
    flush_few(tid);
}
