// An anchor a is to be nearer to a positive than to a negative n, by a margin. With d(u, v) = ‖u - v + eps‖_p:
//
//   loss = max(0, margin + d(a, positive) - d(a, n))       with `swap` min(d(a, n), d(positive, n)) is subtracted
//   dd/dw_j = sign(w_j)·(|w_j|/d)^(p-1) for w = u - v + eps, and 0 where d is 0
//
// The statistic is Σ|w_j|^p of the three distances, each in units of a number that does not fall below the largest
// |w_j| by more than half: for p up to 32 that one's power of two, so that moving to a larger one costs no rounding for
// p = 1 and 2; for larger p, whose powers of 2 would overflow, the largest |w_j| itself. With p = 2 and without `swap`,
// where no number is large and no distance small, squares are added up plainly.

struct Stat {
    near_m: f32,
    near_k: f32,
    near_s: f32,
    far_m: f32,
    far_k: f32,
    far_s: f32,
    other_m: f32,
    other_k: f32,
    other_s: f32,
    // Which distances are infinite; TR_NAN: one is the difference of two infinities.
    bits: u32,
}
const TR_NEAR: u32 = 1u;
const TR_FAR: u32 = 2u;
const TR_OTHER: u32 = 4u;
const TR_NAN: u32 = 8u;
// From here on a power of any f32 below 1 is 0, so a larger p makes no difference.
const TR_MOST: f32 = 1e10;
const TR_SMALL: f32 = 32.0;

// s·(m·2^k)^p.
struct TrSum {
    m: f32,
    k: f32,
    s: f32,
}

fn tr_p() -> f32 {
    return min(params.opt_p, TR_MOST);
}

// x^y for x >= 0, exact as far as it can be for the usual norms.
fn tr_power(x: f32, y: f32) -> f32 {
    if (y == 1.0) {
        return x;
    }
    if (y == 2.0) {
        return x * x;
    }
    return power(x, y);
}

fn tr_zero() -> TrSum {
    return TrSum(1.0, WIDE_ZERO, 0.0);
}

// u - v + eps, of finite numbers.
fn tr_gap(u: f32, v: f32) -> Wide {
    let eps = wide(params.opt_eps);
    return wide_minus(wide_minus(wide(u), wide(v)), Wide(-eps.v, eps.k));
}

fn tr_sum(u: f32, v: f32) -> TrSum {
    let w = tr_gap(u, v);
    if (w.v == 0.0) {
        return tr_zero();
    }
    if (params.opt_p <= TR_SMALL) {
        return TrSum(1.0, w.k, tr_power(abs(w.v), tr_p()));
    }
    return TrSum(abs(w.v), w.k, 1.0);
}

// |w| in units of a sum.
fn tr_ratio(w: Wide, unit: TrSum) -> f32 {
    return divide(abs(w.v), unit.m) * power_of_two(w.k - unit.k);
}

fn tr_moved(a: TrSum, unit: TrSum) -> f32 {
    if (a.s == 0.0 || (a.m == unit.m && a.k == unit.k)) {
        return a.s;
    }
    return a.s * tr_power(tr_ratio(Wide(a.m, a.k), unit), tr_p());
}

fn tr_merge(a: TrSum, b: TrSum) -> TrSum {
    var large = a;
    var small = b;
    if (b.k > a.k || (b.k == a.k && b.m > a.m)) {
        large = b;
        small = a;
    }
    return TrSum(large.m, large.k, large.s + tr_moved(small, large));
}

fn tr_distance(a: TrSum) -> Wide {
    if (a.s == 0.0) {
        return Wide(0.0, WIDE_ZERO);
    }
    var root = a.s;
    if (params.opt_p == 2.0) {
        root = sqrt(a.s);
    } else if (params.opt_p != 1.0) {
        root = power(a.s, 1.0 / tr_p());
    }
    return Wide(a.m * root, a.k);
}

// dd/dw, where `sum` is the row's, `root` its power (p-1)/p, and the distance is infinite or not.
fn tr_slope(u: f32, v: f32, sum: TrSum, root: f32, infinite: bool) -> f32 {
    let p = tr_p();
    if (!finite_bits(bitcast<u32>(u)) || !finite_bits(bitcast<u32>(v))) {
        return select(not_a_number(bitcast<u32>(u)), order(u, v), p == 1.0);
    }
    let w = tr_gap(u, v);
    let side = sign_of(w.v);
    if (p == 1.0 || side == 0.0) {
        return side;
    }
    if (infinite) {
        return 0.0;
    }
    let r = tr_ratio(w, sum);
    if (p == 2.0) {
        return side * r / root;
    }
    var size = power(r, p - 1.0);
    if (p < 2.0 && w.k - sum.k < -100.0) {
        // The ratio may be too small for f32 where its power is not.
        size = exp_below((p - 1.0) * (ln(abs(w.v)) + (w.k - sum.k) * LN2));
    }
    return side * size / root;
}

fn tr_near(s: Stat) -> TrSum {
    return TrSum(s.near_m, s.near_k, s.near_s);
}

fn tr_far(s: Stat) -> TrSum {
    return TrSum(s.far_m, s.far_k, s.far_s);
}

fn tr_other(s: Stat) -> TrSum {
    return TrSum(s.other_m, s.other_k, s.other_s);
}

fn tr_stat(near: TrSum, far: TrSum, other: TrSum, bits: u32) -> Stat {
    return Stat(near.m, near.k, near.s, far.m, far.k, far.s, other.m, other.k, other.s, bits);
}

fn stat_identity() -> Stat {
    return tr_stat(tr_zero(), tr_zero(), tr_zero(), 0u);
}

// 0, `infinite` or TR_NAN, as the difference is.
fn tr_bits(u: f32, v: f32, infinite: u32) -> u32 {
    if (finite_bits(bitcast<u32>(u)) && finite_bits(bitcast<u32>(v))) {
        return 0u;
    }
    return select(infinite, TR_NAN, undefined_gap(u, v));
}

fn stat_of(e: Elem, r: Row) -> Stat {
    var other_bits = 0u;
    if (params.opt_swap != 0u) {
        other_bits = tr_bits(e.positive, e.negative, TR_OTHER);
    }
    let near_bits = tr_bits(e.anchor, e.positive, TR_NEAR);
    let far_bits = tr_bits(e.anchor, e.negative, TR_FAR);
    var near = tr_zero();
    var far = tr_zero();
    var other = tr_zero();
    if (near_bits == 0u) {
        near = tr_sum(e.anchor, e.positive);
    }
    if (far_bits == 0u) {
        far = tr_sum(e.anchor, e.negative);
    }
    if (params.opt_swap != 0u && other_bits == 0u) {
        other = tr_sum(e.positive, e.negative);
    }
    return tr_stat(near, far, other, near_bits | far_bits | other_bits);
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return tr_stat(
        tr_merge(tr_near(a), tr_near(b)),
        tr_merge(tr_far(a), tr_far(b)),
        tr_merge(tr_other(a), tr_other(b)),
        a.bits | b.bits,
    );
}

// Whether the negative's distance from the positive is the one that counts.
fn tr_swapped(s: Stat) -> bool {
    if (params.opt_swap == 0u || (s.bits & TR_OTHER) != 0u) {
        return false;
    }
    return (s.bits & TR_FAR) != 0u || wide_minus(tr_distance(tr_other(s)), tr_distance(tr_far(s))).v < 0.0;
}

// Whether what is subtracted is infinite.
fn tr_away(s: Stat) -> bool {
    return (s.bits & TR_FAR) != 0u && !tr_swapped(s);
}

fn row_special(r: Row, s: Stat) -> u32 {
    let near = (s.bits & TR_NEAR) != 0u;
    if ((s.bits & TR_NAN) != 0u || (near && tr_away(s))) {
        return SPECIAL_NAN;
    }
    return select(SPECIAL_NONE, SPECIAL_INF, near);
}

// The loss without its max, of finite distances. Their difference first, which may be representable where they are not.
fn tr_margin(s: Stat) -> Wide {
    var away = tr_far(s);
    if (tr_swapped(s)) {
        away = tr_other(s);
    }
    let gap = wide_minus(tr_distance(tr_near(s)), tr_distance(away));
    return wide_plus(gap, wide(params.opt_margin));
}

fn row_loss(r: Row, s: Stat) -> f32 {
    if (tr_away(s)) {
        return 0.0;
    }
    return max(0.0, narrow(tr_margin(s)));
}

struct Ready {
    infinite: bool,
    // The margin is not reached.
    pulls: bool,
    swapped: bool,
    near: TrSum,
    away: TrSum,
    // sum^((p-1)/p)
    near_root: f32,
    away_root: f32,
    // One over each distance, where f32 has it; 0 where nothing pulls.
    near_over: f32,
    away_over: f32,
}

fn tr_root(sum: TrSum) -> f32 {
    if (params.opt_p == 2.0) {
        return sqrt(sum.s);
    }
    let p = tr_p();
    return power(sum.s, (p - 1.0) / p);
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let infinite = (s.bits & TR_NEAR) != 0u;
    let pulls = !tr_away(s) && (infinite || tr_margin(s).v > 0.0);
    let swapped = tr_swapped(s);
    let near = tr_near(s);
    var away = tr_far(s);
    if (swapped) {
        away = tr_other(s);
    }
    let near_over = select(0.0, 1.0 / sqrt(near.s), pulls);
    let away_over = select(0.0, 1.0 / sqrt(away.s), pulls);
    return Ready(infinite, pulls, swapped, near, away, tr_root(near), tr_root(away), near_over, away_over);
}

// Numbers up to 2^40, whose squares add up to 2^-60 and more.
const QUICK_TOP: u32 = 0x53800000u;
const TR_LEAST: f32 = 8.6736174e-19;

struct Quick {
    near: f32,
    far: f32,
}

fn quick_zero() -> Quick {
    return Quick(0.0, 0.0);
}

// u - v + eps, in this order.
fn tr_plain(e: Elem, u: f32, v: f32) -> f32 {
    return (u - v) + unknown(params.opt_eps, e.col);
}

fn quick_of(e: Elem) -> Quick {
    let near = tr_plain(e, e.anchor, e.positive);
    let far = tr_plain(e, e.anchor, e.negative);
    return Quick(near * near, far * far);
}

fn quick_add(a: Quick, b: Quick) -> Quick {
    return Quick(a.near + b.near, a.far + b.far);
}

fn tr_usual() -> bool {
    return params.opt_p == 2.0 && params.opt_swap == 0u && params.opt_eps <= 1048576.0;
}

fn quick_usable(q: Quick) -> bool {
    return tr_usual() && q.near >= TR_LEAST && q.far >= TR_LEAST;
}

fn quick_stat(q: Quick) -> Stat {
    return tr_stat(TrSum(1.0, 0.0, q.near), TrSum(1.0, 0.0, q.far), tr_zero(), 0u);
}

fn tr_quick(sum: TrSum) -> bool {
    return sum.m == 1.0 && sum.k == 0.0 && sum.s >= TR_LEAST;
}

fn quick_ready(r: Row, s: Stat, y: Ready) -> bool {
    return tr_usual() && s.bits == 0u && tr_quick(y.near) && tr_quick(y.away);
}

fn quick_grad(e: Elem, r: Row, y: Ready) -> Grad {
    let near = tr_plain(e, e.anchor, e.positive) * y.near_over;
    let away = tr_plain(e, e.anchor, e.negative) * y.away_over;
    return Grad(near - away, -near, away);
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    if (!y.pulls) {
        return Grad(0.0, 0.0, 0.0);
    }
    let near = tr_slope(e.anchor, e.positive, y.near, y.near_root, y.infinite);
    let from_w = select(e.anchor, e.positive, y.swapped);
    let away = tr_slope(from_w, e.negative, y.away, y.away_root, false);
    return Grad(
        select(near - away, near, y.swapped),
        select(-near, -near - away, y.swapped),
        away,
    );
}
