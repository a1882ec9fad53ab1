//! Figures of arrays in host memory, worked out on the device.

use super::{Gpu, View};
use crate::batch::Target;
use crate::error::{Error, Result};
use crate::metric::{RegressionFigures, Samples};
use crate::tensor::{DType, Values};

/// How numbers are stored on the device.
fn stored(values: &Values<'_>) -> DType {
    match values {
        Values::F16(_) => DType::F16,
        Values::Bf16(_) => DType::Bf16,
        Values::F32(_) | Values::F64(_) => DType::F32,
    }
}

/// The numbers of an array, of integers too.
fn numbers<'a>(of: &'a Target<'_>) -> Values<'a> {
    match of {
        Target::Values(v) => v.borrowed(),
        Target::Labels(l) => {
            let all = (0..l.len()).filter_map(|i| l.get(i));
            Values::from(all.map(|l| l as f64).collect::<Vec<_>>())
        }
    }
}

/// Weights are for the reference.
fn unweighted(samples: &Samples<'_>) -> Result<()> {
    match &samples.weight {
        None => Ok(()),
        Some(w) => Err(Error::mismatch(
            "weight",
            "none, of figures on a device",
            format!("{} weights", w.len()),
        )),
    }
}

impl Gpu {
    /// Figures of numbers: uploads the samples, collects them in a [`RegressionState`](super::RegressionState), waits, and reads
    /// its sums. f64 and integers are rounded to f32.
    ///
    /// # Errors
    /// As [`Regression::figures`](crate::metric::Regression::figures); [`Error::Mismatch`] for weights, which only the reference has;
    /// [`Error::TooLarge`] for arrays over the device's buffer size; [`Error::OutOfMemory`], [`Error::Device`] and
    /// [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn regression_figures(&self, samples: &Samples<'_>) -> Result<RegressionFigures> {
        self.block_on(self.regression_figures_async(samples))
    }

    /// As `regression_figures`, without blocking.
    ///
    /// # Errors
    /// As `regression_figures`.
    pub async fn regression_figures_async(
        &self,
        samples: &Samples<'_>,
    ) -> Result<RegressionFigures> {
        unweighted(samples)?;
        let n = samples.count(1)?;
        let x = numbers(&samples.input);
        let y = match samples.target.as_ref().map(numbers) {
            Some(y) if y.len() == n => y,
            other => {
                let found = other.map_or("none".into(), |y| y.len().to_string());
                return Err(Error::mismatch("target", format!("{n} numbers"), found));
            }
        };
        let types = [stored(&x), stored(&y)];
        let state = self.regression_async(types[0], types[1]).await?;
        let x = self.upload(&x.bytes(types[0])).await?;
        let y = self.upload(&y.bytes(types[1])).await?;
        let (x, y) = (View::whole(&x), View::whole(&y));
        let batch = state.bind_async(&x, &y, n).await?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        state.update(&mut encoder, &batch)?;
        self.queue.submit([encoder.finish()]);
        state.compute_async().await
    }
}
