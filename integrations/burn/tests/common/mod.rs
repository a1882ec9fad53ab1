//! The one device of a test process.

use burn::tensor::{Device, TensorData};
use std::sync::OnceLock;
use wgloss_burn::SharedGpu;

/// burn's device, and the same for wgloss.
pub fn gpu() -> &'static (Device, SharedGpu) {
    static GPU: OnceLock<(Device, SharedGpu)> = OnceLock::new();
    GPU.get_or_init(|| {
        SharedGpu::open().expect("a Vulkan driver: apt-get install mesa-vulkan-drivers")
    })
}

/// The numbers of a tensor.
#[allow(dead_code, reason = "not every test file reads tensors")]
pub fn numbers(data: TensorData) -> Vec<f32> {
    data.try_into_vec_as().expect("numbers")
}
