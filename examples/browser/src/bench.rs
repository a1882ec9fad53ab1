//! The part Bench: how long losses take beside a copy of the least bytes.

use crate::{Device, object, thrown};
use js_sys::{Function, Object};
use wasm_bindgen::prelude::*;
use wgloss::DType;
use wgloss::bench::{Bench, Case, Row};
use wgloss::loss::by_name;

/// Rounds of a measurement: a page is not left alone for long.
const ROUNDS: usize = 7;

/// The storage types there are.
#[wasm_bindgen]
pub fn dtypes() -> Vec<String> {
    DType::ALL.map(|d| d.name().to_string()).into()
}

#[wasm_bindgen]
impl Device {
    /// Measures losses at a size, each without and with its gradient; `each` is told of every measurement.
    ///
    /// # Errors
    /// What a loss or the device refuses, and what `each` throws.
    pub async fn bench(
        &self,
        names: Vec<String>,
        rows: usize,
        cols: usize,
        dtype: String,
        each: Function,
    ) -> Result<(), JsValue> {
        let bench = Bench::new_async(&self.gpu, Some(ROUNDS)).await;
        let mut bench = bench.map_err(thrown)?;
        let dtype = DType::ALL.into_iter().find(|d| d.name() == dtype);
        for name in names {
            let info = by_name(&name).map_err(thrown)?.info();
            for gradient in [false, true] {
                let case = Case {
                    info,
                    rows,
                    cols,
                    dtype: dtype.unwrap_or(DType::F32),
                    gradient,
                };
                let row = bench.measure_async(&case).await.map_err(thrown)?;
                each.call1(&JsValue::NULL, &measured(&row)?.into())?;
            }
        }
        Ok(())
    }
}

fn measured(row: &Row) -> Result<Object, JsValue> {
    let speed = |ms: f64| JsValue::from(row.bytes as f64 / ms / 1e6);
    object([
        ("name", row.case.info.name.into()),
        ("direction", row.case.direction().into()),
        ("plan", row.plan.into()),
        ("ms", row.loss.ms_min.into()),
        ("copy_ms", row.copy.ms_min.into()),
        ("speed", speed(row.loss.ms_min)),
        ("copy_speed", speed(row.copy.ms_min)),
        // A browser tells no CPU time, on software either.
        ("part", (row.copy.ms_min / row.loss.ms_min).into()),
        ("clock", row.clock.name().into()),
    ])
}
