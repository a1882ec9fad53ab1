// Every score is kept as a word that orders as the score does, with its weight where it has one: those of positive samples from
// the front of the buffer on, those of negative ones from its back.

@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

// How many of each class the workgroup keeps, and from where on.
var<workgroup> found: array<atomic<u32>, 2>;
var<workgroup> start: array<u32, 2>;

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * params.tile;
    if (tid < 2u) {
        atomicStore(&found[tid], 0u);
    }
    workgroupBarrier();
    for (var j = tid; j < params.tile; j += WIDTH) {
        if (begin + j < params.n) {
            let sample = sample_at(begin + j, true);
            if (sample.class_ != NEITHER) {
                atomicAdd(&found[sample.class_], 1u);
            }
        }
    }
    workgroupBarrier();
    if (tid < 2u) {
        start[tid] = atomicAdd(&head[select(NEGATIVES, POSITIVES, tid == 1u)], atomicLoad(&found[tid]));
        atomicStore(&found[tid], 0u);
    }
    workgroupBarrier();
    for (var j = tid; j < params.tile; j += WIDTH) {
        if (begin + j < params.n) {
            let sample = sample_at(begin + j, false);
            if (sample.class_ != NEITHER) {
                let at = start[sample.class_] + atomicAdd(&found[sample.class_], 1u);
                if (at < params.capacity / STRIDE) {
                    let place = select(params.capacity / STRIDE - 1u - at, at, sample.class_ == 1u);
                    kept[place * STRIDE] = sample.word;
                    keep_weight(place, begin + j, sample.class_);
                }
            }
        }
    }
}
