// (x - t)²; its derivative is 2(x - t).

fn term(e: Elem) -> Term {
    let d = e.x - e.t;
    return Term(d * d, Grad(2.0 * d));
}
