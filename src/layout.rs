//! Shapes, reductions, and what of them a loss accepts: checked here once, for the GPU and the reference alike.

use crate::error::{Error, Result, one_line};
use crate::loss::{Family, Loss, TargetKind};
use crate::tensor::{DType, LabelType};
use std::fmt;
use std::str::FromStr;

/// How the losses of all elements or rows become one number. The weights are `w`, the losses `ℓ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// No reduction: `wℓ` for each element or row. The gradient is that of their sum.
    None,
    /// `Σ wℓ`.
    Sum,
    /// `Σ wℓ / N` over elements, or over the rows that are not ignored; with index targets and class
    /// weights `cross_entropy` and `nll` divide by `Σ c_y`. PyTorch's `mean`.
    #[default]
    Mean,
    /// `Σ wℓ / Σ w`, with index targets and class weights `Σ wℓ / Σ w·c_y` (ℓ already holds `c_y`).
    WeightedMean,
    /// `Σ wℓ / rows`, ignored rows counted. PyTorch's `batchmean`.
    BatchMean,
}

impl Reduction {
    /// All of them.
    pub const ALL: [Reduction; 5] = [
        Reduction::None,
        Reduction::Sum,
        Reduction::Mean,
        Reduction::WeightedMean,
        Reduction::BatchMean,
    ];

    /// `none`, `sum`, `mean`, `weighted_mean` or `batch_mean`.
    pub const fn name(self) -> &'static str {
        match self {
            Reduction::None => "none",
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::WeightedMean => "weighted_mean",
            Reduction::BatchMean => "batch_mean",
        }
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reduction {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Reduction::ALL
            .into_iter()
            .find(|r| r.name() == s)
            .ok_or_else(|| {
                let known: Vec<_> = Reduction::ALL.iter().map(|r| r.name()).collect();
                Error::mismatch("reduction", known.join(", "), format!("`{}`", one_line(s)))
            })
    }
}

/// Which axis holds the columns (classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClassAxis {
    /// The last one; all axes before it are rows. A 1-D tensor is a column of rows.
    #[default]
    Last,
    /// Axis 1 of `[N, C, d1, …]`, as PyTorch's cross-entropy reads it; rows are `[N, d1, …]`.
    One,
}

/// What kind of target a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TargetLayout {
    /// No target.
    #[default]
    None,
    /// Numbers in the input's shape.
    Values(DType),
    /// One class index per row.
    Labels(LabelType),
    /// One number per row.
    PerRow(DType),
}

impl TargetLayout {
    /// Whether a row's target can be out of range, which leaves the row out of the mean.
    pub(crate) fn judged(self) -> bool {
        matches!(self, TargetLayout::Labels(_) | TargetLayout::PerRow(_))
    }
}

/// What kind of weights a plan is made for. They are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WeightLayout {
    /// None: every weight is 1.
    #[default]
    None,
    /// One per element, in the input's shape.
    Element,
    /// One per row.
    Row,
}

/// What kind of upstream gradient a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UpstreamLayout {
    /// One number for all gradients, or none.
    #[default]
    Scalar,
    /// One number for the gradients of each row, f32: of a loss of rows what automatic differentiation hands to one that was not reduced; of an
    /// elementwise loss one for all elements of a row. With another reduction than `none` it multiplies what that makes of the gradient.
    Row,
}

/// Everything that a plan depends on besides the loss: shape, storage, reduction.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The shape of every input.
    pub shape: Vec<usize>,
    /// Where the classes are.
    pub class_axis: ClassAxis,
    /// How inputs and gradients are stored.
    pub dtype: DType,
    /// The target.
    pub target: TargetLayout,
    /// The weights.
    pub weight: WeightLayout,
    /// Whether there are class weights, one f32 per class.
    pub class_weight: bool,
    /// The reduction.
    pub reduction: Reduction,
    /// Whether the losses `wℓ` of elements or rows are written one by one too ([`Io::losses`](crate::gpu::Io::losses)), as `none`
    /// writes them, in the same pass.
    pub losses: bool,
    /// Whether gradients are computed, or the loss alone.
    pub gradient: bool,
    /// Whether gradients are added to what their buffers hold, as over micro-batches, instead of written over it. Each is
    /// rounded to the storage type as it is added.
    pub accumulate: bool,
    /// The upstream gradient known on the host: it multiplies every gradient and no loss.
    pub grad_scale: f32,
    /// The upstream gradient on the device, which multiplies them too.
    pub upstream: UpstreamLayout,
}

impl Layout {
    /// Inputs of `shape` in f32, no target, no weights, mean, with gradient.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Layout {
            shape: shape.into(),
            class_axis: ClassAxis::Last,
            dtype: DType::F32,
            target: TargetLayout::None,
            weight: WeightLayout::None,
            class_weight: false,
            reduction: Reduction::Mean,
            losses: false,
            gradient: true,
            accumulate: false,
            grad_scale: 1.0,
            upstream: UpstreamLayout::Scalar,
        }
    }

    /// Checks that `loss`, with its options, can be evaluated on this layout.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a shape, a target, weights or an upstream gradient that do not fit;
    /// [`Error::OptionValue`] for an option out of its range or a list of another length than the columns;
    /// [`Error::TooLarge`] where row or element counts leave the index arithmetic.
    pub fn check(&self, loss: &dyn Loss) -> Result<Geometry> {
        let info = loss.info();
        let geometry = Geometry::new(&self.shape, self.class_axis)?;
        loss.check(geometry.cols)?;
        let by_row = match info.family {
            Family::Elementwise => false,
            Family::Rows => true,
            Family::Sets => !loss.whole(),
        };
        if by_row && geometry.cols == 0 && geometry.rows > 0 {
            return Err(Error::mismatch(
                format!("shape of the input of {}", info.name),
                "at least one class",
                format!("{:?}", self.shape),
            ));
        }
        let fits = matches!(
            (info.target, self.target),
            (TargetKind::None, TargetLayout::None)
                | (
                    TargetKind::Values | TargetKind::LabelsOrValues,
                    TargetLayout::Values(_)
                )
                | (
                    TargetKind::Labels | TargetKind::LabelsOrValues,
                    TargetLayout::Labels(_)
                )
                | (TargetKind::PerRow, TargetLayout::PerRow(_))
        );
        if !fits {
            return Err(Error::mismatch(
                format!("target of {}", info.name),
                info.target.name(),
                match self.target {
                    TargetLayout::None => "none",
                    TargetLayout::Values(_) => "numbers in the input's shape",
                    TargetLayout::Labels(_) => "class indices",
                    TargetLayout::PerRow(_) => "one number per row",
                },
            ));
        }
        if info.family == Family::Rows && self.weight == WeightLayout::Element {
            return Err(Error::mismatch(
                format!("weight of {}", info.name),
                format!("one per row ({})", geometry.rows),
                format!("one per element ({})", geometry.elements),
            ));
        }
        if self.class_weight && !info.class_weight {
            return Err(Error::mismatch(
                format!("class_weight of {}", info.name),
                "none: this loss takes no class weights",
                "class weights",
            ));
        }
        if self.losses && loss.whole() {
            return Err(Error::mismatch(
                format!("losses of {}", info.name),
                "losses of rows or elements",
                "one loss over everything",
            ));
        }
        if self.accumulate && !self.gradient {
            return Err(Error::mismatch(
                format!("accumulated gradients of {}", info.name),
                "a layout with gradient",
                "one without",
            ));
        }
        if self.upstream == UpstreamLayout::Row && (!self.gradient || loss.whole()) {
            return Err(Error::mismatch(
                format!("upstream gradients of {}", info.name),
                "a gradient of rows",
                match self.gradient {
                    true => "one loss over everything",
                    false => "a layout without gradient",
                },
            ));
        }
        if !self.grad_scale.is_finite() {
            return Err(Error::mismatch(
                "grad_scale",
                "a finite number",
                self.grad_scale.to_string(),
            ));
        }
        self.units(loss, &geometry)?;
        Ok(geometry)
    }

    /// Rows and columns as the loss takes them: a set ratio without `per_row` takes everything as one row.
    pub(crate) fn units(&self, loss: &dyn Loss, geometry: &Geometry) -> Result<Geometry> {
        if !loss.whole() {
            return Ok(*geometry);
        }
        Geometry::new(&[1, geometry.elements], ClassAxis::Last)
    }

    /// Whether the losses of elements or rows are wanted one by one. A set that spans everything has a single one.
    pub(crate) fn each(&self, loss: &dyn Loss) -> bool {
        self.reduction == Reduction::None && !loss.whole()
    }

    /// The least bytes that an evaluation of `loss` has to move, without weights and with its losses reduced: each input
    /// and target read once, each gradient written once, and read where it is added to. A set ratio reads its inputs twice for a gradient, which needs the
    /// finished sums.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn least_bytes(&self, loss: &dyn Loss) -> Result<u64> {
        let geometry = self.check(loss)?;
        let (rows, elements) = (geometry.rows as u64, geometry.elements as u64);
        let tensors = loss.info().inputs.len() as u64 * elements * self.dtype.size();
        let target = match self.target {
            TargetLayout::None => 0,
            TargetLayout::Values(dtype) => elements * dtype.size(),
            TargetLayout::Labels(ty) => rows * ty.size(),
            TargetLayout::PerRow(dtype) => rows * dtype.size(),
        };
        let reads = tensors + target;
        let grads = tensors * (1 + u64::from(self.accumulate));
        Ok(match self.gradient {
            false => reads,
            true if loss.whole() => 2 * reads + grads,
            true => reads + grads,
        })
    }

    /// What the weighted sum of the losses is divided by, for `loss`.
    pub(crate) fn divisor(&self, loss: &dyn Loss, geometry: &Geometry) -> Divisor {
        let info = loss.info();
        let judged = self.target.judged();
        let weighted = self.weight != WeightLayout::None;
        let classes = matches!(self.target, TargetLayout::Labels(_)) && self.class_weight;
        match (self.reduction, info.family) {
            _ if loss.whole() => Divisor::Known(1),
            (Reduction::None | Reduction::Sum, _) => Divisor::Known(1),
            (Reduction::BatchMean, _) => Divisor::Known(geometry.rows),
            // Weights act inside the sums of a set.
            (_, Family::Sets) => Divisor::Known(geometry.rows),
            (Reduction::Mean, Family::Elementwise) => Divisor::Known(geometry.elements),
            (Reduction::WeightedMean, Family::Elementwise) if !weighted => {
                Divisor::Known(geometry.elements)
            }
            (Reduction::Mean, Family::Rows) => match judged {
                true => Divisor::Counted {
                    weight: false,
                    class_weight: classes && info.mean_by_class_weight,
                },
                false => Divisor::Known(geometry.rows),
            },
            (Reduction::WeightedMean, _) => match judged || weighted {
                true => Divisor::Counted {
                    weight: weighted,
                    class_weight: classes,
                },
                false => Divisor::Known(geometry.rows),
            },
        }
    }
}

/// What a weighted sum of losses is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Divisor {
    /// A number that the shape gives.
    Known(usize),
    /// The sum over all rows (or elements) that count of `w` and `c_y`, each 1 unless chosen here.
    Counted { weight: bool, class_weight: bool },
}

/// A shape as rows and columns: element `(n, c, i)` lies at `(n·cols + c)·inner + i` and belongs to
/// row `n·inner + i`, column `c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns (classes).
    pub cols: usize,
    /// Product of the axes behind the columns; 1 unless the class axis is 1.
    pub inner: usize,
    /// Number of elements, `rows · cols`.
    pub elements: usize,
}

impl Geometry {
    /// Reads `shape` with the classes at `axis`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a shape without axes, or of one axis where class axis 1 is asked for;
    /// [`Error::TooLarge`] for 2³² − 1 rows or columns and more, or an element count beyond half of the address space.
    pub fn new(shape: &[usize], axis: ClassAxis) -> Result<Self> {
        let product = |dims: &[usize]| {
            let found = dims.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
            match found <= isize::MAX as u64 {
                // Of two counts the sum is one too, where addresses have 32 bits as well.
                true => Ok(found as usize),
                false => Err(Error::TooLarge {
                    what: format!("elements of the shape {shape:?}"),
                    limit: isize::MAX as u64,
                    found,
                }),
            }
        };
        let (outer, cols, inner) = match (axis, shape) {
            (ClassAxis::Last, [n]) => (*n, 1, 1),
            (ClassAxis::Last, [lead @ .., c]) => (product(lead)?, *c, 1),
            (ClassAxis::One, [n, c, rest @ ..]) => (*n, *c, product(rest)?),
            _ => {
                return Err(Error::mismatch(
                    "shape of the input",
                    match axis {
                        ClassAxis::Last => "at least one axis",
                        ClassAxis::One => "at least two axes for class axis 1",
                    },
                    format!("{shape:?}"),
                ));
            }
        };
        let rows = product(&[outer, inner])?;
        let elements = product(&[rows, cols])?;
        // A row index fits a u32 with one value to spare, which the status uses for "none".
        for (what, found) in [("rows", rows), ("columns", cols)] {
            if found as u64 >= u64::from(u32::MAX) {
                return Err(Error::TooLarge {
                    what: format!("{what} of the shape {shape:?}"),
                    limit: u64::from(u32::MAX) - 1,
                    found: found as u64,
                });
            }
        }
        Ok(Geometry {
            rows,
            cols,
            inner,
            elements,
        })
    }

    /// Row and column of the element at `i`. Meaningless where there are no elements.
    pub fn row_col(&self, i: usize) -> (usize, usize) {
        let inner = self.inner.max(1);
        let sample = self.cols.max(1) * inner;
        let rest = i % sample;
        (i / sample * inner + rest % inner, rest / inner)
    }

    /// Where the element at `row`, `col` lies. Meaningless where there are no elements.
    pub fn index(&self, row: usize, col: usize) -> usize {
        let inner = self.inner.max(1);
        (row / inner * self.cols + col) * inner + row % inner
    }
}
