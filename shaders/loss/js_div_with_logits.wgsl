// How far a student's distribution Q = softmax(x) and a teacher's P = softmax(t) are from M = β·P + (1-β)·Q:
//
//   loss = β·Σ_j P_j·log(P_j/M_j) + (1-β)·Σ_j Q_j·log(Q_j/M_j)      a class of probability 0 contributes nothing
//   dloss/dx_j = (1-β)·Q_j·(log(Q_j/M_j) - K),  K = Σ_j Q_j·log(Q_j/M_j)
//
// since the loss's derivative by Q_j alone is (1-β)·log(Q_j/M_j) and a constant, and softmax takes the mean off.
// The first statistic is the maxima of both logits and their sums of exponentials relative to those, the second the two
// sums. Logarithms come from logits and not from probabilities, so that small probabilities have them too.

struct Stat {
    m_a: f32,
    s_a: f32,
    m_b: f32,
    s_b: f32,
    bits: u32,
}
const JS_NAN: u32 = 1u;

struct Stat2 {
    kl_p: f32,
    kl_q: f32,
}

fn js_ruled_out(x: f32) -> bool {
    return bitcast<u32>(x) == 0xff800000u;
}

fn stat_identity() -> Stat {
    return Stat(LOWEST, 0.0, LOWEST, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    var s = stat_identity();
    if (!js_ruled_out(e.x)) {
        s.m_a = held(e.x);
        s.s_a = 1.0;
        s.bits |= select(JS_NAN, 0u, finite_bits(bitcast<u32>(e.x)));
    }
    if (!js_ruled_out(e.t)) {
        s.m_b = held(e.t);
        s.s_b = 1.0;
        s.bits |= select(JS_NAN, 0u, finite_bits(bitcast<u32>(e.t)));
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

// A probability and its logarithm; of 0 a number so low that exponentials do not see it.
struct JsShare {
    p: f32,
    log_p: f32,
}

fn js_share(x: f32, m: f32, s: f32) -> JsShare {
    if (js_ruled_out(x)) {
        return JsShare(0.0, -2e30);
    }
    let b = below(x, m);
    return JsShare(select(0.0, exp_below(b) / s, b > -104.0), b - ln(s));
}

// Of one class P, Q, log(P/M) and log(Q/M): M in units of the larger of P and Q.
struct JsTerm {
    p: f32,
    q: f32,
    log_p: f32,
    log_q: f32,
}

fn js_term(e: Elem, s: Stat) -> JsTerm {
    let p = js_share(e.t, s.m_b, s.s_b);
    let q = js_share(e.x, s.m_a, s.s_a);
    let d = p.log_p - q.log_p;
    let beta = params.opt_beta;
    let large = select(1.0 - beta, beta, d > 0.0);
    let small = select(beta, 1.0 - beta, d > 0.0);
    let log_m = ln(max(large + small * exp_below(-abs(d)), SMALLEST_NORMAL));
    return JsTerm(p.p, q.p, min(d, 0.0) - log_m, -max(d, 0.0) - log_m);
}

fn stat2_identity() -> Stat2 {
    return Stat2(0.0, 0.0);
}

fn stat2_of(e: Elem, r: Row, s: Stat) -> Stat2 {
    let t = js_term(e, s);
    return Stat2(t.p * t.log_p, t.q * t.log_q);
}

fn stat2_merge(a: Stat2, b: Stat2) -> Stat2 {
    return Stat2(a.kl_p + b.kl_p, a.kl_q + b.kl_q);
}

fn row_special(r: Row, s: Stat, s2: Stat2) -> u32 {
    // A sum is 0 only where every logit is -inf: then no distribution exists.
    let none = s.s_a == 0.0 || s.s_b == 0.0;
    return select(SPECIAL_NONE, SPECIAL_NAN, none || (s.bits & JS_NAN) != 0u);
}

fn row_loss(r: Row, s: Stat, s2: Stat2) -> f32 {
    return params.opt_beta * s2.kl_p + (1.0 - params.opt_beta) * s2.kl_q;
}

fn row_grad(e: Elem, r: Row, s: Stat, s2: Stat2) -> Grad {
    let t = js_term(e, s);
    return Grad((1.0 - params.opt_beta) * (t.q * (t.log_q - s2.kl_q)));
}
