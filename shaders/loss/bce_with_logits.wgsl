// With p = pos_weight and t smoothed, l = log(1 + exp(-|x|)):
//   loss = -p·t·log(sigma(x)) - (1 - t)·log(1 - sigma(x))
//        = max(x, 0)·(1 - t) + max(-x, 0)·p·t + (p·t + 1 - t)·l
//   dloss/dx = (1 - t)·sigma(x) - p·t·sigma(-x)
// Every part is 0 or of one sign for t in [0, 1], so nothing cancels.

// With default options much arithmetic without a branch: more packs at a time.
const STRAIGHT: bool = true;

fn term(e: Elem) -> Term {
    var t = e.t;
    let smoothing = params.opt_label_smoothing;
    if (smoothing > 0.0) {
        t = t * (1.0 - smoothing) + 0.5 * smoothing;
    }
    let neg = 1.0 - t;
    let pos = e.c * t;
    let small = exp_below(-abs(e.x));
    // Not pos·x: pos may be subnormal, which counts as 0, where x is infinite. Where t·x is subnormal, the last part is all there is.
    let linear = select(neg * e.x, -e.c * (t * e.x), e.x < 0.0);
    let up = select(small, 1.0, e.x >= 0.0);
    let down = select(1.0, small, e.x >= 0.0);
    return Term(linear + (pos + neg) * ln_1p_unit(small), Grad((neg * up - pos * down) / (1.0 + small)));
}

// t + (1 - t) is none where t is infinite, but compilers take it for 1.
fn undefined(e: Elem) -> bool {
    return !finite_bits(bitcast<u32>(e.t));
}
