// The class of a row, or why there is none.
const LABEL_IGNORED: u32 = 0xffffffffu;
const LABEL_BAD: u32 = 0xfffffffeu;

fn label_of(row: u32) -> u32 {
    if (!HAS_LABELS) {
        return 0u;
    }
    let l = load_label(row);
    if (params.has_ignore != 0u && l.x == params.ignore_lo && l.y == params.ignore_hi) {
        return LABEL_IGNORED;
    }
    return select(LABEL_BAD, l.x, l.y == 0u && l.x < params.cols);
}
