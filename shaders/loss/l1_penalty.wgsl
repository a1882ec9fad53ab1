// |x|; the derivative is the sign of x, 0 at 0.

fn term(e: Elem) -> Term {
    return Term(abs(e.x), Grad(sign_of(e.x)));
}
