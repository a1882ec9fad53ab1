// The negated cosine of the angle between x and t:
//
//   loss = -x·t / (n_x·n_t),   n = max(‖·‖, eps)
//   dloss/dx_j = (cos·x_j/n_x - t_j/n_t) / n_x      without the first part where n_x is eps, a constant
//
// Without eps a zero vector has no direction: loss and gradient are 0. The statistic is x·x, t·t and x·t, each with a
// power of two of its own: of a run of elements that of the largest.

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

// The exponents that a run of elements is counted in.
struct Peak {
    x: f32,
    t: f32,
}

fn peak_identity() -> Peak {
    return Peak(-126.0, -126.0);
}

fn peak_of(e: Elem, r: Row) -> Peak {
    return Peak(unit_exponent(e.x), unit_exponent(e.t));
}

fn peak_merge(a: Peak, b: Peak) -> Peak {
    return Peak(max(a.x, b.x), max(a.t, b.t));
}

fn stat_at(p: Peak) -> Stat {
    return Stat(0.0, 2.0 * p.x, 0.0, 2.0 * p.t, 0.0, p.x + p.t, 0u);
}

fn stat_of(e: Elem, r: Row, p: Peak) -> Stat {
    let odd_x = !finite_bits(bitcast<u32>(e.x));
    let odd_t = !finite_bits(bitcast<u32>(e.t));
    let x = select(in_units(e.x, p.x), 0.0, odd_x);
    let t = select(in_units(e.t, p.t), 0.0, odd_t);
    let bits = select(0u, CS_X, odd_x) | select(0u, CS_T, odd_t);
    return Stat(x * x, 2.0 * p.x, t * t, 2.0 * p.t, x * t, p.x + p.t, bits);
}

// Of statistics that count in the same exponents.
fn stat_add(a: Stat, b: Stat) -> Stat {
    return Stat(a.xx + b.xx, a.xx_k, a.tt + b.tt, a.tt_k, a.xt + b.xt, a.xt_k, a.bits | b.bits);
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

struct Ready {
    bits: u32,
    // Neither norm is 0, and that of x is longer than eps.
    some: bool,
    free: bool,
    norms: Wide,
    // cos/x·x
    turn: Wide,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let xx = Wide(s.xx, s.xx_k);
    let x = cs_norm(xx);
    let norms = wide_times(x.n, cs_norm(Wide(s.tt, s.tt_k)).n);
    let some = norms.v != 0.0;
    let turn = wide_over(wide_over(Wide(s.xt, s.xt_k), norms), xx);
    return Ready(s.bits, some, x.free, norms, turn);
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
