// loss = 1 - (TP + s)/whole = (alpha·FP + beta·FN)/whole, whole = TP + alpha·FP + beta·FN + s, with the sums of
// `Overlap`. By x_j: d(alpha·FP + beta·FN) = w·(alpha·(1 - t) - beta·t) =: w·side and d whole = w·(side + t), so
// dloss = w·(side - loss·(side + t))/whole = w·(side·(1 - loss) - loss·t)/whole, as `overlap_grad` has it.

fn set_ratio(o: Overlap) -> Ratio {
    return overlap_ratio(o, params.opt_alpha, params.opt_beta, params.opt_smooth);
}
