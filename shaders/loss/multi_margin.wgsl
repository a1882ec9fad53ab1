// With z_j = margin + (x_j - x_y), over the columns j other than the label y:
//
//   loss = c_y/C·Σ max(0, z_j)^p                 p is 1 or 2
//   dloss/dx_j = c_y/C·(1 or 2·z_j) where z_j > 0, else 0; by x_y minus the sum of those
//
// The statistic counts the violations and sums them and their squares, times c_y; z is kept in units of `room`, because
// neither the difference of two large scores nor their sum over the row need stay in range where their share of
// C does.

struct Stat {
    count: u32,
    sum: f32,
    // For p = 2.
    squares: f32,
    // What infinite violations add.
    bits: u32,
}

fn mm_squared() -> bool {
    return params.opt_p == 2.0;
}

// z in units of `room`; by bits where a score is infinite.
fn mm_violation(x: f32, r: Row) -> f32 {
    let bits = bitcast<u32>(x);
    let own = bitcast<u32>(r.x);
    if (finite_bits(bits) && finite_bits(own)) {
        let down = room(r.cols).down;
        return down * unknown(params.opt_margin, r.cols) + (down * x - down * r.x);
    }
    if (nan_bits(bits) || nan_bits(own) || bits == own) {
        return not_a_number(bits);
    }
    return bitcast<f32>(select(bits, own ^ 0x80000000u, finite_bits(bits)));
}

fn stat_identity() -> Stat {
    return Stat(0u, 0.0, 0.0, 0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    let z = mm_violation(e.x, r);
    if (e.col == r.label || order(z, 0.0) <= 0.0) {
        return stat_identity();
    }
    if (adds(z) != 0u) {
        return Stat(1u, 0.0, 0.0, adds(z));
    }
    let cost = r.c * z;
    return Stat(1u, cost, select(0.0, cost * min(z * room(r.cols).up, LARGEST), mm_squared()), 0u);
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return Stat(a.count + b.count, a.sum + b.sum, a.squares + b.squares, a.bits | b.bits);
}

fn row_special(r: Row, s: Stat) -> u32 {
    return select(SPECIAL_NONE, SPECIAL_INF, s.bits == ADDS_INF && !is_zero(r.c));
}

// A share of C of a sum in units of `room`.
fn mm_share(sum: f32, r: Row) -> f32 {
    return sum / (f32(r.cols) * room(r.cols).down);
}

fn row_loss(r: Row, s: Stat) -> f32 {
    // Undefined violations, or no weight on infinite ones; gradients may exist: hence not a special loss.
    if (s.bits != 0u) {
        return not_a_number(s.bits);
    }
    return mm_share(select(s.sum, s.squares, mm_squared()), r);
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    if (e.col == r.label) {
        if (s.bits == ADDS_NAN || (s.bits != 0u && mm_squared())) {
            return Grad(not_a_number(s.bits));
        }
        return Grad(-select(r.c * (f32(s.count) / f32(r.cols)), 2.0 * mm_share(s.sum, r), mm_squared()));
    }
    let z = mm_violation(e.x, r);
    let bits = adds(z);
    if (bits == ADDS_NAN || (bits == ADDS_INF && mm_squared())) {
        return Grad(not_a_number(bits));
    }
    if (order(z, 0.0) <= 0.0) {
        return Grad(0.0);
    }
    if (mm_squared()) {
        return Grad(2.0 * mm_share(r.c * z, r));
    }
    return Grad(r.c / f32(r.cols));
}

// A row of one class has nothing to compare.
fn nan_loss(e: Elem, r: Row) -> bool {
    return r.cols > 1u;
}

fn nan_grad(e: Elem, r: Row, s: Stat, here: bool) -> bool {
    return here || e.col == r.label || nan_bits(bitcast<u32>(r.x));
}
