// Adds up what `count` left: the divisor, and the factor that turns division by it into division by the
// sum without class weights.

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) tid: u32) {
    let sum = leaf_sum(tid, 0u, 2u, params.leaves);
    let plain = leaf_sum(tid, 1u, 2u, params.leaves);
    if (tid == 0u) {
        work.divisor = sum * params.repeat;
        work.unweighted = 0.0;
        if (plain > 0.0) {
            work.unweighted = sum / plain;
        }
    }
}
