// What micro-batches share, a head for each loss: what their losses are divided by, and what came of all of them so far.

fn add_wide(at: u32, low: u32, high: u32) {
    let sum = totals[at] + low;
    totals[at + 1u] += high + u32(sum < low);
    totals[at] = sum;
}

fn number_at(at: u32) -> f32 {
    return bitcast<f32>(totals[at]);
}

// Adds what one loss has counted in this micro-batch.
fn tally() {
    let here = params.head * HEAD;
    let there = params.head * SHARED_HEAD;
    totals[there + TALLIES] += 1u;
    if (totals[there + EVALUATIONS] != 0u) {
        totals[there + LATE] = 1u;
    }
    var valid = vec2<u32>(params.valid, params.valid_high);
    if (params.judged != 0u) {
        valid = vec2<u32>(work[here + VALID], work[here + VALID + 1u]);
    }
    add_wide(there + VALID, valid.x, valid.y);
    add_wide(there + BAD_LABELS, work[here + BAD_LABELS], work[here + BAD_LABELS + 1u]);
    add_wide(there + BAD_WEIGHTS, work[here + BAD_COLUMNS], 0u);
    let complement = work[here + FIRST_BAD];
    if (complement != 0u && (totals[there + BAD_ROW] | totals[there + BAD_ROW + 1u]) == 0u) {
        // One more than the row, counted on from the micro-batches before.
        add_wide(there + BAD_ROW, ~complement + 1u, 0u);
        add_wide(there + BAD_ROW, totals[there + ROWS], totals[there + ROWS + 1u]);
    }
    add_wide(there + ROWS, params.rows, 0u);
    var unweighted = 1.0;
    if (params.counted == COUNTED_SUM) {
        let sum = number_at(there + DIVISOR) + bitcast<f32>(work[here + DIVISOR]);
        let plain = number_at(there + PLAIN_SUM) + bitcast<f32>(work[here + PLAIN]);
        totals[there + DIVISOR] = bitcast<u32>(sum);
        totals[there + PLAIN_SUM] = bitcast<u32>(plain);
        unweighted = 0.0;
        if (plain > 0.0) {
            unweighted = sum / plain;
        }
    } else {
        var count = vec2<u32>(params.divisor, params.divisor_high);
        if (params.counted == COUNTED_VALID) {
            count = valid;
        }
        add_wide(there + COUNT, count.x, count.y);
        let all = 4294967296.0 * f32(totals[there + COUNT + 1u]) + f32(totals[there + COUNT]);
        totals[there + DIVISOR] = bitcast<u32>(all);
    }
    totals[there + UNWEIGHTED] = bitcast<u32>(unweighted);
}

// Adds what an evaluation has found.
fn add() {
    for (var k = 0u; k < params.heads; k++) {
        let here = k * HEAD;
        let there = k * SHARED_HEAD;
        add_wide(there + NON_FINITE, work[here + NON_FINITE], work[here + NON_FINITE + 1u]);
        add_wide(there + BAD_WEIGHTS, work[here + BAD_WEIGHTS], work[here + BAD_WEIGHTS + 1u]);
        totals[there + EVALUATIONS] += 1u;
        totals[there + LOSS] = add_bits(totals[there + LOSS], work[here + LOSS]);
    }
    totals[TOTAL] = add_bits(totals[TOTAL], work[TOTAL]);
}

@compute @workgroup_size(1)
fn share() {
    if (params.heads == 0u) {
        tally();
    } else {
        add();
    }
}
