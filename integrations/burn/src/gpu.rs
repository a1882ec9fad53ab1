//! One wgpu device for burn and wgloss.

use crate::scale::Scale;
use crate::wgpu;
use burn::backend::DispatchDevice;
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use burn_cubecl::CubeDevice;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wgloss::{Error, Gpu, Result};

/// burn's wgpu device, as wgloss uses it: its losses and metrics run on the same device, on the same queue, on burn's own buffers.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedGpu(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gpu: Gpu,
    burn: Device,
    device: CubeDevice,
    scale: OnceLock<Result<Scale>>,
    /// The first failure of what burn had deferred.
    failure: Mutex<Option<Error>>,
}

impl SharedGpu {
    /// Opens burn's default wgpu device.
    ///
    /// # Errors
    /// [`Error::Device`] where there is none, and where burn has opened it already: then
    /// [`new`](Self::new) takes what burn gave.
    pub fn open() -> Result<(Device, SharedGpu)> {
        let opened = Device::wgpu_options().init_with_setup();
        let (device, setup) = opened.map_err(|e| {
            let why = one_line(&e);
            Error::Device(format!(
                "burn opens its default device once, and gives its handles then: {why}"
            ))
        })?;
        let gpu = SharedGpu::new(&device, setup)?;
        Ok((device, gpu))
    }

    /// A device that burn runs on, with the handles that burn gave when it was opened
    /// ([`WgpuOptions::init_with_setup`](burn::tensor::wgpu::WgpuOptions::init_with_setup)), or was given
    /// ([`WgpuOptions::setup`](burn::tensor::wgpu::WgpuOptions::setup)). That they are this device's nobody can see: with another's, wgpu refuses burn's buffers.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a device that does not run on wgpu.
    pub fn new(device: &Device, setup: WgpuSetup) -> Result<SharedGpu> {
        Ok(SharedGpu(Arc::new(Shared {
            gpu: Gpu::from_device(setup.device, setup.queue),
            burn: device.clone().inner(),
            device: cube(device)?,
            scale: OnceLock::new(),
            failure: Mutex::new(None),
        })))
    }

    /// The device as wgloss sees it: for plans, states and buffers of one's own.
    pub fn gpu(&self) -> &Gpu {
        &self.0.gpu
    }

    /// The device as burn sees it, without automatic differentiation.
    pub fn burn(&self) -> &Device {
        &self.0.burn
    }

    /// The first failure of an evaluation that burn had deferred, if there was one, and forgets it. Until then its results are NaN.
    pub fn take_failure(&self) -> Option<Error> {
        let mut failure = self
            .0
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }

    pub(crate) fn fail(&self, error: Error) {
        let mut failure = self
            .0
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error);
    }

    /// Refuses a tensor on another device.
    pub(crate) fn check(&self, what: &str, device: &Device) -> Result<()> {
        self.check_cube(what, &cube(device)?)
    }

    pub(crate) fn check_cube(&self, what: &str, found: &CubeDevice) -> Result<()> {
        match *found == self.0.device {
            true => Ok(()),
            false => Err(Error::Mismatch {
                what: format!("device of {what}"),
                expected: format!("{:?}", self.0.device),
                found: format!("{found:?}"),
            }),
        }
    }

    /// Runs `make` with errors of the device for its own, and nobody else's.
    pub(crate) fn scoped<T>(&self, make: impl FnOnce() -> T) -> Result<T> {
        let device = self.0.gpu.device();
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let validation = validation.pop();
        let memory = memory.pop();
        if let Some(error) = pollster::block_on(memory) {
            return Err(Error::OutOfMemory(one_line(&error)));
        }
        match pollster::block_on(validation) {
            Some(error) => Err(Error::Device(one_line(&error))),
            None => Ok(made),
        }
    }

    /// Submits what `record` records, with errors of the device for its own.
    pub(crate) fn submit<T>(
        &self,
        record: impl FnOnce(&mut wgpu::CommandEncoder) -> T,
    ) -> Result<T> {
        let gpu = &self.0.gpu;
        self.scoped(|| {
            let wanted = wgpu::CommandEncoderDescriptor::default();
            let mut encoder = gpu.device().create_command_encoder(&wanted);
            let recorded = record(&mut encoder);
            gpu.queue().submit([encoder.finish()]);
            recorded
        })
    }

    pub(crate) fn scale(&self) -> Result<&Scale> {
        let scale = self.0.scale.get_or_init(|| Scale::new(self));
        scale.as_ref().map_err(Clone::clone)
    }
}

fn cube(device: &Device) -> Result<CubeDevice> {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(cube @ CubeDevice::Wgpu(_)) => Ok(cube.clone()),
        other => Err(Error::Mismatch {
            what: "device".into(),
            expected: "one of burn's wgpu runtime".into(),
            found: format!("{other:?}"),
        }),
    }
}

/// What an error of burn's says, in one line.
pub(crate) fn one_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
