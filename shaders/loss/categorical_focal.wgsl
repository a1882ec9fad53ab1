// Focal cross-entropy of probabilities p, which are x clipped to [eps, 1 - eps], with penalties on them:
//
//   loss = Σ_j -w_j·log p_j + l1·|p_j| + l2·p_j²      w_j = alpha·t_j·(1 - p_j)^gamma
//   dloss/dx_j = w_j·(gamma·log p_j/(1 - p_j) - 1/p_j) + l1 + 2·l2·p_j, and 0 where x_j is clipped
//
// since (1 - p)^gamma has the derivative -gamma·(1 - p)^gamma/(1 - p), and p is not negative. Every column stands for
// itself; the statistic is the loss.

struct Stat {
    loss: f32,
    // What infinite terms add.
    bits: u32,
}

fn cf_clipped(x: f32) -> Clipped {
    return clip_probability(held(x), params.opt_eps);
}

fn cf_weight(t: f32, p: Clipped) -> f32 {
    return product(product(params.opt_alpha, t), power(p.y, params.opt_gamma));
}

// -w·log p. Infinite where log p is, however small w: alpha·t may have been taken for 0.
fn cf_focal(t: f32, p: Clipped) -> f32 {
    if (!finite_bits(bitcast<u32>(p.log_x)) && finite_bits(bitcast<u32>(t))) {
        return -weighed(sign_of(params.opt_alpha) * sign_of(t), p.log_x);
    }
    return -weighed(cf_weight(t, p), p.log_x);
}

fn stat_identity() -> Stat {
    return Stat(0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let p = cf_clipped(e.x);
    let focal = cf_focal(e.t, p);
    let penalties = params.opt_l1 * p.x + params.opt_l2 * p.x * p.x;
    return Stat(finite_or_0(focal) + penalties, adds(focal));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return Stat(a.loss + b.loss, a.bits | b.bits);
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(select(SPECIAL_NONE, SPECIAL_INF, s.bits == ADDS_INF), SPECIAL_NEG_INF, s.bits == ADDS_NEG_INF);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    // The gradients of other columns exist: hence here and not as a special loss.
    if (s.bits == ADDS_NAN) {
        return not_a_number(s.bits);
    }
    return s.loss;
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    let p = cf_clipped(e.x);
    if (!p.inside) {
        return Grad(0.0);
    }
    let w = cf_weight(e.t, p);
    if (adds(w) != 0u) {
        return Grad(not_a_number(bitcast<u32>(w)));
    }
    let slope = params.opt_gamma * (p.log_x / p.y) - 1.0 / nonzero(p.x);
    return Grad(w * slope + (params.opt_l1 + 2.0 * params.opt_l2 * p.x));
}

fn nan_grad(e: Elem, r: Row, s: Stat, here: bool) -> bool {
    return here && (nan_bits(bitcast<u32>(e.x)) || cf_clipped(e.x).inside);
}
