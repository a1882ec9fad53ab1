// e^x for x from -200 to 0, with an error of 3u, where WGSL's own may be off by more the smaller the result is: for e^-20 by
// more than figures may. 0 from e^-87 down.
fn exp_fine(x: f32) -> f32 {
    let k = floor(x * 1.44269504 + 0.5);
    // log 2 in two parts, the first with so few bits that k times it is exact.
    let r = (x - k * 0.693359375) + k * 2.12194440e-4;
    let high = fma(fma(1.9841270e-4, r, 1.3888889e-3), r, 8.3333333e-3);
    let e = fma(fma(fma(fma(fma(high, r, 4.1666667e-2), r, 0.16666667), r, 0.5), r, 1.0), r, 1.0);
    return select(0.0, bitcast<f32>(bitcast<u32>(e) + (bitcast<u32>(i32(k)) << 23u)), k >= -125.0);
}

// log(1 + e^x).
fn softplus_fine(x: f32) -> f32 {
    return max(x, 0.0) + ln_1p_unit(exp_fine(max(-abs(x), -200.0)));
}

fn sigmoid_fine(x: f32) -> f32 {
    let e = exp_fine(max(-abs(x), -200.0));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
