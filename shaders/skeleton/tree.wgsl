// Sums in a fixed order, so that a rerun gives the same bits.

var<workgroup> tree: array<f32, WIDTH / NEAR>;

// The sum of one number from each invocation: a tree of 8 levels for 256, of 5 for 32. Every invocation gets it, and
// within a subgroup by shuffles.
fn tree_sum(tid: u32, v: f32) -> f32 {
    var sum = v;
    for (var k = 1u; k < NEAR; k = k << 1u) {
        sum += beside(sum, k);
    }
    if (NEAR == WIDTH) {
        return sum;
    }
    if (tid % NEAR == 0u) {
        tree[tid / NEAR] = sum;
    }
    workgroupBarrier();
    for (var half = WIDTH / NEAR / 2u; half > 0u; half = half >> 1u) {
        if (tid < half) {
            tree[tid] += tree[tid + half];
        }
        workgroupBarrier();
    }
    let total = tree[0];
    workgroupBarrier();
    return total;
}

fn leaf(first: u32, stride: u32, j: u32, n: u32) -> f32 {
    return select(0.0, bitcast<f32>(work.leaves[first + min(j, n - 1u) * stride]), j < n);
}

// Sixteen leaves of one invocation, straight on: a loop would go round too often. Mesa's software driver ends every
// loop, without a word, once an invocation has been round 65,535 times in all.
fn leaf_run(first: u32, stride: u32, j: u32, n: u32) -> f32 {
    var a = leaf(first, stride, j, n);
    a += leaf(first, stride, j + 1u * WIDTH, n);
    a += leaf(first, stride, j + 2u * WIDTH, n);
    a += leaf(first, stride, j + 3u * WIDTH, n);
    a += leaf(first, stride, j + 4u * WIDTH, n);
    a += leaf(first, stride, j + 5u * WIDTH, n);
    a += leaf(first, stride, j + 6u * WIDTH, n);
    a += leaf(first, stride, j + 7u * WIDTH, n);
    a += leaf(first, stride, j + 8u * WIDTH, n);
    a += leaf(first, stride, j + 9u * WIDTH, n);
    a += leaf(first, stride, j + 10u * WIDTH, n);
    a += leaf(first, stride, j + 11u * WIDTH, n);
    a += leaf(first, stride, j + 12u * WIDTH, n);
    a += leaf(first, stride, j + 13u * WIDTH, n);
    a += leaf(first, stride, j + 14u * WIDTH, n);
    a += leaf(first, stride, j + 15u * WIDTH, n);
    return a;
}

// The sum of the n leaves at first, first + stride, …: every invocation adds its own in runs of 16, those
// in runs of 16 again, and so on, so that no number goes through many additions.
fn leaf_sum(tid: u32, first: u32, stride: u32, n: u32) -> f32 {
    var b = 0.0;
    var c = 0.0;
    var d = 0.0;
    var k = 0u;
    for (var j = tid; j < n; j += 64u * WIDTH) {
        b += leaf_run(first, stride, j, n);
        b += leaf_run(first, stride, j + 16u * WIDTH, n);
        b += leaf_run(first, stride, j + 32u * WIDTH, n);
        b += leaf_run(first, stride, j + 48u * WIDTH, n);
        k += 1u;
        if ((k & 3u) == 0u) {
            c += b;
            b = 0.0;
            if ((k & 63u) == 0u) {
                d += c;
                c = 0.0;
            }
        }
    }
    return tree_sum(tid, (b + c) + d);
}
