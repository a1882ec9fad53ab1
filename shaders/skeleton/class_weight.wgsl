// Class weights that balance classes, from labels: how often each class occurs, how many labels and classes that are,
// and n / (present·count) for each, rounded to the nearest f32 on every device.

@group(0) @binding(1) var<storage, read> labels: array<u32>;
// One count a class, then all labels that count, then the classes that occur.
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> weights: array<u32>;

// Few classes are counted in the workgroup first, so that not every label goes to the same few words.
const FEW: u32 = 2048u;
var<workgroup> few: array<atomic<u32>, FEW>;
var<workgroup> sums: array<atomic<u32>, 2>;

@compute @workgroup_size(256)
fn tally(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    for (var c = tid; c < FEW; c += 256u) {
        atomicStore(&few[c], 0u);
    }
    workgroupBarrier();
    let first = (wid.y * nwg.x + wid.x) * 4096u;
    for (var j = tid; j < 4096u; j += 256u) {
        let i = first + j;
        if (i < params.n) {
            let l = load_label(params.off_labels + i);
            let ignored = params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi;
            if (!ignored && l.y == 0u && l.x < params.classes) {
                if (params.classes <= FEW) {
                    atomicAdd(&few[l.x], 1u);
                } else {
                    atomicAdd(&counts[l.x], 1u);
                }
            }
        }
    }
    workgroupBarrier();
    if (params.classes <= FEW) {
        for (var c = tid; c < params.classes; c += 256u) {
            let n = atomicLoad(&few[c]);
            if (n > 0u) {
                atomicAdd(&counts[c], n);
            }
        }
    }
}

@compute @workgroup_size(256)
fn total(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    if (tid < 2u) {
        atomicStore(&sums[tid], 0u);
    }
    workgroupBarrier();
    let first = (wid.y * nwg.x + wid.x) * 4096u;
    var n = 0u;
    var present = 0u;
    for (var j = tid; j < 4096u; j += 256u) {
        if (first + j < params.classes) {
            let count = atomicLoad(&counts[first + j]);
            n += count;
            present += u32(count > 0u);
        }
    }
    atomicAdd(&sums[0], n);
    atomicAdd(&sums[1], present);
    workgroupBarrier();
    if (tid < 2u) {
        atomicAdd(&counts[params.classes + tid], atomicLoad(&sums[tid]));
    }
}

// 64-bit numbers, low word first.

fn wide_bits(a: vec2<u32>) -> u32 {
    return select(32u - countLeadingZeros(a.x), 64u - countLeadingZeros(a.y), a.y != 0u);
}

fn wide_double(a: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x << 1u, (a.y << 1u) | (a.x >> 31u));
}

fn wide_less(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn wide_difference(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

// The f32 nearest to n / (present·count), ties to even, by long division: a division of floats is only good to 2.5 ulp,
// and not the same everywhere. present·count is below 2^62, because all counts add up to n < 2^32.
fn quotient(n: u32, present: u32, count: u32) -> u32 {
    var a = vec2<u32>(n, 0u);
    var b = mul32(present, count);
    var d = i32(wide_bits(a)) - i32(wide_bits(b));
    for (var k = 0; k < d; k++) {
        b = wide_double(b);
    }
    for (var k = d; k < 0; k++) {
        a = wide_double(a);
    }
    if (wide_less(a, b)) {
        a = wide_double(a);
        d -= 1;
    }
    // a/b is in [1, 2): 24 bits of it and one for rounding.
    var rest = wide_difference(a, b);
    var q = 1u;
    for (var k = 0; k < 24; k++) {
        rest = wide_double(rest);
        q = q << 1u;
        if (!wide_less(rest, b)) {
            rest = wide_difference(rest, b);
            q |= 1u;
        }
    }
    let half = (q & 1u) == 1u;
    q = q >> 1u;
    if (half && ((rest.x | rest.y) != 0u || (q & 1u) == 1u)) {
        q += 1u;
    }
    // A carry into 2^24 makes the exponent one more.
    return (u32(d + 127) << 23u) + (q - 0x00800000u);
}

@compute @workgroup_size(256)
fn weigh(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let c = (wid.y * nwg.x + wid.x) * 256u + tid;
    if (c >= params.classes) {
        return;
    }
    let count = atomicLoad(&counts[c]);
    var bits = 0u;
    if (count > 0u) {
        bits = quotient(atomicLoad(&counts[params.classes]), atomicLoad(&counts[params.classes + 1u]), count);
    }
    weights[params.off_weights + c] = bits;
}
