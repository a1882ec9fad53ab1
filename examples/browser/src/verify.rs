//! The part Verify: losses, metrics and outputs of rows of a device, held against the reference number by number.

use crate::{Device, object, thrown};
use js_sys::{Function, Object};
use wasm_bindgen::prelude::*;
use wgloss::loss;
use wgloss::metric::Task;
use wgloss::verify::{
    Extent, ROW_OUTPUTS, Row, Tally, run_async, run_metrics_async, run_row_outputs_async,
};

/// Everything that can be verified: the losses, the tasks of metrics, and outputs of rows.
#[wasm_bindgen]
pub fn names() -> Vec<String> {
    let losses = loss::all().iter().map(|info| info.name);
    let tasks = Task::ALL.iter().map(|task| task.name());
    let all = losses.chain(tasks).chain([ROW_OUTPUTS]);
    all.map(String::from).collect()
}

#[wasm_bindgen]
impl Device {
    /// Verifies what `names` has, as far as `extent` says. `each` is told after every case how many of a kind there are so far
    /// and will be, what all cases of that name come to, and of a failure what was wrong.
    ///
    /// # Errors
    /// What keeps the device from evaluating at all, and what `each` throws.
    pub async fn verify(
        &self,
        names: Vec<String>,
        extent: String,
        each: Function,
    ) -> Result<(), JsValue> {
        let known = Extent::ALL.into_iter().find(|e| e.name() == extent);
        let extent = known.ok_or_else(|| JsError::new(&format!("no extent `{extent}`")))?;
        let asked = |name: &str| names.iter().any(|n| n == name);
        let losses = loss::all().iter().copied();
        let losses: Vec<_> = losses.filter(|info| asked(info.name)).collect();
        let tasks: Vec<_> = Task::ALL.into_iter().filter(|t| asked(t.name())).collect();
        let mut tallies = Vec::new();
        let mut failed = None;
        let mut told = |row: &Row, done: usize, total: usize| {
            let tally = Tally::count(&mut tallies, row);
            let told = case(row, tally, done, total).and_then(|o| each.call1(&JsValue::NULL, &o));
            if let Err(e) = told {
                failed.get_or_insert(e);
            }
        };
        let gpu = &self.gpu;
        let ran = run_async(gpu, &losses, extent, &mut told).await;
        ran.map_err(thrown)?;
        let ran = run_metrics_async(gpu, &tasks, extent, &mut told).await;
        ran.map_err(thrown)?;
        if asked(ROW_OUTPUTS) {
            let ran = run_row_outputs_async(gpu, extent, &mut told).await;
            ran.map_err(thrown)?;
        }
        failed.map_or(Ok(()), Err)
    }
}

/// What is told of a case.
fn case(row: &Row, tally: &Tally, done: usize, total: usize) -> Result<Object, JsValue> {
    let failure = match row.check.pass {
        true => JsValue::NULL,
        false => row.to_string().into(),
    };
    object([
        ("done", (done as f64).into()),
        ("total", (total as f64).into()),
        ("name", tally.name.into()),
        ("dtype", tally.dtype.name().into()),
        ("cases", (tally.cases as f64).into()),
        ("failed", (tally.failed as f64).into()),
        ("loss_err", tally.loss_err.into()),
        ("grad_err", tally.grad_err.into()),
        ("worst", tally.worst.into()),
        ("bound", tally.bound.into()),
        ("failure", failure),
    ])
}
