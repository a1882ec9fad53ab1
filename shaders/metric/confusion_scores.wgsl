// Of scores, a row of them for each sample: the class of the highest was predicted, of equal ones the lowest.

fn count_sample(i: u32, truth: u32, tid: u32) {
    let row = i * params.extent;
    let own = order_of(load_score(row + truth));
    var best = 0u;
    var best_word = 0u;
    var rank = 0u;
    var nan = NEITHER;
    for (var c = 0u; c < params.extent; c++) {
        let score = load_score(row + c);
        if (is_nan(score) && nan == NEITHER) {
            nan = row + c;
        }
        let word = order_of(score);
        if (c == 0u || word > best_word) {
            best = c;
            best_word = word;
        }
        rank += u32(word > own || (word == own && c < truth));
    }
    if (nan != NEITHER) {
        bad_input(params.first * params.extent + nan);
    } else {
        count_slot(truth * params.extent + best, tid);
        count_slot(cells() + rank, tid);
    }
}
