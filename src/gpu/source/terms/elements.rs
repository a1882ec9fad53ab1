//! How elementwise losses go through the elements of a leaf. Twice, if need be: first by plain arithmetic, packs at a time;
//! then, where an invocation met a number that is not finite or its sum is none, once more by what is right for those,
//! element by element. The second writes over what the first wrote; of gradients that are added to what is there it adds those that the
//! first left out; and where gradients take the place of the inputs there is only the second.

use super::access::{bad_weights, chosen, losses as losses_of_pack, unpacked, weight};
use super::{Part, add_sums, close_sums, factor, maximum, open_sums, tree};
use crate::gpu::source::{PACK, Role, Variant, line};
use std::fmt::Write;

/// What the derivatives of an element are multiplied by.
fn weighted(v: &Variant, s: &str) -> String {
    format!("(w{s} * {})", factor(v, s, "upstream_of(row)"))
}

/// Whether the row or column of an element matters.
fn places(v: &Variant, parts: &[Part<'_>]) -> bool {
    v.row_upstream || parts.iter().any(Part::needs_place)
}

/// What is said of each loss, in a list.
fn each(parts: &[Part<'_>], f: &dyn Fn(&Part<'_>) -> String) -> String {
    parts.iter().map(f).collect::<Vec<_>>().join(", ")
}

/// Whether elements are gone through twice, if need be. What the gradient has taken the place of cannot be; and both forms of a pack of
/// several losses, one chosen before it is stored, took SwiftShader minutes to compile.
fn twice(v: &Variant, parts: &[Part<'_>]) -> bool {
    parts.len() == 1 && !(v.gradient && v.in_place)
}

/// Whether a second round has to leave alone what the first has added.
fn adds_twice(v: &Variant, parts: &[Part<'_>]) -> bool {
    twice(v, parts) && v.gradient && v.accumulate.contains(&true)
}

pub(super) fn visits(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    // Of each loss: the sum of those that are finite, and which others there were; the numbers that are not finite, the
    // largest bits of all, and the weights that are none.
    line!(
        text,
        "struct Sums {{ {} }}",
        each(parts, &|p| format!(
            "l{0}: f32, seen{0}: u32, odd{0}: u32, top{0}: u32, bad{0}: u32",
            p.s
        ))
    );
    line!(
        text,
        "fn sums_zero() -> Sums {{ return Sums({}); }}",
        each(parts, &|_| "0.0, 0u, 0u, 0u, 0u".into())
    );
    line!(
        text,
        "fn sums_add(a: Sums, b: Sums) -> Sums {{\n    return Sums({});\n}}",
        each(parts, &|p| format!(
            "a.l{0} + b.l{0}, a.seen{0} | b.seen{0}, a.odd{0} + b.odd{0}, max(a.top{0}, b.top{0}), a.bad{0} + b.bad{0}",
            p.s
        ))
    );
    for part in parts.iter().filter(|p| p.term.losses.stores()) {
        losses_of_pack(text, v, part.k, &part.s);
    }
    careful(text, v, parts);
    match parts {
        [part] if twice(v, parts) => plain(text, v, part),
        _ => {
            // Before the gradient takes the place of what is counted.
            let count = match v.counted {
                Some(_) => "if (i < mine.n) { count_pack(i, load_raw(i, mine.n)); } ",
                None => "",
            };
            line!(
                text,
                "const UNROLL: u32 = 1u;\n\
                 fn visit_run(i: u32, f: Factors, run: Sums) -> Sums {{ {count}return visit_careful(i, f, run); }}\n\
                 fn sums_fine(sums: Sums, f: Factors) -> bool {{ return true; }}"
            );
        }
    }
    if v.counted.is_some() {
        count_pack(text, v);
    }
    line!(text, "fn sums_put(tid: u32, leaf: u32, sums: Sums) {{");
    for part in parts {
        let s = &part.s;
        line!(text, "    count(mine.head{s}, NON_FINITE, sums.odd{s});");
        if bad_weights(v, part).is_some() {
            line!(text, "    count(mine.head{s}, BAD_WEIGHTS, sums.bad{s});");
        }
        if part.term.losses.sums() {
            line!(text, "    note(mine.head{s}, sums.seen{s});");
            line!(text, "    let total{s} = tree_sum(tid, sums.l{s});");
            line!(
                text,
                "    if (tid == 0u) {{ put_leaf(mine.head{s}, mine.leaf0{s} + leaf, bitcast<u32>(total{s})); }}"
            );
        }
    }
    line!(text, "}}");
}

/// Opens what is done with an element: `x` the element, `t` its loss and gradient, `w` its weight.
fn open_element(text: &mut String, parts: &[Part<'_>]) {
    for part in parts {
        let s = &part.s;
        line!(text, "    let x{s} = elem{s}(in, row, col, 0u);");
        line!(text, "    let t{s} = term{s}(x{s}.e);");
        line!(text, "    let w{s} = bitcast<f32>({});", weight(part));
    }
}

/// A pack element by element, whatever its numbers are. Several losses written out for every element of a pack took minutes
/// to compile.
fn careful(text: &mut String, v: &Variant, parts: &[Part<'_>]) {
    line!(
        text,
        "struct Visit {{ {}, grad: GradBits }}",
        each(parts, &|p| format!("l{0}: u32, bad{0}: u32", p.s))
    );
    line!(
        text,
        "fn visit(in: Inputs, row: u32, col: u32, f: Factors) -> Visit {{"
    );
    open_element(text, parts);
    open_sums(text, v);
    for part in parts {
        let s = &part.s;
        line!(
            text,
            "    let l{s} = select(bitcast<u32>(w{s} * t{s}.loss), NAN_BITS, x{s}.nan || undefined{s}(x{s}.e));"
        );
        if v.gradient {
            line!(text, "    if (f.ok{s}) {{");
            let nan = format!("(x{s}.nan && nan_grad{s}(x{s}.e))");
            let d = format!("t{s}.grad");
            add_sums(text, v, part, &d, &weighted(v, s), &nan);
            line!(text, "    }}");
        }
    }
    let bad = |p: &Part<'_>| bad_weights(v, p).unwrap_or("0u".into());
    line!(
        text,
        "    return Visit({}, {});\n}}",
        each(parts, &|p| format!("l{}, {}", p.s, bad(p))),
        close_sums(v)
    );
    let (added, unless) = match (parts, adds_twice(v, parts)) {
        ([part], true) => {
            pack_added(text, &part.s);
            ("\n    let added = pack_added(i, f);", "!added && ")
        }
        _ => ("", ""),
    };
    line!(
        text,
        "fn visit_careful(i: u32, f: Factors, run: Sums) -> Sums {{\n    \
         var sums = sums_zero();\n    var even = GRAD_ZERO;{added}\n    \
         for (var k = i; k < min(i + PACK, mine.n); k++) {{\n        \
         let in = load_inputs(k);"
    );
    let place = match places(v, parts) {
        true => {
            line!(text, "        let at = place(k);");
            "at.x, at.y"
        }
        false => "0u, 0u",
    };
    line!(text, "        let v = visit(in, {place}, f);");
    for part in parts {
        let s = &part.s;
        if part.term.losses.sums() {
            line!(
                text,
                "        sums.l{s} += finite_of(v.l{s});\n        \
                 sums.seen{s} |= seen_of(v.l{s});"
            );
        }
        if part.term.losses.stores() {
            line!(text, "        store_loss{s}(k, v.l{s});");
        }
        line!(text, "        sums.odd{s} += odd{s}(in);");
        line!(text, "        sums.bad{s} += v.bad{s};");
    }
    if v.gradient {
        line!(
            text,
            "        let odd = (k & 1u) == 1u;\n        \
             if (!odd) {{ even = v.grad; }}\n        \
             if ({unless}(odd || k + 1u == mine.n)) {{ store_grads(k & ~1u, even, v.grad, odd); }}"
        );
    }
    line!(text, "    }}\n    return sums_add(run, sums);\n}}");
}

/// Whether the first round adds a pack's gradients, and that of the pack at `i`: its numbers are finite, whatever its losses are. With `f.ok`
/// not, all gradients are 0, and the second round says so where they are not added.
fn pack_added(text: &mut String, s: &str) {
    line!(
        text,
        "fn pack_adds(f: Factors, top: u32) -> bool {{ return f.ok{s} && top < INF_BITS; }}\n\
         fn pack_added(i: u32, f: Factors) -> bool {{\n    \
         var top = 0u;\n    \
         for (var k = i; k < min(i + PACK, mine.n); k++) {{\n        \
         top = max(top, elem{s}(load_inputs(k), 0u, 0u, 0u).top);\n    }}\n    \
         return pack_adds(f, top);\n}}"
    );
}

/// Packs of one loss written out, for finite numbers: all loads come first, so that they are under way together, and only
/// what is done with them asks whether they are inside.
fn plain(text: &mut String, v: &Variant, part: &Part<'_>) {
    let s = &part.s;
    let parts = std::slice::from_ref(part);
    line!(
        text,
        "struct Plain {{ l: f32, top: u32, bad: u32, grad: GradBits }}"
    );
    line!(
        text,
        "fn visit_plain(in: Inputs, row: u32, col: u32, f: Factors) -> Plain {{"
    );
    open_element(text, parts);
    open_sums(text, v);
    if v.gradient {
        let d = format!("t{s}.grad");
        add_sums(text, v, part, &d, &weighted(v, s), "false");
    }
    line!(
        text,
        "    return Plain(w{s} * t{s}.loss, x{s}.top, {}, {});\n}}",
        bad_weights(v, part).unwrap_or("0u".into()),
        close_sums(v)
    );
    let unroll = v.packs().min(v.unroll);
    line!(text, "const UNROLL: u32 = {unroll}u;");
    line!(
        text,
        "fn visit_run(i: u32, f: Factors, run: Sums) -> Sums {{\n    \
         let last = (mine.n - 1u) / PACK * PACK;\n    var sums = run;"
    );
    for u in 0..unroll {
        line!(
            text,
            "    let i{u} = i + {u}u * APART;\n    let r{u} = load_raw(min(i{u}, last), mine.n);"
        );
    }
    // Much arithmetic comes before the first of its packs is stored: a store by invocations one after the other is so
    // long that a CPU does not see the next pack's arithmetic beyond it.
    if v.straight() {
        (0..unroll).for_each(|u| visit_pack(text, v, part, u));
    }
    for u in 0..unroll {
        line!(text, "    if (i{u} < mine.n) {{");
        if v.counted.is_some() {
            line!(text, "        count_pack(i{u}, r{u});");
        }
        if !v.straight() {
            visit_pack(text, v, part, u);
        }
        sum_pack(text, v, part, u);
        line!(text, "    }}");
    }
    line!(text, "    return sums;\n}}");
    // The sum of losses that are not finite is none either.
    line!(
        text,
        "fn sums_fine(sums: Sums, f: Factors) -> bool {{\n    \
         return f.ok{s} && sums.top{s} < INF_BITS && finite_bits(bitcast<u32>(sums.l{s}));\n}}"
    );
}

/// Counts the elements of a pack: the first input, and the target. In a loop, because what is done with one is long.
fn count_pack(text: &mut String, v: &Variant) {
    line!(
        text,
        "fn count_pack(i: u32, r: Raw) {{\n    \
         for (var k = 0u; k < min(PACK, mine.n - i); k++) {{\n        \
         carried_input = {};\n        carried_target = {};\n        \
         take_sample(i + k, carried_by);\n    }}\n}}",
        chosen(v, Role::Input(0), "r"),
        chosen(v, Role::Target(0), "r")
    );
}

/// The losses and gradients of the elements of pack `u`.
fn visit_pack(text: &mut String, v: &Variant, part: &Part<'_>, u: u32) {
    for k in 0..PACK {
        let at = match places(v, std::slice::from_ref(part)) {
            true => {
                line!(text, "    let at{u}_{k} = place(i{u} + {k}u);");
                format!("at{u}_{k}.x, at{u}_{k}.y")
            }
            false => "0u, 0u".into(),
        };
        let visit = format!("visit_plain({}, {at}, f)", unpacked(v, &format!("r{u}"), k));
        match v.wide || k == 0 {
            true => line!(text, "    let v{u}_{k} = {visit};"),
            // What lies beyond the end adds nothing.
            false => line!(
                text,
                "    var v{u}_{k} = {visit};\n    \
                 if (i{u} + {k}u >= mine.n) {{\n        \
                 v{u}_{k}.l = 0.0;\n        v{u}_{k}.top = 0u;\n        v{u}_{k}.bad = 0u;\n    }}"
            ),
        }
    }
}

/// Adds up what pack `u` has to say, and stores what is stored.
fn sum_pack(text: &mut String, v: &Variant, part: &Part<'_>, u: u32) {
    let s = &part.s;
    let parts = std::slice::from_ref(part);
    let all = |f: &dyn Fn(String) -> String| -> Vec<_> {
        (0..PACK).map(|k| f(format!("v{u}_{k}"))).collect()
    };
    if part.term.losses.sums() {
        let sum = tree(&all(&|v| format!("{v}.l")), "+");
        line!(text, "    sums.l{s} += {sum};");
    }
    if part.term.losses.stores() {
        line!(
            text,
            "    store_losses{s}(i{u}, mine.n, array<u32, PACK>({}));",
            all(&|v| format!("bitcast<u32>({v}.l)")).join(", ")
        );
    }
    line!(
        text,
        "    let top{u} = {};\n    sums.top{s} = max(sums.top{s}, top{u});",
        maximum(&all(&|v| format!("{v}.top")))
    );
    if bad_weights(v, part).is_some() {
        line!(
            text,
            "    sums.bad{s} += {};",
            tree(&all(&|v| format!("{v}.bad")), "+")
        );
    }
    if v.gradient {
        let store = format!(
            "store_pack(i{u}, mine.n, array<GradBits, PACK>({}));",
            all(&|v| format!("{v}.grad")).join(", ")
        );
        match adds_twice(v, parts) {
            true => line!(text, "    if (pack_adds(f, top{u})) {{ {store} }}"),
            false => line!(text, "    {store}"),
        }
    }
}
