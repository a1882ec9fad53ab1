// What the skeletons of row losses share.

// A NaN among the elements that the loss of a row depends on.
const ROW_NAN: u32 = 1u;

// What a statistic may say of a loss before arithmetic does.
const SPECIAL_NONE: u32 = 0u;
const SPECIAL_NAN: u32 = 1u;
const SPECIAL_INF: u32 = 2u;
const SPECIAL_NEG_INF: u32 = 3u;

fn loss_bits(special: u32, w: u32, loss: f32) -> u32 {
    if (special == SPECIAL_NAN) {
        return NAN_BITS;
    }
    let wf = bitcast<f32>(w);
    if (special != SPECIAL_NONE) {
        let bits = select(INF_BITS | 0x80000000u, INF_BITS, special == SPECIAL_INF);
        return select(bits, NAN_BITS, wf == 0.0);
    }
    return bitcast<u32>(wf * loss);
}
