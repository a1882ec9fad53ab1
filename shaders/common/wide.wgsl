// Whole numbers of more than 32 bits, as words with the lowest first.

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + u32(low < a.x));
}

// a is at least b.
fn sub64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn mul32(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    // Neither is above 2^32 - 1: (2^16 - 1)^2 + 2^16 - 1 is less.
    let one = al * bh + (low >> 16u);
    let two = ah * bl + (one & 0xffffu);
    return vec2<u32>((two << 16u) | (low & 0xffffu), ah * bh + (one >> 16u) + (two >> 16u));
}

// No loop: Mesa's software driver ends the loops of an invocation that has been round 65,535 times in all.
fn add128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let sum = a + b;
    let over = vec4<u32>(sum < a);
    let y = sum.y + over.x;
    let z = sum.z + (over.y | u32(y < sum.y));
    let w = sum.w + (over.z | u32(z < sum.z));
    return vec4<u32>(sum.x, y, z, w);
}

fn mul64(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
    let low = mul32(a.x, b.x);
    let one = mul32(a.x, b.y);
    let two = mul32(a.y, b.x);
    let high = mul32(a.y, b.y);
    let outer = vec4<u32>(low, high);
    return add128(add128(outer, vec4<u32>(0u, one, 0u)), vec4<u32>(0u, two, 0u));
}

fn number(x: vec2<u32>) -> f32 {
    return f32(x.y) * 4294967296.0 + f32(x.x);
}

// A share below 1 or 1 itself, in units of 2^-60: what the quotient is, to the last bit.
fn fine_share(part: f32, whole: f32) -> vec2<u32> {
    let b = bitcast<u32>(clamp(part / whole, 0.0, 1.0));
    let e = b >> 23u;
    if (e >= 127u) {
        return vec2<u32>(0u, 0x10000000u);
    }
    // Of 24 bits the lowest is 2^(e - 150).
    let mantissa = (b & 0x007fffffu) | 0x00800000u;
    if (e < 90u) {
        return vec2<u32>(mantissa >> min(90u - e, 31u), 0u);
    }
    let by = e - 90u;
    let low = by & 31u;
    let one = vec2<u32>(mantissa << low, (mantissa >> 1u) >> (31u - low));
    return select(one, vec2<u32>(0u, one.x), by >= 32u);
}

// A share below 1 or 1 itself, in units of 2^-31.
fn share(part: f32, whole: f32) -> u32 {
    return u32(clamp(part / whole, 0.0, 1.0) * 2147483648.0);
}
