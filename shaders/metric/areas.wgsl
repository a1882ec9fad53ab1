// The areas under the ROC and the precision-recall curve, of sorted scores or of counted ones, as whole numbers: twice the
// pairs of a positive and a negative sample that are in order, ties once; and the sum over positive samples of the
// precision at their score, in units of 2^-60. Whole numbers add up in any order to the same. A pair of samples with weights
// counts what they weigh, the one times the other.

@group(0) @binding(1) var<storage, read> head: array<u32>;
// Sorted words: positive samples', then negative ones'; or counts: negative samples', positive ones', and the high words
// of both.
@group(0) @binding(2) var<storage, read> words: array<u32>;
// Four words for twice the pairs, four for the precisions; then positive and negative samples, two each. After them the
// sums of each workgroup.
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const HEAD: u32 = 12u;

struct Sums {
    pairs: vec4<u32>,
    precisions: vec4<u32>,
}

var<workgroup> shared_sums: array<Sums, WIDTH>;

fn sums_add(a: Sums, b: Sums) -> Sums {
    return Sums(add128(a.pairs, b.pairs), add128(a.precisions, b.precisions));
}

fn reduced(tid: u32, own: Sums) -> Sums {
    shared_sums[tid] = own;
    workgroupBarrier();
    for (var k = WIDTH / 2u; k > 0u; k = k / 2u) {
        if (tid < k) {
            shared_sums[tid] = sums_add(shared_sums[tid], shared_sums[tid + k]);
        }
        workgroupBarrier();
    }
    return shared_sums[0];
}

fn put(at: u32, s: Sums) {
    for (var k = 0u; k < 4u; k++) {
        result[at + k] = s.pairs[k];
        result[at + 4u + k] = s.precisions[k];
    }
}

fn word_at(i: u32) -> u32 {
    return words[i * STRIDE];
}

// What the sorted samples from `first` to `end` count together.
fn mass_of(first: u32, end: u32) -> vec2<u32> {
    return sub64(mass_before(end), mass_before(first));
}

// Where the words that are below `word` end, or, `with_equal` ones, those not above it: at `first` or after, before `end`
// or there. In steps that double, then by halving: the next answer is mostly near.
fn onward(word: u32, first: u32, end: u32, with_equal: bool) -> u32 {
    var low = first;
    var high = first;
    var step = 1u;
    while (high < end) {
        let there = word_at(high);
        if (there > word || (there == word && !with_equal)) {
            break;
        }
        low = high + 1u;
        // Not beyond what can be counted.
        high = high + min(step, end - high);
        step = step * 2u;
    }
    while (low < high) {
        let middle = low + (high - low) / 2u;
        let there = word_at(middle);
        if (there < word || (with_equal && there == word)) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

// Positive samples that an invocation takes one behind the other.
const RUN: u32 = 64u;

// What all positive samples of one score have in common.
struct Ranked {
    // Where the negative ones of that score end.
    upper: u32,
    // Twice what the negative ones below it count, and once those of it.
    below: vec2<u32>,
    pure: vec2<u32>,
}

// The first of them is sample `same`; the negative ones below it end at `onwards` or after.
fn ranked_at(word: u32, same: u32, onwards: u32, end: u32) -> Ranked {
    let positives = head[POSITIVES];
    let lower = onward(word, onwards, end, false);
    let upper = onward(word, lower, end, true);
    let tp = mass_of(same, positives);
    return Ranked(
        upper,
        add64(mass_of(positives, lower), mass_of(positives, upper)),
        share_of_masses(tp, mass_of(lower, end)),
    );
}

// Positive samples upwards, each with the negative ones below it and those equal to it.
@compute @workgroup_size(WIDTH)
fn areas(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let group = wid.y * nwg.x + wid.x;
    let positives = head[POSITIVES];
    let end = positives + head[NEGATIVES];
    var own = Sums(vec4<u32>(0u), vec4<u32>(0u));
    let stride = params.groups * WIDTH * RUN;
    if (group < params.groups) {
        for (var begin = (group * WIDTH + tid) * RUN; begin < positives; begin += stride) {
            // The first word of this run may have begun before it.
            var word = word_at(begin);
            var ranked = ranked_at(word, onward(word, 0u, begin, false), positives, end);
            for (var i = begin; i < min(begin + RUN, positives); i++) {
                let next = word_at(i);
                if (next != word) {
                    word = next;
                    ranked = ranked_at(word, i, ranked.upper, end);
                }
                own.pairs = add128(own.pairs, times_own(i, ranked.below));
                own.precisions = add128(own.precisions, times_own(i, ranked.pure));
            }
        }
    }
    let all = reduced(tid, own);
    if (tid == 0u && group < params.groups) {
        put(HEAD + group * 8u, all);
    }
}

@compute @workgroup_size(WIDTH)
fn finish(@builtin(local_invocation_index) tid: u32) {
    var own = Sums(vec4<u32>(0u), vec4<u32>(0u));
    for (var g = tid; g < params.groups; g += WIDTH) {
        let at = HEAD + g * 8u;
        let pairs = vec4<u32>(result[at], result[at + 1u], result[at + 2u], result[at + 3u]);
        let precisions = vec4<u32>(result[at + 4u], result[at + 5u], result[at + 6u], result[at + 7u]);
        own = sums_add(own, Sums(pairs, precisions));
    }
    let all = reduced(tid, own);
    if (tid == 0u) {
        put(0u, all);
        let positives = head[POSITIVES];
        let positive = mass_before(positives);
        let negative = mass_of(positives, positives + head[NEGATIVES]);
        result[8] = positive.x;
        result[9] = positive.y;
        result[10] = negative.x;
        result[11] = negative.y;
    }
}

fn counted(class_: u32, bin: u32) -> vec2<u32> {
    let at = class_ * 65536u + bin;
    return vec2<u32>(words[at], words[131072u + at]);
}

struct Pair {
    positive: vec2<u32>,
    negative: vec2<u32>,
}

var<workgroup> shared_pairs: array<Pair, WIDTH>;

// One workgroup: bins from the highest score down, a run of them each.
@compute @workgroup_size(WIDTH)
fn counted_areas(@builtin(local_invocation_index) tid: u32) {
    let each = 65536u / WIDTH;
    var own = Pair(vec2<u32>(0u), vec2<u32>(0u));
    for (var j = 0u; j < each; j++) {
        let bin = 65535u - (tid * each + j);
        own = Pair(add64(own.positive, counted(1u, bin)), add64(own.negative, counted(0u, bin)));
    }
    shared_pairs[tid] = own;
    workgroupBarrier();
    var tp = vec2<u32>(0u);
    var fp = vec2<u32>(0u);
    for (var t = 0u; t < tid; t++) {
        tp = add64(tp, shared_pairs[t].positive);
        fp = add64(fp, shared_pairs[t].negative);
    }
    var sums = Sums(vec4<u32>(0u), vec4<u32>(0u));
    for (var j = 0u; j < each; j++) {
        let bin = 65535u - (tid * each + j);
        let p = counted(1u, bin);
        let n = counted(0u, bin);
        if ((p.x | p.y | n.x | n.y) != 0u) {
            // A negative sample here is below everything before, and ties with the positive ones here.
            sums.pairs = add128(sums.pairs, mul64(n, add64(add64(tp, tp), p)));
            tp = add64(tp, p);
            fp = add64(fp, n);
            if ((p.x | p.y) != 0u) {
                let part = fine_share(number(tp), number(tp) + number(fp));
                sums.precisions = add128(sums.precisions, mul64(p, part));
            }
        }
    }
    let all = reduced(tid, sums);
    if (tid == 0u) {
        put(0u, all);
    }
    if (tid == WIDTH - 1u) {
        result[8] = tp.x;
        result[9] = tp.y;
        result[10] = fp.x;
        result[11] = fp.y;
    }
}
