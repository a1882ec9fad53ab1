//! Which device the user meant.

use super::error::Failure;
use super::print::note;
use crate::gpu::{Adapter, Gpu};
use crate::{Error, Result};

/// What `--device` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The best GPU, else a software one, else the reference.
    Auto,
    /// The best GPU, else a software one.
    Gpu,
    /// The reference.
    Cpu,
    /// The first adapter whose name contains this, whatever the case of the letters.
    Name(String),
}

impl From<String> for Choice {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Choice::Auto,
            "gpu" => Choice::Gpu,
            "cpu" => Choice::Cpu,
            _ => Choice::Name(text),
        }
    }
}

/// What a loss is evaluated on.
#[derive(Debug)]
pub enum Device {
    /// A device of wgpu.
    Gpu(Gpu),
    /// The reference, in f64.
    Reference,
}

impl Device {
    /// Opens what `choice` says; where it leaves a choice, says on standard error which it was.
    ///
    /// # Errors
    /// As [`open_gpu`], but for `auto` and `cpu`, which always find something.
    pub fn open(choice: &Choice) -> Result<Self, Failure> {
        if *choice == Choice::Cpu {
            return Ok(Device::Reference);
        }
        match open_gpu(choice, wgpu::Features::empty()) {
            Ok(gpu) => Ok(Device::Gpu(gpu)),
            Err(e) if *choice == Choice::Auto => {
                let why = match e {
                    Error::NoAdapter(_) => "no GPU adapter found".into(),
                    other => other.to_string(),
                };
                note(&format!("device: cpu reference ({why})"));
                Ok(Device::Reference)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Its name: the adapter's, or `cpu`.
    pub fn name(&self) -> String {
        match self {
            Device::Gpu(gpu) => gpu.adapter_info().name,
            Device::Reference => "cpu".into(),
        }
    }
}

/// Opens the first adapter that `choice` admits and that can be opened, and for `auto` says on standard
/// error which it was. The device gets those of `features` that its adapter has. Never the reference.
///
/// # Errors
/// [`Error::NoAdapter`] where none is admitted, and what the first one said where none can be opened.
pub fn open_gpu(choice: &Choice, features: wgpu::Features) -> Result<Gpu> {
    let adapters = pollster::block_on(Adapter::all());
    let admitted = |adapter: &&Adapter| match choice {
        Choice::Auto | Choice::Gpu => true,
        Choice::Cpu => false,
        Choice::Name(name) => {
            let found = adapter.info.name.to_lowercase();
            found.contains(&name.to_lowercase())
        }
    };
    let mut refusal = None;
    for adapter in adapters.iter().filter(admitted) {
        match pollster::block_on(adapter.open_with(features)) {
            Ok(gpu) => {
                if *choice == Choice::Auto {
                    note(&format!("device: {}", describe(&adapter.info)));
                }
                return Ok(gpu);
            }
            Err(e) => {
                refusal.get_or_insert(e);
            }
        }
    }
    Err(refusal.unwrap_or_else(|| {
        let wanted = match choice {
            Choice::Name(name) => format!("expected one named like `{name}`"),
            _ => "expected any".into(),
        };
        let names: Vec<_> = adapters.iter().map(|a| a.info.name.as_str()).collect();
        let found = match names.is_empty() {
            true => "none".into(),
            false => names.join(", "),
        };
        Error::NoAdapter(format!("{wanted}, found {found}"))
    }))
}

/// An adapter in a few words.
pub fn describe(info: &wgpu::AdapterInfo) -> String {
    format!(
        "{}, {}, {}",
        info.name,
        backend(info.backend),
        kind(info.device_type)
    )
}

/// The name of a backend.
pub fn backend(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Noop => "none",
        wgpu::Backend::Vulkan => "Vulkan",
        wgpu::Backend::Metal => "Metal",
        wgpu::Backend::Dx12 => "DirectX 12",
        wgpu::Backend::Gl => "OpenGL",
        wgpu::Backend::BrowserWebGpu => "WebGPU",
    }
}

/// The kind of an adapter.
pub fn kind(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "unknown kind",
    }
}
