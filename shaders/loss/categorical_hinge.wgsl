// With W = max_j (1 - t_j)·x_j, first where that is first reached, and R = Σ_j t_j·x_j:
//
//   loss = max(0, 1 + W - R)
//   dloss/dx_j = (1 - t_j at first, else 0) - t_j where that is above 0, else 0
//
// An index target is 1 in one column: that class takes part in W as 0. What has no weight counts as 0 throughout,
// an infinite score too. The statistic is W, where it is, and R. W is kept as bits, compared exactly; R in units of
// `room`, because it may cancel, or W with it, where its parts leave the range.

struct Stat {
    largest: u32,
    first: u32,
    right: f32,
    // What infinite parts of R add; ADDS_NAN also where W is undefined.
    bits: u32,
}
const CH_LEAST: u32 = 0xff800000u;

fn ch_rest(t: f32) -> f32 {
    let bits = bitcast<u32>(t);
    if (finite_bits(bits)) {
        return 1.0 - t;
    }
    return bitcast<f32>(bits ^ 0x80000000u);
}

// w·x, infinite only where one of them is.
fn ch_part(w: f32, x: f32) -> f32 {
    if (w == 1.0) {
        return x;
    }
    let v = weighed(w, x);
    let finite = finite_bits(bitcast<u32>(w)) && finite_bits(bitcast<u32>(x));
    return select(v, clamp(v, LOWEST, LARGEST), finite);
}

fn stat_identity() -> Stat {
    return Stat(CH_LEAST, 0xffffffffu, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let wrong = ch_part(ch_rest(e.t), e.x);
    let right = ch_part(e.t, e.x);
    let undefined = nan_bits(bitcast<u32>(wrong));
    return Stat(
        select(bitcast<u32>(wrong), CH_LEAST, undefined),
        e.col,
        room(r.cols).down * finite_or_0(right),
        adds(right) | select(0u, ADDS_NAN, undefined),
    );
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    let above = order(bitcast<f32>(b.largest), bitcast<f32>(a.largest));
    let second = above > 0.0 || (above == 0.0 && b.first < a.first);
    return Stat(
        select(a.largest, b.largest, second),
        select(a.first, b.first, second),
        a.right + b.right,
        a.bits | b.bits,
    );
}

// What is not finite about 1 + W - R.
fn ch_kind(s: Stat) -> u32 {
    let minus_right = (s.bits >> 1u) | ((s.bits & 1u) << 1u);
    return adds(bitcast<f32>(s.largest)) | minus_right;
}

// 1 + W - R in units of `room`: the difference first, so that large scores do not swallow the 1.
fn ch_margin(r: Row, s: Stat) -> f32 {
    let down = room(r.cols).down;
    return down + (down * bitcast<f32>(s.largest) - s.right);
}

fn row_special(r: Row, s: Stat) -> u32 {
    let kind = ch_kind(s);
    return select(select(SPECIAL_NONE, SPECIAL_INF, kind == ADDS_INF), SPECIAL_NAN, kind == ADDS_NAN);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    if (ch_kind(s) != 0u) {
        return 0.0;
    }
    return room(r.cols).up * max(ch_margin(r, s), 0.0);
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    let kind = ch_kind(s);
    if (kind == ADDS_NEG_INF || (kind == 0u && order(ch_margin(r, s), 0.0) <= 0.0)) {
        return Grad(0.0);
    }
    if (adds(e.t) != 0u) {
        return Grad(not_a_number(bitcast<u32>(e.t)));
    }
    return Grad(select(0.0, 1.0 - e.t, e.col == s.first) - e.t);
}
