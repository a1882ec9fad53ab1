//! What of wgloss the page calls. Everything that a call gives or tells is a plain object, which a worker can post.

mod verify;

use js_sys::{Array, Function, Object};
use wasm_bindgen::prelude::*;
use wgloss::Gpu;
use wgloss::gpu::Select;

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
    pub async fn open() -> Result<Device, JsError> {
        let gpu = Gpu::open_async(&Select::Auto).await?;
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

/// A plain object.
fn object<const N: usize>(fields: [(&str, JsValue); N]) -> Result<Object, JsValue> {
    let pairs = fields.map(|(name, value)| Array::of2(&name.into(), &value));
    Object::from_entries(&Array::from_iter(pairs))
}
