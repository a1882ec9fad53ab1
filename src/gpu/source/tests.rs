//! Every text that can be composed, held against naga, Tint and WebGPU's default limits. No device is needed.

use super::{
    BAD_COLUMNS, CARRIED_PARAMS, COUNTED_SUM, COUNTED_VALID, CarriedParams, DIVISOR, HEAD, LOSS,
    Losses, Named, PARAMS, Params, Stage, TERM_PARAMS, TOTAL, Term, TermParams, Variant, compose,
    list_option, terms,
};
use crate::gpu::Tuning;
use crate::gpu::collect::Merged;
use crate::gpu::count::{Counted, What};
use crate::gpu::edges::Edge;
use crate::gpu::row_outputs::RowKey;
use crate::gpu::scores::Scored;
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{self, Carried, Family, Info, Math, OptionKind, TargetKind};
use crate::metric::InputKind;
use crate::tensor::{DType, LabelType};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, TypeInner};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::mem::size_of;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn targets(info: &Info) -> Vec<TargetLayout> {
    let values = DType::ALL.map(TargetLayout::Values);
    let labels = LabelType::ALL.map(TargetLayout::Labels);
    match info.target {
        TargetKind::None => vec![TargetLayout::None],
        TargetKind::Values => values.to_vec(),
        TargetKind::Labels => labels.to_vec(),
        TargetKind::LabelsOrValues => [values, labels].concat(),
        TargetKind::PerRow => DType::ALL.map(TargetLayout::PerRow).to_vec(),
    }
}

/// One loss as a term, for a target and weights.
fn term(info: &'static Info, target: TargetLayout, weight: WeightLayout, columns: bool) -> Term {
    Term {
        loss: Some(Named(info)),
        inputs: (0..info.inputs.len()).collect(),
        target,
        support: match target {
            TargetLayout::PerRow(_) => info.domain.last().copied(),
            _ => None,
        },
        weight,
        columns,
        plain: false,
        losses: Losses::Summed,
    }
}

/// An index below `n`, seeded by a name: the high bits of a linear congruential generator (Knuth's MMIX).
fn random(name: &str) -> impl FnMut(usize) -> usize {
    let mut state = name
        .bytes()
        .fold(1u64, |h, b| h.wrapping_mul(31) ^ u64::from(b));
    move |n| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n as u64) as usize
    }
}

/// Kernels that are drawn for a stage of a loss. All there are would be some 10⁵, most of them alike: what a draw
/// leaves out for one loss, it has for another.
const DRAWN: usize = 6;

/// Variants that the planner makes for a loss, and that binding makes of them: every stage, targets and forms of an
/// invocation's share in turn, with the rest drawn at random.
fn variants(info: &'static Info) -> Vec<Variant> {
    let by_rows = [
        Stage::Rows,
        Stage::SplitStat,
        Stage::SplitStat2,
        Stage::SplitGrad,
        Stage::StridedStat,
        Stage::StridedPart,
        Stage::StridedPart2,
        Stage::StridedSay,
        Stage::StridedGrad,
    ];
    let mut stages = match info.family {
        Family::Elementwise => vec![Stage::Elementwise],
        Family::Rows | Family::Sets => by_rows.to_vec(),
    };
    stages.extend([Stage::Count, Stage::Fold, Stage::Finish, Stage::Spread]);
    let weights: &[WeightLayout] = match info.family {
        Family::Elementwise | Family::Sets => {
            &[WeightLayout::None, WeightLayout::Element, WeightLayout::Row]
        }
        Family::Rows => &[WeightLayout::None, WeightLayout::Row],
    };
    let targets = targets(info);
    let lists = info.class_weight || list_option(info).is_some();
    let mut random = random(info.name);
    let from = random(56);
    let mut out = Vec::new();
    for stage in stages {
        for turn in from..from + DRAWN {
            let mut coin = || random(2) == 1;
            let term = Term {
                plain: coin(),
                losses: match (coin(), coin()) {
                    (true, _) => Losses::Summed,
                    (false, true) => Losses::Stored,
                    (false, false) => Losses::Both,
                },
                columns: lists && coin(),
                ..term(
                    info,
                    targets[turn % targets.len()],
                    WeightLayout::None,
                    false,
                )
            };
            let (gradient, accumulate, aliased) = (coin(), coin(), coin() && coin());
            let whole = info.family == Family::Sets && coin();
            let wide = !stage.is_strided() && coin();
            let mut v = Variant {
                stage,
                dtype: DType::ALL[random(3)],
                accumulate: vec![accumulate; info.inputs.len()],
                gradient,
                whole,
                width: [256, 64, 8][random(3)],
                lanes: 0,
                subgroup: [1, 4, 8, 32][random(4)],
                held: 0,
                group: 1,
                rounds: [1, 3, 16, 21][random(4)],
                unroll: [1, 2, 4][random(3)],
                side: [1, 4][random(2)],
                heads: 1,
                aliased,
                in_place: random(4) == 0,
                ranked: false,
                row_upstream: random(4) == 0,
                counted: None,
                wide,
                terms: vec![Term {
                    weight: weights[random(weights.len())],
                    ..term
                }],
            };
            v.lanes = v.width;
            if stage == Stage::Rows {
                // Width, lanes, packs that are kept, rows of a group.
                let shapes = [
                    (64, 2, 0, 1),
                    (64, 32, 2, 1),
                    (128, 128, 3, 1),
                    (256, 256, 0, 2),
                    (256, 256, 0, 1),
                    (8, 8, 0, 1),
                    (8, 1, 0, 1),
                    (8, 1, 0, 2),
                    (8, 1, 5, 2),
                    (8, 1, 4, 1),
                ];
                (v.width, v.lanes, v.held, v.group) = shapes[turn % shapes.len()];
                v.held = if v.written_out() { v.held } else { 0 };
            }
            out.extend(made(v));
        }
    }
    let mut distinct = std::collections::HashSet::new();
    out.retain(|v| distinct.insert(v.clone()));
    out
}

/// `v` as the planner has it, or nothing where it never makes it.
fn made(mut v: Variant) -> Option<Variant> {
    if v.stage == Stage::StridedGrad && !v.gradient
        || matches!(v.stage, Stage::SplitStat2 | Stage::StridedPart2) && !v.second()
        || v.stage == Stage::Spread && v.terms[0].losses != Losses::Stored
    {
        return None;
    }
    if v.roles().len() > 8 {
        // What is summed and stored is refused then.
        if v.terms[0].losses == Losses::Both {
            return None;
        }
        v.terms[0].losses = Losses::Kept;
    }
    Some(v.shared())
}

/// Kernels of two losses that share an input, as far as 8 buffers suffice: each loss with itself or the next, and one further away.
fn pairs() -> Vec<Variant> {
    let all = loss::all();
    let mut out = Vec::new();
    for (i, &a) in all.iter().enumerate() {
        for step in [(i % 4 != 0) as usize, 5 + i % 13] {
            let b = all[(i + step) % all.len()];
            let both = [a.family, b.family];
            let stages: &[Stage] = match both {
                [Family::Elementwise, Family::Elementwise] => &[Stage::Elementwise],
                _ => &[
                    Stage::Rows,
                    Stage::SplitStat,
                    Stage::SplitGrad,
                    Stage::StridedStat,
                    Stage::StridedSay,
                    Stage::StridedGrad,
                ],
            };
            let last = |info: &'static Info, turn: usize| {
                let targets = targets(info);
                let weight = [WeightLayout::None, WeightLayout::Row][turn % 2];
                term(info, targets[turn % targets.len()], weight, false)
            };
            for (turn, &stage) in stages.iter().enumerate() {
                let v = Variant {
                    stage,
                    dtype: DType::ALL[(i + turn) % 3],
                    accumulate: vec![turn % 2 == 1; a.inputs.len().max(b.inputs.len())],
                    gradient: true,
                    whole: [a, b].iter().all(|l| l.family != Family::Rows)
                        && stage != Stage::Elementwise,
                    width: 128,
                    lanes: 128,
                    subgroup: 1,
                    held: 0,
                    group: 1,
                    rounds: 1,
                    unroll: 1,
                    side: 1,
                    heads: 2,
                    aliased: false,
                    in_place: false,
                    wide: (i + turn) % 2 == 0 && !stage.is_strided(),
                    ranked: false,
                    row_upstream: false,
                    counted: None,
                    terms: vec![last(a, i + turn), last(b, i + turn)],
                };
                if v.roles().len() <= 8 {
                    out.push(v.shared());
                }
            }
        }
    }
    out
}

/// The same kernel with ranks, if there is one.
fn ranked(v: &Variant) -> Option<Variant> {
    let [term] = v.terms.as_slice() else {
        return None;
    };
    let rows = v.stage == Stage::Rows && !v.keeps_rows();
    let fits = rows
        && term.loss.is_some_and(|l| l.0.name == "cross_entropy")
        && matches!(term.target, TargetLayout::Labels(_));
    fits.then(|| Variant {
        ranked: true,
        ..v.clone()
    })
}

/// The same kernel that counts on its way, by turns as each kind of sample there is for its loss.
fn counted(v: &Variant, turn: usize) -> Option<Variant> {
    let [term] = v.terms.as_slice() else {
        return None;
    };
    let loss = term.loss?.0.make();
    let carried = match loss.math() {
        Math::Elementwise(of) => of.carries()?,
        Math::Rows(_) => return None,
    };
    let fits = v.stage == Stage::Elementwise && matches!(term.target, TargetLayout::Values(_));
    let kinds: &[Counted] = match carried {
        Carried::Logits => &[InputKind::Logits, InputKind::Scores].map(Counted::Binary),
        Carried::Probs => &[InputKind::Probs, InputKind::Scores].map(Counted::Binary),
        Carried::Numbers => &[Counted::Regression],
    };
    let v = Variant {
        counted: Some(kinds[turn % kinds.len()]),
        unroll: 1,
        ..v.clone()
    };
    // What has more buffers is refused.
    (fits && v.roles().len() <= 8).then_some(v)
}

/// Every kernel, named after what it is made of.
fn everything() -> Vec<Variant> {
    let single = loss::all().iter().flat_map(|&info| variants(info));
    let mut all: Vec<_> = single.chain(pairs()).collect();
    // With ranks besides.
    let ranked: Vec<_> = all.iter().filter_map(ranked).collect();
    all.extend(ranked);
    let turns = all.iter().enumerate();
    let counted: Vec<_> = turns.filter_map(|(turn, v)| counted(v, turn)).collect();
    all.extend(counted);
    all
}

/// Texts of kernels that are not those of losses, named.
fn others() -> Vec<(String, String)> {
    let edges = Edge::all().into_iter();
    let mut all: Vec<_> = edges.map(|e| (format!("{e:?}"), e.text())).collect();
    let rows = RowKey::all().into_iter();
    all.extend(rows.map(|key| (format!("{key:?}"), key.text())));
    for labels in LabelType::ALL {
        let name = format!("class weights of {labels:?}");
        all.push((name, crate::gpu::class_weight::compose(labels)));
        for tuning in Tuning::ALL {
            let dtype = DType::ALL[labels as usize % 3];
            let text = crate::gpu::scores::shared_text(tuning, dtype, labels);
            all.push((format!("shared {tuning:?} {dtype} {labels:?}"), text));
        }
        for (tuning, of) in Tuning::ALL
            .iter()
            .flat_map(|t| Scored::all().into_iter().map(|s| (*t, s)))
        {
            for weights in weightings(labels as usize) {
                let name = format!("scores {tuning:?} {of:?} {labels:?} {weights:?}");
                let key = (tuning, of, labels, weights);
                all.push((name, crate::gpu::scores::keep_text(key)));
            }
        }
    }
    for (tuning, what) in Tuning::ALL
        .iter()
        .flat_map(|t| What::all().into_iter().map(|w| (*t, w)))
    {
        for weights in weightings(all.len()) {
            let name = format!("{what:?} {tuning:?} {weights:?}");
            let key = (tuning, what, weights);
            all.push((name, crate::gpu::count::count_text(key)));
        }
    }
    for tuning in Tuning::ALL {
        for merged in [Merged::Words(1), Merged::Counts] {
            let text = crate::gpu::collect::merge_text(tuning, merged);
            all.push((format!("merge {tuning:?} {merged:?}"), text));
        }
        all.push((
            format!("masses {tuning:?}"),
            crate::gpu::scores::mass_text(tuning, DType::F32),
        ));
        all.push((
            format!("bounds {tuning:?}"),
            crate::gpu::count::bounds_text(tuning),
        ));
        for weights in weightings(0) {
            all.push((
                format!("sort {tuning:?} {weights:?}"),
                crate::gpu::scores::sort_text(tuning, weights),
            ));
            all.push((
                format!("areas {tuning:?} {weights:?}"),
                crate::gpu::scores::areas_text(tuning, weights),
            ));
        }
    }
    all
}

/// Without weights, and with some of a type that depends on a number.
fn weightings(turn: usize) -> [Option<DType>; 2] {
    [None, Some(DType::ALL[turn % 3])]
}

/// Parses and validates; the message names what was composed.
fn validated(what: &str, text: &str) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|e| format!("{what}:\n{}", e.emit_to_string(text)))?;
    Validator::new(
        ValidationFlags::all(),
        Capabilities::default() | Capabilities::SUBGROUP,
    )
    .subgroup_stages(ShaderStages::COMPUTE)
    .subgroup_operations(SubgroupOperationSet::all())
    .validate(&module)
    .map_err(|e| format!("{what}:\n{}", e.emit_to_string(text)))?;
    Ok(module)
}

/// Bytes of a type of workgroup memory, where a bool takes a word; naga counts it as one byte.
fn bytes_of(module: &Module, ty: naga::Handle<naga::Type>) -> u32 {
    match &module.types[ty].inner {
        TypeInner::Scalar(naga::Scalar::BOOL) => 4,
        TypeInner::Struct { members, .. } => members.iter().map(|m| bytes_of(module, m.ty)).sum(),
        TypeInner::Array {
            base,
            size: naga::ArraySize::Constant(n),
            ..
        } => n.get() * bytes_of(module, *base),
        inner => inner.size(module.to_ctx()),
    }
}

/// What of WebGPU's default limits a module breaks.
fn over_limits(module: &Module) -> Option<String> {
    let globals = || module.global_variables.iter();
    let buffers = globals().filter(|(_, g)| matches!(g.space, AddressSpace::Storage { .. }));
    let buffers = buffers.count();
    let workgroup: u32 = globals()
        .filter(|(_, g)| g.space == AddressSpace::WorkGroup)
        // Each may be padded to 16 bytes.
        .map(|(_, g)| bytes_of(module, g.ty).next_multiple_of(16))
        .sum();
    let invocations = module.entry_points.iter();
    let invocations = invocations.map(|e| e.workgroup_size.iter().product::<u32>());
    let most = invocations.max().unwrap_or(0);
    let mut bindings = globals().filter_map(|(_, g)| g.binding);
    match () {
        () if buffers > 8 => Some(format!("{buffers} storage buffers, at most 8")),
        () if workgroup > 16384 => Some(format!("{workgroup} bytes of workgroup memory")),
        () if most > 256 => Some(format!("{most} invocations")),
        () if most == 0 => Some("no entry point".into()),
        () if bindings.any(|b| b.group != 0) => Some("a second bind group".into()),
        () => None,
    }
}

/// Members of a struct: name and offset in bytes.
fn members(module: &Module, name: &str) -> Option<Vec<(String, u32)>> {
    module.types.iter().find_map(|(_, ty)| match &ty.inner {
        TypeInner::Struct { members, .. } if ty.name.as_deref() == Some(name) => Some(
            members
                .iter()
                .map(|m| (m.name.clone().unwrap_or_default(), m.offset))
                .collect(),
        ),
        _ => None,
    })
}

#[test]
fn every_variant_is_valid_and_within_the_limits() {
    let mut wrong = Vec::new();
    // What each text binds, as naga sees it; nothing where it is wrong and has been reported.
    let mut texts: BTreeMap<String, Option<Vec<u32>>> = BTreeMap::new();
    for v in everything() {
        let what = format!("{v:?}");
        let declared = texts.entry(compose(&v)).or_insert_with_key(|text| {
            let module = validated(&what, text).map_err(|e| wrong.push(e)).ok()?;
            wrong.extend(over_limits(&module).map(|e| format!("{what}: {e}")));
            let globals = module.global_variables.iter();
            let mut declared: Vec<_> = globals
                .filter_map(|(_, g)| g.binding.map(|b| b.binding))
                .collect();
            declared.sort_unstable();
            let entry = v.entry_point();
            if !module.entry_points.iter().any(|e| e.name == entry) {
                wrong.push(format!("{what}: no entry point {entry}"));
            }
            Some(declared)
        });
        // What the host binds is what the shader declares; the parameters are at 0.
        let bound: Vec<u32> = (0..=v.roles().len() as u32).collect();
        if declared.as_ref().is_some_and(|d| *d != bound) {
            wrong.push(format!("{what}: declares {declared:?}, bound {bound:?}"));
        }
    }
    for (what, text) in others() {
        match validated(&what, &text) {
            Ok(module) => wrong.extend(over_limits(&module).map(|e| format!("{what}: {e}"))),
            Err(e) => wrong.push(e),
        }
    }
    println!("{} texts", texts.len());
    assert!(
        wrong.is_empty(),
        "{} variants are wrong, the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(4)].join("\n")
    );
}

#[test]
fn the_checks_see_what_is_wrong() {
    let text = compose(&variants(loss::all()[0])[0]);
    let module = validated("", &text).expect("good as it is");
    assert_eq!(over_limits(&module), None);
    let refused = |addition: &str| {
        let text = format!("{text}\n{addition}");
        match validated("", &text) {
            Err(_) => true,
            Ok(module) => over_limits(&module).is_some(),
        }
    };
    assert!(!refused("fn another(x: f32) -> f32 { return x; }"));
    assert!(refused("struct Work { x: f32 }"));
    assert!(refused("fn another(x: f32) -> u32 { return x; }"));
    assert!(refused(
        "var<workgroup> large: array<f32, 4096>; var<workgroup> more: f32;"
    ));
    assert!(refused("@compute @workgroup_size(512) fn other() {}"));
    let buffers: String = (12..20)
        .map(|b| format!("@group(0) @binding({b}) var<storage> extra{b}: array<u32>;\n"))
        .collect();
    assert!(refused(&buffers));
}

/// Fields of a struct and their offsets: words, one after the other.
fn offsets(fields: &[(&str, &str)], suffix: &str, from: u32) -> Vec<(String, u32)> {
    let names = fields.iter().enumerate();
    names
        .map(|(k, (name, _))| (format!("{name}{suffix}"), from + 4 * k as u32))
        .collect()
}

#[test]
fn parameters_lie_where_the_shader_reads_them() {
    assert_eq!(4 * PARAMS.len(), size_of::<Params>());
    assert_eq!(4 * TERM_PARAMS.len(), size_of::<TermParams>());
    assert_eq!(4 * CARRIED_PARAMS.len(), size_of::<CarriedParams>());
    let mut kernels: Vec<Variant> = pairs();
    for &info in loss::all() {
        // Nothing but the loss and whether it takes part changes the struct.
        let mut stages = Vec::new();
        for v in variants(info) {
            if !stages.contains(&v.stage) {
                stages.push(v.stage);
                kernels.extend(counted(&v, kernels.len()));
                kernels.push(v);
            }
        }
    }
    for v in kernels {
        let module = validated("", &compose(&v)).expect("valid");
        let mut expected = offsets(PARAMS, "", 0);
        for (k, term) in v.terms.iter().enumerate() {
            let s = match v.terms.len() {
                1 => String::new(),
                _ => format!("_{k}"),
            };
            expected.extend(offsets(TERM_PARAMS, &s, 4 * expected.len() as u32));
            // The values of the options follow, but for a class index, which is among the fields above.
            let options = term.loss.map_or(&[][..], |l| l.0.options).iter();
            for option in options.filter(|o| o.kind != OptionKind::Index) {
                let at = 4 * expected.len() as u32;
                expected.push((format!("opt{s}_{}", option.name), at));
            }
        }
        if v.counted.is_some() {
            expected.extend(offsets(CARRIED_PARAMS, "", 4 * expected.len() as u32));
        }
        assert_eq!(members(&module, "Params"), Some(expected), "{v:?}");
        let work = members(&module, "Work").expect("struct Work");
        let head = 4 * (HEAD * v.heads) as u32;
        assert_eq!(work, [("head".into(), 0), ("leaves".into(), head)], "{v:?}");
    }
}

#[test]
fn the_words_of_the_status_are_the_shaders() {
    let v = variants(loss::all()[0])[0].clone();
    let text = compose(&v);
    for (name, word) in [
        ("DIVISOR", DIVISOR),
        ("LOSS", LOSS),
        ("TOTAL", TOTAL),
        ("BAD_COLUMNS", BAD_COLUMNS),
        ("COUNTED_SUM", COUNTED_SUM as usize),
        ("COUNTED_VALID", COUNTED_VALID as usize),
    ] {
        let line = format!("const {name}: u32 = {word}u;");
        assert!(text.contains(&line), "{line}");
    }
}

#[test]
fn statistics_are_stored_as_they_are_declared() {
    for &info in loss::all() {
        let all = variants(info);
        let v = all.iter().find(|v| v.terms[0].loss.is_some());
        let module = validated(info.name, &compose(v.expect("a kernel"))).expect("valid");
        for name in ["Stat", "Stat2"] {
            let found = module.types.iter().find_map(|(_, ty)| match &ty.inner {
                TypeInner::Struct { members, .. } if ty.name.as_deref() == Some(name) => {
                    let ty = |m: &naga::StructMember| match module.types[m.ty].inner {
                        TypeInner::Scalar(naga::Scalar::F32) => "f32",
                        TypeInner::Scalar(naga::Scalar::U32) => "u32",
                        _ => "neither f32 nor u32",
                    };
                    let named = members.iter();
                    let named =
                        named.map(|m| (m.name.clone().unwrap_or_default(), ty(m).to_string()));
                    Some(named.collect::<Vec<_>>())
                }
                _ => None,
            });
            let stated = terms::fields(info, name);
            match info.family {
                Family::Elementwise => assert_eq!(found, None, "{}", info.name),
                _ => assert_eq!(found.unwrap_or_default(), stated, "{} {name}", info.name),
            }
        }
    }
}

#[test]
fn the_file_of_a_loss_is_mathematics_only() {
    for info in loss::all() {
        let code: String = info
            .wgsl
            .lines()
            .filter_map(|line| line.split("//").next())
            .flat_map(|line| [line, "\n"])
            .collect();
        for word in [
            "@group",
            "@binding",
            "@compute",
            "@workgroup",
            "@builtin",
            "Barrier",
            "var<",
            "atomic",
            "enable ",
            "/*",
        ] {
            assert!(!code.contains(word), "{}: `{word}`", info.name);
        }
    }
}

/// Runs Tint on a file that holds `text`; what it had to say if it refused. Tint wants to be told of subgroups, naga refuses
/// to be.
fn tint(file: &std::path::Path, text: &str) -> Result<(), String> {
    let io = |e: std::io::Error| format!("{}: {e}", file.display());
    let enable = match text.contains("subgroup") {
        true => "enable subgroups;",
        false => "",
    };
    std::fs::File::create(file)
        .and_then(|mut f| f.write_all(format!("{enable}{text}").as_bytes()))
        .map_err(io)?;
    let out = Command::new("tint")
        .args(["--format", "wgsl"])
        .arg(file)
        .output();
    let out = out.map_err(|e| format!("tint: {e}"))?;
    match out.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&out.stderr).into_owned()),
    }
}

#[test]
fn tint_accepts_what_is_composed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let probe = folder.path().join("probe.wgsl");
    if let Err(e) = tint(&probe, "@compute @workgroup_size(1) fn main() {}") {
        let required = std::env::var("WGLOSS_REQUIRE_TINT").is_ok_and(|v| v == "1");
        assert!(!required, "Tint is required, but does not run: {e}");
        // Past the capturing of test output.
        let _ = writeln!(
            std::io::stderr(),
            "not run: Tint on the shaders, because no `tint` that runs is on the PATH ({})",
            e.trim()
        );
        return;
    }
    assert!(
        tint(&probe, "fn f() -> u32 { return 1.0; }").is_err(),
        "Tint accepts what is wrong"
    );
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for v in everything() {
        texts.entry(compose(&v)).or_insert_with(|| format!("{v:?}"));
    }
    texts.extend(others().into_iter().map(|(what, text)| (text, what)));
    let texts: Vec<_> = texts.into_iter().collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().min(8));
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let file = folder.path().join(format!("{worker}.wgsl"));
            let (texts, next, wrong) = (&texts, &next, &wrong);
            scope.spawn(move || {
                while let Some((text, what)) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(e) = tint(&file, text) {
                        let mut wrong = wrong.lock().expect("no worker panics");
                        wrong.push(format!("{what}:\n{e}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no worker panics");
    println!("Tint went through {} texts", texts.len());
    assert!(
        wrong.is_empty(),
        "Tint refuses {} texts, the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n")
    );
}
