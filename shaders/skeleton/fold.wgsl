// Adds up what `count` left: the divisor, and the factor that turns division by it into division by the
// sum without class weights.

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) tid: u32) {
    begin();
    let sum = leaf_sum(tid, params.leaf0, 2u, params.leaves);
    let plain = leaf_sum(tid, params.leaf0 + 1u, 2u, params.leaves);
    if (tid == 0u) {
        var unweighted = 0.0;
        if (plain > 0.0) {
            unweighted = sum / plain;
        }
        atomicStore(&work.head[params.head + DIVISOR], bitcast<u32>(sum * params.repeat));
        atomicStore(&work.head[params.head + UNWEIGHTED], bitcast<u32>(unweighted));
        atomicStore(&work.head[params.head + PLAIN], bitcast<u32>(plain * params.repeat));
    }
}
