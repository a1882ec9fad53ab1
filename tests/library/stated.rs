//! What the shaders' elementary functions are, how far they may be from it, and WGSL on a device at any points. The
//! tests take some points of each, `benches/functions.rs` every f32 there is.

use super::support::{download, upload};
use wgloss::bounds::{DIV, INVERSE_SQRT, SQRT, TINY, U, exp};
use wgloss::{DType, Gpu, wgpu};

const SHADERS: &str = concat!(
    include_str!("../../shaders/common/numerics.wgsl"),
    include_str!("../../shaders/common/storage.wgsl"),
    include_str!("../../shaders/metric/fine.wgsl"),
);

/// A function, what it ought to be, and the error that is stated for it: absolute, but for what subnormals lose, which a device may
/// take for 0.
pub struct Stated {
    pub name: &'static str,
    /// WGSL of `a` and `b`.
    pub call: &'static str,
    /// The bound in words, in units u = 2⁻²⁴.
    pub words: &'static str,
    /// Where it is stated, of the numbers that are finite.
    pub domain: fn(f64) -> bool,
    pub exact: fn(f64, f64) -> f64,
    /// Of `a`, `b` and the exact result.
    pub bound: fn(f64, f64, f64) -> f64,
}

/// log(1 + e^−|x|).
fn log_below(x: f64) -> f64 {
    (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

/// All but `power`, which has two arguments.
pub const STATED: &[Stated] = &[
    Stated {
        name: "ln",
        call: "ln(a)",
        words: "4u relative",
        domain: |x| x > 0.0,
        exact: |x, _| x.ln(),
        bound: |_, _, exact| 4.0 * U * exact.abs(),
    },
    Stated {
        name: "ln_1p",
        call: "ln_1p(a)",
        words: "6u relative",
        domain: |x| x > -1.0,
        exact: |x, _| x.ln_1p(),
        bound: |_, _, exact| 6.0 * U * exact.abs(),
    },
    Stated {
        name: "ln_1p_unit",
        call: "ln_1p_unit(a)",
        words: "3u relative",
        domain: |x| (0.0..=1.0).contains(&x),
        exact: |x, _| x.ln_1p(),
        bound: |_, _, exact| 3.0 * U * exact.abs(),
    },
    Stated {
        name: "softplus",
        call: "softplus(a)",
        words: "3u·max(x, 0) + (6 + 4|x|)u·e^−|x|",
        domain: |_| true,
        exact: |x, _| x.max(0.0) + log_below(x),
        bound: |x, _, _| 3.0 * U * x.max(0.0) + exp(x.abs()) * (-x.abs()).exp(),
    },
    // Losses have it as the softplus of −x.
    Stated {
        name: "log_sigmoid",
        call: "-softplus(-a)",
        words: "3u·max(−x, 0) + (6 + 4|x|)u·e^−|x|",
        domain: |_| true,
        exact: |x, _| x.min(0.0) - log_below(x),
        bound: |x, _, _| 3.0 * U * (-x).max(0.0) + exp(x.abs()) * (-x.abs()).exp(),
    },
    Stated {
        name: "sigmoid",
        call: "sigmoid(a)",
        words: "(18 + 4|x|)u relative",
        domain: |_| true,
        exact: |x, _| sigmoid(x),
        bound: |x, _, exact| (exp(x) + 12.0 * U) * exact,
    },
    Stated {
        name: "tanh_fine",
        call: "tanh_fine(a)",
        words: "16u relative",
        domain: |_| true,
        exact: |x, _| x.tanh(),
        bound: |_, _, exact| 16.0 * U * exact.abs(),
    },
    Stated {
        name: "exp_fine",
        call: "exp_fine(a)",
        words: "3u relative above −86.9, 2⁻¹²⁵ below",
        domain: |x| (-200.0..=0.0).contains(&x),
        exact: |x, _| x.exp(),
        // Where it becomes 0, e^x is below 2^-125.5.
        bound: |x, _, exact| match x > -86.9 {
            true => 3.0 * U * exact,
            false => 2f64.powi(-125),
        },
    },
    // The exponential has 3u, its logarithm 3u more, and their sum one rounding.
    Stated {
        name: "softplus_fine",
        call: "softplus_fine(a)",
        words: "u·max(x, 0) + 7u·log(1 + e^−|x|)",
        domain: |_| true,
        exact: |x, _| x.max(0.0) + log_below(x),
        bound: |x, _, _| U * x.max(0.0) + 7.0 * U * log_below(x) + 2f64.powi(-125),
    },
    // The exponential 3u, the sum 1u, the division 5u; where e^-|x| is the numerator its error is less, as the divisor has it too.
    Stated {
        name: "sigmoid_fine",
        call: "sigmoid_fine(a)",
        words: "9u relative above −86.9, 2⁻¹²⁵ below",
        domain: |_| true,
        exact: |x, _| sigmoid(x),
        bound: |x, _, exact| 9.0 * U * exact + if x > -86.9 { 0.0 } else { 2f64.powi(-125) },
    },
    // WGSL's own, and what WGSL promises of it.
    Stated {
        name: "exp (WGSL)",
        call: "exp(a)",
        words: "(6 + 4|x|)u relative",
        domain: |x| (-104.0..=88.7).contains(&x),
        exact: |x, _| x.exp(),
        bound: |x, _, exact| exp(x) * exact,
    },
    Stated {
        name: "sqrt (WGSL)",
        call: "sqrt(a)",
        words: "9u relative",
        domain: |x| x >= TINY,
        exact: |x, _| x.sqrt(),
        bound: |_, _, exact| SQRT * exact,
    },
    Stated {
        name: "inverseSqrt (WGSL)",
        call: "inverseSqrt(a)",
        words: "4u relative",
        domain: |x| x >= TINY,
        exact: |x, _| 1.0 / x.sqrt(),
        bound: |_, _, exact| INVERSE_SQRT * exact,
    },
    Stated {
        name: "1/x (WGSL)",
        call: "1.0 / a",
        words: "5u relative, for |x| in [2⁻¹²⁶, 2¹²⁶]",
        domain: |x| (2f64.powi(-126)..=2f64.powi(126)).contains(&x.abs()),
        exact: |x, _| 1.0 / x,
        bound: |_, _, exact| DIV * exact.abs(),
    },
];

/// x^y for x in [0, 1], as losses use it, and y from 0 on.
pub const POWER: Stated = Stated {
    name: "power",
    call: "power(a, b)",
    words: "(9|y·log x| + 10)u relative",
    domain: |x| (0.0..=1.0).contains(&x),
    exact: f64::powf,
    bound: |x, y, exact| {
        let log = if x > 0.0 { (y * x.ln()).abs() } else { 0.0 };
        (log * 9.0 + 10.0) * U * exact
    },
};

impl Stated {
    /// What is exact, and how far `found` may be from it.
    pub fn expected(&self, a: f32, b: f32) -> (f64, f64) {
        let (x, y) = (f64::from(a), f64::from(b));
        let exact = (self.exact)(x, y);
        (exact, (self.bound)(x, y, exact) + TINY)
    }
}

/// The error of a result in proportion to what it may be off by: at most 1 where that holds, infinite for a NaN.
pub fn ratio((exact, allowed): (f64, f64), found: f32) -> f64 {
    let error = (f64::from(found) - exact).abs();
    // A result that is subnormal may be 0, and one beyond the largest number infinite.
    let lost = exact.abs() < TINY && error <= TINY;
    let infinite = f64::from(found) == f64::INFINITY.copysign(exact);
    let over = exact.abs() >= DType::F32.overflow() && infinite;
    match error / allowed {
        _ if lost || over => 0.0,
        r if r.is_nan() => f64::INFINITY,
        r => r,
    }
}

/// An expression of WGSL, compiled for a device.
pub struct Evaluator {
    gpu: Gpu,
    pipeline: wgpu::ComputePipeline,
}

/// Points at once: 65,535 workgroups of 256 are the most that one dispatch has.
pub const MOST: usize = 1 << 23;

impl Evaluator {
    /// Of `a` and `b`, all of the type `ty`.
    pub fn new(gpu: &Gpu, expression: &str, ty: &str) -> Self {
        let text = format!(
            "{SHADERS}
            @group(0) @binding(0) var<storage, read> first: array<{ty}>;
            @group(0) @binding(1) var<storage, read> second: array<{ty}>;
            @group(0) @binding(2) var<storage, read_write> result: array<{ty}>;
            fn apply(a: {ty}, b: {ty}) -> {ty} {{ return {expression}; }}
            @compute @workgroup_size(256)
            fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
                if (id.x < arrayLength(&result)) {{
                    result[id.x] = apply(first[id.x], second[id.x % arrayLength(&second)]);
                }}
            }}"
        );
        let module = gpu
            .device()
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: None,
                source: wgpu::ShaderSource::Wgsl(text.into()),
            });
        let pipeline = gpu
            .device()
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            });
        Evaluator {
            gpu: gpu.clone(),
            pipeline,
        }
    }

    /// Of a function.
    pub fn of(gpu: &Gpu, stated: &Stated) -> Self {
        Evaluator::new(gpu, stated.call, "f32")
    }

    /// At every word of `a`, at most [`MOST`], with the words of `b` over and over.
    pub fn run(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        assert!(a.len() <= MOST, "{} points", a.len());
        let device = self.gpu.device();
        let b = if b.is_empty() { &[0] } else { b };
        let result = upload(&self.gpu, bytemuck::cast_slice(&vec![0u32; a.len()]));
        let [a_words, b_words] = [a, b].map(|v| upload(&self.gpu, bytemuck::cast_slice(v)));
        let buffers = [&a_words, &b_words, &result];
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &buffers
                .iter()
                .zip(0..)
                .map(|(buffer, binding)| wgpu::BindGroupEntry {
                    binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect::<Vec<_>>(),
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(a.len().div_ceil(256) as u32, 1, 1);
        }
        self.gpu.queue().submit([encoder.finish()]);
        bytemuck::pod_collect_to_vec(&download(&self.gpu, &result))
    }
}
