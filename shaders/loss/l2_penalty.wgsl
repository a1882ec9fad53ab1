// x²; the derivative is 2x.

fn term(e: Elem) -> Term {
    return Term(e.x * e.x, Grad(2.0 * e.x));
}
