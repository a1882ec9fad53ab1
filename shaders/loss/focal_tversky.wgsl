// loss = l^gamma, l the Tversky loss; dloss/dx_j = gamma·l^(gamma - 1)·dl/dx_j. Both 0 where l is.

fn set_ratio(o: Overlap) -> Ratio {
    return overlap_ratio(o, params.opt_alpha, params.opt_beta, params.opt_smooth);
}

// A negative l, of numbers beyond [0, 1], has whole powers only.
fn set_undefined(r: Ratio) -> bool {
    return r.loss < 0.0 && floor(params.opt_gamma) != params.opt_gamma;
}

fn set_value(r: Ratio) -> f32 {
    if (r.loss == 0.0) {
        return 0.0;
    }
    return power(r.loss, params.opt_gamma);
}

// l^(gamma - 1), by a power that is not negative; 0 for an l of 0.
fn set_steep(r: Ratio) -> f32 {
    let gamma = params.opt_gamma;
    if (r.loss == 0.0) {
        return 0.0;
    }
    if (gamma < 1.0) {
        return 1.0 / power(r.loss, 1.0 - gamma);
    }
    return power(r.loss, gamma - 1.0);
}

// gamma last, which may be large where the rest is small.
fn set_chain(steep: f32, g: f32) -> f32 {
    if (steep == 0.0) {
        return 0.0;
    }
    return params.opt_gamma * (steep * g);
}
