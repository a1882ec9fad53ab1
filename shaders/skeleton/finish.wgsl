// Adds the leaves of a loss up and divides; and adds the loss to the sum of all.

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) tid: u32) {
    begin();
    let sum = leaf_sum(tid, params.leaf0, 1u, params.leaves);
    if (tid == 0u) {
        var loss = 0u;
        if (!nothing_counts(params.head, params.counted)) {
            loss = bitcast<u32>(sum / divisor_of(params.head, params.counted, params.divisor));
            let seen = atomicLoad(&work.head[params.head + SEEN]);
            if (seen == SEEN_INF) {
                loss = INF_BITS;
            } else if (seen == SEEN_NEG_INF) {
                loss = INF_BITS | 0x80000000u;
            } else if (seen != 0u) {
                loss = NAN_BITS;
            }
        }
        atomicStore(&work.head[params.head + LOSS], loss);
        var share = bitcast<u32>(params.scale * bitcast<f32>(loss));
        if (!finite_bits(loss)) {
            // Times a negative number an infinity turns round, times 0 it is none.
            let turned = select(loss, loss ^ 0x80000000u, params.scale < 0.0);
            share = select(turned, NAN_BITS, nan_bits(loss) || params.scale == 0.0);
        }
        let total = add_bits(atomicLoad(&work.head[TOTAL]), share);
        atomicStore(&work.head[TOTAL], total);
    }
}
