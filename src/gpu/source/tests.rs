//! Every text that can be composed, held against naga, Tint and WebGPU's default limits. No device is needed.

use super::{
    DIVISOR, LOSS, PARAMS, Params, Role, Stage, UPSTREAM, Variant, WORK_HEADER, compose,
    stat_fields,
};
use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{self, Family, Info, OptionKind, TargetKind};
use crate::tensor::{DType, LabelType};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, TypeInner};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::{offset_of, size_of};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The variants that the planner makes for a loss, and those that binding one buffer twice makes of them.
fn variants(info: &'static Info) -> Vec<Variant> {
    let stages: &[Stage] = match info.family {
        Family::Elementwise => &[Stage::Elementwise, Stage::Count, Stage::Fold, Stage::Finish],
        Family::Rows | Family::Sets => &[
            Stage::Rows,
            Stage::StridedStat,
            Stage::StridedGrad,
            Stage::Count,
            Stage::Fold,
            Stage::Finish,
        ],
    };
    let mut targets = Vec::new();
    if info.target == TargetKind::None {
        targets.push(TargetLayout::None);
    } else {
        targets.extend(DType::ALL.map(TargetLayout::Values));
    }
    if info.target == TargetKind::LabelsOrValues {
        targets.extend(LabelType::ALL.map(TargetLayout::Labels));
    }
    let weights: &[WeightLayout] = match info.family {
        Family::Elementwise | Family::Sets => {
            &[WeightLayout::None, WeightLayout::Element, WeightLayout::Row]
        }
        Family::Rows => &[WeightLayout::None, WeightLayout::Row],
    };
    let columns: &[bool] = match info.class_weight || super::list_option(info).is_some() {
        true => &[false, true],
        false => &[false],
    };
    let both = [false, true];
    let mut out = Vec::new();
    for &stage in stages {
        for dtype in DType::ALL {
            for &target in &targets {
                for &weight in weights {
                    for &columns in columns {
                        for gradient in both {
                            for each in both {
                                for aliased in both {
                                    out.extend(made(Variant {
                                        loss: info.name,
                                        stage,
                                        dtype,
                                        target,
                                        weight,
                                        columns,
                                        gradient,
                                        each,
                                        width: 256,
                                        aliased,
                                    }));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    let mut distinct = Vec::new();
    // Workgroups for rows are made for the columns there are; the text differs in nothing else.
    let rows: Vec<Variant> = out
        .iter()
        .filter(|v| v.stage == Stage::Rows)
        .take(1)
        .copied()
        .collect();
    let narrow = rows
        .iter()
        .flat_map(|&v| [32, 64, 128].map(|width| Variant { width, ..v }));
    let narrow: Vec<Variant> = narrow.collect();
    for v in out.into_iter().chain(narrow) {
        if !distinct.contains(&v) {
            distinct.push(v);
        }
    }
    distinct
}

/// `v` as the planner has it, or nothing where it never makes it.
fn made(v: Variant) -> Option<Variant> {
    (v.stage != Stage::StridedGrad || v.gradient).then(|| v.shared())
}

/// Parses and validates; the message names what was composed.
fn validated(what: &str, text: &str) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|e| format!("{what}:\n{}", e.emit_to_string(text)))?;
    Validator::new(ValidationFlags::all(), Capabilities::default())
        .validate(&module)
        .map_err(|e| format!("{what}:\n{}", e.emit_to_string(text)))?;
    Ok(module)
}

/// What of WebGPU's default limits a module breaks.
fn over_limits(module: &Module) -> Option<String> {
    let globals = || module.global_variables.iter();
    let buffers = globals().filter(|(_, g)| matches!(g.space, AddressSpace::Storage { .. }));
    let buffers = buffers.count();
    let size = |g: &naga::GlobalVariable| module.types[g.ty].inner.size(module.to_ctx());
    let workgroup: u32 = globals()
        .filter(|(_, g)| g.space == AddressSpace::WorkGroup)
        // Each may be padded to 16 bytes.
        .map(|(_, g)| size(g).next_multiple_of(16))
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
    for info in loss::all() {
        for v in variants(info) {
            let what = format!("{} {v:?}", info.name);
            let declared = texts.entry(compose(info, &v)).or_insert_with_key(|text| {
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
            let mut bound: Vec<_> = v.roles(info).into_iter().map(Role::binding).collect();
            bound.push(0);
            bound.sort_unstable();
            if declared.as_ref().is_some_and(|d| *d != bound) {
                wrong.push(format!("{what}: declares {declared:?}, bound {bound:?}"));
            }
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
    let (info, v) = sample();
    let text = compose(info, &v);
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

/// The first loss with some variant of its main kernel.
fn sample() -> (&'static Info, Variant) {
    let info = loss::all()[0];
    (info, variants(info)[0])
}

/// A kernel that belongs to no loss is compiled once and used for every loss, so its text must not depend on one.
#[test]
fn shared_kernels_are_the_same_for_every_loss() {
    let mut seen: Vec<(Variant, &str, String)> = Vec::new();
    let mut wrong = String::new();
    for info in loss::all() {
        for v in variants(info).into_iter().filter(|v| v.loss.is_empty()) {
            let text = compose(info, &v);
            match seen.iter().find(|(known, ..)| *known == v) {
                None => seen.push((v, info.name, text)),
                Some((_, first, known)) if *known != text => {
                    let _ = writeln!(wrong, "{v:?} of {} is not that of {first}", info.name);
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

macro_rules! offsets {
    ($($field:ident $([$($name:ident),+])?),* $(,)?) => {{
        let mut out: Vec<(&str, usize)> = Vec::new();
        $( offsets!(@ out, $field $(, $($name),+)?); )*
        out
    }};
    (@ $out:ident, $field:ident) => {
        $out.push((stringify!($field), offset_of!(Params, $field)));
    };
    (@ $out:ident, $field:ident, $($name:ident),+) => {
        for (k, name) in [$(stringify!($name)),+].into_iter().enumerate() {
            $out.push((name, offset_of!(Params, $field) + 4 * k));
        }
    };
}

#[test]
fn parameters_lie_where_the_shader_reads_them() {
    let rust = offsets!(
        n,
        rows,
        cols,
        inner,
        r0,
        row0,
        leaf0,
        leaves,
        stat0,
        group,
        off_input[off_input0, off_input1, off_input2],
        off_target,
        off_weight,
        off_columns,
        off_grad[off_grad0, off_grad1, off_grad2],
        off_loss,
        grad_scale,
        has_upstream,
        divisor,
        counted,
        repeat,
        sum_weight,
        sum_class_weight,
        has_ignore,
        ignore_lo,
        ignore_hi,
    );
    // Every word of the struct has a name above.
    assert_eq!(4 * rust.len(), size_of::<Params>());
    assert_eq!(rust.len(), PARAMS.len());
    for info in loss::all() {
        // Nothing but the loss and whether it takes part changes the struct.
        let mut stages = Vec::new();
        for v in variants(info) {
            if stages.contains(&v.stage) {
                continue;
            }
            stages.push(v.stage);
            let module = validated(info.name, &compose(info, &v)).expect("valid");
            let found = members(&module, "Params").expect("struct Params");
            let mut expected: Vec<(String, u32)> = rust
                .iter()
                .map(|&(name, offset)| (name.to_string(), offset as u32))
                .collect();
            // The values of the options follow, but for a class index, which is among the fields above.
            let options = info.options.iter().filter(|o| o.kind != OptionKind::Index);
            let options = options.filter(|_| !v.loss.is_empty());
            for (k, option) in options.enumerate() {
                let offset = size_of::<Params>() + 4 * k;
                expected.push((format!("opt_{}", option.name), offset as u32));
            }
            assert_eq!(found, expected, "{} {v:?}", info.name);
            let work = members(&module, "Work").expect("struct Work");
            for (name, offset) in [
                ("counters", 0),
                ("divisor", DIVISOR),
                ("upstream", UPSTREAM),
                ("loss", LOSS),
                ("leaves", WORK_HEADER),
            ] {
                let found = work.iter().find(|m| m.0 == name).map(|m| u64::from(m.1));
                assert_eq!(found, Some(offset), "{name} in Work of {v:?}");
            }
        }
    }
    // The number before each colon in PARAMS is the name; its type is that of the Rust field by size.
    for (line, (name, _)) in PARAMS.iter().zip(&rust) {
        let (known, ty) = line.split_once(": ").expect("a name and a type");
        assert_eq!(known, *name);
        assert!(matches!(ty, "u32" | "f32"), "{line}");
    }
}

#[test]
fn statistics_are_stored_as_they_are_declared() {
    for info in loss::all() {
        let Some(v) = variants(info).into_iter().find(|v| v.loss == info.name) else {
            panic!("{}: no kernel", info.name);
        };
        let module = validated(info.name, &compose(info, &v)).expect("valid");
        let found = module.types.iter().find_map(|(_, ty)| match &ty.inner {
            TypeInner::Struct { members, .. } if ty.name.as_deref() == Some("Stat") => {
                let ty = |m: &naga::StructMember| match module.types[m.ty].inner {
                    TypeInner::Scalar(naga::Scalar::F32) => "f32",
                    TypeInner::Scalar(naga::Scalar::U32) => "u32",
                    _ => "neither f32 nor u32",
                };
                Some(
                    members
                        .iter()
                        .map(|m| (m.name.clone().unwrap_or_default(), ty(m).to_string()))
                        .collect::<Vec<_>>(),
                )
            }
            _ => None,
        });
        match info.family {
            Family::Rows | Family::Sets => {
                assert_eq!(found, Some(stat_fields(info)), "{}", info.name)
            }
            Family::Elementwise => assert_eq!(found, None, "{}", info.name),
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

/// Runs Tint on a file that holds `text`; what it had to say if it refused.
fn tint(file: &std::path::Path, text: &str) -> Result<(), String> {
    let io = |e: std::io::Error| format!("{}: {e}", file.display());
    std::fs::File::create(file)
        .and_then(|mut f| f.write_all(text.as_bytes()))
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
    for info in loss::all() {
        for v in variants(info) {
            let what = format!("{} {v:?}", info.name);
            texts.entry(compose(info, &v)).or_insert(what);
        }
    }
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
