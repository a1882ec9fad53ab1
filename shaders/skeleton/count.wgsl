// Counts the rows that a mean divides by, and the labels that are out of range, before the losses are
// computed; the same for the elements of an elementwise loss with weights. 4,096 a workgroup. Where there are weights,
// each leaves the sum of what the divisor adds up, and the same without class weights.

var<workgroup> seen: array<atomic<u32>, 2>;

// What an invocation has counted.
struct Tally {
    sum: f32,
    plain: f32,
    valid: u32,
    bad: u32,
    first_bad: u32,
}

fn tally(t: Tally, row: u32, label: u32) -> Tally {
    var out = t;
    if (row < params.rows && label < LABEL_BAD) {
        var w = 1.0;
        if (params.sum_weight != 0u) {
            w = bitcast<f32>(load_weight(row));
        }
        var c = 1.0;
        if (params.sum_class_weight != 0u) {
            c = load_column(label);
        }
        out.sum += w * c;
        out.plain += w;
        out.valid += 1u;
    } else if (row < params.rows && label == LABEL_BAD) {
        out.bad += 1u;
        out.first_bad = max(out.first_bad, ~(params.row0 + row));
    }
    return out;
}

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
            if (bad_weight(bitcast<u32>(load_column(c)))) {
                atomicAdd(&work.head[params.head + BAD_COLUMNS], 1u);
            }
        }
    }
    if (leaf >= params.leaves) {
        return;
    }
    if (tid < 2u) {
        atomicStore(&seen[tid], 0u);
    }
    workgroupBarrier();
    var all = Tally(0.0, 0.0, 0u, 0u, 0u);
    for (var b = 0u; b < 4096u; b += 16u * WIDTH) {
        var run = all;
        run.sum = 0.0;
        run.plain = 0.0;
        // Four labels are under way together.
        for (var j = 0u; j < 16u; j += 4u) {
            let row = leaf * 4096u + b + j * WIDTH + tid;
            let last = params.rows - 1u;
            let l0 = label_of(min(row, last));
            let l1 = label_of(min(row + WIDTH, last));
            let l2 = label_of(min(row + 2u * WIDTH, last));
            let l3 = label_of(min(row + 3u * WIDTH, last));
            run = tally(run, row, l0);
            run = tally(run, row + WIDTH, l1);
            run = tally(run, row + 2u * WIDTH, l2);
            run = tally(run, row + 3u * WIDTH, l3);
        }
        run.sum += all.sum;
        run.plain += all.plain;
        all = run;
    }
    if (all.bad > 0u) {
        atomicMax(&work.head[params.head + FIRST_BAD], all.first_bad);
        atomicAdd(&seen[1], all.bad);
    }
    atomicAdd(&seen[0], all.valid);
    if (params.counted == COUNTED_SUM) {
        let total = tree_sum(tid, all.sum);
        let plain_total = tree_sum(tid, all.plain);
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
