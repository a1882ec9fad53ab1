//! What losses of rows have to say, put together for the skeletons: statistics, losses and gradients of all of them.

use super::{Part, add_sums, all_fields, all2_fields, close_sums, count_weight, open_sums};
use crate::gpu::source::{Losses, Variant, line};
use crate::layout::TargetLayout;
use crate::loss::Family;
use std::fmt::Write;

/// The statistics of all losses as one, how two of them merge, and how they are kept in the work buffer.
pub(super) fn statistics(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
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
pub(super) fn contexts(text: &mut String, parts: &[Part<'_>]) {
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
pub(super) fn gathering(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
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
pub(super) fn row_losses(text: &mut String, parts: &[Part<'_>]) {
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
pub(super) fn row_gradients(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
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
