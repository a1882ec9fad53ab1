// Counts what was predicted for what is true, and, from scores, how many classes go before the true one.

struct ConfusionParams {
    // Samples of this dispatch, and the number of the first of them in the batch.
    n: u32,
    first: u32,
    classes: u32,
    off_input: u32,
    off_labels: u32,
    has_ignore: u32,
    ignore_lo: u32,
    ignore_hi: u32,
}

@group(0) @binding(0) var<uniform> params: ConfusionParams;
@group(0) @binding(1) var<storage, read> inputs: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// Bad labels and the first of them, counted down from the largest number; the same of bad predictions or NaNs. Then the low words of all cells, true class after true class, and of all ranks; then the high
// words of both.
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

const NEITHER: u32 = 0xffffffffu;
const HEAD: u32 = 8u;

fn cells() -> u32 {
    return params.classes * params.classes;
}

// Cells and ranks.
fn slots() -> u32 {
    return cells() + params.classes;
}

// What the low word carries goes into the high one.
fn add_count(slot: u32, n: u32) {
    let before = atomicAdd(&counts[HEAD + slot], n);
    if (before + n < before) {
        atomicAdd(&counts[HEAD + slots() + slot], 1u);
    }
}

// The true class of a sample that counts.
fn class_of(i: u32) -> u32 {
    let l = load_label(params.off_labels + i);
    if (params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi) {
        return NEITHER;
    }
    if (l.y != 0u || l.x >= params.classes) {
        atomicAdd(&counts[0], 1u);
        atomicMax(&counts[1], 0xffffffffu - (params.first + i));
        return NEITHER;
    }
    return l.x;
}

// Few slots are counted in the workgroup first, in as many copies as there is room for: or else everybody would add to the
// same few words.
const FEW: u32 = 2048u;
var<workgroup> few: array<atomic<u32>, FEW>;

fn copies() -> u32 {
    return max(1u, min(WIDTH, FEW / max(slots(), 1u)));
}

fn clear_few(tid: u32) {
    for (var c = tid; c < FEW; c += WIDTH) {
        atomicStore(&few[c], 0u);
    }
    workgroupBarrier();
}

fn count_slot(slot: u32, tid: u32) {
    if (slots() <= FEW) {
        atomicAdd(&few[tid % copies() * slots() + slot], 1u);
    } else {
        add_count(slot, 1u);
    }
}

fn flush_few(tid: u32) {
    workgroupBarrier();
    if (slots() <= FEW) {
        for (var c = tid; c < slots(); c += WIDTH) {
            var sum = 0u;
            for (var k = 0u; k < copies(); k++) {
                sum += atomicLoad(&few[k * slots() + c]);
            }
            if (sum > 0u) {
                add_count(c, sum);
            }
        }
    }
}
