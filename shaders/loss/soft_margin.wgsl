// log(1 + exp(-t·x)); the derivative is -t·sigma(-t·x).

fn term(e: Elem) -> Term {
    let z = -e.t * e.x;
    if (nan_bits(bitcast<u32>(z))) {
        return Term(z, Grad(z));
    }
    return Term(softplus(z), Grad(-e.t * sigmoid(z)));
}
