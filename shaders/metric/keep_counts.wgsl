// Of 16 bits the samples of each of the 65,536 scores there can be are counted: negative ones, positive ones, and the high
// words of both.

@group(0) @binding(4) var<storage, read_write> kept: array<atomic<u32>>;

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * params.tile;
    for (var j = tid; j < params.tile; j += WIDTH) {
        let i = begin + j;
        if (i < params.n) {
            let sample = sample_at(i, true);
            if (sample.class_ != NEITHER) {
                let at = sample.class_ * 65536u + sample.word;
                // What the low word carries goes into the high one.
                if (atomicAdd(&kept[at], 1u) == 0xffffffffu) {
                    atomicAdd(&kept[131072u + at], 1u);
                }
            }
        }
    }
}
