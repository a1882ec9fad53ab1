//! How the numbers of a loss are loaded and its gradients stored.

use super::{Part, list_option};
use crate::gpu::source::{Role, Stage, Term, Variant, line};
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{Family, Support};
use crate::tensor::{DType, LabelType};
use std::fmt::Write;

/// Targets that are one a row, weights, columns and losses of a term.
pub(super) fn access(text: &mut String, k: usize, s: &str, term: &Term, roles: &[Role]) {
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
pub(super) fn inputs(text: &mut String, v: &Variant) {
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
pub(super) fn element(text: &mut String, v: &Variant, part: &Part<'_>) {
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
pub(super) fn count_weight(v: &Variant, part: &Part<'_>) -> String {
    let own = v.stage == Stage::Elementwise || part.info.family != Family::Rows;
    match own && part.term.weight != WeightLayout::None {
        true => format!("count_weight{}(i, row, col); ", part.s),
        false => String::new(),
    }
}
