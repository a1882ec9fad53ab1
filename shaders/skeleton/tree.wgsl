// Sums in a fixed order, so that a rerun gives the same bits.

var<workgroup> tree: array<f32, 256>;

// The sum of one number from each of 256 invocations: a tree of 8 levels. Every invocation gets it.
fn tree_sum(tid: u32, v: f32) -> f32 {
    tree[tid] = v;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half = half >> 1u) {
        if (tid < half) {
            tree[tid] += tree[tid + half];
        }
        workgroupBarrier();
    }
    let total = tree[0];
    workgroupBarrier();
    return total;
}

// The sum of the n leaves at first, first + stride, …: every invocation adds its own in runs of 16, those
// in runs of 16 again, and so on, so that no number goes through many additions.
fn leaf_sum(tid: u32, first: u32, stride: u32, n: u32) -> f32 {
    var a = 0.0;
    var b = 0.0;
    var c = 0.0;
    var d = 0.0;
    var k = 0u;
    for (var j = tid; j < n; j += 256u) {
        a += bitcast<f32>(work.leaves[first + j * stride]);
        k += 1u;
        if ((k & 15u) == 0u) {
            b += a;
            a = 0.0;
            if ((k & 255u) == 0u) {
                c += b;
                b = 0.0;
                if ((k & 4095u) == 0u) {
                    d += c;
                    c = 0.0;
                }
            }
        }
    }
    return tree_sum(tid, ((a + b) + c) + d);
}
