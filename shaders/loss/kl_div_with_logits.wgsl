// Divergence of a student's distribution Q = softmax(x/T) from a teacher's P = softmax(t/T), times T²:
//
//   loss = T²·Σ_j P_j·(log P_j - log Q_j)      a class with P_j = 0 contributes nothing
//   dloss/dx_j = T·(Q_j - P_j)
//
// With b = t/T, a = x/T, their maxima m_b, m_a, s_b = Σ exp(b - m_b), s_a = Σ exp(a - m_a) and
// d = Σ exp(b - m_b)·((b - m_b) - (a - m_a)) the sum is d/s_b - log s_b + log s_a. Two parts of a row merge by
// shifting both to the larger maxima; everything stays relative to them, so that large logits keep their differences.

struct Stat {
    m_a: f32,
    s_a: f32,
    m_b: f32,
    s_b: f32,
    d: f32,
    // KL_NAN: no distribution; KL_INF: a class of the teacher that the student rules out.
    bits: u32,
}
const KL_NAN: u32 = 1u;
const KL_INF: u32 = 2u;
// d is kept in units of 2^24: it may be many times the largest number where d/s_b is not.
const KL_DOWN: f32 = 5.9604644775390625e-8;
const KL_UP: f32 = 16777216.0;

fn admits(bits: u32) -> bool {
    return false;
}

fn kl_logit(x: f32) -> f32 {
    return clamp(divide(x, params.opt_temperature), LOWEST, LARGEST);
}

fn kl_ruled_out(x: f32) -> bool {
    return bitcast<u32>(x) == 0xff800000u;
}

fn stat_identity() -> Stat {
    return Stat(LOWEST, 0.0, LOWEST, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    var s = stat_identity();
    if (!kl_ruled_out(e.x)) {
        s.m_a = kl_logit(e.x);
        s.s_a = 1.0;
        s.bits |= select(KL_NAN, 0u, finite_bits(bitcast<u32>(e.x)));
    }
    if (!kl_ruled_out(e.t)) {
        s.m_b = kl_logit(e.t);
        s.s_b = 1.0;
        s.bits |= select(KL_NAN, 0u, finite_bits(bitcast<u32>(e.t)));
        s.bits |= select(0u, KL_INF, kl_ruled_out(e.x));
    }
    return s;
}

fn kl_moved(p: Stat, m_a: f32, m_b: f32) -> f32 {
    let weight = exp_shift(p.m_b, m_b);
    // Nothing of the teacher, or nothing left of it: then the shift may be anything.
    if (p.s_b == 0.0 || weight == 0.0) {
        return 0.0;
    }
    return weight * (p.d + p.s_b * (KL_DOWN * ((p.m_b - m_b) - (p.m_a - m_a))));
}

fn stat_merge(p: Stat, q: Stat) -> Stat {
    let m_a = max(p.m_a, q.m_a);
    let m_b = max(p.m_b, q.m_b);
    return Stat(
        m_a,
        p.s_a * exp_shift(p.m_a, m_a) + q.s_a * exp_shift(q.m_a, m_a),
        m_b,
        p.s_b * exp_shift(p.m_b, m_b) + q.s_b * exp_shift(q.m_b, m_b),
        kl_moved(p, m_a, m_b) + kl_moved(q, m_a, m_b),
        p.bits | q.bits,
    );
}

fn row_special(r: Row, s: Stat) -> u32 {
    if ((s.bits & KL_NAN) != 0u || s.s_a == 0.0 || s.s_b == 0.0) {
        return SPECIAL_NAN;
    }
    return select(SPECIAL_NONE, SPECIAL_INF, (s.bits & KL_INF) != 0u);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    let t = params.opt_temperature;
    return t * t * (s.d / s.s_b * KL_UP - ln(s.s_b) + ln(s.s_a));
}

fn kl_share(x: f32, m: f32, s: f32) -> f32 {
    if (kl_ruled_out(x)) {
        return 0.0;
    }
    return exp_below(kl_logit(x) - m) / s;
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    return Grad(params.opt_temperature * (kl_share(e.x, s.m_a, s.s_a) - kl_share(e.t, s.m_b, s.s_b)));
}
