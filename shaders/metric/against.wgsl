// A class against all others, of logits: x_c less the log-sum-exp of the others orders as its probability does, and does not
// saturate. 0 where both are the same.

fn load_score(at: u32) -> u32 {
    let own = load_logit(at);
    let row = params.off_shared + 4u * (at / params.each);
    let top = shared_rows[row];
    if (!finite_bits(top)) {
        // A NaN; or what the state that counts refuses.
        return top;
    }
    if (order(bitcast<f32>(own), bitcast<f32>(top)) == 0.0) {
        // The highest, or one as high: the others are the same numbers.
        let second = shared_rows[row + 2u];
        if (!finite_bits(second)) {
            // All others are -inf.
            return 0x7f800000u;
        }
        return bitcast<u32>((bitcast<f32>(own) - bitcast<f32>(second)) - bitcast<f32>(shared_rows[row + 3u]));
    }
    if (!finite_bits(own)) {
        return own;
    }
    let gap = bitcast<f32>(own) - bitcast<f32>(top);
    // Without its own part; never below what rounding leaves of nothing.
    let others = max(bitcast<f32>(shared_rows[row + 1u]) - exp_fine(max(gap, -200.0)), 0.0);
    return bitcast<u32>(gap - ln_1p(others));
}

fn is_nan(b: u32) -> bool {
    return nan_bits(b);
}
