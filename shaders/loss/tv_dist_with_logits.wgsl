// Half of what a student's distribution Q = softmax(x) and a teacher's P = softmax(t) differ by:
//
//   loss = ½·Σ_j |P_j - Q_j|
//   dloss/dx_j = ½·Q_j·(s_j - Σ_k Q_k·s_k),   s = sign(Q - P), 0 where they are equal
//
// since the loss's derivative by Q_j alone is ½·s_j, and softmax takes the mean off. The first statistic is the maxima of
// both logits and their sums of exponentials relative to those, the second the two sums.

struct Stat {
    m_a: f32,
    s_a: f32,
    m_b: f32,
    s_b: f32,
    bits: u32,
}
const TV_NAN: u32 = 1u;

struct Stat2 {
    distance: f32,
    pull: f32,
}

fn tv_ruled_out(x: f32) -> bool {
    return bitcast<u32>(x) == 0xff800000u;
}

fn stat_identity() -> Stat {
    return Stat(LOWEST, 0.0, LOWEST, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    var s = stat_identity();
    if (!tv_ruled_out(e.x)) {
        s.m_a = held(e.x);
        s.s_a = 1.0;
        s.bits |= select(TV_NAN, 0u, finite_bits(bitcast<u32>(e.x)));
    }
    if (!tv_ruled_out(e.t)) {
        s.m_b = held(e.t);
        s.s_b = 1.0;
        s.bits |= select(TV_NAN, 0u, finite_bits(bitcast<u32>(e.t)));
    }
    return s;
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    let m_a = max(a.m_a, b.m_a);
    let m_b = max(a.m_b, b.m_b);
    return Stat(
        m_a,
        a.s_a * exp_shift(a.m_a, m_a) + b.s_a * exp_shift(b.m_a, m_a),
        m_b,
        a.s_b * exp_shift(a.m_b, m_b) + b.s_b * exp_shift(b.m_b, m_b),
        a.bits | b.bits,
    );
}

fn tv_share(x: f32, m: f32, s: f32) -> f32 {
    if (tv_ruled_out(x)) {
        return 0.0;
    }
    return exp_below(below(x, m)) / s;
}

fn stat2_identity() -> Stat2 {
    return Stat2(0.0, 0.0);
}

fn stat2_of(e: Elem, r: Row, s: Stat) -> Stat2 {
    let p = tv_share(e.t, s.m_b, s.s_b);
    let q = tv_share(e.x, s.m_a, s.s_a);
    return Stat2(abs(p - q), q * order(q, p));
}

fn stat2_merge(a: Stat2, b: Stat2) -> Stat2 {
    return Stat2(a.distance + b.distance, a.pull + b.pull);
}

fn row_special(r: Row, s: Stat, s2: Stat2) -> u32 {
    // A sum is 0 only where every logit is -inf: then no distribution exists.
    let none = s.s_a == 0.0 || s.s_b == 0.0;
    return select(SPECIAL_NONE, SPECIAL_NAN, none || (s.bits & TV_NAN) != 0u);
}

fn row_loss(r: Row, s: Stat, s2: Stat2) -> f32 {
    return 0.5 * s2.distance;
}

fn row_grad(e: Elem, r: Row, s: Stat, s2: Stat2) -> Grad {
    let p = tv_share(e.t, s.m_b, s.s_b);
    let q = tv_share(e.x, s.m_a, s.s_a);
    return Grad(0.5 * q * (order(q, p) - s2.pull));
}
