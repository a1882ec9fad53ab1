// Softmax cross-entropy of a row of logits x with the label y, weighed down where p_y is large:
//
//   loss = a·q^gamma·l           p = softmax(x), q = 1 - p_y, l = -log p_y, a = c_y
//   dloss/dx_j = a·(p_j - (1 if j = y))·(q^gamma + gamma·q^(gamma-1)·l·p_y)
//
// because dp_y/dx_j = p_y·((1 if j = y) - p_j). The statistic is of the other classes alone: m is the largest logit so
// far, s = Σ exp(x - m). With M the larger of m and x_y, own = exp(x_y - M) and others = s·exp(m - M), q is
// others/(own + others) and l is log(1 + others) where x_y is M, so that both keep their digits where p_y is close to 1.
// There l/q is 1. Where p_y is 0, l·p_y is 0, as in cross_entropy.

struct Stat {
    m: f32,
    s: f32,
    // FCE_NAN: +inf among the logits.
    bits: u32,
}
const FCE_NAN: u32 = 1u;

fn fce_ruled_out(x: f32) -> bool {
    return bitcast<u32>(x) == 0xff800000u;
}

fn stat_identity() -> Stat {
    return Stat(LOWEST, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    if (!finite_bits(bitcast<u32>(e.x))) {
        return Stat(LOWEST, 0.0, select(FCE_NAN, 0u, fce_ruled_out(e.x)));
    }
    if (e.col == r.label) {
        return stat_identity();
    }
    return Stat(e.x, 1.0, 0u);
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    let m = max(a.m, b.m);
    return Stat(m, a.s * exp_shift(a.m, m) + b.s * exp_shift(b.m, m), a.bits | b.bits);
}

struct FceParts {
    max: f32,
    whole: f32,
    q: f32,
    l: f32,
    // l·p_y/q
    turn: f32,
}

fn fce_parts(r: Row, s: Stat) -> FceParts {
    let out = fce_ruled_out(r.x);
    let x = select(r.x, LOWEST, out);
    let m = max(x, s.m);
    let own = select(exp_shift(x, m), 0.0, out);
    let others = s.s * exp_shift(s.m, m);
    let whole = own + others;
    let q = others / whole;
    var l = ln_1p(others);
    if (x < s.m) {
        l = ln(whole) + min(m - x, LARGEST);
    }
    var turn = 1.0;
    if (own == 0.0) {
        turn = 0.0;
    } else if (q >= SMALLEST_NORMAL) {
        turn = (l / q) * (own / whole);
    }
    return FceParts(m, whole, q, l, turn);
}

fn row_special(r: Row, s: Stat) -> u32 {
    let out = fce_ruled_out(r.x);
    // Where every logit is -inf no distribution exists.
    if ((s.bits & FCE_NAN) != 0u || (out && s.s == 0.0)) {
        return SPECIAL_NAN;
    }
    return select(SPECIAL_NONE, SPECIAL_INF, out && !is_zero(r.c));
}

fn row_loss(r: Row, s: Stat) -> f32 {
    // No weight on an infinite loss; the gradient exists, and is 0.
    if (fce_ruled_out(r.x)) {
        return not_a_number(bitcast<u32>(r.x));
    }
    let parts = fce_parts(r, s);
    return (r.c * parts.l) * power(parts.q, params.opt_gamma);
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    let parts = fce_parts(r, s);
    let pull = (r.c * power(parts.q, params.opt_gamma)) * (1.0 + params.opt_gamma * parts.turn);
    if (e.col == r.label) {
        return Grad(-pull * parts.q);
    }
    if (fce_ruled_out(e.x)) {
        return Grad(0.0);
    }
    return Grad(pull * (exp_below(e.x - parts.max) / parts.whole));
}
