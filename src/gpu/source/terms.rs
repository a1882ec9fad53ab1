//! The text that the losses of a kernel need around their mathematics: how their elements are loaded, how what they
//! have to say is put together, and how it is stored. With one loss the names are as its file has them; with several
//! each name carries the number of its loss.

mod access;
mod elements;
mod rows;
mod runs;

use super::{Stage, TERM_PARAMS, Term, Variant, line};
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{Family, Info, OptionInfo, OptionKind, OptionValue};
pub(super) use access::raw_words;
use access::{access, bad_weights, element, inputs};
use rows::{contexts, gathering, row_gradients, row_losses, statistics};
use runs::{quick_grads, quick_runs, runs};
use std::fmt::Write;

/// Names that the description of a loss gives, beside those of its file.
const GIVEN: &[&str] = &["Elem", "Row", "Grad", "Term", "LABELS"];

/// Functions that a loss may leave out, and what then stands for them.
const ELEMENTWISE_DEFAULTS: &[(&str, &str)] = &[
    ("admits", "(bits: u32) -> bool { return false; }"),
    ("nan_grad", "(e: Elem) -> bool { return true; }"),
    ("undefined", "(e: Elem) -> bool { return false; }"),
];
const ROW_DEFAULTS: &[(&str, &str)] = &[
    ("admits", "(bits: u32) -> bool { return false; }"),
    ("nan_loss", "(e: Elem, r: Row) -> bool { return true; }"),
    (
        "stat_identity",
        "() -> Stat { return stat_at(peak_identity()); }",
    ),
    (
        "row_special",
        "(r: Row, STATS) -> u32 { return SPECIAL_NONE; }",
    ),
    (
        "nan_grad",
        "(e: Elem, r: Row, STATS, here: bool) -> bool { return true; }",
    ),
];

const SET_DEFAULTS: &[(&str, &str)] = &[
    (
        "set_of",
        "(e: Elem) -> vec2<f32> { return vec2<f32>(e.x, 1.0 - e.x); }",
    ),
    ("set_slope", "(e: Elem) -> f32 { return 1.0; }"),
    ("set_undefined", "(r: Ratio) -> bool { return false; }"),
    ("set_value", "(r: Ratio) -> f32 { return r.loss; }"),
    ("set_steep", "(r: Ratio) -> f32 { return 1.0; }"),
    ("set_chain", "(steep: f32, g: f32) -> f32 { return g; }"),
];

/// What a loss of a family may leave out.
fn defaults(family: Family) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let (first, second): (&[_], &[_]) = match family {
        Family::Elementwise => (ELEMENTWISE_DEFAULTS, &[]),
        Family::Rows => (ROW_DEFAULTS, &[]),
        Family::Sets => (ROW_DEFAULTS, SET_DEFAULTS),
    };
    first.iter().chain(second)
}

/// The option that is a number or a list of one number per column, if the loss has one.
pub(crate) fn list_option(info: &Info) -> Option<&'static OptionInfo> {
    let mut options = info.options.iter();
    options.find(|o| o.kind == OptionKind::NumberOrColumns)
}

/// The text of the default of an option, in a kernel for defaults.
fn constant(term: &Term, option: &str) -> Option<String> {
    let info = term.loss.filter(|_| term.plain)?.0;
    let at = info.options.iter().position(|o| o.name == option)?;
    match info.make().options().get(at)? {
        OptionValue::Number(v) => Some(format!("{v:?}f")),
        OptionValue::Flag(v) => Some(format!("{}u", u32::from(*v))),
        OptionValue::Index(_) | OptionValue::Columns(_) => None,
    }
}

/// Whether a loss has a second statistic.
pub(crate) fn second(info: &Info) -> bool {
    info.wgsl.contains("struct Stat2 {")
}

/// Whether the statistics of a loss are relative to a maximum that is found first.
pub(super) fn peak(info: &Info) -> bool {
    info.wgsl.contains("struct Peak {")
}

/// Whether a loss has a statistic by plain arithmetic beside the careful one.
pub(super) fn quick(info: &Info) -> bool {
    info.wgsl.contains("struct Quick {")
}

/// Whether a loss has a gradient by plain arithmetic beside the careful one.
pub(super) fn quick_grad(info: &Info) -> bool {
    info.wgsl.contains("fn quick_grad(")
}

/// Whether a loss says that with default options it is much arithmetic without a branch.
pub(super) fn straight(info: &Info) -> bool {
    info.wgsl.contains("const STRAIGHT: bool = true;")
}

/// The fields of a struct of a loss's file, each `f32` or `u32`.
pub(crate) fn fields(info: &Info, name: &str) -> Vec<(String, String)> {
    fields_of(info.wgsl, name)
}

fn fields_of(text: &str, name: &str) -> Vec<(String, String)> {
    let head = format!("struct {name} {{");
    let Some(start) = text.find(&head) else {
        return Vec::new();
    };
    let body = &text[start + head.len()..];
    let body = &body[..body.find('}').unwrap_or(0)];
    let code = |l: &str| l.split("//").next().unwrap_or("").trim().to_string();
    body.lines()
        .map(code)
        .filter_map(|l| {
            let (name, ty) = l.trim_end_matches(',').split_once(": ")?;
            Some((name.into(), ty.into()))
        })
        .collect()
}

/// Words of a struct, and of those in it, which a loss's file declares or what several share does.
fn struct_words(info: &Info, name: &str) -> usize {
    let shared = super::PIECES;
    let own = fields_of(info.wgsl, name);
    let all = if own.is_empty() {
        fields_of(shared, name)
    } else {
        own
    };
    all.iter()
        .map(|(_, ty)| match ty.as_str() {
            "f32" | "u32" | "i32" | "bool" => 1,
            ty => struct_words(info, ty).max(1),
        })
        .sum()
}

/// What an elementwise loss keeps of a row: the sum of its losses, and which of them are not finite.
fn sum_fields() -> Vec<(String, String)> {
    [("sum", "f32"), ("seen", "u32")]
        .map(|(n, t)| (n.into(), t.into()))
        .into()
}

/// Words of the statistics of a row, and of the second ones.
pub(crate) fn words(v: &Variant) -> [usize; 2] {
    let all = all_fields(v).iter().map(|f| f.len()).sum();
    let second = all2_fields(v).iter().map(|f| f.len()).sum();
    [all, second]
}

/// Words of what a row is to its losses, and of what its gradients have in common.
pub(crate) fn context_words(v: &Variant) -> usize {
    let of = |t: &Part<'_>| match t.elementwise() {
        true => 3,
        false => 8 + t.info.inputs.len() + 3 + struct_words(t.info, "Ready"),
    };
    let all: usize = parts(v).iter().map(of).sum();
    all + usize::from(v.row_upstream)
}

/// Path and type of every word of a term's part of a row's statistic.
fn all_fields(v: &Variant) -> Vec<Vec<(String, String)>> {
    let of = |t: &Part<'_>| {
        let s = &t.s;
        let stat = match t.elementwise() {
            true => sum_fields(),
            false => fields(t.info, "Stat"),
        };
        let mut out: Vec<_> = stat
            .into_iter()
            .map(|(name, ty)| (format!("s{s}.{name}"), ty))
            .collect();
        let kept = t.kept(v);
        out.extend(kept.map(|(name, _)| (format!("{name}{s}"), "u32".into())));
        out
    };
    parts(v).iter().map(of).collect()
}

fn all2_fields(v: &Variant) -> Vec<Vec<(String, String)>> {
    let with = |t: &Part<'_>| {
        let named = fields(t.info, "Stat2").into_iter();
        let s = &t.s;
        named.map(|(n, ty)| (format!("s{s}.{n}"), ty)).collect()
    };
    parts(v).iter().filter(|t| t.second()).map(with).collect()
}

/// A term with its loss and the ending of its names.
struct Part<'a> {
    k: usize,
    s: String,
    term: &'a Term,
    info: &'static Info,
}

impl Part<'_> {
    fn elementwise(&self) -> bool {
        self.info.family == Family::Elementwise
    }

    fn second(&self) -> bool {
        !self.elementwise() && second(self.info)
    }

    /// Whether it says itself which NaN a loss depends on: else all.
    fn picks_nan(&self) -> bool {
        !self.elementwise() && self.info.wgsl.contains("fn nan_loss(")
    }

    /// What is kept of the elements of a row beside the statistic, and how two of it become one: whether a NaN was met
    /// that matters; the largest bits of all, by which others are told; how many weights are none.
    fn kept(&self, v: &Variant) -> impl Iterator<Item = (&'static str, fn(&str, &str) -> String)> {
        let or: fn(&str, &str) -> String = |a, b| format!("{a} | {b}");
        let max: fn(&str, &str) -> String = |a, b| format!("max({a}, {b})");
        let sum: fn(&str, &str) -> String = |a, b| format!("{a} + {b}");
        let bad = bad_weights(v, self).is_some();
        let all = [
            ("f", or, self.picks_nan()),
            ("top", max, true),
            ("bad", sum, bad),
        ];
        all.into_iter().filter(|k| k.2).map(|k| (k.0, k.1))
    }

    /// Whether a NaN that matters is among the elements of `all`.
    fn met_nan(&self, all: &str) -> String {
        match self.picks_nan() {
            true => format!("({all}.f{} & ROW_NAN) != 0u", self.s),
            false => format!("{all}.top{} > INF_BITS", self.s),
        }
    }

    /// The text of an option's value, where that is its default and known.
    fn constant(&self, option: &str) -> Option<String> {
        constant(self.term, option)
    }

    fn peak(&self) -> bool {
        peak(self.info)
    }

    /// Whether its gradients share something that is worked out once a row.
    fn ready(&self) -> bool {
        self.info.wgsl.contains("struct Ready {")
    }

    /// The statistics as parameters, and as arguments out of those of all terms.
    fn stats(&self) -> (&'static str, String) {
        let s = &self.s;
        match self.second() {
            true => ("s: Stat, s2: Stat2", format!("s.s{s}, s2.s{s}")),
            false => ("s: Stat", format!("s.s{s}")),
        }
    }

    /// Whether the row or column of an element matters to it.
    fn needs_place(&self) -> bool {
        self.term.weight == WeightLayout::Row || self.term.columns
    }
}

fn suffix(v: &Variant, k: usize) -> String {
    match v.terms.len() {
        1 => String::new(),
        _ => format!("_{k}"),
    }
}

fn parts(v: &Variant) -> Vec<Part<'_>> {
    let terms = v.terms.iter().enumerate();
    let part = |(k, term): (usize, &'_ Term)| {
        term.loss.map(|loss| Part {
            k,
            s: suffix(v, k),
            // The borrow is the variant's.
            term: &v.terms[k],
            info: loss.0,
        })
    };
    terms.filter_map(part).collect()
}

/// `text` with an ending to every name that its file or the description gives, and to those of its options; or, of
/// options that have their defaults, with those.
fn renamed(text: &str, part: &Part<'_>) -> String {
    let (info, s) = (part.info, &part.s);
    let mut names: Vec<&str> = Vec::new();
    if !s.is_empty() {
        names.extend(GIVEN);
        names.extend(defaults(info.family).map(|d| d.0));
        for line in info.wgsl.lines() {
            let declared = ["fn ", "struct ", "const "].iter();
            if let Some(rest) = declared.filter_map(|word| line.strip_prefix(word)).next() {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                names.push(&rest[..end.unwrap_or(rest.len())]);
            }
        }
    }
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_alphabetic() || c == '_') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        match word.strip_prefix("opt_") {
            // A member is no name of the module.
            _ if out.ends_with('.') && !word.starts_with("opt_") => out.push_str(word),
            Some(option) => match part.constant(option) {
                Some(value) if out.ends_with("params.") => {
                    out.truncate(out.len() - "params.".len());
                    out.push_str(&value);
                }
                _ => {
                    if out.ends_with("params.") {
                        out.truncate(out.len() - "params.".len());
                        out.push_str("mine.");
                    }
                    let _ = write!(out, "opt{s}_{option}");
                }
            },
            None => {
                out.push_str(word);
                if names.contains(&word) {
                    out.push_str(s);
                }
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The files of the losses, with what they leave out.
pub(super) fn losses(text: &mut String, v: &Variant) {
    for part in parts(v) {
        // Whether targets are class indices.
        let labels = matches!(part.term.target, TargetLayout::Labels(_));
        line!(text, "const LABELS{}: bool = {labels};", part.s);
        text.push_str(&renamed(part.info.wgsl, &part));
        let stats = part.stats().0;
        for (name, rest) in defaults(part.info.family) {
            if !part.info.wgsl.contains(&format!("fn {name}(")) {
                let function = format!("fn {name}{}\n", rest.replace("STATS", stats));
                text.push_str(&renamed(&function, &part));
            }
        }
    }
}

/// The parameters of the terms, and their options.
pub(super) fn params(text: &mut String, v: &Variant) {
    for (k, term) in v.terms.iter().enumerate() {
        let s = suffix(v, k);
        for (name, ty) in TERM_PARAMS {
            line!(text, "    {name}{s}: {ty},");
        }
        // A kernel without the loss is shared by all losses, also by those whose parameters are shorter.
        let options = term.loss.map_or(&[][..], |l| l.0.options);
        for option in options {
            let ty = match option.kind {
                OptionKind::Number | OptionKind::NumberOrColumns => "f32",
                OptionKind::Flag => "u32",
                OptionKind::Index => continue,
            };
            line!(text, "    opt{s}_{}: {ty},", option.name);
        }
        for (name, ty) in term.loss.map_or(&[][..], |l| l.0.derived) {
            line!(text, "    opt{s}_{name}: {ty},");
        }
    }
}

/// Everything between the losses and the skeleton.
pub(super) fn functions(text: &mut String, v: &Variant) {
    for (k, term) in v.terms.iter().enumerate() {
        access(text, v, k, &suffix(v, k), term);
    }
    if let [term] = v.terms.as_slice() {
        line!(text, "const COLUMNS: bool = {};", term.columns);
    }
    if !v.stage.is_main() {
        return;
    }
    let parts = parts(v);
    inputs(text, v);
    for part in &parts {
        element(text, part);
    }
    factors(text, &parts);
    if v.row_upstream {
        line!(
            text,
            "fn upstream_of(row: u32) -> f32 {{\n    \
             return bitcast<f32>(work.leaves[mine.upstream0 + mine.row0 + row]);\n}}"
        );
    }
    if v.stage == Stage::Elementwise {
        elements::visits(text, v, &parts);
    } else {
        statistics(text, v, &parts);
        contexts(text, v, &parts);
        gathering(text, v, &parts);
        row_losses(text, v, &parts);
        row_gradients(text, v, &parts);
        runs(text, v, &parts);
        if let [part] = parts.as_slice() {
            if v.quick() || v.quick_grads() {
                line!(text, "const QUICK_PACKS: u32 = {}u;", v.quick_unroll());
            }
            if v.quick() {
                quick_runs(text, v, part);
            }
            if v.quick_grads() {
                quick_grads(text, v, part);
            }
        }
    }
}

/// What the gradient of each loss is multiplied by, and whether it counts at all.
fn factors(text: &mut String, parts: &[Part<'_>]) {
    let each = |f: &dyn Fn(&str) -> String| -> String {
        parts.iter().map(|p| f(&p.s)).collect::<Vec<_>>().join(", ")
    };
    line!(
        text,
        "struct Factors {{ {} }}",
        each(&|s| format!("f{s}: f32, ok{s}: bool"))
    );
    line!(
        text,
        "fn factors() -> Factors {{\n    return Factors({});\n}}",
        each(&|s| {
            let args = format!("params.head{s}, params.counted{s}");
            format!(
                "grad_factor({args}, params.divisor{s}, params.scale{s}), !nothing_counts({args})"
            )
        })
    );
}

/// What the derivatives of a loss are multiplied by in a row with the upstream gradient `of_row`.
fn factor(v: &Variant, s: &str, of_row: &str) -> String {
    match v.row_upstream {
        true => format!("(f.f{s} * {of_row})"),
        false => format!("f.f{s}"),
    }
}

/// Opens the sums of gradients: one number and whether it is a NaN, for each input.
fn open_sums(text: &mut String, v: &Variant) {
    for k in 0..v.slots() {
        line!(text, "    var g{k} = 0.0;\n    var n{k} = false;");
    }
}

/// Adds the gradient `d` of a term, times `f`, where `nan` says whether it is one. The first of an input is set: compilers
/// may not leave out an addition to 0, because of -0.
fn add_sums(text: &mut String, v: &Variant, part: &Part<'_>, d: &str, f: &str, nan: &str) {
    for (i, slot) in part.term.inputs.iter().enumerate() {
        let x = part.info.member(i);
        let before = &v.terms[..part.k];
        let first = part.term.inputs.iter().filter(|s| *s == slot).count() == 1
            && !before.iter().any(|t| t.inputs.contains(slot));
        match first {
            true => line!(
                text,
                "        g{slot} = {d}.{x} * {f};\n        n{slot} = {nan};"
            ),
            false => {
                line!(text, "        g{slot} += {d}.{x} * {f};");
                line!(text, "        n{slot} = n{slot} || {nan};");
            }
        }
    }
}

fn close_sums(v: &Variant) -> String {
    let one = |k: usize| format!("select(bitcast<u32>(g{k}), NAN_BITS, n{k})");
    let all: Vec<_> = (0..v.slots()).map(one).collect();
    format!("GradBits({})", all.join(", "))
}

/// The largest of numbers.
fn maximum(of: &[String]) -> String {
    let all = of.iter().cloned();
    all.reduce(|a, b| format!("max({a}, {b})"))
        .unwrap_or("0u".into())
}

/// Neighbours first: a tree of `terms`.
fn tree(terms: &[String], op: &str) -> String {
    match terms {
        [one] => one.clone(),
        _ => {
            let (a, b) = terms.split_at(terms.len() / 2);
            format!("({} {op} {})", tree(a, op), tree(b, op))
        }
    }
}
