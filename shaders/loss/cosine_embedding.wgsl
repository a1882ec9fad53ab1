// Turns x1 and x2 towards each other where t is 1, and apart where it is -1:
//
//   loss = 1 - cos  or  max(0, cos - margin),   cos = x1·x2/sqrt(a·b), a = x1·x1 + 1e-12, b = x2·x2 + 1e-12
//   dcos/dx1_j = x2_j/sqrt(a·b) - cos·x1_j/a    and the same with 1 and 2 exchanged
//
// The statistic is x1·x1, x2·x2 and x1·x2, each with a power of two of its own; where no number is large and no sum is
// small, they are added up plainly.

struct Stat {
    aa: f32,
    aa_k: f32,
    bb: f32,
    bb_k: f32,
    ab: f32,
    ab_k: f32,
    // An infinity among the inputs.
    odd: u32,
}

fn cm_stat(aa: Wide, bb: Wide, ab: Wide, odd: u32) -> Stat {
    return Stat(aa.v, aa.k, bb.v, bb.k, ab.v, ab.k, odd);
}

fn stat_identity() -> Stat {
    let zero = Wide(0.0, WIDE_ZERO);
    return cm_stat(zero, zero, zero, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    if (!finite_bits(bitcast<u32>(e.x1)) || !finite_bits(bitcast<u32>(e.x2))) {
        var s = stat_identity();
        s.odd = 1u;
        return s;
    }
    let a = wide(e.x1);
    let b = wide(e.x2);
    return cm_stat(wide_times(a, a), wide_times(b, b), wide_times(a, b), 0u);
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return cm_stat(
        wide_plus(Wide(a.aa, a.aa_k), Wide(b.aa, b.aa_k)),
        wide_plus(Wide(a.bb, a.bb_k), Wide(b.bb, b.bb_k)),
        wide_plus(Wide(a.ab, a.ab_k), Wide(b.ab, b.ab_k)),
        a.odd | b.odd,
    );
}

// The squares a and b, sqrt(a·b) and the cosine.
struct CmAngle {
    a: Wide,
    b: Wide,
    norms: Wide,
    cos: Wide,
}

fn cm_angle(s: Stat) -> CmAngle {
    let a = wide_plus(Wide(s.aa, s.aa_k), wide(1e-12));
    let b = wide_plus(Wide(s.bb, s.bb_k), wide(1e-12));
    let norms = wide_root(wide_times(a, b));
    return CmAngle(a, b, norms, wide_over(Wide(s.ab, s.ab_k), norms));
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(SPECIAL_NONE, SPECIAL_NAN, s.odd != 0u);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    let cos = narrow(cm_angle(s).cos);
    return select(max(0.0, cos - params.opt_margin), 1.0 - cos, r.t > 0.0);
}

struct Ready {
    // The loss moves with the cosine.
    moves: bool,
    // ∓1/sqrt(a·b), ±cos, and the squares.
    away: Wide,
    turn: Wide,
    a: Wide,
    b: Wide,
    // The same where f32 has them, of the squares one over each; 0 where nothing moves.
    aim: f32,
    cos: f32,
    a_over: f32,
    b_over: f32,
}

fn row_ready(r: Row, s: Stat) -> Ready {
    let angle = cm_angle(s);
    let moves = r.t > 0.0 || wide_minus(angle.cos, wide(params.opt_margin)).v > 0.0;
    // The loss falls with the cosine where t is 1.
    let away = Wide(-r.t / angle.norms.v, -angle.norms.k);
    let turn = Wide(r.t * angle.cos.v, angle.cos.k);
    return Ready(
        moves,
        away,
        turn,
        angle.a,
        angle.b,
        select(0.0, narrow(away), moves),
        select(0.0, narrow(turn), moves),
        1.0 / narrow(angle.a),
        1.0 / narrow(angle.b),
    );
}

fn row_grad(e: Elem, r: Row, y: Ready) -> Grad {
    if (!y.moves) {
        return Grad(0.0, 0.0);
    }
    let x1 = wide(e.x1);
    let x2 = wide(e.x2);
    return Grad(
        narrow(wide_plus(wide_times(y.away, x2), wide_times(wide_over(y.turn, y.a), x1))),
        narrow(wide_plus(wide_times(y.away, x1), wide_times(wide_over(y.turn, y.b), x2))),
    );
}

// Numbers up to 2^20, whose squares add up to 2^-40 and more: 2^32 of them do not overflow, and what underflows is less
// than 2^-86 of the norms.
const QUICK_TOP: u32 = 0x49800000u;
const CM_LEAST: f32 = 9.094947e-13;

struct Quick {
    aa: f32,
    bb: f32,
    ab: f32,
}

fn quick_zero() -> Quick {
    return Quick(0.0, 0.0, 0.0);
}

fn quick_of(e: Elem) -> Quick {
    return Quick(e.x1 * e.x1, e.x2 * e.x2, e.x1 * e.x2);
}

fn quick_add(a: Quick, b: Quick) -> Quick {
    return Quick(a.aa + b.aa, a.bb + b.bb, a.ab + b.ab);
}

fn quick_usable(q: Quick) -> bool {
    return q.aa >= CM_LEAST && q.bb >= CM_LEAST;
}

fn quick_stat(q: Quick) -> Stat {
    return cm_stat(wide(q.aa), wide(q.bb), wide(q.ab), 0u);
}

fn quick_ready(r: Row, s: Stat, y: Ready) -> bool {
    return s.odd == 0u && min(s.aa_k, s.bb_k) >= -40.0;
}

fn quick_grad(e: Elem, r: Row, y: Ready) -> Grad {
    return Grad(
        (e.x1 * y.a_over) * y.cos + e.x2 * y.aim,
        (e.x2 * y.b_over) * y.cos + e.x1 * y.aim,
    );
}
