// Of scores, a row of them for each sample: the class of the highest was predicted, of equal ones the lowest.

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    clear_few(tid);
    let begin = (wid.y * nwg.x + wid.x) * ROWS;
    for (var j = tid; j < ROWS; j += WIDTH) {
        let i = begin + j;
        if (i < params.n) {
            let truth = class_of(i);
            if (truth != NEITHER) {
                let row = i * params.classes;
                let own = load_score(row + truth);
                var best = 0u;
                var best_word = 0u;
                var rank = 0u;
                var nan = NEITHER;
                for (var c = 0u; c < params.classes; c++) {
                    let score = load_score(row + c);
                    if (is_nan(score) && nan == NEITHER) {
                        nan = row + c;
                    }
                    let word = order_of(score);
                    if (c == 0u || word > best_word) {
                        best = c;
                        best_word = word;
                    }
                    let mine = order_of(own);
                    rank += u32(word > mine || (word == mine && c < truth));
                }
                if (nan != NEITHER) {
                    atomicAdd(&counts[2], 1u);
                    atomicMax(&counts[3], 0xffffffffu - (params.first * params.classes + nan));
                } else {
                    count_slot(truth * params.classes + best, tid);
                    count_slot(cells() + rank, tid);
                }
            }
        }
    }
    flush_few(tid);
}
