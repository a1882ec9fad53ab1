// What sorted samples weigh together, up to each of them and with it, as whole numbers: in units of 2^-room of a unit in the last
// place of the largest weight of their class. A weight that is at least 2^-room of that has no rounding; room is such that no sum has 64 bits.

@group(0) @binding(1) var<storage, read> head: array<u32>;
@group(0) @binding(2) var<storage, read> words: array<u32>;
@group(0) @binding(3) var<storage, read_write> masses: array<u32>;
// One sum for every tile.
@group(0) @binding(4) var<storage, read_write> sums: array<u32>;

const EACH: u32 = TILE / WIDTH;

var<workgroup> columns: array<vec2<u32>, WIDTH>;

fn units(i: u32) -> vec2<u32> {
    let b = words[i * STRIDE + 1u];
    let e = max(b >> 23u, 1u);
    let mantissa = (b & 0x007fffffu) | select(0x00800000u, 0u, b < 0x00800000u);
    // The largest exponent is at least this one.
    let largest = head[select(7u, 6u, i < head[POSITIVES])];
    let down = max(largest >> 23u, 1u) - e;
    if (down > params.room) {
        let by = min(down - params.room, 31u);
        return vec2<u32>((mantissa + (1u << (by - 1u))) >> by, 0u);
    }
    let by = params.room - down;
    let low = by & 31u;
    let one = vec2<u32>(mantissa << low, (mantissa >> 1u) >> (31u - low));
    return select(one, vec2<u32>(0u, one.x), by >= 32u);
}

fn share_of(tile: u32, tid: u32, end: u32) -> vec2<u32> {
    let first = tile * TILE + tid * EACH;
    var sum = vec2<u32>(0u);
    for (var j = 0u; j < EACH; j++) {
        if (first + j < end) {
            sum = add64(sum, units(first + j));
        }
    }
    return sum;
}

// The sum of `x` of the invocations before this one.
fn before(tid: u32, x: vec2<u32>) -> vec2<u32> {
    columns[tid] = x;
    workgroupBarrier();
    var sum = vec2<u32>(0u);
    for (var t = 0u; t < tid; t++) {
        sum = add64(sum, columns[t]);
    }
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(WIDTH)
fn tile_sums(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let tile = wid.y * nwg.x + wid.x;
    let own = share_of(tile, tid, head[POSITIVES] + head[NEGATIVES]);
    let sum = add64(before(tid, own), own);
    if (tid == WIDTH - 1u && tile < params.tiles) {
        sums[2u * tile] = sum.x;
        sums[2u * tile + 1u] = sum.y;
    }
}

// One workgroup: what lies before every tile.
@compute @workgroup_size(WIDTH)
fn tile_starts(@builtin(local_invocation_index) tid: u32) {
    let each = (params.tiles + WIDTH - 1u) / WIDTH;
    let first = tid * each;
    let end = min(first + each, params.tiles);
    var sum = vec2<u32>(0u);
    for (var t = first; t < end; t++) {
        sum = add64(sum, vec2<u32>(sums[2u * t], sums[2u * t + 1u]));
    }
    var start = before(tid, sum);
    for (var t = first; t < end; t++) {
        let here = vec2<u32>(sums[2u * t], sums[2u * t + 1u]);
        sums[2u * t] = start.x;
        sums[2u * t + 1u] = start.y;
        start = add64(start, here);
    }
}

@compute @workgroup_size(WIDTH)
fn mass(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let tile = wid.y * nwg.x + wid.x;
    let end = head[POSITIVES] + head[NEGATIVES];
    var sum = before(tid, share_of(tile, tid, end));
    if (tile >= params.tiles) {
        return;
    }
    sum = add64(sum, vec2<u32>(sums[2u * tile], sums[2u * tile + 1u]));
    let first = tile * TILE + tid * EACH;
    for (var j = 0u; j < EACH; j++) {
        let i = first + j;
        if (i < end) {
            sum = add64(sum, units(i));
            masses[2u * i] = sum.x;
            masses[2u * i + 1u] = sum.y;
        }
    }
}
