//! Kernels that say the written gradient and the derived one, side by side or one of them.

use super::{Derived, NUMERICS, PIECES, Points, column, plain, prune};
use crate::custom::derive::change_name;
use crate::gpu::Gpu;
use crate::loss::{Info, OptionKind, OptionValue};
use naga::compact::KeepUnused;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// The gradients at a point, by each input.
pub(super) struct Found {
    pub(super) written: Vec<f32>,
    pub(super) derived: Vec<f32>,
}

/// Words of a point: `n`, the options, the inputs, the target, the weight of the column.
fn words(info: &Info) -> usize {
    1 + info.options.len() + info.inputs.len() + 2
}

/// A kernel over points; `own` is what was derived.
pub(super) fn kernel(info: &'static Info, written: bool, own: Option<&Derived>) -> String {
    let mut text = info.wgsl.replace("params.opt_", "mine.opt_") + PIECES + NUMERICS;
    let fields: String = info.inputs.iter().map(|x| format!("{x}: f32, ")).collect();
    text += &format!("struct Elem {{ {fields}t: f32, c: f32, w: f32, col: u32 }}\n");
    text += &format!("struct Grad {{ {fields}}}\nstruct Term {{ loss: f32, grad: Grad }}\n");
    if !info.wgsl.contains("fn nan_grad(") {
        text += "fn nan_grad(e: Elem) -> bool { return true; }\n";
    }
    text += "struct Mine { n: u32, ";
    for option in info.options {
        let ty = match option.kind {
            OptionKind::Flag => "u32",
            _ => "f32",
        };
        text += &format!("opt_{}: {ty}, ", option.name);
    }
    text += "}\nvar<private> mine: Mine;\n";
    text += own.map_or("", |own| &own.text);
    let inputs = info.inputs.len();
    let (stride, results) = (words(info), 2 + 2 * inputs);
    text += &format!(
        "@group(0) @binding(0) var<storage, read> points: array<u32>;\n\
         @group(0) @binding(1) var<storage, read_write> results: array<u32>;\n\
         @compute @workgroup_size(64)\n\
         fn main(@builtin(global_invocation_id) id: vec3<u32>) {{\n    \
         let at = id.x * {stride}u;\n    let to = id.x * {results}u;\n    \
         if (at >= arrayLength(&points)) {{ return; }}\n    mine.n = points[at];\n"
    );
    let mut next = 1;
    let mut word = || {
        next += 1;
        format!("points[at + {}u]", next - 1)
    };
    for option in info.options {
        let value = match option.kind {
            OptionKind::Flag => word(),
            _ => format!("bitcast<f32>({})", word()),
        };
        text += &format!("    mine.opt_{} = {value};\n", option.name);
    }
    let names: Vec<_> = super::parameters(info);
    let mut top = Vec::new();
    for name in info.inputs.iter().copied().chain(["t", "c"]) {
        let bits = word();
        if names.contains(&name) {
            top.push(format!("{bits} & 0x7fffffffu"));
        }
        text += &format!("    let {name} = bitcast<f32>({bits});\n");
    }
    let given = format!("{}, t, c, 1.0, 0u", info.inputs.join(", "));
    let odd: Vec<_> = top
        .iter()
        .map(|bits| format!("({bits}) > INF_BITS"))
        .collect();
    text += &format!(
        "    let e = Elem({given});\n    let nan = ({}) && nan_grad(e);\n",
        odd.join(" || ")
    );
    let number = |at: usize, v: String| {
        format!(
            "    results[to + {at}u] = select(bitcast<u32>({v}), NAN_BITS, {});\n",
            if at < 2 { "false" } else { "nan" }
        )
    };
    if written {
        text += "    let w = term(e);\n";
        text += &number(0, "w.loss".into());
        for (k, x) in info.inputs.iter().enumerate() {
            text += &number(2 + k, format!("w.grad.{x}"));
        }
    }
    if own.is_some() {
        // As naga ends names that end with a digit.
        text += &format!("    let o = loss_change({});\n", names.join(", "));
        text += &number(1, "o.v".into());
        for k in 0..inputs {
            text += &number(2 + inputs + k, format!("o.{}", change_name(k)));
        }
    }
    text + "}\n"
}

/// The same for one of them, without what comes to nothing; the written one in plain arithmetic, if that is asked for.
pub(super) fn counted(
    info: &'static Info,
    written: bool,
    plainly: bool,
    own: Option<&Derived>,
) -> naga::Module {
    // What a loss says of NaN is in both, and would hide what they share with it; but the element is there for both.
    let mut text = kernel(info, written, own).replace("&& nan_grad(e);", "&& asked(e);");
    text += "fn asked(e: Elem) -> bool { return true; }\n";
    if plainly {
        text = plain::plain(&text) + plain::HELPERS;
    }
    let mut module = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
    prune::prune(&mut module, KeepUnused::No);
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::default());
    validator.validate(&module).expect("a module");
    module
}

pub(super) fn run(gpu: &Gpu, points: &Points, own: &Derived) -> Vec<Found> {
    let info = points.info;
    let mut data: Vec<u32> = Vec::new();
    for p in &points.all {
        data.push(0);
        let options = points.options(p);
        for option in &options {
            data.push(match option {
                OptionValue::Number(v) => v.to_bits(),
                OptionValue::Flag(v) => u32::from(*v),
                other => panic!("{other:?}"),
            });
        }
        let inputs = info.inputs.len();
        data.extend(p.x[..inputs].iter().map(|v| v.to_bits()));
        data.push(p.t.to_bits());
        let weight = column(info).and_then(|name| {
            let at = info.options.iter().position(|o| o.name == name)?;
            match options.get(at)? {
                OptionValue::Number(v) => Some(*v),
                _ => None,
            }
        });
        data.push(weight.unwrap_or(1.0).to_bits());
    }
    let n = points.all.len();
    let text = kernel(info, true, Some(own));
    let results = 2 + 2 * info.inputs.len();
    let bytes = (4 * n * results) as u64;
    let buffer = |size, usage| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    use wgpu::BufferUsages as Usage;
    let from = buffer(4 * data.len() as u64, Usage::STORAGE | Usage::COPY_DST);
    let to = buffer(bytes, Usage::STORAGE | Usage::COPY_SRC);
    let back = buffer(bytes, Usage::MAP_READ | Usage::COPY_DST);
    gpu.queue()
        .write_buffer(&from, 0, bytemuck::cast_slice(&data));
    let device = gpu.device();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(info.name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(info.name),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let both = [&from, &to];
    let entries: Vec<_> = both
        .iter()
        .zip(0..)
        .map(|(buffer, binding)| wgpu::BindGroupEntry {
            binding,
            resource: buffer.as_entire_binding(),
        })
        .collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(n.div_ceil(64) as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&to, 0, &back, 0, bytes);
    gpu.queue().submit([encoder.finish()]);
    let bytes = gpu.block_on(gpu.read(&back)).expect("the results");
    let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    let inputs = info.inputs.len();
    numbers
        .chunks(results)
        .map(|all| Found {
            written: all[2..2 + inputs].to_vec(),
            derived: all[2 + inputs..].to_vec(),
        })
        .collect()
}
