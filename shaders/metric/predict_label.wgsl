// What was predicted, in labels of 0 and 1.
fn predict(at: u32, says: bool) -> u32 {
    let p = load_prediction(params.off_input + at);
    if (p.y != 0u || p.x > 1u) {
        if (says) {
            bad_input(at);
        }
        return NEITHER;
    }
    return p.x;
}
