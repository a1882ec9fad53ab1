//! One evaluation, described with host arrays.

use crate::error::{Error, Result};
use crate::layout::{ClassAxis, Layout, Reduction, TargetLayout, WeightLayout};
use crate::loss::{Loss, Support, TargetKind};
use crate::tensor::{DType, Labels, Values};

/// A target in host memory.
#[derive(Debug, Clone)]
pub enum Target<'a> {
    /// Numbers in the input's shape, or one per row for a loss that takes them so.
    Values(Values<'a>),
    /// One class index per row.
    Labels(Labels<'a>),
}

impl Target<'_> {
    /// The same target, borrowed.
    pub fn borrowed(&self) -> Target<'_> {
        match self {
            Target::Values(v) => Target::Values(v.borrowed()),
            Target::Labels(l) => Target::Labels(l.borrowed()),
        }
    }
}

/// Class weights in host memory, or the rule that they follow.
#[derive(Debug, Clone)]
pub enum ClassWeight<'a> {
    /// One number per class.
    Values(Values<'a>),
    /// What [`class_weight::balanced`](crate::class_weight::balanced) makes of the labels; on a GPU they are made there.
    Balanced,
}

impl ClassWeight<'_> {
    /// The same weights, borrowed.
    pub fn borrowed(&self) -> ClassWeight<'_> {
        match self {
            ClassWeight::Values(v) => ClassWeight::Values(v.borrowed()),
            ClassWeight::Balanced => ClassWeight::Balanced,
        }
    }
}

/// Inputs, target, weights and settings of one evaluation.
///
/// ```
/// # use wgloss::*;
/// # fn main() -> Result<()> {
/// let logits = [2.0f32, -1.0, 0.5, 0.1, 0.2, 3.0];
/// let labels = [0i64, 2];
/// let batch = Batch::new([2, 3], &logits).labels(&labels).reduction(Reduction::Sum);
/// let out = reference::loss(&CrossEntropy::default(), &batch)?;
/// assert!((out.loss.unwrap() - 0.350_9).abs() < 1e-4);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// The shape of every input.
    pub shape: Vec<usize>,
    /// Where the classes are.
    pub class_axis: ClassAxis,
    /// The inputs, row-major.
    pub inputs: Vec<Values<'a>>,
    /// The target, if the loss has one.
    pub target: Option<Target<'a>>,
    /// One weight per element, or one per row.
    pub weight: Option<Values<'a>>,
    /// One weight per class.
    pub class_weight: Option<ClassWeight<'a>>,
    /// The reduction.
    pub reduction: Reduction,
    /// The upstream gradient: multiplies the gradients, not the loss.
    pub grad_scale: f32,
    /// How inputs, a floating target and gradients are stored on the GPU.
    pub dtype: DType,
    /// Whether gradients are wanted.
    pub gradient: bool,
}

impl<'a> Batch<'a> {
    /// One input of `shape`, mean, f32, with gradient.
    pub fn new(shape: impl Into<Vec<usize>>, input: impl Into<Values<'a>>) -> Self {
        Batch {
            shape: shape.into(),
            class_axis: ClassAxis::Last,
            inputs: vec![input.into()],
            target: None,
            weight: None,
            class_weight: None,
            reduction: Reduction::Mean,
            grad_scale: 1.0,
            dtype: DType::F32,
            gradient: true,
        }
    }

    /// A further input of the same shape.
    pub fn input(mut self, input: impl Into<Values<'a>>) -> Self {
        self.inputs.push(input.into());
        self
    }

    /// A target of numbers: in the input's shape, or one per row for a loss that takes them so.
    pub fn target(mut self, target: impl Into<Values<'a>>) -> Self {
        self.target = Some(Target::Values(target.into()));
        self
    }

    /// One class index per row.
    pub fn labels(mut self, labels: impl Into<Labels<'a>>) -> Self {
        self.target = Some(Target::Labels(labels.into()));
        self
    }

    /// One weight per element or per row; which of them, their number says.
    pub fn weight(mut self, weight: impl Into<Values<'a>>) -> Self {
        self.weight = Some(weight.into());
        self
    }

    /// One weight per class.
    pub fn class_weight(mut self, weight: impl Into<Values<'a>>) -> Self {
        self.class_weight = Some(ClassWeight::Values(weight.into()));
        self
    }

    /// Class weights that balance the classes of the labels.
    pub fn balanced(mut self) -> Self {
        self.class_weight = Some(ClassWeight::Balanced);
        self
    }

    /// Reads the classes at `axis`.
    pub fn class_axis(mut self, axis: ClassAxis) -> Self {
        self.class_axis = axis;
        self
    }

    /// Sets the reduction.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// Sets the upstream gradient.
    pub fn grad_scale(mut self, scale: f32) -> Self {
        self.grad_scale = scale;
        self
    }

    /// Sets the storage type on the GPU.
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// Whether to compute gradients.
    pub fn gradient(mut self, gradient: bool) -> Self {
        self.gradient = gradient;
        self
    }

    /// The same batch as a GPU stores it: inputs and a floating target rounded to [`dtype`](Self::dtype),
    /// weights to f32. What the reference makes of it is what the GPU has to match.
    pub fn rounded(&self) -> Batch<'static> {
        Batch {
            shape: self.shape.clone(),
            class_axis: self.class_axis,
            inputs: self.inputs.iter().map(|v| v.rounded(self.dtype)).collect(),
            target: self.target.as_ref().map(|t| match t {
                Target::Values(v) => Target::Values(v.rounded(self.dtype)),
                Target::Labels(Labels::I32(v)) => {
                    Target::Labels(Labels::I32(v.clone().into_owned().into()))
                }
                Target::Labels(Labels::U32(v)) => {
                    Target::Labels(Labels::U32(v.clone().into_owned().into()))
                }
                Target::Labels(Labels::I64(v)) => {
                    Target::Labels(Labels::I64(v.clone().into_owned().into()))
                }
            }),
            weight: self.weight.as_ref().map(|w| w.rounded(DType::F32)),
            class_weight: self.class_weight.as_ref().map(|w| match w {
                ClassWeight::Values(v) => ClassWeight::Values(v.rounded(DType::F32)),
                ClassWeight::Balanced => ClassWeight::Balanced,
            }),
            reduction: self.reduction,
            grad_scale: self.grad_scale,
            dtype: self.dtype,
            gradient: self.gradient,
        }
    }

    /// The same batch, borrowed.
    pub fn borrowed(&self) -> Batch<'_> {
        Batch {
            shape: self.shape.clone(),
            inputs: self.inputs.iter().map(Values::borrowed).collect(),
            target: self.target.as_ref().map(Target::borrowed),
            weight: self.weight.as_ref().map(Values::borrowed),
            class_weight: self.class_weight.as_ref().map(ClassWeight::borrowed),
            ..*self
        }
    }

    /// What this batch is without its numbers, checked against `loss` and against the lengths given.
    ///
    /// # Errors
    /// [`Error::Mismatch`] and what else [`Layout::check`] reports; [`Error::BadWeight`].
    pub fn layout(&self, loss: &dyn Loss) -> Result<Layout> {
        let info = loss.info();
        let mut layout = Layout::new(self.shape.clone());
        layout.class_axis = self.class_axis;
        layout.dtype = self.dtype;
        layout.reduction = self.reduction;
        layout.gradient = self.gradient;
        layout.grad_scale = self.grad_scale;
        layout.class_weight = self.class_weight.is_some();
        layout.target = match &self.target {
            None => TargetLayout::None,
            Some(Target::Values(_)) if info.target == TargetKind::PerRow => {
                TargetLayout::PerRow(self.dtype)
            }
            Some(Target::Values(_)) => TargetLayout::Values(self.dtype),
            Some(Target::Labels(l)) => TargetLayout::Labels(l.label_type()),
        };
        let geometry = layout.check(loss)?;
        if self.inputs.len() != info.inputs.len() {
            return Err(Error::mismatch(
                format!("inputs of {}", info.name),
                info.inputs.len().to_string(),
                self.inputs.len().to_string(),
            ));
        }
        let length = |what: &str, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(Error::mismatch(
                format!("{what} of {}", info.name),
                format!("{expected} numbers for the shape {:?}", self.shape),
                found.to_string(),
            )),
        };
        for input in &self.inputs {
            length("input", geometry.elements, input.len())?;
        }
        match &self.target {
            None => {}
            Some(Target::Values(v)) => match layout.target {
                TargetLayout::PerRow(_) => length("target", geometry.rows, v.len())?,
                _ => length("target", geometry.elements, v.len())?,
            },
            Some(Target::Labels(l)) => length("target", geometry.rows, l.len())?,
        }
        if let Some(weight) = &self.weight {
            layout.weight = match weight.len() {
                n if n == geometry.rows => WeightLayout::Row,
                n if n == geometry.elements => WeightLayout::Element,
                n => {
                    return Err(Error::mismatch(
                        format!("weight of {}", info.name),
                        format!(
                            "{} per row or {} per element",
                            geometry.rows, geometry.elements
                        ),
                        n.to_string(),
                    ));
                }
            };
            check_weights("weight", weight)?;
        }
        match &self.class_weight {
            Some(ClassWeight::Values(weight)) => {
                length("class_weight", geometry.cols, weight.len())?;
                check_weights("class_weight", weight)?;
            }
            Some(ClassWeight::Balanced) if !matches!(layout.target, TargetLayout::Labels(_)) => {
                return Err(Error::mismatch(
                    format!("class_weight of {}", info.name),
                    "numbers: balanced weights follow from class indices",
                    "balanced, with a target of other numbers",
                ));
            }
            _ => {}
        }
        layout.check(loss)?;
        Ok(layout)
    }
}

fn check_weights(what: &'static str, weights: &Values<'_>) -> Result<()> {
    let weights = weights.to_f64();
    // A number beyond f32 would become infinite on the GPU, so it is refused for the reference too.
    let bad = |w: f64| !(w >= 0.0 && (w as f32).is_finite());
    match weights.iter().position(|&w| bad(w)) {
        None => Ok(()),
        Some(index) => Err(Error::BadWeight {
            what,
            index,
            value: weights[index],
        }),
    }
}

/// What an evaluation counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Rows (elements, for an elementwise loss and a set) that count; 0 also where the divisor's weights sum to 0.
    pub valid: u64,
    /// Rows whose target (class index, or number of a kind) is out of range: left out of loss, gradient and mean.
    pub bad_labels: u64,
    /// The first such row, 0-based.
    pub first_bad_row: Option<u64>,
    /// Weights on the device that are negative or not finite.
    pub bad_weights: u64,
    /// Inputs and floating targets that are NaN or infinite, but for those that a loss gives a meaning.
    pub non_finite: u64,
}

impl Status {
    /// Turns bad labels and bad weights into an error.
    ///
    /// # Errors
    /// [`Error::BadLabels`], [`Error::BadTargets`], [`Error::BadWeights`].
    pub fn check(&self, loss: &dyn Loss, classes: usize) -> Result<()> {
        if let Some(first_row) = self.first_bad_row {
            let info = loss.info();
            if info.target == TargetKind::PerRow {
                let support = info.domain.last().copied().unwrap_or(Support::Real);
                return Err(Error::BadTargets {
                    expected: support.name(),
                    count: self.bad_labels,
                    first_row,
                });
            }
            return Err(Error::BadLabels {
                count: self.bad_labels,
                first_row,
                classes,
                ignored: match loss.ignore_index() {
                    Some(i) => format!(" or the ignore_index {i}"),
                    None => String::new(),
                },
            });
        }
        match self.bad_weights {
            0 => Ok(()),
            count => Err(Error::BadWeights { count }),
        }
    }
}

/// What an evaluation gave: f32 from a GPU, f64 from the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<T> {
    /// The reduced loss; `None` with [`Reduction::None`].
    pub loss: Option<T>,
    /// With [`Reduction::None`] the loss of every element or row.
    pub losses: Vec<T>,
    /// The gradient by each input, in the input's shape; empty where none was wanted.
    pub grads: Vec<Vec<T>>,
    /// What was counted.
    pub status: Status,
}
