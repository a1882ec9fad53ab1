// Pulls x1 and x2 together as far as t is 1, and pushes them a margin apart as far as it is 0. With v = x1 - x2, d = ‖v‖
// and h = max(0, margin - d):
//
//   loss = t·d² + (1-t)·h²
//   dloss/dx1_j = 2·v_j·(t - (1-t)·h/d), dloss/dx2_j = -dloss/dx1_j     the second part is 0 where d is
//
// A part whose weight is 0 is no part. The statistic is d², with a power of two of its own; where no number is large and
// d² is not small, squares are added up plainly.

struct Stat {
    dd: f32,
    dd_k: f32,
    // CN_INF: d is infinite; CN_NAN: it is the difference of two infinities.
    bits: u32,
}
const CN_INF: u32 = 1u;
const CN_NAN: u32 = 2u;
const CN_ONE: u32 = 0x3f800000u;

fn stat_identity() -> Stat {
    return Stat(0.0, WIDE_ZERO, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    if (!finite_bits(bitcast<u32>(e.x1)) || !finite_bits(bitcast<u32>(e.x2))) {
        return Stat(0.0, WIDE_ZERO, select(CN_INF, CN_NAN, undefined_gap(e.x1, e.x2)));
    }
    let v = wide_minus(wide(e.x1), wide(e.x2));
    let square = wide_times(v, v);
    return Stat(square.v, square.k, 0u);
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    let sum = wide_plus(Wide(a.dd, a.dd_k), Wide(b.dd, b.dd_k));
    return Stat(sum.v, sum.k, a.bits | b.bits);
}

// h, and 0 for a d that is infinite.
fn cn_short(s: Stat) -> Wide {
    let h = wide_minus(wide(params.opt_margin), wide_root(Wide(s.dd, s.dd_k)));
    if (s.bits == 0u && h.v > 0.0) {
        return h;
    }
    return Wide(0.0, WIDE_ZERO);
}

fn row_special(r: Row, s: Stat) -> u32 {
    if ((s.bits & CN_NAN) != 0u) {
        // Where t is 1, derivatives do not depend on d.
        return select(SPECIAL_NAN, SPECIAL_NONE, bitcast<u32>(r.t) == CN_ONE);
    }
    return select(SPECIAL_NONE, SPECIAL_INF, s.bits != 0u && sign_of(r.t) > 0.0);
}

fn nan_grad(e: Elem, r: Row, s: Stat, here: bool) -> bool {
    return here || bitcast<u32>(r.t) != CN_ONE;
}

fn row_loss(r: Row, s: Stat) -> f32 {
    if ((s.bits & CN_NAN) != 0u) {
        return not_a_number(s.bits);
    }
    let h = cn_short(s);
    let pull = wide_times(wide(r.t), Wide(s.dd, s.dd_k));
    let push = wide_times(wide(1.0 - r.t), wide_times(h, h));
    return narrow(wide_plus(pull, push));
}

struct Ready {
    bits: u32,
    // What twice the gap is multiplied by; and twice that, where f32 has it.
    c: Wide,
    twice: f32,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    var c = wide(r.t);
    let h = cn_short(s);
    if (h.v > 0.0 && s.dd > 0.0) {
        let push = wide_over(wide_times(wide(1.0 - r.t), h), wide_root(Wide(s.dd, s.dd_k)));
        c = wide_minus(c, push);
    }
    return Ready(s.bits, c, narrow(Wide(2.0 * c.v, c.k)));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    if (!finite_bits(bitcast<u32>(e.x1)) || !finite_bits(bitcast<u32>(e.x2))) {
        if (undefined_gap(e.x1, e.x2)) {
            let nan = not_a_number(y.bits);
            return Grad(nan, nan);
        }
        // t·v, which is infinite, and no push.
        let v = select(e.x1, -e.x2, finite_bits(bitcast<u32>(e.x1)));
        let g = select(0.0, v, sign_of(r.t) > 0.0);
        return Grad(g, -g);
    }
    let v = wide_minus(wide(e.x1), wide(e.x2));
    let g = narrow(wide_times(Wide(2.0 * v.v, v.k), y.c));
    return Grad(g, -g);
}

// Numbers up to 2^40, whose gaps' squares add up to 2^-60 and more.
const QUICK_TOP: u32 = 0x53800000u;
const CN_LEAST: f32 = 8.6736174e-19;

struct Quick {
    dd: f32,
}

fn quick_zero() -> Quick {
    return Quick(0.0);
}

fn quick_of(e: Elem) -> Quick {
    let v = e.x1 - e.x2;
    return Quick(v * v);
}

fn quick_add(a: Quick, b: Quick) -> Quick {
    return Quick(a.dd + b.dd);
}

fn quick_usable(q: Quick) -> bool {
    return q.dd >= CN_LEAST;
}

fn quick_stat(q: Quick) -> Stat {
    let dd = wide(q.dd);
    return Stat(dd.v, dd.k, 0u);
}

fn quick_ready(r: Row, s: Stat, y: Ready) -> bool {
    return s.bits == 0u && s.dd_k >= -60.0 && (y.c.v == 0.0 || abs(y.c.k) <= 60.0);
}

fn quick_grad(e: Elem, r: Row, y: Ready) -> Grad {
    let g = (e.x1 - e.x2) * y.twice;
    return Grad(g, -g);
}
