// The negated cosine of the angle between x and t:
//
//   loss = -x·t / (n_x·n_t),   n = max(‖·‖, eps)
//   dloss/dx_j = (cos·x_j/n_x - t_j/n_t) / n_x      without the first part where n_x is eps, a constant
//
// Without eps a zero vector has no direction: loss and gradient are 0. The statistic is x·x, t·t and x·t, each with a
// power of two of its own.

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
    var bits = 0u;
    var x = Wide(0.0, WIDE_ZERO);
    var t = x;
    if (finite_bits(bitcast<u32>(e.x))) {
        x = wide(e.x);
    } else {
        bits |= CS_X;
    }
    if (finite_bits(bitcast<u32>(e.t))) {
        t = wide(e.t);
    } else {
        bits |= CS_T;
    }
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

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    if (s.bits != 0u) {
        // -t_j/(n_x·inf).
        return Grad(select(not_a_number(s.bits), 0.0, finite_bits(bitcast<u32>(e.t))));
    }
    let xx = Wide(s.xx, s.xx_k);
    let x = cs_norm(xx);
    let norms = wide_times(x.n, cs_norm(Wide(s.tt, s.tt_k)).n);
    if (norms.v == 0.0) {
        return Grad(0.0);
    }
    let t = wide(e.t);
    var g = wide_over(Wide(-t.v, t.k), norms);
    if (x.free) {
        let cos = wide_over(Wide(s.xt, s.xt_k), norms);
        g = wide_plus(g, wide_times(wide_over(cos, xx), wide(e.x)));
    }
    return Grad(narrow(g));
}
