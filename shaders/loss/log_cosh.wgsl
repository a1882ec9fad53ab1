// log cosh(d). Its derivative is tanh(d). Below 1 it is log(1 + 2·sinh²(d/2)), because
// |d| + log(1 + exp(-2|d|)) - log 2 cancels there; sinh by its Taylor series, whose rest is below 2^-35.

fn term(e: Elem) -> Term {
    let d = e.x - e.t;
    let a = abs(d);
    if (a < 1.0) {
        let h = 0.5 * a;
        let z = h * h;
        let s = h + h * z * (0.16666667 + z * (8.3333333e-3 + z * (1.9841270e-4 + z * 2.7557319e-6)));
        return Term(ln_1p(2.0 * s * s), Grad(tanh_fine(d)));
    }
    if (undefined_gap(e.x, e.t)) {
        return Term(d, Grad(d));
    }
    return Term(a + (ln_1p(exp_below(-2.0 * a)) - LN2), Grad(tanh_fine(d)));
}
