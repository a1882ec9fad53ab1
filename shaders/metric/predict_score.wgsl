// What was predicted, by scores that reach the threshold or not.
fn predict(at: u32, says: bool) -> u32 {
    let b = load_score(at);
    // -0 is a probability.
    if (nan_bits(b) || (KIND == PROBS && b > 0x3f800000u && b != 0x80000000u)) {
        if (says) {
            bad_input(at);
        }
        return NEITHER;
    }
    // By bits, as scores are ordered.
    return u32(order(bitcast<f32>(b), bitcast<f32>(params.extent)) >= 0.0);
}
