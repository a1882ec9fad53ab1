// What the classes of a row of logits have in common: the highest logit; the sum of the others' exponentials, in units of its own;
// the highest of the others; and the logarithm of the same sum in units of that one's. So that no sum is lost beside a large logit.

@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

fn put_row(i: u32) {
    let row = i * params.each;
    var best = 0u;
    var top = load_logit(row);
    var second = 0xff800000u;
    for (var c = 1u; c < params.each; c++) {
        let b = load_logit(row + c);
        if (nan_bits(b)) {
            top = b;
        }
        if (nan_bits(top)) {
            continue;
        }
        if (order(bitcast<f32>(b), bitcast<f32>(top)) > 0.0) {
            second = top;
            top = b;
            best = c;
        } else if (order(bitcast<f32>(b), bitcast<f32>(second)) > 0.0) {
            second = b;
        }
    }
    // Blocks of sums, so that no number goes through many additions.
    var sums = vec2<f32>(0.0);
    var block = vec2<f32>(0.0);
    for (var c = 0u; c < params.each; c++) {
        let b = load_logit(row + c);
        if (c != best && finite_bits(b) && finite_bits(top) && finite_bits(second)) {
            let x = bitcast<f32>(b);
            block += vec2<f32>(
                exp_fine(max(x - bitcast<f32>(top), -200.0)),
                exp_fine(max(x - bitcast<f32>(second), -200.0)),
            );
        }
        if ((c & 31u) == 31u) {
            sums += block;
            block = vec2<f32>(0.0);
        }
    }
    sums += block;
    let at = params.off_shared + 4u * i;
    kept[at] = top;
    kept[at + 1u] = bitcast<u32>(sums.x);
    kept[at + 2u] = second;
    kept[at + 3u] = bitcast<u32>(ln(max(sums.y, 1.0)));
}

@compute @workgroup_size(WIDTH)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let begin = (wid.y * nwg.x + wid.x) * params.tile;
    for (var j = tid; j < params.tile; j += WIDTH) {
        if (begin + j < params.n) {
            put_row(begin + j);
        }
    }
}
