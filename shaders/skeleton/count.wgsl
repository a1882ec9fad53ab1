// Counts the rows that a mean divides by, and the labels that are out of range, before the losses are
// computed; the same for the elements of an elementwise loss with weights. 4,096 a workgroup. Where there are weights,
// each leaves the sum of what the divisor adds up, and the same without class weights.

var<workgroup> seen: array<atomic<u32>, 2>;

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    begin();
    let leaf = wid.y * nwg.x + wid.x;
    if (COLUMNS && params.row0 == 0u) {
        // The first dispatch looks at the class weights, all workgroups together.
        for (var c = leaf * WIDTH + tid; c < params.cols; c += nwg.x * nwg.y * WIDTH) {
            count(params.head, BAD_WEIGHTS, u32(bad_weight(bitcast<u32>(load_column(c)))));
        }
    }
    if (leaf >= params.leaves) {
        return;
    }
    if (tid < 2u) {
        atomicStore(&seen[tid], 0u);
    }
    workgroupBarrier();
    var sum = 0.0;
    var plain = 0.0;
    var valid = 0u;
    var bad = 0u;
    var first_bad = 0u;
    for (var b = 0u; b < 4096u; b += 16u * WIDTH) {
        var run = 0.0;
        var plain_run = 0.0;
        for (var j = 0u; j < 16u; j++) {
            let row = leaf * 4096u + b + j * WIDTH + tid;
            if (row < params.rows) {
                let label = label_of(row);
                if (label < LABEL_BAD) {
                    var w = 1.0;
                    if (params.sum_weight != 0u) {
                        w = bitcast<f32>(load_weight(row));
                    }
                    var c = 1.0;
                    if (params.sum_class_weight != 0u) {
                        c = load_column(label);
                    }
                    run += w * c;
                    plain_run += w;
                    valid += 1u;
                } else if (label == LABEL_BAD) {
                    bad += 1u;
                    first_bad = max(first_bad, ~(params.row0 + row));
                }
            }
        }
        sum += run;
        plain += plain_run;
    }
    if (bad > 0u) {
        atomicMax(&work.head[params.head + FIRST_BAD], first_bad);
        atomicAdd(&seen[1], bad);
    }
    atomicAdd(&seen[0], valid);
    if (params.counted == COUNTED_SUM) {
        let total = tree_sum(tid, sum);
        let plain_total = tree_sum(tid, plain);
        if (tid == 0u) {
            work.leaves[params.leaf0 + 2u * leaf] = bitcast<u32>(total);
            work.leaves[params.leaf0 + 2u * leaf + 1u] = bitcast<u32>(plain_total);
        }
    }
    workgroupBarrier();
    if (tid == 0u) {
        count(params.head, VALID, atomicLoad(&seen[0]));
        count(params.head, BAD_LABELS, atomicLoad(&seen[1]));
    }
}
