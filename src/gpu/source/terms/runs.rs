//! Straight-line code over the elements that an invocation takes at a time: all loads first, so that they are under way
//! together, then peaks, statistics or gradients.

use super::Part;
use super::access::{bad_weights, unpacked};
use super::rows::{merging, open_place};
use crate::gpu::source::{PACK, Variant, line};
use std::fmt::Write;
use std::slice;

/// One element, as the text of a kernel names it.
#[derive(Clone)]
struct Item {
    input: String,
    i: String,
    row: String,
    col: String,
    /// What says whether it is there, where that is not sure.
    there: Option<String>,
    /// What is known of its row, where that is not the only one.
    of: Option<String>,
}

/// Elements that are there together.
struct Group {
    there: Option<String>,
    items: Vec<Item>,
}

impl Item {
    fn args(&self, x: &str) -> String {
        format!(
            "{}, {}, {}, {}, {x}",
            self.input, self.i, self.row, self.col
        )
    }
}

/// Writes `each` element's line, those that may not be there inside an `if`.
fn emit(text: &mut String, groups: &[Group], each: &dyn Fn(&Item) -> String) {
    for group in groups {
        if let Some(there) = &group.there {
            line!(text, "    if ({there}) {{");
        }
        for item in &group.items {
            let made = each(item);
            match &item.there {
                Some(there) => line!(text, "    if ({there}) {{ {made} }}"),
                None => line!(text, "    {made}"),
            }
        }
        if group.there.is_some() {
            line!(text, "    }}");
        }
    }
}

/// Gathers `groups` of the row that is `x` into a variable, on top of what is in `before`: the peaks first, where a loss
/// has them; then everything relative to those, 16 elements to a sum. Neighbours meet first, so that little waits for
/// the step before.
fn gather(
    text: &mut String,
    parts: &[Part<'_>],
    groups: &[Group],
    x: &str,
    (before, into): (&str, &str),
    ranked: bool,
) {
    line!(text, "    var p_{into} = peaks_of({before});");
    // Unpacked once for both.
    let named;
    let groups = match parts.iter().any(Part::peak) {
        false => groups,
        true => {
            named = named_inputs(text, groups, into);
            let peak = format!("p_{into}");
            joined(
                text,
                &named,
                &highest,
                (&peak, "peaks_merge", "peaks_identity()"),
                &|item| format!("peaks_one({})", item.args(x)),
            );
            &named
        }
    };
    if ranked {
        ranks_of(text, groups, into);
    }
    line!(text, "    var {into} = all_moved({before}, p_{into});");
    let one = |item: &Item| format!("all_one({}, p_{into})", item.args(x));
    let nothing = format!("all_at(p_{into})");
    // 16 elements to a sum.
    let each = 16 / groups[0].items.len().clamp(1, 16);
    for some in groups.chunks(each.max(1)) {
        joined(text, some, &sum, (into, "all_join", &nothing), &one);
    }
}

/// What ranks need of `groups`, a run of packs of which the first begins at `c` or `c0`: which of their logits go before the true
/// one, and whether there is a new highest one among them. A pack before the true class is one in which equal ones do, too; of
/// the pack that holds it those before are added later.
fn ranks_of(text: &mut String, groups: &[Group], into: &str) {
    for (u, group) in groups.iter().enumerate() {
        if let Some(there) = &group.there {
            line!(text, "    if ({there}) {{");
        }
        line!(
            text,
            "    let above{u} = select(tally.above, tally.reach, c{u} + PACK <= x.c.label);"
        );
        for item in &group.items {
            let logit = format!("bitcast<f32>({}.a0)", item.input);
            let one = format!("tally.rank += u32({logit} > above{u});");
            match &item.there {
                Some(there) => line!(text, "    if ({there}) {{ {one} }}"),
                None => line!(text, "    {one}"),
            }
        }
        if group.there.is_some() {
            line!(text, "    }}");
        }
    }
    line!(
        text,
        "    if (p_{into}.p.m > tally.top) {{ tally.top = p_{into}.p.m; tally.at = c0; }}"
    );
}

/// The first column of a run that holds a number. What is kept goes round a loop: it is more than a run, and the invocations
/// that have not to look are many.
fn best_of_run(text: &mut String, v: &Variant) {
    let (unroll, run) = match v.held {
        0 => (v.unroll, "return best_of_packs(row, c, end, m);"),
        _ => (
            1,
            "var best = 0xffffffffu;\n    \
             for (var p = c; p < end; p += STEP) { best = min(best, best_of_packs(row, p, end, m)); }\n    \
             return best;",
        ),
    };
    let place = "row: u32, c: u32, end: u32, m: f32";
    line!(
        text,
        "fn best_of_packs({place}) -> u32 {{\n    var best = 0xffffffffu;"
    );
    open_packs(text, unroll);
    for group in opened(v, unroll) {
        for item in &group.items {
            let mut looks = vec![format!("bitcast<f32>({}.a0) == m", item.input)];
            looks.extend(group.there.clone());
            looks.extend(item.there.clone());
            let (looks, col) = (looks.join(" && "), &item.col);
            line!(text, "    if ({looks}) {{ best = min(best, {col}); }}");
        }
    }
    line!(text, "    return best;\n}}");
    line!(text, "fn best_of_run({place}) -> u32 {{\n    {run}\n}}");
}

/// Joins what `one` says of each element to a variable: elements that are there together first, and all of them before
/// what the variable was.
fn joined(
    text: &mut String,
    groups: &[Group],
    together: &dyn Fn(&[String]) -> String,
    (into, join, nothing): (&str, &str, &str),
    one: &dyn Fn(&Item) -> String,
) {
    line!(text, "    {{ var part = {nothing};");
    for (k, group) in groups.iter().enumerate() {
        if let Some(there) = &group.there {
            line!(text, "    if ({there}) {{");
        }
        let (sure, rest): (Vec<_>, Vec<_>) = group.items.iter().partition(|i| i.there.is_none());
        if !sure.is_empty() {
            let sure = together(&sure.into_iter().map(one).collect::<Vec<_>>());
            match (k, &group.there) {
                (0, None) => line!(text, "    part = {sure};"),
                _ => line!(text, "    part = {join}(part, {sure});"),
            }
        }
        for item in rest {
            let there = item.there.as_deref().unwrap_or("true");
            line!(
                text,
                "    if ({there}) {{ part = {join}(part, {}); }}",
                one(item)
            );
        }
        if group.there.is_some() {
            line!(text, "    }}");
        }
    }
    line!(text, "    {into} = {join}({into}, part); }}");
}

/// The sum of statistics: neighbours first.
fn sum(of: &[String]) -> String {
    match of {
        [one] => one.clone(),
        _ => {
            let (a, b) = of.split_at(of.len() / 2);
            format!("all_join({}, {})", sum(a), sum(b))
        }
    }
}

/// The highest of peaks, one after the other from a number on: a driver that has to expect a NaN in both of two numbers
/// takes three instructions for their maximum.
fn highest(of: &[String]) -> String {
    let start = "peaks_identity()".to_string();
    of.iter()
        .fold(start, |a, b| format!("peaks_merge({a}, {b})"))
}

/// Declares the inputs of all elements, and gives the elements by those names.
fn named_inputs(text: &mut String, groups: &[Group], of: &str) -> Vec<Group> {
    let mut count = 0;
    let mut name = |item: &Item| {
        let input = format!("{of}_in{count}");
        count += 1;
        line!(text, "    let {input} = {};", item.input);
        Item {
            input,
            ..item.clone()
        }
    };
    let group = |g: &Group| Group {
        there: g.there.clone(),
        items: g.items.iter().map(&mut name).collect(),
    };
    groups.iter().map(group).collect()
}

fn gather2(text: &mut String, groups: &[Group], x: &str, s: &str, into: &str) {
    line!(text, "    var {into} = all2_identity();");
    emit(text, groups, &|item| {
        format!("{into} = all2_add({into}, {}, {s});", item.args(x))
    });
}

/// The gradients of the packs.
fn grads(text: &mut String, groups: &[Group], end: &str) {
    for group in groups {
        let Some(first) = group.items.first() else {
            continue;
        };
        let one = |item: &Item| {
            let of = item.of.as_deref().unwrap_or("");
            format!(
                "all_grad({}, s{of}, s2{of}, y{of})",
                item.args(&format!("x{of}"))
            )
        };
        let all: Vec<_> = group.items.iter().map(one).collect();
        let stored = format!(
            "store_pack({}, {end}, array<GradBits, PACK>({}));",
            first.i,
            all.join(", ")
        );
        match &group.there {
            Some(there) => line!(text, "    if ({there}) {{ {stored} }}"),
            None => line!(text, "    {stored}"),
        }
    }
}

pub(super) fn runs(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    if v.ranked {
        best_of_run(text, v);
        let fields = ["rank", "best"].map(|n| (n.to_string(), "u32".to_string()));
        merging(text, v, "_ranks", "Ranks", "ranks", vec![fields.to_vec()]);
    }
    match (v.written_out(), v.stage.is_strided(), v.held) {
        (false, _, _) => loops(text, v, parts),
        (true, true, _) => columns(text, v, parts),
        (true, false, 0) => packs(text, v, parts),
        (true, false, _) if v.keeps_rows() => whole_rows(text, v, parts),
        (true, false, _) => held(text, v, parts),
    }
}

/// The same runs element by element.
fn loops(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let (unroll, run) = match v.stage.is_strided() {
        true => (4, 4),
        false => (1, PACK),
    };
    line!(text, "const UNROLL: u32 = {unroll}u;");
    line!(text, "const GRADS_UNROLL: u32 = {unroll}u;");
    let open = |text: &mut String| {
        line!(
            text,
            "    for (var k = c; k < min(c + {run}u, end); k++) {{\n        let i = element_of(row, k);"
        );
    };
    let args = "load_inputs(i), i, row, k, x";
    line!(text, "fn gather_run(all: All, {PLACE}) -> All {{");
    line!(text, "    var run = all_identity();");
    open(text);
    match parts.iter().any(Part::peak) {
        true => {
            line!(text, "        let p = peaks_one({args});");
            line!(
                text,
                "        run = all_merge(run, all_one({args}, p));\n    }}"
            );
        }
        false => line!(
            text,
            "        run = all_join(run, all_one({args}, peaks_identity()));\n    }}"
        ),
    }
    line!(text, "    return all_merge(all, run);\n}}");
    line!(
        text,
        "fn gather2_run(all: All2, {PLACE}, s: All) -> All2 {{"
    );
    if v.second() {
        line!(text, "    var run = all2_identity();");
        open(text);
        line!(text, "        run = all2_add(run, {args}, s);\n    }}");
        line!(text, "    return all2_merge(all, run);\n}}");
    } else {
        line!(text, "    return all;\n}}");
    }
    if v.stage.is_strided() {
        return;
    }
    line!(
        text,
        "fn grads_run({PLACE}, s: All, s2: All2, y: Common) {{"
    );
    if v.gradient {
        line!(text, "    var even = GRAD_ZERO;");
        open(text);
        line!(
            text,
            "        let g = all_grad({args}, s, s2, y);\n        \
             let odd = (k & 1u) == 1u;\n        \
             if (!odd) {{ even = g; }}\n        \
             if (odd || k + 1u == end) {{ store_grads(i - u32(odd), even, g, odd); }}\n    }}"
        );
    }
    line!(text, "}}");
}

/// Loads a few packs of one row; its columns end at `end`, a whole number of packs after the first pack of all.
fn open_packs(text: &mut String, unroll: u32) {
    if unroll > 1 {
        line!(text, "    let last = (end - 1u) / PACK * PACK;");
    }
    line!(text, "    let stop = element_of(row, end - 1u) + 1u;");
    for u in 0..unroll {
        line!(
            text,
            "    let c{u} = c + {u}u * APART;\n    let r{u} = load_raw(element_of(row, {}), stop);",
            // The first pack is there.
            if u == 0 {
                "c".into()
            } else {
                format!("min(c{u}, last)")
            }
        );
    }
}

/// The elements of those packs.
fn opened(v: &Variant, unroll: u32) -> Vec<Group> {
    let item = |u: u32, k: u32| Item {
        input: unpacked(v, &format!("r{u}"), k),
        i: format!("element_of(row, c{u} + {k}u)"),
        row: "row".into(),
        col: format!("c{u} + {k}u"),
        there: (!v.wide && k > 0).then(|| format!("c{u} + {k}u < end")),
        of: None,
    };
    let group = |u: u32| Group {
        there: (u > 0).then(|| format!("c{u} < end")),
        items: (0..PACK).map(|k| item(u, k)).collect(),
    };
    (0..unroll).map(group).collect()
}

const PLACE: &str = "row: u32, x: RowContext, c: u32, end: u32";

/// The gradients of a few packs.
fn grads_run(text: &mut String, v: &Variant) {
    let unroll = v.grads_unroll();
    line!(text, "const GRADS_UNROLL: u32 = {unroll}u;");
    line!(
        text,
        "fn grads_run({PLACE}, s: All, s2: All2, y: Common) {{"
    );
    if v.gradient {
        open_packs(text, unroll);
        grads(text, &opened(v, unroll), "stop");
    }
    line!(text, "}}");
}

/// A few packs of one row.
fn packs(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    line!(text, "const UNROLL: u32 = {}u;", v.unroll);
    let groups = opened(v, v.unroll);
    line!(text, "fn gather_run(all: All, {PLACE}) -> All {{");
    open_packs(text, v.unroll);
    gather(text, parts, &groups, "x", ("all", "run"), v.ranked);
    line!(text, "    return run;\n}}");
    line!(
        text,
        "fn gather2_run(all: All2, {PLACE}, s: All) -> All2 {{"
    );
    if v.second() {
        open_packs(text, v.unroll);
        gather2(text, &groups, "x", "s", "run");
        line!(text, "    return all2_merge(all, run);\n}}");
    } else {
        line!(text, "    return all;\n}}");
    }
    grads_run(text, v);
}

/// A few columns of one row at class axis 1, by one invocation.
fn columns(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    // Columns that an invocation takes at a time.
    let columns = 4 * v.unroll.min(2);
    line!(text, "const UNROLL: u32 = {columns}u;");
    let open = |text: &mut String| {
        for u in 0..columns {
            line!(
                text,
                "    let i{u} = element_of(row, min(c + {u}u, end - 1u));\n    let in{u} = load_inputs(i{u});"
            );
        }
    };
    let group = Group {
        there: None,
        items: (0..columns)
            .map(|u| Item {
                input: format!("in{u}"),
                i: format!("i{u}"),
                row: "row".into(),
                col: format!("c + {u}u"),
                there: (u > 0).then(|| format!("c + {u}u < end")),
                of: None,
            })
            .collect(),
    };
    let groups = [group];
    line!(text, "fn gather_run(all: All, {PLACE}) -> All {{");
    open(text);
    gather(text, parts, &groups, "x", ("all", "run"), false);
    line!(text, "    return run;\n}}");
    line!(
        text,
        "fn gather2_run(all: All2, {PLACE}, s: All) -> All2 {{"
    );
    if v.second() {
        open(text);
        gather2(text, &groups, "x", "s", "run");
        line!(text, "    return all2_merge(all, run);\n}}");
    } else {
        line!(text, "    return all;\n}}");
    }
}

/// Rows that stay where they were loaded to, for statistics and gradients both: `held` packs an invocation.
fn held(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let lanes = v.lanes;
    line!(
        text,
        "fn row_held(at: u32, lane: u32, tid: u32) {{\n    \
         let row = min(at, mine.rows - 1u);\n    \
         let silent = at > row;\n    \
         let start = row * mine.cols;\n    \
         let stop = start + mine.cols;\n    \
         let last = (mine.cols - 1u) / PACK * PACK;\n    \
         let f = factors();\n    \
         let x = context_of(row);"
    );
    if v.ranked {
        line!(text, "    reset_ranks(x);");
    }
    for j in 0..v.held {
        line!(
            text,
            "    let c{j} = lane * PACK + {}u;\n    let r{j} = load_raw(start + min(c{j}, last), stop);",
            j * lanes * PACK
        );
    }
    let packs = |there: &dyn Fn(u32) -> Option<String>| -> Vec<Group> {
        let item = |j: u32, k: u32| Item {
            input: unpacked(v, &format!("r{j}"), k),
            i: format!("start + c{j} + {k}u"),
            row: "row".into(),
            col: format!("c{j} + {k}u"),
            there: (!v.wide && k > 0 && j + 1 == v.held)
                .then(|| format!("c{j} + {k}u < mine.cols")),
            of: None,
        };
        let group = |j: u32| Group {
            there: there(j),
            items: (0..PACK).map(|k| item(j, k)).collect(),
        };
        (0..v.held).map(group).collect()
    };
    // All but the last pack of an invocation is sure to be there.
    let read = packs(&|j| (j + 1 == v.held).then(|| format!("c{j} < mine.cols")));
    gather(text, parts, &read, "x", ("all_identity()", "own"), v.ranked);
    line!(
        text,
        "    recount(row, x, c0, select(mine.cols, 0u, silent), own);"
    );
    line!(text, "    let s = merged(tid, own);");
    if v.ranked {
        line!(text, "    say_rank(row, lane, tid, x, s, silent);");
    }
    match v.second() {
        true => {
            gather2(text, &read, "x", "s", "second");
            line!(text, "    let s2 = merged2(tid, second);");
        }
        false => line!(text, "    let s2 = all2_identity();"),
    }
    if v.in_place {
        // Everybody has read the logit of the label, before somebody writes over it.
        line!(text, "    storageBarrier();");
    }
    line!(
        text,
        "    if (lane == 0u && !silent) {{ say_losses(row, x, s, s2); }}"
    );
    if !v.gradient {
        line!(text, "}}");
        return;
    }
    line!(text, "    let y = common_of(x, s, s2, f);");
    let written = packs(&|j| Some(format!("!silent && c{j} < mine.cols")));
    match v.quick_grads() {
        false => grads(text, &written, "stop"),
        // Of a row out of the ordinary packs are read again, one after the other.
        true => {
            line!(text, "    if (quick_row(x, s, y)) {{");
            for group in &written {
                let one = |item: &Item| format!("quick_one_grad({}, y)", item.args("x"));
                let all: Vec<_> = group.items.iter().map(one).collect();
                line!(
                    text,
                    "    if ({}) {{ store_numbers({}, stop, array<GradBits, PACK>({})); }}",
                    group.there.as_deref().unwrap_or("true"),
                    group.items[0].i,
                    all.join(", ")
                );
            }
            line!(
                text,
                "    }} else {{\n    \
                 for (var c = select(c0, mine.cols, silent); c < mine.cols; c += GRADS_UNROLL * STEP) {{ \
                 grads_run(row, x, c, mine.cols, s, s2, y); }}\n    }}"
            );
        }
    }
    line!(text, "}}");
    if v.quick_grads() {
        grads_run(text, v);
    }
}

/// Rows that one invocation keeps: as many as fill whole packs, so that which element is which row's and column's is known
/// here, and no pack is shared with another invocation.
fn whole_rows(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    let cols = v.held * PACK / v.group;
    line!(
        text,
        "fn rows_held(first: u32, f: Factors) {{\n    \
         let start = first * {cols}u;\n    \
         let stop = start + {}u;",
        v.held * PACK
    );
    for j in 0..v.held {
        line!(
            text,
            "    let r{j} = load_raw(start + {}u, stop);",
            j * PACK
        );
    }
    let item = |e: u32| Item {
        input: unpacked(v, &format!("r{}", e / PACK), e % PACK),
        i: format!("start + {e}u"),
        row: format!("first + {}u", e / cols),
        col: format!("{}u", e % cols),
        there: None,
        of: Some(format!("_{}", e / cols)),
    };
    let groups = |elements: std::ops::Range<u32>| -> Vec<Group> {
        let all: Vec<_> = elements.map(item).collect();
        let some = all.chunks(PACK as usize);
        some.map(|items| Group {
            there: None,
            items: items.to_vec(),
        })
        .collect()
    };
    for k in 0..v.group {
        let (x, s, s2) = (format!("x_{k}"), format!("s_{k}"), format!("s2_{k}"));
        line!(text, "    let {x} = context_of(first + {k}u);");
        let read = groups(k * cols..(k + 1) * cols);
        gather(text, parts, &read, &x, ("all_identity()", &s), false);
        line!(text, "    recount(first + {k}u, {x}, 0u, {cols}u, {s});");
        match v.second() {
            true => gather2(text, &read, &x, &s, &s2),
            false => line!(text, "    let {s2} = all2_identity();"),
        }
        line!(text, "    say_losses(first + {k}u, {x}, {s}, {s2});");
        if v.gradient {
            line!(text, "    let y_{k} = common_of({x}, {s}, {s2}, f);");
        }
    }
    if v.gradient {
        grads(text, &groups(0..v.held * PACK), "stop");
    }
    line!(text, "}}");
}

/// The arguments of element `k` of pack `u`, of those that `quick_packs` loads.
fn quick_item(v: &Variant, u: u32, k: u32) -> String {
    let input = unpacked(v, &format!("r{u}"), k);
    format!("{input}, element_of(row, c{u}) + {k}u, row, c{u} + {k}u, x")
}

/// Loads a few packs.
fn quick_packs(text: &mut String, v: &Variant) {
    line!(text, "    let stop = element_of(row, end - 1u) + 1u;");
    for u in 0..v.quick_unroll() {
        line!(
            text,
            "    let c{u} = c + {u}u * APART;\n    let r{u} = load_raw(element_of(row, min(c{u}, end - 1u)), stop);"
        );
    }
}

/// A few packs by the quick statistic.
pub(super) fn quick_runs(text: &mut String, v: &Variant, part: &Part<'_>) {
    let s = &part.s;
    let bad = bad_weights(v, part).unwrap_or("0u".into());
    let kept = part.kept(v).map(|(name, _)| match name {
        "f" => ", 0u".into(),
        kept => format!(", run.{kept}"),
    });
    let kept: String = kept.collect();
    line!(
        text,
        "struct QuickRun {{ q: Quick{s}, top: u32, bad: u32 }}\n\
         fn quick_none() -> QuickRun {{ return QuickRun(quick_zero{s}(), 0u, 0u); }}\n\
         fn quick_join(a: QuickRun, b: QuickRun) -> QuickRun {{\n    \
         return QuickRun(quick_add{s}(a.q, b.q), max(a.top, b.top), a.bad + b.bad);\n}}\n\
         fn quick_fine(run: QuickRun) -> bool {{ return run.top <= QUICK_TOP && quick_usable{s}(run.q); }}\n\
         fn quick_all(run: QuickRun) -> All {{ return All(quick_stat{s}(run.q){kept}); }}"
    );
    let place = "in: Inputs, i: u32, row_here: u32, col_here: u32, x: RowContext";
    line!(text, "fn quick_one({place}) -> QuickRun {{");
    open_place(text, v, slice::from_ref(part));
    line!(
        text,
        "    let l = elem{s}(in, row, col, x.c{s}.label);\n    \
         return QuickRun(quick_of{s}(l.e), l.top, {bad});\n}}"
    );
    line!(
        text,
        "fn quick_run(run: QuickRun, row: u32, x: RowContext, c: u32, end: u32) -> QuickRun {{"
    );
    line!(text, "    var out = run;");
    quick_packs(text, v);
    for u in 0..v.quick_unroll() {
        let mut all = Vec::new();
        for k in 0..PACK {
            let one = format!("quick_one({})", quick_item(v, u, k));
            let sure = u == 0 && (k == 0 || v.wide);
            line!(
                text,
                "    {} q{u}_{k} = {one};",
                if sure { "let" } else { "var" }
            );
            if !sure {
                line!(
                    text,
                    "    if (c{u} + {k}u >= end) {{ q{u}_{k} = quick_none(); }}"
                );
            }
            all.push(format!("q{u}_{k}"));
        }
        let sum = all
            .chunks(2)
            .map(|pair| format!("quick_join({})", pair.join(", ")))
            .collect::<Vec<_>>()
            .join(", ");
        line!(text, "    out = quick_join(out, quick_join({sum}));");
    }
    line!(text, "    return out;\n}}");
}

/// The gradients of a few packs by plain arithmetic, and of which rows they are right.
pub(super) fn quick_grads(text: &mut String, v: &Variant, part: &Part<'_>) {
    let s = &part.s;
    let place = "in: Inputs, i: u32, row_here: u32, col_here: u32, x: RowContext";
    line!(text, "fn quick_one_grad({place}, y: Common) -> GradBits {{");
    open_place(text, v, slice::from_ref(part));
    line!(
        text,
        "    let d = quick_grad{s}(elem{s}(in, row, col, x.c{s}.label).e, x.c{s}.r, y.y{s});"
    );
    let bits = |name: &&str| format!("bitcast<u32>(d.{name} * y.w{s})");
    let bits: Vec<_> = part.info.inputs.iter().map(bits).collect();
    line!(text, "    return GradBits({});\n}}", bits.join(", "));
    line!(
        text,
        "fn quick_row(x: RowContext, s: All, y: Common) -> bool {{\n    \
         return y.live{s} && !y.nan{s} && finite_bits(bitcast<u32>(y.w{s})) && s.top{s} <= QUICK_TOP && quick_ready{s}(x.c{s}.r, s.s{s}, y.y{s});\n}}"
    );
    if v.held > 0 {
        return;
    }
    line!(
        text,
        "fn quick_grads_run(row: u32, x: RowContext, c: u32, end: u32, y: Common) {{"
    );
    if v.gradient {
        quick_packs(text, v);
        for u in 0..v.quick_unroll() {
            let all: Vec<_> = (0..PACK)
                .map(|k| format!("quick_one_grad({}, y)", quick_item(v, u, k)))
                .collect();
            let stored = format!(
                "store_numbers(element_of(row, c{u}), stop, array<GradBits, PACK>({}));",
                all.join(", ")
            );
            match u {
                0 => line!(text, "    {stored}"),
                _ => line!(text, "    if (c{u} < end) {{ {stored} }}"),
            }
        }
    }
    line!(text, "}}");
}
