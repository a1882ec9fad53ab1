// alpha_t·miss^gamma·bce with u = sigma(x), d = sigma(-x), miss = 1 - p_t = t·d + (1 - t)·u and
// bce = max(x, 0)·(1 - t) + max(-x, 0)·t + log(1 + exp(-|x|)). By x:
//   alpha_t·miss^gamma·(gamma·(1 - 2t)·(u·d/miss)·bce + (1 - t)·u - t·d)
// u·d/miss stays between 0 and 1; where miss is 0 everything is.

// With default options much arithmetic without a branch: more packs at a time.
const STRAIGHT: bool = true;

// miss^gamma as power·rest, and u·d/miss·rest for both = u·d: without a division where a power does.
struct BfPower {
    power: f32,
    rest: f32,
    turn: f32,
}

fn bf_power(miss: f32, both: f32) -> BfPower {
    if (params.opt_gamma >= 1.0) {
        return BfPower(power(miss, params.opt_gamma - 1.0), miss, both);
    }
    // Not `> 0`: a subnormal may compare as positive and divide as 0.
    let some = abs(miss) >= SMALLEST_NORMAL;
    return BfPower(power(miss, params.opt_gamma), 1.0, select(0.0, both / select(1.0, miss, some), some));
}

fn term(e: Elem) -> Term {
    let t = e.t;
    let rest = 1.0 - t;
    let below = e.x < 0.0;
    let small = exp_below(-abs(e.x));
    let far = 1.0 / (1.0 + small);
    let near = small * far;
    let bce = fma(select(rest, -t, below), e.x, ln_1p_unit(small));
    let up = rest * select(far, near, below);
    let down = t * select(near, far, below);
    let miss = down + up;
    let p = bf_power(miss, far * near);
    let turn = (params.opt_gamma * (rest - t)) * p.turn;
    // An infinite loss meets the power before anything that is small without it: powers of numbers other than 0 are not 0.
    let balance = class_balance(params.opt_alpha, t);
    let slope = balance * (p.power * fma(up - down, p.rest, turn * bce));
    return Term(p.rest * (balance * (p.power * bce)), Grad(slope));
}
