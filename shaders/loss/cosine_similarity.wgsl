// The negated cosine of the angle between x and t:
//
//   loss = -x·t / (n_x·n_t),   n = max(‖·‖, eps)
//   dloss/dx_j = (cos·x_j/n_x - t_j/n_t) / n_x      without the first part where n_x is eps, a constant
//
// Without eps a zero vector has no direction: loss and gradient are 0. The statistic is x·x, t·t and x·t, each with a
// power of two of its own; where no number is large and no sum is small, they are added up plainly.

struct Stat {
    xx: f32,
    xx_k: f32,
    tt: f32,
    tt_k: f32,
    xt: f32,
    xt_k: f32,
    // An infinity among the inputs, or in the target.
    bits: u32,
}
const CS_X: u32 = 1u;
const CS_T: u32 = 2u;

fn cs_stat(xx: Wide, tt: Wide, xt: Wide, bits: u32) -> Stat {
    return Stat(xx.v, xx.k, tt.v, tt.k, xt.v, xt.k, bits);
}

fn stat_identity() -> Stat {
    let zero = Wide(0.0, WIDE_ZERO);
    return cs_stat(zero, zero, zero, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let odd_x = !finite_bits(bitcast<u32>(e.x));
    let odd_t = !finite_bits(bitcast<u32>(e.t));
    let x = wide(select(e.x, 0.0, odd_x));
    let t = wide(select(e.t, 0.0, odd_t));
    let bits = select(0u, CS_X, odd_x) | select(0u, CS_T, odd_t);
    return cs_stat(wide_times(x, x), wide_times(t, t), wide_times(x, t), bits);
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return cs_stat(
        wide_plus(Wide(a.xx, a.xx_k), Wide(b.xx, b.xx_k)),
        wide_plus(Wide(a.tt, a.tt_k), Wide(b.tt, b.tt_k)),
        wide_plus(Wide(a.xt, a.xt_k), Wide(b.xt, b.xt_k)),
        a.bits | b.bits,
    );
}

struct CsNorm {
    n: Wide,
    // Longer than eps.
    free: bool,
}

fn cs_norm(square: Wide) -> CsNorm {
    let n = wide_root(square);
    let eps = wide(params.opt_eps);
    if (wide_minus(n, eps).v > 0.0) {
        return CsNorm(n, true);
    }
    return CsNorm(eps, false);
}

// Whether a target that is not finite reaches every derivative: by the cosine, or where a norm is 0.
fn cs_bound(s: Stat) -> bool {
    return cs_norm(Wide(s.xx, s.xx_k)).free || (bitcast<u32>(params.opt_eps) & 0x7fffffffu) == 0u;
}

fn row_special(r: Row, s: Stat) -> u32 {
    let all = (s.bits & CS_X) != 0u || ((s.bits & CS_T) != 0u && cs_bound(s));
    return select(SPECIAL_NONE, SPECIAL_NAN, all);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    if (s.bits != 0u) {
        return not_a_number(s.bits);
    }
    let norms = wide_times(cs_norm(Wide(s.xx, s.xx_k)).n, cs_norm(Wide(s.tt, s.tt_k)).n);
    if (norms.v == 0.0) {
        return 0.0;
    }
    return -narrow(wide_over(Wide(s.xt, s.xt_k), norms));
}

// Numbers up to 2^20, whose squares add up to 2^-40 and more: 2^32 of them do not overflow, and what underflows is less
// than 2^-86 of the norms.
const QUICK_TOP: u32 = 0x49800000u;
const CS_LEAST: f32 = 9.094947e-13;

struct Quick {
    xx: f32,
    tt: f32,
    xt: f32,
}

fn quick_zero() -> Quick {
    return Quick(0.0, 0.0, 0.0);
}

fn quick_of(e: Elem) -> Quick {
    return Quick(e.x * e.x, e.t * e.t, e.x * e.t);
}

fn quick_add(a: Quick, b: Quick) -> Quick {
    return Quick(a.xx + b.xx, a.tt + b.tt, a.xt + b.xt);
}

fn quick_usable(q: Quick) -> bool {
    return q.xx >= CS_LEAST && q.tt >= CS_LEAST;
}

fn quick_stat(q: Quick) -> Stat {
    return cs_stat(wide(q.xx), wide(q.tt), wide(q.xt), 0u);
}

fn quick_ready(r: Row, s: Stat, y: Ready) -> bool {
    return y.bits == 0u && y.free && min(s.xx_k, s.tt_k) >= -40.0 && y.norms.k <= 100.0;
}

fn quick_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad((e.x * y.back) * y.cos - e.t * y.aim);
}

struct Ready {
    bits: u32,
    // Neither norm is 0, and that of x is longer than eps.
    some: bool,
    free: bool,
    norms: Wide,
    // cos/x·x
    turn: Wide,
    // 1/norms, 1/x·x and cos, where f32 has them.
    aim: f32,
    back: f32,
    cos: f32,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let xx = Wide(s.xx, s.xx_k);
    let x = cs_norm(xx);
    let norms = wide_times(x.n, cs_norm(Wide(s.tt, s.tt_k)).n);
    let some = norms.v != 0.0;
    let cos = wide_over(Wide(s.xt, s.xt_k), norms);
    let turn = wide_over(cos, xx);
    return Ready(s.bits, some, x.free, norms, turn, 1.0 / narrow(norms), 1.0 / narrow(xx), narrow(cos));
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    if (y.bits != 0u) {
        // -t_j/(n_x·inf).
        return Grad(select(not_a_number(y.bits), 0.0, finite_bits(bitcast<u32>(e.t))));
    }
    if (!y.some) {
        return Grad(0.0);
    }
    let t = wide(e.t);
    let aim = wide_over(Wide(-t.v, t.k), y.norms);
    if (y.free) {
        return Grad(narrow(wide_plus(aim, wide_times(y.turn, wide(e.x)))));
    }
    return Grad(narrow(aim));
}
