//! What plans cost, where times would be too noisy to tell: dispatches, bytes, and the instructions of the kernels' SPIR-V,
//! each held against a ceiling that is recorded in `tests/data/plan_costs.txt`. `WGLOSS_RECORD=1` records them anew.

use super::{Part, PlanKind, Planner, Tuning};
use crate::custom::Custom;
use crate::gpu::Gpu;
use crate::gpu::source::compose;
use crate::layout::{Layout, Reduction, TargetLayout, WeightLayout};
use crate::loss::{self, Family, Info, Loss, TargetKind};
use crate::tensor::{DType, LabelType};
use naga::back::spv;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use std::collections::{BTreeMap, HashMap};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/plan_costs.txt");

/// Of the device only its limits count, and those are set.
fn gpu() -> Option<Gpu> {
    Some(crate::device::gpu()?.with_limits(128 << 20, 65_535))
}

fn layout(info: &Info, shape: [usize; 2], dtype: DType) -> Layout {
    Layout {
        dtype,
        target: match info.target {
            TargetKind::None => TargetLayout::None,
            TargetKind::Values => TargetLayout::Values(dtype),
            TargetKind::Labels | TargetKind::LabelsOrValues => TargetLayout::Labels(LabelType::I32),
            TargetKind::PerRow => TargetLayout::PerRow(dtype),
        },
        ..Layout::new(shape)
    }
}

fn shapes(info: &Info) -> &'static [[usize; 2]] {
    match info.family {
        Family::Elementwise | Family::Sets => &[[4096, 4096]],
        Family::Rows => &[[4096, 4096], [32, 131_072], [131_072, 128], [65_536, 10]],
    }
}

/// The instructions of the functions of a kernel, as wgpu would hand them to a Vulkan driver.
fn instructions(text: &str) -> usize {
    let module = naga::front::wgsl::parse_str(text).expect("composed shaders parse");
    instructions_of(&module)
}

/// The same of a module.
pub(crate) fn instructions_of(module: &naga::Module) -> usize {
    operations(module).len()
}

/// The numbers of the instructions of a module's functions.
fn operations(module: &naga::Module) -> Vec<u32> {
    let info = Validator::new(
        ValidationFlags::all(),
        Capabilities::default() | Capabilities::SUBGROUP,
    )
    .subgroup_stages(ShaderStages::COMPUTE)
    .subgroup_operations(SubgroupOperationSet::all())
    .validate(module)
    .expect("composed shaders are valid");
    let options = spv::Options {
        lang_version: (1, 3),
        ..Default::default()
    };
    let words = spv::write_vec(module, &info, &options, None).expect("SPIR-V");
    // Behind the header each instruction begins with its length and its number; functions begin with 54.
    let (mut at, mut all, mut inside) = (5, Vec::new(), false);
    while at < words.len() {
        let (length, op) = (words[at] >> 16, words[at] & 0xffff);
        inside |= op == 54;
        all.extend(inside.then_some(op));
        at += length as usize;
    }
    all
}

/// What one plan costs: dispatches, bytes over the least there can be, and instructions of the kernels over the data.
#[derive(Debug, Clone, PartialEq)]
struct Cost {
    dispatches: usize,
    bytes: f64,
    instructions: usize,
}

impl Cost {
    fn line(&self) -> String {
        let Cost {
            dispatches,
            bytes,
            instructions,
        } = self;
        format!("{dispatches} {bytes:.4} {instructions}")
    }

    fn read(text: &str) -> Option<Cost> {
        let mut words = text.split_whitespace();
        Some(Cost {
            dispatches: words.next()?.parse().ok()?,
            bytes: words.next()?.parse().ok()?,
            instructions: words.next()?.parse().ok()?,
        })
    }

    /// What of a ceiling it is over.
    fn over(&self, ceiling: &Cost) -> bool {
        self.dispatches > ceiling.dispatches
            || self.bytes > ceiling.bytes + 1e-4
            || self.instructions > ceiling.instructions
    }
}

/// The cost of one loss with its gradient, without weights, the mean; and the name of its plan.
fn cost(
    gpu: &Gpu,
    info: &'static Info,
    layout: &Layout,
    seen: &mut HashMap<String, usize>,
) -> (&'static str, Cost) {
    let loss = info.make();
    let inputs = (0..info.inputs.len()).collect();
    let parts = [Part::new(&*loss, layout, inputs, 1.0).expect("a good layout")];
    let planner = Planner::new(gpu, &parts).expect("planned");
    let (steps, _) = planner.steps().expect("within the limits");
    let (mut moved, mut instructions_all) = (0, 0);
    for step in steps.iter().filter(|s| s.variant.stage.is_main()) {
        let of = |range: &super::Range| range.len * super::number_size(&parts, range.tensor);
        moved += step.ranges.iter().map(of).sum::<u64>();
        let text = compose(&step.variant);
        instructions_all += *seen
            .entry(text)
            .or_insert_with_key(|text| instructions(text));
    }
    let least = layout.least_bytes(&*loss).expect("a good layout");
    let cost = Cost {
        dispatches: steps.len(),
        bytes: moved as f64 / least as f64,
        instructions: instructions_all,
    };
    (planner.name(&steps), cost)
}

#[test]
fn no_plan_costs_more_than_is_recorded() {
    let Some(gpu) = gpu() else { return };
    let mut found = BTreeMap::new();
    let mut seen = HashMap::new();
    for info in loss::all() {
        for tuning in Tuning::ALL {
            // Hardware and Mesa's driver, both with subgroups.
            let gpu = Gpu {
                subgroup: if tuning == Tuning::Wide { 32 } else { 8 },
                ..gpu.with_tuning(tuning)
            };
            for dtype in [DType::F32, DType::Bf16] {
                for shape in shapes(info) {
                    let (plan, cost) = cost(&gpu, info, &layout(info, *shape, dtype), &mut seen);
                    let [rows, cols] = shape;
                    let name = info.name;
                    let key = format!("{name} {} {dtype} {rows}x{cols} {plan}", tuning.name());
                    found.insert(key, cost);
                }
            }
        }
    }
    if std::env::var("WGLOSS_RECORD").is_ok_and(|v| v == "1") {
        let mut text = String::from(
            "# Loss with gradient, device, storage, shape, plan: dispatches, bytes over the least, instructions of SPIR-V.\n",
        );
        for (key, cost) in &found {
            text += &format!("{key}: {}\n", cost.line());
        }
        std::fs::write(RECORD, text).expect("the record is written");
    }
    let text = std::fs::read_to_string(RECORD).expect("tests/data/plan_costs.txt");
    let recorded: BTreeMap<String, Cost> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(key, cost)| Some((key.to_string(), Cost::read(cost)?)))
        .collect();
    let mut wrong = Vec::new();
    for (key, cost) in &found {
        match recorded.get(key) {
            None => wrong.push(format!("{key}: {}, not recorded", cost.line())),
            Some(ceiling) if cost.over(ceiling) => {
                wrong.push(format!(
                    "{key}: {}, at most {}",
                    cost.line(),
                    ceiling.line()
                ));
            }
            Some(_) => {}
        }
    }
    assert_eq!(recorded.len(), found.len(), "plans that are recorded");
    assert!(
        wrong.is_empty(),
        "{} of {} plans cost more than is recorded (WGLOSS_RECORD=1 records them anew), the first:\n{}",
        wrong.len(),
        found.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
}

#[test]
fn the_gate_sees_what_costs_more() {
    let ceiling = Cost::read("3 1.5000 100").expect("a line");
    assert_eq!(Cost::read(&ceiling.line()), Some(ceiling.clone()));
    assert!(!ceiling.over(&ceiling));
    for (dispatches, bytes, instructions) in [(4, 1.5, 100), (3, 1.501, 100), (3, 1.5, 101)] {
        let cost = Cost {
            dispatches,
            bytes,
            instructions,
        };
        assert!(cost.over(&ceiling), "{cost:?}");
    }
    let text = "fn f(x: f32) -> f32 { return x; }\n@compute @workgroup_size(1) fn main() { var y = f(1.0); }";
    let more = text.replace("return x;", "return x * x + 1.0;");
    assert!(instructions(&more) > instructions(text));
}

/// The most dispatches there may be: counting, a pass over the data (two or three where rows are split), and the end. A
/// divisor that is a sum of weights is folded by one more.
#[test]
fn few_dispatches() {
    let Some(gpu) = gpu() else { return };
    let mut seen = HashMap::new();
    for info in loss::all() {
        for shape in shapes(info) {
            for tuning in Tuning::ALL {
                for (reduction, weight) in [
                    (Reduction::Mean, WeightLayout::None),
                    (Reduction::WeightedMean, WeightLayout::Row),
                ] {
                    let gpu = gpu.with_tuning(tuning);
                    let layout = Layout {
                        reduction,
                        weight,
                        ..layout(info, *shape, DType::F32)
                    };
                    let second = info.wgsl.contains("struct Stat2 {");
                    let (plan, cost) = cost(&gpu, info, &layout, &mut seen);
                    let data = match plan == PlanKind::Split.name() {
                        true => 2 + usize::from(second),
                        false => 1,
                    };
                    let counts = match (info.family, weight) {
                        (Family::Sets, _) => 0,
                        (_, WeightLayout::None) => usize::from(layout.target.judged()),
                        _ => 2,
                    };
                    let most = counts + data + 1;
                    let name = info.name;
                    assert!(
                        cost.dispatches <= most,
                        "{name} {shape:?} {plan}: {cost:?}, at most {most}"
                    );
                }
            }
        }
    }
}

/// The kernel over the data of a loss that has one.
fn kernel(gpu: &Gpu, info: &'static Info, layout: &Layout) -> String {
    let loss = info.make();
    let inputs = (0..info.inputs.len()).collect();
    let parts = [Part::new(&*loss, layout, inputs, 1.0).expect("a good layout")];
    let planner = Planner::new(gpu, &parts).expect("planned");
    let (steps, _) = planner.steps().expect("within the limits");
    let mut main = steps.iter().filter(|s| s.variant.stage.is_main());
    let only = main.next().expect("a kernel over the data");
    assert!(main.next().is_none(), "one kernel over the data");
    compose(&only.variant)
}

/// Instructions of a loss and its gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Own {
    /// Those that compute: built-in functions, conversions, arithmetic, comparisons, selections and bits.
    arithmetic: usize,
    /// These and what carries numbers about: calls, parameters, structures and branches.
    all: usize,
}

impl Own {
    /// What a kernel has more than the same one of a loss and a gradient of 0. Functions that nobody calls do not count, since no driver
    /// keeps them.
    fn of(kernel: &str) -> Own {
        const TERM: &str = "fn term(e: Elem) -> Term {";
        let start = kernel.find(TERM).expect("a loss of elements") + TERM.len();
        let end = start + kernel[start..].find("\n}").expect("its end");
        let idle = " return Term(0.0, Grad(0.0));";
        let idle = [&kernel[..start], idle, &kernel[end..]].concat();
        let [(all, arithmetic), (all_idle, arithmetic_idle)] = [kernel, &idle].map(|text| {
            let mut module = naga::front::wgsl::parse_str(text).expect("composed shaders parse");
            naga::compact::compact(&mut module, naga::compact::KeepUnused::No);
            let operations = operations(&module);
            // Of the sections of SPIR-V's list: extended, conversion, arithmetic, relational and logical, bit.
            let computes = |op: &&u32| matches!(**op, 12 | 109..=124 | 126..=152 | 154..=205);
            (operations.len(), operations.iter().filter(computes).count())
        });
        Own {
            arithmetic: arithmetic - arithmetic_idle,
            all: all - all_idle,
        }
    }
}

/// A loss that a user writes moves what the library's own moves, and its derived gradient takes no more arithmetic than the one that is
/// written by hand. What every kernel has around its loss, some 3,300 instructions, is left out on both sides.
#[test]
fn custom_losses_cost_what_written_ones_do() {
    let Some(gpu) = gpu() else { return };
    // With the arithmetic of loss and gradient as they are derived. By hand mse has as much, and the others more, with what they do
    // about numbers that overflow.
    let texts = [
        (
            "mse",
            include_str!("../../../tests/data/custom/mse.wgsl"),
            3,
        ),
        (
            "huber",
            include_str!("../../../tests/data/custom/huber.wgsl"),
            15,
        ),
        (
            "binary_focal_with_logits",
            include_str!("../../../tests/data/custom/binary_focal_with_logits.wgsl"),
            // Two are a reciprocal, which drivers find to be one: what a quotient and a logarithm change by share it.
            66,
        ),
    ];
    // What it takes to call a derived function, which computes nothing and which drivers put in its place.
    let nothing = Custom::new("nothing", "fn loss(x: f32, t: f32) -> f32 { return 0.0; }");
    let nothing = nothing.expect("a loss").info();
    let mut seen = HashMap::new();
    for (name, text, most) in texts {
        let written = loss::by_name(name).expect("a registered loss").info();
        let custom = Custom::new(name, text).expect("a loss").info();
        for dtype in [DType::F32, DType::Bf16] {
            let layout = |info| layout(info, [1024, 1024], dtype);
            let [(plan, cost), (custom_plan, custom_cost)] =
                [written, custom].map(|info| cost(&gpu, info, &layout(info), &mut seen));
            assert_eq!(plan, custom_plan);
            let straight = |info: &Info| info.wgsl.contains("const STRAIGHT: bool = true;");
            assert_eq!(straight(written), straight(custom), "{name}");
            assert_eq!(
                (cost.dispatches, cost.bytes),
                (custom_cost.dispatches, custom_cost.bytes),
                "{name}"
            );
            let of = |info| Own::of(&kernel(&gpu, info, &layout(info)));
            let [by_hand, derived, call] = [written, custom, nothing].map(of);
            let found = format!(
                "{name} {dtype}: by hand {by_hand:?}, derived {derived:?}, the call {call:?}"
            );
            println!("{found}");
            assert!(
                derived.arithmetic <= most.min(by_hand.arithmetic),
                "{found}"
            );
            // Besides, the call computes nothing.
            assert_eq!(call.arithmetic, 0, "{found}");
            assert!(derived.all <= by_hand.all + call.all, "{found}");
        }
    }
}
