//! What of wgloss the page calls. Everything that a call gives or tells is a plain object, which a worker can post.

mod bench;
mod evaluate;
mod explore;
mod verify;
mod write;

use js_sys::{Array, Function, Object};
use wasm_bindgen::prelude::*;
use wgloss::gpu::Adapter;
use wgloss::{Error, Gpu, wgpu};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(text: &str);
}

/// A panic ends the program with no word of its own.
#[wasm_bindgen(start)]
fn begin() {
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}

/// A device of the browser's.
#[wasm_bindgen]
#[derive(Debug, Clone)]
pub struct Device {
    gpu: Gpu,
}

#[wasm_bindgen]
impl Device {
    /// Opens the adapter that the browser gives.
    ///
    /// # Errors
    /// Where there is none, or it refuses.
    pub async fn open() -> Result<Device, JsValue> {
        // A page is given one adapter.
        let adapter = Adapter::all().await.into_iter().next();
        let none = || Error::NoAdapter("the browser gives none".into());
        let adapter = adapter.ok_or_else(none).map_err(thrown)?;
        // To measure with, where it can.
        let gpu = adapter.open_with(wgpu::Features::TIMESTAMP_QUERY).await;
        let gpu = gpu.map_err(thrown)?;
        Ok(Device { gpu })
    }

    /// Has `told` know why, should the device be lost.
    pub fn on_lost(&self, told: Function) {
        let device = self.gpu.device();
        device.set_device_lost_callback(move |_, why| {
            // Nobody is left whom an error in it could be told.
            let _ = told.call1(&JsValue::NULL, &why.into());
        });
    }

    /// The kind of device that kernels are shaped for, and the limits that plans keep to.
    pub fn about(&self) -> Result<Object, JsValue> {
        let limits = self.gpu.limits();
        object([
            ("tuning", self.gpu.tuning().name().into()),
            ("binding", (limits.binding as f64).into()),
            ("buffer", (limits.buffer as f64).into()),
        ])
    }
}

/// An error as it is thrown.
fn thrown(e: Error) -> JsValue {
    JsError::from(e).into()
}

/// A plain object.
fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Result<Object, JsValue> {
    let pairs = fields.map(|(name, value)| Array::of2(&name.into(), &value));
    Object::from_entries(&Array::from_iter(pairs))
}

/// Numbers that can be posted as a whole.
fn numbers(all: &[f64]) -> JsValue {
    js_sys::Float64Array::from(all).into()
}
