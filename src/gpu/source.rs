//! The one place that composes shaders: the loss's file, the common functions, the skeleton, and the
//! declarations that depend on inputs, storage and reduction.

use crate::layout::{TargetLayout, WeightLayout};
use crate::loss::{Info, OptionInfo, OptionKind};
use crate::tensor::{DType, LabelType};
use std::fmt::Write;

/// One buffer of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// An input, by its position.
    Input(usize),
    /// The target: numbers or labels.
    Target,
    /// Weights per element or row.
    Weight,
    /// One number per column: class weights, or an option that is a list.
    Columns,
    /// The gradient by an input.
    Grad(usize),
    /// The losses of elements or rows.
    Loss,
    /// Status, divisor and partial sums.
    Work,
}

impl Role {
    pub(crate) fn binding(self) -> u32 {
        match self {
            Role::Work => 1,
            Role::Input(k) => 2 + k as u32,
            Role::Target => 5,
            Role::Weight => 6,
            Role::Columns => 7,
            Role::Grad(k) => 8 + k as u32,
            Role::Loss => 11,
        }
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Role::Grad(_) | Role::Loss | Role::Work)
    }
}

/// Which kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Elementwise,
    Rows,
    /// Statistics and losses of rows at class axis 1.
    StridedStat,
    /// Their gradients.
    StridedGrad,
    Count,
    Fold,
    Finish,
}

/// Everything that changes the text of a kernel. Values of options do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    pub loss: &'static str,
    pub stage: Stage,
    pub dtype: DType,
    pub target: TargetLayout,
    pub weight: WeightLayout,
    pub columns: bool,
    pub gradient: bool,
    /// Losses are stored one by one instead of summed.
    pub each: bool,
    /// Invocations of a workgroup that takes rows, a power of two.
    pub width: u32,
    /// Every buffer is bound read-write, because one buffer is both read and written.
    pub aliased: bool,
}

impl Variant {
    /// The same kernel under the name that losses share, where no loss takes part in it.
    pub(crate) fn shared(self) -> Variant {
        let shared = Variant {
            loss: "",
            dtype: DType::F32,
            gradient: false,
            each: false,
            ..self
        };
        match self.stage {
            Stage::Count => Variant {
                target: match self.target {
                    TargetLayout::Values(_) => TargetLayout::None,
                    other => other,
                },
                ..shared
            },
            Stage::Fold | Stage::Finish => Variant {
                target: TargetLayout::None,
                weight: WeightLayout::None,
                columns: false,
                ..shared
            },
            _ => self,
        }
    }

    pub(crate) fn entry_point(&self) -> &'static str {
        match self.stage {
            Stage::StridedStat => "stat_main",
            Stage::StridedGrad => "grad_main",
            _ => "main",
        }
    }

    /// The storage buffers of this kernel, `work` first.
    pub(crate) fn roles(&self, info: &Info) -> Vec<Role> {
        let mut roles = vec![Role::Work];
        let inputs = info.inputs.len();
        let main = !matches!(self.stage, Stage::Count | Stage::Fold | Stage::Finish);
        let stores_loss = main && self.each && self.stage != Stage::StridedGrad;
        let stores_grad = main && self.gradient && self.stage != Stage::StridedStat;
        if main {
            roles.extend((0..inputs).map(Role::Input));
        }
        let labels = matches!(self.target, TargetLayout::Labels(_));
        if (main && self.target != TargetLayout::None) || (self.stage == Stage::Count && labels) {
            roles.push(Role::Target);
        }
        let reads = main || self.stage == Stage::Count;
        if reads && self.weight != WeightLayout::None {
            roles.push(Role::Weight);
        }
        if reads && self.columns {
            roles.push(Role::Columns);
        }
        if stores_grad {
            roles.extend((0..inputs).map(Role::Grad));
        }
        if stores_loss {
            roles.push(Role::Loss);
        }
        roles
    }
}

/// Bytes of the work buffer before the leaves.
pub(crate) const WORK_HEADER: u64 = 64;

/// Where in the work buffer the divisor, the upstream gradient and the loss lie. A test holds them against WGSL.
pub(crate) const DIVISOR: u64 = 40;
pub(crate) const UPSTREAM: u64 = 48;
pub(crate) const LOSS: u64 = 52;

/// The parameters that every kernel has. The options of the loss follow.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable, Default)]
pub(crate) struct Params {
    /// Elements of this dispatch.
    pub n: u32,
    /// Rows of this dispatch.
    pub rows: u32,
    pub cols: u32,
    pub inner: u32,
    /// Where in its sample the first element lies.
    pub r0: u32,
    /// Global index of the first row.
    pub row0: u32,
    /// Global index of the first leaf, and the number of leaves here.
    pub leaf0: u32,
    pub leaves: u32,
    /// Where in the leaves the statistics of rows begin.
    pub stat0: u32,
    /// Rows of a workgroup.
    pub group: u32,
    /// First number of each view, counted in its own type from where the binding begins.
    pub off_input: [u32; 3],
    pub off_target: u32,
    pub off_weight: u32,
    pub off_columns: u32,
    pub off_grad: [u32; 3],
    pub off_loss: u32,
    /// The upstream gradient from the host, and whether there is one in the work buffer too.
    pub grad_scale: f32,
    pub has_upstream: u32,
    /// The divisor, unless it is counted into the work buffer.
    pub divisor: f32,
    pub counted: u32,
    /// What the counted sum is multiplied by: columns that share a row's weight.
    pub repeat: f32,
    pub sum_weight: u32,
    pub sum_class_weight: u32,
    pub has_ignore: u32,
    pub ignore_lo: u32,
    pub ignore_hi: u32,
}

/// Names of [`Params`] in WGSL, in order. A test holds the offsets against each other.
const PARAMS: &[&str] = &[
    "n: u32",
    "rows: u32",
    "cols: u32",
    "inner: u32",
    "r0: u32",
    "row0: u32",
    "leaf0: u32",
    "leaves: u32",
    "stat0: u32",
    "group: u32",
    "off_input0: u32",
    "off_input1: u32",
    "off_input2: u32",
    "off_target: u32",
    "off_weight: u32",
    "off_columns: u32",
    "off_grad0: u32",
    "off_grad1: u32",
    "off_grad2: u32",
    "off_loss: u32",
    "grad_scale: f32",
    "has_upstream: u32",
    "divisor: f32",
    "counted: u32",
    "repeat: f32",
    "sum_weight: u32",
    "sum_class_weight: u32",
    "has_ignore: u32",
    "ignore_lo: u32",
    "ignore_hi: u32",
];

const NUMERICS: &str = include_str!("../../shaders/common/numerics.wgsl");
const PIECES: &str = include_str!("../../shaders/common/pieces.wgsl");
const PACK: &str = include_str!("../../shaders/common/pack.wgsl");
const STATUS: &str = include_str!("../../shaders/skeleton/status.wgsl");
const TREE: &str = include_str!("../../shaders/skeleton/tree.wgsl");
const ROWS: &str = include_str!("../../shaders/skeleton/row_losses.wgsl");

/// The WGSL of a kernel. The loss's file comes first, so that its line numbers stay true.
pub(crate) fn compose(info: &Info, v: &Variant) -> String {
    let (skeleton, needs_loss, needs_rows) = match v.stage {
        Stage::Elementwise => (
            include_str!("../../shaders/skeleton/elementwise.wgsl"),
            true,
            false,
        ),
        Stage::Rows => (include_str!("../../shaders/skeleton/rows.wgsl"), true, true),
        Stage::StridedStat | Stage::StridedGrad => (
            include_str!("../../shaders/skeleton/strided.wgsl"),
            true,
            true,
        ),
        Stage::Count => (
            include_str!("../../shaders/skeleton/count.wgsl"),
            false,
            false,
        ),
        Stage::Fold => (
            include_str!("../../shaders/skeleton/fold.wgsl"),
            false,
            false,
        ),
        Stage::Finish => (
            include_str!("../../shaders/skeleton/finish.wgsl"),
            false,
            false,
        ),
    };
    let mut text = String::new();
    if needs_loss {
        text.push_str(info.wgsl);
        text.push_str(PIECES);
    }
    for part in [NUMERICS, PACK, STATUS] {
        text.push_str(part);
    }
    if !needs_rows {
        text.push_str(TREE);
    }
    if needs_rows || v.stage == Stage::Count {
        text.push_str(LABELS);
    }
    if needs_rows {
        text.push_str(ROWS);
    }
    text.push_str(skeleton);
    if v.stage == Stage::Elementwise && !info.wgsl.contains("fn nan_grad(") {
        text.push_str(NAN_GRAD);
    }
    declarations(&mut text, info, v, needs_loss);
    if matches!(v.stage, Stage::StridedStat | Stage::StridedGrad) {
        stat_storage(&mut text, info);
    }
    text
}

/// Where a loss says nothing else, a NaN makes every derivative at its element NaN.
const NAN_GRAD: &str = "fn nan_grad(e: Elem) -> bool { return true; }\n";

const LABELS: &str = include_str!("../../shaders/skeleton/labels.wgsl");

/// `writeln!` to a string cannot fail.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => { { let _ = writeln!($text, $($arg)*); } };
}

fn declarations(text: &mut String, info: &Info, v: &Variant, loss: bool) {
    let roles = v.roles(info);
    let has = |role: Role| roles.contains(&role);
    line!(text, "struct Params {{");
    for field in PARAMS {
        line!(text, "    {field},");
    }
    // A kernel without the loss is shared by all losses, also by those whose parameters are shorter.
    for option in info.options.iter().filter(|_| loss) {
        match option.kind {
            OptionKind::Number | OptionKind::NumberOrColumns => {
                line!(text, "    opt_{}: f32,", option.name);
            }
            OptionKind::Flag => line!(text, "    opt_{}: u32,", option.name),
            OptionKind::Index => {}
        }
    }
    line!(text, "}}");
    line!(text, "struct Work {{");
    line!(text, "    counters: array<atomic<u32>, 10>,");
    line!(
        text,
        "    divisor: f32,\n    unweighted: f32,\n    upstream: f32,\n    loss: u32,"
    );
    line!(
        text,
        "    reserved0: u32,\n    reserved1: u32,\n    leaves: array<f32>,\n}}"
    );
    line!(text, "@group(0) @binding(0) var<uniform> params: Params;");
    for &role in &roles {
        let access = if role.writes() || v.aliased {
            "read_write"
        } else {
            "read"
        };
        let (name, ty) = match role {
            Role::Work => ("work".into(), "Work"),
            _ => (buffer_name(role), "array<u32>"),
        };
        line!(
            text,
            "@group(0) @binding({}) var<storage, {access}> {name}: {ty};",
            role.binding()
        );
    }
    line!(text, "const WIDTH: u32 = {}u;", v.width);
    let labels = matches!(v.target, TargetLayout::Labels(_));
    for (name, value) in [
        ("GRADIENT", v.gradient),
        ("EACH", v.each),
        ("COLUMNS", v.columns),
        ("HAS_LABELS", labels),
        ("WEIGHT_BY_ROW", v.weight == WeightLayout::Row),
        ("NEEDS_COLUMN", v.weight == WeightLayout::Row || v.columns),
    ] {
        line!(text, "const {name}: bool = {value};");
    }

    // Labels as 64-bit numbers in two words.
    let label = match (has(Role::Target), v.target) {
        (true, TargetLayout::Labels(LabelType::U32)) => {
            "let l = b_target[params.off_target + row]; return vec2<u32>(l, 0u);"
        }
        (true, TargetLayout::Labels(LabelType::I32)) => {
            "let l = b_target[params.off_target + row]; return vec2<u32>(l, 0u - (l >> 31u));"
        }
        (true, TargetLayout::Labels(LabelType::I64)) => {
            "let k = 2u * (params.off_target + row); return vec2<u32>(b_target[k], b_target[k + 1u]);"
        }
        _ => "return vec2<u32>(0u);",
    };
    line!(text, "fn load_label(row: u32) -> vec2<u32> {{ {label} }}");
    let weight = match (has(Role::Weight), v.weight) {
        (true, WeightLayout::Element) => "b_weight[params.off_weight + i]",
        (true, WeightLayout::Row) => "b_weight[params.off_weight + row]",
        _ => "0x3f800000u",
    };
    line!(
        text,
        "fn load_weight(i: u32, row: u32) -> u32 {{ return {weight}; }}"
    );
    let column = match (
        has(Role::Columns),
        loss.then(|| list_option(info)).flatten(),
    ) {
        (true, _) => "bitcast<f32>(b_columns[params.off_columns + col])".into(),
        (false, Some(option)) => format!("params.opt_{}", option.name),
        (false, None) => "1.0".into(),
    };
    line!(
        text,
        "fn load_column(col: u32) -> f32 {{ return {column}; }}"
    );
    if has(Role::Loss) {
        line!(
            text,
            "fn store_loss(i: u32, bits: u32) {{ b_loss[params.off_loss + i] = bits; }}"
        );
    } else {
        line!(text, "fn store_loss(i: u32, bits: u32) {{}}");
    }
    if loss {
        loss_types(text, info, v, &roles);
    }
}

/// The option that is a number or a list of one number per column, if the loss has one.
pub(crate) fn list_option(info: &Info) -> Option<&'static OptionInfo> {
    let mut options = info.options.iter();
    options.find(|o| o.kind == OptionKind::NumberOrColumns)
}

fn buffer_name(role: Role) -> String {
    match role {
        Role::Input(k) => format!("b_input{k}"),
        Role::Target => "b_target".into(),
        Role::Weight => "b_weight".into(),
        Role::Columns => "b_columns".into(),
        Role::Grad(k) => format!("b_grad{k}"),
        Role::Loss => "b_loss".into(),
        Role::Work => "work".into(),
    }
}

/// The element, its gradients, and how they are loaded and stored.
fn loss_types(text: &mut String, info: &Info, v: &Variant, roles: &[Role]) {
    let fields =
        |ty: &str| -> String { info.inputs.iter().map(|x| format!("{x}: {ty}, ")).collect() };
    // t: the target, or whether this column is the target's; c: the column's weight.
    line!(
        text,
        "struct Elem {{ {}t: f32, c: f32, col: u32 }}",
        fields("f32")
    );
    line!(text, "struct Grad {{ {}}}", fields("f32"));
    line!(text, "struct GradBits {{ {}}}", fields("u32"));
    line!(text, "struct Term {{ loss: f32, grad: Grad }}");
    line!(
        text,
        "struct Row {{ label: u32, cols: u32, unweighted: f32 }}"
    );
    line!(text, "struct Loaded {{ e: Elem, nan: bool, odd: u32 }}");
    line!(
        text,
        "const SPECIAL_NONE: u32 = 0u;\nconst SPECIAL_NAN: u32 = 1u;\nconst SPECIAL_INF: u32 = 2u;"
    );
    let zeros: Vec<_> = info.inputs.iter().map(|_| "0u").collect();
    line!(
        text,
        "const GRAD_ZERO: GradBits = GradBits({});",
        zeros.join(", ")
    );

    line!(text, "fn load(i: u32, col: u32, label: u32) -> Loaded {{");
    line!(text, "    var nan = false;\n    var odd = 0u;");
    for (k, x) in info.inputs.iter().enumerate() {
        let bits = number(
            v.dtype,
            &format!("b_input{k}"),
            &format!("params.off_input{k}"),
        );
        line!(text, "    let bits_{x} = {bits};");
        line!(text, "    nan = nan || nan_bits(bits_{x});");
        line!(
            text,
            "    odd += u32(!finite_bits(bits_{x}) && !admits(bits_{x}));"
        );
    }
    match v.target {
        TargetLayout::Values(dtype) => {
            line!(
                text,
                "    let bits_t = {};",
                number(dtype, "b_target", "params.off_target")
            );
            line!(
                text,
                "    nan = nan || nan_bits(bits_t);\n    odd += u32(!finite_bits(bits_t));"
            );
            line!(text, "    let t = bitcast<f32>(bits_t);");
        }
        TargetLayout::Labels(_) => line!(text, "    let t = f32(col == label);"),
        TargetLayout::None | TargetLayout::PerRow(_) => line!(text, "    let t = 0.0;"),
    }
    let xs: String = info
        .inputs
        .iter()
        .map(|x| format!("bitcast<f32>(bits_{x}), "))
        .collect();
    line!(
        text,
        "    return Loaded(Elem({xs}t, load_column(col), col), nan, odd);\n}}"
    );

    // The gradients as they are stored: times weight and factor, in f32 bits.
    let sealed: Vec<_> = info
        .inputs
        .iter()
        .map(|x| format!("select(bitcast<u32>(g.{x} * f), NAN_BITS, nan)"))
        .collect();
    line!(
        text,
        "fn seal(g: Grad, f: f32, nan: bool) -> GradBits {{\n    \
         if (nothing_counts()) {{ return GRAD_ZERO; }}\n    return GradBits({});\n}}",
        sealed.join(", ")
    );

    // Two neighbours, the first at an even place, so that both halves of a word have one writer. Where
    // there is no second, the other half belongs to somebody else and keeps its bits.
    line!(
        text,
        "fn store_grads(i: u32, a: GradBits, b: GradBits, both: bool) {{"
    );
    for (k, x) in info.inputs.iter().enumerate() {
        if !roles.contains(&Role::Grad(k)) {
            continue;
        }
        let at = format!("params.off_grad{k} + i");
        let pack = match v.dtype {
            DType::F32 => {
                line!(text, "    b_grad{k}[{at}] = a.{x};");
                line!(text, "    if (both) {{ b_grad{k}[{at} + 1u] = b.{x}; }}");
                continue;
            }
            DType::F16 => "to_f16",
            DType::Bf16 => "to_bf16",
        };
        line!(text, "    let w{k} = ({at}) >> 1u;");
        line!(text, "    var high{k} = b_grad{k}[w{k}] & 0xffff0000u;");
        line!(text, "    if (both) {{ high{k} = {pack}(b.{x}) << 16u; }}");
        line!(text, "    b_grad{k}[w{k}] = {pack}(a.{x}) | high{k};");
    }
    line!(text, "}}");
}

/// The f32 bits of number `i` of a view.
fn number(dtype: DType, buffer: &str, offset: &str) -> String {
    match dtype {
        DType::F32 => format!("{buffer}[{offset} + i]"),
        DType::F16 => format!("from_f16({buffer}[({offset} + i) >> 1u], ({offset} + i) & 1u)"),
        DType::Bf16 => format!("from_bf16({buffer}[({offset} + i) >> 1u], ({offset} + i) & 1u)"),
    }
}

/// The fields of `struct Stat`, each `f32` or `u32`, as the loss's file declares them.
pub(crate) fn stat_fields(info: &Info) -> Vec<(String, String)> {
    let Some(start) = info.wgsl.find("struct Stat {") else {
        return Vec::new();
    };
    let body = &info.wgsl[start + "struct Stat {".len()..];
    let body = &body[..body.find('}').unwrap_or(0)];
    body.lines()
        .map(|l| {
            l.split("//")
                .next()
                .unwrap_or("")
                .trim()
                .trim_end_matches(',')
        })
        .filter_map(|l| l.split_once(": "))
        .map(|(name, ty)| (name.into(), ty.into()))
        .collect()
}

/// How a statistic is kept in the work buffer, word by word.
fn stat_storage(text: &mut String, info: &Info) {
    let fields = stat_fields(info);
    line!(text, "const STAT_WORDS: u32 = {}u;", fields.len());
    line!(text, "fn save_stat(at: u32, s: Stat) {{");
    for (k, (name, ty)) in fields.iter().enumerate() {
        let value = match ty.as_str() {
            // Flags, far below 2^24. As bits they would be subnormal numbers, which a device may flush.
            "u32" => format!("f32(s.{name})"),
            _ => format!("s.{name}"),
        };
        line!(text, "    work.leaves[at + {k}u] = {value};");
    }
    line!(text, "}}\nfn restore_stat(at: u32) -> Stat {{");
    let loads: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(k, (_, ty))| match ty.as_str() {
            "u32" => format!("u32(work.leaves[at + {k}u])"),
            _ => format!("work.leaves[at + {k}u]"),
        })
        .collect();
    line!(text, "    return Stat({});\n}}", loads.join(", "));
}

#[cfg(test)]
mod tests;
