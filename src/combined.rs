//! A weighted sum of losses over inputs that they may share.

use crate::batch::{Batch, ClassWeight, Outcome, Status, Target};
use crate::error::{Error, Result};
use crate::layout::{ClassAxis, Layout, Reduction};
use crate::loss::Loss;
use crate::tensor::{DType, Labels, Values};

/// A weighted sum of losses, each over inputs of its own or shared ones, in host memory.
///
/// The sum is `Σ_k weight_k·loss_k`, every loss reduced in its own way; the gradient by an input is the sum of those
/// that its losses have. On a GPU losses that share an input read it together.
///
/// ```
/// # use wgloss::*;
/// # fn main() -> Result<()> {
/// let (classes, boxes) = (CrossEntropy::default(), SmoothL1::default());
/// let mut sum = Combined::new();
/// let logits = sum.input([2, 3], &[2.0f32, -1.0, 0.5, 0.1, 0.2, 3.0]);
/// let corners = sum.input([2, 4], &[0.0f32; 8]);
/// sum.term(CombinedTerm::new(&classes, 0.75, [logits]).labels(&[0i64, 2]));
/// sum.term(CombinedTerm::new(&boxes, 0.25, [corners]).target(&[1.0f32; 8]));
/// let out = reference::combined(&sum)?;
/// assert_eq!(out.terms[1].loss, 0.5);
/// assert_eq!(out.loss, 0.75 * out.terms[0].loss + 0.25 * out.terms[1].loss);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Combined<'a> {
    /// The inputs: shape and numbers.
    pub inputs: Vec<(Vec<usize>, Values<'a>)>,
    /// The losses.
    pub terms: Vec<CombinedTerm<'a>>,
    /// How inputs, floating targets and gradients are stored on the GPU.
    pub dtype: DType,
    /// Whether gradients are wanted.
    pub gradient: bool,
    /// The upstream gradient: multiplies the gradients, not the losses.
    pub grad_scale: f32,
}

/// One loss of a sum.
#[derive(Debug, Clone)]
pub struct CombinedTerm<'a> {
    /// The loss.
    pub loss: &'a dyn Loss,
    /// What it is multiplied by: any finite number.
    pub weight: f32,
    /// Which inputs of the sum are the loss's, in its order.
    pub inputs: Vec<usize>,
    /// The target, if the loss has one.
    pub target: Option<Target<'a>>,
    /// One weight per element or per row.
    pub weights: Option<Values<'a>>,
    /// One weight per class.
    pub class_weight: Option<ClassWeight<'a>>,
    /// Where the classes are.
    pub class_axis: ClassAxis,
    /// The reduction; [`Reduction::None`] leaves nothing to add up, and is refused.
    pub reduction: Reduction,
}

impl<'a> CombinedTerm<'a> {
    /// `weight` times the mean of `loss` over these inputs of the sum.
    pub fn new(loss: &'a dyn Loss, weight: f32, inputs: impl Into<Vec<usize>>) -> Self {
        CombinedTerm {
            loss,
            weight,
            inputs: inputs.into(),
            target: None,
            weights: None,
            class_weight: None,
            class_axis: ClassAxis::Last,
            reduction: Reduction::Mean,
        }
    }

    /// A target of numbers, as [`Batch::target`].
    pub fn target(mut self, target: impl Into<Values<'a>>) -> Self {
        self.target = Some(Target::Values(target.into()));
        self
    }

    /// One class index per row.
    pub fn labels(mut self, labels: impl Into<Labels<'a>>) -> Self {
        self.target = Some(Target::Labels(labels.into()));
        self
    }

    /// One weight per element or per row.
    pub fn weights(mut self, weights: impl Into<Values<'a>>) -> Self {
        self.weights = Some(weights.into());
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
}

impl Default for Combined<'_> {
    fn default() -> Self {
        Combined {
            inputs: Vec::new(),
            terms: Vec::new(),
            dtype: DType::F32,
            gradient: true,
            grad_scale: 1.0,
        }
    }
}

impl<'a> Combined<'a> {
    /// A sum of nothing yet, in f32, with gradients.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input and returns its number, by which losses refer to it.
    pub fn input(&mut self, shape: impl Into<Vec<usize>>, values: impl Into<Values<'a>>) -> usize {
        self.inputs.push((shape.into(), values.into()));
        self.inputs.len() - 1
    }

    /// Adds a loss.
    pub fn term(&mut self, term: CombinedTerm<'a>) -> &mut Self {
        self.terms.push(term);
        self
    }

    /// What the `k`-th loss sees, by itself: its gradients are those of the sum.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a loss or an input that the sum has not, or for inputs of different shapes.
    pub fn batch(&self, k: usize) -> Result<Batch<'_>> {
        let term = self.terms.get(k).ok_or_else(|| {
            Error::mismatch(
                "loss of a sum",
                format!("one of {}", self.terms.len()),
                format!("number {k}"),
            )
        })?;
        let name = term.loss.info().name;
        let find = |&i: &usize| {
            self.inputs.get(i).ok_or_else(|| {
                Error::mismatch(
                    format!("input of {name}"),
                    format!("one of the {} inputs of the sum", self.inputs.len()),
                    format!("number {i}"),
                )
            })
        };
        let inputs = term.inputs.iter().map(find).collect::<Result<Vec<_>>>()?;
        let shape = inputs
            .first()
            .map_or(Vec::new(), |(shape, _)| shape.clone());
        if let Some((other, _)) = inputs.iter().find(|(s, _)| *s != shape) {
            return Err(Error::mismatch(
                format!("shape of the inputs of {name}"),
                format!("{shape:?}"),
                format!("{other:?}"),
            ));
        }
        Ok(Batch {
            shape,
            class_axis: term.class_axis,
            inputs: inputs.iter().map(|(_, v)| v.borrowed()).collect(),
            target: term.target.as_ref().map(Target::borrowed),
            weight: term.weights.as_ref().map(Values::borrowed),
            class_weight: term.class_weight.as_ref().map(ClassWeight::borrowed),
            reduction: term.reduction,
            grad_scale: self.grad_scale * term.weight,
            dtype: self.dtype,
            gradient: self.gradient,
        })
    }

    /// Checks every loss against its inputs, and the sum as a whole.
    ///
    /// # Errors
    /// Whatever [`Batch::layout`] refuses; [`Error::Mismatch`] for a sum of nothing, an input that no loss uses or one
    /// loss twice, a weight that is not finite, or [`Reduction::None`].
    pub fn layouts(&self) -> Result<Vec<Layout>> {
        check_terms(
            self.inputs.len(),
            self.terms
                .iter()
                .map(|t| (t.loss, t.weight, t.inputs.as_slice(), t.reduction)),
        )?;
        let terms = self.terms.iter().enumerate();
        terms.map(|(k, t)| self.batch(k)?.layout(t.loss)).collect()
    }
}

/// What every sum of losses has to be, wherever its tensors are.
pub(crate) fn check_terms<'a>(
    inputs: usize,
    terms: impl Iterator<Item = (&'a dyn Loss, f32, &'a [usize], Reduction)>,
) -> Result<()> {
    let mut used = vec![false; inputs];
    let mut number = 0;
    for (loss, weight, own, reduction) in terms {
        number += 1;
        let name = loss.info().name;
        if !weight.is_finite() {
            return Err(Error::mismatch(
                format!("weight of {name} in a sum"),
                "a finite number",
                weight.to_string(),
            ));
        }
        if reduction == Reduction::None {
            return Err(Error::mismatch(
                format!("reduction of {name} in a sum"),
                "one that leaves a single number",
                reduction.name(),
            ));
        }
        for (i, slot) in own.iter().enumerate() {
            if own[..i].contains(slot) {
                return Err(Error::mismatch(
                    format!("inputs of {name}"),
                    "different ones",
                    format!("number {slot} twice"),
                ));
            }
            if let Some(used) = used.get_mut(*slot) {
                *used = true;
            }
        }
    }
    if number == 0 {
        return Err(Error::mismatch("a sum of losses", "at least one", "none"));
    }
    match used.iter().position(|u| !u) {
        None => Ok(()),
        Some(i) => Err(Error::mismatch(
            "inputs of a sum of losses",
            "a loss for each",
            format!("none for number {i}"),
        )),
    }
}

/// One loss of a sum by itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TermOutcome<T> {
    /// Its value, reduced, without its weight in the sum.
    pub loss: T,
    /// What was counted for it.
    pub status: Status,
}

/// What a sum of losses gave: f32 from a GPU, f64 from the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct CombinedOutcome<T> {
    /// The weighted sum.
    pub loss: T,
    /// The losses, in order.
    pub terms: Vec<TermOutcome<T>>,
    /// The gradient of the sum by each input; empty where none was wanted.
    pub grads: Vec<Vec<T>>,
}

impl<T: Copy> CombinedOutcome<T> {
    /// The same numbers as of one evaluation: the losses of the terms in place of those of rows.
    pub(crate) fn flat(&self) -> Outcome<T> {
        Outcome {
            loss: Some(self.loss),
            losses: self.terms.iter().map(|t| t.loss).collect(),
            grads: self.grads.clone(),
            status: Status::default(),
        }
    }
}
