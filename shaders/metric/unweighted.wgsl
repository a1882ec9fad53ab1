// Every sample counts as one.

const CELL_SLOTS: u32 = 1u;
const SUM_SLOTS: u32 = NUMBER_SLOTS;
const PRODUCT_SUM_SLOTS: u32 = PRODUCT_SLOTS;
const SHARE_SLOTS: u32 = 24u;

fn set_weight(i: u32) {}

// One sample more in a cell.
fn count_cell(cell: u32, tid: u32) {
    count_slot(cell, tid);
}

fn count_cell_by(cell: u32, n: u32, tid: u32) {
    count_by(cell, n, tid);
}

// Whether the sample counts at all.
fn counts_at_all() -> bool {
    return true;
}

// Sums, of which those with a number are held: see `hold_shifted`.
fn add_sum(sum: u32, b: u32, negated: bool, tid: u32) {
    add_number(sum, b, negated, tid);
}

fn hold_cell(h: u32, cell: u32, tid: u32) {
    hold_shifted(h, cell, 0u, vec2<u32>(1u, 0u), false, tid);
}

fn hold_sum(h: u32, sum: u32, b: u32, negated: bool, tid: u32) {
    hold_number(h, sum, b, negated, tid);
}

fn hold_product_sum(h: u32, sum: u32, a: u32, b: u32, tid: u32) {
    hold_product(h, sum, a, b, tid);
}

// mantissa·2^at.
fn hold_units(h: u32, sum: u32, at: u32, mantissa: u32, tid: u32) {
    hold_shifted(h, sum, at, vec2<u32>(mantissa, 0u), false, tid);
}
