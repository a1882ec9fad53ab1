// |x - t|; its derivative is the sign of x - t, 0 at 0.

fn term(e: Elem) -> Term {
    return Term(abs(e.x - e.t), Grad(sign_gap(e.x, e.t)));
}
