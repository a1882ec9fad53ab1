// Scores and labels of two classes.

struct Sample {
    // 1, 0 or NEITHER.
    class_: u32,
    // What orders as the score does.
    word: u32,
}

// Of a sample that is looked at twice, what is wrong is said once.
fn sample_at(i: u32, says: bool) -> Sample {
    var out = Sample(class_among(i, 2u, says), 0u);
    if (out.class_ != NEITHER) {
        let score = load_score(i);
        out.word = order_of(score);
        if (is_nan(score)) {
            out.class_ = NEITHER;
            if (says) {
                bad_input(params.first + i);
            }
        }
    }
    return out;
}
