// A gradient times one number, in place. Mostly that number is 1: then nothing is read or written but itself.
// Both are bound for writing, because burn may have put both into one buffer.
@group(0) @binding(0) var<storage, read_write> grad: array<f32>;
@group(0) @binding(1) var<storage, read_write> upstream: array<u32>;

const ONE = 0x3f800000u;

@compute @workgroup_size(256)
fn scale(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let factor = upstream[0];
    if factor == ONE {
        return;
    }
    for (var i = id.x; i < arrayLength(&grad); i += groups.x * 256u) {
        grad[i] *= bitcast<f32>(factor);
    }
}
