//! wgloss as a guest: the host owns the device, its error handler and one pool of memory, and records everything into a
//! compute pass of its own.
//!
//! A layer of the host's own makes logits, wgloss turns them into a loss and a gradient, and the host's optimizer takes the
//! gradient, all in one pass and from one buffer. Then ten mistakes are made, and the host looks at what is left of its own error
//! handling.
//!
//!     cargo run --release --example own_device

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wgloss::gpu::{Bound, Io, Plan, View};
use wgloss::{CrossEntropy, DType, Gpu, LabelType, Layout, Mse, TargetLayout, gpu, wgpu};

const ROWS: usize = 256;
const CLASSES: usize = 10;
const STEPS: usize = 200;

/// Where tensors lie in the pool, in bytes. Labels begin where no binding could.
const LABELS: u64 = 8;
const LOGITS: u64 = 4096;
const GRADIENT: u64 = LOGITS + 4 * (ROWS * CLASSES) as u64;
const LOSS: u64 = GRADIENT + 4 * (ROWS * CLASSES) as u64;
const POOL: u64 = LOSS + 256;

/// The host's optimizer: logits are what is trained here.
const DESCENT: &str = "
@group(0) @binding(0) var<storage, read_write> pool: array<f32>;
@compute @workgroup_size(64)
fn descend(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < COUNT) {
        pool[LOGITS + id.x] -= 20.0 * pool[GRADIENT + id.x];
    }
}
";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    pollster::block_on(run())
}

async fn run() -> Outcome<()> {
    // The host makes its device as it likes; what would help wgloss it can ask for.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance
        .request_adapter(&wgpu::RequestAdapterOptions::default())
        .await?;
    let (device, queue) = adapter
        .request_device(&wgpu::DeviceDescriptor {
            required_features: gpu::optional_features() & adapter.features(),
            required_limits: gpu::required_limits(&adapter.limits()),
            ..Default::default()
        })
        .await?;
    println!("{}", adapter.get_info().name);
    // And handles errors as it likes.
    let uncaught = Arc::new(AtomicUsize::new(0));
    let counter = uncaught.clone();
    device.on_uncaptured_error(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    }));

    // Everything lies in one buffer.
    let usage =
        wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let pool = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("pool"),
        size: POOL,
        usage,
        mapped_at_creation: false,
    });
    let labels: Vec<u32> = (0..ROWS as u32).map(|r| r * 7 % CLASSES as u32).collect();
    queue.write_buffer(&pool, LABELS, bytemuck::cast_slice(&labels));
    let view = |offset, size| View {
        buffer: &pool,
        offset,
        size,
    };
    let tensor = 4 * (ROWS * CLASSES) as u64;
    let guest = Gpu::from_device(device.clone(), queue.clone());
    let layout = Layout {
        target: TargetLayout::Labels(LabelType::U32),
        ..Layout::new([ROWS, CLASSES])
    };
    let plan = guest.plan_async(&CrossEntropy::default(), &layout).await?;
    let io = Io {
        inputs: vec![view(LOGITS, tensor)],
        target: Some(view(LABELS, 4 * ROWS as u64)),
        grads: vec![view(GRADIENT, tensor)],
        loss: Some(view(LOSS, 4)),
        ..Io::default()
    };
    let step = plan.bind_async(&io).await?;
    let (pipeline, group) = descent(&device, &pool);

    let mut losses = Vec::new();
    for i in 0..STEPS {
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            step.record(&mut pass);
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups((ROWS * CLASSES).div_ceil(64) as u32, 1, 1);
        }
        queue.submit([encoder.finish()]);
        if i == 0 || i + 1 == STEPS {
            losses.push(step.report_async().await?.0.unwrap_or(f32::NAN));
        }
    }
    println!(
        "loss {:.4} at first, {:.4} after {STEPS} steps",
        losses[0], losses[1]
    );

    mistakes(&adapter, &guest, &plan, &io, &step).await?;
    let caught = uncaught.load(Ordering::SeqCst);
    println!("errors that reached the host's handler: {caught}");

    // The handler is still the host's.
    own_error(&device);
    let own = uncaught.load(Ordering::SeqCst) - caught;
    println!("errors of its own that do: {own} of 1");
    let mut encoder = device.create_command_encoder(&Default::default());
    step.encode(&mut encoder);
    queue.submit([encoder.finish()]);
    let again = step.report_async().await?.0.unwrap_or(f32::NAN);
    println!("the device still evaluates: loss {again:.4}");
    match caught == 0 && own == 1 && again <= losses[1] && losses[1] < 0.1 * losses[0] {
        true => Ok(()),
        false => Err("the guest has not behaved".into()),
    }
}

/// Makes wgloss refuse views, layouts and devices, by its own checks and by wgpu's, inside an error scope of the host's.
async fn mistakes(
    adapter: &wgpu::Adapter,
    guest: &Gpu,
    plan: &Plan,
    io: &Io<'_>,
    step: &Bound,
) -> Outcome<()> {
    let device = guest.device();
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let mut seen = Vec::new();
    let mut refused = |what: &'static str, result: wgloss::Result<()>| match result {
        Ok(()) => seen.push(format!("{what}: not refused")),
        Err(e) => println!("  {what}: {e}"),
    };
    println!("what is refused:");
    let mut over = io.clone();
    over.grads = over.inputs.clone();
    let mut short = io.clone();
    short.inputs[0].size = 4;
    let uniform = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * (ROWS * CLASSES) as u64,
        usage: wgpu::BufferUsages::UNIFORM,
        mapped_at_creation: false,
    });
    let mut wrong = io.clone();
    wrong.inputs = vec![View::whole(&uniform)];
    // wgpu says that itself, and to nobody else.
    let (other, _) = adapter.request_device(&Default::default()).await?;
    let foreign = other.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: POOL,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let mut strange = io.clone();
    strange.inputs = vec![View::whole(&foreign)];
    for (what, io) in [
        ("no views", Io::default()),
        ("a gradient over its input", over),
        ("a view that is too short", short),
        ("a buffer of another usage", wrong),
        ("a buffer of another device", strange),
    ] {
        refused(what, plan.bind_async(&io).await.map(drop));
    }
    let layout = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([ROWS, CLASSES])
    };
    let huge = Layout {
        target: TargetLayout::Values(DType::F32),
        ..Layout::new([1 << 17, 1 << 16])
    };
    let plans = [
        (
            "labels for a loss of numbers",
            Layout {
                target: TargetLayout::Labels(LabelType::U32),
                ..layout.clone()
            },
        ),
        (
            "no target",
            Layout {
                target: TargetLayout::None,
                ..layout.clone()
            },
        ),
        (
            "an upstream gradient that is none",
            Layout {
                grad_scale: f32::NAN,
                ..layout
            },
        ),
    ];
    for (what, layout) in plans {
        let result = guest.plan_async(&Mse::default(), &layout).await;
        refused(what, result.map(drop));
    }
    // A tensor that no buffer holds can be planned, in chunks, but nothing of that size bound.
    let plan = guest.plan_async(&Mse::default(), &huge).await?;
    refused("32 GiB", plan.bind_async(io).await.map(drop));
    let mut encoder = device.create_command_encoder(&Default::default());
    refused(
        "a count without a normalizer",
        step.encode_count(&mut encoder),
    );
    drop(encoder);
    if !seen.is_empty() {
        return Err(seen.join("; ").into());
    }
    // The scope is the one that was pushed, and nothing is in it.
    match scope.pop().await {
        None => println!("in the host's error scope: nothing"),
        Some(e) => return Err(format!("in the host's error scope: {e}").into()),
    }
    Ok(())
}

/// A mistake of the host's own: a buffer cannot be mapped for reading and bound.
fn own_error(device: &wgpu::Device) {
    let _ = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
}

/// The host's optimizer over the pool.
fn descent(device: &wgpu::Device, pool: &wgpu::Buffer) -> (wgpu::ComputePipeline, wgpu::BindGroup) {
    let text = DESCENT
        .replace("COUNT", &format!("{}u", ROWS * CLASSES))
        .replace("LOGITS", &format!("{}u", LOGITS / 4))
        .replace("GRADIENT", &format!("{}u", GRADIENT / 4));
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("descent"),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("descent"),
        layout: None,
        module: &module,
        entry_point: Some("descend"),
        compilation_options: Default::default(),
        cache: None,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("descent"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: pool.as_entire_binding(),
        }],
    });
    (pipeline, group)
}
