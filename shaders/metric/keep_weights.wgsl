// Scores with weights. What weighs nothing is not kept, and neither is what has a bad weight: the state that counts says so.

fn weighs(i: u32) -> bool {
    let b = load_weight(i);
    return b != 0u && b < 0x7f800000u;
}

fn keep_weight(place: u32, i: u32, class_: u32) {
    let b = load_weight(i);
    kept[place * STRIDE + 1u] = b;
    // Each class is counted in units of its largest.
    atomicMax(&head[select(7u, 6u, class_ == 1u)], b);
}
