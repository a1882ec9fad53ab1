//! What losses of rows have to say, put together for the skeletons: statistics, losses and gradients of all of them.

use super::access::{bad_weights, weight};
use super::{Part, add_sums, all_fields, all2_fields, close_sums, factor, maximum, open_sums};
use crate::gpu::source::{Losses, PACK, Variant, line};
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
    let kept = |p: &Part<'_>, f: &dyn Fn(&str) -> String| -> String {
        p.kept(v)
            .map(|(name, _)| f(&format!("{name}{}", p.s)))
            .collect()
    };
    line!(
        text,
        "struct All {{ {} }}",
        each(&|p| format!("s{0}: Stat{0}{1}", p.s, kept(p, &|k| format!(", {k}: u32"))))
    );
    line!(
        text,
        "fn all_identity() -> All {{\n    return All({});\n}}",
        each(&|p| format!("stat_identity{}(){}", p.s, kept(p, &|_| ", 0u".into())))
    );
    let merge = |name: &str, stat: &dyn Fn(&Part<'_>) -> &'static str| {
        let one = |p: &Part<'_>| {
            let s = &p.s;
            let both = |(k, join): (&str, fn(&str, &str) -> String)| {
                format!(", {}", join(&format!("a.{k}{s}"), &format!("b.{k}{s}")))
            };
            let kept: String = p.kept(v).map(both).collect();
            format!("{}{s}(a.s{s}, b.s{s}){kept}", stat(p))
        };
        format!(
            "fn {name}(a: All, b: All) -> All {{\n    return All({});\n}}",
            each(&one)
        )
    };
    line!(text, "{}", merge("all_merge", &|_| "stat_merge"));
    peaks(text, v, parts);
    // Of statistics relative to the same peaks.
    let add = |p: &Part<'_>| match p.peak() {
        true => "stat_add",
        false => "stat_merge",
    };
    line!(text, "{}", merge("all_join", &add));
    storage(text, "All", "all", all_fields(v));
    merging(text, v, "", "All", "all", all_fields(v));
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
        line!(
            text,
            "fn merged2(tid: u32, s: All2) -> All2 {{ return s; }}"
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
    merging(text, v, "2", "All2", "all2", all2_fields(v));
}

/// What the statistics of a run of elements are relative to: a maximum, of those losses that say so. It is found before
/// the statistics, so that adding an element to those shifts nothing.
fn peaks(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let with: Vec<_> = parts.iter().filter(|p| p.peak()).collect();
    let joined = |f: &dyn Fn(&str) -> String| {
        let all: Vec<_> = with.iter().map(|p| f(&p.s)).collect();
        all.join(", ")
    };
    match with.is_empty() {
        true => line!(
            text,
            "struct Peaks {{ none: u32 }}\n\
             fn peaks_identity() -> Peaks {{ return Peaks(0u); }}\n\
             fn peaks_of(a: All) -> Peaks {{ return Peaks(0u); }}"
        ),
        false => {
            line!(
                text,
                "struct Peaks {{ {} }}",
                joined(&|s| format!("p{s}: Peak{s}"))
            );
            line!(
                text,
                "fn peaks_identity() -> Peaks {{ return Peaks({}); }}",
                joined(&|s| format!("peak_identity{s}()"))
            );
            line!(
                text,
                "fn peaks_of(a: All) -> Peaks {{ return Peaks({}); }}",
                joined(&|s| format!("peak_at{s}(a.s{s})"))
            );
            line!(
                text,
                "fn peaks_merge(a: Peaks, b: Peaks) -> Peaks {{ return Peaks({}); }}",
                joined(&|s| format!("peak_merge{s}(a.p{s}, b.p{s})"))
            );
        }
    }
    let at = |p: &Part<'_>| {
        let kept = ", 0u".repeat(p.kept(v).count());
        match p.peak() {
            true => format!("stat_at{0}(p.p{0}){kept}", p.s),
            false => format!("stat_identity{}(){kept}", p.s),
        }
    };
    let all: Vec<_> = parts.iter().map(at).collect();
    line!(
        text,
        "fn all_at(p: Peaks) -> All {{\n    return All({});\n}}",
        all.join(", ")
    );
    // Relative to higher peaks.
    let moved = |p: &Part<'_>| {
        let kept = p.kept(v).map(|(name, _)| format!(", a.{name}{}", p.s));
        let kept: String = kept.collect();
        match p.peak() {
            true => format!("stat_moved{0}(a.s{0}, p.p{0}){kept}", p.s),
            false => format!("a.s{}{kept}", p.s),
        }
    };
    let all: Vec<_> = parts.iter().map(moved).collect();
    line!(
        text,
        "fn all_moved(a: All, p: Peaks) -> All {{\n    return All({});\n}}",
        all.join(", ")
    );
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

/// How the statistics of a slice's invocations become one, for all of them: those of a subgroup by shuffles, the lower
/// invocation first, so that all find the same; the rest through workgroup memory, by fours, until everybody can merge what
/// is left. One merge in the text of either, because drivers write it out wherever it is called.
pub(super) fn merging(
    text: &mut String,
    v: &Variant,
    s: &str,
    ty: &str,
    name: &str,
    words: Vec<Vec<(String, String)>>,
) {
    if v.stage.is_strided() {
        return;
    }
    let (lanes, near) = (v.lanes, v.near());
    if near > 1 {
        line!(
            text,
            "fn shuffled{s}(x: {ty}, by: u32) -> {ty} {{\n    var y: {ty};"
        );
        for (path, _) in words.iter().flatten() {
            line!(text, "    y.{path} = subgroupShuffleXor(x.{path}, by);");
        }
        line!(text, "    return y;\n}}");
    }
    if lanes > near {
        line!(
            text,
            "var<workgroup> tree{s}: array<{ty}, {}>;",
            v.width / near
        );
    }
    line!(
        text,
        "fn merged{s}(tid: u32, s: {ty}) -> {ty} {{\n    var whole = s;"
    );
    if near > 1 {
        line!(
            text,
            "    for (var k = 1u; k < NEAR; k = k << 1u) {{\n        \
             var a = whole;\n        \
             var b = shuffled{s}(whole, k);\n        \
             if ((tid & k) != 0u) {{\n            \
             a = b;\n            \
             b = whole;\n        }}\n        \
             whole = {name}_merge(a, b);\n    }}"
        );
    }
    if lanes > near {
        line!(
            text,
            "    let lane = (tid - slice_begin(tid)) / NEAR;\n    \
             let begin = slice_begin(tid) / NEAR;\n    \
             for (var n = LANES / NEAR; n > 1u;) {{\n        \
             if (tid % NEAR == 0u) {{ tree{s}[begin + lane] = whole; }}\n        \
             workgroupBarrier();\n        \
             let last = n <= 8u;\n        \
             let each = select(4u, n, last);\n        \
             n = n / each;\n        \
             if (last || lane < n) {{\n            \
             let first = begin + select(lane, 0u, last);\n            \
             whole = tree{s}[first];\n            \
             for (var k = 1u; k < each; k++) {{\n                \
             whole = {name}_merge(whole, tree{s}[first + k * n]);\n            }}\n        }}\n        \
             workgroupBarrier();\n    }}"
        );
    }
    line!(text, "    return whole;\n}}");
}

/// What a row is to each loss that looks at rows: target, weight, and the input at the target's column.
pub(super) fn contexts(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
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
            _ if term.weight != crate::layout::WeightLayout::None => {
                format!("load_weight{s}(row)")
            }
            _ => "0x3f800000u".into(),
        };
        line!(
            text,
            "    let unweighted = select(1.0, head_number(mine.head{s} + UNWEIGHTED), mine.counted{s} == COUNTED_SUM);"
        );
        line!(
            text,
            "    return Context{s}(label, {w}, {odd}, Row{s}(label, {}, {t}, {c}, mine.cols, unweighted));\n}}",
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
    let (field, value) = match v.row_upstream {
        true => (", upstream: f32", ", upstream_of(row)"),
        false => ("", ""),
    };
    line!(
        text,
        "struct Contexts {{ {}{field} }}",
        each(&|s| format!("c{s}: Context{s}"))
    );
    line!(
        text,
        "fn context_of(row: u32) -> Contexts {{\n    return Contexts({}{value});\n}}",
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
pub(super) fn open_place(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
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
    let place = "in: Inputs, i: u32, row_here: u32, col_here: u32, x: RowContext";
    if parts.iter().any(Part::peak) {
        line!(text, "fn peaks_one({place}) -> Peaks {{");
        open_place(text, v, parts);
        let one = |p: &Part<'_>| {
            let s = &p.s;
            format!("peak_of{s}(elem{s}(in, row, col, x.c{s}.label).e, x.c{s}.r)")
        };
        let all: Vec<_> = parts.iter().filter(|p| p.peak()).map(one).collect();
        line!(text, "    return Peaks({});\n}}", all.join(", "));
    }
    // A row that does not count gathers too; nobody asks what.
    line!(
        text,
        "fn all_one({place}, p: Peaks) -> All {{\n    var one: All;"
    );
    open_place(text, v, parts);
    for part in parts {
        let s = &part.s;
        let bad = match bad_weights(v, part) {
            Some(bad) => format!("\n        one.bad{s} = {bad};"),
            None => String::new(),
        };
        if part.elementwise() {
            line!(text, "    {{");
            line!(text, "        let l = elem{s}(in, row, col, 0u);");
            line!(
                text,
                "        let loss = bitcast<f32>({}) * term{s}(l.e).loss;",
                weight(part)
            );
            line!(
                text,
                "        let bits = select(bitcast<u32>(loss), NAN_BITS, l.nan || undefined{s}(l.e));"
            );
            line!(
                text,
                "        one.s{s} = Stat{s}(finite_of(bits), seen_of(bits));"
            );
            line!(text, "        one.top{s} = l.top;{bad}\n    }}");
            continue;
        }
        let peak = if part.peak() {
            format!(", p.p{s}")
        } else {
            String::new()
        };
        line!(
            text,
            "    {{\n        let l = elem{s}(in, row, col, x.c{s}.label);"
        );
        line!(text, "        one.s{s} = stat_of{s}(l.e, x.c{s}.r{peak});");
        if part.picks_nan() {
            line!(
                text,
                "        one.f{s} = select(0u, ROW_NAN, l.nan && nan_loss{s}(l.e, x.c{s}.r));"
            );
        }
        line!(text, "        one.top{s} = l.top;{bad}\n    }}");
    }
    line!(text, "    return one;\n}}");
    recount(text, v, parts);
    line!(
        text,
        "fn all2_add(run: All2, {place}, s: All) -> All2 {{\n    var out = run;"
    );
    let second: Vec<_> = parts.iter().filter(|p| p.second()).collect();
    if !second.is_empty() {
        open_place(text, v, parts);
    }
    for part in second {
        let s = &part.s;
        line!(
            text,
            "    out.s{s} = stat2_merge{s}(out.s{s}, stat2_of{s}(elem{s}(in, row, col, x.c{s}.label).e, x.c{s}.r, s.s{s}));"
        );
    }
    line!(text, "    return out;\n}}");
}

/// How the numbers of a row that are not finite are counted: by a second round, that hardly ever takes place.
fn recount(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let tops: Vec<_> = parts.iter().map(|p| format!("all.top{}", p.s)).collect();
    let run = match v.stage.is_strided() {
        true => 1,
        false => v.side * PACK,
    };
    line!(
        text,
        "fn recount(row: u32, x: RowContext, first: u32, end: u32, all: All) {{\n    \
         for (var c = select(end, first, {} >= INF_BITS); c < end; c += SIDE * STEP) {{\n        \
         for (var k = c; k < min(c + {run}u, end); k++) {{\n            \
         let in = load_inputs(element_of(row, k));",
        maximum(&tops)
    );
    for part in parts {
        let s = &part.s;
        let counts = match part.elementwise() {
            true => "true".to_string(),
            false => format!("x.c{s}.label < LABEL_BAD"),
        };
        line!(
            text,
            "            if ({counts}) {{ count(mine.head{s}, NON_FINITE, odd{s}(in)); }}"
        );
    }
    line!(text, "        }}\n    }}\n}}");
}

/// The losses of a row, said by one invocation; with them goes what the row had to be counted.
pub(super) fn row_losses(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    line!(
        text,
        "fn say_losses(row: u32, x: RowContext, s: All, s2: All2) {{"
    );
    for part in parts {
        let s = &part.s;
        if part.elementwise() {
            if bad_weights(v, part).is_some() {
                line!(text, "    count(mine.head{s}, BAD_WEIGHTS, s.bad{s});");
            }
            line!(text, "    note(mine.head{s}, s.s{s}.seen);");
            line!(
                text,
                "    put_leaf(mine.head{s}, mine.leaf0{s} + row, bitcast<u32>(s.s{s}.sum));"
            );
            continue;
        }
        let (_, stats) = part.stats();
        line!(text, "    {{\n        let c = x.c{s};");
        let bad = match bad_weights(v, part) {
            Some(_) => format!("s.bad{s}"),
            None => "u32(bad_weight(c.w))".into(),
        };
        line!(text, "        count(mine.head{s}, BAD_WEIGHTS, {bad});");
        line!(
            text,
            "        var bits = 0u;\n        if (c.label < LABEL_BAD) {{"
        );
        line!(text, "            count(mine.head{s}, NON_FINITE, c.odd);");
        line!(
            text,
            "            let special = select(row_special{s}(c.r, {stats}), SPECIAL_NAN, \
             {} || c.odd != 0u);",
            part.met_nan("s")
        );
        line!(
            text,
            "            bits = loss_bits(special, c.w, row_loss{s}(c.r, {stats}));\n        }}"
        );
        match part.term.losses {
            Losses::Stored => line!(text, "        store_loss{s}(row, bits);"),
            Losses::Kept => line!(text, "        work.leaves[mine.leaf0{s} + row] = bits;"),
            Losses::Summed if v.adds_rows_up() => {
                line!(text, "        said{s} += finite_part(mine.head{s}, bits);")
            }
            Losses::Summed => line!(
                text,
                "        put_leaf(mine.head{s}, mine.leaf0{s} + row, bits);"
            ),
        }
        line!(text, "    }}");
    }
    line!(text, "}}");
    if v.keeps_rows() {
        kept_losses(text, v, parts);
    }
}

/// An invocation that keeps rows adds their losses up: its leaf.
fn kept_losses(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    for Part { s, .. } in parts.iter().filter(|_| v.adds_rows_up()) {
        line!(text, "var<private> said{s}: f32;");
    }
    line!(text, "fn put_said(leaf: u32) {{");
    for Part { s, .. } in parts.iter().filter(|_| v.adds_rows_up()) {
        line!(
            text,
            "    put_leaf(mine.head{s}, mine.leaf0{s} + leaf, bitcast<u32>(said{s}));"
        );
    }
    line!(text, "}}");
}

/// What the gradients of a row have in common: whether there are any, whether all are NaN, what they are multiplied by,
/// and what a loss that says so makes of its statistics.
fn ready(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let fields = |p: &Part<'_>| {
        let own = if p.ready() {
            format!(", y{0}: Ready{0}", p.s)
        } else {
            String::new()
        };
        format!("live{0}: bool, nan{0}: bool, w{0}: f32{own}", p.s)
    };
    let all: Vec<_> = parts.iter().map(fields).collect();
    line!(text, "struct Common {{ {} }}", all.join(", "));
    line!(
        text,
        "fn common_of(x: RowContext, s: All, s2: All2, f: Factors) -> Common {{"
    );
    let value = |p: &Part<'_>| {
        let s = &p.s;
        if p.elementwise() {
            return format!("f.ok{s}, false, {}", factor(v, s, "x.upstream"));
        }
        let (_, stats) = p.stats();
        let own = if p.ready() {
            format!(", row_ready{s}(x.c{s}.r, {stats})")
        } else {
            String::new()
        };
        format!(
            "f.ok{s} && x.c{s}.label < LABEL_BAD, \
             x.c{s}.odd != 0u || row_special{s}(x.c{s}.r, {stats}) == SPECIAL_NAN, \
             bitcast<f32>(x.c{s}.w) * {}{own}",
            factor(v, s, "x.upstream")
        )
    };
    let all: Vec<_> = parts.iter().map(value).collect();
    line!(text, "    return Common({});\n}}", all.join(", "));
}

/// The gradient at one element, of all losses together.
pub(super) fn row_gradients(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    ready(text, v, parts);
    line!(
        text,
        "fn all_grad(in: Inputs, i: u32, row_here: u32, col_here: u32, x: RowContext, s: All, s2: All2, y: Common) -> GradBits {{"
    );
    open_place(text, v, parts);
    open_sums(text, v);
    for part in parts {
        let s = &part.s;
        line!(text, "    if (y.live{s}) {{");
        if part.elementwise() {
            line!(text, "        let l = elem{s}(in, row, col, 0u);");
            line!(
                text,
                "        let w = bitcast<f32>({}) * y.w{s};",
                weight(part)
            );
            line!(text, "        let d = term{s}(l.e).grad;");
            line!(text, "        let nan = l.nan && nan_grad{s}(l.e);");
            add_sums(text, v, part, "d", "w", "nan");
            line!(text, "    }}");
            continue;
        }
        let (_, stats) = part.stats();
        line!(text, "        let r = x.c{s}.r;");
        line!(text, "        let l = elem{s}(in, row, col, x.c{s}.label);");
        line!(
            text,
            "        let nan = y.nan{s} || ({} && nan_grad{s}(l.e, r, {stats}, l.nan));",
            part.met_nan("s")
        );
        match part.ready() {
            true => line!(text, "        let d = row_grad{s}(l.e, r, y.y{s});"),
            false => line!(text, "        let d = row_grad{s}(l.e, r, {stats});"),
        }
        add_sums(text, v, part, "d", &format!("y.w{s}"), "nan");
        line!(text, "    }}");
    }
    line!(text, "    return {};\n}}", close_sums(v));
}
