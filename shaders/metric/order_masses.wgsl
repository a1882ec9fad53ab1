// Sorted samples that have weights: what they weigh together, up to each of them and with it. Positive and negative ones are counted
// in units of their own, of which each is a power of two; areas under ROC curves do not notice.

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

// The exponent of negative samples' units above that of positive ones'.
fn finer() -> i32 {
    return i32(max(head[7] >> 23u, 1u)) - i32(max(head[6] >> 23u, 1u));
}

// tp/(tp + fp), where a sum is at least 1 and below 2^63: what is 2^124 times as much is all.
fn share_of_masses(tp: vec2<u32>, fp: vec2<u32>) -> vec2<u32> {
    let k = clamp(finer(), -124, 124);
    let down = bitcast<f32>(u32(127 - max(k, 0) / 2) << 23u);
    let part = number(tp) * down;
    // In two steps, none of which leaves f32.
    let half = k - max(k, 0) / 2;
    let rest = number(fp) * bitcast<f32>(u32(127 + half) << 23u);
    return fine_share(part, part + rest);
}

// In the coarser unit of the two, of which nothing may be left.
fn common_positive(mass: vec2<u32>) -> vec2<u32> {
    return halved(mass, u32(max(finer(), 0)));
}

fn common_negative(mass: vec2<u32>) -> vec2<u32> {
    return halved(mass, u32(max(-finer(), 0)));
}

fn halved(x: vec2<u32>, by: u32) -> vec2<u32> {
    if (by >= 64u) {
        return vec2<u32>(0u);
    }
    let low = by & 31u;
    let one = vec2<u32>((x.x >> low) | ((x.y << 1u) << (31u - low)), x.y >> low);
    return select(one, vec2<u32>(one.y, 0u), by >= 32u);
}
