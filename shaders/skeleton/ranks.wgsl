// The class of a row's highest logit, and how many classes go before the true one: those with a higher logit, or with the same and
// a lower number. On the way of the statistic an invocation counts the logits that go before, and remembers the run of packs
// in which its highest first was.

struct Tally {
    rank: u32,
    top: f32,
    at: u32,
}

var<private> tally: Tally;

fn reset_ranks() {
    tally = Tally(0u, LOWEST, 0u);
}

struct Ranks {
    rank: u32,
    best: u32,
}

fn ranks_merge(a: Ranks, b: Ranks) -> Ranks {
    return Ranks(a.rank + b.rank, min(a.best, b.best));
}

fn logit_at(row: u32, col: u32) -> f32 {
    return bitcast<f32>(load_inputs(element_of(row, col)).a0);
}

fn say_rank(row: u32, lane: u32, tid: u32, x: RowContext, s: All, silent: bool) {
    var own = Ranks(tally.rank, 0xffffffffu);
    // Nobody else looks: a loop that ends at once.
    let packs = select(0u, RANK_PACKS, tally.top == s.s.m);
    for (var u = 0u; u < packs; u++) {
        for (var k = 0u; k < PACK; k++) {
            let col = tally.at + u * RANK_APART + k;
            if (col < mine.cols && logit_at(row, min(col, mine.cols - 1u)) == s.s.m) {
                own.best = min(own.best, col);
            }
        }
    }
    var all = merged_ranks(tid, own);
    if (lane != 0u || silent) {
        return;
    }
    // Equal ones before it in the pack of the true class.
    let label = x.c.label;
    for (var col = label / PACK * PACK; col < label && label < LABEL_BAD; col++) {
        all.rank += u32(logit_at(row, col) == x.c.r.x);
    }
    let at = params.stat0 + 2u * row;
    // A row with a NaN has none; where no logit is finite they are all the same.
    let nan = s.top > INF_BITS;
    work.leaves[at] = select(min(all.best, mine.cols), 0xffffffffu, nan);
    work.leaves[at + 1u] = all.rank;
}
