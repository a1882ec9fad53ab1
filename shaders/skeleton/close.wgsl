// Ends an evaluation: the loss goes to where it is wanted.

@compute @workgroup_size(1)
fn close() {
    loss[params.off_loss] = work[params.word];
}
