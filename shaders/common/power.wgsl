// pow as WGSL has it, but that the exponents which losses have most are products, which cost little where a driver takes as long
// for a power as for all the rest of a loss, and have negative bases too.
fn pow_or_product(x: f32, y: f32) -> f32 {
    if (y == 1.0) {
        return x;
    }
    if (y == 2.0) {
        return x * x;
    }
    return pow(x, y);
}
