// x for t = 1, else max(0, margin - x); the derivative is 1, or -1 where x is below the margin.

fn term(e: Elem) -> Term {
    if (e.t == 1.0) {
        return Term(e.x, Grad(1.0));
    }
    let below = order(params.opt_margin, e.x) > 0.0;
    return Term(select(0.0, params.opt_margin - e.x, below), Grad(select(0.0, -1.0, below)));
}

// Of similar pairs the derivative is 1, whatever x is.
fn nan_grad(e: Elem) -> bool {
    return bitcast<u32>(e.t) != 0x3f800000u;
}
