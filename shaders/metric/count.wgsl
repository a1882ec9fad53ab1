// Counts samples in slots of 64 bits: `counts` begins with the low words of all slots; where the high ones are, `add_high` says.

// What the low word carries goes into the high one; n has a sign, and negative counts are two's complements.
fn add_count(slot: u32, n: u32) {
    let before = atomicAdd(&counts[slot], n);
    let high = u32(before + n < before) - (n >> 31u);
    if (high != 0u) {
        add_high(slot, high);
    }
}

// Few slots are counted in the workgroup first, in as many copies as there is room for: or else everybody would add to the
// same few words.
const FEW: u32 = 2048u;
var<workgroup> few: array<atomic<u32>, FEW>;

fn copies() -> u32 {
    // Few invocations: an adapter on the CPU, which takes them one after the other and waits for nobody.
    if (WIDTH <= 8u) {
        return 1u;
    }
    return max(1u, min(WIDTH, FEW / max(slots(), 1u)));
}

fn clear_few(tid: u32) {
    for (var c = tid; c < min(FEW, copies() * slots()); c += WIDTH) {
        atomicStore(&few[c], 0u);
    }
    workgroupBarrier();
}

fn count_by(slot: u32, n: u32, tid: u32) {
    if (slots() <= FEW) {
        atomicAdd(&few[tid % copies() * slots() + slot], n);
    } else {
        add_count(slot, n);
    }
}

fn count_slot(slot: u32, tid: u32) {
    count_by(slot, 1u, tid);
}

fn flush_few(tid: u32) {
    settle(tid);
    workgroupBarrier();
    if (slots() <= FEW) {
        for (var c = tid; c < slots(); c += WIDTH) {
            var sum = 0u;
            for (var k = 0u; k < copies(); k++) {
                sum += atomicLoad(&few[k * slots() + c]);
            }
            if (sum != 0u) {
                add_count(c, sum);
            }
        }
    }
}
