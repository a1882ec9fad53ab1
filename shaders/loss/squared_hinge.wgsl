// max(0, 1 - t·x)² for t = ±1, where 0 counts as -1; the derivative is -2·t·max(0, 1 - t·x).

fn term(e: Elem) -> Term {
    let t = signed_label(e.t);
    let m = 1.0 - t * e.x;
    let part = positive_part(m);
    return Term(part * part, Grad(where_positive(m, -2.0 * t * m)));
}
