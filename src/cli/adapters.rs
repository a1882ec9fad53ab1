//! `wgloss adapters`.

use super::args::Plain;
use super::device::{backend, kind};
use super::error::Failure;
use super::print;
use crate::gpu::Adapter;
use serde_json::{Value, json};

/// Lists the devices found, the best first, and what each supports. To find none is no failure.
pub fn run(args: &Plain) -> Result<(), Failure> {
    let found = pollster::block_on(Adapter::all());
    if args.json {
        let adapters: Vec<_> = found.iter().map(object).collect();
        return print::json(&json!({ "adapters": adapters }));
    }
    if found.is_empty() {
        return print::out("no GPU adapter found; losses run on the CPU reference");
    }
    let blocks: Vec<_> = found.iter().map(block).collect();
    print::out(&blocks.join("\n\n"))
}

/// The optional features that matter to whoever writes shaders for the device; the crate needs none.
fn features(adapter: &Adapter) -> [(&'static str, bool); 3] {
    let has = |feature| adapter.features().contains(feature);
    [
        ("shader_f16", has(wgpu::Features::SHADER_F16)),
        ("subgroups", has(wgpu::Features::SUBGROUP)),
        ("timestamp_query", has(wgpu::Features::TIMESTAMP_QUERY)),
    ]
}

fn object(adapter: &Adapter) -> Value {
    let (info, limits) = (&adapter.info, adapter.limits());
    let mut object = json!({
        "name": info.name,
        "backend": backend(info.backend),
        "type": kind(info.device_type),
        "driver": info.driver,
        "driver_info": info.driver_info,
        "max_storage_binding_bytes": limits.max_storage_buffer_binding_size,
        "max_buffer_bytes": limits.max_buffer_size,
        "max_workgroups_per_dimension": limits.max_compute_workgroups_per_dimension,
        "max_invocations_per_workgroup": limits.max_compute_invocations_per_workgroup,
        "max_workgroup_storage_bytes": limits.max_compute_workgroup_storage_size,
        "subgroup_size": [info.subgroup_min_size, info.subgroup_max_size],
    });
    for (name, there) in features(adapter) {
        object[name] = there.into();
    }
    object
}

fn block(adapter: &Adapter) -> String {
    let (info, limits) = (&adapter.info, adapter.limits());
    let mut rows = vec![
        ("backend", backend(info.backend).to_string()),
        ("type", kind(info.device_type).to_string()),
        ("driver", format!("{} {}", info.driver, info.driver_info)),
        (
            "largest binding",
            bytes(limits.max_storage_buffer_binding_size),
        ),
        ("largest buffer", bytes(limits.max_buffer_size)),
        (
            "workgroups",
            format!(
                "{} per dimension, of {} invocations and {} of memory",
                limits.max_compute_workgroups_per_dimension,
                limits.max_compute_invocations_per_workgroup,
                bytes(limits.max_compute_workgroup_storage_size.into()),
            ),
        ),
        (
            "subgroup size",
            match (info.subgroup_min_size, info.subgroup_max_size) {
                (least, most) if least == most => format!("{least}"),
                (least, most) => format!("{least} to {most}"),
            },
        ),
    ];
    rows.extend(features(adapter).map(|(name, there)| {
        let there = if there { "yes" } else { "no" };
        (name, there.to_string())
    }));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(k, v)| vec![format!("  {k}"), v])
        .collect();
    format!("{}\n{}", info.name, print::table(&rows))
}

fn bytes(n: u64) -> String {
    match n {
        n if n >= 1 << 30 => format!("{:.2} GiB", n as f64 / f64::from(1 << 30)),
        n if n >= 1 << 20 => format!("{:.2} MiB", n as f64 / f64::from(1 << 20)),
        n if n >= 1 << 10 => format!("{:.2} KiB", n as f64 / f64::from(1 << 10)),
        n => format!("{n} B"),
    }
}
