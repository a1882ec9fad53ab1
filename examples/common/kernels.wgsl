// A small network: each kernel is one formula, one invocation makes one number. Matrices are row-major.
//
// The parameters of a layer are one array: W [INPUTS, OUTPUTS], then b [OUTPUTS], which is the row of W for an input that is
// always 1. Sizes are constants of a pipeline, so that a driver knows them when it compiles.

override ROWS: u32 = 1;     // samples of a batch
override INPUTS: u32 = 1;
override OUTPUTS: u32 = 1;
override RELU: bool = false;       // y goes through max(0, ·)
override RECTIFIED: bool = false;  // x has gone through max(0, ·)
override ADD: bool = false;        // to the gradient that is there

// What a layer goes by and makes.
@group(0) @binding(0) var<storage, read> x: array<f32>;                // [ROWS, INPUTS]
@group(0) @binding(1) var<storage, read> weights: array<f32>;          // [INPUTS + 1, OUTPUTS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;          // [ROWS, OUTPUTS]
@group(0) @binding(3) var<storage, read> dy: array<f32>;               // d loss / d y
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;         // d loss / d x
@group(0) @binding(5) var<storage, read_write> dweights: array<f32>;   // d loss / d weights

// y = x·W + b
@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
    let row = id.x / OUTPUTS;
    let column = id.x % OUTPUTS;
    if (row >= ROWS) {
        return;
    }
    var sum = weights[INPUTS * OUTPUTS + column];
    for (var k = 0u; k < INPUTS; k++) {
        sum += x[row * INPUTS + k] * weights[k * OUTPUTS + column];
    }
    y[id.x] = select(sum, max(sum, 0.0), RELU);
}

// dW = xᵀ·dy, db = 1ᵀ·dy
@compute @workgroup_size(64)
fn weight_gradient(@builtin(global_invocation_id) id: vec3u) {
    let k = id.x / OUTPUTS;
    let column = id.x % OUTPUTS;
    if (k > INPUTS) {
        return;
    }
    var sum = 0.0;
    for (var row = 0u; row < ROWS; row++) {
        // The last input is the one that is always 1.
        var input = 1.0;
        if (k < INPUTS) {
            input = x[row * INPUTS + k];
        }
        sum += input * dy[row * OUTPUTS + column];
    }
    dweights[id.x] = sum;
}

// dx = dy·Wᵀ, and 0 where x was cut off at 0
@compute @workgroup_size(64)
fn input_gradient(@builtin(global_invocation_id) id: vec3u) {
    let row = id.x / INPUTS;
    let k = id.x % INPUTS;
    if (row >= ROWS) {
        return;
    }
    var sum = 0.0;
    for (var column = 0u; column < OUTPUTS; column++) {
        sum += dy[row * OUTPUTS + column] * weights[k * OUTPUTS + column];
    }
    if (RECTIFIED && x[id.x] <= 0.0) {
        sum = 0.0;
    }
    if (ADD) {
        sum += dx[id.x];
    }
    dx[id.x] = sum;
}

// Where training is. It advances on the device, so that a step needs nothing from the host.
struct Clock {
    step: u32,
    loss_sum: f32,
    // 1 - 0.9^step and 1 - 0.999^step, a product at a time: `pow` may be off by as much as the second begins with.
    weight: f32,
    second_weight: f32,
}
@group(0) @binding(6) var<storage, read_write> clock: Clock;
@group(0) @binding(7) var<storage, read> loss: array<f32>;  // of this step

@compute @workgroup_size(1)
fn tick() {
    clock.step++;
    clock.loss_sum += loss[0];
    clock.weight = 0.9 * clock.weight + 0.1;
    clock.second_weight = 0.999 * clock.second_weight + 0.001;
}

// The rows of this step's batch, in the order that was drawn before training: words of any 4-byte type.
override WIDTH: u32 = 1;    // words of a row
override SAMPLES: u32 = 1;  // rows in the order, after which it begins anew
@group(0) @binding(8) var<storage, read> order: array<u32>;       // [SAMPLES]
@group(0) @binding(9) var<storage, read> data: array<u32>;        // [_, WIDTH]
@group(0) @binding(10) var<storage, read_write> batch: array<u32>; // [ROWS, WIDTH]

@compute @workgroup_size(64)
fn gather(@builtin(global_invocation_id) id: vec3u) {
    let row = id.x / WIDTH;
    if (row >= ROWS) {
        return;
    }
    let sample = order[(clock.step * ROWS + row) % SAMPLES];
    batch[id.x] = data[sample * WIDTH + id.x % WIDTH];
}

// Optimizers. The rate falls linearly to 0 over STEPS.
override LENGTH: u32 = 1;   // parameters
override STEPS: u32 = 1;
override RATE: f32 = 0.1;
override MOMENTUM: f32 = 0.0;
@group(0) @binding(11) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(12) var<storage, read> gradient: array<f32>;
@group(0) @binding(13) var<storage, read_write> moment: array<f32>;
@group(0) @binding(14) var<storage, read_write> second_moment: array<f32>;

fn rate() -> f32 {
    return RATE * max(1.0 - f32(clock.step) / f32(STEPS), 0.0);
}

// Gradient descent, with momentum where that is not 0.
@compute @workgroup_size(64)
fn sgd(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= LENGTH) {
        return;
    }
    let m = MOMENTUM * moment[id.x] + gradient[id.x];
    moment[id.x] = m;
    parameters[id.x] -= rate() * m;
}

// Adam (arXiv 1412.6980), with the authors' constants.
@compute @workgroup_size(64)
fn adam(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= LENGTH) {
        return;
    }
    let g = gradient[id.x];
    let m = 0.9 * moment[id.x] + 0.1 * g;
    let v = 0.999 * second_moment[id.x] + 0.001 * g * g;
    moment[id.x] = m;
    second_moment[id.x] = v;
    let unbiased_m = m / (0.9 * clock.weight + 0.1);
    let unbiased_v = v / (0.999 * clock.second_weight + 0.001);
    parameters[id.x] -= rate() * unbiased_m / (sqrt(unbiased_v) + 1e-8);
}
