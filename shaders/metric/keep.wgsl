// Scores and labels, of which one is called positive.

struct Sample {
    // 1, 0 or NEITHER.
    class_: u32,
    // What orders as the score does.
    word: u32,
}

// Of a sample that is looked at twice, what is wrong is said once.
fn sample_at(i: u32, says: bool) -> Sample {
    let label = class_among(i * params.label_each + params.label_column, params.extent, says);
    var out = Sample(label, 0u);
    if (label != NEITHER) {
        out.class_ = u32(label == params.positive);
        let score = load_score(i * params.each + params.column);
        out.word = order_of(score);
        if (is_nan(score)) {
            out.class_ = NEITHER;
            if (says) {
                bad_input(i * params.each + params.column);
            }
        }
        if (!weighs(i)) {
            out.class_ = NEITHER;
        }
    }
    return out;
}
