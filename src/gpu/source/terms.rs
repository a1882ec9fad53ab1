//! The text that the losses of a kernel need around their mathematics: how their elements are loaded, how what they
//! have to say is put together, and how it is stored. With one loss the names are as its file has them; with several
//! each name carries the number of its loss.

mod access;
mod rows;

use super::{Losses, Stage, TERM_PARAMS, Term, Variant, line};
use crate::layout::WeightLayout;
use crate::loss::{Family, Info, OptionInfo, OptionKind};
use access::{access, count_weight, element, inputs};
use rows::{contexts, gathering, row_gradients, row_losses, statistics};
use std::fmt::Write;

/// Names that the description of a loss gives, beside those of its file.
const GIVEN: &[&str] = &["Elem", "Row", "Grad", "Term"];

/// Functions that a loss may leave out, and what then stands for them.
const ELEMENTWISE_DEFAULTS: &[(&str, &str)] = &[
    ("admits", "(bits: u32) -> bool { return false; }"),
    ("nan_grad", "(e: Elem) -> bool { return true; }"),
];
const ROW_DEFAULTS: &[(&str, &str)] = &[
    ("admits", "(bits: u32) -> bool { return false; }"),
    ("nan_loss", "(e: Elem, r: Row) -> bool { return true; }"),
    (
        "row_special",
        "(r: Row, STATS) -> u32 { return SPECIAL_NONE; }",
    ),
    (
        "nan_grad",
        "(e: Elem, r: Row, STATS, here: bool) -> bool { return true; }",
    ),
];

/// The option that is a number or a list of one number per column, if the loss has one.
pub(crate) fn list_option(info: &Info) -> Option<&'static OptionInfo> {
    let mut options = info.options.iter();
    options.find(|o| o.kind == OptionKind::NumberOrColumns)
}

/// Whether a loss has a second statistic.
pub(crate) fn second(info: &Info) -> bool {
    info.wgsl.contains("struct Stat2 {")
}

/// The fields of a struct of a loss's file, each `f32` or `u32`.
pub(crate) fn fields(info: &Info, name: &str) -> Vec<(String, String)> {
    let head = format!("struct {name} {{");
    let Some(start) = info.wgsl.find(&head) else {
        return Vec::new();
    };
    let body = &info.wgsl[start + head.len()..];
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
        out.push((format!("f{s}"), "u32".into()));
        out.push((format!("odd{s}"), "u32".into()));
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

/// `text` with an ending to every name that its file or the description gives, and to those of its options.
fn renamed(text: &str, info: &Info, s: &str) -> String {
    if s.is_empty() {
        return text.into();
    }
    let mut names: Vec<&str> = GIVEN.to_vec();
    names.extend(ROW_DEFAULTS.iter().chain(ELEMENTWISE_DEFAULTS).map(|d| d.0));
    for line in info.wgsl.lines() {
        let declared = ["fn ", "struct ", "const "].iter();
        if let Some(rest) = declared.filter_map(|word| line.strip_prefix(word)).next() {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            names.push(&rest[..end.unwrap_or(rest.len())]);
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
            Some(option) => {
                let _ = write!(out, "opt{s}_{option}");
            }
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
        text.push_str(&renamed(part.info.wgsl, part.info, &part.s));
        let (defaults, stats) = match part.elementwise() {
            true => (ELEMENTWISE_DEFAULTS, ""),
            false => (ROW_DEFAULTS, part.stats().0),
        };
        for (name, rest) in defaults {
            if !part.info.wgsl.contains(&format!("fn {name}(")) {
                let function = format!("fn {name}{}\n", rest.replace("STATS", stats));
                text.push_str(&renamed(&function, part.info, &part.s));
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
    }
}

/// Everything between the losses and the skeleton.
pub(super) fn functions(text: &mut String, v: &Variant) {
    let roles = v.roles();
    for (k, term) in v.terms.iter().enumerate() {
        let s = suffix(v, k);
        access(text, k, &s, term, &roles);
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
        element(text, v, part);
    }
    factors(text, &parts);
    if v.stage == Stage::Elementwise {
        visits(text, v, &parts);
    } else {
        statistics(text, v, &parts);
        contexts(text, &parts);
        gathering(text, v, &parts);
        row_losses(text, &parts);
        row_gradients(text, v, &parts);
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

/// Opens the sums of gradients: one number and whether it is a NaN, for each input.
fn open_sums(text: &mut String, v: &Variant) {
    for k in 0..v.slots() {
        line!(text, "    var g{k} = 0.0;\n    var n{k} = false;");
    }
}

/// Adds the gradient `d` of a term, times `f`, where `nan` says whether it is one.
fn add_sums(text: &mut String, part: &Part<'_>, d: &str, f: &str, nan: &str) {
    let mut inputs = part.term.inputs.iter().zip(part.info.inputs);
    inputs.by_ref().for_each(|(slot, x)| {
        line!(text, "        g{slot} += {d}.{x} * {f};");
        line!(text, "        n{slot} = n{slot} || {nan};");
    });
}

fn close_sums(v: &Variant) -> String {
    let one = |k: usize| format!("select(bitcast<u32>(g{k}), NAN_BITS, n{k})");
    let all: Vec<_> = (0..v.slots()).map(one).collect();
    format!("GradBits({})", all.join(", "))
}

/// One visit of an element by elementwise losses.
fn visits(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let each = |f: &dyn Fn(&Part<'_>) -> String, between: &str| -> String {
        parts.iter().map(f).collect::<Vec<_>>().join(between)
    };
    line!(
        text,
        "struct Visit {{ {}, grad: GradBits }}",
        each(&|p| format!("l{}: u32", p.s), ", ")
    );
    line!(
        text,
        "struct Sums {{ {} }}",
        each(&|p| format!("l{}: f32", p.s), ", ")
    );
    line!(
        text,
        "fn visit(i: u32, f: Factors) -> Visit {{\n    let in = load_inputs(i);"
    );
    match parts.iter().any(Part::needs_place) {
        true => line!(
            text,
            "    let at = place(i);\n    let row = at.x;\n    let col = at.y;"
        ),
        false => line!(text, "    let row = 0u;\n    let col = 0u;"),
    }
    open_sums(text, v);
    for part in parts {
        let s = &part.s;
        line!(text, "    let x{s} = elem{s}(in, i, row, col, 0u);");
        line!(text, "    {}", count_weight(v, part));
        line!(text, "    count(params.head{s}, NON_FINITE, x{s}.odd);");
        line!(text, "    let t{s} = term{s}(x{s}.e);");
        line!(text, "    let w{s} = bitcast<f32>(load_weight{s}(i, row));");
        line!(
            text,
            "    let l{s} = select(bitcast<u32>(w{s} * t{s}.loss), NAN_BITS, x{s}.nan);"
        );
        line!(text, "    if (f.ok{s}) {{");
        let nan = format!("(x{s}.nan && nan_grad{s}(x{s}.e))");
        add_sums(
            text,
            part,
            &format!("t{s}.grad"),
            &format!("(w{s} * f.f{s})"),
            &nan,
        );
        line!(text, "    }}");
    }
    line!(
        text,
        "    return Visit({}, {});\n}}",
        each(&|p| format!("l{}", p.s), ", "),
        close_sums(v)
    );
    line!(
        text,
        "fn sums_zero() -> Sums {{ return Sums({}); }}",
        each(&|_| "0.0".into(), ", ")
    );
    line!(
        text,
        "fn sums_add(a: Sums, i: u32, x: Visit) -> Sums {{\n    var sums = a;"
    );
    for part in parts {
        let s = &part.s;
        match part.term.losses {
            Losses::Summed => line!(
                text,
                "    sums.l{s} += finite_part(params.head{s}, x.l{s});"
            ),
            _ => line!(text, "    store_loss{s}(i, x.l{s});"),
        }
    }
    line!(text, "    return sums;\n}}");
    line!(text, "fn sums_put(tid: u32, leaf: u32, sums: Sums) {{");
    for part in parts.iter().filter(|p| p.term.losses == Losses::Summed) {
        let s = &part.s;
        line!(text, "    let total{s} = tree_sum(tid, sums.l{s});");
        line!(
            text,
            "    if (tid == 0u) {{ put_leaf(params.head{s}, params.leaf0{s} + leaf, bitcast<u32>(total{s})); }}"
        );
    }
    line!(text, "}}");
}
