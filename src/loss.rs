//! What a loss is: its name, options, formula, f64 reference and error bound. Nothing here knows a GPU.
//!
//! A loss is one file in this folder and one WGSL file of the same name under `shaders/loss`, and its
//! name stands once in the [registry](all). Everything else — kernels for every shape and storage type,
//! the command line, the checks, the tables — follows from that.

#[doc = include_str!("loss/guide.md")]
pub mod guide {}
mod laws;
mod options;
mod pieces;

pub use laws::Law;
pub use options::{OptionInfo, OptionKind, OptionValue, PerColumn, Range};

use crate::custom::{Custom, Source};
use crate::error::{Error, Result, one_line};
use options::{check_range, set_field};
pub(crate) use options::{check_value, unknown_option};
use pieces::*;
use std::fmt;

/// Which skeleton carries a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// The loss of an element depends on the inputs and the target at that element.
    Elementwise,
    /// The loss of a row depends on a statistic of the whole row.
    Rows,
    /// The same over sums that weights act inside of: one row that spans everything, or, with the option
    /// `per_row`, the rows there are.
    Sets,
}

/// What a loss compares its input with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// Nothing: a regularizer.
    None,
    /// Numbers in the input's shape.
    Values,
    /// One class index per row.
    Labels,
    /// One class index per row, or numbers in the input's shape.
    LabelsOrValues,
    /// One number per row.
    PerRow,
}

impl TargetKind {
    /// The sentence for people.
    pub const fn name(self) -> &'static str {
        match self {
            TargetKind::None => "none: this loss has no target",
            TargetKind::Values => "numbers in the input's shape",
            TargetKind::Labels => "one class index per row",
            TargetKind::LabelsOrValues => {
                "one class index per row, or numbers in the input's shape"
            }
            TargetKind::PerRow => "one number per row",
        }
    }
}

/// Which numbers an input or a target is made of, where a loss is used as it is meant. Other numbers are data
/// too: the formula is applied to them as it stands. But a target of one number per row says of which kind the row is:
/// one outside its support is refused as a class index out of range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Support {
    /// Any number.
    Real,
    /// Any number, of which a softmax or a sigmoid makes a probability.
    Logit,
    /// At least 0.
    NonNegative,
    /// −1 or 1.
    Sign,
    /// 0 to 1.
    Probability,
    /// At most 0: the logarithm of a probability.
    LogProbability,
}

impl Support {
    /// Whether `v` is such a number.
    pub fn contains(self, v: f64) -> bool {
        match self {
            Support::Real | Support::Logit => v.is_finite(),
            Support::NonNegative => v.is_finite() && v >= 0.0,
            Support::Sign => v == 1.0 || v == -1.0,
            Support::Probability => (0.0..=1.0).contains(&v),
            Support::LogProbability => v.is_finite() && v <= 0.0,
        }
    }

    /// The sentence for people.
    pub const fn name(self) -> &'static str {
        match self {
            Support::Real | Support::Logit => "finite numbers",
            Support::NonNegative => "finite numbers of at least 0",
            Support::Sign => "numbers that are 1 or -1",
            Support::Probability => "numbers in [0, 1]",
            Support::LogProbability => "finite numbers of at most 0",
        }
    }
}

/// What is known of a loss before it has options.
#[derive(Debug)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The loss of one element, or of one row.
    pub formula: &'static str,
    /// The libraries whose figures it reproduces; empty where there is none.
    pub agrees: &'static str,
    /// Which skeleton carries it.
    pub family: Family,
    /// Its inputs, as the shader names them; each has a gradient.
    pub inputs: &'static [&'static str],
    /// What it is compared with.
    pub target: TargetKind,
    /// The numbers that each input is made of, and then the target.
    pub domain: &'static [Support],
    /// Whether it takes class weights.
    pub class_weight: bool,
    /// Whether `mean` divides by the sum of the target classes' weights.
    pub mean_by_class_weight: bool,
    /// Its options, in order.
    pub options: &'static [OptionInfo],
    /// Its mathematics in WGSL.
    pub wgsl: &'static str,
    /// Makes one with default options.
    pub(crate) maker: Maker,
    /// Name and type of what kernels read behind the options.
    pub(crate) derived: &'static [(&'static str, &'static str)],
}

/// What makes a loss of its description.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Maker {
    /// A function, of a registered one.
    Registered(fn() -> Box<dyn Loss>),
    /// The file that a user wrote.
    Custom(&'static Source),
}

impl Info {
    /// The loss with default options.
    pub fn make(&'static self) -> Box<dyn Loss> {
        match self.maker {
            Maker::Registered(make) => make(),
            Maker::Custom(source) => Box::new(Custom::of(self, source)),
        }
    }

    /// Whether it is a [`Custom`] one, and not registered.
    pub fn is_custom(&self) -> bool {
        matches!(self.maker, Maker::Custom(_))
    }

    /// How the shader calls input `k`: a user may have called one like the target.
    pub(crate) fn member(&self, k: usize) -> String {
        match self.is_custom() {
            true => format!("x{k}"),
            false => self.inputs.get(k).copied().unwrap_or_default().into(),
        }
    }
}

/// A loss with the values of its options. Sealed: a loss of one's own is a [`Custom`] one.
pub trait Loss: sealed::Sealed + fmt::Debug + Send + Sync {
    /// What is known of it.
    fn info(&self) -> &'static Info;

    /// The values of its options, in the order of [`Info::options`].
    fn options(&self) -> Vec<OptionValue>;

    /// Sets one option.
    ///
    /// # Errors
    /// [`Error::UnknownOption`], or [`Error::OptionValue`] for a value of another type or out of range.
    fn set(&mut self, name: &str, value: OptionValue) -> Result<()>;

    /// Itself, where it is a custom one.
    fn custom(&self) -> Option<&Custom> {
        None
    }

    /// Its formula in f64.
    fn math(&self) -> Math<'_>;

    /// What may be done to its numbers with a known effect, with these options: what a loss is, in a form that can be checked. Of a
    /// custom one nothing is known.
    fn laws(&self) -> Vec<Law> {
        match self.math() {
            Math::Elementwise(math) => math.laws(),
            Math::Rows(math) => math.laws(),
        }
    }

    /// Checks every option against its range, for an input of `cols` columns.
    ///
    /// # Errors
    /// [`Error::OptionValue`].
    fn check(&self, cols: usize) -> Result<()> {
        let info = self.info();
        for (option, value) in info.options.iter().zip(self.options()) {
            check_range(info.name, option, &value)?;
            if let OptionValue::Columns(v) = &value
                && v.len() != cols
            {
                return Err(Error::OptionValue {
                    loss: info.name,
                    option: option.name,
                    expected: format!("one number, or {cols} for the columns of the input"),
                    found: format!("{} numbers", v.len()),
                });
            }
        }
        Ok(())
    }

    /// The class index that marks a row as ignored, where the loss has one.
    fn ignore_index(&self) -> Option<i64> {
        self.options().into_iter().find_map(|v| match v {
            OptionValue::Index(i) => Some(i),
            _ => None,
        })
    }

    /// Whether everything is one row: a set ratio without `per_row`.
    fn whole(&self) -> bool {
        let info = self.info();
        let options = info.options.iter().zip(self.options());
        let per_row = |(option, value): (&OptionInfo, OptionValue)| {
            option.name == "per_row" && value == OptionValue::Flag(true)
        };
        info.family == Family::Sets && !options.into_iter().any(per_row)
    }
}

/// The f64 formula of a loss.
pub enum Math<'a> {
    /// Of one element.
    Elementwise(&'a dyn Elementwise),
    /// Of one row, or of a set.
    Rows(&'a dyn Rows),
}

/// The most inputs that a loss has.
pub const MOST_INPUTS: usize = 3;

/// One element as the reference sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Element {
    /// The inputs; unused ones are 0.
    pub x: [f64; MOST_INPUTS],
    /// The target; 0 where there is none.
    pub t: f64,
    /// The column.
    pub column: usize,
}

/// A loss and its derivatives by the inputs, or a bound on the error of each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Term {
    /// The loss.
    pub loss: f64,
    /// Its derivative by each input.
    pub grad: [f64; MOST_INPUTS],
}

impl Term {
    /// For a loss of one input.
    pub fn new(loss: f64, grad: f64) -> Self {
        Term {
            loss,
            grad: [grad, 0.0, 0.0],
        }
    }
}

/// What the first input of an elementwise loss is to metrics, where its target is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carried {
    /// Logits of the class 1, whose target is 1 or 0.
    Logits,
    /// Probabilities of the class 1, whose target is 1 or 0.
    Probs,
    /// Predicted numbers, whose target is the true number.
    Numbers,
}

impl Carried {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Carried::Logits => "logits",
            Carried::Probs => "probabilities",
            Carried::Numbers => "predicted numbers",
        }
    }
}

/// The reference of an elementwise loss.
pub trait Elementwise {
    /// The loss and its derivatives, straight from the formula.
    fn term(&self, e: &Element) -> Term;

    /// How far the shader may be from [`term`](Self::term), for inputs that are finite: an absolute bound
    /// from the precision that WGSL promises for every operation, before weights and storage. The
    /// derivation stands beside it.
    fn bound(&self, e: &Element) -> Term;

    /// Whether the derivatives at an element are NaN, given that an input or the target is. The shader says the same in
    /// `fn nan_grad(e: Elem) -> bool`, if it says anything.
    fn nan_grad(&self, _e: &Element) -> bool {
        true
    }

    /// As [`Loss::laws`].
    fn laws(&self) -> Vec<Law> {
        Vec::new()
    }

    /// What a state of metrics can be told of its first input and its target in the same pass, if anything.
    fn carries(&self) -> Option<Carried> {
        None
    }
}

/// One row as the reference sees it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The inputs.
    pub x: &'a [&'a [f64]],
    /// The target.
    pub target: RowTarget<'a>,
    /// One weight per class.
    pub class_weight: Option<&'a [f64]>,
    /// Of a set, the weight of each column: it multiplies each term inside the sums.
    pub weight: Option<&'a [f64]>,
    /// What a part of the loss that class weights do not apply to is multiplied by, so that dividing
    /// by the class weights' sum turns into dividing by the number of rows. 1 without class weights.
    pub unweighted: f64,
    /// How many merges in a row a number of this row goes through in the shader, for the bounds.
    pub merges: f64,
}

impl Row<'_> {
    /// The weight of class `c`.
    pub fn weight_of(&self, c: usize) -> f64 {
        self.class_weight.map_or(1.0, |w| w[c])
    }

    /// The target at column `c`: 1 at the target's class and 0 elsewhere, where it is an index.
    pub fn target_at(&self, c: usize) -> f64 {
        match self.target {
            RowTarget::Class(y) => f64::from(u8::from(c == y)),
            RowTarget::Values(t) => t[c],
            RowTarget::Number(t) => t,
            RowTarget::None => 0.0,
        }
    }
}

/// The target of a row.
#[derive(Debug, Clone, Copy)]
pub enum RowTarget<'a> {
    /// There is none.
    None,
    /// One number for the row, of the target's [`Support`] or NaN.
    Number(f64),
    /// A class index, in range.
    Class(usize),
    /// One number per column.
    Values(&'a [f64]),
}

/// A row's loss and gradients, or a bound on the error of each.
#[derive(Debug, Clone, PartialEq)]
pub struct RowTerm {
    /// The loss.
    pub loss: f64,
    /// For each input, its derivative by each column.
    pub grads: Vec<Vec<f64>>,
}

/// The reference of a row loss.
pub trait Rows {
    /// The loss of a row and its gradients, straight from the formula.
    fn row(&self, row: &Row<'_>) -> RowTerm;

    /// How far the shader may be from [`row`](Self::row), as in [`Elementwise::bound`].
    fn bound(&self, row: &Row<'_>) -> RowTerm;

    /// As [`Loss::laws`].
    fn laws(&self) -> Vec<Law> {
        Vec::new()
    }

    /// Whether an input that is not finite has a meaning here, and is not counted as `non_finite`.
    fn admits(&self, x: f64) -> bool {
        x.is_finite()
    }

    /// Whether the largest input of a row is the maximum `m` that the shader's statistic is relative to, as it is: then a kernel
    /// can tell predicted classes and ranks by it.
    fn ranks(&self) -> bool {
        false
    }
}

/// Declares a loss: a struct of options with defaults and ranges, and its [`Info`].
///
/// The file then implements [`Elementwise`] or [`Rows`] for the struct.
macro_rules! loss {
    (@wgsl Sets, $file:expr) => { concat!($file, include_str!("../../shaders/common/set.wgsl")) };
    (@wgsl $family:ident, $file:expr) => { $file };
    (@math Elementwise, $loss:ident) => { $crate::loss::Math::Elementwise($loss) };
    (@math $family:ident, $loss:ident) => { $crate::loss::Math::Rows($loss) };
    (
        #[doc = $summary:literal]
        $(#[doc = $more:literal])*
        $Name:ident: $Family:ident, $name:literal {
            $( $(#[doc = $option_doc:literal])+ $field:ident: $ty:ty = $default:expr, $range:ident; )*
        }
        formula: $formula:literal,
        agrees: $agrees:literal,
        inputs: $inputs:expr,
        domain: [$($domain:ident),+],
        target: $target:ident
        $(, class_weight: $class_weight:literal, mean_by_class_weight: $mean:literal)? $(,)?
    ) => {
        #[doc = $summary]
        #[doc = concat!("\n\nLoss: `", $formula, "`.\n")]
        $(#[doc = $more])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Name {
            $( $(#[doc = $option_doc])+ pub $field: $ty, )*
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name { $( $field: $default, )* }
            }
        }

        static OPTIONS: &[$crate::loss::OptionInfo] = &[
            $( $crate::loss::OptionInfo {
                name: stringify!($field),
                summary: concat!($($option_doc),+),
                kind: <$ty as $crate::loss::options::Field>::KIND,
                range: $crate::loss::Range::$range,
            }, )*
        ];

        pub(super) static INFO: $crate::loss::Info = $crate::loss::Info {
            name: $name,
            summary: $summary,
            formula: $formula,
            agrees: $agrees,
            family: $crate::loss::Family::$Family,
            inputs: &$inputs,
            target: $crate::loss::TargetKind::$target,
            domain: &[$($crate::loss::Support::$domain),+],
            class_weight: false $(|| $class_weight)?,
            mean_by_class_weight: false $(|| $mean)?,
            options: OPTIONS,
            wgsl: loss!(@wgsl $Family, include_str!(concat!("../../shaders/loss/", $name, ".wgsl"))),
            maker: $crate::loss::Maker::Registered(|| Box::new($Name::default())),
            derived: &[],
        };

        impl $crate::loss::sealed::Sealed for $Name {}

        impl $crate::loss::Loss for $Name {
            fn info(&self) -> &'static $crate::loss::Info {
                &INFO
            }
            fn options(&self) -> Vec<$crate::loss::OptionValue> {
                vec![ $( $crate::loss::options::Field::value(&self.$field), )* ]
            }
            #[allow(unused_variables, unused_mut, reason = "a loss may have no options")]
            fn set(&mut self, name: &str, value: $crate::loss::OptionValue) -> $crate::Result<()> {
                let mut options = OPTIONS.iter();
                $( if let Some(option) = options.next() && name == stringify!($field) {
                    return $crate::loss::set_field(&mut self.$field, $name, option, value);
                } )*
                Err($crate::loss::unknown_option(&INFO, name))
            }
            fn math(&self) -> $crate::loss::Math<'_> {
                loss!(@math $Family, self)
            }
        }
    };
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// One word a loss: the name of its file.
macro_rules! registry {
    ($($name:ident)*) => {
        $( mod $name; pub use $name::*; )*
        static REGISTRY: &[&Info] = &[ $( &$name::INFO ),* ];
        #[cfg(test)]
        static FILES: &[&str] = &[ $( stringify!($name) ),* ];
    };
}

registry! {
    mse
    mae
    huber
    smooth_l1
    log_cosh
    mape
    msle
    quantile
    poisson_nll
    gaussian_nll
    positive_weighted_mse
    confidence_penalized_mse
    bce
    bce_with_logits
    binary_focal
    binary_focal_with_logits
    hinge
    squared_hinge
    soft_margin
    hinge_embedding
    margin_ranking
    l1_penalty
    l2_penalty
    kl_div
    kl_div_probs
    cross_entropy
    nll
    categorical_cross_entropy
    focal_cross_entropy
    categorical_focal
    multi_margin
    categorical_hinge
    kl_div_with_logits
    js_div_with_logits
    tv_dist_with_logits
    cosine_similarity
    cosine_embedding
    contrastive
    triplet
    dice
    dice_with_logits
    jaccard
    tversky
    focal_tversky
}

/// Every registered loss, in the order of the tables.
pub fn all() -> &'static [&'static Info] {
    REGISTRY
}

/// The loss called `name`, with default options.
///
/// # Errors
/// [`Error::UnknownLoss`].
pub fn by_name(name: &str) -> Result<Box<dyn Loss>> {
    match all().iter().find(|info| info.name == name) {
        Some(info) => Ok(info.make()),
        None => Err(Error::UnknownLoss {
            name: one_line(name),
            known: all().iter().map(|i| i.name).collect::<Vec<_>>().join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_loss_is_named_as_its_file() {
        let names: Vec<_> = super::all().iter().map(|i| i.name).collect();
        assert_eq!(names, super::FILES);
    }
}
