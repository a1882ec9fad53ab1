// What scores are.
const SCORES: u32 = 0u;
const PROBS: u32 = 1u;
const LOGITS: u32 = 2u;
