// The first words of the work buffer, HEAD for each loss: what every pass counts, and the numbers that dispatches leave for
// each other.

// 64-bit counters, low word first.
const VALID: u32 = 0u;
const BAD_LABELS: u32 = 2u;
const NON_FINITE: u32 = 4u;
const BAD_WEIGHTS: u32 = 6u;
// One word: the largest complement of a bad row's index, so that 0 says none.
const FIRST_BAD: u32 = 8u;
// One word: which non-finite losses were met.
const SEEN: u32 = 9u;
const SEEN_NAN: u32 = 1u;
const SEEN_INF: u32 = 2u;
const SEEN_NEG_INF: u32 = 4u;
// Numbers: what a mean divides by, the same without class weights, the upstream gradient and the sum of all
// losses (both only of the first loss), the loss.
const DIVISOR: u32 = 10u;
const UNWEIGHTED: u32 = 11u;
const UPSTREAM: u32 = 12u;
const LOSS: u32 = 13u;
const TOTAL: u32 = 14u;
// The counted sum without class weights.
const PLAIN: u32 = 15u;
// Class weights that are bad: counted with the labels, apart from weights of rows and elements.
const BAD_COLUMNS: u32 = 16u;

// Where a mean's divisor comes from; 0 where the host knows it.
const COUNTED_SUM: u32 = 1u;
const COUNTED_VALID: u32 = 2u;

// a + b with infinities and NaN by their bits. No branch, of which a pack of gradients would have twice as many as numbers.
fn add_bits(a: u32, b: u32) -> u32 {
    let sum = bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
    let finite = finite_bits(a);
    let both = finite_bits(b) == finite;
    let none = nan_bits(a) || nan_bits(b) || (both && a != b);
    return select(select(select(a, b, finite), NAN_BITS, none), sum, both && finite);
}
