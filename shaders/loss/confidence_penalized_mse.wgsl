// d² + factor·c² with d = x - t, c = 0.5 - x; the derivative is 2·d - 2·factor·c. Large numbers are scaled down
// first: with a negative factor the squares could be infinities of both signs.

fn term(e: Elem) -> Term {
    let factor = params.opt_factor;
    let large = max(abs(e.x), abs(e.t)) > 1e18;
    // 2^-66 and its inverse.
    let down = select(1.0, 1.3552527156068805e-20, large);
    let up = select(1.0, 7.378697629483821e19, large);
    let d = down * e.x - down * e.t;
    let c = down * 0.5 - down * e.x;
    let loss = (d * d + factor * c * c) * up * up;
    return Term(loss, Grad(2.0 * (d - factor * c) * up));
}
