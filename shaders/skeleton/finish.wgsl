// Adds the leaves up and divides.

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) tid: u32) {
    let sum = leaf_sum(tid, 0u, 1u, params.leaves);
    if (tid == 0u) {
        var loss = 0u;
        if (!nothing_counts()) {
            loss = bitcast<u32>(sum / divisor());
            let seen = atomicLoad(&work.counters[SEEN]);
            if (seen == SEEN_INF) {
                loss = INF_BITS;
            } else if (seen == SEEN_NEG_INF) {
                loss = INF_BITS | 0x80000000u;
            } else if (seen != 0u) {
                loss = NAN_BITS;
            }
        }
        work.loss = loss;
    }
}
