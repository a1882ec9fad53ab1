// What the set ratios share: it follows the file of each, which says what p and 1 - p of an element are (`set_of`), what
// the ratio of the sums is (`set_ratio`), and what becomes of it. The statistic is TP, FP and FN as in `Overlap`; where no
// number is large and the sums are not small, they are added up plainly.

struct Stat {
    tp: f32,
    fp: f32,
    missed: f32,
    // The exponent that the three count in.
    unit: u32,
}

fn set_overlap(s: Stat) -> Overlap {
    return Overlap(s.tp, s.fp, s.missed, s.unit);
}

fn set_stat(o: Overlap) -> Stat {
    return Stat(o.tp, o.fp, o.missed, o.unit);
}

fn stat_identity() -> Stat {
    return Stat(0.0, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let p = set_of(e);
    return set_stat(overlap_of(e.w, p.x, p.y, e.t, overlap_unit(e.w, p.x, e.t)));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return set_stat(overlap_merge(set_overlap(a), set_overlap(b)));
}

fn row_special(r: Row, s: Stat) -> u32 {
    let none = s.unit >= OVERLAP_ODD || set_undefined(set_ratio(set_overlap(s)));
    return select(SPECIAL_NONE, SPECIAL_NAN, none);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    return set_value(set_ratio(set_overlap(s)));
}

struct Ready {
    ratio: Ratio,
    steep: f32,
    // The derivative by p is w·(near·(1 - t) - far·t)·over, with near = alpha·rest, far = beta·rest + loss and
    // over = 1/whole, where f32 has them.
    near: f32,
    far: f32,
    over: f32,
    fine: bool,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let ratio = set_ratio(set_overlap(s));
    let whole = scaled(ratio.whole, ratio.unit - 127);
    let size = exponent(whole);
    let alpha = scaled(ratio.alpha, ratio.up);
    let beta = scaled(ratio.beta, ratio.up);
    return Ready(
        ratio,
        set_steep(ratio),
        alpha * ratio.rest,
        beta * ratio.rest + ratio.loss,
        1.0 / nonzero(whole),
        size > 67u && size < 187u && ratio.up <= 30 && max(abs(ratio.loss), abs(ratio.rest)) < 1e9,
    );
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad(set_chain(y.steep, overlap_grad(y.ratio, e.w, e.t) * set_slope(e)));
}

// Numbers and weights up to 2^20. Of a sum from 2^-20 on, what underflows is nothing.
const QUICK_TOP: u32 = 0x49800000u;
const SET_LEAST: f32 = 9.5367432e-7;

struct Quick {
    tp: f32,
    fp: f32,
    missed: f32,
}

fn quick_zero() -> Quick {
    return Quick(0.0, 0.0, 0.0);
}

fn quick_of(e: Elem) -> Quick {
    let p = set_of(e);
    let hit = e.w * e.t;
    return Quick(p.x * hit, p.x * (e.w * (1.0 - e.t)), p.y * hit);
}

fn quick_add(a: Quick, b: Quick) -> Quick {
    return Quick(a.tp + b.tp, a.fp + b.fp, a.missed + b.missed);
}

fn quick_usable(q: Quick) -> bool {
    return max(max(abs(q.tp), abs(q.fp)), abs(q.missed)) >= SET_LEAST;
}

// In units of 1.
fn quick_stat(q: Quick) -> Stat {
    return Stat(q.tp, q.fp, q.missed, 127u);
}

fn quick_ready(r: Row, s: Stat, y: Ready) -> bool {
    return y.fine;
}

fn quick_grad(e: Elem, r: Row, y: Ready) -> Grad {
    let turn = (y.near * (1.0 - e.t) - y.far * e.t) * y.over;
    return Grad(set_chain(y.steep, e.w * turn * set_slope(e)));
}
