//! The text that the losses of a kernel need around their mathematics: how their elements are loaded, how what they
//! have to say is put together, and how it is stored. With one loss the names are as its file has them; with several
//! each name carries the number of its loss.

use super::{Losses, Role, Stage, TERM_PARAMS, Term, Variant, line};
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{Family, Info, OptionInfo, OptionKind, Support};
use crate::tensor::{DType, LabelType};
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

/// Targets that are one a row, weights, columns and losses of a term.
fn access(text: &mut String, k: usize, s: &str, term: &Term, roles: &[Role]) {
    let has = |role: Role| roles.contains(&role);
    let label = match (has(Role::Target(k)), term.target) {
        (true, TargetLayout::Labels(ty)) => {
            // Labels as 64-bit numbers in two words.
            let load = match ty {
                LabelType::U32 => format!("vec2<u32>(b_target{k}[params.off_target{s} + row], 0u)"),
                LabelType::I32 => format!(
                    "vec2<u32>(b_target{k}[params.off_target{s} + row], \
                     0u - (b_target{k}[params.off_target{s} + row] >> 31u))"
                ),
                LabelType::I64 => format!(
                    "vec2<u32>(b_target{k}[2u * (params.off_target{s} + row)], \
                     b_target{k}[2u * (params.off_target{s} + row) + 1u])"
                ),
            };
            format!(
                "let l = {load};\n    \
                 if (params.has_ignore{s} != 0u && l.x == params.ignore_lo{s} && l.y == params.ignore_hi{s}) {{\n        \
                 return LABEL_IGNORED;\n    }}\n    \
                 return select(LABEL_BAD, l.x, l.y == 0u && l.x < params.cols);"
            )
        }
        (true, TargetLayout::PerRow(_)) => {
            // Numbers that are not finite are data, others have to say which kind the row is of.
            let fits = match term.support.unwrap_or(Support::Real) {
                Support::Real | Support::Logit => "true",
                Support::NonNegative => "(b < 0x80000000u) || b == 0x80000000u",
                Support::LogProbability => "(b >= 0x80000000u) || b == 0u",
                Support::Sign => "(b & 0x7fffffffu) == 0x3f800000u",
                Support::Probability => "b <= 0x3f800000u || b == 0x80000000u",
            };
            format!(
                "let b = load_number{s}(row);\n    \
                 return select(LABEL_BAD, 0u, !finite_bits(b) || {fits});"
            )
        }
        _ => "return 0u;".into(),
    };
    if let TargetLayout::PerRow(dtype) = term.target {
        let number = number(
            dtype,
            &format!("b_target{k}"),
            &format!("params.off_target{s}"),
            "row",
        );
        line!(
            text,
            "fn load_number{s}(row: u32) -> u32 {{ return {number}; }}"
        );
    }
    line!(text, "fn label_of{s}(row: u32) -> u32 {{\n    {label}\n}}");
    let weight = match (has(Role::Weight(k)), term.weight) {
        (true, WeightLayout::Element) => format!("b_weight{k}[params.off_weight{s} + i]"),
        (true, WeightLayout::Row) => format!("b_weight{k}[params.off_weight{s} + row]"),
        _ => "0x3f800000u".into(),
    };
    line!(
        text,
        "fn load_weight{s}(i: u32, row: u32) -> u32 {{ return {weight}; }}"
    );
    let list = term.loss.and_then(|l| list_option(l.0));
    let column = match (has(Role::Columns(k)), list) {
        (true, _) => format!("bitcast<f32>(b_columns{k}[params.off_columns{s} + col])"),
        (false, Some(option)) => format!("params.opt{s}_{}", option.name),
        (false, None) => "1.0".into(),
    };
    line!(
        text,
        "fn load_column{s}(col: u32) -> f32 {{ return {column}; }}"
    );
    if has(Role::Loss(k)) {
        line!(
            text,
            "fn store_loss{s}(i: u32, bits: u32) {{ b_loss{k}[params.off_loss{s} + i] = bits; }}"
        );
    }
}

/// The inputs of an element as bits, and how its gradients are stored.
fn inputs(text: &mut String, v: &Variant) {
    let list = |f: &dyn Fn(usize) -> String| (0..v.slots()).map(f).collect::<Vec<_>>().join(", ");
    line!(
        text,
        "struct Inputs {{ {} }}",
        list(&|k| format!("a{k}: u32"))
    );
    line!(
        text,
        "struct GradBits {{ {} }}",
        list(&|k| format!("g{k}: u32"))
    );
    line!(
        text,
        "const GRAD_ZERO: GradBits = GradBits({});",
        list(&|_| "0u".into())
    );
    line!(
        text,
        "fn load_inputs(i: u32) -> Inputs {{\n    return Inputs({});\n}}",
        list(&|k| number(
            v.dtype,
            &format!("b_input{k}"),
            &format!("params.off_input{k}"),
            "i"
        ))
    );
    // Row and column of an element as the data has them, also where everything is one row; the rows are counted
    // from the sample in which the dispatch begins.
    line!(
        text,
        "fn place(i: u32) -> vec2<u32> {{\n    \
         let sample = params.data_cols * params.data_inner;\n    \
         let at = params.r0 + i;\n    \
         let rest = at % sample;\n    \
         return vec2<u32>(at / sample * params.data_inner + rest % params.data_inner, \
         rest / params.data_inner);\n}}"
    );

    // Two neighbours, the first at an even place, so that both halves of a word have one writer. Where
    // there is no second, the other half belongs to somebody else and keeps its bits.
    line!(
        text,
        "fn store_grads(i: u32, a: GradBits, b: GradBits, both: bool) {{"
    );
    let stored = v.roles();
    for (k, &accumulate) in v.accumulate.iter().enumerate() {
        if !stored.contains(&Role::Grad(k)) {
            continue;
        }
        let at = format!("params.off_grad{k} + i");
        let (from, to) = match v.dtype {
            DType::F32 => {
                let sum = |g: &str, at: &str| match accumulate {
                    true => format!("add_bits(b_grad{k}[{at}], {g})"),
                    false => g.into(),
                };
                let (a, b) = (format!("a.g{k}"), format!("b.g{k}"));
                line!(text, "    b_grad{k}[{at}] = {};", sum(&a, &at));
                let next = format!("{at} + 1u");
                line!(
                    text,
                    "    if (both) {{ b_grad{k}[{next}] = {}; }}",
                    sum(&b, &next)
                );
                continue;
            }
            DType::F16 => ("from_f16", "to_f16"),
            DType::Bf16 => ("from_bf16", "to_bf16"),
        };
        let sum = |g: String, half: u32| match accumulate {
            true => format!("add_bits({from}(b_grad{k}[w{k}], {half}u), {g})"),
            false => g,
        };
        line!(text, "    let w{k} = ({at}) >> 1u;");
        line!(text, "    var high{k} = b_grad{k}[w{k}] & 0xffff0000u;");
        let second = sum(format!("b.g{k}"), 1);
        line!(text, "    if (both) {{ high{k} = {to}({second}) << 16u; }}");
        let first = sum(format!("a.g{k}"), 0);
        line!(text, "    b_grad{k}[w{k}] = {to}({first}) | high{k};");
    }
    line!(text, "}}");
}

/// The f32 bits of a number of a view.
fn number(dtype: DType, buffer: &str, offset: &str, i: &str) -> String {
    match dtype {
        DType::F32 => format!("{buffer}[{offset} + {i}]"),
        DType::F16 => {
            format!("from_f16({buffer}[({offset} + {i}) >> 1u], ({offset} + {i}) & 1u)")
        }
        DType::Bf16 => {
            format!("from_bf16({buffer}[({offset} + {i}) >> 1u], ({offset} + {i}) & 1u)")
        }
    }
}

/// The element of a loss, and how it is made of the inputs.
fn element(text: &mut String, v: &Variant, part: &Part<'_>) {
    let Part { k, s, term, info } = part;
    let names =
        |ty: &str| -> String { info.inputs.iter().map(|x| format!("{x}: {ty}, ")).collect() };
    // t: the target, or whether this column is the target's; c: the column's weight; w: the element's, in a set.
    line!(
        text,
        "struct Elem{s} {{ {}t: f32, c: f32, w: f32, col: u32 }}",
        names("f32")
    );
    line!(text, "struct Grad{s} {{ {}}}", names("f32"));
    line!(
        text,
        "struct Loaded{s} {{ e: Elem{s}, nan: bool, odd: u32 }}"
    );
    match part.elementwise() {
        true => line!(text, "struct Term{s} {{ loss: f32, grad: Grad{s} }}"),
        false => line!(
            text,
            "struct Row{s} {{ label: u32, {}t: f32, c: f32, cols: u32, unweighted: f32 }}",
            names("f32")
        ),
    }
    line!(
        text,
        "fn elem{s}(in: Inputs, i: u32, row: u32, col: u32, label: u32) -> Loaded{s} {{"
    );
    line!(text, "    var nan = false;\n    var odd = 0u;");
    for slot in &term.inputs {
        line!(text, "    nan = nan || nan_bits(in.a{slot});");
        line!(
            text,
            "    odd += u32(!finite_bits(in.a{slot}) && !admits{s}(in.a{slot}));"
        );
    }
    match term.target {
        TargetLayout::Values(dtype) => {
            let bits = number(
                dtype,
                &format!("b_target{k}"),
                &format!("params.off_target{s}"),
                "i",
            );
            line!(text, "    let bits_t = {bits};");
            line!(
                text,
                "    nan = nan || nan_bits(bits_t);\n    odd += u32(!finite_bits(bits_t));"
            );
            line!(text, "    let t = bitcast<f32>(bits_t);");
        }
        TargetLayout::Labels(_) => line!(text, "    let t = f32(col == label);"),
        TargetLayout::PerRow(_) => line!(text, "    let t = bitcast<f32>(load_number{s}(row));"),
        TargetLayout::None => line!(text, "    let t = 0.0;"),
    }
    let w = match info.family == Family::Sets && term.weight != WeightLayout::None {
        true => format!("bitcast<f32>(load_weight{s}(i, row))"),
        false => "1.0".into(),
    };
    let xs: String = term
        .inputs
        .iter()
        .map(|slot| format!("bitcast<f32>(in.a{slot}), "))
        .collect();
    line!(
        text,
        "    return Loaded{s}(Elem{s}({xs}t, load_column{s}(col), {w}, col), nan, odd);\n}}"
    );
    // The bad weights of an element that is not seen again: one per row is counted at its first column.
    let bad = match (
        term.weight,
        v.stage == Stage::Elementwise || info.family != Family::Rows,
    ) {
        (WeightLayout::Element, true) => format!("u32(bad_weight(load_weight{s}(i, row)))"),
        (WeightLayout::Row, true) => {
            format!("u32(col == 0u && bad_weight(load_weight{s}(i, row)))")
        }
        _ => return,
    };
    line!(
        text,
        "fn count_weight{s}(i: u32, row: u32, col: u32) {{ count(params.head{s}, BAD_WEIGHTS, {bad}); }}"
    );
}

/// The call that counts an element's weight, where it has one of its own.
fn count_weight(v: &Variant, part: &Part<'_>) -> String {
    let own = v.stage == Stage::Elementwise || part.info.family != Family::Rows;
    match own && part.term.weight != WeightLayout::None {
        true => format!("count_weight{}(i, row, col); ", part.s),
        false => String::new(),
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

/// The statistics of all losses as one, how two of them merge, and how they are kept in the work buffer.
fn statistics(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    for part in parts.iter().filter(|p| p.elementwise()) {
        let s = &part.s;
        line!(text, "struct Stat{s} {{ sum: f32, seen: u32 }}");
        line!(
            text,
            "fn stat_identity{s}() -> Stat{s} {{ return Stat{s}(0.0, 0u); }}"
        );
        line!(
            text,
            "fn stat_merge{s}(a: Stat{s}, b: Stat{s}) -> Stat{s} {{ return Stat{s}(a.sum + b.sum, a.seen | b.seen); }}"
        );
    }
    let joined = |list: Vec<String>| list.join(", ");
    let each = |f: &dyn Fn(&Part<'_>) -> String| joined(parts.iter().map(f).collect());
    line!(
        text,
        "struct All {{ {} }}",
        each(&|p| format!("s{0}: Stat{0}, f{0}: u32, odd{0}: u32", p.s))
    );
    line!(
        text,
        "fn all_identity() -> All {{\n    return All({});\n}}",
        each(&|p| format!("stat_identity{}(), 0u, 0u", p.s))
    );
    line!(
        text,
        "fn all_merge(a: All, b: All) -> All {{\n    return All({});\n}}",
        each(&|p| format!(
            "stat_merge{0}(a.s{0}, b.s{0}), a.f{0} | b.f{0}, a.odd{0} + b.odd{0}",
            p.s
        ))
    );
    storage(text, "All", "all", all_fields(v));
    let second: Vec<_> = parts.iter().filter(|p| p.second()).collect();
    if second.is_empty() {
        line!(text, "struct All2 {{ none: u32 }}");
        line!(text, "fn all2_identity() -> All2 {{ return All2(0u); }}");
        line!(
            text,
            "fn all2_merge(a: All2, b: All2) -> All2 {{ return a; }}"
        );
        line!(
            text,
            "const ALL2_WORDS: u32 = 0u;\nfn save_all2(at: u32, x: All2) {{}}"
        );
        line!(
            text,
            "fn restore_all2(at: u32) -> All2 {{ return All2(0u); }}"
        );
        return;
    }
    let each = |f: &dyn Fn(&Part<'_>) -> String| joined(second.iter().map(|p| f(p)).collect());
    line!(
        text,
        "struct All2 {{ {} }}",
        each(&|p| format!("s{0}: Stat2{0}", p.s))
    );
    line!(
        text,
        "fn all2_identity() -> All2 {{\n    return All2({});\n}}",
        each(&|p| format!("stat2_identity{}()", p.s))
    );
    line!(
        text,
        "fn all2_merge(a: All2, b: All2) -> All2 {{\n    return All2({});\n}}",
        each(&|p| format!("stat2_merge{0}(a.s{0}, b.s{0})", p.s))
    );
    storage(text, "All2", "all2", all2_fields(v));
}

/// How a statistic lies in the work buffer, word by word.
fn storage(text: &mut String, ty: &str, name: &str, words: Vec<Vec<(String, String)>>) {
    let count: usize = words.iter().map(Vec::len).sum();
    line!(text, "const {}_WORDS: u32 = {count}u;", name.to_uppercase());
    line!(text, "fn save_{name}(at: u32, x: {ty}) {{");
    for (at, (path, word)) in words.iter().flatten().enumerate() {
        match word.as_str() {
            "u32" => line!(text, "    work.leaves[at + {at}u] = x.{path};"),
            _ => line!(
                text,
                "    work.leaves[at + {at}u] = bitcast<u32>(x.{path});"
            ),
        }
    }
    line!(
        text,
        "}}\nfn restore_{name}(at: u32) -> {ty} {{\n    var x: {ty};"
    );
    for (at, (path, word)) in words.iter().flatten().enumerate() {
        match word.as_str() {
            "u32" => line!(text, "    x.{path} = work.leaves[at + {at}u];"),
            _ => line!(
                text,
                "    x.{path} = bitcast<f32>(work.leaves[at + {at}u]);"
            ),
        }
    }
    line!(text, "    return x;\n}}");
}

/// What a row is to each loss that looks at rows: target, weight, and the input at the target's column.
fn contexts(text: &mut String, parts: &[Part<'_>]) {
    let rows: Vec<_> = parts.iter().filter(|p| !p.elementwise()).collect();
    for part in &rows {
        let (s, term, info) = (&part.s, part.term, part.info);
        line!(
            text,
            "struct Context{s} {{ label: u32, w: u32, odd: u32, r: Row{s} }}"
        );
        line!(text, "fn context{s}(row: u32) -> Context{s} {{");
        line!(text, "    let label = label_of{s}(row);");
        let labels = matches!(term.target, TargetLayout::Labels(_));
        let (mut xs, mut c) = (
            vec!["0.0".to_string(); info.inputs.len()],
            "1.0".to_string(),
        );
        if labels {
            // A label that is out of range reads the first column, and nobody reads that.
            line!(text, "    let col = select(0u, label, label < LABEL_BAD);");
            line!(text, "    let in = load_inputs(element_of(row, col));");
            xs = term
                .inputs
                .iter()
                .map(|slot| format!("bitcast<f32>(in.a{slot})"))
                .collect();
            c = format!("load_column{s}(col)");
        }
        let (t, odd) = match term.target {
            TargetLayout::PerRow(_) => {
                line!(text, "    let t = load_number{s}(row);");
                ("bitcast<f32>(t)", "u32(!finite_bits(t))")
            }
            _ => ("0.0", "0u"),
        };
        let w = match info.family {
            Family::Sets => "0x3f800000u".into(),
            _ => format!("load_weight{s}(0u, row)"),
        };
        line!(
            text,
            "    let unweighted = select(1.0, head_number(params.head{s} + UNWEIGHTED), params.counted{s} != 0u);"
        );
        line!(
            text,
            "    return Context{s}(label, {w}, {odd}, Row{s}(label, {}, {t}, {c}, params.cols, unweighted));\n}}",
            xs.join(", ")
        );
    }
    if rows.is_empty() {
        line!(text, "struct Context {{ none: u32 }}");
        line!(
            text,
            "fn context_of(row: u32) -> Context {{ return Context(0u); }}"
        );
        return;
    }
    let each = |f: &dyn Fn(&str) -> String| {
        let all: Vec<_> = rows.iter().map(|p| f(&p.s)).collect();
        all.join(", ")
    };
    line!(
        text,
        "struct Contexts {{ {} }}",
        each(&|s| format!("c{s}: Context{s}"))
    );
    line!(
        text,
        "fn context_of(row: u32) -> Contexts {{\n    return Contexts({});\n}}",
        each(&|s| format!("context{s}(row)"))
    );
}

/// The name of what a row is to all losses.
fn context_type(parts: &[Part<'_>]) -> &'static str {
    match parts.iter().all(Part::elementwise) {
        true => "Context",
        false => "Contexts",
    }
}

/// Where everything is one row, rows and columns of the data are looked up by those who need them.
fn open_place(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    match v.whole && parts.iter().any(Part::needs_place) {
        true => line!(
            text,
            "    let at = place(i);\n    let row = at.x;\n    let col = at.y;"
        ),
        false => line!(text, "    let row = row_here;\n    let col = col_here;"),
    }
}

/// How an element goes into the statistics.
fn gathering(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let context = context_type(parts);
    line!(text, "alias RowContext = {context};");
    line!(
        text,
        "fn all_add(run: All, i: u32, row_here: u32, col_here: u32, x: RowContext) -> All {{\n    \
         var out = run;\n    let in = load_inputs(i);"
    );
    open_place(text, v, parts);
    for part in parts {
        let s = &part.s;
        let count_weight = count_weight(v, part);
        if part.elementwise() {
            line!(text, "    {{");
            line!(
                text,
                "        let l = elem{s}(in, i, row, col, 0u);\n        {count_weight}"
            );
            line!(
                text,
                "        let loss = bitcast<f32>(load_weight{s}(i, row)) * term{s}(l.e).loss;"
            );
            line!(
                text,
                "        let bits = select(bitcast<u32>(loss), NAN_BITS, l.nan);"
            );
            line!(
                text,
                "        let finite = select(0.0, bitcast<f32>(bits), finite_bits(bits));"
            );
            line!(
                text,
                "        out.s{s} = stat_merge{s}(out.s{s}, Stat{s}(finite, seen_of(bits)));"
            );
            line!(text, "        out.odd{s} += l.odd;\n    }}");
            continue;
        }
        line!(text, "    if (x.c{s}.label < LABEL_BAD) {{");
        line!(
            text,
            "        let l = elem{s}(in, i, row, col, x.c{s}.label);\n        {count_weight}"
        );
        line!(text, "        out.odd{s} += l.odd;");
        line!(
            text,
            "        out.f{s} |= select(0u, ROW_NAN, l.nan && nan_loss{s}(l.e, x.c{s}.r));"
        );
        line!(
            text,
            "        out.s{s} = stat_merge{s}(out.s{s}, stat_of{s}(l.e, x.c{s}.r));\n    }}"
        );
    }
    line!(text, "    return out;\n}}");
    line!(
        text,
        "fn all2_add(run: All2, i: u32, row_here: u32, col_here: u32, x: RowContext, s: All) -> All2 {{\n    \
         var out = run;"
    );
    let second: Vec<_> = parts.iter().filter(|p| p.second()).collect();
    if !second.is_empty() {
        line!(text, "    let in = load_inputs(i);");
        open_place(text, v, parts);
    }
    for part in second {
        let s = &part.s;
        line!(text, "    if (x.c{s}.label < LABEL_BAD) {{");
        line!(
            text,
            "        let l = elem{s}(in, i, row, col, x.c{s}.label);"
        );
        line!(
            text,
            "        out.s{s} = stat2_merge{s}(out.s{s}, stat2_of{s}(l.e, x.c{s}.r, s.s{s}));\n    }}"
        );
    }
    line!(text, "    return out;\n}}");
}

/// The losses of a row, said by one invocation; with them goes what the row had to be counted.
fn row_losses(text: &mut String, parts: &[Part<'_>]) {
    line!(
        text,
        "fn say_losses(row: u32, x: RowContext, s: All, s2: All2) {{"
    );
    for part in parts {
        let s = &part.s;
        if part.elementwise() {
            line!(text, "    count(params.head{s}, NON_FINITE, s.odd{s});");
            line!(text, "    note(params.head{s}, s.s{s}.seen);");
            line!(
                text,
                "    put_leaf(params.head{s}, params.leaf0{s} + row, bitcast<u32>(s.s{s}.sum));"
            );
            continue;
        }
        let (_, stats) = part.stats();
        line!(text, "    {{\n        let c = x.c{s};");
        line!(
            text,
            "        count(params.head{s}, BAD_WEIGHTS, u32(bad_weight(c.w)));"
        );
        line!(
            text,
            "        var bits = 0u;\n        if (c.label < LABEL_BAD) {{"
        );
        line!(
            text,
            "            count(params.head{s}, NON_FINITE, s.odd{s} + c.odd);"
        );
        line!(
            text,
            "            let special = select(row_special{s}(c.r, {stats}), SPECIAL_NAN, \
             (s.f{s} & ROW_NAN) != 0u || c.odd != 0u);"
        );
        line!(
            text,
            "            bits = loss_bits(special, c.w, row_loss{s}(c.r, {stats}));\n        }}"
        );
        match part.term.losses {
            Losses::Stored => line!(text, "        store_loss{s}(row, bits);"),
            Losses::Kept => line!(text, "        work.leaves[params.leaf0{s} + row] = bits;"),
            Losses::Summed => line!(
                text,
                "        put_leaf(params.head{s}, params.leaf0{s} + row, bits);"
            ),
        }
        line!(text, "    }}");
    }
    line!(text, "}}");
}

/// The gradient at one element, of all losses together.
fn row_gradients(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    line!(
        text,
        "fn all_grad(i: u32, row_here: u32, col_here: u32, x: RowContext, s: All, s2: All2, f: Factors) -> GradBits {{\n    \
         let in = load_inputs(i);"
    );
    open_place(text, v, parts);
    open_sums(text, v);
    for part in parts {
        let s = &part.s;
        if part.elementwise() {
            line!(
                text,
                "    if (f.ok{s}) {{\n        let l = elem{s}(in, i, row, col, 0u);"
            );
            line!(
                text,
                "        let w = bitcast<f32>(load_weight{s}(i, row)) * f.f{s};"
            );
            line!(text, "        let d = term{s}(l.e).grad;");
            line!(text, "        let nan = l.nan && nan_grad{s}(l.e);");
            add_sums(text, part, "d", "w", "nan");
            line!(text, "    }}");
            continue;
        }
        let (_, stats) = part.stats();
        line!(text, "    if (f.ok{s} && x.c{s}.label < LABEL_BAD) {{");
        line!(text, "        let c = x.c{s};");
        line!(text, "        let l = elem{s}(in, i, row, col, c.label);");
        line!(
            text,
            "        var nan = c.odd != 0u || row_special{s}(c.r, {stats}) == SPECIAL_NAN;"
        );
        line!(
            text,
            "        if ((s.f{s} & ROW_NAN) != 0u) {{ nan = nan || nan_grad{s}(l.e, c.r, {stats}, l.nan); }}"
        );
        line!(text, "        let w = bitcast<f32>(c.w) * f.f{s};");
        line!(text, "        let d = row_grad{s}(l.e, c.r, {stats});");
        add_sums(text, part, "d", "w", "nan");
        line!(text, "    }}");
    }
    line!(text, "    return {};\n}}", close_sums(v));
}
