// Softmax cross-entropy of a row of logits x with a distribution t over the columns (an index target is the
// distribution that is 1 there).
//
//   z_j = cap·tanh(x_j/cap) / T            (softcap off: x_j / T)
//   q_j = c_j·((1-ε)·t_j + ε/C)            what the loss weighs -log p_j with
//   loss = Σ_j q_j·(lse - z_j) + zl·lse²   lse = log Σ exp z_j
//   dloss/dz_j = Q·p_j - q_j + 2·zl·lse·p_j,   p = softmax(z), Q = Σ q
//
// m is the largest z so far, s = Σ exp(z - m), q = Σ q_j and d = Σ q_j·(z_j - m)/2: of two finite logits the difference may
// be none, half of it is finite. Elements are added relative to the largest of their run and of those before; parts of a row
// merge by shifting both to the larger m. Everything is kept relative to m, so that neither exp overflows nor lse - z_j
// loses digits where logits are large.
//
// Of a class index without smoothing q_j is c_y at y and 0 elsewhere: then q and d are not summed, but made of the
// logit at y. A logit of -inf adds 0 by itself; +inf makes m infinite.

struct Stat {
    m: f32,
    s: f32,
    q: f32,
    d: f32,
    // CE_NAN: a target that is no number; CE_INF: a class of probability 0 that the target wants.
    bits: u32,
}
const CE_NAN: u32 = 1u;
const CE_INF: u32 = 2u;

fn ce_capped() -> bool {
    return params.opt_softcap > 0.0;
}

// A logit of -inf is a class that cannot be. Under softcap it is a mistake like any other.
fn admits(bits: u32) -> bool {
    return bits == 0xff800000u && !ce_capped();
}

// tanh of the capped logit; at ±inf ±1 without arithmetic on infinities.
fn ce_tanh(x: f32) -> f32 {
    return tanh_fine(clamp(x, LOWEST, LARGEST) / params.opt_softcap);
}

// A finite logit stays finite: where a small temperature takes it beyond f32 it counts as the largest number. An
// infinite one stays infinite.
fn ce_logit(x: f32) -> f32 {
    var z = x;
    if (ce_capped()) {
        z = params.opt_softcap * ce_tanh(x);
    }
    if (params.opt_temperature == 1.0) {
        return z;
    }
    return select(clamp(z / params.opt_temperature, LOWEST, LARGEST), x, ce_none(x));
}

// Whether the row's target is one class.
fn ce_sparse() -> bool {
    return LABELS && params.opt_label_smoothing == 0.0;
}

fn ce_wanted(e: Elem, r: Row) -> f32 {
    let smoothing = params.opt_label_smoothing;
    var t = e.t;
    if (smoothing > 0.0) {
        t = (1.0 - smoothing) * t + smoothing / f32(r.cols);
    }
    return e.c * t;
}

// Not a logit that a distribution can be made with.
fn ce_none(x: f32) -> bool {
    return !finite_bits(bitcast<u32>(x)) && !ce_capped();
}

fn ce_half(z: f32, m: f32) -> f32 {
    return half_gap(z, m);
}

struct Peak {
    m: f32,
}

fn peak_identity() -> Peak {
    return Peak(LOWEST);
}

fn peak_of(e: Elem, r: Row) -> Peak {
    return Peak(ce_logit(e.x));
}

fn peak_merge(a: Peak, b: Peak) -> Peak {
    return Peak(max(a.m, b.m));
}

fn peak_at(s: Stat) -> Peak {
    return Peak(s.m);
}

fn stat_at(p: Peak) -> Stat {
    return Stat(p.m, 0.0, 0.0, 0.0, 0u);
}

// The same, relative to an m that is not below its own.
fn stat_moved(a: Stat, p: Peak) -> Stat {
    let shift = select(exp_below(a.m - p.m), 1.0, a.m == p.m);
    return Stat(p.m, a.s * shift, a.q, ce_moved(a, p.m), a.bits);
}

fn stat_of(e: Elem, r: Row, p: Peak) -> Stat {
    let z = ce_logit(e.x);
    let s = exp_below(z - p.m);
    if (ce_sparse()) {
        return Stat(p.m, s, 0.0, 0.0, 0u);
    }
    let q = ce_wanted(e, r);
    let none = ce_none(e.x);
    let special = select(0u, CE_INF, none && q != 0.0);
    return Stat(
        p.m,
        s,
        q,
        select(q * ce_half(z, p.m), 0.0, none || q == 0.0),
        select(CE_NAN, special, finite_bits(bitcast<u32>(e.t))),
    );
}

// Of statistics with the same m.
fn stat_add(a: Stat, b: Stat) -> Stat {
    return Stat(a.m, a.s + b.s, a.q + b.q, a.d + b.d, a.bits | b.bits);
}

fn ce_moved(a: Stat, m: f32) -> f32 {
    return a.d + select(a.q * ce_half(a.m, m), 0.0, a.q == 0.0 || a.m == m);
}

// One of the two does not move, so there is one exponential.
fn stat_merge(a: Stat, b: Stat) -> Stat {
    let m = max(a.m, b.m);
    let shift = select(exp_below(-abs(a.m - b.m)), 1.0, a.m == b.m);
    let first = a.m >= b.m;
    return Stat(
        m,
        select(a.s * shift, a.s, first) + select(b.s, b.s * shift, first),
        a.q + b.q,
        ce_moved(a, m) + ce_moved(b, m),
        a.bits | b.bits,
    );
}

// The statistic with q, d and bits in it.
fn ce_whole(r: Row, s: Stat) -> Stat {
    if (!ce_sparse()) {
        return s;
    }
    let none = ce_none(r.x) || r.c == 0.0;
    let far = select(r.c * ce_half(ce_logit(r.x), s.m), 0.0, none);
    return Stat(s.m, s.s, r.c, far, select(0u, CE_INF, ce_none(r.x) && r.c != 0.0));
}

fn row_special(r: Row, s: Stat) -> u32 {
    let bits = ce_whole(r, s).bits;
    // s is 0 only where every logit is -inf: then no distribution exists.
    if ((bits & CE_NAN) != 0u || s.s == 0.0 || bitcast<u32>(s.m) == INF_BITS) {
        return SPECIAL_NAN;
    }
    return select(SPECIAL_NONE, SPECIAL_INF, (bits & CE_INF) != 0u);
}

fn row_loss(r: Row, stat: Stat) -> f32 {
    let s = ce_whole(r, stat);
    let log_s = ln(s.s);
    var loss = s.q * log_s - 2.0 * s.d;
    if (params.opt_z_loss > 0.0) {
        let lse = s.m + log_s;
        loss += params.opt_z_loss * r.unweighted * lse * lse;
    }
    return loss;
}

struct Ready {
    m: f32,
    // 1/s, and q/s
    part: f32,
    pull: f32,
    q: f32,
    // What z_loss pulls with, 2·zl·lse, 2^-far times: lse may be so large that it overflows, where its product with p, 1/T and
    // the slope does not.
    lift: f32,
    far: i32,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let part = 1.0 / s.s;
    let q = ce_whole(r, s).q;
    var y = Ready(s.m, part, q * part, q, 0.0, 0);
    if (params.opt_z_loss > 0.0) {
        let lse = s.m + ln(s.s);
        y.far = select(0, 64, exponent(lse) >= 191u);
        y.lift = 2.0 * params.opt_z_loss * r.unweighted * scaled(lse, -y.far);
    }
    return y;
}

// Rows without a NaN whose logits are taken as they are. Of q/s neither overflows nor underflows what matters.
const QUICK_TOP: u32 = INF_BITS;

fn quick_ready(r: Row, s: Stat, y: Ready) -> bool {
    let as_they_are = params.opt_temperature == 1.0 && params.opt_z_loss == 0.0 && !ce_capped();
    return as_they_are && (y.q == 0.0 || y.q >= 1e-20);
}

fn quick_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad(exp_below(e.x - y.m) * y.pull - ce_wanted(e, r));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    let p = exp_below(ce_logit(e.x) - y.m) * y.part;
    var slope = 1.0;
    if (ce_capped()) {
        let t = ce_tanh(e.x);
        slope = 1.0 - t * t;
    }
    var g = divide(y.q * p - ce_wanted(e, r), params.opt_temperature) * slope;
    if (params.opt_z_loss > 0.0) {
        g += scaled(divide(y.lift * p, params.opt_temperature) * slope, y.far);
    }
    return Grad(g);
}
