// max(0, 1 - t·x)² for t = ±1, where 0 counts as -1; the derivative is -2·t·max(0, 1 - t·x).

fn term(e: Elem) -> Term {
    let t = signed_label(e.t);
    let m = positive_part(1.0 - t * e.x);
    return Term(m * m, Grad(-2.0 * t * m));
}
