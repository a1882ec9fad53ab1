// In place of a batch: samples that a loss has loaded, an input and its target, one element after the other.

// The class of a sample that does not count.
const NEITHER: u32 = 0xffffffffu;

var<private> carried_input: u32;
var<private> carried_target: u32;
// The number of this invocation.
var<private> carried_by: u32;

fn load_score(at: u32) -> u32 {
    return carried_input;
}

fn load_truth(at: u32) -> u32 {
    return carried_target;
}

// Of targets that are classes: 1 and 0 as they are, anything between is none.
fn class_among(at: u32, classes: u32, says: bool) -> u32 {
    if (carried_target == 0x3f800000u) {
        return 1u;
    }
    if ((carried_target & 0x7fffffffu) == 0u) {
        return 0u;
    }
    bad_label(at);
    return NEITHER;
}

fn bad_label(at: u32) {
    atomicAdd(&head[0], 1u);
    atomicMax(&head[1], 0xffffffffu - (params.first + at));
}

fn bad_input(at: u32) {
    atomicAdd(&head[2], 1u);
    atomicMax(&head[3], 0xffffffffu - (params.first + at));
}

fn begin_counting(tid: u32) {
    carried_by = tid;
    clear_few(tid);
}
