// Operating points, of sorted scores or of counted ones: the highest F1; the highest score with enough recall; of those with
// enough precision the most recall. Of equal points the one with the highest score. All comparisons are of whole numbers.

struct Point {
    tp: vec2<u32>,
    fp: vec2<u32>,
    word: u32,
    // Whether there is one.
    there: u32,
}

struct Points {
    f1: Point,
    recall: Point,
    pure: Point,
}

var<workgroup> shared_points: array<Points, WIDTH>;

fn no_points() -> Points {
    let none = Point(vec2<u32>(0u), vec2<u32>(0u), 0u, 0u);
    return Points(none, none, none);
}

fn above64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y > b.y || (a.y == b.y && a.x > b.x);
}

// No loop: Mesa's software driver ends the loops of an invocation that has been round 65,535 times in all.
fn above128(a: vec4<u32>, b: vec4<u32>) -> bool {
    return above64(a.zw, b.zw) || (all(a.zw == b.zw) && above64(a.xy, b.xy));
}

// A share, in units of 2^-(64 + shift).
struct Least {
    units: vec2<u32>,
    shift: u32,
}

// part/whole is at least that. What part·2^shift has above 64 bits is more than any whole times units.
fn reaches(part: vec2<u32>, whole: vec2<u32>, least: Least) -> bool {
    let by = least.shift & 31u;
    // (x >> 1) >> (31 - by) is x >> (32 - by), also for 0.
    let shifted = vec3<u32>(part.x << by, (part.y << by) | ((part.x >> 1u) >> (31u - by)), (part.y >> 1u) >> (31u - by));
    var low = shifted.xy;
    var over = shifted.z;
    if (least.shift >= 32u) {
        over = over | shifted.y;
        low = vec2<u32>(0u, shifted.x);
    }
    return over != 0u || !above128(mul64(least.units, whole), vec4<u32>(0u, 0u, low));
}

// The better of two, of equal ones the higher. F1 is 2·tp/(tp + fp + positives).
fn better_f1(a: Point, b: Point, positives: vec2<u32>) -> Point {
    if (a.there == 0u || b.there == 0u) {
        return choose(a, b, a.there != 0u);
    }
    let left = mul64(a.tp, add64(add64(b.tp, b.fp), positives));
    let right = mul64(b.tp, add64(add64(a.tp, a.fp), positives));
    return choose(a, b, above128(left, right) || (!above128(right, left) && a.word >= b.word));
}

fn higher(a: Point, b: Point) -> Point {
    return choose(a, b, a.there > b.there || (a.there == b.there && a.word >= b.word));
}

fn more_recall(a: Point, b: Point) -> Point {
    if (a.there == 0u || b.there == 0u) {
        return choose(a, b, a.there != 0u);
    }
    return choose(a, b, above64(a.tp, b.tp) || (!above64(b.tp, a.tp) && a.word >= b.word));
}

fn choose(a: Point, b: Point, first: bool) -> Point {
    if (first) {
        return a;
    }
    return b;
}

fn points_merge(a: Points, b: Points, positives: vec2<u32>) -> Points {
    return Points(
        better_f1(a.f1, b.f1, positives),
        higher(a.recall, b.recall),
        more_recall(a.pure, b.pure),
    );
}

// What a score is, of which so many positive and negative samples are at it and above.
fn points_at(word: u32, tp: vec2<u32>, fp: vec2<u32>, positives: vec2<u32>) -> Points {
    // Where positive samples weigh nothing beside negative ones, nothing can be said.
    let here = Point(tp, fp, word, u32((positives.x | positives.y) != 0u));
    var out = Points(here, here, here);
    let recall = Least(vec2<u32>(params.recall_low, params.recall_high), params.recall_shift);
    let pure = Least(vec2<u32>(params.precision_low, params.precision_high), params.precision_shift);
    out.recall.there = here.there * u32(reaches(tp, positives, recall));
    out.pure.there = here.there * u32(reaches(tp, add64(tp, fp), pure));
    return out;
}

fn points_reduced(tid: u32, own: Points, positives: vec2<u32>) -> Points {
    shared_points[tid] = own;
    workgroupBarrier();
    for (var k = WIDTH / 2u; k > 0u; k = k / 2u) {
        if (tid < k) {
            shared_points[tid] = points_merge(shared_points[tid], shared_points[tid + k], positives);
        }
        workgroupBarrier();
    }
    return shared_points[0];
}

fn put_point(at: u32, p: Point) {
    result[at] = p.tp.x;
    result[at + 1u] = p.tp.y;
    result[at + 2u] = p.fp.x;
    result[at + 3u] = p.fp.y;
    result[at + 4u] = p.word;
    result[at + 5u] = p.there;
}

fn put_points(at: u32, p: Points) {
    put_point(at, p.f1);
    put_point(at + 6u, p.recall);
    put_point(at + 12u, p.pure);
}

fn point_there(at: u32) -> Point {
    return Point(
        vec2<u32>(result[at], result[at + 1u]),
        vec2<u32>(result[at + 2u], result[at + 3u]),
        result[at + 4u],
        result[at + 5u],
    );
}

const POINTS: u32 = 18u;

// Every score of a positive sample: between two of them recall stays as it is, and precision and F1 only fall.
@compute @workgroup_size(WIDTH)
fn points(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let group = wid.y * nwg.x + wid.x;
    let positives = head[POSITIVES];
    let all = common_positive(mass_before(positives));
    let end = positives + head[NEGATIVES];
    var own = no_points();
    let stride = params.groups * WIDTH * RUN;
    if (group < params.groups) {
        for (var begin = (group * WIDTH + tid) * RUN; begin < positives; begin += stride) {
            var word = word_at(begin);
            var same = onward(word, 0u, begin, false);
            var lower = onward(word, positives, end, false);
            for (var i = begin; i < min(begin + RUN, positives); i++) {
                let next = word_at(i);
                if (next != word) {
                    word = next;
                    same = i;
                    lower = onward(word, lower, end, false);
                }
                if (i == begin || same == i) {
                    let here = points_at(word, common_positive(mass_of(same, positives)), common_negative(mass_of(lower, end)), all);
                    own = points_merge(own, here, all);
                }
            }
        }
    }
    let best = points_reduced(tid, own, all);
    if (tid == 0u && group < params.groups) {
        put_points(POINTS + group * POINTS, best);
    }
}

@compute @workgroup_size(WIDTH)
fn points_finish(@builtin(local_invocation_index) tid: u32) {
    let positives = head[POSITIVES];
    let all = common_positive(mass_before(positives));
    let end = positives + head[NEGATIVES];
    var own = no_points();
    for (var g = tid; g < params.groups; g += WIDTH) {
        let at = POINTS + g * POINTS;
        let there = Points(point_there(at), point_there(at + 6u), point_there(at + 12u));
        own = points_merge(own, there, all);
    }
    if (tid == 0u && positives > 0u && end > positives) {
        // The highest score of all, where no recall is asked for.
        let word = max(word_at(positives - 1u), word_at(end - 1u));
        let tp = common_positive(mass_of(onward(word, 0u, positives, false), positives));
        let fp = common_negative(mass_of(onward(word, positives, end, false), end));
        let top = points_at(word, tp, fp, all);
        own.recall = higher(own.recall, top.recall);
    }
    let best = points_reduced(tid, own, all);
    if (tid == 0u) {
        put_points(0u, best);
    }
}

var<workgroup> points_of: array<vec4<u32>, WIDTH>;

// One workgroup: bins from the highest score down, a run of them each.
@compute @workgroup_size(WIDTH)
fn counted_points(@builtin(local_invocation_index) tid: u32) {
    let each = 65536u / WIDTH;
    var p = vec2<u32>(0u);
    var n = vec2<u32>(0u);
    for (var j = 0u; j < each; j++) {
        let bin = 65535u - (tid * each + j);
        p = add64(p, counted(1u, bin));
        n = add64(n, counted(0u, bin));
    }
    points_of[tid] = vec4<u32>(p, n);
    workgroupBarrier();
    var tp = vec2<u32>(0u);
    var fp = vec2<u32>(0u);
    var all = vec2<u32>(0u);
    for (var t = 0u; t < WIDTH; t++) {
        if (t < tid) {
            tp = add64(tp, points_of[t].xy);
            fp = add64(fp, points_of[t].zw);
        }
        all = add64(all, points_of[t].xy);
    }
    var own = no_points();
    if ((all.x | all.y) != 0u) {
        for (var j = 0u; j < each; j++) {
            let bin = 65535u - (tid * each + j);
            let here = vec4<u32>(counted(1u, bin), counted(0u, bin));
            if (any(here != vec4<u32>(0u))) {
                tp = add64(tp, here.xy);
                fp = add64(fp, here.zw);
                own = points_merge(own, points_at(bin, tp, fp, all), all);
            }
        }
    }
    let best = points_reduced(tid, own, all);
    if (tid == 0u) {
        put_points(0u, best);
    }
}
