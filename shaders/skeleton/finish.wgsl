// Adds the leaves of a loss up and divides; and adds the loss to the sum of all.

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) tid: u32) {
    begin();
    // First, so that it is under way while the sum is.
    let nothing = nothing_counts(params.head, params.counted);
    let divisor = divisor_of(params.head, params.counted, params.divisor);
    let seen = atomicLoad(&work.head[params.head + SEEN]);
    let before = atomicLoad(&work.head[TOTAL]);
    let sum = leaf_sum(tid, params.leaf0, 1u, params.leaves);
    if (tid == 0u) {
        var loss = 0u;
        if (!nothing) {
            loss = bitcast<u32>(sum / divisor);
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
        atomicStore(&work.head[TOTAL], add_bits(before, share));
    }
}
