// A batch of samples, and what is wrong with it.

@group(0) @binding(1) var<storage, read> inputs: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// Bad labels and the first of them, counted down from the largest number; the same of bad input. What follows is the
// state's.
@group(0) @binding(3) var<storage, read_write> head: array<atomic<u32>>;

// The class of a sample that does not count.
const NEITHER: u32 = 0xffffffffu;

fn ignored(l: vec2<u32>) -> bool {
    return params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi;
}

// The class at a place among the labels; a label that is none is counted, unless that was done before.
fn class_among(at: u32, classes: u32, says: bool) -> u32 {
    let l = load_label(params.off_labels + at);
    if (l.y == 0u && l.x < classes && !ignored(l)) {
        return l.x;
    }
    if (says && !ignored(l)) {
        bad_label(at);
    }
    return NEITHER;
}

fn bad_label(at: u32) {
    atomicAdd(&head[0], 1u);
    atomicMax(&head[1], 0xffffffffu - (params.first * params.label_each + at));
}

// `at` is a place among the numbers of the input.
fn bad_input(at: u32) {
    bad_place(params.first * params.each + at);
}

fn bad_place(place: u32) {
    atomicAdd(&head[2], 1u);
    atomicMax(&head[3], 0xffffffffu - place);
}
