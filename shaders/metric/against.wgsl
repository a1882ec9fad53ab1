// A class against all others, of logits: x_c less the log-sum-exp of the others orders as its probability does, and does not
// saturate. 0 where both are the same, also where both are infinite.

fn load_score(at: u32) -> u32 {
    let column = at % params.each;
    let row = at - column;
    let own = load_logit(at);
    var top = 0xff800000u;
    for (var c = 0u; c < params.each; c++) {
        let b = load_logit(row + c);
        if (nan_bits(b)) {
            return b;
        }
        if (c != column && order(bitcast<f32>(b), bitcast<f32>(top)) > 0.0) {
            top = b;
        }
    }
    if (!finite_bits(top)) {
        return select(top ^ 0x80000000u, 0u, own == top);
    }
    if (!finite_bits(own)) {
        return own;
    }
    // Blocks of sums, so that no number goes through many additions.
    var sum = 0.0;
    var block = 0.0;
    for (var c = 0u; c < params.each; c++) {
        let b = load_logit(row + c);
        if (c != column && finite_bits(b)) {
            block += exp_fine(max(bitcast<f32>(b) - bitcast<f32>(top), -200.0));
        }
        if ((c & 31u) == 31u) {
            sum += block;
            block = 0.0;
        }
    }
    return bitcast<u32>((bitcast<f32>(own) - bitcast<f32>(top)) - ln(sum + block));
}

fn is_nan(b: u32) -> bool {
    return nan_bits(b);
}
