// loss = 1 - (TP + s)/(Σ wx + Σ wt - TP + s), which is (FP + FN)/(TP + FP + FN + s) with TP, FP and FN of `Overlap`: a
// Tversky loss with 1 for alpha and beta. The gradient is that of `overlap_grad`.

fn set_ratio(o: Overlap) -> Ratio {
    return overlap_ratio(o, 1.0, 1.0, params.opt_smooth);
}
