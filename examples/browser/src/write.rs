//! The part Write: a text of WGSL becomes a loss with its derivatives, or a mistake at a place.

use crate::explore::describe;
use crate::{object, thrown};
use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;
use wgloss::{Custom, Error};

/// Name and text of losses to begin with.
const EXAMPLES: [(&str, &str); 5] = [
    ("pinball", include_str!("../../losses/pinball.wgsl")),
    ("barron", include_str!("../../losses/barron.wgsl")),
    (
        "confident_mse",
        include_str!("../../losses/confident_mse.wgsl"),
    ),
    ("label_focal", include_str!("../../losses/label_focal.wgsl")),
    (
        "cool_cross_entropy",
        include_str!("../../losses/cool_cross_entropy.wgsl"),
    ),
];

/// Losses to begin with.
#[wasm_bindgen]
pub fn examples() -> Result<Array, JsValue> {
    let all = EXAMPLES.into_iter();
    all.map(|(name, wgsl)| object([("name", name.into()), ("wgsl", wgsl.into())]))
        .collect()
}

/// The loss of a text with the WGSL of its derivatives, or `error`: what is wrong, in which line and column, and how long it is.
#[wasm_bindgen]
pub fn compile(name: &str, wgsl: &str) -> Result<Object, JsValue> {
    match Custom::new(name, wgsl) {
        Ok(loss) => object([
            ("loss", describe(&loss)?.into()),
            ("derivative", loss.derivative().into()),
        ]),
        Err(Error::Source { error, .. }) => {
            let error = object([
                ("message", error.message.into()),
                ("line", error.line.into()),
                ("column", error.column.into()),
                ("length", error.length.into()),
            ]);
            object([("error", error?.into())])
        }
        Err(e) => Err(thrown(e)),
    }
}
