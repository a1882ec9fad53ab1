//! How the numbers of a loss are loaded and its gradients stored.

use super::{Part, constant, list_option, suffix};
use crate::gpu::source::{PACK, Role, Stage, Term, Variant, line, words_of};
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{Family, Support};
use crate::tensor::{DType, LabelType};
use std::fmt::Write;

/// Targets that are one a row, weights, columns and losses of a term.
pub(super) fn access(text: &mut String, v: &Variant, k: usize, s: &str, term: &Term) {
    let roles = v.roles();
    let has = |role: Role| roles.contains(&role);
    let label = match (has(Role::Target(k)), term.target) {
        (true, TargetLayout::Labels(ty)) => {
            // Labels as 64-bit numbers in two words.
            let load = match ty {
                LabelType::U32 => format!("vec2<u32>(b_target{k}[mine.off_target{s} + row], 0u)"),
                LabelType::I32 => format!(
                    "vec2<u32>(b_target{k}[mine.off_target{s} + row], \
                     0u - (b_target{k}[mine.off_target{s} + row] >> 31u))"
                ),
                LabelType::I64 => format!(
                    "vec2<u32>(b_target{k}[2u * (mine.off_target{s} + row)], \
                     b_target{k}[2u * (mine.off_target{s} + row) + 1u])"
                ),
            };
            format!(
                "let l = {load};\n    \
                 if (mine.has_ignore{s} != 0u && l.x == mine.ignore_lo{s} && l.y == mine.ignore_hi{s}) {{\n        \
                 return LABEL_IGNORED;\n    }}\n    \
                 return select(LABEL_BAD, l.x, l.y == 0u && l.x < mine.cols);"
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
            v,
            Role::Target(k),
            dtype,
            &format!("mine.off_target{s} + row"),
        );
        line!(
            text,
            "fn load_number{s}(row: u32) -> u32 {{ return {number}; }}"
        );
    }
    line!(text, "fn label_of{s}(row: u32) -> u32 {{\n    {label}\n}}");
    let weight = match has(Role::Weight(k)) {
        true => word(v, Role::Weight(k), &format!("mine.off_weight{s} + i")),
        false => "0x3f800000u".into(),
    };
    // Of an element or a row, whichever the weights are for.
    line!(
        text,
        "fn load_weight{s}(i: u32) -> u32 {{ return {weight}; }}"
    );
    let list = term.loss.and_then(|l| list_option(l.0));
    let column = match (has(Role::Columns(k)), list) {
        (true, _) => format!("bitcast<f32>(b_columns{k}[mine.off_columns{s} + col])"),
        (false, Some(option)) => {
            constant(term, option.name).unwrap_or_else(|| format!("mine.opt{s}_{}", option.name))
        }
        (false, None) => "1.0".into(),
    };
    line!(
        text,
        "fn load_column{s}(col: u32) -> f32 {{ return {column}; }}"
    );
    if has(Role::Loss(k)) {
        let place = word(v, Role::Loss(k), &format!("mine.off_loss{s} + i"));
        line!(
            text,
            "fn store_loss{s}(i: u32, bits: u32) {{ {place} = bits; }}"
        );
    }
}

/// One tensor that has a number for each element.
struct Datum {
    /// Its field in `Inputs`; in `Raw` the number of a vector follows.
    field: String,
    role: Role,
    dtype: DType,
    /// The parameter that says where its view begins.
    offset: String,
}

/// All of them: inputs, and targets and weights of the terms.
fn data(v: &Variant) -> Vec<Datum> {
    let mut all: Vec<_> = (0..v.slots())
        .map(|k| Datum {
            field: format!("a{k}"),
            role: Role::Input(k),
            dtype: v.dtype,
            offset: format!("mine.off_input{k}"),
        })
        .collect();
    for (k, term) in v.terms.iter().enumerate() {
        let s = suffix(v, k);
        if let TargetLayout::Values(dtype) = term.target {
            all.push(Datum {
                field: format!("t{s}"),
                role: Role::Target(k),
                dtype,
                offset: format!("mine.off_target{s}"),
            });
        }
        if term.weight == WeightLayout::Element {
            all.push(Datum {
                field: format!("w{s}"),
                role: Role::Weight(k),
                dtype: DType::F32,
                offset: format!("mine.off_weight{s}"),
            });
        }
    }
    all
}

/// Words of a pack of all of them.
pub(crate) fn raw_words(v: &Variant) -> u32 {
    data(v).iter().map(|d| words_of(d.dtype)).sum()
}

/// A word of a buffer, which may be bound as vectors of two or four.
fn word(v: &Variant, role: Role, at: &str) -> String {
    let buffer = role.name();
    match v.vectors(role) {
        Some(words) => format!("{buffer}[({at}) / {words}u][({at}) % {words}u]"),
        None => format!("{buffer}[{at}]"),
    }
}

/// The f32 bits of a number of a buffer.
fn number(v: &Variant, role: Role, dtype: DType, at: &str) -> String {
    let half = || word(v, role, &format!("({at}) >> 1u"));
    match dtype {
        DType::F32 => word(v, role, at),
        DType::F16 => format!("from_f16({}, ({at}) & 1u)", half()),
        DType::Bf16 => format!("from_bf16({}, ({at}) & 1u)", half()),
    }
}

/// The numbers of an element as bits, one by one and in packs. A pack begins at a multiple of its size in its row; where it
/// does in the buffer too, it is loaded as a vector.
pub(super) fn inputs(text: &mut String, v: &Variant) {
    let data = data(v);
    let last = "end - 1u";
    let fields = |f: &dyn Fn(&Datum) -> String| data.iter().map(f).collect::<Vec<_>>().join(", ");
    line!(
        text,
        "struct Inputs {{ {} }}",
        fields(&|d| format!("{}: u32", d.field))
    );
    line!(
        text,
        "fn load_inputs(i: u32) -> Inputs {{\n    return Inputs({});\n}}",
        fields(&|d| number(v, d.role, d.dtype, &format!("{} + i", d.offset)))
    );
    line!(
        text,
        "struct Raw {{ {} }}",
        fields(&|d| format!("{}: vec{}<u32>", d.field, words_of(d.dtype)))
    );
    // Numbers from `end` on belong to somebody else, and are not looked at.
    let raw = |d: &Datum| -> String {
        let at = |k: u32| format!("{} + min(i + {k}u, {last})", d.offset);
        let words: Vec<String> = match (v.vectors(d.role), d.dtype) {
            (Some(_), _) => return format!("{}[({} + i) / PACK]", d.role.name(), d.offset),
            (None, DType::F32) => (0..PACK).map(|k| word(v, d.role, &at(k))).collect(),
            (None, _) => {
                let half = |k: u32| {
                    let at = at(k);
                    let word = word(v, d.role, &format!("({at}) >> 1u"));
                    format!("half_of({word}, ({at}) & 1u)")
                };
                let pair = |k: u32| format!("{} | ({} << 16u)", half(2 * k), half(2 * k + 1));
                (0..PACK / 2).map(pair).collect()
            }
        };
        format!("vec{}<u32>({})", words.len(), words.join(", "))
    };
    line!(
        text,
        "fn load_raw(i: u32, end: u32) -> Raw {{\n    return Raw({});\n}}",
        fields(&raw)
    );
    // Row and column of an element as the data has them, also where everything is one row; the rows are counted
    // from the sample in which the dispatch begins.
    line!(
        text,
        "fn place(i: u32) -> vec2<u32> {{\n    \
         let sample = mine.data_cols * mine.data_inner;\n    \
         let at = mine.r0 + i;\n    \
         let rest = at % sample;\n    \
         return vec2<u32>(at / sample * mine.data_inner + rest % mine.data_inner, \
         rest / mine.data_inner);\n}}"
    );
    gradients(text, v);
}

/// Element `k` of a pack, out of `raw`.
pub(super) fn unpacked(v: &Variant, raw: &str, k: u32) -> String {
    let one = |d: &Datum| {
        let word = |k: u32| format!("{raw}.{}.{}", d.field, ["x", "y", "z", "w"][k as usize]);
        match d.dtype {
            DType::F32 => word(k),
            DType::F16 => format!("from_f16({}, {}u)", word(k / 2), k % 2),
            DType::Bf16 => format!("from_bf16({}, {}u)", word(k / 2), k % 2),
        }
    };
    let all: Vec<_> = data(v).iter().map(one).collect();
    format!("Inputs({})", all.join(", "))
}

/// The number of a tensor that element `k` of a pack has, `k` being a variable of the shader.
pub(super) fn chosen(v: &Variant, role: Role, raw: &str) -> String {
    let all = data(v);
    let one = |d: &Datum| match d.dtype {
        DType::F32 => format!("{raw}.{}[k]", d.field),
        DType::F16 => format!("from_f16({raw}.{}[k >> 1u], k & 1u)", d.field),
        DType::Bf16 => format!("from_bf16({raw}.{}[k >> 1u], k & 1u)", d.field),
    };
    let found = all.iter().find(|d| d.role == role);
    found.map_or("0u".into(), one)
}

/// How gradients are stored: as a pack, and as two neighbours of which the first has an even place, so that both halves
/// of a word have one writer. What lies beyond the end belongs to somebody else and keeps its bits.
fn gradients(text: &mut String, v: &Variant) {
    let list = |f: &dyn Fn(usize) -> String| (0..v.slots()).map(f).collect::<Vec<_>>().join(", ");
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
    let stored = v.accumulate.iter().enumerate();
    // The place of an input's gradient, and the parameter that says where its view begins.
    let stored: Vec<StoredGradient> = stored
        .filter_map(|(k, accumulate)| {
            let role = v.grad(k)?;
            let of = match role {
                Role::Input(_) => "input",
                _ => "grad",
            };
            Some((k, *accumulate, role, format!("mine.off_{of}{k}")))
        })
        .collect();
    let (from, to) = match v.dtype {
        DType::F32 => ("", ""),
        DType::F16 => ("from_f16", "to_f16"),
        DType::Bf16 => ("from_bf16", "to_bf16"),
    };
    // The stored bits of the gradient `g`, added to what `old` gives where that is wanted.
    let narrow = |accumulate: bool, old: String, half: u32, g: &str| match (v.dtype, accumulate) {
        (DType::F32, false) => g.to_string(),
        (DType::F32, true) => format!("add_bits({old}, {g})"),
        (_, false) => format!("{to}({g})"),
        (_, true) => format!("{to}(add_bits({from}({old}, {half}u), {g}))"),
    };
    line!(
        text,
        "fn store_grads(i: u32, a: GradBits, b: GradBits, both: bool) {{"
    );
    for (k, accumulate, role, offset) in &stored {
        let accumulate = *accumulate;
        let at = format!("{offset} + i");
        let here = |at: &str| word(v, *role, at);
        let (a, b) = (format!("a.g{k}"), format!("b.g{k}"));
        if v.dtype == DType::F32 {
            let (first, next) = (here(&at), here(&format!("{at} + 1u")));
            line!(
                text,
                "    {first} = {};",
                narrow(accumulate, first.clone(), 0, &a)
            );
            let second = narrow(accumulate, next.clone(), 0, &b);
            line!(text, "    if (both) {{ {next} = {second}; }}");
            continue;
        }
        line!(text, "    let w{k} = ({at}) >> 1u;");
        let all = here(&format!("w{k}"));
        line!(text, "    let old{k} = {all};");
        let old = format!("old{k}");
        line!(
            text,
            "    let high{k} = select({old} >> 16u, {}, both);",
            narrow(accumulate, old.clone(), 1, &b)
        );
        let first = narrow(accumulate, old.clone(), 0, &a);
        line!(text, "    {all} = {first} | (high{k} << 16u);");
    }
    line!(text, "}}");
    pack_of_gradients(text, v, &stored, "store_pack", &narrow);
    if v.quick_grads() {
        // Of plain arithmetic there is no NaN to look for, a third of what a GPU has to do for a bfloat16.
        let narrow = |accumulate: bool, old: String, half: u32, g: &str| match (v.dtype, accumulate)
        {
            (DType::Bf16, false) => format!("number_to_bf16({g})"),
            _ => narrow(accumulate, old, half, g),
        };
        pack_of_gradients(text, v, &stored, "store_numbers", &narrow);
    }
}

/// A gradient that is stored: its number, whether it is added to what is there, its buffer and where that begins.
type StoredGradient = (usize, bool, Role, String);

/// How a pack of gradients is stored.
fn pack_of_gradients(
    text: &mut String,
    v: &Variant,
    stored: &[StoredGradient],
    name: &str,
    narrow: &dyn Fn(bool, String, u32, &str) -> String,
) {
    line!(
        text,
        "fn {name}(i: u32, end: u32, g: array<GradBits, PACK>) {{"
    );
    for (k, accumulate, role, offset) in stored {
        let accumulate = *accumulate;
        let Some(words) = v.vectors(*role) else {
            for e in (0..PACK).step_by(2) {
                let next = e + 1;
                line!(
                    text,
                    "    if (i + {e}u < end) {{ store_grads(i + {e}u, g[{e}], g[{next}], i + {next}u < end); }}",
                );
            }
            // Of all inputs.
            break;
        };
        let place = format!("{}[({offset} + i) / PACK]", role.name());
        if accumulate {
            line!(text, "    let old{k} = {place};");
        }
        let halves = PACK / words;
        let one = |e: u32| {
            let old = format!("old{k}[{}u]", e / halves);
            narrow(accumulate, old, e % halves, &format!("g[{e}].g{k}"))
        };
        let word = |w: u32| match halves {
            1 => one(w),
            _ => format!("{} | ({} << 16u)", one(2 * w), one(2 * w + 1)),
        };
        let all: Vec<_> = (0..words).map(word).collect();
        line!(text, "    {place} = vec{words}<u32>({});", all.join(", "));
    }
    line!(text, "}}");
}

/// How the losses of a pack of elements are stored.
pub(super) fn losses(text: &mut String, v: &Variant, k: usize, s: &str) {
    line!(
        text,
        "fn store_losses{s}(i: u32, end: u32, l: array<u32, PACK>) {{"
    );
    let at = format!("mine.off_loss{s} + i");
    match v.vectors(Role::Loss(k)) {
        Some(_) => line!(
            text,
            "    b_loss{k}[({at}) / PACK] = vec4<u32>(l[0], l[1], l[2], l[3]);"
        ),
        None => {
            for e in 0..PACK {
                line!(
                    text,
                    "    if (i + {e}u < end) {{ b_loss{k}[{at} + {e}u] = l[{e}]; }}"
                );
            }
        }
    }
    line!(text, "}}");
}

/// The bits of the weight of the element `in`.
pub(super) fn weight(part: &Part<'_>) -> String {
    let s = &part.s;
    match part.term.weight {
        WeightLayout::None => "0x3f800000u".into(),
        WeightLayout::Element => format!("in.w{s}"),
        WeightLayout::Row => format!("load_weight{s}(row)"),
    }
}

/// The element of a loss, and how it is made of the inputs.
pub(super) fn element(text: &mut String, part: &Part<'_>) {
    let Part { s, term, info, .. } = part;
    let names = |ty: &str| -> String {
        (0..info.inputs.len())
            .map(|k| format!("{}: {ty}, ", info.member(k)))
            .collect()
    };
    // t: the target, or whether this column is the target's; c: the column's weight; w: the element's, in a set.
    line!(
        text,
        "struct Elem{s} {{ {}t: f32, c: f32, w: f32, col: u32 }}",
        names("f32")
    );
    line!(text, "struct Grad{s} {{ {}}}", names("f32"));
    // top: the largest of its numbers' bits without their signs, which tells whether all of them are finite.
    line!(
        text,
        "struct Loaded{s} {{ e: Elem{s}, nan: bool, top: u32 }}"
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
        "fn elem{s}(in: Inputs, row: u32, col: u32, label: u32) -> Loaded{s} {{"
    );
    let mut bits: Vec<_> = term
        .inputs
        .iter()
        .map(|slot| format!("in.a{slot}"))
        .collect();
    let admits = |bits: &String| format!("u32(!finite_bits({bits}) && !admits{s}({bits}))");
    let mut odd: Vec<_> = bits.iter().map(admits).collect();
    let t = match term.target {
        TargetLayout::Values(_) => {
            bits.push(format!("in.t{s}"));
            odd.push(format!("u32(!finite_bits(in.t{s}))"));
            format!("bitcast<f32>(in.t{s})")
        }
        TargetLayout::Labels(_) => "f32(col == label)".into(),
        TargetLayout::PerRow(_) => format!("bitcast<f32>(load_number{s}(row))"),
        TargetLayout::None => "0.0".into(),
    };
    let w = match info.family == Family::Sets && term.weight != WeightLayout::None {
        true => format!("bitcast<f32>({})", weight(part)),
        false => "1.0".into(),
    };
    let xs: String = term
        .inputs
        .iter()
        .map(|slot| format!("bitcast<f32>(in.a{slot}), "))
        .collect();
    if info.family == Family::Sets && term.weight != WeightLayout::None {
        bits.push(weight(part));
    }
    let sizes: Vec<_> = bits
        .iter()
        .map(|b| format!("({b} & 0x7fffffffu)"))
        .collect();
    let top = sizes.into_iter().reduce(|a, b| format!("max({a}, {b})"));
    line!(text, "    let top = {};", top.unwrap_or("0u".into()));
    line!(
        text,
        "    return Loaded{s}(Elem{s}({xs}{t}, load_column{s}(col), {w}, col), top > INF_BITS, top);\n}}"
    );
    // How many of its numbers are not finite and should be.
    line!(
        text,
        "fn odd{s}(in: Inputs) -> u32 {{ return {}; }}",
        odd.join(" + ")
    );
}

/// How many weights of the element `in` are none, where it has one of its own: one per row counts at its first column.
pub(super) fn bad_weights(v: &Variant, part: &Part<'_>) -> Option<String> {
    let own = v.stage == Stage::Elementwise || part.info.family != Family::Rows;
    let bad = format!("bad_weight({})", weight(part));
    match part.term.weight {
        WeightLayout::Element if own => Some(format!("u32({bad})")),
        WeightLayout::Row if own => Some(format!("u32(col == 0u && {bad})")),
        _ => None,
    }
}
