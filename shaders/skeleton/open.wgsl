// Begins an evaluation: what was found before is forgotten, and the numbers that come from elsewhere on the device take
// their places in the work buffer.

// Whether a word was counted before micro-batches are evaluated.
fn counted(i: u32) -> bool {
    return i < NON_FINITE || i == FIRST_BAD || i == BAD_COLUMNS;
}

@compute @workgroup_size(64)
fn open(@builtin(local_invocation_index) tid: u32) {
    for (var k = tid; k < params.heads; k += 64u) {
        for (var i = 0u; i < HEAD; i++) {
            if (!(SHARED && counted(i))) {
                work[k * HEAD + i] = 0u;
            }
        }
        if (k == 0u) {
            work[UPSTREAM] = upstream();
        }
        work[k * HEAD + DIVISOR] = shared_word(k * SHARED_HEAD + DIVISOR);
        work[k * HEAD + UNWEIGHTED] = shared_word(k * SHARED_HEAD + UNWEIGHTED);
    }
}
