//! What is asked of rows of logits one by one, of a device, held against the f64 reference.

use super::{Check, EXTREMES, Extent, Random, Row, Summary};
use crate::batch::{Batch, Target};
use crate::error::Result;
use crate::gpu::{Gpu, RowOutputsIo, View, words_of};
use crate::layout::{ClassAxis, Geometry, Layout, Reduction, TargetLayout};
use crate::loss::{CrossEntropy, Support};
use crate::reference::{self, RowOutputs};
use crate::tensor::{DType, LabelType, Labels};

/// What rows of [`run_row_outputs`] are called.
pub const ROW_OUTPUTS: &str = "row_outputs";

/// Compares outputs of rows of a device with the reference on `batch` as the device stores it: each number by its own bound, and the
/// argmax exactly, but where softcap or temperature may round two logits to one.
///
/// # Errors
/// Whatever [`Layout::check`](crate::Layout::check) refuses.
pub fn check_row_outputs(
    loss: &CrossEntropy,
    batch: &Batch<'_>,
    found: &RowOutputs,
) -> Result<Check> {
    let (want, bounds) = reference::row_outputs_with_bounds(loss, &batch.rounded())?;
    let mut check = Check::good();
    let mut err = 0.0;
    for (what, of) in [
        (
            "log_sum_exp",
            (|r| &r.log_sum_exp) as fn(&RowOutputs) -> &Vec<f64>,
        ),
        ("log_prob", |r| &r.log_prob),
        ("entropy", |r| &r.entropy),
    ] {
        let found: Vec<f32> = of(found).iter().map(|v| *v as f32).collect();
        let (want, bounds) = (of(&want), of(&bounds));
        check.numbers(what, &found, want, bounds, DType::F32, true, &mut err);
    }
    check.loss_err = err;
    if found.argmax.len() != want.argmax.len() {
        let (expected, found) = (want.argmax.len(), found.argmax.len());
        check.complain(format!("expected {expected} classes, found {found}"));
    }
    let classes = found.argmax.iter().zip(&want.argmax).zip(&bounds.argmax);
    for (row, ((found, want), open)) in classes.enumerate() {
        if *open == 0 && found != want {
            check.complain(format!("argmax[{row}]: expected {want}, found {found}"));
        }
    }
    Ok(check)
}

/// Some rows; of extreme numbers, or in chunks.
#[derive(Clone)]
struct Case {
    shape: Vec<usize>,
    axis: ClassAxis,
    extreme: bool,
    lowered: bool,
}

/// Few columns, that an invocation takes alone, and many; class axis 1; rows in chunks and of extreme numbers.
fn cases(quick: bool) -> Vec<Case> {
    let case = |shape: &[usize]| Case {
        shape: shape.to_vec(),
        axis: ClassAxis::Last,
        extreme: false,
        lowered: false,
    };
    let mut all: Vec<_> = [[1, 1], [37, 1], [130, 10], [50, 33], [9, 64], [5, 3001]]
        .iter()
        .map(|shape| case(shape))
        .collect();
    if !quick {
        all.extend([[0, 7], [70_000, 3], [3, 32_000], [2, 300_001]].map(|shape| case(&shape)));
    }
    all.extend([[7, 5, 3], [4, 70, 9], [2, 1500, 3]].map(|shape| Case {
        axis: ClassAxis::One,
        ..case(&shape)
    }));
    all.extend([false, true].map(|one| Case {
        axis: if one { ClassAxis::One } else { ClassAxis::Last },
        lowered: true,
        ..case(if one { &[41, 11, 71] } else { &[1301, 33] })
    }));
    all.push(Case {
        extreme: true,
        ..case(&[])
    });
    all
}

impl Case {
    /// The numbers of this case. One label in eight is ignored, and one out of range.
    fn batch(
        &self,
        loss: &CrossEntropy,
        labels: Option<LabelType>,
        seed: u64,
    ) -> Result<Batch<'static>> {
        let mut random = Random::new(seed);
        let mut draw = |n: usize| -> Vec<f32> {
            (0..n)
                .map(|_| 2.0 * random.number(Support::Logit))
                .collect()
        };
        let (shape, numbers) = match self.extreme {
            // One in a row of others, at both ends, and a row of nothing else.
            true => {
                let cols = 5;
                let mut numbers = draw(3 * cols * EXTREMES.len());
                for (i, row) in numbers.chunks_mut(cols).enumerate() {
                    let at = [0..1, cols - 1..cols, 0..cols][i % 3].clone();
                    row[at].fill(EXTREMES[i / 3]);
                }
                (vec![3 * EXTREMES.len(), cols], numbers)
            }
            false => (self.shape.clone(), draw(self.shape.iter().product())),
        };
        let Geometry { rows, cols, .. } = Geometry::new(&shape, self.axis)?;
        let mut batch = Batch::new(shape, numbers).class_axis(self.axis);
        let label = |_| match random.below(8) {
            0 => loss.ignore_index,
            1 => cols as i64,
            _ => random.below(cols) as i64,
        };
        let drawn: Vec<i64> = (0..rows).map(label).collect();
        batch.target = labels.map(|ty| {
            Target::Labels(match ty {
                LabelType::I64 => Labels::from(drawn),
                LabelType::I32 => drawn.iter().map(|l| *l as i32).collect::<Vec<_>>().into(),
                LabelType::U32 => drawn.iter().map(|l| *l as u32).collect::<Vec<_>>().into(),
            })
        });
        Ok(batch)
    }
}

/// Works out log-sum-exp, log-probability of the target, entropy and argmax of rows on `gpu` over shapes, class axes, storage types and
/// label types, with softcap and temperature and without, and compares each number with the reference. `each` is told every result, how many there are so far and how many there will be.
///
/// # Errors
/// Only what keeps the device from evaluating at all; a wrong number is a row that does not pass.
#[cfg(not(target_arch = "wasm32"))]
pub fn run_row_outputs(
    gpu: &Gpu,
    extent: Extent,
    each: &mut dyn FnMut(&Row, usize, usize),
) -> Result<Summary> {
    gpu.block_on(run_row_outputs_async(gpu, extent, each))
}

/// As `run_row_outputs`, without blocking.
///
/// # Errors
/// As `run_row_outputs`.
pub async fn run_row_outputs_async(
    gpu: &Gpu,
    extent: Extent,
    each: &mut dyn FnMut(&Row, usize, usize),
) -> Result<Summary> {
    let capped = CrossEntropy {
        softcap: 3.0,
        temperature: 0.5,
        ignore_index: 0,
        ..Default::default()
    };
    let losses = [CrossEntropy::default(), capped];
    let labels = [
        None,
        Some(LabelType::I32),
        Some(LabelType::U32),
        Some(LabelType::I64),
    ];
    let quick = extent.quick();
    let mut work = Vec::new();
    for (turn, case) in cases(quick).into_iter().enumerate() {
        for (k, loss) in losses.iter().enumerate() {
            let dtypes = if quick { 1 } else { 3 };
            let some = (0..dtypes).map(|d| DType::ALL[(turn + k + d) % 3]);
            work.extend(some.map(|dtype| (case.clone(), loss, dtype, labels[(turn + k) % 4])));
        }
    }
    let work = extent.some(work, ROW_OUTPUTS);
    let total = work.len();
    let mut summary = Summary::default();
    for (case, loss, dtype, labels) in work {
        let device = match case.lowered {
            true => gpu.with_limits(1 << 14, 40),
            false => gpu.clone(),
        };
        let batch = case.batch(loss, labels, summary.cases as u64)?.dtype(dtype);
        let (found, plan) = evaluate(&device, loss, &batch).await?;
        let mut check = check_row_outputs(loss, &batch, &found)?;
        if let Some(complaint) = &mut check.complaint {
            *complaint = format!("{loss:?}, labels {labels:?}, {:?}: {complaint}", case.axis);
        }
        let row = Row {
            name: ROW_OUTPUTS,
            shape: batch.shape.clone(),
            dtype,
            reduction: Reduction::None,
            plan,
            check,
        };
        summary.cases += 1;
        summary.failed += usize::from(!row.check.pass);
        each(&row, summary.cases, total);
    }
    Ok(summary)
}

/// What a device says of every row, and by which kernel.
async fn evaluate(
    gpu: &Gpu,
    loss: &CrossEntropy,
    batch: &Batch<'_>,
) -> Result<(RowOutputs, &'static str)> {
    let labels = match &batch.target {
        Some(Target::Labels(labels)) => Some(labels),
        _ => None,
    };
    let layout = Layout {
        class_axis: batch.class_axis,
        dtype: batch.dtype,
        target: labels.map_or(TargetLayout::None, |l| TargetLayout::Labels(l.label_type())),
        ..Layout::new(batch.shape.clone())
    };
    let plan = gpu.plan_row_outputs(loss, &layout)?;
    let rows = Geometry::new(&batch.shape, batch.class_axis)?.rows;
    let mut input = Vec::new();
    for values in &batch.inputs {
        input.push(gpu.upload(&values.bytes(batch.dtype)).await?);
    }
    let target = match labels {
        Some(labels) => Some(gpu.upload(labels.bytes()).await?),
        None => None,
    };
    let mut outputs = Vec::new();
    for _ in 0..4 {
        // What nobody writes is a number that nobody expects.
        outputs.push(gpu.upload(&vec![0x5a; 4 * rows]).await?);
    }
    let io = RowOutputsIo {
        target: target.as_ref().map(View::whole),
        log_sum_exp: Some(View::whole(&outputs[0])),
        log_prob: target.as_ref().map(|_| View::whole(&outputs[1])),
        entropy: Some(View::whole(&outputs[2])),
        argmax: Some(View::whole(&outputs[3])),
        ..RowOutputsIo::new(View::whole(&input[0]))
    };
    let bound = plan.bind_async(&io).await?;
    let submitted = gpu.scoped(|| {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        bound.encode(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
    });
    submitted.await?;
    let mut words = Vec::new();
    for output in &outputs {
        let mut all = words_of(&gpu.download(output).await?);
        all.truncate(rows);
        words.push(all);
    }
    let numbers = |k: usize| {
        words[k]
            .iter()
            .map(|w| f64::from(f32::from_bits(*w)))
            .collect()
    };
    Ok((
        RowOutputs {
            log_sum_exp: numbers(0),
            log_prob: match labels {
                Some(_) => numbers(1),
                None => vec![0.0; rows],
            },
            entropy: numbers(2),
            argmax: words[3].clone(),
        },
        plan.name(),
    ))
}
