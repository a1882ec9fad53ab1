// Sorted samples, of which each counts as one.

fn mass_before(i: u32) -> vec2<u32> {
    return vec2<u32>(i, 0u);
}

// What sample i counts, times x.
fn times_own(i: u32, x: vec2<u32>) -> vec4<u32> {
    return vec4<u32>(x, 0u, 0u);
}

fn share_of_masses(tp: vec2<u32>, fp: vec2<u32>) -> vec2<u32> {
    return fine_share(number(tp), number(tp) + number(fp));
}

fn common_positive(mass: vec2<u32>) -> vec2<u32> {
    return mass;
}

fn common_negative(mass: vec2<u32>) -> vec2<u32> {
    return mass;
}
