// What probabilities add up to: losses without bound; the sums of other losses, and of squares, exact once a term is rounded
// to f32; of each of 15 bins its samples, those that are what the probability is of, and the sum of probabilities.

const LOSS_SUM: u32 = 1u;
const SQUARE_SUM: u32 = LOSS_SUM + NUMBER_SLOTS;
const BIN_SUMS: u32 = SQUARE_SUM + NUMBER_SLOTS;
const BIN_SLOTS: u32 = 2u + NUMBER_SLOTS;
const BINS: u32 = 15u;
const CALIBRATION_SLOTS: u32 = BIN_SUMS + BINS * BIN_SLOTS;

// e^x for x from -200 to 0, with an error of 3u, where WGSL's own may be off by more the smaller the result is: for e^-20 by
// more than figures may. 0 below 2^-126.
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

// min(floor(15·p), 14), in whole numbers: 15·p has more bits than an f32.
fn bin_of(p: f32) -> u32 {
    let b = bitcast<u32>(p);
    let shift = 150u - (b >> 23u);
    let mantissa = (b & 0x007fffffu) | 0x00800000u;
    return select(min((15u * mantissa) >> min(shift, 31u), BINS - 1u), 0u, b < 0x00800000u || shift > 27u);
}

// A sample that is what p is the probability of, or is not; `miss` is how far p is from that.
fn take_probability(base: u32, p: f32, hit: bool, loss: f32, miss: f32, tid: u32) {
    if (finite_bits(bitcast<u32>(loss))) {
        add_number(base + LOSS_SUM, bitcast<u32>(loss), false, tid);
    } else {
        count_slot(base, tid);
    }
    add_number(base + SQUARE_SUM, bitcast<u32>(miss * miss), false, tid);
    let bin = base + BIN_SUMS + bin_of(p) * BIN_SLOTS;
    count_slot(bin, tid);
    if (hit) {
        count_slot(bin + 1u, tid);
    }
    add_number(bin + 2u, bitcast<u32>(p), false, tid);
}

// -log of a probability, from how far it is from 1: clipped at f32's epsilon from both ends.
fn loss_of_miss(miss: f32) -> f32 {
    return -ln_1p(-clamp(miss, EPSILON, 1.0 - EPSILON));
}

// The same from the probability.
fn loss_of_hit(p: f32) -> f32 {
    return -ln(clamp(p, EPSILON, 1.0 - EPSILON));
}

const EPSILON: f32 = 1.1920929e-7;
