// Counts what was predicted for what is true, and, from scores, how many classes go before the true one.

// The low words of all cells, true class after true class, and of all ranks; then the high words of both.
@group(0) @binding(4) var<storage, read_write> counts: array<atomic<u32>>;

fn cells() -> u32 {
    return params.extent * params.extent;
}

// Cells and ranks.
fn slots() -> u32 {
    return cells() + params.extent;
}

// What the low word carries goes into the high one.
fn add_count(slot: u32, n: u32) {
    let before = atomicAdd(&counts[slot], n);
    if (before + n < before) {
        atomicAdd(&counts[slots() + slot], 1u);
    }
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

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    clear_few(tid);
    let begin = (wid.y * nwg.x + wid.x) * TILE;
    for (var j = tid; j < TILE; j += WIDTH) {
        if (begin + j < params.n) {
            let truth = class_among(begin + j, params.extent, true);
            if (truth != NEITHER) {
                count_sample(begin + j, truth, tid);
            }
        }
    }
    flush_few(tid);
}
