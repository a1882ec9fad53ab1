// Turns x1 and x2 towards each other where t is 1, and apart where it is -1:
//
//   loss = 1 - cos  or  max(0, cos - margin),   cos = x1·x2/sqrt(a·b), a = x1·x1 + 1e-12, b = x2·x2 + 1e-12
//   dcos/dx1_j = x2_j/sqrt(a·b) - cos·x1_j/a    and the same with 1 and 2 exchanged
//
// The statistic is x1·x1, x2·x2 and x1·x2, each with a power of two of its own.

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

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    let angle = cm_angle(s);
    if (r.t < 0.0 && wide_minus(angle.cos, wide(params.opt_margin)).v <= 0.0) {
        return Grad(0.0, 0.0);
    }
    // The loss falls with the cosine where t is 1.
    let away = Wide(-r.t / angle.norms.v, -angle.norms.k);
    let turn = Wide(r.t * angle.cos.v, angle.cos.k);
    let x1 = wide(e.x1);
    let x2 = wide(e.x2);
    return Grad(
        narrow(wide_plus(wide_times(away, x2), wide_times(wide_over(turn, angle.a), x1))),
        narrow(wide_plus(wide_times(away, x1), wide_times(wide_over(turn, angle.b), x2))),
    );
}
