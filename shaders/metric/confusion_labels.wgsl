// Of predicted labels.

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    clear_few(tid);
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < params.n) {
            let truth = class_of(i);
            if (truth != NEITHER) {
                let p = load_prediction(params.off_input + i);
                if (p.y != 0u || p.x >= params.classes) {
                    atomicAdd(&counts[2], 1u);
                    atomicMax(&counts[3], 0xffffffffu - (params.first + i));
                } else {
                    count_slot(truth * params.classes + p.x, tid);
                }
            }
        }
    }
    flush_few(tid);
}
