// loss = 1 - (2·TP + s)/(Σ wx + Σ wt + s). With TP, FP and FN of `Overlap` that is (FP + FN)/(2·TP + FP + FN + s),
// so a Tversky loss with a half for alpha, beta and each s; the gradient is that of `overlap_grad`.

fn set_ratio(o: Overlap) -> Ratio {
    return overlap_ratio(o, 0.5, 0.5, 0.5 * params.opt_smooth);
}
