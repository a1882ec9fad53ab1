// Negative log-likelihood: -c_y·x_y, x being log-probabilities. By x_y -c_y, by anything else 0. Nothing of the row
// counts but the input at the label, so the statistic is empty.

struct Stat {
    none: u32,
}

fn stat_identity() -> Stat {
    return Stat(0u);
}

fn stat_of(e: Elem, r: Row) -> Stat {
    return stat_identity();
}

fn stat_merge(a: Stat, b: Stat) -> Stat {
    return a;
}

fn row_special(r: Row, s: Stat) -> u32 {
    let bits = adds(product(r.c, r.x));
    return select(select(SPECIAL_NONE, SPECIAL_INF, bits == ADDS_NEG_INF), SPECIAL_NEG_INF, bits == ADDS_INF);
}

// No weight on an infinite loss is NaN, but the gradient exists: hence here and not as a special loss.
fn row_loss(r: Row, s: Stat) -> f32 {
    return -product(r.c, r.x);
}

fn row_grad(e: Elem, r: Row, s: Stat) -> Grad {
    return Grad(select(0.0, -r.c, e.col == r.label));
}

fn nan_loss(e: Elem, r: Row) -> bool {
    return e.col == r.label;
}

fn nan_grad(e: Elem, r: Row, s: Stat, here: bool) -> bool {
    return false;
}
