// Cross-entropy of probabilities with a distribution t over the columns (an index target is the distribution that
// is 1 there):
//
//   loss = -Σ_j q_j·log p_j       q = (1-ε)·t + ε/C, p = x/S clipped to [eps, 1 - eps], S = Σ x
//   dloss/dx_j = Σ_k over the unclipped q_k/S - q_j/x_j if x_j is unclipped
//
// because d(x_k/S)/dx_j = ((1 if j = k) - x_k/S)/S. Without `normalize`, or where S is 0, x stands for x/S and the
// sum over k is absent: as S = 1 with no derivative.
//
// The first statistic is S, in units of `room`, since p exists also where S leaves the range. The second is the loss and
// the sum of the unclipped q. Whether p is clipped is asked of x and of S - x, which know better than a rounded quotient.

struct Stat {
    sum: f32,
    // CCE_NAN, CCE_INF: such a number among the inputs.
    bits: u32,
}
const CCE_NAN: u32 = 1u;
const CCE_INF: u32 = 2u;

fn stat_identity() -> Stat {
    return Stat(0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let odd = select(CCE_INF, CCE_NAN, nan_bits(bitcast<u32>(e.x)));
    return Stat(room(r.cols).down * finite_or_0(e.x), select(odd, 0u, finite_bits(bitcast<u32>(e.x))));
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return Stat(a.sum + b.sum, a.bits | b.bits);
}

// What x is divided by, in units of `unit.up`.
struct CceWhole {
    sum: f32,
    unit: Room,
    divided: bool,
}

fn cce_whole(r: Row, s: Stat) -> CceWhole {
    if (params.opt_normalize == 0u || is_zero(s.sum)) {
        return CceWhole(1.0, Room(1.0, 1.0), false);
    }
    return CceWhole(nonzero(s.sum), room(r.cols), true);
}

struct CceClipped {
    log: f32,
    inside: bool,
}

fn cce_clipped(v: f32, whole: CceWhole) -> CceClipped {
    let x = held(v);
    let side = sign_of(whole.sum);
    let bound = params.opt_eps * whole.sum;
    if (order(x, clamp(bound * whole.unit.up, LOWEST, LARGEST)) * side <= 0.0) {
        return CceClipped(ln(params.opt_eps), false);
    }
    let rest = whole.sum - whole.unit.down * x;
    if (order(rest, bound) * side <= 0.0) {
        return CceClipped(ln_1p(-params.opt_eps), false);
    }
    let p = divide(whole.unit.down * x, whole.sum);
    if (p >= 0.5) {
        return CceClipped(ln_1p(-divide(rest, whole.sum)), true);
    }
    if (p > 1e-30) {
        return CceClipped(ln(p), true);
    }
    // A quotient that may be below the range; its logarithm is not.
    return CceClipped(ln(abs(x)) + (ln(whole.unit.down) - ln(abs(whole.sum))), true);
}

fn cce_wanted(e: Elem, r: Row) -> f32 {
    let smoothing = params.opt_label_smoothing;
    if (smoothing == 0.0) {
        return e.t;
    }
    let t = product(1.0 - smoothing, e.t);
    return select(t, t + smoothing / f32(r.cols), finite_bits(bitcast<u32>(t)));
}

struct Stat2 {
    cross: f32,
    wanted: f32,
    // What infinite terms of each add.
    cross_bits: u32,
    wanted_bits: u32,
}

fn stat2_identity() -> Stat2 {
    return Stat2(0.0, 0.0, 0u, 0u);
}

fn stat2_of(e: Elem, r: Row, s: Stat) -> Stat2 {
    let q = cce_wanted(e, r);
    if (is_zero(q)) {
        return stat2_identity();
    }
    let p = cce_clipped(e.x, cce_whole(r, s));
    let cross = -product(q, p.log);
    let wanted = select(0.0, q, p.inside);
    return Stat2(finite_or_0(cross), finite_or_0(wanted), adds(cross), adds(wanted));
}

fn stat2_merge(a: Stat2, b: Stat2) -> Stat2 {
    return Stat2(
        a.cross + b.cross,
        a.wanted + b.wanted,
        a.cross_bits | b.cross_bits,
        a.wanted_bits | b.wanted_bits,
    );
}

fn row_special(r: Row, s: Stat, s2: Stat2) -> u32 {
    // An infinite sum leaves no probabilities.
    if (params.opt_normalize != 0u && (s.bits & CCE_INF) != 0u) {
        return SPECIAL_NAN;
    }
    let bits = s2.cross_bits;
    return select(select(SPECIAL_NONE, SPECIAL_INF, bits == ADDS_INF), SPECIAL_NEG_INF, bits == ADDS_NEG_INF);
}

fn row_loss(r: Row, s: Stat, s2: Stat2) -> f32 {
    // Gradients may exist: hence here and not as a special loss.
    if (s2.cross_bits == ADDS_NAN) {
        return not_a_number(s2.cross_bits);
    }
    return s2.cross;
}

fn row_grad(e: Elem, r: Row, s: Stat, s2: Stat2) -> Grad {
    let whole = cce_whole(r, s);
    var shared_part = 0.0;
    if (whole.divided) {
        if (s2.wanted_bits != 0u) {
            return Grad(not_a_number(s2.wanted_bits));
        }
        shared_part = (whole.unit.down * s2.wanted) / whole.sum;
    }
    let q = cce_wanted(e, r);
    if (is_zero(q) || !cce_clipped(e.x, whole).inside) {
        return Grad(shared_part);
    }
    if (adds(q) != 0u) {
        return Grad(not_a_number(bitcast<u32>(q)));
    }
    return Grad(shared_part - q / nonzero(e.x));
}

// A NaN among the inputs is in the sum; a NaN that is wanted, of an unclipped class, in what all share.
fn nan_grad(e: Elem, r: Row, s: Stat, s2: Stat2, here: bool) -> bool {
    if (params.opt_normalize != 0u && (s.bits & CCE_NAN) != 0u) {
        return true;
    }
    let whole = cce_whole(r, s);
    if (whole.divided && s2.wanted_bits == ADDS_NAN) {
        return true;
    }
    return here && (nan_bits(bitcast<u32>(e.x)) || cce_clipped(e.x, whole).inside);
}
