//! Bounds against the device itself.

use super::bounds_tests::{Case, FUNCTIONS, LOSSES, points};
use crate::custom::derive::{derive, tests as derived};
use crate::custom::emit::{checked, text};
use crate::custom::parse::{Kind, Parsed};
use crate::device::gpu;
use crate::gpu::Gpu;
use wgpu::util::{BufferInitDescriptor, DeviceExt};

/// A kernel that writes the value and both derivatives at each point.
fn kernel(case: &Case, source: &str) -> String {
    let parsed = Parsed::new(source).expect("a loss");
    let options = case.machine().settings();
    let option = |k: usize| {
        let mut all = parsed.settings.iter().zip(&options);
        let found = all.find(|(s, _)| s.handle.index() == k);
        let (setting, value) = found.expect("an option");
        match setting.kind {
            Kind::F32 => format!("({value:?}f)"),
            _ => format!("({value})"),
        }
    };
    let info = checked(&parsed.module).expect("a module");
    let made = derive(&parsed.module, &info, parsed.loss, &[true, true]).expect("a derivative");
    let functions = text(&made.module, "user_", option).expect("a text");
    let after = |what: &str| {
        let (_, rest) = functions.split_once(what).expect(what);
        rest
    };
    let (_, result) = after("fn loss_change(")
        .split_once("-> ")
        .expect("a result");
    let (result, _) = result.split_once(' ').expect("a body");
    let (members, _) = after(&format!("struct {result} {{"))
        .split_once('}')
        .expect("an end");
    let members = members.split(',').filter_map(|m| m.split_once(':'));
    let names: Vec<_> = members.map(|(name, _)| name.trim()).collect();
    // What nothing changes has no derivative.
    let number = |k: usize| {
        names
            .get(k)
            .map_or("0.0".to_owned(), |name| format!("found.{name}"))
    };
    let [v, d0, d1] = [0, 1, 2].map(number);
    format!(
        "@group(0) @binding(0) var<storage, read> user_inputs: array<vec2<f32>>;
         @group(0) @binding(1) var<storage, read_write> user_outputs: array<vec4<f32>>;
         {functions}
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
             if (id.x >= arrayLength(&user_inputs)) {{ return; }}
             let at = user_inputs[id.x];
             let found = loss_change(at.x, at.y);
             user_outputs[id.x] = vec4({v}, {d0}, {d1}, 0.0);
         }}"
    )
}

/// Runs a kernel over all points.
fn run(gpu: &Gpu, text: String, points: &[[f64; 2]]) -> Vec<[f32; 4]> {
    let device = gpu.device();
    let numbers: Vec<f32> = points.iter().flatten().map(|v| *v as f32).collect();
    let inputs = device.create_buffer_init(&BufferInitDescriptor {
        label: None,
        contents: bytemuck::cast_slice(&numbers),
        usage: wgpu::BufferUsages::STORAGE,
    });
    let size = 16 * points.len() as u64;
    let buffer = |usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let outputs = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let read = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry {
                binding: 0,
                resource: inputs.as_entire_binding(),
            },
            wgpu::BindGroupEntry {
                binding: 1,
                resource: outputs.as_entire_binding(),
            },
        ],
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(points.len().div_ceil(64) as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&outputs, 0, &read, 0, size);
    gpu.queue().submit([encoder.finish()]);
    let bytes = gpu.block_on(gpu.read(&read)).expect("numbers");
    bytes
        .chunks_exact(16)
        .map(bytemuck::pod_read_unaligned)
        .collect()
}

#[test]
fn this_gpu_stays_within_the_bounds_of_losses_and_their_derivatives() {
    let Some(gpu) = gpu() else { return };
    // Where reordered products do not overflow.
    let common = |v: &f64| *v == 0.0 || !v.is_finite() || (1e-9..1e9).contains(&v.abs());
    let mut points = points(400);
    points.retain(|point| point.iter().all(common));
    let whole = |e: &&str| format!("fn loss(x: f32, t: f32) -> f32 {{ return {e}; }}");
    let expressions = derived::EXPRESSIONS.iter().map(whole);
    let functions = (derived::FUNCTIONS.iter().chain(LOSSES)).map(|f| f.to_string());
    // This one does not end for every number.
    let functions = functions.filter(|text| !text.contains("loop {"));
    // What has no derivative has the same value with a derivative of 0.
    let own = FUNCTIONS.iter().map(|(e, _)| whole(e)).filter(|text| {
        !["bitcast", "quantize", "pack"]
            .iter()
            .any(|word| text.contains(word))
    });
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for source in expressions.chain(functions).chain(own) {
        let case = Case::derived(&source);
        let found = run(&gpu, kernel(&case, &source), &points);
        let machine = case.machine();
        for (point, found) in points.iter().zip(found) {
            let bounds = machine.bounded(case.function, point).expect("bounds");
            for (k, (bound, found)) in bounds.iter().zip(found).enumerate() {
                let found = f64::from(found);
                looked += usize::from(bound.bound.is_finite());
                let off = (found - bound.value).abs();
                if !(off <= bound.bound || bound.bound.is_infinite() || found == bound.value) {
                    wrong.push(format!(
                        "number {k} of {source} at {point:?}: {found:e}, expected {:e} ± {:e}",
                        bound.value, bound.bound
                    ));
                }
            }
        }
    }
    let some: Vec<_> = wrong.iter().take(40).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} of {looked}:\n{}",
        wrong.len(),
        some.join("\n")
    );
    assert!(looked > 50_000, "only {looked} bounds are finite");
}
