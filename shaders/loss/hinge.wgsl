// max(0, 1 - t·x) for t = ±1, where 0 counts as -1; the derivative is -t where the margin is violated.

fn term(e: Elem) -> Term {
    let t = signed_label(e.t);
    let m = 1.0 - t * e.x;
    return Term(positive_part(m), Grad(where_positive(m, -t)));
}
