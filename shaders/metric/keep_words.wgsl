// Of f32 every score is kept as a word that orders as the score does: those of positive samples from the front of the
// buffer on, those of negative ones from its back.

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
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    if (tid < 2u) {
        atomicStore(&found[tid], 0u);
    }
    workgroupBarrier();
    for (var j = tid; j < TILE; j += WIDTH) {
        if (begin + j < params.n) {
            let class_ = class_of(begin + j);
            if (class_ != NEITHER) {
                atomicAdd(&found[class_], 1u);
            }
        }
    }
    workgroupBarrier();
    if (tid < 2u) {
        // Negative ones are number 1 of the head.
        start[tid] = atomicAdd(&head[1u - tid], atomicLoad(&found[tid]));
        atomicStore(&found[tid], 0u);
    }
    workgroupBarrier();
    for (var j = tid; j < TILE; j += WIDTH) {
        let i = begin + j;
        if (i < params.n) {
            let l = load_label(params.off_labels + i);
            let ignored = params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi;
            let score = load_score(i);
            if (!ignored && l.y == 0u && l.x <= 1u && !is_nan(score)) {
                let at = start[l.x] + atomicAdd(&found[l.x], 1u);
                if (at < params.capacity) {
                    kept[select(params.capacity - 1u - at, at, l.x == 1u)] = order_of(score);
                }
            }
        }
    }
}
