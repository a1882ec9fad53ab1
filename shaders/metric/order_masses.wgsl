// Sorted samples that have weights: what they weigh together, up to each of them and with it.

@group(0) @binding(4) var<storage, read> masses: array<u32>;

fn mass_before(i: u32) -> vec2<u32> {
    if (i == 0u) {
        return vec2<u32>(0u);
    }
    return vec2<u32>(masses[2u * i - 2u], masses[2u * i - 1u]);
}

fn times_own(i: u32, x: vec2<u32>) -> vec4<u32> {
    return mul64(sub64(mass_before(i + 1u), mass_before(i)), x);
}
