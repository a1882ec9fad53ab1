// The class of a row's highest logit, and how many classes go before the true one: those with a higher logit, or with the same and
// a lower number; and what the probabilities follow of: the highest logit m, the true one, and the statistic's Σ exp(x - m), which is 0
// where no logit is finite. On the way of the statistic an invocation counts the logits that go before, and remembers the run of packs
// in which its highest first was.

struct Tally {
    rank: u32,
    top: f32,
    at: u32,
    // What logits have to be above: the true one, and where equal ones go before, the number below it.
    above: f32,
    reach: f32,
}

var<private> tally: Tally;

fn reset_ranks(x: RowContext) {
    let b = bitcast<u32>(x.c.r.x);
    let below = select(b - 1u, b + 1u, b >= 0x80000000u);
    tally = Tally(0u, LOWEST, 0u, x.c.r.x, bitcast<f32>(below));
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

// The share of an invocation, by bits: below 0 and the subnormals a device may find nothing, and nothing is below -inf.
fn careful_rank(row: u32, lane: u32, x: RowContext) -> u32 {
    var rank = 0u;
    let first = share_begin(lane);
    for (var p = 0u; first + p / SIDE * (SIDE * STEP) + p % SIDE * PACK < mine.cols; p++) {
        let c = first + p / SIDE * (SIDE * STEP) + p % SIDE * PACK;
        for (var col = c; col < min(c + PACK, mine.cols); col++) {
            let side = order(logit_at(row, col), x.c.r.x);
            rank += u32(side > 0.0 || (side == 0.0 && col < x.c.label));
        }
    }
    return rank;
}

fn say_rank(row: u32, lane: u32, tid: u32, x: RowContext, s: All, silent: bool) {
    var own = Ranks(tally.rank, 0xffffffffu);
    let label = x.c.label;
    let size = bitcast<u32>(x.c.r.x) & 0x7fffffffu;
    let careful = size < 0x00800000u || !finite_bits(size);
    if (careful && label < LABEL_BAD) {
        own.rank = careful_rank(row, lane, x);
    }
    // Nobody else looks.
    if (tally.top == s.s.m) {
        own.best = best_of_run(row, tally.at, mine.cols, s.s.m);
    }
    var all = merged_ranks(tid, own);
    if (lane != 0u || silent) {
        return;
    }
    if (!careful) {
        // Equal ones before it in the pack of the true class.
        for (var col = label / PACK * PACK; col < label && label < LABEL_BAD; col++) {
            all.rank += u32(logit_at(row, col) == x.c.r.x);
        }
    }
    let at = params.stat0 + RANK_WORDS * row;
    // A row with a NaN has none; where no logit is finite they are all the same.
    let nan = s.top > INF_BITS;
    work.leaves[at] = select(min(all.best, mine.cols), 0xffffffffu, nan);
    work.leaves[at + 1u] = all.rank;
    work.leaves[at + 2u] = bitcast<u32>(s.s.m);
    work.leaves[at + 3u] = bitcast<u32>(x.c.r.x);
    work.leaves[at + 4u] = bitcast<u32>(s.s.s);
}
