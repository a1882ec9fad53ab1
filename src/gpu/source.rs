//! The one place that composes shaders: the files of the losses, the common functions, the skeleton, and the
//! declarations that depend on inputs, storage and reduction.

mod terms;

use super::count::{Counted, carried_text};
use super::kernels::parameters;
use super::plan::RANK_WORDS;
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{Family, Info, Support};
use crate::tensor::DType;
use std::borrow::Cow;
use std::fmt::Write;

pub(crate) use terms::{context_words, list_option, second, words};

/// One buffer of a dispatch. Inputs and gradients are numbered as the dispatch has them, the rest by its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// An input.
    Input(usize),
    /// The target: numbers or labels.
    Target(usize),
    /// Weights per element or row.
    Weight(usize),
    /// One number per column: class weights, or an option that is a list.
    Columns(usize),
    /// The gradient by an input.
    Grad(usize),
    /// The losses of elements or rows.
    Loss(usize),
    /// The upstream gradient of each row.
    Upstream,
    /// Status, divisor and partial sums.
    Work,
    /// What was wrong with samples that are counted on the way, and their counts.
    Head,
    Counts,
}

impl Role {
    fn name(self) -> String {
        match self {
            Role::Input(k) => format!("b_input{k}"),
            Role::Target(k) => format!("b_target{k}"),
            Role::Weight(k) => format!("b_weight{k}"),
            Role::Columns(k) => format!("b_columns{k}"),
            Role::Grad(k) => format!("b_grad{k}"),
            Role::Loss(k) => format!("b_loss{k}"),
            Role::Upstream => "b_upstream".into(),
            Role::Work => "work".into(),
            Role::Head => "head".into(),
            Role::Counts => "counts".into(),
        }
    }
}

/// Which kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Elementwise,
    /// Rows by slices of a workgroup: statistic, loss and gradient.
    Rows,
    /// The statistics of parts of rows.
    SplitStat,
    /// Their second statistics.
    SplitStat2,
    /// Losses and gradients of split rows.
    SplitGrad,
    /// Statistics and losses of rows at class axis 1.
    StridedStat,
    /// The same in parts: statistics, second statistics, losses.
    StridedPart,
    StridedPart2,
    StridedSay,
    /// Their gradients.
    StridedGrad,
    Count,
    Fold,
    Finish,
    /// Writes row losses out that there was no binding for.
    Spread,
    /// Takes upstream gradients of rows in that there is no binding for.
    Upstream,
}

impl Stage {
    /// Whether the mathematics of losses is part of it.
    pub(crate) fn is_main(self) -> bool {
        !matches!(
            self,
            Stage::Count | Stage::Fold | Stage::Finish | Stage::Spread | Stage::Upstream
        )
    }

    /// Whether it counts what a mean divides by.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Stage::Count | Stage::Fold)
    }

    /// Whether an invocation takes a row at class axis 1.
    pub(crate) fn is_strided(self) -> bool {
        matches!(
            self,
            Stage::StridedStat
                | Stage::StridedPart
                | Stage::StridedPart2
                | Stage::StridedSay
                | Stage::StridedGrad
        )
    }

    /// Whether it writes losses of rows or elements.
    fn says_losses(self) -> bool {
        matches!(
            self,
            Stage::Elementwise
                | Stage::Rows
                | Stage::SplitGrad
                | Stage::StridedStat
                | Stage::StridedSay
        )
    }

    /// Whether it can write gradients.
    fn says_grads(self) -> bool {
        matches!(
            self,
            Stage::Elementwise | Stage::Rows | Stage::SplitGrad | Stage::StridedGrad
        )
    }
}

/// A loss as part of a key: told from others by where its description lies, of which there is one.
#[derive(Clone, Copy)]
pub(crate) struct Named(pub &'static Info);

impl PartialEq for Named {
    fn eq(&self, other: &Named) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Named {}

impl std::hash::Hash for Named {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

/// What one loss adds to the text of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Term {
    /// `None` where the kernel does not depend on the loss.
    pub loss: Option<Named>,
    /// Which of the kernel's inputs are the loss's.
    pub inputs: Vec<usize>,
    pub target: TargetLayout,
    /// What a target of one number per row has to be.
    pub support: Option<Support>,
    pub weight: WeightLayout,
    pub columns: bool,
    /// Every option has its default: they are constants then, and what they turn off is no part of the kernel. All
    /// other values share a kernel that reads them.
    pub plain: bool,
    pub losses: Losses,
}

/// What becomes of the losses of elements or rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Losses {
    /// They are summed.
    Summed,
    /// They are stored one by one.
    Stored,
    /// The same by way of the leaves, where there is no binding left.
    Kept,
    /// They are summed and stored.
    Both,
}

impl Losses {
    /// Whether each is stored.
    pub(crate) fn stores(self) -> bool {
        matches!(self, Losses::Stored | Losses::Both)
    }

    /// Whether they are summed.
    pub(crate) fn sums(self) -> bool {
        matches!(self, Losses::Summed | Losses::Both)
    }
}

/// Everything that changes the text of a kernel. Values of options do not, but for all of them being the default.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    pub stage: Stage,
    pub dtype: DType,
    /// The gradients that are there already and added to; one flag an input.
    pub accumulate: Vec<bool>,
    pub gradient: bool,
    /// Everything is one row.
    pub whole: bool,
    /// Invocations of a workgroup that takes rows, and of the slice of it that takes one: powers of two.
    pub width: u32,
    pub lanes: u32,
    /// The invocations of every subgroup, which talk without a barrier; 1 where that is not used.
    pub subgroup: u32,
    /// Packs of a row that an invocation keeps; 0 where rows are read again for the gradient.
    pub held: u32,
    /// Rows that a slice takes together: two where rows of 16-bit numbers share words; where one invocation keeps rows, as
    /// many as fill whole packs.
    pub group: u32,
    /// How often a workgroup takes such rows, one after the other.
    pub rounds: u32,
    /// Packs that are loaded before the first is looked at.
    pub unroll: u32,
    /// Packs of an invocation that lie side by side, before those of the next; 1 where neighbours take neighbours.
    pub side: u32,
    /// Losses whose status the work buffer holds.
    pub heads: usize,
    /// Every buffer is bound read-write, because one buffer is both read and written.
    pub aliased: bool,
    /// Gradients are written over the inputs, which then have no buffers of their own.
    pub in_place: bool,
    /// What has a number for each element is bound as vectors, because all of it begins and ends with a whole pack.
    pub wide: bool,
    /// The predicted class of each row, and the rank of the true one, are left in the work buffer.
    pub ranked: bool,
    /// Each row has an upstream gradient of its own, in the work buffer.
    pub row_upstream: bool,
    /// The elements are counted as samples of a metric.
    pub counted: Option<Counted>,
    pub terms: Vec<Term>,
}

impl Variant {
    /// The same kernel with what does not matter for its stage set to one value, so that it is compiled once.
    pub(crate) fn shared(mut self) -> Variant {
        if self.stage.is_strided() || matches!(self.stage, Stage::Spread | Stage::Upstream) {
            // Nobody talks to anybody, or takes packs.
            self.subgroup = 1;
            self.side = 1;
        }
        self.in_place &= self.stage.says_grads();
        self.row_upstream &= self.stage.says_grads() && self.gradient;
        self.ranked &= self.stage == Stage::Rows;
        self.counted = self.counted.filter(|_| self.stage == Stage::Elementwise);
        if self.stage.is_main() {
            if !self.stage.says_grads() {
                self.accumulate.fill(false);
                // But where a second dispatch writes the gradient, the statistic is kept for it.
                self.gradient &= self.stage == Stage::StridedStat;
            }
            if !self.stage.says_losses() {
                for term in &mut self.terms {
                    term.losses = Losses::Summed;
                }
            }
            return self;
        }
        self.dtype = DType::F32;
        self.in_place = false;
        self.wide = false;
        self.accumulate.clear();
        self.gradient = false;
        self.whole = false;
        for term in &mut self.terms {
            term.inputs.clear();
            term.loss = None;
            term.plain = false;
            term.losses = match self.stage {
                Stage::Spread => Losses::Stored,
                _ => Losses::Summed,
            };
            let judged = self.stage == Stage::Count && term.target.judged();
            if !judged {
                term.target = TargetLayout::None;
                term.support = None;
            }
            if self.stage != Stage::Count {
                term.weight = WeightLayout::None;
                term.columns = false;
            }
        }
        self
    }

    pub(crate) fn entry_point(&self) -> &'static str {
        match self.stage {
            Stage::StridedStat | Stage::SplitStat => "stat_main",
            Stage::SplitStat2 => "stat2_main",
            Stage::StridedGrad | Stage::SplitGrad => "grad_main",
            Stage::StridedPart => "part_main",
            Stage::StridedPart2 => "part2_main",
            Stage::StridedSay => "say_main",
            _ => "main",
        }
    }

    /// The invocations of a slice that are in one subgroup.
    pub(crate) fn near(&self) -> u32 {
        self.lanes.min(self.subgroup)
    }

    /// Words of a pack of all tensors.
    pub(crate) fn raw_words(&self) -> u32 {
        terms::raw_words(self)
    }

    /// Whether the elements of a pack are written out one after the other: of one loss, that adds an element to its
    /// statistic by little arithmetic. Everything else goes round a loop, because drivers took minutes to compile it.
    pub(crate) fn written_out(&self) -> bool {
        let light = |l: Named| l.0.family == Family::Elementwise || terms::peak(l.0);
        match self.terms.as_slice() {
            [term] => term.loss.is_some_and(light),
            _ => false,
        }
    }

    /// Whether an invocation keeps whole rows.
    pub(crate) fn keeps_rows(&self) -> bool {
        self.lanes == 1 && self.held > 0
    }

    /// Whether an invocation adds the losses of its rows up; everything else leaves one leaf a row.
    pub(crate) fn adds_rows_up(&self) -> bool {
        self.keeps_rows() && self.terms.iter().all(|t| t.losses.sums())
    }

    /// The rows that a workgroup takes.
    pub(crate) fn rows(&self) -> usize {
        (self.width / self.lanes * self.rounds * self.group) as usize
    }

    /// The leaves of so many rows.
    pub(crate) fn leaves(&self, rows: usize) -> usize {
        match self.adds_rows_up() {
            true => rows.div_ceil(self.rows()) * self.width as usize,
            false => rows,
        }
    }

    /// Whether its loss has a quick statistic that is used here.
    fn quick(&self) -> bool {
        self.quick_loss().is_some_and(terms::quick)
    }

    /// Whether its loss has a quick gradient that is used here.
    fn quick_grads(&self) -> bool {
        // A row of an invocation alone is too short for two loops, unless it has them already.
        let two = self.lanes > 1 || self.quick();
        two && self.quick_loss().is_some_and(terms::quick_grad)
    }

    /// Packs that are loaded before the first is looked at, in plain arithmetic: as many results have to be kept as well.
    fn quick_unroll(&self) -> u32 {
        self.unroll.min(2)
    }

    /// The same for a careful gradient. Beside a plain one it is for rows that are out of the ordinary, or for options that
    /// the plain one leaves out; both forms written out twice would take long to compile.
    fn grads_unroll(&self) -> u32 {
        match self.quick_grads() {
            true => 1,
            false => self.unroll.min(2),
        }
    }

    /// Whether it has one elementwise loss, of much arithmetic without a branch.
    pub(crate) fn straight(&self) -> bool {
        match self.terms.as_slice() {
            [term] => term.plain && term.loss.is_some_and(|l| terms::straight(l.0)),
            _ => false,
        }
    }

    /// The loss whose quick functions are used, if it has any.
    fn quick_loss(&self) -> Option<&'static Info> {
        match self.terms.as_slice() {
            // An input for each, in order: its gradients are not added up.
            [
                Term {
                    loss: Some(l),
                    inputs,
                    ..
                },
            ] => {
                let own = inputs.iter().copied().eq(0..l.0.inputs.len());
                (own && self.by_rows() && !self.stage.is_strided()).then_some(l.0)
            }
            _ => None,
        }
    }

    /// How many packs an invocation takes of a leaf.
    pub(crate) fn packs(&self) -> u32 {
        (LEAF / (self.width * PACK)).max(1)
    }

    /// The words of the vectors that a buffer is bound as, a pack each; `None` where it is bound as words.
    pub(crate) fn vectors(&self, role: Role) -> Option<u32> {
        let term = |k: usize| &self.terms[k];
        let dtype = match role {
            Role::Input(_) | Role::Grad(_) => Some(self.dtype),
            Role::Target(k) => match term(k).target {
                TargetLayout::Values(dtype) => Some(dtype),
                _ => None,
            },
            Role::Weight(k) if term(k).weight == WeightLayout::Element => Some(DType::F32),
            Role::Loss(_) if self.stage == Stage::Elementwise => Some(DType::F32),
            _ => None,
        };
        dtype.filter(|_| self.wide).map(words_of)
    }

    /// Whether it writes a buffer.
    pub(crate) fn writes(&self, role: Role) -> bool {
        match role {
            Role::Grad(_) | Role::Loss(_) | Role::Work | Role::Head | Role::Counts => true,
            Role::Input(_) => self.in_place && self.gradient && self.stage.says_grads(),
            _ => false,
        }
    }

    /// Where the gradient by input `k` goes, if it is written.
    pub(crate) fn grad(&self, k: usize) -> Option<Role> {
        let written = self.gradient && self.stage.says_grads();
        written.then_some(match self.in_place {
            true => Role::Input(k),
            false => Role::Grad(k),
        })
    }

    /// How many inputs it has.
    pub(crate) fn slots(&self) -> usize {
        self.accumulate.len()
    }

    /// The storage buffers of this kernel, `work` first. Their bindings are counted in this order, from 1 on.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::Work];
        let main = self.stage.is_main();
        let slots = if main { self.slots() } else { 0 };
        roles.extend((0..slots).map(Role::Input));
        for (k, term) in self.terms.iter().enumerate() {
            if term.target != TargetLayout::None {
                roles.push(Role::Target(k));
            }
            if term.weight != WeightLayout::None {
                roles.push(Role::Weight(k));
            }
            if term.columns {
                roles.push(Role::Columns(k));
            }
        }
        if main && !self.in_place {
            roles.extend((0..slots).filter_map(|k| self.grad(k)));
        }
        let stores = self.stage.says_losses() || self.stage == Stage::Spread;
        for (k, term) in self.terms.iter().enumerate() {
            if term.losses.stores() && stores {
                roles.push(Role::Loss(k));
            }
        }
        if self.stage == Stage::Upstream {
            roles.push(Role::Upstream);
        }
        if self.counted.is_some() {
            roles.extend([Role::Head, Role::Counts]);
        }
        roles
    }

    /// Whether rows have a statistic here.
    fn by_rows(&self) -> bool {
        self.stage.is_main() && self.stage != Stage::Elementwise
    }

    /// Whether any of its losses needs the finished statistic for a second one.
    pub(crate) fn second(&self) -> bool {
        let mut losses = self.terms.iter().filter_map(|t| t.loss);
        losses.any(|l| l.0.family != Family::Elementwise && second(l.0))
    }
}

/// Elements that an invocation takes together: 16 bytes of f32, 8 of a 16-bit type. Eight of those would be 16 bytes too,
/// but are written out as twice the code, which SwiftShader took minutes to compile.
pub(crate) const PACK: u32 = 4;

/// The words of a pack.
pub(crate) fn words_of(dtype: DType) -> u32 {
    PACK * dtype.size() as u32 / 4
}

/// Elements that one leaf of a sum holds; and the columns that the gradient of a split row is written by.
pub(crate) const LEAF: u32 = 4096;

/// Words of the status of one loss, at the beginning of the work buffer. Partial sums follow.
pub(crate) const HEAD: usize = 17;

/// Where a mean's divisor comes from, unless the host knows it: a sum of weights, or the number of rows that count.
pub(crate) const COUNTED_SUM: u32 = 1;
pub(crate) const COUNTED_VALID: u32 = 2;

/// Which word of the status the divisor, the loss and (of the first loss) the weighted sum of all losses are.
pub(crate) const DIVISOR: usize = 10;
pub(crate) const LOSS: usize = 13;
pub(crate) const TOTAL: usize = 14;

/// Which word counts class weights that are bad.
pub(crate) const BAD_COLUMNS: usize = 16;

parameters! {
    /// The parameters that every kernel has. Those of its terms follow.
    Params, PARAMS {
        /// Elements of this dispatch.
        n: u32,
        /// Rows of this dispatch, and the columns of one here.
        rows: u32,
        cols: u32,
        inner: u32,
        /// Where in its sample the first element lies; columns and inner axes of a sample, also where
        /// everything is one row.
        r0: u32,
        data_cols: u32,
        data_inner: u32,
        /// Global index of the first row.
        row0: u32,
        /// The number of leaves here.
        leaves: u32,
        /// Where in the leaves the statistics of rows begin, and the second ones.
        stat0: u32,
        stat2: u32,
        /// Parts of a row: here, the first of them, all, and the columns of one.
        parts: u32,
        part0: u32,
        parts_all: u32,
        part_len: u32,
        /// Workgroups that write the gradient of one group, and whether they say its losses.
        blocks: u32,
        says: u32,
        /// First number of each view, counted in its own type from where the binding begins.
        off_input0: u32,
        off_input1: u32,
        off_input2: u32,
        off_grad0: u32,
        off_grad1: u32,
        off_grad2: u32,
        /// The upstream gradient from the host, and whether there is one in the work buffer too; where those of rows are
        /// there, and where their view begins.
        grad_scale: f32,
        has_upstream: u32,
        upstream0: u32,
        off_upstream: u32,
        /// What the counted sum is multiplied by: columns that share a row's weight.
        repeat: f32,
        sum_weight: u32,
        sum_class_weight: u32,
    }
}

parameters! {
    /// The parameters of one loss. The values of its options follow.
    TermParams, TERM_PARAMS {
        /// Where its status is, and where its first leaf of this dispatch.
        head: u32,
        leaf0: u32,
        off_target: u32,
        off_weight: u32,
        off_columns: u32,
        off_loss: u32,
        /// What the loss is multiplied by in a sum of losses.
        scale: f32,
        /// The divisor, unless it is counted into the work buffer; and whether it is the sum or the number there.
        divisor: f32,
        counted: u32,
        has_ignore: u32,
        ignore_lo: u32,
        ignore_hi: u32,
    }
}

parameters! {
    /// What is told of samples that are counted, behind everything else.
    CarriedParams, CARRIED_PARAMS {
        /// The number of the first element of this dispatch in its tensor.
        first: u32,
        /// The threshold.
        extent: u32,
    }
}

impl Params {
    /// Where a view begins, for the roles that are not a term's.
    pub(crate) fn offset(&mut self, role: Role) -> Option<&mut u32> {
        match role {
            Role::Input(0) => Some(&mut self.off_input0),
            Role::Input(1) => Some(&mut self.off_input1),
            Role::Input(2) => Some(&mut self.off_input2),
            Role::Grad(0) => Some(&mut self.off_grad0),
            Role::Grad(1) => Some(&mut self.off_grad1),
            Role::Grad(2) => Some(&mut self.off_grad2),
            Role::Upstream => Some(&mut self.off_upstream),
            _ => None,
        }
    }
}

impl TermParams {
    /// Where a view of this term begins.
    pub(crate) fn offset(&mut self, role: Role) -> Option<&mut u32> {
        match role {
            Role::Target(_) => Some(&mut self.off_target),
            Role::Weight(_) => Some(&mut self.off_weight),
            Role::Columns(_) => Some(&mut self.off_columns),
            Role::Loss(_) => Some(&mut self.off_loss),
            _ => None,
        }
    }
}

pub(super) const NUMERICS: &str = include_str!("../../shaders/common/numerics.wgsl");
const PIECES: &str = include_str!("../../shaders/common/pieces.wgsl");
pub(super) const STORAGE: &str = include_str!("../../shaders/common/storage.wgsl");
/// What the first words of the work buffer are.
pub(super) const HEAD_WORDS: &str = include_str!("../../shaders/skeleton/head.wgsl");
const STATUS: &str = include_str!("../../shaders/skeleton/status.wgsl");
const TREE: &str = include_str!("../../shaders/skeleton/tree.wgsl");
const GATHER: &str = include_str!("../../shaders/skeleton/gather.wgsl");
const AGAIN: &str = include_str!("../../shaders/skeleton/again.wgsl");
const SLICES: &str = include_str!("../../shaders/skeleton/slices.wgsl");
const RANKS: &str = include_str!("../../shaders/skeleton/ranks.wgsl");

/// A text about ranks, told the words of a row.
pub(super) fn ranked(text: &str) -> String {
    format!("{text}const RANK_WORDS: u32 = {RANK_WORDS}u;\n")
}

/// The WGSL of a kernel. The losses' files come first, so that the line numbers of the first stay true.
pub(crate) fn compose(v: &Variant) -> String {
    let gather = match v.quick() {
        true => include_str!("../../shaders/skeleton/gather_quick.wgsl"),
        false => include_str!("../../shaders/skeleton/gather_plain.wgsl"),
    };
    let grads = match v.quick_grads() {
        true => include_str!("../../shaders/skeleton/grads_quick.wgsl"),
        false => include_str!("../../shaders/skeleton/grads_plain.wgsl"),
    };
    let beside = match v.near() {
        1 => "fn beside(x: f32, by: u32) -> f32 { return x; }\n",
        _ => "fn beside(x: f32, by: u32) -> f32 { return subgroupShuffleXor(x, by); }\n",
    };
    let parts: &[&str] = match v.stage {
        Stage::Elementwise => &[
            TREE,
            include_str!("../../shaders/skeleton/elementwise.wgsl"),
        ],
        Stage::Rows if v.keeps_rows() => &[
            GATHER,
            SLICES,
            include_str!("../../shaders/skeleton/kept.wgsl"),
        ],
        Stage::Rows if v.held > 0 => &[
            GATHER,
            SLICES,
            include_str!("../../shaders/skeleton/held.wgsl"),
        ],
        Stage::Rows => &[
            GATHER,
            AGAIN,
            gather,
            grads,
            SLICES,
            include_str!("../../shaders/skeleton/rows.wgsl"),
        ],
        Stage::SplitStat | Stage::SplitStat2 | Stage::SplitGrad => &[
            GATHER,
            AGAIN,
            gather,
            grads,
            SLICES,
            include_str!("../../shaders/skeleton/split.wgsl"),
        ],
        Stage::StridedStat
        | Stage::StridedPart
        | Stage::StridedPart2
        | Stage::StridedSay
        | Stage::StridedGrad => &[
            GATHER,
            AGAIN,
            include_str!("../../shaders/skeleton/strided.wgsl"),
        ],
        Stage::Count => &[TREE, include_str!("../../shaders/skeleton/count.wgsl")],
        Stage::Fold => &[TREE, include_str!("../../shaders/skeleton/fold.wgsl")],
        Stage::Finish => &[TREE, include_str!("../../shaders/skeleton/finish.wgsl")],
        Stage::Spread => &[include_str!("../../shaders/skeleton/spread.wgsl")],
        Stage::Upstream => &[include_str!("../../shaders/skeleton/upstream.wgsl")],
    };
    let mut text = String::new();
    terms::losses(&mut text, v);
    if v.stage.is_main() {
        text.push_str(PIECES);
    }
    for part in [NUMERICS, STORAGE, HEAD_WORDS, STATUS]
        .into_iter()
        .chain(parts.iter().copied())
    {
        text.push_str(&counting(part, v.counted.is_some()));
    }
    if let Some(counted) = v.counted {
        text.push_str(&carried_text(counted));
    }
    if parts.contains(&TREE) {
        text.push_str(beside);
    }
    match v.ranked {
        true => text.push_str(&ranked(RANKS)),
        false if v.stage == Stage::Rows => text.push_str(
            "fn reset_ranks(x: RowContext) {}\n\
             fn say_rank(row: u32, lane: u32, tid: u32, x: RowContext, s: All, silent: bool) {}\n",
        ),
        false => {}
    }
    declarations(&mut text, v);
    terms::functions(&mut text, v);
    text
}

/// A file of which the lines that begin with `//counted` are statements where something is counted, and nothing elsewhere.
fn counting(part: &str, counted: bool) -> Cow<'_, str> {
    const MARK: &str = "//counted ";
    match (part.contains(MARK), counted) {
        (false, _) => part.into(),
        (true, true) => part.replace(MARK, "").into(),
        (true, false) => {
            let lines = part.split_inclusive('\n');
            lines
                .filter(|l| !l.contains(MARK))
                .collect::<String>()
                .into()
        }
    }
}

/// `writeln!` to a string cannot fail.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => { { let _ = writeln!($text, $($arg)*); } };
}
use line;

fn declarations(text: &mut String, v: &Variant) {
    line!(text, "struct Params {{");
    for (name, ty) in PARAMS {
        line!(text, "    {name}: {ty},");
    }
    terms::params(text, v);
    if v.counted.is_some() {
        for (name, ty) in CARRIED_PARAMS {
            line!(text, "    {name}: {ty},");
        }
    }
    line!(text, "}}");
    line!(text, "struct Work {{");
    line!(text, "    head: array<atomic<u32>, {}>,", HEAD * v.heads);
    line!(text, "    leaves: array<u32>,\n}}");
    line!(text, "@group(0) @binding(0) var<uniform> params: Params;");
    // Mesa's software driver gathers a uniform for every invocation wherever it is read, and takes nothing out of loops: a
    // sixth of the time of `mse`. What decides about barriers is read from `params`, because a copy counts as different in
    // each invocation.
    line!(
        text,
        "var<private> mine: Params;\nfn begin() {{ mine = params; }}"
    );
    for (i, role) in v.roles().into_iter().enumerate() {
        let access = if v.writes(role) || v.aliased {
            "read_write"
        } else {
            "read"
        };
        let ty = match role {
            Role::Work => "Work",
            Role::Head | Role::Counts => "array<atomic<u32>>",
            _ => match v.vectors(role) {
                Some(words) => &format!("array<vec{words}<u32>>"),
                None => "array<u32>",
            },
        };
        line!(
            text,
            "@group(0) @binding({}) var<storage, {access}> {}: {ty};",
            i + 1,
            role.name()
        );
    }
    line!(text, "const WIDTH: u32 = {}u;", v.width);
    line!(text, "const LANES: u32 = {}u;", v.lanes);
    line!(text, "const NEAR: u32 = {}u;", v.near());
    line!(text, "const GROUP: u32 = {}u;", v.group);
    line!(text, "const ROUNDS: u32 = {}u;", v.rounds);
    line!(text, "const PACK: u32 = {PACK}u;");
    line!(text, "const PACKS: u32 = {}u;", v.packs());
    // What lies between the packs of an invocation, at class axis 1 the columns; and between those of a run.
    let step = match v.stage.is_strided() {
        true => 1,
        false => v.lanes * PACK,
    };
    let apart = if v.side > 1 { PACK } else { step };
    line!(text, "const SIDE: u32 = {}u;", v.side);
    line!(text, "const STEP: u32 = {step}u;");
    line!(text, "const APART: u32 = {apart}u;");
    for (name, value) in [
        ("GRADIENT", v.gradient),
        ("IN_PLACE", v.in_place),
        ("SECOND", v.by_rows() && v.second()),
        ("RANKED", v.ranked),
    ] {
        line!(text, "const {name}: bool = {value};");
    }
}

#[cfg(test)]
mod tests;
