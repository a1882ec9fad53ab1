//! What there is to draw: every loss along a line through its inputs, and the losses of a family side by side. It
//! follows from what the registry says of a loss, so that a new one gets its picture like the others.

use crate::batch::Batch;
use crate::cli::error::Failure;
use crate::error::Result;
use crate::layout::Reduction;
use crate::loss::{
    Family, Info, Loss, OptionKind, OptionValue, Range, Support, TargetKind, all as losses,
};
use crate::reference;

/// A loss or several: their values, and their derivatives along the horizontal axis.
pub struct Picture {
    /// Of the files, without an ending.
    pub name: String,
    pub title: String,
    /// What runs along the horizontal axis, and the letter for it.
    pub axis: String,
    pub by: &'static str,
    /// From where to where the axis goes.
    pub range: (f64, f64),
    /// What each colour stands for, and what each kind of line.
    pub colours: Vec<String>,
    pub lines: Vec<String>,
    pub curves: Vec<Curve>,
}

/// One curve of each panel.
pub struct Curve {
    /// None for a curve that is the same for all of them.
    pub colour: Option<usize>,
    pub line: usize,
    pub points: Vec<Point>,
}

/// A loss and its derivative at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at: f64,
    pub loss: f64,
    pub slope: f64,
}

/// Every picture: the losses in the order of the registry, then the families.
pub fn all() -> std::result::Result<Vec<Picture>, Failure> {
    let mut pictures = Vec::new();
    for info in losses() {
        pictures.push(single(info)?);
    }
    for kind in Kind::ALL {
        let members: Vec<_> = losses().iter().filter(|i| Kind::of(i) == kind).collect();
        if members.len() > 1 {
            pictures.push(together(kind, &members)?);
        }
    }
    Ok(pictures)
}

/// The pictures of single losses.
pub fn of(losses: &[&'static Info]) -> std::result::Result<Vec<Picture>, Failure> {
    let all = losses.iter().map(|info| single(info));
    Ok(all.collect::<Result<Vec<_>>>()?)
}

/// What a loss compares, which decides what it is drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Regression,
    NonNegative,
    Probabilities,
    LogProbabilities,
    Logits,
    Margin,
    Penalties,
    Classification,
    Distributions,
    Embeddings,
    Sets,
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::Regression,
        Kind::NonNegative,
        Kind::Probabilities,
        Kind::LogProbabilities,
        Kind::Logits,
        Kind::Margin,
        Kind::Penalties,
        Kind::Classification,
        Kind::Distributions,
        Kind::Embeddings,
        Kind::Sets,
    ];

    fn of(info: &Info) -> Kind {
        let target = match info.target {
            TargetKind::None => None,
            _ => info.domain.last().copied(),
        };
        match (info.family, info.target, support(info), target) {
            (Family::Sets, ..) => Kind::Sets,
            (Family::Elementwise, TargetKind::None, ..) => Kind::Penalties,
            (Family::Elementwise, _, _, Some(Support::Sign)) => Kind::Margin,
            (Family::Elementwise, _, input, _) => match input {
                Support::Logit => Kind::Logits,
                Support::Probability => Kind::Probabilities,
                Support::LogProbability => Kind::LogProbabilities,
                Support::NonNegative => Kind::NonNegative,
                _ => Kind::Regression,
            },
            (Family::Rows, TargetKind::Labels | TargetKind::LabelsOrValues, ..) => {
                Kind::Classification
            }
            (Family::Rows, TargetKind::Values, _, Some(Support::Probability)) => {
                Kind::Classification
            }
            (Family::Rows, TargetKind::Values, Support::Logit, _) => Kind::Distributions,
            (Family::Rows, ..) => Kind::Embeddings,
        }
    }

    /// The name of a family's picture, and its title.
    fn family(self) -> (&'static str, &'static str) {
        match self {
            Kind::Regression => ("regression", "Regression, target 1"),
            Kind::NonNegative => ("nonnegative", "Numbers of at least 0, target 1"),
            Kind::Probabilities => ("binary-probabilities", "Binary, on probabilities, target 1"),
            Kind::LogProbabilities => ("log-probabilities", "On log-probabilities, target 1"),
            Kind::Logits => ("binary-logits", "Binary, on logits, target 1"),
            Kind::Margin => ("margin", "Margins, target 1"),
            Kind::Penalties => ("penalties", "Penalties"),
            Kind::Classification => ("classification", "Classification, 4 classes"),
            Kind::Distributions => (
                "distributions",
                "Distributions, 4 classes, the teacher's logits 2, 0, 0, 0",
            ),
            Kind::Embeddings => ("embeddings", "Embeddings, vectors of length 1"),
            Kind::Sets => ("sets", "Ratios of overlap, two sets of one size"),
        }
    }
}

fn support(info: &Info) -> Support {
    info.domain.first().copied().unwrap_or(Support::Real)
}

/// What a row is compared with.
#[derive(Debug, Clone)]
enum Goal {
    None,
    Values(Vec<f64>),
    /// The class 0.
    Label,
    Number(f64),
}

/// A line through the inputs.
struct Sweep {
    axis: String,
    by: &'static str,
    range: (f64, f64),
    /// Whether the curve stops short of the ends, where logarithms and norms have no derivative.
    open: bool,
    /// The inputs of a row at a place of the line.
    row: Box<dyn Fn(f64) -> Vec<Vec<f64>>>,
    goal: Goal,
}

const CLASSES: usize = 4;
/// An odd number, so that kinks in the middle of an axis are met.
const POINTS: usize = 601;

/// The loss and its derivative along the line.
fn evaluate(loss: &dyn Loss, sweep: &Sweep) -> Result<Vec<Point>> {
    let (low, high) = sweep.range;
    let short = if sweep.open { 2e-3 * (high - low) } else { 0.0 };
    let step = (high - low - 2.0 * short) / (POINTS - 1) as f64;
    let places = (0..POINTS).map(|i| low + short + step * i as f64);
    let places: Vec<f64> = places.collect();
    let rows: Vec<_> = places.iter().map(|&at| (sweep.row)(at)).collect();
    let inputs = loss.info().inputs.len();
    let cols = rows[0][0].len();
    let input = |k: usize| -> Vec<f64> { rows.iter().flat_map(|row| row[k].clone()).collect() };
    let mut batch = Batch::new([POINTS, cols], input(0)).reduction(Reduction::None);
    for k in 1..inputs {
        batch = batch.input(input(k));
    }
    batch = match &sweep.goal {
        Goal::None => batch,
        Goal::Values(t) => batch.target(t.repeat(POINTS)),
        Goal::Number(t) => batch.target(vec![*t; POINTS]),
        Goal::Label => batch.labels(vec![0i64; POINTS]),
    };
    let out = reference::loss(loss, &batch)?;
    let points = places.iter().enumerate().map(|(i, &at)| {
        // By the chain rule: the gradient along the direction in which the line runs.
        let h = 1e-3 * step;
        let (before, after) = ((sweep.row)(at - h), (sweep.row)(at + h));
        let mut slope = 0.0;
        for (k, grad) in out.grads.iter().enumerate() {
            let ways = before[k].iter().zip(&after[k]);
            for (g, (a, b)) in grad[i * cols..][..cols].iter().zip(ways) {
                // A number that stays where it is does not count, even where its derivative is infinite.
                if a != b {
                    slope += g * (b - a) / (2.0 * h);
                }
            }
        }
        Point {
            at,
            loss: out.losses[i],
            slope,
        }
    });
    Ok(points.collect())
}

/// Options that are worth more than one curve, the first that a loss has; with the values, or half and twice the default.
const VARIED: &[(&str, &[f32])] = &[
    ("gamma", &[0.0, 1.0, 2.0, 5.0]),
    ("q", &[0.1, 0.5, 0.9]),
    ("delta", &[]),
    ("temperature", &[]),
    ("margin", &[]),
    ("pos_weight", &[]),
    ("positive_weight", &[]),
    ("factor", &[]),
    ("alpha", &[]),
    ("beta", &[]),
    ("log_input", &[]),
];

/// A loss, and the value of the option that makes it differ from its like.
type Variant = (String, Box<dyn Loss>);

/// The loss with default options, or with several values of one option, whose name comes along.
fn variants(info: &'static Info) -> (Option<&'static str>, Vec<Variant>) {
    let defaults = info.make().options();
    let options = || info.options.iter().zip(&defaults);
    let chosen = VARIED
        .iter()
        .find_map(|(name, values)| Some((options().find(|(o, _)| o.name == *name)?, *values)));
    // Of a loss that nobody knows here, the first there is.
    let first = || Some((options().next()?, &[][..]));
    let chosen = chosen.or_else(|| first().filter(|_| info.is_custom()));
    let Some(((option, default), values)) = chosen else {
        return (None, vec![(String::new(), fresh(info))]);
    };
    let mut values: Vec<OptionValue> = match (option.kind, default) {
        (OptionKind::Flag, _) => [true, false].map(OptionValue::Flag).into(),
        (_, OptionValue::Number(d)) => {
            let mut numbers = match values {
                [] if option.range == Range::Inside => vec![0.1, 0.9],
                [] if *d == 0.0 => vec![0.5, 1.0],
                [] => vec![0.5 * d, 2.0 * d],
                values => values.to_vec(),
            };
            numbers.push(*d);
            numbers.sort_by(f32::total_cmp);
            numbers.dedup();
            numbers.into_iter().map(OptionValue::Number).collect()
        }
        _ => Vec::new(),
    };
    if values.is_empty() {
        values.push(default.clone());
    }
    let made = values.into_iter().filter_map(|value| {
        let mut loss = fresh(info);
        let note = if value == *default { " (default)" } else { "" };
        let label = format!("{} = {value}{note}", option.name);
        // A value that this loss does not take is left out.
        loss.set(option.name, value).ok()?;
        Some((label, loss))
    });
    (Some(option.name), made.collect())
}

/// The loss with default options, but every row of a set ratio by itself: a row is a place of the line.
fn fresh(info: &'static Info) -> Box<dyn Loss> {
    let mut loss = info.make();
    if info.family == Family::Sets {
        // Sets have it; another loss would stay as it is.
        let _ = loss.set("per_row", OptionValue::Flag(true));
    }
    loss
}

/// The picture of one loss: colours for the values of an option, kinds of lines for targets.
fn single(info: &'static Info) -> Result<Picture> {
    let (varied, variants) = variants(info);
    let sweeps = sweeps(info)?;
    let mut curves = Vec::new();
    for (colour, (_, loss)) in variants.iter().enumerate() {
        for (line, (_, sweep)) in sweeps.iter().enumerate() {
            let points = evaluate(loss.as_ref(), sweep)?;
            curves.push(Curve {
                colour: Some(colour),
                line,
                points,
            });
        }
    }
    // Where the target makes no difference one line is enough, and where the option makes none one colour.
    let same = curves.iter().all(|c| {
        let first = curves.iter().find(|f| f.colour == c.colour);
        first.is_some_and(|f| close(&f.points, &c.points, 1e-9))
    });
    if same {
        curves.retain(|c| c.line == 0);
    }
    for line in 0..sweeps.len() {
        let mut all = curves.iter_mut().filter(|c| c.line == line);
        if let (Some(first), mut others) = (all.next(), all)
            && variants.len() > 1
            && others.all(|c| close(&first.points, &c.points, 1e-9))
        {
            first.colour = None;
            curves.retain(|c| c.line != line || c.colour.is_none());
        }
    }
    let fixed: Vec<_> = info
        .options
        .iter()
        .zip(info.make().options())
        .filter(|(o, v)| Some(o.name) != varied && matches!(v, OptionValue::Number(_)))
        .map(|(o, v)| format!("{} = {v}", o.name))
        .collect();
    let labels = || sweeps.iter().map(|(label, _)| label.clone());
    let (axis, by, range) = match sweeps.as_slice() {
        [] => (String::new(), "", (0.0, 1.0)),
        [(_, one)] => (one.axis.clone(), one.by, one.range),
        [(_, one), ..] if !same => (one.axis.clone(), one.by, one.range),
        [(_, one), ..] => {
            let labels: Vec<_> = labels().collect();
            let axis = format!("{}, {}", one.axis, labels.join(" or "));
            (axis, one.by, one.range)
        }
    };
    Ok(Picture {
        name: info.name.into(),
        title: match fixed.is_empty() {
            true => info.name.into(),
            false => format!("{}, {}", info.name, fixed.join(", ")),
        },
        axis,
        by,
        range,
        colours: match varied {
            Some(_) => variants.into_iter().map(|(label, _)| label).collect(),
            None => Vec::new(),
        },
        lines: match same {
            true => Vec::new(),
            false => labels().collect(),
        },
        curves,
    })
}

/// Whether two curves are one, but for a `part` of their height.
fn close(a: &[Point], b: &[Point], part: f64) -> bool {
    let near = |value: fn(&Point) -> f64| {
        let most = a.iter().map(|p| value(p).abs()).fold(0.0, f64::max);
        let gap = |(a, b): (&Point, &Point)| (value(a) - value(b)).abs() <= part * most;
        a.iter().zip(b).all(gap)
    };
    near(|p| p.loss) && near(|p| p.slope)
}

/// The lines that one loss is drawn along, each with the name of its target.
fn sweeps(info: &'static Info) -> Result<Vec<(String, Sweep)>> {
    let kind = Kind::of(info);
    let one = |sweep: Sweep| vec![(String::new(), sweep)];
    Ok(match kind {
        Kind::Classification => one(over_class(info)),
        Kind::Distributions => one(over_student()),
        Kind::Sets => one(over_overlap(info)),
        Kind::Embeddings => {
            let free = scale_free(info)?;
            ends(info)
                .into_iter()
                .map(|(label, goal)| match free {
                    true => (label, over_angle(info, goal)),
                    false => (label, over_distance(info, goal)),
                })
                .collect()
        }
        _ => elementwise(info, kind),
    })
}

/// Over one input, for several targets; or for several scales, where a second input is one.
fn elementwise(info: &Info, kind: Kind) -> Vec<(String, Sweep)> {
    let (targets, low, high): (&[f64], f64, f64) = match kind {
        _ if info.is_custom() && info.target != TargetKind::None => (&[1.0, 0.0, -1.0], -3.0, 3.0),
        Kind::NonNegative => (&[1.0, 3.0], 0.0, 3.0),
        Kind::Probabilities => (&[1.0, 0.0], 0.0, 1.0),
        Kind::LogProbabilities => (&[1.0, 0.5, 0.25], -5.0, 0.0),
        Kind::Logits => (&[1.0, 0.0], -6.0, 6.0),
        Kind::Penalties => (&[0.0], -3.0, 3.0),
        _ => (&[1.0, -1.0], -3.0, 3.0),
    };
    let first = info.inputs.first().copied().unwrap_or("x");
    let second = info.inputs.get(1).copied();
    // What the other inputs are: a scale of 1, a score of 0.
    let others: Vec<f64> = (1..info.inputs.len())
        .map(|k| match info.domain.get(k) {
            Some(Support::NonNegative | Support::Probability) => 1.0,
            // It may be a scale as well as a score.
            _ if info.is_custom() => 1.0,
            _ => 0.0,
        })
        .collect();
    let axis = match (kind, second) {
        _ if info.is_custom() => first.into(),
        (Kind::Regression, _) => format!("error {first} − t"),
        (Kind::Margin, Some(second)) => format!("{first} − {second}"),
        (Kind::Probabilities, _) => format!("probability {first}"),
        (Kind::LogProbabilities, _) => format!("log-probability {first}"),
        (Kind::Logits, _) => format!("logit {first}"),
        _ => first.into(),
    };
    let make = |t: f64, others: Vec<f64>| {
        let shift = match kind {
            Kind::Regression if !info.is_custom() => t,
            _ => 0.0,
        };
        Sweep {
            axis: axis.clone(),
            by: first,
            range: (low, high),
            open: matches!(kind, Kind::Probabilities | Kind::NonNegative),
            row: Box::new(move |at| {
                let rest = others.iter().map(|&v| vec![v]);
                std::iter::once(vec![at + shift]).chain(rest).collect()
            }),
            goal: match kind {
                Kind::Penalties => Goal::None,
                _ => Goal::Values(vec![t]),
            },
        }
    };
    match (second, info.domain.get(1)) {
        (Some(second), Some(Support::NonNegative)) => [0.25, 1.0, 4.0]
            .map(|scale| {
                let mut others = others.clone();
                others[0] = scale;
                (format!("{second} = {scale}"), make(targets[0], others))
            })
            .into(),
        _ => targets
            .iter()
            .map(|&t| (target(t), make(t, others.clone())))
            .collect(),
    }
}

fn target(t: f64) -> String {
    format!("t = {t}").replace('-', "−")
}

/// The true class, as an index where the loss takes one.
fn true_class(info: &Info) -> Goal {
    match info.target {
        TargetKind::Labels | TargetKind::LabelsOrValues => Goal::Label,
        _ => Goal::Values((0..CLASSES).map(|c| f64::from(u8::from(c == 0))).collect()),
    }
}

/// A row of one number for class 0 and another for the rest.
fn one_and_rest(one: f64, rest: f64) -> Vec<f64> {
    let mut row = vec![rest; CLASSES];
    row[0] = one;
    row
}

/// Over what the input is, for the true class of several.
fn over_class(info: &Info) -> Sweep {
    let rest = (CLASSES - 1) as f64;
    let goal = true_class(info);
    match support(info) {
        Support::Probability => over_probability(info),
        Support::LogProbability => Sweep {
            axis: "log-probability of the true class, the others share the rest".into(),
            by: "x",
            range: (-5.0, 0.0),
            open: true,
            row: Box::new(move |at| vec![one_and_rest(at, (-at.exp_m1() / rest).ln())]),
            goal,
        },
        what => Sweep {
            axis: match what {
                Support::Logit => "logit of the true class, 3 others at 0".into(),
                _ => "score of the true class, 3 others at 0".into(),
            },
            by: "x",
            range: (-6.0, 6.0),
            open: false,
            row: Box::new(|at| vec![one_and_rest(at, 0.0)]),
            goal,
        },
    }
}

/// Over the probability of the true class, whatever the input is: a logarithm of probabilities is as good a logit as any.
fn over_probability(info: &Info) -> Sweep {
    let rest = (CLASSES - 1) as f64;
    let logs = support(info) != Support::Probability;
    Sweep {
        axis: "probability of the true class, the others share the rest".into(),
        by: "p",
        range: (0.0, 1.0),
        open: true,
        row: Box::new(move |at| {
            let row = one_and_rest(at, (1.0 - at) / rest);
            match logs {
                true => vec![row.into_iter().map(f64::ln).collect()],
                false => vec![row],
            }
        }),
        goal: true_class(info),
    }
}

/// Over the student's logit of the class that the teacher prefers.
fn over_student() -> Sweep {
    Sweep {
        axis: "student's logit of one class, its others 0; teacher's logits 2, 0, 0, 0".into(),
        by: "x",
        range: (-6.0, 6.0),
        open: false,
        row: Box::new(|at| vec![one_and_rest(at, 0.0)]),
        goal: Goal::Values(one_and_rest(2.0, 0.0)),
    }
}

/// The targets of a loss of embeddings, by name: numbers of a row, or a vector.
fn ends(info: &Info) -> Vec<(String, Goal)> {
    let numbers: &[f64] = match (info.target, info.domain.last()) {
        (TargetKind::PerRow, Some(Support::Sign)) => &[1.0, -1.0],
        (TargetKind::PerRow, _) => &[1.0, 0.0],
        (TargetKind::None, _) => return vec![(String::new(), Goal::None)],
        _ => return vec![(String::new(), Goal::Values(axis(0)))],
    };
    let named = |&t: &f64| (target(t), Goal::Number(t));
    numbers.iter().map(named).collect()
}

/// A vector of length 1 along an axis.
fn axis(k: usize) -> Vec<f64> {
    (0..CLASSES).map(|c| f64::from(u8::from(c == k))).collect()
}

/// Whether vectors count by their direction only.
fn scale_free(info: &'static Info) -> Result<bool> {
    let loss = fresh(info);
    let goal = ends(info).into_iter().next();
    let at = |scale: f64| {
        let Some((_, goal)) = goal.clone() else {
            return Ok(Vec::new());
        };
        let mut sweep = over_angle(info, goal);
        let row = sweep.row;
        sweep.row = Box::new(move |at| {
            let vectors = row(at).into_iter();
            vectors
                .map(|v| v.into_iter().map(|x| scale * x).collect())
                .collect()
        });
        evaluate(loss.as_ref(), &sweep)
    };
    let (once, twice) = (at(1.0)?, at(2.0)?);
    let near = |(a, b): (&Point, &Point)| (a.loss - b.loss).abs() < 1e-6;
    Ok(once.iter().zip(&twice).all(near))
}

/// One vector turns away from another; a third stands still at right angles to both.
fn over_angle(info: &Info, goal: Goal) -> Sweep {
    let inputs = info.inputs.len();
    Sweep {
        axis: match inputs {
            3 => "angle of the positive to the anchor, the negative at right angles".into(),
            _ => "angle between the vectors, in radians".into(),
        },
        by: "angle",
        range: (0.0, std::f64::consts::PI),
        open: false,
        row: Box::new(move |at| {
            let turned = vec![at.cos(), at.sin(), 0.0, 0.0];
            match inputs {
                1 => vec![turned],
                _ => {
                    let still = (2..inputs).map(axis);
                    [axis(0), turned].into_iter().chain(still).collect()
                }
            }
        }),
        goal,
    }
}

/// The last vector moves away from the first; one between stays at distance 1.
fn over_distance(info: &Info, goal: Goal) -> Sweep {
    let inputs = info.inputs.len();
    Sweep {
        axis: match inputs {
            3 => "distance of the negative to the anchor, the positive at 1".into(),
            _ => "distance between the vectors".into(),
        },
        by: "distance",
        range: (0.0, 3.0),
        open: true,
        row: Box::new(move |at| {
            let moved = vec![0.0, at, 0.0, 0.0];
            match inputs {
                // The target is one along the first axis.
                1 => vec![vec![1.0, at, 0.0, 0.0]],
                _ => {
                    let between = (1..inputs - 1).map(|_| axis(0));
                    let first = std::iter::once(vec![0.0; CLASSES]);
                    first.chain(between).chain([moved]).collect()
                }
            }
        }),
        goal,
    }
}

const OVERLAP: &str = "overlap: probability inside of the target, 1 − that outside";

/// Two sets of four of eight elements: their share in common, or the logit of it.
fn over_overlap(info: &Info) -> Sweep {
    let logits = support(info) == Support::Logit;
    let set = |there: f64, not: f64| [vec![there; 4], vec![not; 4]].concat();
    Sweep {
        axis: match logits {
            true => "logit inside of the target, its negative outside".into(),
            false => OVERLAP.into(),
        },
        by: if logits { "x" } else { "p" },
        range: if logits { (-6.0, 6.0) } else { (0.0, 1.0) },
        open: !logits,
        row: Box::new(move |at| vec![set(at, if logits { -at } else { 1.0 - at })]),
        goal: Goal::Values(set(1.0, 0.0)),
    }
}

/// The line that all losses of a family are drawn along.
fn shared(kind: Kind, info: &'static Info) -> Result<Option<Sweep>> {
    Ok(match kind {
        Kind::Classification => Some(over_probability(info)),
        Kind::Embeddings => {
            let goal = ends(info).into_iter().next();
            goal.map(|(_, goal)| over_angle(info, goal))
        }
        Kind::Sets => {
            let mut sweep = over_overlap(info);
            if support(info) == Support::Logit {
                // Over the same probabilities as the others.
                let row = sweep.row;
                (sweep.range, sweep.open, sweep.axis) = ((0.0, 1.0), true, OVERLAP.into());
                sweep.row = Box::new(move |at| row((at / (1.0 - at)).ln()));
            }
            Some(sweep)
        }
        Kind::Distributions => Some(over_student()),
        _ => {
            let mut sweeps = elementwise(info, kind);
            // Of several scales the one that is 1.
            let one = sweeps.iter().position(|(label, _)| label.ends_with("= 1"));
            match sweeps.is_empty() {
                true => None,
                false => Some(sweeps.swap_remove(one.unwrap_or(0)).1),
            }
        }
    })
}

/// The losses of a family with default options: a colour and a kind of line for each.
fn together(kind: Kind, members: &[&&'static Info]) -> Result<Picture> {
    let (name, title) = kind.family();
    let mut picture = Picture {
        name: format!("family-{name}"),
        title: format!("{title}, options at their defaults"),
        axis: String::new(),
        by: "",
        range: (0.0, 1.0),
        colours: Vec::new(),
        lines: Vec::new(),
        curves: Vec::new(),
    };
    let mut axes: Vec<String> = Vec::new();
    let mut each = Vec::new();
    for info in members {
        let Some(sweep) = shared(kind, info)? else {
            continue;
        };
        each.push((
            info.name.to_string(),
            evaluate(fresh(info).as_ref(), &sweep)?,
        ));
        if axes.is_empty() {
            (picture.by, picture.range) = (sweep.by, sweep.range);
        }
        if !axes.contains(&sweep.axis) {
            axes.push(sweep.axis);
        }
    }
    picture.axis = axes.join("; ");
    shrink(&mut each);
    for (name, points) in each {
        // Those that nobody could tell apart share a curve.
        let twin = picture
            .curves
            .iter()
            .position(|c| close(&c.points, &points, 1e-3));
        if let Some(label) = twin.and_then(|twin| picture.colours.get_mut(twin)) {
            *label = format!("{label}, {name}");
            continue;
        }
        let colour = picture.colours.len();
        picture.colours.push(name);
        picture.curves.push(Curve {
            colour: Some(colour),
            line: colour,
            points,
        });
    }
    Ok(picture)
}

/// Divides losses that would dwarf all others by a power of ten, and says so.
fn shrink(each: &mut [(String, Vec<Point>)]) {
    let most = |points: &[Point]| {
        let losses = points.iter().map(|p| p.loss.abs());
        losses.filter(|l| l.is_finite()).fold(0.0, f64::max)
    };
    let mut all: Vec<f64> = each.iter().map(|(_, points)| most(points)).collect();
    all.sort_by(f64::total_cmp);
    let Some(&middle) = all.get(all.len() / 2) else {
        return;
    };
    for (name, points) in each {
        let ratio = most(points) / middle;
        if ratio >= 50.0 && ratio.is_finite() {
            let by = 10f64.powf(ratio.log10().round());
            for point in points {
                point.loss /= by;
                point.slope /= by;
            }
            *name = format!("{name} / {by}");
        }
    }
}
